//! How are values written that stand at several places?

use schemars::JsonSchema;
use serde::Deserialize;

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
