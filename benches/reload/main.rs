//! How long do checks take while ten thousand rules are read again and again?
//!
//! Runs `keyward serve`, asks it at a steady pace over one connection, and prints quantiles of the time from question to
//! answer: in turn without a reload, and with one after the other by SIGHUP. Client and server share the machine, so only
//! the difference between rounds of one run says something: both rename files and send signals at the same pace, and in the
//! rounds without a reload the files are others and the signal means nothing. The files are written before. Each answer says
//! which version decided, so that no reload is counted that has not happened. Resident memory is told along with it: what
//! makes reloads cheap for checks must not be paid with memory.
//!
//! Target: reloads add no check above 5 ms. Some are slow without, by whatever else the machine does, and checks that are under
//! way together are slow together: so moments are counted, and more of them with reloads are a miss if chance does not
//! explain them. More rounds tell finer.
//! `cargo bench --bench reload -- [--rounds N] [--seconds N] [--rules N] [--pace MILLISECONDS]`.

#![expect(clippy::expect_used, clippy::panic, reason = "a benchmark may stop where it stands")]

#[path = "../checks/load.rs"]
#[expect(dead_code, reason = "only the connection is needed here")]
mod load;
#[path = "../checks/process.rs"]
#[expect(dead_code, reason = "only memory is of interest here")]
mod process;
#[path = "../checks/request.rs"]
#[expect(dead_code, reason = "nobody shows a token here")]
mod request;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use envoy_types::pb::envoy::service::auth::v3::CheckRequest;
use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use envoy_types::pb::envoy::service::auth::v3::check_response::HttpResponse;
use rustix::process::{Pid, Signal, getpid, kill_process};
use tonic::transport::Channel;

const IN_FLIGHT: usize = 8;
const LIMIT: Duration = Duration::from_millis(5);
/// Stands for a version until there is one; no other number of the configuration holds it.
const VERSION: usize = 987_654_321;
/// Between one version and the next.
const BETWEEN: Duration = Duration::from_millis(500);
/// How long the last version of a round has to be read and its forerunner taken apart.
const SETTLE: Duration = Duration::from_secs(2);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |flag: &str, default: usize| {
        let at = arguments.iter().position(|argument| argument == flag);
        at.and_then(|at| arguments.get(at + 1)).map_or(default, |text| text.parse().expect("a whole number"))
    };
    let (rounds, seconds, rules) = (number("--rounds", 5), number("--seconds", 5), number("--rules", 10_000));
    let load =
        Load { length: Duration::from_secs(seconds as u64), pace: Duration::from_millis(number("--pace", 2) as u64) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(measure(rounds, load, rules));
}

/// How much is asked in a round.
#[derive(Clone, Copy)]
struct Load {
    length: Duration,
    /// Between an answer and the next question of one worker.
    pace: Duration,
}

async fn measure(rounds: usize, load: Load, rules: usize) {
    let server = Server::start(rules);
    let client = load::connect(server.address).await;
    let check = request::check_request("/public/logo.svg", None);
    let (mut still, mut reloading) = (Round::default(), Round::default());
    let mut written = 0;
    let mut resident = Vec::new();
    for _ in 0..rounds {
        for (is_read, all) in [(false, &mut still), (true, &mut reloading)] {
            let over = Arc::new(AtomicBool::new(false));
            let versions = tokio::spawn(server.write(load.length, is_read).put(Arc::clone(&over)));
            all.add(round(&client, &check, load).await);
            over.store(true, Ordering::Relaxed);
            let times = versions.await.expect("they are put in place");
            written += if is_read { times } else { 0 };
            resident.push(process::resident_mb(server.child.id()).round());
        }
    }
    println!("{rules} rules, {IN_FLIGHT} in flight, {written} versions written");
    assert!(still.versions.len() <= rounds + 1, "a reload in a round without: {:?}", still.versions);
    let followed = reloading.versions.len();
    println!("{:>12}: {followed} versions decided in rounds with reloads", "");
    assert!(followed > rounds, "the server does not follow");
    println!("{:>12}: {resident:?} MB after each round, without and with reloads in turn", "resident");
    let (without, with) = (still.moments(), reloading.moments());
    let (still, reloading) = (report("without", still.took), report("with reload", reloading.took));
    for (name, quantile) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)] {
        println!("{name:>12} ratio {:.2}", at(&reloading, quantile).as_secs_f64() / at(&still, quantile).as_secs_f64());
    }
    println!("{:>12}: above {LIMIT:?} at {without} moments without and {with} with {written} reloads", "moments");
    println!("{:>12}: reloads add no check above {LIMIT:?}: {}", "target", verdict(without, with));
}

/// Two counts of what happens by chance differ by up to twice the root of their sum, nineteen times of twenty.
fn verdict(without: usize, with: usize) -> String {
    let chance = 2.0 * ((without + with) as f64).sqrt();
    if with <= without {
        "met".to_owned()
    } else if (with - without) as f64 <= chance {
        format!("met, as far as this run can tell: chance explains up to {chance:.0} more moments")
    } else {
        "MISSED".to_owned()
    }
}

/// What the checks of some rounds saw.
#[derive(Default)]
struct Round {
    took: Vec<Duration>,
    /// From when to when the checks above the limit were under way.
    slow: Vec<(Instant, Instant)>,
    /// Which versions of the configuration decided.
    versions: BTreeSet<String>,
}

impl Round {
    fn add(&mut self, other: Self) {
        self.took.extend(other.took);
        self.slow.extend(other.slow);
        self.versions.extend(other.versions);
    }

    /// How often checks were slow; those that were under way together count once, as whatever delays one delays others.
    fn moments(&self) -> usize {
        let mut slow = self.slow.clone();
        slow.sort_unstable();
        let mut until = None;
        let mut moments = 0;
        for (asked, answered) in slow {
            if until.is_none_or(|until| asked > until) {
                moments += 1;
            }
            until = until.max(Some(answered));
        }
        moments
    }
}

async fn round(client: &AuthorizationClient<Channel>, check: &CheckRequest, load: Load) -> Round {
    let end = Instant::now() + load.length;
    let workers = (0..IN_FLIGHT).map(|_| {
        let (mut client, check) = (client.clone(), check.clone());
        tokio::spawn(async move {
            let mut seen = Round::default();
            while Instant::now() < end {
                let asked = Instant::now();
                let answer = client.check(check.clone()).await.expect("an answer").into_inner();
                let answered = Instant::now();
                seen.took.push(answered - asked);
                if answered - asked > LIMIT {
                    seen.slow.push((asked, answered));
                }
                let Some(HttpResponse::OkResponse(ok)) = answer.http_response else { panic!("an allow") };
                let version = ok.headers.into_iter().find_map(|option| option.header).expect("a version");
                seen.versions.insert(version.value);
                tokio::time::sleep(load.pace).await;
            }
            seen
        })
    });
    let mut all = Round::default();
    for worker in workers.collect::<Vec<_>>() {
        all.add(worker.await.expect("the load runs"));
    }
    all
}

fn slow(took: &[Duration]) -> usize {
    took.iter().filter(|one| **one > LIMIT).count()
}

fn report(name: &str, mut took: Vec<Duration>) -> Vec<Duration> {
    took.sort_unstable();
    println!(
        "{name:>12}: {} checks, p50 {:?}, p99 {:?}, p99.9 {:?}, max {:?}, above {LIMIT:?}: {}",
        took.len(),
        at(&took, 0.5),
        at(&took, 0.99),
        at(&took, 0.999),
        at(&took, 1.0),
        slow(&took),
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
    /// The last version that was written for it.
    version: AtomicUsize,
}

impl Server {
    fn start(rules: usize) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").and_then(|held| held.local_addr()).expect("a loopback port");
        let folder = std::env::temp_dir().join(format!("keyward-bench-reload-{}", address.port()));
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("keyward.yaml"), configuration(address, rules, 0)).expect("it is written");
        let mut command = Command::new(env!("CARGO_BIN_EXE_keyward"));
        command.arg("serve").arg("--config").arg(folder.join("keyward.yaml")).args(["--log-level", "error"]);
        let child = command.env("BENCH_CLIENT_SECRET", "bench").stdout(Stdio::null()).spawn().expect("it starts");
        Self { child, folder, address, rules, version: AtomicUsize::new(0) }
    }

    /// Writes as many versions as a round of this `length` can need, all before it begins.
    fn write(&self, length: Duration, is_read: bool) -> Versions {
        // A folder of its own, which the server does not watch.
        let folder = self.folder.join("next");
        std::fs::create_dir_all(&folder).expect("a folder");
        let count = 1 + usize::try_from(length.as_millis() / BETWEEN.as_millis()).expect("few");
        let first = 1 + if is_read { self.version.fetch_add(count, Ordering::Relaxed) } else { 0 };
        let template = configuration(self.address, self.rules, VERSION);
        let files = (first..first + count).map(|version| {
            let file = folder.join(version.to_string());
            let text = template.replace(&VERSION.to_string(), &version.to_string());
            std::fs::write(&file, text).expect("it is written");
            file
        });
        let target = if is_read { self.folder.join("keyward.yaml") } else { folder.join("unread.yaml") };
        Versions { files: files.collect(), target, reader: is_read.then_some(self.process()) }
    }

    fn process(&self) -> Pid {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process")
    }
}

/// Files that are put in place one after the other.
struct Versions {
    files: Vec<PathBuf>,
    target: PathBuf,
    /// Who is told to read them.
    reader: Option<Pid>,
}

impl Versions {
    /// Puts them in place until it is `over`; says how many.
    async fn put(self, over: Arc<AtomicBool>) -> usize {
        let mut times = 0;
        for file in &self.files {
            if over.load(Ordering::Relaxed) {
                break;
            }
            std::fs::rename(file, &self.target).expect("it is put in place");
            match self.reader {
                Some(reader) => kill_process(reader, Signal::HUP).expect("a signal"),
                None => kill_process(getpid(), Signal::CONT).expect("a signal that changes nothing"),
            }
            times += 1;
            tokio::time::sleep(BETWEEN).await;
        }
        if self.reader.is_some() {
            // What was put there last is read before the next round begins.
            tokio::time::sleep(SETTLE).await;
        }
        times
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A configuration of its own for each `version`.
fn configuration(listen: SocketAddr, rules: usize, version: usize) -> String {
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
    text
}
