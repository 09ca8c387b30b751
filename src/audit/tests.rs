//! Is every event as `schema/audit.schema.json` says, and does it name nobody unless it should?

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::pseudonym::Pseudonyms;
use super::{AuditContext, AuditEvent};
use crate::authorizer::DecisionRecord;
use crate::credential::CredentialPlace;
use crate::decision::{Decision, Denial, Outage};
use crate::introspection::{AnswerSource, IntrospectionError};
use crate::principal::{Origin, Principal, Role};
use crate::request::{Headers, RequestView};
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

fn written(decision: &Decision, record: &DecisionRecord, request: Option<&RequestView<'_>>, hide: bool) -> Value {
    let took = Duration::from_micros(7);
    let context =
        AuditContext { time: Timestamp::UNIX_EPOCH, decision_id: "d1", filter: request.map(|_| "default"), took };
    let event = AuditEvent::new(context, request, decision, record);
    let pseudonyms = Pseudonyms::random().unwrap();
    json!(if hide { pseudonyms.hide(&event) } else { event })
}

fn fits(event: &Map<String, Value>, schema: &Value) {
    for required in schema["required"].as_array().unwrap() {
        assert!(event.contains_key(required.as_str().unwrap()), "{required} is missing in {event:?}");
    }
    for (name, value) in event {
        let expected = &schema["properties"][name];
        let fits = match expected["type"].as_str() {
            Some("string") => value.is_string(),
            Some("integer") => value.is_u64(),
            Some("array") => value.as_array().unwrap().iter().all(Value::is_string),
            _ => panic!("the schema has no `{name}`"),
        };
        assert!(fits, "{name}: {value}");
        if let Some(values) = expected["enum"].as_array() {
            assert!(values.contains(value), "{name}: {value}");
        }
    }
}

#[test]
fn events_of_every_kind_are_as_the_schema_says_and_every_member_of_it_occurs() {
    let (schema, empty, full, request) = (schema(), DecisionRecord::default(), full(), request());
    let denials = [Denial::RequestMissing, Denial::TokenInactive, Denial::NoRule, Denial::Csrf].map(Decision::Deny);
    let outages =
        [Outage::Introspection(IntrospectionError::Timeout), Outage::Deadline, Outage::Internal].map(Decision::Outage);
    let mut seen = BTreeSet::from(["rule".to_owned()]);
    for decision in denials.into_iter().chain(outages) {
        for (record, request) in [(&empty, None), (&empty, Some(&request)), (&full, Some(&request))] {
            let event = written(&decision, record, request, true);
            fits(event.as_object().unwrap(), &schema);
            seen.extend(event.as_object().unwrap().keys().cloned());
        }
    }
    assert_eq!(seen, schema["properties"].as_object().unwrap().keys().cloned().collect());
}

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
        filter: None,
        took: Duration::ZERO,
    });
    let decision = Decision::Deny(Denial::NoRule);
    let events = ["d1", "d2"].map(|id| AuditEvent::new(context(id), None, &decision, &record));
    let (one, next) = (Pseudonyms::random().unwrap(), Pseudonyms::random().unwrap());
    let id = |pseudonyms: &Pseudonyms, event: &AuditEvent<'_>| pseudonyms.hide(event).id.unwrap().into_owned();
    assert_eq!(id(&one, &events[0]), id(&one, &events[1]));
    assert_ne!(id(&one, &events[0]), id(&next, &events[0]));
}
