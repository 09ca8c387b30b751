//! Does the explanation say what happened, and nothing secret?

use std::sync::Arc;

use serde_json::json;

use super::message::Rule;
use super::{Explanation, Found, Stage, Style, write_list, write_text};
use crate::authorizer::DecisionRecord;
use crate::decision::{Decision, Denial, Outage};
use crate::ext_authz::RecordedRequest;
use crate::introspection::IntrospectionError;
use crate::principal::{Origin, Principal};
use crate::response::Responder;

fn explained(decision: &Decision, record: &DecisionRecord, recorded: &RecordedRequest) -> Explanation {
    let reply = match decision {
        Decision::Deny(denial) => Responder::without_filter().refuse(denial),
        _ => Responder::without_filter().refuse(&Denial::NoRule),
    };
    let request = recorded.view();
    Explanation::of(&Found { request: request.as_ref(), filter: Some("default"), decision, record, reply: &reply })
}

fn anonymous() -> DecisionRecord {
    let principal = Principal::new("anonymous", "internal/user", "anonymous", Vec::new(), Origin::Anonymous).unwrap();
    DecisionRecord { principal: Some(Arc::new(principal)), ..DecisionRecord::default() }
}

fn recorded(path: &str) -> RecordedRequest {
    let http = json!({ "method": "GET", "path": path });
    RecordedRequest::parse(&json!({ "attributes": { "request": { "http": http } } }).to_string()).unwrap()
}

fn shown(explanation: &Explanation, style: Style) -> String {
    let mut out = Vec::new();
    write_text(explanation, style, &mut out).unwrap();
    write_list(std::slice::from_ref(explanation), style, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn stages(explanation: &Explanation) -> Vec<(&str, bool)> {
    explanation.steps.iter().map(|step| (step.stage.as_str(), step.passed)).collect()
}

#[test]
fn stages_that_had_nothing_to_do_are_left_out() {
    let explanation = explained(&Decision::Deny(Denial::NoRule), &anonymous(), &recorded("/a?access_token=s3cret"));
    let expected = [(Stage::Request, true), (Stage::Credential, true), (Stage::Roles, true), (Stage::Access, false)];
    assert_eq!(stages(&explanation), expected.map(|(stage, passed)| (stage.as_str(), passed)));
    let everything = shown(&explanation, Style::Plain) + &explanation.to_json().to_string();
    assert!(!everything.contains("s3cret"), "{everything}");
}

#[test]
fn an_outage_stands_where_the_word_was_missing() {
    let outage = Decision::Outage(Outage::Introspection(IntrospectionError::Timeout));
    let explanation = explained(&outage, &DecisionRecord::default(), &recorded("/a"));
    assert_eq!(stages(&explanation).last(), Some(&("introspection", false)));
}

#[test]
fn what_a_request_says_cannot_move_the_cursor() {
    let mut explanation = explained(&Decision::Deny(Denial::NoRule), &anonymous(), &recorded("/a\u{1b}[2J\nok"));
    let lacked = Some("\u{1b}]0;title\u{7}".to_owned());
    explanation.rules = vec![Rule { rule: "r".to_owned(), asked: "GET /a".to_owned(), lacked }];
    let text = shown(&explanation, Style::Plain);
    assert!(!text.contains(['\u{1b}', '\u{7}']), "{text:?}");
    assert!(text.contains(r"/a\u{1b}[2J\nok"), "{text}");
}

#[test]
fn colours_come_only_where_they_were_asked_for() {
    let explanation = explained(&Decision::Deny(Denial::NoRule), &anonymous(), &recorded("/a"));
    assert!(!shown(&explanation, Style::Plain).contains('\u{1b}'));
    assert!(shown(&explanation, Style::Coloured).contains("\u{1b}[31m"));
}
