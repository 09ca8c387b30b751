//! What is the floor? A tonic server that decodes the question and says OK.

use envoy_types::pb::envoy::service::auth::v3::authorization_server::{Authorization, AuthorizationServer};
use envoy_types::pb::envoy::service::auth::v3::{CheckRequest, CheckResponse};
use envoy_types::pb::google::rpc::Status as RpcStatus;
use tonic::{Request, Response, Status};

/// Makes this program be the no-op, on the address that follows.
pub const FLAG: &str = "--serve-noop";

struct Noop;

#[tonic::async_trait]
impl Authorization for Noop {
    async fn check(&self, request: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        std::hint::black_box(request.into_inner());
        Ok(Response::new(CheckResponse { status: Some(RpcStatus::default()), ..CheckResponse::default() }))
    }
}

/// Serves until killed, on the same kind of runtime as `keyward serve`.
pub fn serve() {
    let address = std::env::args().next_back().and_then(|text| text.parse().ok()).expect("an address");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let server = tonic::transport::Server::builder().add_service(AuthorizationServer::new(Noop)).serve(address);
    runtime.block_on(server).expect("the server runs");
}
