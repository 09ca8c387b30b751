//! Does the explanation say what happened, and nothing secret?

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::message::{Answer, DroppedRole, Identity, Request, Rule, Token};
use super::{Explanation, Found, Outcome, Stage, Style, timestamp, write_list, write_text};
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
    let lacked = Some("\u{1b}]0;title\u{7} \u{202e}drow".to_owned());
    explanation.rules = vec![Rule { rule: "r".to_owned(), asked: "GET /a".to_owned(), lacked }];
    let text = shown(&explanation, Style::Plain);
    assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{text:?}");
    assert!(text.contains(r"/a\u{1b}[2J\nok"), "{text}");
}

#[test]
fn colours_come_only_where_they_were_asked_for() {
    let explanation = explained(&Decision::Deny(Denial::NoRule), &anonymous(), &recorded("/a"));
    assert!(!shown(&explanation, Style::Plain).contains('\u{1b}'));
    assert!(shown(&explanation, Style::Coloured).contains("\u{1b}[31m"));
}

#[test]
fn rules_stand_below_the_question_that_they_were_asked() {
    let mut explanation = explained(&Decision::Deny(Denial::NoRule), &anonymous(), &recorded("/a"));
    let rule = |name: &str, asked: &str, lacked: Option<&str>| Rule {
        rule: name.to_owned(),
        asked: asked.to_owned(),
        lacked: lacked.map(str::to_owned),
    };
    explanation.rules = vec![rule("r", "GET /a", Some("roles"))];
    assert!(!shown(&explanation, Style::Plain).contains("asked for"), "the question is the request itself");
    explanation.rules =
        vec![rule("r", "create a", None), rule("r", "update a/1", Some("methods")), rule("s", "update a/1", Some("x"))];
    let told = "      asked for `create a`:\n      + r: grants\n      asked for `update a/1`:\n      - r: methods\n      - s: x\n";
    let text = shown(&explanation, Style::Plain);
    assert!(text.contains(told), "{text}");
}

#[test]
fn a_list_has_columns_and_says_who_asked_as_far_as_that_is_known() {
    let listed = |reason: &str, identity: Option<Identity>| Explanation {
        id: "d".to_owned(),
        time: Some(timestamp("2026-11-22T18:00:00.120934Z".parse().unwrap())),
        outcome: Outcome::Deny.into(),
        reason: reason.to_owned(),
        request: Some(Request { method: "GET".to_owned(), path: "/a".to_owned(), ..Request::default() }),
        token: Some(Token { subject: "carol".to_owned(), ..Token::default() }),
        identity,
        ..Explanation::default()
    };
    let bob = Identity { component: "managed/user".to_owned(), id: "bob".to_owned(), ..Identity::default() };
    let list = [listed("no_rule", Some(bob)), listed("user_inactive", None)];
    let plain = "d  2026-11-22T18:00:00.120Z  deny: no_rule        GET /a, managed/user/bob\n\
                 d  2026-11-22T18:00:00.120Z  deny: user_inactive  GET /a, subject carol\n";
    let written = |style| {
        let mut out = Vec::new();
        write_list(&list, style, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    assert_eq!(written(Style::Plain), plain);
    let uncoloured = ["\u{1b}[1m", "\u{1b}[31m", "\u{1b}[0m"];
    let coloured = uncoloured.into_iter().fold(written(Style::Coloured), |text, code| text.replace(code, ""));
    assert_eq!(coloured, plain, "colours take no room");
}

/// Every member of a JSON value, as `request.path` or `rules[].asked`. What a header is called is no member of ours.
fn members(value: &Value, place: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(held) if !["answer.headers", "answer.set", "answer.responseHeaders"].contains(&place) => {
            for (name, value) in held {
                let place = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
                members(value, &place, found);
                found.insert(place);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| members(item, &format!("{place}[]"), found)),
        _ => {}
    }
}

#[test]
fn the_document_names_every_member_that_programs_get() {
    let some = timestamp(jiff::Timestamp::UNIX_EPOCH);
    let mut explanation = explained(&Decision::Deny(Denial::NoRule), &anonymous(), &recorded("/a"));
    explanation.before_script = explanation.identity.clone();
    explanation.token = Some(Token { expires_at: Some(some), ..Token::default() });
    explanation.dropped_roles = vec![DroppedRole::default()];
    explanation.rules = vec![Rule::default()];
    let mut found = BTreeSet::new();
    members(&explanation.to_json(), "", &mut found);
    explanation.answer = Some(Answer::default());
    members(&explanation.to_json(), "", &mut found);
    let document = include_str!("../../docs/operate/explain.md");
    let rows = document.lines().filter(|line| line.starts_with("| `")).filter(|line| !line.contains("keyward explain"));
    let names = rows.flat_map(|row| row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2).map(str::to_owned));
    assert_eq!(names.collect::<BTreeSet<_>>(), found);
}
