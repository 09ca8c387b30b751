//! How is a script run so that it can neither hang, nor fill the memory, nor reach out, nor leave anything behind?

mod bounds;
mod clock;
mod language;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Instant;

use language::Needs;
use rquickjs::context::EvalOptions;
use rquickjs::function::IntoArgs;
use rquickjs::{Ctx, Error, Function, Runtime, Value};

use super::brief::Tries;

/// The most memory a run may use, in bytes.
const MAX_MEMORY: usize = 16 * 1024 * 1024;
/// The deepest native stack of a run, in bytes. The threads that run scripts have 2 MiB.
const MAX_STACK: usize = 512 * 1024;
/// The largest script, in bytes.
const MAX_SOURCE: usize = 1024 * 1024;
/// What the engine calls the script in its traces of the stack.
const NAME: &str = "script";
/// Declared before and again after a script that is only to be read: see [`Script::compile`].
const SENTINEL: &str = "keywardReadsButDoesNotRun";

/// Why a script gave no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScriptError {
    /// It cannot be read. Line and column count from 1; 0 where the engine names no place.
    #[error("line {line}, column {column}: {message}")]
    Syntax {
        /// The line.
        line: usize,
        /// The column.
        column: usize,
        /// What the engine says.
        message: String,
    },
    /// It threw something of its own that is no error of the engine: `throw {code, message}` as IDM's scripts do (C8).
    #[error("the script threw {}`{message}`", code.map(|code| format!("{code} ")).unwrap_or_default())]
    Thrown {
        /// `code`, where it is a whole number.
        code: Option<i64>,
        /// `message`, or the thrown text; may be empty.
        message: String,
    },
    /// It took too long.
    #[error("the script did not end in time")]
    Deadline,
    /// It wanted more memory than it may have.
    #[error("the script wanted more memory than it may have")]
    Memory,
    /// Everything else: a type error, too deep a recursion, a result that cannot be read.
    #[error("the script failed: {0}")]
    Other(String),
}

impl ScriptError {
    /// The word used in metrics: `refused` where the script threw a `code` of its own from 400 to 499 (C8).
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Thrown { code: Some(400..=499), .. } => "refused",
            Self::Thrown { .. } => "thrown",
            Self::Deadline => "timeout",
            Self::Memory => "memory",
            Self::Syntax { .. } | Self::Other(_) => "failed",
        }
    }
}

/// A script that can be read.
#[derive(Debug, Clone)]
pub struct Script {
    source: Arc<str>,
    needs: Needs,
    is_bounded: bool,
    /// How many runs have not ended long after they were due to.
    pub(super) stuck: Arc<AtomicUsize>,
    pub(super) tries: Arc<Tries>,
}

/// What one run may use.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// When it is ended.
    pub until: Instant,
    /// The most memory, in bytes; what the engine needs for itself (some 200 kB) included.
    pub memory: usize,
}

impl From<Instant> for Limits {
    /// All the memory that a run may have.
    fn from(until: Instant) -> Self {
        Self { until, memory: MAX_MEMORY }
    }
}

/// The inside of one run. Lives as long as the run, and so does whatever the script does to it.
pub struct Sandbox<'js, 's> {
    ctx: Ctx<'js>,
    source: &'s str,
}

impl Script {
    /// Reads a script, and runs nothing of it.
    ///
    /// # Errors
    /// [`ScriptError::Syntax`] with the place.
    pub fn compile(source: &str) -> Result<Self, ScriptError> {
        let unplaced = |message: &str| ScriptError::Syntax { line: 0, column: 0, message: message.to_owned() };
        if source.len() > MAX_SOURCE {
            return Err(unplaced("the script is larger than 1 MiB"));
        }
        if source.contains('\0') {
            return Err(unplaced("the script holds a NUL character"));
        }
        // The engine has no way to read without running. A name that is declared twice is found after the whole text has
        // been read and before its first statement runs.
        let probe = format!("{source}\nlet {SENTINEL};");
        let read = sandboxed(&probe, (Needs::Whole, false), MAX_MEMORY, None, |sandbox| {
            sandbox.ctx.eval::<(), _>(format!("let {SENTINEL};"))?;
            sandbox.evaluate().map(|_| ())
        });
        match read {
            // The whole message: a script that lacks its end trips over the very name.
            Err(ScriptError::Syntax { message, .. }) if message == format!("redeclaration of '{SENTINEL}'") => {
                Ok(Self {
                    needs: Needs::of(source),
                    is_bounded: bounds::needed(source),
                    source: source.into(),
                    stuck: Arc::default(),
                    tries: Arc::default(),
                })
            }
            Err(ScriptError::Syntax { line, column, message }) => {
                // What is missing at the end is found missing in the line that was added.
                let (last, text) = source.split('\n').enumerate().last().unwrap_or_default();
                let at_end = (last + 1, text.chars().count() + 1);
                let (line, column) = if line > at_end.0 { at_end } else { (line, column) };
                Err(ScriptError::Syntax { line, column, message })
            }
            Err(error) => Err(unplaced(&error.to_string())),
            Ok(()) => Err(unplaced("the script cannot be read as a whole")),
        }
    }

    /// Whether a run that ends well ends the same with less memory: nothing in the script can notice that memory is short
    /// and go on.
    pub(super) fn is_plain(&self) -> bool {
        self.needs == Needs::Usual && !self.is_bounded && !self.source.contains("try")
    }

    /// Runs `body` in a world of its own, which is gone afterwards: what one run leaves behind no other run can see.
    /// Blocks the thread until the end of its time, and a little longer where the script is within one long step of the engine.
    ///
    /// # Errors
    /// Every [`ScriptError`] but a syntax error at a place of its own.
    pub fn run<T>(
        &self,
        limits: impl Into<Limits>,
        body: impl for<'js> FnOnce(Sandbox<'js, '_>) -> rquickjs::Result<T>,
    ) -> Result<T, ScriptError> {
        let Limits { until, memory } = limits.into();
        sandboxed(&self.source, (self.needs, self.is_bounded), memory, Some(until), body)
    }
}

/// SECURITY: a runtime a run, not only a context: a runtime has a job queue, a symbol registry and a memory account, which
/// its contexts share.
fn sandboxed<T>(
    source: &str,
    (needs, is_bounded): (Needs, bool),
    max_memory: usize,
    until: Option<Instant>,
    body: impl for<'js> FnOnce(Sandbox<'js, '_>) -> rquickjs::Result<T>,
) -> Result<T, ScriptError> {
    let runtime = Runtime::new().map_err(|_| ScriptError::Memory)?;
    let context = needs.context(&runtime).map_err(|_| ScriptError::Memory)?;
    runtime.set_memory_limit(max_memory);
    runtime.set_max_stack_size(MAX_STACK);
    let late = Rc::new(Cell::new(false));
    let handler_late = Rc::clone(&late);
    runtime.set_interrupt_handler(Some(Box::new(move || {
        // Whoever is late stays late: a `finally` gets no second helping.
        let is_late = handler_late.get() || until.is_some_and(|until| Instant::now() >= until);
        handler_late.set(is_late);
        is_late
    })));
    let set_bounds = |ctx: &Ctx<'_>| if is_bounded { bounds::set(ctx) } else { Ok(()) };
    let result = context.with(|ctx| {
        set_bounds(&ctx).and_then(|()| body(Sandbox { ctx: ctx.clone(), source })).map_err(|error| match error {
            Error::Exception => {
                let thrown = ctx.catch();
                understand(&thrown)
            }
            Error::Allocation => ScriptError::Memory,
            other => ScriptError::Other(other.to_string()),
        })
    });
    if late.get() || until.is_some_and(|until| Instant::now() >= until) {
        return Err(ScriptError::Deadline);
    }
    result
}

impl<'js> Sandbox<'js, '_> {
    /// The engine's own handle.
    pub(super) fn ctx(&self) -> &Ctx<'js> {
        &self.ctx
    }

    /// Defines a global variable by JSON text. Returns the value, which outlives a reassignment of the variable.
    ///
    /// # Errors
    /// No JSON, or too much of it.
    pub fn define(&self, name: &str, json: &str) -> rquickjs::Result<Value<'js>> {
        let value = self.ctx.json_parse(json)?;
        self.ctx.globals().set(name, value.clone())?;
        Ok(value)
    }

    /// Calls a function of Keyward's own, given as its text, before the script runs.
    ///
    /// # Errors
    /// No memory is left.
    pub(super) fn apply(&self, function: &str, arguments: impl IntoArgs<'js>) -> rquickjs::Result<()> {
        self.ctx.eval::<Function<'js>, _>(function)?.call(arguments)
    }

    /// The script's text.
    pub(super) fn source(&self) -> &str {
        self.source
    }

    /// Runs the script. The value is that of its last expression statement, as in IDM.
    ///
    /// # Errors
    /// Whatever it throws.
    pub fn evaluate(&self) -> rquickjs::Result<Value<'js>> {
        let mut options = EvalOptions::default();
        options.strict = false;
        options.filename = Some(NAME.to_owned());
        self.ctx.eval_with_options(self.source, options)
    }

    /// A value as JSON; `None` for `undefined` and for functions.
    ///
    /// # Errors
    /// What JSON cannot hold (a ring), and what a `toJSON` throws.
    pub fn json(&self, value: Value<'js>) -> rquickjs::Result<Option<serde_json::Value>> {
        let Some(text) = self.ctx.json_stringify(value)? else { return Ok(None) };
        let text = text.to_string()?;
        serde_json::from_str(&text)
            .map(Some)
            .map_err(|error| Error::new_from_js_message("value", "JSON", error.to_string()))
    }
}

/// What was thrown.
fn understand(thrown: &Value<'_>) -> ScriptError {
    if let Some(text) = thrown.as_string() {
        return ScriptError::Thrown { code: None, message: text.to_string().unwrap_or_default() };
    }
    if thrown.is_null() {
        // Where there is no memory left to make an error of, the engine throws `null`. No script has reason to.
        return ScriptError::Memory;
    }
    let Some(object) = thrown.as_object() else {
        return ScriptError::Thrown { code: None, message: String::new() };
    };
    let text = |member: &str| {
        let value = object.get::<_, Value<'_>>(member).ok()?;
        value.as_string()?.to_string().ok()
    };
    let message = text("message").unwrap_or_default();
    let code = object.get::<_, Value<'_>>("code").ok().and_then(|code| whole_number(&code));
    if !object.is_error() || code.is_some() {
        return ScriptError::Thrown { code, message };
    }
    let place = text("stack").and_then(|stack| place(&stack));
    match text("name").as_deref() {
        Some("SyntaxError") => {
            let (line, column) = place.unwrap_or_default();
            ScriptError::Syntax { line, column, message }
        }
        Some("InternalError") if message == "out of memory" => ScriptError::Memory,
        name => {
            let name = name.unwrap_or("Error");
            let place = place.map(|(line, column)| format!(" (line {line}, column {column})")).unwrap_or_default();
            ScriptError::Other(format!("{name}: {message}{place}"))
        }
    }
}

fn whole_number(value: &Value<'_>) -> Option<i64> {
    let number = value.as_number().filter(|number| number.fract() == 0.0 && number.abs() < 1e9)?;
    #[expect(clippy::cast_possible_truncation, reason = "a whole number below a milliard")]
    Some(number as i64)
}

/// Line and column of the innermost frame within the script: `…script:3:10…`.
fn place(stack: &str) -> Option<(usize, usize)> {
    let (_, rest) = stack.split_once(&format!("{NAME}:"))?;
    let mut numbers = rest.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}
