//! What does a real Envoy make of it? One process, as many listeners as a test needs.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{part, raw_http};

/// Where Envoy asks.
#[derive(Debug, Clone)]
pub enum Authz {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// One listener with its own ext_authz filter.
#[derive(Debug, Clone)]
pub struct Listener {
    pub name: String,
    pub authz: Authz,
    /// `encode_raw_headers`.
    pub raw_headers: bool,
    pub failure_mode_allow: bool,
    pub timeout: Duration,
    /// `with_request_body`: at most so many bytes, cut off beyond.
    pub body_bytes: Option<u32>,
    /// `allowed_headers`, exact names; `None`: all.
    pub allowed_headers: Option<Vec<String>>,
    /// Path prefix → context extensions of its route. The catch-all route has none.
    pub routes: Vec<(String, BTreeMap<String, String>)>,
}

impl Listener {
    /// Envoy's defaults, but for a timeout that a busy machine cannot break.
    pub fn to(name: &str, authz: Authz) -> Self {
        Self {
            name: name.to_owned(),
            authz,
            raw_headers: false,
            failure_mode_allow: false,
            timeout: Duration::from_secs(10),
            body_bytes: None,
            allowed_headers: None,
            routes: Vec::new(),
        }
    }
}

/// A running Envoy; ended when dropped.
pub struct EnvoyProcess {
    child: Child,
    directory: tempfile::TempDir,
    pub admin: SocketAddr,
    ports: BTreeMap<String, SocketAddr>,
}

impl EnvoyProcess {
    /// Starts Envoy before `upstream` and waits until every listener is open.
    pub fn start(listeners: &[Listener], upstream: SocketAddr) -> Self {
        Self::start_as(&bootstrap(listeners, upstream))
    }

    /// Starts Envoy with a bootstrap of the caller's, whose listeners and admin listener have port 0.
    pub fn start_as(bootstrap: &Value) -> Self {
        let binary = part("envoy/bin/envoy");
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str| directory.path().join(name);
        fs::write(file("bootstrap.json"), bootstrap.to_string()).unwrap();
        let child = Command::new(binary)
            .arg("-c")
            .arg(file("bootstrap.json"))
            .arg("--admin-address-path")
            .arg(file("admin"))
            .args(["--disable-hot-restart", "--concurrency", "1", "--log-level", "warning"])
            .args(["--file-flush-interval-msec", "20"])
            .stdin(Stdio::null())
            .stdout(fs::File::create(file("stdout")).unwrap())
            .stderr(fs::File::create(file("stderr")).unwrap())
            .spawn()
            .unwrap();
        let admin = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut envoy = Self { child, directory, admin, ports: BTreeMap::new() };
        envoy.wait_until_ready();
        envoy
    }

    /// Where a listener can be reached.
    pub fn address(&self, listener: &str) -> SocketAddr {
        self.ports[listener]
    }

    /// One of Envoy's own counters; 0 where it has not been touched.
    pub fn counter(&self, name: &str) -> u64 {
        let text = raw_http::get(self.admin, "/stats?usedonly").body;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.map_or(0, |value| value.parse().unwrap())
    }

    /// What it has written to standard output: access logs that go there.
    pub fn stdout(&self) -> String {
        fs::read_to_string(self.directory.path().join("stdout")).unwrap_or_default()
    }

    fn wait_until_ready(&mut self) {
        let patience = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(ports) = self.ready_ports() {
                self.ports = ports;
                return;
            }
            let gone = self.child.try_wait().unwrap();
            let late = Instant::now() > patience;
            assert!(gone.is_none() && !late, "Envoy did not come up ({gone:?}):\n{}", self.stderr());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn ready_ports(&mut self) -> Option<BTreeMap<String, SocketAddr>> {
        self.admin = fs::read_to_string(self.directory.path().join("admin")).ok()?.trim().parse().ok()?;
        if raw_http::get(self.admin, "/ready").status != 200 {
            return None;
        }
        let listeners = raw_http::get(self.admin, "/listeners?format=json").json();
        let entries = listeners["listener_statuses"].as_array()?.iter().map(|entry| {
            let port = entry["local_address"]["socket_address"]["port_value"].as_u64()?;
            let address = SocketAddr::from(([127, 0, 0, 1], u16::try_from(port).ok()?));
            Some((entry["name"].as_str()?.to_owned(), address))
        });
        entries.collect()
    }

    fn stderr(&self) -> String {
        fs::read_to_string(self.directory.path().join("stderr")).unwrap_or_default()
    }
}

impl Drop for EnvoyProcess {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("Envoy's log:\n{}", self.stderr());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn bootstrap(listeners: &[Listener], upstream: SocketAddr) -> Value {
    let mut clusters = vec![cluster("upstream", &socket(upstream), false)];
    for listener in listeners {
        let address = match &listener.authz {
            Authz::Tcp(address) => socket(*address),
            Authz::Unix(path) => json!({ "pipe": { "path": path } }),
        };
        clusters.push(cluster(&format!("authz_{}", listener.name), &address, true));
    }
    let listeners: Vec<Value> = listeners.iter().map(listener_json).collect();
    json!({
        "admin": { "address": socket(SocketAddr::from(([127, 0, 0, 1], 0))) },
        "static_resources": { "listeners": listeners, "clusters": clusters },
    })
}

fn socket(address: SocketAddr) -> Value {
    json!({ "socket_address": { "address": address.ip().to_string(), "port_value": address.port() } })
}

fn cluster(name: &str, address: &Value, grpc: bool) -> Value {
    let endpoint = json!({ "endpoint": { "address": address } });
    let mut cluster = json!({
        "name": name, "type": "STATIC", "connect_timeout": "5s",
        "load_assignment": { "cluster_name": name, "endpoints": [{ "lb_endpoints": [endpoint] }] },
    });
    if grpc {
        cluster["typed_extension_protocol_options"] = json!({ "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": { "http2_protocol_options": {} },
        } });
    }
    cluster
}

fn listener_json(listener: &Listener) -> Value {
    let mut authz = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
        "transport_api_version": "V3",
        "grpc_service": {
            "envoy_grpc": { "cluster_name": format!("authz_{}", listener.name), "authority": "keyward" },
            "timeout": format!("{}s", listener.timeout.as_secs_f64()),
        },
        "encode_raw_headers": listener.raw_headers,
        "failure_mode_allow": listener.failure_mode_allow,
    });
    if let Some(bytes) = listener.body_bytes {
        authz["with_request_body"] = json!({ "max_request_bytes": bytes, "allow_partial_message": true });
    }
    if let Some(names) = &listener.allowed_headers {
        let patterns: Vec<Value> = names.iter().map(|name| json!({ "exact": name, "ignore_case": true })).collect();
        authz["allowed_headers"] = json!({ "patterns": patterns });
    }
    let mut routes: Vec<Value> = listener.routes.iter().map(|(prefix, extensions)| route(prefix, extensions)).collect();
    routes.push(json!({ "match": { "prefix": "" }, "route": { "cluster": "upstream" } }));
    json!({
        "name": listener.name,
        "address": socket(SocketAddr::from(([127, 0, 0, 1], 0))),
        "filter_chains": [{ "filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                "stat_prefix": listener.name,
                "route_config": { "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": routes }] },
                "http_filters": [
                    { "name": "envoy.filters.http.ext_authz", "typed_config": authz },
                    { "name": "envoy.filters.http.router", "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" } },
                ],
            },
        }] }],
    })
}

fn route(prefix: &str, extensions: &BTreeMap<String, String>) -> Value {
    json!({
        "match": { "prefix": prefix }, "route": { "cluster": "upstream" },
        "typed_per_filter_config": { "envoy.filters.http.ext_authz": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute",
            "check_settings": { "context_extensions": extensions },
        } },
    })
}
