//! What is known of an expression before there is a request?

use super::function::Function;
use super::meaning::Expression;

/// The first function in it that only IDM can answer, and why.
pub(super) fn idm_only(expression: &Expression) -> Option<&str> {
    match expression {
        Expression::Call(Function::IdmOnly(why)) => Some(why),
        Expression::Call(_) | Expression::Literal(_) | Expression::Variable(_) => None,
        Expression::Not(inner) => idm_only(inner),
        Expression::List(parts) | Expression::All(parts) | Expression::Any(parts) | Expression::Sum(parts) => {
            parts.iter().find_map(idm_only)
        }
        Expression::Member(left, right) | Expression::Compare { left, right, .. } => {
            idm_only(left).or_else(|| idm_only(right))
        }
    }
}

/// Whether it is truthy for every request, or falsy for every request (failing included); `None` where that depends.
pub(super) fn truth(expression: &Expression) -> Option<bool> {
    match expression {
        Expression::Literal(value) => Some(value.is_truthy()),
        Expression::Call(Function::Always(holds)) => Some(*holds),
        Expression::Call(Function::IdmOnly(_)) => Some(false),
        Expression::Not(inner) => truth(inner).map(|truth| !truth),
        Expression::All(parts) if parts.iter().any(|part| truth(part) == Some(false)) => Some(false),
        Expression::Any(parts) if parts.iter().all(|part| truth(part) == Some(false)) => Some(false),
        _ => None,
    }
}
