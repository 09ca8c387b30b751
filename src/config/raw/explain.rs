//! What may be written below `explain`?

use schemars::JsonSchema;
use serde::Deserialize;

/// Which of the last decisions are kept in memory, without secrets, for `keyward explain` and the admin API.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[schemars(example = serde_json::json!({ "decisions": 1000, "allows": 0.01 }))]
pub struct Explain {
    /// How many are kept, the oldest making room: up to 8 KiB of memory each. Default 1000; 0: none.
    #[schemars(range(min = 0, max = 100_000))]
    pub decisions: Option<u32>,
    /// Share of allows, between 0 and 1, that are kept beside denials and outages. Default 0.
    #[schemars(range(min = 0, max = 1))]
    pub allows: Option<f64>,
    /// Whether a refused client reads the decision's id in the header `x-keyward-decision`. Default true.
    pub header: Option<bool>,
    /// Whose connections to the admin listener may read decisions. Default `local`.
    pub readers: Option<Readers>,
}

/// Whose connections to the admin listener may read decisions.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Readers {
    /// Those from loopback addresses.
    Local,
    /// Anybody's who reaches the listener.
    Anyone,
}
