//! What does Envoy make of our answers, and of our absence?

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::case::fixture;
use crate::support::echo::EchoUpstream;
use crate::support::envoy::{Authz, EnvoyProcess, Listener};
use crate::support::program::TestServer;
use crate::support::provider::{Answer, ScriptedProvider};
use crate::support::raw_http::{self, Response};
use crate::support::{blocking, unused_address};

/// An upstream, an authorization server that knows `good`, and is `broken` about the token of that name.
struct Around {
    upstream: EchoUpstream,
    provider: ScriptedProvider,
}

impl Around {
    async fn start() -> Self {
        let provider = ScriptedProvider::start().await;
        provider.answer("good", Answer::json(&json!({ "active": true, "sub": "alice", "roles": ["clerk"] })));
        provider.answer("broken", Answer { status: 500, ..Answer::text("text/plain", b"oops") });
        let hours = Duration::from_secs(3600);
        provider.answer("slow", Answer { delay: hours, ..Answer::json(&json!({ "active": true, "sub": "alice" })) });
        Self { upstream: EchoUpstream::start().await, provider }
    }

    fn config(&self, with: &Value) -> Value {
        fixture("H", &self.provider.url(), with)
    }

    /// Sends `GET target` with the bearer token through an Envoy that has this one listener.
    async fn get(&self, listener: Listener, target: &str, token: Option<&str>) -> Response {
        let (upstream, target) = (self.upstream.address, target.to_owned());
        let authorization = token.map(|token| ("Authorization".to_owned(), format!("Bearer {token}").into_bytes()));
        let headers: Vec<_> = authorization.into_iter().collect();
        blocking(move || {
            let envoy = EnvoyProcess::start(std::slice::from_ref(&listener), upstream);
            raw_http::exchange(envoy.address(&listener.name), "GET", &target, &headers, b"")
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keyward_envoy_lets_nothing_through() {
    let around = Around::start().await;
    let listener = Listener { timeout: Duration::from_secs(2), ..Listener::to("down", Authz::Tcp(unused_address())) };
    let answer = around.get(listener, "/public/x", None).await;
    assert_eq!((answer.status, around.upstream.requests()), (403, 0), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_a_refusal_though_envoy_would_let_failures_pass() {
    let around = Around::start().await;
    let server = TestServer::with(&around.config(&Value::Null), Timestamp::UNIX_EPOCH).await;
    let listener = Listener { failure_mode_allow: true, ..Listener::to("lenient", Authz::Tcp(server.address)) };
    let answer = around.get(listener, "/orders/1", Some("broken")).await;
    assert_eq!((answer.status, around.upstream.requests()), (503, 0), "{answer:?}");
    assert_eq!(answer.json()["code"], 503);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_told_as_an_error_is_envoys_to_judge() {
    let around = Around::start().await;
    let config = around.config(&json!({ "outage": { "answer": "error", "status": 502 } }));
    let server = TestServer::with(&config, Timestamp::UNIX_EPOCH).await;
    let strict = Listener::to("strict", Authz::Tcp(server.address));
    let answer = around.get(strict.clone(), "/orders/1", Some("broken")).await;
    assert_eq!((answer.status, around.upstream.requests()), (502, 0), "{answer:?}");

    let lenient = Listener { failure_mode_allow: true, ..strict };
    let answer = around.get(lenient, "/orders/1", Some("broken")).await;
    assert_eq!((answer.status, around.upstream.requests()), (200, 1), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_authorization_server_is_an_outage_before_envoy_gives_up() {
    let around = Around::start().await;
    let server = TestServer::with(&around.config(&Value::Null), Timestamp::UNIX_EPOCH).await;
    let listener = Listener {
        timeout: Duration::from_secs(1),
        failure_mode_allow: true,
        ..Listener::to("hasty", Authz::Tcp(server.address))
    };
    let answer = around.get(listener, "/orders/1", Some("slow")).await;
    assert_eq!((answer.status, around.upstream.requests()), (503, 0), "{answer:?}");
    assert_eq!(answer.json()["code"], 503, "the answer is Keyward's, in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn envoy_asks_over_a_unix_socket() {
    let around = Around::start().await;
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("ext_authz.sock");
    let listen = json!({ "listen": { "extAuthz": format!("unix:{}", socket.display()), "admin": "127.0.0.1:0" } });
    let mut config = around.config(&Value::Null);
    crate::support::yaml::merge(&mut config, &listen);
    let _server = TestServer::with(&config, Timestamp::UNIX_EPOCH).await;
    let answer = around.get(Listener::to("unix", Authz::Unix(socket)), "/orders/1", Some("good")).await;
    assert_eq!((answer.status, around.upstream.requests()), (200, 1), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_chooses_its_filter_and_the_client_does_not() {
    let around = Around::start().await;
    let one = around.config(&Value::Null);
    let filter = |name: &str, role: &str| {
        let rules = json!([{ "pattern": "/orders/*", "roles": [role], "methods": "*" }]);
        let mut filter = one.clone();
        let members = filter.as_object_mut().unwrap();
        members.remove("listen");
        members.remove("audit");
        filter["name"] = name.into();
        filter["access"]["rules"] = rules;
        filter
    };
    let filters = json!([filter("clerks", "clerk"), filter("admins", "admin")]);
    let config = json!({ "listen": one["listen"], "audit": one["audit"], "filters": filters });
    let server = TestServer::with(&config, Timestamp::UNIX_EPOCH).await;
    let extensions = |name: &str| BTreeMap::from([("keyward_filter".to_owned(), name.to_owned())]);
    let listener = |name: &str| Listener {
        routes: vec![("/".to_owned(), extensions(name))],
        ..Listener::to(name, Authz::Tcp(server.address))
    };
    assert_eq!(around.get(listener("clerks"), "/orders/1", Some("good")).await.status, 200);
    assert_eq!(around.get(listener("admins"), "/orders/1", Some("good")).await.status, 403);
    let unknown = around.get(listener("nobody"), "/orders/1", Some("good")).await;
    assert_eq!((unknown.status, around.upstream.requests()), (403, 1), "{unknown:?}");
    let forged = around.get(listener("admins"), "/orders/1?keyward_filter=clerks", Some("good")).await;
    assert_eq!(forged.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn envoy_counts_our_answers_as_decisions_and_never_as_errors() {
    let around = Around::start().await;
    let server = TestServer::with(&around.config(&Value::Null), Timestamp::UNIX_EPOCH).await;
    let (address, upstream) = (server.address, around.upstream.address);
    let counts = blocking(move || {
        let envoy = EnvoyProcess::start(&[Listener::to("counted", Authz::Tcp(address))], upstream);
        let get = |target: &str, token: &str| {
            let headers = [("Authorization".to_owned(), format!("Bearer {token}").into_bytes())];
            raw_http::exchange(envoy.address("counted"), "GET", target, &headers, b"").status
        };
        let statuses = [get("/orders/1", "good"), get("/admin", "good"), get("/orders/1", "broken"), get("/x", "gone")];
        assert_eq!(statuses, [200, 403, 503, 401]);
        ["ok", "denied", "error", "invalid"].map(|name| envoy.counter(&format!("http.counted.ext_authz.{name}")))
    })
    .await;
    assert_eq!(counts, [1, 3, 0, 0], "ok, denied, error, invalid");
}

/// Envoy takes a parameter away by the name as it is written, and the credential is found by the decoded name.
#[tokio::test(flavor = "multi_thread")]
async fn a_credential_in_the_query_reaches_no_upstream_in_any_spelling() {
    let around = Around::start().await;
    let with = json!({ "removeCredential": true, "rsFilter": { "credential": { "queryParameter": "access_token" } } });
    let server = TestServer::with(&around.config(&with), Timestamp::UNIX_EPOCH).await;
    for written in ["access_token", "access%5Ftoken", "%61ccess_token", "access%5ftoken"] {
        let target = format!("/orders/1?a=1&{written}=good&b=%32");
        let answer = around.get(Listener::to("front", Authz::Tcp(server.address)), &target, None).await;
        assert_eq!(answer.status, 200, "{written}: {answer:?}");
        let seen = answer.json()["target"].as_str().unwrap().to_owned();
        assert!(!seen.contains("good") && seen.contains("a=1") && seen.contains("b=%32"), "{written}: {seen}");
    }
}
