//! What do IDM's functions answer? Those of E.3 that a sidecar can answer; of the others it is known that only IDM can.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::body;
use super::parser::Syntax;
use crate::access::crest::{self, Parameters};
use crate::access::facts::Facts;
use crate::access::settings::{IdmOnly, Knowledge};

/// A call of a known function, with its arguments.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Function {
    /// The path is the principal's own record, letter for letter.
    OwnDataOnly,
    /// The path is one of these properties of the principal's own record.
    OwnRelationshipCollection(Vec<String>),
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
    /// The request changes these properties only: those that users may edit, and the exceptions.
    OnlyEditableManagedObjectProperties(HashSet<String>),
    /// The request changes no property that is protected in the collection of the principal's account; by collection.
    ReauthIfProtectedAttributeChange(HashMap<String, HashSet<String>>),
    /// What holds for every request alike: it was known when the rules were loaded.
    Always(bool),
    /// A function that only IDM can answer: its name, and why. INVARIANT: a rule that holds one never grants.
    IdmOnly(String),
}

const KNOWN: [&str; 14] = [
    "ownDataOnly",
    "ownRelationshipCollection",
    "disallowQueryExpression",
    "disallowCommandAction",
    "isQueryOneOf",
    "isAJAXRequest",
    "isSelfServiceRequest",
    "restrictPatchToFields",
    "managedUserRestrictedToAllowedProperties",
    "onlyEditableManagedObjectProperties",
    "reauthIfProtectedAttributeChange",
    "checkIfUIIsEnabled",
    "checkIfAnyFeatureEnabled",
    "checkIfAllFeaturesEnabled",
];

/// Whether a function of this name can be called.
pub(super) fn is_known(name: &str) -> bool {
    KNOWN.contains(&name)
}

/// Finds a function and checks its arguments.
///
/// # Errors
/// An unknown function, arguments of the wrong shape, or one that only IDM can answer where such rules are refused.
pub(super) fn named(name: &str, arguments: &[Syntax], knowledge: &Knowledge) -> Result<Function, String> {
    let wrong = |expected: &str| format!("`{name}` was called with other arguments than {expected}");
    let plain = |function: Function| if arguments.is_empty() { Ok(function) } else { Err(wrong("none")) };
    let only_list = || if let [list] = arguments { texts(list) } else { None };
    match name {
        "ownDataOnly" => plain(Function::OwnDataOnly),
        "disallowQueryExpression" => plain(Function::DisallowQueryExpression),
        "disallowCommandAction" => plain(Function::DisallowCommandAction),
        "isAJAXRequest" => plain(Function::IsAjaxRequest),
        // It holds within IDM's own self-service only, which never comes by HTTP.
        "isSelfServiceRequest" => plain(Function::Always(false)),
        "isQueryOneOf" => match arguments {
            [Syntax::Object(members)] => query_one_of(members)?,
            _ => None,
        }
        .ok_or_else(|| wrong("one object of lists of texts, e.g. `{'managed/user': ['for-userName']}`")),
        "restrictPatchToFields" => only_list()
            .map(Function::RestrictPatchToFields)
            .ok_or_else(|| wrong("one list of texts, e.g. `['password']`")),
        "ownRelationshipCollection" => only_list()
            .map(Function::OwnRelationshipCollection)
            .ok_or_else(|| wrong("one list of texts, e.g. `['idps', '_notifications']`")),
        "managedUserRestrictedToAllowedProperties" => match arguments {
            [Syntax::Text(text)] => Some(text.split(',').map(str::to_lowercase).collect()),
            _ => only_list().map(|list| list.iter().map(|name| name.to_lowercase()).collect()),
        }
        .map(Function::ManagedUserRestrictedToAllowedProperties)
        .ok_or_else(|| wrong("one list of texts, or one text with commas")),
        "checkIfUIIsEnabled" => {
            let [Syntax::Text(flag)] = arguments else { return Err(wrong("one text, e.g. `'selfRegistration'`")) };
            let answer = knowledge.ui_flags.as_ref().map(|on| Function::Always(on.contains(flag)));
            answer.map_or_else(|| unanswerable(name, knowledge), Ok)
        }
        "checkIfAnyFeatureEnabled" | "checkIfAllFeaturesEnabled" => {
            let names = match arguments {
                [Syntax::Text(name)] => Some(vec![name.clone()]),
                _ => only_list().filter(|names| !names.is_empty()),
            };
            let names = names.ok_or_else(|| wrong("one text or one list of texts, e.g. `['registration']`"))?;
            let answer = knowledge.features.as_ref().map(|on| match name {
                "checkIfAllFeaturesEnabled" => names.iter().all(|name| on.contains(name)),
                _ => names.iter().any(|name| on.contains(name)),
            });
            answer.map_or_else(|| unanswerable(name, knowledge), |holds| Ok(Function::Always(holds)))
        }
        "onlyEditableManagedObjectProperties" => {
            let called = match arguments {
                [Syntax::Text(object)] => Some((object, Vec::new())),
                [Syntax::Text(object), exceptions] => texts(exceptions).map(|exceptions| (object, exceptions)),
                _ => None,
            };
            let (object, exceptions) =
                called.ok_or_else(|| wrong("a text and a list of texts, e.g. `'user', ['idpData']`"))?;
            only_editable(object, exceptions, knowledge).map_or_else(|| unanswerable(name, knowledge), Ok)
        }
        "reauthIfProtectedAttributeChange" if !arguments.is_empty() => Err(wrong("none")),
        "reauthIfProtectedAttributeChange" => match &knowledge.managed {
            None => unanswerable(name, knowledge),
            Some(objects) => {
                let of = objects.iter().map(|(name, object)| (format!("managed/{name}"), object.protected.clone()));
                Ok(Function::ReauthIfProtectedAttributeChange(of.collect()))
            }
        },
        _ => unanswerable(name, knowledge),
    }
}

/// `None` where the managed objects are not known. One that IDM does not have makes the function false.
fn only_editable(object: &str, exceptions: Vec<String>, knowledge: &Knowledge) -> Option<Function> {
    let Some(object) = knowledge.managed.as_ref()?.get(object) else { return Some(Function::Always(false)) };
    let mut allowed = object.user_editable.clone();
    allowed.extend(exceptions);
    Some(Function::OnlyEditableManagedObjectProperties(allowed))
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

/// What becomes of a call that nothing here can answer.
fn unanswerable(name: &str, knowledge: &Knowledge) -> Result<Function, String> {
    let why = match name {
        "onlyEditableManagedObjectProperties" | "reauthIfProtectedAttributeChange" => {
            "reads IDM's managed objects; name IDM's `managed.json` in `access.idm.managedFile`"
        }
        "checkIfUIIsEnabled" => {
            "reads IDM's configuration; name IDM's `ui-configuration.json` in `access.idm.uiConfigurationFile`"
        }
        "checkIfAnyFeatureEnabled" | "checkIfAllFeaturesEnabled" => {
            "reads IDM's configuration; list the features that are on in `access.idm.features`"
        }
        "checkIfProgressiveProfileIsEnabled" => {
            "reads IDM's configuration; write `true` or `false` where the rule is kept here"
        }
        "isMyTask" | "canUpdateTask" | "isAllowedToStartProcess" | "isOneOfMyWorkflows" => {
            "asks IDM's workflow engine; grant by role and leave the last check to the upstream"
        }
        "ownRelationship" | "ownRelationshipProperty" | "ownIDP" => {
            "asks IDM's repository; grant by role and leave the last check to the upstream"
        }
        _ => {
            let known = KNOWN.map(|known| format!("`{known}`")).join(", ");
            return Err(format!("the function `{name}` is not known; known are {known}"));
        }
    };
    match knowledge.idm_only {
        IdmOnly::NeverGrant => Ok(Function::IdmOnly(format!("`{name}` {why}"))),
        IdmOnly::Refuse => Err(format!(
            "the function `{name}` {why}, or write `access.idmOnlyRules: neverGrant`, which keeps the rule and never \
             grants by it"
        )),
    }
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
            Self::IdmOnly(why) => return Err(why.clone()),
            Self::OwnDataOnly => own_record(facts),
            Self::OwnRelationshipCollection(properties) => {
                below_own_record(facts).is_some_and(|property| properties.iter().any(|listed| listed == property))
            }
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
                body::is_patch(facts) && touches_only(facts, |field| fields.iter().any(|listed| listed == field))
            }
            Self::ManagedUserRestrictedToAllowedProperties(properties) => {
                let allowed = |name: &str| properties.contains(&name.to_lowercase());
                !ask.path.starts_with("managed/user")
                    || body::changed(facts).is_some_and(|names| names.iter().all(|name| allowed(name)))
            }
            Self::OnlyEditableManagedObjectProperties(allowed) => {
                body::changed(facts).is_some_and(|names| names.iter().all(|name| allowed.contains(name)))
            }
            Self::ReauthIfProtectedAttributeChange(protected) => match protected.get(&*facts.principal.component) {
                None => true,
                Some(protected) if protected.is_empty() => true,
                Some(protected) => {
                    body::changed(facts).is_some_and(|names| !names.iter().any(|name| may_name(name, protected)))
                }
            },
        })
    }
}

fn parameters<'a>(facts: &Facts<'a>) -> Result<Parameters<'a>, String> {
    Parameters::read(facts.path).map_err(|error| error.to_string())
}

/// What follows the principal's own record in the path; empty where it is the record itself.
fn after_own_record<'a>(facts: &Facts<'a>) -> Option<&'a str> {
    let below_component = facts.ask.path.strip_prefix(&*facts.principal.component)?.strip_prefix('/')?;
    below_component.strip_prefix(&*facts.principal.id)
}

fn own_record(facts: &Facts<'_>) -> bool {
    after_own_record(facts) == Some("")
}

/// SECURITY: the slash belongs to it. IDM compares the beginning only, so that `bob` reaches what is `bobby`'s.
fn below_own_record<'a>(facts: &Facts<'a>) -> Option<&'a str> {
    after_own_record(facts)?.strip_prefix('/')
}

/// SECURITY: a list of what is protected must not be passed by another spelling: IDM's pointers have escapes.
fn may_name(name: &str, protected: &HashSet<String>) -> bool {
    name.contains(['%', '~']) || protected.iter().any(|held| held.eq_ignore_ascii_case(name))
}

/// SECURITY: what `from` names is read by a copy and taken away by a move, so it counts as touched too; the fork forgot it.
fn touches_only(facts: &Facts<'_>, allowed: impl Fn(&str) -> bool) -> bool {
    let Some(touched) = body::touched_fields(facts) else { return false };
    touched.iter().map(|field| Cow::Borrowed(field.as_str())).all(|field| allowed(&field))
}
