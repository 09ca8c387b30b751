//! What does the configuration language look like as a JSON schema?

use serde_json::{Value, json};

use super::File;

/// The JSON schema of a configuration file as it is written: what `rsFilterFile` brings need not stand in the `rsFilter`
/// beside it.
#[must_use]
pub fn schema() -> Value {
    let mut schema = whole_schema();
    let of_rs_filter = schema.pointer_mut("/$defs/RsFilter").and_then(Value::as_object_mut);
    let Some(required) = of_rs_filter.and_then(|members| members.remove("required")) else { return schema };
    for pointer in ["", "/$defs/Filter"] {
        if let Some(Value::Object(members)) = schema.pointer_mut(pointer) {
            members.insert("if".to_owned(), json!({ "required": ["rsFilterFile"] }));
            members.insert("else".to_owned(), json!({ "properties": { "rsFilter": { "required": required } } }));
        }
    }
    schema
}

/// The schema of a configuration into which `rsFilterFile` and `accessFile` have been put.
pub(in crate::config) fn whole_schema() -> Value {
    let mut schema = schemars::schema_for!(File).to_value();
    let of_filter = schema.pointer("/$defs/Filter/properties").and_then(Value::as_object).cloned().unwrap_or_default();
    if let Some(Value::Object(top)) = schema.get_mut("properties") {
        for (key, value) in of_filter {
            if !["name", "hosts", "issuers"].contains(&key.as_str()) {
                top.insert(key, value);
            }
        }
    }
    if let Some(members) = schema.as_object_mut() {
        members.insert("title".to_owned(), Value::from("Keyward configuration"));
    }
    refuse_null(&mut schema);
    schema
}

/// A key without a value is a slip that could widen what is allowed: `null` is refused, but where IDM's files have it.
fn refuse_null(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            members.values_mut().for_each(refuse_null);
            members.retain(|key, value| key != "default" || !value.is_null());
            if members.get("x-null").is_some_and(|null| null == true) {
                return;
            }
            if let Some(Value::Array(types)) = members.get_mut("type") {
                types.retain(|name| name != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    members.insert("type".to_owned(), only);
                }
            }
            if let Some(Value::Array(branches)) = members.get_mut("anyOf") {
                branches.retain(|branch| branch.get("type").is_none_or(|name| name != "null"));
                if let [Value::Object(only)] = branches.as_slice() {
                    let only = only.clone();
                    members.remove("anyOf");
                    members.extend(only);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(refuse_null),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{schema, whole_schema};
    use crate::config::{shape, tree};

    /// `UPDATE=1 cargo test --lib the_committed` rewrites it.
    #[test]
    fn the_committed_schema_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/keyward.schema.json");
        let current = format!("{:#}\n", schema());
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, &current).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            committed == current,
            "schema/keyward.schema.json is stale: `UPDATE=1 cargo test --lib the_committed` renews it"
        );
    }

    /// Whether `value` has what a schema of `if`, `else`, `properties`, `items`, `$ref` and `required` wants.
    fn complete(root: &Value, schema: &Value, value: &Value) -> bool {
        if let Some(target) = schema["$ref"].as_str() {
            return complete(root, root.pointer(target.trim_start_matches('#')).unwrap(), value);
        }
        let has = |schema: &Value| {
            schema["required"].as_array().into_iter().flatten().all(|key| value.get(key.as_str().unwrap()).is_some())
        };
        let else_holds = schema.get("if").is_none_or(&has) || complete(root, &schema["else"], value);
        let members = schema["properties"].as_object().into_iter().flatten();
        let members = members.filter_map(|(key, schema)| Some((schema, value.get(key)?)));
        let items = value.as_array().into_iter().flatten().map(|item| (&schema["items"], item));
        has(schema) && else_holds && members.chain(items).all(|(schema, value)| complete(root, schema, value))
    }

    #[test]
    fn what_the_file_brings_need_not_stand_beside_it_and_all_is_needed_without_one() {
        let schema = schema();
        let secret = json!({"clientSecret": {"env": "SECRET"}});
        let client = json!({"clientId": "c", "clientSecret": "s", "tokenIntrospectUrl": "https://am.test/"});
        for (file, expected) in [
            (json!({"rsFilterFile": "a.json"}), true),
            (json!({"rsFilterFile": "a.json", "rsFilter": secret}), true),
            (json!({"rsFilter": client}), true),
            (json!({"rsFilter": secret}), false),
            (json!({"rsFilter": {}}), false),
            (json!({"rsFilterFile": "a.json", "rsFilter": {"staticUserMapping": [{"subject": "x"}]}}), false),
            (json!({"filters": [{"name": "a", "rsFilterFile": "a.json", "rsFilter": secret}]}), true),
            (json!({"filters": [{"name": "a", "rsFilter": client}, {"name": "b"}]}), true),
            (json!({"filters": [{"name": "a", "rsFilterFile": "a.json"}, {"name": "b", "rsFilter": secret}]}), false),
        ] {
            assert_eq!(complete(&schema, &schema, &file), expected, "{file}");
        }
    }

    #[test]
    fn null_is_refused_but_where_idm_s_files_have_it() {
        let schema = schema();
        let rule = &schema["$defs"]["Rule"]["properties"];
        assert_eq!(rule["when"]["type"], "string");
        assert_eq!(rule["customAuthz"]["type"], serde_json::json!(["string", "null"]));
        assert_eq!(schema.to_string().matches("null").count(), 4, "customAuthz and excludePatterns, type and x-null");
    }

    #[test]
    fn every_key_is_described_and_every_secret_marked() {
        let schema = schema();
        let mut undescribed = Vec::new();
        let definitions = schema["$defs"].as_object().unwrap().iter();
        for (name, definition) in definitions.map(|(n, d)| (n.as_str(), d)).chain([("", &schema)]) {
            for (key, property) in definition["properties"].as_object().into_iter().flatten() {
                if property["description"].as_str().is_none_or(str::is_empty) {
                    undescribed.push(format!("{name}.{key}"));
                }
                if key.to_lowercase().contains("secret") || key == "password" {
                    assert_eq!(property["$ref"], "#/$defs/SecretText", "{name}.{key}");
                }
            }
        }
        assert!(undescribed.is_empty(), "{undescribed:?}");
        assert_eq!(schema["$defs"]["SecretText"]["writeOnly"], true);
    }

    /// What a part lacks is filled with the example, so that the rest of it can be judged.
    #[test]
    fn every_example_fits_and_every_required_key_has_one() {
        let schema = whole_schema();
        let definitions = schema["$defs"].as_object().unwrap().iter();
        let mut examples = 0;
        for (name, definition) in definitions.map(|(n, d)| (n.as_str(), d)).chain([("", &schema)]) {
            for (key, property) in definition["properties"].as_object().into_iter().flatten() {
                let required = definition["required"].as_array().is_some_and(|keys| keys.contains(&json!(key)));
                assert!(!required || property["examples"][0] != Value::Null, "{name}.{key} has no example");
                for example in property["examples"].as_array().into_iter().flatten() {
                    let text = json!({ "x": example }).to_string();
                    let node = tree::parse(&text, &"example.json".into()).unwrap_or_else(|_| panic!("{text}"));
                    let of_key = json!({ "$defs": schema["$defs"], "type": "object", "properties": { "x": property } });
                    let found = shape::check(&node, &of_key).problems;
                    assert!(found.is_empty(), "{name}.{key}: {found:?}");
                    examples += 1;
                }
            }
        }
        assert!(examples > 50, "{examples}");
    }
}
