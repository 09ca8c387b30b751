//! What would an identity manager answer? A CREST server on loopback, after the recorded answers of OpenIDM 6.1.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use url::Url;

use crate::directory::settings::FileUsers;

/// A request as the server received it.
#[derive(Debug, Clone)]
pub struct Received {
    pub path_and_query: String,
    pub headers: HeaderMap,
    pub body: String,
}

impl Received {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// A server that answers as told.
pub struct FakeIdm {
    /// Its CREST root.
    pub url: Url,
    received: Arc<Mutex<Vec<Received>>>,
}

impl FakeIdm {
    /// Answers every request, the `n`th (from 0) with `answer`.
    pub async fn answering<R: IntoResponse>(
        answer: impl Fn(usize, &Received) -> R + Clone + Send + Sync + 'static,
    ) -> Self {
        let received: Arc<Mutex<Vec<Received>>> = Arc::default();
        let log = Arc::clone(&received);
        let app = Router::new().fallback(move |request: Request| async move {
            let (parts, body) = request.into_parts();
            let body = to_bytes(body, 1 << 20).await.unwrap();
            let body = String::from_utf8(body.to_vec()).unwrap();
            let request = Received { path_and_query: parts.uri.to_string(), headers: parts.headers, body };
            let mut log = log.lock().unwrap();
            log.push(request.clone());
            let response: Response = answer(log.len() - 1, &request).into_response();
            response
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/openidm", listener.local_addr().unwrap())).unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, received }
    }

    /// Serves `users` as CREST.
    pub async fn serving(users: FileUsers) -> Self {
        let users = Arc::new(users);
        Self::answering(move |_, request| serve(&users, &request.path_and_query)).await
    }

    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    pub fn calls(&self) -> usize {
        self.received.lock().unwrap().len()
    }
}

pub fn crest_json(status: u16, body: &Value) -> Response {
    let content_type = [("content-type", "application/json; charset=UTF-8")];
    (StatusCode::from_u16(status).unwrap(), content_type, body.to_string()).into_response()
}

pub fn crest_error(status: u16, message: &str) -> Response {
    crest_json(status, &json!({"code": status, "reason": "Some Reason", "message": message}))
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8().unwrap().into_owned()
}

fn serve(users: &FileUsers, target: &str) -> Response {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let parameters: BTreeMap<String, String> =
        query.split('&').filter_map(|p| p.split_once('=')).map(|(k, v)| (decode(k), decode(v))).collect();
    let segments: Vec<String> = path.strip_prefix("/openidm/").unwrap().split('/').map(decode).collect();
    let fields: Vec<&str> = parameters.get("_fields").map(|f| f.split(',').collect()).unwrap_or_default();
    let shown = |record: &Map<String, Value>| show(users, record, &fields);
    if let Some(filter) = parameters.get("_queryFilter") {
        let Some(records) = users.collections.get(&segments.join("/")) else {
            return crest_error(404, "Resource &#39;nope&#39; not found");
        };
        let Some(conditions) = conditions(filter) else { return crest_error(400, "could not be parsed") };
        let matching = records.iter().filter(|record| conditions.iter().all(|(name, value)| has(record, name, value)));
        let size = parameters.get("_pageSize").map_or(usize::MAX, |size| size.parse().unwrap());
        let result: Vec<Value> = matching.take(size).map(shown).collect();
        let cookie = if result.len() == size { json!(size.to_string()) } else { Value::Null };
        return crest_json(
            200,
            &json!({"resultCount": result.len(), "result": result, "pagedResultsCookie": cookie,
                "totalPagedResultsPolicy": "NONE", "totalPagedResults": -1, "remainingPagedResults": -1}),
        );
    }
    let (id, collection) = segments.split_last().unwrap();
    let records = users.collections.get(&collection.join("/")).map(Vec::as_slice).unwrap_or_default();
    match records.iter().find(|record| record["_id"] == json!(id)) {
        Some(record) => crest_json(200, &shown(record)),
        None => crest_error(404, &format!("Object {id} not found")),
    }
}

/// The record as the wanted fields show it: relationships only on demand, with the role's members for `…/*`.
fn show(users: &FileUsers, record: &Map<String, Value>, fields: &[&str]) -> Value {
    let relationship = |value: &Value| value[0].get("_ref").is_some();
    let mut shown = record.clone();
    shown.retain(|name, value| {
        !relationship(value) || fields.iter().any(|field| field.strip_suffix("/*").unwrap_or(field) == name)
    });
    for field in fields.iter().filter_map(|field| field.strip_suffix("/*")) {
        for element in shown.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten() {
            let (collection, id) = element["_ref"].as_str().unwrap().rsplit_once('/').unwrap();
            let roles = users.collections.get(collection).map(Vec::as_slice).unwrap_or_default();
            if let Some(role) = roles.iter().find(|role| role["_id"] == json!(id)) {
                element.as_object_mut().unwrap().extend(role.clone());
            }
        }
    }
    Value::Object(shown)
}

/// A strict reader of `name eq "value"`, joined by `and`: a backslash makes the next character literal.
pub fn conditions(filter: &str) -> Option<Vec<(String, String)>> {
    let mut conditions = Vec::new();
    let mut rest = filter;
    loop {
        let (name, value) = rest.split_once(" eq \"")?;
        if name.is_empty() || name.contains([' ', '"', '\\']) {
            return None;
        }
        let mut text = String::new();
        let mut chars = value.chars();
        loop {
            match chars.next()? {
                '\\' => text.push(chars.next()?),
                '"' => break,
                c => text.push(c),
            }
        }
        conditions.push((name.to_owned(), text));
        rest = chars.as_str();
        if rest.is_empty() {
            return Some(conditions);
        }
        rest = rest.strip_prefix(" and ")?;
    }
}

fn has(record: &Map<String, Value>, name: &str, expected: &str) -> bool {
    let mut value = record.get(name.split('/').next().unwrap());
    for member in name.split('/').skip(1) {
        value = value.and_then(|value| value.get(member));
    }
    match value {
        Some(Value::String(text)) => text == expected,
        Some(Value::Number(number)) => number.to_string() == expected,
        _ => false,
    }
}
