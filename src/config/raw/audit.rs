//! What may be written below `audit`?

use schemars::JsonSchema;
use serde::Deserialize;

/// Which decisions are logged, and where to.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[schemars(example = serde_json::json!({ "allows": 0.1, "denials": 1 }))]
pub struct Audit {
    /// Share of allows, between 0 and 1. Default 1.
    #[schemars(range(min = 0, max = 1))]
    pub allows: Option<f64>,
    /// Share of denials and outages, between 0 and 1. Default 1.
    #[schemars(range(min = 0, max = 1))]
    pub denials: Option<f64>,
    /// Where the lines go. Default `stdout`.
    pub to: Option<AuditTo>,
    /// Whether users are named by a keyed hash, which tells them apart and no more. Default true.
    pub redact: Option<bool>,
}

/// Where audit lines go.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum AuditTo {
    /// Standard output.
    Stdout,
    /// Nowhere.
    Off,
}
