//! Does Keyward, pointed at IDM's own files, decide as a running IDM did, and word its refusals as that one does?

use std::collections::BTreeMap;
use std::net::SocketAddr;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::check::{Seen, Sent, check};
use crate::support::echo::EchoUpstream;
use crate::support::envoy::{Authz, EnvoyProcess, Listener};
use crate::support::program::TestServer;
use crate::support::provider::{Answer, ScriptedProvider};
use crate::support::{blocking, clone_path, raw_http, yaml};

/// Keyward before IDM 6's files, and an authorization server that knows `plain`, `admin` and more by token.
struct Idm {
    server: TestServer,
    _provider: ScriptedProvider,
}

impl Idm {
    async fn start(with: &Value) -> Self {
        let provider = ScriptedProvider::start().await;
        for subject in ["plain", "admin", "bob", "locked", "nobody"] {
            provider.answer(subject, Answer::json(&json!({ "active": true, "sub": subject })));
        }
        let mut config = json!({
            "listen": { "extAuthz": "127.0.0.1:0", "admin": "127.0.0.1:0" },
            "audit": { "to": "off" },
            "rsFilterFile": "conf/authentication.json",
            "rsFilter": { "roleNames": "leaf" },
            "accessFile": "script/access.js",
            "directory": { "file": "users.json" },
            "identityHeaders": { "x-auth-id": "authorization.id", "x-auth-roles": "authorization.roles" },
        });
        yaml::merge(&mut config, with);
        let record = |id: &str, status: &str| json!({ "_id": id, "userName": id, "accountStatus": status });
        let users = json!({ "managed/user": [record("bob", "active"), record("locked", "inactive")] });
        let mut files = vec![("users.json".to_owned(), users)];
        for name in ["conf/authentication.json", "script/access.js"] {
            let text = std::fs::read_to_string(clone_path("tests/config/idm6").join(name)).unwrap();
            files.push((name.to_owned(), Value::String(text)));
        }
        let env = BTreeMap::from([("AM_INTROSPECT".to_owned(), provider.url())]);
        let server = TestServer::start(&config, &files, &env, Timestamp::UNIX_EPOCH).await;
        Self { server: server.unwrap_or_else(|problems| panic!("{problems}")), _provider: provider }
    }

    async fn seen(&self, sent: &Sent) -> Seen {
        sent.after(check(self.server.address, sent.check_request(true)).await)
    }
}

fn sent(method: &str, target: &str, token: Option<&str>, headers: &[(&str, &str)]) -> Sent {
    let mut all: Vec<(String, Vec<u8>)> =
        headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
    all.extend(token.map(|token| ("Authorization".to_owned(), format!("Bearer {token}").into_bytes())));
    Sent { method: method.to_owned(), target: target.to_owned(), headers: all, ..Sent::default() }
}

/// What a client sees of a request through a real Envoy: the status, and whether the upstream got it.
async fn through_envoy(keyward: SocketAddr, requests: Vec<Sent>) -> Vec<raw_http::Response> {
    let upstream = EchoUpstream::start().await;
    let echo = upstream.address;
    blocking(move || {
        let envoy = EnvoyProcess::start(&[Listener::to("front", Authz::Tcp(keyward))], echo);
        let front = envoy.address("front");
        let ask = |sent: &Sent| raw_http::exchange(front, &sent.method, &sent.target, &sent.headers, b"");
        requests.iter().map(ask).collect()
    })
    .await
}

fn lines(text: &str) -> impl Iterator<Item = Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap())
}

/// The probes that rules decide which Keyward takes over, each with the verdict to expect (`None`: 400).
fn probes() -> Vec<(Sent, Option<bool>)> {
    // Refused at load (E13a, E13): a running IDM answers them with an error, and nothing is to be learnt from that.
    let refused = ["zrn", "zmg", "zcc", "zcf"];
    let mut probes = Vec::new();
    for line in lines(include_str!("../vectors/idm-probe.jsonl")) {
        let text = |key: &str| line[key].as_str().unwrap();
        let path = text("path");
        if refused.iter().any(|pattern| path.starts_with(pattern)) {
            assert_eq!(text("verdict"), "error", "{line}");
            continue;
        }
        let members = line["headers"].as_object().unwrap();
        let mut headers: Vec<(&str, &str)> =
            members.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
        headers.push(("X-Requested-With", "probe"));
        let plain_put = text("method") == "PUT" && members.is_empty();
        let expected = match text("verdict") {
            // E25: hostile paths are refused before any rule. E11: an empty action is refused.
            _ if ["%2F", "%2e%2e"].iter().any(|part| path.contains(part)) || path.ends_with("_action=") => None,
            // E13a: lists are accepted, and a missing `actions` grants none.
            "error" => Some(path == "zro" || path == "zme"),
            // E12: `undefined` is a name like any other. E22: a plain PUT needs both grants.
            "allow" if path.ends_with("_action=undefined") || plain_put => Some(false),
            // E25: escapes are decoded before matching.
            "deny" if path == "z%7aa" => Some(true),
            verdict => Some(verdict == "allow"),
        };
        probes.push((sent(text("method"), &format!("/openidm/{path}"), None, &headers), expected));
    }
    assert_eq!(probes.len(), 94);
    probes
}

/// E1, E4–E13, E21–E25 as a running OpenIDM 6.1 answered.
#[tokio::test(flavor = "multi_thread")]
async fn a_running_idm_s_verdicts_are_keyward_s_over_grpc_and_through_envoy() {
    let idm = Idm::start(&json!({})).await;
    let probes = probes();
    for (sent, expected) in &probes {
        let seen = idm.seen(sent).await;
        let verdict = (seen.status != 400).then_some(seen.allowed);
        assert_eq!(verdict, *expected, "{} {}: {seen:?}", sent.method, sent.target);
    }
    let requests = probes.iter().map(|(sent, _)| sent.clone()).collect();
    let answers = through_envoy(idm.server.address, requests).await;
    for ((sent, expected), answer) in probes.iter().zip(answers) {
        let verdict = (answer.status != 400).then(|| !answer.header("x-echo").is_empty());
        assert_eq!(verdict, *expected, "{} {}: {answer:?}", sent.method, sent.target);
    }
}

/// The other two of the probe's users, with what their roles add to it (E9, E20).
#[tokio::test(flavor = "multi_thread")]
async fn roles_of_static_users_decide_the_same_probes() {
    let idm = Idm::start(&json!({})).await;
    for (probe, expected) in probes() {
        let pattern = probe.target.trim_start_matches("/openidm/");
        // Rules that name the anonymous user's role; a rule that looks at how many roles there are.
        let of_the_anonymous = ["zrj", "zrm", "zro"].contains(&pattern);
        let ask = |token| {
            let mut probe = probe.clone();
            probe.headers.push(("Authorization".to_owned(), format!("Bearer {token}").into_bytes()));
            probe
        };
        let plain = idm.seen(&ask("plain")).await;
        let wanted = expected.map(|allow| allow && !of_the_anonymous);
        assert_eq!((plain.status != 400).then_some(plain.allowed), wanted, "plain: {}", probe.target);
        let admin = idm.seen(&ask("admin")).await;
        assert_eq!((admin.status != 400).then_some(admin.allowed), expected.map(|_| true), "admin: {}", probe.target);
    }
}

/// The recorded refusals of a running OpenIDM, by name and user.
fn recorded(name: &str, user: &str) -> Value {
    let mut lines = lines(include_str!("../vectors/idm-answers.jsonl"));
    lines.find(|line| line["name"] == name && line["user"] == user).unwrap_or_else(|| panic!("no {name} as {user}"))
}

/// F1–F4: a client cannot tell Keyward's refusal from IDM's by its body, wherever IDM lives.
#[tokio::test(flavor = "multi_thread")]
async fn refusals_look_as_idm_s_own_under_any_context_path() {
    let strict = json!({ "errorDetail": false });
    for context in ["/openidm", "/idm/v1"] {
        let mut with = strict.clone();
        if context != "/openidm" {
            yaml::merge(&mut with, &json!({ "access": { "contextPath": context } }));
        }
        let idm = Idm::start(&with).await;
        let ajax = ("X-Requested-With", "x");
        let cases = [
            (("info/login", "wrong"), sent("GET", "info/login", Some("made-up"), &[])),
            (("info/login", "unknown"), sent("GET", "info/login", Some("nobody"), &[])),
            (("info/login", "inactive"), sent("GET", "info/login", Some("locked"), &[])),
            (("forbidden", "reg"), sent("GET", "managed/user/u-other", None, &[])),
            (("forbidden query", "reg"), sent("GET", "managed/user?_queryFilter=true", None, &[ajax])),
            (("cookie POST no header", "none"), sent("POST", "managed/user?_action=validate", None, &[])),
            (("cookie DELETE no header", "none"), sent("DELETE", "managed/user/zzz", None, &[])),
            (
                ("query bad filter", "admin"),
                sent("GET", "managed/user?_queryFilter=true&_queryId=x", Some("admin"), &[]),
            ),
        ];
        let requests: Vec<Sent> =
            cases.iter().map(|(_, s)| Sent { target: format!("{context}/{}", s.target), ..s.clone() }).collect();
        let answers = through_envoy(idm.server.address, requests.clone()).await;
        for (((name, user), _), (request, answer)) in cases.iter().zip(requests.iter().zip(answers)) {
            let theirs = recorded(name, user);
            let ours = idm.seen(request).await;
            assert_eq!(json!(ours.status), theirs["status"], "{name} as {user}: {ours:?}");
            let mut body: Value = serde_json::from_str(&ours.body).unwrap();
            if ours.status == 400 {
                assert!(body["message"].is_string());
                body["message"] = theirs["body"]["message"].clone();
            }
            assert_eq!(body, theirs["body"], "{name} as {user}");
            assert_eq!((json!(answer.status), &answer.body), (theirs["status"].clone(), &ours.body), "through Envoy");
            let media_type = |value: &str| value.split(';').next().unwrap_or_default().to_owned();
            let content_type = theirs["headers"]["Content-Type"].as_str().unwrap();
            assert_eq!(media_type(answer.header("content-type")[0]), media_type(content_type));
        }
    }
}

/// F2, F4: with the detail, a failed authentication has one more member and no other difference; without an anonymous
/// user a request without a credential fails as IDM's does.
#[tokio::test(flavor = "multi_thread")]
async fn the_detail_is_the_only_difference_to_idm_s_body() {
    let idm = Idm::start(&json!({})).await;
    for (token, reason) in [("locked", "user inactive"), ("nobody", "managed/user entry is not found")] {
        let mut body: Value =
            serde_json::from_str(&idm.seen(&sent("GET", "/openidm/info/login", Some(token), &[])).await.body).unwrap();
        let detail = body.as_object_mut().unwrap().remove("detail").unwrap();
        let failure = json!({ "code": 401, "reason": "Unauthorized", "message": format!("Access denied, {reason}") });
        assert_eq!(detail, json!({ "failureReasons": [failure] }));
        assert_eq!(body, recorded("info/login", "inactive")["body"]);
    }
    let nobody = json!({ "rsFilterFile": null, "rsFilter": { "clientId": "a", "clientSecret": "b", "roleNames": null,
        "tokenIntrospectUrl": "http://127.0.0.1:1/x", "subjectMapping": [{ "queryOnResource": "managed/user" }] } });
    let idm = Idm::start(&nobody).await;
    let seen = idm.seen(&sent("GET", "/openidm/info/ping", None, &[])).await;
    let body: Value = serde_json::from_str(&seen.body).unwrap();
    assert_eq!(body, recorded("info/ping", "none")["body"]);
}

/// E25, J19: not even the administrator gets anything beside the context path.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_granted_beside_the_context_path() {
    for (context, inside) in [("/openidm", "/openidm/info/x"), ("/idm/v1", "/idm/v1/info/x")] {
        let idm = Idm::start(&json!({ "access": { "contextPath": context } })).await;
        assert!(idm.seen(&sent("GET", inside, Some("admin"), &[])).await.allowed, "{inside}");
        let outside: Vec<String> =
            ["X", "/../x", "/..", "x/info/x", "%2finfo/x", "%00", ";a=b/info/x", "//info/x", "/./info/x"]
                .iter()
                .map(|rest| format!("{context}{rest}"))
                .chain(
                    [
                        "/other",
                        "/",
                        "/info/x",
                        "/Openidm/info/x",
                        "/IDM/v1/info/x",
                        "/idm",
                        "/idm/v1.0",
                        "/idm/v2/info/x",
                    ]
                    .map(str::to_owned),
                )
                .chain([format!("/{context}/info/x"), format!("/x{context}/info/x"), format!("/x/..{context}/info/x")])
                .collect();
        let requests: Vec<Sent> = outside.iter().map(|target| sent("GET", target, Some("admin"), &[])).collect();
        let answers = through_envoy(idm.server.address, requests.clone()).await;
        for (request, answer) in requests.iter().zip(answers) {
            let seen = idm.seen(request).await;
            assert!(!seen.allowed && [400, 403].contains(&seen.status), "{}: {seen:?}", request.target);
            assert!(answer.header("x-echo").is_empty(), "{}: {answer:?}", request.target);
        }
    }
}
