//! Under which key is an answer kept, so that it is found for the same question only and shows no token?

use crate::token::BearerToken;

/// A digest of a token and of whom it was asked about, as whom. Useless outside this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; 32]);

/// Makes keys for one segment: one set of issuer, endpoint and client (T-06, T-37).
pub(super) struct Keys([u8; 32]);

impl Keys {
    /// Keys with a random secret of their own, so that a digest can be neither guessed from a token nor compared with one
    /// of another process.
    pub fn random(segment: &[&str]) -> Result<Self, getrandom::Error> {
        let mut random = [0; 32];
        getrandom::fill(&mut random)?;
        Ok(Self::derive(random, segment))
    }

    /// INVARIANT: every field goes in with its length, so that no two segments meet (T-44: in the caller's order).
    fn derive(random: [u8; 32], segment: &[&str]) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(&random);
        for field in segment {
            hasher.update(&(field.len() as u64).to_le_bytes()).update(field.as_bytes());
        }
        Self(*hasher.finalize().as_bytes())
    }

    /// The key of `token`; costs one keyed hash and no allocation.
    pub fn of(&self, token: &BearerToken) -> Key {
        Key(*blake3::keyed_hash(&self.0, token.expose().as_bytes()).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::Keys;
    use crate::introspection::testing::token;

    #[test]
    fn issuer_endpoint_client_and_token_each_make_another_key() {
        let of = |segment: &[&str], text: &str| Keys::derive([7; 32], segment).of(&token(text));
        let one = of(&["i", "https://a", "c"], "t");
        assert_eq!(one, of(&["i", "https://a", "c"], "t"));
        let segments: [&[&str]; 6] = [
            &["j", "https://a", "c"],
            &["i", "https://b", "c"],
            &["i", "https://a", "d"],
            &["i", "https://ac", ""],
            &["", "ihttps://a", "c"],
            &["i", "https://a", "c", ""],
        ];
        for segment in segments {
            assert_ne!(one, of(segment, "t"), "{segment:?}");
        }
        assert_ne!(one, of(&["i", "https://a", "c"], "u"));
    }

    #[test]
    fn a_key_is_of_this_process_only() {
        let key = || Keys::random(&["i"]).unwrap().of(&token("t"));
        assert_ne!(key(), key());
    }
}
