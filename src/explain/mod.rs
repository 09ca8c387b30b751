//! Why was a request decided as it was? The stages it passed, the one that stopped it, and what each rule lacked.

mod steps;
#[cfg(test)]
mod tests;
mod text;

pub use steps::{Stage, Step, steps};
pub use text::{Style, write_text};

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::access::RuleStep;
use crate::ext_authz::Explained;
use crate::request::RequestView;
use crate::response::Reply;

/// The explanation for programs; the members are a contract as the configuration's are.
#[must_use]
pub fn to_json(explained: &Explained, request: Option<&RequestView<'_>>) -> Value {
    let steps: Vec<Value> = steps(explained, request)
        .iter()
        .map(|step| json!({ "stage": step.stage.as_str(), "passed": step.passed, "text": step.text }))
        .collect();
    let rules: Vec<Value> = explained.rules.iter().map(rule).collect();
    json!({
        "decision": explained.decision.outcome(),
        "reason": explained.decision.reason(),
        "filter": explained.filter.as_deref(),
        "answer": answer(&explained.reply),
        "steps": steps,
        "rules": rules,
    })
}

fn rule(step: &RuleStep) -> Value {
    json!({ "rule": step.rule, "asked": step.asked, "grants": step.lacked.is_none(), "lacked": step.lacked })
}

/// What Envoy is told.
fn answer(reply: &Reply) -> Value {
    match reply {
        Reply::Pass(pass) => json!({
            "set": map(&pass.set),
            "remove": pass.remove,
            "removeQueryParameters": pass.remove_query_parameters,
            "responseHeaders": map(&pass.response_headers),
        }),
        Reply::Refuse(refusal) | Reply::Error(refusal) => json!({
            "status": refusal.status.as_u16(),
            "headers": map(&refusal.headers),
            "body": refusal.body,
            "failureModeAllowApplies": matches!(reply, Reply::Error(_)),
        }),
    }
}

fn map(headers: &[(http::HeaderName, String)]) -> BTreeMap<&str, &str> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}
