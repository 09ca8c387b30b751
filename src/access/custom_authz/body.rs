//! Which properties does a request change? Read from the body, where the proxy sends it to us.

use serde_json::Value;

use crate::access::facts::Facts;
use crate::strict_json;

/// The body as JSON; `None` where it is not visible, cut off, or no JSON.
///
/// SECURITY: nor where a key stands twice: the upstream might take the value that was not looked at here.
pub(super) fn json(facts: &Facts<'_>) -> Option<Value> {
    let cut_off = |value: &[u8]| !value.eq_ignore_ascii_case(b"false");
    if facts.request.headers.values("x-envoy-auth-partial-body").any(cut_off) {
        return None;
    }
    strict_json::parse(facts.request.body?).ok()
}

/// The top-level names of a body that is an object.
pub(super) fn members(facts: &Facts<'_>) -> Option<Vec<String>> {
    match json(facts)? {
        Value::Object(members) => Some(members.into_iter().map(|(name, _)| name).collect()),
        _ => None,
    }
}

/// The top-level fields that a patch touches, by `field` and by `from` (E17); `None` where the body is no patch.
pub(super) fn touched_fields(facts: &Facts<'_>) -> Option<Vec<String>> {
    let Value::Array(operations) = json(facts)? else { return None };
    let mut touched = Vec::new();
    for operation in &operations {
        touched.push(top_level(operation.get("field")?)?);
        if let Some(from) = operation.get("from") {
            touched.push(top_level(from)?);
        }
    }
    Some(touched)
}

/// Whether the request is a patch, or the action of that name (E21).
pub(super) fn is_patch(facts: &Facts<'_>) -> bool {
    facts.ask.method == "patch" || (facts.ask.method == "action" && facts.ask.action.eq_ignore_ascii_case("patch"))
}

/// The top-level properties that the request changes (E17); `None` where that cannot be seen.
///
/// INVARIANT: never fewer than IDM would find. Without the stored object, every key of an update counts as changed.
pub(super) fn changed(facts: &Facts<'_>) -> Option<Vec<String>> {
    match facts.ask.method {
        "create" | "update" => members(facts),
        _ if is_patch(facts) => touched_fields(facts),
        _ => Some(Vec::new()),
    }
}

/// The first segment of a JSON pointer, with or without its leading slash. The pointer to the whole object touches all.
fn top_level(pointer: &Value) -> Option<String> {
    let pointer = pointer.as_str()?;
    let first = pointer.strip_prefix('/').unwrap_or(pointer).split('/').next()?;
    (!first.is_empty()).then(|| first.to_owned())
}
