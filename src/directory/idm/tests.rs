//! The identity manager's good answers, its faults, and Keyward's own token.

use std::sync::Arc;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use url::Url;

use super::fake::{FakeIdm, crest_error, crest_json};
use super::{IdmDirectory, IdmSetupError};
use crate::client_auth::ClientAuthentication;
use crate::clock::FixedClock;
use crate::deadline::Deadline;
use crate::directory::conformance::{finds_whom_is_asked_for_and_nobody_else, patience, query, told, users};
use crate::directory::settings::{IdmAuth, IdmSettings};
use crate::directory::{CacheSettings, Cached, DirectoryError, Found, UserDirectory, UserQuery};
use crate::roles;
use crate::secret::Secret;

fn settings(url: &Url, auth: IdmAuth) -> IdmSettings {
    IdmSettings {
        url: url.clone(),
        auth,
        timeout: Duration::from_secs(5),
        max_answer_bytes: 64 * 1024,
        trusted_roots: None,
        max_timeout: Duration::from_secs(5),
        max_users: 100,
    }
}

fn clock() -> Arc<FixedClock> {
    Arc::new(FixedClock::at(Timestamp::UNIX_EPOCH))
}

pub(in crate::directory) fn directory(url: &Url) -> IdmDirectory {
    IdmDirectory::new(&settings(url, IdmAuth::None), clock()).expect("good settings")
}

fn by_id() -> UserQuery {
    query("managed/user", &[("_id", "11aa")])
}

fn by_mail() -> UserQuery {
    query("managed/user", &[("mail", "anna@x")])
}

#[tokio::test]
async fn it_passes_the_conformance_suite() {
    let idm = FakeIdm::serving(users()).await;
    finds_whom_is_asked_for_and_nobody_else(&directory(&idm.url)).await;
    let mut with_slash = idm.url.clone();
    with_slash.set_path("/openidm/");
    assert_eq!(told(&directory(&with_slash), &by_id()).await, "managed/user/11aa \"anna\"");
}

fn answer(status: u16, content_type: &str, body: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    (status, [("content-type", content_type.to_owned())], body.to_owned()).into_response()
}

#[tokio::test]
async fn nobody_is_believed_only_of_crest() {
    type Fault = fn() -> Response;
    const JSON: &str = "application/json";
    let faults: &[(&str, Fault, &str, &str)] = &[
        ("404 of CREST", || crest_error(404, "not found"), "nobody", "nobody"),
        ("404 of a proxy", || answer(404, "text/html", "<html>"), "status", "status"),
        ("404 without a body", || StatusCode::NOT_FOUND.into_response(), "status", "status"),
        ("404 that is no CREST error", || answer(404, JSON, r#"{"error":"x"}"#), "status", "status"),
        ("404 with another code", || answer(404, JSON, r#"{"code":503}"#), "status", "status"),
        ("404 declared as text", || answer(404, "text/plain", r#"{"code":404}"#), "status", "status"),
        ("500 without a body", || StatusCode::INTERNAL_SERVER_ERROR.into_response(), "status", "status"),
        ("500 that says 404", || answer(500, JSON, r#"{"code":404}"#), "status", "status"),
        ("401", || crest_error(401, "Access Denied"), "status", "status"),
        ("403", || crest_error(403, "Access denied"), "status", "status"),
        ("400", || crest_error(400, "could not be parsed"), "status", "status"),
        ("204", || StatusCode::NO_CONTENT.into_response(), "status", "status"),
        ("201", || answer(201, JSON, r#"{"_id":"11aa"}"#), "status", "status"),
        ("redirect", || (StatusCode::FOUND, [("location", "/openidm/other")]).into_response(), "status", "status"),
        ("200 HTML", || answer(200, "text/html", r#"{"_id":"11aa"}"#), "unreadable", "unreadable"),
        ("200 without a body", || answer(200, JSON, ""), "unreadable", "unreadable"),
        ("200 of a list", || answer(200, JSON, "[]"), "unreadable", "unreadable"),
        ("half a body", || answer(200, JSON, r#"{"_id":"11aa""#), "unreadable", "unreadable"),
        ("a member twice", || answer(200, JSON, r#"{"_id":"x","_id":"11aa","result":[]}"#), "unreadable", "unreadable"),
        ("no id, no result", || answer(200, JSON, "{}"), "unreadable", "unreadable"),
        ("an empty id", || answer(200, JSON, r#"{"_id":""}"#), "unreadable", "unreadable"),
        ("somebody else", || answer(200, JSON, r#"{"_id":"22bb"}"#), "unreadable", "unreadable"),
        ("result is no list", || answer(200, JSON, r#"{"result":{}}"#), "unreadable", "unreadable"),
        ("result null", || answer(200, JSON, r#"{"result":null}"#), "unreadable", "unreadable"),
        ("a record is no object", || answer(200, JSON, r#"{"result":["11aa"]}"#), "unreadable", "unreadable"),
        (
            "the filter is ignored",
            || answer(200, JSON, r#"{"result":[{"_id":"22bb","mail":"bert@x"}]}"#),
            "unreadable",
            "unreadable",
        ),
        (
            "found without what it was found by",
            || answer(200, JSON, r#"{"result":[{"_id":"22bb"}]}"#),
            "unreadable",
            "unreadable",
        ),
        (
            "one record and more to come",
            || answer(200, JSON, r#"{"result":[{"_id":"11aa","mail":"anna@x"}],"pagedResultsCookie":"1"}"#),
            "unreadable",
            "ambiguous",
        ),
        (
            "too large",
            || answer(200, JSON, &json!({"_id": "11aa", "x": "x".repeat(70_000)}).to_string()),
            "unreadable",
            "unreadable",
        ),
        ("a large error", || answer(502, "text/plain", &"x".repeat(1_000_000)), "status", "status"),
    ];
    for (name, fault, read, queried) in faults {
        let idm = FakeIdm::answering(move |_, _| fault()).await;
        let directory = directory(&idm.url);
        assert_eq!(told(&directory, &by_id()).await, *read, "{name}: read");
        assert_eq!(told(&directory, &by_mail()).await, *queried, "{name}: query");
        assert_eq!(idm.calls(), 2, "{name}");
    }
}

#[tokio::test]
async fn directories_that_ignore_case_are_the_word_on_who_is_meant() {
    let idm = FakeIdm::answering(|_, _| {
        crest_json(200, &json!({"_id": "11AA", "mail": "Anna@X", "result": [{"_id": "11AA", "mail": "Anna@X"}]}))
    })
    .await;
    let Ok(Found::One(user)) = directory(&idm.url).find(&by_id(), patience()).await else { panic!("a user") };
    assert_eq!(user.id, "11AA");
    assert_eq!(told(&directory(&idm.url), &by_mail()).await, "managed/user/11AA null");
}

/// A server without manners: it reads one request and writes `text`.
async fn raw_server(text: &'static str) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/openidm", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(text.as_bytes()).await;
        }
    });
    url
}

#[tokio::test]
async fn a_broken_connection_is_an_outage() {
    for text in [
        "",
        "hello\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{\"_id\":\"11aa\"}",
        "HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{\"code\":404}",
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\ne\r\n{\"_id\":\"11aa\"}\r\n",
    ] {
        let said = told(&directory(&raw_server(text).await), &by_id()).await;
        assert!(matches!(said.as_str(), "unreachable" | "status"), "{text}: {said}");
    }
    let nobody = Url::parse("http://127.0.0.1:1/openidm").unwrap();
    assert_eq!(told(&directory(&nobody), &by_id()).await, "unreachable");
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_costs_no_more_than_the_deadline_or_the_timeout() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/openidm", silent.local_addr().unwrap())).unwrap();
    let directory = directory(&url);
    for (deadline, longest) in [(200, 200), (60_000, 5_002)] {
        let start = tokio::time::Instant::now();
        let found = directory.find(&by_id(), Deadline::after(Duration::from_millis(deadline))).await;
        assert!(matches!(found, Err(DirectoryError::Timeout)), "{found:?}");
        assert!(start.elapsed() <= Duration::from_millis(longest), "{:?}", start.elapsed());
    }
}

#[tokio::test]
async fn the_recorded_answers_of_openidm_are_read() {
    let mut read = 0;
    for line in include_str!("../../../tests/vectors/idm-answers.jsonl").lines() {
        let recorded: Value = serde_json::from_str(line).expect("an answer");
        let name = recorded["name"].as_str().expect("a name").to_owned();
        if recorded["method"] != "GET" || !recorded["path"].as_str().is_some_and(|path| path.starts_with("managed/")) {
            continue;
        }
        let status = u16::try_from(recorded["status"].as_u64().expect("a status")).expect("a status");
        let body = if recorded["body"] == "" { String::new() } else { recorded["body"].to_string() };
        let content_type = recorded["headers"]["Content-Type"].as_str().unwrap_or("text/plain").to_owned();
        let idm = FakeIdm::answering(move |_, _| answer(status, &content_type, &body)).await;
        let said = match name.split_once(' ') {
            Some(("query", rest)) => {
                let of_clerk = rest.starts_with("userName");
                let query = query("managed/user", &[("userName", if of_clerk { "u-clerk" } else { "u-reg" })]);
                told(&directory(&idm.url), &query).await
            }
            _ if name == "read sub path" => continue,
            _ => {
                let id = if name.contains("without status") { "u-nostatus" } else { "u-clerk" };
                told(&directory(&idm.url), &query("managed/user", &[("_id", id)])).await
            }
        };
        let expected = match name.as_str() {
            "query userName &_fields=_id,accountStatus,authzRoles" | "query _id eq" | "query two conditions" => {
                "unreadable"
            }
            "query pointer form" => "managed/user/u-reg \"u-reg\"",
            "query no hit" | "query on unknown collection" | "read no such user" => "nobody",
            "query bad filter"
            | "query value a\\\"b\\\\c"
            | "query value x\" or true or \""
            | "forbidden"
            | "forbidden query" => "status",
            "query pageSize 2" => "ambiguous",
            "read user without status" => "managed/user/u-nostatus null",
            "read ?_fields=_id,_rev,accountStatus,authzRoles" => "managed/user/u-clerk null",
            "read u-post" => "unreadable",
            _ if name.starts_with("query value") => "nobody",
            _ => "managed/user/u-clerk \"u-clerk\"",
        };
        assert_eq!(said, expected, "{name}");
        read += 1;
    }
    assert!(read > 25, "{read}");
}

#[tokio::test]
async fn roles_of_a_recorded_user_are_those_that_openidm_calculated() {
    let line = include_str!("../../../tests/vectors/idm-answers.jsonl")
        .lines()
        .find(|line| line.contains("\"read ?_fields=*,authzRoles/*\""))
        .expect("the answer");
    let recorded: Value = serde_json::from_str(line).expect("an answer");
    let idm = FakeIdm::answering(move |_, _| crest_json(200, &recorded["body"])).await;
    let found = directory(&idm.url).find(&query("managed/user", &[("_id", "u-clerk")]), patience()).await;
    let Ok(Found::One(user)) = found else { panic!("{found:?}") };
    let settings =
        |leaf_names| roles::Settings { user_roles: vec!["authzRoles/*".to_owned()], leaf_names, ..Default::default() };
    let names = |leaf| {
        roles::RoleCalculator::new(settings(leaf))
            .calculate(&user, Timestamp::UNIX_EPOCH)
            .roles
            .iter()
            .map(|r| r.as_str().to_owned())
            .collect::<Vec<_>>()
    };
    // As `info/login` told for the same user.
    assert_eq!(names(true), ["openidm-authorized", "clerk"]);
    assert_eq!(names(false), ["repo/internal/role/openidm-authorized", "managed/role/clerk"]);
}

#[tokio::test]
async fn headers_authenticate_without_a_session_and_nothing_authenticates_nobody() {
    let idm = FakeIdm::serving(users()).await;
    let auth = IdmAuth::Headers { username: "admin".to_owned(), password: Secret::new("pass word".to_owned()) };
    let directory = IdmDirectory::new(&settings(&idm.url, auth), clock()).expect("good settings");
    told(&directory, &by_id()).await;
    told(&self::directory(&idm.url), &by_id()).await;
    let received = idm.received();
    let sent = |n: usize| {
        ["x-openidm-username", "x-openidm-password", "x-openidm-nosession", "authorization"]
            .map(|h| received[n].header(h))
    };
    assert_eq!(sent(0), [Some("admin"), Some("pass word"), Some("true"), None]);
    assert_eq!(sent(1), [None; 4]);
    assert!(!format!("{directory:?}").contains("pass"), "{directory:?}");
}

/// An identity manager with a token endpoint beside it: the first request for a token gives `t0`, and so on.
async fn with_tokens(life: i64, accepts: fn(&str) -> bool) -> FakeIdm {
    let tokens = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    FakeIdm::answering(move |_, request| {
        if request.path_and_query == "/openidm/token" {
            let n = tokens.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            return crest_json(
                200,
                &json!({"access_token": format!("t{n}"), "token_type": "Bearer", "expires_in": life}),
            );
        }
        match request.header("authorization").and_then(|value| value.strip_prefix("Bearer ")) {
            Some(token) if accepts(token) => crest_json(200, &json!({"_id": "11aa"})),
            _ => crest_error(401, "Access Denied"),
        }
    })
    .await
}

fn bearer(idm: &FakeIdm) -> IdmAuth {
    let mut token_url = idm.url.clone();
    token_url.set_path("/openidm/token");
    IdmAuth::Bearer {
        token_url,
        client_id: "example.com".to_owned(),
        client_secret: Secret::new("s=cr%t".to_owned()),
        client_authentication: ClientAuthentication::BasicForm,
        scopes: vec!["fr:idm:*".to_owned(), "x".to_owned()],
    }
}

fn tokens_asked(idm: &FakeIdm) -> usize {
    idm.received().iter().filter(|request| request.path_and_query == "/openidm/token").count()
}

#[tokio::test]
async fn an_own_token_is_got_once_and_kept_until_shortly_before_it_expires() {
    let idm = with_tokens(100, |_| true).await;
    let clock = clock();
    let directory =
        IdmDirectory::new(&settings(&idm.url, bearer(&idm)), Arc::<FixedClock>::clone(&clock)).expect("good settings");
    let directory = Arc::new(directory);
    let asked: Vec<_> = (0..20)
        .map(|_| {
            let directory = Arc::clone(&directory);
            tokio::spawn(async move { told(&*directory, &by_id()).await })
        })
        .collect();
    for one in asked {
        assert_eq!(one.await.expect("an answer"), "managed/user/11aa null");
    }
    assert_eq!(tokens_asked(&idm), 1);
    let request = idm.received().into_iter().find(|r| r.path_and_query == "/openidm/token").expect("a request");
    assert_eq!(request.header("authorization"), Some("Basic ZXhhbXBsZS5jb206cyUzRGNyJTI1dA=="));
    assert_eq!(request.body, "grant_type=client_credentials&scope=fr%3Aidm%3A*+x");

    clock.advance(SignedDuration::from_secs(69));
    told(&*directory, &by_id()).await;
    assert_eq!(tokens_asked(&idm), 1);
    clock.advance(SignedDuration::from_secs(1));
    told(&*directory, &by_id()).await;
    assert_eq!(tokens_asked(&idm), 2);
    assert_eq!(
        idm.received().last().and_then(|r| r.header("authorization").map(str::to_owned)).as_deref(),
        Some("Bearer t1")
    );
}

#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    let revoked = with_tokens(100, |token| token != "t0").await;
    let directory = IdmDirectory::new(&settings(&revoked.url, bearer(&revoked)), clock()).expect("good settings");
    assert_eq!(told(&directory, &by_id()).await, "managed/user/11aa null");
    assert_eq!(told(&directory, &by_id()).await, "managed/user/11aa null");
    assert_eq!(tokens_asked(&revoked), 2);

    let refusing = with_tokens(100, |_| false).await;
    let directory = IdmDirectory::new(&settings(&refusing.url, bearer(&refusing)), clock()).expect("good settings");
    assert_eq!(told(&directory, &by_id()).await, "status");
    assert_eq!(refusing.calls(), 4);
}

#[tokio::test]
async fn no_own_token_is_an_outage_that_is_not_remembered_and_tells_no_secret() {
    type Fault = fn() -> Response;
    const JSON: &str = "application/json";
    let faults: &[(Fault, &str)] = &[
        (
            || answer(401, JSON, r#"{"error":"invalid_client","error_description":"s=cr%t"}"#),
            "answered 401: invalid_client",
        ),
        (|| answer(500, "text/html", "s=cr%t"), "answered 500: no reason"),
        (|| answer(200, "text/html", r#"{"access_token":"s=cr%t"}"#), "no JSON"),
        (|| answer(200, JSON, r#"{"access_token":""}"#), "no `access_token`"),
        (|| answer(200, JSON, r#"{"access_token":"s=cr%t\n"}"#), "no header value"),
        (|| answer(200, JSON, r#"{"access_token":"s=cr%t","token_type":"mac"}"#), "no bearer token"),
        (|| answer(200, JSON, r#"{"access_token":"a","access_token":"b"}"#), "no JSON"),
    ];
    for (fault, expected) in faults {
        let idm = FakeIdm::answering(move |_, _| fault()).await;
        let directory = IdmDirectory::new(&settings(&idm.url, bearer(&idm)), clock()).expect("good settings");
        for _ in 0..2 {
            let error = directory.find(&by_id(), patience()).await.expect_err("an outage");
            let text = error.to_string();
            assert!(matches!(error, DirectoryError::Unauthorized(_)) && text.contains(expected), "{text}");
            assert!(!text.contains("s=cr%t"), "{text}");
        }
        assert_eq!(idm.calls(), 2);
    }
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let refused = |url: &str, auth| {
        IdmDirectory::new(&settings(&Url::parse(url).expect("a URL"), auth), clock()).expect_err("an error")
    };
    assert!(matches!(refused("ftp://x/openidm", IdmAuth::None), IdmSetupError::Url(_)));
    assert!(matches!(refused("http://u:p@x/openidm", IdmAuth::None), IdmSetupError::Userinfo(_)));
    let headers =
        |name: &str, word: &str| IdmAuth::Headers { username: name.to_owned(), password: Secret::new(word.to_owned()) };
    assert!(matches!(refused("http://x/", headers("a\n", "b")), IdmSetupError::Header("username")));
    assert!(matches!(refused("http://x/", headers("a", "b\0")), IdmSetupError::Header("password")));
    let mut bad_roots = settings(&Url::parse("https://x/").expect("a URL"), IdmAuth::None);
    bad_roots.trusted_roots = Some(b"no PEM".to_vec());
    assert!(matches!(IdmDirectory::new(&bad_roots, clock()), Err(IdmSetupError::Http(_))));
}

#[tokio::test]
async fn a_record_is_remembered_where_a_cache_stands_before_the_identity_manager() {
    let idm = FakeIdm::serving(users()).await;
    let settings = settings(&idm.url, IdmAuth::None);
    let cache =
        CacheSettings { max_timeout: settings.max_timeout, max_users: settings.max_users, timeout: settings.timeout };
    let directory = Cached::new(IdmDirectory::new(&settings, clock()).expect("good settings"), cache, clock());
    for _ in 0..2 {
        assert_eq!(told(&directory, &by_id()).await, "managed/user/11aa \"anna\"");
    }
    assert_eq!(idm.calls(), 1, "the second answer is remembered");
}
