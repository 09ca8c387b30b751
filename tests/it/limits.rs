//! What becomes of what is too much, too large or too slow? It is refused soon, told in the metrics, and harms nobody else.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use envoy_types::pb::envoy::service::auth::v3::CheckRequest;
use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use jiff::Timestamp;
use keyward::listen::{Address, Drain, Limits, Settings};
use keyward::telemetry::metrics::Metrics;
use serde_json::json;
use tokio::time::timeout;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;

use crate::support::case::fixture;
use crate::support::check::{Sent, check};
use crate::support::program::TestServer;
use crate::support::provider::{Answer, ScriptedProvider};
use crate::support::server::{PATIENCE, Running, Scripted, settings, tcp};
use crate::support::{blocking, raw_grpc};

/// Yields until `metrics` hold `line`.
async fn until_told(metrics: &Metrics, line: &str) {
    let started = Instant::now();
    while !metrics.encode().contains(&format!("{line}\n")) {
        assert!(started.elapsed() < PATIENCE, "`{line}` is not in {}", metrics.encode());
        tokio::task::yield_now().await;
    }
}

async fn limited(limits: Limits, authorization: Scripted) -> Running {
    Running::start_as(&Settings { limits, ..settings(vec![tcp(None)]) }, authorization).await
}

/// A Keyward that knows the clerk `t1`, with these `limits`.
async fn program(limits: serde_json::Value, delay: Duration) -> (TestServer, ScriptedProvider) {
    let provider = ScriptedProvider::start().await;
    let known = Answer::json(&json!({ "active": true, "sub": "alice", "roles": ["clerk"] }));
    provider.answer("t1", Answer { delay, ..known });
    let mut config = fixture("H", &provider.url(), &serde_json::Value::Null);
    config["listen"]["limits"] = limits;
    (TestServer::with(&config, Timestamp::UNIX_EPOCH).await, provider)
}

fn order() -> Sent {
    let headers = vec![("authorization".to_owned(), b"Bearer t1".to_vec())];
    Sent { method: "GET".to_owned(), target: "/orders/1".to_owned(), headers, ..Sent::default() }
}

async fn connected(server: &Running) -> Channel {
    Endpoint::from_shared(server.url()).unwrap().connect().await.unwrap()
}

/// What a server says to a client that writes `said` and then nothing more.
async fn after_saying(port: u16, said: &'static [u8]) -> std::io::Result<Vec<u8>> {
    blocking(move || {
        let mut connection = TcpStream::connect(("127.0.0.1", port))?;
        connection.set_read_timeout(Some(PATIENCE))?;
        connection.write_all(said)?;
        let mut answer = Vec::new();
        match connection.read_to_end(&mut answer) {
            Err(error) if error.kind() != std::io::ErrorKind::ConnectionReset => Err(error),
            _ => Ok(answer),
        }
    })
    .await
}

#[tokio::test]
async fn a_connection_too_many_is_closed_at_once_and_told() {
    let server = limited(Limits { max_connections: 1, ..Limits::default() }, Scripted::default()).await;
    let first = connected(&server).await;
    AuthorizationClient::new(first.clone()).check(CheckRequest::default()).await.unwrap();
    until_told(&server.metrics, "keyward_connections{kind=\"checks\"} 1").await;

    assert!(after_saying(server.port(), b"").await.unwrap().is_empty());

    until_told(&server.metrics, "keyward_limited_total{limit=\"connections\"} 1").await;
    AuthorizationClient::new(first.clone()).check(CheckRequest::default()).await.unwrap();
    drop(first);
    until_told(&server.metrics, "keyward_connections{kind=\"checks\"} 0").await;
    AuthorizationClient::new(connected(&server).await).check(CheckRequest::default()).await.unwrap();
}

#[tokio::test]
async fn a_connection_that_does_not_speak_is_closed_and_told() {
    let limits = Limits { handshake_timeout: Duration::from_millis(50), ..Limits::default() };
    let server = limited(limits, Scripted::default()).await;
    for (closed, said) in [&b""[..], b"PRI * HTTP/2.0\r\n"].into_iter().enumerate() {
        let _perhaps_a_settings_frame = after_saying(server.port(), said).await.unwrap();
        let line = format!("keyward_limited_total{{limit=\"handshake_time\"}} {}", closed + 1);
        until_told(&server.metrics, &line).await;
    }
    // Whoever has spoken may be silent for longer.
    let channel = connected(&server).await;
    AuthorizationClient::new(channel.clone()).check(CheckRequest::default()).await.unwrap();
    let _closed_when_its_time_was_over = after_saying(server.port(), b"").await.unwrap();
    AuthorizationClient::new(channel).check(CheckRequest::default()).await.unwrap();
    until_told(&server.metrics, "keyward_connections{kind=\"checks\"} 1").await;
}

#[tokio::test]
async fn checks_beyond_the_streams_of_a_connection_wait_and_are_told() {
    let authorization = Scripted::held();
    let server = limited(Limits { max_streams: 1, ..Limits::default() }, authorization.clone()).await;
    let channel = connected(&server).await;
    let ask = || {
        let mut client = AuthorizationClient::new(channel.clone());
        tokio::spawn(async move { client.check(CheckRequest::default()).await.unwrap() })
    };
    // What the server allows is known to a client from the first answer on.
    authorization.may_answer.add_permits(1);
    ask().await.unwrap();
    until_told(&server.metrics, "keyward_streams 0").await;
    authorization.may_answer.forget_permits(1);
    let told = |times| format!("keyward_limited_total{{limit=\"streams\"}} {times}");
    until_told(&server.metrics, &told(1)).await;

    let both = [ask(), ask()];
    until_told(&server.metrics, &told(2)).await;
    until_told(&server.metrics, "keyward_streams 1").await;
    assert_eq!(authorization.asked(), 2);

    authorization.may_answer.add_permits(2);
    for answer in both {
        timeout(PATIENCE, answer).await.unwrap().unwrap();
    }
    until_told(&server.metrics, "keyward_streams 0").await;
}

#[tokio::test]
async fn a_message_that_is_too_large_is_a_denial_and_told() {
    let (server, _provider) = program(json!({ "maxMessageBytes": 2048 }), Duration::ZERO).await;
    assert!(order().after(check(server.address, order().check_request(true)).await).allowed);

    let large = Sent { body: "x".repeat(4096), ..order() };
    assert_eq!(large.after(check(server.address, large.check_request(true)).await).status, 400);

    until_told(&server.metrics, "keyward_limited_total{limit=\"message_size\"} 1").await;
}

/// A client that opens checks and sends no message must not hold them open for ever.
#[tokio::test]
async fn a_message_that_does_not_arrive_is_a_denial_and_told() {
    let (server, _provider) = program(json!({ "messageTimeout": "50 milliseconds" }), Duration::ZERO).await;
    let address = server.address;
    let answer = blocking(move || {
        let connection = TcpStream::connect(address)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        raw_grpc::call_without_message(connection, raw_grpc::CHECK)
    });
    assert!(answer.await.unwrap() > 5, "an answer with a message, and no gRPC error");
    until_told(&server.metrics, "keyward_limited_total{limit=\"message_time\"} 1").await;
    until_told(&server.metrics, "keyward_streams 0").await;
}

/// J17: overload is an answer, for a gRPC error would let requests pass under `failure_mode_allow`.
#[tokio::test]
async fn a_check_too_many_is_an_outage_at_once_and_told() {
    let (server, provider) = program(json!({ "maxInFlight": 1 }), PATIENCE).await;
    let address = server.address;
    let first = tokio::spawn(check(address, order().check_request(true)));
    while provider.calls().is_empty() {
        tokio::task::yield_now().await;
    }

    let second = order().after(timeout(PATIENCE / 2, check(address, order().check_request(true))).await.unwrap());

    assert_eq!(second.status, 503);
    until_told(&server.metrics, "keyward_decisions_total{decision=\"outage\",reason=\"overloaded\"} 1").await;
    until_told(&server.metrics, "keyward_limited_total{limit=\"in_flight\"} 1").await;
    first.abort();
    // Its turn is free once the server has seen that nobody waits for it any more.
    until_told(&server.metrics, "keyward_streams 0").await;
    provider.answer("t1", Answer::json(&json!({ "active": true, "sub": "alice", "roles": ["clerk"] })));
    let public = Sent { method: "GET".to_owned(), target: "/public/x".to_owned(), ..Sent::default() };
    assert!(public.after(check(address, public.check_request(true)).await).allowed);
}

#[tokio::test]
async fn a_health_listener_tells_health_and_nothing_else_to_the_end() {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let authorization = Scripted::held();
    let settings = Settings {
        health: Some(any),
        drain: Drain { grace: Duration::ZERO, deadline: PATIENCE },
        ..settings(vec![tcp(None)])
    };
    let server = Running::start_as(&settings, authorization.clone()).await;
    let Some(Address::Tcp(address)) = server.health else { panic!("there is a health listener") };
    let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
    let serving = |service: &str| {
        let (mut client, service) = (HealthClient::new(channel.clone()), service.to_owned());
        async move { client.check(HealthCheckRequest { service }).await.unwrap().into_inner().status() }
    };
    for service in ["", "envoy.service.auth.v3.Authorization"] {
        assert_eq!(serving(service).await, ServingStatus::Serving, "{service:?}");
    }
    let refused = AuthorizationClient::new(channel.clone()).check(CheckRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
    let reflection = ServerReflectionRequest::default();
    let refused =
        ServerReflectionClient::new(channel.clone()).server_reflection_info(tokio_stream::once(reflection)).await;
    assert_eq!(refused.unwrap_err().code(), Code::Unimplemented);
    assert_eq!(authorization.asked(), 0);

    let in_flight = connected(&server).await;
    let in_flight =
        tokio::spawn(async move { AuthorizationClient::new(in_flight).check(CheckRequest::default()).await });
    while authorization.asked() == 0 {
        tokio::task::yield_now().await;
    }
    let ended = server.shut_down();
    let started = Instant::now();
    while serving("").await != ServingStatus::NotServing {
        assert!(started.elapsed() < PATIENCE);
    }
    authorization.may_answer.add_permits(1);
    timeout(PATIENCE, in_flight).await.unwrap().unwrap().unwrap();
    timeout(PATIENCE, ended).await.unwrap().unwrap();
}
