//! Does an introspector tell an authorization server's word from the lack of it? One table for every implementation.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use url::Url;

use super::testing::{Provider, json_answer, patience, raw_server, settings, verdict};
use super::{Introspector, Settings};
use crate::deadline::Deadline;

fn answer(status: u16, content_type: &'static str, body: &'static str) -> Response {
    (StatusCode::from_u16(status).unwrap(), [("content-type", content_type)], body).into_response()
}

/// A name, what the server answers, and what it means in one word.
type Fault = (&'static str, fn() -> Response, &'static str);

fn faults() -> Vec<Fault> {
    const JSON: &str = "application/json";
    vec![
        ("active", || answer(200, JSON, r#"{"active":true}"#), "active"),
        ("inactive", || answer(200, JSON, r#"{"active":false}"#), "inactive"),
        ("active as text", || answer(200, JSON, r#"{"active":"true"}"#), "inactive"),
        ("active as number", || answer(200, JSON, r#"{"active":1}"#), "inactive"),
        ("active null", || answer(200, JSON, r#"{"active":null}"#), "inactive"),
        ("active missing", || answer(200, JSON, r#"{"sub":"a"}"#), "inactive"),
        ("active twice", || answer(200, JSON, r#"{"active":false,"active":true}"#), "unreadable"),
        ("exp as text", || answer(200, JSON, r#"{"active":true,"exp":"1"}"#), "unreadable"),
        ("401 invalid_client", || answer(401, JSON, r#"{"error":"invalid_client"}"#), "status"),
        ("401 that says active", || answer(401, JSON, r#"{"active":true}"#), "status"),
        ("400", || answer(400, JSON, r#"{"error":"invalid_request"}"#), "status"),
        ("500", || answer(500, "text/plain", "oops"), "status"),
        ("503 without a body", || answer(503, "", ""), "status"),
        ("404 HTML", || answer(404, "text/html", "<html>"), "status"),
        ("204", || StatusCode::NO_CONTENT.into_response(), "status"),
        ("201 that says active", || answer(201, JSON, r#"{"active":true}"#), "status"),
        ("200 HTML", || answer(200, "text/html", r#"{"active":true}"#), "unreadable"),
        ("200 JWT", || answer(200, "application/token-introspection+jwt", "e.e.s"), "unreadable"),
        ("no content type", || r#"{"active":true}"#.as_bytes().to_vec().into_response(), "unreadable"),
        ("empty body", || answer(200, JSON, ""), "unreadable"),
        ("a list", || answer(200, JSON, r#"[{"active":true}]"#), "unreadable"),
        ("half a body", || answer(200, JSON, r#"{"active":true"#), "unreadable"),
        ("10 MB", || json_answer(&format!(r#"{{"active":true,"x":"{}"}}"#, "x".repeat(10_000_000))), "unreadable"),
        ("10 MB of an error", || (StatusCode::BAD_GATEWAY, "x".repeat(10_000_000)).into_response(), "status"),
    ]
}

/// Runs the table against what `make` makes of settings.
pub async fn tells_the_servers_word_from_the_lack_of_it<I: Introspector>(make: impl Fn(&Settings) -> I) {
    for (name, fault, expected) in faults() {
        let provider = Provider::start(move |_| fault()).await;
        assert_eq!(verdict(&make(&settings(&provider.url)), patience()).await, expected, "{name}");
        assert_eq!(provider.calls(), 1, "{name}");
    }
    redirects_are_not_followed(&make).await;
    broken_connections_are_outages(&make).await;
}

async fn redirects_are_not_followed<I: Introspector>(make: impl Fn(&Settings) -> I) {
    let elsewhere = Provider::json(r#"{"active":true}"#).await;
    for status in [301, 302, 303, 307, 308] {
        let location = elsewhere.url.to_string();
        let provider = Provider::start(move |_| {
            (StatusCode::from_u16(status).unwrap(), [("location", location.clone())]).into_response()
        })
        .await;
        assert_eq!(verdict(&make(&settings(&provider.url)), patience()).await, "status", "{status}");
    }
    assert_eq!(elsewhere.calls(), 0);
}

async fn broken_connections_are_outages<I: Introspector>(make: impl Fn(&Settings) -> I) {
    let truncated = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{\"active\":true}";
    let chunked = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n\
                   f\r\n{\"active\":true}\r\n";
    let two_types = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-type: text/html\r\n\
                     content-length: 15\r\n\r\n{\"active\":true}";
    let endless: &str = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n200000\r\n{{{}",
        " ".repeat(0x20_0000)
    )
    .leak();
    for (name, text, expected) in [
        ("a long body of unknown length", endless, "unreadable"),
        ("truncated", truncated, "unreachable"),
        ("last chunk missing", chunked, "unreachable"),
        ("two content types", two_types, "unreadable"),
        ("no HTTP", "hello\r\n\r\n", "unreachable"),
        ("closed", "", "unreachable"),
    ] {
        let url = raw_server(vec![vec![text], vec![text]]).await;
        assert_eq!(verdict(&make(&settings(&url)), patience()).await, expected, "{name}");
    }
    let nobody = Url::parse("http://127.0.0.1:1/").unwrap();
    assert_eq!(verdict(&make(&settings(&nobody)), patience()).await, "unreachable");
}

/// A server that never answers costs the caller its own deadline and not more; needs paused time.
pub async fn gives_up_at_the_deadline<I: Introspector>(make: impl Fn(&Settings) -> I) {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/", silent.local_addr().unwrap())).unwrap();
    let introspector = make(&settings(&url));
    for (deadline, took) in [(200, 195), (60_000, 5_000)] {
        let start = tokio::time::Instant::now();
        let said = verdict(&introspector, Deadline::after(Duration::from_millis(deadline))).await;
        assert_eq!(said, "timeout");
        assert!(start.elapsed() <= Duration::from_millis(took + 2), "{:?}", start.elapsed());
    }
}
