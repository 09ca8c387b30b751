//! What must every directory do? One suite that each implementation, and each behind a cache, passes.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::settings::FileUsers;
use super::{Found, UserDirectory, UserQuery};
use crate::deadline::Deadline;
use crate::principal::User;
use crate::token::ActiveToken;

/// Ids that some layer could take for more than a name.
pub(super) const ODD_IDS: [&str; 18] = [
    "a\"b",
    "a\\b",
    "a\"b\\c",
    "a%2Fb",
    "a%b",
    "a/b",
    "../user/11aa",
    "..",
    ".",
    "ü",
    "日本",
    "a b",
    "a'b",
    "(usr!x)",
    "a;b=c",
    "a+b",
    "a&b=c?d#e",
    "x\" or true or \"",
];

/// The users that the suite asks for.
pub(super) fn users() -> FileUsers {
    let mut records = vec![
        json!({"_id": "11aa", "userName": "anna", "mail": "anna@x", "number": 7, "accountStatus": "active",
            "authzRoles": [{"_ref": "managed/role/clerk", "_refProperties": {"_id": "g1"}},
                {"_ref": "managed/role/temp", "_refProperties": {"_id": "g2"}}]}),
        json!({"_id": "22bb", "userName": "bert", "mail": "same@x", "number": 8, "name": {"first": "Bert"}}),
        json!({"_id": "33cc", "userName": "carl", "mail": "same@x", "number": 9}),
    ];
    records.extend(ODD_IDS.map(|id| json!({"_id": id, "userName": format!("user of {id}"), "mail": id})));
    let roles =
        json!([{"_id": "clerk", "name": "clerk"}, {"_id": "temp", "temporalConstraints": [{"duration": "2020/2021"}]}]);
    let collection = |name: &str, records: &Value| {
        let records = records.as_array().into_iter().flatten().filter_map(Value::as_object).cloned();
        (name.to_owned(), records.collect::<Vec<Map<String, Value>>>())
    };
    let collections = [
        collection("managed/user", &Value::Array(records)),
        collection("managed/other", &json!([{"_id": "11aa", "userName": "another"}])),
        collection("managed/a b&ü", &json!([{"_id": "x"}])),
        collection("managed/role", &roles),
    ];
    FileUsers { collections: collections.into_iter().collect() }
}

pub(super) fn query(component: &str, conditions: &[(&str, &str)]) -> UserQuery {
    UserQuery {
        component: component.into(),
        conditions: conditions.iter().map(|(k, v)| ((*k).into(), (*v).to_owned())).collect(),
        fields: ["authzRoles/*".to_owned()].into(),
        token: Arc::new(ActiveToken::default()),
    }
}

pub(super) fn patience() -> Deadline {
    Deadline::after(Duration::from_secs(60))
}

/// The answer in one text: `component/_id userName`, `nobody`, `ambiguous`, or the error's word.
pub(super) async fn told(directory: &dyn UserDirectory, query: &UserQuery) -> String {
    match directory.find(query, patience()).await {
        Ok(Found::One(user)) => {
            format!("{}/{} {}", user.component, user.id, user.fields.get("userName").unwrap_or(&Value::Null))
        }
        Ok(Found::Nobody) => "nobody".to_owned(),
        Ok(Found::Ambiguous) => "ambiguous".to_owned(),
        Err(error) => error.as_str().to_owned(),
    }
}

/// The whole suite, against a directory of [`users`].
pub(super) async fn finds_whom_is_asked_for_and_nobody_else(directory: &dyn UserDirectory) {
    for (component, conditions, expected) in [
        ("managed/user", &[("_id", "11aa")][..], "managed/user/11aa \"anna\""),
        ("managed/other", &[("_id", "11aa")], "managed/other/11aa \"another\""),
        ("managed/user", &[("userName", "bert")], "managed/user/22bb \"bert\""),
        ("managed/user", &[("number", "8")], "managed/user/22bb \"bert\""),
        ("managed/user", &[("name/first", "Bert")], "managed/user/22bb \"bert\""),
        ("managed/user", &[("mail", "same@x"), ("number", "9")], "managed/user/33cc \"carl\""),
        ("managed/user", &[("_id", "33cc"), ("mail", "same@x")], "managed/user/33cc \"carl\""),
        ("managed/user", &[("mail", "same@x")], "ambiguous"),
        ("managed/user", &[("_id", "33cc"), ("mail", "anna@x")], "nobody"),
        ("managed/user", &[("_id", "zzz")], "nobody"),
        ("managed/user", &[("userName", "zzz")], "nobody"),
        ("managed/user", &[("absent", "x")], "nobody"),
        ("managed/user", &[("userName", "")], "nobody"),
        ("managed/user", &[("_id", "")], "nobody"),
        ("managed/user", &[("userName", "an*")], "nobody"),
        ("managed/user", &[("authzRoles", "managed/role/clerk")], "nobody"),
        ("managed/nope", &[("_id", "11aa")], "nobody"),
        ("managed/nope", &[("userName", "anna")], "nobody"),
        ("managed", &[("_id", "user")], "nobody"),
        ("managed/user", &[], "nobody"),
        ("managed/a b&ü", &[("_id", "x")], "managed/a b&ü/x null"),
    ] {
        assert_eq!(told(directory, &query(component, conditions)).await, expected, "{component} {conditions:?}");
    }
    odd_values_are_names_and_nothing_else(directory).await;
    roles_come_with_the_record(directory).await;
}

async fn odd_values_are_names_and_nothing_else(directory: &dyn UserDirectory) {
    for id in ODD_IDS {
        let expected = format!("managed/user/{id} {}", json!(format!("user of {id}")));
        for property in ["_id", "mail"] {
            assert_eq!(told(directory, &query("managed/user", &[(property, id)])).await, expected, "{property} {id}");
        }
        let longer = format!("{id}x");
        assert_eq!(told(directory, &query("managed/user", &[("_id", &longer)])).await, "nobody", "{longer}");
    }
}

/// With the role objects' own constraints, so that D10 can be judged.
async fn roles_come_with_the_record(directory: &dyn UserDirectory) {
    let found = directory.find(&query("managed/user", &[("_id", "11aa")]), patience()).await;
    let Ok(Found::One(user)) = found else { panic!("{found:?}") };
    let User { id, component, fields } = &*user;
    assert_eq!((id.as_str(), &**component, &fields["_id"]), ("11aa", "managed/user", &json!("11aa")));
    assert_eq!(fields["accountStatus"], json!("active"));
    assert_eq!(fields["authzRoles"][0]["_ref"], json!("managed/role/clerk"));
    assert_eq!(fields["authzRoles"][1]["_refProperties"]["_id"], json!("g2"));
    assert_eq!(fields["authzRoles"][1]["temporalConstraints"], json!([{"duration": "2020/2021"}]));
}
