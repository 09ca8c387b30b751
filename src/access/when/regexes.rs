//! Which regular expressions does an expression use? Compiled once, so that no request pays for it.

use std::collections::HashMap;
use std::sync::Arc;

use cel::common::ast::{CallExpr, EntryExpr, Expr};
use cel::extractors::This;
use cel::{Context, IdedExpr};
use regex::Regex;

use super::analysis::literal;

/// CEL's function, which compiles its regular expression anew at every call.
const COMPILING: &str = "matches";
/// Ours, which finds it compiled. No expression can name it.
const COMPILED: &str = "@matches";

/// The compiled regular expressions of one expression, by their text.
///
/// SECURITY: compiling takes milliseconds, and a loop over what a client sends would do so a thousand times (T-10).
#[derive(Debug, Clone, Default)]
pub(super) struct Regexes(Arc<HashMap<String, Regex>>);

impl Regexes {
    /// Compiles them and lets the expression call ours. INVARIANT: the analysis has found only literal ones.
    ///
    /// # Errors
    /// A text that is no regular expression.
    pub(super) fn take_over(expression: &mut IdedExpr) -> Result<Self, String> {
        let mut found = HashMap::new();
        walk(expression, &mut found)?;
        Ok(Self(Arc::new(found)))
    }

    /// Gives an evaluation what its expression calls.
    ///
    /// # Errors
    /// CEL has a function of that name.
    pub(super) fn bind(&self, context: &mut Context<'_, '_>) -> Result<(), String> {
        if self.0.is_empty() {
            return Ok(());
        }
        let compiled = Arc::clone(&self.0);
        let matches = move |This(text): This<Arc<String>>, pattern: Arc<String>| {
            let unknown = || cel::ExecutionError::function_error(COMPILING, "it was not compiled");
            compiled.get(pattern.as_str()).map(|regex| regex.is_match(&text)).ok_or_else(unknown)
        };
        context.add_function(COMPILED, matches).map_err(|error| error.to_string())
    }
}

fn walk(expression: &mut IdedExpr, found: &mut HashMap<String, Regex>) -> Result<(), String> {
    let mut each = |expression: &mut IdedExpr| walk(expression, found);
    match &mut expression.expr {
        Expr::Call(call) => {
            call.target.iter_mut().try_for_each(|target| each(target))?;
            call.args.iter_mut().try_for_each(&mut each)?;
            compile(call, found)
        }
        Expr::Select(select) => each(&mut select.operand),
        Expr::List(list) => list.elements.iter_mut().try_for_each(each),
        Expr::Map(map) => map.entries.iter_mut().try_for_each(|entry| match &mut entry.expr {
            EntryExpr::MapEntry(entry) => {
                each(&mut entry.key)?;
                each(&mut entry.value)
            }
            EntryExpr::StructField(field) => each(&mut field.value),
        }),
        Expr::Comprehension(comprehension) => {
            each(&mut comprehension.iter_range)?;
            each(&mut comprehension.accu_init)?;
            each(&mut comprehension.loop_cond)?;
            each(&mut comprehension.loop_step)?;
            each(&mut comprehension.result)
        }
        Expr::Struct(_) | Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => Ok(()),
    }
}

fn compile(call: &mut CallExpr, found: &mut HashMap<String, Regex>) -> Result<(), String> {
    if call.func_name != COMPILING {
        return Ok(());
    }
    if let Some(pattern) = call.args.last().and_then(literal)
        && !found.contains_key(pattern)
    {
        let told = |error: regex::Error| {
            format!("`{pattern}` is no regular expression: {}", super::one_line(&error.to_string()))
        };
        found.insert(pattern.to_owned(), Regex::new(pattern).map_err(told)?);
    }
    COMPILED.clone_into(&mut call.func_name);
    Ok(())
}
