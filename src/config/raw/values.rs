//! How are values written that stand at several places?

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};

use crate::giving_way;

/// One value or a list of them.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OneOrMany<T> {
    /// One.
    One(T),
    /// A list.
    Many(Vec<T>),
}

/// A comma text (split at every comma, nothing trimmed, as in IDM) or a list.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "the shape for the schema; rules are read elsewhere")]
pub enum CommaList {
    /// `a,b`.
    Commas(String),
    /// `[a, b]`.
    List(Vec<String>),
}

/// A duration in English, e.g. `300 seconds`.
#[derive(Deserialize, JsonSchema)]
#[schemars(extend("x-expected" = "a duration such as `300 seconds`", "x-advice" = "write the unit"))]
pub struct DurationText(pub String);

/// How many elements a list has that is read where it is meant, one after the other.
pub struct Count(pub usize);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Counter)
    }
}

struct Counter;

impl<'de> Visitor<'de> for Counter {
    type Value = Count;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Count, A::Error> {
        let mut count = 0;
        while elements.next_element::<IgnoredAny>()?.is_some() {
            giving_way::step();
            count += 1;
        }
        Ok(Count(count))
    }
}
