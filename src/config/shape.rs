//! Does a file have the shape that the schema describes? Every difference at once, each with its place.

use serde_json::{Map, Value};

use super::problem::{Place, Problem};
use super::tree::{Kind, Node};
use crate::giving_way;

/// Values that an error message shows are at most this long.
const MAX_SHOWN: usize = 60;

/// What a file's shape has that the schema does not, and the other way round.
pub(super) struct Shape<'s> {
    /// Every difference.
    pub problems: Vec<Problem>,
    /// Those of them that are a missing key.
    pub missing: Vec<Missing<'s>>,
}

/// A key that must be there and is not.
pub(super) struct Missing<'s> {
    /// The map that it is missing from.
    pub from: Place,
    /// The key.
    pub key: &'s str,
    /// The schema's example of a value.
    pub example: Option<&'s Value>,
}

/// Checks `node` against `schema`, which is one of ours: a small part of JSON Schema is understood.
pub(super) fn check<'s>(node: &Node, schema: &'s Value) -> Shape<'s> {
    let mut checker = Checker { root: schema, problems: Vec::new(), missing: Vec::new() };
    checker.check(node, schema, false);
    Shape { problems: checker.problems, missing: checker.missing }
}

/// A key for a message; one that does not look like a key may be a misplaced secret and is not shown.
pub(super) fn shown_key(key: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "_-.$/*".contains(c);
    if !key.is_empty() && key.len() <= MAX_SHOWN && key.chars().all(harmless) {
        format!("`{key}`")
    } else {
        "(an odd text)".to_owned()
    }
}

/// A value for a message: its text where it is short and no secret, else its kind.
pub(super) fn shown(node: &Node, secret: bool) -> String {
    let text = match &node.kind {
        Kind::Bool(value) => value.to_string(),
        Kind::Number(number) => number.to_string(),
        Kind::Text(text) => text.clone(),
        _ => return node.kind_name().to_owned(),
    };
    if secret || node.substituted || text.chars().count() > MAX_SHOWN {
        return node.kind_name().to_owned();
    }
    format!("`{}`", text.escape_debug())
}

struct Checker<'s> {
    root: &'s Value,
    problems: Vec<Problem>,
    missing: Vec<Missing<'s>>,
}

/// One way a value may look, with what the schema says on the way to it.
struct Alternative<'s> {
    schema: &'s Map<String, Value>,
}

impl<'s> Checker<'s> {
    fn check(&mut self, node: &Node, schema: &'s Value, secret: bool) {
        giving_way::step();
        let mut facts = Facts { secret, ..Facts::default() };
        let mut alternatives = Vec::new();
        self.collect(schema, &mut facts, &mut alternatives);
        if alternatives.iter().all(|a| a.schema.is_empty()) {
            return;
        }
        if matches!(node.kind, Kind::Null) && facts.null {
            return;
        }
        let fitting: Vec<_> = alternatives.iter().filter(|a| accepts(a.schema, node)).collect();
        let best = fitting.iter().max_by_key(|a| known_keys(a.schema, node));
        match best {
            Some(_) if fitting.iter().any(|a| !choices(a.schema).is_empty()) => {
                self.check_choice(node, &fitting, facts.secret);
            }
            // None of several maps is like it: naming one of them would mislead.
            Some(best) if fitting.len() > 1 && known_keys(best.schema, node) == 0 => {
                self.wrong_kind(node, &alternatives, &facts);
            }
            Some(best) => self.check_inside(node, best.schema, &facts),
            None => self.wrong_kind(node, &alternatives, &facts),
        }
    }

    /// Follows references and `anyOf`/`oneOf` down to the ways a value may look.
    fn collect(&self, schema: &'s Value, facts: &mut Facts<'s>, into: &mut Vec<Alternative<'s>>) {
        let Value::Object(members) = schema else { return };
        facts.secret |= members.get("writeOnly").is_some_and(|v| v == true);
        facts.null |= members.get("x-null").is_some_and(|v| v == true);
        facts.expected = facts.expected.or_else(|| members.get("x-expected").and_then(Value::as_str));
        facts.advice = facts.advice.or_else(|| members.get("x-advice").and_then(Value::as_str));
        if let Some(target) = members.get("$ref").and_then(Value::as_str) {
            if let Some(target) = target.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer)) {
                self.collect(target, facts, into);
            }
            return;
        }
        let branches = members.get("anyOf").or_else(|| members.get("oneOf")).and_then(Value::as_array);
        match branches {
            Some(branches) => {
                for branch in branches {
                    self.collect(branch, facts, into);
                }
            }
            None if members.get("type").is_some_and(|t| t == "null") => {}
            None => into.push(Alternative { schema: members }),
        }
    }

    fn check_inside(&mut self, node: &Node, schema: &'s Map<String, Value>, facts: &Facts<'_>) {
        match &node.kind {
            Kind::Map(_) => self.check_map(node, schema, facts.secret),
            Kind::List(items) => {
                if let Some(of_items) = schema.get("items") {
                    for item in items {
                        self.check(item, of_items, facts.secret);
                    }
                }
            }
            Kind::Number(number) => {
                let value = number.as_f64().unwrap_or(f64::NAN);
                let least = schema.get("minimum").and_then(Value::as_f64);
                let most = schema.get("maximum").and_then(Value::as_f64);
                if least.is_some_and(|least| value < least) || most.is_some_and(|most| value > most) {
                    let range = match (least, most) {
                        (Some(least), Some(most)) => format!("a number from {least} to {most}"),
                        (Some(least), None) => format!("a number from {least} on"),
                        _ => format!("a number up to {}", most.unwrap_or_default()),
                    };
                    self.report(node, format!("found {}, expected {range}", shown(node, facts.secret)));
                }
            }
            _ => {}
        }
    }

    fn check_map(&mut self, node: &Node, schema: &'s Map<String, Value>, secret: bool) {
        let properties = schema.get("properties").and_then(Value::as_object);
        for entry in node.entries() {
            let known = properties.and_then(|p| p.get(&entry.key));
            match (known, schema.get("additionalProperties")) {
                (Some(known), _) => self.check(&entry.node, known, secret),
                (None, Some(Value::Bool(false))) => {
                    let message = unknown_key(&entry.key, properties);
                    let mut place = entry.place.clone();
                    // SECURITY: what stands where a secret belongs may be one, whatever it looks like.
                    if secret || shown_key(&entry.key).starts_with('(') {
                        place.path.clone_from(&node.place.path);
                    }
                    self.problems.push(Problem { place, message });
                }
                (None, Some(others)) => self.check(&entry.node, others, secret),
                (None, None) => {}
            }
        }
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        for key in required {
            if node.get(key).is_none() {
                let of_key = properties.and_then(|p| p.get(key));
                let expected = of_key.map(|s| self.expectation(s)).unwrap_or_default();
                let example = of_key.and_then(|s| s.pointer("/examples/0"));
                self.missing.push(Missing { from: node.place.clone(), key, example });
                let place = node.place.child(key);
                self.problems.push(Problem { place, message: format!("is missing, expected {expected}") });
            }
        }
    }

    fn check_choice(&mut self, node: &Node, fitting: &[&Alternative<'s>], secret: bool) {
        let allowed: Vec<&str> = fitting.iter().flat_map(|a| choices(a.schema)).collect();
        let Some(text) = node.text() else { return };
        if allowed.contains(&text) {
            return;
        }
        let near = if secret || node.substituted { None } else { nearest(text, allowed.iter().copied()) };
        let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        let allowed = one_of(allowed.into_iter());
        self.report(node, format!("found {}, expected {allowed}{near}", shown(node, secret)));
    }

    fn wrong_kind(&mut self, node: &Node, alternatives: &[Alternative<'s>], facts: &Facts<'_>) {
        let crypto = facts.secret && node.get("$crypto").is_some();
        let expected = describe(alternatives, facts);
        // A text where a map or list belongs may be `clientSecret:hunter2` without its space: it is not shown.
        let scalar = alternatives.iter().any(|a| !matches!(type_of(a.schema), "object" | "array"));
        let found = if scalar { shown(node, facts.secret) } else { node.kind_name().to_owned() };
        let advice = match (&node.kind, facts.advice) {
            (Kind::Null, _) => "; give a value or take the key away",
            _ if crypto => "",
            (Kind::Text(_), _) if node.substituted => {
                "; an expression gives a text: turn it into what is needed with `$int`, `$number`, `$bool`, `$list` or `$object`"
            }
            (_, Some(advice)) => return self.report(node, format!("found {found}, expected {expected}; {advice}")),
            (Kind::Number(_) | Kind::Bool(_), None) if expected.contains("text") => "; put it in quotes",
            _ => "",
        };
        self.report(node, format!("found {found}, expected {expected}{advice}"));
    }

    fn expectation(&self, schema: &'s Value) -> String {
        let mut facts = Facts::default();
        let mut alternatives = Vec::new();
        self.collect(schema, &mut facts, &mut alternatives);
        describe(&alternatives, &facts)
    }

    fn report(&mut self, node: &Node, message: String) {
        self.problems.push(Problem::new(&node.place, message));
    }
}

#[derive(Default)]
struct Facts<'s> {
    secret: bool,
    null: bool,
    expected: Option<&'s str>,
    advice: Option<&'s str>,
}

/// The (first) type a schema names that is not `null`; empty where it names none.
fn type_of(schema: &Map<String, Value>) -> &str {
    match schema.get("type") {
        Some(Value::String(name)) => name,
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).find(|n| *n != "null").unwrap_or_default(),
        _ if schema.contains_key("enum") || schema.contains_key("const") => "string",
        _ => "",
    }
}

fn accepts(schema: &Map<String, Value>, node: &Node) -> bool {
    match (type_of(schema), &node.kind) {
        ("", _) | ("string", Kind::Text(_)) | ("boolean", Kind::Bool(_)) | ("number", Kind::Number(_)) => true,
        ("integer", Kind::Number(number)) => number.is_u64() || number.is_i64(),
        ("array", Kind::List(_)) | ("object", Kind::Map(_)) => true,
        _ => false,
    }
}

fn known_keys(schema: &Map<String, Value>, node: &Node) -> usize {
    let properties = schema.get("properties").and_then(Value::as_object);
    node.entries().iter().filter(|e| properties.is_some_and(|p| p.contains_key(&e.key))).count()
}

fn choices(schema: &Map<String, Value>) -> Vec<&str> {
    let several = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
    several.chain(schema.get("const")).filter_map(Value::as_str).collect()
}

fn describe(alternatives: &[Alternative<'_>], facts: &Facts<'_>) -> String {
    if let Some(expected) = facts.expected {
        return expected.to_owned();
    }
    let allowed: Vec<&str> = alternatives.iter().flat_map(|a| choices(a.schema)).collect();
    if !allowed.is_empty() {
        return one_of(allowed.into_iter());
    }
    let mut names: Vec<&str> = Vec::new();
    for alternative in alternatives {
        let name = match type_of(alternative.schema) {
            "string" => "a text",
            "boolean" => "true or false",
            "integer" => "a whole number",
            "number" => "a number",
            "array" => "a list",
            "object" => "a map",
            _ => "a value",
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(" or ")
}

fn one_of<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<String> = words.map(|word| format!("`{word}`")).collect();
    match words.as_slice() {
        [start @ .., last] if !start.is_empty() => format!("{} or {last}", start.join(", ")),
        _ => words.concat(),
    }
}

fn unknown_key(key: &str, properties: Option<&Map<String, Value>>) -> String {
    let known = || properties.into_iter().flat_map(Map::keys).map(String::as_str);
    match nearest(key, known()) {
        Some(near) => format!("found an unknown key; did you mean `{near}`?"),
        None => format!("found an unknown key, expected {}", one_of(known())),
    }
}

/// The word most like `text`, if one is like it at all.
pub(super) fn nearest<'w>(text: &str, words: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    let text = text.to_lowercase();
    let near = words.map(|word| (strsim::jaro_winkler(&text, &word.to_lowercase()), word));
    near.filter(|(likeness, _)| *likeness >= 0.85).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, word)| word)
}
