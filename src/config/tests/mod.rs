//! What a configuration means, and what is said about a wrong one.

mod bad_files;
mod bad_idm_files;
mod idm_files;
mod idm_knowledge;
mod import;
mod meaning;
mod scripts;
mod secrets;
mod snapshot;
mod substitution;

use std::collections::BTreeMap;
use std::path::Path;

use super::{Filter, Loaded, Problems, parse};

/// An environment of these variables and no others.
fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// Reads `text` as `keyward.yaml` with an empty environment, in a folder that holds nothing.
fn read(text: &str) -> Result<Loaded, Problems> {
    read_with(text, &[])
}

fn read_with(text: &str, variables: &[(&str, &str)]) -> Result<Loaded, Problems> {
    parse(text, "keyward.yaml", Path::new("/nonexistent/folder"), &env(variables))
}

/// The only filter of a text that must load.
fn filter(text: &str) -> Filter {
    let mut loaded = read(text).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    loaded.config.filters.pop().unwrap()
}

/// The problems of a text that must not load, one a line.
fn problems(text: &str) -> String {
    read(text).map(|_| "it loads".to_owned()).unwrap_or_else(|problems| problems.to_string())
}

/// The smallest useful file; `rs` are more lines within `rsFilter`, `rest` more lines at top level.
fn small(rs: &str, rest: &str) -> String {
    let rs: String = rs.lines().map(|line| format!("  {line}\n")).collect();
    format!(
        "rsFilter:\n  clientId: mesh-rs\n  clientSecret: \"&{{am.secret|s3cret}}\"\n  \
         tokenIntrospectUrl: https://am.example/introspect\n{rs}\
         access: {{ rules: [ {{ pattern: /orders/*, roles: clerk, methods: GET }} ] }}\n{rest}"
    )
}
