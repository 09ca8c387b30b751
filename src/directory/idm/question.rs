//! How is a question put in CREST? A direct read by id where that is safe, else a `_queryFilter`.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use crate::directory::{DirectoryError, UserQuery};

/// A question, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Question {
    /// The record itself.
    Read(Url),
    /// A list of at most two records: a second one is enough to know that the question is ambiguous.
    Query(Url),
}

/// All but the unreserved characters of RFC 3986.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl Question {
    /// The question that `query` is below the CREST root `root`. `None`: nobody can be the answer.
    pub(super) fn of(root: &Url, query: &UserQuery) -> Result<Option<Self>, DirectoryError> {
        let mut segments: Vec<&str> = query.component.split('/').collect();
        let unsafe_value = |value: &str| value.is_empty() || value.chars().any(char::is_control);
        if query.conditions.is_empty()
            || segments.iter().any(|segment| matches!(*segment, "" | "." | ".."))
            || query.conditions.iter().any(|(_, value)| unsafe_value(value))
        {
            return Ok(None);
        }
        let fields = encode(&fields(query));
        match query.conditions.as_slice() {
            [(property, id)] if &**property == "_id" && is_plain_segment(id) => {
                segments.push(id);
                Ok(Some(Self::Read(url(root, &segments, &format!("_fields={fields}")))))
            }
            _ => {
                let filter = encode(&filter(query)?);
                let parameters = format!("_queryFilter={filter}&_pageSize=2&_fields={fields}");
                Ok(Some(Self::Query(url(root, &segments, &parameters))))
            }
        }
    }

    pub(super) fn url(&self) -> &Url {
        match self {
            Self::Read(url) | Self::Query(url) => url,
        }
    }
}

/// SECURITY: every segment is encoded by itself, and none is a dot segment, so that no id leads to another resource.
fn url(root: &Url, segments: &[&str], parameters: &str) -> Url {
    let mut url = root.clone();
    let mut path = root.path().trim_end_matches('/').to_owned();
    for segment in segments {
        path.push('/');
        path.push_str(&encode(segment));
    }
    url.set_path(&path);
    url.set_query(Some(parameters));
    url.set_fragment(None);
    url
}

/// Whether an id can be the last segment of a path at every server: some read `%2F`, `%5C`, `%25` and `%3B` as more than
/// a character of a name, and dot segments vanish. Other ids are asked for by filter.
fn is_plain_segment(id: &str) -> bool {
    !matches!(id, "." | "..") && !id.contains(['/', '\\', '%', ';'])
}

/// All conditions, joined by `and` (B11). Filter strings are no JSON strings: a backslash makes the next character
/// literal, so only `\` and `"` get one.
fn filter(query: &UserQuery) -> Result<String, DirectoryError> {
    let mut filter = String::new();
    for (property, value) in &query.conditions {
        if !filter.is_empty() {
            filter.push_str(" and ");
        }
        filter.push_str(&pointer(property)?);
        filter.push_str(" eq \"");
        for c in value.chars() {
            if matches!(c, '\\' | '"') {
                filter.push('\\');
            }
            filter.push(c);
        }
        filter.push('"');
    }
    Ok(filter)
}

/// A property's name in a filter. SECURITY: one that would need quoting is refused, not guessed at.
fn pointer(property: &str) -> Result<String, DirectoryError> {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '$' | '/' | '.');
    if property.chars().all(plain) {
        Ok(property.replace('.', "/"))
    } else {
        Err(DirectoryError::Unreadable(format!("`{property}` cannot be asked for in a query filter")))
    }
}

/// The default fields, what the record is found by (so that the answer can be checked), and what was asked for beside.
fn fields(query: &UserQuery) -> String {
    let found_by = query.conditions.iter().map(|(property, _)| &**property).filter(|property| *property != "_id");
    let wanted = found_by.chain(query.fields.iter().map(String::as_str));
    let mut fields = vec!["*".to_owned()];
    for field in wanted.map(|field| field.replace('.', "/")) {
        if !fields.contains(&field) {
            fields.push(field);
        }
    }
    fields.join(",")
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

#[cfg(test)]
mod tests {
    use percent_encoding::percent_decode_str;
    use proptest::prelude::*;
    use url::Url;

    use super::Question;
    use crate::directory::UserQuery;
    use crate::directory::idm::fake;

    fn asked(component: &str, conditions: &[(&str, &str)], fields: &[&str]) -> String {
        let query = UserQuery {
            component: component.into(),
            conditions: conditions.iter().map(|(k, v)| ((*k).into(), (*v).to_owned())).collect(),
            fields: fields.iter().map(|field| (*field).to_owned()).collect(),
            token: Default::default(),
        };
        let root = Url::parse("https://idm.example/openidm/?x=1#y").expect("a URL");
        match Question::of(&root, &query) {
            Ok(Some(question)) => {
                let url = question.url().as_str();
                url.strip_prefix("https://idm.example/openidm/").unwrap_or(url).to_owned()
            }
            Ok(None) => "nobody".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn an_id_is_read_directly_where_every_server_takes_it_for_a_name() {
        for (id, expected) in [
            ("11aa", "managed/user/11aa?_fields=%2A"),
            ("a b&c?d#e+f", "managed/user/a%20b%26c%3Fd%23e%2Bf?_fields=%2A"),
            ("ü\"", "managed/user/%C3%BC%22?_fields=%2A"),
            ("..a", "managed/user/..a?_fields=%2A"),
            ("a/b", "managed/user?_queryFilter=_id%20eq%20%22a%2Fb%22&_pageSize=2&_fields=%2A"),
            ("..", "managed/user?_queryFilter=_id%20eq%20%22..%22&_pageSize=2&_fields=%2A"),
            ("%2e", "managed/user?_queryFilter=_id%20eq%20%22%252e%22&_pageSize=2&_fields=%2A"),
            ("a\\b", "managed/user?_queryFilter=_id%20eq%20%22a%5C%5Cb%22&_pageSize=2&_fields=%2A"),
            ("", "nobody"),
            ("a\0", "nobody"),
        ] {
            assert_eq!(asked("managed/user", &[("_id", id)], &[]), expected, "{id:?}");
        }
    }

    #[test]
    fn other_properties_are_asked_for_by_filter_and_with_their_fields() {
        for (conditions, fields, expected) in [
            (
                &[("mail", "x\" or true or \"")][..],
                &["authzRoles/*", "mail", "org.name"][..],
                "c?_queryFilter=mail%20eq%20%22x%5C%22%20or%20true%20or%20%5C%22%22&_pageSize=2\
                 &_fields=%2A%2Cmail%2CauthzRoles%2F%2A%2Corg%2Fname",
            ),
            (
                &[("a.b", "1"), ("_id", "2")],
                &[],
                "c?_queryFilter=a%2Fb%20eq%20%221%22%20and%20_id%20eq%20%222%22&_pageSize=2&_fields=%2A%2Ca%2Fb",
            ),
            (
                &[("a b", "1")],
                &[],
                "the directory's answer cannot be read: `a b` cannot be asked for in a query filter",
            ),
            (&[], &[], "nobody"),
        ] {
            assert_eq!(asked("c", conditions, fields), expected);
        }
        for component in ["", "/a", "a//b", "a/../b", "a/."] {
            assert_eq!(asked(component, &[("_id", "x")], &[]), "nobody", "{component}");
        }
    }

    proptest! {
        #[test]
        fn whatever_a_value_is_it_stays_one_value(values in prop::collection::vec(r#"[a-c"\\ /%.;&=+ü日()!']{1,12}"#, 1..4)) {
            let names = ["mail", "userName", "a/b"];
            let conditions: Vec<_> = names.iter().copied().zip(values.iter().map(String::as_str)).collect();
            let url = asked("managed/user", &conditions, &[]);
            let filter = url.split_once("_queryFilter=").and_then(|(_, rest)| rest.split_once('&')).expect("a filter").0;
            let read = fake::conditions(&percent_decode_str(filter).decode_utf8().expect("UTF-8")).expect("a filter");
            let read: Vec<_> = read.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            prop_assert_eq!(read, conditions);
        }

        #[test]
        fn whatever_an_id_is_the_question_stays_below_its_collection(id in r#"[a-c"\\ /%.;&=+?#ü]{1,12}"#) {
            let url = asked("managed/user", &[("_id", &id)], &[]);
            let direct = url.strip_prefix("managed/user/").and_then(|rest| rest.strip_suffix("?_fields=%2A"));
            match direct {
                Some(segment) => {
                    prop_assert!(!segment.contains('/') && !matches!(segment, "." | ".."));
                    prop_assert_eq!(percent_decode_str(segment).decode_utf8().expect("UTF-8"), id);
                }
                None => prop_assert!(url.starts_with("managed/user?_queryFilter=_id%20eq%20"), "{}", url),
            }
        }
    }
}
