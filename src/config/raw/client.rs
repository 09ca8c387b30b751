//! How may be written as whom Keyward asks other servers?

use schemars::JsonSchema;
use serde::Deserialize;

/// How the client authenticates to the authorization server.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthentication {
    /// In an `Authorization: Basic` header.
    ClientSecretBasic,
    /// In the form body.
    ClientSecretPost,
}

/// How id and secret go into a Basic header.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum BasicEncoding {
    /// Form-urlencoded first: RFC 6749, AM since 6.5, Keycloak.
    Form,
    /// As they are: AM before 6.5, OpenAM.
    Raw,
}

/// A secret: a reference to a file or an environment variable, or (with a warning) the secret itself.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(extend("writeOnly" = true, "x-expected" = "`{ file: … }`, `{ env: … }` or a text"))]
pub enum SecretText {
    /// The secret itself, or `&{name}`.
    Plain(String),
    /// A file that holds the secret; a line end at its end is not part of it.
    File(SecretFile),
    /// An environment variable that holds the secret.
    Env(SecretEnv),
}

/// A file that holds a secret.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretFile {
    /// The file, relative to the configuration file's folder.
    #[schemars(example = &"secrets/client-secret")]
    pub file: String,
}

/// An environment variable that holds a secret.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretEnv {
    /// The variable's name.
    #[schemars(example = &"MESH_RS_SECRET")]
    pub env: String,
}
