//! Do the published weaknesses that no case file can tell stay shut, and does the table name what holds each of them?

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use envoy_types::pb::envoy::service::auth::v3::CheckRequest;
use envoy_types::pb::envoy::service::auth::v3::authorization_server::Authorization as _;
use jiff::Timestamp;
use keyward::app::assemble::{Outside, assemble};
use keyward::app::outside::RealServers;
use keyward::audit::AuditWriter;
use keyward::clock::FixedClock;
use keyward::config;
use keyward::deadline::Deadline;
use keyward::directory::UserDirectory;
use keyward::ext_authz::AuthorizationService;
use keyward::ext_authz::service::DecisionMetrics;
use keyward::introspection::{Introspection, IntrospectionError, Introspector};
use keyward::telemetry::metrics::Metrics;
use keyward::token::BearerToken;
use serde_json::{Value, json};

use crate::support::case::{self, fixture};
use crate::support::check::{Seen, Sent, check};
use crate::support::clone_path;
use crate::support::program::{Captured, TestServer, load};
use crate::support::provider::{Answer, ScriptedProvider};

fn order(headers: &[(&str, &[u8])]) -> Sent {
    let mut headers: Vec<_> = headers.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect();
    headers.push(("authorization".to_owned(), b"Bearer t1".to_vec()));
    Sent { method: "GET".to_owned(), target: "/orders/1".to_owned(), headers, ..Sent::default() }
}

/// A Keyward that knows the clerk `t1` and gives orders to clerks under a condition.
async fn with_condition(condition: &str) -> (TestServer, ScriptedProvider) {
    let provider = ScriptedProvider::start().await;
    provider.answer("t1", Answer::json(&json!({ "active": true, "sub": "alice", "roles": ["clerk"] })));
    let rule = json!({ "pattern": "/orders/*", "roles": ["clerk"], "methods": "*", "when": condition });
    let config = fixture("H", &provider.url(), &json!({ "access": { "rules": [rule] } }));
    (TestServer::with(&config, Timestamp::UNIX_EPOCH).await, provider)
}

async fn seen(server: &TestServer, sent: &Sent) -> Seen {
    sent.after(check(server.address, sent.check_request(true)).await)
}

/// T-23: where a negative match meets bytes that it cannot read, it must not hold.
#[tokio::test(flavor = "multi_thread")]
async fn a_matcher_that_meets_bytes_that_are_no_text_opens_nothing() {
    for condition in [
        "!request.headers['x-zone'].matches('^outside')",
        "request.headers['x-zone'] != 'outside'",
        "!('outside' in request.headerList['x-zone'])",
        "!('x-zone' in request.headers) || request.headers['x-zone'] != 'outside'",
    ] {
        let (server, _provider) = with_condition(condition).await;
        assert!(seen(&server, &order(&[("x-zone", b"inside")])).await.allowed, "{condition}");
        for value in [&b"outside\xff"[..], b"\xffoutside", b"\xc0\xaf"] {
            let seen = seen(&server, &order(&[("x-zone", value)])).await;
            assert_eq!((seen.allowed, seen.status), (false, 403), "{condition}: {value:?}");
        }
    }
}

/// T-30: names in certificates may hold anything.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_is_no_text_opens_nothing() {
    let (server, _provider) = with_condition("request.method == 'GET'").await;
    for odd in ["\0", "spiffe://a/\0b", "%00", "-----BEGIN%20CERTIFICATE-----%0A%ff%00"] {
        for (target, expected) in [("/orders/1", 200), ("/admin", 403)] {
            let sent = Sent { target: target.to_owned(), ..order(&[("x-forwarded-client-cert", b"Subject=\"\xff\"")]) };
            let mut question = sent.check_request(true);
            let source = question.attributes.as_mut().unwrap().source.as_mut().unwrap();
            (source.principal, source.certificate) = (odd.to_owned(), odd.to_owned());
            assert_eq!(sent.after(check(server.address, question).await).status, expected, "{odd:?} {target}");
        }
    }
}

/// Breaks where Keyward asks whether a token is active.
struct Broken(RealServers);

struct Panics;

#[async_trait]
impl Introspector for Panics {
    async fn introspect(&self, _: &BearerToken, _: Deadline) -> Result<Introspection, IntrospectionError> {
        panic!("as the test wants it")
    }
}

impl Outside for Broken {
    fn introspector(&self, _: &config::Filter) -> Result<Arc<dyn Introspector>, String> {
        Ok(Arc::new(Panics))
    }

    fn directory(&self, filter: &config::Filter) -> Result<Arc<dyn UserDirectory>, String> {
        self.0.directory(filter)
    }
}

impl DecisionMetrics for Panics {
    fn decided(&self, _: &'static str, _: &'static str, _: Duration) {
        panic!("as the test wants it")
    }

    fn cancelled(&self, _: Duration) {}
}

/// A request, and the parts of a server of which one breaks at it.
type Breaking = (Sent, Box<dyn Outside>, Arc<dyn DecisionMetrics>);

/// T-40: a panic on the way to the decision or after it is one refusal; the server goes on.
#[tokio::test]
async fn a_panic_while_deciding_is_one_refusal() {
    let config = fixture("H", "http://127.0.0.1:1/introspect", &Value::Null);
    let (_directory, loaded) = load(&config, &[], &BTreeMap::new()).unwrap();
    let clock = Arc::new(FixedClock::at(Timestamp::UNIX_EPOCH));
    let real = || RealServers::new(Arc::<FixedClock>::clone(&clock), Arc::new(Metrics::new()));
    let public = Sent { method: "GET".to_owned(), target: "/public/x".to_owned(), ..Sent::default() };
    let breaking: [Breaking; 2] = [
        (order(&[]), Box::new(Broken(real())), Arc::new(Metrics::new())),
        (public.clone(), Box::new(real()), Arc::new(Panics)),
    ];
    for (sent, outside, metrics) in breaking {
        let cell = Arc::new(ArcSwap::from_pointee(assemble(&loaded.config, &*outside).unwrap()));
        let writer = AuditWriter::start_with(loaded.config.audit, Captured::default()).unwrap();
        let service = AuthorizationService::new(cell, Arc::<FixedClock>::clone(&clock), writer, metrics);
        let ask =
            async |question: CheckRequest| service.check(tonic::Request::new(question)).await.map(|a| a.into_inner());
        for raw_headers in [false, true] {
            let answer = ask(sent.check_request(raw_headers)).await.expect("a refusal, and no gRPC error");
            assert_eq!(sent.after(answer).status, 503, "{sent:?}");
        }
    }
}

#[test]
fn every_weakness_is_held_by_what_the_table_names() {
    let readme = fs::read_to_string(clone_path("tests/cases/README.md")).unwrap();
    let cases = case::files().into_iter().flat_map(|file| {
        let cases = case::read(&file).into_iter();
        cases.map(move |case| format!("{file}: {}", case.name)).collect::<Vec<_>>()
    });
    let mut known: BTreeSet<String> = cases.collect();
    for folder in ["src", "tests"] {
        tests_below(&clone_path(folder), &mut known);
    }
    let rows = readme.lines().filter_map(|line| line.strip_prefix("| T-")?.split_once(" | "));
    let rows: BTreeMap<u32, &str> = rows.map(|(number, held)| (number.parse().unwrap(), held)).collect();
    assert_eq!(rows.keys().copied().collect::<Vec<_>>(), (1..=53).collect::<Vec<_>>());
    let names = rows.iter().flat_map(|(row, held)| held.split('`').skip(1).step_by(2).map(move |name| (row, name)));
    let gone: Vec<_> = names.filter(|(_, name)| !known.contains(*name)).collect();
    assert!(gone.is_empty(), "the table names what is not there: {gone:#?}");
    assert!(rows.values().all(|held| held.contains('`')), "a row names nothing");
}

/// The functions under `#[test]` and its like, by name.
fn tests_below(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            tests_below(&entry, names);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&entry).unwrap();
            let after = text.split("#[test]").skip(1).chain(text.split("#[tokio::test").skip(1));
            let name = |text: &str| text.split_once("fn ")?.1.split_once('(').map(|(name, _)| name.to_owned());
            names.extend(after.filter_map(name));
        }
    }
}
