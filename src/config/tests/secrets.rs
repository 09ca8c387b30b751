//! No secret is ever shown, wherever it stands and however wrong the file is.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{env, problems, read, read_with, small};
use crate::config::parse;

const PLANTED: &str = "hunter2";

/// What anybody could see of reading `text`: problems, warnings, and the `Debug` of what came out.
fn visible(text: &str, variables: &[(&str, &str)]) -> String {
    match read_with(text, variables) {
        Ok(loaded) => format!("{loaded:?}"),
        Err(problems) => format!("{problems} {problems:?}"),
    }
}

#[test]
fn a_secret_is_not_shown_however_it_is_written() {
    for written in [
        "hunter2",
        "{ file: x, hunter2: y }",
        "{ fiel: hunter2 }",
        "{ env: x, env2: hunter2 }",
        "[ hunter2 ]",
        "{ $int: hunter2 }",
        "{ $string: hunter2 }",
        "{ $base64:decode: hunter2 }",
        "{ $object: hunter2 }",
        "{ $crypto: { value: { data: hunter2 } } }",
        "\"hunter2\\n\"",
        "\"&{hunter2 is my, password}\"",
        "\"&{name|&{other|hunter2}}\"",
        "\"&{SECRET}\"",
        "\"&{LEADS}\"",
        "{ $int: '&{SECRET}' }",
        "{ x: '&{SECRET}' }",
        "|\n    hunter2\n    two lines",
        "hunter2: x",
        "!hunter2 x",
        "*hunter2",
    ] {
        let text = small("", "").replace("\"&{am.secret|s3cret}\"", written);
        let shown = visible(&text, &[("SECRET", PLANTED), ("LEADS", "&{hunter2}")]);
        // A key is shown where it looks like one: the third line plants the secret as a key on purpose.
        let shown =
            if written.contains("hunter2:") { shown.replace(".hunter2: found an unknown key", "") } else { shown };
        assert!(!shown.contains(PLANTED), "{written}\n{shown}");
    }
}

#[test]
fn a_forgotten_space_does_not_show_the_secret() {
    for text in [
        "rsFilter:\n  clientSecret:hunter2\n",
        "rsFilter:\n  clientId: a\n  clientSecret:hunter2\n  scopes: []\n",
        "rsFilter:\n  clientSecret:hunter2: x\n",
        "rsFilter: { clientSecret:hunter2 }\n",
        "{\"rsFilter\": {\"clientSecret\" \"hunter2\"}}",
        "{\"rsFilter\": {\"clientSecret\": hunter2}}",
        "rsFilter:\n clientId: a\n   clientSecret: hunter2\n",
        "rsFilter: clientSecret: hunter2\n",
    ] {
        let shown = visible(text, &[]);
        assert!(!shown.contains(PLANTED), "{text}\n{shown}");
    }
}

#[test]
fn what_a_secret_s_file_holds_is_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    for (content, ok) in [("hunter2\n", true), ("hunter2\r\n", true), ("hunter2\nhunter2\n", false), ("\n", false)] {
        std::fs::write(folder.path().join("secret"), content).unwrap();
        let text = small("", "").replace("\"&{am.secret|s3cret}\"", "{ file: secret }");
        let read = parse(&text, "keyward.yaml", folder.path(), &env(&[]));
        if let Ok(loaded) = &read {
            assert_eq!(loaded.config.filters[0].introspection.client_secret.expose(), PLANTED);
        }
        assert_eq!(read.is_ok(), ok, "{content:?}");
        assert!(!format!("{read:?}").contains(PLANTED), "{read:?}");
    }
}

#[test]
fn a_url_with_a_password_is_refused_and_not_shown() {
    for url in ["https://am:hunter2@am.example/introspect", "am:hunter2@am.example", "http//am:hunter2@x"] {
        let text = small("", "").replace("https://am.example/introspect", url);
        let shown = visible(&text, &[]);
        assert!(shown.contains("tokenIntrospectUrl") && !shown.contains(PLANTED), "{shown}");
    }
}

/// Every scalar of a file, one after the other, replaced by `&{planted}`.
#[test]
fn a_value_from_the_environment_is_shown_nowhere() {
    let text = include_str!("../../../tests/config/product/keyward.json");
    let root: serde_json::Value = serde_json::from_str(text).unwrap();
    let mut places = Vec::new();
    scalars(&root, "", &mut places);
    assert!(places.len() > 50, "{}", places.len());
    for place in places {
        let mut planted = root.clone();
        *planted.pointer_mut(&place).unwrap() = serde_json::json!("&{planted}");
        let shown = visible(&planted.to_string(), &[("PLANTED", PLANTED), ("IDM_CLIENT", "x")]);
        // What loads is meant to be there: only problems and warnings must be silent, and secrets always.
        if shown.starts_with("Loaded") && !place.to_lowercase().contains("secret") {
            continue;
        }
        assert!(!shown.contains(PLANTED), "{place}\n{shown}");
    }
}

fn scalars(value: &serde_json::Value, place: &str, into: &mut Vec<String>) {
    let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
    match value {
        serde_json::Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, item)| scalars(item, &format!("{place}/{i}"), into));
        }
        serde_json::Value::Object(members) => {
            members.iter().for_each(|(key, item)| scalars(item, &format!("{place}/{}", escaped(key)), into));
        }
        _ => into.push(place.to_owned()),
    }
}

#[test]
fn an_empty_secret_is_refused() {
    let text = small("", "").replace("&{am.secret|s3cret}", "&{am.secret|}");
    assert_eq!(problems(&text), "keyward.yaml:3:17 rsFilter.clientSecret: found an empty secret; give one");
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,200}") {
        let _ = read(&text);
        let _ = parse(&text, "keyward.json", std::path::Path::new(""), &BTreeMap::new());
    }

    #[test]
    fn arbitrary_yaml_like_text_never_panics(text in "([a-c]: |- |\\[|\\]|\\{|\\}|,|\n|  |\t|'|\"|#|&a |\\*a |!|\\||>|---\n|&\\{|\\$int|rsFilter|: |~|1|\\\\){0,60}") {
        let _ = read(&text);
    }

    #[test]
    fn a_broken_product_example_never_panics(at in 0_usize..3000, len in 0_usize..40, with in "\\PC{0,5}") {
        let text = include_str!("../../../tests/config/product/keyward.yaml");
        let chars: Vec<char> = text.chars().collect();
        let (start, end) = (at.min(chars.len()), (at + len).min(chars.len()));
        let broken: String = chars[..start].iter().copied().chain(with.chars()).chain(chars[end..].iter().copied()).collect();
        let _ = read(&broken);
    }
}
