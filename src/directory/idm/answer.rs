//! What does an identity manager's answer mean: a record, nobody, several, or an outage?

use std::sync::Arc;

use serde_json::{Map, Value};

use super::question::Question;
use crate::directory::{DirectoryError, Found, UserQuery};
use crate::http_client::HttpAnswer;
use crate::principal::User;
use crate::record_path::RecordPath;
use crate::strict_json;

/// What `answer` says to `question`.
///
/// SECURITY: "nobody" is believed only of CREST itself: an empty list, or a 404 whose JSON body has the code 404. Every
/// other status, a 404 of a proxy among them, is an outage.
pub(super) fn read(answer: &HttpAnswer, question: &Question, query: &UserQuery) -> Result<Found, DirectoryError> {
    match answer.status {
        200 => {}
        404 if error_body(answer).is_some_and(|body| body.get("code").and_then(Value::as_u64) == Some(404)) => {
            return Ok(Found::Nobody);
        }
        status => return Err(DirectoryError::Status { status, detail: detail(answer) }),
    }
    if !answer.is_json() {
        return Err(unreadable("it is not declared as JSON"));
    }
    let body = strict_json::parse(&answer.body).map_err(|error| DirectoryError::Unreadable(error.to_string()))?;
    let Value::Object(body) = body else { return Err(unreadable("it is no JSON object")) };
    match question {
        Question::Read(_) => user(body, query).map(Found::One),
        Question::Query(_) => one_of(body, query),
    }
}

fn one_of(mut body: Map<String, Value>, query: &UserQuery) -> Result<Found, DirectoryError> {
    let Some(Value::Array(mut records)) = body.remove("result") else {
        return Err(unreadable("it has no list `result`"));
    };
    // A cookie says that there is more to come, whatever is on this page.
    let more = body.get("pagedResultsCookie").is_some_and(|cookie| !cookie.is_null() && cookie != "");
    match (records.pop(), records.len(), more) {
        (None, _, false) => Ok(Found::Nobody),
        (Some(Value::Object(record)), 0, false) => user(record, query).map(Found::One),
        (Some(_), 0, false) => Err(unreadable("a record is no object")),
        _ => Ok(Found::Ambiguous),
    }
}

fn user(fields: Map<String, Value>, query: &UserQuery) -> Result<Arc<User>, DirectoryError> {
    let id = match fields.get("_id") {
        Some(Value::String(id)) if !id.is_empty() => id.clone(),
        _ => return Err(unreadable("a record has no `_id`")),
    };
    for (property, expected) in &query.conditions {
        if !has(&fields, property, expected) {
            return Err(DirectoryError::Unreadable(format!("the record's `{property}` is not what was asked for")));
        }
    }
    Ok(Arc::new(User { id, component: Arc::clone(&query.component), fields }))
}

/// Whether the record is one that was asked for.
///
/// SECURITY: a server or proxy that ignores the filter must not make its only user everybody's. Case is ignored, because
/// directories that compare without case are common, and theirs is the word on who is meant.
fn has(record: &Map<String, Value>, property: &str, expected: &str) -> bool {
    let Ok(path) = RecordPath::parse(property) else { return false };
    path.select(record).into_iter().any(|value| match value {
        Value::String(text) => text == expected || text.to_lowercase() == expected.to_lowercase(),
        Value::Number(number) => number.to_string() == expected,
        _ => false,
    })
}

/// The body of a CREST error.
fn error_body(answer: &HttpAnswer) -> Option<Map<String, Value>> {
    if !answer.is_json() {
        return None;
    }
    match strict_json::parse(&answer.body).ok()? {
        Value::Object(body) => Some(body),
        _ => None,
    }
}

/// A CREST error's own words, cut short; of anything else nothing.
fn detail(answer: &HttpAnswer) -> String {
    const LONGEST: usize = 200;
    let body = error_body(answer).unwrap_or_default();
    let words = ["message", "reason"].iter().find_map(|member| body.get(*member).and_then(Value::as_str));
    words.unwrap_or("no CREST error").chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}

fn unreadable(why: &str) -> DirectoryError {
    DirectoryError::Unreadable(why.to_owned())
}
