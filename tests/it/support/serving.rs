//! How does a test run the program itself? `keyward serve` as a process of its own, with a configuration text.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use super::server::PATIENCE;
use super::{raw_http, unused_address};

/// A running `keyward serve`; ended when dropped.
pub struct Serving {
    child: Child,
    directory: tempfile::TempDir,
    /// Where `/metrics` is: written for `127.0.0.1:9902` in the configuration.
    pub admin: SocketAddr,
}

impl Serving {
    /// Serves `configuration`, as `edit` makes it fit a test machine; `edit` is told a folder of its own.
    pub fn start(configuration: &str, edit: impl FnOnce(String, &Path) -> String) -> Self {
        Self::start_with(configuration, edit, &[])
    }

    /// The same with further variables in its environment.
    pub fn start_with(
        configuration: &str,
        edit: impl FnOnce(String, &Path) -> String,
        variables: &[(&str, &str)],
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let admin = unused_address();
        let text = edit(configuration.replace("127.0.0.1:9902", &admin.to_string()), directory.path());
        let file = directory.path().join("keyward.yaml");
        fs::write(&file, text).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_keyward"))
            .args(["serve", "--log-format", "json", "--drain-grace", "0", "--config"])
            .arg(&file)
            .env("MESH_RS_SECRET", "s3cret")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(fs::File::create(directory.path().join("stdout")).unwrap())
            .stderr(fs::File::create(directory.path().join("stderr")).unwrap())
            .spawn()
            .unwrap();
        let serving = Self { child, directory, admin };
        if serving.file("stderr").is_file() {
            serving.until_it_logs("\"listening\"");
        } else {
            serving.until_it_listens();
        }
        serving
    }

    /// Waits for its admin listener, for where its log cannot be read.
    fn until_it_listens(&self) {
        let started = Instant::now();
        while TcpStream::connect(self.admin).is_err() || raw_http::get(self.admin, "/readyz").status != 200 {
            assert!(started.elapsed() < PATIENCE, "it does not come up");
            std::thread::yield_now();
        }
    }

    /// A file in the server's folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Waits for a text in its log.
    pub fn until_it_logs(&self, text: &str) {
        let started = Instant::now();
        while !self.log().contains(text) {
            assert!(started.elapsed() < PATIENCE, "`{text}` is not in {}", self.log());
            std::thread::yield_now();
        }
    }

    /// Asks it to end, and waits until it has.
    pub fn end(&mut self) {
        let told = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(told.success());
        let asked = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(asked.elapsed() < PATIENCE, "it does not end");
            std::thread::yield_now();
        }
    }

    /// What it said on standard error.
    pub fn log(&self) -> String {
        fs::read_to_string(self.file("stderr")).unwrap_or_default()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _already_ended = self.child.kill();
        let _already_waited_for = self.child.wait();
    }
}
