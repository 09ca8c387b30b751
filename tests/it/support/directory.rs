//! What does the identity manager answer? CREST over a case's users, to nobody but a Keyward that says who it is.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::provider::Answer;

/// An identity manager and the authorization server that gives Keyward its own token for it.
pub struct ScriptedDirectory {
    pub address: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
}

struct State {
    users: Mutex<Value>,
    answer: Mutex<Option<Answer>>,
    lookups: AtomicUsize,
}

impl ScriptedDirectory {
    /// Serves `users`, by collection.
    pub async fn start(users: Value) -> Self {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = State { users: Mutex::new(users), answer: Mutex::default(), lookups: AtomicUsize::new(0) };
        let state = Arc::new(state);
        let asked = Arc::clone(&state);
        let crest = move |request: Request| async move { asked.answer_to(&request) };
        let app = Router::new().route("/token", post(own_token)).fallback(crest);
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, state, task }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on every question is answered so; `None`: as CREST says.
    pub fn answer(&self, answer: Option<Answer>) {
        *self.state.answer.lock().unwrap() = answer;
    }

    /// From now on these are the users.
    pub fn users(&self, users: Value) {
        *self.state.users.lock().unwrap() = users;
    }

    /// How often somebody was asked for.
    pub fn lookups(&self) -> usize {
        self.state.lookups.load(Ordering::SeqCst)
    }
}

impl Drop for ScriptedDirectory {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The client `keyward` with the secret `changeit` gets the token `idm-token` by client credentials.
async fn own_token(headers: HeaderMap, body: String) -> Response {
    let is_keyward = headers.get("authorization").is_some_and(|value| value == "Basic a2V5d2FyZDpjaGFuZ2VpdA==");
    if !is_keyward || !body.contains("grant_type=client_credentials") {
        return crest(401, &json!({ "error": "invalid_client" }));
    }
    crest(200, &json!({ "access_token": "idm-token", "token_type": "Bearer", "expires_in": 600 }))
}

impl State {
    fn answer_to(&self, request: &Request) -> Response {
        self.lookups.fetch_add(1, Ordering::SeqCst);
        if let Some(answer) = self.answer.lock().unwrap().clone() {
            let status = StatusCode::from_u16(answer.status).unwrap();
            return (status, [("content-type", answer.content_type)], answer.body).into_response();
        }
        let held = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap());
        let by_headers =
            held("x-openidm-username") == Some("keyward") && held("x-openidm-password") == Some("changeit");
        if !by_headers && held("authorization") != Some("Bearer idm-token") {
            return error(401, "Access Denied");
        }
        let path: Vec<String> = request.uri().path().split('/').skip(1).map(decoded).collect();
        let pairs = request.uri().query().unwrap_or_default().split('&');
        let parameters: BTreeMap<String, String> = pairs
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (decoded(name), decoded(value)))
            .collect();
        let users = self.users.lock().unwrap();
        found(&users, &path, &parameters)
    }
}

/// A read of `openidm/<collection>/<id>`, or a query of `openidm/<collection>`.
fn found(users: &Value, path: &[String], parameters: &BTreeMap<String, String>) -> Response {
    let Some(("openidm", path)) = path.split_first().map(|(root, path)| (root.as_str(), path)) else {
        return error(404, "no such context");
    };
    let fields: Vec<&str> = parameters.get("_fields").map(|fields| fields.split(',').collect()).unwrap_or_default();
    let records = |collection: &str| users[collection].as_array().cloned();
    if let Some(filter) = parameters.get("_queryFilter") {
        let Some(records) = records(&path.join("/")) else { return error(404, "no such collection") };
        let Some(conditions) = conditions(filter) else { return error(400, "the filter could not be parsed") };
        let fits = |record: &Value| conditions.iter().all(|(name, value)| record[name] == value.as_str());
        let size = parameters.get("_pageSize").map_or(usize::MAX, |size| size.parse().unwrap());
        let result: Vec<Value> =
            records.into_iter().filter(fits).take(size).map(|record| shown(record, &fields)).collect();
        let cookie = (result.len() == size).then(|| size.to_string());
        let body = json!({ "result": result, "resultCount": result.len(), "pagedResultsCookie": cookie });
        return crest(200, &body);
    }
    let Some((id, collection)) = path.split_last() else { return error(404, "no such resource") };
    let records = records(&collection.join("/")).unwrap_or_default();
    match records.into_iter().find(|record| record["_id"] == id.as_str()) {
        Some(record) => crest(200, &shown(record, &fields)),
        None => error(404, "not found"),
    }
}

/// The record without the relationships that nobody asked for (B14).
fn shown(mut record: Value, fields: &[&str]) -> Value {
    let is_relationship = |value: &Value| value[0].get("_ref").is_some() || value[0].get("_refResourceId").is_some();
    let asked = |name: &str| fields.iter().any(|field| field.strip_suffix("/*") == Some(name));
    record.as_object_mut().unwrap().retain(|name, value| !is_relationship(value) || asked(name));
    record
}

/// A strict reader of `name eq "value"`, joined by `and`: a backslash makes the next character literal (B11).
fn conditions(filter: &str) -> Option<Vec<(String, String)>> {
    let (mut conditions, mut rest) = (Vec::new(), filter);
    loop {
        let (name, value) = rest.split_once(" eq \"")?;
        if name.is_empty() || name.contains([' ', '"', '\\']) {
            return None;
        }
        let (mut text, mut characters) = (String::new(), value.chars());
        loop {
            match characters.next()? {
                '\\' => text.push(characters.next()?),
                '"' => break,
                character => text.push(character),
            }
        }
        conditions.push((name.to_owned(), text));
        rest = characters.as_str();
        if rest.is_empty() {
            return Some(conditions);
        }
        rest = rest.strip_prefix(" and ")?;
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8().unwrap().into_owned()
}

fn error(status: u16, message: &str) -> Response {
    crest(status, &json!({ "code": status, "reason": "Some Reason", "message": message }))
}

fn crest(status: u16, body: &Value) -> Response {
    let content_type = [("content-type", "application/json; charset=UTF-8")];
    (StatusCode::from_u16(status).unwrap(), content_type, body.to_string()).into_response()
}
