//! How is an authorization server asked over HTTP (RFC 7662 section 2.1)?

use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use http::HeaderMap;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder, RequestBuilder, Response};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::answer::Answer;
use super::{AnswerSource, Introspection, IntrospectionError, Introspector, Settings};
use crate::client_auth::{ClientAuthError, ClientCredentials};
use crate::deadline::Deadline;
use crate::secret::Secret;
use crate::token::BearerToken;

/// An authorization server's introspection endpoint.
///
/// Keeps connections alive (HTTP/1.1; HTTP/2 where TLS negotiates it), follows no redirect, uses no proxy, and asks once:
/// a second time only if a kept connection turns out to have been closed.
pub struct Endpoint {
    client: Client,
    url: Url,
    credentials: ClientCredentials,
    secret: Secret,
    timeout: Duration,
    max_answer_bytes: usize,
    /// One permit for each introspection under way.
    in_flight: Semaphore,
    /// One permit for each introspection under way or waiting for its turn.
    admitted: Semaphore,
}

/// Why an endpoint cannot be asked as configured; found at load, before any request.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// Neither `http` nor `https`, or no host.
    #[error("`tokenIntrospectUrl` is not an `http` or `https` URL")]
    Url,
    /// User and password in the URL would be sent in place of the client's.
    #[error("`tokenIntrospectUrl` holds credentials; give them as `clientId` and `clientSecret`")]
    Userinfo,
    /// Id and secret cannot be sent.
    #[error(transparent)]
    ClientAuth(#[from] ClientAuthError),
    /// The bundle of trusted roots is no PEM, or has no certificate.
    #[error("the trusted roots cannot be read: {0}")]
    Roots(String),
    /// TLS cannot be set up; in an image without CA certificates that is for lack of roots.
    #[error(
        "no TLS client can be made: {0}; if this image has no CA certificates, give a PEM bundle of trusted roots or set `SSL_CERT_FILE`"
    )]
    Tls(String),
}

/// The longest a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Unused connections are closed after this, before most servers do it (Tomcat: 20 to 60 seconds).
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);
/// How soon an HTTP/2 connection that leads nowhere is noticed, since every introspection shares it.
const PING_INTERVAL: Duration = Duration::from_secs(5);
const PING_TIMEOUT: Duration = Duration::from_secs(2);
/// For each introspection that may be under way, so many more may wait for their turn.
const WAITING_PER_SLOT: usize = 4;
/// What is read of an error answer to find its words.
const MAX_ERROR_BYTES: usize = 16 * 1024;

impl Endpoint {
    /// Prepares to ask the endpoint of `settings`; does not connect yet.
    ///
    /// # Errors
    /// [`EndpointError`]: the settings cannot work, whatever the server says.
    pub fn new(settings: &Settings) -> Result<Self, EndpointError> {
        let url = &settings.endpoint;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(EndpointError::Url);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(EndpointError::Userinfo);
        }
        let slots = settings.max_in_flight.clamp(1, Semaphore::MAX_PERMITS / (WAITING_PER_SLOT + 1));
        Ok(Self {
            client: client(settings)?,
            url: url.clone(),
            credentials: ClientCredentials::new(
                settings.client_authentication,
                &settings.client_id,
                &settings.client_secret,
            )?,
            secret: settings.client_secret.clone(),
            timeout: settings.timeout,
            max_answer_bytes: settings.max_answer_bytes,
            in_flight: Semaphore::new(slots),
            admitted: Semaphore::new(slots * (WAITING_PER_SLOT + 1)),
        })
    }

    /// Waits for a turn: at most `max_in_flight` ask at once and four times as many wait; more are given up at once, so
    /// that a slow server costs a bounded amount of memory.
    async fn turn(&self) -> Result<(SemaphorePermit<'_>, SemaphorePermit<'_>), IntrospectionError> {
        let full = |_| IntrospectionError::GivenUp("too many introspections at once");
        let admitted = self.admitted.try_acquire().map_err(full)?;
        let closed = |_| IntrospectionError::GivenUp("the endpoint is closed");
        Ok((admitted, self.in_flight.acquire().await.map_err(closed)?))
    }

    async fn ask(&self, token: &BearerToken) -> Result<Introspection, IntrospectionError> {
        let _turn = self.turn().await?;
        let mut answered = self.request(token).send().await;
        if answered.as_ref().is_err_and(connection_was_stale) {
            answered = self.request(token).send().await;
        }
        let response = answered.map_err(unreachable)?;
        let status = response.status().as_u16();
        let content_type = content_type(response.headers());
        let limit = if status == 200 { self.max_answer_bytes } else { MAX_ERROR_BYTES };
        let body = match read_body(response, limit).await {
            // The status alone is an outage; its words are a courtesy.
            Err(_) if status != 200 => Vec::new(),
            body => body?,
        };
        let hide = [token.expose(), self.secret.expose()];
        let answer = Answer { status, content_type: content_type.as_deref(), body: &body, hide: &hide };
        Ok(Introspection { state: answer.read()?, source: AnswerSource::Asked })
    }

    fn request(&self, token: &BearerToken) -> RequestBuilder {
        let form = self.credentials.form(&[("token", token.expose()), ("token_type_hint", "access_token")]);
        let request = self
            .client
            .post(self.url.clone())
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form);
        match self.credentials.authorization() {
            Some(value) => request.header(AUTHORIZATION, value),
            None => request,
        }
    }
}

#[async_trait]
impl Introspector for Endpoint {
    async fn introspect(&self, token: &BearerToken, deadline: Deadline) -> Result<Introspection, IntrospectionError> {
        let stop = deadline.instant().min(Instant::now() + self.timeout);
        timeout_at(stop, self.ask(token)).await.unwrap_or(Err(IntrospectionError::Timeout))
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("host", &self.url.host_str()).finish_non_exhaustive()
    }
}

fn client(settings: &Settings) -> Result<Client, EndpointError> {
    let builder = Client::builder()
        .user_agent(concat!("keyward/", env!("CARGO_PKG_VERSION")))
        // SECURITY: a redirect would carry the token, and with some statuses the secret, to a place nobody configured.
        .redirect(Policy::none())
        .referer(false)
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT.min(settings.timeout))
        .pool_idle_timeout(IDLE_TIMEOUT)
        .http2_keep_alive_interval(PING_INTERVAL)
        .http2_keep_alive_timeout(PING_TIMEOUT)
        .tcp_nodelay(true);
    let builder = with_roots(builder, settings)?;
    builder.build().map_err(|error| EndpointError::Tls(chain(&error.without_url())))
}

/// The configured roots only; or the system's; or none where plain `http` needs none, because a client with the system's
/// roots cannot even be made in an image that has none.
fn with_roots(builder: ClientBuilder, settings: &Settings) -> Result<ClientBuilder, EndpointError> {
    let Some(bundle) = &settings.trusted_roots else {
        let plain = settings.endpoint.scheme() == "http";
        return Ok(if plain { builder.tls_certs_only([]) } else { builder });
    };
    let roots = Certificate::from_pem_bundle(bundle).map_err(|error| EndpointError::Roots(chain(&error)))?;
    if roots.is_empty() {
        return Err(EndpointError::Roots("there is no certificate in the bundle".to_owned()));
    }
    Ok(builder.tls_certs_only(roots))
}

/// The one `Content-Type`; `None` if there is none, several, or one that is no text.
fn content_type(headers: &HeaderMap) -> Option<String> {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    match (values.next(), values.next()) {
        (Some(only), None) => only.to_str().ok().map(str::to_owned),
        _ => None,
    }
}

async fn read_body(mut response: Response, limit: usize) -> Result<Vec<u8>, IntrospectionError> {
    let too_large = || IntrospectionError::Unreadable(format!("it is larger than {limit} bytes"));
    if response.content_length().is_some_and(|announced| announced > limit as u64) {
        return Err(too_large());
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if body.len() + chunk.len() > limit {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Whether sending failed on a connection that had been made: the server may have closed it while it was idle. To ask is
/// harmless to repeat.
fn connection_was_stale(error: &reqwest::Error) -> bool {
    error.is_request() && !error.is_connect() && !error.is_timeout()
}

fn unreachable(error: reqwest::Error) -> IntrospectionError {
    if error.is_timeout() {
        return IntrospectionError::Timeout;
    }
    IntrospectionError::Unreachable(chain(&error.without_url()))
}

/// An error and its causes in one line. SECURITY: only for errors without their URL, which may hold a secret.
fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
