//! How may be written who a token is about?

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::values::OneOrMany;

/// One realm's way from token to user.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SubjectMapping {
    /// The realm; left out: for tokens that no other mapping is for.
    pub realm: Option<String>,
    /// Type of a compound subject (`usr`, `age`) → collection.
    pub resource_type_mapping: Option<BTreeMap<String, String>>,
    /// The collection of every subject; either this or `resourceTypeMapping`.
    pub query_on_resource: Option<String>,
    /// Token field → user property. Default `sub` → `_id`.
    pub property_mapping: Option<BTreeMap<String, String>>,
    /// Path or paths of the user's roles, e.g. `authzRoles/*`.
    pub user_roles: Option<OneOrMany<String>>,
    /// Further fields of the user's record that are needed.
    pub additional_user_fields: Option<Vec<String>>,
    /// Roles that every user of this mapping has.
    pub default_roles: Option<Vec<String>>,
    /// Path of the user's property that lists groups.
    pub group_membership: Option<String>,
    /// Role → groups, any of which grants it.
    pub group_role_mapping: Option<BTreeMap<String, Vec<String>>>,
    /// How group names are compared. Default `equals`.
    pub group_comparison_method: Option<GroupComparison>,
}

/// How group names are compared.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum GroupComparison {
    /// Letter for letter.
    Equals,
    /// Case ignored.
    CaseInsensitive,
    /// Case ignored, and white space around `,` and `=`.
    Ldap,
}

/// Fixed subject → fixed user.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct StaticUser {
    /// The token's whole subject, e.g. `(usr!amadmin)`.
    pub subject: String,
    /// The user, as collection and id: `internal/user/openidm-admin`.
    pub local_user: String,
    /// The user's roles. Default none.
    pub roles: Option<Vec<String>>,
}

/// A fixed user.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct LocalUser {
    /// The user, as collection and id: `internal/user/anonymous`.
    pub local_user: String,
    /// The user's roles. Default none.
    pub roles: Option<Vec<String>>,
    /// Another name of `roles`.
    pub user_roles: Option<Vec<String>>,
}
