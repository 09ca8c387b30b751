//! When might files have changed? Told by the file system where it can, looked up from time to time where it cannot.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time;

/// A change comes in several events; this is how long to wait for the last of them.
const SETTLE: Duration = Duration::from_millis(200);

/// How often to look without having been told, for file systems and changes that tell nothing.
const POLL: Duration = Duration::from_secs(60);

/// How many links one path may lead through.
const MAX_LINKS: usize = 40;

/// Waits for changes near a set of files.
#[derive(Debug)]
pub struct FileWatch {
    directories: BTreeSet<PathBuf>,
    events: mpsc::Receiver<()>,
    /// Some directory cannot be watched, and that has been told.
    blind: bool,
    _watcher: Option<RecommendedWatcher>,
}

impl FileWatch {
    /// Watches the directories that hold `paths`, and those that hold the links on the way to them.
    ///
    /// The directory, not the file: Kubernetes swaps a mounted `ConfigMap` or `Secret` by renaming a symbolic link
    /// beside it, and a watch on the file itself goes blind at the first swap.
    pub async fn new<'p>(paths: impl IntoIterator<Item = &'p Path>) -> Self {
        Self::on(look_up(paths).await, false).await
    }

    async fn on(directories: BTreeSet<PathBuf>, known_blind: bool) -> Self {
        let started = tokio::task::spawn_blocking(move || Self::start(directories, known_blind));
        // It does not panic; and if it did, we would look from time to time.
        started.await.unwrap_or_else(|_| {
            let (_told, events) = mpsc::channel(1);
            Self { directories: BTreeSet::new(), events, blind: true, _watcher: None }
        })
    }

    fn start(directories: BTreeSet<PathBuf>, known_blind: bool) -> Self {
        let (told, events) = mpsc::channel(1);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if event.as_ref().map_or(true, may_be_a_change) {
                let _one_is_already_waiting = told.try_send(());
            }
        });
        let mut blind = false;
        let mut failed = |error: notify::Error| {
            if !known_blind && !std::mem::replace(&mut blind, true) {
                tracing::warn!(%error, every = ?POLL, "cannot be told of changed files and will look from time to time");
            }
            blind = true;
        };
        let watcher = watcher.map_err(&mut failed).ok().map(|mut watcher| {
            for directory in &directories {
                // One that cannot be watched must not blind us for the others.
                let _told_in_the_log = watcher.watch(directory, RecursiveMode::NonRecursive).map_err(&mut failed);
            }
            watcher
        });
        Self { directories, events, blind, _watcher: watcher }
    }

    /// Watches `paths` from now on; `true` if that means other directories than before, because other files are named or
    /// a link leads elsewhere. What changed in between is then known to nobody: look.
    pub async fn follow<'p>(&mut self, paths: impl IntoIterator<Item = &'p Path>) -> bool {
        let directories = look_up(paths).await;
        let others = directories != self.directories;
        if others {
            *self = Self::on(directories, self.blind).await;
        }
        others
    }

    /// Watches `paths` anew. To be called after every change and before looking what it was: a directory may have been
    /// replaced by another of the same name, of which a watch on the former one never tells.
    pub async fn renew<'p>(&mut self, paths: impl IntoIterator<Item = &'p Path>) {
        *self = Self::on(look_up(paths).await, self.blind).await;
    }

    /// Returns when the files might have changed, and the change has settled; also now and then without a reason.
    pub async fn changed(&mut self) {
        tokio::select! {
            Some(()) = self.events.recv() => {
                time::sleep(SETTLE).await;
                while self.events.try_recv().is_ok() {}
            }
            () = time::sleep(POLL) => {}
        }
    }
}

/// Where a change to one of `paths` shows. Found out where no check waits for a slow file system.
async fn look_up<'p>(paths: impl IntoIterator<Item = &'p Path>) -> BTreeSet<PathBuf> {
    let paths: Vec<PathBuf> = paths.into_iter().map(Path::to_owned).collect();
    tokio::task::spawn_blocking(move || directories(paths)).await.unwrap_or_default()
}

fn directories(paths: Vec<PathBuf>) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for mut path in paths {
        for _ in 0..MAX_LINKS {
            found.insert(existing(directory_of(&path)));
            let Some((link, rest)) = first_link(&path) else { break };
            let directory = directory_of(&link);
            let Ok(target) = std::fs::read_link(&link) else { break };
            // By parts: joining nothing would leave a slash at the end, and what ends in one is no link to anybody.
            path = directory.join(target);
            path.extend(rest.components());
            found.insert(existing(directory));
        }
    }
    found
}

/// The first part of `path` that is a symbolic link, and what follows it.
fn first_link(path: &Path) -> Option<(PathBuf, PathBuf)> {
    let mut upwards: Vec<&Path> = path.ancestors().filter(|part| !part.as_os_str().is_empty()).collect();
    upwards.reverse();
    let link = upwards.into_iter().find(|part| part.is_symlink())?;
    let rest = path.strip_prefix(link).ok()?;
    Some((link.to_owned(), rest.to_owned()))
}

/// The directory itself, or the nearest above it that is there, in which it may appear.
fn existing(directory: PathBuf) -> PathBuf {
    let there = directory.ancestors().find(|above| above.is_dir()).map(Path::to_owned);
    there.unwrap_or(directory)
}

fn directory_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Whether an event is more than somebody, perhaps ourselves, having read a file.
fn may_be_a_change(event: &Event) -> bool {
    match event.kind {
        EventKind::Access(kind) => kind == AccessKind::Close(AccessMode::Write),
        EventKind::Any | EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_) | EventKind::Other => true,
    }
}
