//! How long do checks take while ten thousand rules are read again and again?
//!
//! Runs `keyward serve`, asks it at a steady pace over one connection, and prints quantiles of the time from question to
//! answer: in turn without a reload, and with one after the other by SIGHUP. Client and server share the machine, so only
//! the ratio of rounds in one run says something.
//! `cargo bench --bench reload -- [--rounds N] [--seconds N] [--rules N]`.

#![expect(clippy::expect_used, clippy::panic, reason = "a benchmark may stop where it stands")]

#[path = "../checks/load.rs"]
#[expect(dead_code, reason = "only the connection is needed here")]
mod load;
#[path = "../checks/request.rs"]
#[expect(dead_code, reason = "nobody shows a token here")]
mod request;

use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use envoy_types::pb::envoy::service::auth::v3::CheckRequest;
use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use tonic::transport::Channel;

const IN_FLIGHT: usize = 8;
/// Between an answer and the next question of one worker.
const PACE: Duration = Duration::from_millis(2);
const LIMIT: Duration = Duration::from_millis(5);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |flag: &str, default: usize| {
        let at = arguments.iter().position(|argument| argument == flag);
        at.and_then(|at| arguments.get(at + 1)).map_or(default, |text| text.parse().expect("a whole number"))
    };
    let (rounds, seconds, rules) = (number("--rounds", 5), number("--seconds", 5), number("--rules", 10_000));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(measure(rounds, Duration::from_secs(seconds as u64), rules));
}

async fn measure(rounds: usize, length: Duration, rules: usize) {
    let server = Server::start(rules);
    let client = load::connect(server.address).await;
    let check = request::check_request("/public/logo.svg", None);
    let (mut still, mut reloading) = (Vec::new(), Vec::new());
    let mut reloads = 0;
    for _ in 0..rounds {
        still.extend(round(&client, &check, length).await);
        let over = Arc::new(AtomicBool::new(false));
        let reloader = server.reload_until(Arc::clone(&over));
        reloading.extend(round(&client, &check, length).await);
        over.store(true, Ordering::Relaxed);
        reloads += tokio::task::spawn_blocking(|| reloader.join()).await.expect("a thread").expect("it reloads");
    }
    println!("{rules} rules, {IN_FLIGHT} in flight, {reloads} reloads");
    let (still, reloading) = (report("without", still), report("with reload", reloading));
    for (name, quantile) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)] {
        println!("{name:>12} ratio {:.2}", at(&reloading, quantile).as_secs_f64() / at(&still, quantile).as_secs_f64());
    }
}

/// How long each check took.
async fn round(client: &AuthorizationClient<Channel>, check: &CheckRequest, length: Duration) -> Vec<Duration> {
    let end = Instant::now() + length;
    let workers = (0..IN_FLIGHT).map(|_| {
        let (mut client, check) = (client.clone(), check.clone());
        tokio::spawn(async move {
            let mut took = Vec::new();
            while Instant::now() < end {
                let asked = Instant::now();
                let answer = client.check(check.clone()).await.expect("an answer").into_inner();
                took.push(asked.elapsed());
                assert_eq!(answer.status.map(|status| status.code), Some(0));
                tokio::time::sleep(PACE).await;
            }
            took
        })
    });
    let mut all = Vec::new();
    for worker in workers.collect::<Vec<_>>() {
        all.extend(worker.await.expect("the load runs"));
    }
    all
}

fn report(name: &str, mut took: Vec<Duration>) -> Vec<Duration> {
    took.sort_unstable();
    let slow = took.iter().filter(|one| **one > LIMIT).count();
    println!(
        "{name:>12}: {} checks, p50 {:?}, p99 {:?}, p99.9 {:?}, max {:?}, above {LIMIT:?}: {slow}",
        took.len(),
        at(&took, 0.5),
        at(&took, 0.99),
        at(&took, 0.999),
        at(&took, 1.0),
    );
    took
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "an index into what was measured"
)]
fn at(sorted: &[Duration], quantile: f64) -> Duration {
    let index = (sorted.len().saturating_sub(1) as f64 * quantile) as usize;
    sorted.get(index).copied().expect("something was measured")
}

struct Server {
    child: Child,
    folder: PathBuf,
    address: SocketAddr,
    rules: usize,
}

impl Server {
    fn start(rules: usize) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").and_then(|held| held.local_addr()).expect("a loopback port");
        let folder = std::env::temp_dir().join(format!("keyward-bench-reload-{}", address.port()));
        std::fs::create_dir_all(&folder).expect("a folder");
        write(&folder, address, rules, 0);
        let mut command = Command::new(env!("CARGO_BIN_EXE_keyward"));
        command.arg("serve").arg("--config").arg(folder.join("keyward.yaml")).args(["--log-level", "error"]);
        let child = command.env("BENCH_CLIENT_SECRET", "bench").stdout(Stdio::null()).spawn().expect("it starts");
        Self { child, folder, address, rules }
    }

    /// Changes the configuration and says so, until it is `over`; says how often.
    fn reload_until(&self, over: Arc<AtomicBool>) -> std::thread::JoinHandle<usize> {
        let (folder, address, rules, process) = (self.folder.clone(), self.address, self.rules, self.child.id());
        std::thread::spawn(move || {
            let mut times = 0;
            while !over.load(Ordering::Relaxed) {
                times += 1;
                write(&folder, address, rules, times);
                Command::new("kill").args(["-HUP", &process.to_string()]).status().expect("a signal");
                std::thread::sleep(Duration::from_millis(500));
            }
            times
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A configuration of its own for each `version`, put in place by a rename.
fn write(folder: &Path, listen: SocketAddr, rules: usize, version: usize) {
    let mut text = format!(
        "listen: {{ extAuthz: '{listen}', admin: off }}\naudit: {{ to: off }}\ndirectory: {{ token: {{}} }}\n\
         rsFilter:\n  clientId: bench\n  clientSecret: {{ env: BENCH_CLIENT_SECRET }}\n  \
         tokenIntrospectUrl: http://127.0.0.1:9/introspect\n  \
         anonymousUserMapping: {{ localUser: internal/user/v{version}, roles: [internal/role/openidm-reg] }}\n\
         identityHeaders:\n  x-version: authorization.id\naccess:\n  style: http\n  rules:\n"
    );
    for rule in 1..rules {
        let _ = writeln!(text, "    - {{ pattern: /svc{rule}/*, roles: [internal/role/r{version}], methods: [GET] }}");
    }
    text.push_str("    - { pattern: /public/*, roles: '*', methods: [GET] }\n");
    std::fs::write(folder.join("next"), text).expect("it is written");
    std::fs::rename(folder.join("next"), folder.join("keyward.yaml")).expect("it is put in place");
}
