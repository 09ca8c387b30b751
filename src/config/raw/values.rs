//! How are values written that stand at several places?

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator};
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
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
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

/// A list of `T` that is read where it is meant, one element after the other: here it is only counted.
pub struct Counted<T> {
    /// How many elements it has.
    pub count: usize,
    element: PhantomData<T>,
}

impl<'de, T> Deserialize<'de> for Counted<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let count = deserializer.deserialize_seq(Counter)?;
        Ok(Self { count, element: PhantomData })
    }
}

impl<T: JsonSchema> JsonSchema for Counted<T> {
    fn inline_schema() -> bool {
        Vec::<T>::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        Vec::<T>::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        Vec::<T>::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Vec::<T>::json_schema(generator)
    }
}

struct Counter;

impl<'de> Visitor<'de> for Counter {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<usize, A::Error> {
        let mut count = 0;
        while elements.next_element::<IgnoredAny>()?.is_some() {
            giving_way::step();
            count += 1;
        }
        Ok(count)
    }
}
