//! What does the body of a refusal say? IDM's JSON error (F1–F3).

use http::StatusCode;
use serde::Serialize;

/// The members in the order in which IDM writes them.
#[derive(Serialize)]
struct ErrorBody<'a> {
    code: u16,
    reason: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<Detail<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Detail<'a> {
    failure_reasons: [Box<ErrorBody<'a>>; 1],
}

/// `{"code", "reason", "message"}`, with `detail.failureReasons` where `failure` is given (F2, J15).
#[must_use]
pub fn error_body(status: StatusCode, message: &str, failure: Option<&str>) -> String {
    let (code, reason) = (status.as_u16(), status.canonical_reason().unwrap_or("Error"));
    let of = |message, detail| ErrorBody { code, reason, message, detail };
    let detail = failure.map(|failure| Detail { failure_reasons: [Box::new(of(failure, None))] });
    // Texts and a number only: there is nothing in it that JSON could not hold.
    serde_json::to_string(&of(message, detail)).unwrap_or_default()
}
