//! E4–E13 read once more, plainly, and held against the rules.

use proptest::prelude::*;

use super::*;

fn covers(path: &str, pattern: &str) -> bool {
    pattern == "*" || pattern == path || (pattern.ends_with("/*") && path.starts_with(pattern.trim_end_matches('*')))
}

fn listed(list: &[String], name: &str) -> bool {
    (list.len() == 1 && list[0] == "*") || list.iter().any(|item| item.to_lowercase() == name.to_lowercase())
}

fn plainly(rules: &[RuleSettings], ask: &Ask<'_>, roles: &[&str], scopes: Option<&str>) -> Option<usize> {
    rules.iter().position(|rule| {
        covers(ask.path, &rule.pattern)
            && !rule.exclude_patterns.iter().any(|pattern| covers(ask.path, pattern))
            && (rule.roles == ["*"] || roles.iter().any(|role| listed(&rule.roles, role)))
            && listed(&rule.methods, ask.method)
            && (ask.action.is_empty() || rule.actions.as_ref().is_some_and(|actions| listed(actions, &ask.action)))
            && rule.scopes.iter().all(|scope| scopes.is_some_and(|held| held.split(' ').any(|held| held == scope)))
            && rule.custom_authz.as_deref() != Some("false")
    })
}

fn list(items: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(prop::sample::select(items), 0..3)
        .prop_map(|items| items.into_iter().map(str::to_owned).collect())
}

const PATTERNS: &[&str] = &["*", "", "a", "a/*", "a/b", "a/b/*", "/*", "A", "a/*/*", "b", "a*", "a/", "/a"];
const ROLES: &[&str] = &["*", "r", "R", "É", "é", "\u{212a}", "k", " r", "s", "İ"];
const METHODS: &[&str] = &["*", "read", "READ", "action", "create", ""];
const ACTIONS: &[&str] = &["*", "approve", "Approve", "undefined", ""];
const PATHS: &[&str] = &["", "a", "a/b", "a/b/c", "A", "b", "a*", "a/*", "ab"];

fn some_rule() -> impl Strategy<Value = RuleSettings> {
    let custom = prop::sample::select(&[None, None, Some("true"), Some("false")][..]);
    (
        prop::sample::select(PATTERNS),
        prop_oneof![list(ROLES), Just(vec!["*".to_owned()])],
        prop_oneof![list(METHODS), Just(vec!["*".to_owned()])],
        prop::option::of(list(ACTIONS)),
        prop_oneof![list(PATTERNS), Just(Vec::new()), Just(Vec::new())],
        prop_oneof![Just(Vec::new()), list(&["x", "y"])],
        custom,
    )
        .prop_map(|(pattern, roles, methods, actions, exclude_patterns, scopes, custom)| RuleSettings {
            name: String::new(),
            pattern: pattern.to_owned(),
            roles,
            methods,
            actions,
            exclude_patterns,
            custom_authz: custom.map(str::to_owned),
            scopes,
            when: None,
        })
}

fn numbered(rules: Vec<RuleSettings>) -> Vec<RuleSettings> {
    rules.into_iter().enumerate().map(|(place, rule)| RuleSettings { name: place.to_string(), ..rule }).collect()
}

fn granting(rules: &AccessRules, ask: &Ask<'_>, who: &Arc<Principal>) -> Result<String, AccessError> {
    let path = RequestPath::parse("/", PathPolicy::default()).unwrap();
    let request = view("POST", "/", &[]);
    let facts = facts(&request, &path, who, ask);
    at_once(rules.granting_rule(&facts)).map(|rule| rule.name.to_string())
}

proptest! {
    #[test]
    fn the_rules_decide_as_a_plain_reading_does(
        rules in prop::collection::vec(some_rule(), 0..8).prop_map(numbered),
        path in prop::sample::select(PATHS),
        method in prop::sample::select(&["read", "action", "create", "Read"][..]),
        action in prop::sample::select(&["", "approve", "APPROVE", "undefined", "*"][..]),
        roles in prop::collection::vec(prop::sample::select(ROLES), 0..3),
        scopes in prop::sample::select(&[None, Some(""), Some("x"), Some("y x")][..]),
        kept in any::<u8>(),
    ) {
        let ask = Ask { method, path, action: action.into() };
        let compiled = AccessRules::compile(&crest(rules.clone())).unwrap();
        let decision = granting(&compiled, &ask, &principal(&roles, scopes));
        let expected = plainly(&rules, &ask, &roles, scopes).map(|place| place.to_string());
        prop_assert_eq!(decision.as_ref().ok(), expected.as_ref());

        // Whoever is denied stays denied with fewer roles.
        let fewer: Vec<&str> =
            roles.iter().enumerate().filter(|(place, _)| kept & (1 << place) != 0).map(|(_, role)| *role).collect();
        if decision.is_err() {
            prop_assert!(granting(&compiled, &ask, &principal(&fewer, scopes)).is_err());
        }

    }

    #[test]
    fn the_explanation_agrees_with_the_decision(
        rules in prop::collection::vec(some_rule(), 0..6).prop_map(numbered),
        style in prop::sample::select(&["PUT", "GET", "POST", "DELETE"][..]),
        path in prop::sample::select(&["/openidm", "/openidm/a", "/openidm/a/b", "/openidm/a/b/c"][..]),
        roles in prop::collection::vec(prop::sample::select(ROLES), 0..3),
        scopes in prop::sample::select(&[None, Some("x y")][..]),
    ) {
        let compiled = AccessRules::compile(&crest(rules)).unwrap();
        let who = principal(&roles, scopes);
        let target = RequestPath::parse(path, PathPolicy::default()).unwrap();
        let request = view(style, path, &[("authorization", "Bearer x")]);
        let steps = explain(&compiled, &request, &target, &who);
        let granted: Vec<&str> =
            steps.iter().filter(|step| step.lacked.is_none()).map(|step| step.rule.as_str()).collect();
        match at_once(compiled.admit(&request, &target, &who, moment())) {
            Ok(permit) => {
                prop_assert_eq!(permit.rule(), granted.join("+"));
                prop_assert!(steps.last().is_some_and(|step| step.lacked.is_none()));
            }
            Err(_) => prop_assert!(steps.last().is_none_or(|step| step.lacked.is_some())),
        }
    }
}
