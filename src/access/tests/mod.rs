use std::sync::Arc;

use serde_json::Value;

use super::ask::Ask;
use super::rule::Rule;
use super::settings::{RuleSettings, Settings, Style};
use super::{AccessError, AccessRules, Permit, crest};
use crate::principal::{Origin, Principal, Role};
use crate::request::{Headers, PathPolicy, RequestPath, RequestView};
use crate::token::ActiveToken;

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
        context_extensions: None,
    }
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
    Settings { style: Style::Http, context_path: "/".to_owned(), honour_method_override: false, rules }
}

pub(super) fn crest(rules: Vec<RuleSettings>) -> Settings {
    Settings { style: Style::Crest, context_path: "/openidm".to_owned(), honour_method_override: false, rules }
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
    let rules = AccessRules::compile(settings).unwrap();
    let path = RequestPath::parse(target, PathPolicy::default()).unwrap();
    rules.admit(&view(method, target, &[("authorization", "Bearer x")]), &path, who)
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
            rules: vec![rule("*", "*", "*")],
        };
        let rules = AccessRules::compile(settings).unwrap();
        let path = RequestPath::parse(target, PathPolicy::default()).unwrap();
        let request = view("GET", target, &[]);
        let steps = rules.explain(&request, &path, &who);
        assert_eq!(steps.first().map(|step| step.asked.as_str()), asked, "{context} {target}");
        match rules.admit(&request, &path, &who) {
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
    let rules = AccessRules::compile(http(rules)).unwrap();
    let path = RequestPath::parse("/orders/7", PathPolicy::default()).unwrap();
    let steps = rules.explain(&view("GET", "/orders/7", &[]), &path, &principal(&["a", "b"], Some("")));
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
    let problems = AccessRules::compile(http(vec![rule("orders", "*", "*"), second])).unwrap_err();
    let places: Vec<_> = problems.iter().map(|problem| (problem.index, problem.key)).collect();
    let expected =
        [(0, "pattern"), (1, "pattern"), (1, "excludePatterns"), (1, "actions"), (1, "customAuthz"), (1, "scopes")];
    assert_eq!(places, expected);
}
