//! Does a rule's `customAuthz` hold? IDM's JavaScript expressions, as far as a sidecar can answer them (E13, E17–E19).
//!
//! The native subset: calls of the functions in [`function`], `&&`, `||`, `!`, `===`, `!==`, `==`, `!=`, `+`, parentheses,
//! text, numbers, `true`, `false`, `null`, `undefined`, lists, the locals `id`, `roles`, `method` and `action`, and members
//! of `request` and `context` (J18). What holds is decided by truthiness, as in JavaScript. Where JavaScript would go on with
//! a surprising value (`undefined` in a text, a list compared with a text) the evaluation fails instead, and the request is
//! denied (J20).
//!
//! Everything else runs as JavaScript: what it names is checked when the rules are loaded, so that an unknown function is
//! refused then and never taken for true, and IDM's functions are answered natively there too.

mod bindings;
mod body;
mod constant;
mod eval;
mod function;
mod javascript;
mod lexer;
mod library;
mod meaning;
mod parser;
mod value;

use super::facts::Facts;
use super::settings::Knowledge;
pub use library::Library;

pub(super) use javascript::Failure;
use javascript::{JavaScript, Refusal};
use meaning::Expression;

/// A compiled `customAuthz`.
#[derive(Debug)]
pub(super) struct CustomAuthz {
    form: Form,
    /// The first function that only IDM can answer, and why.
    idm_only: Option<Box<str>>,
}

#[derive(Debug)]
enum Form {
    /// Within the native subset.
    Native(Expression),
    /// Anything else.
    JavaScript(Box<JavaScript>),
}

impl CustomAuthz {
    /// Compiles an expression. An empty or blank one is legal and never holds (E13).
    ///
    /// # Errors
    /// What was found, what is expected, and what to do.
    pub(super) fn compile(text: &str, knowledge: &Knowledge, library: &Library) -> Result<Self, String> {
        let native = parser::parse(text).and_then(|syntax| meaning::of(syntax, knowledge));
        let form =
            native.map(Form::Native).or_else(|beyond_it| match JavaScript::compile(text, knowledge, library) {
                Ok(script) => Ok(Form::JavaScript(Box::new(script))),
                Err(Refusal::Unreadable) => Err(beyond_it),
                Err(Refusal::Meaning(message)) => Err(message),
            })?;
        let idm_only = match &form {
            Form::Native(expression) => constant::idm_only(expression),
            Form::JavaScript(script) => script.idm_only(),
        };
        Ok(Self { idm_only: idm_only.map(Into::into), form })
    }

    /// Whether it reads users through the directory.
    pub(super) fn reads_users(&self) -> bool {
        matches!(&self.form, Form::JavaScript(script) if script.reads_users())
    }

    /// The function that only IDM can answer, and why, where the expression holds one: then it holds for no request.
    pub(super) fn idm_only(&self) -> Option<&str> {
        self.idm_only.as_deref()
    }

    /// Whether it is known already that the expression holds for no request.
    pub(super) fn never_holds(&self) -> bool {
        matches!(&self.form, Form::Native(expression) if constant::truth(expression) == Some(false))
    }

    /// Whether the expression is truthy. One that [only IDM](Self::idm_only) can answer is not, whatever stands around.
    ///
    /// # Errors
    /// Why it could not be evaluated: for the audit, or an outage.
    pub(super) async fn holds(&self, facts: &Facts<'_>) -> Result<bool, Failure> {
        if self.idm_only.is_some() {
            return Ok(false);
        }
        match &self.form {
            Form::Native(expression) => Ok(eval::evaluate(expression, facts)?.is_truthy()),
            Form::JavaScript(script) => script.holds(facts).await,
        }
    }
}

#[cfg(test)]
mod tests;
