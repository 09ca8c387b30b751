//! Can a 403 be explained in one command? Refusals of a real Envoy, the id in their header, the real program and grpcurl.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::case::fixture;
use crate::support::check::{Seen, Sent, check};
use crate::support::echo::EchoUpstream;
use crate::support::envoy::{Authz, EnvoyProcess, Listener};
use crate::support::grpcurl::grpcurl;
use crate::support::program::TestServer;
use crate::support::provider::{Answer, ScriptedProvider};
use crate::support::raw_http::{self, Response};
use crate::support::{blocking, clone_path, unused_address};

const HEADER: &str = "x-keyward-decision";

/// `keyward explain` with these arguments: its exit code and what it wrote.
fn explain(arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyward"));
    let output = command.arg("explain").args(arguments).env_remove("KEYWARD_ADMIN").output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

async fn explained(admin: SocketAddr, arguments: &[&str]) -> (i32, String, String) {
    let arguments: Vec<String> = arguments.iter().map(|&text| text.to_owned()).collect();
    blocking(move || {
        let admin = admin.to_string();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).chain(["--admin", &admin]).collect();
        explain(&arguments)
    })
    .await
}

/// A provider that knows bob, who visits, and alice, who is a clerk; and a server whose rules need clerks.
async fn start(with: &Value) -> (TestServer, ScriptedProvider) {
    let provider = ScriptedProvider::start().await;
    let of = |sub: &str, roles: &[&str]| {
        Answer::json(&json!({ "active": true, "sub": sub, "roles": roles, "scope": "openid", "client_id": "web" }))
    };
    provider.answer("bob", of("bob", &["visitor"]));
    provider.answer("alice", of("alice", &["clerk"]));
    let rules = json!([
        { "name": "orders", "pattern": "/orders/*", "roles": ["clerk"], "methods": ["GET"] },
        { "name": "admin", "pattern": "/admin/*", "roles": ["admin"], "methods": "*" },
    ]);
    let mut config = fixture("H", &provider.url(), with);
    config["access"]["rules"] = rules;
    // Cases are decided without; here it is what a person has.
    config["listen"]["admin"] = "127.0.0.1:0".into();
    (TestServer::with(&config, Timestamp::UNIX_EPOCH).await, provider)
}

fn ask(token: &str, target: &str) -> Sent {
    let headers = vec![
        ("authorization".to_owned(), format!("Bearer {token}").into_bytes()),
        (HEADER.to_owned(), b"0123456789abcdef0123456789abcdef".to_vec()),
    ];
    Sent { method: "GET".to_owned(), target: target.to_owned(), headers, ..Sent::default() }
}

/// What is decided about `GET target`.
async fn decide(server: &TestServer, token: &str, target: &str) -> Seen {
    let sent = ask(token, target);
    sent.after(check(server.address, sent.check_request(true)).await)
}

/// The id in the header of a refusal, which stands in the metadata, too.
async fn refused(server: &TestServer, token: &str, target: &str) -> String {
    let seen = decide(server, token, target).await;
    let ids: Vec<&String> = seen.client.iter().filter(|(name, _)| name == HEADER).map(|(_, value)| value).collect();
    let [id] = ids[..] else { panic!("not one id: {seen:?}") };
    assert_eq!(seen.metadata.as_ref().unwrap()["decisionId"], json!(id));
    id.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_envoy_is_explained_by_the_id_in_its_header() {
    let (server, _provider) = start(&Value::Null).await;
    let (upstream, admin) = (EchoUpstream::start().await, server.admin.unwrap());
    let (address, to) = (server.address, upstream.address);
    let (denied, allowed): (Response, Response) = blocking(move || {
        let envoy = EnvoyProcess::start(&[Listener::to("front", Authz::Tcp(address))], to);
        let get = |token: &str| {
            let headers = ask(token, "").headers;
            raw_http::exchange(envoy.address("front"), "GET", "/orders/7?secret=query", &headers, b"")
        };
        (get("bob"), get("alice"))
    })
    .await;
    assert_eq!((denied.status, allowed.status), (403, 200));
    assert_eq!(allowed.header(HEADER), Vec::<&str>::new(), "whoever passes reads no id");

    let id = denied.header(HEADER)[0].to_owned();
    assert_ne!(id, "0123456789abcdef0123456789abcdef", "the client's own id means nothing");
    let (code, out, err) = explained(admin, &[&id]).await;
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    for line in [
        "ok  request        GET /orders/7\n",
        "- orders: roles: needs one of `clerk`; the user has `visitor`\n",
        "deny: no_rule\n",
        "the client gets 403 Forbidden\n",
    ] {
        assert!(out.contains(line), "{line}: {out}");
    }
    assert!(!out.contains("secret") && !out.contains("admin:") && !out.contains('\u{1b}'), "{out}");
    let (_, all, _) = explained(admin, &[&id, "--all"]).await;
    assert!(all.contains("- admin: pattern: `/admin/*` does not cover `/orders/7`"), "{all}");
    assert_eq!(explained(admin, &["--last"]).await.1, out);
}

#[tokio::test(flavor = "multi_thread")]
async fn grpcurl_and_the_program_tell_the_same() {
    let (server, _provider) = start(&Value::Null).await;
    let admin = server.admin.unwrap();
    let id = refused(&server, "bob", "/orders/7").await;
    let listed = blocking(move || grpcurl(admin, None, &["list"])).await.unwrap();
    assert!(listed.lines().any(|line| line == "keyward.admin.v1.Admin"), "{listed}");
    let question = json!({ "id": id }).to_string();
    let told = blocking(move || grpcurl(admin, Some(&question), &["keyward.admin.v1.Admin/GetDecision"])).await;
    let told: Value = serde_json::from_str(&told.unwrap()).unwrap();
    let (code, json, _) = explained(admin, &[&id, "--json"]).await;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(code, 0);
    assert_eq!(told["outcome"], "OUTCOME_DENY");
    for (ours, theirs) in [
        (&json["decisionId"], &told["id"]),
        (&json["time"], &told["time"]),
        (&json["reason"], &told["reason"]),
        (&json["filter"], &told["filter"]),
        (&json["request"]["path"], &told["request"]["path"]),
        (&json["request"]["host"], &told["request"]["host"]),
        (&json["credential"], &told["credential"]),
        (&json["introspection"], &told["introspection"]),
        (&json["token"]["subject"], &told["token"]["subject"]),
        (&json["token"]["clientId"], &told["token"]["clientId"]),
        (&json["token"]["scopes"], &told["token"]["scopes"]),
        (&json["identity"], &told["identity"]),
        (&json["steps"][0]["text"], &told["steps"][0]["text"]),
        (&json["rules"][0]["lacked"], &told["rules"][0]["lacked"]),
        (&json["rulesLeftOut"], &told["rulesLeftOut"]),
        (&json["answer"]["status"], &told["answer"]["status"]),
        (&json["answer"]["body"], &told["answer"]["body"]),
    ] {
        assert!(!ours.is_null(), "{json:#}");
        assert_eq!(ours, theirs, "{told:#}");
    }
    assert_eq!((&json["decision"], &json["rules"][0]["grants"]), (&json!("deny"), &json!(false)));

    for (question, error) in [(json!({ "id": "x" }), "InvalidArgument"), (json!({ "id": "0".repeat(32) }), "NotFound")]
    {
        let question = question.to_string();
        let told = blocking(move || grpcurl(admin, Some(&question), &["keyward.admin.v1.Admin/GetDecision"])).await;
        assert!(told.unwrap_err().contains(error));
    }
    // The pages are where they were.
    assert_eq!(blocking(move || raw_http::get(admin, "/readyz")).await.status, 200);
    assert_eq!(blocking(move || raw_http::get(admin, "/")).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_refusals_are_listed_and_chosen_from() {
    let (server, _provider) = start(&Value::Null).await;
    let admin = server.admin.unwrap();
    assert_eq!(explained(admin, &[]).await, (0, "no decisions are kept there\n".to_owned(), String::new()));
    assert_eq!(explained(admin, &["--last"]).await.0, 1);
    let unknown = refused(&server, "nobody", "/orders/7").await;
    let no_rule = refused(&server, "bob", "/orders/7").await;
    let allowed = decide(&server, "alice", "/orders/7").await;
    let (code, out, _) = explained(admin, &[]).await;
    let ids: Vec<&str> = out.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!((code, ids), (0, vec![no_rule.as_str(), unknown.as_str()]), "{out}");
    let (_, out, _) =
        explained(admin, &["--reason", "token_inactive", "--outcome", "deny", "--since", "1970-01-01T00:00:00Z"]).await;
    assert!(out.starts_with(&unknown) && out.lines().count() == 1, "{out}");
    let (_, out, _) = explained(admin, &["--since", "1h"]).await;
    assert_eq!(out, "no decisions of that kind are kept there\n", "the server's clock stands in 1970");
    let (_, out, _) = explained(admin, &["--limit", "1", "--json"]).await;
    let list: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&list["decisions"][0]["decisionId"], &list["leftOut"]), (&json!(no_rule), &json!(1)));

    let id = allowed.metadata.unwrap()["decisionId"].as_str().unwrap().to_owned();
    assert!(allowed.allowed && allowed.client.is_empty(), "an allow has an id, and the client does not read it");
    let (code, _, err) = explained(admin, &[&id]).await;
    assert!(code == 1 && err.contains("explain.allows"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exit_code_tells_wrong_input_from_nothing_found() {
    let (server, _provider) = start(&Value::Null).await;
    let admin = server.admin.unwrap();
    assert_eq!(explained(admin, &[&"0".repeat(32)]).await.0, 1);
    for wrong in
        [&["no-id"][..], &["--limit", "0"], &["--since", "yesterday"], &["--last", "0"], &["--outcome", "maybe"]]
    {
        assert_eq!(explained(admin, wrong).await.0, 2, "{wrong:?}");
    }
    let (code, _, err) = explained(unused_address(), &["--last"]).await;
    assert!(code == 1 && err.contains("nobody listens there"), "{err}");
    assert_eq!(blocking(|| explain(&["--admin", "not an address"])).await.0, 2);
    let (code, _, err) = explained(server.address, &["--last"]).await;
    assert!(code == 1 && err.contains("does not answer as an admin listener"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn allows_are_kept_where_asked_for_without_what_the_upstream_got() {
    let (server, _provider) = start(&json!({ "explain": { "allows": 1, "header": false } })).await;
    let seen = decide(&server, "alice", "/orders/7").await;
    let id = seen.metadata.unwrap()["decisionId"].as_str().unwrap().to_owned();
    let (code, out, _) = explained(server.admin.unwrap(), &[&id]).await;
    assert_eq!(code, 0);
    assert!(out.contains("allow by rule `orders`\n") && out.contains("  set     x-user-id\n"), "{out}");
    let seen = decide(&server, "bob", "/orders/7").await;
    assert!(seen.status == 403 && !seen.client.iter().any(|(name, _)| name == HEADER), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ring_stays_bounded_while_everybody_is_refused() {
    let (server, _provider) = start(&json!({ "explain": { "decisions": 50 } })).await;
    let long = format!("/orders/{}", "x".repeat(20_000));
    let first = refused(&server, "bob", "/orders/first").await;
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (address, question) = (server.address, ask("bob", &long).check_request(true));
            tokio::spawn(async move {
                for _ in 0..25 {
                    let answer = check(address, question.clone()).await;
                    assert_eq!(answer.status.unwrap().code, 7);
                }
            })
        })
        .collect();
    for task in tasks {
        tokio::time::timeout(Duration::from_secs(60), task).await.unwrap().unwrap();
    }
    let (kept, left_out) = server.recent.list(|_| true, usize::MAX);
    assert_eq!((kept.len(), left_out), (50, 0));
    assert!(kept.iter().all(|decision| decision.request.as_ref().unwrap().path.len() < 2_000));
    assert_eq!(explained(server.admin.unwrap(), &[&first]).await.0, 1, "the oldest has made room");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_decided_is_told_as_it_was_decided_whatever_rules_come_after() {
    let (server, _provider) = start(&Value::Null).await;
    let id = refused(&server, "bob", "/orders/7").await;
    let admin = server.admin.unwrap();
    let (_, before, _) = explained(admin, &[&id]).await;
    server.recent.settle();
    assert_eq!(explained(admin, &[&id]).await.1, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_transcript_in_the_document_is_what_the_program_prints() {
    let document = std::fs::read_to_string(clone_path("docs/operate/explain.md")).unwrap();
    let (server, _provider) = start(&Value::Null).await;
    let id = refused(&server, "bob", "/orders/7").await;
    let (_, out, _) = explained(server.admin.unwrap(), &[&id]).await;
    // The first line holds what differs from run to run.
    let (_, same) = out.split_once('\n').unwrap();
    assert!(document.contains(same), "docs/operate/explain.md should show:\n{same}");
}

/// What differs between a decision that was kept and the same one decided anew from what was recorded: which it is, and how
/// the answer about the token came.
fn the_same(text: &str) -> String {
    let (first, rest) = text.split_once('\n').unwrap();
    let text = if first.starts_with("decision ") { rest } else { text };
    text.replace(" (from the cache)", " (asked for this request)")
}

#[tokio::test(flavor = "multi_thread")]
async fn keyward_check_prints_the_same_of_a_recorded_request() {
    let provider = ScriptedProvider::start().await;
    let facts = json!({ "active": true, "sub": "bob", "roles": ["clerk"], "scope": "openid", "client_id": "web" });
    provider.answer("t1", Answer::json(&facts));
    let mut config = fixture("H", &provider.url(), &Value::Null);
    let script =
        "(function () { return request.method === 'read' && context.security.authorization.id === 'alice'; })()";
    config["access"] = json!({ "style": "crest", "contextPath": "/", "rules": [
        { "name": "list", "pattern": "orders", "roles": "clerk", "methods": "create" },
        { "name": "one", "pattern": "orders/*", "roles": "manager", "methods": "update" },
        { "name": "js", "pattern": "js/*", "roles": "*", "methods": "*", "actions": "*", "customAuthz": script },
    ] });
    config["explain"] = json!({ "header": false });
    config["listen"]["admin"] = "127.0.0.1:0".into();
    let server = TestServer::with(&config, Timestamp::UNIX_EPOCH).await;
    let admin = server.admin.unwrap();

    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, value: &Value| std::fs::write(folder.path().join(name), value.to_string()).unwrap();
    write("keyward.json", &config);
    write("facts.json", &facts);
    for (method, target, authorization, told) in [
        ("GET", "/orders/7?secret=query", "Bearer t1", "- one: roles: needs one of `manager`"),
        ("PUT", "/orders/7", "Bearer t1", "      asked for `update orders/7`:\n      - one: roles"),
        ("GET", "/js/7", "Bearer t1", "- js: customAuthz: "),
        ("GET", "/js/7", "Basic eDp5", "no  credential     it is of another scheme than Bearer"),
        ("GET", "/js/../7", "Bearer t1", "no  path "),
    ] {
        let headers = json!({ "authorization": authorization, "x-requested-with": "x" });
        let http = json!({ "method": method, "path": target, "host": "shop.test", "headers": headers });
        write("request.json", &json!({ "attributes": { "request": { "http": http } } }));
        let headers = [("authorization", authorization), ("x-requested-with", "x")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).into();
        let sent = Sent { method: method.to_owned(), target: target.to_owned(), headers, ..Sent::default() };
        assert!(!sent.after(check(server.address, sent.check_request(false)).await).allowed);
        let (_, kept, _) = explained(admin, &["--last"]).await;
        let mut command = Command::new(env!("CARGO_BIN_EXE_keyward"));
        command.current_dir(folder.path()).args(["check", "--config", "keyward.json", "--request", "request.json"]);
        command.args(["--token-facts", "facts.json", "--now", "1970-01-01T00:00:00Z"]);
        let output = blocking(move || command.output().unwrap()).await;
        let checked = String::from_utf8(output.stdout).unwrap();
        assert!(checked.contains(told), "{method} {target}: {checked}{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(the_same(&kept), the_same(&checked), "{method} {target}");
    }
}
