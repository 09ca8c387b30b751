//! Does a customAuthz expression mean what JavaScript would mean?

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use super::CustomAuthz;
use crate::access::ask::Ask;
use crate::access::facts::Facts;
use crate::access::settings::Knowledge;
use crate::access::tests::{principal, view};
use crate::principal::Principal;
use crate::request::{PathPolicy, RequestPath, RequestView};

mod idm;

fn compile(expression: &str) -> Result<CustomAuthz, String> {
    CustomAuthz::compile(expression, &Knowledge::default())
}

/// A request as an expression sees it.
struct Case<'a> {
    method: &'a str,
    path: &'a str,
    action: &'a str,
    query: &'a str,
    headers: &'a [(&'a str, &'a str)],
    body: Option<&'a str>,
    who: Arc<Principal>,
}

fn case<'a>(method: &'a str, path: &'a str) -> Case<'a> {
    let who = principal(&["clerk", "boss"], Some("orders mail"));
    Case { method, path, action: "", query: "", headers: &[], body: None, who }
}

impl Case<'_> {
    fn holds(&self, expression: &str) -> Result<bool, String> {
        self.holds_with(expression, &Knowledge::default())
    }

    fn holds_with(&self, expression: &str, knowledge: &Knowledge) -> Result<bool, String> {
        let target = format!("/openidm/{}?{}", self.path, self.query);
        let path = RequestPath::parse(&target, PathPolicy::default()).unwrap();
        let request = RequestView { body: self.body.map(str::as_bytes), ..view("GET", &target, self.headers) };
        let ask = Ask { method: self.method, path: self.path, action: self.action.into() };
        let facts = Facts { request: &request, path: &path, principal: &self.who, ask: &ask };
        let compiled = CustomAuthz::compile(expression, knowledge);
        compiled.unwrap_or_else(|message| panic!("{expression}: {message}")).holds(&facts)
    }
}

#[test]
fn truth_is_javascripts() {
    let read = case("read", "zce");
    for (expression, holds) in [
        ("", false),
        ("  ", false),
        ("true", true),
        ("isSelfServiceRequest()", false),
        ("!isSelfServiceRequest()", true),
        ("false", false),
        ("null", false),
        ("undefined", false),
        ("0", false),
        ("-0", false),
        ("0.5", true),
        ("''", false),
        ("' '", true),
        ("'false'", true),
        ("[]", true),
        ("!0", true),
        ("!'x'", false),
        ("!!'x'", true),
        ("true;", true),
        ("1 === 1.0", true),
        ("'1' === 1", false),
        ("'1' == 1", true),
        ("'x' == 0", false),
        ("'' == 0", true),
        ("true == 1", true),
        ("null == undefined", true),
        ("null === undefined", false),
        ("null == 0", false),
        ("null != ''", true),
        ("1 + 2 === 3", true),
        ("1 + 2 + 'a' === '3a'", true),
        ("'a' + 1 + 2 === 'a12'", true),
        ("'a' + 1.5 === 'a1.5'", true),
        ("false || true && false", false),
        ("(false || true) && true", true),
        ("!true === false", true),
        ("!(true === false)", true),
        ("'a\\'b' === \"a'b\"", true),
        ("'\\u00e9' === 'é'", true),
        ("(undefined || 'x') === 'x'", true),
        ("false && roles.nothing.at.all", false),
        ("id === 'zce' && method === 'read' && action === '' && roles.length === 2", true),
        ("roles[0] === 'clerk' && roles[7] === undefined", true),
        ("id.length === 3", true),
        ("'\\ufeff' == 0 && '\\u0085' != 0", true),
        ("\u{feff}true\u{a0};", true),
        ("-0 + 'x' === '0x'", true),
    ] {
        assert_eq!(read.holds(expression), Ok(holds), "{expression}");
    }
}

#[test]
fn where_javascript_would_surprise_the_evaluation_fails() {
    let read = case("read", "zce");
    for expression in [
        "request.content.missing.deep",
        "!request.content.missing",
        "roles === 'clerk'",
        "roles != 'clerk'",
        "'a' + undefined",
        "'managed/user/' + context.security.authorization.nothing === id",
        "true + true",
        "roles.toString",
        "context.security.constructor",
        "context.security.authorization.roles.map",
        "[undefined][0] === null",
        "roles['00'] === 'clerk'",
        "roles['+0'] === 'clerk'",
        "'0x1' != 1",
        "'Infinity' != 1",
        "'x' + 1000000000000000000000 === 'x1000000000000000000000'",
        "'x' + 0.0000001",
    ] {
        assert!(read.holds(expression).is_err(), "{expression}");
    }
}

#[test]
fn what_the_subset_does_not_know_is_refused_with_advice() {
    for (expression, said) in [
        ("ownDataOnly(", "the expression ends where a value"),
        ("noSuchFunction()", "the function `noSuchFunction` is not known; known are `ownDataOnly`"),
        ("ownDataOnly", "call it: `ownDataOnly()`"),
        ("!ownDataOnly", "call it"),
        ("ownDataOnly(1)", "other arguments than none"),
        ("restrictPatchToFields('password')", "one list of texts"),
        ("isQueryOneOf(['x'])", "one object of lists"),
        ("isQueryOneOf({'a': 'b'})", "one object of lists"),
        ("request", "only through a member"),
        ("context.http", "not known; known are"),
        ("request.contents", "this member of `request` is not known; known are `request.method`"),
        ("!request.conten.x", "not known"),
        ("request['content' + 's']", "not known"),
        ("context.http.headers", "name one of"),
        ("context.http.headers[id]", "name one of"),
        ("openidm.read('x')", "out of a sidecar's reach"),
        ("openidm", "out of a sidecar's reach"),
        ("roles.indexOf('x')", "the method `indexOf` is not supported"),
        ("identity.server", "the name `identity` is not known"),
        ("(function(){ throw {code: 418}; })()", "`;` at character 31"),
        ("a ? b : c", "`?` at character 3 is not part of the supported subset"),
        ("id = 'x'", "`=` at character 4"),
        ("1 < 2", "`<` at character 3"),
        ("'open", "has no end"),
        ("'\\x41'", "has no end"),
        ("010", "no number"),
        ("'\\u+041'", "has no end"),
        ("\u{85}true", "is not part of the supported subset"),
        ("isQueryOneOf({'a': ['x'], a: ['y']})", "write each path once"),
        ("isQueryOneOf({'__proto__': ['x']})", "write each path once"),
        ("true false", "found `false` at character 6, expected an operator"),
        ("({})", "only as an argument"),
        ("- 'x'", "expected a number after `-`"),
        ("true;;", "`;` at character 5"),
    ] {
        let message = compile(expression).unwrap_err();
        assert!(message.contains(said), "{expression}: {message}");
    }
    assert!(compile(&"9".repeat(400)).is_err_and(|message| message.contains("no number")));
    let largest = format!("17{}", "0".repeat(307));
    assert!(case("read", "zce").holds(&format!("!({largest} + {largest})")).is_err());
    assert!(compile(&"(".repeat(4000)).is_err());
    assert!(compile(&"!".repeat(4000)).is_err());
    assert!(compile(&format!("'{}'", "x".repeat(5000))).is_err());
    assert!(compile(&format!("id{}", ".x".repeat(1000))).is_err());
    assert!(compile(&format!("true{}", " && true".repeat(500))).is_ok());
}

#[test]
fn own_data_is_the_principals_record_and_nothing_beside_it() {
    for (path, own) in [
        ("managed/user/11aa", true),
        ("managed/user/11aa/roles", false),
        ("managed/user/11aaX", false),
        ("managed/user", false),
        ("managed/userX11aa", false),
        ("Managed/user/11aa", false),
        ("x/managed/user/11aa", false),
        ("", false),
    ] {
        assert_eq!(case("read", path).holds("ownDataOnly()"), Ok(own), "{path}");
    }
}

#[test]
fn queries_and_commands_are_told_apart() {
    let query = |query| Case { query, ..case("query", "managed/user") };
    let listed = "isQueryOneOf({'managed/user': ['for-userName', 'all']})";
    for (case, expression, holds) in [
        (query("_queryId=for-userName"), listed, true),
        (query("_QUERYID=all"), listed, true),
        (query("_queryId=For-userName"), listed, false),
        (query("_queryFilter=true"), listed, false),
        (Case { query: "_queryId=all", ..case("query", "managed/role") }, listed, false),
        (Case { query: "_queryId=all", ..case("read", "managed/user") }, listed, false),
        (Case { action: "patch", query: "_queryId=all", ..case("action", "managed/user") }, listed, false),
        (query("_queryFilter=true"), "disallowQueryExpression()", true),
        (query("_queryExpression=x"), "disallowQueryExpression()", false),
        (query("_queryexpression="), "disallowQueryExpression()", false),
        (case("read", "x"), "disallowQueryExpression()", true),
        (Case { action: "command", ..case("action", "repo") }, "disallowCommandAction()", false),
        (Case { action: "COMMAND", ..case("action", "repo") }, "disallowCommandAction()", false),
        (Case { action: "commands", ..case("action", "repo") }, "disallowCommandAction()", true),
        (case("read", "repo"), "disallowCommandAction()", true),
        (query("_queryId=all"), "request.queryId === 'all' && request.queryFilter === undefined", true),
        (case("read", "x"), "request.queryId", false),
    ] {
        assert_eq!(case.holds(expression), Ok(holds), "{expression} {} {}", case.method, case.query);
    }
}

#[test]
fn a_patch_is_restricted_by_every_field_it_touches() {
    let restricted = "restrictPatchToFields(['password', 'mail'])";
    for (body, holds) in [
        (Some(r#"[{"operation":"replace","field":"/password","value":1}]"#), true),
        (Some(r#"[{"operation":"replace","field":"password/x"},{"operation":"add","field":"mail"}]"#), true),
        (Some(r#"[{"operation":"replace","field":"password"},{"operation":"add","field":"roles"}]"#), false),
        (Some(r#"[{"operation":"copy","from":"/roles","field":"/mail"}]"#), false),
        (Some(r#"[{"operation":"move","from":"/mail","field":"/password"}]"#), true),
        (Some(r#"[{"operation":"MOVE","from":"roles/0","field":"/mail"}]"#), false),
        (Some(r#"[{"operation":"copy","from":7,"field":"/mail"}]"#), false),
        (Some("[]"), true),
        (Some(r#"[{"operation":"replace","field":"/Password"}]"#), false),
        (Some(r#"[{"operation":"replace","field":"/pass~0word"}]"#), false),
        (Some(r#"[{"operation":"replace","field":""}]"#), false),
        (Some(r#"[{"operation":"replace","field":"/"}]"#), false),
        (Some(r#"[{"operation":"replace"}]"#), false),
        (Some(r#"[{"operation":"replace","field":["password"]}]"#), false),
        (Some(r#"{"field":"password"}"#), false),
        (Some(r#"["password"]"#), false),
        (Some(r#"[{"field":"/roles","field":"/password"}]"#), false),
        (Some(r#"[{"field":"password"}"#), false),
        (Some(""), false),
        (None, false),
    ] {
        assert_eq!(Case { body, ..case("patch", "u/1") }.holds(restricted), Ok(holds), "{body:?}");
        let action = |action| Case { body, action, ..case("action", "u") };
        assert_eq!(action("patch").holds(restricted), Ok(holds), "{body:?}");
        assert_eq!(action("other").holds(restricted), Ok(false), "{body:?}");
        assert_eq!(Case { body, ..case("update", "u/1") }.holds(restricted), Ok(false), "{body:?}");
    }
    let cut = Case { body: Some("[]"), headers: &[("x-envoy-auth-partial-body", "true")], ..case("patch", "u/1") };
    assert_eq!(cut.holds(restricted), Ok(false));
}

#[test]
fn the_deprecated_restriction_of_managed_users_ignores_case() {
    let restricted = "managedUserRestrictedToAllowedProperties('userName,Mail')";
    let listed = "managedUserRestrictedToAllowedProperties(['userName', 'Mail'])";
    for (method, path, body, holds) in [
        ("update", "config/x", None, true),
        ("read", "managed/user/1", None, true),
        ("query", "managed/user", None, true),
        ("delete", "managed/user/1", None, true),
        ("create", "managed/user", Some(r#"{"username":1,"MAIL":2}"#), true),
        ("create", "managed/userX", Some(r#"{"username":1,"roles":2}"#), false),
        ("create", "managed/user", None, false),
        ("create", "managed/user", Some("[]"), false),
        ("patch", "managed/user/1", Some(r#"[{"field":"/mail"}]"#), true),
        ("patch", "managed/user/1", Some(r#"[{"field":"/mail","from":"x"}]"#), false),
        ("action", "managed/user/1", None, true),
        ("patch", "managed/userX/1", Some(r#"[{"field":"/roles"}]"#), false),
        ("patch", "managed/use", Some(r#"[{"field":"/roles"}]"#), true),
        ("patch", "managed/user/1", None, false),
        // What an update changes is known only to whoever has the stored object: all of it may be.
        ("update", "managed/user/1", Some(r#"{"mail":2}"#), true),
        ("update", "managed/user/1", Some(r#"{"mail":2,"_rev":"1"}"#), false),
        ("update", "managed/userX", Some(r#"{"roles":2}"#), false),
        ("update", "managed/user/1", None, false),
    ] {
        let case = Case { body, ..case(method, path) };
        assert_eq!(case.holds(restricted), Ok(holds), "{method} {path} {body:?}");
        assert_eq!(case.holds(listed), Ok(holds), "{method} {path} {body:?}");
    }
    for (action, holds) in [("patch", false), ("PATCH", false), ("other", true)] {
        let case = Case { body: Some(r#"[{"field":"/roles"}]"#), action, ..case("action", "managed/user/1") };
        assert_eq!(case.holds(restricted), Ok(holds), "{action}");
    }
}

#[test]
fn members_of_request_and_context_are_readable() {
    let delete = "request.additionalParameters.commandId === 'delete-mapping-links'";
    let case = Case {
        action: "command",
        query: "_action=command&commandId=delete-mapping-links&x=1&x=2",
        headers: &[("X-Region", "eu"), ("x-region", "us")],
        body: Some(r#"{"a":{"b":[1]}}"#),
        ..case("action", "repo/links")
    };
    assert!(case.holds(delete).is_err_and(|message| message.contains("given twice")));
    let once = Case { query: "_action=command&commandId=delete-mapping-links", ..case };
    for expression in [
        delete,
        "request.method === 'action' && request.action === 'command' && request.resourcePath === 'repo/links'",
        "request['resourcePath'] === id",
        "request.content.a.b[0] === 1",
        "request.content.a.b.length === 1",
        "request.content.nothing === undefined",
        "request.patchOperations === undefined",
        "context.security.authenticationId === '11aa'",
        "context.security.authorization.component + '/' + context.security.authorization.id === 'managed/user/11aa'",
        "context.security.authorization.roles[1] === 'boss'",
        "context.http.method === 'GET'",
        "context.http.path === '/openidm/repo/links'",
        "context.http.headers['X-REGION'] === 'eu,us'",
        "context.http.headers.missing === undefined",
        "context.http.parameters.commandId[0] === 'delete-mapping-links'",
        "context.http.parameters['nothing'] === undefined",
        "context.oauth2.accessToken.scopes[0] === 'orders'",
        "context.oauth2.accessToken.info.sub === undefined",
    ] {
        assert_eq!(once.holds(expression), Ok(true), "{expression}");
    }
    let anonymous = Case { who: principal(&[], None), ..once };
    assert_eq!(anonymous.holds("context.oauth2.accessToken"), Ok(false));
    let no_body = Case { body: None, ..anonymous };
    assert!(no_body.holds("!request.content").is_err_and(|message| message.contains("not visible")));
    let ambiguous = Case { body: Some(r#"{"a":2,"a":{"b":[1]}}"#), ..once };
    assert!(ambiguous.holds("request.content.a.b[0] === 1").is_err_and(|message| message.contains("a key twice")));
}

#[test]
fn the_header_test_of_the_csrf_gate_can_be_asked_for() {
    assert_eq!(case("read", "x").holds("isAJAXRequest()"), Ok(false));
    assert_eq!(Case { headers: &[("X-Requested-With", "")], ..case("read", "x") }.holds("isAJAXRequest()"), Ok(true));
}

#[test]
fn extra_members_of_the_security_context_can_be_read() {
    let mut who = (*principal(&[], Some(""))).clone();
    who.extra.insert("organisation".to_owned(), json!("acme"));
    let case = Case { who: Arc::new(who), ..case("read", "x") };
    assert_eq!(case.holds("context.security.authorization.organisation === 'acme'"), Ok(true));
}

proptest! {
    #[test]
    fn no_text_ends_the_process(text in "[ -~é\u{1f600}]{0,40}") {
        let _ = compile(&text);
    }

    #[test]
    fn no_soup_of_words_ends_the_process(words in prop::collection::vec(prop::sample::select(vec![
        "id", "roles", "request", ".", "content", "context", "http", "headers", "[", "]", "(", ")", "'x'", "&&", "||",
        "!", "===", "!=", "+", "-", "1", "ownDataOnly", "{", "}", ":", ",", "length", "security", "null",
    ]), 0..12)) {
        let text = words.join(" ");
        if let Ok(compiled) = compile(&text) {
            let request = view("GET", "/x", &[]);
            let path = RequestPath::parse("/x", PathPolicy::default()).unwrap();
            let who = principal(&[], None);
            let ask = Ask::new("read", "x");
            let _ = compiled.holds(&Facts { request: &request, path: &path, principal: &who, ask: &ask });
        }
    }
}
