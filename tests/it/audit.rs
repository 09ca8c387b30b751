//! Does a check ever wait for who reads the audit? A real pipe that nobody reads.

use std::fs::OpenOptions;
use std::process::Command;
use std::time::{Duration, Instant};

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

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_that_nobody_reads_stalls_no_check_and_what_is_lost_is_counted_and_told_once() {
    let checks = unused_address().to_string();
    let text = CONFIGURATION.replace("CHECKS", &checks);
    let (serving, _pipe) = blocking(move || {
        let mut pipe = None;
        let serving = Serving::start(&text, |text, folder| {
            // The server's standard output. It is held open for reading, and never read.
            let path = folder.join("stdout");
            assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
            pipe = Some(OpenOptions::new().read(true).write(true).open(path).unwrap());
            text
        });
        (serving, pipe)
    })
    .await;
    let mut client = AuthorizationClient::connect(format!("http://{checks}")).await.unwrap();
    let target = format!("/orders/{}", "x".repeat(PATH_BYTES));
    let request = Sent { method: "GET".to_owned(), target, ..Sent::default() }.check_request(false);
    let mut longest = Duration::ZERO;
    for _ in 0..CHECKS {
        let asked = Instant::now();
        client.check(request.clone()).await.unwrap();
        longest = longest.max(asked.elapsed());
    }
    assert!(longest < Duration::from_secs(2), "{longest:?}");
    let metrics = reqwest::get(format!("http://{}/metrics", serving.admin)).await.unwrap().text().await.unwrap();
    let value = |name: &str| -> usize {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().parse().unwrap()
    };
    let (written, dropped) = (value("keyward_audit_written_total"), value("keyward_audit_dropped_total"));
    assert!(dropped > 0 && written + dropped < CHECKS, "{written} written, {dropped} dropped, some waiting");
    let told = "audit events are being dropped";
    let serving = blocking(move || {
        serving.until_it_logs(told);
        serving
    });
    assert_eq!(serving.await.log().matches(told).count(), 1);
}
