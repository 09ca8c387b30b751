//! Which stages did the request pass, and at which did it stop?

use super::Found;
use super::message::Step;
use crate::authorizer::DecisionRecord;
use crate::credential::CredentialPlace;
use crate::decision::{Decision, Denial, Outage};
use crate::principal::{Origin, Principal, Role};
use crate::request::RequestView;
use crate::roles::{DropReason, Dropped};
use crate::token::ActiveToken;

/// A question that is asked on the way, in the order of asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Is it an HTTP request?
    Request,
    /// Which filter is it for?
    Filter,
    /// Does everyone read its path alike?
    Path,
    /// What credential does it carry?
    Credential,
    /// What does the authorization server say of the token?
    Introspection,
    /// May an active token be used here?
    Token,
    /// Who is the token about?
    Subject,
    /// Does the directory know the user, and may the account log in?
    User,
    /// Which roles does the user have now?
    Roles,
    /// What does the operator's script make of it?
    Script,
    /// Does an access rule grant?
    Access,
}

impl Stage {
    const ALL: [Self; 11] = [
        Self::Request,
        Self::Filter,
        Self::Path,
        Self::Credential,
        Self::Introspection,
        Self::Token,
        Self::Subject,
        Self::User,
        Self::Roles,
        Self::Script,
        Self::Access,
    ];

    /// The word used in the explanation.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Filter => "filter",
            Self::Path => "path",
            Self::Credential => "credential",
            Self::Introspection => "introspection",
            Self::Token => "token",
            Self::Subject => "subject",
            Self::User => "user",
            Self::Roles => "roles",
            Self::Script => "script",
            Self::Access => "access",
        }
    }
}

/// The stages up to the one that decided. Those that had nothing to do, as the directory for an anonymous request, are left out.
pub(super) fn steps(found: &Found<'_>) -> Vec<Step> {
    let stop = stop(found.decision, found.record);
    let step = |stage: Stage, passed, text| Step { stage: stage.as_str().to_owned(), passed, text };
    let mut steps = Vec::new();
    for stage in Stage::ALL {
        if let Some((at, text)) = &stop
            && *at == stage
        {
            steps.push(step(stage, false, text.clone()));
            break;
        }
        steps.extend(passed(stage, found).map(|text| step(stage, true, text)));
    }
    steps
}

/// Where and why the way ended; `None` for an allow.
fn stop(decision: &Decision, record: &DecisionRecord) -> Option<(Stage, String)> {
    match decision {
        Decision::Allow(_) => None,
        Decision::Deny(denial) => Some(denied(denial, record)),
        Decision::Outage(outage) => Some((outage_stage(outage, record), outage.detail())),
    }
}

fn denied(denial: &Denial, record: &DecisionRecord) -> (Stage, String) {
    let at = |stage, text: &str| (stage, text.to_owned());
    match denial {
        Denial::RequestMissing => at(Stage::Request, "the question holds no HTTP request"),
        Denial::FilterUnknown => at(Stage::Filter, "the route names a filter that is not configured, or none fits"),
        Denial::HostRefused => at(Stage::Request, "its host could be read as several"),
        Denial::PathRefused(refusal) => at(Stage::Path, &refusal.to_string()),
        Denial::CredentialMissing => {
            at(Stage::Credential, "there is none, and no `anonymousUserMapping` is configured")
        }
        Denial::CredentialRepeated => at(Stage::Credential, "the request carries more than one"),
        Denial::CredentialScheme => at(Stage::Credential, "it is of another scheme than Bearer"),
        Denial::CredentialMalformed => at(Stage::Credential, "it is no well-formed token; nobody was asked about it"),
        Denial::TokenInactive => {
            let source = record.answer_source.map(|source| format!(" ({})", source.for_people())).unwrap_or_default();
            (Stage::Introspection, format!("the authorization server says that the token is not active{source}"))
        }
        Denial::TokenRefused(refusal) => at(Stage::Token, &refusal.to_string()),
        Denial::ScopeMissing(needed) => {
            let held = record.token.as_ref().map(|token| words(&token.scopes)).unwrap_or_default();
            (Stage::Token, format!("`rsFilter.scopes` needs {}; the token has {held}", words(needed)))
        }
        Denial::SubjectUnmapped(error) => at(Stage::Subject, &error.to_string()),
        Denial::UserUnknown(component) => {
            let supplied = record.detail.as_deref().map(|why| format!(", and the script supplies none: {why}"));
            (Stage::User, format!("no such user in `{component}`{}", supplied.unwrap_or_default()))
        }
        Denial::UserAmbiguous => at(Stage::User, "the directory has several such users"),
        Denial::UserInactive => {
            let status = record.user.as_ref().and_then(|user| user.fields.get("accountStatus"));
            let status = status.map_or("absent".to_owned(), |status| format!("`{}`", text_of(status)));
            (
                Stage::User,
                format!("the user's `accountStatus` is {status}, which `accountStatus.accepted` does not list"),
            )
        }
        Denial::ScriptRefused(message) => {
            (Stage::Script, format!("the script of `augmentSecurityContext` refused: `{message}`"))
        }
        Denial::RequestMalformed(why) => at(Stage::Access, why),
        Denial::Csrf
        | Denial::OutsideContextPath
        | Denial::MethodUnknown
        | Denial::NoRule
        | Denial::RuleScopeMissing(_)
        | Denial::RuleScopeNeedsCredential(_)
        | Denial::ConditionFailed => {
            (Stage::Access, record.detail.clone().unwrap_or_else(|| "no access rule grants this request".to_owned()))
        }
    }
}

/// An outage of no particular stage stands at the first that found nothing.
fn outage_stage(outage: &Outage, record: &DecisionRecord) -> Stage {
    match outage {
        Outage::Introspection(_) => Stage::Introspection,
        Outage::Directory(_) => Stage::User,
        Outage::ContextIncomplete(_) if record.principal.is_some() => Stage::Script,
        Outage::ContextIncomplete(_) => Stage::Roles,
        Outage::Script(_) => Stage::Script,
        Outage::Deadline | Outage::Overloaded | Outage::Internal if record.principal.is_some() => Stage::Access,
        Outage::Deadline | Outage::Overloaded | Outage::Internal if record.token.is_some() => Stage::User,
        Outage::Deadline | Outage::Overloaded | Outage::Internal => Stage::Introspection,
    }
}

/// What a stage found that the request passed; `None` where it had nothing to do.
fn passed(stage: Stage, found: &Found<'_>) -> Option<String> {
    let Found { request, filter, decision, record, .. } = *found;
    let principal = record.principal.as_deref();
    let before = record.before_script.as_deref().or(principal);
    let is_supplied = principal.is_some_and(|principal| matches!(principal.origin, Origin::Supplied(_)));
    match stage {
        Stage::Request => request.map(|request| format!("{} {}", request.method, path(request))),
        Stage::Filter => filter.filter(|name| *name != "default").map(|name| format!("`{name}`")),
        Stage::Path => None,
        Stage::Credential => Some(match record.credential {
            Some(place) => format!("a bearer token in {}", place_name(place)),
            None => "there is none: the request is anonymous".to_owned(),
        }),
        Stage::Introspection => record.token.as_deref().map(|token| {
            let source = record.answer_source.map(|source| format!(" ({})", source.for_people())).unwrap_or_default();
            format!("{}{source}", active(token))
        }),
        Stage::Token => record.token.as_ref().map(|_| "accepted: time, type, issuer, audience, scopes".to_owned()),
        Stage::Subject => before.and_then(mapping),
        Stage::User if is_supplied => Some("no such user; the script supplies one".to_owned()),
        Stage::User => record.user.as_ref().map(|user| format!("`{}/{}` may log in", user.component, user.id)),
        Stage::Roles if is_supplied => None,
        Stage::Roles => before.map(|before| roles(before, record)),
        Stage::Script => principal.filter(|_| is_supplied || record.before_script.is_some()).map(|principal| {
            let Principal { component, id, .. } = principal;
            format!("`{component}/{id}` with roles {}", words(principal.roles.iter().map(Role::as_str)))
        }),
        Stage::Access => match decision {
            Decision::Allow(permit) => Some(format!("rule `{}` grants", permit.rule())),
            Decision::Deny(_) | Decision::Outage(_) => None,
        },
    }
}

/// SECURITY: without the query, where a credential could stand.
pub(super) fn path<'a>(request: &RequestView<'a>) -> &'a str {
    request.target.split(['?', '#']).next().unwrap_or_default()
}

fn place_name(place: CredentialPlace) -> &'static str {
    match place {
        CredentialPlace::Authorization => "the `Authorization` header",
        CredentialPlace::Cookie => "the configured cookie",
        CredentialPlace::Header => "the configured header",
        CredentialPlace::QueryParameter => "the configured query parameter",
    }
}

fn active(token: &ActiveToken) -> String {
    let mut facts = vec![token.expires_at.map_or_else(|| "active".to_owned(), |at| format!("active until {at}"))];
    let named = [
        ("subject", token.subject.as_deref()),
        ("realm", token.realm.as_deref()),
        ("client", token.client_id.as_deref()),
    ];
    let named = named.into_iter().filter_map(|(name, value)| value.map(|value| format!("{name} `{value}`")));
    let scopes = (!token.scopes.is_empty()).then(|| format!("scopes {}", words(&token.scopes)));
    facts.extend(named.chain(scopes));
    facts.join(", ")
}

fn mapping(principal: &Principal) -> Option<String> {
    match &principal.origin {
        Origin::Anonymous => None,
        Origin::Static(_) => Some(format!("a `staticUserMapping`: `{}/{}`", principal.component, principal.id)),
        Origin::Directory(..) => {
            let Principal { authentication_id, component, .. } = principal;
            Some(format!("`{authentication_id}`, to be found in `{component}`"))
        }
        Origin::Supplied(_) => Some(format!("`{}`, to be found by `queryOnResource`", principal.authentication_id)),
    }
}

fn roles(principal: &Principal, record: &DecisionRecord) -> String {
    let mut text = words(principal.roles.iter().map(Role::as_str));
    for dropped in &record.dropped_roles {
        let why = why_dropped(dropped);
        text.push_str(&format!("; without `{}`: {why}", dropped.name));
    }
    text
}

/// Why a role was not granted.
pub(super) fn why_dropped(dropped: &Dropped) -> &'static str {
    match dropped.reason {
        DropReason::NotInEffect => "not in effect now",
        DropReason::UnreadableConstraint => "its temporal constraint cannot be read",
        DropReason::WrongType => "neither a name nor a reference",
    }
}

/// Names in backticks, joined by commas.
fn words<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> String {
    let quoted: Vec<String> = names.into_iter().map(|name| format!("`{}`", name.as_ref())).collect();
    if quoted.is_empty() { "none".to_owned() } else { quoted.join(", ") }
}

fn text_of(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
