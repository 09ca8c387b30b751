//! Who is the token about? From claims to a static user or to one question for the directory (section B).

mod compound;
mod mapper;
mod template;
#[cfg(test)]
mod tests;

pub use mapper::SubjectMapper;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::directory::UserQuery;
use crate::principal::Role;
use crate::roles;

/// `staticUserMapping`, `subjectMapping`, `anonymousUserMapping`.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Static mappings by whole subject. INVARIANT: no subject twice (B3).
    pub static_users: Vec<(String, StaticUser)>,
    /// `staticSubjectIgnoreCase` (J23, A19).
    pub static_subject_ignore_case: bool,
    /// Subject mappings. INVARIANT: at most one a realm and at most one without (B5).
    pub mappings: Vec<Mapping>,
    /// Who a request without a credential is; `None`: 401.
    pub anonymous: Option<StaticUser>,
}

/// A fixed user with fixed roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticUser {
    /// Collection part of `localUser` (A16).
    pub component: Arc<str>,
    /// Last part of `localUser`.
    pub id: Arc<str>,
    /// `roles`; may be empty (A15).
    pub roles: Vec<Role>,
}

/// One entry of `subjectMapping`.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// `realm`; `None`: for tokens that no other mapping is for (B4).
    pub realm: Option<String>,
    /// Where the user lives.
    pub collection: Collection,
    /// `propertyMapping`: token field → user property (B11). INVARIANT: not empty; names are paths (`a/b` or `a.b`).
    pub properties: Vec<(String, String)>,
    /// `additionalUserFields` (B17).
    pub additional_fields: Vec<String>,
    /// How this mapping's users get their roles.
    pub roles: roles::Settings,
}

/// `resourceTypeMapping` or `queryOnResource`: one of the two, never both (B7). Values are handlebars templates (B12).
#[derive(Debug, Clone)]
pub enum Collection {
    /// Type of a compound subject → collection template.
    ByResourceType(BTreeMap<String, String>),
    /// One collection template.
    Fixed(String),
}

/// Who the token is about.
#[derive(Debug, Clone)]
pub enum MappedSubject {
    /// A static mapping matched.
    Static(StaticUser),
    /// The directory has to be asked.
    Directory {
        /// The question.
        query: UserQuery,
        /// `authenticationId` if a user is found (C9, J14).
        authentication_id: String,
        /// Which mapping: index into [`Settings::mappings`].
        mapping: usize,
        /// Whether it names its collection by `queryOnResource`: then a script may supply a user that is not found (C7).
        by_query: bool,
    },
}

/// Why a token leads to no user: always a 401.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    /// No `sub`, or an empty one (H3).
    #[error("the token has no subject")]
    NoSubject,
    /// No mapping for the token's realm, and none without a realm (B4).
    #[error("no subject mapping for this realm")]
    NoMapping,
    /// The subject is not `(type!name)` although `resourceTypeMapping` wants it (B9).
    #[error("the subject is not of the form (type!name)")]
    NotCompound,
    /// The subject's type is not in `resourceTypeMapping` (B9).
    #[error("no resource type mapping for this type of subject")]
    UnknownType,
    /// A mapped token field is absent or no text (B11).
    #[error("the token has no usable `{0}`")]
    ClaimAbsent(String),
    /// The rendered collection is no safe path (B13).
    #[error("the mapping leads to no collection")]
    NoCollection,
}

/// What is wrong with the mappings, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct SubjectProblem {
    /// A path below `rsFilter`, e.g. `subjectMapping/1/realm`.
    pub place: String,
    /// What was found and what is expected.
    pub message: String,
}
