//! What may be written below `directory`?

use schemars::JsonSchema;
use serde::Deserialize;

use super::client::{BasicEncoding, ClientAuthentication, SecretText};
use super::values::DurationText;

/// Where user records live; exactly one of the three.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Directory {
    /// An identity manager that speaks CREST, asked for each user and role.
    pub idm: Option<Idm>,
    /// A file of users by collection, `managed/user: [ { _id: alice, … } ]`; read again when it changes.
    #[schemars(example = &"users.yaml")]
    pub file: Option<String>,
    /// The token's own claims are the user; nobody is asked.
    #[schemars(example = serde_json::json!({}))]
    pub token: Option<TokenDirectory>,
}

/// The token's own claims are the user; there is nothing to say about them.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenDirectory {}

/// An identity manager that speaks CREST.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(example = serde_json::json!({
    "url": "https://idm.example/openidm",
    "auth": { "headers": { "username": "keyward", "password": { "env": "IDM_PASSWORD" } } }
}))]
pub struct Idm {
    /// Its CREST root.
    #[schemars(example = &"https://idm.example/openidm")]
    pub url: String,
    /// How Keyward authenticates there. Default not at all.
    pub auth: Option<IdmAuth>,
    /// The longest a question may take. Default `5 seconds`.
    #[schemars(example = &"2 seconds")]
    pub timeout: Option<DurationText>,
    /// PEM file of roots to trust instead of the system's. Default the system's.
    #[schemars(example = &"idm-ca.pem")]
    pub trusted_roots: Option<String>,
    /// How long records are kept.
    pub cache: Option<UserCache>,
}

/// How Keyward authenticates to the identity manager; one of the two.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct IdmAuth {
    /// `X-OpenIDM-Username` and `X-OpenIDM-Password`.
    pub headers: Option<IdmHeaders>,
    /// A token of Keyward's own, by client credentials.
    pub bearer: Option<IdmBearer>,
}

/// `X-OpenIDM-Username` and `X-OpenIDM-Password`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct IdmHeaders {
    /// The user name.
    #[schemars(example = &"keyward")]
    pub username: String,
    /// The password.
    #[schemars(example = serde_json::json!({ "env": "IDM_PASSWORD" }))]
    pub password: SecretText,
}

/// A token by client credentials (RFC 6749, section 4.4).
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct IdmBearer {
    /// The token endpoint, asked for a token by client credentials.
    #[schemars(example = &"https://as.example/oauth2/access_token")]
    pub token_url: String,
    /// The client.
    #[schemars(example = &"keyward")]
    pub client_id: String,
    /// The client's secret.
    #[schemars(example = serde_json::json!({ "env": "IDM_CLIENT_SECRET" }))]
    pub client_secret: SecretText,
    /// How the client authenticates. Default `client_secret_basic`.
    pub client_authentication: Option<ClientAuthentication>,
    /// How id and secret go into a Basic header. Default `form`.
    pub basic_encoding: Option<BasicEncoding>,
    /// Scopes to ask for. Default none.
    #[schemars(example = serde_json::json!(["fr:idm:*"]))]
    pub scopes: Option<Vec<String>>,
}

/// How long user records are kept.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct UserCache {
    /// How long a user or a role is kept, and so how stale one may be; `zero`: no cache. Default `5 seconds`.
    #[schemars(example = &"5 seconds")]
    pub max_timeout: Option<DurationText>,
    /// How many records are kept. Default 10000.
    #[schemars(range(min = 1))]
    pub max_users: Option<u64>,
}
