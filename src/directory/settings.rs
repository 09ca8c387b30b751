//! What must be known to ask a directory?

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};
use url::Url;

use crate::client_auth::ClientAuthentication;
use crate::secret::Secret;

/// Which directory, and how.
#[derive(Debug, Clone)]
pub enum Settings {
    /// `token: {}`: the token's own claims are the user.
    Token,
    /// `file: PATH`: users by collection, already read.
    File(FileUsers),
    /// `idm: {…}`: an identity manager that speaks CREST.
    Idm(Box<IdmSettings>),
}

/// The records of a users file, by collection.
#[derive(Debug, Clone, Default)]
pub struct FileUsers {
    /// `managed/user` → records, each with `_id`. Role objects (`managed/role`, `internal/role`) may stand beside the users.
    pub collections: BTreeMap<String, Vec<Map<String, Value>>>,
}

/// How to reach an identity manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdmSettings {
    /// Its CREST root, e.g. `https://idm.example/openidm`.
    pub url: Url,
    /// How to authenticate there.
    pub auth: IdmAuth,
    /// The longest a question may take. Default 5 seconds.
    pub timeout: Duration,
    /// A larger answer is an outage. Bytes; default 1 MiB.
    pub max_answer_bytes: usize,
    /// PEM bundle to trust instead of the system's roots.
    pub trusted_roots: Option<Vec<u8>>,
    /// How long a record may be kept: the bound on how stale a role can be (J16). Default 5 seconds; zero: no cache.
    pub max_timeout: Duration,
    /// How many records may be kept. Default 10 000.
    pub max_users: u64,
}

/// How Keyward authenticates to the identity manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdmAuth {
    /// Not at all.
    None,
    /// `auth.headers`: sends `X-OpenIDM-Username` and `X-OpenIDM-Password`.
    Headers {
        /// The user name.
        username: String,
        /// The password.
        password: Secret,
    },
    /// `auth.bearer`: a token of its own by client credentials (RFC 6749 section 4.4), kept until shortly before it expires.
    Bearer {
        /// The token endpoint.
        token_url: Url,
        /// The client.
        client_id: String,
        /// Its secret.
        client_secret: Secret,
        /// How the client authenticates.
        client_authentication: ClientAuthentication,
        /// Scopes to ask for.
        scopes: Vec<String>,
    },
}
