//! What are we still waiting for before Envoy may ask? A guard for each, so that nobody can forget to report.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

/// The things that are pending; ready is who waits for none.
#[derive(Debug, Clone, Default)]
pub struct Readiness {
    pending: Arc<Mutex<BTreeSet<&'static str>>>,
    notes: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Readiness {
    /// `what` is pending until the guard is dropped.
    pub fn expect(&self, what: &'static str) -> Pending {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).insert(what);
        Pending { readiness: self.clone(), what }
    }

    /// Something about a part that is to be known and yet keeps nobody from asking; `None`: there is nothing any more.
    pub fn note(&self, about: &str, what: Option<String>) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        match what {
            Some(what) => notes.insert(about.to_owned(), what),
            None => notes.remove(about),
        };
    }

    /// One line for each note, in order of name.
    #[must_use]
    pub fn notes(&self) -> String {
        let notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        notes.iter().map(|(about, what)| format!("{about}: {what}\n")).collect()
    }

    /// What is pending, in order of name.
    #[must_use]
    pub fn pending(&self) -> Vec<&'static str> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }
}

/// Something that is pending while this lives.
#[derive(Debug)]
#[must_use = "what is pending is done when this is dropped"]
pub struct Pending {
    readiness: Readiness,
    what: &'static str,
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.readiness.pending.lock().unwrap_or_else(PoisonError::into_inner).remove(self.what);
    }
}
