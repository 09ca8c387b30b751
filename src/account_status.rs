//! Is the user's account in a state that may log in? (B20–B22)

use serde_json::Value;

use crate::principal::User;

/// `accountStatus`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Accepted values of the user's `accountStatus`; default `active` alone.
    pub accepted: Vec<String>,
    /// Whether case is ignored.
    pub ignore_case: bool,
    /// Collections that are checked: exact, or a prefix that ends in `/*`. Default `managed/*`.
    pub collections: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { accepted: vec!["active".to_owned()], ignore_case: false, collections: vec!["managed/*".to_owned()] }
    }
}

impl Settings {
    /// Whether `user` may go on. A missing or non-text status is not accepted (B20).
    #[must_use]
    pub fn accepts(&self, user: &User) -> bool {
        let checked = self.collections.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some("") => true,
            Some(prefix) if prefix.ends_with('/') => user.component.starts_with(prefix),
            _ => *pattern == *user.component,
        });
        if !checked {
            return true;
        }
        let Some(Value::String(status)) = user.fields.get("accountStatus") else { return false };
        self.accepted.iter().any(|ok| ok == status || (self.ignore_case && ok.to_lowercase() == status.to_lowercase()))
    }
}
