//! Which rules never grant, or grant nothing that another does not grant already?

use std::collections::HashSet;

use super::{Knowledge, Library, RuleProblem, RuleSettings, Style};
use crate::access::custom_authz::CustomAuthz;

/// What the rules as a whole show, beside [`RuleSettings::remarks`]: rules that cannot grant, and rules made pointless by
/// another. Compares every rule with every other: for people who ask, not for a server that starts.
#[must_use]
pub fn advice(rules: &[RuleSettings], style: Style, knowledge: &Knowledge) -> Vec<RuleProblem> {
    let mut advice = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        let mut say = |key, message| advice.push(RuleProblem { index, key, message });
        if let Some((key, message)) = never_grants(rule, style, knowledge) {
            say(key, message);
            continue;
        }
        // Of two rules that say the same, the later one is the pointless one.
        let wider = rules.iter().enumerate().find(|(other, wider)| {
            *other != index && covers(wider, rule, style) && (*other < index || !covers(rule, wider, style))
        });
        if let Some((other, wider)) = wider {
            // A rule without a name of its own is told by its index: what its list is called differs from file to file.
            let named = !["rules[", "configs["].iter().any(|list| wider.name.starts_with(list));
            let which = if named { format!("`{}`", wider.name) } else { format!("[{other}]") };
            let grants = format!("the rule {which} (`{}`) grants already", wider.pattern);
            say("", format!("is pointless: whatever it grants, {grants}"));
        }
    }
    advice
}

/// Roles that rules name and nobody has, where `known` is every role that anybody can have.
#[must_use]
pub fn roles_of_nobody(rules: &[RuleSettings], known: &HashSet<String>) -> Vec<RuleProblem> {
    let known: HashSet<String> = known.iter().map(|role| role.to_lowercase()).collect();
    let mut advice = Vec::new();
    for (index, rule) in rules.iter().enumerate().filter(|(_, rule)| !is_any(&rule.roles)) {
        for role in rule.roles.iter().filter(|role| !known.contains(&role.to_lowercase())) {
            let nearest = known.iter().find(|known| known.rsplit('/').next() == Some(&role.to_lowercase()));
            let hint = nearest.map(|known| format!("; `{known}` exists")).unwrap_or_default();
            advice.push(RuleProblem { index, key: "roles", message: format!("nobody has the role `{role}`{hint}") });
        }
    }
    advice
}

fn never_grants(rule: &RuleSettings, style: Style, knowledge: &Knowledge) -> Option<(&'static str, String)> {
    let excluded = rule.exclude_patterns.iter().find(|item| covers_path(item, &rule.pattern));
    if let Some(item) = excluded {
        return Some((
            "excludePatterns",
            format!("the rule never grants: `{item}` excludes all that `{}` covers", rule.pattern),
        ));
    }
    let compile = |text: &str| CustomAuthz::compile(text, knowledge, &Library::default());
    if let Some(Ok(custom_authz)) = rule.custom_authz.as_deref().map(compile)
        && custom_authz.idm_only().is_none()
        && custom_authz.never_holds()
    {
        return Some((
            "customAuthz",
            "the rule never grants: the expression is true for no request that comes by HTTP".to_owned(),
        ));
    }
    let only_actions = rule.methods.iter().all(|method| method.eq_ignore_ascii_case("action"));
    let no_action = rule.actions.as_deref().unwrap_or_default().iter().all(String::is_empty);
    if style == Style::Crest && only_actions && no_action {
        return Some((
            "actions",
            "the rule never grants: its only method is `action`, and no action is listed".to_owned(),
        ));
    }
    None
}

/// Whether `wider` grants whatever `rule` grants. Errs towards no.
fn covers(wider: &RuleSettings, rule: &RuleSettings, style: Style) -> bool {
    let same_or_none = |wide: &Option<String>, narrow: &Option<String>| wide.is_none() || wide == narrow;
    covers_path(&wider.pattern, &rule.pattern)
        && wider
            .exclude_patterns
            .iter()
            .all(|item| disjoint(item, &rule.pattern) || rule.exclude_patterns.iter().any(|own| covers_path(own, item)))
        && includes(&wider.roles, &rule.roles)
        && includes(&wider.methods, &rule.methods)
        && (style == Style::Http || actions_included(wider, rule))
        && wider.scopes.iter().all(|scope| rule.scopes.contains(scope))
        && same_or_none(&wider.when, &rule.when)
        && same_or_none(&wider.custom_authz, &rule.custom_authz)
}

fn actions_included(wider: &RuleSettings, rule: &RuleSettings) -> bool {
    let acts = is_any(&rule.methods) || rule.methods.iter().any(|method| method.eq_ignore_ascii_case("action"));
    let named = |rule: &RuleSettings| rule.actions.clone().unwrap_or_default();
    let grants_none = named(rule).iter().all(String::is_empty);
    !acts || grants_none || includes(&named(wider), &named(rule))
}

fn is_any(items: &[String]) -> bool {
    matches!(items, [only] if only == "*")
}

fn includes(wider: &[String], items: &[String]) -> bool {
    let has = |item: &String| wider.iter().any(|other| other.to_lowercase() == item.to_lowercase());
    is_any(wider) || (!is_any(items) && items.iter().all(has))
}

/// Whether every path of `pattern` is one of `wider`, by E7. A path parameter stands for itself only.
fn covers_path(wider: &str, pattern: &str) -> bool {
    match wider.strip_suffix('*') {
        Some("") => true,
        Some(prefix) if prefix.ends_with('/') && !prefix.contains('{') => pattern.starts_with(prefix),
        _ => wider == pattern,
    }
}

/// Whether no path is of both. Errs towards no.
fn disjoint(one: &str, other: &str) -> bool {
    let open = |pattern: &str| pattern == "*" || pattern.ends_with("/*");
    if one.contains('{') || other.contains('{') {
        return false;
    }
    let (a, b) = (one.strip_suffix('*').filter(|_| open(one)), other.strip_suffix('*').filter(|_| open(other)));
    match (a, b) {
        (None, None) => one != other,
        (Some(prefix), None) => !other.starts_with(prefix),
        (None, Some(prefix)) => !one.starts_with(prefix),
        (Some(a), Some(b)) => !a.starts_with(b) && !b.starts_with(a),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn rules(rules: &Value) -> Vec<RuleSettings> {
        let rules = rules.as_array().unwrap().iter().enumerate();
        rules.map(|(index, rule)| RuleSettings::from_json(index, rule).unwrap()).collect()
    }

    fn said(style: Style, list: &Value) -> Vec<String> {
        advice(&rules(list), style, &Knowledge::default()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_rule_that_another_covers_is_pointless() {
        let wide =
            json!({"pattern": "a/*", "roles": "r,s", "methods": "*", "actions": "*", "excludePatterns": "a/x/*"});
        for (narrow, pointless) in [
            (json!({"pattern": "a/b/*", "roles": "R", "methods": "read", "actions": ""}), true),
            (json!({"pattern": "a/b", "roles": "s", "methods": "action", "actions": "go"}), true),
            (json!({"pattern": "a/*", "roles": "s", "methods": "read", "excludePatterns": "a/x/*,a/y"}), true),
            (json!({"pattern": "a/b", "roles": "r", "methods": "read", "customAuthz": "ownDataOnly()"}), true),
            (json!({"pattern": "a", "roles": "r", "methods": "read"}), false),
            (json!({"pattern": "*", "roles": "r", "methods": "read"}), false),
            (json!({"pattern": "a/*", "roles": "r", "methods": "read"}), false),
            (json!({"pattern": "a/x/y", "roles": "r", "methods": "read"}), false),
            (json!({"pattern": "a/b", "roles": "*", "methods": "read"}), false),
            (json!({"pattern": "a/b", "roles": "r,t", "methods": "read"}), false),
        ] {
            for list in [json!([wide, narrow]), json!([narrow, wide])] {
                assert_eq!(!said(Style::Crest, &list).is_empty(), pointless, "{list}");
            }
        }
        let conditional =
            json!({"pattern": "*", "roles": "*", "methods": "*", "actions": "*", "customAuthz": "ownDataOnly()"});
        let scoped = json!({"pattern": "*", "roles": "*", "methods": "*", "actions": "*", "scopes": "s"});
        let fewer = json!({"pattern": "*", "roles": "*", "methods": "*", "actions": "go"});
        let rule = json!({"pattern": "a", "roles": "r", "methods": "action", "actions": "go,stop"});
        assert_eq!(said(Style::Crest, &json!([conditional, scoped, fewer, rule])), [] as [&str; 0]);
    }

    #[test]
    fn of_two_that_say_the_same_the_later_is_told() {
        let rule = json!({"pattern": "a", "roles": "r", "methods": "read"});
        let expected = "rules[1]: is pointless: whatever it grants, the rule [0] (`a`) grants already";
        assert_eq!(said(Style::Crest, &json!([rule, rule])), [expected]);
        let named = json!({"name": "first", "pattern": "a", "roles": "r", "methods": "read"});
        assert_eq!(said(Style::Crest, &json!([named, rule])), [expected.replace("[0]", "`first`")]);
    }

    #[test]
    fn rules_that_never_grant_are_told() {
        let never = json!([
            {"pattern": "repo/*", "roles": "r", "methods": "read", "excludePatterns": "system,repo/*"},
            {"pattern": "b", "roles": "r", "methods": "action", "actions": ""},
            {"pattern": "c", "roles": "r", "methods": "read", "customAuthz": "false"},
            {"pattern": "d", "roles": "r", "methods": "read", "customAuthz": "ownDataOnly() && isSelfServiceRequest()"},
        ]);
        let said = said(Style::Crest, &never);
        assert_eq!(said.iter().filter(|line| line.contains("never grants")).count(), 4, "{said:?}");
    }

    #[test]
    fn roles_that_nobody_has_are_told_with_the_one_that_was_meant() {
        let rules = rules(&json!([
            {"pattern": "a", "roles": "openidm-admin,Clerk", "methods": "read"},
            {"pattern": "b", "roles": "*", "methods": "read"},
        ]));
        let known = ["internal/role/openidm-admin".to_owned(), "clerk".to_owned()].into();
        let said: Vec<String> = roles_of_nobody(&rules, &known).iter().map(ToString::to_string).collect();
        let expected = "rules[0].roles: nobody has the role `openidm-admin`; `internal/role/openidm-admin` exists";
        assert_eq!(said, [expected]);
    }
}
