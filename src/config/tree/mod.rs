//! What is written in a YAML or JSON file, and at which line and column?

mod json;
mod yaml;

use std::sync::Arc;

use serde_json::{Map, Number, Value};

use super::problem::{Place, Problem, join};
use crate::giving_way;

/// The deepest nesting that is read.
const MAX_DEPTH: usize = 64;
/// The most values a file may hold, aliases counted as what they stand for.
const MAX_NODES: usize = 500_000;
/// The largest file that is read, in bytes.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// A value and where it stands. Has no `Debug`: it may be a secret.
pub(super) struct Node {
    pub place: Place,
    pub kind: Kind,
    /// Whether the value, or a part of it, came out of the environment or a property file: it is never shown.
    pub substituted: bool,
}

/// A value of JSON's data model.
#[derive(Clone)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key, its place, and its value.
#[derive(Clone)]
pub(super) struct Entry {
    pub key: String,
    pub place: Place,
    pub node: Node,
}

impl Clone for Node {
    fn clone(&self) -> Self {
        giving_way::step();
        Self { place: self.place.clone(), kind: self.kind.clone(), substituted: self.substituted }
    }
}

impl Node {
    /// Drops it in steps, as there may be many.
    pub fn take_apart(self) {
        giving_way::step();
        match self.kind {
            Kind::List(items) => items.into_iter().for_each(Self::take_apart),
            Kind::Map(entries) => entries.into_iter().for_each(|entry| entry.node.take_apart()),
            _ => {}
        }
    }

    /// The value of a key, where this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// The entries, where this is a map; else none.
    pub fn entries(&self) -> &[Entry] {
        match &self.kind {
            Kind::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The elements, where this is a list; else none.
    pub fn items(&self) -> &[Self] {
        match &self.kind {
            Kind::List(items) => items,
            _ => &[],
        }
    }

    /// The text, where this is one.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The kind of value in words: for messages that must not show it.
    pub fn kind_name(&self) -> &'static str {
        match self.kind {
            Kind::Null => "nothing",
            Kind::Bool(_) => "true or false",
            Kind::Number(_) => "a number",
            Kind::Text(_) => "a text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
        }
    }

    /// The value without its places and without the order of its keys.
    pub fn to_json(&self) -> Value {
        giving_way::step();
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(value) => Value::Bool(*value),
            Kind::Number(number) => Value::Number(number.clone()),
            Kind::Text(text) => Value::String(text.clone()),
            Kind::List(items) => items.iter().map(Self::to_json).collect(),
            Kind::Map(entries) => {
                Value::Object(entries.iter().map(|e| (e.key.clone(), e.node.to_json())).collect::<Map<_, _>>())
            }
        }
    }

    /// The same value, in the order it was written, standing at `place` as a whole.
    pub fn at(self, place: &Place, substituted: bool) -> Self {
        let kind = match self.kind {
            Kind::List(items) => {
                let item = |(i, item): (usize, Self)| {
                    item.at(&Place { path: format!("{}[{i}]", place.path), ..place.clone() }, substituted)
                };
                Kind::List(items.into_iter().enumerate().map(item).collect())
            }
            Kind::Map(entries) => {
                let entry = |Entry { key, node, .. }: Entry| {
                    let place = place.child(&key);
                    Entry { key, node: node.at(&place, substituted), place }
                };
                Kind::Map(entries.into_iter().map(entry).collect())
            }
            scalar => scalar,
        };
        Self { place: place.clone(), kind, substituted }
    }

    /// Writes into every place the way through the keys that leads there.
    fn set_paths(&mut self, path: String) {
        giving_way::step();
        match &mut self.kind {
            Kind::List(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    item.set_paths(format!("{path}[{index}]"));
                }
            }
            Kind::Map(entries) => {
                for entry in entries {
                    let path = join(&path, &entry.key);
                    entry.place.path.clone_from(&path);
                    entry.node.set_paths(path);
                }
            }
            _ => {}
        }
        self.place.path = path;
    }
}

/// Reads a file's text: JSON where its name ends in `.json` or the text is JSON, else YAML 1.2 (core schema).
///
/// # Errors
/// Every duplicate key, or the one place where the text cannot be read.
pub(super) fn parse(text: &str, file: &Arc<str>) -> Result<Node, Vec<Problem>> {
    if text.len() > MAX_BYTES {
        let message = format!("found {} bytes, expected at most {MAX_BYTES}", text.len());
        return Err(vec![Problem::new(&Place::whole(file), message)]);
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let named_json = file.ends_with(".json");
    let mut node = if named_json {
        json::parse(text, file)?
    } else if text.trim_start().starts_with('{') {
        // YAML's flow style begins like JSON; JSON's escapes and tabs are its own, so JSON is tried first.
        json::parse(text, file).or_else(|problems| yaml::parse(text, file).map_err(|_| problems))?
    } else {
        yaml::parse(text, file)?
    };
    node.set_paths(String::new());
    Ok(node)
}

/// The problem of a key that stands twice.
fn duplicate(key: &str, again: Place, first: &Place) -> Problem {
    let key = super::shape::shown_key(key);
    Problem {
        place: again,
        message: format!(
            "the key {key} stands here again, first at line {}, column {}; keep one",
            first.line, first.column
        ),
    }
}
