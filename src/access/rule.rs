//! Does one rule grant? The checks of a rule, in IDM's order (E6), and what the first failing one is called.

use std::sync::Arc;

use super::ask::Ask;
use super::custom_authz::{CustomAuthz, Failure, Library};
use super::facts::Facts;
use super::index::Columns;
use super::names::{Names, quoted};
use super::pattern::Pattern;
use super::settings::{Knowledge, RuleProblem, RuleSettings, Style};
use super::when::When;
use crate::giving_way;
use crate::principal::{Principal, Role};

/// A compiled rule.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) name: Arc<str>,
    pattern: Pattern,
    exclude: Box<[Pattern]>,
    roles: Names,
    methods: Names,
    actions: Names,
    scopes: Box<[Box<str>]>,
    when: Option<When>,
    custom_authz: Option<CustomAuthz>,
    written: Written,
}

impl Drop for Rule {
    fn drop(&mut self) {
        // Thousands are taken apart at a time, when a version of the configuration has served its time.
        giving_way::step();
    }
}

/// What is kept of the rule's text for people.
#[derive(Debug)]
struct Written {
    pattern: Box<str>,
    exclude: Box<[String]>,
}

/// The first thing that a rule lacks, in the order of E6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lack {
    /// The pattern does not cover the path.
    Pattern,
    /// This item of `excludePatterns` covers the path.
    Excluded(usize),
    /// None of the user's roles is listed.
    Roles,
    /// The method is not listed.
    Method,
    /// The action is not listed.
    Action,
    /// The token lacks a scope.
    Scopes,
    /// `when` does not hold.
    When,
    /// `customAuthz` does not hold.
    CustomAuthz,
}

impl Rule {
    /// Compiles a rule.
    ///
    /// # Errors
    /// Every problem of the rule, not only the first.
    pub(super) fn compile(
        settings: &RuleSettings,
        index: usize,
        style: Style,
        knowledge: &Knowledge,
        library: &Library,
    ) -> Result<Self, Vec<RuleProblem>> {
        let mut problems = Vec::new();
        let mut report = |key, message| problems.push(RuleProblem { index, key, message });
        let mut pattern = |key, text: &str| match style {
            Style::Crest => Pattern::crest(text),
            Style::Http => Pattern::http(text).unwrap_or_else(|message| {
                report(key, message);
                Pattern::crest(text)
            }),
        };
        let compiled = pattern("pattern", &settings.pattern);
        let exclude = settings.exclude_patterns.iter();
        let exclude = exclude
            .filter(|item| style == Style::Crest || !item.is_empty())
            .map(|item| pattern("excludePatterns", item))
            .collect();
        if style == Style::Http && settings.actions.as_deref().is_some_and(|actions| actions != ["*"]) {
            let message = "`actions` are CREST's and mean nothing to `style: http`; leave them out, or list the HTTP \
                           methods in `methods`";
            report("actions", message.to_owned());
        }
        if style == Style::Http && settings.custom_authz.is_some() {
            let message = "`customAuthz` needs `style: crest`; in `style: http` write a CEL expression in `when`";
            report("customAuthz", message.to_owned());
        }
        let custom_authz =
            settings.custom_authz.as_deref().map(|text| CustomAuthz::compile(text, knowledge, library)).transpose();
        let custom_authz = custom_authz.unwrap_or_else(|message| {
            report("customAuthz", message);
            None
        });
        let when = settings.when.as_deref().map(|text| When::compile(text, &compiled, style)).transpose();
        let when = when.unwrap_or_else(|message| {
            report("when", message);
            None
        });
        for scope in &settings.scopes {
            if let Some(message) = scope_problem(scope) {
                report("scopes", message);
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            name: settings.name.as_str().into(),
            pattern: compiled,
            exclude,
            roles: Names::new(&settings.roles),
            methods: Names::new(&settings.methods),
            actions: Names::new(settings.actions.as_deref().unwrap_or_default()),
            scopes: settings.scopes.iter().map(|scope| scope.as_str().into()).collect(),
            when,
            custom_authz,
            written: Written {
                pattern: settings.pattern.as_str().into(),
                exclude: settings.exclude_patterns.iter().cloned().collect(),
            },
        })
    }

    /// By what it is found.
    pub(super) fn columns(&self) -> Columns<'_> {
        Columns { pattern: &self.pattern, roles: &self.roles, methods: &self.methods }
    }

    /// The checks from pattern to actions (E6): all that depends on the question and the roles alone.
    pub(super) fn lacks<'r>(&self, ask: &Ask<'_>, mut roles: impl Iterator<Item = &'r str>) -> Option<Lack> {
        if !self.pattern.matches(ask.path) {
            return Some(Lack::Pattern);
        }
        if let Some(item) = self.exclude.iter().position(|pattern| pattern.matches(ask.path)) {
            return Some(Lack::Excluded(item));
        }
        if !self.roles.any() && !roles.any(|role| self.roles.has(role)) {
            return Some(Lack::Roles);
        }
        if !self.methods.has(ask.method) {
            return Some(Lack::Method);
        }
        if !ask.action.is_empty() && !self.actions.has(&ask.action) {
            return Some(Lack::Action);
        }
        None
    }

    /// Evaluates what remains once the other checks have passed.
    ///
    /// # Errors
    /// Which condition failed, and why; for the audit.
    pub(super) async fn unmet_condition(&self, facts: &Facts<'_>) -> Result<Option<Lack>, Failure> {
        // First of all, so that nothing of a rule that never grants can end the walk.
        if self.idm_only().is_some() {
            return Ok(Some(Lack::CustomAuthz));
        }
        if let Some(when) = &self.when {
            match when.holds(facts, &self.pattern) {
                Ok(true) => {}
                Ok(false) => return Ok(Some(Lack::When)),
                Err(message) => return Err(format!("when: {message}").into()),
            }
        }
        if let Some(custom_authz) = &self.custom_authz {
            match custom_authz.holds(facts).await {
                Ok(true) => {}
                Ok(false) => return Ok(Some(Lack::CustomAuthz)),
                Err(Failure::Condition(message)) => return Err(format!("customAuthz: {message}").into()),
                Err(outage @ Failure::Directory(_)) => return Err(outage),
            }
        }
        Ok(None)
    }

    /// Whether its condition reads users through the directory.
    pub(super) fn reads_users(&self) -> bool {
        self.custom_authz.as_ref().is_some_and(CustomAuthz::reads_users)
    }

    /// The scopes that the principal's token lacks; all of them where there is no token.
    pub(super) fn missing_scopes<'s>(&'s self, principal: &'s Principal) -> impl Iterator<Item = &'s str> {
        let token = principal.token();
        let held = move |scope: &str| token.is_some_and(|token| token.has_scope(scope));
        self.scopes.iter().map(|scope| &**scope).filter(move |scope| !held(scope))
    }

    /// The function of `customAuthz` that only IDM can answer, and why, where there is one: the rule then never grants.
    pub(super) fn idm_only(&self) -> Option<&str> {
        self.custom_authz.as_ref()?.idm_only()
    }

    /// The pattern as it was written.
    pub(super) fn written_pattern(&self) -> &str {
        &self.written.pattern
    }

    /// What the rule lacks, for people; `principal` says which scopes are missing.
    pub(super) fn describe(&self, lack: Lack, ask: &Ask<'_>, roles: &[Role], principal: Option<&Principal>) -> String {
        match lack {
            Lack::Pattern => format!("pattern: `{}` does not cover `{}`", self.written.pattern, ask.path),
            Lack::Excluded(item) => {
                let pattern = self.written.exclude.get(item).map_or("", String::as_str);
                format!("excludePatterns: `{pattern}` covers `{}`", ask.path)
            }
            Lack::Roles => {
                let held = quoted(roles.iter().map(Role::as_str));
                format!("roles: needs one of {}; the user has {held}", self.roles.for_people())
            }
            Lack::Method => format!("methods: `{}` is not among {}", ask.method, self.methods.for_people()),
            Lack::Action => format!("actions: `{}` is not among {}", ask.action, self.actions.for_people()),
            Lack::Scopes => match principal {
                Some(principal) => format!("scopes: the token lacks {}", quoted(self.missing_scopes(principal))),
                None => format!("scopes: needs {}", quoted(self.scopes.iter().map(|scope| &**scope))),
            },
            Lack::When => "when: the expression does not hold".to_owned(),
            Lack::CustomAuthz => match self.idm_only() {
                Some(why) => format!("customAuthz: the rule never grants, since {why}"),
                None => "customAuthz: the expression does not hold".to_owned(),
            },
        }
    }
}

fn scope_problem(scope: &str) -> Option<String> {
    let legal = |byte: u8| byte == 0x21 || (0x23..=0x5b).contains(&byte) || (0x5d..=0x7e).contains(&byte);
    if !scope.is_empty() && scope.bytes().all(legal) {
        return None;
    }
    Some(format!(
        "`{scope}` is no scope (RFC 6749 section 3.3): expected printable ASCII without spaces, `\"` and `\\`"
    ))
}
