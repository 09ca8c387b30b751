//! Do the functions that ask IDM's own configuration answer as IDM would, and never for more?

use super::*;
use crate::access::settings::{IdmOnly, ManagedObject};

fn set(names: &[&str]) -> std::collections::HashSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn knowledge() -> Knowledge {
    let user = ManagedObject { user_editable: set(&["mail", "password"]), protected: set(&["password"]) };
    Knowledge {
        ui_flags: Some(set(&["passwordReset"])),
        managed: Some([("user".to_owned(), user), ("bare".to_owned(), ManagedObject::default())].into()),
        features: Some(set(&["registration", "email"])),
        idm_only: IdmOnly::Refuse,
    }
}

#[test]
fn flags_and_features_are_those_that_are_given() {
    for (expression, holds) in [
        ("checkIfUIIsEnabled('passwordReset')", true),
        ("checkIfUIIsEnabled('PasswordReset')", false),
        ("!checkIfUIIsEnabled('selfRegistration')", true),
        ("checkIfAnyFeatureEnabled('registration')", true),
        ("checkIfAnyFeatureEnabled('Registration')", false),
        ("checkIfAnyFeatureEnabled('')", false),
        ("checkIfAnyFeatureEnabled(['kba', 'email'])", true),
        ("checkIfAnyFeatureEnabled(['kba', 'workflow'])", false),
        ("checkIfAllFeaturesEnabled(['registration', 'email'])", true),
        ("checkIfAllFeaturesEnabled(['registration', 'kba'])", false),
        ("checkIfAllFeaturesEnabled('email')", true),
        ("checkIfUIIsEnabled('passwordReset') && isSelfServiceRequest()", false),
    ] {
        assert_eq!(case("read", "x").holds_with(expression, &knowledge()), Ok(holds), "{expression}");
    }
}

#[test]
fn only_editable_properties_may_change() {
    let editable = "onlyEditableManagedObjectProperties('user', ['idpData', 'more'])";
    for (method, body, holds) in [
        ("create", Some(r#"{"mail":1,"idpData":2}"#), true),
        ("create", Some(r#"{"mail":1,"roles":2}"#), false),
        ("create", Some("{}"), true),
        ("create", Some("[]"), false),
        ("create", Some(r#"{"mail":1,"mail":2}"#), false),
        ("create", None, false),
        ("update", Some(r#"{"mail":1}"#), true),
        ("update", Some(r#"{"mail":1,"_id":"1"}"#), false),
        ("update", Some(r#"{"Mail":1}"#), false),
        ("update", None, false),
        ("patch", Some(r#"[{"operation":"replace","field":"/mail","value":1},{"field":"idpData/x"}]"#), true),
        ("patch", Some(r#"[{"field":"/roles"}]"#), false),
        // E18: neither order makes good what is not editable.
        ("patch", Some(r#"[{"field":"/roles"},{"field":"/idpData"}]"#), false),
        ("patch", Some(r#"[{"field":"/idpData"},{"field":"/roles"}]"#), false),
        ("patch", Some(r#"[{"operation":"copy","from":"/roles","field":"/mail"}]"#), false),
        ("patch", Some(r#"[{"operation":"replace","field":"/","value":{}}]"#), false),
        ("patch", Some("[]"), true),
        ("patch", None, false),
        ("read", None, true),
        ("query", None, true),
        ("delete", None, true),
    ] {
        let case = Case { body, ..case(method, "managed/user/11aa") };
        assert_eq!(case.holds_with(editable, &knowledge()), Ok(holds), "{method} {body:?}");
    }
    for (action, body, holds) in [
        ("patch", Some(r#"[{"field":"/mail"}]"#), true),
        ("PATCH", Some(r#"[{"field":"/roles"}]"#), false),
        ("patch", None, false),
        ("other", Some(r#"[{"field":"/roles"}]"#), true),
    ] {
        let case = Case { body, action, ..case("action", "managed/user/11aa") };
        assert_eq!(case.holds_with(editable, &knowledge()), Ok(holds), "{action} {body:?}");
    }
}

#[test]
fn of_an_object_that_is_not_there_nothing_may_change() {
    for (expression, holds) in [
        ("onlyEditableManagedObjectProperties('user')", true),
        ("onlyEditableManagedObjectProperties('user', [])", true),
        ("onlyEditableManagedObjectProperties('User', ['mail'])", false),
        ("onlyEditableManagedObjectProperties('nobody', ['mail'])", false),
        ("onlyEditableManagedObjectProperties('bare', [])", false),
        ("onlyEditableManagedObjectProperties('bare', ['mail'])", true),
    ] {
        let case = Case { body: Some(r#"[{"field":"/mail"}]"#), ..case("patch", "managed/user/11aa") };
        assert_eq!(case.holds_with(expression, &knowledge()), Ok(holds), "{expression}");
    }
    let read = case("read", "managed/user/11aa");
    assert_eq!(read.holds_with("onlyEditableManagedObjectProperties('nobody', [])", &knowledge()), Ok(false));
}

#[test]
fn what_is_protected_changes_only_in_front_of_idm_itself() {
    let reauth = "reauthIfProtectedAttributeChange()";
    for (method, body, holds) in [
        ("patch", Some(r#"[{"field":"/mail"}]"#), true),
        ("patch", Some(r#"[{"field":"/mail"},{"field":"/password"}]"#), false),
        ("patch", Some(r#"[{"field":"password/x"}]"#), false),
        ("patch", Some(r#"[{"field":"/Password"}]"#), false),
        ("patch", Some(r#"[{"field":"/%70assword"}]"#), false),
        ("patch", Some(r#"[{"field":"/~0x"}]"#), false),
        ("patch", Some(r#"[{"operation":"move","from":"/password","field":"/mail"}]"#), false),
        ("patch", Some(r#"[{"field":""}]"#), false),
        ("patch", None, false),
        ("update", Some(r#"{"mail":1}"#), true),
        ("update", Some(r#"{"password":1}"#), false),
        ("update", None, false),
        ("create", Some(r#"{"password":1}"#), false),
        ("read", None, true),
    ] {
        let own = Case { body, ..case(method, "managed/user/11aa") };
        assert_eq!(own.holds_with(reauth, &knowledge()), Ok(holds), "{method} {body:?}");
        // Whose record it is does not matter: the list is that of the principal's collection (C6).
        let other = Case { body, ..case(method, "config/x") };
        assert_eq!(other.holds_with(reauth, &knowledge()), Ok(holds), "{method} {body:?}");
        let mut internal = (*principal(&[], None)).clone();
        internal.component = "internal/user".into();
        let internal = Case { body, who: Arc::new(internal), ..case(method, "managed/user/11aa") };
        assert_eq!(internal.holds_with(reauth, &knowledge()), Ok(true), "{method} {body:?}");
    }
}

#[test]
fn relationships_of_the_own_record_are_the_listed_ones_and_no_others() {
    let own = "ownRelationshipCollection(['idps', '_notifications'])";
    for (path, holds) in [
        ("managed/user/11aa/idps", true),
        ("managed/user/11aa/_notifications", true),
        ("managed/user/11aa/roles", false),
        ("managed/user/11aa", false),
        ("managed/user/11aa/idps/1", false),
        ("managed/user/11aab/idps", false),
        ("managed/user/11/idps", false),
        ("managed/userX/11aa/idps", false),
        ("managed/user/11aa/Idps", false),
    ] {
        assert_eq!(case("query", path).holds(own), Ok(holds), "{path}");
    }
}

const ONLY_IDMS: [(&str, &str); 11] = [
    ("checkIfUIIsEnabled('selfRegistration')", "`access.idm.uiConfigurationFile`"),
    ("checkIfAnyFeatureEnabled('registration')", "`access.idm.features`"),
    ("checkIfAllFeaturesEnabled(['registration'])", "`access.idm.features`"),
    ("onlyEditableManagedObjectProperties('user', [])", "`access.idm.managedFile`"),
    ("reauthIfProtectedAttributeChange()", "`access.idm.managedFile`"),
    ("isMyTask()", "workflow engine"),
    ("canUpdateTask()", "workflow engine"),
    ("isAllowedToStartProcess()", "workflow engine"),
    ("isOneOfMyWorkflows()", "workflow engine"),
    ("ownRelationship()", "repository"),
    ("checkIfProgressiveProfileIsEnabled()", "`true` or `false`"),
];

#[test]
fn what_only_idm_can_answer_is_refused_with_the_key_that_would_answer_it() {
    for (expression, remedy) in ONLY_IDMS {
        for expression in [expression.to_owned(), format!("true || !{expression}")] {
            let message = compile(&expression).unwrap_err();
            assert!(message.contains(remedy), "{expression}: {message}");
            assert!(message.contains("`access.idmOnlyRules: neverGrant`"), "{expression}: {message}");
        }
    }
}

#[test]
fn where_such_rules_are_kept_they_hold_for_nobody_whatever_stands_around() {
    let kept = Knowledge { idm_only: IdmOnly::NeverGrant, ..Knowledge::default() };
    for (call, remedy) in ONLY_IDMS {
        for expression in [
            call.to_owned(),
            format!("!{call}"),
            format!("true || {call}"),
            format!("[{call}]"),
            format!("'x' + {call}"),
            format!("{call} === false"),
            format!("{call} != true"),
            // Would fail, and end the walk.
            format!("request.content.a.b && {call}"),
        ] {
            let compiled = CustomAuthz::compile(&expression, &kept, &Library::default()).unwrap();
            assert!(compiled.idm_only().is_some_and(|why| why.contains(remedy)), "{expression}");
            assert_eq!(case("read", "managed/user/11aa").holds_with(&expression, &kept), Ok(false), "{expression}");
        }
    }
    for expression in ["ownDataOnly()", "isSelfServiceRequest()", "ownDataOnly() || true"] {
        assert_eq!(
            CustomAuthz::compile(expression, &kept, &Library::default()).unwrap().idm_only(),
            None,
            "{expression}"
        );
    }
}

#[test]
fn a_function_that_nobody_knows_and_a_wrong_call_are_refused_all_the_same() {
    let kept = Knowledge { idm_only: IdmOnly::NeverGrant, ..knowledge() };
    for (expression, said) in [
        ("isMyTask() || noSuchFunction()", "the function `noSuchFunction` is not known"),
        ("isMyTask() && identity.x", "the name `identity` is not known"),
        ("isMyTask() &&", "the expression ends"),
        ("isSelfServiceRequest(1)", "other arguments than none"),
        ("checkIfUIIsEnabled()", "other arguments than one text"),
        ("checkIfUIIsEnabled(['a'])", "other arguments than one text"),
        ("checkIfAnyFeatureEnabled([])", "one text or one list of texts"),
        ("checkIfAllFeaturesEnabled([])", "one text or one list of texts"),
        ("checkIfAnyFeatureEnabled('a', 'b')", "one text or one list of texts"),
        ("onlyEditableManagedObjectProperties()", "a text and a list of texts"),
        ("onlyEditableManagedObjectProperties(['user'])", "a text and a list of texts"),
        ("onlyEditableManagedObjectProperties('user', 'mail')", "a text and a list of texts"),
        ("reauthIfProtectedAttributeChange('user')", "other arguments than none"),
        ("ownRelationshipCollection('idps')", "one list of texts"),
        ("checkIfUIIsEnabled", "call it: `checkIfUIIsEnabled()`"),
    ] {
        let message = CustomAuthz::compile(expression, &kept, &Library::default()).unwrap_err();
        assert!(message.contains(said), "{expression}: {message}");
    }
}
