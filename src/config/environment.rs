//! Where do values come from that do not stand in a file?

use std::collections::BTreeMap;

/// The environment variables, as far as a configuration reads them.
pub trait Environment {
    /// The value of the variable `name`, where it is set and is UTF-8.
    fn var(&self, name: &str) -> Option<String>;
}

/// The process's own environment.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    fn var(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}

impl Environment for BTreeMap<String, String> {
    fn var(&self, name: &str) -> Option<String> {
        self.get(name).cloned()
    }
}
