//! Who is asking: the user as the directory knows them, and the security context that access rules and the upstream see.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::token::ActiveToken;
pub use crate::user::User;

/// A role by its full name, e.g. `internal/role/openidm-authorized` (B16). Compared by rules with case ignored (E9).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Role(Arc<str>);

impl Role {
    /// A role name. `None` for an empty one: an empty role name grants nothing and is dropped (D4).
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        (!name.is_empty()).then(|| Self(Arc::from(name)))
    }

    /// The full name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How the principal was found: decides what may be read about it.
#[derive(Debug, Clone)]
pub enum Origin {
    /// No credential was sent; the anonymous mapping answered (A13).
    Anonymous,
    /// A static mapping answered for the token's whole subject (B1).
    Static(Arc<ActiveToken>),
    /// A subject mapping and the directory answered.
    Directory(Arc<ActiveToken>, Arc<User>),
    /// A subject mapping led to nobody, and a script supplied the whole context (C7). There is no record.
    Supplied(Arc<ActiveToken>),
}

/// The security context of a request (C1): who, with which roles, from where.
///
/// INVARIANT (C5): `authentication_id`, `id` and `component` are not empty.
#[derive(Debug, Clone)]
pub struct Principal {
    /// The principal that authenticated, e.g. the mapped claim's value (C9).
    pub authentication_id: Arc<str>,
    /// `authorization.id`.
    pub id: Arc<str>,
    /// `authorization.component`.
    pub component: Arc<str>,
    /// `authorization.roles`: ordered, each once (D2).
    pub roles: Vec<Role>,
    /// Further members of `authorization` (C3), put there by a script.
    pub extra: Map<String, Value>,
    /// Where all that comes from.
    pub origin: Origin,
}

/// The security context lacks a member without which nothing may run (C5): a 503.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the security context has no `{member}`")]
pub struct ContextIncomplete {
    /// The missing member.
    pub member: &'static str,
}

impl Principal {
    /// Builds a security context; refuses one that lacks what C5 requires.
    ///
    /// # Errors
    /// [`ContextIncomplete`] names the first empty member.
    pub fn new(
        authentication_id: &str,
        component: &str,
        id: &str,
        roles: Vec<Role>,
        origin: Origin,
    ) -> Result<Self, ContextIncomplete> {
        for (member, value) in
            [("authenticationId", authentication_id), ("authorization.id", id), ("authorization.component", component)]
        {
            if value.is_empty() {
                return Err(ContextIncomplete { member });
            }
        }
        Ok(Self {
            authentication_id: authentication_id.into(),
            id: id.into(),
            component: component.into(),
            roles,
            extra: Map::new(),
            origin,
        })
    }

    /// The token, unless the principal is anonymous.
    #[must_use]
    pub fn token(&self) -> Option<&Arc<ActiveToken>> {
        match &self.origin {
            Origin::Anonymous => None,
            Origin::Static(token) | Origin::Directory(token, _) | Origin::Supplied(token) => Some(token),
        }
    }

    /// The directory's record, where a subject mapping found one.
    #[must_use]
    pub fn user(&self) -> Option<&Arc<User>> {
        match &self.origin {
            Origin::Anonymous | Origin::Static(_) | Origin::Supplied(_) => None,
            Origin::Directory(_, user) => Some(user),
        }
    }

    /// The security context as IDM shows it (C1, C2): `{authenticationId, authorization: {id, component, roles, …}}`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut authorization = self.extra.clone();
        authorization.insert("id".to_owned(), Value::from(&*self.id));
        authorization.insert("component".to_owned(), Value::from(&*self.component));
        authorization.insert("roles".to_owned(), self.roles.iter().map(|role| Value::from(role.as_str())).collect());
        // `json!` would copy `authorization` once more, on every allow.
        [("authenticationId", Value::from(&*self.authentication_id)), ("authorization", Value::Object(authorization))]
            .into_iter()
            .collect()
    }
}
