//! How would this configuration decide that recorded request? Offline, by the ordinary code, step by step.

pub mod facts;
#[cfg(test)]
mod tests;

use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::access::Which;
use crate::app::assemble::{AssemblyProblem, assemble};
use crate::audit::AuditWriter;
use crate::audit::settings::{AuditTarget, Settings as AuditSettings};
use crate::clock::{Clock, FixedClock};
use crate::config::{self, Environment, Problems};
use crate::deadline::Deadline;
use crate::explain::{self, Outcome};
use crate::ext_authz::recorded::RecordedError;
use crate::ext_authz::service::DecisionMetrics;
use crate::ext_authz::{AuthorizationService, RecordedRequest};
use facts::{FactMissing, Recorded, TokenFacts};

/// Nobody waits: only a script that never ends runs into this.
const DEADLINE: Duration = Duration::from_secs(10);

/// What `keyward check` is asked for.
#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    /// The configuration to decide by
    #[arg(long, short, value_name = "FILE", env = "KEYWARD_CONFIG")]
    pub config: PathBuf,
    /// The CheckRequest as JSON, as grpcurl takes it; `-` reads it from standard input
    #[arg(long, value_name = "FILE")]
    pub request: PathBuf,
    /// What the authorization server says: one introspection answer as JSON, or an object of answers by token
    #[arg(long, value_name = "FILE")]
    pub token_facts: Option<PathBuf>,
    /// The user's record as JSON, with its `_id`, instead of asking the configured directory
    #[arg(long, value_name = "FILE")]
    pub user: Option<PathBuf>,
    /// The moment of the decision, e.g. 2026-11-22T18:00:00Z [default: now]
    #[arg(long, value_name = "TIME")]
    pub now: Option<Timestamp>,
    /// Answer with one JSON object
    #[arg(long)]
    pub json: bool,
    /// Tell what every access rule says, not only those that came near
    #[arg(long)]
    pub all: bool,
}

/// How it was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The request would pass.
    Allowed,
    /// It would not: denied, or no verdict could be had.
    Refused,
}

/// Why nothing can be decided: what was given is not enough, or wrong.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// A file cannot be read.
    #[error("`{}` cannot be read: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("`{}`: {problem}", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// What is wrong, and what is expected.
        problem: String,
    },
    /// The configuration has problems.
    #[error("{0}")]
    Configuration(Problems),
    /// The configuration cannot decide.
    #[error("{}", joined(.0))]
    Assembly(Vec<AssemblyProblem>),
    /// The decision needs a fact that nobody gave.
    #[error(transparent)]
    FactMissing(#[from] FactMissing),
    /// Nobody reads what is printed, or there is no thread.
    #[error(transparent)]
    Io(#[from] io::Error),
}

fn joined(problems: &[AssemblyProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Decides the recorded request and writes the steps and the answer to `out`.
///
/// # Errors
/// [`CheckError`], before anything is written but for the last kind.
pub async fn run(
    arguments: &Arguments,
    clock: &dyn Clock,
    env: &dyn Environment,
    style: explain::Style,
    out: &mut impl Write,
) -> Result<Verdict, CheckError> {
    let loaded = config::load(&arguments.config, env).map_err(CheckError::Configuration)?;
    let request = request(&arguments.request)?;
    let outside = Recorded::new(
        arguments.token_facts.as_deref().map(token_facts).transpose()?,
        arguments.user.as_deref().map(user).transpose()?,
    );
    let authorizer = assemble(&loaded.config, &outside).map_err(CheckError::Assembly)?;
    let clock = Arc::new(FixedClock::at(arguments.now.unwrap_or_else(|| clock.now())));
    let audit = AuditWriter::start(AuditSettings { to: AuditTarget::Off, ..AuditSettings::default() })?;
    let authorizer = Arc::new(ArcSwap::from_pointee(authorizer));
    let service = AuthorizationService::new(authorizer, clock, audit, Arc::new(Uncounted));

    let which = if arguments.all { Which::All } else { Which::Near };
    let explanation = service.explain(&request, which, Deadline::after(DEADLINE)).await;
    if let Some(missing) = outside.missing() {
        return Err(missing.into());
    }
    if arguments.json {
        writeln!(out, "{:#}", explanation.to_json())?;
    } else {
        explain::write_text(&explanation, style, out)?;
    }
    out.flush()?;
    Ok(if explanation.outcome() == Outcome::Allow { Verdict::Allowed } else { Verdict::Refused })
}

/// What is decided here is no traffic.
struct Uncounted;

impl DecisionMetrics for Uncounted {
    fn decided(&self, _: &'static str, _: &'static str, _: Duration) {}
    fn cancelled(&self, _: Duration) {}
}

fn read(path: &Path) -> Result<String, CheckError> {
    let mut text = String::new();
    let read = match path.as_os_str() == "-" {
        true => io::stdin().read_to_string(&mut text).map(|_| ()),
        false => std::fs::read_to_string(path).map(|content| text = content),
    };
    read.map(|()| text).map_err(|source| CheckError::File { path: path.to_owned(), source })
}

fn content(path: &Path, problem: impl ToString) -> CheckError {
    CheckError::Content { path: path.to_owned(), problem: problem.to_string() }
}

fn request(path: &Path) -> Result<RecordedRequest, CheckError> {
    RecordedRequest::parse(&read(path)?).map_err(|error: RecordedError| content(path, error))
}

fn token_facts(path: &Path) -> Result<TokenFacts, CheckError> {
    let value = serde_json::from_str(&read(path)?).map_err(|error| content(path, error))?;
    TokenFacts::read(value).map_err(|problem| content(path, problem))
}

fn user(path: &Path) -> Result<Map<String, Value>, CheckError> {
    let value = serde_json::from_str(&read(path)?).map_err(|error| content(path, error))?;
    match value {
        Value::Object(user) if user.get("_id").and_then(Value::as_str).is_some_and(|id| !id.is_empty()) => Ok(user),
        Value::Object(_) => Err(content(path, "the record has no `_id`")),
        _ => Err(content(path, "a user's record was expected: one JSON object with an `_id`")),
    }
}
