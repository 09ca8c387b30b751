//! What happens when the configuration's files change? It is read again, and used if it can be.

use std::path::{Path, PathBuf};

use tokio::sync::Notify;

use super::App;
use super::watch::FileWatch;
use crate::config::{self, Environment, Loaded, Problem};
use crate::listen::Settings;

/// A configuration file, what it was made of, and the app that lives by it.
pub struct Reloader<'a> {
    app: &'a App,
    path: &'a Path,
    environment: &'a (dyn Environment + Sync),
    listen: Settings,
    sources: Vec<PathBuf>,
    seen: Option<[u8; 32]>,
}

impl<'a> Reloader<'a> {
    /// Keeps `app`, which was made of `loaded`, as `path` says.
    #[must_use]
    pub fn new(app: &'a App, path: &'a Path, environment: &'a (dyn Environment + Sync), loaded: &Loaded) -> Self {
        let (listen, sources) = (loaded.config.listen.clone(), loaded.sources.clone());
        let seen = digest(&sources);
        Self { app, path, environment, listen, sources, seen }
    }

    /// Reads the configuration again whenever one of its files changes or `asked` says so, for ever.
    ///
    /// INVARIANT: a configuration that cannot be used changes nothing; what was last good goes on deciding.
    pub async fn keep_fresh(mut self, asked: &Notify) {
        loop {
            let mut watch = FileWatch::new(self.sources.iter().map(PathBuf::as_path));
            let watched = self.sources.clone();
            while self.sources == watched {
                tokio::select! {
                    () = watch.changed() => self.look(),
                    () = asked.notified() => self.read_again(),
                }
            }
        }
    }

    /// Reads again if any file is other than it was.
    fn look(&mut self) {
        if digest(&self.sources) == self.seen {
            return;
        }
        self.read_again();
    }

    /// Reads again, changed or not: whoever asks wants to see in the log what became of it.
    fn read_again(&mut self) {
        self.seen = digest(&self.sources);
        let usable = self.reload();
        self.app.metrics().reloaded(usable);
    }

    fn reload(&mut self) -> bool {
        let loaded = match config::load(self.path, self.environment) {
            Ok(loaded) => loaded,
            Err(problems) => {
                log_problems(problems.as_slice());
                return false;
            }
        };
        if let Err(problems) = self.app.replace(&loaded.config) {
            for problem in &problems.0 {
                tracing::error!(%problem, "the changed configuration cannot be used and the former one stays");
            }
            return false;
        }
        for warning in &loaded.warnings {
            tracing::warn!(place = %warning.place, "{}", warning.message);
        }
        if loaded.config.listen != self.listen {
            tracing::warn!("`listen` has changed; listeners follow only after a restart");
        }
        tracing::info!(file = %self.path.display(), "the configuration was read again");
        self.sources = loaded.sources;
        self.seen = digest(&self.sources);
        true
    }
}

fn log_problems(problems: &[Problem]) {
    for problem in problems {
        tracing::error!(
            place = %problem.place,
            problem = problem.message,
            "the changed configuration cannot be used and the former one stays"
        );
    }
}

/// What the files hold; `None` while one of them cannot be read.
fn digest(sources: &[PathBuf]) -> Option<[u8; 32]> {
    let mut hasher = blake3::Hasher::new();
    for source in sources {
        hasher.update(blake3::hash(&std::fs::read(source).ok()?).as_bytes());
    }
    Some(*hasher.finalize().as_bytes())
}
