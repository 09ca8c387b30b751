//! Which files was a configuration made of, and have they changed since?

use std::io;
use std::path::{Path, PathBuf};

/// How a file is read.
pub(super) type Disk<'d> = &'d dyn Fn(&Path) -> io::Result<Vec<u8>>;

/// The files of one load, each as it was when it was first looked at.
///
/// INVARIANT: no file is read twice, so that whoever asks for it again, be it another part of the configuration, sees no
/// other version of it. SECURITY: no `Debug`, for files hold secrets.
pub(super) struct Snapshot<'d> {
    disk: Disk<'d>,
    read: Vec<(PathBuf, Result<Vec<u8>, String>)>,
}

impl Snapshot<'static> {
    /// Of the files themselves; nothing is read yet.
    pub(super) fn of_files() -> Self {
        Self::of(&|path| std::fs::read(path))
    }
}

impl<'d> Snapshot<'d> {
    /// Of what `disk` reads; nothing is read yet.
    pub(super) fn of(disk: Disk<'d>) -> Self {
        Self { disk, read: Vec::new() }
    }

    /// What is in a file, or why that cannot be told.
    pub(super) fn read(&mut self, path: &Path) -> Result<Vec<u8>, String> {
        if let Some((_, content)) = self.read.iter().find(|(known, _)| known == path) {
            return content.clone();
        }
        let content = (self.disk)(path).map_err(|error| super::file_error(&error));
        self.read.push((path.to_owned(), content.clone()));
        content
    }

    /// Which files were looked at, readable or not, and what was in them.
    pub(super) fn into_sources(self) -> Sources {
        let digest = |content: Result<Vec<u8>, String>| content.ok().map(|bytes| blake3::hash(&bytes));
        Sources(self.read.into_iter().map(|(path, content)| Source { path, content: digest(content) }).collect())
    }
}

/// A file and the digest of what was in it; `None`: it could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Source {
    path: PathBuf,
    content: Option<blake3::Hash>,
}

/// The files a configuration was made of, as they were when they were read: a change while reading is a change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources(Vec<Source>);

impl Sources {
    /// Where they are.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().map(|source| source.path.as_path())
    }

    /// Whether any of them holds something else by now. Reads them all.
    #[must_use]
    pub fn have_changed(&self) -> bool {
        self.0.iter().any(|source| {
            let content = std::fs::read(&source.path).ok();
            content.map(|bytes| blake3::hash(&bytes)) != source.content
        })
    }
}
