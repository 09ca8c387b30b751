//! The users file: the suite, ids that stand twice, and the constraints of role objects.

use serde_json::{Map, Value, json};

use super::FileDirectory;
use crate::directory::conformance::{finds_whom_is_asked_for_and_nobody_else, patience, query, told, users};
use crate::directory::settings::FileUsers;
use crate::directory::{Found, UserDirectory};

fn file(collections: &Value) -> FileDirectory {
    let records = |records: &Value| {
        records.as_array().into_iter().flatten().filter_map(Value::as_object).cloned().collect::<Vec<Map<_, _>>>()
    };
    let collections = collections.as_object().expect("collections").iter();
    FileDirectory::new(&FileUsers {
        collections: collections.map(|(name, list)| (name.clone(), records(list))).collect(),
    })
}

async fn roles_of(directory: &FileDirectory) -> Value {
    let found = directory.find(&query("managed/user", &[("_id", "bob")]), patience()).await;
    let Ok(Found::One(user)) = found else { panic!("{found:?}") };
    user.fields["authzRoles"].clone()
}

#[tokio::test]
async fn it_passes_the_conformance_suite() {
    finds_whom_is_asked_for_and_nobody_else(&FileDirectory::new(&users())).await;
}

#[tokio::test]
async fn an_id_that_stands_twice_is_ambiguous_and_a_record_without_one_is_nobodys() {
    let directory = file(&json!({"managed/user": [
        {"_id": "a", "n": 1}, {"_id": "a", "n": 2}, {"n": 3}, {"_id": "", "n": 4}, {"_id": 5, "n": 5}]}));
    for (property, value, expected) in [
        ("_id", "a", "ambiguous"),
        ("n", "1", "managed/user/a null"),
        ("n", "3", "nobody"),
        ("n", "4", "nobody"),
        ("_id", "5", "managed/user/5 null"),
    ] {
        assert_eq!(
            told(&directory, &query("managed/user", &[(property, value)])).await,
            expected,
            "{property} {value}"
        );
    }
}

#[tokio::test]
async fn role_objects_put_their_constraints_on_relationships() {
    let past = json!([{"duration": "2020/2021"}]);
    let roles = json!([
        {"_ref": "managed/role/temp", "_refProperties": {"_id": "1"}},
        {"_ref": "managed/role/a%20b", "temporalConstraints": [{"duration": "garbage"}]},
        {"_refResourceCollection": "managed/role", "_refResourceId": "temp"},
        "managed/role/temp",
        "managed/role/a b",
        "clerk",
        {"_ref": "managed/role/gone"},
        {"_ref": "managed/group/gone"},
    ]);
    let directory = file(&json!({
        "managed/user": [{"_id": "bob", "authzRoles": roles, "orgs": [{"roles": [{"_ref": "managed/role/temp"}]}]}],
        "managed/role": [{"_id": "temp", "temporalConstraints": past}, {"_id": "a b"}],
    }));
    assert_eq!(
        roles_of(&directory).await,
        json!([
            {"_ref": "managed/role/temp", "_refProperties": {"_id": "1"}, "temporalConstraints": past},
            {"_ref": "managed/role/a%20b", "temporalConstraints": null},
            {"_refResourceCollection": "managed/role", "_refResourceId": "temp", "temporalConstraints": past},
            {"_ref": "managed/role/temp", "temporalConstraints": past},
            "managed/role/a b",
            "clerk",
            {"_ref": "managed/role/gone", "temporalConstraints": false},
            {"_ref": "managed/group/gone"},
        ])
    );
    let found = directory.find(&query("managed/user", &[("_id", "bob")]), patience()).await;
    let Ok(Found::One(user)) = found else { panic!("{found:?}") };
    assert_eq!(user.fields["orgs"][0]["roles"][0]["temporalConstraints"], past);
}

#[tokio::test]
async fn a_role_object_that_stands_twice_grants_nothing() {
    let directory = file(&json!({
        "managed/user": [{"_id": "bob", "authzRoles": [{"_ref": "internal/role/x"}]}],
        "internal/role": [{"_id": "x"}, {"_id": "x", "temporalConstraints": []}],
    }));
    assert_eq!(roles_of(&directory).await, json!([{"_ref": "internal/role/x", "temporalConstraints": false}]));
}

#[tokio::test]
async fn a_file_without_role_objects_leaves_relationships_as_they_are() {
    let roles = json!([{"_ref": "managed/role/x"}, "internal/role/clerk"]);
    let directory = file(&json!({"managed/user": [{"_id": "bob", "authzRoles": roles}]}));
    assert_eq!(roles_of(&directory).await, roles);
}
