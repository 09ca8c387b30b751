//! What may be written below `access`?

use schemars::JsonSchema;
use serde::Deserialize;

use super::idm::{IdmConfiguration, IdmOnlyRules, MethodOverride};
use super::values::{CommaList, Count};

/// The access rules.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Access {
    /// How requests are read. Default `http`; `crest` with `accessFile`.
    pub style: Option<Style>,
    /// Taken off a path before it is matched; outside it nothing is granted. Default `/`; `/openidm` in `crest` style.
    #[schemars(example = &"/api")]
    pub context_path: Option<String>,
    /// What a POST with `X-HTTP-Method-Override` is, in `crest` style. Default `refuse`.
    pub method_override: Option<MethodOverride>,
    /// What IDM's own configuration says, for functions of `customAuthz` that ask for it.
    pub idm: Option<IdmConfiguration>,
    /// What a rule is whose `customAuthz` only IDM itself can answer. Default `refuse`.
    pub idm_only_rules: Option<IdmOnlyRules>,
    /// A script with functions of your own that `customAuthz` may call. Default the file of `accessFile`, if it is a
    /// script.
    #[schemars(example = &"script/access.js")]
    pub functions_file: Option<String>,
    /// The rules; any that matches grants, their order means nothing. No rule, no access. Required, or `accessFile`.
    #[schemars(with = "Option<Vec<Rule>>")]
    pub rules: Option<Count>,
}

/// How requests are read for the rules.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum Style {
    /// create, read, query, action … on a resource path.
    Crest,
    /// GET, POST … on a path that begins with `/`.
    Http,
}

/// One access rule.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(example = serde_json::json!({
    "name": "change-own-orders",
    "pattern": "/customers/{id}/orders/*",
    "roles": ["customer"],
    "methods": ["POST", "PUT"],
    "scopes": ["orders.write"],
    "when": "params.id == authorization.id"
}))]
#[expect(dead_code, reason = "the shape for the schema; `RuleSettings` reads each rule")]
pub struct Rule {
    /// The rule's name in audit and explanations. Default its place, such as `rules[3]`, or `configs[3]` in a file of IDM.
    pub name: Option<String>,
    /// `*`, an exact path, or a prefix that ends in `/*`. In `http` style a segment such as `{id}` matches any one,
    /// which `when` knows as `params.id`.
    #[schemars(example = &"/orders/*")]
    pub pattern: String,
    /// Roles, any of which is needed; `*` for everyone, also without a token where `anonymousUserMapping` is written.
    #[schemars(example = serde_json::json!(["clerk"]))]
    pub roles: CommaList,
    /// Methods, in the words of `access.style`; `*` for all.
    #[schemars(example = serde_json::json!(["GET", "POST"]))]
    pub methods: CommaList,
    /// CREST actions, of the method `action`; `*` for all. Default none.
    #[schemars(example = &"validate,preview")]
    pub actions: Option<CommaList>,
    /// Patterns of paths that this rule is not for. Default none.
    #[schemars(extend("x-null" = true))]
    #[schemars(example = serde_json::json!(["/orders/drafts/*"]))]
    pub exclude_patterns: Option<CommaList>,
    /// An expression in IDM's JavaScript that must be true, in `crest` style. Default none.
    #[schemars(extend("x-null" = true))]
    #[schemars(example = &"ownDataOnly()")]
    pub custom_authz: Option<String>,
    /// Scopes, all of which must be in the token, beside those of `rsFilter`. Default none.
    #[schemars(example = serde_json::json!(["orders.write"]))]
    pub scopes: Option<CommaList>,
    /// A CEL expression that must be true; it sees `request`, `params`, `token`, `user`, `authorization`,
    /// `authenticationId` and `crest`. Default none.
    #[schemars(example = &"params.id == authorization.id")]
    pub when: Option<String>,
    /// What the rule is for; read by people only.
    pub description: Option<String>,
}
