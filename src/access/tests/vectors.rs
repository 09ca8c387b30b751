//! The decisions of the real code, line by line.

use super::*;

fn lines(text: &str) -> impl Iterator<Item = Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap())
}

fn read_rule(index: usize, value: &Value) -> RuleSettings {
    let list = |key: &str| value[key].as_str().map(|text| text.split(',').map(str::to_owned).collect::<Vec<_>>());
    assert!(value["customAuthz"].is_null(), "{value}");
    RuleSettings {
        name: format!("rules[{index}]"),
        pattern: value["pattern"].as_str().unwrap().to_owned(),
        roles: list("roles").unwrap(),
        methods: list("methods").unwrap(),
        actions: list("actions"),
        exclude_patterns: list("excludePatterns").unwrap_or_default(),
        custom_authz: None,
        scopes: Vec::new(),
        when: None,
    }
}

fn rules_of(line: &Value) -> Vec<RuleSettings> {
    let configs = line["configs"].as_array().unwrap();
    configs.iter().enumerate().map(|(index, value)| read_rule(index, value)).collect()
}

fn ask_of(line: &Value) -> Ask<'_> {
    let text = |key: &str| line["request"][key].as_str().unwrap();
    Ask { method: text("method"), path: text("resourcePath"), action: text("action").into() }
}

fn roles_of(line: &Value) -> Vec<&str> {
    line["roles"].as_array().unwrap().iter().map(|role| role.as_str().unwrap()).collect()
}

/// The vectors know roles without a name, which a [`Principal`] cannot hold: so the rules are asked one by one.
fn granting(line: &Value) -> Option<u64> {
    let roles = roles_of(line);
    let granted = rules_of(line).iter().position(|settings| {
        let rule = Rule::compile(settings, 0, Style::Crest).unwrap();
        rule.lacks(&ask_of(line), roles.iter().copied()).is_none()
    });
    granted.map(|index| index as u64)
}

#[test]
fn random_rules_decide_as_the_real_code_does() {
    let mut count = 0;
    for line in lines(include_str!("../../../tests/vectors/access-random.jsonl")) {
        let granted = granting(&line);
        assert_eq!(granted, line["grantedBy"].as_u64(), "{line}");
        assert_eq!(granted.is_some(), line["decision"] == "allow", "{line}");
        count += 1;
    }
    assert_eq!(count, 486);
}

#[test]
fn the_csrf_gate_and_the_rules_decide_as_the_real_code_does() {
    let mut internal = 0;
    for line in lines(include_str!("../../../tests/vectors/csrf.jsonl")) {
        if line["context"]["http"].is_null() && line["note"].is_string() {
            // No HTTP context: calls within IDM, which never come by Envoy.
            internal += 1;
            continue;
        }
        let headers: Vec<(&str, &str)> = line["headers"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
            .collect();
        let request = view("", "/", &headers);
        let open = crest::csrf_gate(&super::super::Asks::one(ask_of(&line)), &request.headers).is_ok();
        let granted = if open { granting(&line) } else { None };
        assert_eq!(granted, line["grantedBy"].as_u64(), "{line}");
        assert_eq!(granted.is_some(), line["decision"] == "allow", "{line}");
    }
    assert_eq!(internal, 7);
}
