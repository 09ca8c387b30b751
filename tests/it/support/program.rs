//! How does a test run Keyward? The whole server in this process, on a port that the system chooses, at a clock that stands still.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use keyward::app::assemble::assemble;
use keyward::app::outside::RealServers;
use keyward::app::server::{Bound, Drain};
use keyward::audit::AuditWriter;
use keyward::authorizer::Authorizer;
use keyward::clock::FixedClock;
use keyward::config::{self, Loaded};
use keyward::explain::Recent;
use keyward::ext_authz::AuthorizationService;
use keyward::listen::Address;
use keyward::telemetry::metrics::Metrics;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::case::Load;

/// Writes a configuration and the files beside it, and loads it as `keyward serve` would.
pub fn load(
    config: &Value,
    files: &[(String, Value)],
    env: &BTreeMap<String, String>,
) -> Result<(TempDir, Loaded), String> {
    let directory = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // A text is the file as it stands, anything else JSON.
        fs::write(path, content.as_str().map_or_else(|| content.to_string(), str::to_owned)).unwrap();
    }
    let path = directory.path().join("keyward.json");
    fs::write(&path, config.to_string()).unwrap();
    let loaded = config::load(&path, env).map_err(|problems| problems.to_string())?;
    Ok((directory, loaded))
}

/// What is not as a `load` case expects.
pub fn load_failure(
    config: &Value,
    files: &[(String, Value)],
    env: &BTreeMap<String, String>,
    load: &Load,
) -> Option<String> {
    let clock = Arc::new(FixedClock::at(Timestamp::UNIX_EPOCH));
    let loaded = self::load(config, files, env);
    match loaded.and_then(|loaded| assembled(&loaded.1, &clock, &Arc::default()).map(|_| loaded)) {
        Ok(_) if !load.problems.is_empty() => Some("it loads, though it should not".to_owned()),
        Ok((_directory, loaded)) => {
            let means = format!("{:?}", loaded.config);
            load.means.iter().find(|text| !means.contains(*text)).map(|text| format!("`{text}` is not in {means}"))
        }
        Err(problems) => {
            let missing = load.problems.is_empty() || load.problems.iter().any(|text| !problems.contains(text));
            missing.then(|| format!("not {:?}, but:\n{problems}", load.problems))
        }
    }
}

/// A running Keyward; it stops when dropped.
pub struct TestServer {
    /// The first TCP listener of `listen.extAuthz`.
    pub address: SocketAddr,
    /// Moves the server's time.
    pub clock: Arc<FixedClock>,
    /// What `audit` wrote.
    pub audit: Captured,
    pub admin: Option<SocketAddr>,
    pub metrics: Arc<Metrics>,
    /// The decisions that are kept.
    pub recent: Arc<Recent>,
    _directory: TempDir,
    _stop: oneshot::Sender<()>,
}

impl TestServer {
    /// Starts with `config` (JSON), `files` beside it and `env`, at `now`. An error is what `keyward serve` would print.
    pub async fn start(
        config: &Value,
        files: &[(String, Value)],
        env: &BTreeMap<String, String>,
        now: Timestamp,
    ) -> Result<Self, String> {
        let (directory, loaded) = load(config, files, env)?;
        let clock = Arc::new(FixedClock::at(now));
        let metrics = Arc::new(Metrics::new());
        let audit = Captured::default();
        let authorizer = assembled(&loaded, &clock, &metrics)?;
        let writer = AuditWriter::start_with(loaded.config.audit, audit.clone()).map_err(|error| error.to_string())?;
        let cell = Arc::new(ArcSwap::from_pointee(authorizer));
        let service =
            AuthorizationService::new(cell, Arc::<FixedClock>::clone(&clock), writer, Arc::<Metrics>::clone(&metrics));
        let recent = Arc::new(Recent::new(loaded.config.explain));
        let service = service.keeping(Arc::clone(&recent)).with_limits(&loaded.config.listen.limits).into_server();
        let bound = Bound::bind(&loaded.config.listen, service, Arc::clone(&metrics)).await;
        let bound =
            bound.and_then(|bound| bound.with_decisions(Arc::clone(&recent))).map_err(|error| error.to_string())?;
        let bound = bound.with_drain(Drain { grace: Duration::ZERO, deadline: Duration::from_secs(5) });
        let tcp = bound.ext_authz_addresses().into_iter().find_map(|address| match address {
            Address::Tcp(address) => Some(address),
            Address::Unix(_) => None,
        });
        let admin = bound.admin_address();
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(bound.run(async {
            let _ = stopped.await;
        }));
        let address = tcp.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0)));
        Ok(Self { address, clock, audit, admin, metrics, recent, _directory: directory, _stop: stop })
    }

    /// Starts with a configuration that must be right.
    pub async fn with(config: &Value, now: Timestamp) -> Self {
        Self::start(config, &[], &BTreeMap::new(), now).await.unwrap_or_else(|problems| panic!("{problems}"))
    }
}

/// Builds what decides, against the servers that the configuration names.
fn assembled(loaded: &Loaded, clock: &Arc<FixedClock>, metrics: &Arc<Metrics>) -> Result<Authorizer, String> {
    let outside = RealServers::new(Arc::<FixedClock>::clone(clock), Arc::clone(metrics));
    let authorizer = assemble(&loaded.config, &outside)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    outside.show_caches();
    Ok(authorizer)
}

/// A writer whose text a test can read.
#[derive(Debug, Clone, Default)]
pub struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
