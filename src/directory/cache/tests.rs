//! What is remembered, for how long, and who asks.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Semaphore;

use super::{Answer, CacheSettings, Cached};
use crate::clock::FixedClock;
use crate::deadline::Deadline;
use crate::directory::conformance::{finds_whom_is_asked_for_and_nobody_else, patience, query, told, users};
use crate::directory::{Cacheable, DirectoryError, FileDirectory, Found, UserDirectory, UserQuery};
use crate::principal::User;

/// Answers with what was put in, then with a user, and counts; waits for the gate where there is one.
#[derive(Default)]
struct Scripted {
    answers: Mutex<VecDeque<Answer>>,
    calls: AtomicUsize,
    gate: Option<Semaphore>,
}

#[async_trait]
impl UserDirectory for Arc<Scripted> {
    async fn find(&self, query: &UserQuery, _: Deadline) -> Answer {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        if let Some(gate) = &self.gate {
            gate.acquire().await.expect("an open gate").forget();
        }
        let user =
            User { id: format!("u{call}"), component: Arc::clone(&query.component), fields: serde_json::Map::new() };
        self.answers.lock().expect("a lock").pop_front().unwrap_or(Ok(Found::One(Arc::new(user))))
    }
}

impl Cacheable for Arc<Scripted> {}

const SETTINGS: CacheSettings =
    CacheSettings { max_timeout: Duration::from_secs(5), max_users: 100, timeout: Duration::from_secs(3) };

fn cached(script: &Arc<Scripted>, settings: CacheSettings) -> (Cached<Arc<Scripted>>, Arc<FixedClock>) {
    let clock = Arc::new(FixedClock::at(Timestamp::UNIX_EPOCH));
    (Cached::new(Arc::clone(script), settings, Arc::<FixedClock>::clone(&clock)), clock)
}

fn bob() -> UserQuery {
    query("managed/user", &[("_id", "bob")])
}

#[tokio::test]
async fn every_directory_behind_it_passes_the_conformance_suite() {
    let clock = || Arc::new(FixedClock::at(Timestamp::UNIX_EPOCH));
    let file = Cached::new(FileDirectory::new(&users()), SETTINGS, clock());
    let server = crate::directory::idm::fake::FakeIdm::serving(users()).await;
    let idm = Cached::new(crate::directory::idm::tests::directory(&server.url), SETTINGS, clock());
    for _ in 0..2 {
        finds_whom_is_asked_for_and_nobody_else(&file).await;
        finds_whom_is_asked_for_and_nobody_else(&idm).await;
    }
}

#[tokio::test]
async fn a_record_is_kept_no_longer_than_the_bound() {
    let script = Arc::new(Scripted::default());
    let (cached, clock) = cached(&script, SETTINGS);
    for (advance, expected) in [(0, "u0"), (4_999, "u0"), (1, "u1"), (4_999, "u1"), (10_000, "u2"), (-1, "u3")] {
        clock.advance(SignedDuration::from_millis(advance));
        assert_eq!(told(&cached, &bob()).await, format!("managed/user/{expected} null"), "{advance}");
    }
    let counts = cached.counts();
    assert_eq!((counts.hits, counts.misses, counts.joined), (2, 4, 0));
}

#[tokio::test]
async fn the_age_counts_from_before_the_question() {
    let script = Arc::new(Scripted { gate: Some(Semaphore::new(0)), ..Scripted::default() });
    let (cached, clock) = cached(&script, SETTINGS);
    let (cached, script_too) = (Arc::new(cached), Arc::clone(&script));
    let first = tokio::spawn({
        let cached = Arc::clone(&cached);
        async move { told(&*cached, &bob()).await }
    });
    while script_too.calls.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    clock.advance(SignedDuration::from_secs(4));
    script.gate.as_ref().expect("a gate").add_permits(2);
    assert_eq!(first.await.expect("an answer"), "managed/user/u0 null");
    clock.advance(SignedDuration::from_secs(1));
    assert_eq!(told(&*cached, &bob()).await, "managed/user/u1 null");
}

#[tokio::test]
async fn only_records_are_remembered() {
    let outage = || Err(DirectoryError::Timeout);
    let answers = [outage(), Ok(Found::Nobody), Ok(Found::Ambiguous), outage()];
    let script = Arc::new(Scripted { answers: Mutex::new(answers.into()), ..Scripted::default() });
    let (cached, _) = cached(&script, SETTINGS);
    for expected in ["timeout", "nobody", "ambiguous", "timeout", "managed/user/u4 null", "managed/user/u4 null"] {
        assert_eq!(told(&cached, &bob()).await, expected);
    }
}

#[tokio::test]
async fn another_question_is_another_entry() {
    let script = Arc::new(Scripted::default());
    let (cached, _) = cached(&script, SETTINGS);
    let mut more_fields = bob();
    more_fields.fields = ["mail".to_owned()].into();
    let questions = [
        bob(),
        more_fields,
        query("managed/other", &[("_id", "bob")]),
        query("managed/user", &[("mail", "bob")]),
        query("managed/user", &[("_id", "bob"), ("mail", "bob")]),
        query("managed/user", &[("_id", "bo"), ("b", "")]),
    ];
    for round in 0..2 {
        for (n, question) in questions.iter().enumerate() {
            assert_eq!(told(&cached, question).await, format!("{}/u{n} null", question.component), "{round}");
        }
    }
}

#[tokio::test]
async fn many_ask_once_whoever_hangs_up() {
    let script = Arc::new(Scripted { gate: Some(Semaphore::new(0)), ..Scripted::default() });
    let (cached, _) = cached(&script, SETTINGS);
    let cached = Arc::new(cached);
    let asked: Vec<_> = (0..50)
        .map(|_| {
            let cached = Arc::clone(&cached);
            tokio::spawn(async move { told(&*cached, &bob()).await })
        })
        .collect();
    while script.calls.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    asked[0].abort();
    script.gate.as_ref().expect("a gate").add_permits(1);
    for one in asked.into_iter().skip(1) {
        assert_eq!(one.await.expect("an answer"), "managed/user/u0 null");
    }
    assert_eq!(script.calls.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_caller_waits_no_longer_than_its_deadline_and_the_question_no_longer_than_its_own() {
    let script = Arc::new(Scripted { gate: Some(Semaphore::new(0)), ..Scripted::default() });
    let (cached, _) = cached(&script, SETTINGS);
    for (deadline, longest) in [(200, 200), (60_000, 3_000)] {
        let start = tokio::time::Instant::now();
        let found = cached.find(&bob(), Deadline::after(Duration::from_millis(deadline))).await;
        assert!(matches!(found, Err(DirectoryError::Timeout)), "{found:?}");
        assert!(start.elapsed() <= Duration::from_millis(longest), "{:?}", start.elapsed());
    }
    assert_eq!(script.calls.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn zero_remembers_nothing() {
    let script = Arc::new(Scripted::default());
    let (cached, _) = cached(&script, CacheSettings { max_timeout: Duration::ZERO, ..SETTINGS });
    assert_eq!(told(&cached, &bob()).await, "managed/user/u0 null");
    assert_eq!(told(&cached, &bob()).await, "managed/user/u1 null");
    let found = cached.find(&bob(), patience()).await;
    assert!(matches!(found, Ok(Found::One(_))), "{found:?}");
    assert_eq!(cached.count(), 0);
}

#[tokio::test]
async fn a_very_long_bound_is_no_trouble() {
    let script = Arc::new(Scripted::default());
    let (cached, _) = cached(&script, CacheSettings { max_timeout: Duration::MAX, ..SETTINGS });
    assert_eq!(told(&cached, &bob()).await, "managed/user/u0 null");
    assert_eq!(told(&cached, &bob()).await, "managed/user/u0 null");
}
