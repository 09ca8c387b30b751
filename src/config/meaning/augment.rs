//! What does `augmentSecurityContext` mean? (A10.)

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Context, Here, advice};
use crate::config::problem::{Place, Problem};
use crate::config::raw;
use crate::config::tree::Node;
use crate::credential;
use crate::script::augment::{AugmentScript, BINDINGS, MODULES, Settings};
use crate::script::{Outline, ScriptError, outline};

/// What IDM's scripts have beside [`BINDINGS`] (C7), and scripts here do not.
const ABSENT: [&str; 3] = ["load", "openidm", "identityServer"];

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
    warn_of_absent(cx, &here, &settings);
    Some(settings)
}

/// What the script names that IDM's scripts have and scripts here have not, or have empty.
fn warn_of_absent(cx: &mut Context<'_>, here: &Here<'_>, settings: &Settings) {
    let Ok(Outline { free, .. }) = outline(&settings.source) else { return };
    let names = |name: &str| free.iter().any(|used| used.name == name) && !settings.globals.contains_key(name);
    let calls = free.iter().filter(|used| used.name == "require").filter_map(|used| used.call.clone());
    let modules: Vec<Option<&str>> = calls.filter_map(|call| settings.source.get(call)).map(module).collect();
    if names("privileges") || modules.iter().flatten().any(|name| MODULES.contains(name)) {
        let message = "the script gives users IDM's privileges, which Keyward does not know: it runs, and gives none; what \
                       privileges would grant is refused unless a rule grants it";
        cx.warning(here, message);
    }
    let unknown = modules.into_iter().filter(|name| name.is_none_or(|name| !MODULES.contains(&name)));
    for name in unknown.collect::<BTreeSet<_>>() {
        let what = name.map_or_else(|| "a module".to_owned(), |name| format!("the module `{name}`"));
        let message = format!(
            "the script requires {what}, and no modules but `{}` are known here; a run that reaches it refuses the request: \
             copy what it needs into the script",
            MODULES[0]
        );
        cx.warning(here, message);
    }
    for name in ABSENT.into_iter().filter(|name| names(name)) {
        let message = format!(
            "the script names `{name}`, which scripts do not have here; a run that reaches it refuses the request"
        );
        cx.warning(here, message);
    }
}

/// The module that a call of `require` names; `None` where it is no plain text.
fn module(call: &str) -> Option<&str> {
    let argument = call.split_once('(')?.1.trim_start();
    let (name, after) = ['"', '\''].into_iter().find_map(|quote| argument.strip_prefix(quote)?.split_once(quote))?;
    after.trim_start().starts_with(')').then_some(name)
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
pub(super) fn unreadable(here: &Here<'_>, file: Option<String>, error: &ScriptError) -> Problem {
    match (file, error) {
        (Some(file), ScriptError::Syntax { line, column, message }) => {
            let place = Place { file: file.into(), line: *line, column: *column, path: String::new() };
            Problem::new(&place, format!("the script cannot be read: {message}"))
        }
        _ => Problem::new(&here.child("source").place, format!("the script cannot be read: {error}")),
    }
}
