//! Does a rule's `when` hold? A CEL expression over the request, the token and the user.
//!
//! | variable | what it is |
//! | --- | --- |
//! | `request.method` | HTTP's method as sent |
//! | `request.path` | the path in normal form, context path included |
//! | `request.host` | the host: lower case, without port and trailing dot |
//! | `request.scheme` | `http` or `https`, as the proxy says |
//! | `request.headers['x-name']` | the value of a header by its lower-case name; several are joined by `,` |
//! | `request.headerList['x-name']` | the values as a list: split at every `,`, trimmed |
//! | `request.query['name']` | the value of a query parameter that is given once; given twice, the expression fails |
//! | `request.queryList['name']` | all its values |
//! | `params.name` | a path parameter of the rule's pattern |
//! | `user` | the user's record; `{}` where there is none |
//! | `token` | the claims of the token; `{}` where there is none |
//! | `authorization` | `{id, component, roles}` and what a script added |
//! | `authenticationId` | the principal that authenticated |
//! | `crest` | `{method, resourcePath, action}`, in `crest` style |
//!
//! The expression must come to `true`; another boolean does not hold. Anything else, a missing key among it, fails, and
//! the request is denied (J20): ask `has(user.region)`, `'x-region' in request.headers` or
//! `request.headers[?'x-region'].orValue('')` first where a key may be missing. A header that a client may send several
//! times is compared item by item: `'admin' in request.headerList['x-role']` (T-20).

mod analysis;
mod bind;
mod failure;
mod regexes;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use cel::{Context, Env, IdedExpr, Value};

use super::facts::Facts;
use super::pattern::Pattern;
use super::settings::Style;
use analysis::Needs;
use regexes::Regexes;

/// The most bytes an expression may have (T-10).
const LONGEST: usize = 4096;

/// The stack of the thread that parses, in bytes: enough for the deepest text of [`LONGEST`] bytes.
const PARSER_STACK: usize = 256 << 20;

static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// A compiled `when`.
#[derive(Debug)]
pub(super) struct When {
    expression: IdedExpr,
    needs: Needs,
    regexes: Regexes,
}

impl When {
    /// Compiles an expression for a rule with this pattern.
    ///
    /// # Errors
    /// What was found, what is expected, and what to do.
    pub(super) fn compile(text: &str, pattern: &Pattern, style: Style) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Err(format!("the expression has {} bytes, expected at most {LONGEST}", text.len()));
        }
        // SECURITY: the parser's recursion has no bound of its own, and a stack that overflows ends the process. What
        // passes the analysis is shallow enough for any stack.
        std::thread::scope(|scope| {
            let builder = std::thread::Builder::new().stack_size(PARSER_STACK);
            let parser = builder.spawn_scoped(scope, || Self::parse(text, pattern, style));
            let parsed = parser.map(std::thread::ScopedJoinHandle::join);
            parsed.ok().and_then(Result::ok).unwrap_or_else(|| Err(format!("`{text}` cannot be compiled")))
        })
    }

    fn parse(text: &str, pattern: &Pattern, style: Style) -> Result<Self, String> {
        let program = ENVIRONMENT
            .compile(text)
            .map_err(|errors| format!("`{text}` is no CEL expression: {}", one_line(&errors.to_string())))?;
        let mut expression = program.expression().clone();
        let needs = Needs::of(&expression, pattern, style)?;
        let regexes = Regexes::take_over(&mut expression)?;
        Ok(Self { expression, needs, regexes })
    }

    /// Whether the expression holds.
    ///
    /// # Errors
    /// Why it could not be evaluated, for the audit.
    pub(super) fn holds(&self, facts: &Facts<'_>, pattern: &Pattern) -> Result<bool, String> {
        let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
        self.regexes.bind(&mut context)?;
        bind::variables(&mut context, &self.needs, facts, pattern)?;
        // SECURITY: whatever a foreign evaluator does, a check ends in a verdict.
        match catch_unwind(AssertUnwindSafe(|| Value::resolve(&self.expression, &context))) {
            Ok(Ok(Value::Bool(holds))) => Ok(holds),
            Ok(Ok(other)) => Err(format!("found {}, expected true or false", other.type_of())),
            Ok(Err(error)) => Err(failure::told(&error, &self.needs)),
            Err(_) => Err("the evaluation broke off".to_owned()),
        }
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
