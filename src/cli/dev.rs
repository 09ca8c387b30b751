//! How does a first try run as a process? Logs, signals, exit code.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::serve::Signals;
use super::{Outcome, complain, runtime, start_log};
use crate::clock::SystemClock;
use crate::config::ProcessEnvironment;
pub(super) use crate::dev::Arguments;
use crate::dev::{self, DevError, Ending, Surroundings};
use crate::telemetry::logging::Format;

/// Runs until a signal, or to the end of the demonstration.
pub(super) fn run(arguments: &Arguments) -> Outcome {
    // Only what needs someone's attention: the decisions are on standard output.
    let _log = match start_log("warn", Format::Text) {
        Ok(log) => log,
        Err(outcome) => return outcome,
    };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(outcome) => return outcome,
    };
    let outcome = runtime.block_on(perform(arguments));
    runtime.shutdown_background();
    outcome
}

async fn perform(arguments: &Arguments) -> Outcome {
    let mut signals = match Signals::new() {
        Ok(signals) => signals,
        Err(error) => {
            complain(format_args!("cannot listen for signals: {error}"));
            return Outcome::No;
        }
    };
    let shutdown = async {
        signals.next().await;
    };
    let surroundings = Surroundings { clock: Arc::new(SystemClock), env: &ProcessEnvironment, program: program() };
    match dev::run(arguments, &surroundings, &mut io::stdout(), shutdown).await {
        Ok(Ending::Good) => Outcome::Done,
        Ok(Ending::DemonstrationFailed) => Outcome::No,
        Err(error) => {
            complain(&error);
            match error {
                DevError::Configuration(_) | DevError::Port { .. } => Outcome::WrongInput,
                _ => Outcome::No,
            }
        }
    }
}

/// This program, as short as a shell in this directory finds it.
fn program() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("keyward"));
    let here = std::env::current_dir().unwrap_or_default();
    match program.strip_prefix(&here) {
        // A shell looks for a word without a slash on PATH only.
        Ok(relative) if relative.components().count() > 1 => relative.to_owned(),
        _ => program,
    }
}
