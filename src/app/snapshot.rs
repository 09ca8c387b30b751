//! How did the files of a configuration stand together at one moment? Read again until none changes meanwhile.

use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::config::{self, Attempt, Environment};

/// How often to read before giving up.
const TRIES: u32 = 10;

/// How long to leave the files alone in between; whoever changes several of them needs no longer.
const PAUSE: Duration = Duration::from_millis(50);

/// The files changed each time they were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the files of the configuration change while they are read, {TRIES} times in a row")]
pub struct Unsettled;

/// Reads the configuration at `path` with all that it names, never half of one version and half of another: a mounted
/// `ConfigMap` may be swapped at any time, also between two of its files.
///
/// Blocks: not to be called where checks are answered.
///
/// # Errors
/// [`Unsettled`]. A configuration that cannot be used is an [`Attempt`] like any other.
pub fn read(path: &Path, env: &dyn Environment) -> Result<Attempt, Unsettled> {
    read_with(path, env, || thread::sleep(PAUSE))
}

fn read_with(path: &Path, env: &dyn Environment, pause: impl Fn()) -> Result<Attempt, Unsettled> {
    for attempted in 0..TRIES {
        if attempted > 0 {
            pause();
        }
        let attempt = config::attempt(path, env);
        // INVARIANT: each file still holds what it held when it was read, so all of them held it when the last was read.
        if !attempt.contents.have_changed() {
            return Ok(attempt);
        }
    }
    Err(Unsettled)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Whoever changes the files at the worst moment: when the first has been read, and others not yet.
    struct Meanwhile<'a>(&'a dyn Fn());

    impl Environment for Meanwhile<'_> {
        fn var(&self, _: &str) -> Option<String> {
            (self.0)();
            Some("mesh-rs".to_owned())
        }
    }

    fn write(folder: &Path, version: &str) {
        let configuration = format!(
            r#"{{
                "rsFilter": {{
                    "clientId": "&{{meanwhile}}",
                    "clientSecret": {{ "file": "secret" }},
                    "tokenIntrospectUrl": "https://{version}.test/introspect"
                }},
                "directory": {{ "token": {{}} }},
                "accessFile": "access.json"
            }}"#
        );
        let rules = format!(
            r#"{{ "configs": [ {{ "pattern": "{version}/*", "roles": "*", "methods": "*", "actions": "*" }} ] }}"#
        );
        for (name, text) in [("keyward.json", configuration.as_str()), ("secret", "changeit"), ("access.json", &rules)]
        {
            fs::write(folder.join(name), text).unwrap();
        }
    }

    /// Which versions the configuration is made of.
    fn versions(attempt: Attempt) -> Vec<&'static str> {
        let means = format!("{:?}", attempt.loaded.unwrap().config);
        let parts = ["former.test", "former/*", "next.test", "next/*"];
        parts.into_iter().filter(|part| means.contains(part)).collect()
    }

    #[test]
    fn files_that_are_swapped_while_they_are_read_are_never_half_of_each_version() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "former");
        let asked = AtomicU32::new(0);
        let swap = || {
            if asked.fetch_add(1, Ordering::Relaxed) == 0 {
                write(folder.path(), "next");
            }
        };
        let read = read_with(&folder.path().join("keyward.json"), &Meanwhile(&swap), || {}).unwrap();
        assert_eq!(versions(read), ["next.test", "next/*"]);
    }

    #[test]
    fn files_that_never_come_to_rest_are_no_configuration() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "former");
        let asked = AtomicU32::new(0);
        let swap = || write(folder.path(), ["next", "former"][asked.fetch_add(1, Ordering::Relaxed) as usize % 2]);
        let read = read_with(&folder.path().join("keyward.json"), &Meanwhile(&swap), || {});
        assert_eq!(read.err(), Some(Unsettled));
    }
}
