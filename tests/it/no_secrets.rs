//! Does a token or a secret show anywhere? Decisions of every kind, with all that Keyward says about them caught.

use std::sync::OnceLock;

use jiff::Timestamp;
use keyward::access::Which;
use keyward::explain::{Style, write_text};
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use crate::support::case::fixture;
use crate::support::check::{Sent, check};
use crate::support::program::{Captured, TestServer};
use crate::support::provider::{Answer, ScriptedProvider};
use crate::support::{blocking, raw_http, unused_address};

const SECRET: &str = "s3cr3t-Zebra-of-the-client";
const TOKEN: &str = "t0k3n-Giraffe";

/// Every log line of this process, whoever writes it.
#[derive(Clone)]
struct Logs(Captured);

impl<'a> MakeWriter<'a> for Logs {
    type Writer = Captured;

    fn make_writer(&'a self) -> Captured {
        self.0.clone()
    }
}

fn logs() -> Captured {
    static LOGS: OnceLock<Captured> = OnceLock::new();
    let logs = LOGS.get_or_init(|| {
        let captured = Captured::default();
        let filter = tracing_subscriber::EnvFilter::new("keyward=trace,debug");
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(Logs(captured.clone())).json().init();
        captured
    });
    logs.clone()
}

async fn ask(server: &TestServer, target: &str, authorization: &str) -> String {
    let headers = vec![("authorization".to_owned(), authorization.as_bytes().to_vec())];
    let sent = Sent { method: "GET".to_owned(), target: target.to_owned(), headers, ..Sent::default() };
    let answer = check(server.address, sent.check_request(true)).await;
    format!("{answer:?}")
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_token_nor_secret_shows_in_log_audit_metrics_admin_explanations_or_answer() {
    let logs = logs();
    let provider = ScriptedProvider::start().await;
    let token = |kind: &str| format!("{TOKEN}-{kind}");
    provider.answer(&token("good"), Answer::json(&json!({ "active": true, "sub": "alice", "roles": ["clerk"] })));
    // A server that repeats what it was sent, as some do in their errors.
    let echo =
        json!({ "error": "invalid_client", "error_description": format!("{SECRET} does not open {}", token("echo")) });
    provider.answer(&token("echo"), Answer { status: 401, ..Answer::json(&echo) });
    let broken = format!("{{\"active\": true, \"token\": \"{}\", \"active\": false}}", token("broken"));
    provider.answer(&token("broken"), Answer::text("application/json", broken.as_bytes()));
    let wrong = json!({ "active": true, "sub": 1, "token": token("wrong"), "exp": token("wrong") });
    provider.answer(&token("wrong"), Answer::json(&wrong));

    let with = json!({
        "rsFilter": { "clientSecret": SECRET }, "removeCredential": true, "explain": { "allows": 1 },
    });
    let mut config = fixture("H", &provider.url(), &with);
    config["audit"]["to"] = "stdout".into();
    let server = TestServer::with(&config, Timestamp::UNIX_EPOCH).await;
    config["rsFilter"]["tokenIntrospectUrl"] = format!("http://{}/introspect", unused_address()).into();
    let lonely = TestServer::with(&config, Timestamp::UNIX_EPOCH).await;
    config["rsFilter"]["clientAuthentication"] = "client_secret_post".into();
    let posting = TestServer::with(&config, Timestamp::UNIX_EPOCH).await;

    let mut said = String::new();
    for kind in ["good", "good", "gone", "echo", "broken", "wrong"] {
        for target in ["/orders/1", "/admin", "//x"] {
            said += &ask(&server, target, &format!("Bearer {}", token(kind))).await;
        }
    }
    for odd in
        [format!("Bearer {TOKEN},{TOKEN}"), format!("Basic {TOKEN}"), format!("Bearer {TOKEN}\u{e4}"), TOKEN.to_owned()]
    {
        said += &ask(&server, "/orders/1", &odd).await;
    }
    said += &ask(&lonely, "/orders/1", &format!("Bearer {}", token("good"))).await;
    said += &ask(&posting, "/orders/1", &format!("Bearer {}", token("good"))).await;

    let admin = server.admin.unwrap();
    for page in ["/metrics", "/readyz", "/livez", "/"] {
        said += &blocking(move || raw_http::get(admin, page)).await.body;
    }
    said += &server.metrics.encode();
    let mut explained = 0;
    for recent in [&server.recent, &lonely.recent, &posting.recent] {
        for decision in recent.list(|_| true, usize::MAX).0 {
            let told = recent.find(&decision.id, Which::All).unwrap();
            let mut text = Vec::new();
            write_text(&told, Style::Plain, &mut text).unwrap();
            said += &format!("{told:?}{:#}{}", told.to_json(), String::from_utf8(text).unwrap());
            explained += 1;
        }
        said += &format!("{recent:?}");
    }
    assert!(explained > 20, "decisions of every kind were kept: {explained}");
    let audits = [&server, &lonely, &posting].map(|server| server.audit.clone());
    drop((server, lonely, posting));
    let written: String = audits.iter().map(Captured::text).collect();
    assert!(written.lines().count() > 10, "the audit was caught: {written}");
    let logged: String = logs.text().lines().filter(|line| line.contains("keyward") || line.contains(TOKEN)).collect();
    for (place, text) in [("answers, metrics and admin pages", &said), ("the audit", &written), ("the log", &logged)] {
        for word in [SECRET, TOKEN] {
            let context = text.find(word).map(|at| text.get(at.saturating_sub(300)..(at + 100).min(text.len())));
            assert_eq!(context, None, "`{word}` shows in {place}");
        }
    }
}

#[test]
fn a_configuration_shows_no_secret_when_it_is_printed() {
    let config = fixture("H", "http://127.0.0.1:1/introspect", &json!({ "rsFilter": { "clientSecret": SECRET } }));
    let (_directory, loaded) = crate::support::program::load(&config, &[], &std::collections::BTreeMap::new()).unwrap();
    let printed = format!("{loaded:?}");
    assert!(!printed.contains(SECRET), "{printed}");
    let with = json!({ "rsFilter": { "clientSecret": { "fiel": SECRET }, "cache": { "maxTimeout": "none" } } });
    let broken = fixture("H", &format!("ftp://u:{SECRET}@h/"), &with);
    let problems = crate::support::program::load(&broken, &[], &std::collections::BTreeMap::new()).unwrap_err();
    assert!(problems.contains("clientSecret"), "{problems}");
    assert!(!problems.contains(SECRET), "{problems}");
}
