//! What is asked of the admin API? The questions of `proto/keyward/admin/v1/admin.proto`, field by field.

use prost::Message;
use prost_types::Timestamp;

use crate::explain::{Explanation, Outcome};

/// Asks for one decision.
#[derive(Clone, PartialEq, Message)]
pub struct GetDecisionRequest {
    /// Which.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Tell of every access rule.
    #[prost(bool, tag = "2")]
    pub all_rules: bool,
}

/// Asks for the last decisions.
#[derive(Clone, PartialEq, Message)]
pub struct ListDecisionsRequest {
    /// Of this outcome only.
    #[prost(enumeration = "Outcome", tag = "1")]
    pub outcome: i32,
    /// Made then or later.
    #[prost(message, optional, tag = "2")]
    pub since: Option<Timestamp>,
    /// At most so many; 0: 100.
    #[prost(uint32, tag = "3")]
    pub limit: u32,
    /// Of this reason only; empty: of any.
    #[prost(string, tag = "4")]
    pub reason: String,
}

/// The last decisions.
#[derive(Clone, PartialEq, Message)]
pub struct ListDecisionsResponse {
    /// The newest first, without steps, rules and answer.
    #[prost(message, repeated, tag = "1")]
    pub decisions: Vec<Explanation>,
    /// How many more would fit.
    #[prost(uint32, tag = "2")]
    pub left_out: u32,
}
