//! What is a decision called? An id that says nothing: neither how many there were nor who made them.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// The id of one decision: 128 bits, 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecisionId([u8; 16]);

impl DecisionId {
    /// A number that nobody chose, the same for the same decision.
    #[must_use]
    pub fn lot(self) -> u32 {
        let [a, b, c, d, ..] = self.0;
        u32::from_be_bytes([a, b, c, d])
    }
}

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// Makes ids.
///
/// SECURITY: clients read them. A number, even one beside something random, would tell how much is refused; this is the
/// number under a key that never leaves the process, so that ids can neither be put in order nor guessed.
pub(super) struct DecisionIds {
    key: [u8; 32],
    next: AtomicU64,
}

impl DecisionIds {
    pub(super) fn new(now: jiff::Timestamp) -> Self {
        let mut key = [0; 32];
        if getrandom::fill(&mut key).is_err() {
            // Still apart from other processes'; only no secret.
            key = *blake3::hash(format!("{} {now:.9}", std::process::id()).as_bytes()).as_bytes();
        }
        Self { key, next: AtomicU64::new(0) }
    }

    pub(super) fn next(&self) -> DecisionId {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let hash = blake3::keyed_hash(&self.key, &number.to_be_bytes());
        DecisionId(hash.as_bytes().first_chunk().copied().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::DecisionIds;

    #[test]
    fn ids_differ_and_are_in_no_order() {
        let ids = DecisionIds::new(jiff::Timestamp::UNIX_EPOCH);
        let texts: Vec<String> = (0..1000).map(|_| ids.next().to_string()).collect();
        assert!(texts.iter().all(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())), "{texts:?}");
        assert_eq!(texts.iter().collect::<HashSet<_>>().len(), 1000);
        assert!(!texts.is_sorted());
        let starts: HashSet<&str> = texts.iter().map(|id| id.split_at(4).0).collect();
        assert!(starts.len() > 900, "no part stands still");
        assert_ne!(DecisionIds::new(jiff::Timestamp::UNIX_EPOCH).next().to_string(), texts[0]);
    }
}
