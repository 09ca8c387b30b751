//! Who does Keyward say it is to the identity manager, and how does it come by its own token?

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use url::Url;
use zeroize::Zeroizing;

use super::IdmSetupError;
use crate::client_auth::ClientCredentials;
use crate::clock::Clock;
use crate::directory::DirectoryError;
use crate::directory::settings::IdmAuth;
use crate::http_client::{HttpAnswer, HttpClient};
use crate::single_flight::Flights;
use crate::strict_json;

/// The headers that prove who Keyward is. Their values are marked sensitive.
pub(super) type Credentials = Vec<(HeaderName, HeaderValue)>;

/// How Keyward authenticates.
pub(super) enum Auth {
    /// Always with the same headers, or none.
    Fixed(Credentials),
    /// With a token of its own.
    Own(OwnToken),
}

/// A token by client credentials (RFC 6749 section 4.4), kept until shortly before it expires.
pub(super) struct OwnToken {
    endpoint: Arc<TokenEndpoint>,
    flights: Flights<(), Result<HeaderValue, DirectoryError>>,
}

struct TokenEndpoint {
    client: HttpClient,
    url: Url,
    credentials: ClientCredentials,
    scope: String,
    timeout: Duration,
    clock: Arc<dyn Clock>,
    held: Mutex<Option<Held>>,
}

/// A token that was got, as the header to send.
struct Held {
    header: HeaderValue,
    until: Timestamp,
}

/// A token is renewed this long before it expires, or at half its life if that is shorter.
const MARGIN: SignedDuration = SignedDuration::from_secs(30);
/// How long a token without `expires_in` is used; a 401 ends it earlier.
const UNKNOWN_LIFE: i64 = 300;

impl Auth {
    pub(super) fn new(
        settings: &IdmAuth,
        client: HttpClient,
        timeout: Duration,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, IdmSetupError> {
        match settings {
            IdmAuth::None => Ok(Self::Fixed(Vec::new())),
            IdmAuth::Headers { username, password } => Ok(Self::Fixed(vec![
                (HeaderName::from_static("x-openidm-username"), header("username", username)?),
                (HeaderName::from_static("x-openidm-password"), header("password", password.expose())?),
                // No session for each question.
                (HeaderName::from_static("x-openidm-nosession"), HeaderValue::from_static("true")),
            ])),
            IdmAuth::Bearer { token_url, client_id, client_secret, client_authentication, scopes } => {
                let endpoint = TokenEndpoint {
                    client,
                    url: token_url.clone(),
                    credentials: ClientCredentials::new(*client_authentication, client_id, client_secret)?,
                    scope: scopes.join(" "),
                    timeout,
                    clock,
                    held: Mutex::default(),
                };
                Ok(Self::Own(OwnToken { endpoint: Arc::new(endpoint), flights: Flights::default() }))
            }
        }
    }

    /// What to send now.
    pub(super) async fn credentials(&self) -> Result<Credentials, DirectoryError> {
        match self {
            Self::Fixed(credentials) => Ok(credentials.clone()),
            Self::Own(token) => Ok(vec![(AUTHORIZATION, token.get().await?)]),
        }
    }

    /// Whether other credentials can be had after a 401.
    pub(super) fn renewable(&self) -> bool {
        matches!(self, Self::Own(_))
    }

    /// Forgets `refused`, unless it has been replaced already.
    pub(super) fn discard(&self, refused: &Credentials) {
        if let Self::Own(token) = self {
            let mut held = token.endpoint.lock();
            if held.as_ref().is_some_and(|held| refused.iter().any(|(_, value)| *value == held.header)) {
                *held = None;
            }
        }
    }
}

impl OwnToken {
    async fn get(&self) -> Result<HeaderValue, DirectoryError> {
        if let Some(header) = self.endpoint.held() {
            return Ok(header);
        }
        let ticket = self.flights.board((), || Arc::clone(&self.endpoint).fetch());
        let landed = ticket.wait().await;
        landed.unwrap_or_else(|| Err(unauthorized("the request for one ended without an answer")))
    }
}

impl TokenEndpoint {
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn held(&self) -> Option<HeaderValue> {
        let now = self.clock.now();
        self.lock().as_ref().filter(|held| now < held.until).map(|held| held.header.clone())
    }

    async fn fetch(self: Arc<Self>) -> Result<HeaderValue, DirectoryError> {
        // The flight before this one may have landed after our look and before our take-off.
        if let Some(header) = self.held() {
            return Ok(header);
        }
        let since = self.clock.now();
        let asked = tokio::time::timeout(self.timeout, self.ask()).await;
        let answer = asked.unwrap_or_else(|_| Err(unauthorized("the token endpoint did not answer in time")))?;
        let (header, life) = read(&answer)?;
        let life = SignedDuration::from_secs(life);
        let until = since.checked_add(life - MARGIN.min(life / 2)).unwrap_or(Timestamp::MAX);
        *self.lock() = Some(Held { header: header.clone(), until });
        Ok(header)
    }

    async fn ask(&self) -> Result<HttpAnswer, DirectoryError> {
        let mut parameters = vec![("grant_type", "client_credentials")];
        if !self.scope.is_empty() {
            parameters.push(("scope", &self.scope));
        }
        let form = Zeroizing::new(self.credentials.form(&parameters));
        let answer = self.client.send(|client| {
            let request = client
                .post(self.url.clone())
                .header(ACCEPT, "application/json")
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form.to_string());
            match self.credentials.authorization() {
                Some(value) => request.header(AUTHORIZATION, value),
                None => request,
            }
        });
        answer.await.map_err(|error| unauthorized(&error.to_string()))
    }
}

/// The header and the life in seconds that a token answer gives (RFC 6749 section 5.1).
///
/// SECURITY: no error says anything of the body but the `error` code of section 5.2.
fn read(answer: &HttpAnswer) -> Result<(HeaderValue, i64), DirectoryError> {
    let body = answer.is_json().then(|| strict_json::parse(&answer.body).ok()).flatten();
    if answer.status != 200 {
        let code = body.as_ref().and_then(|body| body.get("error")).and_then(Value::as_str).unwrap_or("no reason");
        let code: String = code.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(60).collect();
        return Err(unauthorized(&format!("the token endpoint answered {}: {code}", answer.status)));
    }
    let body = body.ok_or_else(|| unauthorized("the token endpoint's answer is no JSON"))?;
    match body.get("token_type") {
        None => {}
        Some(Value::String(kind)) if kind.eq_ignore_ascii_case("bearer") => {}
        Some(_) => return Err(unauthorized("the token endpoint gave a token that is no bearer token")),
    }
    let token = body.get("access_token").and_then(Value::as_str).filter(|token| !token.is_empty());
    let token = token.ok_or_else(|| unauthorized("the token endpoint's answer has no `access_token`"))?;
    let text = Zeroizing::new(format!("Bearer {token}"));
    let mut header = HeaderValue::from_str(&text).map_err(|_| unauthorized("the token makes no header value"))?;
    header.set_sensitive(true);
    let life = match body.get("expires_in") {
        None | Some(Value::Null) => UNKNOWN_LIFE,
        Some(Value::String(text)) => text.parse().unwrap_or(0),
        Some(life) => life.as_i64().unwrap_or(0),
    };
    Ok((header, life.max(0)))
}

fn header(name: &'static str, text: &str) -> Result<HeaderValue, IdmSetupError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| IdmSetupError::Header(name))?;
    value.set_sensitive(true);
    Ok(value)
}

fn unauthorized(why: &str) -> DirectoryError {
    DirectoryError::Unauthorized(why.to_owned())
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fixed(_) => "Fixed([REDACTED])",
            Self::Own(_) => "Own([REDACTED])",
        })
    }
}
