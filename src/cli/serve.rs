//! How does the server run as a process? Configuration, logs, signals, exit code.

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

use super::{Outcome, runtime, start_log, traces};
use crate::app::reload::Reloader;
use crate::app::server::{Bound, Drain, Drained};
use crate::app::{App, StartError, snapshot};
use crate::build_info;
use crate::clock::SystemClock;
use crate::config::{Loaded, ProcessEnvironment};
use crate::telemetry::logging::{Format, Log};

/// Flags of `serve`.
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// The configuration file, YAML or JSON; read again whenever it changes, and on SIGHUP
    #[arg(long, short, value_name = "FILE", env = "KEYWARD_CONFIG")]
    config: PathBuf,
    /// error, warn, info, debug, trace, or directives such as `info,keyward::app=debug`
    #[arg(long, value_name = "LEVEL", env = "KEYWARD_LOG", default_value = "info")]
    log_level: String,
    /// How log lines look; text on a terminal and JSON elsewhere, unless said
    #[arg(long, value_name = "FORMAT", env = "KEYWARD_LOG_FORMAT")]
    log_format: Option<Format>,
    /// Seconds to go on accepting after the health has become `NOT_SERVING`; goes before `listen.grace`
    #[arg(long, value_name = "SECONDS", env = "KEYWARD_DRAIN_GRACE")]
    drain_grace: Option<u32>,
    /// Seconds that checks in flight then may take; goes before `listen.drainDeadline`
    #[arg(long, value_name = "SECONDS", env = "KEYWARD_DRAIN_DEADLINE")]
    drain_deadline: Option<u32>,
}

/// Serves until SIGTERM or SIGINT; a second one does not wait for anybody. SIGHUP reads the configuration again.
pub(super) fn run(args: &ServeArgs) -> Outcome {
    let format =
        args.log_format.unwrap_or_else(|| if io::stderr().is_terminal() { Format::Text } else { Format::Json });
    let log = match start_log(&args.log_level, format) {
        Ok(log) => log,
        Err(outcome) => return outcome,
    };
    let attempt = match snapshot::read(&args.config, &ProcessEnvironment) {
        Ok(attempt) => attempt,
        Err(unsettled) => {
            tracing::error!("{unsettled}");
            return Outcome::No;
        }
    };
    let loaded = match attempt.loaded {
        Ok(loaded) => loaded,
        Err(problems) => {
            for problem in problems.as_slice() {
                tracing::error!(place = %problem.place, "{}", problem.message);
            }
            return Outcome::WrongInput;
        }
    };
    for warning in &loaded.warnings {
        tracing::warn!(place = %warning.place, "{}", warning.message);
    }
    let said = |seconds: Option<u32>, configured| seconds.map_or(configured, |said| Duration::from_secs(said.into()));
    let configured = loaded.config.listen.drain;
    let drain = Drain {
        grace: said(args.drain_grace, configured.grace),
        deadline: said(args.drain_deadline, configured.deadline),
    };
    match runtime() {
        Ok(runtime) => {
            let outcome = runtime.block_on(async {
                let exporting = traces::start();
                let outcome = serve(args, &loaded, drain, &log).await;
                if let Some(exporting) = exporting {
                    exporting.end().await;
                }
                outcome
            });
            // What is still open has had its time.
            runtime.shutdown_background();
            outcome
        }
        Err(outcome) => outcome,
    }
}

async fn serve(args: &ServeArgs, loaded: &Loaded, drain: Drain, log: &Log) -> Outcome {
    let (mut signals, mut hang_up) = match Signals::new().and_then(|s| Ok((s, signal(SignalKind::hangup())?))) {
        Ok(signals) => signals,
        Err(error) => {
            tracing::error!(%error, "cannot listen for signals");
            return Outcome::No;
        }
    };
    let app = match App::new(&loaded.config, Arc::new(SystemClock)) {
        Ok(app) => Arc::new(app),
        Err(error) => return refuse(&error),
    };
    let tally = log.tally();
    app.metrics().watch_log(move || tally.dropped());
    let bound = match app.open().await {
        Ok(bound) => bound.with_drain(drain),
        Err(error) => return refuse(&error.into()),
    };
    announce(&bound, loaded);
    let reloader = Reloader::new(app, args.config.clone(), Arc::new(ProcessEnvironment), loaded, bound.readiness());
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let running = bound.run(async {
        let _stop_was_said_or_dropped = stopped.await;
    });
    let asked = Notify::new();
    let living = async {
        tokio::select! {
            name = signals.next() => tracing::info!(signal = name, "asked to end"),
            () = reloader.keep_fresh(&asked) => {}
            () = pass_on(&mut hang_up, &asked) => {}
        }
        let _server_is_gone = stop.send(());
        let name = signals.next().await;
        tracing::warn!(signal = name, "asked again: ending at once");
    };
    tokio::select! {
        biased;
        drained = running => {
            match drained {
                Drained::Completely => tracing::info!("ended: everybody is answered"),
                Drained::Cut => tracing::warn!("ended: the deadline has passed with connections still open"),
            }
            Outcome::Done
        }
        () = living => Outcome::No,
    }
}

/// Asks whenever the signal comes, for ever.
async fn pass_on(hang_up: &mut Signal, asked: &Notify) {
    loop {
        let _some_or_none = hang_up.recv().await;
        asked.notify_one();
    }
}

fn refuse(error: &StartError) -> Outcome {
    match error {
        StartError::Assembly(problems) => {
            for problem in &problems.0 {
                tracing::error!("{problem}");
            }
            Outcome::WrongInput
        }
        StartError::Bind(_) | StartError::Audit(_) => {
            tracing::error!("{error}");
            Outcome::No
        }
    }
}

fn announce(bound: &Bound, loaded: &Loaded) {
    let addresses: Vec<_> = bound.ext_authz_addresses().iter().map(ToString::to_string).collect();
    tracing::info!(
        version = build_info::VERSION,
        commit = build_info::COMMIT,
        ext_authz = addresses.join(", "),
        admin = bound.admin_address().map(tracing::field::display),
        health = bound.health_address().map(tracing::field::display),
        filters = loaded.config.filters.len(),
        "listening"
    );
}

/// The signals that end a process politely.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    pub(super) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
