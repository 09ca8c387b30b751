//! Can a person point the program at IDM's own files?

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use keyward::config::{self, import, import::IdmFiles};

use crate::support::{case, clone_path, yaml};

fn keyward(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyward"));
    command.args(arguments).current_dir(folder).env("IDM_URL", "https://idm.example/openidm");
    let Output { status, stdout, stderr } = command.env_remove("KEYWARD_CONFIG").output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

const BOTH: [&str; 5] = ["idm", "--authentication", "conf/authentication.json", "--access", "conf/access.json"];

fn verb(verb: &'static str) -> Vec<&'static str> {
    [&[verb], &BOTH[..]].concat()
}

#[test]
fn what_import_prints_is_a_valid_configuration() {
    let (code, printed, stderr) = keyward(&clone_path("tests/config/idm"), &verb("import"));
    assert_eq!(code, Some(0), "{stderr}");
    assert!(printed.starts_with("# Made by `keyward import idm` from conf/authentication.json and"), "{printed}");
    assert!(printed.contains("file: script/auth/mine.js"), "{printed}");
    // Loaded from a folder of the same layout, in which nothing else is needed.
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("script/auth")).unwrap();
    std::fs::copy(clone_path("tests/config/idm/script/auth/mine.js"), folder.path().join("script/auth/mine.js"))
        .unwrap();
    std::fs::write(folder.path().join("keyward.yaml"), printed).unwrap();
    let (code, stdout, _) = keyward(folder.path(), &["validate", "--config", "keyward.yaml"]);
    assert_eq!(code, Some(0), "{stdout}");
    let (code, stdout, _) = keyward(folder.path(), &["lint", "--config", "keyward.yaml"]);
    assert_eq!((code, stdout.as_str()), (Some(0), ""));
}

#[test]
fn what_import_prints_of_idm_6_s_own_rules_is_a_valid_configuration() {
    let clone = clone_path("tests/config/idm");
    let beside = ["--ui-configuration", "conf/ui-configuration.json", "--managed", "conf/managed.json"];
    for beside in [&[][..], &beside] {
        let arguments = [&["import", "idm", "--access", "script/access.js"][..], beside].concat();
        let (code, printed, stderr) = keyward(&clone, &arguments);
        assert_eq!(code, Some(0), "{stderr}");
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("conf")).unwrap();
        for file in ["conf/ui-configuration.json", "conf/managed.json"] {
            std::fs::copy(clone.join(file), folder.path().join(file)).unwrap();
        }
        let rest = "directory: { token: {} }\nrsFilter: { clientId: a, clientSecret: \"&{x|y}\", \
                    tokenIntrospectUrl: https://am.example/i }\n";
        std::fs::write(folder.path().join("keyward.yaml"), format!("{printed}\n{rest}")).unwrap();
        let (code, stdout, stderr) = keyward(folder.path(), &["validate", "--config", "keyward.yaml"]);
        assert_eq!(code, Some(0), "{stdout}{stderr}\n{printed}");
    }
}

#[test]
fn lint_ends_with_1_where_it_finds_something_and_with_2_where_it_cannot_look() {
    let folder = clone_path("tests/config/idm");
    let (code, stdout, _) = keyward(&folder, &verb("lint"));
    assert_eq!(code, Some(1), "{stdout}");
    assert_eq!(stdout.lines().count(), 1, "{stdout}");
    assert!(
        stdout.starts_with("conf/authentication.json:4:9 serverAuthContext.sessionModule: is not read"),
        "{stdout}"
    );
    assert_eq!(keyward(&folder, &["lint", "idm", "--access", "conf/access.json"]).0, Some(0));
    let (code, stdout, stderr) = keyward(&folder, &["lint", "idm", "--access", "script/access.js"]);
    assert_eq!((code, stderr.as_str()), (Some(1), ""));
    let never = stdout.lines().filter(|line| line.contains("never grants by `idmOnlyRules: neverGrant`")).count();
    assert_eq!(never, 18, "{stdout}");
    let beside = ["--ui-configuration", "conf/ui-configuration.json", "--managed", "conf/managed.json"];
    let arguments = [&["lint", "idm", "--access", "script/access.js"][..], &beside].concat();
    let (_, stdout, _) = keyward(&folder, &arguments);
    let never = stdout.lines().filter(|line| line.contains("never grants by `idmOnlyRules: neverGrant`")).count();
    assert_eq!(never, 4, "{stdout}");
    assert_eq!(keyward(&folder, &["lint", "idm", "--managed", "conf/managed.json"]).0, Some(2), "rules are missing");
    for arguments in [&["lint", "idm"][..], &["lint"], &["import"], &["lint", "idm", "--access", "none.json"]] {
        assert_eq!(keyward(&folder, arguments).0, Some(2), "{arguments:?}");
    }
}

/// What `import` prints of the files of a case, and the files themselves, each loaded: alike but for where users stand.
#[test]
fn what_import_prints_means_the_same_for_the_files_of_every_case() {
    let fixtures = yaml::parse("fixtures.yaml", &fs::read_to_string(clone_path("tests/cases/fixtures.yaml")).unwrap());
    let mut compared = 0;
    for file in case::files().into_iter().filter(|file| file.starts_with("idm-files-")) {
        for case in case::read(&file) {
            let folder = tempfile::tempdir().unwrap();
            for (name, content) in case.files(&fixtures, "http://127.0.0.1:1/introspect") {
                let path = folder.path().join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, content.as_str().map_or_else(|| content.to_string(), str::to_owned)).unwrap();
            }
            let path = |name: &str| folder.path().join(name);
            let access =
                ["conf/access.json", "script/access.js"].into_iter().find(|name| path(name).is_file()).unwrap();
            let authentication = Some(path("conf/authentication.json"));
            let files = IdmFiles { authentication, access: Some(path(access)), ..IdmFiles::default() };
            let mut env = case.env.clone();
            env.insert("IDM_URL".to_owned(), "https://idm.example/openidm".to_owned());
            let read = |text: &str| config::parse(text, "keyward.yaml", folder.path(), &env);
            let pointed = read(&format!(
                "rsFilterFile: conf/authentication.json\naccessFile: {access}\ndirectory: {{ idm: {{ url: \"&{{idm.url}}\" }} }}\n"
            ));
            // What needs more than these two files, or cannot be used, is another test's.
            let Ok(pointed) = pointed else { continue };
            let at = format!("{file}: {}", case.name);
            let printed = import::import(&files, &env).unwrap_or_else(|problems| panic!("{at}: {problems}"));
            let loaded = read(&printed).unwrap_or_else(|problems| panic!("{at}: {problems}\n{printed}"));
            // Rules without a name are named after their list: `configs` in IDM's files, `rules` in the printed one.
            let told = |config: &config::Config| format!("{config:#?}").replace("\"configs[", "\"rules[");
            assert_eq!(told(&loaded.config), told(&pointed.config), "{at}\n{printed}");
            compared += 1;
        }
    }
    assert!(compared > 80, "{compared}");
}
