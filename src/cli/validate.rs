//! Can this configuration be served, and what is to be said about it?

use std::path::Path;
use std::sync::Arc;

use super::{Outcome, print};
use crate::app::App;
use crate::clock::SystemClock;
use crate::config::{self, Problem, ProcessEnvironment};

/// Tells everything at once. Nothing is asked over the network, no listener is opened.
pub(super) fn run(path: &Path) -> Outcome {
    let loaded = match config::load(path, &ProcessEnvironment) {
        Ok(loaded) => loaded,
        Err(problems) => return refuse(path, &findings("error", problems.as_slice())),
    };
    let mut found = findings("warning", &loaded.warnings);
    if let Err(problems) = App::check(&loaded.config, Arc::new(SystemClock)) {
        found.extend(problems.0.iter().map(|problem| format!("error: {problem}")));
        return refuse(path, &found);
    }
    for finding in found {
        print(finding);
    }
    print(format_args!("`{}` is valid", path.display()))
}

fn findings(kind: &str, problems: &[Problem]) -> Vec<String> {
    problems.iter().map(|problem| format!("{kind}: {problem}")).collect()
}

fn refuse(path: &Path, found: &[String]) -> Outcome {
    for finding in found {
        print(finding);
    }
    let errors = found.iter().filter(|finding| finding.starts_with("error")).count();
    let plural = if errors == 1 { "" } else { "s" };
    print(format_args!("`{}` cannot be used: {errors} problem{plural}", path.display()));
    Outcome::WrongInput
}
