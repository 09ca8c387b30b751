//! What did the operator write, and what does it mean?

mod duration;
mod environment;
mod files;
mod idm_files;
mod idm_knowledge;
pub mod import;
mod meaning;
mod problem;
pub mod raw;
mod reference;
mod salvage;
mod shape;
mod sources;
mod substitute;
#[cfg(test)]
mod tests;
mod tree;

pub use environment::{Environment, ProcessEnvironment};
pub use problem::{Place, Problem, Problems};
pub use raw::schema;
pub use reference::reference;
pub use sources::Sources;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::tz::TimeZone;
use sources::Snapshot;

use crate::request::PathPolicy;
use crate::{
    access, account_status, audit, credential, directory, explain, introspection, listen, response, script, subject,
};

/// A whole configuration, valid by construction.
#[derive(Debug, Clone)]
pub struct Config {
    /// `listen`.
    pub listen: listen::Settings,
    /// `audit`.
    pub audit: audit::settings::Settings,
    /// `explain`.
    pub explain: explain::Settings,
    /// The filters; the single form is one named `default`. INVARIANT: at least one, names unique.
    pub filters: Vec<Filter>,
}

/// One filter: its own authorization server, mappings, cache and rules.
#[derive(Debug, Clone)]
pub struct Filter {
    /// `name`.
    pub name: String,
    /// `hosts`: authorities that choose this filter, lower case, without port.
    pub hosts: Vec<String>,
    /// `issuers`: unverified `iss` of JWTs that choose this filter.
    pub issuers: Vec<String>,
    /// Where credentials stand.
    pub credential: credential::settings::Settings,
    /// How tokens are introspected.
    pub introspection: introspection::Settings,
    /// What a token must be.
    pub token_policy: introspection::TokenPolicy,
    /// Who tokens are about.
    pub subject: subject::Settings,
    /// Which accounts may log in.
    pub account_status: account_status::Settings,
    /// The script that rewrites security contexts; it can be read.
    pub augment: Option<script::augment::Settings>,
    /// Where users live.
    pub directory: directory::Settings,
    /// The access rules.
    pub access: access::Settings,
    /// How paths are read.
    pub path: PathPolicy,
    /// What answers look like.
    pub response: response::settings::Settings,
    /// `timeZone`.
    pub time_zone: TimeZone,
}

/// A configuration that can be used, and what is to be said about it.
#[derive(Debug)]
pub struct Loaded {
    /// What it means.
    pub config: Config,
    /// What is legal and yet worth a look.
    pub warnings: Vec<Problem>,
    /// Every file it was made of; a change in one of them calls for a reload.
    pub sources: Vec<PathBuf>,
    /// The same, with what was in them.
    pub contents: Sources,
}

/// What became of reading a configuration, usable or not.
#[derive(Debug)]
pub struct Attempt {
    /// The configuration, or what is wrong with it.
    pub loaded: Result<Loaded, Problems>,
    /// Every file that was looked at: whoever wants to know whether another attempt is worth it watches these.
    pub contents: Sources,
}

/// Reads a configuration file.
///
/// # Errors
/// Every problem that was found, each with its place.
pub fn load(path: &Path, env: &dyn Environment) -> Result<Loaded, Problems> {
    load_as(path, env, false).loaded
}

/// As [`load`], and tells which files were read even if they cannot be used.
#[must_use]
pub fn attempt(path: &Path, env: &dyn Environment) -> Attempt {
    load_as(path, env, false)
}

/// Reads a configuration file, and warns of everything that is dangerous or does not mean what it seems: more than
/// [`load`] does, and slower.
///
/// # Errors
/// Every problem that was found, each with its place.
pub fn lint(path: &Path, env: &dyn Environment) -> Result<Vec<Problem>, Problems> {
    load_as(path, env, true).loaded.map(|loaded| loaded.warnings)
}

fn load_as(path: &Path, env: &dyn Environment, lint: bool) -> Attempt {
    let name = path.display().to_string();
    let mut files = Snapshot::of_files();
    let text = files.read(path);
    let text = text.and_then(|bytes| String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned()));
    match text {
        Ok(text) => parse_as(&text, &name, path.parent().unwrap_or(Path::new("")), env, lint, files),
        Err(error) => {
            let problem = Problem::new(&Place::whole(&name.as_str().into()), format!("the file {error}"));
            Attempt { loaded: Err(Problems::new(vec![problem])), contents: files.into_sources() }
        }
    }
}

/// Reads a configuration's text. `name` is what problems call it, and its ending tells JSON from YAML; relative paths in
/// it start at `base`.
///
/// # Errors
/// Every problem that was found, each with its place.
pub fn parse(text: &str, name: &str, base: &Path, env: &dyn Environment) -> Result<Loaded, Problems> {
    parse_as(text, name, base, env, false, Snapshot::of_files()).loaded
}

/// `files`: what has been read of files so far, and where the others are to be read.
fn parse_as<'e>(
    text: &str,
    name: &str,
    base: &Path,
    env: &'e dyn Environment,
    lint: bool,
    files: Snapshot<'e>,
) -> Attempt {
    let file: Arc<str> = name.into();
    let mut cx =
        meaning::Context { env, base: base.to_owned(), problems: Vec::new(), warnings: Vec::new(), files, lint };
    let config = read(text, &file, &mut cx);
    let contents = cx.files.into_sources();
    let loaded = match config {
        Some(config) if cx.problems.is_empty() => {
            let mut warnings = cx.warnings;
            warnings.sort();
            warnings.dedup();
            let sources = contents.paths().map(Path::to_owned).collect();
            Ok(Loaded { config, warnings, sources, contents: contents.clone() })
        }
        _ => {
            if cx.problems.is_empty() {
                cx.problems.push(Problem::new(&Place::whole(&file), "cannot be read"));
            }
            Err(Problems::new(cx.problems))
        }
    };
    Attempt { loaded, contents }
}

/// The steps: tree, expressions, other files, shape, meaning. Each needs the one before it without a problem.
fn read(text: &str, file: &Arc<str>, cx: &mut meaning::Context<'_>) -> Option<Config> {
    let mut tree = tree::parse(text, file).map_err(|problems| cx.problems.extend(problems)).ok()?;
    let properties = files::properties(&tree, cx);
    substitute::substitute(&mut tree, &properties, cx);
    idm_files::include(&mut tree, &properties, cx);
    let known: Vec<Place> = cx.problems.iter().map(|problem| problem.place.clone()).collect();
    // A value that could not be made has been complained about already.
    let same = |problem: &Problem| {
        known.iter().any(|place| place.path == problem.place.path && place.file == problem.place.file)
    };
    let schema = raw::whole_schema();
    cx.problems.extend(shape::check(&tree, &schema).problems.into_iter().filter(|problem| !same(problem)));
    if cx.problems.is_empty() {
        let config = meaning::convert(&tree, cx);
        tree.take_apart();
        return config;
    }
    // All problems at once: what is left without the wrong parts is judged by its meaning, too.
    let left = salvage::salvage(tree, &cx.problems, &schema);
    if let Some((left, silent)) = left {
        let found = cx.problems.len();
        let _ = meaning::convert(&left, cx);
        let meant = cx.problems.split_off(found);
        cx.problems.extend(meant.into_iter().filter(|problem| !salvage::is_affected(&problem.place, &silent, file)));
    }
    None
}

/// Why a file could not be read, without the system's numbers.
fn file_error(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "does not exist".to_owned(),
        std::io::ErrorKind::PermissionDenied => "may not be read by this user".to_owned(),
        std::io::ErrorKind::IsADirectory => "is a folder".to_owned(),
        kind => format!("cannot be read: {kind}"),
    }
}
