//! What becomes of a CheckRequest that no Envoy should send? A refusal, never an allow, never a gRPC error, never the end.

use std::collections::HashMap;
use std::net::SocketAddr;

use bytes::BufMut as _;
use envoy_types::pb::envoy::config::core::v3::{HeaderMap, HeaderValue, Metadata};
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Request};
use envoy_types::pb::envoy::service::auth::v3::check_response::HttpResponse;
use envoy_types::pb::envoy::service::auth::v3::{AttributeContext, CheckRequest, CheckResponse};
use envoy_types::pb::google::protobuf::value::Kind;
use envoy_types::pb::google::protobuf::{Struct, Value as ProtoValue};
use jiff::Timestamp;
use prost::Message as _;
use serde_json::{Value, json};
use tonic::Status;
use tonic::codec::{Codec, EncodeBuf, Encoder};
use tonic_prost::ProstCodec;

use crate::support::case::fixture;
use crate::support::check::{Sent, check};
use crate::support::program::TestServer;
use crate::support::provider::{Answer, ScriptedProvider};

/// Sends bytes as they are and reads the answer as what it should be.
#[derive(Default)]
struct RawCodec;

impl Codec for RawCodec {
    type Encode = Vec<u8>;
    type Decode = CheckResponse;
    type Encoder = Self;
    type Decoder = <ProstCodec<CheckResponse, CheckResponse> as Codec>::Decoder;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstCodec::<CheckResponse, CheckResponse>::default().decoder()
    }
}

impl Encoder for RawCodec {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, bytes: Vec<u8>, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put_slice(&bytes);
        Ok(())
    }
}

/// SECURITY: Envoy lets gRPC errors pass under `failure_mode_allow`, so bytes that are no CheckRequest must be denied.
#[tokio::test]
async fn bytes_that_are_no_check_request_are_denied_and_not_a_grpc_error() {
    let (server, _provider) = start().await;
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{}", server.address)).unwrap();
    let mut client = tonic::client::Grpc::new(channel.connect().await.unwrap());
    let good = question(Some(HttpRequest {
        method: "GET".to_owned(),
        path: "/public/x".to_owned(),
        ..HttpRequest::default()
    }))
    .encode_to_vec();
    let at = good.windows(6).position(|bytes| bytes == b"public").unwrap();
    let mut not_utf8 = good.clone();
    not_utf8[at] = 0xff;
    let truncated = good[..good.len() - 3].to_vec();
    for (bytes, code) in [(good, 0), (not_utf8, 3), (truncated, 3), (vec![0xff; 40], 3), (Vec::new(), 3)] {
        client.ready().await.unwrap();
        let path = http::uri::PathAndQuery::from_static("/envoy.service.auth.v3.Authorization/Check");
        let answer = client.unary(tonic::Request::new(bytes.clone()), path, RawCodec).await;
        let answer = answer.unwrap_or_else(|error| panic!("{bytes:?}: {error}")).into_inner();
        assert_eq!(answer.status.map(|status| status.code), Some(code), "{bytes:?}");
    }
}

/// A Keyward that lets anybody read below `/public`, clerks below `/orders`, and knows the clerk `t1`.
async fn start() -> (TestServer, ScriptedProvider) {
    let provider = ScriptedProvider::start().await;
    provider.answer("t1", Answer::json(&json!({ "active": true, "sub": "alice", "roles": ["clerk"] })));
    let server = TestServer::with(&fixture("H", &provider.url(), &Value::Null), Timestamp::UNIX_EPOCH).await;
    (server, provider)
}

/// The HTTP status of the refusal; 200 for an allow.
async fn status(address: SocketAddr, question: CheckRequest) -> u16 {
    Sent::default().after(check(address, question).await).status
}

fn get(target: &str, headers: &[(&str, &[u8])]) -> Sent {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect();
    Sent { method: "GET".to_owned(), target: target.to_owned(), headers, ..Sent::default() }
}

fn question(http: Option<HttpRequest>) -> CheckRequest {
    let request = Some(Request { http, ..Request::default() });
    CheckRequest { attributes: Some(AttributeContext { request, ..AttributeContext::default() }) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_without_a_request_is_refused() {
    let (server, _provider) = start().await;
    let no_request = CheckRequest { attributes: Some(AttributeContext::default()) };
    for (name, question) in [
        ("nothing", CheckRequest::default()),
        ("no request", no_request),
        ("no http", question(None)),
        ("an empty http", question(Some(HttpRequest::default()))),
    ] {
        assert_eq!(status(server.address, question).await, 400, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connect_without_a_path_is_refused() {
    let (server, _provider) = start().await;
    for method in ["CONNECT", "", "get", "GET\0", "PRI"] {
        let http =
            HttpRequest { method: method.to_owned(), host: "shop.test:443".to_owned(), ..HttpRequest::default() };
        assert_eq!(status(server.address, question(Some(http))).await, 400, "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_text_open_nothing() {
    let (server, provider) = start().await;
    for token in [&b"Bearer \xff\xfe"[..], b"Bearer t1\0", b"Bearer t1\xc0\xaf", b"\xff", b"Bearer t1\r\nx-user-id: y"]
    {
        for raw_headers in [false, true] {
            let sent = get("/orders/1", &[("authorization", token)]);
            let status = status(server.address, sent.check_request(raw_headers)).await;
            assert!([400, 401].contains(&status), "{token:?}: {status}");
        }
    }
    assert_eq!(provider.calls().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_text_in_other_headers_are_nobodys_business() {
    let (server, _provider) = start().await;
    for raw_headers in [false, true] {
        let sent =
            get("/orders/1", &[("authorization", b"Bearer t1"), ("x-note", b"\xff\xfe"), ("x_user_id", b"\xff")]);
        let seen = sent.after(check(server.address, sent.check_request(raw_headers)).await);
        assert!(seen.allowed, "{seen:?}");
        assert!(!seen.upstream.iter().any(|(name, _)| name == "x_user_id"), "{seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_in_each_header_form_is_two() {
    let (server, _provider) = start().await;
    let both = |value: &str| {
        let sent = get("/orders/1", &[("authorization", b"Bearer t1")]);
        let mut question = sent.check_request(true);
        let http = question.attributes.as_mut().unwrap().request.as_mut().unwrap().http.as_mut().unwrap();
        http.headers = HashMap::from([("authorization".to_owned(), value.to_owned())]);
        question
    };
    assert_eq!(status(server.address, both("Bearer t2")).await, 400);
    assert_eq!(status(server.address, both("Bearer t1")).await, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn control_characters_in_the_path_are_refused() {
    let (server, _provider) = start().await;
    for target in ["/public/x\0", "/public/x\r\nHost: y", "/public/\u{7f}", "/public/a b", "/public/x\t", "\n/public/x"]
    {
        let sent = get(target, &[]);
        assert_eq!(status(server.address, sent.check_request(true)).await, 400, "{target:?}");
    }
    let untouched = status(server.address, get("/public/x", &[]).check_request(true)).await;
    assert_eq!(untouched, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheme_in_any_spelling_changes_nothing() {
    let (server, _provider) = start().await;
    for scheme in ["HTTPS", "hTTp", "", "javascript", "http\0"] {
        for (target, expected) in [("/public/x", 200), ("/admin", 403)] {
            let mut question = get(target, &[]).check_request(false);
            let http = question.attributes.as_mut().unwrap().request.as_mut().unwrap().http.as_mut().unwrap();
            http.scheme = scheme.to_owned();
            assert_eq!(status(server.address, question).await, expected, "{scheme:?} {target}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_metadata_breaks_nothing() {
    let (server, _provider) = start().await;
    let odd =
        [Kind::NumberValue(f64::NAN), Kind::NumberValue(f64::INFINITY), Kind::StringValue("\0\u{fffd}".to_owned())];
    let fields = odd.into_iter().enumerate().map(|(at, kind)| (at.to_string(), ProtoValue { kind: Some(kind) }));
    let fields = Struct { fields: fields.chain([("nothing".to_owned(), ProtoValue { kind: None })]).collect() };
    let metadata = Metadata { filter_metadata: HashMap::from([(String::new(), fields)]), ..Metadata::default() };
    let mut question = get("/admin", &[]).check_request(false);
    let attributes = question.attributes.as_mut().unwrap();
    attributes.metadata_context = Some(metadata.clone());
    attributes.route_metadata_context = Some(metadata);
    attributes.context_extensions = HashMap::from([("\0".to_owned(), "\u{fffd}".to_owned())]);
    assert_eq!(status(server.address, question).await, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_enormous_question_is_answered_like_a_small_one() {
    let (server, _provider) = start().await;
    let many =
        (0..5000).map(|at| HeaderValue { key: format!("x-{at}"), value: "v".repeat(100), ..HeaderValue::default() });
    let http = HttpRequest {
        method: "GET".to_owned(),
        path: format!("/admin/{}", "a/".repeat(200_000)),
        header_map: Some(HeaderMap { headers: many.collect() }),
        ..HttpRequest::default()
    };
    assert_eq!(status(server.address, question(Some(http))).await, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_says_so_in_both_places() {
    let (server, _provider) = start().await;
    let answer = check(server.address, CheckRequest::default()).await;
    assert_ne!(answer.status.as_ref().map(|status| status.code), Some(0));
    assert!(matches!(answer.http_response, Some(HttpResponse::DeniedResponse(_))), "{answer:?}");
}
