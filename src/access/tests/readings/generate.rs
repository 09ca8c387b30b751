//! Rule sets and requests that are hard to read alike.

use proptest::prelude::*;

use super::plainly::{Condition, PlainRule};
use super::question::Question;

const PATTERNS: &[&str] = &[
    "*",
    "",
    "a",
    "a/*",
    "a/b",
    "a/b/*",
    "/*",
    "/",
    "A",
    "A/*",
    "a/*/*",
    "a/*/c",
    "b",
    "a*",
    "a/",
    "/a",
    "/a/*",
    "a/**",
    "**",
    " a",
    "a ",
    " a/*",
    "%61/*",
    "a/%62",
    "%75ser",
    "é",
    "É/*",
    "a/b/c",
    "undefined",
    "a//*",
    "a/'",
];
const PATHS: &[&str] = &[
    "",
    "a",
    "a/",
    "a/b",
    "a/b/",
    "a/b/c",
    "a/b/c/d",
    "A",
    "A/b",
    "b",
    "a*",
    "a/*",
    "a/**",
    "ab",
    "/",
    "/a",
    "/a/b",
    "//",
    "a//b",
    "%61/b",
    "a/%62",
    "%75ser",
    "é",
    "é/x",
    "É/x",
    "*",
    " a",
    "a ",
    " a/b",
    "undefined",
    "a/'",
];
/// Texts that differ in case, or seem to, or nearly do.
const NAMES: &[&str] = &[
    "r",
    "R",
    "r1",
    "É",
    "é",
    "e\u{301}",
    "E\u{301}",
    "\u{212a}",
    "k",
    "K",
    "\u{212b}",
    "å",
    "İ",
    "i",
    "I",
    "ı",
    "i\u{307}",
    "ß",
    "ẞ",
    "SS",
    "ss",
    "ſ",
    "s",
    "S",
    "ΟΔΟΣ",
    "οδος",
    "οδοσ",
    "Σ",
    "σ",
    "ς",
    "Σ.",
    ".Σ",
    "aΣb",
    "aΣ",
    "Ǆ",
    "ǅ",
    "ǆ",
    "ﬁ",
    "FI",
    " r",
    "r ",
    "*",
    "undefined",
    "null",
    "internal/role/r",
    "Ꭰ",
    "ꭰ",
    "𐐀",
    "𐐨",
    "'",
];
const METHODS: &[&str] =
    &["read", "READ", "create", "update", "delete", "patch", "action", "Action", "query", "script"];
const MANAGED: &[&str] = &["managed/user", "managed/user/11aa", "managed/userX"];
const ACTIONS: &[&str] = &[
    "approve",
    "Approve",
    "command",
    "COMMAND",
    "undefined",
    "UNDEFINED",
    "null",
    "*",
    "É",
    "é",
    "\u{212a}ill",
    "kill",
];
const QUERY_IDS: &[&str] = &["all", "All", "for-userName", "", "é", "constructor"];
const USERS: &[(&str, &str)] =
    &[("a", "b"), ("a/b", "c"), ("a", "b/c"), ("A", "b"), ("é", "x"), ("managed/user", "11aa")];
const HEADERS: &[(&str, &str)] =
    &[("authorization", "Bearer x"), ("x-requested-with", ""), ("x-openidm-username", "a"), ("x-other", "é")];

fn from(pool: &'static [&'static str]) -> impl Strategy<Value = String> + Clone {
    prop::sample::select(pool).prop_map(str::to_owned)
}

/// `a,b`, with all that can go wrong between commas; often `*`, sometimes just text.
fn comma_text(pool: &'static [&'static str]) -> impl Strategy<Value = String> + Clone {
    let item = prop_oneof![12 => from(pool), 1 => Just(String::new()), 1 => Just("*".to_owned())];
    let separator = prop_oneof![6 => Just(","), 1 => Just(", "), 1 => Just(" ,"), 1 => Just(",,")];
    let list = (prop::collection::vec((item, separator), 0..5), prop::bool::weighted(0.1)).prop_map(|(items, ends)| {
        let mut text = String::new();
        let last = items.len().saturating_sub(1);
        for (place, (item, separator)) in items.iter().enumerate() {
            text.push_str(item);
            if place != last || ends {
                text.push_str(separator);
            }
        }
        text
    });
    prop_oneof![1 => list, 1 => Just("*".to_owned())]
}

/// An absent key, `null`, or a value.
fn optional<T: Clone + std::fmt::Debug>(
    value: impl Strategy<Value = T> + Clone,
) -> impl Strategy<Value = Option<Option<T>>> + Clone {
    prop_oneof![2 => Just(None), 1 => Just(Some(None)), 5 => value.prop_map(|value| Some(Some(value)))]
}

fn condition() -> impl Strategy<Value = Condition> + Clone {
    let query_map = prop::collection::btree_map(from(PATHS), prop::collection::vec(from(QUERY_IDS), 0..3), 0..3);
    let leaf = prop_oneof![
        1 => Just(Condition::Blank),
        3 => any::<bool>().prop_map(Condition::Constant),
        3 => Just(Condition::Throws),
        3 => Just(Condition::OwnData),
        2 => Just(Condition::OwnPath),
        2 => Just(Condition::NoNativeQuery),
        2 => Just(Condition::NoCommand),
        2 => query_map.prop_map(|map| Condition::QueryOneOf(map.into_iter().collect())),
        1 => from(PATHS).prop_map(Condition::IdIs),
        1 => from(METHODS).prop_map(Condition::MethodIs),
        1 => from(ACTIONS).prop_map(Condition::ActionIs),
        1 => (0_usize..3, from(NAMES)).prop_map(|(place, role)| Condition::RoleIs(place, role)),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        // The blank text is a condition of its own, not a part of one.
        let inner =
            inner.prop_map(|part| if matches!(part, Condition::Blank) { Condition::Constant(false) } else { part });
        let several = prop::collection::vec(inner.clone(), 1..4);
        prop_oneof![
            inner.prop_map(|inner| Condition::Not(Box::new(inner))),
            several.clone().prop_map(Condition::All),
            several.prop_map(Condition::Any),
        ]
    })
}

pub(super) fn rule() -> impl Strategy<Value = PlainRule> + Clone {
    let exclude = prop_oneof![5 => Just(None), 1 => optional(comma_text(PATTERNS))];
    let condition = prop_oneof![3 => Just(None), 2 => optional(condition())];
    (
        prop_oneof![1 => Just("*".to_owned()), 3 => from(PATTERNS)],
        exclude,
        comma_text(NAMES),
        comma_text(METHODS),
        optional(comma_text(ACTIONS)),
        condition,
    )
        .prop_map(|(pattern, exclude, roles, methods, actions, condition)| PlainRule {
            pattern,
            exclude,
            roles,
            methods,
            actions,
            condition,
        })
}

/// Rules, some of them many times with the same pattern.
pub(super) fn rules() -> impl Strategy<Value = Vec<PlainRule>> {
    (prop::collection::vec(rule(), 0..10), prop::option::weighted(0.3, from(PATTERNS))).prop_map(
        |(mut rules, pattern)| {
            if let Some(pattern) = pattern {
                for rule in &mut rules {
                    rule.pattern.clone_from(&pattern);
                }
            }
            rules
        },
    )
}

const BODIES: &[Option<&str>] = &[
    Some(r#"{"a":{"b":[1,"x",null]},"n":1e21,"m":0.0000001,"big":9007199254740993,"neg":-0.0,"s":"x","f":false}"#),
    Some(r#"{"toString":"own","__proto__":{"a":1},"length":2,"":"empty"}"#),
    Some(r#"[{"operation":"replace","field":"/a"}]"#),
    Some(r#"[{"operation":"copy","from":"/s","field":"A/b"},{"field":"a"}]"#),
    Some(r#"[{"operation":"replace","field":""}]"#),
    Some(r#"[{"operation":"replace"}, "a"]"#),
    Some(r#"{"a":1,"\u212a":2}"#),
    Some("{}"),
    None,
    Some("[]"),
    Some("null"),
    Some("\"text\""),
    Some("7"),
];

pub(super) fn question() -> impl Strategy<Value = Question> {
    let query = prop_oneof![
        3 => from(QUERY_IDS).prop_map(|id| vec![("_queryId", id)]),
        1 => Just(vec![("_queryFilter", "true".to_owned())]),
        1 => Just(vec![("_queryExpression", "select".to_owned())]),
        1 => Just(Vec::new()),
    ];
    (
        from(METHODS),
        prop_oneof![5 => from(PATHS), 1 => from(MANAGED)],
        prop_oneof![1 => Just(String::new()), 4 => from(ACTIONS)],
        query,
        prop::sample::select(BODIES),
        prop::sample::subsequence(HEADERS, 0..3),
        prop::collection::vec(from(NAMES), 0..4),
        prop::sample::select(USERS),
    )
        .prop_map(|(method, path, action, query, body, headers, roles, user)| Question {
            action: if method.eq_ignore_ascii_case("action") { action } else { String::new() },
            query: if method == "query" { query } else { Vec::new() },
            method,
            path,
            body,
            headers,
            roles,
            user,
        })
}
