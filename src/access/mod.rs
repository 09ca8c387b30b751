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
#[cfg(test)]
pub(crate) mod testing;
mod walk;
mod when;

pub use facts::{Moment, Reach};
pub use settings::Settings;
pub use walk::{Notes, RuleStep, RuleSteps, Walk, Which};

use std::sync::Arc;

use crate::directory::DirectoryError;
use crate::giving_way;
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
    rules: Arc<[Rule]>,
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

    /// The rule that granted: its `name`, or its place such as `rules[3]` or `configs[3]`; several, joined by `+`, where a PUT needed two.
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

impl AccessRules {
    /// Compiles the rules.
    ///
    /// # Errors
    /// Every problem of every rule.
    pub fn compile(settings: &Settings) -> Result<Self, Vec<RuleProblem>> {
        let mut rules = Vec::with_capacity(settings.rules.len());
        let mut problems = Vec::new();
        for (index, rule) in settings.rules.iter().enumerate() {
            giving_way::step();
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
            index: Index::new(rules.iter().map(Rule::columns)),
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
        self.admit_noting(request, path, principal, moment, &mut Notes::default()).await
    }

    /// As [`AccessRules::admit`], and notes what each rule said, from which it can be explained later.
    ///
    /// # Errors
    /// [`AccessError`].
    pub async fn admit_noting(
        &self,
        request: &RequestView<'_>,
        path: &RequestPath<'_>,
        principal: &Arc<Principal>,
        moment: Moment,
        notes: &mut Notes,
    ) -> Result<Permit, AccessError> {
        let asks = self.asks(request, path)?;
        let facts = |ask| Facts { request, path, principal, ask, moment, reach: &self.reach };
        let first = self.way(&facts(asks.first())).await;
        let second = match asks.second() {
            Some(ask) if first.granted.is_ok() => Some((ask, self.way(&facts(ask)).await)),
            _ => None,
        };
        let refused = first.granted.is_err() || second.as_ref().is_some_and(|(_, way)| way.granted.is_err());
        if refused || notes.of_allows {
            let mut walk = Walk::new(&self.rules, principal);
            walk.push(asks.first(), &first, principal);
            if let Some((ask, way)) = &second {
                walk.push(ask, way, principal);
            }
            notes.walk = Some(walk);
        }
        let (_, first) = first.granted?;
        let rule = match second {
            None => Arc::clone(&first.name),
            Some((_, way)) => format!("{}+{}", first.name, way.granted?.1.name).into(),
        };
        Ok(Permit { principal: Arc::clone(principal), rule })
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

    /// The way of one question to the first rule that grants (E5). A condition that fails ends it (J20).
    async fn way(&self, facts: &Facts<'_>) -> Way<'_> {
        let mut late = Vec::new();
        let roles = facts.principal.roles.iter().map(Role::as_str);
        for number in self.index.candidates(facts.ask.path, facts.ask.method, roles) {
            let Some(rule) = self.rules.get(number) else { continue };
            match evaluate(rule, facts).await {
                Ok(None) => return Way { late, granted: Ok((number, rule)), failed: None },
                Ok(Some(lack @ (Lack::Scopes | Lack::When | Lack::CustomAuthz))) => late.push((number, lack)),
                Ok(Some(Lack::Pattern | Lack::Excluded(_) | Lack::Roles | Lack::Method | Lack::Action)) => {}
                Err(failure) => {
                    let (failed, rule) = (Some((number, failure.to_string())), rule.name.to_string());
                    let error = match failure {
                        Failure::Condition(message) => AccessError::ConditionFailed { rule, message },
                        Failure::Directory(error) => AccessError::NoWord { rule, error },
                    };
                    return Way { late, granted: Err(error), failed };
                }
            }
        }
        // Scopes are named only where they were the one thing missing: the conditions after them hold.
        // SECURITY: no rule is left that could grant, so this is a refusal for sure. A condition that fails here, be it for want
        // of the directory's word, must not make an outage of it, which `failure_mode_allow` may let pass.
        for rule in late.iter().filter(|(_, lack)| *lack == Lack::Scopes).filter_map(|(at, _)| self.rules.get(*at)) {
            if let Ok(None) = rule.unmet_condition(facts).await {
                let missing = rule.missing_scopes(facts.principal).map(str::to_owned).collect();
                return Way { late, granted: Err(AccessError::MissingScopes(missing)), failed: None };
            }
        }
        Way { late, granted: Err(AccessError::NoRule), failed: None }
    }
}

/// One question's way through the rules.
struct Way<'r> {
    /// What rules lacked that came as far as the scopes; by number.
    late: Vec<(usize, Lack)>,
    /// The rule that grants, by number.
    granted: Result<(usize, &'r Rule), AccessError>,
    /// The rule whose condition failed, by number, and why.
    failed: Option<(usize, String)>,
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
