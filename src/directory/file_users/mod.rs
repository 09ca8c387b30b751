//! Which user of the users file is it?

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value};

use super::settings::FileUsers;
use super::{Cacheable, DirectoryError, Found, UserDirectory, UserQuery};
use crate::deadline::Deadline;
use crate::principal::User;
use crate::record_path::RecordPath;

mod role_objects;
#[cfg(test)]
mod tests;

/// The directory that a file is: its users by collection, read once.
#[derive(Debug, Default)]
pub struct FileDirectory {
    collections: HashMap<Arc<str>, Records>,
}

#[derive(Debug, Default)]
struct Records {
    users: Vec<Arc<User>>,
    /// Positions in `users`. A list: an id that stands twice in the file is ambiguous, not the first one's.
    by_id: HashMap<String, Vec<usize>>,
}

impl FileDirectory {
    /// A directory of the file's users. Records without a usable `_id` (a text that is not empty, or a number) are
    /// nobody's; relationships get the temporal constraints of the role objects that stand in the file.
    #[must_use]
    pub fn new(users: &FileUsers) -> Self {
        let roles = role_objects::RoleObjects::of(users);
        let mut collections = HashMap::new();
        for (name, records) in &users.collections {
            let component: Arc<str> = name.as_str().into();
            let mut of_collection = Records::default();
            for record in records {
                let Some(id) = record.get("_id").and_then(text_of).filter(|id| !id.is_empty()) else { continue };
                of_collection.by_id.entry(id.clone()).or_default().push(of_collection.users.len());
                let fields = roles.joined(record);
                of_collection.users.push(Arc::new(User { id, component: Arc::clone(&component), fields }));
            }
            collections.insert(component, of_collection);
        }
        Self { collections }
    }
}

#[async_trait]
impl UserDirectory for FileDirectory {
    async fn find(&self, query: &UserQuery, _deadline: Deadline) -> Result<Found, DirectoryError> {
        let Some(records) = self.collections.get(&query.component) else { return Ok(Found::Nobody) };
        let Some(conditions) = Conditions::read(&query.conditions) else { return Ok(Found::Nobody) };
        let mut found = records.candidates(&query.conditions).filter(|user| conditions.hold(&user.fields));
        Ok(match (found.next(), found.next()) {
            (None, _) => Found::Nobody,
            (Some(user), None) => Found::One(Arc::clone(user)),
            (Some(_), Some(_)) => Found::Ambiguous,
        })
    }
}

impl Cacheable for FileDirectory {}

impl Records {
    /// The users worth looking at: those of the asked id, else all.
    fn candidates<'r>(
        &'r self,
        conditions: &[(Arc<str>, String)],
    ) -> Box<dyn Iterator<Item = &'r Arc<User>> + Send + 'r> {
        match conditions.iter().find(|(property, _)| &**property == "_id") {
            None => Box::new(self.users.iter()),
            Some((_, id)) => {
                let positions = self.by_id.get(id).map(Vec::as_slice).unwrap_or_default();
                Box::new(positions.iter().filter_map(|&position| self.users.get(position)))
            }
        }
    }
}

/// The conditions of a question, with their paths read.
struct Conditions<'q>(Vec<(RecordPath, &'q str)>);

impl<'q> Conditions<'q> {
    /// `None` where a property is no path, or nothing is asked: that finds nobody.
    fn read(conditions: &'q [(Arc<str>, String)]) -> Option<Self> {
        let read = conditions
            .iter()
            .map(|(property, value)| Some((RecordPath::parse(property).ok()?, value.as_str())))
            .collect::<Option<Vec<_>>>()?;
        (!read.is_empty()).then_some(Self(read))
    }

    fn hold(&self, record: &Map<String, Value>) -> bool {
        self.0.iter().all(|(path, expected)| {
            path.select(record).into_iter().any(|value| text_of(value).is_some_and(|text| text == **expected))
        })
    }
}

/// The text that a property is compared by: a text as it is, a number as it stands in JSON.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
