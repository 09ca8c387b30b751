//! What is written down about a decision? One JSON line each, without credential, query or header values.

mod pseudonym;
pub mod settings;
#[cfg(test)]
mod tests;
pub mod writer;

pub use settings::Settings;
pub use writer::AuditWriter;

use std::borrow::Cow;

use jiff::Timestamp;
use serde::Serialize;

use crate::authorizer::DecisionRecord;
use crate::decision::{Decision, Denial, DenialStatus};
use crate::principal::Role;
use crate::request::RequestView;

/// One decision as it is written down; `schema/audit.schema.json` describes it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEvent<'a> {
    #[serde(serialize_with = "as_text")]
    time: Timestamp,
    event: &'static str,
    decision_id: &'a str,
    decision: &'static str,
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filter: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'a str>,
    method: &'a str,
    host: &'a str,
    /// Without the query, where credentials could stand.
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    introspection: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authentication_id: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    component: Option<&'a str>,
    #[serde(skip_serializing_if = "<[Role]>::is_empty", serialize_with = "as_names")]
    roles: &'a [Role],
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<Cow<'a, str>>,
    duration_micros: u64,
}

/// What an event is about, beside the decision itself.
#[derive(Debug, Clone, Copy)]
pub struct AuditContext<'a> {
    /// When it was decided.
    pub time: Timestamp,
    /// The decision's id.
    pub decision_id: &'a str,
    /// The trace that the check belongs to, where it belongs to one: 32 hexadecimal digits.
    pub trace_id: Option<&'a str>,
    /// The filter, where one was found.
    pub filter: Option<&'a str>,
    /// How long the decision took.
    pub took: std::time::Duration,
}

impl<'a> AuditEvent<'a> {
    /// The event of one decision.
    #[must_use]
    pub fn new(
        context: AuditContext<'a>,
        request: Option<&RequestView<'a>>,
        decision: &'a Decision,
        record: &'a DecisionRecord,
    ) -> Self {
        let principal = record.principal.as_deref();
        let (rule, status, detail) = match decision {
            Decision::Allow(permit) => (Some(permit.rule()), None, None),
            Decision::Deny(denial) => (None, Some(status(denial.status())), detail(denial)),
            Decision::Outage(outage) => (None, None, Some(outage.detail())),
        };
        let path = request.map_or("", |request| request.target).split(['?', '#']).next().unwrap_or_default();
        Self {
            time: context.time,
            event: "decision",
            decision_id: context.decision_id,
            decision: decision.outcome(),
            reason: decision.reason(),
            status,
            filter: context.filter,
            rule,
            method: request.map_or("", |request| request.method),
            host: request.map_or("", |request| request.host),
            path,
            request_id: request.and_then(|request| request.headers.single("x-request-id")),
            trace_id: context.trace_id,
            credential: record.credential.map(|place| place.as_str()),
            introspection: record.answer_source.map(|source| source.as_str()),
            client_id: record.token.as_ref().and_then(|token| token.client_id.as_deref()),
            authentication_id: principal.map(|principal| (&*principal.authentication_id).into()),
            id: principal.map(|principal| (&*principal.id).into()),
            component: principal.map(|principal| &*principal.component),
            roles: principal.map(|principal| &*principal.roles).unwrap_or_default(),
            detail: record.detail.as_deref().map(Cow::Borrowed).or(detail.map(Cow::Owned)),
            duration_micros: u64::try_from(context.took.as_micros()).unwrap_or(u64::MAX),
        }
    }
}

/// What the denial says of itself, for operators.
fn detail(denial: &Denial) -> Option<String> {
    match denial {
        Denial::PathRefused(refusal) => Some(refusal.to_string()),
        denial => denial.failure_reason(),
    }
}

fn status(status: DenialStatus) -> u16 {
    status.code().as_u16()
}

fn as_names<S: serde::Serializer>(roles: &[Role], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(roles.iter().map(Role::as_str))
}

fn as_text<S: serde::Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}
