//! How is said what a key's value may be?

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::config::import::flow;
use crate::config::tree;

/// The schema, through which references lead.
pub(super) struct Book<'s> {
    root: &'s Value,
}

/// A map that a key's value is or consists of.
pub(super) struct Below<'s> {
    /// What follows the key in the map's path: nothing, `[]` for items of a list, `.*` for values of a map.
    pub suffix: &'static str,
    /// The map's schema.
    pub schema: &'s Map<String, Value>,
}

impl<'s> Book<'s> {
    pub(super) fn new(root: &'s Value) -> Self {
        Self { root }
    }

    /// The maps with keys of their own that a value is, or is a list or map of.
    pub(super) fn below(&self, schema: &'s Value) -> Vec<Below<'s>> {
        let mut found: Vec<Below<'s>> = Vec::new();
        if expected(schema, self).is_some() {
            return found;
        }
        for form in self.forms(schema) {
            let with = |suffix| move |schema| Below { suffix, schema };
            let here = has_keys(form).then_some(form).map(with(""));
            let items = form.get("items").map(|items| self.forms(items)).unwrap_or_default();
            let values = form.get("additionalProperties").map(|values| self.forms(values)).unwrap_or_default();
            let items = items.into_iter().filter(|form| has_keys(form)).map(with("[]"));
            let values = values.into_iter().filter(|form| has_keys(form)).map(with(".*"));
            for below in here.into_iter().chain(items).chain(values) {
                // One or a list of them: it is told once.
                if !found.iter().any(|other| std::ptr::eq(other.schema, below.schema)) {
                    found.push(below);
                }
            }
        }
        found
    }

    /// What a value may be, in words; `link` is the anchor of a map's section.
    pub(super) fn value(&self, schema: &'s Value, link: &dyn Fn(&Below<'_>) -> String) -> String {
        if let Some(expected) = expected(schema, self) {
            return expected.to_owned();
        }
        let below = self.below(schema);
        let mut choices = Vec::new();
        let mut words: Vec<String> = Vec::new();
        for form in self.forms(schema) {
            if let Some(choice) = form.get("const").and_then(Value::as_str) {
                let meaning = form.get("description").and_then(Value::as_str).unwrap_or_default();
                choices.push(format!("`{choice}`: {}", meaning.trim_end_matches('.')));
                continue;
            }
            let linked = |schema: &Map<String, Value>, word: &str| {
                let known = below.iter().find(|below| std::ptr::eq(below.schema, schema));
                known.map_or_else(|| word.to_owned(), |below| format!("[{word}](#{})", link(below)))
            };
            let word = match type_of(form) {
                "array" => {
                    let items = form.get("items").map(|items| self.forms(items)).unwrap_or_default();
                    let items: Vec<String> = items.into_iter().map(|item| linked(item, plural(item))).collect();
                    if items.is_empty() { "list".to_owned() } else { format!("list of {}", either(&items)) }
                }
                "object" if has_keys(form) => linked(form, "map"),
                "object" => match form.get("additionalProperties") {
                    Some(Value::Bool(false)) => "`{}`".to_owned(),
                    values => {
                        let values = values.map(|values| self.forms(values)).unwrap_or_default();
                        let values: Vec<String> =
                            values.into_iter().map(|value| linked(value, plural(value))).collect();
                        if values.is_empty() { "map".to_owned() } else { format!("map of {}", either(&values)) }
                    }
                },
                _ => singular(form),
            };
            if !words.contains(&word) {
                words.push(word);
            }
        }
        if !choices.is_empty() {
            words.insert(0, choices.join("<br>"));
        }
        either(&words)
    }

    /// The ways a value may look.
    fn forms(&self, schema: &'s Value) -> Vec<&'s Map<String, Value>> {
        let Value::Object(members) = schema else { return Vec::new() };
        if let Some(target) = self.target(members) {
            return self.forms(target);
        }
        match members.get("anyOf").or_else(|| members.get("oneOf")).and_then(Value::as_array) {
            Some(branches) => branches.iter().flat_map(|branch| self.forms(branch)).collect(),
            // That a key of IDM's files may be `null` means that it is not there.
            None if members.get("type").is_some_and(|name| name == "null") => Vec::new(),
            None => vec![members],
        }
    }

    fn target(&self, members: &Map<String, Value>) -> Option<&'s Value> {
        let pointer = members.get("$ref").and_then(Value::as_str)?.strip_prefix('#')?;
        self.root.pointer(pointer)
    }
}

/// Values that have a chapter of their own.
fn expected<'s>(schema: &'s Value, book: &Book<'s>) -> Option<&'static str> {
    let members = book.target(schema.as_object()?)?.as_object()?;
    if members.get("writeOnly").is_some_and(|secret| secret == true) {
        return Some("[secret](#secrets)");
    }
    let expected = members.get("x-expected").and_then(Value::as_str)?;
    expected.starts_with("a duration").then_some("[duration](#durations)")
}

fn has_keys(form: &Map<String, Value>) -> bool {
    form.get("properties").and_then(Value::as_object).is_some_and(|keys| !keys.is_empty())
}

fn type_of(form: &Map<String, Value>) -> &str {
    match form.get("type") {
        Some(Value::String(name)) => name,
        Some(Value::Array(names)) => {
            names.iter().filter_map(Value::as_str).find(|name| *name != "null").unwrap_or_default()
        }
        _ => "",
    }
}

fn singular(form: &Map<String, Value>) -> String {
    match type_of(form) {
        "string" => "text".to_owned(),
        "boolean" => "`true`, `false`".to_owned(),
        "integer" => format!("whole number{}", range(form)),
        "number" => format!("number{}", range(form)),
        _ => "any".to_owned(),
    }
}

fn plural(form: &Map<String, Value>) -> &'static str {
    match type_of(form) {
        "string" => "texts",
        "array" => "lists",
        "object" => "maps",
        _ => "values",
    }
}

fn range(form: &Map<String, Value>) -> String {
    match (form.get("minimum"), form.get("maximum")) {
        (Some(least), Some(most)) => format!(" from {least} to {most}"),
        (Some(least), None) => format!(" from {least}"),
        (None, Some(most)) => format!(" up to {most}"),
        (None, None) => String::new(),
    }
}

fn either(words: &[String]) -> String {
    match words {
        [start @ .., last] if !start.is_empty() => format!("{} or {last}", start.join(", ")),
        words => words.concat(),
    }
}

/// A value within a line.
pub(super) fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => in_yaml(value),
    }
}

fn in_yaml(value: &Value) -> String {
    let holder = serde_json::json!({ "value": value }).to_string();
    let parsed = tree::parse(&holder, &"example.json".into()).ok();
    parsed.and_then(|holder| holder.get("value").map(flow)).unwrap_or_default()
}

/// A map as it stands at `path`.
pub(super) fn block(path: &str, value: &Value) -> String {
    let mut text = String::new();
    let mut indent = 0;
    let mut first = "";
    for key in path.split('.').filter(|key| !key.is_empty()) {
        let _infallible = writeln!(text, "{:indent$}{first}{}:", "", key.trim_end_matches("[]"));
        indent += 2 + first.len();
        first = if key.ends_with("[]") { "- " } else { "" };
    }
    for (key, value) in value.as_object().into_iter().flatten() {
        let _infallible = writeln!(text, "{:indent$}{first}{key}: {}", "", in_yaml(value));
        indent += std::mem::take(&mut first).len();
    }
    text
}
