//! Which functions did the operator write beside the rules, for `customAuthz` to call?

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::script::outline::{Outline, Use};
use crate::script::{ScriptError, outline};

/// An operator's own functions: those that stand in an `access.js`, or in the file that the configuration names.
///
/// Nothing of it runs when it is read. A condition takes the statements along that declare what it names, and those that
/// these need; nothing else of the file ever runs.
#[derive(Debug, Clone, Default)]
pub struct Library(Option<Arc<Read>>);

#[derive(Debug)]
struct Read {
    source: String,
    outline: Outline,
}

/// A statement that a condition takes along.
pub(super) struct Taken<'l> {
    /// Its text.
    pub(super) text: &'l str,
    /// Where it begins, in bytes.
    pub(super) from: usize,
    /// The names in it that the library does not declare.
    pub(super) free: Vec<&'l Use>,
}

impl Library {
    /// Reads a script for what it declares at its top.
    ///
    /// # Errors
    /// [`ScriptError::Syntax`] with the place.
    pub fn read(source: &str) -> Result<Self, ScriptError> {
        Ok(Self(Some(Arc::new(Read { outline: outline(source)?, source: source.to_owned() }))))
    }

    /// Whether there is no such file.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// Whether the library declares a name at its top.
    pub(super) fn declares(&self, name: &str) -> bool {
        self.0.iter().flat_map(|read| &read.outline.statements).any(|statement| is_one(&statement.declares, name))
    }

    /// The statements that declare `names`, and those that these need, in the order of the file.
    pub(super) fn taking(&self, names: impl IntoIterator<Item = String>) -> Vec<Taken<'_>> {
        let Some(read) = self.0.as_deref() else { return Vec::new() };
        let mut wanted: Vec<String> = names.into_iter().collect();
        let mut taken = BTreeSet::new();
        while let Some(name) = wanted.pop() {
            let statements = read.outline.statements.iter().enumerate();
            for (index, statement) in statements.filter(|(_, statement)| is_one(&statement.declares, &name)) {
                if taken.insert(index) {
                    wanted.extend(statement.uses.iter().cloned());
                }
            }
        }
        let statements = taken.into_iter().filter_map(|index| read.outline.statements.get(index));
        let taken = statements.filter_map(|statement| {
            let within = |it: &&Use| statement.at.start <= it.at.start && it.at.end <= statement.at.end;
            let free = read.outline.free.iter().filter(within).collect();
            Some(Taken { text: read.source.get(statement.at.clone())?, from: statement.at.start, free })
        });
        taken.collect()
    }
}

fn is_one(names: &[String], name: &str) -> bool {
    names.iter().any(|one| one == name)
}
