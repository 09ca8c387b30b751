//! What did OpenAM 16 and Keycloak 26 mean by each answer that was recorded from them?

use serde_json::Value;

use super::read;
use crate::introspection::IntrospectionError;
use crate::token::TokenState;

/// What a recorded row means, told from what was asked.
#[derive(Debug, Clone, Copy)]
enum Meaning {
    /// An active token: subject, scopes, type, client, `exp`.
    Active(&'static str, &'static str, &'static str, &'static str, i64),
    /// Unknown, expired, revoked, or not for this client.
    Inactive,
    /// No word: the status, and what its detail begins with.
    Outage(u16, &'static str),
    /// The answer of another endpoint, named by its path, asked along the way. None of them may pass for an active token.
    Other(&'static str),
}

use Meaning::{Active, Inactive, Other, Outage};

const FR: &str = "fr:idm:*";
const ACCESS: &str = "access_token";
const BOB: Meaning = Active("bob", FR, ACCESS, "app1", 1_795_369_010);
const ALICE: Meaning = Active("alice", FR, ACCESS, "app1", 1_795_369_011);
const SHORT: Meaning = Active("bob", FR, ACCESS, "short", 1_795_365_414);
const NO_CLIENT: Meaning = Outage(401, "invalid_client, Client authentication failed");
const CTS: &str = "server_error, Could not read token in CTS";

const OPENAM: &[(&str, Meaning)] = &[
    ("active password token", BOB),
    // J11: active although it is a refresh token; only the policy's check of the type refuses it.
    ("refresh token", Active("bob", FR, "refresh_token", "app1", 1_795_970_210)),
    ("refresh token, hint", Active("bob", FR, "refresh_token", "app1", 1_795_970_210)),
    ("other client introspects", Inactive),
    ("client_credentials token", Active("app1", FR, ACCESS, "app1", 1_795_369_010)),
    ("client_credentials, other client", Inactive),
    ("two scopes", Active("bob", "profile fr:idm:*", ACCESS, "app1", 1_795_369_010)),
    ("no scope", Outage(400, CTS)),
    ("garbage token", Inactive),
    ("empty token", Outage(400, CTS)),
    ("no token param", Outage(400, "server_error, Internal Server Error (500)")),
    ("no client auth", Outage(400, "invalid_client, Client authentication failed")),
    ("wrong secret", NO_CLIENT),
    ("unknown client", NO_CLIENT),
    ("secret in form", BOB),
    ("GET, token in query", BOB),
    ("POST, token in query", BOB),
    ("bearer in Authorization", NO_CLIENT),
    ("Accept text/html", BOB),
    ("Accept json", BOB),
    ("JSON body", Outage(415, "The server is refusing to service the request")),
    ("two token params", Inactive),
    ("path realms/root", BOB),
    ("path trailing slash", Outage(404, "The server has not found anything")),
    ("basic raw example.com : s=cr%t", Active("example.com", FR, ACCESS, "example.com", 1_795_369_011)),
    ("basic formencoded example.com : s=cr%t", NO_CLIENT),
    ("basic %20-encoded example.com : s=cr%t", NO_CLIENT),
    ("basic raw my client:1 : p+w d@$~*ü", NO_CLIENT),
    ("basic formencoded my client:1 : p+w d@$~*ü", NO_CLIENT),
    ("basic raw latin-1 my client:1 : p+w d@$~*ü", NO_CLIENT),
    ("basic %20-encoded my client:1 : p+w d@$~*ü", NO_CLIENT),
    ("basic raw cli&ent : 100%", Active("cli&ent", FR, ACCESS, "cli&ent", 1_795_369_011)),
    ("basic formencoded cli&ent : 100%", NO_CLIENT),
    ("basic %20-encoded cli&ent : 100%", NO_CLIENT),
    ("basic raw plain : pa:ss", Active("plain", FR, ACCESS, "plain", 1_795_369_011)),
    ("basic formencoded plain : pa:ss", NO_CLIENT),
    ("basic %20-encoded plain : pa:ss", NO_CLIENT),
    ("basic raw umlaut : pä", NO_CLIENT),
    ("basic formencoded umlaut : pä", NO_CLIENT),
    ("basic raw latin-1 umlaut : pä", Active("umlaut", FR, ACCESS, "umlaut", 1_795_369_011)),
    ("basic %20-encoded umlaut : pä", NO_CLIENT),
    ("basic raw plus : a+b", Active("plus", FR, ACCESS, "plus", 1_795_369_011)),
    ("basic formencoded plus : a+b", NO_CLIENT),
    ("basic %20-encoded plus : a+b", NO_CLIENT),
    ("basic raw space : a b", Active("space", FR, ACCESS, "space", 1_795_369_011)),
    ("basic formencoded space : a b", NO_CLIENT),
    ("basic %20-encoded space : a b", NO_CLIENT),
    ("alpha token at alpha", ALICE),
    ("alpha token at /oauth2/alpha", ALICE),
    ("alpha token at ?realm=/alpha", ALICE),
    ("alpha token at root", Inactive),
    ("root token at alpha", Inactive),
    ("realm that is not there", Outage(404, "No mapping")),
    ("alpha client_credentials", Active("app1", FR, ACCESS, "app1", 1_795_369_011)),
    ("3 s token, fresh", SHORT),
    ("3 s token after ~1 s", SHORT),
    ("3 s token after ~2 s", SHORT),
    ("3 s token after ~3 s", Inactive),
    ("3 s token after ~4 s", Inactive),
    ("3 s token after ~5 s", Inactive),
    ("revoke", Other("/revoke")),
    ("revoked token", Inactive),
    ("tokeninfo of revoked", Other("/tokeninfo")),
    ("tokeninfo", Other("/tokeninfo")),
    ("userinfo", Other("/userinfo")),
    // The user is inactive in the directory, which introspection does not know: B20's check is needed.
    ("token of a user now Inactive", Active("bob", FR, ACCESS, "app1", 1_795_369_016)),
    ("discovery", Other("/.well-known/openid-configuration")),
    ("stateless active", Active("bob", FR, ACCESS, "app1", 1_795_369_019)),
    ("stateless, tampered", Inactive),
    ("stateless client_credentials", Active("app1", FR, ACCESS, "app1", 1_795_369_019)),
    // No answer at all: the claims inside a JWT access token, written down beside them.
    ("stateless claims", Other("")),
    ("stateless 3 s fresh", Active("bob", FR, ACCESS, "short", 1_795_365_422)),
    ("stateless 3 s expired", Inactive),
    ("stateless revoke", Other("/revoke")),
    ("stateless revoked", Inactive),
];

const KC_BOB: &str = "06e0add1-3beb-48f8-9164-e15a3768c5a4";
const KC: Meaning = Active(KC_BOB, "openid email profile", "Bearer", "app1", 1_795_365_245);
const KC_CLIENT: Meaning = Outage(401, "invalid_client, Invalid client or Invalid client credentials");

const KEYCLOAK: &[(&str, Meaning)] = &[
    ("active, resource server", KC),
    ("active, own client", KC),
    ("scope fr:idm:*", Active(KC_BOB, "openid email fr:idm:* profile", "Bearer", "app1", 1_795_365_246)),
    // H3: active without a `sub`; the subject mapper refuses it.
    ("client without scope basic", Active("", "openid", "Bearer", "app-nosub", 1_795_365_246)),
    ("client not in audience", Inactive),
    (
        "client_credentials",
        Active("fd7af481-ce35-41fe-9fd5-e2a7e2c9eca3", "email profile", "Bearer", "app1", 1_795_365_246),
    ),
    ("refresh token", Inactive),
    ("refresh token, own client", Inactive),
    ("id token", Inactive),
    ("garbage", Inactive),
    ("tampered", Inactive),
    ("empty token", Inactive),
    ("no token", Outage(400, "invalid_request, Token not provided.")),
    ("no client auth", KC_CLIENT),
    ("wrong secret", NO_CLIENT),
    ("unknown client", KC_CLIENT),
    ("secret in form", KC),
    ("GET", Outage(405, "HTTP 405 Method Not Allowed")),
    ("Accept application/jwt", KC),
    ("two tokens", Outage(400, "invalid_request, duplicated parameter")),
    ("JSON body", Outage(400, "invalid_request, Token not provided.")),
    ("basic raw s=cr%t", Outage(400, "unauthorized_client, Unexpected error")),
    ("basic form-encoded s=cr%t", KC),
    ("realm not there", Outage(404, "Realm does not exist")),
    ("token of another realm", Inactive),
    ("user disabled", Inactive),
    ("user enabled again", KC),
    ("revoke", Other("/revoke")),
    ("revoked", Inactive),
    ("logout", Other("/logout")),
    ("after logout", Inactive),
    ("3 s, fresh", Active(KC_BOB, "openid email profile", "Bearer", "app1", 1_795_364_952)),
    ("3 s, expired", Inactive),
];

fn check(row: &Value, meaning: Meaning) {
    let status = row["status"].as_u64().map_or(200, |status| u16::try_from(status).unwrap());
    let content_type = row["headers"]["Content-Type"].as_str();
    let read = read(status, content_type, row["body"].as_str().unwrap().as_bytes());
    match (meaning, read) {
        (Active(subject, scopes, token_type, client, exp), Ok(TokenState::Active(token))) => {
            assert_eq!(token.subject.as_deref().unwrap_or_default(), subject, "{row}");
            assert_eq!(token.scopes.join(" "), scopes, "{row}");
            assert_eq!(token.token_type.as_deref(), Some(token_type), "{row}");
            assert_eq!(token.client_id.as_deref(), Some(client), "{row}");
            assert_eq!(token.expires_at.map(jiff::Timestamp::as_second), Some(exp), "{row}");
            assert!(token.issuer.as_deref().is_some_and(|iss| iss.starts_with("http://127.0.0.1:18")), "{row}");
        }
        (Inactive, Ok(TokenState::Inactive)) => {}
        (Outage(expected, words), Err(IntrospectionError::Status { status, detail })) => {
            assert_eq!(status, expected, "{row}");
            assert!(detail.starts_with(words), "{row}: {detail}");
        }
        (Other(endpoint), Ok(TokenState::Inactive) | Err(_)) => {
            let path = row["path"].as_str().or(row["url"].as_str()).unwrap_or_default();
            assert!(path.contains(endpoint) && !path.ends_with("/introspect"), "{row}");
        }
        (meaning, read) => panic!("{row}\nmeans {meaning:?}\nwas read as {read:?}"),
    }
}

fn check_all(recorded: &str, meanings: &[(&str, Meaning)]) {
    let rows: Vec<Value> = recorded.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<&str> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
    let expected: Vec<&str> = meanings.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, expected, "every row has its meaning stated");
    for (row, (_, meaning)) in rows.iter().zip(meanings) {
        check(row, *meaning);
    }
}

#[test]
fn every_recorded_answer_of_openam_is_read_to_what_it_means() {
    check_all(include_str!("../../../../tests/answers/openam-answers.jsonl"), OPENAM);
}

#[test]
fn every_recorded_answer_of_keycloak_is_read_to_what_it_means() {
    check_all(include_str!("../../../../tests/answers/keycloak-answers.jsonl"), KEYCLOAK);
}
