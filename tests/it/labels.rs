//! Can a client make a series or an audit event that nobody foresaw? Random requests, tokens and answers of other servers.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use tonic::transport::Channel;

use crate::support::check::Sent;
use crate::support::directory::ScriptedDirectory;
use crate::support::judges::{Family, audit_events, openmetrics, promtool_metrics};
use crate::support::program::TestServer;
use crate::support::provider::{Answer, ScriptedProvider};
use crate::support::{blocking, clone_path};

/// Stands in everything that a client, a token or another server says.
const MARK: &str = "zq7";
const QUESTIONS: usize = 600;

fn configuration(provider: &str, directory: &str) -> Value {
    let client = |more: Value| {
        let mut client = json!({
            "clientId": "mesh-rs", "clientSecret": "changeit", "tokenIntrospectUrl": provider, "introspectTimeout": "5 seconds",
            "scopes": ["openid"], "cache": { "maxTimeout": "60 seconds" },
        });
        client.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        client
    };
    let script = "if (security.authenticationId.length % 5 == 0) throw { code: 403, message: 'no' }; \
                  if (security.authenticationId.length % 7 == 0) throw new Error('oops'); security";
    let public = json!({ "name": "public", "pattern": "/public/*", "roles": "*", "methods": "GET" });
    let orders = json!({ "pattern": "/orders/*", "roles": "clerk", "methods": "*", "scopes": ["orders"] });
    let when =
        json!({ "pattern": "/when/*", "roles": "*", "methods": "*", "when": "request.headers['x-region'] == 'eu'" });
    let reading = "(function () { return openidm.read('managed/user/alice') != null; })()";
    let js = json!({ "pattern": "js/*", "roles": "*", "methods": "*", "actions": "*", "customAuthz": reading });
    let list = json!({ "pattern": "orders/*", "roles": "clerk", "methods": "read,create", "actions": "*" });
    let mapping =
        json!({ "queryOnResource": "managed/user", "propertyMapping": { "sub": "_id" }, "userRoles": "authzRoles/*" });
    let anonymous = json!({ "localUser": "internal/user/anonymous", "roles": ["nobody"] });
    json!({
        "listen": { "extAuthz": "127.0.0.1:0", "admin": "127.0.0.1:0" },
        "audit": { "redact": false },
        "filters": [
            {
                "name": "shop",
                "directory": { "token": {} },
                "access": { "style": "http", "rules": [public, orders, when] },
                "rsFilter": client(json!({ "augmentSecurityContext": { "type": "text/javascript", "source": script } })),
            },
            {
                "name": "users",
                "directory": { "idm": {
                    "url": format!("{directory}/openidm"),
                    "cache": { "maxTimeout": "0 seconds" },
                    "auth": { "headers": { "username": "keyward", "password": "changeit" } },
                } },
                "access": { "style": "crest", "contextPath": "/", "rules": [js, list] },
                "rsFilter": client(json!({ "subjectMapping": [mapping], "anonymousUserMapping": anonymous })),
            },
        ],
    })
}

/// One check: what is asked, and what the others answer when they are asked.
#[derive(Debug, Clone)]
struct Question {
    sent: Sent,
    token: String,
    provider: Answer,
    directory: Option<Answer>,
    hangs_up: bool,
}

/// Any short text with the mark in it.
fn text() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9 _./\"\\\\{}=\n\u{e9}-]{0,8}".prop_map(|text| format!("{MARK}{text}"))
}

fn answer() -> impl Strategy<Value = Answer> {
    let claims = (text(), prop::sample::select(vec!["openid", "openid orders", ""]), 0..8_u8, text());
    let active = claims.prop_map(|(sub, scope, kind, client)| {
        let exp = if kind == 0 { -5 } else { 3_600 };
        let of_type = if kind == 1 { "refresh_token" } else { "Bearer" };
        let sub = if kind < 5 { "alice".to_owned() } else { sub };
        let roles = json!([if kind % 2 == 0 { "clerk" } else { MARK }]);
        Answer::json(&json!({
            "active": true, "sub": sub, "scope": scope, "exp": exp, "token_type": of_type, "client_id": client, "roles": roles,
        }))
    });
    prop_oneof![6 => active, 1 => Just(Answer::json(&json!({ "active": false }))), 2 => broken()]
}

/// What another server says when it says nothing of use.
fn broken() -> impl Strategy<Value = Answer> {
    (text(), 0..3_u8).prop_map(|(said, kind)| {
        let answer = Answer::text(if kind == 0 { "text/plain" } else { "application/json" }, said.as_bytes());
        Answer { status: if kind == 1 { 500 } else { 200 }, cut_short: kind == 2, ..answer }
    })
}

fn question() -> impl Strategy<Value = Question> {
    let path = (prop::sample::select(vec!["public", "orders", "when", "js", "a", "..", "/"]), text());
    let method = prop_oneof![4 => prop::sample::select(vec!["GET", "POST"]).prop_map(str::to_owned), 1 => text()];
    let filter = prop_oneof![
        3 => Just(Some("shop".to_owned())),
        4 => Just(Some("users".to_owned())),
        1 => text().prop_map(Some),
        1 => Just(None),
    ];
    let credential = prop_oneof![
        7 => (0..20_u8).prop_map(|number| Some(format!("Bearer {MARK}-{number}"))),
        1 => Just(None),
        1 => text().prop_map(Some),
    ];
    let directory = prop::option::weighted(0.3, broken());
    let region = prop::option::of(prop::sample::select(vec!["eu", MARK]));
    (path, method, filter, credential, answer(), directory, region, text(), prop::bool::weighted(0.05)).prop_map(
        |((first, rest), method, filter, credential, provider, directory, region, host, hangs_up)| {
            let token =
                credential.as_deref().and_then(|text| text.strip_prefix("Bearer ")).unwrap_or_default().to_owned();
            let header = |name: &str, value: String| (name.to_owned(), value.into_bytes());
            let named = credential.map(|value| header("authorization", value));
            let host = if hangs_up { host } else { format!("{MARK}.test") };
            let others = [Some(header("host", host)), region.map(|value| header("x-region", value.to_owned()))];
            let headers = named.into_iter().chain(others.into_iter().flatten()).collect();
            let extensions = filter.map(|name| ("keyward_filter".to_owned(), name)).into_iter().collect();
            let target = format!("/{first}/{}", rest.replace(['\n', ' '], "%20"));
            let sent = Sent { method, target, headers, extensions, ..Sent::default() };
            Question { sent, token, provider, directory, hangs_up }
        },
    )
}

/// Label → the words that `docs/operate/metrics.md` and the audit's schema have for it.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let document = fs::read_to_string(clone_path("docs/operate/metrics.md")).unwrap();
    let labels = document.split("## Labels").nth(1).unwrap().split("\n## ").next().unwrap();
    let mut words = BTreeMap::<String, BTreeSet<String>>::new();
    for row in labels.lines().filter(|line| line.starts_with("| `")) {
        let mut ticked = row.split('`').skip(1).step_by(2).map(str::to_owned);
        words.entry(ticked.next().unwrap()).or_default().extend(ticked);
    }
    let schema = fs::read_to_string(clone_path("schema/audit.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let reasons = schema["properties"]["reason"]["enum"].as_array().unwrap().clone();
    words.entry("reason".to_owned()).or_default().extend(reasons.iter().map(|word| word.as_str().unwrap().to_owned()));
    words.insert("filter".to_owned(), ["shop", "users"].map(str::to_owned).into());
    words
}

async fn ask(client: &mut AuthorizationClient<Channel>, question: &Question) {
    let asked = client.check(question.sent.check_request(true));
    if question.hangs_up {
        let _gone = tokio::time::timeout(Duration::from_micros(500), asked).await;
    } else {
        asked.await.unwrap();
    }
}

/// How many series there can be: each combination of words once, whatever is asked.
fn most_series(families: &[Family], words: &BTreeMap<String, BTreeSet<String>>) -> usize {
    let most = |family: &Family| {
        let names: BTreeSet<&String> = family.samples.iter().flat_map(|(_, labels)| labels.keys()).collect();
        let combinations: usize = names.iter().filter_map(|name| words.get(*name)).map(BTreeSet::len).product();
        let buckets: BTreeSet<&String> = family.samples.iter().filter_map(|(_, labels)| labels.get("le")).collect();
        combinations * (buckets.len() + 2)
    };
    families.iter().map(most).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_asked_makes_no_series_and_no_audit_event_that_is_not_documented() {
    let provider = ScriptedProvider::start().await;
    let users = json!({ "managed/user": [
        { "_id": "alice", "accountStatus": "active", "authzRoles": [{ "_ref": "clerk" }] },
    ] });
    let directory = ScriptedDirectory::start(users).await;
    let server = TestServer::with(&configuration(&provider.url(), &directory.url()), Timestamp::UNIX_EPOCH).await;
    let mut client = AuthorizationClient::connect(format!("http://{}", server.address)).await.unwrap();
    let (mut runner, strategy) = (TestRunner::default(), question());
    for _ in 0..QUESTIONS {
        let question = strategy.new_tree(&mut runner).unwrap().current();
        provider.answer(&question.token, question.provider.clone());
        directory.answer(question.directory.clone());
        ask(&mut client, &question).await;
    }

    let text = server.metrics.encode();
    assert!(!text.contains(MARK), "a label holds what somebody said: {text}");
    let exposition = text.clone();
    let families = blocking(move || openmetrics(&exposition)).await.unwrap();
    let words = documented();
    let mut seen = BTreeMap::<&str, BTreeSet<&str>>::new();
    for (sample, labels) in families.iter().flat_map(|family| &family.samples) {
        for (label, value) in labels.iter().filter(|(label, _)| !["le", "version", "commit"].contains(&label.as_str()))
        {
            let known = words.get(label).unwrap_or_else(|| panic!("`{label}` of {sample} is not documented"));
            assert!(known.contains(value), "{sample}: `{label}` is `{value}`, which is none of {known:?}");
            seen.entry(label).or_default().insert(value);
        }
    }
    let series = families.iter().map(|family| family.samples.len()).sum::<usize>();
    let most = most_series(&families, &words);
    assert!(series <= most, "{series} series, of {most} that there can be");
    // The questions are various enough to show something.
    for (label, least) in [("decision", 3), ("reason", 15), ("outcome", 7), ("script", 2), ("filter", 2)] {
        assert!(seen[label].len() >= least, "{label}: {:?}", seen[label]);
    }
    blocking(move || promtool_metrics(&text)).await.unwrap();

    let audit = server.audit.clone();
    drop(server);
    let events = blocking(move || {
        let lines = audit.text();
        let whole = lines.rsplit_once('\n').unwrap().0.to_owned();
        audit_events(&whole).map(|()| whole.lines().count())
    });
    assert!(events.await.unwrap() > QUESTIONS / 2);
}
