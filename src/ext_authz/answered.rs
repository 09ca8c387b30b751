//! What if a question cannot even be read? It is answered as one that holds no request, never with a gRPC error.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{HeaderValue, Method, Request, Response};
use tonic::body::Body;
use tonic::server::NamedService;
use tower::Service;

use super::service::DecisionMetrics;

/// The path of the one method.
const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";

/// One gRPC message of no bytes: the question that holds nothing.
const NOTHING: &str = "\0\0\0\0\0";

/// A service whose `Check` never ends in a gRPC error.
///
/// SECURITY: Envoy lets gRPC errors pass under `failure_mode_allow` (J17), and a message that is too large, is no
/// protobuf, or has a text that is not UTF-8 fails before any code of ours is asked (T-21): clients choose what is in it.
#[derive(Clone)]
pub struct Answered<S> {
    inner: S,
    metrics: Arc<dyn DecisionMetrics>,
}

impl<S> Answered<S> {
    /// Puts itself before `inner`.
    pub(super) fn new(inner: S, metrics: Arc<dyn DecisionMetrics>) -> Self {
        Self { inner, metrics }
    }
}

impl<S: fmt::Debug> fmt::Debug for Answered<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Answered").field(&self.inner).finish()
    }
}

impl<S: NamedService> NamedService for Answered<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for Answered<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let is_check = request.uri().path() == CHECK;
        let mut service = self.inner.clone();
        let metrics = Arc::clone(&self.metrics);
        let asked = self.inner.call(request);
        Box::pin(async move {
            let answer = asked.await?;
            if !is_check || !is_error(&answer) {
                return Ok(answer);
            }
            if is_too_large(&answer) {
                metrics.too_large();
            }
            tracing::warn!("a check could not be read; it is refused");
            service.call(nothing()).await
        })
    }
}

/// A status in the headers is one without a message: an error.
fn is_error(answer: &Response<Body>) -> bool {
    answer.headers().get("grpc-status").is_some_and(|status| status != "0")
}

/// The one case in which tonic says `OUT_OF_RANGE`.
fn is_too_large(answer: &Response<Body>) -> bool {
    answer.headers().get("grpc-status").is_some_and(|status| status == "11")
}

fn nothing() -> Request<Body> {
    let mut request = Request::new(Body::new(NOTHING.to_owned()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = http::Uri::from_static(CHECK);
    request.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    request
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use arc_swap::ArcSwap;
    use envoy_types::pb::envoy::service::auth::v3::CheckResponse;
    use envoy_types::pb::envoy::service::auth::v3::check_response::HttpResponse;
    use prost::Message as _;
    use tower::Service as _;

    use super::{Arc, Body, CHECK, DecisionMetrics, Request};
    use crate::audit::AuditWriter;
    use crate::audit::settings::{AuditTarget, Settings};
    use crate::authorizer::Authorizer;
    use crate::clock::SystemClock;
    use crate::ext_authz::AuthorizationService;

    struct Uncounted;

    impl DecisionMetrics for Uncounted {
        fn decided(&self, _: &'static str, _: &'static str, _: Duration) {}
        fn cancelled(&self, _: Duration) {}
    }

    /// The status and the message that `path` answers to these bytes.
    async fn ask(path: &str, encoding: Option<&str>, body: Vec<u8>) -> (Option<String>, Vec<u8>) {
        let audit = AuditWriter::start(Settings { to: AuditTarget::Off, ..Settings::default() }).unwrap();
        let authorizer = Arc::new(ArcSwap::from_pointee(Authorizer::new(Vec::new())));
        let service = AuthorizationService::new(authorizer, Arc::new(SystemClock), audit, Arc::new(Uncounted));
        let request = Request::post(path).header("content-type", "application/grpc");
        let request = encoding.into_iter().fold(request, |request, name| request.header("grpc-encoding", name));
        let body = Body::new(axum::body::Body::from(body));
        let answer = service.into_server().call(request.body(body).unwrap()).await.unwrap();
        let status = answer.headers().get("grpc-status").map(|status| status.to_str().unwrap().to_owned());
        let body = axum::body::to_bytes(axum::body::Body::new(answer.into_body()), 1 << 20).await.unwrap();
        (status, body.to_vec())
    }

    fn message(bytes: &[u8]) -> Vec<u8> {
        [&[0][..], &u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
    }

    #[tokio::test]
    async fn a_question_that_cannot_be_read_is_refused_and_no_grpc_error() {
        // attributes.request.http.path = 0xff
        let not_utf8 = [0x0a, 7, 0x22, 5, 0x12, 3, 0x22, 1, 0xff];
        for (what, encoding, body) in [
            ("no protobuf", None, message(&[0xff, 0xff])),
            ("a path that is not UTF-8", None, message(&not_utf8)),
            ("too large", None, message(&vec![0; 5 << 20])),
            ("cut short", None, vec![0, 0, 0, 0, 9, 1]),
            ("no message", None, Vec::new()),
            ("two messages", None, [message(&[]), message(&[])].concat()),
            ("an unknown encoding", Some("br"), message(&[])),
            ("a flag that is none", None, vec![7, 0, 0, 0, 0]),
        ] {
            let (status, body) = ask(CHECK, encoding, body).await;
            assert_eq!(status, None, "{what}");
            let answer = CheckResponse::decode(&body[5..]).unwrap();
            assert_ne!(answer.status.unwrap().code, 0, "{what}");
            assert!(matches!(answer.http_response, Some(HttpResponse::DeniedResponse(_))), "{what}");
        }
    }

    #[tokio::test]
    async fn another_method_is_unimplemented_still() {
        let other = "/envoy.service.auth.v3.Authorization/Other";
        assert_eq!(ask(other, None, message(&[])).await.0.as_deref(), Some("12"));
    }
}
