//! Which files was a configuration made of, and have they changed since?

use std::path::{Path, PathBuf};

/// A file and the digest of what was in it; `None`: it could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    path: PathBuf,
    content: Option<blake3::Hash>,
}

impl Source {
    pub(super) fn new(path: PathBuf, content: Option<&[u8]>) -> Self {
        Self { path, content: content.map(blake3::hash) }
    }
}

/// The files a configuration was made of, as they were when they were read: a change while reading is a change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources(Vec<Source>);

impl Sources {
    pub(super) fn new(sources: Vec<Source>) -> Self {
        Self(sources)
    }

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
