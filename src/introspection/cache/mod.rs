//! Has this token been asked about already, and who asks if not?

mod key;
mod store;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, timeout_at};

pub use watch::{CacheCounts, NoObserver, Observer};

use super::settings::CacheSettings;
use super::{AnswerSource, Introspection, IntrospectionError, Introspector};
use crate::clock::Clock;
use crate::deadline::Deadline;
use crate::single_flight::Flights;
use crate::token::{BearerToken, TokenState};
use key::{Key, Keys};
use store::{Lookup, Store};
use watch::Counters;

/// Remembers what `I` said, and asks it once however many want to know.
///
/// Scopes, expiry, issuer and audience are nobody's business here: [`super::TokenPolicy`] is asked on every request, of
/// answers from here too (T-04, T-05).
///
/// With [`MaxTimeout::Off`](super::settings::MaxTimeout::Off) nothing is remembered and nobody joins: each check asks
/// for itself, and stops asking when its caller hangs up.
pub struct Cached<I>(Arc<Core<I>>);

/// What a [`Cached`] needs to know beside whom to ask.
pub struct CacheOptions<'a> {
    /// Everything but the token that decides what an answer means: issuers, endpoint, client (T-06, T-37).
    pub segment: &'a [&'a str],
    /// Lifetimes and bounds.
    pub cache: &'a CacheSettings,
    /// The longest an introspection may take, whoever waits for it.
    pub timeout: Duration,
    /// Against which lifetimes are measured.
    pub clock: Arc<dyn Clock>,
    /// Hears of every introspection.
    pub observer: Arc<dyn Observer>,
}

struct Core<I> {
    inner: I,
    keys: Keys,
    /// `None`: the cache is off.
    store: Option<Arc<Store>>,
    flights: Flights<Key, Answer>,
    timeout: Duration,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
    counters: Counters,
}

type Answer = Result<Introspection, IntrospectionError>;

impl<I: Introspector> Cached<I> {
    /// Puts a cache before `inner`.
    ///
    /// # Errors
    /// The system gives no random bytes to key the cache with.
    pub fn new(inner: I, options: CacheOptions<'_>) -> Result<Self, getrandom::Error> {
        Ok(Self(Arc::new(Core {
            inner,
            keys: Keys::random(options.segment)?,
            store: Store::new(options.cache).map(Arc::new),
            flights: Flights::default(),
            timeout: options.timeout,
            clock: options.clock,
            observer: options.observer,
            counters: Counters::default(),
        })))
    }

    /// What the cache did so far, and what it holds.
    #[must_use]
    pub fn counts(&self) -> CacheCounts {
        let Core { counters, store, flights, .. } = &*self.0;
        CacheCounts {
            hits: counters.hits.get(),
            misses: counters.misses.get(),
            joined: counters.joined.get(),
            negative: counters.negative.get(),
            stale: counters.stale.get(),
            failures: counters.failures.get(),
            too_large: counters.too_large.get(),
            tokens: store.as_ref().map_or(0, |store| store.active_count()),
            negatives: store.as_ref().map_or(0, |store| store.inactive_count()),
            in_flight: flights.count() as u64,
        }
    }
}

#[async_trait]
impl<I: Introspector> Introspector for Cached<I> {
    async fn introspect(&self, token: &BearerToken, deadline: Deadline) -> Answer {
        let core = &self.0;
        let Some(store) = &core.store else {
            core.counters.misses.count();
            let state = core.ask(token, deadline).await?;
            return Ok(Introspection { state, source: AnswerSource::Asked });
        };
        let key = core.keys.of(token);
        if let Some(known) = core.known(store, &key, Outage::No).await {
            return Ok(known);
        }
        match core.fly(store, key, token, deadline).await {
            Ok(answer) => Ok(answer),
            // What is known is looked up again: another check may have learnt better meanwhile.
            Err(error) => core.known(store, &key, Outage::Yes).await.ok_or(error),
        }
    }
}

/// Whether the authorization server was asked in vain.
#[derive(PartialEq, Eq)]
enum Outage {
    No,
    Yes,
}

impl<I: Introspector> Core<I> {
    async fn known(&self, store: &Store, key: &Key, outage: Outage) -> Option<Introspection> {
        let (counter, source, state) = match store.look(key, self.clock.now()).await {
            Lookup::Fresh(token) => (&self.counters.hits, AnswerSource::Hit, TokenState::Active(token)),
            Lookup::Inactive => (&self.counters.negative, AnswerSource::NegativeHit, TokenState::Inactive),
            Lookup::Stale(token) if outage == Outage::Yes => {
                (&self.counters.stale, AnswerSource::Stale, TokenState::Active(token))
            }
            Lookup::Stale(_) | Lookup::Unknown => return None,
        };
        counter.count();
        Some(Introspection { state, source })
    }

    /// Waits for the one flight that asks about this token, no longer than `deadline`; the flight itself goes on.
    async fn fly(self: &Arc<Self>, store: &Arc<Store>, key: Key, token: &BearerToken, deadline: Deadline) -> Answer {
        let ticket = self.flights.board(key, || Arc::clone(self).flight(Arc::clone(store), key, token.clone()));
        let joined = ticket.joined();
        let counter = if joined { &self.counters.joined } else { &self.counters.misses };
        counter.count();
        let answer = timeout_at(deadline.instant(), ticket.wait()).await.map_err(|_| IntrospectionError::Timeout)?;
        let mut answer = answer.unwrap_or(Err(IntrospectionError::GivenUp("it ended without an answer")))?;
        if joined {
            answer.source = AnswerSource::Joined;
        }
        Ok(answer)
    }

    async fn flight(self: Arc<Self>, store: Arc<Store>, key: Key, token: BearerToken) -> Answer {
        let since = self.clock.now();
        // The flight before this one may have landed after our look and before our take-off.
        match store.look(&key, since).await {
            Lookup::Fresh(token) => {
                return Ok(Introspection { state: TokenState::Active(token), source: AnswerSource::Hit });
            }
            Lookup::Inactive => {
                return Ok(Introspection { state: TokenState::Inactive, source: AnswerSource::NegativeHit });
            }
            Lookup::Stale(_) | Lookup::Unknown => {}
        }
        let state = self.ask(&token, Deadline::after(self.timeout)).await?;
        if !store.keep(key, &state, since).await && self.counters.too_large.count() == 0 {
            tracing::warn!("an introspection answer is too large for the token cache; raise `cache.maxTokens`");
        }
        Ok(Introspection { state, source: AnswerSource::Asked })
    }

    async fn ask(&self, token: &BearerToken, deadline: Deadline) -> Result<TokenState, IntrospectionError> {
        let start = Instant::now();
        let asked = timeout_at(deadline.instant(), self.inner.introspect(token, deadline)).await;
        let state = asked.unwrap_or(Err(IntrospectionError::Timeout)).map(|answer| answer.state);
        let outcome = match &state {
            Ok(TokenState::Active(_)) => "active",
            Ok(TokenState::Inactive) => "inactive",
            Err(error) => error.as_str(),
        };
        self.observer.introspected(outcome, start.elapsed());
        match &state {
            Ok(state) if self.counters.suspicion.arises(state) => tracing::warn!(
                "every introspection answer so far was inactive; this client may not be allowed to introspect tokens of \
                 other clients (AM: scope `am-introspect-all-tokens`; Keycloak: the token's `aud` must name the client)"
            ),
            Ok(_) => {}
            Err(error) => self.failed(error),
        }
        state
    }

    /// An outage is the operator's business (H7): it is counted and, not too often, logged.
    fn failed(&self, error: &IntrospectionError) {
        let failures = self.counters.failures.count() + 1;
        if self.counters.alarm.rings(Instant::now()) {
            let advice = match error {
                IntrospectionError::Status { status: 400 | 401, .. } => {
                    "check `clientId`, `clientSecret`, `clientAuthentication` and `basicEncoding`"
                }
                IntrospectionError::Status { status: 300..400 | 404 | 405, .. } => "check `tokenIntrospectUrl`",
                _ => "is the authorization server up and within reach?",
            };
            tracing::warn!(failures, advice, "introspection fails: {error}");
        }
    }
}

#[cfg(test)]
mod tests;
