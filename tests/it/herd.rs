//! How often is the authorization server asked when everybody comes at once? Once for each token, whoever hangs up.

use std::time::Duration;

use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tonic::transport::Channel;

use crate::support::case::fixture;
use crate::support::check::Sent;
use crate::support::program::TestServer;
use crate::support::provider::{Answer, ScriptedProvider};

const CHECKS: usize = 1000;

async fn start() -> (TestServer, ScriptedProvider, AuthorizationClient<Channel>) {
    let provider = ScriptedProvider::start().await;
    let known = Answer::json(&json!({ "active": true, "sub": "alice", "roles": ["clerk"] }));
    provider.answer("t1", Answer { delay: Duration::from_millis(700), ..known });
    let server = TestServer::with(&fixture("H", &provider.url(), &Value::Null), Timestamp::UNIX_EPOCH).await;
    let client = AuthorizationClient::connect(format!("http://{}", server.address)).await.unwrap();
    (server, provider, client)
}

/// Asks once, and says whether it was an allow.
async fn allowed(mut client: AuthorizationClient<Channel>) -> bool {
    let headers = vec![("authorization".to_owned(), b"Bearer t1".to_vec())];
    let sent = Sent { method: "GET".to_owned(), target: "/orders/1".to_owned(), headers, ..Sent::default() };
    sent.after(client.check(sent.check_request(true)).await.unwrap().into_inner()).allowed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_checks_of_an_unknown_token_ask_once() {
    let (_server, provider, client) = start().await;
    let mut checks = JoinSet::new();
    for _ in 0..CHECKS {
        checks.spawn(allowed(client.clone()));
    }
    let answers = checks.join_all().await;
    assert_eq!(answers.into_iter().filter(|allowed| *allowed).count(), CHECKS);
    assert_eq!(provider.calls().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_first_caller_hangs_up_the_others_still_ask_once() {
    let (_server, provider, client) = start().await;
    let first = tokio::spawn(allowed(client.clone()));
    while provider.calls().is_empty() {
        tokio::task::yield_now().await;
    }
    let mut checks = JoinSet::new();
    for _ in 0..CHECKS {
        checks.spawn(allowed(client.clone()));
    }
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    let answers = checks.join_all().await;
    assert_eq!(answers.into_iter().filter(|allowed| *allowed).count(), CHECKS);
    assert_eq!(provider.calls().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_everybody_hangs_up_the_answer_is_still_remembered() {
    let (_server, provider, client) = start().await;
    let first = tokio::spawn(allowed(client.clone()));
    while provider.calls().is_empty() {
        tokio::task::yield_now().await;
    }
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    assert!(allowed(client).await);
    assert_eq!(provider.calls().len(), 1);
}
