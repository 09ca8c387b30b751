//! What do the tests of introspection ask, and of whom? Scripted authorization servers on loopback.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use url::Url;

use super::settings::{CacheSettings, MaxTimeout};
use super::{Introspector, Settings};
use crate::client_auth::ClientAuthentication;
use crate::deadline::Deadline;
use crate::secret::Secret;
use crate::token::{BearerToken, TokenState};

/// A request as the server received it.
#[derive(Debug, Clone)]
pub struct Received {
    pub method: String,
    pub path_and_query: String,
    pub headers: HeaderMap,
    pub body: String,
}

impl Received {
    pub fn form(&self) -> BTreeMap<String, String> {
        form_urlencoded::parse(self.body.as_bytes()).into_owned().collect()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// An authorization server that answers as told.
pub struct Provider {
    pub url: Url,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Provider {
    /// Answers every request, the `n`th (from 0) with `answer(n)`.
    pub async fn start<R: IntoResponse>(answer: impl Fn(usize) -> R + Clone + Send + Sync + 'static) -> Self {
        let received: Arc<Mutex<Vec<Received>>> = Arc::default();
        let log = Arc::clone(&received);
        let app = Router::new().fallback(move |request: Request| async move {
            let (parts, body) = request.into_parts();
            let body = to_bytes(body, 1 << 20).await.unwrap();
            let mut log = log.lock().unwrap();
            log.push(Received {
                method: parts.method.to_string(),
                path_and_query: parts.uri.to_string(),
                headers: parts.headers,
                body: String::from_utf8(body.to_vec()).unwrap(),
            });
            let response: Response = answer(log.len() - 1).into_response();
            response
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/oauth2/introspect", listener.local_addr().unwrap())).unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, received }
    }

    /// Answers every request with status 200, JSON and `body`.
    pub async fn json(body: impl Into<String>) -> Self {
        let body = body.into();
        Self::start(move |_| json_answer(&body)).await
    }

    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    pub fn calls(&self) -> usize {
        self.received.lock().unwrap().len()
    }
}

pub fn json_answer(body: &str) -> Response {
    ([("content-type", "application/json")], body.to_owned()).into_response()
}

/// A server without manners: for the `n`th connection, what it writes after each request (an empty text: it closes).
pub async fn raw_server(connections: Vec<Vec<&'static str>>) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/introspect", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move {
        for answers in connections {
            let (mut stream, _) = listener.accept().await.unwrap();
            for answer in answers {
                let mut buffer = [0; 4096];
                let mut request = Vec::new();
                while !request.windows(12).any(|part| part == b"access_token") {
                    let n = stream.read(&mut buffer).await.unwrap();
                    request.extend_from_slice(&buffer[..n]);
                    if n == 0 {
                        break;
                    }
                }
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        }
    });
    url
}

/// Settings for the server at `url`.
pub fn settings(url: &Url) -> Settings {
    Settings {
        endpoint: url.clone(),
        client_id: "mesh-rs".to_owned(),
        client_secret: Secret::new("s=cr%t".to_owned()),
        client_authentication: ClientAuthentication::BasicForm,
        timeout: Duration::from_secs(5),
        max_answer_bytes: 1 << 20,
        max_in_flight: 256,
        trusted_roots: None,
        cache: CacheSettings {
            max_timeout: MaxTimeout::AtMost(Duration::from_secs(300)),
            negative: Duration::from_secs(5),
            stale_if_error: Duration::ZERO,
            max_tokens: 1000,
            max_negative: 100,
        },
    }
}

pub fn token(text: &str) -> BearerToken {
    BearerToken::parse(text).unwrap()
}

/// A deadline no test reaches.
pub fn patience() -> Deadline {
    Deadline::after(Duration::from_secs(30))
}

/// What `introspector` says of the token `t0ken`, in one word.
pub async fn verdict(introspector: &impl Introspector, deadline: Deadline) -> String {
    match introspector.introspect(&token("t0ken"), deadline).await {
        Ok(answer) => match answer.state {
            TokenState::Active(_) => "active".to_owned(),
            TokenState::Inactive => "inactive".to_owned(),
        },
        Err(error) => error.as_str().to_owned(),
    }
}
