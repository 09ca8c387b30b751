//! What did the operator write as access rules?

mod advice;
mod json;
mod knowledge;
mod remarks;

pub use super::custom_authz::Library;
pub use advice::{advice, roles_of_nobody};
pub use knowledge::{IdmOnly, Knowledge, ManagedObject};

use std::fmt;

/// `access`: rules and how requests are read for them.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `style`.
    pub style: Style,
    /// `contextPath`, beginning with `/`, without a trailing slash unless it is `/` itself.
    pub context_path: String,
    /// `methodOverride: honour` (J6).
    pub honour_method_override: bool,
    /// What functions of `customAuthz` know of IDM's configuration.
    pub knowledge: Knowledge,
    /// The operator's own functions for `customAuthz`.
    pub library: Library,
    /// The rules in order.
    pub rules: Vec<RuleSettings>,
}

/// How a request is read for the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// As CREST: create, read, query, action … on a resource path without a leading slash.
    Crest,
    /// As HTTP: GET, POST … on a path that begins with `/`.
    Http,
}

/// One access rule as written; comma texts are already split, without trimming (E9, J4).
#[derive(Debug, Clone)]
pub struct RuleSettings {
    /// Its name: `name`, else its place, e.g. `rules[3]`, or `configs[3]` in a file of IDM.
    pub name: String,
    /// `pattern` (E7).
    pub pattern: String,
    /// `roles` (E9).
    pub roles: Vec<String>,
    /// `methods` (E10).
    pub methods: Vec<String>,
    /// `actions` (E11); `None`: the key is absent and no action is granted (E13a).
    pub actions: Option<Vec<String>>,
    /// `excludePatterns` (E8).
    pub exclude_patterns: Vec<String>,
    /// `customAuthz` (E13).
    pub custom_authz: Option<String>,
    /// `scopes`: must all be in the token.
    pub scopes: Vec<String>,
    /// `when`: a CEL expression that must be true.
    pub when: Option<String>,
}

/// A rule that cannot be compiled: which key of which rule, what was found, what is expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleProblem {
    /// The rule's index in the list.
    pub index: usize,
    /// The key within the rule; empty where the rule as a whole is meant.
    pub key: &'static str,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for RuleProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index, key, message } = self;
        if key.is_empty() {
            write!(f, "rules[{index}]: {message}")
        } else {
            write!(f, "rules[{index}].{key}: {message}")
        }
    }
}

impl std::error::Error for RuleProblem {}
