//! Which tokens has the embedded authorization server issued, and are they active?
//!
//! It stands in for a real one in `keyward dev` and in tests: it hands tokens to whoever asks, so it listens on
//! loopback only and never belongs into a deployment. What it answers follows RFC 6749, 7009, 7662 and 8414.

mod endpoints;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use crate::clock::Clock;
use crate::secret::Secret;

/// The most tokens that are held at once; expired ones are dropped before a new one is refused.
pub const MAX_TOKENS: usize = 100_000;

/// The longest life of a token: a year. Seconds.
pub const MAX_EXPIRES_IN: i64 = 366 * 24 * 3600;

/// How long a token lives unless its request says otherwise. Seconds.
pub const DEFAULT_EXPIRES_IN: i64 = 3600;

/// The one client that may ask: in practice Keyward itself.
#[derive(Debug, Clone)]
pub struct Client {
    /// `client_id`.
    pub id: String,
    /// Its secret.
    pub secret: Secret,
}

/// What a token is to say.
#[derive(Debug, Clone, PartialEq)]
pub struct Grant {
    /// Members of the introspection answer beside `active`, `token_type`, `iat`, `exp`, `iss` and `client_id`,
    /// which the server fills in where they are absent.
    pub claims: Map<String, Value>,
    /// Seconds the token lives; `None`: it has no `exp`.
    pub expires_in: Option<i64>,
}

/// Why no token was issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MintError {
    /// [`MAX_TOKENS`] unexpired tokens are held.
    #[error("{MAX_TOKENS} tokens are active: revoke some or wait until they expire")]
    Full,
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    NoRandomness,
}

/// An authorization server in memory. Clones share their tokens.
#[derive(Debug, Clone)]
pub struct AuthorizationServer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    issuer: String,
    client: Client,
    clock: Arc<dyn Clock>,
    tokens: Mutex<HashMap<String, Issued>>,
    introspections: AtomicU64,
}

#[derive(Debug)]
struct Issued {
    claims: Map<String, Value>,
    expires_at: Option<Timestamp>,
}

impl AuthorizationServer {
    /// A server that calls itself `issuer` (its base URL, no trailing slash) and knows one client.
    #[must_use]
    pub fn new(issuer: String, client: Client, clock: Arc<dyn Clock>) -> Self {
        let tokens = Mutex::new(HashMap::new());
        Self(Arc::new(Inner { issuer, client, clock, tokens, introspections: AtomicU64::new(0) }))
    }

    /// Its base URL.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// Issues an opaque token that says what `grant` says.
    ///
    /// # Errors
    /// [`MintError`].
    pub fn mint(&self, grant: Grant) -> Result<String, MintError> {
        let now = self.0.clock.now();
        let mut claims = grant.claims;
        let mut default = |name: &str, value: Value| {
            claims.entry(name).or_insert(value);
        };
        default("token_type", json!("Bearer"));
        default("client_id", json!(self.0.client.id));
        default("iss", json!(self.0.issuer));
        default("iat", json!(now.as_second()));
        let expires_at = grant.expires_in.map(|life| {
            let life = SignedDuration::from_secs(life.clamp(-MAX_EXPIRES_IN, MAX_EXPIRES_IN));
            now.checked_add(life).unwrap_or(now)
        });
        if let Some(at) = expires_at {
            claims.insert("exp".to_owned(), json!(at.as_second()));
        }
        let token = random_text()?;
        let mut tokens = self.tokens();
        if tokens.len() >= MAX_TOKENS {
            tokens.retain(|_, issued| issued.is_active(now));
        }
        if tokens.len() >= MAX_TOKENS {
            return Err(MintError::Full);
        }
        tokens.insert(token.clone(), Issued { claims, expires_at });
        Ok(token)
    }

    /// The introspection answer for `token` (RFC 7662 section 2.2): of one that is not active it says nothing else.
    #[must_use]
    pub fn introspect(&self, token: &str) -> Value {
        let now = self.0.clock.now();
        match self.tokens().get(token) {
            Some(issued) if issued.is_active(now) => {
                let mut answer = Map::from_iter([("active".to_owned(), Value::Bool(true))]);
                answer.extend(issued.claims.clone());
                Value::Object(answer)
            }
            _ => json!({ "active": false }),
        }
    }

    /// Forgets `token`; of one it never knew it says nothing (RFC 7009 section 2.2).
    pub fn revoke(&self, token: &str) {
        self.tokens().remove(token);
    }

    /// How many introspection requests came from an authenticated client since the start.
    #[must_use]
    pub fn introspections(&self) -> u64 {
        self.0.introspections.load(Ordering::Relaxed)
    }

    /// Answers HTTP on `listener` until `stop` is done.
    ///
    /// # Errors
    /// Those of the listener.
    pub async fn serve(self, listener: TcpListener, stop: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        axum::serve(listener, endpoints::router(self)).with_graceful_shutdown(stop).await
    }

    fn tokens(&self) -> MutexGuard<'_, HashMap<String, Issued>> {
        self.0.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count_introspection(&self) {
        self.0.introspections.fetch_add(1, Ordering::Relaxed);
    }

    fn is_client(&self, id: &str, secret: &str) -> bool {
        id == self.0.client.id && secret == self.0.client.secret.expose()
    }
}

impl Issued {
    fn is_active(&self, now: Timestamp) -> bool {
        // Whole seconds, as `exp` says them.
        self.expires_at.is_none_or(|at| at.as_second() > now.as_second())
    }
}

/// The base URL of a server that listens on `address`.
#[must_use]
pub fn issuer_at(address: SocketAddr) -> String {
    format!("http://{address}")
}

/// 128 random bits as 22 characters, all of them legal in a `b64token` and in a shell word.
pub(super) fn random_text() -> Result<String, MintError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| MintError::NoRandomness)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
