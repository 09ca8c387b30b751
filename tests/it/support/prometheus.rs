//! Does a real Prometheus take it? promtool, and a server that scrapes.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use serde_json::Value;

use super::server::PATIENCE;
use super::{part, raw_http, unused_address};

/// What promtool says; fails if it is not content.
pub fn promtool(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new(part("prometheus/bin/promtool")).args(arguments).current_dir(folder).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "promtool {arguments:?}: {said}");
    said
}

/// A running Prometheus; ended when dropped.
pub struct Prometheus {
    child: Child,
    address: SocketAddr,
    directory: tempfile::TempDir,
}

impl Prometheus {
    /// Starts with `prometheus.yaml` as given; `files` (name, text) lie beside it.
    pub fn start(configuration: &str, files: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let address = unused_address();
        for (name, text) in files.iter().chain(&[("prometheus.yaml", configuration)]) {
            fs::write(directory.path().join(name), text).unwrap();
        }
        let child = Command::new(part("prometheus/bin/prometheus"))
            .args(["--config.file=prometheus.yaml", "--storage.tsdb.path=data", "--log.level=warn"])
            .arg(format!("--web.listen-address={address}"))
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(directory.path().join("stderr")).unwrap())
            .spawn()
            .unwrap();
        let mut prometheus = Self { child, address, directory };
        prometheus.wait_until_ready();
        prometheus
    }

    fn wait_until_ready(&mut self) {
        let started = Instant::now();
        while std::net::TcpStream::connect(self.address).is_err()
            || raw_http::get(self.address, "/-/ready").status != 200
        {
            let gone = self.child.try_wait().unwrap();
            assert!(gone.is_none() && started.elapsed() < PATIENCE, "Prometheus did not come up: {}", self.log());
            std::thread::yield_now();
        }
    }

    /// The `data` of an answer of its API.
    pub fn api(&self, target: &str) -> Value {
        let answer = raw_http::get(self.address, target);
        let json = answer.json();
        assert_eq!(json["status"], "success", "{target}: {json}");
        json["data"].clone()
    }

    /// The samples that an expression has now.
    pub fn query(&self, expression: &str) -> Vec<Value> {
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("query", expression).finish();
        let data = self.api(&format!("/api/v1/query?{query}"));
        data["result"].as_array().unwrap().clone()
    }

    /// Waits until an expression has a sample.
    pub fn until(&self, expression: &str) -> Value {
        let started = Instant::now();
        loop {
            if let Some(sample) = self.query(expression).first() {
                return sample["value"][1].clone();
            }
            assert!(started.elapsed() < PATIENCE, "`{expression}` has no sample: {}", self.log());
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }

    /// What it complained of.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("stderr")).unwrap_or_default()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _already_ended = self.child.kill();
        let _already_waited_for = self.child.wait();
    }
}
