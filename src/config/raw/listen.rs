//! What may be written below `listen`?

use schemars::JsonSchema;
use serde::Deserialize;

use super::values::{DurationText, OneOrMany};

/// Where the server listens.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[schemars(example = serde_json::json!({ "extAuthz": "unix:/run/keyward/ext_authz.sock", "admin": "127.0.0.1:9902", "health": "0.0.0.0:9193" }))]
pub struct Listen {
    /// Where Envoy's questions come in (gRPC `ext_authz` v3): one address or several. Default `127.0.0.1:9191`.
    #[schemars(example = &"unix:/run/keyward/ext_authz.sock")]
    pub ext_authz: Option<OneOrMany<Listener>>,
    /// `/livez`, `/readyz`, `/metrics` and decisions to explain; `off` for none. Default `127.0.0.1:9902`.
    #[schemars(example = &"127.0.0.1:9902")]
    pub admin: Option<String>,
    /// An address such as `0.0.0.0:9193` that answers gRPC health without TLS and nothing else, for Kubernetes' probes beside
    /// listeners with TLS or on a Unix socket. Default none.
    #[schemars(example = &"0.0.0.0:9193")]
    pub health: Option<String>,
    /// How long checks are still accepted after SIGTERM, while health is `NOT_SERVING`. Default `5 seconds`.
    #[schemars(example = &"5 seconds")]
    pub grace: Option<DurationText>,
    /// How long checks in flight may take after `grace`. Default `10 seconds`.
    #[schemars(example = &"10 seconds")]
    pub drain_deadline: Option<DurationText>,
    /// How much the server takes on.
    pub limits: Option<Limits>,
}

/// How much the server takes on.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Limits {
    /// Connections open at once, over all listeners for checks; one more is closed at once. Default 4096.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_connections: Option<usize>,
    /// Checks open at once on one connection; HTTP/2 makes the other side wait with one more. Default 4096.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_streams: Option<u32>,
    /// Bytes of a check's message; a larger one is refused. Default 4194304 (4 MiB).
    #[schemars(range(min = 1_024, max = 1_073_741_824))]
    pub max_message_bytes: Option<usize>,
    /// Checks being decided at once; one more is an outage at once. Default 10000.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub max_in_flight: Option<usize>,
    /// How long a new connection may take until it speaks: over TLS, and again over HTTP/2. Default `10 seconds`.
    pub handshake_timeout: Option<DurationText>,
    /// How long a check's message may take to arrive. Default `10 seconds`.
    pub message_timeout: Option<DurationText>,
    /// How long a connection may be silent until it is asked whether anybody is still there. Default `60 seconds`.
    pub keepalive: Option<DurationText>,
}

/// An address, or an address with TLS.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Listener {
    /// `127.0.0.1:9191` or `unix:/run/keyward/ext_authz.sock`.
    Address(String),
    /// An address with TLS.
    WithTls(TlsListener),
}

/// An address with TLS.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(example = serde_json::json!({ "address": "0.0.0.0:9191", "tls": { "certificate": "tls.pem", "key": "tls.key", "clientCa": "envoy-ca.pem" } }))]
pub struct TlsListener {
    /// `127.0.0.1:9191` or `unix:/run/keyward/ext_authz.sock`.
    #[schemars(example = &"0.0.0.0:9191")]
    pub address: String,
    /// Certificate and key. Default none: without TLS.
    pub tls: Option<Tls>,
}

/// Files of a TLS listener, read again when they change.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Tls {
    /// PEM certificate chain, leaf first.
    #[schemars(example = &"tls.pem")]
    pub certificate: String,
    /// PEM private key.
    #[schemars(example = &"tls.key")]
    pub key: String,
    /// PEM roots that client certificates must lead to (mTLS). Default none: no certificate is asked for.
    #[schemars(example = &"envoy-ca.pem")]
    pub client_ca: Option<String>,
}
