//! What does Envoy make of our answers, and of our absence?

use std::time::Duration;

use crate::support::echo::EchoUpstream;
use crate::support::envoy::{Authz, EnvoyProcess, Listener};
use crate::support::{blocking, raw_http, unused_address};

#[tokio::test(flavor = "multi_thread")]
async fn without_keyward_envoy_lets_nothing_through() {
    let upstream = EchoUpstream::start().await;
    let listener =
        Listener { timeout: Duration::from_millis(500), ..Listener::to("down", Authz::Tcp(unused_address())) };
    let address = upstream.address;
    let answer = blocking(move || {
        let envoy = EnvoyProcess::start(&[listener], address);
        raw_http::get(envoy.address("down"), "/info/login")
    })
    .await;
    assert_eq!((answer.status, upstream.requests()), (403, 0), "{answer:?}");
}
