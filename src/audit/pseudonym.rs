//! How is a user told from another without being named?

use super::AuditEvent;

/// Makes pseudonyms. They stay the same as long as the process lives and mean nothing to anybody else: with a key that is
/// known, or none, whoever guesses a user's name could tell.
pub(super) struct Pseudonyms {
    key: [u8; 32],
}

impl Pseudonyms {
    /// With a key of their own.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub(super) fn random() -> std::io::Result<Self> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(std::io::Error::other)?;
        Ok(Self { key })
    }

    /// The event with pseudonyms for the user's names.
    pub(super) fn hide<'a>(&self, event: &AuditEvent<'a>) -> AuditEvent<'a> {
        let hidden = |name: &Option<_>| name.as_deref().map(|name: &str| self.of(name).into());
        let (authentication_id, id) = (hidden(&event.authentication_id), hidden(&event.id));
        AuditEvent { authentication_id, id, ..event.clone() }
    }

    fn of(&self, name: &str) -> String {
        let hash = blake3::keyed_hash(&self.key, name.as_bytes()).to_hex();
        format!("#{}", hash.get(..16).unwrap_or_default())
    }
}

impl std::fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pseudonyms([REDACTED])")
    }
}
