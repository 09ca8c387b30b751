//! Does it work with an authorization server that nobody wrote for it? Tokens of a real `oidc-provider`, through a real Envoy.

use std::net::SocketAddr;
use std::sync::Arc;

use jiff::SignedDuration;
use keyward::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};

use crate::support::blocking;
use crate::support::case::fixture;
use crate::support::echo::EchoUpstream;
use crate::support::envoy::{Authz, EnvoyProcess, Listener};
use crate::support::oidc::{OidcProvider, RESOURCE_SERVER};
use crate::support::program::TestServer;
use crate::support::raw_http::{self, Response};

/// The real parts around one Keyward.
struct World {
    provider: Arc<OidcProvider>,
    server: TestServer,
    envoy: Arc<EnvoyProcess>,
    _upstream: EchoUpstream,
}

impl World {
    /// Keyward configured as the README says, with `with` over it.
    async fn start(with: Value) -> Self {
        let provider = Arc::new(blocking(OidcProvider::start).await);
        let (id, secret) = RESOURCE_SERVER;
        let client = json!({ "rsFilter": { "clientId": id, "clientSecret": secret } });
        let mut config = fixture("H", &provider.introspection_url(), &client);
        crate::support::yaml::merge(&mut config, &with);
        let server = TestServer::with(&config, SystemClock.now()).await;
        let upstream = EchoUpstream::start().await;
        let (address, echo) = (server.address, upstream.address);
        let envoy = blocking(move || EnvoyProcess::start(&[Listener::to("front", Authz::Tcp(address))], echo)).await;
        Self { provider, server, envoy: Arc::new(envoy), _upstream: upstream }
    }

    async fn mint(&self, scope: &'static str) -> String {
        let provider = Arc::clone(&self.provider);
        blocking(move || provider.mint(scope)).await
    }

    async fn revoke(&self, token: &str) {
        let (provider, token) = (Arc::clone(&self.provider), token.to_owned());
        blocking(move || provider.revoke(&token)).await;
    }

    async fn get(&self, target: &'static str, token: &str) -> Response {
        let front: SocketAddr = self.envoy.address("front");
        let headers = [("Authorization".to_owned(), format!("Bearer {token}").into_bytes())];
        blocking(move || raw_http::exchange(front, "GET", target, &headers, b"")).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_minted_token_passes_and_a_made_up_one_does_not() {
    let world = World::start(json!({})).await;
    let token = world.mint("orders").await;
    let answer = world.get("/orders/1", &token).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen: Vec<(String, String)> = serde_json::from_value(answer.json()["headers"].clone()).unwrap();
    assert!(seen.contains(&("x-user-id".to_owned(), "shop".to_owned())), "the name part of `(age!shop)`: {seen:?}");
    assert!(seen.contains(&("x-user-roles".to_owned(), "clerk".to_owned())), "{seen:?}");

    assert_eq!(world.get("/orders/1", "made-up").await.status, 401);
    assert_eq!(world.get("/admin", &token).await.status, 403);
    assert_eq!(world.get("/reports/1", &token).await.status, 403, "the rule asks for a scope that the token lacks");
    let reports = world.mint("orders reports").await;
    assert_eq!(world.get("/reports/1", &reports).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_lives_no_longer_than_the_cache() {
    let world = World::start(json!({})).await;
    let token = world.mint("orders").await;
    assert_eq!(world.get("/orders/1", &token).await.status, 200);
    world.revoke(&token).await;
    assert_eq!(world.get("/orders/1", &token).await.status, 200, "remembered for `maxTimeout`");
    world.server.clock.advance(SignedDuration::from_secs(301));
    assert_eq!(world.get("/orders/1", &token).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_cache_a_revoked_token_is_refused_at_once() {
    let world = World::start(json!({ "rsFilter": { "cache": { "maxTimeout": "zero" } } })).await;
    let token = world.mint("orders").await;
    assert_eq!(world.get("/orders/1", &token).await.status, 200);
    world.revoke(&token).await;
    assert_eq!(world.get("/orders/1", &token).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_is_an_outage() {
    let world = World::start(json!({ "rsFilter": { "clientSecret": "wrong" } })).await;
    let token = world.mint("orders").await;
    assert_eq!(world.get("/orders/1", &token).await.status, 503);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_not_encoded_is_refused_there_and_an_outage_here() {
    let world = World::start(json!({ "rsFilter": { "basicEncoding": "raw" } })).await;
    let token = world.mint("orders").await;
    assert_eq!(world.get("/orders/1", &token).await.status, 503);
}
