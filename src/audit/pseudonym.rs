//! How is a user told from another without being named?

use std::borrow::Cow;

use super::AuditEvent;

/// `#` and 16 hexadecimal digits.
const LENGTH: usize = 17;

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
    pub(super) fn hide<'a>(&self, event: AuditEvent<'a>) -> AuditEvent<'a> {
        let hidden = |name: Option<Cow<'a, str>>| name.map(|name| self.of(&name).into());
        let (authentication_id, id) = (hidden(event.authentication_id), hidden(event.id));
        AuditEvent { authentication_id, id, ..event }
    }

    fn of(&self, name: &str) -> String {
        let hash = blake3::keyed_hash(&self.key, name.as_bytes()).to_hex();
        let mut pseudonym = String::with_capacity(LENGTH);
        pseudonym.push('#');
        pseudonym.push_str(hash.get(..LENGTH - 1).unwrap_or_default());
        pseudonym
    }
}

impl std::fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pseudonyms([REDACTED])")
    }
}
