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

/// Waits for changes near a set of files.
#[derive(Debug)]
pub struct FileWatch {
    events: mpsc::Receiver<()>,
    _watcher: Option<RecommendedWatcher>,
}

impl FileWatch {
    /// Watches the directories that hold `paths`.
    ///
    /// The directory, not the file: Kubernetes swaps a mounted `ConfigMap` or `Secret` by renaming a symbolic link
    /// beside it, and a watch on the file itself goes blind at the first swap.
    #[must_use]
    pub fn new<'p>(paths: impl IntoIterator<Item = &'p Path>) -> Self {
        let directories: BTreeSet<PathBuf> = paths.into_iter().map(directory_of).collect();
        let (told, events) = mpsc::channel(1);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if event.as_ref().map_or(true, may_be_a_change) {
                let _one_is_already_waiting = told.try_send(());
            }
        });
        let watcher = watcher.and_then(|mut watcher| {
            for directory in &directories {
                watcher.watch(directory, RecursiveMode::NonRecursive)?;
            }
            Ok(watcher)
        });
        let watcher = watcher
            .inspect_err(|error| {
                tracing::warn!(%error, every = ?POLL, "cannot be told of changed files and will look from time to time");
            })
            .ok();
        Self { events, _watcher: watcher }
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
