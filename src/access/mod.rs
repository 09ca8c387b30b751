//! May they? The access rules, and the proof that one of them granted (section E).

mod ask;
mod crest;
mod custom_authz;
mod facts;
mod index;
mod names;
mod pattern;
mod rule;
pub mod settings;
mod when;

pub use facts::{Moment, Reach};
pub use settings::Settings;

use std::sync::Arc;

use crate::directory::DirectoryError;
use crate::principal::{Principal, Role};
use crate::request::{RequestPath, RequestView};
use ask::{Ask, Asks};
use custom_authz::Failure;
use facts::Facts;
use index::Index;
use rule::{Lack, Rule};
use settings::{RuleProblem, Style};

/// The compiled access rules of one filter.
#[derive(Debug)]
pub struct AccessRules {
    style: Style,
    /// Without a trailing slash: empty for the root.
    context_path: Box<str>,
    honour_method_override: bool,
    rules: Box<[Rule]>,
    index: Index,
    reach: Reach,
}

/// Proof that an access rule granted a request to a principal.
///
/// INVARIANT: only [`AccessRules::admit`] makes one; nothing else in the program can build an allow.
#[derive(Debug, Clone)]
pub struct Permit {
    principal: Arc<Principal>,
    rule: Arc<str>,
}

impl Permit {
    /// Who was admitted.
    #[must_use]
    pub fn principal(&self) -> &Arc<Principal> {
        &self.principal
    }

    /// The rule that granted: its `name`, or its place such as `rules[3]`; several, joined by `+`, where a PUT needed two.
    #[must_use]
    pub fn rule(&self) -> &str {
        &self.rule
    }
}

/// Why the access stage did not admit a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// The HTTP request has no CREST meaning, or two (E.5): 400.
    #[error("{0}")]
    BadRequest(&'static str),
    /// A method that CREST does not know (E23): 403.
    #[error("the method is none of the access rules'")]
    UnknownMethod,
    /// The CSRF gate (E15): 403.
    #[error("a request that changes something needs a header that no foreign page can set")]
    Csrf,
    /// The path lies outside `contextPath` (J19): 403.
    #[error("the path lies outside the context path")]
    OutsideContextPath,
    /// No rule grants: 403.
    #[error("no access rule grants this request")]
    NoRule,
    /// A rule lacked nothing but these scopes: 403 `insufficient_scope`, or 401 where no credential was sent (J22).
    #[error("the token lacks scopes that a rule requires")]
    MissingScopes(Vec<String>),
    /// A `when` or `customAuthz` failed while it ran; the walk ends with a denial (J20).
    #[error("the condition of {rule} failed: {message}")]
    ConditionFailed {
        /// Which rule.
        rule: String,
        /// What went wrong; for the audit, not for the client.
        message: String,
    },
    /// A `customAuthz` asked the directory, which gave no word: an outage.
    #[error("the condition of {rule} could not be decided: {error}")]
    NoWord {
        /// Which rule.
        rule: String,
        /// What the directory's failure was.
        error: DirectoryError,
    },
}

/// What one rule said about a request: for `check` and `explain`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleStep {
    /// The rule's name or place.
    pub rule: String,
    /// The CREST or HTTP request it was asked about, e.g. `create managed/user`.
    pub asked: String,
    /// `None`: it grants. Else the first thing it lacked, in the order of E6, for people.
    pub lacked: Option<String>,
}

impl AccessRules {
    /// Compiles the rules.
    ///
    /// # Errors
    /// Every problem of every rule.
    pub fn compile(settings: Settings) -> Result<Self, Vec<RuleProblem>> {
        let mut rules = Vec::with_capacity(settings.rules.len());
        let mut problems = Vec::new();
        for (index, rule) in settings.rules.iter().enumerate() {
            match Rule::compile(rule, index, settings.style, &settings.knowledge, &settings.library) {
                Ok(rule) => rules.push(rule),
                Err(found) => problems.extend(found),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            style: settings.style,
            context_path: settings.context_path.trim_end_matches('/').into(),
            honour_method_override: settings.honour_method_override,
            index: Index::new(rules.iter().map(|rule| (&rule.pattern, &rule.roles))),
            rules: rules.into(),
            reach: Reach::default(),
        })
    }

    /// The rules that never grant because only IDM can answer their `customAuthz`: what to tell at load.
    #[must_use]
    pub fn idm_only(&self) -> Vec<RuleProblem> {
        let rules = self.rules.iter().enumerate();
        let told = rules.filter_map(|(index, rule)| {
            let message = format!("the rule never grants by `idmOnlyRules: neverGrant`: {}", rule.idm_only()?);
            Some(RuleProblem { index, key: "customAuthz", message })
        });
        told.collect()
    }

    /// The same rules, with what their conditions in JavaScript can reach.
    #[must_use]
    pub fn reaching(self, reach: Reach) -> Self {
        Self { reach, ..self }
    }

    /// The place of the first rule whose condition reads users through the directory.
    #[must_use]
    pub fn first_to_read_users(&self) -> Option<usize> {
        self.rules.iter().position(Rule::reads_users)
    }

    /// Admits the request, or says why not.
    ///
    /// # Errors
    /// [`AccessError`].
    pub async fn admit(
        &self,
        request: &RequestView<'_>,
        path: &RequestPath<'_>,
        principal: &Arc<Principal>,
        moment: Moment,
    ) -> Result<Permit, AccessError> {
        let asks = self.asks(request, path)?;
        let facts = |ask| Facts { request, path, principal, ask, moment, reach: &self.reach };
        let first = self.granting_rule(&facts(asks.first())).await?;
        let rule = match asks.second() {
            None => Arc::clone(&first.name),
            Some(ask) => {
                let second = self.granting_rule(&facts(ask)).await?;
                format!("{}+{}", first.name, second.name).into()
            }
        };
        Ok(Permit { principal: Arc::clone(principal), rule })
    }

    /// What each rule says about the request, in order, up to the one that grants.
    ///
    /// Empty where the rules are not asked at all: what [`AccessRules::admit`] answers then says why.
    #[must_use]
    pub async fn explain(
        &self,
        request: &RequestView<'_>,
        path: &RequestPath<'_>,
        principal: &Arc<Principal>,
        moment: Moment,
    ) -> Vec<RuleStep> {
        let Ok(asks) = self.asks(request, path) else { return Vec::new() };
        let mut steps = Vec::new();
        for ask in asks.iter() {
            let facts = Facts { request, path, principal, ask, moment, reach: &self.reach };
            let mut verdict = Ok(Some(Lack::Pattern));
            for rule in &self.rules {
                verdict = evaluate(rule, &facts).await;
                let lacked = match &verdict {
                    Ok(lack) => lack.map(|lack| rule.describe(lack, ask, principal)),
                    Err(failure) => Some(format!("{failure}; the walk ends here")),
                };
                steps.push(RuleStep { rule: rule.name.to_string(), asked: ask.for_people(), lacked });
                if !matches!(verdict, Ok(Some(_))) {
                    break;
                }
            }
            if !matches!(verdict, Ok(None)) {
                break;
            }
        }
        steps
    }

    /// What the rules are asked about a request.
    fn asks<'a>(&self, request: &RequestView<'a>, path: &'a RequestPath<'_>) -> Result<Asks<'a>, AccessError> {
        let within = self.within_context(path.as_str()).ok_or(AccessError::OutsideContextPath)?;
        match self.style {
            Style::Http if request.method.is_empty() => Err(AccessError::UnknownMethod),
            Style::Http => Ok(Asks::one(Ask::new(request.method, if within.is_empty() { "/" } else { within }))),
            Style::Crest => {
                let resource = within.strip_prefix('/').unwrap_or(within);
                let asks = crest::read(request, path, resource, self.honour_method_override)?;
                crest::csrf_gate(&asks, &request.headers)?;
                Ok(asks)
            }
        }
    }

    /// The path after the context path, which covers whole segments only: empty, or beginning with a slash.
    fn within_context<'p>(&self, path: &'p str) -> Option<&'p str> {
        let rest = path.strip_prefix(&*self.context_path)?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    }

    /// The first rule that grants (E5). A condition that fails ends the walk (J20).
    async fn granting_rule(&self, facts: &Facts<'_>) -> Result<&Rule, AccessError> {
        let mut lacking_scopes = Vec::new();
        let roles = facts.principal.roles.iter().map(Role::as_str);
        let candidates = self.index.candidates(facts.ask.path, roles);
        for rule in candidates.into_iter().filter_map(|number| self.rules.get(number)) {
            match evaluate(rule, facts).await {
                Ok(None) => return Ok(rule),
                Ok(Some(Lack::Scopes)) => lacking_scopes.push(rule),
                Ok(Some(_)) => {}
                Err(Failure::Condition(message)) => {
                    return Err(AccessError::ConditionFailed { rule: rule.name.to_string(), message });
                }
                Err(Failure::Directory(error)) => {
                    return Err(AccessError::NoWord { rule: rule.name.to_string(), error });
                }
            }
        }
        // Scopes are named only where they were the one thing missing: the conditions after them hold.
        for rule in lacking_scopes {
            if let Ok(None) = rule.unmet_condition(facts).await {
                let missing = rule.missing_scopes(facts.principal).map(str::to_owned);
                return Err(AccessError::MissingScopes(missing.collect()));
            }
        }
        Err(AccessError::NoRule)
    }
}

/// Asks one rule, for a decision and for its explanation alike. The order is E6's, with the scopes before the conditions.
async fn evaluate(rule: &Rule, facts: &Facts<'_>) -> Result<Option<Lack>, Failure> {
    let roles = facts.principal.roles.iter().map(Role::as_str);
    if let Some(lack) = rule.lacks(facts.ask, roles) {
        return Ok(Some(lack));
    }
    if rule.missing_scopes(facts.principal).next().is_some() {
        return Ok(Some(Lack::Scopes));
    }
    rule.unmet_condition(facts).await
}

#[cfg(test)]
mod tests;
