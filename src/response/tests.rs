//! Does every reply set or remove each managed header, and say to the client only what it may hear?

use std::sync::Arc;

use http::HeaderName;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::source::ContextSource;
use super::{Pass, Refusal, Reply, Responder, Settings};
use crate::access::testing::permit;
use crate::credential;
use crate::decision::{Decision, Denial, Outage};
use crate::introspection::IntrospectionError;
use crate::principal::{Origin, Principal, Role, User};
use crate::request::{Headers, RequestView};
use crate::response::settings::{OutageAnswer, OutageStatus};
use crate::subject::SubjectError;
use crate::token::ActiveToken;

fn view<'a>(target: &'a str, headers: &'a [(String, String)]) -> RequestView<'a> {
    let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    RequestView {
        method: "GET",
        target,
        host: "h",
        scheme: "https",
        headers: Headers::from_list(headers),
        body: None,
        source_address: None,
        source_principal: None,
        source_certificate: None,
        context_extensions: None,
    }
}

fn owned(headers: &[(&str, &str)]) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn principal(claims: Value, user: Value, roles: &[&str]) -> Principal {
    let token = ActiveToken {
        claims: claims.as_object().unwrap().clone(),
        realm: claims.get("realm").and_then(Value::as_str).map(str::to_owned),
        ..ActiveToken::default()
    };
    let user =
        User { id: "11aa".to_owned(), component: "managed/user".into(), fields: user.as_object().unwrap().clone() };
    let roles = roles.iter().filter_map(|role| Role::new(role)).collect();
    let origin = Origin::Directory(Arc::new(token), Arc::new(user));
    Principal::new("11aa", "managed/user", "11aa", roles, origin).unwrap()
}

fn settings(headers: &[(&str, &str)]) -> Settings {
    let headers = headers.iter().map(|(name, source)| (name.parse().unwrap(), source.parse().unwrap())).collect();
    Settings { identity_headers: headers, error_detail: true, ..Settings::default() }
}

fn pass(settings: Settings, who: Principal, sent: &[(&str, &str)]) -> Pass {
    let sent = owned(sent);
    let responder = Responder::new("default", settings, &credential::Settings::default());
    match responder.reply(&Decision::Allow(permit(Arc::new(who))), &view("/x", &sent)) {
        Reply::Pass(pass) => pass,
        other => panic!("{other:?}"),
    }
}

fn value(claims: Value, user: Value, source: &str) -> Option<String> {
    source.parse::<ContextSource>().unwrap().value(&principal(claims, user, &["a,b", "c%", "internal/role/d", " e"]))
}

#[test]
fn every_path_of_the_product_sheet_has_its_value() {
    let claims =
        json!({"exp": 1_795_385_806, "aud": ["x", "y"], "realm": "/alpha", "b": true, "o": {"k": 1}, "f": 1.5});
    let user = json!({"mail": "a@x", "ids": [1, null, "z"], "deep": {"list": [{"n": "p"}, {"n": "q,r"}]}});
    for (source, expected) in [
        ("authenticationId", Some("11aa")),
        ("authorization.id", Some("11aa")),
        ("authorization.component", Some("managed/user")),
        ("authorization.roles", Some("a%2Cb,c%25,internal/role/d,%20e")),
        ("authorization.moduleId", None),
        ("realm", Some("/alpha")),
        ("token.exp", Some("1795385806")),
        ("token.f", Some("1.5")),
        ("token.b", Some("true")),
        ("token.aud", Some("x,y")),
        ("token.o", Some("{\"k\":1}")),
        ("token/o/k", Some("1")),
        ("token.nothing", None),
        ("user.mail", Some("a@x")),
        ("user.ids", Some("1,z")),
        ("user.deep/list/*/n", Some("p,q%2Cr")),
        ("user.deep.nothing", None),
    ] {
        assert_eq!(value(claims.clone(), user.clone(), source).as_deref(), expected, "{source}");
    }
}

#[test]
fn what_http_would_alter_is_not_sent() {
    for text in ["", " admin", "admin ", "a\r\nx-role: admin", "a\0", "\t", "a\u{85}"] {
        assert_eq!(value(json!({"t": text}), json!({}), "token.t"), None, "{text:?}");
    }
    let list = json!({"t": ["a\r\nb", "", " c", "d\u{85}", "é"]});
    assert_eq!(value(list, json!({}), "token.t").as_deref(), Some("a%0D%0Ab,%20c,d%C2%85,é"));
}

#[test]
fn the_whole_context_is_base64url_json() {
    use base64::Engine as _;
    let text = value(json!({}), json!({}), "securityContext").unwrap();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).unwrap();
    let context: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(context["authorization"]["component"], "managed/user");
    assert_eq!(context["authenticationId"], "11aa");
}

#[test]
fn a_header_without_a_value_is_removed() {
    let managed = settings(&[("x-auth-id", "authorization.id"), ("x-mail", "user.mail")]);
    let pass = pass(managed, principal(json!({}), json!({"mail": null}), &[]), &[("x-mail", "forged@x")]);
    assert_eq!(pass.set, [(HeaderName::from_static("x-auth-id"), "11aa".to_owned())]);
    assert!(pass.remove.contains(&"x-mail".to_owned()));
    assert!(!pass.remove.contains(&"x-auth-id".to_owned()));
}

#[test]
fn forgeable_spellings_are_removed_seen_or_unseen() {
    let managed = settings(&[("x-user-id", "authorization.id"), ("x-a-b-c-d-e", "authorization.id")]);
    let sent = [("X_User-Id", "root"), ("x.user.id", "root"), ("x-a_b-c-d-e", "root"), ("x-user-ids", "mine")];
    let pass = pass(managed, principal(json!({}), json!({}), &[]), &sent);
    for gone in ["x_user_id", "x_user-id", "x-user_id", "x.user.id", "x_a_b_c_d_e", "x-a_b-c-d-e"] {
        assert!(pass.remove.iter().any(|name| name.eq_ignore_ascii_case(gone)), "{gone}: {:?}", pass.remove);
    }
    assert!(!pass.remove.iter().any(|name| name == "x-user-ids"));
}

#[test]
fn the_credential_is_removed_from_wherever_it_may_stand() {
    let places = credential::Settings {
        cookie: Some("sid".to_owned()),
        header: Some(HeaderName::from_static("x-token")),
        query_parameter: Some("access_token".to_owned()),
        ..credential::Settings::default()
    };
    let settings = Settings { remove_credential: true, ..settings(&[]) };
    let responder = Responder::new("default", settings, &places);
    let allow = Decision::Allow(permit(Arc::new(principal(json!({}), json!({}), &[]))));
    for (cookie, rest) in [
        ("a=1; sid=t; b=2", Some("a=1; b=2")),
        ("sid=t", None),
        ("a=1,sid=t", Some("a=1")),
        ("sid=t,a=1; b=2,3", Some("a=1; b=2,3")),
        ("a=1;, sid=t", Some("a=1")),
    ] {
        let sent = owned(&[("cookie", cookie)]);
        let Reply::Pass(pass) = responder.reply(&allow, &view("/x", &sent)) else { panic!() };
        assert_eq!(pass.remove_query_parameters, ["access_token"]);
        for gone in ["authorization", "x-token"] {
            assert!(pass.remove.iter().any(|name| name == gone), "{gone}");
        }
        let set = pass.set.iter().find(|(name, _)| name == "cookie").map(|(_, value)| value.as_str());
        assert_eq!(set, rest);
        assert_eq!(pass.remove.iter().any(|name| name == "cookie"), rest.is_none());
    }
    let target = "/x?a=1&access%5Ftoken=t&%61ccess_token=u&access_token2=v&b=access%5Ftoken";
    let Reply::Pass(pass) = responder.reply(&allow, &view(target, &[])) else { panic!() };
    assert_eq!(pass.remove_query_parameters, ["access_token", "access%5Ftoken", "%61ccess_token"]);
}

fn refusal(settings: Settings, decision: Decision) -> Refusal {
    let responder = Responder::new("default", settings, &credential::Settings::default());
    match responder.reply(&decision, &view("/x", &[])) {
        Reply::Refuse(refusal) | Reply::Error(refusal) => refusal,
        Reply::Pass(pass) => panic!("{pass:?}"),
    }
}

fn header<'a>(refusal: &'a Refusal, name: &str) -> Option<&'a str> {
    refusal.headers.iter().find(|(held, _)| held == name).map(|(_, value)| value.as_str())
}

#[test]
fn denials_carry_idms_body_and_the_right_challenge() {
    let no_reason = Value::Null;
    for (denial, status, message, reason, challenge) in [
        (Denial::CredentialMissing, 401, "Access Denied", no_reason.clone(), Some("Bearer realm=\"keyward\"")),
        (
            Denial::UserInactive,
            401,
            "Access Denied",
            json!("Access denied, user inactive"),
            Some("Bearer realm=\"keyward\", error=\"invalid_token\""),
        ),
        (
            Denial::UserUnknown("managed/user".to_owned()),
            401,
            "Access Denied",
            json!("Access denied, managed/user entry is not found"),
            Some("Bearer realm=\"keyward\", error=\"invalid_token\""),
        ),
        (
            Denial::ScopeMissing(vec!["fr:idm:*".to_owned()]),
            403,
            "Access denied",
            no_reason.clone(),
            Some("Bearer realm=\"keyward\", error=\"insufficient_scope\", scope=\"fr:idm:*\""),
        ),
        (Denial::NoRule, 403, "Access denied", no_reason.clone(), None),
        (
            Denial::CredentialRepeated,
            400,
            "Bad request: the request carries more than one credential",
            no_reason.clone(),
            Some("Bearer realm=\"keyward\", error=\"invalid_request\""),
        ),
        (
            Denial::RuleScopeNeedsCredential(vec!["orders".to_owned()]),
            401,
            "Access Denied",
            no_reason,
            Some("Bearer realm=\"keyward\", scope=\"orders\""),
        ),
    ] {
        let refusal = refusal(settings(&[]), Decision::Deny(denial.clone()));
        let body: Value = serde_json::from_str(&refusal.body).unwrap();
        assert_eq!(refusal.status.as_u16(), status, "{denial:?}");
        assert_eq!((&body["code"], &body["message"]), (&json!(status), &json!(message)), "{denial:?}");
        assert_eq!(body["detail"]["failureReasons"][0]["message"], reason, "{denial:?}");
        assert_eq!(header(&refusal, "www-authenticate"), challenge, "{denial:?}");
        assert_eq!(header(&refusal, "content-type"), Some("application/json"));
    }
}

#[test]
fn error_detail_can_be_left_out() {
    let quiet = Settings { error_detail: false, ..settings(&[]) };
    let refusal = refusal(quiet, Decision::Deny(Denial::SubjectUnmapped(SubjectError::NoMapping)));
    assert_eq!(refusal.body, r#"{"code":401,"reason":"Unauthorized","message":"Access Denied"}"#);
}

#[test]
fn an_outage_tells_the_client_nothing_of_what_lies_behind() {
    let error = IntrospectionError::Unreachable("https://am.internal:8443/introspect refused".to_owned());
    let outage = || Decision::Outage(Outage::Introspection(error.clone()));
    let denied = refusal(settings(&[]), outage());
    assert_eq!(denied.status.as_u16(), 503);
    assert!(!format!("{denied:?}").contains("am.internal"));
    assert_eq!(header(&denied, "www-authenticate"), None);
    let answer = OutageAnswer::Error(OutageStatus::new(504).unwrap());
    let responder =
        Responder::new("default", Settings { outage: answer, ..settings(&[]) }, &credential::Settings::default());
    assert!(matches!(responder.reply(&outage(), &view("/x", &[])), Reply::Error(told) if told.status.as_u16() == 504));
    for success in [0, 100, 200, 302, 403, 600] {
        assert_eq!(OutageStatus::new(success), None, "{success}");
    }
}

proptest! {
    #[test]
    fn each_managed_header_gets_exactly_one_edit(
        names in prop::collection::btree_set("[a-z]{1,3}(-[a-z]{1,2}){0,4}", 1..5),
        sent in prop::collection::vec(("[A-Za-z_.-]{1,9}", "[ -~]{0,5}"), 0..6),
        mail in "\\PC{0,6}",
        roles in prop::collection::vec("\\PC{0,5}", 0..4),
    ) {
        let sources = ["authorization.id", "user.mail", "authorization.roles", "token.nothing"];
        let managed: Vec<_> = names.iter().zip(sources.iter().cycle()).map(|(name, source)| (name.as_str(), *source)).collect();
        let roles: Vec<&str> = roles.iter().map(String::as_str).collect();
        let sent: Vec<_> = sent.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let pass = pass(settings(&managed), principal(json!({}), json!({"mail": mail}), &roles), &sent);
        for name in &names {
            let set = pass.set.iter().filter(|(held, _)| held.as_str() == name).count();
            let removed = pass.remove.iter().filter(|held| held.eq_ignore_ascii_case(name)).count();
            prop_assert_eq!((set + removed).min(2), 1, "{}: set {}, removed {}", name, set, removed);
        }
        for (_, value) in &pass.set {
            prop_assert!(!value.is_empty() && !value.chars().any(char::is_control));
        }
    }
}
