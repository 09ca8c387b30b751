//! What may be written below `rsFilter`?

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::client::{BasicEncoding, ClientAuthentication, SecretText};
use super::subject::{LocalUser, StaticUser, SubjectMapping};
use super::values::{DurationText, OneOrMany};

/// The authorization server and the mapping of its tokens to users.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(example = serde_json::json!({
    "clientId": "mesh-rs",
    "clientSecret": { "env": "MESH_RS_SECRET" },
    "tokenIntrospectUrl": "https://as.example/oauth2/introspect",
    "scopes": ["orders"],
    "cache": { "maxTimeout": "60 seconds" }
}))]
pub struct RsFilter {
    /// The client that introspects.
    #[schemars(example = &"mesh-rs")]
    pub client_id: String,
    /// The client's secret.
    #[schemars(example = serde_json::json!({ "env": "MESH_RS_SECRET" }))]
    pub client_secret: SecretText,
    /// How the client authenticates (RFC 6749, section 2.3.1). Default `client_secret_basic`.
    pub client_authentication: Option<ClientAuthentication>,
    /// How id and secret go into a Basic header. Default `form`.
    pub basic_encoding: Option<BasicEncoding>,
    /// The introspection endpoint (RFC 7662), used as it is.
    #[schemars(example = &"https://as.example/oauth2/introspect")]
    pub token_introspect_url: String,
    /// The longest an introspection may take; never longer than Envoy waits. Default `5 seconds`.
    #[schemars(example = &"2 seconds")]
    pub introspect_timeout: Option<DurationText>,
    /// How many introspections may be under way at once; one more is an outage. Default 256.
    #[schemars(range(min = 1, max = 100_000))]
    pub max_in_flight: Option<usize>,
    /// PEM file of roots to trust instead of the system's. Default the system's.
    #[schemars(example = &"as-ca.pem")]
    pub trusted_roots: Option<String>,
    /// Scopes that every token must have; one that lacks some is answered 403 `insufficient_scope` (RFC 6750). Default
    /// none.
    #[schemars(example = serde_json::json!(["orders"]))]
    pub scopes: Option<Vec<String>>,
    /// Accepted `iss` of the introspection's answer. Default any.
    #[schemars(example = &"https://as.example")]
    pub issuer: Option<OneOrMany<String>>,
    /// Accepted `aud`, one of which must be in the answer. Default any.
    #[schemars(example = &"orders-api")]
    pub audience: Option<OneOrMany<String>>,
    /// Accepted `token_type`, case ignored; an absent one is accepted. Default `[Bearer, access_token]`.
    pub token_types: Option<Vec<String>>,
    /// How far clocks may differ, for `exp` and `nbf`. Default `0 seconds`.
    #[schemars(example = &"5 seconds")]
    pub clock_skew: Option<DurationText>,
    /// How long answers are remembered. Scopes, issuer, audience and times are checked on remembered answers, too.
    pub cache: Option<TokenCache>,
    /// Where a token may stand beside the `Authorization` header. Two credentials in one request are refused.
    pub credential: Option<Credential>,
    /// What an `Authorization` header of another scheme than Bearer is. Default `refuse`.
    pub other_schemes: Option<OtherSchemes>,
    /// Realm → collection → user: who a token is about. Exactly one mapping fits a token's realm. Default the token's own
    /// claims, with `directory: { token: {} }`: `sub` is the id, `roles` are the roles.
    pub subject_mapping: Option<Vec<SubjectMapping>>,
    /// Fixed subject → fixed user, before any `subjectMapping`; nobody is looked up. Default none.
    pub static_user_mapping: Option<Vec<StaticUser>>,
    /// Whether subjects of `staticUserMapping` are compared with case ignored. Default false.
    pub static_subject_ignore_case: Option<bool>,
    /// Who a request without a credential is. Default nobody: such a request is a 401.
    pub anonymous_user_mapping: Option<LocalUser>,
    /// Whether roles of relationships are full names or their last segment. Default `full`.
    pub role_names: Option<RoleNames>,
    /// Which accounts may log in, by the user's `accountStatus`.
    pub account_status: Option<AccountStatus>,
    /// A script that may rewrite the security context before the rules see it. Default none.
    pub augment_security_context: Option<Script>,
}

/// What an `Authorization` header of another scheme is.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum OtherSchemes {
    /// 401.
    Refuse,
    /// As if no credential had been sent.
    Anonymous,
}

/// Where a token may stand beside the `Authorization` header.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Credential {
    /// Name of a cookie whose value is the token. Default none.
    #[schemars(example = &"session")]
    pub cookie: Option<String>,
    /// Name of a header whose whole value is the token. Default none.
    #[schemars(example = &"x-api-token")]
    pub header: Option<String>,
    /// Name of a query parameter whose value is the token; URLs are logged in many places. Default none.
    #[schemars(example = &"access_token")]
    pub query_parameter: Option<String>,
}

/// How long introspection answers are remembered.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct TokenCache {
    /// The longest an answer is kept, and never past `exp`: how long a revoked token may still pass. `zero`: not at
    /// all; `unlimited`: until `exp`. Default `300 seconds`.
    #[schemars(example = &"60 seconds")]
    pub max_timeout: Option<DurationText>,
    /// How long "inactive" is remembered. Default `5 seconds`.
    #[schemars(example = &"5 seconds")]
    pub negative: Option<DurationText>,
    /// How long past its lifetime an answer serves while the authorization server cannot be asked. Default `0 seconds`.
    #[schemars(example = &"0 seconds")]
    pub stale_if_error: Option<DurationText>,
    /// How many answers are kept. Default 100000.
    #[schemars(range(min = 1))]
    pub max_tokens: Option<u64>,
    /// How many negative answers are kept. Default 10000.
    #[schemars(range(min = 1))]
    pub max_negative: Option<u64>,
}

/// Whether roles of relationships are full or leaf names.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum RoleNames {
    /// `internal/role/openidm-admin`.
    Full,
    /// `openidm-admin`, as before IDM 7.
    Leaf,
}

/// Which accounts may log in.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[schemars(example = serde_json::json!({ "accepted": ["active"], "collections": ["managed/*"] }))]
pub struct AccountStatus {
    /// Accepted values of the user's `accountStatus`. Default `[active]`.
    #[schemars(example = serde_json::json!(["active"]))]
    pub accepted: Option<Vec<String>>,
    /// Whether case is ignored. Default false.
    pub ignore_case: Option<bool>,
    /// Collections that are checked: exact, or a prefix that ends in `/*`. Default `["managed/*"]`.
    #[schemars(example = serde_json::json!(["managed/*"]))]
    pub collections: Option<Vec<String>>,
}

/// A script. Further members are variables of the script, as those of `globals` are.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(example = serde_json::json!({ "type": "text/javascript", "file": "script/augment.js", "globals": { "region": "eu" } }))]
pub struct Script {
    /// The script's language: `text/javascript`.
    #[serde(rename = "type")]
    #[schemars(example = &"text/javascript")]
    pub kind: String,
    /// The script itself; either this or `file`.
    pub source: Option<String>,
    /// The script's file; either this or `source`.
    #[schemars(example = &"script/augment.js")]
    pub file: Option<String>,
    /// Variables of the script, by name. Default none.
    pub globals: Option<Map<String, Value>>,
    /// Further members are variables of the script, too.
    #[serde(flatten)]
    pub variables: Map<String, Value>,
}

/// IDM's other authentication modules.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct ServerAuthContext {
    /// Must be empty: `rsFilter` is the only mechanism.
    pub auth_modules: Option<Vec<Value>>,
}
