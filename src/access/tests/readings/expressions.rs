//! Does a `customAuthz` alone mean to Keyward what it means to JavaScript?

use proptest::prelude::*;
use serde_json::json;

use super::question::Question;
use super::{Cell, for_many, generate, javascript};
use crate::access::custom_authz::CustomAuthz;
use crate::access::settings::{Knowledge, Library};
use crate::access::tests::at_once;

const ATOMS: &[&str] = &[
    "''",
    "' '",
    "'x'",
    "'a'",
    "'b'",
    "'r'",
    "'0'",
    "'1'",
    "'00'",
    "'+0'",
    "'-0'",
    "'01'",
    "'1.0'",
    "'1e0'",
    "'0x1'",
    "'1e'",
    "'Infinity'",
    "'.'",
    "'-'",
    "'\\u0085'",
    "'\\ufeff'",
    "'\\u00a0'",
    "'\\u2028'",
    "'\\n\\t'",
    "'\\'\"\\/'",
    "\"é\"",
    "'e\\u0301'",
    "'length'",
    "'toString'",
    "'__proto__'",
    "'1000000000000000000000'",
    "'1e+21'",
    "'1e-7'",
    "'read'",
    "'undefined'",
    "'null'",
    "'true'",
    "0",
    "-0",
    "- 1",
    "1",
    "1.0",
    "1.",
    "2",
    "0.1",
    "0.2",
    "0.3",
    "0.0000001",
    "0.000001",
    "123456789012345678901",
    "1000000000000000000000",
    "9007199254740993",
    "9007199254740992",
    "HUGE",
    "true",
    "false",
    "null",
    "undefined",
    "[]",
    "[0]",
    "['x', 1]",
    "[undefined]",
    "[null]",
    "[[]]",
    "id",
    "roles",
    "method",
    "action",
    "id.length",
    "roles.length",
    "roles[0]",
    "roles[1]",
    "roles['00']",
    "roles['+0']",
    "roles[-0]",
    "roles[0.5]",
    "roles[9]",
    "request.method",
    "request.resourcePath",
    "request['resourcePath']",
    "request.action",
    "request.queryId",
    "request.queryFilter",
    "request.queryExpression",
    "request.content",
    "request.content.a",
    "request.content.a.b",
    "request.content.a.b[0]",
    "request.content.a.b[2]",
    "request.content.a.b[7]",
    "request.content.n",
    "request.content.m",
    "request.content.big",
    "request.content.neg",
    "request.content.s",
    "request.content.f",
    "request.content.missing",
    "request.content.toString",
    "request.content.length",
    "request.content['']",
    "request.content.__proto__",
    "request.content[0]",
    "request.patchOperations",
    "request.patchOperations[0].field",
    "request.patchOperations.length",
    "context.security",
    "context.security.authenticationId",
    "context.security.authorization.id",
    "context.security.authorization.component",
    "context.security.authorization.roles",
    "context.security.authorization.none",
    "context.security.authorization.constructor",
    "context.http.method",
    "context.http.path",
    "context.http.headers['x-other']",
    "context.http.headers.authorization",
    "context.http.headers['X-OTHER']",
    "context.http.parameters._queryId",
    "context.http.parameters._queryId[0]",
    "context.oauth2.accessToken",
    "ownDataOnly()",
    "disallowQueryExpression()",
    "disallowCommandAction()",
    "isAJAXRequest()",
    "isQueryOneOf({})",
    "isQueryOneOf({'a': ['all'], a: ['for-userName']})",
    "isQueryOneOf({a: ['all', ''], 'a/b': ['all']})",
    "restrictPatchToFields(['a'])",
    "restrictPatchToFields(['A', 's', 'a'])",
    "managedUserRestrictedToAllowedProperties('A,k')",
    "managedUserRestrictedToAllowedProperties(['a', 'S'])",
    "isQueryOneOf({'__proto__': ['all'], undefined: ['all']})",
];

fn space() -> impl Strategy<Value = &'static str> + Clone {
    prop::sample::select(&["", " ", " ", "\n", "\t", "\u{a0}", "\u{85}", "\u{feff}", "\u{2028}", "\u{3000}"][..])
}

fn expression() -> impl Strategy<Value = String> {
    let huge = format!("1{}", "0".repeat(400));
    let atom =
        prop::sample::select(ATOMS).prop_map(move |atom| if atom == "HUGE" { huge.clone() } else { atom.to_owned() });
    let spaced = |left: String, space: &str, sign: &str, right: String| format!("{left}{space}{sign}{space}{right}");
    let whole = atom.prop_recursive(4, 12, 3, move |inner| {
        let operator = prop::sample::select(&["===", "!==", "==", "!=", "===", "==", "+", "+", "&&", "||"][..]);
        prop_oneof![
            4 => (inner.clone(), space(), operator, inner.clone())
                .prop_map(move |(left, space, sign, right)| spaced(left, space, sign, right)),
            2 => inner.clone().prop_map(|inner| format!("({inner})")),
            2 => inner.clone().prop_map(|inner| format!("!{inner}")),
            1 => (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("[{left}, {right}]")),
            1 => (inner.clone(), inner).prop_map(|(value, key)| format!("({value})[{key}]")),
        ]
    });
    (space(), whole, space(), prop::bool::weighted(0.1))
        .prop_map(|(before, whole, after, ends)| format!("{before}{whole}{after}{}", if ends { ";" } else { "" }))
}

#[test]
fn an_expression_is_true_for_keyward_only_where_it_is_for_javascript() {
    let seen = [const { Cell::new(0_u32) }; 3];
    let count = |place: usize| seen[place].set(seen[place].get() + 1);
    let inputs = (prop::collection::vec(expression(), 24), prop::collection::vec(generate::question(), 6));
    for_many(&inputs, |(expressions, questions)| {
        let known: Vec<(&String, CustomAuthz)> = expressions
            .iter()
            .filter_map(|text| {
                Some((text, CustomAuthz::compile(text, &Knowledge::default(), &Library::default()).ok()?))
            })
            .collect();
        let texts: Vec<&String> = known.iter().map(|(text, _)| *text).collect();
        let scripts: Vec<_> = questions.iter().map(Question::for_scripts).collect();
        let in_javascript = javascript(
            &[("expressions", json!(texts)), ("questions", json!(scripts))],
            "expressions.map(function (expression) {
                 return questions.map(function (question) {
                     try { return holds(expression, question); } catch (error) { return String(error); }
                 });
             })",
        );
        for ((text, compiled), answers) in known.iter().zip(in_javascript.as_array().unwrap()) {
            for (question, answer) in questions.iter().zip(answers.as_array().unwrap()) {
                match question.natively(|facts| at_once(compiled.holds(facts))) {
                    Ok(truth) => {
                        prop_assert_eq!(answer, &json!(truth), "{:?}: {:?}", text, question);
                        count(usize::from(truth));
                    }
                    // Where JavaScript goes on with a surprising value, Keyward denies.
                    Err(_) => count(2),
                }
            }
        }
        Ok(())
    });
    let seen = seen.map(Cell::into_inner);
    assert!(seen.iter().all(|seen| *seen > 100), "false, true, failed: {seen:?}");
}
