//! Who is the user where there is no directory? The token itself: its claims are the record.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use super::{DirectoryError, Found, UserDirectory, UserQuery};
use crate::deadline::Deadline;
use crate::principal::User;

/// The directory that takes the claims for the user. It never asks anyone and always finds exactly one.
///
/// The conditions hold by construction, for their values come from the same claims. The user's id is the value mapped
/// to `_id`, else the first mapped value, and stands in the record as `_id`.
#[derive(Debug, Clone, Copy, Default)]
pub struct TokenClaims;

#[async_trait]
impl UserDirectory for TokenClaims {
    async fn find(&self, query: &UserQuery, _deadline: Deadline) -> Result<Found, DirectoryError> {
        let mapped = query.conditions.iter().find(|(property, _)| &**property == "_id").or(query.conditions.first());
        let Some((_, id)) = mapped.filter(|(_, id)| !id.is_empty()) else { return Ok(Found::Nobody) };
        let mut fields = query.token.claims.clone();
        fields.insert("_id".to_owned(), Value::String(id.clone()));
        Ok(Found::One(Arc::new(User { id: id.clone(), component: Arc::clone(&query.component), fields })))
    }
}
