//! Is every event as `schema/audit.schema.json` says, and does it name nobody unless it should?

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use regex::Regex;
use serde_json::{Map, Value, json};

use super::pseudonym::Pseudonyms;
use super::{AuditContext, AuditEvent};
use crate::access::testing::permit;
use crate::authorizer::DecisionRecord;
use crate::credential::CredentialPlace;
use crate::decision::{Decision, Denial, Outage};
use crate::directory::DirectoryError;
use crate::introspection::{AnswerSource, IntrospectionError, TokenRefusal};
use crate::principal::{Origin, Principal, Role};
use crate::request::{Headers, PathRefusal, RequestView};
use crate::script::ScriptError;
use crate::subject::SubjectError;
use crate::token::ActiveToken;

fn schema() -> Value {
    serde_json::from_str(include_str!("../../schema/audit.schema.json")).unwrap()
}

/// A record in which everything was found.
fn full() -> DecisionRecord {
    let principal = Principal::new(
        "(usr!bob)",
        "managed/user",
        "bob",
        vec![Role::new("internal/role/clerk").unwrap()],
        Origin::Anonymous,
    )
    .unwrap();
    DecisionRecord {
        credential: Some(CredentialPlace::Authorization),
        answer_source: Some(AnswerSource::Hit),
        token: Some(Arc::new(ActiveToken { client_id: Some("shop".into()), ..ActiveToken::default() })),
        principal: Some(Arc::new(principal)),
        detail: Some("a detail".to_owned()),
        ..DecisionRecord::default()
    }
}

fn request() -> RequestView<'static> {
    RequestView {
        method: "GET",
        target: "/orders/1?access_token=t0ken#x",
        host: "shop.test",
        scheme: "http",
        headers: Headers::from_list(vec![("x-request-id", b"r1"), ("authorization", b"Bearer t0ken")]),
        body: None,
        source_address: None,
        source_principal: None,
        source_certificate: None,
        context_extensions: None,
    }
}

/// One decision of every kind: as many as there are words.
fn decisions() -> Vec<Decision> {
    let text = || "a text".to_owned();
    let tokens = [
        TokenRefusal::Expired,
        TokenRefusal::NotYetValid,
        TokenRefusal::Type,
        TokenRefusal::Issuer,
        TokenRefusal::Audience,
        TokenRefusal::Binding,
        TokenRefusal::Scopes,
    ];
    let denials = [
        Denial::RequestMissing,
        Denial::HostRefused,
        Denial::PathRefused(PathRefusal::Fragment),
        Denial::FilterUnknown,
        Denial::CredentialMissing,
        Denial::CredentialRepeated,
        Denial::CredentialScheme,
        Denial::CredentialMalformed,
        Denial::TokenInactive,
        Denial::ScopeMissing(vec![text()]),
        Denial::SubjectUnmapped(SubjectError::NoMapping),
        Denial::UserUnknown(text()),
        Denial::UserAmbiguous,
        Denial::UserInactive,
        Denial::ScriptRefused(text()),
        Denial::RequestMalformed("a text"),
        Denial::Csrf,
        Denial::OutsideContextPath,
        Denial::MethodUnknown,
        Denial::NoRule,
        Denial::RuleScopeMissing(vec![text()]),
        Denial::RuleScopeNeedsCredential(vec![text()]),
        Denial::ConditionFailed,
    ];
    let introspection = [
        IntrospectionError::Timeout,
        IntrospectionError::Unreachable(text()),
        IntrospectionError::Status { status: 500, detail: text() },
        IntrospectionError::Unreadable(text()),
        IntrospectionError::GivenUp("a text"),
    ];
    let directory = [
        DirectoryError::Timeout,
        DirectoryError::Unreachable(text()),
        DirectoryError::Status { status: 500, detail: text() },
        DirectoryError::Unreadable(text()),
        DirectoryError::Unauthorized(text()),
    ];
    let scripts = [
        ScriptError::Thrown { code: None, message: text() },
        ScriptError::Deadline,
        ScriptError::Memory,
        ScriptError::Other(text()),
    ];
    let incomplete = Principal::new("", "c", "i", Vec::new(), Origin::Anonymous).unwrap_err();
    let others = [Outage::ContextIncomplete(incomplete), Outage::Deadline, Outage::Overloaded, Outage::Internal];
    let outages = introspection.map(Outage::Introspection).into_iter();
    let outages = outages.chain(directory.map(Outage::Directory)).chain(scripts.map(Outage::Script)).chain(others);
    let denials = tokens.map(Denial::TokenRefused).into_iter().chain(denials).map(Decision::Deny);
    denials.chain(outages.map(Decision::Outage)).chain([Decision::Allow(permit(full().principal.unwrap()))]).collect()
}

fn written(decision: &Decision, record: &DecisionRecord, request: Option<&RequestView<'_>>, hide: bool) -> Value {
    let took = Duration::from_micros(7);
    let (filter, trace_id) = (request.map(|_| "default"), request.map(|_| "4bf92f3577b34da6a3ce929d0e0e4736"));
    let context = AuditContext { time: Timestamp::UNIX_EPOCH, decision_id: "d1", trace_id, filter, took };
    let event = AuditEvent::new(context, request, decision, record);
    let pseudonyms = Pseudonyms::random().unwrap();
    json!(if hide { pseudonyms.hide(event) } else { event })
}

/// Holds an event against every word of the schema. A word that is not known here fails: it would hold nothing.
fn fits(event: &Map<String, Value>, schema: &Value) {
    for required in schema["required"].as_array().unwrap() {
        assert!(event.contains_key(required.as_str().unwrap()), "{required} is missing in {event:?}");
    }
    for (name, value) in event {
        let expected = schema["properties"][name].as_object().unwrap_or_else(|| panic!("the schema has no `{name}`"));
        for (word, rule) in expected {
            let fits = match (word.as_str(), rule.as_str()) {
                ("description", _) => true,
                ("type", Some("string")) => value.is_string(),
                ("type", Some("integer")) => value.is_u64(),
                ("type", Some("array")) => value.is_array(),
                ("items", _) => value.as_array().unwrap().iter().all(Value::is_string) && rule["type"] == "string",
                ("enum", _) => rule.as_array().unwrap().contains(value),
                ("const", _) => rule == value,
                ("minimum", _) => value.as_u64() >= rule.as_u64(),
                ("maximum", _) => value.as_u64() <= rule.as_u64(),
                ("pattern", Some(pattern)) => Regex::new(pattern).unwrap().is_match(value.as_str().unwrap()),
                ("format", Some("date-time")) => value.as_str().unwrap().parse::<Timestamp>().is_ok(),
                _ => panic!("nobody here knows `{word}: {rule}`"),
            };
            assert!(fits, "{name}: {value} is not as {word} {rule}");
        }
    }
}

#[test]
fn events_of_every_kind_are_as_the_schema_says_and_every_member_and_word_of_it_occurs() {
    let (schema, empty, request) = (schema(), DecisionRecord::default(), request());
    let mut seen = BTreeSet::new();
    let mut words = BTreeMap::<&str, BTreeSet<String>>::new();
    for decision in decisions() {
        for (credential, answer_source) in CREDENTIALS {
            let full = DecisionRecord { credential: Some(credential), answer_source: Some(answer_source), ..full() };
            for (record, request) in [(&empty, None), (&empty, Some(&request)), (&full, Some(&request))] {
                let event = written(&decision, record, request, true);
                fits(event.as_object().unwrap(), &schema);
                seen.extend(event.as_object().unwrap().keys().cloned());
                for name in ["decision", "reason", "credential", "introspection"] {
                    words.entry(name).or_default().extend(event[name].as_str().map(str::to_owned));
                }
            }
        }
    }
    assert_eq!(seen, schema["properties"].as_object().unwrap().keys().cloned().collect());
    for (name, words) in words {
        let named = schema["properties"][name]["enum"].as_array().unwrap();
        assert_eq!(named.iter().map(|word| word.as_str().unwrap().to_owned()).collect::<BTreeSet<_>>(), words);
    }
}

/// Every place of a credential and every source of an answer.
const CREDENTIALS: [(CredentialPlace, AnswerSource); 5] = [
    (CredentialPlace::Authorization, AnswerSource::Asked),
    (CredentialPlace::Cookie, AnswerSource::Joined),
    (CredentialPlace::Header, AnswerSource::Hit),
    (CredentialPlace::QueryParameter, AnswerSource::NegativeHit),
    (CredentialPlace::Authorization, AnswerSource::Stale),
];

#[test]
fn the_schema_names_every_reason_that_there_is() {
    let source = include_str!("../decision.rs");
    let functions = source.split("pub fn as_str(&self) -> &'static str {").skip(1);
    let words = functions.flat_map(|body| {
        let body = body.split("\n    }\n").next().unwrap();
        body.split("=> \"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect::<Vec<_>>()
    });
    let reasons: BTreeSet<String> = words.chain(["granted".to_owned()]).collect();
    let schema = schema();
    let named = schema["properties"]["reason"]["enum"].as_array().unwrap();
    assert_eq!(named.iter().map(|word| word.as_str().unwrap().to_owned()).collect::<BTreeSet<_>>(), reasons);
}

#[test]
fn nobody_is_named_unless_it_was_asked_for_and_no_credential_ever() {
    let (decision, record, request) = (Decision::Deny(Denial::NoRule), full(), request());
    let hidden = written(&decision, &record, Some(&request), true);
    assert!(!hidden.to_string().contains("bob"), "{hidden}");
    assert_eq!(hidden["id"].as_str().unwrap().len(), 17);
    let shown = written(&decision, &record, Some(&request), false);
    assert_eq!((&shown["id"], &shown["authenticationId"]), (&json!("bob"), &json!("(usr!bob)")));
    for event in [hidden, shown] {
        assert!(!event.to_string().contains("t0ken"), "{event}");
    }
}

#[test]
fn a_user_has_one_pseudonym_within_a_process_and_another_in_the_next() {
    let (record, context) = (full(), |id| AuditContext {
        time: Timestamp::UNIX_EPOCH,
        decision_id: id,
        trace_id: None,
        filter: None,
        took: Duration::ZERO,
    });
    let decision = Decision::Deny(Denial::NoRule);
    let events = ["d1", "d2"].map(|id| AuditEvent::new(context(id), None, &decision, &record));
    let (one, next) = (Pseudonyms::random().unwrap(), Pseudonyms::random().unwrap());
    let id = |pseudonyms: &Pseudonyms, event: &AuditEvent<'_>| pseudonyms.hide(event.clone()).id.unwrap().into_owned();
    assert_eq!(id(&one, &events[0]), id(&one, &events[1]));
    assert_ne!(id(&one, &events[0]), id(&next, &events[0]));
}
