//! Does everything that `keyward dev` prints work as printed? `--demo` runs the commands and looks.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process;
use tokio::time::{Instant, sleep, timeout};

use super::examples::{Command, Example, Expected, Scene};
use super::files::CACHE_SECONDS;

/// How long one command may take.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);

/// How long after a revocation the old answer may still be heard: the cache's life and some grace.
const REVOCATION: Duration = Duration::from_secs(CACHE_SECONDS + 8);

/// What came of a demonstration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Commands that did what they should.
    pub passed: usize,
    /// Commands that did not.
    pub failed: usize,
    /// Commands whose program is not installed.
    pub skipped: usize,
}

impl Tally {
    /// Whether every example that could be run came out right, and at least one could.
    #[must_use]
    pub fn is_success(self) -> bool {
        self.failed == 0 && self.passed > 0
    }
}

/// Runs the commands of `scene` one after the other and writes to `out` what came of each.
///
/// # Errors
/// Those of `out`.
pub async fn run(scene: &Scene, path: &OsStr, out: &mut (impl Write + Send)) -> io::Result<Tally> {
    let mut tally = Tally::default();
    for example in scene.examples() {
        show(&example, path, &mut tally, out).await?;
    }
    let last = scene.after_revocation();
    let patience = Instant::now() + REVOCATION;
    // The cache may still hold the token; asked until it does not.
    while Instant::now() < patience && !works(&last, path).await {
        sleep(Duration::from_millis(200)).await;
    }
    show(&last, path, &mut tally, out).await?;
    let Tally { passed, failed, skipped } = tally;
    writeln!(out, "{passed} passed, {failed} failed, {skipped} skipped")?;
    Ok(tally)
}

async fn show(example: &Example, path: &OsStr, tally: &mut Tally, out: &mut (impl Write + Send)) -> io::Result<()> {
    writeln!(out, "{}", example.title)?;
    for command in &example.commands {
        let outcome = Outcome::of(command, path).await;
        writeln!(out, "  $ {}", command.line)?;
        match &outcome {
            Outcome::AsExpected(output) => {
                tally.passed += 1;
                indented(output, out)?;
            }
            Outcome::Otherwise { output, problem } => {
                tally.failed += 1;
                indented(output, out)?;
                writeln!(out, "  FAILED: {problem}")?;
            }
            Outcome::NotInstalled(program) => {
                tally.skipped += 1;
                writeln!(out, "  skipped: `{program}` is not installed")?;
            }
        }
    }
    writeln!(out)
}

async fn works(example: &Example, path: &OsStr) -> bool {
    for command in &example.commands {
        if let Outcome::Otherwise { .. } = Outcome::of(command, path).await {
            return false;
        }
    }
    true
}

fn indented(text: &str, out: &mut impl Write) -> io::Result<()> {
    text.lines().try_for_each(|line| writeln!(out, "    {}", line.trim_end()))
}

enum Outcome {
    AsExpected(String),
    Otherwise { output: String, problem: String },
    NotInstalled(String),
}

impl Outcome {
    async fn of(command: &Command, path: &OsStr) -> Self {
        let program = command.line.split(' ').next().unwrap_or_default();
        let is_installed = std::env::split_paths(path).any(|directory| directory.join(program).is_file());
        if matches!(program, "curl" | "grpcurl") && !is_installed {
            return Self::NotInstalled(program.to_owned());
        }
        let run = process::Command::new("sh")
            .args(["-c", &command.line])
            .env("PATH", path)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let failed = |problem: String| Self::Otherwise { output: String::new(), problem };
        match timeout(COMMAND_TIMEOUT, run).await {
            Ok(Ok(output)) => {
                let text = String::from_utf8_lossy(&output.stdout).into_owned();
                match compare(command.expected, &text, output.status.code()) {
                    Ok(()) => Self::AsExpected(text),
                    Err(problem) => {
                        Self::Otherwise { output: text + &String::from_utf8_lossy(&output.stderr), problem }
                    }
                }
            }
            Ok(Err(error)) => failed(error.to_string()),
            Err(_) => failed(format!("it did not end within {} seconds", COMMAND_TIMEOUT.as_secs())),
        }
    }
}

/// Whether a command that printed `output` and ended with `code` did what it should; else what it did instead.
fn compare(expected: Expected, output: &str, code: Option<i32>) -> Result<(), String> {
    let answer = || serde_json::from_str::<Value>(output).unwrap_or_default();
    let (wanted, found) = match expected {
        Expected::HttpStatus(status) => {
            let found = output.split(' ').nth(1).unwrap_or("no answer").to_owned();
            (status.to_string(), found)
        }
        Expected::CheckAllows => {
            let allows = answer().get("okResponse").is_some();
            ("an `okResponse`".to_owned(), if allows { "an `okResponse`" } else { "none" }.to_owned())
        }
        Expected::CheckDenies(status) => {
            let found = answer().pointer("/deniedResponse/status/code").and_then(Value::as_str).map(str::to_owned);
            (status.to_owned(), found.unwrap_or_else(|| "no denial".to_owned()))
        }
        Expected::Exit(wanted) => {
            (format!("exit code {wanted}"), code.map_or("a signal".to_owned(), |code| format!("exit code {code}")))
        }
    };
    if wanted == found { Ok(()) } else { Err(format!("expected {wanted}, found {found}")) }
}

#[cfg(test)]
mod tests {
    use super::{Tally, compare};
    use crate::dev::examples::Expected;

    #[test]
    fn outcomes_are_read_from_what_curl_and_grpcurl_print() {
        let ok = r#"{"status":{},"okResponse":{}}"#;
        let denied = r#"{"status":{"code":7},"deniedResponse":{"status":{"code":"Forbidden"}}}"#;
        for (expected, output, code, holds) in [
            (Expected::HttpStatus(403), "HTTP/1.1 403 Forbidden\r\n\r\n", 0, true),
            (Expected::HttpStatus(200), "HTTP/1.1 403 Forbidden\r\n\r\n", 0, false),
            (Expected::HttpStatus(200), "", 7, false),
            (Expected::CheckAllows, ok, 0, true),
            (Expected::CheckAllows, denied, 0, false),
            (Expected::CheckAllows, "Failed to dial", 1, false),
            (Expected::CheckDenies("Forbidden"), denied, 0, true),
            (Expected::CheckDenies("Unauthorized"), denied, 0, false),
            (Expected::CheckDenies("Forbidden"), ok, 0, false),
            (Expected::Exit(1), "", 1, true),
            (Expected::Exit(1), "", 2, false),
        ] {
            assert_eq!(compare(expected, output, Some(code)).is_ok(), holds, "{expected:?} {output}");
        }
    }

    #[test]
    fn a_demonstration_of_nothing_is_no_success() {
        assert!(!Tally::default().is_success());
        assert!(!Tally { passed: 3, failed: 1, skipped: 0 }.is_success());
        assert!(Tally { passed: 3, failed: 0, skipped: 9 }.is_success());
    }
}
