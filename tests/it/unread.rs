//! Does a check ever wait for who reads the audit or the log? Real pipes that nobody reads.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;

use crate::support::check::Sent;
use crate::support::serving::Serving;
use crate::support::{blocking, unused_address};

const CONFIGURATION: &str = r#"
listen: { extAuthz: "CHECKS", admin: "127.0.0.1:9902" }
rsFilter:
  clientId: mesh-rs
  clientSecret: { env: MESH_RS_SECRET }
  tokenIntrospectUrl: http://127.0.0.1:9/introspect
directory: { token: {} }
access: { style: http, rules: [ { pattern: /orders/*, roles: clerk, methods: "*" } ] }
identityHeaders: { x-auth-id: authorization.id }
"#;

/// Each event is this long, and a thousand fill pipe and buffer: 64 KiB and 4 MiB.
const PATH_BYTES: usize = 6_000;
const CHECKS: usize = 1_000;
/// Nothing here takes a thousandth of this.
const LONGEST: Duration = Duration::from_secs(2);

/// A pipe, held open for reading, and never read.
fn unread_pipe(path: &Path) -> File {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    OpenOptions::new().read(true).write(true).open(path).unwrap()
}

/// Keyward with a pipe that nobody reads for its standard output or error, and where it answers checks.
async fn with_unread(stream: &'static str, variables: &'static [(&str, &str)]) -> (Serving, File, String) {
    let checks = unused_address().to_string();
    let text = CONFIGURATION.replace("CHECKS", &checks);
    let (serving, pipe) = blocking(move || {
        let mut pipe = None;
        let edit = |text, folder: &Path| {
            pipe = Some(unread_pipe(&folder.join(stream)));
            text
        };
        (Serving::start_with(&text, edit, variables), pipe.unwrap())
    })
    .await;
    (serving, pipe, checks)
}

/// Asks one after another, none of which may take long.
async fn ask(checks: &str) {
    let mut client = AuthorizationClient::connect(format!("http://{checks}")).await.unwrap();
    let target = format!("/orders/{}", "x".repeat(PATH_BYTES));
    let request = Sent { method: "GET".to_owned(), target, ..Sent::default() }.check_request(false);
    for _ in 0..CHECKS {
        let answer = tokio::time::timeout(LONGEST, client.check(request.clone())).await;
        answer.expect("an answer in time").unwrap();
    }
}

/// The value of a metric without labels.
async fn value(serving: &Serving, name: &str) -> usize {
    let metrics = reqwest::get(format!("http://{}/metrics", serving.admin)).await.unwrap().text().await.unwrap();
    metrics.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_that_nobody_reads_stalls_no_check_and_what_is_lost_is_counted_and_told_once() {
    let (serving, _pipe, checks) = with_unread("stdout", &[]).await;
    ask(&checks).await;
    let written = value(&serving, "keyward_audit_written_total").await;
    let dropped = value(&serving, "keyward_audit_dropped_total").await;
    assert!(dropped > 0 && written + dropped < CHECKS, "{written} written, {dropped} dropped, some waiting");
    let told = "audit events are being dropped";
    let serving = blocking(move || {
        serving.until_it_logs(told);
        serving
    });
    assert_eq!(serving.await.log().matches(told).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_nobody_reads_stalls_neither_checks_nor_the_end() {
    let (mut serving, _pipe, checks) = with_unread("stderr", &[("KEYWARD_LOG", "trace")]).await;
    ask(&checks).await;
    let dropped = value(&serving, "keyward_log_dropped_total").await;
    assert!(dropped > 0, "so little was logged that all of it fitted");
    blocking(move || serving.end()).await;
}
