//! What is an expression worth for this request?

use serde_json::{Map, Value, json};

use super::body;
use super::meaning::{Expression, QueryPart, Variable};
use super::value::Js;
use crate::access::crest::Parameters;
use crate::access::facts::{Facts, header};

/// Evaluates an expression.
///
/// # Errors
/// Why it has no value; the request is then denied (J20).
pub(super) fn evaluate(expression: &Expression, facts: &Facts<'_>) -> Result<Js, String> {
    let flag = |flag: bool| Js::Json(flag.into());
    Ok(match expression {
        Expression::Literal(value) => value.clone(),
        Expression::List(items) => {
            let mut list = Vec::with_capacity(items.len());
            for item in items {
                list.push(match evaluate(item, facts)? {
                    Js::Undefined => return Err("undefined in a list".to_owned()),
                    Js::Json(value) => value,
                });
            }
            Js::Json(list.into())
        }
        Expression::Variable(variable) => read(variable, facts)?,
        Expression::Member(of, key) => evaluate(of, facts)?.member(&evaluate(key, facts)?)?,
        Expression::Not(inner) => flag(!evaluate(inner, facts)?.is_truthy()),
        Expression::All(parts) => first_where(parts, facts, |value| !value.is_truthy())?,
        Expression::Any(parts) => first_where(parts, facts, Js::is_truthy)?,
        Expression::Sum(parts) => sum(parts, facts)?,
        Expression::Compare { strict, negated, left, right } => {
            let (left, right) = (evaluate(left, facts)?, evaluate(right, facts)?);
            let equal = if *strict { left.strictly_equals(&right)? } else { left.loosely_equals(&right)? };
            flag(equal != *negated)
        }
        Expression::Call(function) => flag(function.call(facts)?),
    })
}

fn first_where(parts: &[Expression], facts: &Facts<'_>, wanted: impl Fn(&Js) -> bool) -> Result<Js, String> {
    let mut last = Js::Undefined;
    for part in parts {
        last = evaluate(part, facts)?;
        if wanted(&last) {
            break;
        }
    }
    Ok(last)
}

fn sum(parts: &[Expression], facts: &Facts<'_>) -> Result<Js, String> {
    let mut parts = parts.iter().map(|part| evaluate(part, facts));
    let first = parts.next().unwrap_or(Ok(Js::Undefined))?;
    parts.try_fold(first, |left, right| {
        let right = right?;
        match (&left, &right) {
            (Js::Json(Value::Number(a)), Js::Json(Value::Number(b))) => {
                let sum = a.as_f64().zip(b.as_f64()).map(|(a, b)| a + b).filter(|sum| sum.is_finite());
                sum.map(|sum| Js::Json(sum.into())).ok_or_else(|| "a sum without end".to_owned())
            }
            (Js::Json(Value::String(_)), _) | (_, Js::Json(Value::String(_))) => {
                Ok(Js::text(left.as_text()? + &right.as_text()?))
            }
            _ => Err(format!("`+` between {} and {}", left.kind(), right.kind())),
        }
    })
}

/// What a name stands for in this request.
///
/// # Errors
/// It cannot be told.
pub(super) fn read(variable: &Variable, facts: &Facts<'_>) -> Result<Js, String> {
    let ask = facts.ask;
    Ok(match variable {
        Variable::Id => Js::text(ask.path),
        Variable::Roles => Js::Json(facts.principal.roles.iter().map(|role| Value::from(role.as_str())).collect()),
        Variable::Method => Js::text(ask.method),
        Variable::Action => Js::text(&*ask.action),
        Variable::RequestAction if ask.action.is_empty() => Js::Undefined,
        Variable::RequestAction => Js::text(&*ask.action),
        Variable::Query(_) if ask.method != "query" => Js::Undefined,
        Variable::Query(part) => {
            let parameters = Parameters::read(facts.path).map_err(|error| error.to_string())?;
            let value = match part {
                QueryPart::Id => parameters.query_id,
                QueryPart::Filter => parameters.query_filter,
                QueryPart::Expression => parameters.query_expression,
            };
            value.map_or(Js::Undefined, Js::text)
        }
        Variable::AdditionalParameters => additional_parameters(facts)?,
        Variable::Content => match ask.method {
            "create" | "update" | "action" => visible_body(facts)?,
            _ => Js::Undefined,
        },
        Variable::PatchOperations if ask.method == "patch" => visible_body(facts)?,
        Variable::PatchOperations => Js::Undefined,
        Variable::Security => Js::Json(facts.principal.to_json()),
        Variable::HttpMethod => Js::text(facts.request.method),
        Variable::HttpPath => Js::text(facts.path.as_str()),
        Variable::Header(name) => header(&facts.request.headers, name)?.map_or(Js::Undefined, Js::text),
        Variable::Parameter(name) => {
            let values: Vec<Value> = facts
                .path
                .parameters()
                .filter(|(held, _)| held == name)
                .map(|(_, value)| Value::from(value.into_owned()))
                .collect();
            if values.is_empty() { Js::Undefined } else { Js::Json(values.into()) }
        }
        Variable::AccessToken => match facts.principal.token() {
            Some(token) => Js::Json(json!({ "info": token.claims, "scopes": token.scopes })),
            None => Js::Undefined,
        },
    })
}

/// SECURITY: a body that only the upstream sees must not pass for an absent one.
fn visible_body(facts: &Facts<'_>) -> Result<Js, String> {
    match body::json(facts) {
        Some(body) => Ok(Js::Json(body)),
        None => {
            let why = "the request's body is not visible, is no JSON, or has a key twice; let the proxy send it \
                       (`with_request_body`)";
            Err(why.to_owned())
        }
    }
}

/// The parameters that CREST gives no meaning of its own.
fn additional_parameters(facts: &Facts<'_>) -> Result<Js, String> {
    let is_crests = |name: &str| {
        let known = ["_action", "_fields", "_prettyPrint", "_mimeType"];
        known.iter().any(|known| known.eq_ignore_ascii_case(name))
    };
    let mut additional = Map::new();
    for (name, value) in facts.path.parameters().filter(|(name, _)| !is_crests(name)) {
        let twice = additional.insert(name.clone().into_owned(), value.into_owned().into());
        if twice.is_some() {
            return Err(format!("the parameter `{name}` is given twice"));
        }
    }
    Ok(Js::Json(additional.into()))
}
