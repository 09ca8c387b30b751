//! Is what a script left a security context? Only what it was given and what it returned count, and both are read anew.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{AugmentError, Left};
use crate::principal::{ContextIncomplete, Origin, Principal, Role};
use crate::script::engine::ScriptError;

/// The deepest nesting of a further member of `authorization`. Envoy reads no message that is nested deeper than about 30
/// of these levels, and what it cannot read is an error to it, which `failure_mode_allow` turns into an allow.
const MAX_DEPTH: usize = 16;
/// The most bytes of `authorization`, as JSON.
const MAX_BYTES: usize = 256 * 1024;

/// The principal after the script. `origin` is what no script can change: where the principal comes from.
///
/// # Errors
/// An incomplete context (C5), or one that is too large.
pub(super) fn read(left: Left, origin: Origin) -> Result<Principal, AugmentError> {
    let (mut authentication_id, mut authorization) = match left.security {
        Some(Value::Object(mut security)) => (security.remove("authenticationId"), security.remove("authorization")),
        _ => (None, None),
    };
    // C7: what is returned and not null replaces what is there.
    if let Some(returned) = left.authentication_id.filter(|value| !value.is_null()) {
        authentication_id = Some(returned);
    }
    if let Some(returned) = left.authorization.filter(|value| !value.is_null()) {
        authorization = Some(returned);
    }
    let Some(Value::Object(mut authorization)) = authorization else {
        return Err(ContextIncomplete { member: "authorization" }.into());
    };
    check_size(&authorization)?;
    let text = |value: Option<Value>| match value {
        Some(Value::String(text)) => text,
        _ => String::new(),
    };
    let authentication_id = text(authentication_id);
    let component = text(authorization.remove("component"));
    let id = text(authorization.remove("id"));
    let roles = roles(authorization.remove("roles"))?;
    let mut principal = Principal::new(&authentication_id, &component, &id, roles, origin)?;
    principal.extra = authorization;
    Ok(principal)
}

/// C5: `roles` must be a list. What is in it and no text, or an empty one, is no role (D4); each counts once (D2).
fn roles(value: Option<Value>) -> Result<Vec<Role>, ContextIncomplete> {
    let Some(Value::Array(elements)) = value else {
        return Err(ContextIncomplete { member: "authorization.roles" });
    };
    let mut seen = HashSet::new();
    let roles = elements.iter().filter_map(Value::as_str).filter_map(Role::new);
    Ok(roles.filter(|role| seen.insert(role.clone())).collect())
}

fn check_size(authorization: &Map<String, Value>) -> Result<(), ScriptError> {
    if !authorization.values().all(|value| is_shallow(value, MAX_DEPTH)) {
        return Err(ScriptError::Other(format!("`authorization` is nested deeper than {MAX_DEPTH} levels")));
    }
    if serde_json::to_vec(authorization).map_or(true, |text| text.len() > MAX_BYTES) {
        return Err(ScriptError::Other(format!("`authorization` is larger than {MAX_BYTES} bytes")));
    }
    Ok(())
}

fn is_shallow(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(elements) => levels > 0 && elements.iter().all(|element| is_shallow(element, levels - 1)),
        Value::Object(members) => levels > 0 && members.values().all(|member| is_shallow(member, levels - 1)),
        _ => true,
    }
}
