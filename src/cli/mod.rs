//! What can be asked of the program? Verbs, their flags, and how each answers: stdout for results, stderr for the rest.

mod check;
#[cfg(feature = "dev")]
mod dev;
mod explain;
mod health;
mod idm;
mod serve;
mod traces;
mod validate;

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{Environment as _, ProcessEnvironment};
use crate::explain::Style;
use crate::telemetry::logging::{self, Format, Log, LogError};
use crate::{build_info, config};

/// How a verb ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// 0: it is done, or the answer is yes.
    Done,
    /// 1: it could not be done, or the answer is no.
    No,
    /// 2: what was put in is wrong.
    WrongInput,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(match outcome {
            Outcome::Done => 0,
            Outcome::No => 1,
            Outcome::WrongInput => 2,
        })
    }
}

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "keyward",
    about = "External authorization for Envoy with the semantics of IDM's rsFilter and access rules",
    version,
    after_help = "Exit codes: 0 done, 1 the answer is no, 2 the input is wrong."
)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Answer Envoy's questions until told to stop
    Serve(serve::ServeArgs),
    /// Read a configuration and tell every problem and warning
    Validate(ConfigArgs),
    /// Tell what in a configuration is dangerous or does not mean what it seems: 1 where there is something
    Lint(idm::LintArgs),
    /// Print another product's configuration as a Keyward file
    Import(idm::ImportArgs),
    /// Decide one recorded CheckRequest offline, and say why
    Check(check::Arguments),
    /// Try it: an authorization server, an upstream, Envoy if there is one, and Keyward between them
    #[cfg(feature = "dev")]
    Dev(dev::Arguments),
    /// Tell why a running server decided as it did: the last refusals, or one decision by its id
    Explain(explain::ExplainArgs),
    /// Ask a running server for its health
    Health(health::HealthArgs),
    /// Print the JSON schema of the configuration file
    Schema(SchemaArgs),
    /// Print version and commit
    Version,
}

#[derive(Debug, Args)]
struct ConfigArgs {
    /// The configuration file, YAML or JSON
    #[arg(long, short, value_name = "FILE", env = "KEYWARD_CONFIG")]
    config: PathBuf,
}

#[derive(Debug, Args)]
struct SchemaArgs {
    /// As a reference for people, in Markdown
    #[arg(long)]
    markdown: bool,
}

/// Does what the command line says. A command line that cannot be understood ends the process with 2.
#[must_use]
pub fn main() -> ExitCode {
    run(Cli::parse()).into()
}

fn run(cli: Cli) -> Outcome {
    match cli.verb {
        Verb::Serve(args) => serve::run(&args),
        Verb::Validate(args) => validate::run(&args.config),
        Verb::Lint(args) => idm::lint(args),
        Verb::Import(args) => idm::import(args),
        Verb::Check(args) => check::run(&args),
        #[cfg(feature = "dev")]
        Verb::Dev(args) => dev::run(&args),
        Verb::Explain(args) => explain::run(&args),
        Verb::Health(args) => health::run(&args),
        Verb::Schema(SchemaArgs { markdown: false }) => print(format_args!("{:#}", config::schema())),
        Verb::Schema(SchemaArgs { markdown: true }) => print(config::reference().trim_end()),
        Verb::Version => print(format_args!("keyward {} (commit {})", build_info::VERSION, build_info::COMMIT)),
    }
}

/// Writes a result. Nobody reading it is no reason to panic.
fn print(result: impl Display) -> Outcome {
    match writeln!(io::stdout(), "{result}") {
        Ok(()) => Outcome::Done,
        Err(_) => Outcome::No,
    }
}

/// How results look on standard output.
fn style() -> Style {
    // https://no-color.org: set to anything but nothing.
    let coloured =
        io::stdout().is_terminal() && ProcessEnvironment.var("NO_COLOR").is_none_or(|value| value.is_empty());
    if coloured { Style::Coloured } else { Style::Plain }
}

/// Writes why something could not be done.
fn complain(reason: impl Display) {
    let _nobody_reads = writeln!(io::stderr(), "keyward: {reason}");
}

/// Starts the log of a command that runs for long; it ends with what is returned.
fn start_log(level: &str, format: Format) -> Result<Log, Outcome> {
    logging::init(level, format).map_err(|error| {
        complain(&error);
        match error {
            LogError::Level { .. } => Outcome::WrongInput,
            LogError::Thread(_) => Outcome::No,
        }
    })
}

/// A runtime with a worker for each CPU that the process may use, as its control group says.
fn runtime() -> Result<tokio::runtime::Runtime, Outcome> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| {
        complain(format_args!("cannot start the runtime: {error}"));
        Outcome::No
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_verb_is_needed_and_serve_needs_a_configuration() {
        assert!(Cli::try_parse_from(["keyward"]).is_err());
        assert!(Cli::try_parse_from(["keyward", "serve", "--config", "f.yaml"]).is_ok());
        assert!(Cli::try_parse_from(["keyward", "serve", "--config", "f.yaml", "--log-format", "loud"]).is_err());
    }
}
