//! What does one rule say, as JSON or YAML? Its shape is checked here, key by key (E13a).

use serde_json::{Map, Value};

use super::{RuleProblem, RuleSettings};

const KEYS: [&str; 10] = [
    "name",
    "pattern",
    "roles",
    "methods",
    "actions",
    "excludePatterns",
    "customAuthz",
    "scopes",
    "when",
    "description",
];

impl RuleSettings {
    /// Reads one rule. Comma texts are split without trimming (E9); lists are taken as they are.
    ///
    /// # Errors
    /// Every problem of the shape: an unknown key, a missing one, a value of the wrong type. In IDM each of them either
    /// throws on some request or silently widens the rule, so none is accepted (E13a).
    pub fn from_json(index: usize, value: &Value) -> Result<Self, Vec<RuleProblem>> {
        let Value::Object(members) = value else {
            let message = format!("found {}, expected a rule such as {{\"pattern\": …, \"roles\": …}}", kind(value));
            return Err(vec![RuleProblem { index, key: "", message }]);
        };
        let mut reader = Reader { index, members, problems: Vec::new() };
        reader.refuse_unknown_keys();
        let rule = Self {
            name: reader.text("name").unwrap_or_else(|| format!("rules[{index}]")),
            pattern: reader.required("pattern", Reader::text, "the paths it speaks of, such as \"managed/user/*\""),
            roles: reader.required("roles", Reader::list, "role names, or \"*\" for everyone"),
            methods: reader.required("methods", Reader::list, "method names, or \"*\" for all of them"),
            actions: reader.list("actions"),
            exclude_patterns: reader.list("excludePatterns").unwrap_or_default(),
            custom_authz: reader.text("customAuthz"),
            scopes: reader.list("scopes").unwrap_or_default(),
            when: reader.text("when"),
        };
        reader.text("description");
        if reader.problems.is_empty() { Ok(rule) } else { Err(reader.problems) }
    }
}

struct Reader<'a> {
    index: usize,
    members: &'a Map<String, Value>,
    problems: Vec<RuleProblem>,
}

impl<'a> Reader<'a> {
    fn report(&mut self, key: &'static str, message: String) {
        self.problems.push(RuleProblem { index: self.index, key, message });
    }

    /// The value of a key; JSON `null` counts as absent, as in IDM.
    fn value(&self, key: &str) -> Option<&'a Value> {
        self.members.get(key).filter(|value| !value.is_null())
    }

    fn text(&mut self, key: &'static str) -> Option<String> {
        match self.value(key)? {
            Value::String(text) => Some(text.clone()),
            other => {
                self.report(key, format!("found {}, expected text", kind(other)));
                None
            }
        }
    }

    fn list(&mut self, key: &'static str) -> Option<Vec<String>> {
        match self.value(key)? {
            Value::String(text) => Some(text.split(',').map(str::to_owned).collect()),
            Value::Array(items) => {
                let mut list = Vec::with_capacity(items.len());
                for item in items {
                    match item {
                        Value::String(text) => list.push(text.clone()),
                        other => self.report(key, format!("found {} in the list, expected text", kind(other))),
                    }
                }
                Some(list)
            }
            other => {
                self.report(key, format!("found {}, expected a list of texts, or one text with commas", kind(other)));
                None
            }
        }
    }

    fn required<T: Default>(
        &mut self,
        key: &'static str,
        read: impl Fn(&mut Self, &'static str) -> Option<T>,
        expected: &str,
    ) -> T {
        if self.value(key).is_none() {
            self.report(key, format!("is missing; expected {expected}"));
        }
        read(self, key).unwrap_or_default()
    }

    /// SECURITY: a misspelt key, such as `excludepatterns`, would widen the rule without a word.
    fn refuse_unknown_keys(&mut self) {
        for key in self.members.keys().filter(|key| !KEYS.contains(&key.as_str())) {
            let lowered = key.to_lowercase();
            let nearest = KEYS.iter().min_by_key(|known| strsim::damerau_levenshtein(&known.to_lowercase(), &lowered));
            let close = nearest.filter(|known| strsim::damerau_levenshtein(&known.to_lowercase(), &lowered) <= 2);
            let advice = match close {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("known are {}", KEYS.map(|known| format!("`{known}`")).join(", ")),
            };
            self.report("", format!("the key `{key}` is not known; {advice}"));
        }
    }
}

fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => format!("`{flag}`"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => format!("the text `{text}`"),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::RuleSettings;
    use serde_json::{Value, json};

    fn problems(rule: &Value) -> Vec<String> {
        RuleSettings::from_json(3, rule).unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn comma_texts_and_lists_say_the_same() {
        let text = json!({"pattern": "a/*", "roles": "r, s", "methods": "*", "actions": "", "excludePatterns": null});
        let list = json!({"pattern": "a/*", "roles": ["r", " s"], "methods": ["*"], "actions": [""]});
        let read = |rule| format!("{:?}", RuleSettings::from_json(3, rule).unwrap());
        assert_eq!(read(&text), read(&list));
        let rule = RuleSettings::from_json(3, &text).unwrap();
        assert_eq!((rule.name.as_str(), rule.roles.len()), ("rules[3]", 2));
        assert_eq!(rule.actions, Some(vec![String::new()]));
    }

    #[test]
    fn every_wrong_shape_is_told_at_once() {
        let rule = json!({
            "pattern": ["a"], "roles": 5, "methods": ["read", null], "excludepatterns": "x",
            "customAuthz": true, "colour": "red",
        });
        assert_eq!(
            problems(&rule),
            [
                "rules[3]: the key `colour` is not known; known are `name`, `pattern`, `roles`, `methods`, `actions`, \
                 `excludePatterns`, `customAuthz`, `scopes`, `when`, `description`",
                "rules[3]: the key `excludepatterns` is not known; did you mean `excludePatterns`?",
                "rules[3].pattern: found a list, expected text",
                "rules[3].roles: found the number 5, expected a list of texts, or one text with commas",
                "rules[3].methods: found null in the list, expected text",
                "rules[3].customAuthz: found `true`, expected text",
            ]
        );
        assert!(problems(&json!(null))[0].starts_with("rules[3]: found null, expected a rule"));
        let missing = problems(&json!({}));
        assert_eq!(missing.len(), 3, "{missing:?}");
        assert!(missing[0].starts_with("rules[3].pattern: is missing; expected"), "{missing:?}");
    }
}
