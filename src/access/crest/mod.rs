//! What does an HTTP request ask for in CREST's words? Methods, actions, preconditions and their contradictions (E.5).

use std::borrow::Cow;

use super::AccessError;
use super::ask::{Ask, Asks};
use crate::request::{Headers, RequestPath, RequestView};

const METHOD_OVERRIDE: &str = "x-http-method-override";
const FORM: &[u8] = b"application/x-www-form-urlencoded";

/// The query parameters that decide what a request means.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Parameters<'a> {
    /// `_action`.
    pub(super) action: Option<Cow<'a, str>>,
    /// `_queryFilter`.
    pub(super) query_filter: Option<Cow<'a, str>>,
    /// `_queryId`.
    pub(super) query_id: Option<Cow<'a, str>>,
    /// `_queryExpression`.
    pub(super) query_expression: Option<Cow<'a, str>>,
}

/// Reads the request. `resource` is the resource path: no context path, no leading slash.
///
/// A PUT without preconditions asks twice, to create and to update: IDM tests both (E22).
///
/// # Errors
/// [`AccessError::BadRequest`] and [`AccessError::UnknownMethod`].
pub(super) fn read<'a>(
    request: &RequestView<'a>,
    path: &RequestPath<'a>,
    resource: &'a str,
    honour_override: bool,
) -> Result<Asks<'a>, AccessError> {
    let headers = &request.headers;
    let method = effective_method(request, honour_override)?;
    refuse_form(method, headers)?;
    let parameters = Parameters::read(path)?;
    if headers.contains("if-match") && headers.contains("if-none-match") {
        return Err(AccessError::BadRequest("the request has both If-Match and If-None-Match"));
    }
    match method {
        Method::Get => Ok(Asks::one(Ask::new(parameters.read_or_query()?, resource))),
        Method::Put => put(headers, resource),
        Method::Post => post(parameters.action, headers, resource),
        Method::Patch => Ok(Asks::one(Ask::new("patch", resource))),
        Method::Delete => Ok(Asks::one(Ask::new("delete", resource))),
    }
}

/// The methods that CREST knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Get,
    Put,
    Post,
    Patch,
    Delete,
}

impl Method {
    /// HTTP methods have a case: `get` is none of them (E23). HEAD reads what GET reads.
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "GET" | "HEAD" => Self::Get,
            "PUT" => Self::Put,
            "POST" => Self::Post,
            "PATCH" => Self::Patch,
            "DELETE" => Self::Delete,
            _ => return None,
        })
    }
}

/// SECURITY: an upstream of the CREST family obeys `X-HTTP-Method-Override` on a POST, so a rule for POST must not be
/// asked about what is really a DELETE (E24, J6).
fn effective_method(request: &RequestView<'_>, honour_override: bool) -> Result<Method, AccessError> {
    let method = Method::parse(request.method).ok_or(AccessError::UnknownMethod)?;
    if method != Method::Post || !request.headers.contains(METHOD_OVERRIDE) {
        return Ok(method);
    }
    if !honour_override {
        return Err(AccessError::BadRequest("X-HTTP-Method-Override is not accepted"));
    }
    let name = request.headers.single(METHOD_OVERRIDE);
    let name = name.ok_or(AccessError::BadRequest("X-HTTP-Method-Override was sent more than once"))?;
    Method::parse(name).ok_or(AccessError::UnknownMethod)
}

/// SECURITY: IDM merges the parameters of a form body with those of the query, and a body that is JSON as well as a form
/// can be written; the proxy does not show us the body. Only an empty one is harmless, and a GET has no use for any.
fn refuse_form(method: Method, headers: &Headers<'_>) -> Result<(), AccessError> {
    let is_form = |value: &[u8]| value.windows(FORM.len()).any(|part| part.eq_ignore_ascii_case(FORM));
    let form = headers.values("content-type").any(is_form);
    if !form || (method != Method::Get && headers.single("content-length") == Some("0")) {
        return Ok(());
    }
    Err(AccessError::BadRequest("a form body could hide what the request means"))
}

fn put<'a>(headers: &Headers<'_>, resource: &'a str) -> Result<Asks<'a>, AccessError> {
    let update = Ask::new("update", resource);
    if headers.contains("if-match") {
        return Ok(Asks::one(update));
    }
    let must_be_new = headers.contains("if-none-match");
    if must_be_new && !matches!(headers.single("if-none-match"), Some("*" | "\"*\"")) {
        return Err(AccessError::BadRequest("the only If-None-Match that a PUT may have is `*`"));
    }
    if !must_be_new && protocol(headers) == Some("1.0") {
        return Ok(Asks::one(update));
    }
    let parent = match resource.rsplit_once('/') {
        _ if resource.is_empty() => return Err(AccessError::BadRequest("a PUT needs the id of what it puts")),
        Some((parent, _id)) => parent,
        None => "",
    };
    let create = Ask::new("create", parent);
    Ok(if must_be_new { Asks::one(create) } else { Asks::both(create, update) })
}

fn post<'a>(action: Option<Cow<'a, str>>, headers: &Headers<'_>, resource: &'a str) -> Result<Asks<'a>, AccessError> {
    let create = Asks::one(Ask::new("create", resource));
    match action {
        None if matches!(protocol(headers), Some("1.0" | "2.0")) => {
            Err(AccessError::BadRequest("a POST of this protocol version needs an `_action`"))
        }
        None => Ok(create),
        Some(name) if name.is_empty() => Err(AccessError::BadRequest("`_action` is empty")),
        Some(name) if name.eq_ignore_ascii_case("create") => Ok(create),
        Some(name) => Ok(Asks::one(Ask::action(name, resource))),
    }
}

/// The `protocol` of `Accept-API-Version`, where the header is beyond doubt.
fn protocol<'a>(headers: &Headers<'a>) -> Option<&'a str> {
    let mut protocol = None;
    for part in headers.single("accept-api-version")?.split(',') {
        match part.trim().split_once('=')? {
            ("protocol", version) if protocol.is_none() => protocol = Some(version),
            ("resource", _) => {}
            _ => return None,
        }
    }
    protocol
}

impl<'a> Parameters<'a> {
    /// Picks the parameters that have a meaning, whatever the case of their names.
    ///
    /// # Errors
    /// One is given twice, in one spelling or two: servers differ in which of them counts.
    pub(super) fn read(path: &RequestPath<'a>) -> Result<Self, AccessError> {
        let mut found = Self::default();
        for (name, value) in path.parameters() {
            let Some(slot) = found.slot(&name)? else { continue };
            if slot.replace(value).is_some() {
                return Err(AccessError::BadRequest("`_action` or a `_query` parameter is given twice"));
            }
        }
        Ok(found)
    }

    fn slot(&mut self, name: &str) -> Result<Option<&mut Option<Cow<'a, str>>>, AccessError> {
        if !name.starts_with('_') {
            return Ok(None);
        }
        // SECURITY: Java's way of ignoring case takes ı, İ and ſ for i and s.
        let folded: Cow<'_, str> = if name.is_ascii() { name.into() } else { name.chars().map(java_fold).collect() };
        let slot = if folded.eq_ignore_ascii_case("_action") {
            &mut self.action
        } else if folded.eq_ignore_ascii_case("_queryFilter") {
            &mut self.query_filter
        } else if folded.eq_ignore_ascii_case("_queryId") {
            &mut self.query_id
        } else if folded.eq_ignore_ascii_case("_queryExpression") {
            &mut self.query_expression
        } else {
            return Ok(None);
        };
        if name.is_ascii() {
            Ok(Some(slot))
        } else {
            Err(AccessError::BadRequest("a parameter's name reads as `_action` or `_query` to some servers only"))
        }
    }

    fn read_or_query(&self) -> Result<&'static str, AccessError> {
        match [&self.query_filter, &self.query_id, &self.query_expression].into_iter().flatten().count() {
            0 => Ok("read"),
            1 if self.query_filter.as_deref() == Some("") => Err(AccessError::BadRequest("`_queryFilter` is empty")),
            1 => Ok("query"),
            _ => Err(AccessError::BadRequest("`_queryFilter`, `_queryId` and `_queryExpression` exclude each other")),
        }
    }
}

fn java_fold(letter: char) -> char {
    let upper = letter.to_uppercase().next().unwrap_or(letter);
    upper.to_lowercase().next().unwrap_or(upper)
}

/// The gate against forged requests from foreign pages (E15): what changes something, or a query, needs a header that a
/// page of another origin cannot set without the browser asking first.
pub(super) fn csrf_gate(asks: &Asks<'_>, headers: &Headers<'_>) -> Result<(), AccessError> {
    if asks.iter().all(|ask| ask.method == "read") {
        return Ok(());
    }
    if has_unforgeable_header(headers) { Ok(()) } else { Err(AccessError::Csrf) }
}

/// Whether one of the headers of E15 was sent, with whatever value.
pub(super) fn has_unforgeable_header(headers: &Headers<'_>) -> bool {
    let known = ["x-requested-with", "authorization", "x-openidm-username"];
    known.iter().any(|name| headers.contains(name))
}

#[cfg(test)]
mod tests;
