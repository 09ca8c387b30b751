//! Where do users live?

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::rs_filter::client_authentication;
use super::{Context, Here, values};
use crate::config::problem::Problem;
use crate::config::raw;
use crate::config::tree::{self, Kind, Node};
use crate::directory::Settings;
use crate::directory::settings::{FileUsers, IdmAuth, IdmSettings};

const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// `directory`; `token` where nothing is written.
pub(super) fn directory(cx: &mut Context<'_>, here: &Here<'_>, raw: Option<raw::Directory>) -> Option<Settings> {
    let Some(raw) = raw else { return Some(Settings::Token) };
    match (raw.idm, raw.file, raw.token) {
        (Some(idm), None, None) => self::idm(cx, &here.child("idm"), idm),
        (None, Some(file), None) => users_file(cx, &here.child("file"), &file).map(Settings::File),
        (None, None, Some(_)) => Some(Settings::Token),
        (idm, file, token) => {
            let written = [("idm", idm.is_some()), ("file", file.is_some()), ("token", token.is_some())];
            let written: Vec<_> = written.iter().filter(|(_, is)| *is).map(|(key, _)| format!("`{key}`")).collect();
            let (found, advice) = match written.as_slice() {
                [] => ("nothing".to_owned(), "; `token: {}` takes the token's own claims"),
                keys => (keys.join(" and "), "; keep one"),
            };
            cx.problem(here, format!("found {found}, expected exactly one of `idm`, `file` and `token`{advice}"));
            None
        }
    }
}

fn idm(cx: &mut Context<'_>, here: &Here<'_>, raw: raw::Idm) -> Option<Settings> {
    let url = values::url(cx, &here.child("url"), &raw.url);
    let auth = auth(cx, &here.child("auth"), raw.auth);
    let timeout = values::timeout(cx, &here.child("timeout"), raw.timeout.as_ref(), Duration::from_secs(5));
    let roots = values::trusted_roots(cx, &here.child("trustedRoots"), raw.trusted_roots.as_deref());
    let cache = raw.cache.unwrap_or_default();
    let place = here.child("cache").child("maxTimeout");
    let max_timeout = values::duration(cx, &place, cache.max_timeout.as_ref(), Duration::from_secs(5));
    Some(Settings::Idm(Box::new(IdmSettings {
        url: url?,
        auth: auth?,
        timeout: timeout?,
        max_answer_bytes: MAX_ANSWER_BYTES,
        trusted_roots: roots?,
        max_timeout: max_timeout?,
        max_users: cache.max_users.unwrap_or(10_000),
    })))
}

fn auth(cx: &mut Context<'_>, here: &Here<'_>, raw: Option<raw::IdmAuth>) -> Option<IdmAuth> {
    let Some(raw) = raw else { return Some(IdmAuth::None) };
    match (raw.headers, raw.bearer) {
        (Some(raw), None) => {
            let here = here.child("headers");
            values::filled(cx, &here.child("username"), &raw.username);
            let password = values::secret(cx, &here.child("password"), &raw.password)?;
            Some(IdmAuth::Headers { username: raw.username, password })
        }
        (None, Some(raw)) => {
            let here = here.child("bearer");
            let token_url = values::url(cx, &here.child("tokenUrl"), &raw.token_url);
            let client_secret = values::secret(cx, &here.child("clientSecret"), &raw.client_secret);
            let method =
                client_authentication(cx, &here, raw.client_authentication, raw.basic_encoding, &raw.client_id);
            Some(IdmAuth::Bearer {
                token_url: token_url?,
                client_id: raw.client_id,
                client_secret: client_secret?,
                client_authentication: method,
                scopes: raw.scopes.unwrap_or_default(),
            })
        }
        _ => {
            cx.problem(here, "expected exactly one of `headers` and `bearer`; without authentication leave `auth` out");
            None
        }
    }
}

/// Users by collection: `{ managed/user: [ { _id: … } ] }`.
fn users_file(cx: &mut Context<'_>, here: &Here<'_>, file: &str) -> Option<FileUsers> {
    let text = match cx.read_text(file) {
        Ok(text) => text,
        Err(error) => {
            cx.problem(here, format!("the users' file {} {error}", here.shown()));
            return None;
        }
    };
    let name: Arc<str> = cx.resolve(file).display().to_string().into();
    let before = cx.problems.len();
    let root = match tree::parse(&text, &name) {
        Ok(root) => root,
        Err(problems) => {
            cx.problems.extend(problems);
            return None;
        }
    };
    if !matches!(root.kind, Kind::Map(_)) {
        let message =
            format!("found {}, expected users by collection: `managed/user: [ {{ _id: … }} ]`", root.kind_name());
        cx.problems.push(Problem::new(&root.place, message));
    }
    let mut collections = BTreeMap::new();
    for entry in root.entries() {
        let name = entry.key.trim_matches('/').to_owned();
        if name != entry.key || name.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
            cx.problems
                .push(Problem::new(&entry.place, "found no collection's name, expected one such as `managed/user`"));
        }
        collections.insert(name, records(cx, &entry.node));
    }
    (cx.problems.len() == before).then_some(FileUsers { collections })
}

fn records(cx: &mut Context<'_>, list: &Node) -> Vec<Map<String, Value>> {
    if !matches!(list.kind, Kind::List(_)) {
        cx.problems.push(Problem::new(&list.place, format!("found {}, expected a list of records", list.kind_name())));
    }
    let mut ids = HashSet::new();
    let mut records = Vec::new();
    for node in list.items() {
        match node.get("_id").and_then(Node::text) {
            Some(id) if !id.is_empty() && ids.insert(id) => {}
            Some("") | None => {
                cx.problems
                    .push(Problem::new(&node.place.child("_id"), "is missing, expected the record's id, a text"));
            }
            Some(_) => {
                cx.problems.push(Problem::new(&node.place.child("_id"), "stands twice in this collection; keep one"))
            }
        }
        match node.to_json() {
            Value::Object(record) => records.push(record),
            _ => cx.problems.push(Problem::new(&node.place, format!("found {}, expected a record", node.kind_name()))),
        }
    }
    records
}
