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
    /// Whether accounts of this collection need an accepted status.
    #[must_use]
    pub fn checks(&self, component: &str) -> bool {
        self.collections.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some("") => true,
            Some(prefix) if prefix.ends_with('/') => component.starts_with(prefix),
            _ => *pattern == *component,
        })
    }

    /// Whether `user` may go on. A missing or non-text status is not accepted (B20).
    #[must_use]
    pub fn accepts(&self, user: &User) -> bool {
        if !self.checks(&user.component) {
            return true;
        }
        let Some(Value::String(status)) = user.fields.get("accountStatus") else { return false };
        self.accepted.iter().any(|ok| ok == status || (self.ignore_case && ok.to_lowercase() == status.to_lowercase()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Settings;
    use crate::principal::User;

    fn accepts(settings: &Settings, component: &str, status: &Value) -> bool {
        let mut fields = serde_json::Map::new();
        if *status != json!("absent") {
            fields.insert("accountStatus".to_owned(), status.clone());
        }
        settings.accepts(&User { id: "x".to_owned(), component: component.into(), fields })
    }

    #[test]
    fn exactly_active_is_accepted_by_default() {
        for (status, accepted) in [
            (json!("active"), true),
            (json!("Active"), false),
            (json!("active "), false),
            (json!("inactive"), false),
            (json!(""), false),
            (json!("absent"), false),
            (json!(null), false),
            (json!(true), false),
            (json!(["active"]), false),
        ] {
            assert_eq!(accepts(&Settings::default(), "managed/user", &status), accepted, "{status}");
        }
    }

    #[test]
    fn accepted_values_are_a_list_and_may_ignore_case() {
        let settings = Settings { accepted: vec!["active".into(), "Locked".into()], ..Settings::default() };
        let relaxed = Settings { ignore_case: true, ..settings.clone() };
        for (status, exact, ignoring_case) in
            [("Locked", true, true), ("locked", false, true), ("ACTIVE", false, true), ("inactive", false, false)]
        {
            assert_eq!(accepts(&settings, "managed/user", &json!(status)), exact, "{status}");
            assert_eq!(accepts(&relaxed, "managed/user", &json!(status)), ignoring_case, "{status}");
        }
    }

    #[test]
    fn only_the_named_collections_are_checked() {
        for (collections, component, checked) in [
            (&["managed/*"][..], "managed/user", true),
            (&["managed/*"], "managed/a/b", true),
            (&["managed/*"], "internal/user", false),
            (&["managed/*"], "managedx/user", false),
            (&["managed/*"], "token", false),
            (&["managed/user"], "managed/user", true),
            (&["managed/user"], "managed/user2", false),
            (&["managed/us*"], "managed/user", false),
            (&["*"], "token", true),
            (&[], "managed/user", false),
        ] {
            let collections = collections.iter().map(|c| (*c).to_owned()).collect();
            let settings = Settings { collections, ..Settings::default() };
            assert_eq!(!accepts(&settings, component, &json!("inactive")), checked, "{component}");
        }
    }
}
