//! What a script may do to a security context, and that whatever goes wrong is no allow.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::{Asked, AugmentError, AugmentScript, Settings};
use crate::deadline::Deadline;
use crate::principal::{ContextIncomplete, Origin, Principal, Role, User};
use crate::request::{Headers, PathPolicy, RequestPath, RequestView};
use crate::script::ScriptError;
use crate::token::ActiveToken;

fn object(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

fn compile(source: &str) -> AugmentScript {
    let properties = json!({
        "clientId": "rs",
        "subjectMapping": [{"realm": "/a", "userRoles": "roles"}, {"realm": "/b"}],
    });
    let settings = Settings {
        source: source.to_owned(),
        globals: object(json!({"limit": 3, "word": "w"})),
        properties,
        withheld_headers: vec!["x-token".to_owned()],
        withhold_query: false,
    };
    AugmentScript::compile(settings).expect("a script")
}

fn clerk() -> Principal {
    let user = User {
        id: "1".to_owned(),
        component: "managed/user".into(),
        fields: object(json!({"_id": "1", "mail": "b@example", "region": "eu"})),
    };
    let origin = Origin::Directory(Arc::new(ActiveToken::default()), Arc::new(user));
    let roles = ["a", "b"].into_iter().filter_map(Role::new).collect();
    Principal::new("bjensen", "managed/user", "1", roles, origin).expect("a principal")
}

async fn run_for(
    script: &AugmentScript,
    principal: Option<&Principal>,
    within: Duration,
) -> Result<Value, AugmentError> {
    let headers: Vec<(&str, &[u8])> = vec![
        ("X-Region", b"eu"),
        ("x-region", b"us"),
        ("x-odd", b"\xff"),
        ("Authorization", b"Bearer t0ken"),
        ("cookie", b"s=t0ken"),
        ("X-Token", b"t0ken"),
        ("get", b"sent"),
    ];
    let view = RequestView {
        method: "GET",
        target: "/a%20b/c?d=%20e",
        host: "",
        scheme: "http",
        headers: Headers::from_list(headers),
        body: None,
        source_address: None,
        source_principal: None,
        source_certificate: None,
        context_extensions: None,
    };
    let path = RequestPath::parse(view.target, PathPolicy::default()).expect("a path");
    let now = "2026-06-01T12:00:00Z".parse().expect("an instant");
    let asked = Asked { request: &view, path: &path, mapping: Some(1), now, deadline: Deadline::after(within) };
    let augmented = match principal {
        Some(principal) => script.run(principal, asked).await?,
        None => script.supply("zzz", Arc::new(ActiveToken::default()), asked).await?,
    };
    Ok(augmented.to_json())
}

async fn supplied(source: &str) -> Result<Value, AugmentError> {
    run_for(&compile(source), None, Duration::from_secs(20)).await
}

async fn run(source: &str) -> Result<Value, AugmentError> {
    run_for(&compile(source), Some(&clerk()), Duration::from_secs(20)).await
}

/// The value of `expression`, as the script sees it.
async fn seen(expression: &str) -> Value {
    let context = run(&format!("security.authorization.seen = [{expression}];")).await.expect("a context");
    context["authorization"]["seen"][0].clone()
}

fn refused(message: &str) -> Result<Value, AugmentError> {
    Err(AugmentError::Refused(message.to_owned()))
}

fn incomplete(member: &'static str) -> Result<Value, AugmentError> {
    Err(AugmentError::Incomplete(ContextIncomplete { member }))
}

#[tokio::test]
async fn a_script_that_does_nothing_changes_nothing() {
    for source in ["", "security", "null", "'text'", "security.authorization.roles.length", "[1]", "({})", "true"] {
        assert_eq!(run(source).await, Ok(clerk().to_json()), "{source}");
    }
}

#[tokio::test]
async fn changes_in_place_are_honoured() {
    let context = run("security.authorization.roles.push('c', 'a', 'c', '', 7, null, ['d']);
         security.authorization.roles.shift();
         security.authorization.processesUsers = {n: [limit]};
         security.authenticationId = 'other';")
    .await;
    let expected = json!({
        "authenticationId": "other",
        "authorization": {"id": "1", "component": "managed/user", "roles": ["b", "c", "a"], "processesUsers": {"n": [3]}},
    });
    assert_eq!(context, Ok(expected));
}

#[tokio::test]
async fn what_is_returned_replaces_what_is_there() {
    let whole = json!({"authenticationId": "x", "authorization": {"id": "2", "component": "c", "roles": []}});
    assert_eq!(run(&format!("(function () {{ return {whole}; }}());")).await, Ok(whole));
    let context = run("security.authorization = null;
         ({authenticationId: null, authorization: {id: '2', component: 'c', roles: ['r']}})")
    .await;
    let authorization = json!({"id": "2", "component": "c", "roles": ["r"]});
    assert_eq!(context, Ok(json!({"authenticationId": "bjensen", "authorization": authorization})));
    let context = run("security = {authorization: {id: '2', component: 'c', roles: ['r']}}; null").await;
    assert_eq!(context, Ok(clerk().to_json()), "another value in the variable is no change in place");
}

#[tokio::test]
async fn an_incomplete_context_is_no_context() {
    for (source, member) in [
        ("security.authenticationId = ''", "authenticationId"),
        ("security.authenticationId = 7", "authenticationId"),
        ("delete security.authorization.id", "authorization.id"),
        ("security.authorization.component = null", "authorization.component"),
        ("security.authorization.roles = 'a'", "authorization.roles"),
        ("delete security.authorization.roles", "authorization.roles"),
        ("({authorization: {id: '2', component: 'c'}})", "authorization.roles"),
        ("({authorization: ['a']})", "authorization"),
        ("delete security.authorization", "authorization"),
        ("security.toJSON = function () { return 'x'; }", "authorization"),
    ] {
        assert_eq!(run(source).await, incomplete(member), "{source}");
    }
}

#[tokio::test]
async fn a_thrown_4xx_refuses_with_its_message_and_everything_else_is_an_outage() {
    assert_eq!(
        run("throw {code: 401, message: 'Access denied, not today'}").await,
        refused("Access denied, not today")
    );
    assert_eq!(run("throw {code: 403, message: 'no'}").await, refused("no"));
    for code in 400..500 {
        let outcome = run(&format!("throw {{code: {code}}}")).await;
        assert_eq!(outcome, refused(""), "{code}");
    }
    for source in [
        "throw {code: 500, message: 'm'}",
        "throw {code: 503, message: 'm'}",
        "throw {code: 200, message: 'm'}",
        "throw {code: 500.5, message: 'm'}",
        "throw {code: '401', message: 'm'}",
        "throw {code: 1e99, message: 'm'}",
        "throw [401]",
        "throw {code: 399, message: 'm'}",
        "throw {message: 'm'}",
        "throw 'm'",
    ] {
        let outcome = run(source).await;
        assert!(matches!(outcome, Err(AugmentError::Failed(ScriptError::Thrown { .. }))), "{source}: {outcome:?}");
    }
    for source in [
        "null.x",
        "unknownName",
        "security.authorization.me = security",
        "security.authorization.n = 10n",
        "security.authorization.s = 'x'.repeat(300000)",
        "var a = 1; for (var i = 0; i < 17; i++) a = [a]; security.authorization.deep = a",
        "security.authorization.odd = '\\ud800'",
        "Object.defineProperty(security, 'authorization', {enumerable: true, get: function () { null.x }})",
        "({get authorization() { null.x }})",
    ] {
        let outcome = run(source).await;
        assert!(matches!(outcome, Err(AugmentError::Failed(ScriptError::Other(_)))), "{source}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_script_sees_its_bindings() {
    for (expression, expected) in [
        ("httpRequest.method", json!("GET")),
        ("httpRequest.path", json!("/a b/c")),
        ("httpRequest.uri", json!("/a b/c?d=%20e")),
        ("httpRequest.headers", json!({"x-region": "eu,us", "x-odd": "\u{fffd}", "get": "sent"})),
        ("resource.mail", json!("b@example")),
        ("subjectMapping.realm", json!("/b")),
        ("properties.clientId", json!("rs")),
        ("limit + word", json!("3w")),
        ("security.authorization.roles", json!(["a", "b"])),
    ] {
        assert_eq!(seen(expression).await, expected, "{expression}");
    }
}

#[tokio::test]
async fn a_script_calls_the_request_as_idm_s_scripts_do() {
    for (expression, expected) in [
        ("httpRequest.getMethod()", json!("GET")),
        ("httpRequest.getUri() + '|' + httpRequest.getUri().getPath()", json!("/a b/c?d=%20e|/a b/c")),
        ("httpRequest.getUri().getQuery()", json!("d=%20e")),
        ("httpRequest.getHeaders().getFirst('X-REGION').toString()", json!("eu,us")),
        ("httpRequest.headers.getFirst('x-region')", json!("eu,us")),
        ("httpRequest.headers.get('X-Region').getFirstValue()", json!("eu,us")),
        ("httpRequest.headers.get('X-Region').getValues()", json!(["eu,us"])),
        ("'' + httpRequest.headers.get('X-Region')", json!("eu,us")),
        ("httpRequest.headers.get('x-none')", json!(null)),
        ("httpRequest.headers.getFirst('constructor')", json!(null)),
        ("httpRequest.headers.getFirst('__proto__')", json!(null)),
        // A client's headers of these names are no functions and take the place of none.
        ("httpRequest.headers.getFirst('get') + typeof httpRequest.headers.get", json!("sentfunction")),
        (
            "['Authorization', 'Cookie', 'X-Token', 'proxy-authorization'].map(httpRequest.headers.getFirst)",
            json!([null, null, null, null]),
        ),
        (
            "httpRequest.getMethod() && Object.keys(httpRequest).length + Object.keys(httpRequest.headers).length",
            json!(6),
        ),
    ] {
        assert_eq!(seen(expression).await, expected, "{expression}");
    }
}

#[tokio::test]
async fn a_script_s_clock_stands_at_the_check_s_instant() {
    assert_eq!(seen("new Date(Date.now()).toISOString()").await, json!("2026-06-01T12:00:00.000Z"));
}

#[tokio::test]
async fn idm_s_own_helper_adds_nothing_and_other_modules_are_unknown() {
    let sample = "require('auth/orgPrivileges').assignPrivilegesToUser(resource, security, properties, subjectMapping, \
                  privileges, 'privileges', 'privilegeAssignments');";
    assert_eq!(run(sample).await, Ok(clerk().to_json()));
    assert_eq!(run(&sample.replace("orgPrivileges'", "orgPrivileges.js'")).await, Ok(clerk().to_json()));
    assert_eq!(seen("privileges").await, json!([]));
    for module in ["auth/orgPrivileges2", "x/auth/orgPrivileges", "auth/orgPrivileges\\n", "lodash", "fs"] {
        let outcome = run(&format!("require('{module}')")).await;
        let Err(AugmentError::Failed(ScriptError::Other(message))) = outcome else { panic!("{module}: {outcome:?}") };
        assert!(message.contains("is not known here"), "{module}: {message}");
    }
}

#[tokio::test]
async fn what_a_script_logs_goes_nowhere() {
    assert_eq!(
        run("logger.debug('{} {}', security, 1); logger.isDebugEnabled() && x; console.log(resource);").await,
        Ok(clerk().to_json())
    );
}

#[tokio::test]
async fn a_script_may_supply_a_user_that_was_not_found() {
    let whole = json!({"authenticationId": "zzz", "authorization": {"id": "7", "component": "ext/user", "roles": ["r"], "more": 1}});
    let given = "authorization = {id: '7', component: 'ext/user', roles: ['r', '', 'r'], more: 1}";
    assert_eq!(supplied(&format!("if (resource === null) security.{given}")).await, Ok(whole.clone()));
    assert_eq!(supplied(&format!("var a = {{}}; a.{given}; a")).await, Ok(whole));
    let seen = supplied("var a = security.authorization; a.id = 'i'; a.component = 'c'; a.roles = []; a.seen = [Object.keys(a).length, subjectMapping.realm]").await;
    assert_eq!(seen.map(|context| context["authorization"]["seen"].clone()), Ok(json!([3, "/b"])));
}

#[tokio::test]
async fn a_user_that_was_not_found_is_none_before_the_context_is_whole() {
    for (source, member) in [
        ("", "authorization.roles"),
        ("security.authorization.roles = ['r']", "authorization.id"),
        ("security.authorization = {id: '7', component: '', roles: []}", "authorization.component"),
        ("security.authorization = {id: '7', component: 'c'}", "authorization.roles"),
        ("({authenticationId: '', authorization: {id: '7', component: 'c', roles: []}})", "authenticationId"),
        ("security.authorization = null", "authorization"),
    ] {
        assert_eq!(supplied(source).await, incomplete(member), "{source}");
    }
    assert_eq!(supplied("throw {code: 403, message: 'no'}").await, refused("no"));
}

#[tokio::test]
async fn a_static_user_has_no_record() {
    let origin = Origin::Static(Arc::new(ActiveToken::default()));
    let admin = Principal::new("admin", "internal/user", "admin", Vec::new(), origin).expect("a principal");
    let script = compile("security.authorization.none = resource === null");
    let context = run_for(&script, Some(&admin), Duration::from_secs(20)).await.expect("a context");
    assert_eq!(context["authorization"]["none"], json!(true));
}

#[tokio::test]
async fn nothing_a_request_does_is_seen_by_the_next() {
    let script = compile(
        "security.authorization.seen = [typeof left, typeof [].left, limit, properties.clientId, subjectMapping.realm];
         left = 1; Array.prototype.left = 1; limit = 9; properties.clientId = 'x'; subjectMapping.realm = 'x';",
    );
    for _ in 0..3 {
        let context = run_for(&script, Some(&clerk()), Duration::from_secs(20)).await.expect("a context");
        assert_eq!(context["authorization"]["seen"], json!(["undefined", "undefined", 3, "rs", "/b"]));
    }
}

#[tokio::test]
async fn many_endless_scripts_end_at_their_deadlines_and_the_next_one_runs() {
    let script = compile("if (resource.mail) while (true) {}");
    let began = Instant::now();
    let (within, clerk) = (Duration::from_millis(150), clerk());
    let runs = (0..20).map(|_| run_for(&script, Some(&clerk), within));
    for outcome in futures_util::future::join_all(runs).await {
        assert_eq!(outcome, Err(AugmentError::Failed(ScriptError::Deadline)));
    }
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let origin = Origin::Static(Arc::new(ActiveToken::default()));
    let admin = Principal::new("admin", "internal/user", "admin", Vec::new(), origin).expect("a principal");
    let script = AugmentScript { script: compile("1").script, ..script };
    assert!(run_for(&script, Some(&admin), Duration::from_secs(20)).await.is_ok(), "the turns have been given back");
}
