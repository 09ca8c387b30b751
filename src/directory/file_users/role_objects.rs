//! Which temporal constraints do the file's role objects put on the users' relationships?

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value, json};

use crate::directory::settings::FileUsers;
use crate::roles::reference;

/// The role objects of a users file: the records of every collection whose last segment is `role`.
pub(super) struct RoleObjects<'f> {
    /// Full name (`managed/role/clerk`) → the role's `temporalConstraints`, `null` where it has none.
    constraints: HashMap<String, &'f Value>,
    /// Whether the file has any role objects; one that has must have them all (D10).
    any: bool,
}

impl<'f> RoleObjects<'f> {
    pub(super) fn of(users: &'f FileUsers) -> Self {
        let mut constraints = HashMap::new();
        let mut seen = HashSet::new();
        let mut any = false;
        for (collection, records) in users.collections.iter().filter(|(name, _)| is_role_collection(name)) {
            any = true;
            for record in records {
                let Some(id) = record.get("_id").and_then(Value::as_str) else { continue };
                let name = format!("{collection}/{id}");
                // SECURITY: two objects of one name: nobody can say whose constraints hold, so none is in effect.
                let twice = !seen.insert(name.clone());
                let own = record.get("temporalConstraints").unwrap_or(&Value::Null);
                constraints.insert(name, if twice { &UNREADABLE } else { own });
            }
        }
        Self { constraints, any }
    }

    /// `record` with the constraints of the role objects in its relationships, wherever in the record they stand.
    pub(super) fn joined(&self, record: &Map<String, Value>) -> Map<String, Value> {
        let mut record = record.clone();
        if self.any {
            record.values_mut().for_each(|value| self.join(value));
        }
        record
    }

    fn join(&self, value: &mut Value) {
        match value {
            Value::Array(elements) => elements.iter_mut().for_each(|element| self.join_element(element)),
            Value::Object(record) => record.values_mut().for_each(|value| self.join(value)),
            _ => {}
        }
    }

    fn join_element(&self, element: &mut Value) {
        let name = match &*element {
            Value::String(name) => Some(name.clone()),
            Value::Object(relationship) => reference::full_name(relationship),
            _ => None,
        };
        let constraints = name.as_ref().and_then(|name| self.constraints.get(name).copied());
        match (element, constraints) {
            // A role by its mere name: its constraints hold all the same, and need a relationship to stand on.
            (text @ Value::String(_), Some(constraints)) if !constraints.is_null() => {
                *text = json!({ "_ref": reference_to(text), "temporalConstraints": constraints });
            }
            (Value::Object(relationship), Some(constraints)) => {
                relationship.insert("temporalConstraints".to_owned(), constraints.clone());
            }
            // SECURITY: a grant of a role that is not there grants nothing (D10).
            (Value::Object(relationship), None) if name.as_deref().is_some_and(is_role) => {
                relationship.insert("temporalConstraints".to_owned(), UNREADABLE.clone());
            }
            (other, _) => self.join(other),
        }
    }
}

/// A constraint that nobody can read, and that therefore grants nothing.
static UNREADABLE: Value = Value::Bool(false);

fn is_role_collection(name: &str) -> bool {
    name.rsplit('/').next() == Some("role")
}

/// Whether `name` is that of a role object: `…/role/<id>`.
fn is_role(name: &str) -> bool {
    name.rsplit_once('/').is_some_and(|(collection, _)| is_role_collection(collection))
}

/// A `_ref` that means the role called `name`.
fn reference_to(name: &Value) -> String {
    let name = name.as_str().unwrap_or_default();
    let (collection, id) = name.rsplit_once('/').unwrap_or(("", name));
    format!("{collection}/{}", percent_encoding::utf8_percent_encode(id, percent_encoding::NON_ALPHANUMERIC))
}
