//! Which headers reach the upstream? Each managed header is set or removed, in every spelling a client could forge.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderName;
use http::header::{AUTHORIZATION, COOKIE};
use serde_json::Value;

use super::source::ContextSource;
use super::{Metadata, Pass, Settings};
use crate::access::Permit;
use crate::credential;
use crate::principal::Principal;
use crate::request::RequestView;

/// The managed headers of one filter, with what never changes worked out beforehand.
#[derive(Debug, Clone)]
pub struct IdentityHeaders {
    headers: Vec<(HeaderName, ContextSource)>,
    response_headers: Vec<(HeaderName, ContextSource)>,
    /// Spellings of managed headers with `_` for `-`, removed whether or not we saw them:
    /// the proxy may hide headers from us that it forwards (T-15).
    spellings: Vec<String>,
    remove_credential: Option<credential::Settings>,
}

/// Up to this many hyphens every mixture of `-` and `_` is removed unseen; beyond it only the one with `_` throughout.
const MOST_HYPHENS: usize = 3;

impl IdentityHeaders {
    /// Takes the headers out of `settings`.
    #[must_use]
    pub fn new(settings: Settings, credential: &credential::Settings) -> Self {
        let spellings = settings.identity_headers.iter().flat_map(|(name, _)| spellings(name.as_str())).collect();
        Self {
            headers: settings.identity_headers,
            response_headers: settings.response_headers,
            spellings,
            remove_credential: settings.remove_credential.then(|| credential.clone()),
        }
    }

    /// The edits that an admitted request gets.
    #[must_use]
    pub fn edit(&self, permit: &Permit, request: &RequestView<'_>, metadata: Metadata) -> Pass {
        let principal = permit.principal();
        let mut pass = Pass {
            set: Vec::with_capacity(self.headers.len()),
            remove: self.spellings.clone(),
            remove_query_parameters: Vec::new(),
            response_headers: Vec::new(),
            metadata,
        };
        for (name, source) in &self.headers {
            match source.value(principal) {
                Some(value) => pass.set.push((name.clone(), value)),
                None => pass.remove.push(name.as_str().to_owned()),
            }
        }
        let values = self.response_headers.iter().map(|(name, source)| (name, source.value(principal)));
        pass.response_headers.extend(values.filter_map(|(name, value)| Some((name.clone(), value?))));
        self.remove_forgeries(request, &mut pass.remove);
        self.remove_credential(request, &mut pass);
        pass
    }

    /// Spellings that this client did send and that a server could read as a managed header.
    fn remove_forgeries(&self, request: &RequestView<'_>, remove: &mut Vec<String>) {
        for (sent, _) in request.headers.iter() {
            let forged = self.headers.iter().any(|(name, _)| is_spelling_of(sent, name.as_str()));
            if forged && !remove.iter().any(|known| known.eq_ignore_ascii_case(sent)) {
                remove.push(sent.to_owned());
            }
        }
    }

    fn remove_credential(&self, request: &RequestView<'_>, pass: &mut Pass) {
        let Some(places) = &self.remove_credential else { return };
        pass.remove.push(AUTHORIZATION.as_str().to_owned());
        if let Some(header) = &places.header {
            pass.remove.push(header.as_str().to_owned());
        }
        if let Some(name) = &places.query_parameter {
            pass.remove_query_parameters.push(name.clone());
            pass.remove_query_parameters.extend(encoded_spellings(request, name));
        }
        if let Some(cookie) = &places.cookie
            && request.headers.contains(COOKIE.as_str())
        {
            match cookies_without(request, cookie) {
                Some(rest) => pass.set.push((COOKIE, rest)),
                None => pass.remove.push(COOKIE.as_str().to_owned()),
            }
        }
    }
}

/// The other spellings of the parameter `name` that this client sent. The credential is found by the decoded name, Envoy
/// removes a parameter by the name as it is written.
fn encoded_spellings(request: &RequestView<'_>, name: &str) -> Vec<String> {
    let written = request.query().unwrap_or_default().split('&').map(|pair| pair.split('=').next().unwrap_or(pair));
    let is_spelling = |written: &&str| {
        *written != name && form_urlencoded::parse(written.as_bytes()).any(|(decoded, _)| decoded == name)
    };
    let mut spellings: Vec<String> = written.filter(is_spelling).map(str::to_owned).collect();
    spellings.dedup();
    spellings
}

/// The cookies but for `name`; `None` where nothing is left, or where what is left cannot be sent on as it is.
///
/// INVARIANT: split as the credential is found, at `;` and at the `,` by which proxies join headers.
fn cookies_without(request: &RequestView<'_>, name: &str) -> Option<String> {
    let is_credential = |part: &str| part.trim().split_once('=').is_some_and(|(held, _)| held == name);
    let mut rest = Vec::new();
    for value in request.headers.values(COOKIE.as_str()) {
        for pair in std::str::from_utf8(value).ok()?.split(';') {
            let parts: Vec<&str> = pair.split(',').filter(|part| !is_credential(part)).collect();
            let pair = parts.join(",");
            if !pair.trim().is_empty() {
                rest.push(pair.trim().to_owned());
            }
        }
    }
    (!rest.is_empty()).then(|| rest.join("; "))
}

/// Whether a server that folds case and treats all punctuation alike could take `sent` for `name` (not `name` itself).
fn is_spelling_of(sent: &str, name: &str) -> bool {
    let folded = |byte: u8| if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' };
    sent.len() == name.len()
        && !sent.eq_ignore_ascii_case(name)
        && sent.bytes().zip(name.bytes()).all(|(sent, name)| folded(sent) == folded(name))
}

/// The spellings of `name` with some or all `-` written `_`, without `name` itself.
fn spellings(name: &str) -> Vec<String> {
    let hyphens = name.bytes().filter(|byte| *byte == b'-').count();
    if hyphens == 0 {
        return Vec::new();
    }
    if hyphens > MOST_HYPHENS {
        return vec![name.replace('-', "_")];
    }
    let spell = |choice: usize| {
        let mut seen = 0;
        name.chars()
            .map(|letter| match letter {
                '-' => {
                    seen += 1;
                    if choice & (1 << (seen - 1)) == 0 { '-' } else { '_' }
                }
                other => other,
            })
            .collect()
    };
    (1..1_usize << hyphens).map(spell).collect()
}

impl ContextSource {
    /// The header value, or `None` where there is nothing to send: missing, null, empty, or not sendable.
    #[must_use]
    pub fn value(&self, principal: &Principal) -> Option<String> {
        match self {
            Self::AuthenticationId => scalar(&principal.authentication_id),
            Self::Id => scalar(&principal.id),
            Self::Component => scalar(&principal.component),
            Self::Roles => list(principal.roles.iter().map(|role| item(role.as_str()))),
            Self::Authorization(path) => selected(path.select(&principal.extra)),
            Self::Realm => scalar(principal.token()?.realm.as_deref()?),
            Self::Token(path) => selected(path.select(&principal.token()?.claims)),
            Self::User(path) => selected(path.select(&principal.user()?.fields)),
            Self::SecurityContext => Some(URL_SAFE_NO_PAD.encode(principal.to_json().to_string())),
        }
    }
}

/// What a path selected: one value as it is, several joined.
fn selected(values: Vec<&Value>) -> Option<String> {
    match values.as_slice() {
        [Value::Array(items)] => list(items.iter().filter_map(text).map(|text| item(&text))),
        [value] => scalar(&text(value)?),
        several => list(several.iter().filter_map(|value| text(value)).map(|text| item(&text))),
    }
}

/// The text of a JSON value: numbers as they stood (T-41), objects as JSON; null is nothing.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => Some(value.to_string()),
    }
}

/// A single value. SECURITY: one that HTTP would alter on its way (control characters, outer white space) is not sent:
/// the upstream would read another identity.
fn scalar(text: &str) -> Option<String> {
    let faithful = !text.is_empty() && !text.chars().any(char::is_control) && text.trim() == text;
    faithful.then(|| text.to_owned())
}

/// Joined by commas; empty items are dropped.
fn list(items: impl Iterator<Item = String>) -> Option<String> {
    let joined = items.filter(|item| !item.is_empty()).collect::<Vec<_>>().join(",");
    (!joined.is_empty()).then_some(joined)
}

/// A list item: comma, `%`, control characters and outer white space are percent-encoded (J15, T-51).
fn item(text: &str) -> String {
    let inner = text.trim();
    let faithful = inner == text && !text.chars().any(|letter| matches!(letter, ',' | '%') || letter.is_control());
    if faithful {
        return text.to_owned();
    }
    let leading = text.len() - text.trim_start().len();
    let trailing = text.trim_end().len();
    let mut encoded = String::with_capacity(text.len() + 8);
    for (at, letter) in text.char_indices() {
        let outer = at < leading || at >= trailing;
        if outer || matches!(letter, ',' | '%') || letter.is_control() {
            for byte in letter.encode_utf8(&mut [0; 4]).bytes() {
                let _ = write!(encoded, "%{byte:02X}");
            }
        } else {
            encoded.push(letter);
        }
    }
    encoded
}
