//! What is said about IDM's own files that cannot be used: the file, the place, what was found, and what to do.

use std::path::Path;

use super::env;
use crate::config::parse;

const MAPPING: &str = r#"{ "realm": "/", "queryOnResource": "token" }"#;

/// Loads `authentication.json` and `access.json` of a folder; the warnings, or the problems.
fn load(folder: &Path) -> Result<String, String> {
    let text = "rsFilterFile: conf/authentication.json\naccessFile: conf/access.json\ndirectory: { token: {} }\n\
                rsFilter: { accountStatus: { collections: [] } }\n";
    let loaded = parse(text, "keyward.yaml", folder, &env(&[])).map_err(|problems| problems.to_string())?;
    Ok(loaded.warnings.iter().map(|warning| format!("{warning}\n")).collect())
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("conf")).unwrap();
    std::fs::create_dir_all(folder.path().join("script/auth")).unwrap();
    write(
        folder.path(),
        "conf/access.json",
        r#"{ "configs": [ { "pattern": "a", "roles": "*", "methods": "read" } ] }"#,
    );
    folder
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).unwrap();
}

/// An `authentication.json` whose line 5 is `line`; a key that it names is left out elsewhere.
fn authentication(line: &str) -> String {
    let others = [
        ("clientId", "\"rs\"".to_owned()),
        ("clientSecret", "\"&{secret|changeit}\"".to_owned()),
        ("tokenIntrospectUrl", "\"https://am.test/introspect\"".to_owned()),
        ("subjectMapping", format!("[ {MAPPING} ]")),
    ];
    let others = others.iter().filter(|(key, _)| !line.starts_with(&format!("\"{key}\":")));
    let others: Vec<String> = others.map(|(key, value)| format!("\"{key}\": {value}")).collect();
    format!("{{\n  \"_id\": \"authentication\",\n  \"rsFilter\": {{\n\n{line},\n{}\n  }}\n}}\n", others.join(",\n"))
}

#[test]
fn each_wrong_key_or_value_of_rs_filter_is_told_with_file_place_and_remedy() {
    let folder = folder();
    let mut wrong = Vec::new();
    let encrypted = r#""clientSecret": {"$crypto": {"type": "x-simple-encryption", "value": {"data": "aGlkZGVu"}}}"#;
    for (line, expected) in [
        // A5–A8
        (r#""clientId": """#, "5:13 rsFilter.clientId: found an empty text; give a value"),
        (r#""clientId": 7"#, "5:13 rsFilter.clientId: found `7`, expected a text"),
        (r#""clientSecret": null"#, "5:17 rsFilter.clientSecret: found nothing, expected"),
        (
            r#""clientSecret": "&{no.such}""#,
            "5:17 rsFilter.clientSecret: `&{no.such}` is not set: neither the environment variable `NO_SUCH` nor",
        ),
        (encrypted, "5:17 rsFilter.clientSecret: found a value that IDM encrypted with its own keystore"),
        (r#""tokenIntrospectUrl": "am/introspect""#, "5:23 rsFilter.tokenIntrospectUrl: found `am/introspect`"),
        (r#""scopes": "fr:idm:*""#, "5:11 rsFilter.scopes: found a text, expected a list"),
        (r#""scopes": ["a b"]"#, "5:12 rsFilter.scopes[0]: found an empty scope or one with a space"),
        // A9, A20–A24
        (r#""cache": { "maxTimeout": "" }"#, "rsFilter.cache.maxTimeout: found"),
        (r#""cache": { "maxTimeout": 300 }"#, "found `300`, expected a duration such as `300 seconds`"),
        (r#""cache": { "maxTimeout": "300" }"#, "rsFilter.cache.maxTimeout: found `300`"),
        (r#""cache": { "maxTimeout": "-5 seconds" }"#, "rsFilter.cache.maxTimeout: found `-5 seconds`"),
        (r#""cache": { "maxTimeout": "none" }"#, "rsFilter.cache.maxTimeout: found `none`"),
        (r#""cache": { "maxTimeout": "1w1d" }"#, "rsFilter.cache.maxTimeout: found `1w1d`"),
        (r#""cache": { "maxTimeout": "5 seconds and" }"#, "rsFilter.cache.maxTimeout: found `5 seconds and`"),
        (r#""cache": { "maxTimeout": "unlimited 5 s" }"#, "rsFilter.cache.maxTimeout: found `unlimited 5 s`"),
        (
            r#""cache": { "maxTimeOut": "5 s" }"#,
            "rsFilter.cache.maxTimeOut: found an unknown key; did you mean `maxTimeout`?",
        ),
        // A10
        (
            r#""augmentSecurityContext": { "type": "groovy", "source": "x" }"#,
            "rsFilter.augmentSecurityContext.type: found `groovy`, expected `text/javascript`: rewrite the script",
        ),
        (
            r#""augmentSecurityContext": { "type": "text/javascript", "source": "x", "file": "y" }"#,
            "rsFilter.augmentSecurityContext: expected exactly one of `source` and `file`",
        ),
        (
            r#""augmentSecurityContext": { "type": "text/javascript" }"#,
            "rsFilter.augmentSecurityContext: expected exactly one of `source` and `file`",
        ),
        (r#""augmentSecurityContext": { "source": "x" }"#, "rsFilter.augmentSecurityContext.type: is missing"),
        (r#""augmentSecurityContext": "x.js""#, "rsFilter.augmentSecurityContext: found a text, expected a map"),
        (
            r#""augmentSecurityContext": { "type": "text/javascript", "file": "auth/none.js" }"#,
            "rsFilter.augmentSecurityContext.file: the file `auth/none.js` does not exist",
        ),
        (
            r#""augmentSecurityContext": { "type": "text/javascript", "source": "a b" }"#,
            "rsFilter.augmentSecurityContext.source: the script cannot be read: line 1, column",
        ),
        (
            r#""augmentSecurityContext": { "type": "text/javascript", "source": "a", "resource": 1 }"#,
            "rsFilter.augmentSecurityContext: found a variable `resource`, which every script has already",
        ),
        // A11, A17, B5, B7
        (r#""subjectMapping": {}"#, "5:19 rsFilter.subjectMapping: found a map, expected a list"),
        (r#""subjectMapping": [ { "realm": "/" } ]"#, "expected `resourceTypeMapping` or `queryOnResource`"),
        (
            r#""subjectMapping": [ { "queryOnResource": "u", "userRole": "r" } ]"#,
            "rsFilter.subjectMapping[0].userRole: found an unknown key; did you mean `userRoles`?",
        ),
        (
            r#""subjectMapping": [ { "queryOnResource": "u", "userRoles": 1 } ]"#,
            "rsFilter.subjectMapping[0].userRoles: found",
        ),
        (
            r#""subjectMapping": [ { "queryOnResource": "u", "groupComparison": "equals" } ]"#,
            "rsFilter.subjectMapping[0].groupComparison: found an unknown key; did you mean `groupComparisonMethod`?",
        ),
        (
            r#""subjectMapping": [ { "queryOnResource": "u", "groupComparisonMethod": "regex" } ]"#,
            "rsFilter.subjectMapping[0].groupComparisonMethod: found `regex`, expected",
        ),
        (
            r#""subjectMappings": []"#,
            "5:1 rsFilter.subjectMappings: found an unknown key; did you mean `subjectMapping`?",
        ),
        // A12–A16
        (
            r#""staticUserMapping": [ { "subject": "x", "localUser": "admin" } ]"#,
            "rsFilter.staticUserMapping[0].localUser: found `admin`, expected a collection and an id, such as",
        ),
        (r#""staticUserMapping": [ { "localUser": "a/b" } ]"#, "rsFilter.staticUserMapping[0].subject: is missing"),
        (
            r#""staticUserMapping": [ { "subject": "x", "localUser": "a/b", "userRoles": [] } ]"#,
            "rsFilter.staticUserMapping[0].userRoles: found an unknown key",
        ),
        (
            r#""anonymousUserMapping": { "localUser": "a/b", "roles": [], "userRoles": [] }"#,
            "rsFilter.anonymousUserMapping.userRoles: stands beside `roles`, of which it is another name; keep `roles`",
        ),
        (r#""anonymousUserMapping": { "localUser": "a/" }"#, "rsFilter.anonymousUserMapping.localUser: found `a/`"),
        // A27–A31
        (r#""scopes": [ "&{no.such.scope}" ]"#, "rsFilter.scopes[0]: `&{no.such.scope}` is not set"),
        (r#""scopes": [ {"$int": "x"} ]"#, "rsFilter.scopes[0]: `$int` found a text, expected a whole number"),
        (r#""scopes": {"$list": "[1"}"#, "rsFilter.scopes: `$list` found a text, expected a list"),
    ] {
        write(folder.path(), "conf/authentication.json", &authentication(line));
        let found = load(folder.path()).expect_err(line);
        let told = found.lines().find(|problem| problem.contains(expected));
        let file = folder.path().join("conf/authentication.json");
        if !told.is_some_and(|told| told.starts_with(&format!("{}:5:", file.display()))) {
            wrong.push(format!("{line}: expected `{expected}`, found {found}"));
        }
        assert!(!found.contains("aGlkZGVu") && !found.contains("changeit"), "{line}: {found}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn both_spellings_of_roles_load() {
    let folder = folder();
    for line in [
        r#""anonymousUserMapping": { "localUser": "a/b", "roles": ["r"] }"#,
        r#""anonymousUserMapping": { "localUser": "a/b", "userRoles": ["r"] }"#,
        r#""subjectMapping": [ { "queryOnResource": "u", "userRoles": "authzRoles/*" } ]"#,
        r#""subjectMapping": [ { "queryOnResource": "u", "userRoles": ["authzRoles/*"] } ]"#,
    ] {
        write(folder.path(), "conf/authentication.json", &authentication(line));
        assert_eq!(load(folder.path()).as_deref(), Ok(""), "{line}");
    }
}

#[test]
fn a_wrong_script_in_a_file_is_told_at_its_own_line() {
    let folder = folder();
    let line = r#""augmentSecurityContext": { "type": "text/javascript", "file": "auth/mine.js" }"#;
    write(folder.path(), "conf/authentication.json", &authentication(line));
    let file = folder.path().join("script/auth/mine.js");
    for (source, expected) in [
        ("var a = 1;\nvar b = ;\n", ":2:9: the script cannot be read: "),
        ("if (a) {\n\n", ":3:1: the script cannot be read: "),
        ("return security;\n", ":1:1: the script cannot be read: "),
        ("import a from 'b';\n", ":1:"),
        ("/* groovy */ def x = 1 as String\n", ":1:"),
    ] {
        write(folder.path(), "script/auth/mine.js", source);
        let found = load(folder.path()).expect_err(source);
        assert!(found.starts_with(&format!("{}{expected}", file.display())), "{source}: {found}");
    }
    std::fs::write(&file, b"\xff\xfe").unwrap();
    assert!(load(folder.path()).unwrap_err().contains("auth/mine.js` is not UTF-8"));
    // What is wrong only when it runs is no reason not to load: a run refuses its request.
    write(folder.path(), "script/auth/mine.js", "while (true) {}");
    assert_eq!(load(folder.path()).as_deref(), Ok(""));
}

#[test]
fn a_file_that_is_none_is_told_as_a_whole() {
    let folder = folder();
    for (name, text, expected) in [
        ("conf/authentication.json", "{ \"rsFilter\": {", "conf/authentication.json:1:"),
        ("conf/authentication.json", "{}", "conf/authentication.json:1:1: found no `rsFilter`, expected it at the top"),
        ("conf/authentication.json", "[]", "conf/authentication.json:1:1: found no `rsFilter`"),
        ("conf/access.json", "{ \"configs\": {} }", "conf/access.json:1:14 configs: found a map, expected a list"),
        ("conf/access.json", "[]", "conf/access.json:1:1: found no `configs`"),
        ("conf/access.json", "var a = {configs: []}", "conf/access.json:1:1: "),
    ] {
        write(folder.path(), "conf/authentication.json", &authentication("\"scopes\": []"));
        let rules = r#"{ "configs": [ { "pattern": "a", "roles": "*", "methods": "read" } ] }"#;
        write(folder.path(), "conf/access.json", rules);
        assert_eq!(load(folder.path()).as_deref(), Ok(""));
        write(folder.path(), name, text);
        let found = load(folder.path()).expect_err(text);
        assert!(found.contains(&format!("{}/{expected}", folder.path().display())), "{text}: {found}");
    }
}
