//! Does `keyward import` print what IDM's files mean, and does `keyward lint` find what is wrong with them?

use std::path::{Path, PathBuf};

use super::env;
use crate::config::import::{IdmFiles, import, lint};
use crate::config::{self, Filter, parse};

/// A folder with IDM's files as IDM lays them out.
struct Idm(tempfile::TempDir);

impl Idm {
    fn new(authentication: &str, access: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for inner in ["conf", "script/auth"] {
            std::fs::create_dir_all(folder.path().join(inner)).unwrap();
        }
        let idm = Self(folder);
        idm.write("conf/authentication.json", authentication);
        idm.write("conf/access.json", access);
        idm.write("script/auth/mine.js", include_str!("../../../tests/config/idm/script/auth/mine.js"));
        idm
    }

    fn whole() -> Self {
        Self::new(
            include_str!("../../../tests/config/idm/conf/authentication.json"),
            include_str!("../../../tests/config/idm/conf/access.json"),
        )
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.path(file), text).unwrap();
    }

    fn files(&self) -> IdmFiles {
        IdmFiles {
            authentication: Some(self.path("conf/authentication.json")),
            access: Some(self.path("conf/access.json")),
            ..IdmFiles::default()
        }
    }

    fn lint(&self) -> String {
        let found = lint(&self.files(), &env(&[])).unwrap_or_else(|p| panic!("{p}"));
        found.iter().map(|problem| format!("{problem}\n")).collect()
    }
}

const VARIABLES: [(&str, &str); 3] =
    [("IDM_URL", "https://idm.example/openidm"), ("AM_HOST", "am.example"), ("RS_CLIENT_SECRET", "s=cr%t")];

fn only(loaded: config::Loaded) -> (Filter, String) {
    let filter = loaded.config.filters.into_iter().next().unwrap();
    let secret = filter.introspection.client_secret.expose().to_owned();
    (filter, secret)
}

/// The filter of the printed file, and that of IDM's files themselves.
fn both(idm: &Idm, beside: &str) -> [(Filter, String); 2] {
    let printed = import(&idm.files(), &env(&VARIABLES)).unwrap_or_else(|p| panic!("{p}"));
    let text = format!(
        "rsFilterFile: conf/authentication.json\naccessFile: conf/access.json\n\
         directory: {{ idm: {{ url: \"&{{idm.url}}\" }} }}\n{beside}"
    );
    [
        parse(&printed, "printed.yaml", Path::new(""), &env(&VARIABLES)),
        parse(&text, "k.yaml", idm.0.path(), &env(&VARIABLES)),
    ]
    .map(|loaded| only(loaded.unwrap_or_else(|p| panic!("{p}\n{printed}"))))
}

/// All of it; rules without a name are named after their list, which is `configs` in IDM's files and `rules` in the printed.
fn told(whole: &impl std::fmt::Debug) -> String {
    format!("{whole:#?}").replace("\"configs[", "\"rules[")
}

#[test]
fn the_printed_file_means_what_idm_s_files_mean() {
    let idm = Idm::whole();
    let [(printed, secret), (read, expected)] = both(&idm, "");
    assert_eq!(told(&printed), told(&read));
    assert_eq!((secret.as_str(), expected.as_str()), ("s=cr%t", "s=cr%t"), "an expression stays one");
}

#[test]
fn odd_texts_come_through_the_print_unchanged() {
    let odd =
        ["*", "a, b", "true", "1", "'q' \"d\" \\\\", "#x: [y]", "\u{e9}\u{2028}\t\u{7f}", "\\&{no}", "- a", "null", ""];
    let rules: Vec<serde_json::Value> = odd
        .iter()
        .map(|odd| serde_json::json!({"pattern": odd, "roles": odd, "methods": [odd, "read"], "excludePatterns": null}))
        .collect();
    let idm = Idm::new(
        include_str!("../../../tests/config/idm/conf/authentication.json"),
        &serde_json::json!({ "configs": rules }).to_string(),
    );
    let [(printed, _), (read, _)] = both(&idm, "");
    assert_eq!(told(&printed.access), told(&read.access));
    assert_eq!(read.access.rules.len(), odd.len());
}

#[test]
fn an_encrypted_secret_becomes_a_question() {
    let secret = r#"{ "$crypto": { "type": "x-simple-encryption", "value": { "data": "aGlkZGVu" } } }"#;
    let file = include_str!("../../../tests/config/idm/conf/authentication.json");
    let idm = Idm::new(
        &file.replace("\"&{rs.client.secret|changeit}\"", secret),
        include_str!("../../../tests/config/idm/conf/access.json"),
    );
    let printed = import(&idm.files(), &env(&VARIABLES)).unwrap_or_else(|p| panic!("{p}"));
    assert!(printed.contains("clientSecret: \"&{rs.client.secret}\"") && !printed.contains("aGlkZGVu"), "{printed}");
    let [(printed, _), (read, _)] = both(&idm, "rsFilter: { clientSecret: \"&{rs.client.secret}\" }\n");
    assert_eq!(told(&printed), told(&read));
    // Most files of a running IDM are like this: the rest is looked at all the same.
    idm.write("conf/access.json", r#"{ "configs": [ { "pattern": "a/*", "roles": "x, y", "methods": "read" } ] }"#);
    let found = idm.lint();
    assert!(
        found.contains("rsFilter.clientSecret: IDM encrypted it") && found.contains("roles: ` y` begins"),
        "{found}"
    );
    assert!(!found.contains("aGlkZGVu"), "{found}");
}

#[test]
fn what_is_odd_is_said_in_the_print_where_it_stands() {
    let idm = Idm::new(
        include_str!("../../../tests/config/idm/conf/authentication.json"),
        r#"{ "configs": [ { "pattern": "a/*", "roles": "x, y", "methods": "read" } ] }"#,
    );
    let printed = import(&idm.files(), &env(&VARIABLES)).unwrap_or_else(|p| panic!("{p}"));
    let expected = "    # ATTENTION roles: ` y` begins or ends with white space, which is part of the name; write `y` if that is \
                    meant\n    - { pattern: a/*, roles: \"x, y\", methods: read }\n";
    assert!(printed.contains(expected), "{printed}");
    assert!(printed.contains("# ATTENTION ") && printed.contains("serverAuthContext.sessionModule"), "{printed}");
}

#[test]
fn a_file_that_cannot_be_used_is_refused_with_its_place() {
    let idm = Idm::whole();
    idm.write(
        "conf/access.json",
        r#"{ "configs": [ { "pattern": "a", "roles": "*", "methods": "read", "rolez": "" } ] }"#,
    );
    let found = import(&idm.files(), &env(&[])).unwrap_err().to_string();
    assert!(
        found.contains("access.json:1:67 configs[0].rolez: found an unknown key; did you mean `roles`?"),
        "{found}"
    );
    std::fs::remove_file(idm.path("conf/authentication.json")).unwrap();
    let found = lint(&idm.files(), &env(&[])).unwrap_err().to_string();
    assert!(found.contains("rsFilterFile: the file `") && found.contains("` does not exist"), "{found}");
}

#[test]
fn lint_finds_each_kind_of_thing_and_nothing_in_a_sound_file() {
    let idm = Idm::whole();
    let rules = r#"{ "configs": [
        { "pattern": "info/*", "roles": "*", "methods": "read", "actions": "*" },
        { "pattern": "info/login", "roles": "internal/role/clerk", "methods": "read", "actions": "" },
        { "pattern": "repo/*", "roles": "*,x", "methods": "read", "excludePatterns": "repo/*" },
        { "pattern": "managed/*/bob", "roles": "*", "methods": "read, query" },
        { "pattern": "b", "roles": "*", "methods": "read", "customAuthz": "id === ('a' || 'b')" },
        { "pattern": "c", "roles": "*", "methods": "action" },
        { "pattern": "d", "roles": ["*"], "methods": "read", "excludePatterns": "repo, repo/*" }
    ] }"#;
    idm.write("conf/access.json", rules);
    idm.write(
        "script/auth/mine.js",
        "if (resource.accountStatus !== ('active' || 'Active')) {\n  throw {code: 401};\n}\n",
    );
    let found = idm.lint();
    for (expected, times) in [
        ("configs[1]: is pointless: whatever it grants, the rule [0] (`info/*`) grants already", 1),
        ("configs[2].roles: `*` beside other items", 1),
        ("configs[2].excludePatterns: the rule never grants: `repo/*` excludes all", 1),
        ("configs[3].pattern: in `managed/*/bob` a star stands for itself", 1),
        ("configs[3].methods: ` query` begins or ends with white space", 1),
        ("configs[4].customAuthz: `'a' || …` is always 'a'", 1),
        ("configs[5].actions: the rule never grants: its only method is `action`", 1),
        ("mine.js:1:33: `'active' || …` is always 'active'", 1),
        ("serverAuthContext.sessionModule: is not read", 1),
        ("configs[6].roles: found a list, which IDM does not read", 1),
        ("configs[6].excludePatterns: ` repo/*` begins or ends with white space", 1),
        ("; as it stands it excludes nothing", 1),
        ("\n", 11),
    ] {
        assert_eq!(found.matches(expected).count(), times, "{expected}: {found}");
    }
    let sound = include_str!("../../../tests/config/idm/conf/authentication.json");
    let sound = sound.replace(
        "\"sessionModule\" : { \"name\" : \"JWT_SESSION\", \"properties\" : { \"keyAlias\" : \"&{of.nobody}\" } },",
        "",
    );
    let idm = Idm::new(&sound, include_str!("../../../tests/config/idm/conf/access.json"));
    let found = idm.lint();
    assert_eq!(found, "");
}

#[test]
fn roles_are_told_that_nobody_has_where_it_is_known_who_has_which() {
    let folder = tempfile::tempdir().unwrap();
    let users = "managed/user:\n  - { _id: a, accountStatus: active, authzRoles: [ { _ref: internal/role/clerk } ] }\n";
    std::fs::write(folder.path().join("users.yaml"), users).unwrap();
    let text = |directory: &str| {
        let mapping =
            "subjectMapping: [ { queryOnResource: managed/user, userRoles: authzRoles/*, defaultRoles: [known] } ]";
        let rules = "{ pattern: /a, roles: [internal/role/clerk, known, clerk], methods: GET }";
        let path = folder.path().join("keyward.yaml");
        let text = format!(
            "rsFilter:\n  clientId: a\n  clientSecret: \"&{{x|y}}\"\n  tokenIntrospectUrl: https://am.example/i\n  {mapping}\n\
             access: {{ rules: [ {rules} ] }}\ndirectory: {directory}\n"
        );
        std::fs::write(&path, text).unwrap();
        let found = config::lint(&path, &env(&[])).unwrap_or_else(|p| panic!("{p}"));
        found.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let found = text("{ file: users.yaml }");
    assert_eq!(found.len(), 1, "{found:?}");
    let expected = "access.rules[0].roles: nobody has the role `clerk`; `internal/role/clerk` exists";
    assert!(found[0].ends_with(expected), "{found:?}");
    assert_eq!(text("{ idm: { url: https://idm.example } }"), [] as [String; 0], "who knows");
}

#[test]
fn the_rules_of_a_script_are_printed_as_they_came_out_of_it() {
    let idm = Idm::whole();
    let script =
        r"var a = {configs: [{pattern: 'a/' + '&{no.expression}/\\&{x}', roles: 'internal/role/r', methods: 'read'}]};";
    idm.write("script/access.js", script);
    let files = IdmFiles { access: Some(idm.path("script/access.js")), ..idm.files() };
    let printed = import(&files, &env(&VARIABLES)).unwrap_or_else(|p| panic!("{p}"));
    let loaded = parse(&printed, "printed.yaml", Path::new(""), &env(&VARIABLES)).unwrap_or_else(|p| panic!("{p}"));
    assert_eq!(loaded.config.filters[0].access.rules[0].pattern, r"a/&{no.expression}/\&{x}", "{printed}");
    let script =
        "var a = {configs: [{roles: '*', pattern: 'a', methods: 'read', excludePatterns: 'b',\n actions: '*'}]};";
    idm.write("script/access.js", script);
    let printed = import(&files, &env(&VARIABLES)).unwrap_or_else(|p| panic!("{p}"));
    let expected = r#"    - { roles: "*", pattern: a, methods: read, excludePatterns: b, actions: "*" }"#;
    assert!(printed.contains(expected), "keys stand as they were written:\n{printed}");
}

/// IDM 6's own rules as they are, and what they ask for where it is there.
fn idm_6(beside: bool) -> (IdmFiles, PathBuf) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/idm");
    let file = |beside: bool, name: &str| beside.then(|| folder.join(name));
    let files = IdmFiles {
        authentication: file(true, "conf/authentication.json"),
        access: file(true, "script/access.js"),
        ui_configuration: file(beside, "conf/ui-configuration.json"),
        managed: file(beside, "conf/managed.json"),
    };
    (files, folder)
}

#[test]
fn rules_that_only_idm_can_answer_are_printed_with_the_switch_and_a_comment_each() {
    for (beside, times) in [(false, 18), (true, 4)] {
        let (files, folder) = idm_6(beside);
        let printed = import(&files, &env(&VARIABLES)).unwrap_or_else(|p| panic!("{p}"));
        let comments = printed
            .matches("    # ATTENTION customAuthz: the rule never grants by `idmOnlyRules: neverGrant`: `")
            .count();
        assert_eq!(comments, times, "{printed}");
        assert_eq!(printed.matches("\n  idmOnlyRules: neverGrant\n").count(), 1, "{printed}");
        let loaded =
            parse(&printed, "printed.yaml", &folder, &env(&VARIABLES)).unwrap_or_else(|p| panic!("{p}\n{printed}"));
        assert_eq!(loaded.config.filters[0].access.rules.len(), 41);
        let found = lint(&files, &env(&VARIABLES)).unwrap_or_else(|p| panic!("{p}"));
        let told = found.iter().filter(|problem| problem.message.starts_with("the rule never grants by")).count();
        assert_eq!(told, times, "{found:#?}");
    }
    let printed = import(&Idm::whole().files(), &env(&VARIABLES)).unwrap_or_else(|p| panic!("{p}"));
    assert!(!printed.contains("idmOnlyRules"), "{printed}");
}
