//! What may the conditions of a rule look at?

use std::sync::Arc;

use jiff::Timestamp;

use super::ask::Ask;
use crate::deadline::Deadline;
use crate::directory::UserDirectory;
use crate::principal::Principal;
use crate::request::{Headers, RequestPath, RequestView};
use crate::script::Turns;

/// The request and who makes it, as one question to the rules.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) request: &'a RequestView<'a>,
    pub(super) path: &'a RequestPath<'a>,
    pub(super) principal: &'a Principal,
    pub(super) ask: &'a Ask<'a>,
    pub(super) moment: Moment,
    pub(super) reach: &'a Reach,
}

/// When a request is decided, and how long that may take.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// The instant of the check.
    pub now: Timestamp,
    /// When the caller stops waiting.
    pub deadline: Deadline,
}

/// What conditions in JavaScript can reach beyond the request, and what they must not see of it.
#[derive(Clone, Default)]
pub struct Reach {
    /// Whom `openidm.read` and `openidm.query` ask. SECURITY: never the token's claims; see [`crate::script::Openidm`].
    pub users: Option<Arc<dyn UserDirectory>>,
    /// Headers that hold credentials beside the usual ones; lower case.
    pub credential_headers: Vec<String>,
    /// The query parameter that holds the credential.
    pub credential_parameter: Option<String>,
    /// Turns to run scripts.
    pub turns: Turns,
}

impl std::fmt::Debug for Reach {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reach").field("users", &self.users.is_some()).finish_non_exhaustive()
    }
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
