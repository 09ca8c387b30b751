//! What does a person with grpcurl see? Everything by reflection, with no proto files.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::blocking;
use crate::support::case::fixture;
use crate::support::grpcurl::grpcurl;
use crate::support::program::TestServer;
use crate::support::provider::{Answer, ScriptedProvider};

const CHECK: &str = "envoy.service.auth.v3.Authorization/Check";

fn question(path: &str, token: Option<&str>) -> String {
    let headers = token.map_or_else(|| json!({}), |token| json!({ "authorization": format!("Bearer {token}") }));
    let http = json!({ "method": "GET", "path": path, "host": "shop.test", "headers": headers });
    json!({ "attributes": { "request": { "http": http } } }).to_string()
}

async fn start() -> (TestServer, ScriptedProvider) {
    let provider = ScriptedProvider::start().await;
    provider.answer("t1", Answer::json(&json!({ "active": true, "sub": "alice", "roles": ["clerk"] })));
    let server = TestServer::with(&fixture("H", &provider.url(), &Value::Null), Timestamp::UNIX_EPOCH).await;
    (server, provider)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_lists_and_describes_itself() {
    let (server, _provider) = start().await;
    let address = server.address;
    let listed = blocking(move || grpcurl(address, None, &["list"])).await.unwrap();
    for service in ["envoy.service.auth.v3.Authorization", "grpc.health.v1.Health"] {
        assert!(listed.lines().any(|line| line == service), "{listed}");
    }
    let described = blocking(move || grpcurl(address, None, &["describe", "envoy.service.auth.v3.CheckRequest"])).await;
    assert!(described.unwrap().contains("attributes = 1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_allow_shows_the_identity_headers() {
    let (server, _provider) = start().await;
    let address = server.address;
    let answer = blocking(move || grpcurl(address, Some(&question("/orders/7", Some("t1"))), &[CHECK])).await.unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["status"]["code"], Value::Null, "code 0 is left out: {answer}");
    let headers = answer["okResponse"]["headers"].as_array().unwrap();
    let id = headers.iter().find(|header| header["header"]["key"] == "x-user-id");
    assert_eq!(id.map(|header| &header["header"]["value"]), Some(&json!("alice")), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_shows_status_body_and_reason() {
    let (server, _provider) = start().await;
    let address = server.address;
    let answer = blocking(move || grpcurl(address, Some(&question("/admin", Some("t1"))), &[CHECK])).await.unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["status"]["code"], 7, "{answer}");
    assert_eq!(answer["deniedResponse"]["status"]["code"], "Forbidden", "{answer}");
    assert!(answer["deniedResponse"]["body"].as_str().unwrap().contains("Access denied"), "{answer}");
    assert_eq!(answer["dynamicMetadata"]["reason"], "no_rule", "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_health_service_answers_for_both_names() {
    let (server, _provider) = start().await;
    let address = server.address;
    for service in ["", "envoy.service.auth.v3.Authorization"] {
        let data = json!({ "service": service }).to_string();
        let answer = blocking(move || grpcurl(address, Some(&data), &["grpc.health.v1.Health/Check"])).await.unwrap();
        assert!(answer.contains("SERVING"), "{service}: {answer}");
    }
}
