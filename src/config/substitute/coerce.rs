//! What does `{"$int": "&{port|465}"}` stand for? (A30.)

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Number;

use crate::config::problem::Problem;
use crate::config::shape::nearest;
use crate::config::tree::{self, Entry, Kind, Node};

const COERCIONS: [&str; 9] =
    ["$array", "$base64:decode", "$base64:encode", "$bool", "$int", "$list", "$number", "$object", "$string"];

/// Replaces a one-key map such as `{"$int": …}` by the value it stands for.
pub(super) fn coerce(node: &mut Node, problems: &mut Vec<Problem>) {
    let [entry] = node.entries() else { return };
    if !entry.key.starts_with('$') {
        return;
    }
    match coerced(entry) {
        Ok(Some(value)) => {
            let substituted = value.substituted;
            *node = value.at(&node.place, substituted);
        }
        Ok(None) => {}
        Err(message) => {
            problems.push(Problem::new(&node.place, message));
            // What follows must not complain about the same map again.
            node.kind = Kind::Map(Vec::new());
        }
    }
}

fn coerced(entry: &Entry) -> Result<Option<Node>, String> {
    let inner = &entry.node;
    let kind = match entry.key.as_str() {
        "$crypto" => {
            return Err("found a value that IDM encrypted with its own keystore, which Keyward does not have; \
                        give the secret as `{ file: … }`, `{ env: … }` or `\"&{name}\"`"
                .to_owned());
        }
        "$int" => integer(inner).map(|n| Kind::Number(n.into())),
        "$number" => number(inner).map(Kind::Number),
        "$bool" => boolean(inner).map(Kind::Bool),
        "$string" => text(inner).map(Kind::Text),
        "$list" | "$array" => list(inner),
        "$object" => object(inner),
        "$base64:encode" => inner.text().map(|text| Kind::Text(STANDARD.encode(text))),
        "$base64:decode" => decode(inner).map(Kind::Text),
        key => {
            let near = nearest(key, COERCIONS.into_iter());
            let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            return Err(format!("found no known coercion{near}"));
        }
    };
    match kind {
        Some(kind) => Ok(Some(Node { place: inner.place.clone(), kind, substituted: inner.substituted })),
        None => {
            let wanted = match entry.key.as_str() {
                "$int" => "a whole number",
                "$number" => "a number",
                "$bool" => "`true` or `false`",
                "$string" => "a text, a number, or true or false",
                "$list" | "$array" => "a list, a comma text, or the JSON text of a list",
                "$object" => "the JSON text of a map",
                "$base64:encode" => "a text",
                _ => "base64 of a text",
            };
            // The map may stand where a secret is expected, so its value is not shown.
            Err(format!("`{}` found {}, expected {wanted}", entry.key, inner.kind_name()))
        }
    }
}

fn integer(node: &Node) -> Option<i64> {
    match &node.kind {
        Kind::Number(number) => number.as_i64(),
        Kind::Text(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn number(node: &Node) -> Option<Number> {
    match &node.kind {
        Kind::Number(number) => Some(number.clone()),
        Kind::Text(text) => serde_json::from_str(text.trim()).ok(),
        _ => None,
    }
}

fn boolean(node: &Node) -> Option<bool> {
    match &node.kind {
        Kind::Bool(value) => Some(*value),
        Kind::Text(text) if text.trim().eq_ignore_ascii_case("true") => Some(true),
        Kind::Text(text) if text.trim().eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

fn text(node: &Node) -> Option<String> {
    match &node.kind {
        Kind::Text(text) => Some(text.clone()),
        Kind::Number(number) => Some(number.to_string()),
        Kind::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

/// A list, the JSON text of one, or a comma text.
fn list(node: &Node) -> Option<Kind> {
    match &node.kind {
        Kind::List(items) => Some(Kind::List(items.clone())),
        Kind::Text(text) if text.trim_start().starts_with('[') => json(text).filter(|k| matches!(k, Kind::List(_))),
        Kind::Text(text) => {
            let item = |text: &str| Node { kind: Kind::Text(text.trim().to_owned()), ..node.clone() };
            Some(Kind::List(text.split(',').map(item).collect()))
        }
        _ => None,
    }
}

fn object(node: &Node) -> Option<Kind> {
    match &node.kind {
        Kind::Map(entries) => Some(Kind::Map(entries.clone())),
        Kind::Text(text) => json(text).filter(|kind| matches!(kind, Kind::Map(_))),
        _ => None,
    }
}

/// Reads a text as JSON, by the same rules as a file: no duplicate keys, bounded depth.
fn json(text: &str) -> Option<Kind> {
    let name: Arc<str> = "value.json".into();
    Some(tree::parse(text, &name).ok()?.kind)
}

fn decode(node: &Node) -> Option<String> {
    String::from_utf8(STANDARD.decode(node.text()?.trim()).ok()?).ok()
}
