//! Why was a request decided as it was? The stages it passed, the one that stopped it, and what each rule lacked.

pub mod message;
pub mod recent;
pub mod settings;
mod steps;
#[cfg(test)]
mod tests;
mod text;

pub use message::{Explanation, Outcome};
pub use recent::Recent;
pub use settings::Settings;
pub use steps::Stage;
pub use text::{Style, write_list, write_text};

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::access::RuleSteps;
use crate::authorizer::DecisionRecord;
use crate::decision::Decision;
use crate::principal::{Principal, Role};
use crate::request::RequestView;
use crate::response::{Refusal, Reply};
use crate::token::ActiveToken;
use message::{Answer, DroppedRole, Header, Identity, Request, Rule, Token};

/// A decision with everything that led to it, as the check has it at its end.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    /// The request; `None` where the question held none.
    pub request: Option<&'a RequestView<'a>>,
    /// The filter that decided; `None`: none was found.
    pub filter: Option<&'a str>,
    /// What was decided.
    pub decision: &'a Decision,
    /// What was found on the way.
    pub record: &'a DecisionRecord,
    /// The answer.
    pub reply: &'a Reply,
}

impl Explanation {
    /// What is to be said of a decision, but for its rules ([`Self::with_rules`]).
    #[must_use]
    pub fn of(found: &Found<'_>) -> Self {
        let Found { request, filter, decision, record, reply } = *found;
        let (outcome, rule) = match decision {
            Decision::Allow(permit) => (Outcome::Allow, permit.rule()),
            Decision::Deny(_) => (Outcome::Deny, ""),
            Decision::Outage(_) => (Outcome::Outage, ""),
        };
        let dropped = record.dropped_roles.iter();
        Self {
            outcome: outcome.into(),
            reason: decision.reason().to_owned(),
            filter: filter.unwrap_or_default().to_owned(),
            rule: rule.to_owned(),
            request: request.map(request_told),
            credential: record.credential.map(|place| place.as_str().to_owned()).unwrap_or_default(),
            introspection: record.answer_source.map(|source| source.as_str().to_owned()).unwrap_or_default(),
            token: record.token.as_deref().map(token_told),
            before_script: record.before_script.as_deref().map(identity),
            identity: record.principal.as_deref().map(identity),
            dropped_roles: dropped
                .map(|dropped| DroppedRole { name: dropped.name.clone(), why: steps::why_dropped(dropped).to_owned() })
                .collect(),
            steps: steps::steps(found),
            answer: Some(answer(reply)),
            ..Self::default()
        }
    }

    /// Says which decision it is.
    #[must_use]
    pub fn identified(self, id: &str, time: Timestamp, took: Duration) -> Self {
        let took = prost_types::Duration::try_from(took).unwrap_or_default();
        Self { id: id.to_owned(), time: Some(timestamp(time)), took: Some(took), ..self }
    }

    /// Adds what the rules said.
    #[must_use]
    pub fn with_rules(self, told: RuleSteps) -> Self {
        let rules = told.steps.into_iter();
        let rules = rules.map(|step| Rule { rule: step.rule, asked: step.asked, lacked: step.lacked }).collect();
        Self { rules, rules_left_out: u32::try_from(told.left_out).unwrap_or(u32::MAX), ..self }
    }

    /// The explanation for programs; the members are a contract as the configuration's are.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let told = |text: &String| (!text.is_empty()).then(|| text.clone());
        let rules: Vec<Value> = self.rules.iter().map(rule_json).collect();
        let steps = self.steps.iter();
        let dropped = self.dropped_roles.iter();
        json!({
            "decisionId": told(&self.id),
            "time": self.time.as_ref().and_then(time_of),
            "durationMicros": self.took.as_ref().map(micros),
            "decision": self.outcome().as_str(),
            "reason": self.reason,
            "filter": told(&self.filter),
            "rule": told(&self.rule),
            "request": self.request.as_ref().map(|request| json!({
                "method": request.method,
                "host": request.host,
                "path": request.path,
                "requestId": told(&request.request_id),
            })),
            "credential": told(&self.credential),
            "introspection": told(&self.introspection),
            "token": self.token.as_ref().map(|token| json!({
                "subject": told(&token.subject),
                "realm": told(&token.realm),
                "clientId": told(&token.client_id),
                "scopes": token.scopes,
                "expiresAt": token.expires_at.as_ref().and_then(time_of),
            })),
            "beforeScript": self.before_script.as_ref().map(identity_json),
            "identity": self.identity.as_ref().map(identity_json),
            "droppedRoles": dropped.map(|role| json!({ "name": role.name, "why": role.why })).collect::<Vec<_>>(),
            "answer": self.answer.as_ref().map(answer_json),
            "steps": steps
                .map(|step| json!({ "stage": step.stage, "passed": step.passed, "text": step.text }))
                .collect::<Vec<_>>(),
            "rules": rules,
            "rulesLeftOut": self.rules_left_out,
        })
    }
}

/// SECURITY: without the query, where a credential could stand.
fn request_told(request: &RequestView<'_>) -> Request {
    Request {
        method: request.method.to_owned(),
        host: request.host.to_owned(),
        path: steps::path(request).to_owned(),
        request_id: request.headers.single("x-request-id").unwrap_or_default().to_owned(),
    }
}

/// SECURITY: of the token's claims these only; others may hold anything, the token itself among it.
fn token_told(token: &ActiveToken) -> Token {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    Token {
        subject: text(&token.subject),
        realm: text(&token.realm),
        client_id: text(&token.client_id),
        scopes: token.scopes.clone(),
        expires_at: token.expires_at.map(timestamp),
    }
}

fn identity(principal: &Principal) -> Identity {
    Identity {
        authentication_id: principal.authentication_id.to_string(),
        component: principal.component.to_string(),
        id: principal.id.to_string(),
        roles: principal.roles.iter().map(Role::as_str).map(str::to_owned).collect(),
    }
}

fn answer(reply: &Reply) -> Answer {
    match reply {
        Reply::Pass(pass) => Answer {
            set: headers(&pass.set),
            remove: pass.remove.clone(),
            remove_query_parameters: pass.remove_query_parameters.clone(),
            response_headers: headers(&pass.response_headers),
            ..Answer::default()
        },
        Reply::Refuse(refusal) => refused(refusal, false),
        Reply::Error(refusal) => refused(refusal, true),
    }
}

fn refused(refusal: &Refusal, failure_mode_allow_applies: bool) -> Answer {
    let (status, body) = (refusal.status.as_u16().into(), refusal.body.clone());
    Answer { status, headers: headers(&refusal.headers), body, failure_mode_allow_applies, ..Answer::default() }
}

fn headers(headers: &[(http::HeaderName, String)]) -> Vec<Header> {
    let headers = headers.iter();
    headers.map(|(name, value)| Header { name: name.as_str().to_owned(), value: Some(value.clone()) }).collect()
}

fn rule_json(rule: &Rule) -> Value {
    json!({ "rule": rule.rule, "asked": rule.asked, "grants": rule.lacked.is_none(), "lacked": rule.lacked })
}

fn identity_json(identity: &Identity) -> Value {
    json!({
        "authenticationId": identity.authentication_id,
        "component": identity.component,
        "id": identity.id,
        "roles": identity.roles,
    })
}

/// What Envoy is told.
fn answer_json(answer: &Answer) -> Value {
    let map = |headers: &[Header]| -> BTreeMap<String, Option<String>> {
        headers.iter().map(|header| (header.name.clone(), header.value.clone())).collect()
    };
    if answer.status == 0 {
        return json!({
            "set": map(&answer.set),
            "remove": answer.remove,
            "removeQueryParameters": answer.remove_query_parameters,
            "responseHeaders": map(&answer.response_headers),
        });
    }
    json!({
        "status": answer.status,
        "headers": map(&answer.headers),
        "body": answer.body,
        "failureModeAllowApplies": answer.failure_mode_allow_applies,
    })
}

/// An instant in the words of protobuf.
#[must_use]
pub fn timestamp(time: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: time.as_second(), nanos: time.subsec_nanosecond() }
}

/// The instant that protobuf's words mean; `None` where they mean none.
#[must_use]
pub fn instant(time: &prost_types::Timestamp) -> Option<Timestamp> {
    Timestamp::new(time.seconds, time.nanos).ok()
}

fn time_of(time: &prost_types::Timestamp) -> Option<String> {
    instant(time).map(|time| time.to_string())
}

fn micros(took: &prost_types::Duration) -> i64 {
    took.seconds.saturating_mul(1_000_000).saturating_add(i64::from(took.nanos) / 1_000)
}
