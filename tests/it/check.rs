//! What does a person with a recorded request see? The real program: what it prints where, and how it ends.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

const CONFIGURATION: &str = "
listen: { extAuthz: '127.0.0.1:0' }
rsFilter:
  clientId: c
  clientSecret: { file: secret }
  tokenIntrospectUrl: http://127.0.0.1:1/introspect
directory: { token: {} }
access:
  rules: [{ name: orders, pattern: /orders/*, roles: [clerk], methods: [GET] }]
identityHeaders: { x-auth-id: authorization.id }
";

struct Files(TempDir);

impl Files {
    fn new() -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        files.write("secret", "s");
        files.write("keyward.yaml", CONFIGURATION);
        files.write("clerk.json", r#"{"active": true, "sub": "alice", "roles": ["clerk"]}"#);
        files.write("visitor.json", r#"{"active": true, "sub": "bob", "roles": []}"#);
        files.write("request.json", &request("/orders/1"));
        files
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn check(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keyward"));
        command.current_dir(self.0.path()).args(["check", "--config", "keyward.yaml"]).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        outcome(&self.check(arguments).output().unwrap())
    }
}

fn request(path: &str) -> String {
    let headers = json!({ "authorization": "Bearer s3cret-token" });
    json!({ "attributes": { "request": { "http": { "method": "GET", "path": path, "headers": headers } } } })
        .to_string()
}

fn outcome(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(!out.contains("s3cret") && !err.contains("s3cret"), "{out}{err}");
    (output.status.code().unwrap(), out, err)
}

#[test]
fn the_exit_code_is_the_answer() {
    let files = Files::new();
    let (code, out, err) = files.run(&["--request", "request.json", "--token-facts", "clerk.json"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("allow by rule `orders`") && out.contains("x-auth-id: alice"), "{out}");
    let (code, out, _) = files.run(&["--request", "request.json", "--token-facts", "visitor.json"]);
    assert_eq!(code, 1);
    assert!(out.contains("- orders: ") && out.contains("403"), "{out}");
    let (code, out, err) = files.run(&["--request", "request.json"]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.contains("--token-facts"), "{err}");
    let (code, _, err) = files.run(&["--request", "absent.json"]);
    assert_eq!(code, 2);
    assert!(err.contains("absent.json"), "{err}");
}

#[test]
fn a_pipe_gets_no_colours_and_programs_get_json() {
    let files = Files::new();
    let arguments = ["--request", "request.json", "--token-facts", "visitor.json"];
    assert!(!files.run(&arguments).1.contains('\u{1b}'));
    let (code, out, _) = files.run(&[&arguments[..], &["--json"]].concat());
    let answer: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &answer["reason"], &answer["answer"]["status"]), (1, &json!("no_rule"), &json!(403)));
}

#[test]
fn a_request_can_come_through_a_pipe() {
    let files = Files::new();
    let mut child = files.check(&["--request", "-", "--token-facts", "clerk.json"]).spawn().unwrap();
    child.stdin.take().unwrap().write_all(request("/orders/1?page=2").as_bytes()).unwrap();
    assert_eq!(outcome(&child.wait_with_output().unwrap()).0, 0);
}
