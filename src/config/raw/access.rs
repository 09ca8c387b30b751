//! What may be written below `access`?

use schemars::JsonSchema;
use serde::Deserialize;

use super::idm::{IdmConfiguration, IdmOnlyRules, MethodOverride};
use super::values::CommaList;

/// The access rules.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Access {
    /// How requests are read. Default `http`; `crest` with `accessFile`.
    pub style: Option<Style>,
    /// Taken off a path before it is matched; outside it nothing is granted. Default `/`; `/openidm` in `crest` style.
    pub context_path: Option<String>,
    /// What a POST with `X-HTTP-Method-Override` is, in `crest` style. Default `refuse`.
    pub method_override: Option<MethodOverride>,
    /// What IDM's own configuration says, for functions of `customAuthz` that ask for it.
    pub idm: Option<IdmConfiguration>,
    /// What a rule is whose `customAuthz` only IDM itself can answer. Default `refuse`.
    pub idm_only_rules: Option<IdmOnlyRules>,
    /// A script with functions of your own that `customAuthz` may call. Default the file of `accessFile`, if it is a
    /// script.
    pub functions_file: Option<String>,
    /// The rules; any that matches grants.
    pub rules: Option<Vec<Rule>>,
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
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Rule {
    /// The rule's name in the audit. Default its place, e.g. `rules[3]`.
    pub name: Option<String>,
    /// `*`, an exact path, or a prefix that ends in `/*`.
    pub pattern: String,
    /// Roles, any of which is needed; `*` for everyone.
    pub roles: CommaList,
    /// Methods; `*` for all.
    pub methods: CommaList,
    /// CREST actions; `*` for all; left out: none.
    pub actions: Option<CommaList>,
    /// Patterns of paths that this rule is not for.
    #[schemars(extend("x-null" = true))]
    pub exclude_patterns: Option<CommaList>,
    /// An expression in IDM's JavaScript that must be true.
    #[schemars(extend("x-null" = true))]
    pub custom_authz: Option<String>,
    /// Scopes, all of which must be in the token.
    pub scopes: Option<CommaList>,
    /// A CEL expression that must be true.
    pub when: Option<String>,
    /// What the rule is for; read by people only.
    pub description: Option<String>,
}
