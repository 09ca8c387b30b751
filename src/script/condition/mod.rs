//! Does a condition that is written in JavaScript hold for a request? (E13.)

#[cfg(test)]
mod tests;

use jiff::Timestamp;
use rquickjs::object::Accessor;
use rquickjs::{Ctx, Exception, Object, Value};
use serde_json::Map;
use tokio::runtime::Handle;

use super::engine::{Limits, Sandbox, Script, ScriptError};
use super::openidm::Openidm;
use super::turns::{Input, RunError, Turns};
use crate::directory::DirectoryError;

/// A condition: a script whose last expression is true or not, as JavaScript sees it.
#[derive(Debug, Clone)]
pub struct Condition {
    script: Script,
    /// Whether it names `openidm`, which most conditions do not.
    reads_users: bool,
}

/// What a run may look at.
pub struct Bindings {
    /// Global variables by name.
    pub variables: Map<String, serde_json::Value>,
    /// What is there but cannot be shown: reading it throws.
    pub withheld: Vec<Withheld>,
    /// `openidm`.
    pub openidm: Openidm,
    /// The instant of the check, which is what `Date` tells.
    pub now: Timestamp,
}

/// A member that cannot be shown.
///
/// SECURITY: a member that is merely left out would pass for an absent one, which `!` takes for true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withheld {
    /// Where it would stand: the variable, and the members on the way, e.g. `context`, `http`, `headers`, `cookie`.
    pub path: Vec<String>,
    /// Why it is not there; for the audit.
    pub why: String,
}

/// Why there is no answer. Neither may lead to an allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConditionError {
    /// The script failed: the request is denied (J20).
    #[error(transparent)]
    Failed(#[from] ScriptError),
    /// The directory gave no word when the script asked it: an outage, whatever the script made of it.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}

impl RunError for ConditionError {
    fn word(&self) -> &'static str {
        match self {
            Self::Failed(error) => error.as_str(),
            Self::Directory(_) => "directory",
        }
    }
}

impl Condition {
    /// Reads the condition; runs nothing of it.
    ///
    /// # Errors
    /// [`ScriptError::Syntax`] with the place.
    pub fn compile(source: &str, reads_users: bool) -> Result<Self, ScriptError> {
        Ok(Self { script: Script::compile(source)?, reads_users })
    }

    /// Whether the condition holds. Runs in a world of its own, within the check's deadline.
    ///
    /// # Errors
    /// [`ConditionError`].
    pub async fn holds(&self, bindings: Bindings, turns: &Turns) -> Result<bool, ConditionError> {
        let deadline = bindings.openidm.deadline;
        let run = Run::of(self, bindings);
        turns.run(&self.script, run.input(), deadline, move |limits| run.begin(limits)).await
    }
}

/// One question to a condition.
struct Run {
    condition: Condition,
    /// The global variables by name, as JSON.
    variables: Vec<(String, String)>,
    withheld: Vec<Withheld>,
    openidm: Openidm,
    handle: Handle,
    now: Timestamp,
}

impl Run {
    fn of(condition: &Condition, bindings: Bindings) -> Self {
        let Bindings { variables, withheld, openidm, now } = bindings;
        let variables = variables.into_iter().map(|(name, value)| (name, value.to_string())).collect();
        Self { condition: condition.clone(), variables, withheld, openidm, handle: Handle::current(), now }
    }

    fn input(&self) -> Input {
        if self.condition.reads_users {
            return Input::Others;
        }
        Input::Texts(self.variables.iter().map(|(_, json)| json.len()).sum())
    }

    fn begin(&self, limits: Limits) -> Result<bool, ConditionError> {
        let mut outage = None;
        let held = self.condition.script.run(limits, |sandbox| {
            sandbox.set_clock(self.now)?;
            for (name, json) in &self.variables {
                sandbox.define(name, json)?;
            }
            for withheld in &self.withheld {
                withhold(sandbox.ctx(), withheld)?;
            }
            if !self.condition.reads_users {
                return verdict(&sandbox);
            }
            let noted = self.openidm.clone().define(sandbox.ctx(), self.handle.clone())?;
            let held = verdict(&sandbox);
            outage = noted.borrow_mut().take();
            held
        });
        match outage {
            Some(error) => Err(error.into()),
            None => Ok(held?),
        }
    }
}

/// Runs the script; truthiness is JavaScript's.
///
/// SECURITY: two truthy values never mean "yes": a promise, which says nothing yet, and a function that nobody called.
fn verdict(sandbox: &Sandbox<'_, '_>) -> rquickjs::Result<bool> {
    let value = sandbox.evaluate()?;
    if value.is_promise() || value.is_function() {
        let what = if value.is_function() { "a function; call it" } else { "a promise; leave out `async`" };
        return Err(Exception::throw_message(sandbox.ctx(), &format!("the condition gives {what}")));
    }
    let number = value.as_number().map(|number| number != 0.0 && !number.is_nan());
    let text = || value.as_string().map(|text| text.to_string().map(|text| !text.is_empty()));
    if let Some(truth) = value.as_bool().or(number) {
        return Ok(truth);
    }
    if let Some(truth) = text() {
        return truth;
    }
    // Whole numbers of any size are the one kind left whose truth depends on the value.
    if value.type_of() == rquickjs::Type::BigInt {
        return Err(Exception::throw_message(sandbox.ctx(), "the condition gives a BigInt; compare it"));
    }
    Ok(!(value.is_null() || value.is_undefined()))
}

/// Puts a getter that throws where the member would stand.
fn withhold(ctx: &Ctx<'_>, withheld: &Withheld) -> rquickjs::Result<()> {
    let Some((member, way)) = withheld.path.split_last() else { return Ok(()) };
    let mut object = ctx.globals();
    for name in way {
        object = match object.get::<_, Value<'_>>(name.as_str())?.into_object() {
            Some(below) => below,
            None => {
                let below = Object::new(ctx.clone())?;
                object.set(name.as_str(), below.clone())?;
                below
            }
        };
    }
    let why = withheld.why.clone();
    let getter = move |ctx: Ctx<'_>| -> rquickjs::Result<()> { Err(Exception::throw_message(&ctx, &why)) };
    object.prop(member.as_str(), Accessor::new_get(getter).enumerable())
}
