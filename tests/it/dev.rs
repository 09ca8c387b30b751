//! Is the first try what the README promises? The real program, as a person starts it.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::support::part;

/// Every port is a free one, so that tests do not get into each other's way.
const FREE_PORTS: [&str; 8] =
    ["--ext-authz-port", "0", "--admin-port", "0", "--authorization-server-port", "0", "--upstream-port", "0"];

/// `keyward dev` with a PATH on which there is everything that it prints commands for.
fn dev(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyward"));
    let parts = [part("bin/grpcurl"), part("envoy/bin/envoy")];
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    let directories = parts.iter().map(|file| file.parent().unwrap().to_owned());
    let path: OsString = std::env::join_paths(directories.chain(std::env::split_paths(&inherited))).unwrap();
    command.arg("dev").args(FREE_PORTS).args(arguments).env("PATH", path).env_remove("KEYWARD_ENVOY");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What `--demo` says in its last line.
fn demonstration(arguments: &[&str]) -> String {
    let output = dev(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text.lines().last().unwrap().to_owned()
}

#[test]
fn every_command_works_as_printed_through_envoy_and_by_grpcurl() {
    assert_eq!(demonstration(&["--demo", "--envoy-port", "0"]), "16 passed, 0 failed, 0 skipped");
}

#[test]
fn without_envoy_the_grpcurl_commands_remain() {
    assert_eq!(demonstration(&["--demo", "--no-envoy"]), "10 passed, 0 failed, 0 skipped");
}

/// A running `keyward dev`; ended when dropped.
struct Running {
    child: Child,
    /// What it printed before the decisions.
    welcome: Vec<String>,
}

impl Running {
    fn start(arguments: &[&str]) -> Self {
        let mut child = dev(arguments).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let welcome: Vec<String> = lines.take_while(|line| !line.starts_with("Decisions follow")).collect();
        Self { child, welcome }
    }

    /// The second word of the line that begins with `name`.
    fn place(&self, name: &str) -> String {
        let line = self.welcome.iter().find_map(|line| line.strip_prefix("  ")?.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no `{name}`: {:#?}", self.welcome)).split_whitespace().next().unwrap().to_owned()
    }

    fn address(&self, name: &str) -> SocketAddr {
        self.place(name).trim_start_matches("http://").parse().unwrap()
    }

    fn interrupt(&mut self) -> i32 {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        let patience = Instant::now() + Duration::from_secs(20);
        while Instant::now() < patience {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("it does not end");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn an_interrupt_ends_everything_and_leaves_nothing() {
    let mut running = Running::start(&["--envoy-port", "0"]);
    let names = ["envoy", "keyward", "admin", "authorization server"];
    let addresses = names.map(|name| running.address(name));
    for address in addresses {
        assert!(TcpStream::connect(address).is_ok(), "{address}");
    }
    let configuration = PathBuf::from(running.place("configuration"));
    assert!(configuration.exists());
    assert_eq!(running.interrupt(), 0);
    for address in addresses {
        assert!(TcpStream::connect(address).is_err(), "{address} is still open");
    }
    assert!(!configuration.parent().unwrap().exists());
}

#[test]
fn what_was_configured_can_be_kept_and_served() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("a b");
    let mut running = Running::start(&["--no-envoy", "--dir", directory.to_str().unwrap()]);
    assert_eq!(running.interrupt(), 0);
    let validated = Command::new(env!("CARGO_BIN_EXE_keyward"))
        .args(["validate", "--config"])
        .arg(Path::new(&directory).join("keyward.yaml"))
        .output()
        .unwrap();
    assert!(validated.status.success(), "{}", String::from_utf8_lossy(&validated.stderr));
}

/// A port that was free a moment ago.
fn free_port() -> String {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    holder.local_addr().unwrap().port().to_string()
}

/// The commands of the README, with other ports than everybody's.
#[test]
fn the_first_configuration_of_the_readme_decides_beside_dev_and_explains() {
    let readme = include_str!("../../README.md");
    let dev = Running::start(&["--no-envoy"]);
    let ports = [
        ("9400", dev.address("authorization server").port().to_string()),
        ("9291", free_port()),
        ("9992", free_port()),
    ];
    let with_ports = |text: &str| ports.iter().fold(text.to_owned(), |text, (port, free)| text.replace(port, free));
    let block = |language: &str, holds: &str| {
        let fence = format!("```{language}\n");
        let mut blocks = readme.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap());
        with_ports(blocks.find(|block| block.contains(holds)).unwrap_or_else(|| panic!("no {language} with {holds}")))
    };
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("keyward.yaml"), block("yaml", "clientId: keyward-dev")).unwrap();
    let commands = block("sh", "keyward serve --config keyward.yaml");
    let (first, second) = commands.split_once("# in another terminal\n").expect("two terminals");

    let bin = Path::new(env!("CARGO_BIN_EXE_keyward")).parent().unwrap().to_owned();
    let grpcurl = part("bin/grpcurl").parent().unwrap().to_owned();
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([bin, grpcurl].into_iter().chain(std::env::split_paths(&inherited))).unwrap();
    let shell = |script: &str| {
        let mut command = Command::new("bash");
        command.args(["-c", script]).current_dir(folder.path()).env("PATH", &path).stdin(Stdio::null());
        command
    };
    let said = |script: &str| {
        let output = shell(script).output().unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    // What is installed is what is tested.
    let first: String =
        first.lines().filter(|line| !line.starts_with("cargo install")).map(|it| format!("{it}\n")).collect();
    let (before, serve) = first.split_once("keyward serve").expect("it serves");
    assert!(said(before).ends_with("is valid\n"), "{}", said(before));
    let mut serving = shell(&format!("{before}exec keyward serve{serve}"));
    let child = serving.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let _serving = Running { child, welcome: Vec::new() };
    let address: SocketAddr = with_ports("127.0.0.1:9291").parse().unwrap();
    let patience = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(address).is_err() && Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(20));
    }
    let allowed = said(second);
    assert!(allowed.contains("\"x-auth-id\"") && allowed.contains("\"decision\": \"allow\""), "{allowed}");
    let denied = said(&second.replace("\"GET\"", "\"DELETE\""));
    assert!(denied.contains("\"Forbidden\"") && denied.contains("deny: no_rule"), "{denied}");
}

#[test]
fn a_port_that_was_asked_for_and_is_taken_is_wrong_input() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port().to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyward"));
    let output = command.args(["dev", "--no-envoy", "--ext-authz-port", &port]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(complaint.contains(&port) && complaint.contains("--ext-authz-port"), "{complaint}");
}

#[test]
fn an_envoy_that_does_not_start_ends_everything_with_its_words() {
    let mut child = dev(&["--envoy", "/bin/ls"]).spawn().unwrap();
    let status = child.wait().unwrap();
    let mut complaint = String::new();
    child.stderr.take().unwrap().read_to_string(&mut complaint).unwrap();
    assert_eq!(status.code(), Some(1));
    assert!(complaint.contains("--no-envoy") && complaint.contains("config-path"), "{complaint}");
}
