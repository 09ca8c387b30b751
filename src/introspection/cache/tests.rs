//! Is every answer used as long as it may be and not a second longer, and asked for once however many want it?

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{Answer, CacheCounts, CacheOptions, Cached, Observer};
use crate::clock::{Clock, FixedClock};
use crate::deadline::Deadline;
use crate::introspection::answer;
use crate::introspection::settings::{CacheSettings, MaxTimeout};
use crate::introspection::testing::{Provider, json_answer, patience, settings, token, verdict};
use crate::introspection::{
    AnswerSource, Endpoint, Introspection, IntrospectionError, Introspector, NoObserver, Settings, TokenPolicy,
    TokenRefusal, conformance, connect,
};
use crate::token::{BearerToken, TokenState};

const NOW: i64 = 1_795_000_000;

/// Says what it is told to, counts, and waits for its gate.
struct Scripted {
    script: Box<dyn Fn(usize) -> Answer + Send + Sync>,
    calls: AtomicUsize,
    gate: Semaphore,
}

#[async_trait]
impl Introspector for Arc<Scripted> {
    async fn introspect(&self, _: &BearerToken, _: Deadline) -> Answer {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        let _open = self.gate.acquire().await;
        (self.script)(call)
    }
}

#[derive(Default)]
struct Heard(Mutex<Vec<&'static str>>);

impl Observer for Heard {
    fn introspected(&self, outcome: &'static str, _: Duration) {
        self.0.lock().unwrap().push(outcome);
    }
}

struct Bench {
    cached: Arc<Cached<Arc<Scripted>>>,
    inner: Arc<Scripted>,
    clock: Arc<FixedClock>,
    heard: Arc<Heard>,
}

impl Bench {
    fn new(cache: &CacheSettings, script: impl Fn(usize) -> Answer + Send + Sync + 'static) -> Self {
        let inner =
            Arc::new(Scripted { script: Box::new(script), calls: AtomicUsize::new(0), gate: Semaphore::new(1000) });
        let clock = Arc::new(FixedClock::at(Timestamp::from_second(NOW).unwrap()));
        let heard = Arc::new(Heard::default());
        let options = CacheOptions {
            segment: &["https://as", "c"],
            cache,
            timeout: Duration::from_secs(5),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            observer: Arc::clone(&heard) as Arc<dyn Observer>,
        };
        let cached = Arc::new(Cached::new(Arc::clone(&inner), options).unwrap());
        Self { cached, inner, clock, heard }
    }

    async fn close_gate(&self) {
        self.inner.gate.acquire_many(1000).await.unwrap().forget();
    }

    fn calls(&self) -> usize {
        self.inner.calls.load(Ordering::SeqCst)
    }

    /// Checks the token `t0ken`: the source of the answer, or the word of the error; and the verdict.
    async fn check(&self) -> (&'static str, bool) {
        said(&self.cached.introspect(&token("t0ken"), patience()).await)
    }

    fn after(&self, seconds: i64) -> &Self {
        self.clock.advance(SignedDuration::from_secs(seconds));
        self
    }
}

fn said(answer: &Answer) -> (&'static str, bool) {
    match answer {
        Ok(answer) => (answer.source.as_str(), matches!(answer.state, TokenState::Active(_))),
        Err(error) => (error.as_str(), false),
    }
}

fn cache() -> CacheSettings {
    settings(&url::Url::parse("http://as/").unwrap()).cache
}

fn body(body: &Value) -> Answer {
    let body = body.to_string();
    let answer =
        answer::Answer { status: 200, content_type: Some("application/json"), body: body.as_bytes(), hide: &[] };
    Ok(Introspection { state: answer.read()?, source: AnswerSource::Asked })
}

fn active(life: i64) -> Answer {
    body(&json!({"active": true, "sub": "a", "exp": NOW + life}))
}

fn inactive() -> Answer {
    body(&json!({"active": false}))
}

fn failed() -> Answer {
    Err(IntrospectionError::Unreachable("gone".to_owned()))
}

fn make(settings: &Settings) -> Cached<Endpoint> {
    let clock = Arc::new(FixedClock::at(Timestamp::from_second(NOW).unwrap()));
    connect(settings, &["https://as".to_owned()], clock, Arc::new(NoObserver)).unwrap()
}

#[tokio::test]
async fn it_tells_the_servers_word_from_the_lack_of_it() {
    conformance::tells_the_servers_word_from_the_lack_of_it(make).await;
}

#[tokio::test]
async fn switched_off_it_tells_the_servers_word_from_the_lack_of_it() {
    conformance::tells_the_servers_word_from_the_lack_of_it(|settings| {
        let mut settings = settings.clone();
        settings.cache.max_timeout = MaxTimeout::Off;
        make(&settings)
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn it_gives_up_at_the_deadline() {
    conformance::gives_up_at_the_deadline(make).await;
}

#[tokio::test]
async fn a_thousand_checks_of_one_unknown_token_cause_one_introspection() {
    let provider = Provider::json(format!(r#"{{"active":true,"exp":{}}}"#, NOW + 60)).await;
    let cached = Arc::new(make(&settings(&provider.url)));
    let mut checks = JoinSet::new();
    for _ in 0..1000 {
        let cached = Arc::clone(&cached);
        checks.spawn(async move { verdict(&*cached, patience()).await });
    }
    assert!(checks.join_all().await.iter().all(|said| said == "active"));
    assert_eq!(provider.calls(), 1);
    assert_eq!(cached.counts().misses, 1);
    assert_eq!(cached.counts().hits + cached.counts().joined, 999);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_many_threads_too_one_token_is_asked_about_once() {
    for _ in 0..50 {
        let bench = Bench::new(&cache(), |_| active(60));
        let mut checks = JoinSet::new();
        for _ in 0..64 {
            let cached = Arc::clone(&bench.cached);
            checks.spawn(async move { verdict(&*cached, patience()).await });
        }
        assert!(checks.join_all().await.iter().all(|said| said == "active"));
        assert_eq!(bench.calls(), 1);
    }
}

#[tokio::test]
async fn when_the_first_caller_hangs_up_the_others_still_get_the_one_answer() {
    let bench = Bench::new(&cache(), |_| active(60));
    bench.close_gate().await;
    let start = |name: &'static str| {
        let cached = Arc::clone(&bench.cached);
        tokio::spawn(async move { (name, said(&cached.introspect(&token("t0ken"), patience()).await)) })
    };
    let first = start("first");
    while bench.calls() == 0 {
        tokio::task::yield_now().await;
    }
    let others = [start("second"), start("third")];
    while bench.cached.counts().joined < 2 {
        tokio::task::yield_now().await;
    }
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    bench.inner.gate.add_permits(1);
    for other in others {
        assert_eq!(other.await.unwrap().1, ("joined", true));
    }
    assert_eq!(bench.check().await, ("hit", true));
    assert_eq!(bench.calls(), 1);
}

#[tokio::test]
async fn when_all_callers_hang_up_the_answer_is_still_kept() {
    let bench = Bench::new(&cache(), |_| active(60));
    bench.close_gate().await;
    let cached = Arc::clone(&bench.cached);
    let only = tokio::spawn(async move { said(&cached.introspect(&token("t0ken"), patience()).await) });
    while bench.calls() == 0 {
        tokio::task::yield_now().await;
    }
    only.abort();
    bench.inner.gate.add_permits(1);
    while bench.cached.counts().in_flight > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(bench.check().await, ("hit", true));
}

#[tokio::test(start_paused = true)]
async fn each_caller_waits_for_its_own_deadline_and_the_flight_for_its_own() {
    let bench = Bench::new(&cache(), |_| active(60));
    bench.close_gate().await;
    let hasty = bench.cached.introspect(&token("t0ken"), Deadline::after(Duration::from_millis(200))).await;
    assert_eq!(said(&hasty), ("timeout", false));
    assert_eq!(bench.cached.counts().in_flight, 1);
    assert_eq!(bench.check().await, ("timeout", false));
    assert_eq!((bench.cached.counts().in_flight, bench.calls()), (0, 1));
    assert_eq!(bench.cached.counts().failures, 1);
}

#[tokio::test]
async fn a_panic_in_the_flight_is_an_outage_and_leaves_nothing_behind() {
    let bench = Bench::new(&cache(), |call| if call == 0 { panic!("on purpose") } else { active(60) });
    assert_eq!(bench.check().await, ("given_up", false));
    assert_eq!(bench.check().await, ("asked", true));
}

#[tokio::test]
async fn failures_are_remembered_by_nobody() {
    let bench = Bench::new(&cache(), |call| match call {
        0 => Err(IntrospectionError::Timeout),
        1 => Err(IntrospectionError::Status { status: 404, detail: String::new() }),
        2 => Err(IntrospectionError::Unreadable(String::new())),
        3 => failed(),
        _ => active(60),
    });
    for expected in ["timeout", "status", "unreadable", "unreachable"] {
        assert_eq!(bench.check().await, (expected, false));
    }
    assert_eq!(bench.check().await, ("asked", true));
    assert_eq!(bench.check().await, ("hit", true));
    assert_eq!(bench.cached.counts().failures, 4);
    assert_eq!(*bench.heard.0.lock().unwrap(), ["timeout", "status", "unreadable", "unreachable", "active"]);
}

#[tokio::test]
async fn a_hit_ends_in_the_second_in_which_the_token_expires() {
    let bench = Bench::new(&cache(), |_| active(10));
    assert_eq!(bench.check().await, ("asked", true));
    assert_eq!(bench.after(9).check().await, ("hit", true));
    bench.clock.advance(SignedDuration::from_millis(999));
    assert_eq!(bench.check().await, ("hit", true));
    bench.clock.advance(SignedDuration::from_millis(1));
    assert_eq!(bench.check().await, ("asked", true));
    assert_eq!(bench.check().await, ("asked", true), "an answer past its exp is not kept");
}

#[tokio::test]
async fn a_hit_ends_with_max_timeout_if_that_is_sooner() {
    let bench = Bench::new(&cache(), |_| active(3600));
    assert_eq!(bench.check().await, ("asked", true));
    assert_eq!(bench.after(299).check().await, ("hit", true));
    assert_eq!(bench.after(1).check().await, ("asked", true));
    assert_eq!(bench.after(299).check().await, ("hit", true), "the second answer has a life of its own");
}

#[tokio::test]
async fn a_token_without_exp_lives_as_long_as_max_timeout_and_not_at_all_without_one() {
    let without_exp = |_| body(&json!({"active": true}));
    let bench = Bench::new(&cache(), without_exp);
    assert_eq!(bench.check().await, ("asked", true));
    assert_eq!(bench.after(299).check().await, ("hit", true));
    let unlimited = CacheSettings { max_timeout: MaxTimeout::UntilExpiry, ..cache() };
    let bench = Bench::new(&unlimited, without_exp);
    assert_eq!(bench.check().await, ("asked", true));
    assert_eq!(bench.check().await, ("asked", true));
    let bench = Bench::new(&unlimited, |_| active(1_000_000_000));
    assert_eq!(bench.check().await, ("asked", true));
    assert_eq!(bench.after(999_999_999).check().await, ("hit", true));
    assert_eq!(bench.after(1).check().await, ("asked", true));
}

#[tokio::test]
async fn an_answers_age_counts_from_when_it_was_asked() {
    let bench = Bench::new(&cache(), |_| active(3600));
    bench.close_gate().await;
    let cached = Arc::clone(&bench.cached);
    let slow = tokio::spawn(async move { said(&cached.introspect(&token("t0ken"), patience()).await) });
    while bench.calls() == 0 {
        tokio::task::yield_now().await;
    }
    bench.after(100).inner.gate.add_permits(1000);
    assert_eq!(slow.await.unwrap(), ("asked", true));
    assert_eq!(bench.after(199).check().await, ("hit", true));
    assert_eq!(bench.after(1).check().await, ("asked", true));
}

#[tokio::test]
async fn inactive_is_remembered_briefly_and_in_a_cache_of_its_own() {
    let bench = Bench::new(&cache(), |call| if call == 0 { inactive() } else { active(60) });
    assert_eq!(bench.check().await, ("asked", false));
    assert_eq!(bench.check().await, ("negative", false));
    bench.clock.advance(SignedDuration::from_millis(4999));
    assert_eq!(bench.check().await, ("negative", false));
    bench.clock.advance(SignedDuration::from_millis(1));
    assert_eq!(bench.check().await, ("asked", true));
    assert_eq!(bench.check().await, ("hit", true));
    let bench = Bench::new(&CacheSettings { negative: Duration::ZERO, ..cache() }, |_| inactive());
    assert_eq!(bench.check().await, ("asked", false));
    assert_eq!(bench.check().await, ("asked", false));
}

#[tokio::test]
async fn a_check_that_looked_just_before_another_one_s_answer_was_kept_does_not_ask_again() {
    for script in [|_| active(60), |_| inactive()] {
        let bench = Bench::new(&cache(), script);
        let (core, asked) = (&bench.cached.0, token("t0ken"));
        bench.check().await;
        // As if the look before it had found nothing.
        let late = core.fly(core.store.as_ref().unwrap(), core.keys.of(&asked), &asked, patience()).await;
        assert!(["hit", "negative"].contains(&said(&late).0), "{late:?}");
        assert_eq!(bench.calls(), 1);
    }
}

#[tokio::test]
async fn with_no_time_at_all_nothing_is_kept_for_an_outage_either() {
    let nothing = CacheSettings { max_timeout: MaxTimeout::AtMost(Duration::ZERO), ..stale() };
    let bench = Bench::new(&nothing, |call| if call == 0 { active(3600) } else { failed() });
    assert_eq!(bench.check().await, ("asked", true));
    assert_eq!(bench.check().await, ("unreachable", false));
}

#[tokio::test]
async fn switched_off_every_check_asks() {
    let bench = Bench::new(&CacheSettings { max_timeout: MaxTimeout::Off, ..cache() }, |call| {
        if call < 2 { active(60) } else { inactive() }
    });
    for expected in [true, true, false, false] {
        assert_eq!(bench.check().await, ("asked", expected));
    }
    assert_eq!(bench.cached.counts(), CacheCounts { misses: 4, ..CacheCounts::default() });
}

fn stale() -> CacheSettings {
    CacheSettings { stale_if_error: Duration::from_secs(60), ..cache() }
}

#[tokio::test]
async fn in_an_outage_an_answer_past_its_life_serves_within_the_window_only() {
    let bench = Bench::new(&stale(), |call| if call == 0 { active(3600) } else { failed() });
    assert_eq!(bench.check().await, ("asked", true));
    assert_eq!(bench.after(300).check().await, ("stale", true));
    assert_eq!(bench.after(59).check().await, ("stale", true));
    assert_eq!(bench.calls(), 3, "the server is asked first, each time");
    assert_eq!(bench.after(1).check().await, ("unreachable", false));
    assert_eq!(bench.cached.counts().stale, 2);
}

#[tokio::test]
async fn in_an_outage_no_answer_serves_past_its_exp() {
    let bench = Bench::new(&stale(), |call| if call == 0 { active(310) } else { failed() });
    assert_eq!(bench.check().await, ("asked", true));
    assert_eq!(bench.after(309).check().await, ("stale", true));
    assert_eq!(bench.after(1).check().await, ("unreachable", false));
}

#[tokio::test]
async fn without_a_window_nothing_serves_in_an_outage() {
    let bench = Bench::new(&cache(), |call| if call == 0 { active(3600) } else { failed() });
    assert_eq!(bench.check().await, ("asked", true));
    assert_eq!(bench.after(300).check().await, ("unreachable", false));
}

#[tokio::test]
async fn inactive_is_a_word_and_ends_what_was_kept() {
    for negative in [Duration::ZERO, Duration::from_secs(5)] {
        let bench = Bench::new(&CacheSettings { negative, ..stale() }, |call| match call {
            0 => active(3600),
            1 => inactive(),
            _ => failed(),
        });
        assert_eq!(bench.check().await, ("asked", true));
        assert_eq!(bench.after(300).check().await, ("asked", false));
        assert_eq!(bench.after(5).check().await, ("unreachable", false));
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_too_slow_for_the_caller_is_an_outage_too() {
    let bench = Bench::new(&stale(), |_| active(3600));
    assert_eq!(bench.check().await, ("asked", true));
    bench.after(300).close_gate().await;
    let hasty = bench.cached.introspect(&token("t0ken"), Deadline::after(Duration::from_millis(200))).await;
    assert_eq!(said(&hasty), ("stale", true));
}

#[tokio::test]
async fn what_the_policy_refuses_it_refuses_of_a_cached_answer_too() {
    let bench =
        Bench::new(&cache(), |_| body(&json!({"active": true, "scope": "read", "aud": "one", "exp": NOW + 60})));
    let refusal = async |policy: &TokenPolicy| {
        let answer = bench.cached.introspect(&token("t0ken"), patience()).await.unwrap();
        let TokenState::Active(token) = answer.state else { panic!("inactive") };
        policy.check(&token, bench.clock.now()).err()
    };
    assert_eq!(refusal(&TokenPolicy { scopes: vec!["read".to_owned()], ..TokenPolicy::default() }).await, None);
    let write = TokenPolicy { scopes: vec!["write".to_owned()], ..TokenPolicy::default() };
    assert_eq!(refusal(&write).await, Some(TokenRefusal::Scopes));
    let other = TokenPolicy { audiences: vec!["two".to_owned()], ..TokenPolicy::default() };
    assert_eq!(refusal(&other).await, Some(TokenRefusal::Audience));
    assert_eq!(bench.calls(), 1);
}

#[tokio::test]
async fn a_large_answer_is_kept_and_one_too_large_is_counted() {
    let of = |bytes: usize| body(&json!({"active": true, "exp": NOW + 60, "x": "y".repeat(bytes)}));
    let bench = Bench::new(&CacheSettings { max_tokens: 10, ..cache() }, move |_| of(2048));
    assert_eq!(bench.check().await, ("asked", true));
    assert_eq!(bench.check().await, ("hit", true));
    let bench = Bench::new(&CacheSettings { max_tokens: 10, ..cache() }, move |_| of(100_000));
    assert_eq!(bench.check().await, ("asked", true));
    assert_eq!(bench.check().await, ("asked", true));
    assert_eq!(bench.cached.counts().too_large, 2);
}

#[tokio::test]
async fn both_caches_are_bounded() {
    let bounds = CacheSettings { max_tokens: 50, max_negative: 20, ..cache() };
    let bench = Bench::new(&bounds, |call| if call % 2 == 0 { active(60) } else { inactive() });
    for n in 0..1000 {
        bench.cached.introspect(&token(&format!("t{n}")), patience()).await.unwrap();
    }
    bench.cached.0.store.as_ref().unwrap().settle().await;
    let counts = bench.cached.counts();
    assert!((1..=50).contains(&counts.tokens) && (1..=20).contains(&counts.negatives), "{counts:?}");
    let large = Bench::new(&bounds, |_| body(&json!({"active": true, "x": "y".repeat(20_000)})));
    for n in 0..200 {
        large.cached.introspect(&token(&format!("t{n}")), patience()).await.unwrap();
    }
    large.cached.0.store.as_ref().unwrap().settle().await;
    assert!((1..=5).contains(&large.cached.counts().tokens), "large answers take more of the room");
}

#[tokio::test]
async fn a_token_is_not_answered_with_another_tokens_answer() {
    let bench = Bench::new(&cache(), |call| if call == 0 { active(60) } else { inactive() });
    assert_eq!(bench.check().await, ("asked", true));
    for other in ["t0keN", "t0ken=", "t0ken==", "t0ke", "T0KEN"] {
        let answer = bench.cached.introspect(&token(other), patience()).await;
        assert_eq!(said(&answer), ("asked", false), "{other}");
    }
}

#[tokio::test]
async fn an_outage_over_http_is_not_remembered() {
    let provider = Provider::start(|call| {
        use axum::response::IntoResponse;
        if call == 0 {
            (http::StatusCode::NOT_FOUND, "<html>").into_response()
        } else {
            json_answer(r#"{"active":true}"#)
        }
    })
    .await;
    let cached = make(&settings(&provider.url));
    assert_eq!(verdict(&cached, patience()).await, "status");
    assert_eq!(verdict(&cached, patience()).await, "active");
    assert_eq!(verdict(&cached, patience()).await, "active");
    assert_eq!(provider.calls(), 2);
}

#[tokio::test]
async fn a_token_known_at_one_server_is_asked_about_at_another() {
    let (ours, theirs) = (Provider::json(r#"{"active":true}"#).await, Provider::json(r#"{"active":false}"#).await);
    let (ours, theirs) = (make(&settings(&ours.url)), make(&settings(&theirs.url)));
    assert_eq!(verdict(&ours, patience()).await, "active");
    assert_eq!(verdict(&theirs, patience()).await, "inactive");
    assert_eq!(verdict(&ours, patience()).await, "active");
}
