//! What does an explanation hold? The messages of `proto/keyward/admin/v1/admin.proto`, field by field.
//!
//! One form for `keyward check`, for what is kept, for the admin API and for `keyward explain`, so that one renderer serves
//! all. INVARIANT: no token, no secret, no query, no value of a header that the client sent.

use prost::{Enumeration, Message};
use prost_types::{Duration, Timestamp};

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enumeration)]
#[repr(i32)]
pub enum Outcome {
    /// Not said.
    Unspecified = 0,
    /// An access rule granted.
    Allow = 1,
    /// Refused.
    Deny = 2,
    /// No verdict could be had.
    Outage = 3,
}

impl Outcome {
    /// The word of audit and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Outage => "outage",
        }
    }
}

/// One decision and the way to it: the proto's `Decision`.
#[derive(Clone, PartialEq, Message)]
pub struct Explanation {
    /// The decision's id; empty under `keyward check`.
    #[prost(string, tag = "1")]
    pub id: String,
    /// When it was decided.
    #[prost(message, optional, tag = "2")]
    pub time: Option<Timestamp>,
    /// How long that took.
    #[prost(message, optional, tag = "3")]
    pub took: Option<Duration>,
    /// What became of the request.
    #[prost(enumeration = "Outcome", tag = "4")]
    pub outcome: i32,
    /// The reason of audit and metrics.
    #[prost(string, tag = "5")]
    pub reason: String,
    /// The filter; empty where none was found.
    #[prost(string, tag = "6")]
    pub filter: String,
    /// The rule that granted.
    #[prost(string, tag = "7")]
    pub rule: String,
    /// Absent where the question held no HTTP request.
    #[prost(message, optional, tag = "8")]
    pub request: Option<Request>,
    /// Where the credential stood; empty: there was none.
    #[prost(string, tag = "9")]
    pub credential: String,
    /// How the introspection answer came.
    #[prost(string, tag = "10")]
    pub introspection: String,
    /// What the token says, once it is known to be active.
    #[prost(message, optional, tag = "11")]
    pub token: Option<Token>,
    /// Who it was before a script rewrote the security context.
    #[prost(message, optional, tag = "12")]
    pub before_script: Option<Identity>,
    /// Who it was, once that was known.
    #[prost(message, optional, tag = "13")]
    pub identity: Option<Identity>,
    /// Roles that were not granted.
    #[prost(message, repeated, tag = "14")]
    pub dropped_roles: Vec<DroppedRole>,
    /// The stages up to the one that decided.
    #[prost(message, repeated, tag = "15")]
    pub steps: Vec<Step>,
    /// What access rules said.
    #[prost(message, repeated, tag = "16")]
    pub rules: Vec<Rule>,
    /// How many more were walked past.
    #[prost(uint32, tag = "17")]
    pub rules_left_out: u32,
    /// What Envoy was told.
    #[prost(message, optional, tag = "18")]
    pub answer: Option<Answer>,
}

/// The request, as far as it may be told.
#[derive(Clone, PartialEq, Message)]
pub struct Request {
    /// The method.
    #[prost(string, tag = "1")]
    pub method: String,
    /// The authority.
    #[prost(string, tag = "2")]
    pub host: String,
    /// The path without the query.
    #[prost(string, tag = "3")]
    pub path: String,
    /// `x-request-id`.
    #[prost(string, tag = "4")]
    pub request_id: String,
}

/// What the token says.
#[derive(Clone, PartialEq, Message)]
pub struct Token {
    /// `sub`.
    #[prost(string, tag = "1")]
    pub subject: String,
    /// `realm`.
    #[prost(string, tag = "2")]
    pub realm: String,
    /// `client_id`.
    #[prost(string, tag = "3")]
    pub client_id: String,
    /// `scope`.
    #[prost(string, repeated, tag = "4")]
    pub scopes: Vec<String>,
    /// `exp`.
    #[prost(message, optional, tag = "5")]
    pub expires_at: Option<Timestamp>,
}

/// A security context.
#[derive(Clone, PartialEq, Message)]
pub struct Identity {
    /// `authenticationId`.
    #[prost(string, tag = "1")]
    pub authentication_id: String,
    /// `authorization.component`.
    #[prost(string, tag = "2")]
    pub component: String,
    /// `authorization.id`.
    #[prost(string, tag = "3")]
    pub id: String,
    /// `authorization.roles`.
    #[prost(string, repeated, tag = "4")]
    pub roles: Vec<String>,
}

/// A role that was not granted.
#[derive(Clone, PartialEq, Message)]
pub struct DroppedRole {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Why not.
    #[prost(string, tag = "2")]
    pub why: String,
}

/// What one stage found.
#[derive(Clone, PartialEq, Message)]
pub struct Step {
    /// Which: a word of [`super::Stage`].
    #[prost(string, tag = "1")]
    pub stage: String,
    /// Whether the request went on from there.
    #[prost(bool, tag = "2")]
    pub passed: bool,
    /// What was found, for people.
    #[prost(string, tag = "3")]
    pub text: String,
}

/// What one access rule said.
#[derive(Clone, PartialEq, Message)]
pub struct Rule {
    /// Its name or place.
    #[prost(string, tag = "1")]
    pub rule: String,
    /// What it was asked.
    #[prost(string, tag = "2")]
    pub asked: String,
    /// The one thing it lacked; `None`: it grants.
    #[prost(string, optional, tag = "3")]
    pub lacked: Option<String>,
}

/// What Envoy was told.
#[derive(Clone, PartialEq, Message)]
pub struct Answer {
    /// The status of a refusal; 0: it passed.
    #[prost(uint32, tag = "1")]
    pub status: u32,
    /// The headers of a refusal.
    #[prost(message, repeated, tag = "2")]
    pub headers: Vec<Header>,
    /// The body of a refusal.
    #[prost(string, tag = "3")]
    pub body: String,
    /// Envoy was told of an error.
    #[prost(bool, tag = "4")]
    pub failure_mode_allow_applies: bool,
    /// Headers that replace what the client sent.
    #[prost(message, repeated, tag = "5")]
    pub set: Vec<Header>,
    /// Headers that are taken away.
    #[prost(string, repeated, tag = "6")]
    pub remove: Vec<String>,
    /// Query parameters that are taken away.
    #[prost(string, repeated, tag = "7")]
    pub remove_query_parameters: Vec<String>,
    /// Headers for the client of a request that passes.
    #[prost(message, repeated, tag = "8")]
    pub response_headers: Vec<Header>,
}

/// One header.
#[derive(Clone, PartialEq, Message)]
pub struct Header {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its value; `None`: not kept.
    #[prost(string, optional, tag = "2")]
    pub value: Option<String>,
}
