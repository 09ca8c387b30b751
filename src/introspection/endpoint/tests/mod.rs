//! Is the endpoint asked as RFC 7662 and the settings say, and is nothing said that must not be?

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use url::Url;

use super::{Endpoint, EndpointError};
use crate::client_auth::ClientAuthentication;
use crate::deadline::Deadline;
use crate::introspection::testing::{Provider, json_answer, patience, raw_server, settings, token, verdict};
use crate::introspection::{IntrospectionError, Introspector, conformance};
use crate::secret::Secret;

mod tls;

const KEPT: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 15\r\n\r\n{\"active\":true}";

#[tokio::test]
async fn it_tells_the_servers_word_from_the_lack_of_it() {
    conformance::tells_the_servers_word_from_the_lack_of_it(|s| Endpoint::new(s).unwrap()).await;
}

#[tokio::test(start_paused = true)]
async fn it_gives_up_at_the_deadline() {
    conformance::gives_up_at_the_deadline(|s| Endpoint::new(s).unwrap()).await;
}

#[tokio::test]
async fn the_request_is_what_rfc_7662_asks_for() {
    let provider = Provider::json(r#"{"active":true}"#).await;
    let mut with_query = settings(&provider.url);
    with_query.endpoint.set_query(Some("realm=/alpha"));
    let endpoint = Endpoint::new(&with_query).unwrap();
    endpoint.introspect(&token("a+b/c=="), patience()).await.unwrap();
    let received = provider.received().pop().unwrap();
    assert_eq!(
        (received.method.as_str(), received.path_and_query.as_str()),
        ("POST", "/oauth2/introspect?realm=/alpha")
    );
    assert_eq!(received.body, "token=a%2Bb%2Fc%3D%3D&token_type_hint=access_token");
    assert_eq!(received.header("authorization"), Some("Basic bWVzaC1yczpzJTNEY3IlMjV0"));
    assert_eq!(received.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(received.header("accept"), Some("application/json"));
    assert_eq!(received.header("user-agent"), Some(concat!("keyward/", env!("CARGO_PKG_VERSION"))));
    assert_eq!(received.header("accept-encoding"), None);
}

#[tokio::test]
async fn client_secret_post_sends_both_in_the_body() {
    let provider = Provider::json(r#"{"active":true}"#).await;
    let mut post = settings(&provider.url);
    post.client_authentication = ClientAuthentication::Post;
    Endpoint::new(&post).unwrap().introspect(&token("a"), patience()).await.unwrap();
    let received = provider.received().pop().unwrap();
    assert_eq!(received.header("authorization"), None);
    assert_eq!(received.form()["client_id"], "mesh-rs");
    assert_eq!(received.form()["client_secret"], "s=cr%t");
    assert_eq!(received.form()["token"], "a");
}

#[tokio::test]
async fn one_connection_serves_many_introspections() {
    let url = raw_server(vec![vec![KEPT; 3]]).await;
    let endpoint = Endpoint::new(&settings(&url)).unwrap();
    for _ in 0..3 {
        assert_eq!(verdict(&endpoint, patience()).await, "active");
    }
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_meanwhile_is_replaced() {
    let url = raw_server(vec![vec![KEPT, ""], vec![KEPT]]).await;
    let endpoint = Endpoint::new(&settings(&url)).unwrap();
    assert_eq!(verdict(&endpoint, patience()).await, "active");
    assert_eq!(verdict(&endpoint, patience()).await, "active");
}

#[tokio::test]
async fn errors_show_neither_token_nor_secret_nor_query() {
    let echo = Provider::start(|_| {
        let body = r#"{"error":"t0ken-of-alice","error_description":"s=cr%t s%3Dcr%25t"}"#;
        (http::StatusCode::BAD_REQUEST, json_answer(body))
    })
    .await;
    let closed = raw_server(vec![vec![""], vec![""]]).await;
    let nobody = Url::parse("http://127.0.0.1:1/").unwrap();
    let nowhere = Url::parse("http://nowhere.invalid/").unwrap();
    for mut url in [echo.url.clone(), closed, nobody, nowhere] {
        url.set_query(Some("apikey=hunter2"));
        let endpoint = Endpoint::new(&settings(&url)).unwrap();
        let error = endpoint.introspect(&token("t0ken-of-alice"), patience()).await.unwrap_err();
        let shown = format!("{error} {error:?} {endpoint:?}");
        for hidden in ["t0ken-of-alice", "s=cr%t", "s%3Dcr%25t", "hunter2", "bWVzaC1yczpzJTNEY3IlMjV0"] {
            assert!(!shown.contains(hidden), "{shown}");
        }
    }
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_at_load() {
    let with = |url: &str| Endpoint::new(&settings(&Url::parse(url).unwrap())).map(|_| ());
    assert!(matches!(with("ftp://as.example/"), Err(EndpointError::Url)));
    assert!(matches!(with("unix:/run/as.sock"), Err(EndpointError::Url)));
    for url in ["http://user@as.example/", "https://user:hunter2@as.example/"] {
        let error = with(url).unwrap_err();
        assert!(matches!(error, EndpointError::Userinfo));
        assert!(!error.to_string().contains("hunter2"));
    }
    let mut colon = settings(&Url::parse("http://as.example/").unwrap());
    colon.client_id = "a:b".to_owned();
    colon.client_authentication = ClientAuthentication::BasicRaw;
    assert!(matches!(Endpoint::new(&colon), Err(EndpointError::ClientAuth(_))));
    for bundle in ["", "no PEM", "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n"] {
        let mut roots = settings(&Url::parse("https://as.example/").unwrap());
        roots.trusted_roots = Some(bundle.as_bytes().to_vec());
        assert!(matches!(Endpoint::new(&roots), Err(EndpointError::Http(_))), "{bundle}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_than_max_in_flight_ask_at_once_and_a_crowd_is_given_up() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut narrow = settings(&Url::parse(&format!("http://{}/", silent.local_addr().unwrap())).unwrap());
    narrow.max_in_flight = 2;
    let endpoint = Arc::new(Endpoint::new(&narrow).unwrap());
    let mut asking = JoinSet::new();
    for _ in 0..11 {
        let endpoint = Arc::clone(&endpoint);
        asking.spawn(async move {
            endpoint.introspect(&token("a"), Deadline::after(Duration::from_secs(2))).await.map(|_| ())
        });
    }
    let (given_up, timed_out): (Vec<_>, Vec<_>) = asking
        .join_all()
        .await
        .into_iter()
        .partition(|said| matches!(said, Err(IntrospectionError::GivenUp("too many introspections at once"))));
    assert_eq!((given_up.len(), timed_out.len()), (1, 10));
    assert!(timed_out.iter().all(|said| *said == Err(IntrospectionError::Timeout)));
    assert_eq!(endpoint.in_flight.available_permits(), 2);
}

#[tokio::test]
async fn a_secret_is_not_in_debug() {
    let mut settings = settings(&Url::parse("http://as.example/?key=hunter2").unwrap());
    settings.client_secret = Secret::new("hunter2".to_owned());
    assert!(!format!("{:?}", Endpoint::new(&settings).unwrap()).contains("hunter2"));
}
