//! Which user of an identity manager is it? One CREST question over HTTP, and what its answer means.
//!
//! What a running OpenIDM 6.1 answers (recorded): `GET managed/user/<id>` gives the record or 404 with a CREST error body;
//! a `_queryFilter` gives `{"result": […], "pagedResultsCookie": …}`, also for no hit; relationships come only when they
//! are asked for; `_fields=*,authzRoles/*` puts the members of a managed role beside `_ref` and `_refProperties`, and
//! leaves references to `repo/internal/role` as they are. That a role's `temporalConstraints` come along this way follows
//! from "the members of the role"; no recorded role had any. A value with both a quote and a backslash is answered by a
//! 500 without a body, which is an outage like any other 500.

mod answer;
mod auth;
#[cfg(test)]
pub(super) mod fake;
mod question;
#[cfg(test)]
pub(super) mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::header::ACCEPT;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::settings::{IdmAuth, IdmSettings};
use super::{Cacheable, DirectoryError, Found, UserDirectory, UserQuery};
use crate::client_auth::ClientAuthError;
use crate::clock::Clock;
use crate::deadline::Deadline;
use crate::http_client::{HttpAnswer, HttpClient, HttpError, HttpSetupError};
use auth::Auth;
use question::Question;

/// An identity manager that speaks CREST.
pub struct IdmDirectory {
    client: HttpClient,
    root: Url,
    auth: Auth,
    timeout: Duration,
    /// One permit for each question under way; more wait, so that a slow server is not buried.
    in_flight: Semaphore,
}

/// How many questions may be under way at once.
const MAX_IN_FLIGHT: usize = 256;

/// Why an identity manager cannot be asked as configured; found at load.
#[derive(Debug, thiserror::Error)]
pub enum IdmSetupError {
    /// Neither `http` nor `https`, or no host.
    #[error("`{0}` is not an `http` or `https` URL")]
    Url(&'static str),
    /// Credentials in a URL end in logs.
    #[error("`{0}` holds credentials; give them under `auth`")]
    Userinfo(&'static str),
    /// HTTP headers are ASCII.
    #[error("`auth.headers.{0}` can only have visible ASCII characters and spaces")]
    Header(&'static str),
    /// The client's id and secret cannot be sent.
    #[error(transparent)]
    ClientAuth(#[from] ClientAuthError),
    /// No HTTP client.
    #[error(transparent)]
    Http(#[from] HttpSetupError),
}

impl IdmDirectory {
    /// Prepares to ask; does not connect yet. `clock` measures the life of Keyward's own token.
    ///
    /// # Errors
    /// [`IdmSetupError`]: the settings cannot work, whatever the server says.
    pub fn new(settings: &IdmSettings, clock: Arc<dyn Clock>) -> Result<Self, IdmSetupError> {
        check_url("directory.idm.url", &settings.url)?;
        let mut plain = settings.url.scheme() == "http";
        if let IdmAuth::Bearer { token_url, .. } = &settings.auth {
            check_url("directory.idm.auth.bearer.tokenUrl", token_url)?;
            plain &= token_url.scheme() == "http";
        }
        let client = HttpClient::new(settings.trusted_roots.as_deref(), plain, settings.max_answer_bytes)?;
        let auth = Auth::new(&settings.auth, client.clone(), settings.timeout, clock)?;
        Ok(Self {
            client,
            root: settings.url.clone(),
            auth,
            timeout: settings.timeout,
            in_flight: Semaphore::new(MAX_IN_FLIGHT),
        })
    }

    async fn ask(&self, query: &UserQuery) -> Result<Found, DirectoryError> {
        let Some(question) = Question::of(&self.root, query)? else { return Ok(Found::Nobody) };
        // Closed by nobody; if it were, there would be nobody to wait for.
        let _turn = self.in_flight.acquire().await.map_err(|closed| DirectoryError::Unreachable(closed.to_string()))?;
        let credentials = self.auth.credentials().await?;
        let mut answer = self.get(question.url(), &credentials).await?;
        if answer.status == 401 && self.auth.renewable() {
            // The token may have been revoked before its time: once more, with a new one.
            self.auth.discard(&credentials);
            let credentials = self.auth.credentials().await?;
            answer = self.get(question.url(), &credentials).await?;
        }
        answer::read(&answer, &question, query)
    }

    async fn get(&self, url: &Url, credentials: &auth::Credentials) -> Result<HttpAnswer, DirectoryError> {
        let request = |client: &reqwest::Client| {
            let request = client.get(url.clone()).header(ACCEPT, "application/json");
            credentials.iter().fold(request, |request, (name, value)| request.header(name.clone(), value.clone()))
        };
        Ok(self.client.send(request).await?)
    }
}

#[async_trait]
impl UserDirectory for IdmDirectory {
    async fn find(&self, query: &UserQuery, deadline: Deadline) -> Result<Found, DirectoryError> {
        let stop = deadline.instant().min(Instant::now() + self.timeout);
        timeout_at(stop, self.ask(query)).await.unwrap_or(Err(DirectoryError::Timeout))
    }
}

impl Cacheable for IdmDirectory {}

impl fmt::Debug for IdmDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdmDirectory").field("host", &self.root.host_str()).finish_non_exhaustive()
    }
}

impl From<HttpError> for DirectoryError {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Unreachable(cause) | HttpError::TimedOut(cause) => Self::Unreachable(cause),
            HttpError::TooLarge(_) => Self::Unreadable(error.to_string()),
        }
    }
}

fn check_url(name: &'static str, url: &Url) -> Result<(), IdmSetupError> {
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(IdmSetupError::Url(name));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(IdmSetupError::Userinfo(name));
    }
    Ok(())
}
