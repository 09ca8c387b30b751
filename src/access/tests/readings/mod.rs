//! Three readings of the same rules: Keyward's, a plain one in Rust, and one in JavaScript, run by QuickJS.
//!
//! `PROPTEST_CASES=5000 cargo test --lib readings` looks longer.

mod expressions;
mod generate;
mod plainly;
mod question;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use super::{RuleSettings, at_once, crest};
use crate::access::{AccessError, AccessRules};
use crate::script::Script;
use plainly::{PlainRule, Verdict};
use question::Question;

const IN_JAVASCRIPT: &str = include_str!("idm.js");

/// Runs `idm.js` and then `last`, whose value is returned.
fn javascript(variables: &[(&str, Value)], last: &str) -> Value {
    let script = Script::compile(&format!("{IN_JAVASCRIPT}\n{last}")).unwrap();
    let ran = script.run(Instant::now() + Duration::from_secs(60), |sandbox| {
        for (name, value) in variables {
            sandbox.define(name, &value.to_string())?;
        }
        let value = sandbox.evaluate()?;
        sandbox.json(value)
    });
    ran.unwrap().unwrap()
}

fn in_javascript(rules: &[PlainRule], questions: &[Question]) -> Vec<Verdict> {
    let configs = rules.iter().map(PlainRule::as_json).collect();
    let questions = questions.iter().map(Question::for_scripts).collect();
    let verdicts = javascript(&[("configs", configs), ("questions", questions)], "questions.map(decide)");
    let read = |verdict: &Value| {
        let place = |key: &str| verdict[key].as_u64().and_then(|place| usize::try_from(place).ok());
        match (place("granted"), place("failed")) {
            (Some(place), None) => Verdict::Granted(place),
            (None, Some(place)) => Verdict::Failed(place),
            _ => {
                assert_eq!(verdict, "denied");
                Verdict::Denied
            }
        }
    };
    verdicts.as_array().unwrap().iter().map(read).collect()
}

fn compiled(rules: &[PlainRule]) -> AccessRules {
    let read = |(place, rule): (usize, &PlainRule)| RuleSettings::from_json(place, &rule.as_json()).unwrap();
    AccessRules::compile(&crest(rules.iter().enumerate().map(read).collect())).unwrap()
}

fn natively(rules: &AccessRules, question: &Question) -> Verdict {
    let place = |name: &str| name.trim_start_matches("rules[").trim_end_matches(']').parse().unwrap();
    match question.natively(|facts| at_once(rules.granting_rule(facts)).map(|rule| rule.name.to_string())) {
        Ok(name) => Verdict::Granted(place(&name)),
        Err(AccessError::NoRule) => Verdict::Denied,
        Err(AccessError::ConditionFailed { rule, .. }) => Verdict::Failed(place(&rule)),
        Err(other) => panic!("{other:?}"),
    }
}

/// Checks a claim on many inputs: 256, or as many as `PROPTEST_CASES` says.
fn for_many<S: Strategy>(inputs: &S, claim: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new(config).run(inputs, claim).unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn the_three_readings_come_to_the_same_verdict_by_the_same_rule() {
    let seen = [const { Cell::new(0_u32) }; 4];
    let count = |place: usize| seen[place].set(seen[place].get() + 1);
    for_many(&(generate::rules(), prop::collection::vec(generate::question(), 16)), |(rules, questions)| {
        let compiled = compiled(&rules);
        for (question, in_javascript) in questions.iter().zip(in_javascript(&rules, &questions)) {
            let plainly = plainly::decide(&rules, question);
            prop_assert_eq!(&natively(&compiled, question), &plainly, "native, plain: {:?}", question);
            prop_assert_eq!(&in_javascript, &plainly, "JavaScript, plain: {:?}", question);
            count(match plainly {
                Verdict::Granted(0) => 0,
                Verdict::Granted(_) => 1,
                Verdict::Denied => 2,
                Verdict::Failed(_) => 3,
            });
        }
        Ok(())
    });
    let seen = seen.map(Cell::into_inner);
    assert!(seen.iter().all(|seen| *seen > 0), "granted by the first, by a later one, denied, failed: {seen:?}");
}

#[test]
fn a_letter_has_the_same_lower_case_in_both_languages() {
    let letters: BTreeMap<u32, String> = (1..=0x1_ffff_u32)
        .filter_map(char::from_u32)
        .filter(|letter| !letter.to_lowercase().eq([*letter]))
        .map(|letter| (u32::from(letter), letter.to_lowercase().collect()))
        .collect();
    let last = r"
        var lowered = {};
        for (var code = 1; code <= 0x1ffff; code += 1) {
            var letter = String.fromCodePoint(code);
            if (!(code >= 0xd800 && code < 0xe000) && letter.toLowerCase() !== letter) {
                lowered[code] = letter.toLowerCase();
            }
        }
        lowered";
    assert_eq!(javascript(&[], last), json!(letters));
}
