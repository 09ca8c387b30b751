//! Has this question been answered a moment ago, and who asks if not?

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use moka::future::Cache;
use tokio::time::timeout_at;

use super::{Cacheable, DirectoryError, Found, UserDirectory, UserQuery};
use crate::clock::Clock;
use crate::deadline::Deadline;
use crate::principal::User;
use crate::single_flight::Flights;
use crate::telemetry::metrics::CacheCounts;

/// Remembers the records that `D` found, and asks it once however many want to know the same.
///
/// Only a record is remembered. "Nobody" and "several" are asked again each time: a user who was just made must not be
/// locked out, and what denies needs no haste. Errors are never remembered (T-46).
///
/// A record's age counts from before it was asked for, so that no role is older than [`CacheSettings::max_timeout`]
/// (J16, T-31).
pub struct Cached<D>(Arc<Core<D>>);

/// How long and how much a [`Cached`] remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheSettings {
    /// How long a record may serve; zero: nothing is remembered, and nobody waits for another's question.
    pub max_timeout: Duration,
    /// How many records are kept.
    pub max_users: u64,
    /// The longest a question may take, whoever waits for it.
    pub timeout: Duration,
}

struct Core<D> {
    inner: D,
    records: Cache<Arc<Key>, Kept>,
    flights: Flights<Arc<Key>, Answer>,
    settings: CacheSettings,
    clock: Arc<dyn Clock>,
    hits: AtomicU64,
    misses: AtomicU64,
    joined: AtomicU64,
}

/// What a question is, but for the token: [`Cacheable`] says that it does not matter.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    component: Arc<str>,
    conditions: Vec<(Arc<str>, String)>,
    fields: Arc<[String]>,
}

#[derive(Clone)]
struct Kept {
    user: Arc<User>,
    asked_at: Timestamp,
}

/// The longest that a record takes up room; moka refuses lifetimes of centuries.
const LONGEST: Duration = Duration::from_secs(86_400);

type Answer = Result<Found, DirectoryError>;

impl<D: Cacheable> Cached<D> {
    /// Puts a cache before `inner`.
    #[must_use]
    pub fn new(inner: D, settings: CacheSettings, clock: Arc<dyn Clock>) -> Self {
        // The age is judged by the injected clock; moka's own only keeps the dead from taking up room.
        let room = settings.max_timeout.min(LONGEST);
        let records = Cache::builder().max_capacity(settings.max_users).time_to_live(room).build();
        Self(Arc::new(Core {
            inner,
            records,
            flights: Flights::default(),
            settings,
            clock,
            hits: AtomicU64::default(),
            misses: AtomicU64::default(),
            joined: AtomicU64::default(),
        }))
    }

    /// How many records are kept, about.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.records.entry_count()
    }

    /// What the cache did so far, and what it holds. There are no negative and no stale answers here.
    #[must_use]
    pub fn counts(&self) -> CacheCounts {
        let core = &self.0;
        CacheCounts {
            hits: core.hits.load(Relaxed),
            misses: core.misses.load(Relaxed),
            joined: core.joined.load(Relaxed),
            entries: self.count(),
            in_flight: core.flights.count() as u64,
            ..CacheCounts::default()
        }
    }
}

#[async_trait]
impl<D: Cacheable> UserDirectory for Cached<D> {
    async fn find(&self, query: &UserQuery, deadline: Deadline) -> Answer {
        let core = &self.0;
        if core.settings.max_timeout.is_zero() {
            core.misses.fetch_add(1, Relaxed);
            return core.inner.find(query, deadline).await;
        }
        let key = Arc::new(Key {
            component: Arc::clone(&query.component),
            conditions: query.conditions.clone(),
            fields: Arc::clone(&query.fields),
        });
        if let Some(user) = core.known(&key).await {
            core.hits.fetch_add(1, Relaxed);
            return Ok(Found::One(user));
        }
        let ticket = core.flights.board(Arc::clone(&key), || Arc::clone(core).fly(key, query.clone()));
        let counter = if ticket.joined() { &core.joined } else { &core.misses };
        counter.fetch_add(1, Relaxed);
        let answer = timeout_at(deadline.instant(), ticket.wait()).await.map_err(|_| DirectoryError::Timeout)?;
        answer.unwrap_or_else(|| Err(DirectoryError::Unreachable("the question ended without an answer".to_owned())))
    }
}

impl<D: Cacheable> Core<D> {
    async fn known(&self, key: &Arc<Key>) -> Option<Arc<User>> {
        let kept = self.records.get(key).await?;
        let age = self.clock.now().duration_since(kept.asked_at);
        let lives = SignedDuration::try_from(self.settings.max_timeout).unwrap_or(SignedDuration::MAX);
        // A clock that was set back makes a record no younger.
        (!age.is_negative() && age < lives).then_some(kept.user)
    }

    async fn fly(self: Arc<Self>, key: Arc<Key>, query: UserQuery) -> Answer {
        let asked_at = self.clock.now();
        // The flight before this one may have landed after our look and before our take-off.
        if let Some(user) = self.known(&key).await {
            return Ok(Found::One(user));
        }
        let deadline = Deadline::after(self.settings.timeout);
        let asked = timeout_at(deadline.instant(), self.inner.find(&query, deadline)).await;
        let found = asked.unwrap_or(Err(DirectoryError::Timeout))?;
        match &found {
            Found::One(user) => self.records.insert(key, Kept { user: Arc::clone(user), asked_at }).await,
            // Whoever is gone is gone at once.
            Found::Nobody | Found::Ambiguous => self.records.invalidate(&key).await,
        }
        Ok(found)
    }
}
