//! What happens when the configuration's files change? It is read again, and used if it can be.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Notify;

use super::watch::FileWatch;
use super::{App, Former, snapshot};
use crate::admin::readiness::Readiness;
use crate::config::{Environment, Loaded, Problem, Sources};
use crate::giving_way::giving_way;

/// What `/readyz` calls the configuration.
const CONFIGURATION: &str = "configuration";
/// What `/readyz` calls settings that wait for a restart.
const RESTART: &str = "restart";

/// A configuration file, what it was made of, and the app that lives by it.
pub struct Reloader {
    reading: Arc<Reading>,
    readiness: Readiness,
    sources: Sources,
}

/// What is needed to read again.
struct Reading {
    app: Arc<App>,
    path: PathBuf,
    environment: Arc<dyn Environment + Send + Sync>,
}

/// What became of reading again.
enum Outcome {
    /// Nothing is other than it was.
    Same,
    /// The new version decides; these settings need a restart.
    Replaced(Former, Vec<&'static str>),
    /// The new version cannot be used: in how many ways, and where first.
    Refused(usize, String),
    /// The files change while they are read: what they will be is to be seen.
    Unsettled,
}

impl Reloader {
    /// Keeps `app`, which was made of `loaded`, as `path` says; `readiness` tells what does not work.
    #[must_use]
    pub fn new(
        app: Arc<App>,
        path: PathBuf,
        environment: Arc<dyn Environment + Send + Sync>,
        loaded: &Loaded,
        readiness: Readiness,
    ) -> Self {
        let reading = Arc::new(Reading { app, path, environment });
        Self { reading, readiness, sources: loaded.contents.clone() }
    }

    /// Reads the configuration again whenever one of its files changes or `asked` says so, for ever.
    ///
    /// INVARIANT: a configuration that cannot be used changes nothing; what was last good goes on deciding.
    pub async fn keep_fresh(mut self, asked: &Notify) {
        let mut watch = FileWatch::new(self.sources.paths()).await;
        // The files may have changed between the first reading and the start of the watch.
        let mut always = false;
        loop {
            always = self.look(always).await;
            if watch.follow(self.sources.paths()).await {
                continue;
            }
            tokio::select! {
                () = watch.changed() => {}
                () = asked.notified() => always = true,
            }
            // Before looking: whatever changes from here on wakes us.
            watch.renew(self.sources.paths()).await;
        }
    }

    /// Reads again if any file is other than it was, or `always`: whoever asks wants to see in the log what became of it.
    /// `true`: they have to be read again, even if they are as they were.
    async fn look(&mut self, always: bool) -> bool {
        let (reading, sources) = (Arc::clone(&self.reading), self.sources.clone());
        // Ten thousand rules take their time, and checks must not wait for it.
        let read = tokio::task::spawn_blocking(move || giving_way(|| reading.read_again(sources, always))).await;
        let (outcome, sources) = match read {
            Ok(read) => read,
            Err(error) => {
                tracing::error!(%error, "reading the configuration again ended in a panic; the former one stays");
                (Outcome::Refused(1, "see the log".to_owned()), self.sources.clone())
            }
        };
        self.sources = sources;
        let metrics = self.reading.app.metrics();
        let unsettled = matches!(outcome, Outcome::Unsettled);
        match outcome {
            Outcome::Same => {}
            Outcome::Replaced(former, stays) => {
                metrics.reloaded(true);
                tokio::spawn(former.retire());
                self.readiness.note(CONFIGURATION, None);
                let stays = (!stays.is_empty()).then(|| format!("{} changed, needs a restart", stays.join(", ")));
                if let Some(stays) = &stays {
                    tracing::warn!("{stays}");
                }
                self.readiness.note(RESTART, stays);
            }
            Outcome::Refused(problems, place) => {
                metrics.reloaded(false);
                let what = format!(
                    "the changed files cannot be used and the former version decides; problems: {problems}, the first at \
                     {place}"
                );
                self.readiness.note(CONFIGURATION, Some(what));
            }
            Outcome::Unsettled => {
                metrics.reloaded(false);
                let what = "the files change while they are read and the former version decides";
                self.readiness.note(CONFIGURATION, Some(what.to_owned()));
            }
        }
        unsettled
    }
}

impl Reading {
    fn read_again(&self, sources: Sources, always: bool) -> (Outcome, Sources) {
        if !always && !sources.have_changed() {
            return (Outcome::Same, sources);
        }
        let attempt = match snapshot::read(&self.path, &*self.environment) {
            Ok(attempt) => attempt,
            Err(unsettled) => {
                tracing::error!("{unsettled}; the former one stays");
                return (Outcome::Unsettled, sources);
            }
        };
        let outcome = match attempt.loaded {
            Ok(loaded) => self.replace(&loaded),
            Err(problems) => refused(problems.as_slice()),
        };
        (outcome, attempt.contents)
    }

    fn replace(&self, loaded: &Loaded) -> Outcome {
        let former = match self.app.replace(&loaded.config) {
            Ok(former) => former,
            Err(problems) => {
                for problem in &problems.0 {
                    tracing::error!(%problem, "the changed configuration cannot be used and the former one stays");
                }
                let place = problems.0.first().map(|first| format!("filter `{}`: {}", first.filter, first.place));
                return Outcome::Refused(problems.0.len(), place.unwrap_or_default());
            }
        };
        for warning in &loaded.warnings {
            tracing::warn!(place = %warning.place, "{}", warning.message);
        }
        tracing::info!(file = %self.path.display(), "the configuration was read again");
        Outcome::Replaced(former, self.app.stays(&loaded.config))
    }
}

fn refused(problems: &[Problem]) -> Outcome {
    for problem in problems {
        tracing::error!(
            place = %problem.place,
            problem = problem.message,
            "the changed configuration cannot be used and the former one stays"
        );
    }
    let place = problems.first().map(|first| first.place.to_string());
    Outcome::Refused(problems.len(), place.unwrap_or_default())
}
