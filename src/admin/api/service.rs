//! Who may ask the admin API, and how does a question find its method?

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response, Version};
use prost::Message;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Code, Status};
use tonic_prost::ProstCodec;
use tower::Service;

use super::{GET, LIST, NAME, get, list};
use crate::explain::Recent;
use crate::explain::settings::Readers;

/// Bytes of a question: an id, or a few words.
const LONGEST_QUESTION: usize = 16 * 1024;

/// The service as tonic serves it.
#[derive(Debug, Clone)]
pub struct AdminApi(Arc<Recent>);

impl AdminApi {
    /// Tells of what `recent` keeps.
    #[must_use]
    pub fn new(recent: Arc<Recent>) -> Self {
        Self(recent)
    }

    /// SECURITY: decisions say who asked for what. Probes and scrapers come from other machines and must not read them.
    fn refusal(&self, peer: Option<IpAddr>) -> Option<Status> {
        let local = peer.is_some_and(|peer| peer.to_canonical().is_loopback());
        match self.0.readers() {
            Readers::Anyone => None,
            Readers::Local if local => None,
            Readers::Local => Some(Status::permission_denied(
                "decisions are told to loopback addresses only: ask from beside Keyward (`kubectl port-forward`), or set \
                 `explain.readers: anyone`",
            )),
        }
    }
}

impl NamedService for AdminApi {
    const NAME: &'static str = NAME;
}

impl Service<Request<Body>> for AdminApi {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // SECURITY: gRPC is HTTP/2. A page in a browser that rebinds a name to loopback can speak no more than HTTP/1.1 here.
        if request.version() != Version::HTTP_2 {
            return answered(Status::unimplemented("gRPC needs HTTP/2"));
        }
        if let Some(refusal) = self.refusal(super::super::peer(&request)) {
            return answered(refusal);
        }
        let recent = Arc::clone(&self.0);
        match request.uri().path() {
            GET => unary(request, move |asked| get(&recent, &asked)),
            LIST => unary(request, move |asked| list(&recent, &asked)),
            _ => answered(Status::new(Code::Unimplemented, "no such method")),
        }
    }
}

type Answered = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

fn answered(status: Status) -> Answered {
    Box::pin(ready(Ok(status.into_http())))
}

fn unary<Q, A>(request: Request<Body>, method: impl FnMut(Q) -> Result<A, Status> + Send + 'static) -> Answered
where
    Q: Message + Default + 'static,
    A: Message + Default + 'static,
{
    Box::pin(async move {
        let mut grpc = Grpc::new(ProstCodec::<A, Q>::default()).max_decoding_message_size(LONGEST_QUESTION);
        Ok(grpc.unary(Method(method), request).await)
    })
}

/// A method that is done at once.
struct Method<F>(F);

impl<Q, A, F> UnaryService<Q> for Method<F>
where
    A: Message + Default + 'static,
    F: FnMut(Q) -> Result<A, Status>,
{
    type Response = A;
    type Future = Ready<Result<tonic::Response<A>, Status>>;

    fn call(&mut self, request: tonic::Request<Q>) -> Self::Future {
        ready((self.0)(request.into_inner()).map(tonic::Response::new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::Settings;

    #[test]
    fn decisions_are_told_beside_keyward_only_unless_said() {
        let may = |readers, peer: &str| {
            let api = AdminApi::new(Arc::new(Recent::new(Settings { readers, ..Settings::default() })));
            api.refusal(peer.parse().ok()).is_none()
        };
        for (peer, local) in [
            ("127.0.0.1", true),
            ("127.8.8.8", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("10.0.0.1", false),
            ("", false),
        ] {
            assert_eq!(may(Readers::Local, peer), local, "{peer}");
            assert!(may(Readers::Anyone, peer), "{peer}");
        }
    }

    #[tokio::test]
    async fn a_question_that_is_too_long_is_not_read() {
        for (length, status) in [(LONGEST_QUESTION, "3"), (LONGEST_QUESTION + 1, "11")] {
            let mut api =
                AdminApi::new(Arc::new(Recent::new(Settings { readers: Readers::Anyone, ..Settings::default() })));
            // `id`, so long that the whole message is of this length.
            let question = super::super::message::GetDecisionRequest { id: "x".repeat(length - 3), all_rules: false };
            let message = question.encode_to_vec();
            let prefix = u32::try_from(message.len()).unwrap().to_be_bytes();
            let body = [&[0][..], &prefix, &message].concat();
            let request = Request::post(GET).version(Version::HTTP_2).header("content-type", "application/grpc");
            let answer = api.call(request.body(Body::new(axum::body::Body::from(body))).unwrap()).await.unwrap();
            assert_eq!(answer.headers()["grpc-status"], status, "{length}: {}", message.len());
        }
    }

    #[tokio::test]
    async fn a_question_that_comes_by_http_1_is_not_answered() {
        let mut api =
            AdminApi::new(Arc::new(Recent::new(Settings { readers: Readers::Anyone, ..Settings::default() })));
        let mut request = Request::post(GET).header("content-type", "application/grpc").body(Body::empty()).unwrap();
        *request.version_mut() = Version::HTTP_11;
        let answer = api.call(request).await.unwrap();
        assert_eq!(answer.headers()["grpc-status"], "12");
    }
}
