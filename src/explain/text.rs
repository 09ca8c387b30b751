//! How does an explanation look to a person at a terminal?

use std::io::{self, Write};

use http::StatusCode;

use super::message::{Answer, Explanation, Header, Outcome, Rule};
use super::{instant, micros};

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
        writeln!(out, "decision {id}, {}, in {}.{:03} ms", time(explanation), took / 1_000, took % 1_000)?;
    }
    for step in &explanation.steps {
        let mark = if step.passed { style.good("ok") } else { style.bad("no") };
        writeln!(out, "{mark}  {:<13}  {}", visible(&step.stage), visible(&step.text))?;
    }
    write_rules(explanation, style, out)?;
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
    let length = |explanation| verdict(explanation, Style::Plain).chars().count();
    let longest = explanations.iter().map(length).max().unwrap_or_default();
    for explanation in explanations {
        let request = explanation.request.clone().unwrap_or_default();
        let request = visible(&format!("{} {}{}", request.method, request.path, who(explanation)));
        let id = style.strong(&visible(&explanation.id));
        let (verdict, room) = (verdict(explanation, style), " ".repeat(longest - length(explanation)));
        writeln!(out, "{id}  {}  {verdict}{room}  {request}", time(explanation))?;
    }
    Ok(())
}

/// Who asked, as far as that was found out.
fn who(explanation: &Explanation) -> String {
    match (&explanation.identity, &explanation.token) {
        (Some(who), _) => format!(", {}/{}", who.component, who.id),
        (None, Some(token)) if !token.subject.is_empty() => format!(", subject {}", token.subject),
        (None, _) => String::new(),
    }
}

/// To the millisecond: nobody reads more.
fn time(explanation: &Explanation) -> String {
    explanation.time.as_ref().and_then(instant).map(|time| format!("{time:.3}")).unwrap_or_default()
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

/// What the rules said, below the question that they were asked where that is not the request as it stands above.
fn write_rules(explanation: &Explanation, style: Style, out: &mut impl Write) -> io::Result<()> {
    let request = explanation.request.as_ref();
    let mut asked = request.map(|request| format!("{} {}", request.method, request.path)).unwrap_or_default();
    for rule in &explanation.rules {
        if rule.asked != asked {
            writeln!(out, "      asked for `{}`:", visible(&rule.asked))?;
            asked.clone_from(&rule.asked);
        }
        write_rule(rule, style, out)?;
    }
    Ok(())
}

fn write_rule(rule: &Rule, style: Style, out: &mut impl Write) -> io::Result<()> {
    let name = visible(&rule.rule);
    match &rule.lacked {
        None => writeln!(out, "      {} {name}: grants", style.good("+")),
        Some(lacked) => writeln!(out, "      {} {name}: {}", style.bad("-"), visible(lacked)),
    }
}

fn write_pass(answer: &Answer, out: &mut impl Write) -> io::Result<()> {
    answer.set.iter().try_for_each(|header| write_header("set     ", header, out))?;
    if !answer.remove.is_empty() {
        writeln!(out, "  remove  {}", visible(&answer.remove.join(", ")))?;
    }
    if !answer.remove_query_parameters.is_empty() {
        writeln!(out, "  remove  query parameter {}", visible(&answer.remove_query_parameters.join(", ")))?;
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
    answer.body.lines().try_for_each(|line| writeln!(out, "  {}", visible(line)))
}

/// SECURITY: a request's texts reach the terminal; control characters would do things there, and characters that turn the
/// direction of writing would make one text look like another.
fn visible(text: &str) -> String {
    let shows = |letter: char| {
        let turns =
            matches!(letter, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
        !letter.is_control() && !turns
    };
    text.chars()
        .flat_map(|letter| if shows(letter) { vec![letter] } else { letter.escape_default().collect() })
        .collect()
}
