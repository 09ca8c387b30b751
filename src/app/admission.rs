//! How much does the server take on at once? Connections, streams and the time a message takes; each with its metric.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;
use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;
use tower::Service;

use crate::listen::Limits;
use crate::telemetry::metrics::{Limit, Metrics};

/// Who may connect: so many at once, over all listeners that share it.
#[derive(Debug, Clone)]
pub struct Admission {
    slots: Arc<Semaphore>,
    /// What the connections are for; the metric's label.
    kind: &'static str,
    /// How long a new connection may take until it speaks.
    pub handshake_timeout: Duration,
    metrics: Arc<Metrics>,
}

impl Admission {
    /// Lets `most` in at once.
    #[must_use]
    pub fn new(most: usize, kind: &'static str, handshake_timeout: Duration, metrics: Arc<Metrics>) -> Self {
        let slots = Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
        Self { slots, kind, handshake_timeout, metrics }
    }

    /// A place for one connection; `None` while all are taken.
    #[must_use]
    pub fn admit(&self) -> Option<Slot> {
        match Arc::clone(&self.slots).try_acquire_owned() {
            Ok(permit) => {
                self.metrics.connection_opened(self.kind);
                Some(Slot { _permit: permit, kind: self.kind, metrics: Arc::clone(&self.metrics) })
            }
            Err(_all_are_taken) => {
                self.metrics.limited(Limit::Connections);
                None
            }
        }
    }
}

/// The place of one connection, free again when this is dropped.
#[derive(Debug)]
pub struct Slot {
    _permit: OwnedSemaphorePermit,
    kind: &'static str,
    metrics: Arc<Metrics>,
}

impl Slot {
    /// The connection took too long until it spoke.
    pub fn was_silent(&self) {
        self.metrics.limited(Limit::HandshakeTime);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.metrics.connection_closed(self.kind);
    }
}

/// How many checks are open on one connection.
#[derive(Debug, Clone, Default)]
pub struct OpenStreams(Arc<AtomicU32>);

/// A service of checks whose messages have to arrive in time, and whose open checks are counted.
///
/// It never refuses by itself: a message that does not arrive is one that cannot be read, and the service behind answers
/// that with a denial.
#[derive(Debug, Clone)]
pub struct Limited<S> {
    inner: S,
    limits: Limits,
    metrics: Arc<Metrics>,
}

impl<S> Limited<S> {
    /// Puts `limits` before `inner`.
    #[must_use]
    pub fn new(inner: S, limits: Limits, metrics: Arc<Metrics>) -> Self {
        Self { inner, limits, metrics }
    }
}

impl<S: NamedService> NamedService for Limited<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for Limited<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let streams = request.extensions().get::<OpenStreams>().cloned().unwrap_or_default();
        let open = Open::new(streams, self.limits.max_streams, Arc::clone(&self.metrics));
        let (patience, metrics) = (self.limits.message_timeout, Arc::clone(&self.metrics));
        let asked = self.inner.call(request.map(|body| Body::new(Timely { body, patience, timer: None, metrics })));
        Box::pin(async move {
            let _until_answered_or_given_up = open;
            asked.await
        })
    }
}

/// A check that is open while this lives.
struct Open {
    streams: OpenStreams,
    metrics: Arc<Metrics>,
}

impl Open {
    fn new(streams: OpenStreams, most: u32, metrics: Arc<Metrics>) -> Self {
        metrics.stream_opened();
        // With the last stream taken, HTTP/2 makes the other side wait: nobody would see it if it were not told here.
        if streams.0.fetch_add(1, Ordering::Relaxed).saturating_add(1) == most {
            metrics.limited(Limit::Streams);
        }
        Self { streams, metrics }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.streams.0.fetch_sub(1, Ordering::Relaxed);
        self.metrics.stream_closed();
    }
}

/// A message that ends in an error if it does not arrive in time. The timer runs only once there is something to wait for.
struct Timely {
    body: Body,
    patience: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    metrics: Arc<Metrics>,
}

impl http_body::Body for Timely {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            return Poll::Ready(frame);
        }
        let timer = this.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(this.patience)));
        match timer.as_mut().poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => {
                this.metrics.limited(Limit::MessageTime);
                Poll::Ready(Some(Err(Status::deadline_exceeded("the message did not arrive in time"))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
