//! What does a real authorization server answer? npm's `oidc-provider`, run by node.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::{part, raw_http};

/// The client whose tokens are introspected.
pub const SHOP: (&str, &str) = ("shop", "shop-secret");
/// The client that introspects; its secret holds every character with a meaning in a URL.
pub const RESOURCE_SERVER: (&str, &str) = ("mesh-rs", "rs p%+:secret");

/// A running `oidc-provider`; it ends when its standard input is closed, which dropping does.
pub struct OidcProvider {
    child: Child,
    pub issuer: String,
    _program: tempfile::NamedTempFile,
}

impl OidcProvider {
    pub fn start() -> Self {
        let home = part("oidc");
        part("oidc/node_modules/oidc-provider/package.json");
        // Beside `node_modules`, where node looks for what a program imports.
        let program = tempfile::Builder::new().prefix("idp-").suffix(".mjs").tempfile_in(home).unwrap();
        fs::write(program.path(), include_str!("../../parts/oidc/idp.mjs")).unwrap();
        let mut child = Command::new("node")
            .arg(program.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("`node` runs the authorization server of the tests");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let issuer = line.trim().strip_prefix("ready ").unwrap_or_else(|| panic!("oidc-provider: {line:?}")).to_owned();
        Self { child, issuer, _program: program }
    }

    /// The introspection endpoint.
    pub fn introspection_url(&self) -> String {
        format!("{}/token/introspection", self.issuer)
    }

    /// A fresh opaque token of the client `shop`.
    pub fn mint(&self, scope: &str) -> String {
        let answer = self.post("/token", &[("grant_type", "client_credentials"), ("scope", scope)]);
        answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// Revokes a token (RFC 7009).
    pub fn revoke(&self, token: &str) {
        self.post("/token/revocation", &[("token", token)]);
    }

    fn post(&self, path: &str, form: &[(&str, &str)]) -> Value {
        let address = self.issuer.strip_prefix("http://").unwrap().parse().unwrap();
        let client = [("client_id", SHOP.0), ("client_secret", SHOP.1)];
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).extend_pairs(client).finish();
        let headers = [
            ("Host".to_owned(), self.issuer.replace("http://", "").into_bytes()),
            ("Content-Type".to_owned(), b"application/x-www-form-urlencoded".to_vec()),
        ];
        let answer = raw_http::exchange(address, "POST", path, &headers, body.as_bytes());
        assert_eq!(answer.status, 200, "{answer:?}");
        serde_json::from_str(&answer.body).unwrap_or_default()
    }
}

impl Drop for OidcProvider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
