//! Cases of section B and of the conformance table I.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Collection, MappedSubject, Mapping, Settings, StaticUser, SubjectError, SubjectMapper};
use crate::principal::Role;
use crate::roles;
use crate::token::ActiveToken;

fn token(claims: Value) -> Arc<ActiveToken> {
    let claims = claims.as_object().expect("claims").clone();
    let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
    Arc::new(ActiveToken {
        subject: text("sub"),
        realm: text("realm"),
        claims: claims.clone(),
        ..ActiveToken::default()
    })
}

fn of(realm: Option<&str>, collection: Collection, properties: &[(&str, &str)]) -> Mapping {
    Mapping {
        realm: realm.map(str::to_owned),
        collection,
        properties: properties.iter().map(|(claim, property)| ((*claim).to_owned(), (*property).to_owned())).collect(),
        additional_fields: Vec::new(),
        roles: roles::Settings { user_roles: vec!["authzRoles/*".to_owned()], ..roles::Settings::default() },
    }
}

fn fixed(realm: Option<&str>, collection: &str) -> Mapping {
    of(realm, Collection::Fixed(collection.to_owned()), &[("sub", "_id")])
}

fn by_type(realm: Option<&str>, types: &[(&str, &str)]) -> Mapping {
    let types = types.iter().map(|(kind, to)| ((*kind).to_owned(), (*to).to_owned())).collect::<BTreeMap<_, _>>();
    of(realm, Collection::ByResourceType(types), &[("sub", "_id")])
}

fn static_user(id: &str) -> StaticUser {
    StaticUser {
        component: "internal/user".into(),
        id: id.into(),
        roles: Role::new("internal/role/x").into_iter().collect(),
    }
}

fn mapper(mappings: Vec<Mapping>) -> SubjectMapper {
    SubjectMapper::new(Settings { mappings, ..Settings::default() }).expect("good settings")
}

/// `component` and conditions, or the error, in one text.
fn told(mapper: &SubjectMapper, claims: Value) -> String {
    match mapper.map(&token(claims)) {
        Ok(MappedSubject::Static(user)) => format!("static {}/{}", user.component, user.id),
        Ok(MappedSubject::Directory { query, authentication_id, .. }) => {
            let conditions: Vec<_> = query.conditions.iter().map(|(k, v)| format!("{k}={v}")).collect();
            format!("{} {} as {authentication_id}", query.component, conditions.join(" "))
        }
        Err(error) => format!("{error:?}"),
    }
}

#[test]
fn a_static_mapping_wins_and_is_compared_as_a_whole() {
    let settings = |ignore_case| Settings {
        static_users: vec![("(usr!amadmin)".to_owned(), static_user("openidm-admin"))],
        static_subject_ignore_case: ignore_case,
        mappings: vec![by_type(None, &[("usr", "managed/user")])],
        anonymous: None,
    };
    let exact = SubjectMapper::new(settings(false)).expect("good settings");
    let relaxed = SubjectMapper::new(settings(true)).expect("good settings");
    assert_eq!(told(&exact, json!({"sub": "(usr!amadmin)"})), "static internal/user/openidm-admin");
    assert_eq!(told(&exact, json!({"sub": "(usr!amAdmin)"})), "managed/user _id=amAdmin as amAdmin");
    assert_eq!(told(&relaxed, json!({"sub": "(usr!amAdmin)"})), "static internal/user/openidm-admin");
    assert_eq!(told(&exact, json!({"sub": "amadmin"})), "NotCompound");
}

#[test]
fn the_type_of_a_compound_subject_chooses_the_collection() {
    let mapper = mapper(vec![by_type(None, &[("usr", "managed/user")])]);
    for (claims, expected) in [
        (json!({"sub": "(usr!11aa)"}), "managed/user _id=11aa as 11aa"),
        (json!({"sub": "(usr!a!b)"}), "managed/user _id=a!b as a!b"),
        (json!({"sub": "(age!unknown)"}), "UnknownType"),
        (json!({"sub": "(USR!11aa)"}), "UnknownType"),
        (json!({"sub": "11aa"}), "NotCompound"),
        (json!({"sub": "(usr!)"}), "ClaimAbsent(\"sub\")"),
        (json!({"sub": ""}), "NoSubject"),
        (json!({}), "NoSubject"),
        (json!({"sub": "(usr!a\u{0}b)"}), "ClaimAbsent(\"sub\")"),
        (json!({"sub": "(usr!a\nb)"}), "ClaimAbsent(\"sub\")"),
    ] {
        assert_eq!(told(&mapper, claims.clone()), expected, "{claims}");
    }
}

#[test]
fn a_fixed_collection_takes_plain_subjects_and_the_name_part_of_compound_ones() {
    let mapper = mapper(vec![fixed(None, "token")]);
    assert_eq!(told(&mapper, json!({"sub": "bob"})), "token _id=bob as bob");
    assert_eq!(told(&mapper, json!({"sub": "(usr!11aa)"})), "token _id=11aa as 11aa");
    assert_eq!(told(&mapper, json!({"sub": "(x)"})), "token _id=(x) as (x)");
}

#[test]
fn one_mapping_is_chosen_by_realm_and_no_second_one_is_tried() {
    let strict = mapper(vec![fixed(Some("/alpha"), "managed/alpha_user"), fixed(Some("/"), "managed/user")]);
    let open = mapper(vec![by_type(Some("/alpha"), &[("age", "managed/agent")]), fixed(None, "managed/user")]);
    for (mapper, claims, expected) in [
        (&strict, json!({"realm": "/alpha", "sub": "(usr!11aa)"}), "managed/alpha_user _id=11aa as 11aa"),
        (&strict, json!({"realm": "/", "sub": "x"}), "managed/user _id=x as x"),
        (&strict, json!({"realm": "/bravo", "sub": "x"}), "NoMapping"),
        (&strict, json!({"realm": "/ALPHA", "sub": "x"}), "NoMapping"),
        (&strict, json!({"realm": "alpha", "sub": "x"}), "NoMapping"),
        (&strict, json!({"sub": "x"}), "NoMapping"),
        (&open, json!({"realm": "/bravo", "sub": "(usr!11aa)"}), "managed/user _id=11aa as 11aa"),
        (&open, json!({"sub": "(usr!11aa)"}), "managed/user _id=11aa as 11aa"),
        (&open, json!({"realm": "", "sub": "(usr!11aa)"}), "managed/user _id=11aa as 11aa"),
        (&open, json!({"realm": "/alpha", "sub": "(usr!11aa)"}), "UnknownType"),
    ] {
        assert_eq!(told(mapper, claims.clone()), expected, "{claims}");
    }
}

#[test]
fn a_template_is_rendered_and_must_give_a_safe_path() {
    let mapper = mapper(vec![by_type(
        None,
        &[
            ("usr", "managed/{{substring realm 1}}"),
            ("part", "managed/{{substring realm 1 3}}_user"),
            ("raw", "managed/{{realm}}"),
            ("other", "managed/{{tenant.name}}"),
        ],
    )]);
    for (claims, expected) in [
        (json!({"realm": "/employee", "sub": "(usr!e1)"}), "managed/employee _id=e1 as e1"),
        (json!({"realm": "/a/b", "sub": "(usr!e1)"}), "managed/a/b _id=e1 as e1"),
        (json!({"realm": "/r&d <x> 'y'", "sub": "(usr!e1)"}), "managed/r&d <x> 'y' _id=e1 as e1"),
        (json!({"realm": "/äb", "sub": "(part!e1)"}), "managed/äb_user _id=e1 as e1"),
        (json!({"realm": "/abcdef", "sub": "(part!e1)"}), "managed/ab_user _id=e1 as e1"),
        (json!({"realm": "/", "sub": "(usr!e1)"}), "NoCollection"),
        (json!({"sub": "(usr!e1)"}), "NoCollection"),
        (json!({"realm": "/..", "sub": "(usr!e1)"}), "NoCollection"),
        (json!({"realm": "/../internal/user", "sub": "(usr!e1)"}), "NoCollection"),
        (json!({"realm": "/a//b", "sub": "(usr!e1)"}), "NoCollection"),
        (json!({"realm": "/a%2fb", "sub": "(usr!e1)"}), "NoCollection"),
        (json!({"realm": "/a?x", "sub": "(usr!e1)"}), "NoCollection"),
        (json!({"realm": "/a\u{0}", "sub": "(usr!e1)"}), "NoCollection"),
        (json!({"realm": "/a", "sub": "(raw!e1)"}), "NoCollection"),
        (json!({"tenant": {"name": "acme"}, "sub": "(other!e1)"}), "managed/acme _id=e1 as e1"),
        (json!({"sub": "(other!e1)"}), "NoCollection"),
        (json!({"tenant": {"name": {"a": 1}}, "sub": "(other!e1)"}), "managed/[object] _id=e1 as e1"),
    ] {
        assert_eq!(told(&mapper, claims.clone()), expected, "{claims}");
    }
}

#[test]
fn every_mapped_claim_is_a_condition_and_must_be_there() {
    let collection = || Collection::Fixed("managed/user".to_owned());
    let two = mapper(vec![of(None, collection(), &[("ext/mail", "mail"), ("sub", "userName")])]);
    let claims = json!({"sub": "(usr!bob)", "ext": {"mail": "b@x"}});
    assert_eq!(told(&two, claims), "managed/user mail=b@x userName=bob as bob");
    assert_eq!(told(&two, json!({"sub": "bob"})), "ClaimAbsent(\"ext/mail\")");

    let one = mapper(vec![of(None, collection(), &[("a.n", "number")])]);
    for (value, expected) in [
        (json!("x"), "managed/user number=x as x"),
        (json!(1_795_385_806), "managed/user number=1795385806 as 1795385806"),
        (json!(-1.5), "managed/user number=-1.5 as -1.5"),
        (json!(1e300), "ClaimAbsent(\"a.n\")"),
        (json!(""), "ClaimAbsent(\"a.n\")"),
        (json!(null), "ClaimAbsent(\"a.n\")"),
        (json!(true), "ClaimAbsent(\"a.n\")"),
        (json!(["x"]), "ClaimAbsent(\"a.n\")"),
        (json!({"x": "y"}), "ClaimAbsent(\"a.n\")"),
        (json!("a\u{7f}"), "ClaimAbsent(\"a.n\")"),
    ] {
        assert_eq!(told(&one, json!({"sub": "s", "a": {"n": value}})), expected, "{value}");
    }
}

#[test]
fn roles_groups_and_additional_fields_are_asked_for_once() {
    let mut mapping = fixed(None, "managed/user");
    mapping.roles.user_roles.push("effectiveRoles".to_owned());
    mapping.additional_fields = vec!["adminOfOrg".to_owned(), "authzRoles/*".to_owned()];
    mapping.roles.groups = Some(roles::GroupSettings {
        membership: "memberOf".to_owned(),
        role_mapping: Vec::new(),
        comparison: roles::GroupComparison::Equals,
    });
    let Ok(MappedSubject::Directory { query, mapping, .. }) = mapper(vec![mapping]).map(&token(json!({"sub": "x"})))
    else {
        panic!("a question for the directory");
    };
    assert_eq!(
        (&*query.fields, mapping),
        (&["authzRoles/*", "effectiveRoles/*", "memberOf", "adminOfOrg"].map(str::to_owned)[..], 0)
    );
}

#[test]
fn bad_settings_are_told_all_at_once_with_their_place() {
    let problems = SubjectMapper::new(Settings {
        static_users: vec![("A".to_owned(), static_user("x")), ("a".to_owned(), static_user("y"))],
        static_subject_ignore_case: true,
        mappings: vec![
            fixed(Some("/alpha"), "managed/user"),
            fixed(Some("/alpha"), "managed/../x"),
            fixed(None, "managed/{{substring realm"),
            of(None, Collection::Fixed("a".to_owned()), &[("", "_id")]),
            of(Some(""), Collection::Fixed("a".to_owned()), &[]),
        ],
        anonymous: None,
    })
    .expect_err("problems");
    let told: Vec<_> = problems.iter().map(|p| format!("{}: {}", p.place, p.message)).collect();
    for (expected, told) in [
        "staticUserMapping/1/subject: ambiguous static user mappings: two entries for subject a",
        "subjectMapping/1/realm: ambiguous subject mappings: two entries for realm /alpha",
        "subjectMapping/3/realm: ambiguous subject mappings: two entries without a realm",
        "subjectMapping/4/realm: an empty realm",
        "subjectMapping/1/queryOnResource: `managed/../x` is no collection",
        "subjectMapping/2/queryOnResource: `managed/{{substring realm` is no template",
        "subjectMapping/3/propertyMapping/: a path needs the name of a member",
        "subjectMapping/4/propertyMapping: no property",
    ]
    .iter()
    .zip(&told)
    {
        assert!(told.starts_with(expected), "{told}");
    }
    assert_eq!(told.len(), 8, "{told:#?}");
}

#[test]
fn errors_have_no_part_of_the_token_in_them() {
    let mapper = mapper(vec![by_type(None, &[("usr", "managed/user")])]);
    let error = mapper.map(&token(json!({"sub": "secret"}))).expect_err("an error");
    assert_eq!((error.clone(), error.to_string().contains("secret")), (SubjectError::NotCompound, false));
}
