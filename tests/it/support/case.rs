//! What does a case file hold? `tests/cases/README.md` says it in prose.

use std::collections::BTreeMap;
use std::fs;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{clone_path, yaml};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Case {
    pub name: String,
    pub row: Option<u32>,
    #[serde(default)]
    pub facts: Vec<String>,
    config: String,
    #[serde(default)]
    with: Value,
    #[serde(default)]
    users: Value,
    #[serde(default)]
    files: Value,
    /// How much of a request's body Envoy sends (`with_request_body`); left out: nothing.
    pub body_bytes: Option<u32>,
    now: Option<String>,
    /// The environment that `&{…}` and `{ env: NAME }` read.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    token: Option<Value>,
    /// Authorization server (`a` or `b`) → token → what it says of it.
    #[serde(default)]
    tokens: BTreeMap<String, BTreeMap<String, Value>>,
    answer: Option<Answer>,
    /// The identity manager's whole answer.
    directory: Option<Answer>,
    request: Option<RequestText>,
    expect: Option<Expect>,
    #[serde(default)]
    then: Vec<Step>,
    pub through_envoy: Option<ThroughEnvoy>,
    pub load: Option<Load>,
}

/// One request to the case's server.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Step {
    #[serde(default)]
    pub advance: i64,
    pub answer: Option<Answer>,
    /// The identity manager's whole answer from now on; `null` as its status: CREST again.
    pub directory: Option<Answer>,
    /// The directory's users from now on.
    pub users: Option<Value>,
    pub request: RequestText,
    pub expect: Expect,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Answer {
    pub status: Option<u16>,
    pub content_type: Option<String>,
    pub body: Value,
    pub delay: u64,
    pub cut_short: bool,
    pub unreachable: bool,
    pub huge: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum RequestText {
    Line(String),
    Whole(RequestParts),
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RequestParts {
    pub line: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
    pub extensions: BTreeMap<String, String>,
    /// A certificate of `fixtures.yaml` that the client shows.
    pub certificate: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Allow {
    /// `true`: whoever it is.
    Somebody(bool),
    User(String),
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Expect {
    pub allow: Option<Allow>,
    pub deny: Option<u16>,
    /// 400, 401 or 403: which one is not the point.
    pub deny_any: bool,
    pub outage: Option<u16>,
    pub authentication_id: Option<String>,
    pub roles: Option<Vec<String>>,
    pub set: BTreeMap<String, String>,
    pub absent: Vec<String>,
    /// A text that stands in no header that the upstream sees.
    pub no_value: Option<String>,
    pub message: Option<String>,
    pub reasons: Option<Vec<String>>,
    pub challenge: Vec<String>,
    /// A challenge without an error code (F8).
    pub no_error: bool,
    pub no_challenge: bool,
    /// The rule that granted, the word for why not, the filter that decided: all from the dynamic metadata.
    pub rule: Option<String>,
    pub reason: Option<String>,
    pub filter: Option<String>,
    pub introspections: Option<usize>,
    /// The authorization servers that were asked, in order.
    pub asked: Option<Vec<String>>,
    /// How often the identity manager was asked for a user so far.
    pub lookups: Option<usize>,
    pub authorization: Option<String>,
    /// Path and query of the last question to the provider.
    pub introspected_at: Option<String>,
}

/// Where Envoy itself answers, or cannot carry the request.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ThroughEnvoy {
    pub status: Option<u16>,
    pub skip: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Load {
    pub problems: Vec<String>,
    pub means: Vec<String>,
}

/// A file's cases.
pub fn read(file: &str) -> Vec<Case> {
    let text = fs::read_to_string(clone_path("tests/cases").join(file)).unwrap();
    let Value::Array(cases) = yaml::parse(file, &text) else { panic!("{file} is no list of cases") };
    let cases = cases.into_iter().map(|case| {
        let name = case["name"].to_string();
        serde_json::from_value(case).unwrap_or_else(|error| panic!("{file}: {name}: {error}"))
    });
    cases.collect()
}

/// Every case file's name.
pub fn files() -> Vec<String> {
    let entries = fs::read_dir(clone_path("tests/cases")).unwrap().map(|entry| entry.unwrap().file_name());
    let names = entries.map(|name| name.into_string().unwrap());
    let mut files: Vec<_> = names.filter(|name| name.ends_with(".yaml") && name != "fixtures.yaml").collect();
    files.sort();
    files
}

impl Case {
    /// The configuration, its introspection endpoint being `provider` and its identity manager's address `manager`.
    pub fn config(&self, fixtures: &Value, provider: &str, manager: &str) -> Value {
        let mut config = fixtures["configs"][&self.config].clone();
        assert!(config.is_object(), "{}: no configuration `{}`", self.name, self.config);
        if !self.with.is_null() {
            yaml::merge(&mut config, &self.with);
        }
        replace(&mut config, &|text| match text {
            "{provider}" => Some(provider.into()),
            "{provider b}" => Some(provider.replace("/introspect", "/b/introspect").into()),
            "{openidm}" => Some(format!("{manager}/openidm").into()),
            "{openidm token}" => Some(format!("{manager}/token").into()),
            "{rules ACL}" => Some(fixtures["rules"]["ACL"].clone()),
            _ => None,
        });
        yaml::merge(
            &mut config,
            &json!({ "listen": { "extAuthz": "127.0.0.1:0", "admin": "127.0.0.1:0" }, "audit": { "to": "off" } }),
        );
        config
    }

    /// The files beside the configuration: those that `fixtures.yaml` gives this configuration, with the case's over them;
    /// `{clone path}` stands for one of this repository, as it is.
    pub fn files(&self, fixtures: &Value, provider: &str) -> Vec<(String, Value)> {
        let mut files = fixtures["files"].get(&self.config).cloned().unwrap_or_else(|| json!({}));
        if !self.files.is_null() {
            yaml::merge(&mut files, &self.files);
        }
        replace(&mut files, &|text| {
            let path = text.strip_prefix("{clone ")?.strip_suffix('}')?;
            Some(fs::read_to_string(clone_path(path)).unwrap().into())
        });
        let Value::Object(files) = files else { panic!("{}: `files` is no map", self.name) };
        let filled = |content: Value| match content {
            Value::String(text) => Value::String(text.replace("{provider}", provider)),
            content => serde_json::from_str(&content.to_string().replace("{provider}", provider)).unwrap(),
        };
        files.into_iter().map(|(name, content)| (name, filled(content))).collect()
    }

    /// The users file.
    pub fn users(&self, fixtures: &Value) -> Value {
        users(&self.users, fixtures)
    }

    /// The instant of the first request.
    pub fn now(&self) -> Timestamp {
        self.now.as_deref().unwrap_or("2026-06-01T12:00:00Z").parse().unwrap()
    }

    /// Every request with what is expected of it, the first one's answer filled in.
    pub fn steps(&self) -> Vec<Step> {
        let Some(request) = self.request.clone() else { return Vec::new() };
        let expect = self.expect.clone().unwrap_or_else(|| panic!("{}: nothing is expected", self.name));
        let answer = self.answer.clone().or_else(|| self.token.as_ref().map(active));
        let mut steps =
            vec![Step { advance: 0, answer, directory: self.directory.clone(), users: None, request, expect }];
        steps.extend(self.then.iter().cloned());
        steps
    }

    /// Authorization server, token, and what that server says of it.
    pub fn known_tokens(&self) -> Vec<(&str, &str, Answer)> {
        let servers = self.tokens.iter();
        servers
            .flat_map(|(server, tokens)| tokens.iter().map(|(token, said)| (&**server, &**token, active(said))))
            .collect()
    }

    /// Whether requests carry the token `t1` unless they say otherwise.
    pub fn sends_token(&self) -> bool {
        self.token.is_some() || self.answer.is_some()
    }

    /// Whether nobody listens at the introspection endpoint.
    pub fn unreachable(&self) -> bool {
        self.answer.as_ref().is_some_and(|answer| answer.unreachable)
    }

    /// The body of `answer` with its times and lengths written out.
    pub fn body(&self, answer: &Answer) -> Vec<u8> {
        let mut body = answer.body.clone();
        if answer.huge {
            body = json!({ "active": true, "sub": "(usr!amadmin)", "scope": "fr:idm:*", "pad": "x".repeat(4 << 20) });
        }
        replace(&mut body, &|text| match text.strip_prefix("now") {
            Some(offset) => Some((self.now().as_second() + offset.parse::<i64>().ok()?).into()),
            None => (text == "{2 kB}").then(|| "x".repeat(2048).into()),
        });
        match body {
            Value::String(text) => text.into_bytes(),
            Value::Null => Vec::new(),
            body => body.to_string().into_bytes(),
        }
    }
}

impl RequestText {
    /// Method, target and the rest.
    pub fn parts(&self) -> (String, String, RequestParts) {
        let parts = match self {
            Self::Line(line) => RequestParts { line: line.clone(), ..RequestParts::default() },
            Self::Whole(parts) => parts.clone(),
        };
        let (method, target) =
            parts.line.split_once(' ').unwrap_or_else(|| panic!("no request line: {:?}", parts.line));
        (method.to_owned(), target.to_owned(), parts)
    }
}

/// Users by name, or as they stand.
pub fn users(written: &Value, fixtures: &Value) -> Value {
    let Value::Array(names) = written else {
        return if written.is_null() { json!({ "managed/user": [] }) } else { written.clone() };
    };
    let named = names.iter().map(|name| fixtures["users"][name.as_str().unwrap()]["managed/user"][0].clone());
    json!({ "managed/user": named.collect::<Vec<_>>() })
}

/// What is said of an active token, with `said` over it.
fn active(said: &Value) -> Answer {
    let mut body =
        json!({ "active": true, "scope": "fr:idm:*", "realm": "/", "token_type": "Bearer", "exp": "now+3600" });
    yaml::merge(&mut body, said);
    Answer { body, ..Answer::default() }
}

/// Replaces whole texts, at any depth.
fn replace(value: &mut Value, with: &dyn Fn(&str) -> Option<Value>) {
    match value {
        Value::String(text) => {
            if let Some(new) = with(text) {
                *value = new;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, with)),
        Value::Object(members) => members.values_mut().for_each(|member| replace(member, with)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A configuration of `fixtures.yaml`, its introspection endpoint being `provider`, with a patch over it.
pub fn fixture(name: &str, provider: &str, with: &Value) -> Value {
    let text = fs::read_to_string(clone_path("tests/cases/fixtures.yaml")).unwrap();
    let case = json!({ "name": name, "config": name, "with": with });
    let case: Case = serde_json::from_value(case).unwrap();
    case.config(&yaml::parse("fixtures.yaml", &text), provider, "")
}
