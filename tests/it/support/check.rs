//! What does Keyward answer over gRPC? A hand-made CheckRequest, and the answer read as Envoy reads it.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use envoy_types::pb::envoy::config::core::v3::{HeaderMap, HeaderValue, HeaderValueOption};
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Peer, Request};
use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use envoy_types::pb::envoy::service::auth::v3::check_response::HttpResponse;
use envoy_types::pb::envoy::service::auth::v3::{AttributeContext, CheckRequest, CheckResponse};
use envoy_types::pb::google::protobuf::value::Kind;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

/// A request as a client sends it.
#[derive(Debug, Clone, Default)]
pub struct Sent {
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: String,
    pub extensions: BTreeMap<String, String>,
    /// The client's certificate, PEM; empty where it showed none.
    pub certificate: String,
}

/// What became of it.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Whether the upstream got it.
    pub allowed: bool,
    /// The status that the client sees where Keyward answered.
    pub status: u16,
    /// The headers the upstream got.
    pub upstream: Vec<(String, String)>,
    /// The headers the client got from Keyward.
    pub client: Vec<(String, String)>,
    /// The body the client got.
    pub body: String,
    /// What later filters may read; `None` where Envoy stands between.
    pub metadata: Option<Value>,
}

impl Sent {
    /// The CheckRequest that Envoy makes of it: `headers`, lower-cased and joined, or with `encode_raw_headers` the raw list.
    pub fn check_request(&self, raw_headers: bool) -> CheckRequest {
        let lower: Vec<(String, Vec<u8>)> =
            self.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect();
        let host = lower.iter().find(|(name, _)| name == "host").map(|(_, value)| value.clone());
        let host = host.unwrap_or_else(|| b"shop.test".to_vec());
        let mut all = vec![
            (":authority".to_owned(), host.clone()),
            (":method".to_owned(), self.method.clone().into_bytes()),
            (":path".to_owned(), self.target.clone().into_bytes()),
            (":scheme".to_owned(), b"http".to_vec()),
        ];
        all.extend(lower.into_iter().filter(|(name, _)| name != "host"));
        let mut http = HttpRequest {
            id: "1".to_owned(),
            method: self.method.clone(),
            path: self.target.clone(),
            host: String::from_utf8_lossy(&host).into_owned(),
            scheme: "http".to_owned(),
            protocol: "HTTP/1.1".to_owned(),
            body: self.body.clone(),
            ..HttpRequest::default()
        };
        if raw_headers {
            let headers =
                all.into_iter().map(|(key, raw_value)| HeaderValue { key, raw_value, ..HeaderValue::default() });
            http.header_map = Some(HeaderMap { headers: headers.collect() });
        } else {
            http.headers = joined(all);
        }
        CheckRequest {
            attributes: Some(AttributeContext {
                source: Some(Peer {
                    certificate: utf8_percent_encode(&self.certificate, NON_ALPHANUMERIC).to_string(),
                    ..Peer::default()
                }),
                request: Some(Request { http: Some(http), ..Request::default() }),
                context_extensions: self.extensions.clone().into_iter().collect(),
                ..AttributeContext::default()
            }),
        }
    }

    /// What Envoy makes of `answer`: the request with its edits, or the refusal.
    pub fn after(&self, answer: CheckResponse) -> Seen {
        let status = answer.status.expect("an answer without a status is an allow to Envoy");
        let metadata = answer.dynamic_metadata.map(|metadata| json(Kind::StructValue(metadata)));
        match answer.http_response.expect("every answer says what becomes of the request") {
            HttpResponse::OkResponse(ok) => {
                assert_eq!(status.code, 0, "an `ok_response` beside the code of a denial");
                let mut upstream: Vec<(String, String)> = self.headers.iter().map(lossy).collect();
                for (name, value) in ok.headers.into_iter().map(header) {
                    upstream.retain(|(held, _)| *held != name);
                    upstream.push((name, value));
                }
                upstream.retain(|(held, _)| !ok.headers_to_remove.iter().any(|name| name.eq_ignore_ascii_case(held)));
                Seen { allowed: true, status: 200, upstream, metadata, ..Seen::default() }
            }
            HttpResponse::DeniedResponse(refusal) | HttpResponse::ErrorResponse(refusal) => {
                assert_ne!(status.code, 0, "Envoy lets a denial with the code OK pass");
                let code = refusal.status.expect("a refusal has a status").code;
                let client = refusal.headers.into_iter().map(header).collect();
                Seen { status: u16::try_from(code).unwrap(), client, body: refusal.body, metadata, ..Seen::default() }
            }
        }
    }
}

/// Asks the server at `address`.
pub async fn check(address: SocketAddr, question: CheckRequest) -> CheckResponse {
    let mut client = AuthorizationClient::connect(format!("http://{address}")).await.unwrap();
    client.check(question).await.expect("no failure is ever a gRPC error (J17)").into_inner()
}

fn json(kind: Kind) -> Value {
    let inner = |value: Option<Kind>| value.map_or(Value::Null, json);
    match kind {
        Kind::NullValue(_) => Value::Null,
        Kind::NumberValue(number) => number.into(),
        Kind::StringValue(text) => text.into(),
        Kind::BoolValue(flag) => flag.into(),
        Kind::ListValue(list) => list.values.into_iter().map(|item| inner(item.kind)).collect(),
        Kind::StructValue(members) => {
            let members = members.fields.into_iter().map(|(name, member)| (name, inner(member.kind)));
            Value::Object(members.collect::<Map<_, _>>())
        }
    }
}

fn joined(all: Vec<(String, Vec<u8>)>) -> HashMap<String, String> {
    let mut map: HashMap<String, String> = HashMap::new();
    for (name, value) in all {
        // Envoy puts `!` in place of what is not UTF-8 (T-21).
        let value = String::from_utf8_lossy(&value).replace('\u{fffd}', "!");
        map.entry(name).and_modify(|held| *held = format!("{held},{value}")).or_insert(value);
    }
    map
}

fn lossy((name, value): &(String, Vec<u8>)) -> (String, String) {
    (name.to_ascii_lowercase(), String::from_utf8_lossy(value).into_owned())
}

fn header(option: HeaderValueOption) -> (String, String) {
    let header = option.header.unwrap();
    assert!(header.raw_value.is_empty(), "Envoy drops `raw_value` in an answer");
    (header.key, header.value)
}
