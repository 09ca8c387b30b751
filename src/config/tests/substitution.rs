//! What expressions and coercions stand for (A27–A31, J13), and where values stand.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::env;
use crate::config::files;
use crate::config::meaning::Context;
use crate::config::sources::Snapshot;
use crate::config::substitute::substitute;
use crate::config::tree::{Node, parse};

/// The value of `{"x": …}` after substitution, or its problem.
fn resolved(text: &str, variables: &[(&str, &str)], properties: &[(&str, &str)]) -> Result<Value, String> {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in properties {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    let names: Vec<_> = properties.iter().map(|(name, _)| *name).collect();
    let text = format!("{{\"propertyFiles\": {}, \"x\": {text}}}", json!(names));
    let variables: BTreeMap<String, String> = env(variables);
    let mut tree = parse(&text, &"test.json".into()).unwrap_or_else(|problems| panic!("{problems:?}"));
    let mut cx = Context {
        env: &variables,
        base: folder.path().to_owned(),
        problems: Vec::new(),
        warnings: Vec::new(),
        files: Snapshot::of_files(),
        lint: false,
    };
    let properties = files::properties(&tree, &mut cx);
    substitute(&mut tree, &properties, &mut cx);
    match cx.problems.pop() {
        None => Ok(tree.get("x").unwrap().to_json()),
        Some(problem) => Err(problem.message),
    }
}

#[test]
fn expressions_are_looked_up_in_the_environment_then_in_property_files() {
    let variables = [("A_B", "one"), ("COUNTRY", "de"), ("X_DE_PORT", "7"), ("REC", "<&{a.b}>"), ("EMPTY", "")];
    let properties = [
        (
            "a.properties",
            "# note\n! note\na.b = file\nonly.here: v\\\n   w\nspaced   x y\nuni=\\u00e4\\t\nkey\\ two=2\nflag\n",
        ),
        ("b.json", r#"{"only": {"here": "later", "json": 5, "deep": {"list": [1, "&{a.b}"]}}, "yes": true}"#),
        ("c.yaml", "fromYaml: no\n"),
    ];
    for (text, expected) in [
        (r#""&{a.b}""#, json!("one")),
        (r#""&{a-b}""#, json!("one")),
        (r#""pre &{a.b} mid &{only.here} post""#, json!("pre one mid vw post")),
        (r#""&{nothing|dflt}""#, json!("dflt")),
        (r#""&{nothing|}""#, json!("")),
        (r#""&{empty|dflt}""#, json!("")),
        (r#""&{nothing|a|b}""#, json!("a|b")),
        (r#""&{nothing|&{a.b}}""#, json!("one")),
        (r#""&{x.&{country}.port}""#, json!("7")),
        (r#""&{rec}""#, json!("<one>")),
        (r#""&{only.json}""#, json!(5)),
        (r#""n=&{only.json} &{yes}""#, json!("n=5 true")),
        (r#""&{only.deep.list}""#, json!([1, "one"])),
        (r#""&{spaced}|&{uni}|&{key two}|&{flag}|&{fromYaml}""#, json!("x y|\u{e4}\t|2||no")),
        (r#""\\&{a.b}""#, json!("&{a.b}")),
        (r#""\\&{a.b} &{a.b}""#, json!("&{a.b} one")),
        (r#""&{unclosed""#, json!("&{unclosed")),
        (r#""a } b""#, json!("a } b")),
        (r#"{"&{a.b}": "&{a.b}"}"#, json!({"&{a.b}": "one"})),
        (r#"{"$int": "&{p|465}"}"#, json!(465)),
        (r#"{"$number": "1.5"}"#, json!(1.5)),
        (r#"{"$bool": "TRUE"}"#, json!(true)),
        (r#"{"$string": 5}"#, json!("5")),
        (r#"{"$list": "a, b"}"#, json!(["a", "b"])),
        (r#"{"$array": "[1, 2]"}"#, json!([1, 2])),
        (r#"{"$object": "{\"a\": 1}"}"#, json!({"a": 1})),
        (r#"{"$base64:encode": "hi"}"#, json!("aGk=")),
        (r#"{"$base64:decode": "aGk="}"#, json!("hi")),
        (r#"{"$int": {"$base64:decode": "NQ=="}}"#, json!(5)),
        (r#"[{"$int": "1"}, {"a": {"$int": "2"}}]"#, json!([1, {"a": 2}])),
        (r#"{"$int": 1, "b": 2}"#, json!({"$int": 1, "b": 2})),
    ] {
        assert_eq!(resolved(text, &variables, &properties), Ok(expected), "{text}");
    }
}

#[test]
fn what_cannot_be_resolved_is_refused() {
    let endless: &[(&str, &str)] =
        &[("A", "&{b}"), ("B", "&{a}"), ("SELF", "x&{self}"), ("L", "&{m}&{m}"), ("M", "&{n}")];
    for (text, expected) in [
        ("\"&{nothing}\"", "the environment variable `NOTHING`"),
        ("\"&{a}\"", "`&{a}` leads back to itself"),
        ("\"&{self}\"", "`&{self}` leads back to itself"),
        ("\"&{l}\"", "`&{l}` leads to an expression that is not set"),
        ("\"&{}\"", "is not set"),
        ("\"a &{list}\"", "stands for a list or a map"),
        ("{\"$int\": \"five\"}", "`$int` found a text, expected a whole number"),
        ("{\"$bool\": \"yes\"}", "expected `true` or `false`"),
        ("{\"$object\": \"[1]\"}", "expected the JSON text of a map"),
        ("{\"$base64:decode\": \"!\"}", "expected base64 of a text"),
        ("{\"$integer\": 1}", "did you mean `$int`?"),
        ("{\"$crypto\": {\"value\": \"&{nothing}\"}}", "encrypted with its own keystore"),
    ] {
        let found = resolved(text, endless, &[("p.json", r#"{"list": [1]}"#)]).unwrap_err();
        assert!(found.contains(expected), "{text}: {found}");
    }
}

#[test]
fn a_bomb_of_expressions_is_refused() {
    let mut variables = vec![("V0".to_owned(), "x".repeat(100))];
    variables.extend((1..15).map(|n| (format!("V{n}"), format!("&{{v{}}}", n - 1).repeat(10))));
    let variables: Vec<_> = variables.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert!(resolved("\"&{v14}\"", &variables, &[]).unwrap_err().contains("too many expressions"));
}

#[test]
fn scalars_are_those_of_yaml_s_core_schema() {
    for (written, expected) in [
        ("no", json!("no")),
        ("on", json!("on")),
        ("off", json!("off")),
        ("True", json!(true)),
        ("~", Value::Null),
        ("", Value::Null),
        ("'true'", json!("true")),
        ("\"5\"", json!("5")),
        ("!!str 5", json!("5")),
        ("5", json!(5)),
        ("+5", json!(5)),
        ("-5", json!(-5)),
        ("0x1F", json!(31)),
        ("0o17", json!(15)),
        ("017", json!(17)),
        ("1.50", json!(1.5)),
        (".5", json!(0.5)),
        ("1e3", json!(1000.0)),
        ("1-2", json!("1-2")),
        ("1.2.3.4", json!("1.2.3.4")),
        ("127.0.0.1:80", json!("127.0.0.1:80")),
        ("5 seconds", json!("5 seconds")),
        (".inf", json!(".inf")),
        ("0x", json!("0x")),
        ("|\n  a\n  b", json!("a\nb\n")),
    ] {
        let tree = parse(&format!("x: {written}"), &"test.yaml".into());
        let tree = tree.unwrap_or_else(|problems| panic!("{problems:?}"));
        assert_eq!(tree.get("x").unwrap().to_json(), expected, "{written:?}");
    }
    let tree = parse("a: &x { b: 1 }\nc: [*x, *x]\n", &"test.yaml".into()).unwrap_or_else(|p| panic!("{p:?}"));
    assert_eq!(tree.to_json(), json!({"a": {"b": 1}, "c": [{"b": 1}, {"b": 1}]}));
}

/// Every place of a tree as `path line:column`.
fn places(node: &Node, into: &mut Vec<String>) {
    into.push(format!("{} {}:{}", node.place.path, node.place.line, node.place.column));
    node.items().iter().chain(node.entries().iter().map(|e| &e.node)).for_each(|child| places(child, into));
}

#[test]
fn json_has_the_places_that_yaml_has() {
    let text = "{ \"a\": 1,\n  \"b\" :   [ [ ], {\"c\":\"\u{e4}\", \"d\" : null},\n-5,true , \"x\" ] ,\n\"e\":{ } }\n";
    let mut found = [Vec::new(), Vec::new()];
    for (name, found) in ["test.json", "test.yaml"].iter().zip(&mut found) {
        let text = if *name == "test.json" { text.to_owned() } else { format!("#\n{text}") };
        places(&parse(&text, &(*name).into()).unwrap_or_else(|problems| panic!("{problems:?}")), found);
    }
    let [json, yaml] = found;
    // YAML got one more line in front, so that it is not tried as JSON.
    let down = |place: &String| {
        let (path, at) = place.rsplit_once(' ').unwrap();
        let (line, column) = at.split_once(':').unwrap();
        format!("{path} {}:{column}", line.parse::<usize>().unwrap() + 1)
    };
    assert_eq!(json.iter().map(down).collect::<Vec<_>>(), yaml);
    assert_eq!(json[5], "b[1].c 2:23");
}
