//! Is every CheckRequest answered, whatever is in it, and is none allowed that no rule grants?

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use envoy_types::pb::envoy::config::core::v3::{HeaderMap, HeaderValue};
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Request};
use envoy_types::pb::envoy::service::auth::v3::check_response::HttpResponse;
use envoy_types::pb::envoy::service::auth::v3::{AttributeContext, CheckRequest};
use jiff::Timestamp;
use keyward::app::assemble::assemble;
use keyward::audit::AuditWriter;
use keyward::audit::settings::{AuditTarget, Settings};
use keyward::check::facts::{Recorded, TokenFacts};
use keyward::clock::FixedClock;
use keyward::deadline::Deadline;
use keyward::ext_authz::AuthorizationService;
use keyward::telemetry::metrics::Metrics;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::case::fixture;
use crate::support::program::load;

/// A Keyward that lets anybody read below `/public`, clerks below `/orders`, and takes every token for a clerk's.
fn service() -> AuthorizationService {
    let config = fixture("H", "http://127.0.0.1:1/", &Value::Null);
    let (_directory, loaded) = load(&config, &[], &BTreeMap::new()).unwrap();
    let facts = TokenFacts::read(json!({ "active": true, "sub": "alice", "roles": ["clerk"] })).unwrap();
    let authorizer = assemble(&loaded.config, &Recorded::new(Some(facts), None)).unwrap();
    let audit = AuditWriter::start(Settings { to: AuditTarget::Off, ..Settings::default() }).unwrap();
    let clock = Arc::new(FixedClock::at(Timestamp::UNIX_EPOCH));
    AuthorizationService::new(Arc::new(ArcSwap::from_pointee(authorizer)), clock, audit, Arc::new(Metrics::new()))
}

fn target() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "/", "/", "/", "public", "orders", "admin", "reports", "..", ".", "%2e", "%2F", "%5c", "\\", ";", "?", "#",
        "a", "%", "%00", " ", "*", "\0", "é", "%ff", "%2e%2E", "%70ublic", "//", "http://", "@", ":",
    ]);
    prop_oneof![
        4 => prop::collection::vec(piece, 0..9).prop_map(|pieces| format!("/{}", pieces.concat())),
        1 => "\\PC{0,12}",
        1 => prop::sample::select(vec!["/public/a", "/orders/1", "/admin", "/reports/1"]).prop_map(str::to_owned),
    ]
}

fn headers() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let name = prop::sample::select(vec![
        "authorization",
        "Authorization",
        "cookie",
        "x-user-id",
        "X_User-Id",
        "x-user-roles",
        "x-original-url",
        "host",
        "x-http-method-override",
        ":path",
        "",
        "content-type",
    ]);
    let value = prop_oneof![
        3 => prop::sample::select(vec!["Bearer t1", "bearer t1", "Bearer t1,Bearer t2", "Basic eDp5", "Bearer ", "root", "/public/x"])
            .prop_map(|value| value.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..12),
    ];
    prop::collection::vec((name.prop_map(str::to_owned), value), 0..4)
}

fn question() -> impl Strategy<Value = CheckRequest> {
    let method = prop::sample::select(vec!["GET", "POST", "HEAD", "OPTIONS", "CONNECT", "get", "", "DELETE"]);
    let host = prop::sample::select(vec!["shop.test", "", "a,b", "[::1", "x@shop.test", "shop.test:99999"]);
    (method, target(), host, headers(), headers()).prop_map(|(method, path, host, joined, raw)| {
        let text = |value: Vec<u8>| String::from_utf8_lossy(&value).into_owned();
        let raw = raw.into_iter().map(|(key, raw_value)| HeaderValue { key, raw_value, ..HeaderValue::default() });
        let http = HttpRequest {
            method: method.to_owned(),
            path,
            host: host.to_owned(),
            headers: joined.into_iter().map(|(name, value)| (name, text(value))).collect::<HashMap<_, _>>(),
            header_map: Some(HeaderMap { headers: raw.collect() }),
            ..HttpRequest::default()
        };
        let request = Some(Request { http: Some(http), ..Request::default() });
        CheckRequest { attributes: Some(AttributeContext { request, ..AttributeContext::default() }) }
    })
}

/// Whether a rule of the fixture could grant: told from the question alone, in other words than the program's.
fn may_pass(http: &HttpRequest) -> bool {
    let path = http.path.split('?').next().unwrap_or_default();
    // `public..` is a name like any other.
    let plain = path.replace("%2e", ".").replace("%2E", ".");
    let has_dot_segment = plain.split('/').any(|segment| matches!(segment, "." | "..") || segment.starts_with("..;"));
    let sound =
        !http.path.contains('#') && !path.contains("//") && !path.contains(['\\', '\0', ' ']) && !has_dot_segment;
    let tokens = http.headers.iter().map(|(name, value)| (name, value.as_bytes().to_vec()));
    let header_map = http.header_map.iter().flat_map(|map| &map.headers);
    let tokens: Vec<Vec<u8>> = tokens
        .chain(header_map.map(|header| (&header.key, header.raw_value.clone())))
        .filter(|(name, _)| name.eq_ignore_ascii_case("authorization"))
        .map(|(_, value)| value)
        .collect();
    let decoded = path.replace("%70", "p");
    match tokens.as_slice() {
        [] => sound && decoded.starts_with("/public/"),
        [token] => {
            let bearer = token.to_ascii_lowercase().starts_with(b"bearer t");
            let orders = decoded.starts_with("/orders/") && ["GET", "POST", "get"].contains(&http.method.as_str());
            sound && bearer && !token.contains(&b',') && (decoded.starts_with("/public/") || orders)
        }
        _ => false,
    }
}

#[test]
fn whatever_is_asked_gets_a_status_and_an_allow_only_where_a_rule_grants() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let service = service();
    let mut runner =
        proptest::test_runner::TestRunner::new(ProptestConfig { cases: 4000, ..ProptestConfig::default() });
    let allows = std::cell::Cell::new(0);
    runner
        .run(&question(), |question| {
            let answer = runtime.block_on(service.answer(&question, Deadline::after(Duration::from_secs(5))));
            let http = question.attributes.as_ref().unwrap().request.as_ref().unwrap().http.as_ref().unwrap();
            let code = answer.status.as_ref().expect("a status").code;
            match answer.http_response.expect("an answer") {
                HttpResponse::OkResponse(ok) => {
                    prop_assert_eq!(code, 0);
                    prop_assert!(may_pass(http), "{:?}", http);
                    for name in ["x-user-id", "x-user-roles", "x-user-mail", "x-user-age"] {
                        let set =
                            ok.headers.iter().filter_map(|option| option.header.as_ref()).filter(|h| h.key == name);
                        let removed = ok.headers_to_remove.iter().filter(|held| *held == name);
                        prop_assert_eq!(set.count() + removed.count(), 1, "{}", name);
                    }
                    allows.set(allows.get() + 1);
                }
                HttpResponse::DeniedResponse(denied) => {
                    prop_assert_ne!(code, 0);
                    let status = denied.status.expect("an HTTP status").code;
                    prop_assert!((400..=403).contains(&status), "{}: {:?}", status, http);
                }
                HttpResponse::ErrorResponse(error) => prop_assert!(false, "{:?}", error),
            }
            Ok(())
        })
        .unwrap();
    let allowed: u32 = allows.get();
    assert!(allowed > 50, "only {allowed} were allowed: the questions are too wild to show anything");
}
