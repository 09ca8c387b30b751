//! How does one recorded request get its answer on a terminal?

use std::io;

use super::{Outcome, complain, runtime, style};
pub(super) use crate::check::Arguments;
use crate::check::{self, CheckError, Verdict};
use crate::clock::SystemClock;
use crate::config::ProcessEnvironment;

/// 0: it would pass; 1: it would not; 2: what was given is not enough to say.
pub(super) fn run(arguments: &Arguments) -> Outcome {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(outcome) => return outcome,
    };
    let mut out = io::stdout();
    match runtime.block_on(check::run(arguments, &SystemClock, &ProcessEnvironment, style(), &mut out)) {
        Ok(Verdict::Allowed) => Outcome::Done,
        Ok(Verdict::Refused) => Outcome::No,
        Err(error) => {
            complain(&error);
            match error {
                CheckError::Io(_) => Outcome::No,
                _ => Outcome::WrongInput,
            }
        }
    }
}
