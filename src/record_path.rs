//! Where in a record, or in a token's claims, does a configured name such as `authzRoles/*` or `realm_access.roles/*` point?

use serde_json::{Map, Value};

/// A path into a JSON object: members joined by `/` or `.`, and `*` for every element of a list.
///
/// At every object the whole rest of the path is first tried as one member name, so that a claim whose name holds dots
/// and slashes (`https://example.com/roles`) is found as it is written; only then is the path split. A leading `/` is
/// ignored. `*` looks into lists only: on anything else it selects nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordPath {
    /// The path without a leading `/`.
    text: String,
    steps: Vec<Step>,
    /// Index of the first of the `*` steps at the end; the number of steps if there is none.
    trailing: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// A member; `rest` is this and all further members as one name.
    Member { name: Box<str>, rest: Box<str> },
    /// Every element of a list.
    Each,
}

/// Why a text is no path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordPathError {
    /// There is no member name in it.
    #[error("a path needs the name of a member")]
    Empty,
    /// A control character.
    #[error("a path has no control characters")]
    ControlCharacter,
}

impl RecordPath {
    /// Reads a path.
    ///
    /// # Errors
    /// [`RecordPathError`] where the text names no member or holds a control character.
    pub fn parse(text: &str) -> Result<Self, RecordPathError> {
        if text.chars().any(char::is_control) {
            return Err(RecordPathError::ControlCharacter);
        }
        let text = text.strip_prefix('/').unwrap_or(text);
        let mut body = text;
        let mut stars = 0;
        while let Some(shorter) = body.strip_suffix("/*").or_else(|| body.strip_suffix(".*")) {
            body = shorter;
            stars += 1;
        }
        if body.is_empty() || body == "*" {
            return Err(RecordPathError::Empty);
        }
        let mut steps = Vec::new();
        let mut rest = Some(body);
        while let Some(here) = rest {
            let (name, further) = here.split_once(['/', '.']).map_or((here, None), |(name, more)| (name, Some(more)));
            steps.push(match name {
                "*" => Step::Each,
                _ => Step::Member { name: name.into(), rest: here.into() },
            });
            rest = further;
        }
        let trailing = steps.len();
        steps.extend(std::iter::repeat_n(Step::Each, stars));
        Ok(Self { text: text.to_owned(), steps, trailing })
    }

    /// The path as written, without a leading `/`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The path without the `*` at its end: the list rather than its elements.
    #[must_use]
    pub fn without_elements(mut self) -> Self {
        self.steps.truncate(self.trailing);
        while let Some(shorter) = self.text.strip_suffix("/*").or_else(|| self.text.strip_suffix(".*")) {
            self.text.truncate(shorter.len());
        }
        self
    }

    /// The member of the record that the path begins with.
    #[must_use]
    pub fn first_member(&self) -> &str {
        self.steps
            .iter()
            .find_map(|s| if let Step::Member { name, .. } = s { Some(&**name) } else { None })
            .unwrap_or("")
    }

    /// What the path points to, in the record's order. `null` is a value like any other; what is absent is left out.
    #[must_use]
    pub fn select<'v>(&self, record: &'v Map<String, Value>) -> Vec<&'v Value> {
        let mut found = Vec::new();
        self.member(0, record, &mut found);
        found
    }

    fn walk<'v>(&self, step: usize, value: &'v Value, found: &mut Vec<&'v Value>) {
        match (self.steps.get(step), value) {
            (None, _) => found.push(value),
            (Some(Step::Each), Value::Array(elements)) => {
                elements.iter().for_each(|element| self.walk(step + 1, element, found));
            }
            (Some(Step::Member { .. }), Value::Object(record)) => self.member(step, record, found),
            (Some(_), _) => {}
        }
    }

    fn member<'v>(&self, step: usize, record: &'v Map<String, Value>, found: &mut Vec<&'v Value>) {
        let Some(Step::Member { name, rest }) = self.steps.get(step) else { return };
        if let Some(value) = record.get(&**rest) {
            self.walk(self.trailing, value, found);
        } else if let Some(value) = record.get(&**name) {
            self.walk(step + 1, value, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{RecordPath, RecordPathError};

    fn select(path: &str, record: &Value) -> Value {
        let path = RecordPath::parse(path).expect("a path");
        path.select(record.as_object().expect("an object")).into_iter().cloned().collect()
    }

    #[test]
    fn members_and_elements_are_found_in_either_spelling() {
        let record =
            json!({"realm_access": {"roles": ["a", "b"]}, "mail": "m", "orgs": [{"r": [1]}, {"r": [2, 3]}, {}]});
        for (path, expected) in [
            ("mail", json!(["m"])),
            ("/mail", json!(["m"])),
            ("realm_access/roles", json!([["a", "b"]])),
            ("realm_access/roles/*", json!(["a", "b"])),
            ("realm_access.roles.*", json!(["a", "b"])),
            ("realm_access.roles/*", json!(["a", "b"])),
            ("orgs/*/r/*", json!([1, 2, 3])),
            ("orgs/*/r", json!([[1], [2, 3]])),
            ("mail/*", json!([])),
            ("mail/x", json!([])),
            ("realm_access/*", json!([])),
            ("none", json!([])),
        ] {
            assert_eq!(select(path, &record), expected, "{path}");
        }
    }

    #[test]
    fn a_member_whose_name_holds_dots_and_slashes_is_found_as_it_is_written() {
        let record = json!({"https://x.y/z": ["a"], "a": {"b.c": 1, "b": {"c": 2}}, "d.e": 3, "d": {"e": 4}});
        for (path, expected) in [
            ("https://x.y/z", json!([["a"]])),
            ("https://x.y/z/*", json!(["a"])),
            ("a/b.c", json!([1])),
            ("d.e", json!([3])),
            ("d/e", json!([4])),
        ] {
            assert_eq!(select(path, &record), expected, "{path}");
        }
    }

    #[test]
    fn a_path_names_a_member() {
        for bad in ["", "/", "*", "/*", "*/*"] {
            assert_eq!(RecordPath::parse(bad), Err(RecordPathError::Empty), "{bad:?}");
        }
        assert_eq!(RecordPath::parse("a\n"), Err(RecordPathError::ControlCharacter));
    }

    #[test]
    fn the_list_itself_is_the_path_without_its_star() {
        let path = RecordPath::parse("/a/roles/*").expect("a path").without_elements();
        assert_eq!((path.as_str(), path.first_member()), ("a/roles", "a"));
    }
}
