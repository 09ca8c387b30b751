//! What `access.idm` and `access.idmOnlyRules` mean, and what is said about a wrong file of IDM's.

use std::path::Path;

use super::{env, parse};
use crate::access::settings::IdmOnly;
use crate::config::{Loaded, Problems};

const REST: &str = "directory: { token: {} }\nrsFilter: { clientId: a, clientSecret: \"&{x|y}\", tokenIntrospectUrl: https://am.example/i }\n";

/// `access` in a folder with these files.
fn read(files: &[(&str, &str)], access: &str) -> Result<Loaded, Problems> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    parse(&format!("{REST}{access}"), "keyward.yaml", folder.path(), &env(&[("EDITABLE", "true"), ("NAME", "user")]))
}

fn refused(files: &[(&str, &str)], access: &str) -> String {
    read(files, access).map(|_| "it loads".to_owned()).unwrap_or_else(|problems| problems.to_string())
}

const BOTH: &str =
    "access: { style: crest, rules: [], idm: { managedFile: managed.json, uiConfigurationFile: ui.json } }\n";

/// IDM 6's own rules as they are.
fn idm_6(access: &str) -> Result<Loaded, Problems> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/idm");
    parse(&format!("{REST}accessFile: script/access.js\naccess: {access}\n"), "k.yaml", &folder, &env(&[]))
}

fn of_rules(warnings: &[crate::config::Problem]) -> Vec<usize> {
    let told = warnings.iter().map(ToString::to_string).filter(|line| line.contains("never grants by"));
    let mut rules: Vec<usize> =
        told.map(|line| line.split(['[', ']']).nth(1).and_then(|number| number.parse().ok()).unwrap()).collect();
    rules.sort_unstable();
    rules
}

#[test]
fn idm_6_s_own_rules_load_unchanged_and_each_that_never_grants_is_told() {
    let loaded = idm_6("{ idmOnlyRules: neverGrant }").unwrap_or_else(|p| panic!("{p}"));
    assert_eq!(loaded.config.filters[0].access.rules.len(), 41);
    let expected = [5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 29, 30, 35, 36, 37, 38];
    assert_eq!(of_rules(&loaded.warnings), expected);
    let with_files = "{ idmOnlyRules: neverGrant, \
                      idm: { managedFile: conf/managed.json, uiConfigurationFile: conf/ui-configuration.json } }";
    let loaded = idm_6(with_files).unwrap_or_else(|p| panic!("{p}"));
    assert_eq!(of_rules(&loaded.warnings), [35, 36, 37, 38]);
    for file in ["conf/managed.json", "conf/ui-configuration.json"] {
        assert!(loaded.sources.iter().any(|source| source.ends_with(file)), "{file}: {:?}", loaded.sources);
    }
    let refused = idm_6(&with_files.replace("neverGrant", "refuse")).unwrap_err().to_string();
    assert_eq!(refused.lines().count(), 4, "{refused}");
}

#[test]
fn the_files_say_what_they_say_in_idm() {
    let managed = r#"{ "objects": [ { "name": "&{name}", "schema": { "properties": {
        "mail": { "userEditable": { "$bool": "&{editable}" }, "isProtected": false, "policies": [ "&{of.nobody}" ] },
        "password": { "userEditable": true, "isProtected": true },
        "roles": {} } } }, { "name": "bare" }, { "name": "empty", "schema": {} } ] }"#;
    let ui = r#"{ "_id": "ui/configuration", "configuration": { "a": true, "b": false, "c": null, "d": 0, "e": 1, "f": "",
        "g": "x", "h": {}, "i": "false" }, "other": "&{of.nobody}" }"#;
    let loaded = read(&[("managed.json", managed), ("ui.json", ui)], BOTH).unwrap_or_else(|p| panic!("{p}"));
    let knowledge = &loaded.config.filters[0].access.knowledge;
    let mut on: Vec<&str> = knowledge.ui_flags.iter().flatten().map(String::as_str).collect();
    on.sort_unstable();
    assert_eq!(on, ["a", "e", "g", "h", "i"], "as JavaScript takes them");
    let warned: String = loaded.warnings.iter().map(|warning| format!("{warning}\n")).collect();
    assert!(warned.contains("configuration.i: is a text, which counts as true"), "{warned}");
    let managed = knowledge.managed.as_ref().unwrap();
    assert_eq!(managed.keys().collect::<Vec<_>>(), ["user"], "those without properties are as good as none");
    assert!(managed["user"].user_editable.contains("mail") && managed["user"].user_editable.contains("password"));
    assert_eq!(managed["user"].user_editable.len(), 2);
    assert_eq!(managed["user"].protected.iter().collect::<Vec<_>>(), ["password"]);
    assert_eq!((&knowledge.features, knowledge.idm_only), (&None, IdmOnly::Refuse));
}

#[test]
fn what_the_files_hold_may_stand_in_the_configuration_too() {
    let here = "access: { style: crest, rules: [], idm: { features: [email], \
                uiConfiguration: { configuration: { a: true } }, \
                managed: { objects: [ { name: user, schema: { properties: { mail: { userEditable: true, more: 1 } } } } ] } } }\n";
    let loaded = read(&[], here).unwrap_or_else(|p| panic!("{p}"));
    let knowledge = &loaded.config.filters[0].access.knowledge;
    assert!(knowledge.managed.as_ref().unwrap()["user"].user_editable.contains("mail"));
    assert!(
        knowledge.ui_flags.as_ref().unwrap().contains("a") && knowledge.features.as_ref().unwrap().contains("email")
    );
}

#[test]
fn a_wrong_file_is_told_with_its_place_and_nothing_is_told_twice() {
    let ui = ("ui.json", r#"{ "configuration": {} }"#);
    for (managed, expected) in [
        ("{", "managed.json:1:1: cannot be read as JSON"),
        ("{}", "managed.json:1:1 objects: is missing, expected a list"),
        ("[]", "managed.json:1:1: found a list, expected a map"),
        (r#"{ "objects": {} }"#, "managed.json:1:14 objects: found a map, expected a list"),
        (r#"{ "objects": [ {} ] }"#, "managed.json:1:16 objects[0].name: is missing, expected a text"),
        (
            r#"{ "objects": [ { "name": "u", "schema": { "properties": { "a": { "userEditable": "true" } } } } ] }"#,
            "managed.json:1:82 objects[0].schema.properties.a.userEditable: found `true`, expected true or false",
        ),
        (
            r#"{ "objects": [ { "name": "u", "schema": { "properties": { "a": { "isProtected": "&{editable}" } } } } ] }"#,
            "managed.json:1:81 objects[0].schema.properties.a.isProtected: found a text, expected true or false; an expression",
        ),
        (
            r#"{ "objects": [ { "name": "&{of.nobody}" } ] }"#,
            "managed.json:1:26 objects[0].name: `&{of.nobody}` is not set",
        ),
        (
            r#"{ "objects": [ { "name": "u" }, { "name": "u" } ] }"#,
            "managed.json:1:43 objects[1].name: found the name of another object; keep one of them",
        ),
    ] {
        let found = refused(&[("managed.json", managed), ui], BOTH);
        assert!(found.contains(expected), "{managed}: {found}");
        assert_eq!(found.lines().count(), 1, "{managed}: {found}");
    }
    let rule =
        "{ pattern: a, roles: r, methods: patch, customAuthz: \"onlyEditableManagedObjectProperties('user', [])\" }";
    let found = refused(&[ui], &BOTH.replace("rules: []", &format!("rules: [ {rule} ]")));
    let expected = "access.idm.managedFile: the file `managed.json` does not exist";
    assert!(found.contains(expected) && found.lines().count() == 1, "{found}");
    let found =
        refused(&[ui], "access: { style: crest, rules: [], idm: { managedFile: m.json, managed: { objects: [] } } }\n");
    assert!(found.contains("access.idm.managedFile: stands beside `managed`; keep one of them"), "{found}");
    let found = refused(&[], "access: { style: crest, rules: [], idm: { managedFile: 1 }, idmOnlyRules: grant }\n");
    assert!(found.contains("access.idm.managedFile: found `1`, expected a text"), "{found}");
    assert!(found.contains("access.idmOnlyRules: found `grant`, expected `refuse` or `neverGrant`"), "{found}");
}

#[test]
fn knowledge_that_no_rule_can_ask_for_is_told() {
    let http = "access: { idm: { features: [] }, rules: [ { pattern: /a, roles: r, methods: GET } ] }\n";
    let warnings = read(&[], http).unwrap_or_else(|p| panic!("{p}")).warnings;
    assert!(
        warnings.iter().any(|warning| warning.to_string().contains("access.idm: is not asked for")),
        "{warnings:?}"
    );
}
