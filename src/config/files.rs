//! Which properties may expressions name?

use std::collections::BTreeMap;

use super::meaning::Context;
use super::problem::{Place, Problem};
use super::tree::{self, Kind, Node};

/// Properties by name; a file that stands earlier in `propertyFiles` wins.
pub(super) type Properties = BTreeMap<String, Node>;

/// Reads `propertyFiles`.
pub(super) fn properties(tree: &Node, cx: &mut Context<'_>) -> Properties {
    let mut properties = Properties::new();
    for node in tree.get("propertyFiles").map(Node::items).unwrap_or_default() {
        let Some(file) = node.text() else { continue };
        let text = match cx.read_text(file) {
            Ok(text) => text,
            Err(error) => {
                cx.problems.push(Problem::new(
                    &node.place,
                    format!("the property file {} {error}", super::shape::shown(node, false)),
                ));
                continue;
            }
        };
        let name = cx.resolve(file).display().to_string().into();
        if file.ends_with(".properties") {
            let place = Place::whole(&name);
            for (key, value) in java_properties(&text) {
                let node = Node { place: place.child(&key), kind: Kind::Text(value), substituted: true };
                properties.entry(key).or_insert(node);
            }
        } else {
            match tree::parse(&text, &name) {
                Ok(root) => flatten(&root, "", &mut properties),
                Err(problems) => cx.problems.extend(problems),
            }
        }
    }
    properties
}

/// `{a: {b: 1}}` is found as `a.b` and as `a`.
fn flatten(node: &Node, prefix: &str, into: &mut Properties) {
    for entry in node.entries() {
        let name = if prefix.is_empty() { entry.key.clone() } else { format!("{prefix}.{}", entry.key) };
        flatten(&entry.node, &name, into);
        into.entry(name).or_insert_with(|| entry.node.clone());
    }
}

/// The key-value pairs of a Java `.properties` file; the last of one name wins, as in Java.
fn java_properties(text: &str) -> BTreeMap<String, String> {
    let mut properties = BTreeMap::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let line = line.trim_start_matches([' ', '\t', '\u{c}']);
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        let mut logical = line.to_owned();
        while continues(&logical) {
            logical.pop();
            match lines.next() {
                Some(next) => logical.push_str(next.trim_start_matches([' ', '\t', '\u{c}'])),
                None => break,
            }
        }
        let (key, value) = split_property(&logical);
        properties.insert(unescape(key), unescape(value));
    }
    properties
}

/// Whether a line ends in an odd number of backslashes.
fn continues(line: &str) -> bool {
    line.chars().rev().take_while(|c| *c == '\\').count() % 2 == 1
}

/// Key and value, still escaped: the key ends at the first `=`, `:` or white space that no backslash precedes.
fn split_property(line: &str) -> (&str, &str) {
    let mut escaped = false;
    for (index, c) in line.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if matches!(c, '=' | ':' | ' ' | '\t' | '\u{c}') {
            let (key, rest) = line.split_at(index);
            let white = [' ', '\t', '\u{c}'];
            let rest = rest.trim_start_matches(white);
            let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
            return (key, rest.trim_start_matches(white));
        }
    }
    (line, "")
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('f') => out.push('\u{c}'),
            Some('u') => {
                let digits: String = chars.by_ref().take(4).collect();
                let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                out.push(code.unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            Some(other) => out.push(other),
            None => {}
        }
    }
    out
}
