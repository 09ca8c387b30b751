//! What does a case file say? YAML to JSON values, read apart from Keyward's own reader.

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

/// Reads a text of one document. Plain scalars follow the JSON-like part of YAML 1.2's core schema.
pub fn parse(name: &str, text: &str) -> Value {
    let mut events: Vec<Event<'_>> = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!matches!(event, Event::Alias(_)), "{name}: no aliases here ({span:?})");
        events.push(event);
    }
    events.reverse();
    while !matches!(events.pop(), Some(Event::DocumentStart(_)) | None) {}
    value(name, &mut events)
}

fn value(name: &str, rest: &mut Vec<Event<'_>>) -> Value {
    match rest.pop() {
        Some(Event::Scalar(text, ScalarStyle::Plain, ..)) => plain(&text),
        Some(Event::Scalar(text, ..)) => Value::String(text.into_owned()),
        Some(Event::SequenceStart(..)) => {
            let mut list = Vec::new();
            while !matches!(rest.last(), Some(Event::SequenceEnd)) {
                list.push(value(name, rest));
            }
            rest.pop();
            Value::Array(list)
        }
        Some(Event::MappingStart(..)) => {
            let mut map = Map::new();
            while !matches!(rest.last(), Some(Event::MappingEnd)) {
                let Some(Event::Scalar(key, ..)) = rest.pop() else { panic!("{name}: a key that is no text") };
                let held = value(name, rest);
                assert!(map.insert(key.to_string(), held).is_none(), "{name}: `{key}` twice");
            }
            rest.pop();
            Value::Object(map)
        }
        other => panic!("{name}: unexpected {other:?}"),
    }
}

fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        // Numbers only; a quoted text or anything else stays a text.
        _ => serde_json::from_str::<serde_json::Number>(text).map_or_else(|_| text.into(), Value::Number),
    }
}

/// RFC 7396: lays `patch` over `target`; `null` takes a member away.
pub fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(members) = target else { unreachable!("made an object above") };
    for (name, value) in patch {
        if value.is_null() {
            members.remove(name);
        } else {
            merge(members.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}
