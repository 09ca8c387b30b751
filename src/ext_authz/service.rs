//! How is one Check answered, whatever happens on the way? View, decide, reply, encode, write down.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use envoy_types::pb::envoy::service::auth::v3::authorization_server::{Authorization, AuthorizationServer};
use envoy_types::pb::envoy::service::auth::v3::{CheckRequest, CheckResponse};
use futures_util::FutureExt as _;
use tokio::sync::Semaphore;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use super::answered::Answered;
use super::decision_id::{DecisionId, DecisionIds};
use super::encode::{Identified, encode};
use super::view::view;
use crate::audit::{AuditContext, AuditEvent, AuditWriter};
use crate::authorizer::{Authorizer, DecisionRecord, Filter};
use crate::clock::Clock;
use crate::deadline::Deadline;
use crate::decision::{Decision, Denial, Outage};
use crate::explain::{Explanation, Found, Recent};
use crate::listen::Limits;
use crate::request::{RequestView, is_ambiguous_authority};
use crate::response::{Reply, Responder};
use crate::telemetry::trace::{self, Span};

/// How long a check may take when the caller names no deadline.
const DEFAULT_DEADLINE: Duration = Duration::from_secs(10);

/// Who counts decisions.
pub trait DecisionMetrics: Send + Sync + 'static {
    /// A check has begun: one of the other two follows.
    fn began(&self) {}
    /// One decision was made: `allow`, `deny` or `outage`, its reason, and how long it took.
    fn decided(&self, decision: &'static str, reason: &'static str, took: Duration);
    /// The caller hung up before the decision.
    fn cancelled(&self, took: Duration);
    /// One check too many was to be decided at once.
    fn overloaded(&self) {}
    /// A check's message was larger than it may be.
    fn too_large(&self) {}
}

/// The Authorization service of ext_authz v3.
#[derive(Clone)]
pub struct AuthorizationService {
    authorizer: Arc<ArcSwap<Authorizer>>,
    clock: Arc<dyn Clock>,
    audit: AuditWriter,
    metrics: Arc<dyn DecisionMetrics>,
    without_filter: Arc<Responder>,
    ids: Arc<DecisionIds>,
    /// One permit for each check being decided.
    turns: Arc<Semaphore>,
    max_message_bytes: usize,
    recent: Arc<Recent>,
}

impl std::fmt::Debug for AuthorizationService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthorizationService").field("authorizer", &self.authorizer.load()).finish_non_exhaustive()
    }
}

impl AuthorizationService {
    /// A service that decides by whatever authorizer is in the cell at the moment a check comes in. Keeps no decision.
    #[must_use]
    pub fn new(
        authorizer: Arc<ArcSwap<Authorizer>>,
        clock: Arc<dyn Clock>,
        audit: AuditWriter,
        metrics: Arc<dyn DecisionMetrics>,
    ) -> Self {
        let without_filter = Arc::new(Responder::without_filter());
        let ids = Arc::new(DecisionIds::new(clock.now()));
        let service = Self {
            authorizer,
            clock,
            audit,
            metrics,
            without_filter,
            ids,
            recent: Arc::new(Recent::off()),
            turns: Arc::new(Semaphore::new(0)),
            max_message_bytes: 0,
        };
        service.with_limits(&Limits::default())
    }

    /// The same, taking on as much at once as `limits` say.
    #[must_use]
    pub fn with_limits(mut self, limits: &Limits) -> Self {
        self.turns = Arc::new(Semaphore::new(limits.max_in_flight.min(Semaphore::MAX_PERMITS)));
        self.max_message_bytes = limits.max_message_bytes;
        self
    }

    /// Keeps decisions in `recent`, to be explained later.
    #[must_use]
    pub fn keeping(self, recent: Arc<Recent>) -> Self {
        Self { recent, ..self }
    }

    /// The service as tonic serves it.
    #[must_use]
    pub fn into_server(self) -> Answered<AuthorizationServer<Self>> {
        let (metrics, max_message_bytes) = (Arc::clone(&self.metrics), self.max_message_bytes);
        Answered::new(AuthorizationServer::new(self).max_decoding_message_size(max_message_bytes), metrics)
    }

    /// Decides one question. Never fails: what goes wrong is a denial or an outage, for Envoy lets
    /// gRPC errors pass under `failure_mode_allow` (J17).
    pub async fn answer(&self, check: &CheckRequest, deadline: Deadline) -> CheckResponse {
        let guard = DecisionGuard::new(&*self.metrics);
        let authorizer = self.authorizer.load_full();
        let id = self.ids.next();
        let mut record = DecisionRecord::default();
        record.rules.of_allows = self.recent.keeps_allow(id.lot());
        let view = view(check);
        let filter = view.as_ref().and_then(|request| authorizer.select(request));
        let span = trace::check(|name| view.as_ref()?.headers.single(name));
        let deciding = self.decide(view.as_ref(), filter, deadline, &mut record);
        let decision = trace::within(span.as_ref(), deciding).await;
        let id = Known { text: id.to_string(), id };
        let trace_id = span.map(|span| {
            tell(&span, &id.text, filter, &decision);
            span.trace_id()
        });
        let reply = self.reply(view.as_ref(), filter, &decision);
        let took = guard.decided(&decision);
        let filter = filter.map(|filter| &*filter.name);
        if self.audit.wants(&decision) {
            // Where no spans are made here, somebody else's may be.
            let sent = || trace::trace_id(view.as_ref()?.headers.single("traceparent")?);
            let trace_id = trace_id.as_deref().or_else(sent);
            let context = AuditContext { time: self.clock.now(), decision_id: &id.text, trace_id, filter, took };
            self.audit.write(AuditEvent::new(context, view.as_ref(), &decision, &record));
        }
        self.keep(
            &id,
            &Found { request: view.as_ref(), filter, decision: &decision, record: &record, reply: &reply },
            took,
        );
        encode(reply, self.identified(&id.text))
    }

    /// Keeps what there is to say about a decision, if it is one to be kept: not on the way of an ordinary allow.
    fn keep(&self, id: &Known, found: &Found<'_>, took: Duration) {
        let wanted = match found.decision {
            Decision::Allow(_) => self.recent.keeps_allow(id.id.lot()),
            Decision::Deny(_) | Decision::Outage(_) => self.recent.keeps_refusals(),
        };
        if wanted {
            let explanation = Explanation::of(found).identified(&id.text, self.clock.now(), took);
            self.recent.keep(explanation, found.record.rules.walk.clone());
        }
    }

    fn identified<'a>(&self, id: &'a str) -> Identified<'a> {
        Identified { id, tell_client: self.recent.tells_client() }
    }

    /// The authorizer of this moment.
    pub(super) fn authorizer(&self) -> Arc<Authorizer> {
        self.authorizer.load_full()
    }

    pub(super) async fn decide(
        &self,
        request: Option<&RequestView<'_>>,
        filter: Option<&Filter>,
        deadline: Deadline,
        record: &mut DecisionRecord,
    ) -> Decision {
        let Some(request) = request else { return Decision::Deny(Denial::RequestMissing) };
        if is_ambiguous_authority(request.host) {
            return Decision::Deny(Denial::HostRefused);
        }
        let Some(filter) = filter else { return Decision::Deny(Denial::FilterUnknown) };
        // More than the process can carry helps nobody: who is turned away at once can be told so in time (J17).
        let Ok(_turn) = self.turns.try_acquire() else {
            self.metrics.overloaded();
            return Decision::Outage(Outage::Overloaded);
        };
        let way = AssertUnwindSafe(filter.decide(request, &*self.clock, deadline, record)).catch_unwind();
        match tokio::time::timeout_at(deadline.instant(), way).await {
            Ok(Ok(decision)) => decision,
            // SECURITY: a panic anywhere on the way is one refusal, never the process and never an allow (T-40).
            Ok(Err(_)) => {
                tracing::error!(filter = &*filter.name, "a check ended in a panic; the request is refused");
                Decision::Outage(Outage::Internal)
            }
            Err(_) => Decision::Outage(Outage::Deadline),
        }
    }

    pub(super) fn reply(
        &self,
        request: Option<&RequestView<'_>>,
        filter: Option<&Filter>,
        decision: &Decision,
    ) -> Reply {
        let responder = filter.map_or(&*self.without_filter, |filter| &filter.responder);
        match request {
            Some(request) => responder.reply(decision, request),
            None => responder.refuse(&Denial::RequestMissing),
        }
    }
}

#[tonic::async_trait]
impl Authorization for AuthorizationService {
    async fn check(&self, request: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        let deadline = deadline(request.metadata());
        let answer = AssertUnwindSafe(self.answer(request.get_ref(), deadline)).catch_unwind().await;
        // SECURITY: a panic outside the decision, in view or encoding, must not become a gRPC error:
        // Envoy lets those pass under `failure_mode_allow` (T-40).
        Ok(Response::new(answer.unwrap_or_else(|_| {
            tracing::error!("answering a check ended in a panic; the request is refused");
            encode(self.without_filter.unavailable(), self.identified(&self.ids.next().to_string()))
        })))
    }
}

/// What a check's span says. A denial is an answer like another; only the lack of a verdict is a failure.
fn tell(span: &Span, id: &str, filter: Option<&Filter>, decision: &Decision) {
    span.set("rpc.response.status_code", "OK");
    span.set("keyward.decision.id", id.to_owned());
    span.set("keyward.decision", decision.outcome());
    span.set("keyward.reason", decision.reason());
    if let Some(filter) = filter {
        span.set("keyward.filter", filter.name.to_string());
    }
    match decision {
        Decision::Allow(permit) => span.set("keyward.rule", permit.rule().to_owned()),
        Decision::Deny(_) => {}
        Decision::Outage(outage) => span.fail(outage.as_str()),
    }
}

/// The caller's `grpc-timeout`, or [`DEFAULT_DEADLINE`].
fn deadline(metadata: &MetadataMap) -> Deadline {
    let timeout = metadata.get("grpc-timeout").and_then(|value| value.to_str().ok()).and_then(grpc_timeout);
    Deadline::after(timeout.unwrap_or(DEFAULT_DEADLINE))
}

/// `1*8DIGIT unit` of the gRPC protocol; `None` where it is none.
fn grpc_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(amount * 3600)),
        "M" => Some(Duration::from_secs(amount * 60)),
        "S" => Some(Duration::from_secs(amount)),
        "m" => Some(Duration::from_millis(amount)),
        "u" => Some(Duration::from_micros(amount)),
        "n" => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

/// Records a decision, or that the caller hung up before there was one: an unfinished check is never counted as an allow.
struct DecisionGuard<'a> {
    metrics: &'a dyn DecisionMetrics,
    started: Instant,
    finished: bool,
}

impl<'a> DecisionGuard<'a> {
    fn new(metrics: &'a dyn DecisionMetrics) -> Self {
        metrics.began();
        Self { metrics, started: Instant::now(), finished: false }
    }

    fn decided(mut self, decision: &Decision) -> Duration {
        let took = self.started.elapsed();
        self.finished = true;
        self.metrics.decided(decision.outcome(), decision.reason(), took);
        took
    }
}

impl Drop for DecisionGuard<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.metrics.cancelled(self.started.elapsed());
        }
    }
}

/// A decision's id, and its text.
struct Known {
    id: DecisionId,
    text: String,
}

#[cfg(test)]
mod tests {
    use super::grpc_timeout;
    use std::time::Duration;

    #[test]
    fn grpc_timeouts_are_read_as_the_protocol_says() {
        for (text, millis) in [("200m", 200), ("1S", 1_000), ("2M", 120_000), ("500000u", 500), ("1H", 3_600_000)] {
            assert_eq!(grpc_timeout(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for bad in ["", "m", "200", "200x", "-1m", "123456789m", "1é", "1.5S"] {
            assert_eq!(grpc_timeout(bad), None, "{bad}");
        }
    }
}
