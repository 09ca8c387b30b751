//! Which filter is a request for? The route says, else the host, else what the token claims of its issuer.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::Filter;
use crate::request::{RequestView, normal_host};

/// The context extension by which a route names its filter.
pub const FILTER_EXTENSION: &str = "keyward_filter";

/// What chooses a filter beside its name.
#[derive(Debug, Clone, Default)]
pub struct Selectors {
    /// Authorities: lower case, no port, no trailing dot.
    pub hosts: Vec<String>,
    /// Issuers, letter for letter.
    pub issuers: Vec<String>,
}

/// The filters of a configuration.
#[derive(Debug)]
pub struct Authorizer {
    filters: Vec<(Selectors, Filter)>,
}

impl Authorizer {
    /// All filters with what chooses them. INVARIANT kept by the configuration: names, hosts and issuers are unique.
    #[must_use]
    pub fn new(filters: Vec<(Selectors, Filter)>) -> Self {
        Self { filters }
    }

    /// The filter for `request`: the one its route names; else the one for its host; else the one for the issuer that an
    /// unverified JWT names (the filter's own server still has to call the token active); else the only one or `default`.
    ///
    /// `None` where the route names a filter that does not exist, where hosts choose and the request's is none, or where
    /// none fits: a denial, never another filter.
    #[must_use]
    pub fn select(&self, request: &RequestView<'_>) -> Option<&Filter> {
        if let Some(name) = request.context_extension(FILTER_EXTENSION) {
            return self.filters().find(|filter| &*filter.name == name);
        }
        if let [(_, only)] = self.filters.as_slice() {
            return Some(only);
        }
        let by_host = if self.filters.iter().all(|(by, _)| by.hosts.is_empty()) {
            None
        } else {
            // SECURITY: an authority that another server could read as a configured host gets no other filter (T-39).
            let host = normal_host(request.host)?;
            self.filters.iter().find(|(by, _)| by.hosts.contains(&host))
        };
        by_host.or_else(|| self.by_issuer(request)).map(|(_, filter)| filter).or_else(|| self.default_filter())
    }

    /// Every filter, in order.
    pub fn filters(&self) -> impl Iterator<Item = &Filter> {
        self.filters.iter().map(|(_, filter)| filter)
    }

    fn by_issuer(&self, request: &RequestView<'_>) -> Option<&(Selectors, Filter)> {
        if self.filters.iter().all(|(by, _)| by.issuers.is_empty()) {
            return None;
        }
        let issuer = unverified_issuer(request)?;
        self.filters.iter().find(|(by, _)| by.issuers.contains(&issuer))
    }

    fn default_filter(&self) -> Option<&Filter> {
        self.filters().find(|filter| &*filter.name == "default")
    }
}

/// `iss` of a bearer token that looks like a JWT. SECURITY: unverified; it chooses whom to ask and grants nothing.
fn unverified_issuer(request: &RequestView<'_>) -> Option<String> {
    let (scheme, token) = request.headers.single("authorization")?.trim_matches(' ').split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let payload = token.trim_matches(' ').split('.').nth(1)?;
    let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
    let claims: Value = serde_json::from_slice(&payload).ok()?;
    claims.get("iss")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::unverified_issuer;
    use crate::request::{Headers, RequestView};

    #[test]
    fn only_a_jwt_names_its_issuer() {
        let issuer = |authorization: &str| {
            let headers = Headers::from_list(vec![("authorization", authorization.as_bytes())]);
            let view = RequestView {
                method: "GET",
                target: "/",
                host: "",
                scheme: "http",
                headers,
                body: None,
                source_address: None,
                source_principal: None,
                source_certificate: None,
                context_extensions: None,
            };
            unverified_issuer(&view)
        };
        assert_eq!(issuer("Bearer e30.eyJpc3MiOiJodHRwczovL2EifQ.x").as_deref(), Some("https://a"));
        for other in ["Bearer opaque", "Bearer a.b.c", "Basic e30.eyJpc3MiOiJodHRwczovL2EifQ.x", "Bearer e30.e30.x"] {
            assert_eq!(issuer(other), None, "{other}");
        }
    }
}
