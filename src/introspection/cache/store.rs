//! Which answers are kept, how long may each be used, and how much room do they take (A25, J16)?

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use moka::Expiry;
use moka::future::Cache;
use serde_json::Value;

use super::key::Key;
use crate::introspection::settings::{CacheSettings, MaxTimeout};
use crate::token::{ActiveToken, TokenState};

/// What is kept of earlier answers: active tokens, and apart from them, in a small cache of its own, inactive ones.
pub(super) struct Store {
    active: Cache<Key, Kept>,
    inactive: Cache<Key, Timestamp>,
    /// `None`: until `exp`.
    max_age: Option<SignedDuration>,
    negative: SignedDuration,
    stale: SignedDuration,
    room: u32,
}

/// An active token and until when it may serve.
#[derive(Clone)]
struct Kept {
    token: Arc<ActiveToken>,
    /// Exclusive. INVARIANT: not after `exp` (T-45).
    fresh_until: Timestamp,
    /// Exclusive; `fresh_until` or later. INVARIANT: not after `exp`.
    stale_until: Timestamp,
    /// When it was asked.
    since: Timestamp,
    weight: u32,
}

/// What the store knows of a token at an instant.
pub(super) enum Lookup {
    /// Active; may be used.
    Fresh(Arc<ActiveToken>),
    /// Active when last heard of; may be used if nobody can be asked.
    Stale(Arc<ActiveToken>),
    /// Inactive a moment ago.
    Inactive,
    /// Nothing.
    Unknown,
}

/// An entry takes one share of the room for each so many bytes begun.
const SHARE_BYTES: usize = 4096;
/// No entry stays in memory longer; moka refuses lives of a thousand years.
const A_YEAR: Duration = Duration::from_secs(365 * 86_400);

impl Store {
    /// An empty store; `None` if `maxTimeout` turns it off.
    ///
    /// `max_tokens` bounds the number of active tokens and, at 4 KiB each, their memory: a token whose answer takes more
    /// counts as several.
    pub fn new(settings: &CacheSettings) -> Option<Self> {
        let max_age = match settings.max_timeout {
            MaxTimeout::Off => return None,
            MaxTimeout::AtMost(age) => Some(signed(age)),
            MaxTimeout::UntilExpiry => None,
        };
        Some(Self {
            active: Cache::builder()
                .max_capacity(settings.max_tokens)
                .weigher(|_, kept: &Kept| kept.weight)
                .expire_after(ByStaleness)
                .build(),
            inactive: Cache::builder()
                .max_capacity(settings.max_negative)
                .time_to_live(settings.negative.min(A_YEAR))
                .build(),
            max_age,
            negative: signed(settings.negative),
            stale: signed(settings.stale_if_error),
            room: u32::try_from(settings.max_tokens).unwrap_or(u32::MAX),
        })
    }

    /// What is known at `now`. The ages are measured against the injected clock here; moka's only free the memory.
    pub async fn look(&self, key: &Key, now: Timestamp) -> Lookup {
        if let Some(kept) = self.active.get(key).await {
            if now < kept.fresh_until {
                return Lookup::Fresh(kept.token);
            }
            if now < kept.stale_until {
                return Lookup::Stale(kept.token);
            }
        }
        if self.inactive.get(key).await.is_some_and(|until| now < until) {
            return Lookup::Inactive;
        }
        Lookup::Unknown
    }

    /// Keeps the answer to a question asked at `since`, in place of what was known; `false` if it is too large to keep.
    pub async fn keep(&self, key: Key, state: &TokenState, since: Timestamp) -> bool {
        match state {
            TokenState::Inactive => {
                self.active.invalidate(&key).await;
                if self.negative > SignedDuration::ZERO {
                    self.inactive.insert(key, later(since, self.negative)).await;
                }
                true
            }
            TokenState::Active(token) => {
                let Some(kept) = self.lifetime(token, since) else {
                    self.active.invalidate(&key).await;
                    return true;
                };
                if kept.weight > self.room {
                    self.active.invalidate(&key).await;
                    return false;
                }
                self.active.insert(key, kept).await;
                true
            }
        }
    }

    /// The shorter of `maxTimeout` and the token's own life; a token without `exp` lives as long as `maxTimeout`, and not
    /// at all if that is unlimited (A25).
    fn lifetime(&self, token: &Arc<ActiveToken>, since: Timestamp) -> Option<Kept> {
        let oldest = self.max_age.map(|age| later(since, age));
        let fresh_until = [oldest, token.expires_at].into_iter().flatten().min()?;
        let stale_until = later(fresh_until, self.stale).min(token.expires_at.unwrap_or(Timestamp::MAX));
        let kept = Kept { token: Arc::clone(token), fresh_until, stale_until, since, weight: weight(token) };
        (since < fresh_until).then_some(kept)
    }

    /// How many active tokens are kept, about.
    pub fn active_count(&self) -> u64 {
        self.active.entry_count()
    }

    /// How many inactive tokens are kept, about.
    pub fn inactive_count(&self) -> u64 {
        self.inactive.entry_count()
    }

    /// Makes the counts exact.
    #[cfg(test)]
    pub async fn settle(&self) {
        self.active.run_pending_tasks().await;
        self.inactive.run_pending_tasks().await;
    }
}

/// Frees an entry once it can serve no more, by the monotonic clock: also a bound if the wall clock is set back.
struct ByStaleness;

impl Expiry<Key, Kept> for ByStaleness {
    fn expire_after_create(&self, _: &Key, kept: &Kept, _: Instant) -> Option<Duration> {
        let life = Duration::try_from(kept.stale_until.duration_since(kept.since)).unwrap_or(Duration::ZERO);
        Some(life.min(A_YEAR))
    }

    fn expire_after_update(&self, key: &Key, kept: &Kept, now: Instant, _: Option<Duration>) -> Option<Duration> {
        self.expire_after_create(key, kept, now)
    }
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// Shares of the room that a token takes: from the size of its members, counted twice since some are held as text too.
fn weight(token: &ActiveToken) -> u32 {
    let members = token.claims.iter().map(|(name, value)| name.len() + size(value)).sum::<usize>();
    u32::try_from(1 + 2 * members / SHARE_BYTES).unwrap_or(u32::MAX)
}

fn size(value: &Value) -> usize {
    let inner = match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Object(members) => members.iter().map(|(name, value)| name.len() + size(value)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    };
    inner + 64
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use jiff::Timestamp;
    use moka::Expiry;
    use serde_json::json;

    use super::{A_YEAR, ByStaleness, Kept, weight};
    use crate::introspection::cache::key::Keys;
    use crate::introspection::testing::token;
    use crate::token::ActiveToken;

    fn kept(since: i64, stale_until: Timestamp) -> Kept {
        let since = Timestamp::from_second(since).unwrap();
        Kept { token: std::sync::Arc::default(), fresh_until: since, stale_until, since, weight: 1 }
    }

    #[test]
    fn an_entry_that_is_replaced_gets_a_life_of_its_own() {
        let key = Keys::random(&[]).unwrap().of(&token("t"));
        let renewed = kept(100, Timestamp::from_second(160).unwrap());
        let left = ByStaleness.expire_after_update(&key, &renewed, Instant::now(), Some(Duration::from_secs(1)));
        assert_eq!(left, Some(Duration::from_secs(60)));
    }

    #[test]
    fn no_life_is_too_long_for_the_timer() {
        let key = Keys::random(&[]).unwrap().of(&token("t"));
        let life = ByStaleness.expire_after_create(&key, &kept(0, Timestamp::MAX), Instant::now());
        assert_eq!(life, Some(A_YEAR));
    }

    #[test]
    fn a_token_weighs_by_the_size_of_its_members() {
        let weigh = |claims: serde_json::Value| {
            weight(&ActiveToken { claims: claims.as_object().unwrap().clone(), ..ActiveToken::default() })
        };
        assert_eq!(weigh(json!({})), 1);
        assert_eq!(weigh(json!({"sub": "a", "aud": ["x", "y"], "exp": 1, "n": null})), 1);
        assert_eq!(weigh(json!({"x": "y".repeat(20_000)})), 10);
        assert_eq!(weigh(json!({"x": [{"y".repeat(20_000): 1}]})), 10);
        assert!(weigh(json!({"x": vec![0; 10_000]})) > 300, "many small values take room as well");
    }
}
