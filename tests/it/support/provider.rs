//! What does the authorization server answer? An RFC 7662 endpoint that follows a script, and counts.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::Value;
use tokio::task::JoinHandle;

/// One scripted answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub content_type: String,
    pub body: Vec<u8>,
    pub delay: Duration,
    /// Close the connection in the middle of the answer.
    pub cut_short: bool,
}

impl Answer {
    /// 200 with a JSON body.
    pub fn json(body: &Value) -> Self {
        Self::text("application/json", body.to_string().as_bytes())
    }

    /// 200 with any body.
    pub fn text(content_type: &str, body: &[u8]) -> Self {
        let (content_type, body) = (content_type.to_owned(), body.to_vec());
        Self { status: 200, content_type, body, delay: Duration::ZERO, cut_short: false }
    }
}

/// One question that arrived.
#[derive(Debug, Clone)]
pub struct Call {
    /// Which of the authorization servers was asked.
    pub server: &'static str,
    /// Path and query.
    pub target: String,
    pub token: String,
    pub authorization: Option<String>,
    pub accept: Option<String>,
    pub form: Vec<(String, String)>,
}

#[derive(Default)]
struct Script {
    answers: Mutex<HashMap<(&'static str, String), Answer>>,
    calls: Mutex<Vec<Call>>,
}

/// Two authorization servers, `a` and `b`, behind one address. A token without an answer is inactive.
pub struct ScriptedProvider {
    pub address: SocketAddr,
    script: Arc<Script>,
    task: JoinHandle<()>,
}

impl ScriptedProvider {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Arc::new(Script::default());
        let ask = |server| {
            let script = Arc::clone(&script);
            post(move |uri, headers, body| introspect(server, script, uri, headers, body))
        };
        let app = Router::new().route("/introspect", ask("a")).route("/b/introspect", ask("b"));
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, script, task }
    }

    /// The introspection endpoint.
    pub fn url(&self) -> String {
        format!("http://{}/introspect", self.address)
    }

    /// From now on `a` answers so for `token`.
    pub fn answer(&self, token: &str, answer: Answer) {
        self.answer_of("a", token, answer);
    }

    /// From now on `server` answers so for `token`.
    pub fn answer_of(&self, server: &str, token: &str, answer: Answer) {
        let server = if server == "b" { "b" } else { "a" };
        self.script.answers.lock().unwrap().insert((server, token.to_owned()), answer);
    }

    /// Every question so far.
    pub fn calls(&self) -> Vec<Call> {
        self.script.calls.lock().unwrap().clone()
    }
}

impl Drop for ScriptedProvider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn introspect(server: &'static str, script: Arc<Script>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let form: Vec<(String, String)> = form_urlencoded::parse(&body).into_owned().collect();
    let token = form.iter().find(|(name, _)| name == "token").map(|(_, value)| value.clone()).unwrap_or_default();
    let header = |name| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let target = uri.to_string();
    let call = Call { server, target, token, authorization: header("authorization"), accept: header("accept"), form };
    let answer = script.answers.lock().unwrap().get(&(server, call.token.clone())).cloned();
    script.calls.lock().unwrap().push(call);
    let answer = answer.unwrap_or_else(|| Answer::json(&serde_json::json!({ "active": false })));
    tokio::time::sleep(answer.delay).await;
    let status = StatusCode::from_u16(answer.status).unwrap();
    let content_type = [("content-type", answer.content_type)];
    if answer.cut_short {
        let half = Bytes::from(answer.body[..answer.body.len() / 2].to_vec());
        let parts = vec![Ok(half), Err(std::io::Error::other("cut short, as the script says"))];
        return (status, content_type, axum::body::Body::from_stream(tokio_stream::iter(parts))).into_response();
    }
    (status, content_type, answer.body).into_response()
}
