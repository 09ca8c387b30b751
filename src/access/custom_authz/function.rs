//! What do IDM's functions answer? Those of E.3 that a sidecar can answer alone; the others are refused at load.

use std::borrow::Cow;

use super::body;
use super::parser::Syntax;
use crate::access::crest::{self, Parameters};
use crate::access::facts::Facts;
use crate::access::settings::Knowledge;

/// A call of a known function, with its arguments.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Function {
    /// The path is the principal's own record, letter for letter.
    OwnDataOnly,
    /// The request has no native query expression.
    DisallowQueryExpression,
    /// The request is not the action `command`.
    DisallowCommandAction,
    /// The request is a query of a listed path by one of the ids listed for it.
    IsQueryOneOf(Vec<(String, Vec<String>)>),
    /// The request has a header that foreign pages cannot set (E15).
    IsAjaxRequest,
    /// A patch that touches the listed fields only.
    RestrictPatchToFields(Vec<String>),
    /// A change of a managed user that touches the listed properties only; lower-cased.
    ManagedUserRestrictedToAllowedProperties(Vec<String>),
    /// What holds for every request alike: it was known when the rules were loaded.
    Always(bool),
}

const KNOWN: [&str; 9] = [
    "ownDataOnly",
    "disallowQueryExpression",
    "disallowCommandAction",
    "isQueryOneOf",
    "isAJAXRequest",
    "restrictPatchToFields",
    "managedUserRestrictedToAllowedProperties",
    "isSelfServiceRequest",
    "checkIfUIIsEnabled",
];

/// Whether a function of this name can be called.
pub(super) fn is_known(name: &str) -> bool {
    KNOWN.contains(&name)
}

/// Finds a function and checks its arguments.
///
/// # Errors
/// An unknown function, one that a sidecar cannot answer, or arguments of the wrong shape.
pub(super) fn named(name: &str, arguments: &[Syntax], knowledge: &Knowledge) -> Result<Function, String> {
    let wrong = |expected: &str| format!("`{name}` was called with other arguments than {expected}");
    let plain = |function: Function| if arguments.is_empty() { Ok(function) } else { Err(wrong("none")) };
    match name {
        "ownDataOnly" => plain(Function::OwnDataOnly),
        "disallowQueryExpression" => plain(Function::DisallowQueryExpression),
        "disallowCommandAction" => plain(Function::DisallowCommandAction),
        // It holds within IDM's own self-service only, which never comes by HTTP.
        "isSelfServiceRequest" => plain(Function::Always(false)),
        "checkIfUIIsEnabled" => match (arguments, &knowledge.ui_flags) {
            ([Syntax::Text(flag)], Some(on)) => Ok(Function::Always(on.contains(flag))),
            ([Syntax::Text(_)], None) => Err(unanswerable(name)),
            _ => Err(wrong("one text, e.g. `'selfRegistration'`")),
        },
        "isAJAXRequest" => plain(Function::IsAjaxRequest),
        "isQueryOneOf" => match arguments {
            [Syntax::Object(members)] => query_one_of(members)?,
            _ => None,
        }
        .ok_or_else(|| wrong("one object of lists of texts, e.g. `{'managed/user': ['for-userName']}`")),
        "restrictPatchToFields" => match arguments {
            [list] => texts(list).map(Function::RestrictPatchToFields),
            _ => None,
        }
        .ok_or_else(|| wrong("one list of texts, e.g. `['password']`")),
        "managedUserRestrictedToAllowedProperties" => match arguments {
            [Syntax::Text(text)] => Some(text.split(',').map(str::to_lowercase).collect()),
            [list] => texts(list).map(|list| list.iter().map(|name| name.to_lowercase()).collect()),
            _ => None,
        }
        .map(Function::ManagedUserRestrictedToAllowedProperties)
        .ok_or_else(|| wrong("one list of texts, or one text with commas")),
        _ => Err(unanswerable(name)),
    }
}

/// SECURITY: of a path that stands twice JavaScript takes the last list only; to take both would widen the rule.
fn query_one_of(members: &[(String, Syntax)]) -> Result<Option<Function>, String> {
    for (place, (path, _)) in members.iter().enumerate() {
        if path == "__proto__" || members.iter().skip(place + 1).any(|(later, _)| later == path) {
            return Err(format!("`isQueryOneOf` names `{path}` twice, or it is no path; write each path once"));
        }
    }
    let map = members.iter().map(|(path, ids)| Some((path.clone(), texts(ids)?))).collect::<Option<_>>();
    Ok(map.map(Function::IsQueryOneOf))
}

fn texts(syntax: &Syntax) -> Option<Vec<String>> {
    let Syntax::List(items) = syntax else { return None };
    let text = |item: &Syntax| if let Syntax::Text(text) = item { Some(text.clone()) } else { None };
    items.iter().map(text).collect()
}

fn unanswerable(name: &str) -> String {
    let why = match name {
        "onlyEditableManagedObjectProperties" | "reauthIfProtectedAttributeChange" => {
            "it needs the stored object and its schema; `restrictPatchToFields([…])` names the fields that may change"
        }
        "checkIfUIIsEnabled" | "checkIfAnyFeatureEnabled" | "checkIfAllFeaturesEnabled" => {
            "it reads IDM's configuration; write `true` or `false`, or leave the rule out where the feature is off"
        }
        "isMyTask" | "canUpdateTask" | "isAllowedToStartProcess" | "isOneOfMyWorkflows" => {
            "it asks IDM's workflow engine; grant by role and leave the last check to the upstream"
        }
        _ => {
            let known = KNOWN.map(|known| format!("`{known}`")).join(", ");
            return format!("the function `{name}` is not known; known are {known}");
        }
    };
    format!("the function `{name}` cannot be answered by a sidecar: {why}")
}

impl Function {
    /// What the function returns.
    ///
    /// # Errors
    /// The request's parameters contradict each other, which the stage has refused before.
    pub(super) fn call(&self, facts: &Facts<'_>) -> Result<bool, String> {
        let ask = facts.ask;
        Ok(match self {
            Self::Always(holds) => *holds,
            Self::OwnDataOnly => own_record(facts),
            Self::DisallowQueryExpression => ask.method != "query" || parameters(facts)?.query_expression.is_none(),
            // The name of an action is no text that a case could hide in: repositories compare it without.
            Self::DisallowCommandAction => !(ask.method == "action" && ask.action.eq_ignore_ascii_case("command")),
            Self::IsQueryOneOf(map) => {
                let id = if ask.method == "query" { parameters(facts)?.query_id } else { None };
                id.is_some_and(|id| {
                    map.iter().any(|(path, ids)| path == ask.path && ids.iter().any(|listed| *listed == *id))
                })
            }
            Self::IsAjaxRequest => crest::has_unforgeable_header(&facts.request.headers),
            Self::RestrictPatchToFields(fields) => {
                is_patch(facts) && touches_only(facts, |field| fields.iter().any(|listed| listed == field))
            }
            Self::ManagedUserRestrictedToAllowedProperties(properties) => {
                let allowed = |name: &str| properties.contains(&name.to_lowercase());
                match ask.method {
                    _ if !ask.path.starts_with("managed/user") => true,
                    "read" | "query" | "delete" => true,
                    "create" => body::members(facts).is_some_and(|names| names.iter().all(|name| allowed(name))),
                    _ => is_patch(facts) && touches_only(facts, allowed),
                }
            }
        })
    }
}

fn parameters<'a>(facts: &Facts<'a>) -> Result<Parameters<'a>, String> {
    Parameters::read(facts.path).map_err(|error| error.to_string())
}

fn own_record(facts: &Facts<'_>) -> bool {
    let rest = facts.ask.path.strip_prefix(&*facts.principal.component);
    rest.and_then(|rest| rest.strip_prefix('/')) == Some(&*facts.principal.id)
}

fn is_patch(facts: &Facts<'_>) -> bool {
    facts.ask.method == "patch" || (facts.ask.method == "action" && facts.ask.action.eq_ignore_ascii_case("patch"))
}

/// SECURITY: what `from` names is read by a copy and taken away by a move, so it counts as touched too; the fork forgot it.
fn touches_only(facts: &Facts<'_>, allowed: impl Fn(&str) -> bool) -> bool {
    let Some(touched) = body::touched_fields(facts) else { return false };
    touched.iter().map(|field| Cow::Borrowed(field.as_str())).all(|field| allowed(&field))
}
