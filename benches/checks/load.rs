//! How is the server asked? A closed loop over one HTTP/2 connection, as Envoy holds one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use envoy_types::pb::envoy::service::auth::v3::CheckRequest;
use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use tonic::transport::{Channel, Endpoint};

/// A connection to a server that is starting; tries until it answers.
pub async fn connect(address: SocketAddr) -> AuthorizationClient<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address");
    for _ in 0..2_000 {
        if let Ok(channel) = endpoint.connect().await {
            return AuthorizationClient::new(channel);
        }
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    panic!("no server at {address}");
}

/// Asks `requests` times, `in_flight` at once; every answer must have the gRPC code `expected`.
pub async fn run(
    client: &AuthorizationClient<Channel>,
    check: &CheckRequest,
    expected: i32,
    requests: usize,
    in_flight: usize,
) {
    let left = Arc::new(AtomicUsize::new(requests));
    let workers = (0..in_flight).map(|_| {
        let (mut client, check, left) = (client.clone(), check.clone(), Arc::clone(&left));
        tokio::spawn(async move {
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                let answer = client.check(check.clone()).await.expect("an answer").into_inner();
                assert_eq!(answer.status.map(|status| status.code), Some(expected));
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.expect("the load runs");
    }
}
