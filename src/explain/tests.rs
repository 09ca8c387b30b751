//! Does the explanation say what happened, and nothing secret?

use std::sync::Arc;

use serde_json::json;

use super::{Stage, Style, steps, to_json, write_text};
use crate::access::RuleStep;
use crate::authorizer::DecisionRecord;
use crate::decision::{Decision, Denial, Outage};
use crate::ext_authz::{Explained, RecordedRequest};
use crate::introspection::IntrospectionError;
use crate::principal::{Origin, Principal};
use crate::response::Responder;

fn explained(decision: Decision, record: DecisionRecord) -> Explained {
    let reply = match &decision {
        Decision::Deny(denial) => Responder::without_filter().refuse(denial),
        _ => Responder::without_filter().refuse(&Denial::NoRule),
    };
    Explained { filter: Some("default".into()), decision, record, rules: Vec::new(), reply }
}

fn anonymous() -> DecisionRecord {
    let principal = Principal::new("anonymous", "internal/user", "anonymous", Vec::new(), Origin::Anonymous).unwrap();
    DecisionRecord { principal: Some(Arc::new(principal)), ..DecisionRecord::default() }
}

fn recorded(path: &str) -> RecordedRequest {
    let http = json!({ "method": "GET", "path": path });
    RecordedRequest::parse(&json!({ "attributes": { "request": { "http": http } } }).to_string()).unwrap()
}

fn shown(explained: &Explained, recorded: &RecordedRequest, style: Style) -> String {
    let mut out = Vec::new();
    write_text(explained, recorded.view().as_ref(), style, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn stages_that_had_nothing_to_do_are_left_out() {
    let recorded = recorded("/a?access_token=s3cret");
    let explained = explained(Decision::Deny(Denial::NoRule), anonymous());
    let steps = steps(&explained, recorded.view().as_ref());
    let stages: Vec<(Stage, bool)> = steps.iter().map(|step| (step.stage, step.passed)).collect();
    let expected = [(Stage::Request, true), (Stage::Credential, true), (Stage::Roles, true), (Stage::Access, false)];
    assert_eq!(stages, expected);
    let everything =
        shown(&explained, &recorded, Style::Plain) + &to_json(&explained, recorded.view().as_ref()).to_string();
    assert!(!everything.contains("s3cret"), "{everything}");
}

#[test]
fn an_outage_stands_where_the_word_was_missing() {
    let outage = Outage::Introspection(IntrospectionError::Timeout);
    let explained = explained(Decision::Outage(outage), DecisionRecord::default());
    let steps = steps(&explained, recorded("/a").view().as_ref());
    assert_eq!(steps.last().map(|step| (step.stage, step.passed)), Some((Stage::Introspection, false)));
}

#[test]
fn what_a_request_says_cannot_move_the_cursor() {
    let recorded = recorded("/a\u{1b}[2J\nok");
    let mut explained = explained(Decision::Deny(Denial::NoRule), anonymous());
    let lacked = Some("\u{1b}]0;title\u{7}".to_owned());
    explained.rules = vec![RuleStep { rule: "r".to_owned(), asked: "GET /a".to_owned(), lacked }];
    let text = shown(&explained, &recorded, Style::Plain);
    assert!(!text.contains(['\u{1b}', '\u{7}']), "{text:?}");
    assert!(text.contains(r"/a\u{1b}[2J\nok"), "{text}");
}

#[test]
fn colours_come_only_where_they_were_asked_for() {
    let explained = explained(Decision::Deny(Denial::NoRule), anonymous());
    assert!(!shown(&explained, &recorded("/a"), Style::Plain).contains('\u{1b}'));
    assert!(shown(&explained, &recorded("/a"), Style::Coloured).contains("\u{1b}[31m"));
}
