//! How does Keyward speak HTTP to servers that must not be believed more than needed?

use std::error::Error as _;
use std::time::Duration;

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder, RequestBuilder, Response};

use crate::telemetry::trace::{self, Span, SpanKind};

/// A client that follows no redirect, uses no proxy and reads no more than it was told to.
///
/// Its calls have no time limit of their own: whoever calls has a deadline.
#[derive(Debug, Clone)]
pub struct HttpClient {
    client: Client,
    max_answer_bytes: usize,
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct HttpAnswer {
    /// The status.
    pub status: u16,
    /// The one `Content-Type`; `None` if there is none, several, or one that is no text.
    pub content_type: Option<String>,
    /// The body. Of an answer other than 200 it may be empty although there was one: its words are a courtesy.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// No connection, or it broke.
    #[error("{0}")]
    Unreachable(String),
    /// No connection in time, or one whose other end has fallen silent.
    #[error("{0}")]
    TimedOut(String),
    /// The body is larger than allowed. Bytes.
    #[error("it is larger than {0} bytes")]
    TooLarge(usize),
}

/// Why no client can be made; found at load.
#[derive(Debug, thiserror::Error)]
pub enum HttpSetupError {
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
/// How soon an HTTP/2 connection that leads nowhere is noticed, since all calls share it.
const PING_INTERVAL: Duration = Duration::from_secs(5);
const PING_TIMEOUT: Duration = Duration::from_secs(2);
/// What is read of an error answer to find its words.
const MAX_ERROR_BYTES: usize = 16 * 1024;

impl HttpClient {
    /// A client that trusts the PEM bundle `trusted_roots`, else the system's roots; none at all where only `plain` HTTP
    /// is spoken, because a client with the system's roots cannot even be made in an image that has none.
    ///
    /// # Errors
    /// [`HttpSetupError`]: the roots cannot be read, or there are none.
    pub fn new(trusted_roots: Option<&[u8]>, plain: bool, max_answer_bytes: usize) -> Result<Self, HttpSetupError> {
        let builder = Client::builder()
            .user_agent(concat!("keyward/", env!("CARGO_PKG_VERSION")))
            // SECURITY: a redirect would carry a token or a secret to a place nobody configured.
            .redirect(Policy::none())
            .referer(false)
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .http2_keep_alive_interval(PING_INTERVAL)
            .http2_keep_alive_timeout(PING_TIMEOUT)
            .tcp_nodelay(true);
        let builder = match trusted_roots {
            Some(bundle) => with_bundle(builder, bundle)?,
            None if plain => builder.tls_certs_only([]),
            None => builder,
        };
        let client = builder.build().map_err(|error| HttpSetupError::Tls(chain(&error.without_url())))?;
        Ok(Self { client, max_answer_bytes })
    }

    /// Sends what `request` makes; a second time only if a kept connection turns out to have been closed, so it must be
    /// harmless to repeat.
    ///
    /// # Errors
    /// [`HttpError`]: there is no whole answer.
    pub async fn send(&self, request: impl Fn(&Client) -> RequestBuilder) -> Result<HttpAnswer, HttpError> {
        let Some(span) = trace::span("HTTP", SpanKind::Client) else { return self.exchange(request).await };
        describe(&span, request(&self.client));
        let context = span.headers();
        let answer = self.exchange(|client| request(client).headers(context.clone())).await;
        match &answer {
            Ok(answer) => {
                span.set("http.response.status_code", i64::from(answer.status));
                if answer.status >= 400 {
                    span.fail("status");
                }
            }
            Err(error) => span.fail(error.as_str()),
        }
        answer
    }

    async fn exchange(&self, request: impl Fn(&Client) -> RequestBuilder) -> Result<HttpAnswer, HttpError> {
        let mut answered = request(&self.client).send().await;
        if answered.as_ref().is_err_and(connection_was_stale) {
            answered = request(&self.client).send().await;
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
        Ok(HttpAnswer { status, content_type, body })
    }
}

/// Whom a request is for. SECURITY: without its path and query, which may say who somebody is.
fn describe(span: &Span, request: RequestBuilder) {
    let Ok(request) = request.build() else { return };
    let method = request.method().as_str().to_owned();
    span.rename(method.clone());
    span.set("http.request.method", method);
    if let Some(host) = request.url().host_str() {
        span.set("server.address", host.to_owned());
    }
    if let Some(port) = request.url().port_or_known_default() {
        span.set("server.port", i64::from(port));
    }
}

impl HttpError {
    /// The word used in traces.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::TimedOut(_) => "timeout",
            Self::TooLarge(_) => "too_large",
        }
    }
}

impl HttpAnswer {
    /// Whether the content type is JSON's.
    #[must_use]
    pub fn is_json(&self) -> bool {
        let essence = self.content_type.as_deref().and_then(|text| text.split(';').next());
        essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
    }
}

fn with_bundle(builder: ClientBuilder, bundle: &[u8]) -> Result<ClientBuilder, HttpSetupError> {
    let roots = Certificate::from_pem_bundle(bundle).map_err(|error| HttpSetupError::Roots(chain(&error)))?;
    if roots.is_empty() {
        return Err(HttpSetupError::Roots("there is no certificate in the bundle".to_owned()));
    }
    Ok(builder.tls_certs_only(roots))
}

fn content_type(headers: &HeaderMap) -> Option<String> {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    match (values.next(), values.next()) {
        (Some(only), None) => only.to_str().ok().map(str::to_owned),
        _ => None,
    }
}

async fn read_body(mut response: Response, limit: usize) -> Result<Vec<u8>, HttpError> {
    if response.content_length().is_some_and(|announced| announced > limit as u64) {
        return Err(HttpError::TooLarge(limit));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if body.len() + chunk.len() > limit {
            return Err(HttpError::TooLarge(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Whether sending failed on a connection that had been made: the server may have closed it while it was idle.
fn connection_was_stale(error: &reqwest::Error) -> bool {
    error.is_request() && !error.is_connect() && !error.is_timeout()
}

fn unreachable(error: reqwest::Error) -> HttpError {
    let kind = if error.is_timeout() { HttpError::TimedOut } else { HttpError::Unreachable };
    kind(chain(&error.without_url()))
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
