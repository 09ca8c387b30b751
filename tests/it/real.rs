//! What do the authorization servers of real deployments make of it? Keycloak and OpenAM, through a real Envoy.
//!
//! `make test-real` starts both and runs these; without them they are ignored.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyward::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};

use crate::support::echo::EchoUpstream;
use crate::support::envoy::{Authz, EnvoyProcess, Listener};
use crate::support::program::TestServer;
use crate::support::raw_http::{self, Response};
use crate::support::{blocking, clone_path, yaml};

/// A variable that `tests/real/run.sh` sets.
fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("`{name}` is not set: run `make test-real`"))
}

/// A client's id and secret.
type Client = (&'static str, &'static str);

/// Calls a server by its URL; the body is JSON where `Content-Type` says so, else a form.
fn call(method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Response {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut all = vec![("Host".to_owned(), host.as_bytes().to_vec())];
    all.extend(headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())));
    if !headers.iter().any(|(name, _)| *name == "Content-Type") && !body.is_empty() {
        all.push(("Content-Type".to_owned(), b"application/x-www-form-urlencoded".to_vec()));
    }
    raw_http::exchange(host.parse().unwrap(), method, &format!("/{path}"), &all, body.as_bytes())
}

fn form(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// A token answer of `endpoint` for a client that sends its secret in the form.
fn token(endpoint: &str, client: Client, pairs: &[(&str, &str)]) -> Value {
    let mut all = pairs.to_vec();
    all.extend([("client_id", client.0), ("client_secret", client.1)]);
    let answer = call("POST", endpoint, &[], &form(&all));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// What Envoy answers a `GET /orders/1` that carries `token`, before a Keyward that introspects at `endpoint` as `client`.
async fn ask(endpoint: &str, client: Client, with: Value, token: &str) -> Response {
    let mut config = json!({
        "listen": { "extAuthz": "127.0.0.1:0", "admin": "127.0.0.1:0" },
        "audit": { "to": "off" },
        "rsFilter": { "clientId": client.0, "clientSecret": client.1, "tokenIntrospectUrl": endpoint },
        "directory": { "token": {} },
        "access": { "style": "http", "rules": [{ "pattern": "/orders/*", "roles": "*", "methods": "*" }] },
        "identityHeaders": { "x-user-id": "authorization.id", "x-user-roles": "authorization.roles" },
    });
    yaml::merge(&mut config, &with);
    let server = TestServer::with(&config, SystemClock.now()).await;
    let upstream = EchoUpstream::start().await;
    let (address, echo) = (server.address, upstream.address);
    let headers = vec![("Authorization".to_owned(), format!("Bearer {token}").into_bytes())];
    blocking(move || {
        let envoy = EnvoyProcess::start(&[Listener::to("front", Authz::Tcp(address))], echo);
        let front: SocketAddr = envoy.address("front");
        raw_http::exchange(front, "GET", "/orders/1", &headers, b"")
    })
    .await
}

/// The values of a header that the upstream saw.
fn upstream(answer: &Response, name: &str) -> Vec<String> {
    let headers: Vec<(String, String)> = serde_json::from_value(answer.json()["headers"].clone()).unwrap();
    headers.into_iter().filter(|(held, _)| held == name).map(|(_, value)| value).collect()
}

mod keycloak {
    use super::*;

    const APP: Client = ("app1", "app1secret");
    const NO_SUBJECT: Client = ("app-nosub", "nosubsecret");
    const SERVER: Client = ("idm-resource-server", "changeme");
    const SPECIAL: Client = ("example.com", "s=cr%t");
    const STRANGER: Client = ("other-rs", "otherchangeme");

    fn realm(path: &str) -> String {
        format!("{}/realms/lab/protocol/openid-connect/{path}", variable("KEYWARD_KEYCLOAK"))
    }

    /// What Keycloak gives `client` for bob's password.
    async fn bobs(client: Client) -> Value {
        let pairs =
            [("grant_type", "password"), ("username", "bob"), ("password", "Passw0rd.user"), ("scope", "openid")];
        blocking(move || token(&realm("token"), client, &pairs)).await
    }

    async fn introspected(client: Client, with: Value, token: &str) -> Response {
        ask(&realm("token/introspect"), client, with, token).await
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs a real Keycloak: `make test-real`"]
    async fn a_users_token_passes_with_the_roles_of_the_realm() {
        let token = text(&bobs(APP).await["access_token"]);
        let mapping = json!([{ "queryOnResource": "keycloak/user", "propertyMapping": { "sub": "sub" }, "userRoles": "realm_access/roles/*" }]);
        let rules = json!([{ "pattern": "/orders/*", "roles": ["offline_access"], "methods": ["GET"] }]);
        let with = json!({ "rsFilter": { "subjectMapping": mapping }, "access": { "rules": rules } });
        let answer = introspected(SERVER, with, &token).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(upstream(&answer, "x-user-id").first().map(String::len), Some(36), "bob's uuid: {answer:?}");
        assert!(upstream(&answer, "x-user-roles")[0].split(',').any(|role| role == "offline_access"), "{answer:?}");
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs a real Keycloak: `make test-real`"]
    async fn a_secret_with_a_percent_sign_must_be_form_encoded() {
        let token = text(&bobs(APP).await["access_token"]);
        assert_eq!(introspected(SPECIAL, json!({}), &token).await.status, 200);
        let raw = introspected(SPECIAL, json!({ "rsFilter": { "basicEncoding": "raw" } }), &token).await;
        assert_eq!(raw.status, 503, "{raw:?}");
        let posted = json!({ "rsFilter": { "clientAuthentication": "client_secret_post" } });
        assert_eq!(introspected(SPECIAL, posted, &token).await.status, 200);
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs a real Keycloak: `make test-real`"]
    async fn a_wrong_secret_is_an_outage() {
        let token = text(&bobs(APP).await["access_token"]);
        assert_eq!(introspected(("idm-resource-server", "wrong"), json!({}), &token).await.status, 503);
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs a real Keycloak: `make test-real`"]
    async fn a_client_outside_the_audience_sees_no_active_token() {
        let token = text(&bobs(APP).await["access_token"]);
        assert_eq!(introspected(STRANGER, json!({}), &token).await.status, 401);
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs a real Keycloak: `make test-real`"]
    async fn an_active_token_without_a_subject_is_refused() {
        let token = text(&bobs(NO_SUBJECT).await["access_token"]);
        assert_eq!(introspected(SERVER, json!({}), &token).await.status, 401);
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs a real Keycloak: `make test-real`"]
    async fn refresh_and_id_tokens_are_refused_to_every_client() {
        let answer = bobs(APP).await;
        for name in ["refresh_token", "id_token"] {
            for client in [SERVER, APP] {
                let refused = introspected(client, json!({}), &text(&answer[name])).await;
                assert_eq!(refused.status, 401, "{name} as {client:?}: {refused:?}");
            }
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs a real Keycloak: `make test-real`"]
    async fn a_missing_scope_is_told() {
        let token = text(&bobs(APP).await["access_token"]);
        let answer = introspected(SERVER, json!({ "rsFilter": { "scopes": ["fr:idm:*"] } }), &token).await;
        assert_eq!(answer.status, 403, "{answer:?}");
        assert!(answer.header("www-authenticate")[0].contains("insufficient_scope"), "{answer:?}");
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs a real Keycloak: `make test-real`"]
    async fn a_revoked_token_is_refused() {
        let token = text(&bobs(APP).await["access_token"]);
        assert_eq!(introspected(SERVER, json!({}), &token).await.status, 200);
        let body = form(&[("token", &token), ("client_id", APP.0), ("client_secret", APP.1)]);
        let revoked = blocking(move || call("POST", &realm("revoke"), &[], &body)).await;
        assert_eq!(revoked.status, 200, "{revoked:?}");
        assert_eq!(introspected(SERVER, json!({}), &token).await.status, 401);
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs a real Keycloak: `make test-real`"]
    async fn a_disabled_users_token_is_refused_until_the_user_is_enabled_again() {
        // A user of its own: the other tests need bob.
        let token = blocking(|| {
            let user = json!({ "username": "carol", "enabled": true, "email": "carol@example.com", "emailVerified": true,
                "firstName": "C", "lastName": "T",
                "credentials": [{ "type": "password", "value": "Passw0rd.user", "temporary": false }] });
            let made = admin("POST", "users", &user);
            assert!([201, 409].contains(&made.status), "{made:?}");
            let pairs = [("grant_type", "password"), ("username", "carol"), ("password", "Passw0rd.user"), ("scope", "openid")];
            text(&super::token(&realm("token"), APP, &pairs)["access_token"])
        })
        .await;
        assert_eq!(introspected(SERVER, json!({}), &token).await.status, 200);
        blocking(|| enable("carol", false)).await;
        assert_eq!(introspected(SERVER, json!({}), &token).await.status, 401);
        blocking(|| enable("carol", true)).await;
        assert_eq!(introspected(SERVER, json!({}), &token).await.status, 200);
    }

    fn admin(method: &str, path: &str, body: &Value) -> Response {
        let base = variable("KEYWARD_KEYCLOAK");
        let password = variable("KEYWARD_KEYCLOAK_PASSWORD");
        let pairs =
            [("grant_type", "password"), ("client_id", "admin-cli"), ("username", "admin"), ("password", &password)];
        let session = call("POST", &format!("{base}/realms/master/protocol/openid-connect/token"), &[], &form(&pairs));
        let authorization = format!("Bearer {}", text(&session.json()["access_token"]));
        let headers = [("Authorization", authorization.as_str()), ("Content-Type", "application/json")];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        call(method, &format!("{base}/admin/realms/lab/{path}"), &headers, &body)
    }

    fn enable(user: &str, enabled: bool) {
        let mut record = admin("GET", &format!("users?username={user}"), &Value::Null).json()[0].clone();
        record["enabled"] = enabled.into();
        let changed = admin("PUT", &format!("users/{}", text(&record["id"])), &record);
        assert_eq!(changed.status, 204, "{changed:?}");
    }
}

mod openam {
    use super::*;

    const APP: Client = ("app1", "app1secret");
    const STRANGER: Client = ("other-rs", "othersecret");
    const SPECIAL: Client = ("example.com", "s=cr%t");
    const UMLAUT: Client = ("umlaut", "pä");

    fn oauth2(path: &str) -> String {
        format!("{}/oauth2/{path}", variable("KEYWARD_OPENAM"))
    }

    /// This server reads Basic credentials as they are.
    fn raw() -> Value {
        json!({ "rsFilter": { "basicEncoding": "raw" } })
    }

    async fn bobs() -> Value {
        let pairs =
            [("grant_type", "password"), ("username", "bob"), ("password", "Passw0rd.user"), ("scope", "fr:idm:*")];
        blocking(move || basic_token(APP, &pairs)).await
    }

    /// This server wants the client's secret in the `Authorization` header.
    fn basic_token(client: Client, pairs: &[(&str, &str)]) -> Value {
        let latin1: Vec<u8> = format!("{}:{}", client.0, client.1).chars().map(|c| u8::try_from(c).unwrap()).collect();
        let authorization = format!("Basic {}", STANDARD.encode(latin1));
        let answer = call("POST", &oauth2("access_token"), &[("Authorization", &authorization)], &form(pairs));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    async fn introspected(client: Client, with: Value, token: &str) -> Response {
        ask(&oauth2("introspect"), client, with, token).await
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs a real OpenAM: `make test-real`"]
    async fn a_users_token_passes() {
        let token = text(&bobs().await["access_token"]);
        let with = json!({ "rsFilter": { "basicEncoding": "raw", "scopes": ["fr:idm:*"] } });
        let answer = introspected(APP, with, &token).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(upstream(&answer, "x-user-id"), ["bob"]);
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs a real OpenAM: `make test-real`"]
    async fn a_plain_subject_finds_its_record_in_a_users_file() {
        let token = text(&bobs().await["access_token"]);
        let mapping = json!([{ "queryOnResource": "managed/user", "propertyMapping": { "sub": "userName" }, "userRoles": "authzRoles/*" }]);
        let directory = tempfile::tempdir().unwrap();
        let users = directory.path().join("users.json");
        let record = json!({ "_id": "1", "userName": "bob", "accountStatus": "active", "authzRoles": [{ "_ref": "internal/role/clerk" }] });
        std::fs::write(&users, json!({ "managed/user": [record] }).to_string()).unwrap();
        let with = json!({
            "rsFilter": { "basicEncoding": "raw", "subjectMapping": mapping },
            "directory": { "token": null, "file": users },
        });
        let answer = introspected(APP, with, &token).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(upstream(&answer, "x-user-id"), ["1"]);
        assert_eq!(upstream(&answer, "x-user-roles"), ["internal/role/clerk"]);
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs a real OpenAM: `make test-real`"]
    async fn a_refresh_token_is_refused_though_it_is_called_active() {
        let token = text(&bobs().await["refresh_token"]);
        assert_eq!(introspected(APP, raw(), &token).await.status, 401);
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs a real OpenAM: `make test-real`"]
    async fn secrets_with_awkward_characters_are_read_raw_and_not_encoded() {
        for client in [SPECIAL, UMLAUT] {
            let pairs = [("grant_type", "client_credentials"), ("scope", "fr:idm:*")];
            let token = text(&blocking(move || basic_token(client, &pairs)).await["access_token"]);
            let answer = introspected(client, raw(), &token).await;
            assert_eq!(answer.status, 200, "{client:?}: {answer:?}");
            assert_eq!(upstream(&answer, "x-user-id"), [client.0]);
            let encoded = introspected(client, json!({ "rsFilter": { "basicEncoding": "form" } }), &token).await;
            assert_eq!(encoded.status, 503, "{client:?}: {encoded:?}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs a real OpenAM: `make test-real`"]
    async fn another_clients_token_is_not_active() {
        let token = text(&bobs().await["access_token"]);
        assert_eq!(introspected(STRANGER, raw(), &token).await.status, 401);
        assert_eq!(introspected(APP, raw(), "made-up").await.status, 401);
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs a real OpenAM: `make test-real`"]
    async fn a_revoked_token_is_refused() {
        let token = text(&bobs().await["access_token"]);
        let authorization = format!("Basic {}", STANDARD.encode("app1:app1secret"));
        let body = form(&[("token", &token)]);
        let revoke = move || call("POST", &oauth2("token/revoke"), &[("Authorization", &authorization)], &body);
        let revoked = blocking(revoke).await;
        assert_eq!(revoked.status, 200, "{revoked:?}");
        assert_eq!(introspected(APP, raw(), &token).await.status, 401);
    }

    /// What Envoy answers each request before a Keyward that reads the files of `tests/real/idm`, as a deployment has them.
    async fn before_idms_files(
        users: &str,
        requests: Vec<(&'static str, &'static str, Option<String>, bool)>,
    ) -> Vec<Response> {
        let folder = clone_path("tests/real/idm");
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
        let mut config = yaml::parse("keyward.yaml", &read("keyward.yaml"));
        yaml::merge(
            &mut config,
            &json!({ "listen": { "extAuthz": "127.0.0.1:0", "admin": "127.0.0.1:0" }, "audit": { "to": "off" } }),
        );
        let names = ["conf/authentication.json", "conf/access.json", "script/auth/orgAdmins.js"];
        let mut files: Vec<_> = names.iter().map(|name| ((*name).to_owned(), Value::String(read(name)))).collect();
        files.push(("users.yaml".to_owned(), users.into()));
        let env = BTreeMap::from([
            ("AM_URL".to_owned(), variable("KEYWARD_OPENAM")),
            ("RS_CLIENT_SECRET".to_owned(), APP.1.to_owned()),
        ]);
        let server = TestServer::start(&config, &files, &env, SystemClock.now()).await;
        let server = server.unwrap_or_else(|problems| panic!("{problems}"));
        let upstream = EchoUpstream::start().await;
        let (address, echo) = (server.address, upstream.address);
        blocking(move || {
            let envoy = EnvoyProcess::start(&[Listener::to("front", Authz::Tcp(address))], echo);
            let front: SocketAddr = envoy.address("front");
            let ask = |(method, target, token, ajax): &(&'static str, &'static str, Option<String>, bool)| {
                let mut headers = Vec::new();
                headers.extend(token.iter().map(|t| ("Authorization".to_owned(), format!("Bearer {t}").into_bytes())));
                headers.extend(ajax.then(|| ("X-Requested-With".to_owned(), b"test".to_vec())));
                raw_http::exchange(front, method, &format!("/openidm/{target}"), &headers, b"")
            };
            requests.iter().map(ask).collect()
        })
        .await
    }

    /// What an answer of `before_idms_files` comes to: the roles and the user who reached the upstream, or status and message.
    fn outcome(answer: &Response) -> String {
        let told = |name: &str| upstream(answer, name).join(" and ");
        if answer.header("x-echo").is_empty() {
            let body = answer.json();
            let reason = body["detail"]["failureReasons"][0]["message"].as_str().map(|text| format!(": {text}"));
            return format!("{} {}{}", answer.status, text(&body["message"]), reason.unwrap_or_default());
        }
        format!(
            "{}@{} {}",
            told("x-auth-id"),
            told("x-auth-component"),
            told("x-auth-roles").replace("internal/role/", "")
        )
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs a real OpenAM: `make test-real`"]
    async fn idms_own_files_decide_about_the_tokens_of_a_real_openam() {
        let (bob, narrow, app) = blocking(|| {
            let as_bob = |scope| {
                let pairs =
                    [("grant_type", "password"), ("username", "bob"), ("password", "Passw0rd.user"), ("scope", scope)];
                Some(text(&basic_token(APP, &pairs)["access_token"]))
            };
            let own = [("grant_type", "client_credentials"), ("scope", "fr:idm:*")];
            (as_bob("fr:idm:*"), as_bob("profile"), Some(text(&basic_token(APP, &own)["access_token"])))
        })
        .await;
        let (user, admin) = (
            "1@managed/user openidm-authorized,clerk,org-admin",
            "openidm-admin@internal/user openidm-authorized,openidm-admin",
        );
        let nobody = "anonymous@internal/user openidm-reg";
        let forbidden = "403 Access denied";
        let made_up = Some("made-up".to_owned());
        let cases = [
            // A user: default role, own role, and the one that the script adds.
            ("GET", "info/login", &bob, false, user),
            ("GET", "orders/7", &bob, false, user),
            ("POST", "orders/7?_action=approve", &bob, false, user),
            ("POST", "orders/7?_action=cancel", &bob, false, forbidden),
            ("GET", "managed/organization/o1", &bob, false, user),
            // ownDataOnly()
            ("GET", "managed/user/1", &bob, false, user),
            ("GET", "managed/user/2", &bob, false, forbidden),
            ("DELETE", "managed/user/1", &bob, false, forbidden),
            ("GET", "../orders/7", &bob, false, "400 Bad request: the path holds a dot segment"),
            // The administrator by static mapping.
            ("DELETE", "managed/user/1", &app, false, admin),
            ("GET", "repo/links", &app, false, forbidden),
            ("GET", "managed/user?_queryExpression=x", &app, false, forbidden),
            // Nobody.
            ("GET", "info/ping", &None, false, nobody),
            ("POST", "managed/user?_action=create", &None, true, nobody),
            ("POST", "managed/user?_action=create", &None, false, forbidden),
            ("GET", "orders/7", &None, false, forbidden),
            // Tokens that are none, or too narrow.
            ("GET", "info/ping", &made_up, false, "401 Access Denied: Access denied, token inactive"),
            ("GET", "info/ping", &narrow, false, forbidden),
        ];
        let requests = cases.iter().map(|(method, target, token, ajax, _)| (*method, *target, (*token).clone(), *ajax));
        let users = std::fs::read_to_string(clone_path("tests/real/idm/users.yaml")).unwrap();
        let answers = before_idms_files(&users, requests.collect()).await;
        let seen: Vec<String> = answers.iter().map(outcome).collect();
        for ((method, target, .., expected), seen) in cases.iter().zip(&seen) {
            assert!(seen.starts_with(expected), "{method} {target}: {seen}, not {expected}");
        }
        assert!(answers[17].header("www-authenticate")[0].contains("insufficient_scope"), "{:?}", answers[17]);
        assert!(answers[16].header("www-authenticate")[0].contains("invalid_token"), "{:?}", answers[16]);
        // What the record says and what the script throws refuse the same token.
        for (status, more, reason) in
            [("inactive", "", "Access denied, user inactive"), ("active", "onLeave: true", "on leave")]
        {
            let users = format!("managed/user: [{{ _id: '1', userName: bob, accountStatus: {status}, {more} }}]");
            let answers = before_idms_files(&users, vec![("GET", "info/login", bob.clone(), false)]).await;
            assert_eq!(outcome(&answers[0]), format!("401 Access Denied: {reason}"));
        }
    }
}
