//! What do the names of a `customAuthz` mean? Locals, members of `request` and `context` (J18), and functions.

use super::function::{self, Function};
use super::parser::Syntax;
use super::value::Js;
use crate::access::settings::Knowledge;

/// An expression whose names are known.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    /// A value that stands in the text.
    Literal(Js),
    /// A list of expressions.
    List(Vec<Expression>),
    /// A local, or a member of `request` or `context`.
    Variable(Variable),
    /// A member of a value: `of[key]`.
    Member(Box<Expression>, Box<Expression>),
    /// `!`.
    Not(Box<Expression>),
    /// `&&`: the first falsy value, else the last.
    All(Vec<Expression>),
    /// `||`: the first truthy value, else the last.
    Any(Vec<Expression>),
    /// `+`.
    Sum(Vec<Expression>),
    /// A comparison: with `===` or `==`, the outcome turned round or not.
    Compare { strict: bool, negated: bool, left: Box<Expression>, right: Box<Expression> },
    /// A call of a known function.
    Call(Function),
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Variable {
    /// `id` and `request.resourcePath`.
    Id,
    /// `roles`.
    Roles,
    /// `method` and `request.method`.
    Method,
    /// `action`: empty where there is none.
    Action,
    /// `request.action`: undefined where there is none.
    RequestAction,
    /// `request.queryId`, `request.queryFilter`, `request.queryExpression`.
    Query(QueryPart),
    /// `request.additionalParameters`.
    AdditionalParameters,
    /// `request.content`.
    Content,
    /// `request.patchOperations`.
    PatchOperations,
    /// `context.security`.
    Security,
    /// `context.http.method`.
    HttpMethod,
    /// `context.http.path`.
    HttpPath,
    /// `context.http.headers[name]`.
    Header(String),
    /// `context.http.parameters[name]`: every value, in order.
    Parameter(String),
    /// `context.oauth2.accessToken`.
    AccessToken,
}

/// A parameter of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum QueryPart {
    Id,
    Filter,
    Expression,
}

/// Decides what the names mean.
///
/// # Errors
/// A name, member, function or argument that the subset does not know, with advice.
pub(super) fn of(syntax: Syntax, knowledge: &Knowledge) -> Result<Expression, String> {
    let all = |parts: Vec<Syntax>| parts.into_iter().map(|part| of(part, knowledge)).collect::<Result<Vec<_>, _>>();
    let boxed = |part: Syntax| of(part, knowledge).map(Box::new);
    Ok(match syntax {
        Syntax::Blank => Expression::Literal(Js::Undefined),
        Syntax::Text(text) => Expression::Literal(Js::text(text)),
        Syntax::Number(number) => Expression::Literal(Js::Json(number.into())),
        Syntax::List(items) => Expression::List(all(items)?),
        Syntax::Object(_) => return Err("an object may stand only as an argument of `isQueryOneOf`".to_owned()),
        Syntax::Name(name) => named(&name)?,
        Syntax::Member(of_what, key) => member(*of_what, *key, knowledge)?,
        Syntax::Call(function, arguments) => match *function {
            Syntax::Name(name) => Expression::Call(function::named(&name, &arguments, knowledge)?),
            Syntax::Member(of_what, method) => {
                of(*of_what, knowledge)?;
                return Err(unknown_method(&method));
            }
            _ => return Err("only a function's name can be called".to_owned()),
        },
        Syntax::Not(inner) => Expression::Not(boxed(*inner)?),
        Syntax::All(parts) => Expression::All(all(parts)?),
        Syntax::Any(parts) => Expression::Any(all(parts)?),
        Syntax::Sum(parts) => Expression::Sum(all(parts)?),
        Syntax::Compare(operator, left, right) => Expression::Compare {
            strict: operator.len() == 3,
            negated: operator.starts_with('!'),
            left: boxed(*left)?,
            right: boxed(*right)?,
        },
    })
}

fn named(name: &str) -> Result<Expression, String> {
    Ok(match name {
        "true" => Expression::Literal(Js::Json(true.into())),
        "false" => Expression::Literal(Js::Json(false.into())),
        "null" => Expression::Literal(Js::Json(serde_json::Value::Null)),
        "undefined" => Expression::Literal(Js::Undefined),
        "id" => Expression::Variable(Variable::Id),
        "roles" => Expression::Variable(Variable::Roles),
        "method" => Expression::Variable(Variable::Method),
        "action" => Expression::Variable(Variable::Action),
        "request" | "context" => {
            return Err(format!("`{name}` can be used only through a member, e.g. {}", example(name)));
        }
        "openidm" => {
            return Err("`openidm` is out of a sidecar's reach; say the same with roles and patterns".to_owned());
        }
        _ => return Err(unknown_name(name)),
    })
}

/// A name that stands for nothing.
pub(super) fn unknown_name(name: &str) -> String {
    if function::is_known(name) {
        return format!("`{name}` is a function; call it: `{name}()`");
    }
    format!(
        "the name `{name}` is not known; known are `id`, `roles`, `method`, `action`, members of `request` and `context`, and \
         functions"
    )
}

fn example(name: &str) -> &'static str {
    if name == "request" { "`request.queryId`" } else { "`context.security.authorization.id`" }
}

fn unknown_method(method: &Syntax) -> String {
    match method {
        Syntax::Text(name) => format!("the method `{name}` is not supported; compare with `===` instead"),
        _ => "only a function's name can be called".to_owned(),
    }
}

/// A member. Paths that begin at `request` or `context` are resolved here, so that a misspelt one is refused and not
/// `undefined`, which `!` would take for true.
fn member(of_what: Syntax, key: Syntax, knowledge: &Knowledge) -> Result<Expression, String> {
    let whole = Syntax::Member(Box::new(of_what), Box::new(key));
    let mut path = Vec::new();
    match rooted(&whole, &mut path) {
        Some("request") => rooted_member(&path, REQUEST, "request", knowledge),
        Some("context") => rooted_member(&path, CONTEXT, "context", knowledge),
        Some(root) => match named(root)? {
            Expression::Variable(Variable::Roles) => below(Expression::Variable(Variable::Roles), &path, knowledge),
            Expression::Variable(variable) => match path.as_slice() {
                [Syntax::Text(length)] if length == "length" => below(Expression::Variable(variable), &path, knowledge),
                _ => Err(format!("`{root}` has no members here but `length`")),
            },
            value => below(value, &path, knowledge),
        },
        None => match whole {
            Syntax::Member(of_what, key) => {
                Ok(Expression::Member(Box::new(of(*of_what, knowledge)?), Box::new(of(*key, knowledge)?)))
            }
            other => of(other, knowledge),
        },
    }
}

/// The name at the root of a chain of members, and the keys below it, outermost last.
fn rooted<'s>(syntax: &'s Syntax, path: &mut Vec<&'s Syntax>) -> Option<&'s str> {
    match syntax {
        Syntax::Name(name) => Some(name),
        Syntax::Member(of_what, key) => {
            let root = rooted(of_what, path)?;
            path.push(key);
            Some(root)
        }
        _ => None,
    }
}

type Known = (&'static [&'static str], fn() -> Variable);

const REQUEST: &[Known] = &[
    (&["method"], || Variable::Method),
    (&["resourcePath"], || Variable::Id),
    (&["action"], || Variable::RequestAction),
    (&["queryId"], || Variable::Query(QueryPart::Id)),
    (&["queryFilter"], || Variable::Query(QueryPart::Filter)),
    (&["queryExpression"], || Variable::Query(QueryPart::Expression)),
    (&["additionalParameters"], || Variable::AdditionalParameters),
    (&["content"], || Variable::Content),
    (&["patchOperations"], || Variable::PatchOperations),
];

const CONTEXT: &[Known] = &[
    (&["security"], || Variable::Security),
    (&["http", "method"], || Variable::HttpMethod),
    (&["http", "path"], || Variable::HttpPath),
    (&["oauth2", "accessToken"], || Variable::AccessToken),
];

fn rooted_member(path: &[&Syntax], known: &[Known], root: &str, knowledge: &Knowledge) -> Result<Expression, String> {
    if let (CONTEXT_ROOT, [Syntax::Text(http), Syntax::Text(map), rest @ ..]) = (root, path)
        && http == "http"
        && (map == "headers" || map == "parameters")
    {
        let [Syntax::Text(name), below_it @ ..] = rest else {
            return Err(format!("name one of `context.http.{map}`, e.g. `context.http.{map}['x']`"));
        };
        let variable = if map == "headers" {
            Variable::Header(name.to_ascii_lowercase())
        } else {
            Variable::Parameter(name.clone())
        };
        return below(Expression::Variable(variable), below_it, knowledge);
    }
    let begins_with = |names: &[&str]| {
        let mut keys = path.iter();
        names.iter().all(|name| matches!(keys.next(), Some(Syntax::Text(key)) if key == name))
    };
    for (names, variable) in known {
        if begins_with(names) {
            return below(Expression::Variable(variable()), path.get(names.len()..).unwrap_or_default(), knowledge);
        }
    }
    Err(unknown_member(root, known))
}

/// Whether `root` can have these members, as far as they are written out; for a text that is evaluated as a script.
///
/// # Errors
/// A misspelt member, which a script would take for `undefined`, or one that is computed where its name has to be known.
pub(super) fn check_members(root: &str, members: &[String], computed: bool) -> Result<(), String> {
    let known = if root == CONTEXT_ROOT { CONTEXT } else { REQUEST };
    let along = |names: &[&str]| {
        let reached = members.len() >= names.len();
        (reached || !computed) && names.iter().zip(members).all(|(name, member)| name == member)
    };
    let maps: &[&[&str]] = if root == CONTEXT_ROOT { &[&["http", "headers"], &["http", "parameters"]] } else { &[] };
    let is_known = known.iter().map(|(names, _)| *names).chain(maps.iter().copied()).any(along);
    if is_known { Ok(()) } else { Err(unknown_member(root, known)) }
}

fn unknown_member(root: &str, known: &[Known]) -> String {
    let mut names: Vec<String> = known.iter().map(|(names, _)| format!("`{root}.{}`", names.join("."))).collect();
    if root == CONTEXT_ROOT {
        names.extend(["`context.http.headers[…]`".to_owned(), "`context.http.parameters[…]`".to_owned()]);
    }
    format!("this member of `{root}` is not known; known are {}", names.join(", "))
}

const CONTEXT_ROOT: &str = "context";

fn below(value: Expression, path: &[&Syntax], knowledge: &Knowledge) -> Result<Expression, String> {
    path.iter().try_fold(value, |value, key| {
        let key = of((*key).clone(), knowledge)?;
        Ok(Expression::Member(Box::new(value), Box::new(key)))
    })
}
