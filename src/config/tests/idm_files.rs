//! IDM's own blocks and files: what section I says of loading (rows 37–49), A18 pasted as it is.

use std::path::Path;
use std::time::Duration;

use super::{env, problems, read_with, small};
use crate::access::settings::Style;
use crate::config::parse;
use crate::introspection::settings::MaxTimeout;

/// A18 as JSON, and what Keyward needs beside it.
const A18: &str = r#"{
	"rsFilter": {
		"clientId": "mesh-rs", "clientSecret": "&{rs.client.secret|changeit}",
		"tokenIntrospectUrl": "https://am.test/am/oauth2/introspect",
		"scopes": ["fr:idm:*"],
		"cache": { "maxTimeout": "300 seconds" },
		"subjectMapping": [
			{ "realm": "/alpha",
			  "resourceTypeMapping": { "usr": "managed/user" },
			  "propertyMapping": { "sub": "_id" },
			  "userRoles": "authzRoles/*",
			  "additionalUserFields": ["adminOfOrg", "ownerOfOrg"],
			  "defaultRoles": ["internal/role/openidm-authorized"] } ],
		"staticUserMapping": [
			{ "subject": "(usr!amadmin)", "localUser": "internal/user/openidm-admin",
			  "roles": ["internal/role/openidm-authorized", "internal/role/openidm-admin"] },
			{ "subject": "(age!idm-provisioning)", "localUser": "internal/user/idm-provisioning",
			  "roles": ["internal/role/platform-provisioning"] } ],
		"anonymousUserMapping": { "localUser": "internal/user/anonymous", "roles": ["internal/role/openidm-reg"] }
	},
	"directory": { "idm": { "url": "https://idm.test/openidm" } },
	"access": { "style": "crest", "rules": [ { "pattern": "info/*", "roles": "*", "methods": "read", "actions": "*" } ] }
}"#;

#[test]
fn an_idm_block_is_pasted_as_it_is() {
    let loaded = read_with(A18, &[]).unwrap_or_else(|p| panic!("{p}"));
    assert_eq!(loaded.warnings, []);
    let filter = &loaded.config.filters[0];
    assert_eq!(filter.introspection.client_secret.expose(), "changeit");
    assert_eq!(filter.subject.static_users.len(), 2);
    assert_eq!((filter.access.style, filter.access.context_path.as_str()), (Style::Crest, "/openidm"));
}

fn with_mappings(mappings: &str) -> String {
    problems(&small(&format!("subjectMapping: [ {mappings} ]"), "directory: { token: {} }\n"))
}

#[test]
fn row_37_two_mappings_without_a_realm_are_ambiguous() {
    let found = with_mappings("{ queryOnResource: a }, { queryOnResource: b }");
    assert!(found.contains("ambiguous subject mappings: subjectMapping[0] is without a realm too"), "{found}");
}

#[test]
fn row_38_two_mappings_of_one_realm_are_ambiguous() {
    let found = with_mappings("{ realm: /alpha, queryOnResource: a }, { realm: /alpha, queryOnResource: b }");
    assert!(found.contains("ambiguous subject mappings: subjectMapping[0] is for the same realm too"), "{found}");
}

#[test]
fn row_39_a_mapping_has_one_kind_of_collection() {
    let found = with_mappings("{ resourceTypeMapping: { usr: a }, queryOnResource: b }");
    assert!(found.contains("found `resourceTypeMapping` and `queryOnResource`, expected one of them"), "{found}");
}

#[test]
fn row_40_rs_filter_stands_without_other_modules() {
    let found =
        problems(&small("", "serverAuthContext: { authModules: [ { name: STATIC_USER } ], sessionModule: {} }\n"));
    assert!(
        found.contains("serverAuthContext.authModules: found 1 authentication modules beside `rsFilter`"),
        "{found}"
    );
    assert_eq!(problems(&small("", "serverAuthContext: { authModules: [] }\n")), "it loads");
}

#[test]
fn rows_41_to_45_durations() {
    for (written, expected) in [
        ("1 minute and 10 seconds", MaxTimeout::AtMost(Duration::from_secs(70))),
        ("300 SECONDS", MaxTimeout::AtMost(Duration::from_secs(300))),
        ("zero", MaxTimeout::Off),
    ] {
        let filter = super::filter(&small(&format!("cache: {{ maxTimeout: {written} }}"), ""));
        assert_eq!(filter.introspection.cache.max_timeout, expected);
    }
    for written in ["-5 seconds", "\"300\"", "300", "none"] {
        let found = problems(&small(&format!("cache: {{ maxTimeout: {written} }}"), ""));
        assert!(found.contains("rsFilter.cache.maxTimeout: found"), "{written}: {found}");
    }
}

#[test]
fn rows_47_and_48_the_secret_is_the_variable_s_else_the_default() {
    let text = A18.replace("changeit", "password");
    let secret = |variables: &[(&str, &str)]| {
        let mut loaded = read_with(&text, variables).unwrap_or_else(|p| panic!("{p}"));
        loaded.config.filters.remove(0).introspection.client_secret.expose().to_owned()
    };
    assert_eq!(secret(&[]), "password");
    assert_eq!(secret(&[("RS_CLIENT_SECRET", "s=cr%t")]), "s=cr%t");
}

#[test]
fn row_49_an_encrypted_secret_is_refused_with_advice() {
    let text = A18.replace(
        "\"&{rs.client.secret|changeit}\"",
        r#"{"$crypto": {"type": "x-simple-encryption", "value": {"cipher": "AES/CBC/PKCS5Padding", "data": "aGlkZGVu"}}}"#,
    );
    let found = problems(&text);
    assert_eq!(
        found,
        "keyward.yaml:3:42 rsFilter.clientSecret: found a value that IDM encrypted with its own keystore, which \
         Keyward does not have; give the secret as `{ file: … }`, `{ env: … }` or `\"&{name}\"`"
    );
}

#[test]
fn idm_s_files_are_read_beside_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let authentication = A18.replace("\"directory\"", "\"_id\": \"authentication\", \"x\"");
    std::fs::write(folder.path().join("authentication.json"), authentication).unwrap();
    let rules = r#"{ "_id": "access", "configs": [
        { "pattern": "info/*", "roles": "*", "methods": "read", "actions": "*", "excludePatterns": null, "customAuthz": null } ] }"#;
    std::fs::write(folder.path().join("access.json"), rules).unwrap();
    let text = "rsFilterFile: authentication.json\naccessFile: access.json\ndirectory: { token: {} }\n";
    let read = |text: &str| parse(text, "keyward.yaml", folder.path(), &env(&[]));
    let loaded = read(text).unwrap_or_else(|p| panic!("{p}"));
    let access = &loaded.config.filters[0].access;
    assert_eq!((access.style, access.context_path.as_str(), access.rules.len()), (Style::Crest, "/openidm", 1));
    assert_eq!(loaded.sources.len(), 2);
    let both = read(&format!("{text}access: {{ contextPath: /am, rules: [] }}\n")).unwrap_err().to_string();
    assert!(both.contains("keyward.yaml:2:13 accessFile: stands beside `access.rules`; keep one of them"), "{both}");
    // A misspelt key in IDM's file would widen the rule (E13a): it is told with its place in that file.
    std::fs::write(folder.path().join("access.json"), rules.replace("excludePatterns", "excludepatterns")).unwrap();
    let found = read(text).unwrap_err().to_string();
    assert!(
        found.contains(
            "access.json:2:81 configs[0].excludepatterns: found an unknown key; did you mean `excludePatterns`?"
        ),
        "{found}"
    );
}

#[test]
fn other_modules_in_idm_s_file_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = r#"{ "serverAuthContext": { "authModules": [ {} ] }, "rsFilter": {} }"#;
    std::fs::write(folder.path().join("authentication.json"), file).unwrap();
    let text = "rsFilterFile: authentication.json\n";
    let found = parse(text, "keyward.yaml", folder.path(), &env(&[])).unwrap_err().to_string();
    assert!(
        found.contains("authentication.json:1:41 serverAuthContext.authModules: found 1 authentication modules"),
        "{found}"
    );
}

/// The files of `tests/config/idm`, whole ones of a deployment.
fn whole(rest: &str, variables: &[(&str, &str)]) -> Result<crate::config::Loaded, crate::config::Problems> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/idm");
    let text = format!(
        "rsFilterFile: conf/authentication.json\ndirectory: {{ idm: {{ url: \"https://idm.test/openidm\" }} }}\n{rest}"
    );
    parse(&text, "keyward.yaml", &folder, &env(variables))
}

fn warned(loaded: &crate::config::Loaded) -> String {
    loaded.warnings.iter().map(|warning| format!("{warning}\n")).collect()
}

#[test]
fn whole_files_load_unchanged() {
    let loaded =
        whole("accessFile: conf/access.json\n", &[("AM_HOST", "am.example")]).unwrap_or_else(|p| panic!("{p}"));
    let filter = &loaded.config.filters[0];
    let endpoint = "https://am.example/am/oauth2/introspect?realm=/alpha";
    assert_eq!(filter.introspection.endpoint.as_str(), endpoint, "with its query (A7)");
    assert_eq!((filter.subject.mappings.len(), filter.subject.static_users.len()), (2, 3));
    assert!(filter.subject.mappings.iter().all(|mapping| mapping.roles.user_roles == ["authzRoles/*"]), "A17");
    assert_eq!(filter.subject.static_users[2].1.roles, [], "A15");
    assert_eq!(filter.subject.anonymous.as_ref().map(|user| user.roles.len()), Some(1), "A14");
    assert!(filter.augment.as_ref().is_some_and(|script| script.source.contains("org-admin")), "beside `conf`");
    assert_eq!((filter.access.style, filter.access.context_path.as_str()), (Style::Crest, "/openidm"));
    assert_eq!(filter.access.rules[5].pattern, "reports");
    let warnings = warned(&loaded);
    assert_eq!(loaded.warnings.len(), 1, "{warnings}");
    assert!(warnings.contains("authentication.json:4:9 serverAuthContext.sessionModule: is not read"), "{warnings}");
    assert_eq!(loaded.sources.len(), 3);
}

/// IDM looks for a script's file in `script/` and in the folder above it, wherever Keyward's own file lies.
#[test]
fn a_script_is_found_by_either_of_the_names_that_idm_knows_it_by() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("idm/script/auth/mine.js", "'by its place';");
    let text = "rsFilterFile: idm/conf/authentication.json\naccess: { style: crest, rules: [] }\ndirectory: { idm: { url: \"https://idm.test/openidm\" } }\n";
    for name in ["auth/mine.js", "script/auth/mine.js"] {
        let script = format!("{{ \"type\": \"text/javascript\", \"file\": \"{name}\" }}");
        write(
            "idm/conf/authentication.json",
            &A18.replace("\"scopes\"", &format!("\"augmentSecurityContext\": {script}, \"scopes\"")),
        );
        let loaded = parse(text, "k.yaml", folder.path(), &env(&[])).unwrap_or_else(|p| panic!("{name}: {p}"));
        let source = loaded.config.filters[0].augment.as_ref().map(|script| script.source.clone());
        assert_eq!(source.as_deref(), Some("'by its place';"), "{name}");
    }
}

#[test]
fn a_secret_beside_the_file_stands_for_the_file_s_own() {
    let beside = "rsFilter: { clientSecret: { env: MINE }, roleNames: full }\naccessFile: conf/access.json\n";
    let loaded = whole(beside, &[("MINE", "a&{b}")]).unwrap_or_else(|p| panic!("{p}"));
    assert_eq!(loaded.config.filters[0].introspection.client_secret.expose(), "a&{b}");

    let folder = tempfile::tempdir().unwrap();
    let encrypted = r#"{"$crypto": {"type": "x-simple-encryption", "value": {"data": "aGlkZGVu"}}}"#;
    let file = A18.replace("\"&{rs.client.secret|changeit}\"", encrypted);
    std::fs::write(folder.path().join("authentication.json"), file).unwrap();
    let text = "rsFilterFile: authentication.json\naccess: { style: crest, rules: [] }\ndirectory: { token: {} }\n";
    let read = |beside: &str| parse(&format!("{text}{beside}"), "k.yaml", folder.path(), &env(&[("MINE", "x")]));
    assert!(read("rsFilter: { clientSecret: { env: MINE } }\n").is_ok());
    let refused = read("").unwrap_err().to_string();
    assert!(refused.contains("rsFilter.clientSecret: found a value that IDM encrypted"), "{refused}");
}

#[test]
fn a_key_in_the_file_and_beside_it_is_refused() {
    let found = whole("rsFilter: { scopes: [] }\naccessFile: conf/access.json\n", &[]).unwrap_err().to_string();
    let expected = "keyward.yaml:3:13 rsFilter.scopes: stands at line 11 of ";
    assert!(found.starts_with(expected) && found.contains("authentication.json too; keep one of them"), "{found}");
    let found = whole("rsFilter: x\naccessFile: conf/access.json\n", &[]).unwrap_err().to_string();
    assert!(found.contains("rsFilter: found a text, expected a map"), "{found}");
}

#[test]
fn what_keyward_will_not_do_is_told_with_key_and_file() {
    let folder = tempfile::tempdir().unwrap();
    let source =
        "require('auth/orgPrivileges').assign(resource, security, privileges, 'privileges'); require('lodash');";
    let script = format!("{{ \"type\": \"text/javascript\", \"source\": \"{source}\" }}");
    let file = A18.replace("\"scopes\"", &format!("\"augmentSecurityContext\": {script}, \"scopes\""));
    std::fs::write(folder.path().join("authentication.json"), file).unwrap();
    let rules = r#"{ "configs": [ { "pattern": "privilege/*", "roles": "*", "methods": "read" } ], "more": 1 }"#;
    std::fs::write(folder.path().join("access.json"), rules).unwrap();
    let text = "rsFilterFile: authentication.json\naccessFile: access.json\ndirectory: { token: {} }\n";
    let warnings = warned(&parse(text, "k.yaml", folder.path(), &env(&[])).unwrap_or_else(|p| panic!("{p}")));
    for expected in [
        " directory: is no part of `rsFilter` and not read",
        "rsFilter.augmentSecurityContext: the script gives users IDM's privileges, which Keyward does not know",
        "rsFilter.augmentSecurityContext: the script requires the module `lodash`, and no modules but `auth/orgPriv",
        "configs[0].pattern: Keyward grants by rules only: what IDM's privileges",
        "access.json:1:81 more: is no list of rules and not read",
    ] {
        assert!(warnings.contains(expected), "{expected}: {warnings}");
    }
}

#[test]
fn a_script_of_rules_is_read_whole_and_what_only_idm_can_answer_is_refused_by_name() {
    let problems = whole("accessFile: script/access.js\n", &[]).unwrap_err().to_string();
    let mut of_rules: Vec<usize> = problems
        .lines()
        .map(|line| {
            assert!(line.contains("or write `access.idmOnlyRules: neverGrant`"), "{line}");
            let (_, rest) = line.split_once(":13 configs[").unwrap_or_else(|| panic!("{line}"));
            rest.split(']').next().unwrap().parse().unwrap()
        })
        .collect();
    of_rules.sort_unstable();
    let expected = [5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 29, 30, 35, 36, 37, 38];
    assert_eq!(of_rules, expected, "{problems}");
}

#[test]
fn the_rules_of_a_script_are_those_of_the_same_json() {
    let folder = tempfile::tempdir().unwrap();
    let probe = include_str!("../../../tests/vectors/idm-probe-rules.json");
    let rules: Vec<serde_json::Value> = serde_json::from_str(probe).unwrap();
    // What is refused at load (E13a) is told at the same rules and keys in both, and then left out.
    let read = |file: &str, text: &str| {
        std::fs::write(folder.path().join(file), text).unwrap();
        parse(
            &small("", &format!("accessFile: {file}\n")).replace("access: {", "path: {}\n# {"),
            "k.yaml",
            folder.path(),
            &env(&[]),
        )
    };
    let both = |rules: &[serde_json::Value]| {
        let list = serde_json::to_string(rules).unwrap();
        [
            ("a.json", format!("{{\"configs\": {list}}}")),
            ("a.js", format!("/* probe */ var accessConfig = {{ configs: {list} }};")),
        ]
        .map(|(file, text)| read(file, &text))
    };
    let keys = |problems: &crate::config::Problems| {
        let key = |line: &str| {
            line.split_once(" configs[").map(|(_, rest)| rest.split([':', ' ']).next().unwrap().to_owned())
        };
        let mut keys: Vec<String> = problems.to_string().lines().filter_map(key).collect();
        keys.sort();
        keys
    };
    let mut left = rules.clone();
    let [json, js] = loop {
        match both(&left) {
            [Ok(json), Ok(js)] => break [json, js],
            [Err(json), Err(js)] => {
                assert_eq!(keys(&json), keys(&js));
                assert!(!keys(&json).is_empty(), "{json}");
                let wrong: Vec<usize> =
                    keys(&json).iter().map(|key| key.split(']').next().unwrap().parse().unwrap()).collect();
                let sound = left.iter().enumerate().filter(|(index, _)| !wrong.contains(index));
                left = sound.map(|(_, rule)| rule.clone()).collect();
            }
            other => panic!("{other:?}"),
        }
    };
    assert!(left.len() < rules.len() && left.len() > 30, "{}", left.len());
    let rules = |loaded: &crate::config::Loaded| format!("{:?}", loaded.config.filters[0].access.rules);
    assert_eq!(rules(&json), rules(&js));
}

#[test]
fn rules_of_the_time_before_7_suggest_leaf_names() {
    let folder = tempfile::tempdir().unwrap();
    let rules = "var a = { configs: [ { pattern: 'info/*', roles: 'openidm-authorized', methods: 'read' } ] };";
    std::fs::write(folder.path().join("access.js"), rules).unwrap();
    std::fs::write(folder.path().join("authentication.json"), A18).unwrap();
    let text = "rsFilterFile: authentication.json\naccessFile: access.js\ndirectory: { token: {} }\n";
    let read = |rest: &str| {
        let loaded =
            parse(&format!("{text}{rest}"), "k.yaml", folder.path(), &env(&[])).unwrap_or_else(|p| panic!("{p}"));
        warned(&loaded)
    };
    let warnings = read("");
    assert!(warnings.contains("rsFilter.roleNames: the rules name `openidm-authorized`, as IDM 6"), "{warnings}");
    let warnings = read("rsFilter: { roleNames: leaf }\n");
    assert!(!warnings.contains("roleNames"), "{warnings}");
}

#[test]
fn a_script_that_gives_no_rules_is_told_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let read = |source: &str| {
        std::fs::write(folder.path().join("access.js"), source).unwrap();
        let text = small("", "accessFile: access.js\n").replace("access: {", "path: {}\n# {");
        parse(&text, "k.yaml", folder.path(), &env(&[])).unwrap_err().to_string()
    };
    assert!(read("var a = {\n  configs: [ };").contains("access.js:2:"));
    assert!(read("var b = 1;").contains("access.js: found no variable that holds rules"));
    assert!(read("var a = require('x');").contains("access.js: the rules cannot be read: the script failed"));
    let found = read("var a = {configs: [{pattern: 'a', roles: '*', methods: 'read', excludepatterns: 'b'}]};");
    assert!(found.contains("access.js:1:81 configs[0].excludepatterns: found an unknown key; did you mean"), "{found}");
}

#[test]
fn decisions_call_a_rule_what_its_own_file_calls_it() {
    let folder = tempfile::tempdir().unwrap();
    let json = r#"{"configs": [{"pattern": "a", "roles": "*", "methods": "read"},
                               {"name": "mine", "pattern": "b", "roles": "*", "methods": "read"}]}"#;
    std::fs::write(folder.path().join("access.json"), json).unwrap();
    std::fs::write(folder.path().join("access.js"), format!("var a = {json};")).unwrap();
    let names = |text: &str| {
        let loaded = parse(text, "k.yaml", folder.path(), &env(&[])).unwrap_or_else(|problems| panic!("{problems}"));
        let names = |filter: &crate::config::Filter| filter.access.rules.iter().map(|rule| rule.name.clone()).collect();
        loaded.config.filters.iter().flat_map(|filter| -> Vec<String> { names(filter) }).collect::<Vec<_>>()
    };
    let with = |file: &str| small("", &format!("accessFile: {file}\n")).replace("access: {", "path: {}\n# {");
    assert_eq!(names(&with("access.json")), ["configs[0]", "mine"]);
    assert_eq!(names(&with("access.js")), ["configs[0]", "mine"]);
    assert_eq!(names(&small("", "")), ["rules[0]"]);
}
