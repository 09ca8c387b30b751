//! What is written of each kind of decision?

use std::collections::BTreeSet;
use std::time::Instant;

use envoy_types::pb::envoy::service::auth::v3::CheckRequest;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::support::blocking;
use crate::support::case::fixture;
use crate::support::check::{Sent, check};
use crate::support::judges::audit_events;
use crate::support::program::TestServer;
use crate::support::provider::{Answer, ScriptedProvider};
use crate::support::server::PATIENCE;

/// A server with rules for clerks, for everyone, and for everyone but below `/public/closed`; and what others say of tokens.
async fn start() -> (TestServer, ScriptedProvider) {
    let provider = ScriptedProvider::start().await;
    let of = |sub: &str, roles: &[&str]| json!({ "active": true, "sub": sub, "roles": roles, "scope": "openid", "client_id": "web" });
    provider.answer("clerk", Answer::json(&of("alice", &["clerk"])));
    provider.answer("visitor", Answer::json(&of("bob", &[])));
    provider.answer("robot", Answer::json(&of("the-robot", &["clerk"])));
    provider.answer("nameless", Answer::json(&of("", &[])));
    provider.answer("refresh", {
        let mut refresh = of("alice", &["clerk"]);
        refresh["token_type"] = json!("refresh_token");
        Answer::json(&refresh)
    });
    provider.answer("broken", Answer { status: 500, ..Answer::text("text/plain", b"oops") });
    let mut config = fixture("H", &provider.url(), &Value::Null);
    config["access"]["rules"] = json!([
        { "name": "orders", "pattern": "/orders/*", "roles": ["clerk"], "methods": ["GET"] },
        { "name": "scoped", "pattern": "/scoped/*", "roles": ["clerk"], "methods": "*", "scopes": ["more"] },
        { "name": "failing", "pattern": "/failing/*", "roles": "*", "methods": "*", "when": "request.headers['x-not'] == 'x'" },
        { "name": "public", "pattern": "/public/*", "roles": "*", "methods": ["GET"], "excludePatterns": ["/public/closed/*"] },
    ]);
    config["rsFilter"]["staticUserMapping"] =
        json!([{ "subject": "the-robot", "localUser": "internal/user/robot", "roles": ["clerk"] }]);
    config["audit"] = json!({ "redact": false });
    (TestServer::with(&config, Timestamp::UNIX_EPOCH).await, provider)
}

/// What was written of one check; `lines` are those that were known before.
async fn event(server: &TestServer, question: CheckRequest, lines: &mut usize) -> Map<String, Value> {
    check(server.address, question).await;
    let started = Instant::now();
    loop {
        let text = server.audit.text();
        let whole: Vec<&str> = text.split_inclusive('\n').filter(|line| line.ends_with('\n')).collect();
        if let Some(line) = whole.get(*lines) {
            *lines += 1;
            return serde_json::from_str(line).unwrap();
        }
        assert!(started.elapsed() < PATIENCE, "nothing was written: {text}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_decision_is_written_as_the_schema_says_with_what_was_found_and_no_more() {
    let (server, _provider) = start().await;
    let (always, nobody) = ("decision decisionId durationMicros event host method path reason time", "");
    let found = "authenticationId component credential filter id introspection roles";
    let user = format!("{found} clientId");
    // Without a role there is no list of them.
    let visitor = user.replace(" roles", "");
    let anonymous = "authenticationId component filter id";
    let refused = |more: &str| format!("{more} detail status");
    let token = "clientId credential detail filter introspection status";
    let bad = "credential detail filter introspection status";
    let mut lines = 0;
    for (what, authorization, target, reason, members) in [
        ("a token that is asked about", "Bearer clerk", "/orders/1", "granted", format!("{user} rule")),
        ("one that is known", "Bearer clerk", "/orders/1?access_token=clerk", "granted", format!("{user} rule")),
        ("a static user", "Bearer robot", "/orders/1", "granted", format!("{user} rule")),
        ("nobody, where anybody may read", nobody, "/public/1", "granted", format!("{anonymous} rule")),
        ("somebody, where anybody may read", "Bearer clerk", "/public/1", "granted", format!("{user} rule")),
        ("a bad token, where anybody may read", "Bearer gone", "/public/1", "token_inactive", bad.to_owned()),
        ("one that is known to be bad", "Bearer gone", "/public/1", "token_inactive", bad.to_owned()),
        ("what a rule excludes", nobody, "/public/closed/1", "no_rule", refused(anonymous)),
        ("no role", "Bearer visitor", "/orders/1", "no_rule", refused(&visitor)),
        ("no scope", "Bearer clerk", "/scoped/1", "rule_scope_missing", refused(&user)),
        ("a condition that fails", "Bearer clerk", "/failing/1", "condition_failed", refused(&user)),
        ("another scheme", "Basic eDp5", "/orders/1", "credential_scheme", "detail filter status".to_owned()),
        ("no token at all", "Bearer a b", "/orders/1", "credential_malformed", "detail filter status".to_owned()),
        ("another kind of token", "Bearer refresh", "/orders/1", "token_type", token.to_owned()),
        ("a token about nobody", "Bearer nameless", "/orders/1", "subject_unmapped", token.to_owned()),
        ("a path of two readings", "Bearer clerk", "/orders/../1", "path_refused", "detail filter status".to_owned()),
        (
            "a server that fails",
            "Bearer broken",
            "/orders/1",
            "introspection_status",
            "credential detail filter".to_owned(),
        ),
    ] {
        let headers =
            (!authorization.is_empty()).then(|| ("authorization".to_owned(), authorization.as_bytes().to_vec()));
        let sent = Sent {
            method: "GET".to_owned(),
            target: target.to_owned(),
            headers: headers.into_iter().collect(),
            ..Sent::default()
        };
        let event = event(&server, sent.check_request(true), &mut lines).await;
        let expected: BTreeSet<&str> = members.split(' ').chain(always.split(' ')).collect();
        let held: BTreeSet<&str> = event.keys().map(String::as_str).collect();
        assert_eq!((event["reason"].as_str(), held), (Some(reason), expected), "{what}: {event:?}");
        assert!(!event["path"].as_str().unwrap().contains("token"), "{what}: {event:?}");
    }
    let nothing = event(&server, CheckRequest::default(), &mut lines).await;
    assert_eq!(nothing["reason"], "request_missing");
    let traced = ["x-request-id: r1", "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"];
    let headers =
        traced.map(|line| line.split_once(": ").unwrap()).map(|(name, value)| (name.to_owned(), value.into()));
    let sent =
        Sent { method: "GET".to_owned(), target: "/public/1".to_owned(), headers: headers.into(), ..Sent::default() };
    let traced = event(&server, sent.check_request(true), &mut lines).await;
    assert_eq!((&traced["requestId"], &traced["traceId"]), (&json!("r1"), &json!("4bf92f3577b34da6a3ce929d0e0e4736")));
    let events = server.audit.text();
    blocking(move || audit_events(&events)).await.unwrap();
}
