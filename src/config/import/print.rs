//! How is a configuration written as YAML that a person can go on with?

use std::fmt::Write as _;

use super::{IdmFiles, beside, is_encrypted, name};
use crate::config::problem::Problem;
use crate::config::tree::{Entry, Kind, Node};

/// What a key of `rsFilter` is for, where its name does not say it.
const COMMENTS: [(&str, &str); 8] = [
    ("clientSecret", "may be `{ file: … }` or `{ env: … }`, too"),
    ("scopes", "every token must have them"),
    ("cache", "how long an answer about a token is remembered, and never past the token's own end"),
    ("augmentSecurityContext", "runs after every authentication; without files, `require` and `openidm`"),
    ("subjectMapping", "realm -> collection -> user -> roles"),
    ("staticUserMapping", "whole subject -> fixed user; wins over subjectMapping"),
    ("anonymousUserMapping", "who a request without a token is; without it: 401"),
    ("accountStatus", "which accounts may log in"),
];

/// What was read out of IDM's files.
pub(super) struct Made<'n> {
    /// `rsFilter`.
    pub(super) rs_filter: Option<&'n Node>,
    /// The access rules.
    pub(super) rules: Option<&'n Node>,
    /// Whether some of them only IDM can answer, and are to be kept all the same.
    pub(super) idm_only: bool,
    /// Whether functions stand beside the rules.
    pub(super) functions: bool,
}

/// The whole file. `warnings` are those of IDM's files; each stands above what it is about.
pub(super) fn file(files: &IdmFiles, made: &Made<'_>, warnings: &[Problem]) -> String {
    let mut out = Yaml { text: String::new(), warnings, told: Vec::new() };
    let read: Vec<String> = files.authentication.iter().chain(&files.access).map(|file| name(file)).collect();
    out.comment(0, &format!("Made by `keyward import idm` from {}.", read.join(" and ")));
    out.comment(0, "Paths of files count from the folder of this file: write it where the command ran.");
    if let Some(node) = made.rs_filter {
        out.text.push_str("rsFilter:\n");
        for entry in node.entries() {
            out.rs_filter_key(entry);
        }
        out.text.push('\n');
        out.comment(
            0,
            "Where the users of subjectMapping live, as Keyward reaches them; `auth` says who Keyward is there.",
        );
        out.text.push_str("directory:\n  idm:\n    url: \"&{idm.url}\"\n\n");
    }
    if let Some(node) = made.rules {
        out.comment(0, "create, read, update, delete, patch, action, query on the path after contextPath.");
        out.text.push_str("access:\n  style: crest\n  contextPath: /openidm\n");
        let beside = beside(files);
        if !beside.is_empty() {
            out.text.push_str("  idm:\n");
        }
        for (key, file) in beside {
            let _infallible = writeln!(out.text, "    {key}: {}", text(file.as_str().unwrap_or_default()));
        }
        if let (true, Some(file)) = (made.functions, &files.access) {
            let _infallible = writeln!(out.text, "  functionsFile: {}", text(&name(file)));
        }
        if made.idm_only {
            out.comment(2, "Rules that only IDM can answer are kept and grant nothing; `refuse`: they are errors.");
            out.text.push_str("  idmOnlyRules: neverGrant\n");
        }
        out.text.push_str("  rules:");
        out.text.push_str(if node.items().is_empty() { " []\n" } else { "\n" });
        for rule in node.items() {
            out.rule(rule);
        }
    }
    out.rest();
    out.text
}

struct Yaml<'w> {
    text: String,
    warnings: &'w [Problem],
    /// Which warnings stand in the text already.
    told: Vec<usize>,
}

impl Yaml<'_> {
    fn comment(&mut self, indent: usize, text: &str) {
        let line: String = text
            .chars()
            .map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') { ' ' } else { c })
            .collect();
        let _infallible = writeln!(self.text, "{:indent$}# {line}", "");
    }

    /// The warnings about `node` and what is in it.
    fn attention(&mut self, indent: usize, node: &Node) {
        let path = &node.place.path;
        let within = |rest: &str| rest.is_empty() || rest.starts_with(['.', '[']);
        let is_about = |problem: &Problem| {
            problem.place.file == node.place.file
                && !path.is_empty()
                && problem.place.path.strip_prefix(path.as_str()).is_some_and(within)
        };
        for (index, problem) in self.warnings.iter().enumerate().filter(|(_, problem)| is_about(problem)) {
            let key = problem.place.path.strip_prefix(path.as_str()).unwrap_or_default().trim_start_matches('.');
            let colon = if key.is_empty() { "" } else { ": " };
            self.comment(indent, &format!("ATTENTION {key}{colon}{}", problem.message));
            self.told.push(index);
        }
    }

    /// The warnings that have no place in this file.
    fn rest(&mut self) {
        for (index, problem) in self.warnings.iter().enumerate() {
            if !self.told.contains(&index) {
                self.comment(0, &format!("ATTENTION {problem}"));
            }
        }
    }

    fn rs_filter_key(&mut self, entry: &Entry) {
        if let Some((_, comment)) = COMMENTS.iter().find(|(key, _)| *key == entry.key) {
            self.comment(2, comment);
        }
        self.attention(2, &entry.node);
        if entry.key == "clientSecret" && is_encrypted(&entry.node) {
            self.comment(2, "IDM encrypted it with a key of its own; give it here.");
            self.text.push_str("  clientSecret: \"&{rs.client.secret}\"\n");
        } else {
            self.block(2, &entry.key, &entry.node);
        }
    }

    /// A key and its value, over as many lines as it takes.
    fn block(&mut self, indent: usize, key: &str, node: &Node) {
        let _infallible = write!(self.text, "{:indent$}{}:", "", text(key));
        self.value(indent, node);
    }

    fn value(&mut self, indent: usize, node: &Node) {
        match &node.kind {
            Kind::Map(entries) if !entries.is_empty() => {
                self.text.push('\n');
                for entry in entries {
                    self.block(indent + 2, &entry.key, &entry.node);
                }
            }
            Kind::List(items) if items.iter().any(|item| matches!(item.kind, Kind::Map(_) | Kind::List(_))) => {
                self.text.push('\n');
                for item in items {
                    let _infallible = writeln!(self.text, "{:indent$}  - {}", "", flow(item));
                }
            }
            _ => {
                let _infallible = writeln!(self.text, " {}", flow(node));
            }
        }
    }

    /// One line a rule, as in IDM's own files. `null` is as if the key were not there.
    fn rule(&mut self, rule: &Node) {
        self.attention(4, rule);
        let present = rule.entries().iter().filter(|entry| !matches!(entry.node.kind, Kind::Null));
        let members: Vec<String> =
            present.map(|entry| format!("{}: {}", text(&entry.key), flow(&entry.node))).collect();
        let _infallible = writeln!(self.text, "    - {{ {} }}", members.join(", "));
    }
}

/// A value on one line.
pub(in crate::config) fn flow(node: &Node) -> String {
    match &node.kind {
        Kind::Null => "null".to_owned(),
        Kind::Bool(value) => value.to_string(),
        Kind::Number(number) => number.to_string(),
        Kind::Text(value) => text(value),
        Kind::List(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Kind::Map(entries) if entries.is_empty() => "{}".to_owned(),
        Kind::Map(entries) => {
            let members = entries.iter().map(|entry| format!("{}: {}", text(&entry.key), flow(&entry.node)));
            format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
        }
    }
}

/// A text, in quotes where it could be read as something else.
fn text(value: &str) -> String {
    let plain = value.starts_with(|c: char| c.is_ascii_alphabetic())
        && value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '/' | '.' | '*' | '-'))
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&value.to_lowercase().as_str());
    if plain {
        return value.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in value.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            _ if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                let _infallible = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            _ => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
