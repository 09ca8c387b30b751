//! What may the conditions of a rule look at?

use super::ask::Ask;
use crate::principal::Principal;
use crate::request::{Headers, RequestPath, RequestView};

/// The request and who makes it, as one question to the rules.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) request: &'a RequestView<'a>,
    pub(super) path: &'a RequestPath<'a>,
    pub(super) principal: &'a Principal,
    pub(super) ask: &'a Ask<'a>,
}

/// The value of a header as the rules see it: several are joined by `,`, as the proxy joins them in its own map, so that
/// both of its forms mean the same.
///
/// # Errors
/// The value is not UTF-8: nothing that is compared with it may hold (T-23).
pub(super) fn header(headers: &Headers<'_>, name: &str) -> Result<Option<String>, String> {
    let mut joined: Option<String> = None;
    for value in headers.values(name) {
        let value = std::str::from_utf8(value).map_err(|_| format!("the header `{name}` is not UTF-8"))?;
        match &mut joined {
            None => joined = Some(value.to_owned()),
            Some(joined) => {
                joined.push(',');
                joined.push_str(value);
            }
        }
    }
    Ok(joined)
}
