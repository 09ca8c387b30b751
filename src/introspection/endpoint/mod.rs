//! How is an authorization server asked over HTTP (RFC 7662 section 2.1)?

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Client, RequestBuilder};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::answer::Answer;
use super::{AnswerSource, Introspection, IntrospectionError, Introspector, Settings};
use crate::client_auth::{ClientAuthError, ClientCredentials};
use crate::deadline::Deadline;
use crate::http_client::{HttpClient, HttpError, HttpSetupError};
use crate::secret::Secret;
use crate::token::BearerToken;

/// An authorization server's introspection endpoint.
///
/// Keeps connections alive (HTTP/1.1; HTTP/2 where TLS negotiates it), follows no redirect, uses no proxy, and asks once:
/// a second time only if a kept connection turns out to have been closed.
pub struct Endpoint {
    client: HttpClient,
    url: Url,
    credentials: ClientCredentials,
    secret: Secret,
    timeout: Duration,
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
    /// No HTTP client.
    #[error(transparent)]
    Http(#[from] HttpSetupError),
}

/// For each introspection that may be under way, so many more may wait for their turn.
const WAITING_PER_SLOT: usize = 4;

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
        let plain = url.scheme() == "http";
        let slots = settings.max_in_flight.clamp(1, Semaphore::MAX_PERMITS / (WAITING_PER_SLOT + 1));
        Ok(Self {
            client: HttpClient::new(settings.trusted_roots.as_deref(), plain, settings.max_answer_bytes)?,
            url: url.clone(),
            credentials: ClientCredentials::new(
                settings.client_authentication,
                &settings.client_id,
                &settings.client_secret,
            )?,
            secret: settings.client_secret.clone(),
            timeout: settings.timeout,
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
        let answered = self.client.send(|client| self.request(client, token)).await?;
        let hide = [token.expose(), self.secret.expose()];
        let content_type = answered.content_type.as_deref();
        let answer = Answer { status: answered.status, content_type, body: &answered.body, hide: &hide };
        Ok(Introspection { state: answer.read()?, source: AnswerSource::Asked })
    }

    fn request(&self, client: &Client, token: &BearerToken) -> RequestBuilder {
        let form = self.credentials.form(&[("token", token.expose()), ("token_type_hint", "access_token")]);
        let request = client
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

impl From<HttpError> for IntrospectionError {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::TimedOut(_) => Self::Timeout,
            HttpError::Unreachable(cause) => Self::Unreachable(cause),
            HttpError::TooLarge(_) => Self::Unreadable(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
