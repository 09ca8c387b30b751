//! Does a customAuthz expression mean what JavaScript would mean?

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use super::CustomAuthz;
use crate::access::ask::Ask;
use crate::access::settings::{Knowledge, Library};
use crate::access::tests::{at_once, facts, principal, view};
use crate::principal::Principal;
use crate::request::{PathPolicy, RequestPath, RequestView};

mod idm;

fn compile(expression: &str) -> Result<CustomAuthz, String> {
    CustomAuthz::compile(expression, &Knowledge::default(), &Library::default())
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
        let facts = facts(&request, &path, &self.who, &ask);
        let compiled = CustomAuthz::compile(expression, knowledge, &Library::default());
        let compiled = compiled.unwrap_or_else(|message| panic!("{expression}: {message}"));
        at_once(compiled.holds(&facts)).map_err(|failure| failure.to_string())
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
        ("request.contents", "this member of `request` is not known; known are `request.method`"),
        ("!request.conten.x", "not known"),
        ("request['content' + 's']", "not known"),
        ("openidm", "only through `openidm.read`"),
        ("openidm.create('managed/user', null, {})", "`openidm.create` is out of a sidecar's reach"),
        ("eval('true')", "code that nobody has checked"),
        ("new Function('return true')()", "code that nobody has checked"),
        ("(function () { return nobody(id); })()", "the function `nobody` is not known"),
        ("roles.some(isMyTask)", "the name `isMyTask` is not known"),
        ("ownDataOnly(id) || roles.indexOf('x') >= 0", "other arguments than none"),
        ("restrictPatchToFields(roles.slice()) ", "other arguments than one list of texts"),
        ("restrictPatchToFields(roles.filter(r => r))", "with fixed texts and lists only"),
        ("require('fs')", "the function `require` is not known"),
        ("context.htp.path.length > 1", "this member of `context` is not known"),
        ("context['ht' + 'tp'].path.length > 1", "this member of `context` is not known"),
        ("identity.server", "the name `identity` is not known"),
        ("a ? b : c", "the name `a` is not known"),
        ("id = 'x'", "`id` is assigned to; compare with `===`"),
        ("(request.method = 'read')", "`request` is assigned to"),
        ("limit = 3; roles.length < limit", "`limit` is assigned to; compare with `===`, or declare a variable"),
        ("'open", "has no end"),
        ("'\\u+041'", "has no end"),
        ("isQueryOneOf({'a': ['x'], a: ['y']})", "write each path once"),
        ("isQueryOneOf({'__proto__': ['x']})", "write each path once"),
        ("true false", "found `false` at character 6, expected an operator"),
    ] {
        let message = compile(expression).unwrap_err();
        assert!(message.contains(said), "{expression}: {message}");
    }
    let largest = format!("17{}", "0".repeat(307));
    assert!(case("read", "zce").holds(&format!("!({largest} + {largest})")).is_err());
    assert!(compile(&"(".repeat(4000)).is_err());
    assert!(compile(&"!".repeat(4000)).is_err());
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
            let _ = at_once(compiled.holds(&facts(&request, &path, &who, &ask)));
        }
    }
}

/// What the native subset does not know, as JavaScript.
mod in_javascript {
    use super::*;

    #[test]
    fn truth_is_javascripts_and_idms_functions_are_answered() {
        let own = Case {
            query: "x=Y&_fields=a",
            headers: &[("X-Region", "eu"), ("x-two", "a"), ("X-Two", "b")],
            ..case("read", "managed/user/11aa")
        };
        for (expression, holds) in [
            ("roles.indexOf('clerk') >= 0", true),
            ("roles.length < 2", false),
            ("ownDataOnly() && roles.indexOf('clerk') !== -1", true),
            ("!ownDataOnly() || roles.some(r => r === 'nobody')", false),
            ("[ownDataOnly(), isQueryOneOf({'managed/user': ['all']})].every(x => x)", false),
            ("method === 'read' ? ownDataOnly() : false", true),
            ("(function () { return id.split('/').pop() === context.security.authorization.id; }())", true),
            ("/^managed\\/user\\/[0-9a-z]+$/.test(request.resourcePath)", true),
            ("request.additionalParameters.x.toLowerCase() === 'y'", true),
            ("context.http.parameters.x.length === 1 && context.http.parameters['x'][0] === 'Y'", true),
            ("context.http.headers['X-REGION'].length === 2 && 'x-region' in context.http.headers", true),
            ("context.http.headers['x-two'].split(',').length === 2", true),
            ("context.http.headers['x-none'] === undefined && context.http.method.toLowerCase() === 'get'", true),
            ("context.oauth2.accessToken.scopes.indexOf('mail') >= 0", true),
            ("context.security.authorization.roles.join() === 'clerk,boss'", true),
            ("request.action === undefined && request.queryId === undefined && !action.length", true),
            ("Date.now() === 1780315200000", true),
            ("var last = id.split('/').pop(); last === '11aa'", true),
            ("010 === 8", true),
            ("true;;", true),
        ] {
            assert_eq!(own.holds(expression), Ok(holds), "{expression}");
        }
    }

    #[test]
    fn what_cannot_be_shown_or_fails_denies() {
        let patch = Case {
            headers: &[("cookie", "a=b"), ("authorization", "Bearer secret")],
            ..case("patch", "managed/user/11aa")
        };
        for expression in [
            "request.patchOperations.every(o => o.field === '/sn')",
            "request.patchOperations === undefined || [].length",
            "context.http.headers['Authorization'].length > 0",
            "context.http.headers.cookie === undefined || false > 1",
            "JSON.stringify(context) && true",
            "(function(){ throw {code: 418, message: 'probe'}; })()",
            "(function f() { return f(); })()",
            "roles.map",
            "openidm.read('managed/user/11aa') && true",
        ] {
            let failure = patch.holds(expression).expect_err(expression);
            assert!(!failure.contains("secret"), "{failure}");
        }
    }

    #[test]
    fn a_credential_that_comes_twice_keeps_no_script_from_the_other_headers() {
        let twice = Case {
            headers: &[("cookie", "a=b"), ("Cookie", "c=d"), ("x-a", "1"), ("X-A", "2")],
            ..case("read", "managed/user/11aa")
        };
        assert_eq!(twice.holds("(function (all) { return all['X-a'].length === 3; }(context.http.headers))"), Ok(true));
        assert_eq!(twice.holds("context.http.headers['X-a'].split(',').length === 2"), Ok(true));
        assert!(twice.holds("context.http.headers.Cookie.length > 0").is_err());
    }

    #[test]
    fn an_operators_own_functions_are_taken_along_and_no_more_of_the_file() {
        let library = Library::read(
            "var limit = 3;
             var accessConfig = { configs: [ nobody ] };
             throw 'this statement is no declaration';
             function few(list) { return list.length < limit; }
             var isClerk = function () { return few(roles) && roles.indexOf('clerk') >= 0; };
             function ownOrClerk() { return ownDataOnly() || isClerk(); }
             function ownDataOnly() { return true; }
             function broken() { return undeclared(); }",
        )
        .unwrap();
        let compile = |text: &str| CustomAuthz::compile(text, &Knowledge::default(), &library);
        let holds = |text: &str| {
            let case = case("read", "managed/user/22bb");
            let path = RequestPath::parse("/x", PathPolicy::default()).unwrap();
            let (request, ask) = (view("GET", "/x", &[]), Ask::new("read", "managed/user/22bb"));
            let compiled = compile(text).unwrap_or_else(|message| panic!("{text}: {message}"));
            at_once(compiled.holds(&facts(&request, &path, &case.who, &ask)))
        };
        assert_eq!(holds("isClerk()"), Ok(true));
        assert_eq!(holds("ownOrClerk() && few([1, 2])"), Ok(true));
        assert_eq!(holds("few([1, 2, 3])"), Ok(false));
        assert_eq!(holds("ownDataOnly()"), Ok(false), "IDM's function stays IDM's");
        assert_eq!(holds("isClerk.length === 0 && limit === 3"), Ok(true));
        assert!(compile("broken()").is_err_and(|message| message.contains("`undeclared` is not known")));
        assert!(compile("missing()").is_err_and(|message| message.contains("`missing` is not known")));
    }
}
