//! Is what Keyward writes what it says it is? Programs of others judge: an OpenMetrics parser, a JSON Schema validator, promtool.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::{clone_path, part};

/// A family of metrics, as the reference parser of OpenMetrics reads it.
#[derive(Debug, Deserialize)]
pub struct Family {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub unit: String,
    pub help: String,
    /// Name and labels.
    pub samples: Vec<(String, BTreeMap<String, String>)>,
}

/// Reads an exposition as strictly as OpenMetrics 1.0 is written.
pub fn openmetrics(exposition: &str) -> Result<Vec<Family>, String> {
    judged(python("openmetrics.py"), exposition).map(|told| serde_json::from_str(&told).unwrap())
}

/// Holds every line against `schema/audit.schema.json`.
pub fn audit_events(lines: &str) -> Result<(), String> {
    let mut validator = python("json_lines.py");
    validator.arg(clone_path("schema/audit.schema.json"));
    judged(validator, lines).map(drop)
}

/// What promtool has against metrics. It reads the format that came before OpenMetrics, in which a counter's family has the
/// name of its samples.
pub fn promtool_metrics(exposition: &str) -> Result<(), String> {
    let counters = exposition.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"));
    let text = counters.fold(exposition.to_owned(), |text, name| {
        let described = ["HELP", "TYPE"].into_iter();
        described
            .fold(text, |text, what| text.replace(&format!("# {what} {name} "), &format!("# {what} {name}_total ")))
    });
    let mut promtool = Command::new(part("prometheus/bin/promtool"));
    promtool.args(["check", "metrics"]);
    judged(promtool, &text).and_then(|said| if said.is_empty() { Ok(()) } else { Err(said) })
}

fn python(script: &str) -> Command {
    let mut python = Command::new(part("judges/bin/python"));
    python.arg(clone_path("tests/parts/judges").join(script));
    python
}

/// What a program says of `text`; an error where it does not end well.
fn judged(mut program: Command, text: &str) -> Result<String, String> {
    let piped = program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let text = text.to_owned();
    let told = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = child.wait_with_output().unwrap();
    told.join().unwrap().unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(said(&output.stdout)) } else { Err(said(&output.stderr)) }
}
