//! What does `augmentSecurityContext` mean? (A10.)

use serde_json::Value;

use super::{Context, Here, advice};
use crate::config::problem::{Place, Problem};
use crate::config::raw;
use crate::config::tree::Node;
use crate::credential;
use crate::script::ScriptError;
use crate::script::augment::{AugmentScript, BINDINGS, Settings};

/// What IDM's scripts have beside [`BINDINGS`] (C7), and scripts here do not (E14).
const ABSENT: [&str; 5] = ["require", "load", "openidm", "identityServer", "privileges"];

/// The script of `rsFilter`, which stands at `filter`; `None` only if problems were collected.
pub(super) fn augment(
    cx: &mut Context<'_>,
    filter: &Here<'_>,
    mut raw: raw::Script,
    credential: Option<&credential::settings::Settings>,
) -> Option<Settings> {
    let here = filter.child("augmentSecurityContext");
    if !matches!(raw.kind.as_str(), "text/javascript" | "application/javascript") {
        let type_of = here.child("type");
        cx.problem(&type_of, format!("found {}, expected `text/javascript`: rewrite the script", type_of.shown()));
        return None;
    }
    let (source, file) = source(cx, &here, &raw)?;
    let mut globals = raw.globals.take().unwrap_or_default();
    globals.append(&mut raw.variables);
    for name in globals.keys().filter(|name| BINDINGS.contains(&name.as_str())) {
        cx.problem(&here, format!("found a variable `{name}`, which every script has already; give it another name"));
    }
    let settings = Settings {
        source,
        globals,
        properties: properties(filter),
        withheld_headers: credential.and_then(|it| it.header.as_ref()).map(ToString::to_string).into_iter().collect(),
        withhold_query: credential.is_some_and(|it| it.query_parameter.is_some()),
    };
    if let Err(error) = AugmentScript::compile(settings.clone()) {
        cx.problems.push(unreadable(&here, file, &error));
        return None;
    }
    if cx.lint {
        advice::of_script(cx, &here, file.as_deref(), &settings.source);
    }
    for name in ABSENT.into_iter().filter(|name| !settings.globals.contains_key(*name)) {
        if names(&settings.source, name) {
            let of_privileges = if name == "privileges" { ": Keyward does not know IDM's privileges" } else { "" };
            let message = format!(
                "the script names `{name}`, which scripts do not have here{of_privileges}; a run that reaches it refuses the \
                 request"
            );
            cx.warning(&here, message);
        }
    }
    Some(settings)
}

/// Whether a script names a variable: the word, not as a member of something.
fn names(source: &str, name: &str) -> bool {
    let within = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
    source.match_indices(name).any(|(at, _)| {
        let before = source.get(..at).unwrap_or_default().trim_end_matches(' ');
        let after = source.get(at + name.len()..).unwrap_or_default();
        !before.ends_with(['.', '"', '\''])
            && !source.get(..at).unwrap_or_default().ends_with(within)
            && !after.starts_with(within)
            && !after.trim_start().starts_with(':')
            && !["var", "let", "const", "function"].iter().any(|word| before.ends_with(word))
    })
}

/// The script's text, and its file where it stands in one.
fn source(cx: &mut Context<'_>, here: &Here<'_>, raw: &raw::Script) -> Option<(String, Option<String>)> {
    match (&raw.source, &raw.file) {
        (Some(source), None) => Some((source.clone(), None)),
        (None, Some(file)) => match cx.read_text(file) {
            Ok(text) => Some((text, Some(cx.resolve(file).display().to_string()))),
            Err(error) => {
                let here = here.child("file");
                cx.problem(&here, format!("the file {} {error}", here.shown()));
                None
            }
        },
        _ => {
            cx.problem(here, "expected exactly one of `source` and `file`");
            None
        }
    }
}

/// `rsFilter` as scripts see it. SECURITY: without the client's secret; without the script, which need not see itself.
fn properties(filter: &Here<'_>) -> Value {
    let mut properties = filter.node.map(Node::to_json).unwrap_or_default();
    if let Some(members) = properties.as_object_mut() {
        members.remove("clientSecret");
        members.remove("augmentSecurityContext");
    }
    properties
}

/// A problem at the script's own line where it has a file, else at the text that holds it.
fn unreadable(here: &Here<'_>, file: Option<String>, error: &ScriptError) -> Problem {
    match (file, error) {
        (Some(file), ScriptError::Syntax { line, column, message }) => {
            let place = Place { file: file.into(), line: *line, column: *column, path: String::new() };
            Problem::new(&place, format!("the script cannot be read: {message}"))
        }
        _ => Problem::new(&here.child("source").place, format!("the script cannot be read: {error}")),
    }
}
