//! What does a directory know of a user?

use std::sync::Arc;

use serde_json::{Map, Value};

/// A record of the directory.
#[derive(Debug, Clone)]
pub struct User {
    /// The resource id, not empty.
    pub id: String,
    /// The collection the record lives in, e.g. `managed/user`.
    pub component: Arc<str>,
    /// The record's members, `_id` among them where the directory has one.
    pub fields: Map<String, Value>,
}
