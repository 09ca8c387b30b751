//! Which headers may be set, and where does their value come from?

use std::collections::{BTreeMap, HashSet};
use std::str::FromStr;

use http::HeaderName;

use super::{Context, Here};
use crate::response::source::ContextSource;

/// Headers that route, frame or authenticate a message: no identity may be put there.
const REFUSED: [&str; 20] = [
    "host",
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "content-length",
    "transfer-encoding",
    "connection",
    "upgrade",
    "te",
    "trailer",
    "expect",
    "keep-alive",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-forwarded-client-cert",
    "x-original-url",
    "x-rewrite-url",
];
const REFUSED_PREFIX: &str = "x-envoy-";

const SOURCES: &str =
    "`authenticationId`, `authorization.<member>`, `token.<member>`, `user.<field>`, `realm` or `securityContext`";

/// The identity headers of a configuration that names none: everything an upstream commonly asks for.
const DEFAULT_IDENTITY_HEADERS: [(&str, &str); 8] = [
    ("x-auth-id", "authorization.id"),
    ("x-auth-authentication-id", "authenticationId"),
    ("x-auth-component", "authorization.component"),
    ("x-auth-roles", "authorization.roles"),
    ("x-auth-realm", "realm"),
    ("x-auth-client-id", "token.client_id"),
    ("x-auth-scopes", "token.scope"),
    ("x-auth-security-context", "securityContext"),
];

/// What `identityHeaders` is where it is left out; an empty map means none.
pub(super) fn default_identity_headers() -> BTreeMap<String, String> {
    DEFAULT_IDENTITY_HEADERS.iter().map(|(name, source)| ((*name).to_owned(), (*source).to_owned())).collect()
}

/// `identityHeaders` or `responseHeaders`.
pub(super) fn headers(
    cx: &mut Context<'_>,
    here: &Here<'_>,
    raw: BTreeMap<String, String>,
) -> Vec<(HeaderName, ContextSource)> {
    let mut headers = Vec::new();
    let mut seen = HashSet::new();
    for (name, source) in raw {
        let here = here.child(&name);
        let source = ContextSource::from_str(&source);
        if source.is_err() {
            cx.problem(&here, format!("found {}, expected {SOURCES}", here.shown()));
        }
        let name = name_of(cx, &here, &name);
        if let Some(name) = &name
            && !seen.insert(name.as_str().replace('_', "-"))
        {
            cx.problem(&here, "found this header twice (case, `_` and `-` make no difference); keep one");
        }
        if let (Some(name), Ok(source)) = (name, source) {
            headers.push((name, source));
        }
    }
    headers
}

/// A header's name, unless it routes or authenticates.
pub(super) fn name_of(cx: &mut Context<'_>, here: &Here<'_>, name: &str) -> Option<HeaderName> {
    if name.starts_with(':') {
        cx.problem(here, "found a pseudo-header, which decides where a request goes; choose another name");
        return None;
    }
    let Ok(header) = HeaderName::from_str(name) else {
        cx.problem(here, "found no header name; use letters, digits and `-`");
        return None;
    };
    let plain = header.as_str().replace('_', "-");
    if REFUSED.contains(&plain.as_str()) || plain.starts_with(REFUSED_PREFIX) {
        cx.problem(
            here,
            "found a header that routes, frames or authenticates requests; choose another name, such as `x-auth-id`",
        );
        return None;
    }
    Some(header)
}
