//! What do IDM's files say, as a Keyward file and to a careful reader?

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::{Outcome, complain, print};
use crate::config::import::{self, IdmFiles};
use crate::config::{self, Problem, Problems, ProcessEnvironment};

/// `keyward import`.
#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    #[command(subcommand)]
    from: From,
}

#[derive(Debug, Subcommand)]
enum From {
    /// IDM's authentication.json and access.json (or access.js), printed as one commented Keyward file
    Idm(IdmArgs),
}

/// `keyward lint`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct LintArgs {
    /// The configuration file, YAML or JSON
    #[arg(long, short, value_name = "FILE", env = "KEYWARD_CONFIG", required = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    of: Option<LintOf>,
}

#[derive(Debug, Subcommand)]
enum LintOf {
    /// IDM's authentication.json, access.json or access.js as they are
    Idm(IdmArgs),
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct IdmArgs {
    /// IDM's conf/authentication.json
    #[arg(long, value_name = "FILE")]
    authentication: Option<PathBuf>,
    /// IDM's conf/access.json, or script/access.js of 6.x and older
    #[arg(long, value_name = "FILE")]
    access: Option<PathBuf>,
    /// IDM's conf/ui-configuration.json, where rules ask which parts of its user interface are on
    #[arg(long, value_name = "FILE", requires = "access")]
    ui_configuration: Option<PathBuf>,
    /// IDM's conf/managed.json, where rules ask which properties users may edit
    #[arg(long, value_name = "FILE", requires = "access")]
    managed: Option<PathBuf>,
}

impl IdmArgs {
    fn files(self) -> IdmFiles {
        let Self { authentication, access, ui_configuration, managed } = self;
        IdmFiles { authentication, access, ui_configuration, managed }
    }
}

/// Prints the Keyward file. Nothing is written, nothing is asked over the network.
pub(super) fn import(args: ImportArgs) -> Outcome {
    let From::Idm(args) = args.from;
    match import::import(&args.files(), &ProcessEnvironment) {
        Ok(text) => print(text.trim_end()),
        Err(problems) => refuse(&problems),
    }
}

/// Prints what was found, a line each: 1 where there is something.
pub(super) fn lint(args: LintArgs) -> Outcome {
    let found = match args.of {
        Some(LintOf::Idm(args)) => import::lint(&args.files(), &ProcessEnvironment),
        None => config::lint(args.config.as_deref().unwrap_or(Path::new("")), &ProcessEnvironment),
    };
    match found {
        Ok(found) => report(&found),
        Err(problems) => refuse(&problems),
    }
}

fn report(found: &[Problem]) -> Outcome {
    for finding in found {
        print(finding);
    }
    if found.is_empty() { Outcome::Done } else { Outcome::No }
}

fn refuse(problems: &Problems) -> Outcome {
    for problem in problems.as_slice() {
        complain(problem);
    }
    Outcome::WrongInput
}
