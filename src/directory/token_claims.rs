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
        let made = query.token.as_user.get_or_init(|| user(query, id));
        // Another mapping may see another user in the same claims.
        let fits = made.id == *id && made.component == query.component;
        Ok(Found::One(if fits { Arc::clone(made) } else { user(query, id) }))
    }
}

fn user(query: &UserQuery, id: &str) -> Arc<User> {
    let mut fields = query.token.claims.clone();
    fields.insert("_id".to_owned(), Value::String(id.to_owned()));
    Arc::new(User { id: id.to_owned(), component: Arc::clone(&query.component), fields })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::TokenClaims;
    use crate::directory::conformance::{patience, query, told};
    use crate::directory::{Found, UserDirectory};
    use crate::token::ActiveToken;

    #[tokio::test]
    async fn the_claims_are_the_user() {
        let mut question = query("token", &[("mail", "b@x"), ("_id", "bob")]);
        let claims = json!({"sub": "(usr!bob)", "mail": "b@x", "roles": ["clerk"], "_id": "forged"});
        let claims = claims.as_object().expect("claims").clone();
        question.token = ActiveToken { claims, ..ActiveToken::default() }.into();
        let Ok(Found::One(user)) = TokenClaims.find(&question, patience()).await else { panic!("a user") };
        assert_eq!((user.id.as_str(), &*user.component), ("bob", "token"));
        assert_eq!(user.fields["roles"], json!(["clerk"]));
        assert_eq!(user.fields["_id"], json!("bob"));
    }

    #[tokio::test]
    async fn what_was_made_for_one_mapping_serves_no_other() {
        let token = query("token", &[("_id", "bob")]).token;
        for (component, id) in [("token", "bob"), ("token", "carol"), ("other", "bob"), ("token", "bob")] {
            let mut question = query(component, &[("_id", id)]);
            question.token = token.clone();
            let Ok(Found::One(user)) = TokenClaims.find(&question, patience()).await else { panic!("a user") };
            assert_eq!((&*user.component, user.id.as_str()), (component, id));
            assert_eq!(user.fields["_id"], json!(id));
        }
    }

    #[tokio::test]
    async fn the_first_mapped_value_is_the_id_where_none_is_mapped_to_it() {
        assert_eq!(told(&TokenClaims, &query("token", &[("mail", "b@x"), ("n", "1")])).await, "token/b@x null");
        assert_eq!(told(&TokenClaims, &query("token", &[])).await, "nobody");
    }
}
