//! How does an explanation look to a person at a terminal?

use std::io::{self, Write};

use http::StatusCode;
use serde_json::Value;

use super::message::{Answer, Explanation, Header, Outcome, Rule};
use super::{micros, time_of};

/// Whether colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// For files and pipes.
    Plain,
    /// With ANSI colours, for a terminal.
    Coloured,
}

impl Style {
    fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    fn bad(self, text: &str) -> String {
        self.paint("31", text)
    }

    fn strong(self, text: &str) -> String {
        self.paint("1", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Coloured => format!("\x1b[{code}m{text}\x1b[0m"),
        }
    }
}

/// Writes the steps, what rules said, and the answer.
///
/// # Errors
/// Those of `out`.
pub fn write_text(explanation: &Explanation, style: Style, out: &mut impl Write) -> io::Result<()> {
    if !explanation.id.is_empty() {
        let took = explanation.took.as_ref().map(micros).unwrap_or_default();
        let id = style.strong(&visible(&explanation.id));
        writeln!(out, "decision {id}, {}, in {took} µs", time(explanation))?;
    }
    for step in &explanation.steps {
        let mark = if step.passed { style.good("ok") } else { style.bad("no") };
        writeln!(out, "{mark}  {:<13}  {}", visible(&step.stage), visible(&step.text))?;
    }
    for rule in &explanation.rules {
        write_rule(rule, style, out)?;
    }
    if explanation.rules_left_out > 0 {
        let (number, other) = (explanation.rules_left_out, if explanation.rules.is_empty() { "" } else { " other" });
        let (plural, are) = if number == 1 { ("", "does") } else { ("s", "do") };
        writeln!(out, "        {number}{other} rule{plural} {are} not come near this request")?;
    }
    writeln!(out)?;
    writeln!(out, "{}", verdict(explanation, style))?;
    match &explanation.answer {
        Some(answer) if answer.status == 0 => write_pass(answer, out),
        Some(answer) => write_refusal(answer, out),
        None => Ok(()),
    }
}

/// Writes one line for each decision.
///
/// # Errors
/// Those of `out`.
pub fn write_list(explanations: &[Explanation], style: Style, out: &mut impl Write) -> io::Result<()> {
    for explanation in explanations {
        let request = explanation.request.clone().unwrap_or_default();
        let who =
            explanation.identity.as_ref().map(|who| format!(", {}/{}", who.component, who.id)).unwrap_or_default();
        let request = visible(&format!("{} {}{who}", request.method, request.path));
        let id = style.strong(&visible(&explanation.id));
        writeln!(out, "{id}  {}  {}  {request}", time(explanation), verdict(explanation, style))?;
    }
    Ok(())
}

fn time(explanation: &Explanation) -> String {
    explanation.time.as_ref().and_then(time_of).unwrap_or_default()
}

fn verdict(explanation: &Explanation, style: Style) -> String {
    let (outcome, reason) = (explanation.outcome(), visible(&explanation.reason));
    match outcome {
        Outcome::Allow => {
            format!("{} by rule `{}`", style.strong(&style.good(outcome.as_str())), visible(&explanation.rule))
        }
        Outcome::Deny | Outcome::Outage | Outcome::Unspecified => {
            format!("{}: {reason}", style.strong(&style.bad(outcome.as_str())))
        }
    }
}

fn write_rule(rule: &Rule, style: Style, out: &mut impl Write) -> io::Result<()> {
    let (name, asked) = (visible(&rule.rule), visible(&rule.asked));
    match &rule.lacked {
        None => writeln!(out, "      {} {name}: grants {asked}", style.good("+")),
        Some(lacked) => writeln!(out, "      {} {name}: {}", style.bad("-"), visible(lacked)),
    }
}

fn write_pass(answer: &Answer, out: &mut impl Write) -> io::Result<()> {
    answer.set.iter().try_for_each(|header| write_header("set     ", header, out))?;
    for name in &answer.remove {
        writeln!(out, "  remove  {}", visible(name))?;
    }
    for name in &answer.remove_query_parameters {
        writeln!(out, "  remove  query parameter {}", visible(name))?;
    }
    answer.response_headers.iter().try_for_each(|header| write_header("answer  ", header, out))
}

fn write_header(what: &str, header: &Header, out: &mut impl Write) -> io::Result<()> {
    let name = visible(&header.name);
    match &header.value {
        Some(value) => writeln!(out, "  {what}{name}: {}", visible(value)),
        None => writeln!(out, "  {what}{name}"),
    }
}

fn write_refusal(answer: &Answer, out: &mut impl Write) -> io::Result<()> {
    let whom = match answer.failure_mode_allow_applies {
        true => "unless `failure_mode_allow` lets the request pass, the client gets",
        false => "the client gets",
    };
    let status = u16::try_from(answer.status).ok().and_then(|status| StatusCode::from_u16(status).ok());
    writeln!(out, "  {whom} {}", status.map_or_else(|| answer.status.to_string(), |status| status.to_string()))?;
    answer.headers.iter().try_for_each(|header| write_header("", header, out))?;
    let body = serde_json::from_str::<Value>(&answer.body).map(|body| format!("{body:#}"));
    let body = body.unwrap_or_else(|_| answer.body.clone());
    body.lines().try_for_each(|line| writeln!(out, "  {}", visible(line)))
}

/// SECURITY: a request's texts reach the terminal; control characters would do things there.
fn visible(text: &str) -> String {
    text.chars()
        .flat_map(|letter| if letter.is_control() { letter.escape_default().collect() } else { vec![letter] })
        .collect()
}
