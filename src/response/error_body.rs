//! What does the body of a refusal say? IDM's JSON error (F1–F3).

use http::StatusCode;
use serde_json::json;

/// `{"code", "reason", "message"}`, with `detail.failureReasons` where `failure` is given (F2, J15).
#[must_use]
pub fn error_body(status: StatusCode, message: &str, failure: Option<&str>) -> String {
    let (code, reason) = (status.as_u16(), status.canonical_reason().unwrap_or("Error"));
    let mut body = json!({ "code": code, "reason": reason, "message": message });
    if let (Some(failure), Some(body)) = (failure, body.as_object_mut()) {
        let failure = json!({ "code": code, "reason": reason, "message": failure });
        body.insert("detail".to_owned(), json!({ "failureReasons": [failure] }));
    }
    body.to_string()
}
