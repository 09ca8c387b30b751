//! Does the program do what its command line says, and end with the right code?

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Instant;

use keyward::listen::TlsSettings;

use crate::support::blocking;
use crate::support::certificates::Authority;
use crate::support::server::{PATIENCE, Running, Scripted, tcp};

const CONFIGURATION: &str = r#"
listen: { extAuthz: "unix:SOCKET", admin: off }
rsFilter:
  clientId: mesh-rs
  clientSecret: { env: KEYWARD_TEST_SECRET }
  tokenIntrospectUrl: http://127.0.0.1:9/introspect
directory: { token: {} }
access: { style: http, rules: [ { pattern: /orders/*, roles: clerk, methods: "*" } ] }
identityHeaders: { x-auth-id: authorization.id }
"#;

fn keyward(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyward"));
    command.args(arguments).env("KEYWARD_TEST_SECRET", "s3cret").env_remove("KEYWARD_CONFIG");
    command
}

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = keyward(arguments).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn write(directory: &Path, text: &str) -> String {
    let path = directory.join("keyward.yaml");
    let socket = directory.join("keyward.sock");
    std::fs::write(&path, text.replace("SOCKET", socket.to_str().unwrap())).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Ends with the test, whatever becomes of it.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        let _already_ended = self.0.kill();
        let _already_waited_for = self.0.wait();
    }
}

fn serve(configuration: &str, log: &Path) -> Serving {
    let arguments = ["serve", "--config", configuration, "--log-format", "json", "--drain-grace", "0"];
    let log = std::fs::File::create(log).unwrap();
    Serving(keyward(&arguments).stdout(Stdio::null()).stderr(log).spawn().unwrap())
}

fn until(log: &Path, text: &str) {
    let started = Instant::now();
    loop {
        let logged = std::fs::read_to_string(log).unwrap();
        if logged.contains(text) {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "`{text}` is not in {logged}");
        std::thread::yield_now();
    }
}

#[test]
fn version_and_schema_are_results() {
    let (code, stdout, _) = run(&["version"]);
    assert_eq!(code, Some(0));
    assert!(stdout.starts_with(concat!("keyward ", env!("CARGO_PKG_VERSION"), " (commit ")), "{stdout}");

    let (code, stdout, _) = run(&["schema"]);
    assert_eq!(code, Some(0));
    assert!(serde_json::from_str::<serde_json::Value>(&stdout).unwrap().is_object());
    let (code, stdout, _) = run(&["schema", "--markdown"]);
    assert_eq!((code, stdout.as_str()), (Some(0), include_str!("../../docs/configuration.md")));
}

#[test]
fn a_valid_configuration_is_0_and_a_wrong_one_is_2_with_its_places() {
    let directory = tempfile::tempdir().unwrap();
    let (code, stdout, _) = run(&["validate", "--config", &write(directory.path(), CONFIGURATION)]);
    assert_eq!(code, Some(0), "{stdout}");
    assert!(stdout.ends_with("is valid\n") && !stdout.contains("s3cret"), "{stdout}");

    let wrong = CONFIGURATION.replace("clientId", "clientID").replace("style: http", "style: ftp");
    let (code, stdout, _) = run(&["validate", "--config", &write(directory.path(), &wrong)]);
    assert_eq!(code, Some(2), "{stdout}");
    assert!(stdout.contains("keyward.yaml:4:") && stdout.contains("keyward.yaml:8:"), "{stdout}");
}

/// What keeps `serve` from starting is told before it is tried.
#[test]
fn what_could_not_be_served_here_is_not_valid_here() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).display().to_string();
    let tls = |certificate: &str| {
        format!("{{ address: 'unix:SOCKET', tls: {{ certificate: {certificate}, key: tls.key }} }}")
    };
    std::fs::write(at("tls.pem"), "no certificate").unwrap();
    std::fs::write(at("tls.key"), "no key").unwrap();
    let long = format!("unix:{}/keyward.sock", "long".repeat(30));
    for (listen, roots, told) in [
        (tls("nowhere.pem"), true, "nowhere.pem`: No such file"),
        (tls("tls.pem"), true, "tls.pem` holds no certificate in PEM form"),
        (format!("unix:{}", at("tls.pem")), true, "a file that is no socket stands there"),
        (long, true, "path must be shorter"),
        ("unix:SOCKET".to_owned(), false, "no TLS client can be made"),
    ] {
        let text = CONFIGURATION.replace("\"unix:SOCKET\"", &listen).replace("http://", "https://");
        let configuration = write(directory.path(), &text);
        for (verb, code) in [("validate", [2, 2]), ("serve", [1, 2])] {
            let mut command = keyward(&[verb, "--config", &configuration]);
            if !roots {
                command.env("SSL_CERT_FILE", "/nonexistent").env("SSL_CERT_DIR", "/nonexistent");
            }
            let Output { status, stdout, stderr } = command.output().unwrap();
            let said = String::from_utf8([stdout, stderr].concat()).unwrap();
            assert!(code.map(Some).contains(&status.code()), "{verb} {listen}: {status}\n{said}");
            assert!(said.contains(told), "{verb} {listen}: {told}\n{said}");
        }
    }
    let elsewhere = CONFIGURATION.replace("SOCKET", "/nonexistent/keyward.sock");
    let (code, stdout, _) = run(&["validate", "--config", &write(directory.path(), &elsewhere)]);
    assert_eq!(code, Some(0), "{stdout}");
    assert!(stdout.contains("warning: `listen` names a socket in `/nonexistent`, which is not there"), "{stdout}");
}

#[test]
fn a_command_line_that_cannot_be_understood_is_2() {
    for arguments in [&[][..], &["serve"], &["fly"], &["health", "--address", "http://a b"]] {
        assert_eq!(run(arguments).0, Some(2), "{arguments:?}");
    }
}

#[test]
fn a_configuration_that_cannot_be_used_is_not_served() {
    let directory = tempfile::tempdir().unwrap();
    let configuration = write(directory.path(), "listen: 5\n");
    let (code, _, stderr) = run(&["serve", "--config", &configuration]);
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("keyward.yaml:1:"), "{stderr}");
}

#[test]
fn a_server_tells_its_health_follows_its_configuration_and_ends_when_told() {
    let directory = tempfile::tempdir().unwrap();
    let (socket, log) = (directory.path().join("keyward.sock"), directory.path().join("log"));
    let address = format!("unix:{}", socket.display());
    assert_eq!(run(&["health", "--address", &address]).0, Some(1), "before there is a server");

    let configuration = write(directory.path(), CONFIGURATION);
    let mut serving = serve(&configuration, &log);
    until(&log, "\"listening\"");
    let (code, stdout, stderr) = run(&["health", "--address", &address]);
    assert_eq!((code, stdout.as_str()), (Some(0), "SERVING\n"), "{stderr}");
    assert_eq!(run(&["health", "--address", &address, "--service", "another"]).0, Some(1));
    assert_eq!(run(&["health", "--config", &configuration]).1, "SERVING\n");
    let (code, _, stderr) = run(&["health", "--address", &address, "--ca", &configuration]);
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("a Unix socket is asked without TLS"), "{stderr}");

    write(directory.path(), "listen: 5\n");
    until(&log, "the former one stays");
    write(directory.path(), &CONFIGURATION.replace("clerk", "manager"));
    until(&log, "the configuration was read again");

    let signal =
        |name: &str| Command::new("kill").args([name, &serving.0.id().to_string()]).status().unwrap().success();
    assert!(signal("-HUP"));
    let readings = || std::fs::read_to_string(&log).unwrap().matches("the configuration was read again").count();
    let asked = Instant::now();
    while readings() < 2 {
        assert!(asked.elapsed() < PATIENCE, "SIGHUP does not read the configuration again");
        std::thread::yield_now();
    }
    assert_eq!(run(&["health", "--address", &address]).0, Some(0), "SIGHUP ends nothing");

    assert!(signal("-TERM"));
    assert_eq!(serving.0.wait().unwrap().code(), Some(0));
    assert!(!socket.exists());
    assert!(!std::fs::read_to_string(&log).unwrap().contains("s3cret"));
}

#[test]
fn a_server_that_is_told_to_end_while_it_reads_again_ends() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let rules = r#"{ pattern: /orders/*, roles: clerk, methods: "*" },"#.repeat(2_000);
    let configuration = write(directory.path(), &CONFIGURATION.replace("rules: [", &format!("rules: [ {rules}")));
    let mut serving = serve(&configuration, &log);
    until(&log, "\"listening\"");
    let process = serving.0.id().to_string();
    for name in ["-HUP", "-HUP", "-TERM", "-HUP"] {
        assert!(Command::new("kill").args([name, &process]).status().unwrap().success());
    }
    assert_eq!(serving.0.wait().unwrap().code(), Some(0));
    let logged = std::fs::read_to_string(&log).unwrap();
    assert!(logged.contains("everybody is answered") && !logged.contains("panic"), "{logged}");
}

#[test]
fn a_second_signal_ends_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let configuration = CONFIGURATION.replace("listen: {", "listen: { grace: 1 hour,");
    let configuration = write(directory.path(), &configuration);
    let arguments = ["serve", "--config", &configuration, "--log-format", "json"];
    let file = std::fs::File::create(&log).unwrap();
    let mut serving = Serving(keyward(&arguments).stdout(Stdio::null()).stderr(file).spawn().unwrap());
    let terminate = |process: u32| Command::new("kill").args(["-TERM", &process.to_string()]).status().unwrap();
    until(&log, "\"listening\"");
    assert!(terminate(serving.0.id()).success());
    until(&log, "\"draining\"");
    let address = format!("unix:{}", directory.path().join("keyward.sock").display());
    let (code, stdout, _) = run(&["health", "--address", &address]);
    assert_eq!((code, stdout.as_str()), (Some(1), "NOT_SERVING\n"), "it still answers");

    assert!(terminate(serving.0.id()).success());

    assert_eq!(serving.0.wait().unwrap().code(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_asked_over_tls_and_mtls() {
    let (ours, theirs, folder) = (Authority::new("ours"), Authority::new("theirs"), tempfile::tempdir().unwrap());
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (ca, another) = (file("ca.crt", &ours.pem), file("another.crt", &Authority::new("another").pem));
    let client = theirs.leaf();
    let (certificate, key) = (file("client.crt", &client.certificate), file("client.key", &client.key));
    let plain = ours.leaf().write(folder.path());
    let mutual = TlsSettings { client_ca: Some(file("client-ca.crt", &theirs.pem).into()), ..plain.clone() };
    let server = Running::start(vec![tcp(Some(plain)), tcp(Some(mutual))], Scripted::default()).await;
    let ports: Vec<_> =
        server.addresses.iter().map(|address| address.to_string().rsplit_once(':').unwrap().1.to_owned()).collect();
    let (by_name, by_address) = (format!("localhost:{}", ports[0]), format!("127.0.0.1:{}", ports[0]));
    let mutual = format!("localhost:{}", ports[1]);
    for (arguments, code, said) in [
        (vec!["--address", &by_name, "--ca", &ca], 0, "SERVING"),
        (vec!["--address", &by_address, "--ca", &ca, "--server-name", "localhost"], 0, "SERVING"),
        (vec!["--address", &by_address, "--ca", &ca], 1, "certificate not valid for name"),
        (vec!["--address", &by_name, "--ca", &another], 1, "UnknownIssuer"),
        (vec!["--address", &by_name], 1, "if it listens with TLS, give `--ca`"),
        (vec!["--address", &mutual, "--ca", &ca], 1, "give `--cert` and `--key`"),
        (vec!["--address", &mutual, "--ca", &ca, "--cert", &certificate, "--key", &key], 0, "SERVING"),
        (vec!["--address", &mutual, "--ca", &ca, "--cert", &certificate], 2, "--key"),
        (vec!["--address", &by_name, "--ca", "no such file"], 2, "cannot read `no such file`"),
        (vec!["--address", &by_name, "--ca", &key], 2, "holds no certificate"),
    ] {
        let arguments: Vec<String> = std::iter::once("health").chain(arguments).map(str::to_owned).collect();
        let asked = arguments.clone();
        let (found, stdout, stderr) =
            blocking(move || run(&asked.iter().map(String::as_str).collect::<Vec<_>>())).await;
        assert_eq!(found, Some(code), "{arguments:?}: {stdout}{stderr}");
        assert!(format!("{stdout}{stderr}").contains(said), "{arguments:?}: {stdout}{stderr}");
    }
}
