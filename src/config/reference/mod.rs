//! What does the configuration language look like to a person? The schema as Markdown.

mod values;

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::raw;
use values::{Below, Book};

const INTRO: &str = include_str!("intro.md");

/// Keys of a filter that stand below `filters` only.
const FILTERS_OWN: [&str; 3] = ["name", "hosts", "issuers"];

/// A map of the language: where it stands, and its schema.
struct Section<'s> {
    path: String,
    schema: &'s Map<String, Value>,
}

/// Every key of a configuration file, a table for each map.
#[must_use]
pub fn reference() -> String {
    let schema = raw::whole_schema();
    let book = Book::new(&schema);
    let mut sections = Vec::new();
    if let Some(top) = schema.as_object() {
        collect(&book, top, String::new(), &mut sections);
    }
    let mut text = INTRO.to_owned();
    text.push_str("\n## Contents\n\n");
    for section in &sections {
        let depth = section.path.matches('.').count() + usize::from(!section.path.is_empty());
        let indent = depth.saturating_sub(1) * 2;
        let _infallible = writeln!(text, "{:indent$}- [{}](#{})", "", name(section), anchor(&section.path));
    }
    for section in &sections {
        write_section(&book, section, &mut text);
    }
    text
}

/// The map itself and every map below it, in the order of their paths.
fn collect<'s>(book: &Book<'s>, schema: &'s Map<String, Value>, path: String, into: &mut Vec<Section<'s>>) {
    into.push(Section { path: path.clone(), schema });
    for (key, property) in keys(schema, &path) {
        for below in book.below(property) {
            let path = join(&path, key, &below);
            collect(book, below.schema, path, into);
        }
    }
}

fn write_section(book: &Book<'_>, section: &Section<'_>, text: &mut String) {
    let Section { path, schema } = section;
    let _infallible = write!(text, "\n## {}\n\n", name(section));
    let mut described = description(schema);
    if path == "filters[]" {
        described.push_str(
            " Beside the keys here a filter may have every key of the [top level](#top-level) but `listen`, `audit`, \
             `explain`, `propertyFiles`, `filters` and `serverAuthContext`.",
        );
    }
    let _infallible = write!(text, "{described}\n\n| key | value | default | meaning |\n| --- | --- | --- | --- |\n");
    let required = schema.get("required").and_then(Value::as_array);
    for (key, property) in keys(schema, path) {
        let link = |below: &Below<'_>| anchor(&join(path, key, below));
        let value = book.value(property, &link);
        let (meaning, default) = split_default(&description(property.as_object().unwrap_or(&Map::new())));
        let is_required = required.is_some_and(|keys| keys.iter().any(|other| other == key));
        let default = if is_required { "**required**".to_owned() } else { default.unwrap_or_else(|| "–".to_owned()) };
        let example = property.pointer("/examples/0").map(|example| format!("`{}`", values::inline(example)));
        let example = example.filter(|example| ![&value, &default, &meaning].iter().any(|cell| cell.contains(example)));
        let example = example.map(|example| format!(" E.g. {example}.")).unwrap_or_default();
        let row = [format!("`{key}`"), value, default, meaning + &example];
        let _infallible = writeln!(text, "| {} |", row.map(|cell| cell.replace('|', "\\|")).join(" | "));
    }
    if let Some(example) = schema.get("examples").and_then(|examples| examples.get(0)) {
        let _infallible = write!(text, "\n```yaml\n{}```\n", values::block(path, example));
    }
}

/// The keys that a section tells: required ones first, and what a filter shares with the top level only there.
fn keys<'s>(schema: &'s Map<String, Value>, path: &str) -> Vec<(&'s String, &'s Value)> {
    let required = schema.get("required").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    let told = properties.filter(|(key, _)| path != "filters[]" || FILTERS_OWN.contains(&key.as_str()));
    let mut told: Vec<_> = told.collect();
    told.sort_by_key(|(key, _)| !required.iter().any(|other| other == *key));
    told
}

fn join(path: &str, key: &str, below: &Below<'_>) -> String {
    let dot = if path.is_empty() { "" } else { "." };
    format!("{path}{dot}{key}{}", below.suffix)
}

fn name(section: &Section<'_>) -> String {
    if section.path.is_empty() { "Top level".to_owned() } else { format!("`{}`", section.path) }
}

/// As GitHub makes them of headings.
fn anchor(path: &str) -> String {
    if path.is_empty() {
        return "top-level".to_owned();
    }
    path.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect::<String>().to_lowercase()
}

/// A description on one line.
fn description(schema: &Map<String, Value>) -> String {
    let text = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a key means, and its default: the words that its description ends with.
fn split_default(description: &str) -> (String, Option<String>) {
    match description.split_once("Default ") {
        Some((meaning, default)) => {
            (meaning.trim_end().to_owned(), Some(default.strip_suffix('.').unwrap_or(default).to_owned()))
        }
        None => (description.to_owned(), None),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// `UPDATE=1 cargo test --lib the_committed` rewrites it.
    #[test]
    fn the_committed_reference_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md");
        let current = reference();
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, &current).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            committed == current,
            "docs/configuration.md is stale: `UPDATE=1 cargo test --lib the_committed` renews it"
        );
    }

    #[test]
    fn every_key_of_the_schema_is_in_the_reference_and_every_link_leads_somewhere() {
        let (schema, text) = (raw::whole_schema(), reference());
        // How secrets are written has a chapter of its own.
        let definitions = schema["$defs"].as_object().unwrap().iter().filter(|(name, _)| !name.starts_with("Secret"));
        let definitions = definitions.map(|(_, definition)| definition).chain([&schema]);
        for key in definitions.filter_map(|definition| definition["properties"].as_object()).flat_map(Map::keys) {
            assert!(text.contains(&format!("\n| `{key}` | ")), "`{key}` is not told");
        }
        let headings = text.lines().filter_map(|line| line.strip_prefix("## "));
        let anchors: Vec<String> = headings.map(|it| anchor(&it.replace(' ', "-"))).collect();
        let different: BTreeSet<&String> = anchors.iter().collect();
        assert_eq!(different.len(), anchors.len(), "two headings have one anchor: {anchors:?}");
        for link in text.split("](#").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            assert!(anchors.iter().any(|anchor| anchor == link), "#{link} leads nowhere");
        }
    }

    #[test]
    fn a_default_is_the_end_of_a_description() {
        let schema = raw::whole_schema();
        for (name, definition) in schema["$defs"].as_object().unwrap() {
            for (key, property) in definition["properties"].as_object().into_iter().flatten() {
                let told = description(property.as_object().unwrap());
                let default = split_default(&told).1.unwrap_or_default();
                let one = !default.contains("Default ") && !default.contains(". ");
                assert!(one && told.ends_with('.'), "{name}.{key}: what follows `Default` is the default: {told}");
            }
        }
    }

    #[test]
    fn every_map_s_example_has_the_shape_of_its_map() {
        let schema = raw::whole_schema();
        for (name, definition) in schema["$defs"].as_object().unwrap() {
            let Some(example) = definition["examples"].get(0) else { continue };
            let text = serde_json::json!({ "x": example }).to_string();
            let node = crate::config::tree::parse(&text, &"example.json".into()).unwrap_or_else(|_| panic!("{text}"));
            let of_key =
                serde_json::json!({ "$defs": schema["$defs"], "type": "object", "properties": { "x": definition } });
            let found = crate::config::shape::check(&node, &of_key).problems;
            assert!(found.is_empty(), "{name}: {found:?}");
        }
    }
}
