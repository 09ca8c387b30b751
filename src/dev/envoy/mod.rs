//! How does a real Envoy come to stand in front of Keyward, and how does it go away again?

#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

/// How long Envoy may take until it serves.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// How often its admin interface is asked meanwhile.
const POLL: Duration = Duration::from_millis(50);

/// How long Envoy waits for Keyward's answer: more than its default of 200 ms, for the debug builds that run here.
const CHECK_TIMEOUT: &str = "1s";

/// Who talks to whom. All on loopback.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// Where Envoy listens for clients.
    pub listen: SocketAddr,
    /// Keyward.
    pub ext_authz: SocketAddr,
    /// Where allowed requests go.
    pub upstream: SocketAddr,
}

/// A running Envoy. It is killed when this is dropped.
#[derive(Debug)]
pub struct Envoy {
    child: Child,
    log: PathBuf,
}

/// Why Envoy does not run.
#[derive(Debug, thiserror::Error)]
pub enum EnvoyError {
    /// Its files could not be written.
    #[error("`{}` could not be written: {source}", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It could not be started.
    #[error("`{}` could not be started: {source}", binary.display())]
    Spawn {
        /// Which program.
        binary: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It ended before it served.
    #[error("envoy ended with {status} before it was ready; the end of its log:\n{tail}")]
    Ended {
        /// How.
        status: ExitStatus,
        /// What it logged last.
        tail: String,
    },
    /// It does not get ready.
    #[error("envoy was not ready after {} seconds; the end of its log:\n{tail}", START_TIMEOUT.as_secs())]
    NotReady {
        /// What it logged last.
        tail: String,
    },
}

/// The first executable file called `envoy` in the directories of `path`, which is written as `$PATH` is.
#[must_use]
pub fn find(path: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(path).map(|directory| directory.join("envoy")).find(|file| is_executable(file))
}

#[cfg(unix)]
fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(file: &Path) -> bool {
    file.is_file()
}

impl Envoy {
    /// Starts `binary` with its files in `directory`, and waits until it serves.
    ///
    /// # Errors
    /// [`EnvoyError`]; nothing is left running then.
    pub async fn start(binary: &Path, directory: &Path, addresses: &Addresses) -> Result<Self, EnvoyError> {
        let [bootstrap_file, admin_file, log, access_log] =
            ["envoy.json", "envoy-admin-address", "envoy.log", "envoy-access.log"].map(|name| directory.join(name));
        let text = format!("{:#}\n", bootstrap(addresses, &access_log));
        write(&bootstrap_file, &text)?;
        // A file of an earlier run would name an earlier Envoy.
        write(&admin_file, "")?;
        let log_file = std::fs::File::create(&log).map_err(|source| EnvoyError::Write { path: log.clone(), source })?;
        let child = Command::new(binary)
            .arg("--config-path")
            .arg(&bootstrap_file)
            .arg("--admin-address-path")
            .arg(&admin_file)
            .args(["--disable-hot-restart", "--concurrency", "1", "--log-level", "warning"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log_file)
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| EnvoyError::Spawn { binary: binary.to_owned(), source })?;
        let mut envoy = Self { child, log };
        match timeout(START_TIMEOUT, envoy.ready(&admin_file)).await {
            Ok(ready) => ready.map(|()| envoy),
            Err(_) => Err(EnvoyError::NotReady { tail: envoy.log_tail() }),
        }
    }

    /// What it logged last.
    #[must_use]
    pub fn log_tail(&self) -> String {
        tail(&std::fs::read_to_string(&self.log).unwrap_or_default())
    }

    /// Waits until Envoy ends, which it does not do by itself.
    ///
    /// # Errors
    /// Those of the operating system.
    pub async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Ends Envoy and waits until it is gone.
    ///
    /// # Errors
    /// Those of the operating system.
    pub async fn stop(mut self) -> io::Result<()> {
        self.child.kill().await
    }

    async fn ready(&mut self, admin_file: &Path) -> Result<(), EnvoyError> {
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(EnvoyError::Ended { status, tail: self.log_tail() });
            }
            let admin = std::fs::read_to_string(admin_file).ok().and_then(|text| text.trim().parse().ok());
            if let Some(address) = admin
                && is_ready(address).await.unwrap_or(false)
            {
                return Ok(());
            }
            sleep(POLL).await;
        }
    }
}

/// Whether the admin interface at `address` answers `/ready` with 200.
async fn is_ready(address: SocketAddr) -> io::Result<bool> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"GET /ready HTTP/1.1\r\nhost: envoy\r\nconnection: close\r\n\r\n").await?;
    let mut answer = Vec::new();
    stream.take(4096).read_to_end(&mut answer).await?;
    Ok(answer.starts_with(b"HTTP/1.1 200 "))
}

fn write(path: &Path, text: &str) -> Result<(), EnvoyError> {
    std::fs::write(path, text).map_err(|source| EnvoyError::Write { path: path.to_owned(), source })
}

/// The last ten lines.
fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines.iter().skip(lines.len().saturating_sub(10)).copied().collect::<Vec<_>>().join("\n")
}

/// An Envoy configuration: one listener whose every request is checked by Keyward before it goes upstream.
///
/// The access log holds one JSON line per request, with the dynamic metadata that Keyward gave.
#[must_use]
pub fn bootstrap(addresses: &Addresses, access_log: &Path) -> Value {
    let http_manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "ingress",
        "route_config": { "virtual_hosts": [{
            "name": "upstream",
            "domains": ["*"],
            "routes": [{ "match": { "prefix": "/" }, "route": { "cluster": "upstream" } }],
        }] },
        "http_filters": [
            { "name": "envoy.filters.http.ext_authz", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
                "transport_api_version": "V3",
                "grpc_service": { "envoy_grpc": { "cluster_name": "keyward" }, "timeout": CHECK_TIMEOUT },
                "encode_raw_headers": true,
                "validate_mutations": true,
                "failure_mode_allow": false,
                "status_on_error": { "code": "ServiceUnavailable" },
            } },
            { "name": "envoy.filters.http.router", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
            } },
        ],
        "access_log": [{ "name": "envoy.access_loggers.file", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": access_log,
            "log_format": { "json_format": {
                "method": "%REQ(:METHOD)%",
                "path": "%REQ(:PATH)%",
                "status": "%RESPONSE_CODE%",
                "flags": "%RESPONSE_FLAGS%",
                "keyward": "%DYNAMIC_METADATA(envoy.filters.http.ext_authz)%",
            } },
        } }],
    });
    json!({
        "admin": { "address": socket_address(SocketAddr::from(([127, 0, 0, 1], 0))) },
        "static_resources": {
            "listeners": [{
                "name": "ingress",
                "address": socket_address(addresses.listen),
                // Else a second Envoy could share the port, and requests would go to either.
                "enable_reuse_port": false,
                "filter_chains": [{ "filters": [{
                    "name": "envoy.filters.network.http_connection_manager",
                    "typed_config": http_manager,
                }] }],
            }],
            "clusters": [
                cluster("keyward", addresses.ext_authz, json!({ "explicit_http_config": { "http2_protocol_options": {} } })),
                cluster("upstream", addresses.upstream, json!({ "explicit_http_config": { "http_protocol_options": {} } })),
            ],
        },
    })
}

fn cluster(name: &str, address: SocketAddr, protocol: Value) -> Value {
    let kind = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    let mut options = protocol;
    if let Some(options) = options.as_object_mut() {
        options.insert("@type".to_owned(), json!(kind));
    }
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": { "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options },
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": socket_address(address) } }] }],
        },
    })
}

fn socket_address(address: SocketAddr) -> Value {
    json!({ "socket_address": { "address": address.ip().to_string(), "port_value": address.port() } })
}
