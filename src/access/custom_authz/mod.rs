//! Does a rule's `customAuthz` hold? IDM's JavaScript expressions, as far as a sidecar can answer them (E13, E17–E19).
//!
//! The subset: calls of the functions in [`function`], `&&`, `||`, `!`, `===`, `!==`, `==`, `!=`, `+`, parentheses, text,
//! numbers, `true`, `false`, `null`, `undefined`, lists, the locals `id`, `roles`, `method` and `action`, and members of
//! `request` and `context` (J18). Everything else is refused when the rules are loaded, never taken for true. What holds
//! is decided by truthiness, as in JavaScript. Where JavaScript would go on with a surprising value (`undefined` in a
//! text, a list compared with a text) the evaluation fails instead, and the request is denied (J20).

mod body;
mod constant;
mod eval;
mod function;
mod lexer;
mod meaning;
mod parser;
mod value;

use super::facts::Facts;
use super::settings::Knowledge;
use meaning::Expression;

/// A compiled `customAuthz`.
#[derive(Debug)]
pub(super) struct CustomAuthz {
    expression: Expression,
    /// The first function that only IDM can answer, and why.
    idm_only: Option<Box<str>>,
}

impl CustomAuthz {
    /// Compiles an expression. An empty or blank one is legal and never holds (E13).
    ///
    /// # Errors
    /// What was found, what is expected, and what to do.
    pub(super) fn compile(text: &str, knowledge: &Knowledge) -> Result<Self, String> {
        let syntax = parser::parse(text)?;
        let expression = meaning::of(syntax, knowledge)?;
        let idm_only = constant::idm_only(&expression).map(Into::into);
        Ok(Self { expression, idm_only })
    }

    /// The function that only IDM can answer, and why, where the expression holds one: then it holds for no request.
    pub(super) fn idm_only(&self) -> Option<&str> {
        self.idm_only.as_deref()
    }

    /// Whether it is known already that the expression holds for no request.
    pub(super) fn never_holds(&self) -> bool {
        constant::truth(&self.expression) == Some(false)
    }

    /// Whether the expression is truthy. One that [only IDM](Self::idm_only) can answer is not, whatever stands around.
    ///
    /// # Errors
    /// Why it could not be evaluated, for the audit.
    pub(super) fn holds(&self, facts: &Facts<'_>) -> Result<bool, String> {
        if self.idm_only.is_some() {
            return Ok(false);
        }
        eval::evaluate(&self.expression, facts).map(|value| value.is_truthy())
    }
}

#[cfg(test)]
mod tests;
