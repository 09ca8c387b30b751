//! Which servers are compared, and how is each started?

use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use envoy_types::pb::envoy::service::auth::v3::CheckRequest;
use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use tonic::transport::Channel;

use crate::request::{TOKEN, check_request};
use crate::{load, noop, process, watched};

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// The floor.
    Noop,
    /// A cached allow, 50 rules, 6 identity headers, no audit.
    Allow,
    /// The same with an audit line each.
    AllowAudited,
    /// A cached allow, neither counted nor timed nor audited.
    AllowUnwatched,
    /// The same, counted, timed and audited.
    AllowWatched,
    /// A cached allow with 10 000 rules, no audit.
    AllowManyRules,
    /// A denial by the rules, no audit.
    Deny,
    /// No credential, a rule for everyone, no audit.
    Anonymous,
}

impl Variant {
    /// All of them, the floor first.
    pub fn all() -> Vec<Self> {
        vec![
            Self::Noop,
            Self::Allow,
            Self::AllowAudited,
            Self::AllowUnwatched,
            Self::AllowWatched,
            Self::AllowManyRules,
            Self::Deny,
            Self::Anonymous,
        ]
    }

    /// The name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Noop => "tonic no-op",
            Self::Allow => "cached allow, 50 rules, 6 headers",
            Self::AllowAudited => "the same, audited",
            Self::AllowUnwatched => "no audit, no metrics",
            Self::AllowWatched => "with audit and metrics",
            Self::AllowManyRules => "cached allow, 10 000 rules",
            Self::Deny => "denied, 50 rules",
            Self::Anonymous => "anonymous allow, 50 rules",
        }
    }

    fn check(self) -> (CheckRequest, i32) {
        match self {
            Self::Noop
            | Self::Allow
            | Self::AllowAudited
            | Self::AllowUnwatched
            | Self::AllowWatched
            | Self::AllowManyRules => (check_request("/orders/4711?expand=items", Some(TOKEN)), 0),
            Self::Deny => (check_request("/nowhere/4711", Some(TOKEN)), 7),
            Self::Anonymous => (check_request("/public/logo.svg", None), 0),
        }
    }

    /// The program that serves the configuration that is to follow.
    fn program(self) -> Command {
        let flag = match self {
            Self::AllowUnwatched => watched::UNWATCHED,
            Self::AllowWatched => watched::WATCHED,
            _ => {
                let mut keyward = process::on_first_core(Path::new(env!("CARGO_BIN_EXE_keyward")));
                keyward.args(["serve", "--log-level", "error", "--config"]);
                return keyward;
            }
        };
        let mut this = process::on_first_core(&std::env::current_exe().expect("this program"));
        this.arg(flag);
        this
    }

    fn config(self, listen: SocketAddr, provider: SocketAddr) -> String {
        let rules = if self == Self::AllowManyRules { 10_000 } else { 50 };
        let audit = if matches!(self, Self::AllowAudited | Self::AllowWatched) { "stdout" } else { "off" };
        let mut text = format!(
            "listen: {{ extAuthz: '{listen}', admin: off }}\naudit: {{ to: {audit} }}\ndirectory: {{ token: {{}} }}\n\
             rsFilter:\n  clientId: bench\n  clientSecret: {{ env: BENCH_CLIENT_SECRET }}\n  \
             tokenIntrospectUrl: http://{provider}/introspect\n  scopes: [openid]\n  \
             anonymousUserMapping: {{ localUser: internal/user/anonymous, roles: [internal/role/openidm-reg] }}\n\
             identityHeaders:\n  x-auth-id: authorization.id\n  x-auth-component: authorization.component\n  \
             x-auth-roles: authorization.roles\n  x-auth-realm: realm\n  x-auth-client: token.client_id\n  \
             x-auth-mail: token.mail\naccess:\n  style: http\n  rules:\n"
        );
        for rule in 2..rules {
            let _ = writeln!(text, "    - {{ pattern: /svc{rule}/*, roles: [internal/role/r{rule}], methods: [GET] }}");
        }
        text.push_str("    - { pattern: /orders/*, roles: [internal/role/clerk], methods: [GET, POST] }\n");
        text.push_str("    - { pattern: /public/*, roles: '*', methods: [GET] }\n");
        text
    }
}

/// A running server.
pub struct Server {
    child: Child,
    client: AuthorizationClient<Channel>,
    check: CheckRequest,
    expected: i32,
    folder: PathBuf,
    /// From starting the program to its first answer.
    pub until_first_answer: Duration,
    /// Before any load.
    pub resident_at_rest_mb: f64,
}

impl Server {
    /// Starts the program for `variant` on a free port and asks it once.
    pub async fn start(variant: Variant, provider: SocketAddr) -> Self {
        let address = free_address();
        let folder = std::env::temp_dir().join(format!("keyward-bench-{}", address.port()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let started = Instant::now();
        let mut command = if variant == Variant::Noop {
            let mut command = process::on_first_core(&std::env::current_exe().expect("this program"));
            command.args([noop::FLAG, &address.to_string()]);
            command
        } else {
            let config = folder.join("keyward.yaml");
            std::fs::write(&config, variant.config(address, provider)).expect("the configuration is written");
            let mut command = variant.program();
            command.arg(config).env("BENCH_CLIENT_SECRET", "bench");
            command
        };
        let child = command.stdout(Stdio::null()).spawn().expect("the server starts");
        let mut client = load::connect(address).await;
        let (check, expected) = variant.check();
        client.check(check.clone()).await.expect("a first answer");
        let until_first_answer = started.elapsed();
        let resident_at_rest_mb = process::resident_mb(child.id());
        Self { child, client, check, expected, folder, until_first_answer, resident_at_rest_mb }
    }

    /// CPU time of the server process per check.
    pub async fn cost_per_check(&mut self, requests: usize, in_flight: usize) -> Duration {
        let before = process::cpu_time(self.child.id());
        load::run(&self.client, &self.check, self.expected, requests, in_flight).await;
        let used = process::cpu_time(self.child.id()).saturating_sub(before);
        used / u32::try_from(requests).unwrap_or(u32::MAX)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    listener.local_addr().expect("its address")
}
