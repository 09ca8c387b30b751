//! E4–E13 read plainly: one rule after the other, one text after the other, nothing prepared.

use serde_json::{Value, json};

use super::question::Question;

/// What a reading of the rules comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Granted(usize),
    Denied,
    /// The condition of this rule could not be evaluated.
    Failed(usize),
}

/// A rule as it stands in a file, its condition in a form that can be read without a parser.
#[derive(Debug, Clone)]
pub(super) struct PlainRule {
    pub(super) pattern: String,
    /// Outer `None`: no such key. Inner `None`: `null`.
    pub(super) exclude: Option<Option<String>>,
    pub(super) roles: String,
    pub(super) methods: String,
    pub(super) actions: Option<Option<String>>,
    pub(super) condition: Option<Option<Condition>>,
}

/// A `customAuthz`.
#[derive(Debug, Clone)]
pub(super) enum Condition {
    /// The empty text.
    Blank,
    Constant(bool),
    /// Cannot be evaluated.
    Throws,
    OwnData,
    NoNativeQuery,
    NoCommand,
    QueryOneOf(Vec<(String, Vec<String>)>),
    IdIs(String),
    MethodIs(String),
    ActionIs(String),
    RoleIs(usize, String),
    /// The path, put together from the user.
    OwnPath,
    Not(Box<Condition>),
    All(Vec<Condition>),
    Any(Vec<Condition>),
}

/// The first rule that grants.
pub(super) fn decide(rules: &[PlainRule], question: &Question) -> Verdict {
    for (place, rule) in rules.iter().enumerate() {
        match grants(rule, question) {
            Some(true) => return Verdict::Granted(place),
            Some(false) => {}
            None => return Verdict::Failed(place),
        }
    }
    Verdict::Denied
}

fn grants(rule: &PlainRule, question: &Question) -> Option<bool> {
    if !covers(&rule.pattern, &question.path) {
        return Some(false);
    }
    if let Some(Some(exclude)) = &rule.exclude {
        for pattern in exclude.split(',') {
            if covers(pattern, &question.path) {
                return Some(false);
            }
        }
    }
    let mut role_is_listed = rule.roles == "*";
    for role in &question.roles {
        role_is_listed = role_is_listed || lists(&rule.roles, role);
    }
    if !role_is_listed {
        return Some(false);
    }
    if !lists(&rule.methods, &question.method) {
        return Some(false);
    }
    if !question.action.is_empty() {
        let Some(Some(actions)) = &rule.actions else { return Some(false) };
        if !lists(actions, &question.action) {
            return Some(false);
        }
    }
    match &rule.condition {
        Some(Some(condition)) => condition.holds(question),
        _ => Some(true),
    }
}

fn covers(pattern: &str, path: &str) -> bool {
    if pattern == "*" || pattern == path {
        return true;
    }
    match pattern.strip_suffix("/*") {
        Some(before) => path.starts_with(&format!("{before}/")),
        None => false,
    }
}

fn lists(text: &str, name: &str) -> bool {
    text == "*" || text.split(',').any(|item| item.to_lowercase() == name.to_lowercase())
}

impl Condition {
    /// `None`: it cannot be evaluated.
    fn holds(&self, question: &Question) -> Option<bool> {
        let is_query = question.method == "query";
        let own_path = format!("{}/{}", question.user.0, question.user.1);
        Some(match self {
            Self::Blank => false,
            Self::Constant(truth) => *truth,
            Self::Throws => return None,
            Self::OwnData | Self::OwnPath => question.path == own_path,
            Self::NoNativeQuery => !(is_query && question.parameter("_queryExpression").is_some()),
            Self::NoCommand => !(question.method == "action" && question.action.to_lowercase() == "command"),
            Self::QueryOneOf(map) => {
                let wanted = |id: &str| {
                    map.iter().any(|(path, ids)| *path == question.path && ids.iter().any(|listed| listed == id))
                };
                is_query && question.parameter("_queryId").is_some_and(wanted)
            }
            Self::IdIs(text) => question.path == *text,
            Self::MethodIs(text) => question.method == *text,
            Self::ActionIs(text) => question.action == *text,
            Self::RoleIs(place, text) => question.roles.get(*place) == Some(text),
            Self::Not(inner) => !inner.holds(question)?,
            Self::All(parts) => {
                for part in parts {
                    if !part.holds(question)? {
                        return Some(false);
                    }
                }
                true
            }
            Self::Any(parts) => {
                for part in parts {
                    if part.holds(question)? {
                        return Some(true);
                    }
                }
                false
            }
        })
    }

    /// The expression, as an operator would write it.
    pub(super) fn text(&self) -> String {
        let joined = |parts: &[Self], sign: &str| {
            let parts: Vec<String> = parts.iter().map(Self::text).collect();
            format!("({})", parts.join(sign))
        };
        match self {
            Self::Blank => String::new(),
            Self::Constant(truth) => truth.to_string(),
            Self::Throws => "null.x".to_owned(),
            Self::OwnData => "ownDataOnly()".to_owned(),
            Self::NoNativeQuery => "disallowQueryExpression( )".to_owned(),
            Self::NoCommand => "disallowCommandAction()".to_owned(),
            Self::QueryOneOf(map) => {
                let members: Vec<String> =
                    map.iter().map(|(path, ids)| format!("{}: {}", quoted(path), json!(ids))).collect();
                format!("isQueryOneOf({{{}}})", members.join(", "))
            }
            Self::IdIs(text) => format!("id==={}", quoted(text)),
            Self::MethodIs(text) => format!("request.method === {}", quoted(text)),
            Self::ActionIs(text) => format!("{} === action", quoted(text)),
            Self::RoleIs(place, text) => format!("roles[{place}] === {}", quoted(text)),
            Self::OwnPath => {
                let mine = "context.security.authorization";
                format!("{mine}.component + '/' + {mine}['id'] === request.resourcePath")
            }
            Self::Not(inner) => format!("!({})", inner.text()),
            Self::All(parts) => joined(parts, " && "),
            Self::Any(parts) => joined(parts, "||"),
        }
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

impl PlainRule {
    /// The rule as in `access.json`.
    pub(super) fn as_json(&self) -> Value {
        let mut rule = json!({"pattern": self.pattern, "roles": self.roles, "methods": self.methods});
        let condition = self.condition.as_ref().map(|text| text.as_ref().map(Condition::text));
        for (key, value) in
            [("excludePatterns", &self.exclude), ("actions", &self.actions), ("customAuthz", &condition)]
        {
            if let Some(value) = value {
                rule[key] = json!(value);
            }
        }
        rule
    }
}
