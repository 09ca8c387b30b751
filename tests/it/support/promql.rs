//! Which metrics and labels does a PromQL expression name?

use std::collections::BTreeSet;

/// What an expression names.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Names {
    pub metrics: BTreeSet<String>,
    /// In matchers and in `by (…)`, `on (…)` and the like.
    pub labels: BTreeSet<String>,
}

const BEFORE_LABELS: [&str; 6] = ["by", "on", "without", "ignoring", "group_left", "group_right"];
const WORDS: [&str; 5] = ["and", "or", "unless", "bool", "offset"];

/// Reads an expression that Prometheus takes; what it does not take may be read as anything.
pub fn names(expression: &str) -> Names {
    let mut names = Names::default();
    let mut rest = expression;
    let mut braces = false;
    let mut labels_follow = false;
    while let Some(first) = rest.chars().next() {
        let past_first = rest.strip_prefix(first).unwrap_or_default();
        match first {
            '"' | '\'' => rest = past_first.split_once(first).map_or("", |(_, after)| after),
            // A range: `[5m]`, `[$__rate_interval]`.
            '[' => rest = rest.split_once(']').map_or("", |(_, after)| after),
            letter if letter.is_ascii_alphabetic() || letter == '_' => {
                let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | ':')));
                let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
                let then = after.trim_start();
                let aggregates = ["by ", "by(", "without ", "without("].iter().any(|word| then.starts_with(word));
                let called = then.starts_with('(') || aggregates;
                if BEFORE_LABELS.contains(&word) && !braces {
                    labels_follow = called;
                } else if braces || labels_follow {
                    names.labels.insert(word.to_owned());
                } else if !called && !WORDS.contains(&word) {
                    names.metrics.insert(word.to_owned());
                }
                rest = after;
            }
            // A number or a duration: its letters are no name.
            digit if digit.is_ascii_digit() => {
                rest = rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '.');
            }
            other => {
                match other {
                    '{' => braces = true,
                    '}' => braces = false,
                    ')' => labels_follow = false,
                    _ => {}
                }
                rest = past_first;
            }
        }
    }
    names
}

#[test]
fn an_expression_is_read() {
    let of = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let read = names(
        r#"sum by (le, job) (rate(a_total{x!~"b|c", y="d"}[5m])) / on (z) b:c > 3 * 1e3 or time() - e offset 15m"#,
    );
    assert_eq!(read, Names { metrics: of(&["a_total", "b:c", "e"]), labels: of(&["le", "job", "x", "y", "z"]) });
}
