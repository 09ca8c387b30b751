//! Is every answer, lying, odd or recorded, read to what it means?

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::Answer;
use crate::introspection::IntrospectionError;
use crate::token::{ActiveToken, TokenState};

mod recorded;

pub(super) fn read(status: u16, content_type: Option<&str>, body: &[u8]) -> Result<TokenState, IntrospectionError> {
    Answer { status, content_type, body, hide: &["t0ken+/==", "s3cret%"] }.read()
}

fn read_json(body: &str) -> Result<TokenState, IntrospectionError> {
    read(200, Some("application/json"), body.as_bytes())
}

fn active(body: &Value) -> ActiveToken {
    match read_json(&body.to_string()) {
        Ok(TokenState::Active(token)) => ActiveToken::clone(&token),
        other => panic!("{body}: {other:?}"),
    }
}

fn at(second: i64) -> Option<Timestamp> {
    Some(Timestamp::from_second(second).unwrap())
}

#[test]
fn only_the_boolean_true_is_active() {
    for body in [
        r#"{"active":"true"}"#,
        r#"{"active":1}"#,
        r#"{"active":null}"#,
        r#"{"active":[true]}"#,
        r#"{"active":{}}"#,
        r#"{"active":false}"#,
        r#"{"Active":true}"#,
        r"{}",
        r#"{"active":false,"exp":"soon","sub":7,"scope":{},"aud":[1]}"#,
        r#"{"a":{"active":true}}"#,
    ] {
        assert!(matches!(read_json(body), Ok(TokenState::Inactive)), "{body}");
    }
    assert!(matches!(read_json(r#"{"active":true}"#), Ok(TokenState::Active(_))));
}

#[test]
fn what_is_no_json_object_is_an_outage() {
    for body in [
        "",
        " ",
        "null",
        "true",
        "[]",
        "[{\"active\":true}]",
        "\"active\"",
        "<html>",
        "{\"active\":true",
        "{\"active\":true}}",
        "{\"active\":true,\"active\":true}",
        "{\"active\":false,\"active\":true}",
        "{\"active\":true,\"cnf\":{\"a\":1,\"a\":1}}",
        "{\"active\":false,\"x\":1,\"x\":1}",
    ] {
        assert!(matches!(read_json(body), Err(IntrospectionError::Unreadable(_))), "{body}");
    }
}

#[test]
fn only_status_200_counts() {
    for status in [0, 100, 201, 202, 203, 204, 206, 301, 302, 307, 308, 400, 401, 403, 404, 500, 503, 599, 999] {
        let read = read(status, Some("application/json"), b"{\"active\":true}");
        assert!(matches!(read, Err(IntrospectionError::Status { status: s, .. }) if s == status), "{status}");
    }
}

#[test]
fn only_json_content_types_count() {
    let body = b"{\"active\":true}";
    for good in [
        "application/json",
        "application/json;charset=UTF-8",
        "Application/JSON ; charset=utf-8",
        "application/vnd.x+json",
    ] {
        assert!(read(200, Some(good), body).is_ok(), "{good}");
    }
    for bad in [
        "text/html",
        "text/json",
        "application/jsonp",
        "application/x-json",
        "text/plain; application/json",
        "application/token-introspection+jwt",
        "",
        "json",
    ] {
        let read = read(200, Some(bad), body);
        assert!(matches!(read, Err(IntrospectionError::Unreadable(_))), "{bad}");
    }
    assert!(matches!(read(200, None, body), Err(IntrospectionError::Unreadable(_))));
}

#[test]
fn a_signed_answer_says_what_to_do_about_it() {
    let error = read(200, Some("application/token-introspection+jwt"), b"ey.ey.x").unwrap_err().to_string();
    assert!(error.contains("RFC 9701") && error.contains("switch signed introspection responses off"), "{error}");
}

#[test]
fn a_wrong_type_of_a_member_that_is_read_is_an_outage() {
    for member in ["sub", "realm", "client_id", "username", "token_type", "iss"] {
        for wrong in [json!(1), json!(true), json!(["a"]), json!({})] {
            let body = json!({"active": true, member: wrong}).to_string();
            assert!(
                matches!(read_json(&body), Err(IntrospectionError::Unreadable(why)) if why.contains(member)),
                "{body}"
            );
        }
    }
    for member in ["scope", "aud"] {
        for wrong in [json!(1), json!(true), json!([1]), json!(["a", null]), json!([["a"]]), json!({})] {
            let body = json!({"active": true, member: wrong}).to_string();
            assert!(
                matches!(read_json(&body), Err(IntrospectionError::Unreadable(why)) if why.contains(member)),
                "{body}"
            );
        }
    }
    for member in ["exp", "nbf"] {
        for wrong in [json!("1795369010"), json!(true), json!([1]), json!({})] {
            let body = json!({"active": true, member: wrong}).to_string();
            assert!(
                matches!(read_json(&body), Err(IntrospectionError::Unreadable(why)) if why.contains(member)),
                "{body}"
            );
        }
    }
}

#[test]
fn null_is_absent_and_unknown_members_are_kept() {
    let body = json!({"active": true, "sub": null, "realm": "", "scope": null, "client_id": null, "username": null,
        "token_type": null, "iss": null, "aud": null, "exp": null, "nbf": null,
        "iat": "odd", "cnf": {"x5t#S256": "abc"}, "n": 1_795_385_806_u64});
    let token = active(&body);
    assert_eq!(token.claims, *body.as_object().unwrap());
    let none = ActiveToken { claims: token.claims.clone(), ..ActiveToken::default() };
    assert_eq!(format!("{token:?}"), format!("{none:?}"));
}

#[test]
fn members_are_typed() {
    let token = active(&json!({"active": true, "sub": "(usr!a)", "realm": "/alpha", "scope": " a  fr:idm:* ",
        "client_id": "c", "username": "u", "token_type": "Bearer", "iss": "https://i", "aud": "one", "exp": 10, "nbf": 5}));
    assert_eq!(token.subject.as_deref(), Some("(usr!a)"));
    assert_eq!(token.realm.as_deref(), Some("/alpha"));
    assert_eq!(token.scopes, ["a", "fr:idm:*"]);
    assert_eq!(token.client_id.as_deref(), Some("c"));
    assert_eq!(token.username.as_deref(), Some("u"));
    assert_eq!(token.token_type.as_deref(), Some("Bearer"));
    assert_eq!(token.issuer.as_deref(), Some("https://i"));
    assert_eq!(token.audience, ["one"]);
    assert_eq!((token.expires_at, token.not_before), (at(10), at(5)));
}

#[test]
fn scope_and_audience_may_be_lists_and_an_element_is_one_name() {
    let token = active(&json!({"active": true, "scope": ["a b", "c"], "aud": ["x", "y"]}));
    assert_eq!(token.scopes, ["a b", "c"]);
    assert_eq!(token.audience, ["x", "y"]);
    assert!(active(&json!({"active": true, "sub": ""})).subject.is_none());
}

#[test]
fn times_are_integers_or_floats_and_never_lengthen_a_life() {
    let times = |exp: Value, nbf: Value| {
        let token = active(&json!({"active": true, "exp": exp, "nbf": nbf}));
        (token.expires_at, token.not_before)
    };
    assert_eq!(times(json!(1_795_295_234.0), json!(1_795_295_234.0)), (at(1_795_295_234), at(1_795_295_234)));
    assert_eq!(times(json!(10.9), json!(10.1)), (at(10), at(11)));
    assert_eq!(times(json!(0), json!(-1)), (at(0), at(-1)));
    let (first, last) = (Some(Timestamp::MIN), Some(Timestamp::MAX));
    assert_eq!(times(json!(i64::MAX), json!(i64::MIN)), (last, first));
    assert_eq!(times(json!(u64::MAX), json!(-1e300)), (last, first));
    assert_eq!(times(json!(-1e300), json!(1e300)), (first, last));
}

#[test]
fn the_detail_of_an_error_shows_its_words_but_neither_token_nor_secret() {
    let detail = |content_type: Option<&str>, body: &str| match read(400, content_type, body.as_bytes()) {
        Err(IntrospectionError::Status { detail, .. }) => detail,
        other => panic!("{other:?}"),
    };
    let json = Some("application/json");
    let both = r#"{"error":"invalid_client","error_description":"no\r\n such\u0000 client"}"#;
    assert_eq!(detail(json, both), "invalid_client, no such client");
    assert_eq!(detail(json, r#"{"code":404,"reason":"Not Found","message":"gone"}"#), "gone");
    assert_eq!(detail(Some("text/html"), "<h1>t0ken+/==</h1>"), "18 bytes, text/html");
    let echo = format!(
        r#"{{"error":"{}t0ken+/==","error_description":"s3cret% t0ken%2B%2F%3D%3D s3cret%25"}}"#,
        "x".repeat(150)
    );
    let shown = detail(json, &echo);
    assert!(!shown.contains("t0k") && !shown.contains("s3c"), "{shown}");
    assert_eq!(shown.chars().count(), 160);
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(".{0,4}", inner, 0..4).prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(status in prop_oneof![Just(200), any::<u16>()],
            content_type in prop_oneof![Just(Some("application/json".to_owned())), prop::option::of(".{0,30}")],
            body in prop::collection::vec(any::<u8>(), 0..200)) {
        let read = read(status, content_type.as_deref(), &body);
        prop_assert!(!matches!(read, Ok(TokenState::Active(_))));
    }

    #[test]
    fn any_members_are_read_without_a_panic_and_only_true_is_active(active in any_json(),
            members in prop::collection::btree_map(
                prop::sample::select(vec!["sub", "scope", "aud", "exp", "nbf", "iss", "realm", "token_type", "x"]),
                any_json(), 0..6)) {
        let mut body = json!(members);
        body["active"] = active.clone();
        if let Ok(TokenState::Active(_)) = read_json(&body.to_string()) {
            prop_assert_eq!(active, json!(true));
        }
        body["active"] = json!(true);
        match read_json(&body.to_string()) {
            Ok(TokenState::Active(token)) => prop_assert_eq!(&token.claims, &serde_json::from_str::<serde_json::Map<_, _>>(&body.to_string()).unwrap()),
            Ok(TokenState::Inactive) => prop_assert!(false, "active, but read as inactive"),
            Err(error) => prop_assert_eq!(error.as_str(), "unreadable"),
        }
    }
}
