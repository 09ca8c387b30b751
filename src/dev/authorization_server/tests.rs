//! Does the embedded authorization server answer as the RFCs say?

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Request, Response};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use tower::Service as _;

use super::{AuthorizationServer, Client, Grant, MAX_TOKENS, MintError, endpoints};
use crate::clock::FixedClock;
use crate::secret::Secret;

const NOW: i64 = 1_700_000_000;
const ISSUER: &str = "http://127.0.0.1:9400";
const BASIC: &str = "Basic bWVzaC1yczpzJTNEY3IlMjV0"; // mesh-rs:s%3Dcr%25t

fn server() -> (AuthorizationServer, Arc<FixedClock>) {
    let clock = Arc::new(FixedClock::at(Timestamp::from_second(NOW).unwrap()));
    let client = Client { id: "mesh-rs".to_owned(), secret: Secret::new("s=cr%t".to_owned()) };
    (AuthorizationServer::new(ISSUER.to_owned(), client, clock.clone()), clock)
}

struct Answer {
    status: u16,
    challenge: Option<String>,
    body: Value,
}

impl Answer {
    async fn of(response: Response<Body>) -> Self {
        let status = response.status().as_u16();
        let challenge = response.headers().get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
        let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        let text = || Value::String(String::from_utf8_lossy(&bytes).into_owned());
        Self { status, challenge, body: serde_json::from_slice(&bytes).unwrap_or_else(|_| text()) }
    }

    fn error(&self) -> (u16, &str) {
        (self.status, self.body["error"].as_str().unwrap())
    }
}

async fn get(server: &AuthorizationServer, target: &str) -> Answer {
    let request = Request::get(target).body(Body::empty()).unwrap();
    Answer::of(endpoints::router(server.clone()).call(request).await.unwrap()).await
}

async fn post(server: &AuthorizationServer, target: &str, authorization: Option<&str>, form: &str) -> Answer {
    let mut request = Request::post(target).header("content-type", "application/x-www-form-urlencoded");
    if let Some(value) = authorization {
        request = request.header("authorization", value);
    }
    let request = request.body(Body::from(form.to_owned())).unwrap();
    Answer::of(endpoints::router(server.clone()).call(request).await.unwrap()).await
}

async fn minted(server: &AuthorizationServer, query: &str) -> String {
    let answer = get(server, &format!("/mint?{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body["access_token"].as_str().unwrap().to_owned()
}

async fn introspected(server: &AuthorizationServer, token: &str) -> Value {
    let answer = post(server, "/introspect", Some(BASIC), &format!("token={token}")).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

#[tokio::test]
async fn a_minted_token_says_what_was_asked_for() {
    let (server, _) = server();
    let query = "sub=alice&scope=orders+mail&roles=clerk,admin&realm=/alpha&expires_in=60\
                 &mail=a%40b.example&level=3&aud=%5B%22x%22,%22y%22%5D&number=007";
    let token = minted(&server, query).await;
    assert!(crate::token::BearerToken::parse(&token).is_some_and(|_| token.len() == 22), "{token}");
    assert_eq!(
        introspected(&server, &token).await,
        json!({
            "active": true, "sub": "alice", "scope": "orders mail", "roles": ["clerk", "admin"], "realm": "/alpha",
            "exp": NOW + 60, "iat": NOW, "iss": ISSUER, "client_id": "mesh-rs", "token_type": "Bearer",
            "mail": "a@b.example", "level": 3, "aud": ["x", "y"], "number": "007",
        })
    );
    let answer = post(&server, "/mint", None, "sub=1&scope=a&expires_in=5").await;
    assert_eq!((answer.body["expires_in"].clone(), answer.body["scope"].clone()), (json!(5), json!("a")));
    let Value::String(token) = get(&server, "/mint.txt?sub=12").await.body else { panic!("not the bare token") };
    assert_eq!(introspected(&server, &token).await["sub"], json!("12"));
}

#[tokio::test]
async fn a_token_ends_with_its_life_and_with_its_revocation() {
    let (server, clock) = server();
    let short = minted(&server, "sub=alice&expires_in=60").await;
    let long = minted(&server, "sub=alice&expires_in=3600").await;
    clock.advance(SignedDuration::from_millis(59_999));
    assert_eq!(introspected(&server, &short).await["active"], json!(true));
    clock.advance(SignedDuration::from_millis(1));
    assert_eq!(introspected(&server, &short).await, json!({ "active": false }));
    assert_eq!(introspected(&server, &long).await["active"], json!(true));
    for _ in 0..2 {
        let answer = post(&server, "/revoke", Some(BASIC), &format!("token={long}&token_type_hint=access_token")).await;
        assert_eq!((answer.status, answer.body), (200, json!("")));
    }
    assert_eq!(introspected(&server, &long).await, json!({ "active": false }));
    assert_eq!(introspected(&server, "never-issued").await, json!({ "active": false }));
    assert_eq!(server.introspections(), 5);
}

#[tokio::test]
async fn what_mint_cannot_understand_it_refuses_and_says_why() {
    let (server, _) = server();
    for (query, word) in [
        ("", "sub=alice"),
        ("scope=a", "`sub` is missing"),
        ("sub=a&sub=b", "twice"),
        ("sub=a&expires_in=soon", "soon"),
        ("sub=a&expires_in=-1", "-1"),
        ("sub=a&expires_in=99999999999", "seconds"),
        ("sub=a&active=false", "`active`"),
        ("sub=a&exp=1", "`expires_in`"),
    ] {
        let answer = get(&server, &format!("/mint?{query}")).await;
        assert_eq!(answer.error(), (400, "invalid_request"), "{query}");
        let description = answer.body["error_description"].as_str().unwrap();
        assert!(description.contains(word), "{query}: {description}");
    }
}

#[tokio::test]
async fn only_the_client_may_ask() {
    let (server, _) = server();
    let token = minted(&server, "sub=alice").await;
    let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
    let form = format!("token={token}");
    let with_post = format!("{form}&client_id=mesh-rs&client_secret=s%3Dcr%25t");
    for (authorization, form, expected) in [
        (Some(basic("mesh-rs:s%3Dcr%25t")), form.as_str(), 200),
        (None, &with_post, 200),
        (None, &form, 401),
        (Some(basic("mesh-rs:wrong")), &form, 401),
        (Some(basic("other:s%3Dcr%25t")), &form, 401),
        // Not form-urlencoded: `%t` is no escape, so this is another secret.
        (Some(basic("mesh-rs:s=cr%25%25t")), &form, 401),
        (Some(basic("mesh-rs")), &form, 401),
        (Some("Basic !".to_owned()), &form, 401),
        (Some("Bearer x".to_owned()), &form, 401),
        (Some(BASIC.to_owned()), &with_post, 400),
    ] {
        for endpoint in ["/introspect", "/revoke"] {
            if expected == 200 && endpoint == "/revoke" {
                continue;
            }
            let answer = post(&server, endpoint, authorization.as_deref(), form).await;
            assert_eq!(answer.status, expected, "{endpoint} {authorization:?} {}", answer.body);
            assert_eq!(answer.challenge.is_some(), expected == 401, "{endpoint} {authorization:?}");
            if expected == 401 {
                assert_eq!(answer.error().1, "invalid_client");
            }
        }
    }
    assert_eq!(introspected(&server, &token).await["active"], json!(true));
}

#[tokio::test]
async fn a_request_without_a_token_or_a_form_is_invalid() {
    let (server, _) = server();
    let answer = post(&server, "/introspect", Some(BASIC), "").await;
    assert_eq!(answer.error(), (400, "invalid_request"));
    let request = Request::post("/introspect").header("authorization", BASIC).body(Body::from("token=a")).unwrap();
    let answer = Answer::of(endpoints::router(server.clone()).call(request).await.unwrap()).await;
    assert_eq!(answer.error(), (400, "invalid_request"));
    assert_eq!(get(&server, "/introspect").await.status, 405);
    let unknown = get(&server, "/nowhere").await;
    assert_eq!(unknown.error(), (404, "not_found"));
    assert_eq!(get(&server, "/").await.body["endpoints"], unknown.body["endpoints"]);
}

#[tokio::test]
async fn the_token_endpoint_gives_the_client_a_token_of_its_own() {
    let (server, _) = server();
    let answer = post(&server, "/token", Some(BASIC), "grant_type=client_credentials&scope=fr:idm:*").await;
    assert_eq!(
        (answer.status, &answer.body["token_type"], &answer.body["scope"]),
        (200, &json!("Bearer"), &json!("fr:idm:*"))
    );
    let said = introspected(&server, answer.body["access_token"].as_str().unwrap()).await;
    assert_eq!((&said["sub"], &said["exp"]), (&json!("mesh-rs"), &json!(NOW + 3600)));
    let answer = post(&server, "/token", Some(BASIC), "grant_type=password").await;
    assert_eq!(answer.error(), (400, "unsupported_grant_type"));
    let answer = post(&server, "/token", None, "grant_type=client_credentials").await;
    assert_eq!(answer.error(), (401, "invalid_client"));
}

#[tokio::test]
async fn the_metadata_names_every_endpoint() {
    let (server, _) = server();
    let metadata = get(&server, "/.well-known/oauth-authorization-server").await.body;
    assert_eq!(metadata["issuer"], json!(ISSUER));
    for (member, path) in
        [("token_endpoint", "token"), ("introspection_endpoint", "introspect"), ("revocation_endpoint", "revoke")]
    {
        assert_eq!(metadata[member], json!(format!("{ISSUER}/{path}")));
        assert_ne!(get(&server, &format!("/{path}")).await.status, 404);
    }
}

#[test]
fn memory_is_bounded_and_expired_tokens_make_room() {
    let (server, clock) = server();
    let grant = || Grant { claims: Map::new(), expires_in: Some(1) };
    for _ in 0..MAX_TOKENS {
        server.mint(grant()).unwrap();
    }
    assert_eq!(server.mint(grant()), Err(MintError::Full));
    clock.advance(SignedDuration::from_secs(1));
    assert!(server.mint(grant()).is_ok());
    assert_eq!(server.tokens().len(), 1);
}
