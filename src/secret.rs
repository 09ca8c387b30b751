//! How is a secret held, so that no log, error or print can show it?

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

/// A client secret, password or key. Its `Debug` shows nothing; it is wiped when dropped.
/// Equal to another of the same value: for telling whether a configuration has changed, never for checking a guess.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Takes a secret out of the configuration, a file or the environment.
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(SecretString::from(value))
    }

    /// The secret itself, for the one call that sends it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[REDACTED]")
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::new("hunter2".to_owned())), "[REDACTED]");
    }
}
