//! Role calculation against the decisions of OpenIDM's own code (`tests/vectors/role-calc.jsonl`).

use serde_json::{Map, Value, json};

use super::{DropReason, GroupComparison, GroupSettings, RoleCalculator, Settings};
use crate::principal::{Role, User};

fn user(fields: &Value) -> User {
    let fields = fields.as_object().expect("a record").clone();
    User { id: "bob".to_owned(), component: "managed/user".into(), fields }
}

fn roles(names: &Value) -> Vec<Role> {
    names.as_array().into_iter().flatten().filter_map(Value::as_str).filter_map(Role::new).collect()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The settings that a vector's `module` means. The vectors are of the 6.x line: roles of relationships are leaf names (J7).
fn settings(module: &Map<String, Value>) -> Settings {
    let comparison = match module.get("groupComparisonMethod").and_then(Value::as_str) {
        None | Some("equals") => GroupComparison::Equals,
        Some("caseInsensitive") => GroupComparison::CaseInsensitive,
        Some("ldap") => GroupComparison::Ldap,
        Some(other) => panic!("comparison {other}"),
    };
    let groups = module.get("groupMembership").and_then(Value::as_str).map(|membership| GroupSettings {
        membership: membership.to_owned(),
        role_mapping: (module.get("groupRoleMapping").and_then(Value::as_object).into_iter().flatten())
            .map(|(role, groups)| (Role::new(role).expect("a role"), texts(groups)))
            .collect(),
        comparison,
    });
    Settings {
        default_roles: module.get("defaultUserRoles").map(roles).unwrap_or_default(),
        user_roles: module.get("userRoles").and_then(Value::as_str).map(str::to_owned).into_iter().collect(),
        groups,
        leaf_names: true,
        time_zone: None,
    }
}

#[test]
fn roles_agree_with_the_vectors() {
    let mut compared = 0;
    for line in include_str!("../../tests/vectors/role-calc.jsonl").lines() {
        let case: Value = serde_json::from_str(line).expect("a vector");
        // Where the fork gives no roles because there is no user, Keyward never gets as far as roles (B19).
        if case["user"].is_null() {
            assert_eq!(case["roles"], json!([]), "{line}");
            continue;
        }
        let calculated = RoleCalculator::new(settings(case["module"].as_object().expect("a module")))
            .calculate(&user(&case["user"]), jiff::Timestamp::UNIX_EPOCH);
        // Differences on purpose, all of them:
        let mut expected = match &case["roles"] {
            // 1. Where the fork ends the login with an exception, Keyward drops the element or membership of a wrong
            //    type (D4) and the rest stands. `_refResourceCollection` with `_refResourceId` is a reference (B16).
            Value::Null => {
                assert!(case["error"].is_string(), "{line}");
                let by_parts = case["user"]["authzRoles"][0].get("_refResourceId").is_some();
                assert_eq!(calculated.dropped.iter().any(|d| d.reason == DropReason::WrongType), !by_parts, "{line}");
                let mut left = roles(&case["module"]["defaultUserRoles"]);
                left.extend(Role::new("x").filter(|_| by_parts));
                let by_group: Vec<Role> =
                    calculated.roles.iter().filter(|r| r.as_str().starts_with("role")).cloned().collect();
                left.extend(by_group);
                left
            }
            // 2. Roles without a name (empty or null) are dropped (D4).
            names => roles(names),
        };
        // 3. Each role once, where it stood first (D2).
        let mut seen = std::collections::HashSet::new();
        expected.retain(|role| seen.insert(role.clone()));
        assert_eq!(calculated.roles, expected, "{line}");
        compared += 1;
    }
    assert!(compared > 80, "{compared} vectors");
}

#[test]
fn roles_of_relationships_are_full_names_by_default() {
    let settings = Settings {
        default_roles: roles(&json!(["internal/role/openidm-authorized"])),
        user_roles: vec!["authzRoles/*".to_owned(), "orgs/*/roles".to_owned()],
        ..Settings::default()
    };
    let record = json!({
        "authzRoles": [{"_ref": "internal/role/clerk", "_refProperties": {"_id": "1"}}, {"_ref": "internal/role/clerk"},
            "internal/role/text", 5, null, {"name": "x"}, ["y"], ""],
        "orgs": [{"roles": "a, b,"}, {"roles": ["c,d"]}, {"roles": {"_ref": "managed/role/single"}}, {}],
    });
    let calculated = RoleCalculator::new(settings).calculate(&user(&record), jiff::Timestamp::UNIX_EPOCH);
    let names: Vec<_> = calculated.roles.iter().map(Role::as_str).collect();
    let expected = ["internal/role/openidm-authorized", "internal/role/clerk", "internal/role/text", "a", " b", "c,d"];
    assert_eq!(names, expected);
    let dropped: Vec<_> = calculated.dropped.iter().map(|d| (d.name.as_str(), d.reason)).collect();
    let wrong = |name| (name, DropReason::WrongType);
    assert_eq!(
        dropped,
        [wrong("authzRoles"), wrong("authzRoles"), wrong("authzRoles"), wrong("authzRoles"), wrong("orgs/*/roles")]
    );
}

#[test]
fn leaf_names_are_for_relationships_only() {
    let settings = Settings { user_roles: vec!["r".to_owned()], leaf_names: true, ..Settings::default() };
    let record = json!({"r": [{"_ref": "internal/role/clerk"}, "internal/role/text"]});
    let calculated = RoleCalculator::new(settings).calculate(&user(&record), jiff::Timestamp::UNIX_EPOCH);
    assert_eq!(calculated.roles.iter().map(Role::as_str).collect::<Vec<_>>(), ["clerk", "internal/role/text"]);
}
