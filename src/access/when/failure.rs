//! Why could an expression not be evaluated? Told without the values that it looked at.

use cel::ExecutionError as Failure;

use super::analysis::Needs;
use super::one_line;

/// What went wrong, for the audit.
///
/// SECURITY: the evaluator's own texts hold the values, and an expression may look at the header of the credential.
pub(super) fn told(failure: &Failure, needs: &Needs) -> String {
    let known = |name: &str| if needs.words.contains(name) { format!(" `{name}`") } else { String::new() };
    match failure {
        // These hold names and types only.
        Failure::NoSuchOverload(_)
        | Failure::InvalidArgumentCount { .. }
        | Failure::UnexpectedType { .. }
        | Failure::UndeclaredReference(_)
        | Failure::MissingArgumentOrTarget => one_line(&failure.to_string()),
        Failure::NoSuchKey(key) => format!("No such key{}", known(key)),
        Failure::UnsupportedTargetType { target } => format!("found {}, expected another type", target.type_of()),
        Failure::NotSupportedAsMethod { method, target } => {
            format!("`{method}` is no method of {}", target.type_of())
        }
        Failure::UnsupportedKeyType(key) => format!("{} cannot be a key", key.type_of()),
        Failure::ValuesNotComparable(left, right) => {
            format!("{} cannot be compared with {}", left.type_of(), right.type_of())
        }
        Failure::UnsupportedBinaryOperator(operator, left, right) => {
            format!("`{operator}` between {} and {}", left.type_of(), right.type_of())
        }
        Failure::UnsupportedIndex(index, of) => format!("{} is no index into {}", index.type_of(), of.type_of()),
        Failure::FunctionError { function, .. } => format!("the function `{function}` failed"),
        Failure::DivisionByZero(_) | Failure::RemainderByZero(_) => "a division by zero".to_owned(),
        Failure::Overflow(operator, ..) => format!("`{operator}` came to too large a number"),
        Failure::IndexOutOfBounds(_) => "an index lies outside its list".to_owned(),
        Failure::DuplicateKey(_) => "a map has the same key twice".to_owned(),
        _ => "the evaluation failed".to_owned(),
    }
}
