//! Why was that refused? A running server's last decisions, asked of its admin listener.

use std::io::{self, Write as _};
use std::time::Duration;

use clap::{Args, ValueEnum};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tonic::{Code, Status};

use super::health::{cause, endpoint};
use super::{Outcome, complain, runtime, style};
use crate::admin::api::client::AdminClient;
use crate::admin::api::is_id;
use crate::admin::api::message::{GetDecisionRequest, ListDecisionsRequest, ListDecisionsResponse};
use crate::clock::{Clock as _, SystemClock};
use crate::explain::{self, Explanation, timestamp, write_list, write_text};

/// Flags of `explain`.
#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The decision, as the header `x-keyward-decision`, the audit's `decisionId` or the dynamic metadata name it; without
    /// one the last decisions are listed
    #[arg(value_name = "ID", conflicts_with_all = ["last", "outcome", "reason", "since", "limit"])]
    id: Option<String>,
    /// Explain the newest decision that was kept
    #[arg(long)]
    last: bool,
    /// Where the server's admin listener is
    #[arg(long, value_name = "ADDRESS", env = "KEYWARD_ADMIN", default_value = "127.0.0.1:9902")]
    admin: String,
    /// Only decisions of this outcome
    #[arg(long)]
    outcome: Option<Wanted>,
    /// Only decisions of this reason, e.g. `no_rule`
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,
    /// Only decisions since then: a time such as 2026-11-22T18:00:00Z, or how long ago, such as 10m
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Since>,
    /// List at most so many
    #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Tell what every access rule says, not only those that came near
    #[arg(long)]
    all: bool,
    /// Answer with one JSON object
    #[arg(long)]
    json: bool,
    /// Seconds to wait for the answer
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    timeout: u32,
}

/// An outcome, as it is asked for.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Wanted {
    Allow,
    Deny,
    Outage,
}

/// A time, or how long ago.
#[derive(Debug, Clone, Copy)]
enum Since {
    At(Timestamp),
    Ago(SignedDuration),
}

fn since(text: &str) -> Result<Since, String> {
    if let Ok(time) = text.parse() {
        return Ok(Since::At(time));
    }
    let ago = text.parse::<SignedDuration>().ok().filter(|ago| !ago.is_negative());
    ago.map(Since::Ago)
        .ok_or_else(|| "expected a time such as 2026-11-22T18:00:00Z, or a duration such as 10m".to_owned())
}

/// What the server told.
enum Told {
    One(Box<Explanation>),
    Some(ListDecisionsResponse),
}

/// 0: told; 1: there is no such decision, or nobody answers; 2: what was given is no id or no address.
pub(super) fn run(args: &ExplainArgs) -> Outcome {
    if let Some(id) = args.id.as_deref().filter(|id| !is_id(id)) {
        complain(format_args!("`{id}` is no decision's id: expected 32 hexadecimal digits"));
        return Outcome::WrongInput;
    }
    let endpoint = match endpoint(&args.admin) {
        Ok(endpoint) => endpoint,
        Err(error) => {
            complain(format_args!("`{}` is no address: {error}", args.admin));
            return Outcome::WrongInput;
        }
    };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(outcome) => return outcome,
    };
    let timeout = Duration::from_secs(args.timeout.into());
    let answer = runtime.block_on(async {
        let asking = async {
            let channel = endpoint.connect().await.map_err(|error| {
                Status::unavailable(format!("nobody listens there: {}; `--admin` says where", cause(&error)))
            })?;
            ask(args, &mut AdminClient::new(channel)).await
        };
        tokio::time::timeout(timeout, asking).await
    });
    match answer {
        Ok(Ok(told)) => print(args, &told).unwrap_or(Outcome::No),
        Ok(Err(status)) => refuse(args, &status),
        Err(_elapsed) => {
            complain(format_args!("`{}`: no answer within {} s", args.admin, args.timeout));
            Outcome::No
        }
    }
}

async fn ask(args: &ExplainArgs, client: &mut AdminClient) -> Result<Told, Status> {
    let get = |id: String| GetDecisionRequest { id, all_rules: args.all };
    if let Some(id) = &args.id {
        return client.get(get(id.clone())).await.map(Box::new).map(Told::One);
    }
    let list = client.list(wanted(args)).await?;
    if !args.last {
        return Ok(Told::Some(list));
    }
    let last = list.decisions.into_iter().next();
    let last = last.ok_or_else(|| Status::not_found("no decision of that kind is kept there"))?;
    client.get(get(last.id)).await.map(Box::new).map(Told::One)
}

fn wanted(args: &ExplainArgs) -> ListDecisionsRequest {
    let outcome = match args.outcome {
        None => explain::Outcome::Unspecified,
        Some(Wanted::Allow) => explain::Outcome::Allow,
        Some(Wanted::Deny) => explain::Outcome::Deny,
        Some(Wanted::Outage) => explain::Outcome::Outage,
    };
    let since = args.since.and_then(|since| match since {
        Since::At(time) => Some(time),
        Since::Ago(ago) => SystemClock.now().checked_sub(ago).ok(),
    });
    ListDecisionsRequest {
        outcome: outcome.into(),
        since: since.map(timestamp),
        limit: if args.last { 1 } else { args.limit },
        reason: args.reason.clone().unwrap_or_default(),
    }
}

fn print(args: &ExplainArgs, told: &Told) -> io::Result<Outcome> {
    let mut out = io::stdout();
    match told {
        Told::One(explanation) if args.json => writeln!(out, "{:#}", explanation.to_json())?,
        Told::One(explanation) => write_text(explanation, style(), &mut out)?,
        Told::Some(list) if args.json => {
            let decisions: Vec<_> = list.decisions.iter().map(Explanation::to_json).collect();
            writeln!(out, "{:#}", json!({ "decisions": decisions, "leftOut": list.left_out }))?;
        }
        Told::Some(list) if list.decisions.is_empty() => {
            let chosen = args.outcome.is_some() || args.reason.is_some() || args.since.is_some();
            writeln!(out, "no decisions {}are kept there", if chosen { "of that kind " } else { "" })?;
        }
        Told::Some(list) => {
            write_list(&list.decisions, style(), &mut out)?;
            if list.left_out > 0 {
                writeln!(out, "{} more; `--limit` says how many are listed", list.left_out)?;
            }
        }
    }
    out.flush()?;
    Ok(Outcome::Done)
}

fn refuse(args: &ExplainArgs, status: &Status) -> Outcome {
    let (admin, message) = (&args.admin, status.message());
    match status.code() {
        Code::NotFound | Code::PermissionDenied | Code::Unavailable => complain(format_args!("`{admin}`: {message}")),
        Code::InvalidArgument => {
            complain(format_args!("`{admin}`: {message}"));
            return Outcome::WrongInput;
        }
        code => complain(format_args!("`{admin}` does not answer as an admin listener does ({code:?}: {message})")),
    }
    Outcome::No
}
