//! Can this configuration be served, and what is to be said about it?

use std::path::Path;
use std::sync::Arc;

use super::{Outcome, print, runtime};
use crate::app::listener::Listener;
use crate::app::{App, StartError};
use crate::clock::SystemClock;
use crate::config::{self, Problem, ProcessEnvironment};

/// Tells everything at once. Nothing is asked over the network, no listener is opened; but whatever `serve` would read here
/// is read, and what would keep it from starting is an error.
pub(super) fn run(path: &Path) -> Outcome {
    let loaded = match config::load(path, &ProcessEnvironment) {
        Ok(loaded) => loaded,
        Err(problems) => return refuse(path, &findings("error", problems.as_slice())),
    };
    let mut found = findings("warning", &loaded.warnings);
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(outcome) => return outcome,
    };
    let obstacles = runtime.block_on(App::check(&loaded.config, Arc::new(SystemClock)));
    for obstacle in &obstacles {
        match obstacle {
            StartError::Assembly(problems) => found.extend(problems.0.iter().map(|it| format!("error: {it}"))),
            StartError::Bind(_) | StartError::Audit(_) => found.push(format!("error: {obstacle}")),
        }
    }
    if !obstacles.is_empty() {
        return refuse(path, &found);
    }
    let folders = loaded.config.listen.ext_authz.iter().filter_map(Listener::missing_folder);
    found.extend(folders.map(|folder| {
        let folder = folder.display();
        format!("warning: `listen` names a socket in `{folder}`, which is not there; where Keyward serves it must be")
    }));
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
