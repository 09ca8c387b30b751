//! How does an explanation look to a person at a terminal?

use std::io::{self, Write};

use serde_json::Value;

use super::steps::steps;
use crate::access::RuleStep;
use crate::decision::Decision;
use crate::ext_authz::Explained;
use crate::request::RequestView;
use crate::response::{Pass, Refusal, Reply};

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

/// Writes the steps, what each rule says, and the answer.
///
/// # Errors
/// Those of `out`.
pub fn write_text(
    explained: &Explained,
    request: Option<&RequestView<'_>>,
    style: Style,
    out: &mut impl Write,
) -> io::Result<()> {
    for step in steps(explained, request) {
        let mark = if step.passed { style.good("ok") } else { style.bad("no") };
        writeln!(out, "{mark}  {:<13}  {}", step.stage.as_str(), visible(&step.text))?;
    }
    for rule in &explained.rules {
        write_rule(rule, style, out)?;
    }
    writeln!(out)?;
    let reason = explained.decision.reason();
    match &explained.decision {
        Decision::Allow(permit) => {
            writeln!(out, "{} by rule `{}`", style.strong(&style.good("allow")), permit.rule())?;
        }
        Decision::Deny(_) => writeln!(out, "{}: {reason}", style.strong(&style.bad("deny")))?,
        Decision::Outage(_) => writeln!(out, "{}: {reason}", style.strong(&style.bad("outage")))?,
    }
    match &explained.reply {
        Reply::Pass(pass) => write_pass(pass, out),
        Reply::Refuse(refusal) => write_refusal("the client gets", refusal, out),
        Reply::Error(refusal) => {
            write_refusal("unless `failure_mode_allow` lets the request pass, the client gets", refusal, out)
        }
    }
}

fn write_rule(rule: &RuleStep, style: Style, out: &mut impl Write) -> io::Result<()> {
    let (name, asked) = (visible(&rule.rule), visible(&rule.asked));
    match &rule.lacked {
        None => writeln!(out, "      {} {name}: grants {asked}", style.good("+")),
        Some(lacked) => writeln!(out, "      {} {name}: {}", style.bad("-"), visible(lacked)),
    }
}

fn write_pass(pass: &Pass, out: &mut impl Write) -> io::Result<()> {
    for (name, value) in &pass.set {
        writeln!(out, "  set     {name}: {}", visible(value))?;
    }
    for name in &pass.remove {
        writeln!(out, "  remove  {}", visible(name))?;
    }
    for name in &pass.remove_query_parameters {
        writeln!(out, "  remove  query parameter {}", visible(name))?;
    }
    pass.response_headers.iter().try_for_each(|(name, value)| writeln!(out, "  answer  {name}: {}", visible(value)))
}

fn write_refusal(whom: &str, refusal: &Refusal, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "  {whom} {}", refusal.status)?;
    for (name, value) in &refusal.headers {
        writeln!(out, "  {name}: {}", visible(value))?;
    }
    let body = serde_json::from_str::<Value>(&refusal.body).map(|body| format!("{body:#}"));
    let body = body.unwrap_or_else(|_| refusal.body.clone());
    body.lines().try_for_each(|line| writeln!(out, "  {}", visible(line)))
}

/// SECURITY: a request's texts reach the terminal; control characters would do things there.
fn visible(text: &str) -> String {
    text.chars()
        .flat_map(|letter| if letter.is_control() { letter.escape_default().collect() } else { vec![letter] })
        .collect()
}
