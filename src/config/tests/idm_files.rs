//! IDM's own blocks and files: what section I says of loading (rows 37–49), A18 pasted as it is.

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
	"directory": { "token": {} },
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
