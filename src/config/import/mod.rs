//! What is the one Keyward file that means the same as IDM's two?

mod print;

pub(super) use print::flow;

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::environment::Environment;
use super::meaning::Context;
use super::problem::{Place, Problem, Problems};
use super::sources::Snapshot;
use super::tree::{Kind, Node};
use super::{Loaded, idm_files, parse_as};
use crate::access::AccessRules;

/// What places call the configuration that stands for IDM's files while they are read.
const STAND_IN: &str = "(beside IDM's files)";
/// A users' directory that is only named, never asked.
const SOME_DIRECTORY: &str = "https://idm.invalid/openidm";

/// Which of IDM's files there are.
#[derive(Debug, Clone, Default)]
pub struct IdmFiles {
    /// `conf/authentication.json`.
    pub authentication: Option<PathBuf>,
    /// `conf/access.json`, or `script/access.js`.
    pub access: Option<PathBuf>,
    /// `conf/ui-configuration.json`, which rules of 6.x may ask for.
    pub ui_configuration: Option<PathBuf>,
    /// `conf/managed.json`, which rules may ask for.
    pub managed: Option<PathBuf>,
}

/// IDM's files as one Keyward file: YAML with comments. Expressions stay as they are.
///
/// Where a part is missing, so it is in the result. What Keyward must know beside IDM's files stands in it as an expression
/// that has no default: where the users live, and a secret that only IDM can read.
///
/// # Errors
/// Every problem of the files.
pub fn import(files: &IdmFiles, env: &dyn Environment) -> Result<String, Problems> {
    let mut cx = context(env);
    let at = Place::whole(&STAND_IN.into());
    let rs_filter = files.authentication.as_deref().and_then(|file| idm_files::rs_filter(&at, &name(file), &mut cx));
    let rules = files.access.as_deref().and_then(|file| idm_files::access_rules(&at, &name(file), &mut cx));
    if !cx.problems.is_empty() {
        return Err(Problems::new(cx.problems));
    }
    let encrypted = rs_filter.as_ref().and_then(|node| node.get("clientSecret")).is_some_and(is_encrypted);
    let loaded = load(files, encrypted, env, false, cx.files)?;
    let access = loaded.config.filters.into_iter().next().map(|filter| filter.access);
    let functions = access.as_ref().is_some_and(|rules| !rules.library.is_none());
    let idm_only =
        access.is_some_and(|rules| AccessRules::compile(&rules).is_ok_and(|rules| !rules.idm_only().is_empty()));
    let rules = rules.map(|mut rules| {
        if rules.place.file.ends_with(".js") {
            escape(&mut rules);
        }
        rules
    });
    let made = print::Made { rs_filter: rs_filter.as_ref(), rules: rules.as_ref(), idm_only, functions };
    Ok(print::file(files, &made, &of_files(loaded.warnings)))
}

/// What is dangerous in IDM's files or does not mean what it seems.
///
/// # Errors
/// Every problem of the files.
pub fn lint(files: &IdmFiles, env: &dyn Environment) -> Result<Vec<Problem>, Problems> {
    let mut cx = context(env);
    let at = Place::whole(&STAND_IN.into());
    let rs_filter = files.authentication.as_deref().and_then(|file| idm_files::rs_filter(&at, &name(file), &mut cx));
    // IDM encrypts what it finds in clear, so most files are like this: it is one finding, and the rest is looked at, too.
    let secret = rs_filter.as_ref().and_then(|node| node.get("clientSecret")).filter(|secret| is_encrypted(secret));
    let mut found = of_files(load(files, secret.is_some(), env, true, cx.files)?.warnings);
    if let Some(secret) = secret {
        let message = "IDM encrypted it with its own keystore, which Keyward does not have: give `rsFilter.clientSecret` \
                       beside `rsFilterFile`";
        found.push(Problem::new(&secret.place, message));
        found.sort();
    }
    Ok(found)
}

fn of_files(warnings: Vec<Problem>) -> Vec<Problem> {
    warnings.into_iter().filter(|warning| &*warning.place.file != STAND_IN).collect()
}

/// Reads the files as a server would, with what they need beside them; `read` holds what has been read of them already.
fn load<'e>(
    files: &IdmFiles,
    encrypted: bool,
    env: &'e dyn Environment,
    lint: bool,
    read: Snapshot<'e>,
) -> Result<Loaded, Problems> {
    let mut text = Map::new();
    text.insert("directory".to_owned(), json!({ "idm": { "url": SOME_DIRECTORY } }));
    match &files.authentication {
        Some(file) => {
            text.insert("rsFilterFile".to_owned(), name(file).into());
            if encrypted {
                text.insert("rsFilter".to_owned(), json!({ "clientSecret": "not read" }));
            }
        }
        None => {
            let url = "https://am.invalid/introspect";
            // Users with roles of their own: whoever they are, no role is nobody's.
            let mapping = json!([{ "queryOnResource": "managed/user", "userRoles": "authzRoles/*" }]);
            let rs_filter =
                json!({ "clientId": "x", "clientSecret": "x", "tokenIntrospectUrl": url, "subjectMapping": mapping });
            text.insert("rsFilter".to_owned(), rs_filter);
        }
    }
    let access = match &files.access {
        Some(file) => {
            text.insert("accessFile".to_owned(), name(file).into());
            // What only IDM can answer is told of each rule, instead of being the end of it.
            json!({ "style": "crest", "idmOnlyRules": "neverGrant", "idm": beside(files) })
        }
        None => json!({ "style": "crest", "rules": [] }),
    };
    text.insert("access".to_owned(), access);
    parse_as(&Value::Object(text).to_string(), STAND_IN, Path::new(""), env, lint, read).loaded
}

/// The files that rules ask for, as `access.idm` names them.
fn beside(files: &IdmFiles) -> Map<String, Value> {
    let named = [("uiConfigurationFile", &files.ui_configuration), ("managedFile", &files.managed)];
    named.into_iter().filter_map(|(key, file)| Some((key.to_owned(), name(file.as_deref()?).into()))).collect()
}

fn context(env: &dyn Environment) -> Context<'_> {
    let files = Snapshot::of_files();
    Context { env, base: PathBuf::new(), problems: Vec::new(), warnings: Vec::new(), files, lint: false }
}

fn name(file: &Path) -> String {
    file.display().to_string()
}

/// A32.
fn is_encrypted(secret: &Node) -> bool {
    matches!(secret.kind, Kind::Map(_)) && secret.get("$crypto").is_some()
}

/// What looks like an expression in a script is none, and must not become one.
fn escape(node: &mut Node) {
    match &mut node.kind {
        Kind::Text(text) => *text = text.replace("&{", "\\&{"),
        Kind::List(items) => items.iter_mut().for_each(escape),
        Kind::Map(entries) => entries.iter_mut().for_each(|entry| escape(&mut entry.node)),
        Kind::Null | Kind::Bool(_) | Kind::Number(_) => {}
    }
}
