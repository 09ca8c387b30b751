//! How may be written who a token is about?

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::values::OneOrMany;

/// One realm's way from token to user.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(example = serde_json::json!({
    "realm": "/alpha",
    "resourceTypeMapping": { "usr": "managed/alpha_user" },
    "propertyMapping": { "sub": "_id" },
    "userRoles": "authzRoles/*",
    "defaultRoles": ["internal/role/openidm-authorized"]
}))]
pub struct SubjectMapping {
    /// The realm. Default every one that no other mapping is for.
    #[schemars(example = &"/alpha")]
    pub realm: Option<String>,
    /// Type of a compound subject such as `(usr!alice)` → collection; either this or `queryOnResource`.
    #[schemars(example = serde_json::json!({ "usr": "managed/user", "age": "managed/agent" }))]
    pub resource_type_mapping: Option<BTreeMap<String, String>>,
    /// The collection of every subject; either this or `resourceTypeMapping`.
    #[schemars(example = &"managed/user")]
    pub query_on_resource: Option<String>,
    /// Token field → property of the user that must equal it. Default `sub` → `_id`.
    #[schemars(example = serde_json::json!({ "sub": "_id" }))]
    pub property_mapping: Option<BTreeMap<String, String>>,
    /// Path or paths of the user's roles. Default none.
    #[schemars(example = &"authzRoles/*")]
    pub user_roles: Option<OneOrMany<String>>,
    /// Further fields of the user's record that headers, conditions or scripts need. Default none.
    #[schemars(example = serde_json::json!(["mail"]))]
    pub additional_user_fields: Option<Vec<String>>,
    /// Roles that every user of this mapping has. Default none.
    #[schemars(example = serde_json::json!(["internal/role/openidm-authorized"]))]
    pub default_roles: Option<Vec<String>>,
    /// Path of the user's property that lists groups; with `groupRoleMapping`.
    #[schemars(example = &"memberOf")]
    pub group_membership: Option<String>,
    /// Role → groups, any of which grants it; with `groupMembership`.
    #[schemars(example = serde_json::json!({ "auditor": ["cn=audit,ou=groups"] }))]
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
#[schemars(example = serde_json::json!({
    "subject": "(usr!amadmin)",
    "localUser": "internal/user/openidm-admin",
    "roles": ["internal/role/openidm-admin"]
}))]
pub struct StaticUser {
    /// The token's whole subject, e.g. `(usr!amadmin)`.
    #[schemars(example = &"(usr!amadmin)")]
    pub subject: String,
    /// The user, as collection and id: `internal/user/openidm-admin`.
    #[schemars(example = &"internal/user/openidm-admin")]
    pub local_user: String,
    /// The user's roles. Default none.
    #[schemars(example = serde_json::json!(["internal/role/openidm-admin"]))]
    pub roles: Option<Vec<String>>,
}

/// A fixed user.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(example = serde_json::json!({ "localUser": "internal/user/anonymous", "roles": ["internal/role/openidm-reg"] }))]
pub struct LocalUser {
    /// The user, as collection and id: `internal/user/anonymous`.
    #[schemars(example = &"internal/user/anonymous")]
    pub local_user: String,
    /// The user's roles. Default none.
    #[schemars(example = serde_json::json!(["internal/role/openidm-reg"]))]
    pub roles: Option<Vec<String>>,
    /// Another name of `roles`, as older files of IDM have it.
    pub user_roles: Option<Vec<String>>,
}
