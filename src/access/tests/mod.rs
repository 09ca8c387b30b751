//! Do the access rules decide as IDM's own code does?

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use serde_json::Value;

use super::ask::Ask;
use super::facts::Facts;
use super::rule::Rule;
use super::settings::{Knowledge, Library, RuleSettings, Settings, Style};
use super::{AccessError, AccessRules, Moment, Notes, Permit, Reach, RuleStep, Walk, Which, crest};
use crate::deadline::Deadline;
use crate::principal::{Origin, Principal, Role};
use crate::request::{Headers, PathPolicy, RequestPath, RequestView};
use crate::token::ActiveToken;

mod properties;
mod readings;
mod vectors;

pub(super) fn view<'a>(method: &'a str, target: &'a str, headers: &'a [(&'a str, &'a str)]) -> RequestView<'a> {
    RequestView {
        method,
        target,
        host: "orders.test",
        scheme: "https",
        headers: Headers::from_list(headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect()),
        body: None,
        source_address: None,
        source_principal: None,
        source_certificate: None,
        context_extensions: None,
    }
}

/// The outcome of a decision, scripts or not.
pub(super) fn at_once<T>(deciding: impl Future<Output = T>) -> T {
    static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| tokio::runtime::Runtime::new().unwrap());
    RUNTIME.block_on(deciding)
}

pub(super) fn moment() -> Moment {
    let now = "2026-06-01T12:00:00Z".parse().unwrap();
    Moment { now, deadline: Deadline::after(Duration::from_secs(20)) }
}

pub(super) fn facts<'a>(
    request: &'a RequestView<'a>,
    path: &'a RequestPath<'a>,
    principal: &'a Principal,
    ask: &'a Ask<'a>,
) -> Facts<'a> {
    static REACH: LazyLock<Reach> = LazyLock::new(Reach::default);
    Facts { request, path, principal, ask, moment: moment(), reach: &REACH }
}

pub(super) fn rule(pattern: &str, roles: &str, methods: &str) -> RuleSettings {
    let list = |text: &str| text.split(',').map(str::to_owned).collect();
    RuleSettings {
        name: format!("{pattern} {roles} {methods}"),
        pattern: pattern.to_owned(),
        roles: list(roles),
        methods: list(methods),
        actions: None,
        exclude_patterns: Vec::new(),
        custom_authz: None,
        scopes: Vec::new(),
        when: None,
    }
}

pub(super) fn http(rules: Vec<RuleSettings>) -> Settings {
    Settings {
        style: Style::Http,
        context_path: "/".to_owned(),
        honour_method_override: false,
        knowledge: Knowledge::default(),
        library: Library::default(),
        rules,
    }
}

pub(super) fn crest(rules: Vec<RuleSettings>) -> Settings {
    Settings {
        style: Style::Crest,
        context_path: "/openidm".to_owned(),
        honour_method_override: false,
        knowledge: Knowledge::default(),
        library: Library::default(),
        rules,
    }
}

pub(super) fn principal(roles: &[&str], scopes: Option<&str>) -> Arc<Principal> {
    let roles = roles.iter().filter_map(|role| Role::new(role)).collect();
    let origin = match scopes {
        None => Origin::Anonymous,
        Some(scopes) => Origin::Static(Arc::new(ActiveToken {
            scopes: scopes.split_whitespace().map(str::to_owned).collect(),
            ..ActiveToken::default()
        })),
    };
    Arc::new(Principal::new("11aa", "managed/user", "11aa", roles, origin).unwrap())
}

fn admit(settings: Settings, method: &str, target: &str, who: &Arc<Principal>) -> Result<Permit, AccessError> {
    let rules = AccessRules::compile(&settings).unwrap();
    let path = RequestPath::parse(target, PathPolicy::default()).unwrap();
    at_once(rules.admit(&view(method, target, &[("authorization", "Bearer x")]), &path, who, moment()))
}

impl AccessRules {
    /// The rule that grants one question.
    pub(super) async fn granting_rule(&self, facts: &Facts<'_>) -> Result<&Rule, AccessError> {
        self.way(facts).await.granted.map(|(_, rule)| rule)
    }
}

/// Every rule of the walk that the decision made.
pub(super) fn explain(
    rules: &AccessRules,
    request: &RequestView<'_>,
    path: &RequestPath<'_>,
    who: &Arc<Principal>,
) -> Vec<RuleStep> {
    walk(rules, request, path, who).map(|walk| walk.steps(Which::All).steps).unwrap_or_default()
}

fn walk(rules: &AccessRules, request: &RequestView<'_>, path: &RequestPath<'_>, who: &Arc<Principal>) -> Option<Walk> {
    let mut notes = Notes { of_allows: true, walk: None };
    let _noted = at_once(rules.admit_noting(request, path, who, moment(), &mut notes));
    notes.walk
}

#[test]
fn the_permit_names_the_rule_that_granted() {
    let who = principal(&["clerk"], Some(""));
    let rules = vec![rule("/x", "*", "*"), rule("/orders/*", "Clerk", "get,POST"), rule("/*", "*", "*")];
    let permit = admit(http(rules), "GET", "/orders/7?x=1", &who).unwrap();
    assert_eq!(permit.rule(), "/orders/* Clerk get,POST");
    assert!(Arc::ptr_eq(permit.principal(), &who));
}

#[test]
fn no_rule_no_access() {
    let who = principal(&["clerk"], Some(""));
    assert_eq!(admit(http(Vec::new()), "GET", "/", &who).unwrap_err(), AccessError::NoRule);
    let rules = vec![rule("/orders/*", "boss", "*"), rule("/orders", "*", "*"), rule("/orders/*", "*", "POST")];
    assert_eq!(admit(http(rules), "GET", "/orders/7", &who).unwrap_err(), AccessError::NoRule);
}

#[test]
fn a_put_without_preconditions_needs_both_rules_and_names_both() {
    let who = principal(&["clerk"], Some(""));
    let (create, update) = (rule("u", "*", "create"), rule("u/*", "*", "update"));
    let both = admit(crest(vec![update.clone(), create.clone()]), "PUT", "/openidm/u/1", &who).unwrap();
    assert_eq!(both.rule(), "u * create+u/* * update");
    for alone in [create, update] {
        assert_eq!(admit(crest(vec![alone]), "PUT", "/openidm/u/1", &who).unwrap_err(), AccessError::NoRule);
    }
}

#[test]
fn the_context_path_covers_whole_segments() {
    let who = principal(&[], None);
    for (style, context, target, asked) in [
        (Style::Http, "/", "/", Some("GET /")),
        (Style::Http, "/", "/a", Some("GET /a")),
        (Style::Http, "/shop", "/shop", Some("GET /")),
        (Style::Http, "/shop", "/shop/", Some("GET /")),
        (Style::Http, "/shop", "/shop/a", Some("GET /a")),
        (Style::Http, "/shop", "/shopX", None),
        (Style::Http, "/shop", "/Shop/a", None),
        (Style::Http, "/shop", "/", None),
        (Style::Crest, "/openidm", "/openidm", Some("read ")),
        (Style::Crest, "/openidm", "/openidm/a/b", Some("read a/b")),
        (Style::Crest, "/openidm", "/openidmX", None),
        (Style::Crest, "/", "/a", Some("read a")),
    ] {
        let settings = Settings {
            style,
            context_path: context.to_owned(),
            honour_method_override: false,
            knowledge: Knowledge::default(),
            library: Library::default(),
            rules: vec![rule("*", "*", "*")],
        };
        let rules = AccessRules::compile(&settings).unwrap();
        let path = RequestPath::parse(target, PathPolicy::default()).unwrap();
        let request = view("GET", target, &[]);
        let steps = explain(&rules, &request, &path, &who);
        assert_eq!(steps.first().map(|step| step.asked.as_str()), asked, "{context} {target}");
        match at_once(rules.admit(&request, &path, &who, moment())) {
            Ok(_) => assert!(asked.is_some(), "{context} {target}"),
            Err(error) => assert_eq!((error, asked), (AccessError::OutsideContextPath, None), "{context} {target}"),
        }
    }
}

#[test]
fn scopes_are_asked_for_only_where_nothing_else_was_missing() {
    let scoped = |rule: RuleSettings, scopes: &[&str]| RuleSettings {
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        ..rule
    };
    let rules = || {
        http(vec![
            scoped(rule("/a", "boss", "*"), &["never"]),
            scoped(rule("/a", "*", "GET"), &["read", "write"]),
            scoped(rule("/a", "*", "*"), &["later"]),
        ])
    };
    let missing = |scopes, method| admit(rules(), method, "/a", &principal(&["clerk"], scopes)).unwrap_err();
    let names = |list: &[&str]| AccessError::MissingScopes(list.iter().map(|name| (*name).to_owned()).collect());
    assert_eq!(missing(Some("read"), "GET"), names(&["write"]));
    assert_eq!(missing(None, "GET"), names(&["read", "write"]));
    assert_eq!(missing(Some("read write"), "POST"), names(&["later"]));
    assert_eq!(missing(Some("readwrite READ"), "GET"), names(&["read", "write"]));
    assert!(admit(rules(), "GET", "/a", &principal(&[], Some("write read"))).is_ok());
    let granted = http(vec![scoped(rule("/a", "*", "*"), &["x"]), rule("/a", "*", "*")]);
    assert!(admit(granted, "GET", "/a", &principal(&[], None)).is_ok());
}

fn near(rules: Vec<RuleSettings>, target: &str, who: &Arc<Principal>) -> (Vec<String>, usize) {
    let rules = AccessRules::compile(&http(rules)).unwrap();
    let path = RequestPath::parse(target, PathPolicy::default()).unwrap();
    let told = walk(&rules, &view("GET", target, &[]), &path, who).unwrap().steps(Which::Near);
    (told.steps.into_iter().map(|step| step.lacked.unwrap_or_default()).collect(), told.left_out)
}

#[test]
fn the_rules_that_came_farthest_are_told_first_and_the_others_counted() {
    let mut rules: Vec<_> = (0..10_000).map(|number| rule(&format!("/s{number}/*"), "*", "*")).collect();
    rules.extend([rule("/orders/*", "boss", "*"), rule("/orders/*", "clerk", "POST"), rule("/*", "chief", "*")]);
    let (lacked, left_out) = near(rules.clone(), "/orders/7", &principal(&["clerk"], None));
    let expected = [
        "methods: `GET` is not among `POST`",
        "roles: needs one of `boss`; the user has `clerk`",
        "roles: needs one of `chief`; the user has `clerk`",
    ];
    assert_eq!((lacked, left_out), (expected.map(str::to_owned).to_vec(), 10_000));
    rules.extend((0..100).map(|number| rule("/orders/*", &format!("role{number}"), "*")));
    let (lacked, left_out) = near(rules, "/orders/7", &principal(&["clerk"], None));
    assert_eq!((lacked.len(), left_out), (20, 10_083));
}

#[test]
fn where_no_rule_covers_the_path_the_most_similar_patterns_are_told() {
    let rules = vec![rule("/a/*", "*", "*"), rule("/shop/v1/orders/*", "*", "*"), rule("/shop/*/x", "*", "*")];
    let (lacked, left_out) = near(rules.clone(), "/shop/v1/order/7", &principal(&[], None));
    let expected = ["/shop/v1/orders/*", "/shop/*/x"]
        .map(|pattern| format!("pattern: `{pattern}` does not cover `/shop/v1/order/7`"));
    assert_eq!((lacked, left_out), (expected.to_vec(), 1));
    assert_eq!(near(rules, "/other", &principal(&[], None)), (Vec::new(), 3));
}

#[test]
fn a_put_that_the_second_rule_stops_tells_of_both_questions() {
    let rules = AccessRules::compile(&crest(vec![rule("u", "*", "create"), rule("u/*", "boss", "update")])).unwrap();
    let path = RequestPath::parse("/openidm/u/1", PathPolicy::default()).unwrap();
    let request = view("PUT", "/openidm/u/1", &[("authorization", "Bearer x")]);
    let mut notes = Notes::default();
    let who = principal(&["clerk"], Some(""));
    at_once(rules.admit_noting(&request, &path, &who, moment(), &mut notes)).unwrap_err();
    let steps = notes.walk.unwrap().steps(Which::Near).steps;
    let told: Vec<_> = steps.iter().map(|step| (step.asked.as_str(), step.lacked.is_none())).collect();
    assert_eq!(told, [("create u", true), ("update u/1", false)]);
}

#[test]
fn the_explanation_says_what_each_rule_lacked() {
    let mut excluding = rule("/*", "*", "*");
    excluding.exclude_patterns = vec!["/orders/*".to_owned()];
    let mut scoped = rule("/orders/{id}", "a", "GET");
    scoped.scopes = vec!["orders".to_owned()];
    let rules = vec![
        rule("/x/*", "*", "*"),
        excluding,
        rule("/orders/*", "clerk", "*"),
        rule("/orders/*", "B", "POST,PUT"),
        scoped,
        rule("*", "*", "*"),
        rule("/never-reached", "*", "*"),
    ];
    let rules = AccessRules::compile(&http(rules)).unwrap();
    let path = RequestPath::parse("/orders/7", PathPolicy::default()).unwrap();
    let who = principal(&["a", "b"], Some(""));
    let steps = explain(&rules, &view("GET", "/orders/7", &[]), &path, &who);
    let lacked: Vec<_> = steps.iter().map(|step| step.lacked.as_deref().unwrap_or("granted")).collect();
    assert_eq!(
        lacked,
        [
            "pattern: `/x/*` does not cover `/orders/7`",
            "excludePatterns: `/orders/*` covers `/orders/7`",
            "roles: needs one of `clerk`; the user has `a`, `b`",
            "methods: `GET` is not among `POST`, `PUT`",
            "scopes: the token lacks `orders`",
            "granted",
        ]
    );
}

#[test]
fn every_problem_of_every_rule_is_reported_at_once() {
    let mut second = rule("/a/{b", "*", "*");
    second.exclude_patterns = vec!["/ok".to_owned(), " /x".to_owned()];
    second.actions = Some(vec!["approve".to_owned()]);
    second.custom_authz = Some("true".to_owned());
    second.scopes = vec!["a b".to_owned()];
    let problems = AccessRules::compile(&http(vec![rule("orders", "*", "*"), second])).unwrap_err();
    let places: Vec<_> = problems.iter().map(|problem| (problem.index, problem.key)).collect();
    let expected =
        [(0, "pattern"), (1, "pattern"), (1, "excludePatterns"), (1, "actions"), (1, "customAuthz"), (1, "scopes")];
    assert_eq!(places, expected);
}

fn with(rule: RuleSettings, when: Option<&str>, custom_authz: Option<&str>, scopes: &[&str]) -> RuleSettings {
    RuleSettings {
        when: when.map(str::to_owned),
        custom_authz: custom_authz.map(str::to_owned),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        ..rule
    }
}

#[test]
fn a_condition_that_does_not_hold_skips_its_rule_and_one_that_fails_ends_the_walk() {
    let who = principal(&["clerk"], Some(""));
    let open = || rule("*", "*", "*");
    for (when, custom_authz, expected) in [
        (Some("request.method == 'GET'"), None, Ok("first")),
        (Some("request.method == 'PUT'"), None, Ok("* * *")),
        (Some("user.region == 'eu'"), None, Err("when: ")),
        (None, Some("ownDataOnly()"), Ok("* * *")),
        (None, Some("method === 'read'"), Ok("first")),
        (None, Some("request.content.deep"), Err("customAuthz: ")),
        (Some("true"), Some("false"), Ok("* * *")),
        (Some("false"), Some("true"), Ok("* * *")),
        (Some("true"), Some("true"), Ok("first")),
    ] {
        let first = RuleSettings { name: "first".to_owned(), ..with(open(), when, custom_authz, &[]) };
        let result = admit(crest(vec![first, open()]), "GET", "/openidm/x", &who);
        match (result, expected) {
            (Ok(permit), Ok(rule)) => assert_eq!(permit.rule(), rule, "{when:?} {custom_authz:?}"),
            (Err(AccessError::ConditionFailed { rule, message }), Err(begins)) => {
                assert_eq!(rule, "first");
                assert!(message.starts_with(begins), "{message}");
            }
            (result, _) => panic!("{when:?} {custom_authz:?}: {result:?}"),
        }
    }
}

#[test]
fn scopes_are_named_only_where_the_conditions_hold() {
    let who = principal(&[], None);
    for (when, missing) in [("true", true), ("false", false), ("user.nothing", false)] {
        let rules = http(vec![with(rule("/a", "*", "*"), Some(when), None, &["orders"])]);
        let expected =
            if missing { AccessError::MissingScopes(vec!["orders".to_owned()]) } else { AccessError::NoRule };
        assert_eq!(admit(rules, "GET", "/a", &who).unwrap_err(), expected, "{when}");
    }
    let other = with(rule("/a", "*", "*"), Some("false"), None, &["never"]);
    let second = with(rule("/a", "*", "*"), None, None, &["orders"]);
    let error = admit(http(vec![other, second]), "GET", "/a", &who).unwrap_err();
    assert_eq!(error, AccessError::MissingScopes(vec!["orders".to_owned()]));
}

#[test]
fn path_parameters_reach_the_condition() {
    let mine = with(rule("/users/{id}/*", "*", "*"), Some("params.id == authorization.id"), None, &[]);
    let who = principal(&[], None);
    assert!(admit(http(vec![mine.clone()]), "GET", "/users/11aa/mail", &who).is_ok());
    assert_eq!(admit(http(vec![mine.clone()]), "GET", "/users/22bb/mail", &who).unwrap_err(), AccessError::NoRule);
    let shop = Settings { context_path: "/shop".to_owned(), ..http(vec![mine]) };
    assert!(admit(shop, "GET", "/shop/users/11aa/mail", &who).is_ok());
}

#[test]
fn the_csrf_gate_is_crests_alone_and_comes_before_the_rules() {
    let who = principal(&[], None);
    let ask = |settings: Settings, method, target, headers: &[(&str, &str)]| {
        let rules = AccessRules::compile(&settings).unwrap();
        let path = RequestPath::parse(target, PathPolicy::default()).unwrap();
        at_once(rules.admit(&view(method, target, headers), &path, &who, moment())).map(|_| ())
    };
    let open = || vec![rule("*", "*", "*")];
    for (method, target) in [("DELETE", "/openidm/x"), ("PUT", "/openidm/x/1"), ("GET", "/openidm/x?_queryFilter=true")]
    {
        assert_eq!(ask(crest(open()), method, target, &[]), Err(AccessError::Csrf), "{method}");
        assert_eq!(ask(crest(Vec::new()), method, target, &[]), Err(AccessError::Csrf), "{method}");
        assert_eq!(ask(crest(open()), method, target, &[("X-Requested-With", "")]), Ok(()), "{method}");
        assert_eq!(ask(http(open()), method, target, &[]), Ok(()), "{method}");
    }
    assert_eq!(ask(crest(open()), "GET", "/openidm/x", &[]), Ok(()));
}
