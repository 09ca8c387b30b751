//! What `augmentSecurityContext` means, and what is said about a wrong one.

use std::path::Path;

use serde_json::json;

use super::{env, filter, parse, problems, small};

fn script(text: &str) -> String {
    small(&format!("augmentSecurityContext: {text}"), "directory: { token: {} }\n")
}

#[test]
fn a_script_gets_its_variables_and_the_filter_without_secrets() {
    let text = script("{ type: text/javascript, source: 'a + b', globals: { a: 1 }, b: [ x ] }");
    let settings = filter(&text).augment.expect("a script");
    assert_eq!(settings.source, "a + b");
    assert_eq!(json!(settings.globals), json!({"a": 1, "b": ["x"]}));
    let expected = json!({"clientId": "mesh-rs", "tokenIntrospectUrl": "https://am.example/introspect"});
    assert_eq!(settings.properties, expected);
    assert!(filter(&small("", "directory: { token: {} }\n")).augment.is_none());
}

#[test]
fn credentials_in_other_places_are_withheld() {
    let rs = "credential: { header: X-Token, queryParameter: access_token }\n\
              augmentSecurityContext: { type: text/javascript, source: '1' }";
    let settings = filter(&small(rs, "directory: { token: {} }\n")).augment.expect("a script");
    assert_eq!((settings.withheld_headers, settings.withhold_query), (vec!["x-token".to_owned()], true));
}

#[test]
fn a_wrong_script_is_told_with_its_place() {
    for (text, expected) in [
        ("{ type: groovy, source: x }", "augmentSecurityContext.type: found `groovy`, expected `text/javascript`"),
        ("{ type: text/javascript }", "augmentSecurityContext: expected exactly one of `source` and `file`"),
        ("{ type: text/javascript, source: a, file: b }", "expected exactly one of `source` and `file`"),
        ("{ type: text/javascript, file: none.js }", "augmentSecurityContext.file: the file `none.js` does not exist"),
        (
            "{ type: text/javascript, source: 'a b' }",
            "augmentSecurityContext.source: the script cannot be read: line 1",
        ),
        ("{ type: text/javascript, source: a, security: 1 }", "found a variable `security`"),
    ] {
        let found = problems(&script(text));
        assert!(found.contains(expected), "{text}: {found}");
    }
}

#[test]
fn a_script_s_file_is_read_beside_the_configuration_and_its_own_lines_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("mine.js");
    let read = |source: &str| {
        std::fs::write(&file, source).expect("written");
        let text = script("{ type: text/javascript, file: mine.js }");
        parse(&text, "keyward.yaml", Path::new(folder.path()), &env(&[]))
    };
    let loaded = read("security;").expect("a configuration");
    assert!(loaded.sources.contains(&file), "{:?}", loaded.sources);
    let Err(problems) = read("var a;\nvar b = ;\n") else { panic!("it loads") };
    let expected = format!("{}:2:9: the script cannot be read:", file.display());
    assert!(problems.to_string().starts_with(&expected), "{problems}");
}

#[test]
fn what_a_script_names_and_does_not_have_is_told_and_nothing_else_is() {
    let privileges = "the script gives users IDM's privileges";
    let module = "the script requires the module `a/b`";
    for (source, expected) in [
        ("require('auth/orgPrivileges').assignPrivilegesToUser(resource, privileges)", &[privileges][..]),
        ("require( \"auth/orgPrivileges.js\" ).x()", &[privileges]),
        ("var a = privileges.length", &[privileges]),
        ("require('a/b'); require('a/b')", &[module]),
        ("require('a/b'); require('auth/orgPrivileges')", &[privileges, module]),
        ("require('auth/' + x)", &["the script requires a module, and no modules but"]),
        ("openidm.read('x'); load('y')", &["names `load`", "names `openidm`"]),
        ("identityServer.getProperty('x')", &["names `identityServer`"]),
        ("logger.debug('x'); console.log(new Date())", &[]),
        ("// openidm, require('a/b')\nvar load = 1; load + `privileges` + 'identityServer'", &[]),
        ("security.authorization.privileges = security.require; var required = 'require', o = {openidm: 1};", &[]),
    ] {
        let text = script(&format!("{{ type: text/javascript, source: {} }}", json!(source)));
        let loaded = parse(&text, "keyward.yaml", Path::new(""), &env(&[])).unwrap_or_else(|p| panic!("{p}"));
        let told: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
        let told: Vec<&String> = told.iter().filter(|told| told.contains("the script")).collect();
        assert_eq!(told.len(), expected.len(), "{source}: {told:?}");
        for (told, expected) in told.iter().zip(expected) {
            assert!(told.contains(expected), "{source}: {told}");
        }
    }
}
