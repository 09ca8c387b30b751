//! Do the files of `deploy/envoy` do what their comments say? A real Envoy runs each, a real `keyward serve` answers it.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};

use crate::support::certificates::Authority;
use crate::support::echo::EchoUpstream;
use crate::support::envoy::EnvoyProcess;
use crate::support::provider::{Answer, ScriptedProvider};
use crate::support::raw_http::{self, Response};
use crate::support::server::PATIENCE;
use crate::support::serving::Serving;
use crate::support::{blocking, clone_path, part, unused_address, yaml};

/// How Envoy reaches Keyward.
#[derive(Debug, Clone, Copy)]
enum Form {
    UnixSocket,
    MutualTls,
}

fn file(name: &str) -> String {
    fs::read_to_string(clone_path("deploy/envoy").join(name)).unwrap()
}

/// An authorization server that knows a clerk and an administrator, an upstream, Keyward and Envoy as the files say.
struct Deployed {
    envoy: EnvoyProcess,
    /// Taken away by a test that wants it gone.
    keyward: Option<Serving>,
    upstream: EchoUpstream,
    _provider: ScriptedProvider,
}

impl Deployed {
    async fn start(form: Form) -> Self {
        let provider = ScriptedProvider::start().await;
        let active = |sub: &str, role: &str| Answer::json(&json!({ "active": true, "sub": sub, "roles": [role] }));
        provider.answer("clerk", active("alice", "clerk"));
        provider.answer("admin", active("root", "admin"));
        let upstream = EchoUpstream::start().await;
        let (url, app) = (provider.url(), upstream.address);
        let (keyward, envoy) = blocking(move || {
            let authority = Authority::new("mesh");
            let address = unused_address();
            let name = if matches!(form, Form::UnixSocket) { "keyward.yaml" } else { "keyward-tcp.yaml" };
            let keyward = Serving::start(&file(name), |text, folder| {
                certificates(&authority, folder);
                text.replace("https://as.example/introspect", &url)
                    .replace("/run/keyward", folder.to_str().unwrap())
                    .replace("/etc/keyward/tls", folder.to_str().unwrap())
                    .replace("0.0.0.0:9191", &address.to_string())
                    // A busy machine takes its time.
                    .replace("400 milliseconds", "10 seconds")
            });
            let envoy = EnvoyProcess::start_as(&bootstrap(form, &keyward, address, app));
            (keyward, envoy)
        })
        .await;
        Self { envoy, keyward: Some(keyward), upstream, _provider: provider }
    }

    async fn get(&self, target: &str, token: Option<&str>) -> Response {
        let authorization = token.map(|token| ("Authorization", format!("Bearer {token}")));
        self.send(target, &authorization.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>()).await
    }

    async fn send(&self, target: &str, headers: &[(&str, &str)]) -> Response {
        let (front, target) = (self.envoy.address("front"), target.to_owned());
        let headers: Vec<_> = headers.iter().map(|(n, v)| ((*n).to_owned(), v.as_bytes().to_vec())).collect();
        blocking(move || raw_http::exchange(front, "GET", &target, &headers, b"")).await
    }

    /// The access log's line about `path`.
    fn logged(&self, path: &str) -> Value {
        let started = Instant::now();
        loop {
            let text = self.envoy.stdout();
            let mut lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            if let Some(line) = lines.rfind(|line| line["path"] == path) {
                return line;
            }
            assert!(started.elapsed() < PATIENCE, "no line about {path}: {text}");
            std::thread::yield_now();
        }
    }
}

/// Certificates where the files look for them: Envoy's client and Keyward's server, of one authority.
fn certificates(authority: &Authority, folder: &std::path::Path) {
    let leaf = authority.leaf();
    fs::write(folder.join("tls.crt"), &leaf.certificate).unwrap();
    fs::write(folder.join("tls.key"), &leaf.key).unwrap();
    fs::write(folder.join("ca.crt"), &authority.pem).unwrap();
}

/// The file, with what only a test machine makes different: ports, addresses, folders, patience.
fn bootstrap(form: Form, keyward: &Serving, address: SocketAddr, app: SocketAddr) -> Value {
    let name = if matches!(form, Form::UnixSocket) { "envoy.yaml" } else { "envoy-tcp.yaml" };
    let folder = keyward.file("");
    let text = file(name)
        .replace("/run/keyward/", folder.to_str().unwrap())
        .replace("/etc/envoy/tls", folder.to_str().unwrap().trim_end_matches('/'))
        // The leaf of the tests is `localhost`'s.
        .replace("keyward.internal", "localhost");
    let mut bootstrap = yaml::parse(name, &text);
    bootstrap["admin"]["address"]["socket_address"]["port_value"] = 0.into();
    let statics = &mut bootstrap["static_resources"];
    statics["listeners"][0]["address"]["socket_address"] = json!({ "address": "127.0.0.1", "port_value": 0 });
    ext_authz(&mut statics["listeners"][0])["grpc_service"]["timeout"] = "10s".into();
    let endpoint = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address/port_value";
    *statics["clusters"][0].pointer_mut(endpoint).unwrap() = app.port().into();
    let cluster = &mut statics["clusters"][1];
    cluster["connect_timeout"] = "10s".into();
    if let Some(port) = cluster.pointer_mut(endpoint) {
        *port = address.port().into();
        cluster["dns_lookup_family"] = "V4_ONLY".into();
    }
    bootstrap
}

fn ext_authz(listener: &mut Value) -> &mut Value {
    let filters = &mut listener["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"];
    let filter =
        filters.as_array_mut().unwrap().iter_mut().find(|filter| filter["name"] == "envoy.filters.http.ext_authz");
    &mut filter.unwrap()["typed_config"]
}

/// The values of a header that the upstream saw.
fn upstream_saw(answer: &Response, name: &str) -> Vec<String> {
    let seen = answer.json();
    let headers = seen["headers"].as_array().unwrap().iter();
    headers.filter(|header| header[0] == name).map(|header| header[1].as_str().unwrap().to_owned()).collect()
}

#[test]
fn envoy_takes_both_files() {
    let folder = tempfile::tempdir().unwrap();
    certificates(&Authority::new("mesh"), folder.path());
    for name in ["envoy.yaml", "envoy-tcp.yaml"] {
        let path = folder.path().join(name);
        fs::write(&path, file(name).replace("/etc/envoy/tls", folder.path().to_str().unwrap())).unwrap();
        let output = Command::new(part("envoy/bin/envoy"))
            .args(["--mode", "validate", "--log-level", "warning", "-c"])
            .arg(&path)
            .output()
            .unwrap();
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {log}");
        assert!(!log.to_lowercase().contains("deprecated"), "{name}: {log}");
    }
}

#[test]
fn both_files_have_the_same_listener() {
    let [unix, tcp] = ["envoy.yaml", "envoy-tcp.yaml"].map(|name| yaml::parse(name, &file(name)));
    assert_eq!(unix["static_resources"]["listeners"], tcp["static_resources"]["listeners"]);
    let [unix, tcp] = ["keyward.yaml", "keyward-tcp.yaml"].map(|name| yaml::parse(name, &file(name)));
    assert_eq!(unix["filters"], tcp["filters"]);
    assert_eq!(unix["rsFilter"], tcp["rsFilter"]);
}

async fn decides_by_route(form: Form) {
    let deployed = Deployed::start(form).await;

    let allowed = deployed.get("/orders/7", Some("clerk")).await;
    assert_eq!(allowed.status, 200, "{form:?}: {allowed:?}");
    assert_eq!(upstream_saw(&allowed, "x-auth-id"), ["alice"]);
    assert_eq!(upstream_saw(&allowed, "x-auth-roles"), ["clerk"]);

    let nobody = deployed.get("/orders/7", None).await;
    assert_eq!(nobody.status, 401);
    assert!(nobody.header("www-authenticate")[0].starts_with("Bearer"), "{nobody:?}");
    assert_eq!(deployed.get("/orders/7", Some("revoked")).await.status, 401);
    assert_eq!(deployed.get("/orders/7", Some("admin")).await.status, 403, "the filter of /admin is not asked");

    let administrator = deployed.get("/admin/users?page=2", Some("admin")).await;
    assert_eq!((administrator.status, upstream_saw(&administrator, "x-auth-id")), (200, vec!["root".to_owned()]));
    assert_eq!(deployed.get("/admin/users", Some("clerk")).await.status, 403);
    assert_eq!(deployed.upstream.requests(), 2);

    let admin = deployed.keyward.as_ref().unwrap().admin;
    let counted = blocking(move || raw_http::get(admin, "/metrics").body).await;
    assert!(counted.contains("keyward_decisions_total{decision=\"deny\",reason=\"no_rule\"} 2\n"), "{counted}");
}

#[tokio::test(flavor = "multi_thread")]
async fn over_the_unix_socket_each_route_asks_its_filter() {
    decides_by_route(Form::UnixSocket).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_mutual_tls_each_route_asks_its_filter() {
    decides_by_route(Form::MutualTls).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_exact_public_path_is_not_asked_about() {
    let deployed = Deployed::start(Form::UnixSocket).await;
    assert_eq!(deployed.get("/healthz", None).await.status, 200);
    assert_eq!(deployed.get("/healthz?full", None).await.status, 200);
    assert_eq!(deployed.upstream.requests(), 2);
    // Without a token, and with one that may read `/admin/users`.
    for (target, unknown, administrator) in [
        ("/healthz/", 401, 403),
        ("//healthz", 400, 400),
        ("/healthz/;/x", 401, 403),
        ("/healthz/..%2fadmin/users", 400, 400),
        ("/healthz/..%5cadmin/users", 400, 400),
        ("/healthz/../orders/7", 401, 403),
        ("/healthz/%2e%2e/orders/7", 401, 403),
    ] {
        let statuses = (deployed.get(target, None).await.status, deployed.get(target, Some("admin")).await.status);
        assert_eq!(statuses, (unknown, administrator), "{target}");
    }
    assert_eq!(deployed.upstream.requests(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_envoy_repairs_is_repaired_for_keyward_and_the_upstream_alike() {
    let deployed = Deployed::start(Form::UnixSocket).await;
    let answer = deployed.get("/x/%2e%2e/orders/./7?a=%2F", Some("clerk")).await;
    assert_eq!((answer.status, answer.json()["target"].as_str()), (200, Some("/orders/7?a=%2F")), "{answer:?}");
    for target in ["/orders/../admin/users", "/orders/..;/admin/users", "/orders/..;x=1/admin/users"] {
        assert_eq!(deployed.get(target, Some("clerk")).await.status, 403, "{target}");
        let administrator = deployed.get(target, Some("admin")).await;
        assert_eq!(
            (administrator.status, administrator.json()["target"].as_str()),
            (200, Some("/admin/users")),
            "{target}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_sends_no_identity_headers_on_any_route() {
    let deployed = Deployed::start(Form::UnixSocket).await;
    let forged = ["x-auth-id", "X-Auth-Roles", "x_auth_id", "x-auth_id", "x.auth.id", "x-auth-anything"];
    let headers: Vec<_> = forged.iter().map(|name| (*name, "forged")).collect();
    let public = deployed.send("/healthz", &headers).await;
    let with_token = [headers, vec![("Authorization", "Bearer clerk")]].concat();
    let asked = deployed.send("/orders/7", &with_token).await;
    assert_eq!((public.status, asked.status), (200, 200));
    for answer in [public, asked] {
        assert!(!answer.body.contains("forged"), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keyward_it_is_an_outage() {
    let mut deployed = Deployed::start(Form::UnixSocket).await;
    deployed.keyward = None;
    let answer = deployed.get("/orders/7", Some("clerk")).await;
    assert_eq!((answer.status, deployed.upstream.requests()), (503, 0), "{answer:?}");
    let line = deployed.logged("/orders/7");
    assert_eq!((&line["details"], &line["flags"]), (&json!("ext_authz_error"), &json!("UAEX")), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_access_log_says_who_and_why() {
    let deployed = Deployed::start(Form::UnixSocket).await;
    deployed.send("/orders/8?access_token=leak", &[("Authorization", "Bearer clerk"), ("x-request-id", "r-1")]).await;
    let line = deployed.logged("/orders/8");
    assert_eq!(line["status"], 200, "{line}");
    for (name, value) in [("decision", "allow"), ("filter", "shop"), ("user", "alice")] {
        assert_eq!(line[name], value, "{line}");
    }
    assert!(line["rule"].is_string() && line["reason"].is_null(), "{line}");
    assert!(line["authz_ms"].is_number() || line["authz_ms"].is_string(), "{line}");

    assert!(line["decision_id"].as_str().is_some_and(|id| id.len() > 16), "{line}");

    let denied = deployed.get("/admin/users", Some("clerk")).await;
    let line = deployed.logged("/admin/users");
    assert_eq!(denied.header("x-keyward-decision"), [line["decision_id"].as_str().unwrap()], "{line}");
    for (name, value) in
        [("decision", "deny"), ("filter", "admin"), ("reason", "no_rule"), ("details", "ext_authz_denied")]
    {
        assert_eq!(line[name], value, "{line}");
    }
    assert!(!deployed.envoy.stdout().contains("leak") && !deployed.envoy.stdout().contains("Bearer"));
}
