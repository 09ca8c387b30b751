//! Which headers did the client send? Both of Envoy's forms, read as one list.

use std::collections::HashMap;

/// The request headers: Envoy's joined map (`headers`), its raw list (`header_map`), or both read one after the other.
///
/// Names are compared with ASCII case ignored. Values are bytes: a raw value need not be UTF-8.
#[derive(Debug, Clone, Default)]
pub struct Headers<'a> {
    map: Option<&'a HashMap<String, String>>,
    list: Vec<(&'a str, &'a [u8])>,
}

impl<'a> Headers<'a> {
    /// Takes both forms; either may be empty.
    #[must_use]
    pub fn new(map: &'a HashMap<String, String>, list: Vec<(&'a str, &'a [u8])>) -> Self {
        Self { map: Some(map), list }
    }

    /// A list of names and values, in order.
    #[must_use]
    pub fn from_list(list: Vec<(&'a str, &'a [u8])>) -> Self {
        Self { map: None, list }
    }

    /// Every header, as name and value.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + '_ {
        let map = self.map.into_iter().flatten();
        map.map(|(name, value)| (name.as_str(), value.as_bytes())).chain(self.list.iter().copied())
    }

    /// Every value of the header `name`, in order.
    pub fn values<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'a [u8]> + 's {
        self.iter().filter(move |(held, _)| held.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Whether the header `name` was sent, with whatever value.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.values(name).next().is_some()
    }

    /// The only value of the header `name`, where it is sent once and is UTF-8; else `None`.
    #[must_use]
    pub fn single(&self, name: &str) -> Option<&'a str> {
        let mut values = self.values(name);
        let value = values.next()?;
        if values.next().is_some() {
            return None;
        }
        std::str::from_utf8(value).ok()
    }
}
