//! What may be written below `access` that only IDM's rules need?

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// What IDM's own configuration says.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[schemars(example = serde_json::json!({ "uiConfigurationFile": "conf/ui-configuration.json", "managedFile": "conf/managed.json", "features": ["registration"] }))]
pub struct IdmConfiguration {
    /// IDM's `conf/ui-configuration.json`, for `checkIfUIIsEnabled`.
    #[schemars(example = &"conf/ui-configuration.json")]
    pub ui_configuration_file: Option<String>,
    /// What such a file holds, instead of the file.
    pub ui_configuration: Option<UiConfiguration>,
    /// IDM's `conf/managed.json`, for `onlyEditableManagedObjectProperties` and `reauthIfProtectedAttributeChange`.
    #[schemars(example = &"conf/managed.json")]
    pub managed_file: Option<String>,
    /// What such a file holds, instead of the file.
    pub managed: Option<Managed>,
    /// The features of IDM 7 that are on, such as `registration`, for `checkIfAnyFeatureEnabled` and
    /// `checkIfAllFeaturesEnabled`.
    #[schemars(example = serde_json::json!(["registration", "passwordReset"]))]
    pub features: Option<Vec<String>>,
}

/// IDM's `ui-configuration.json`; other keys are not read.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UiConfiguration {
    /// Flags such as `selfRegistration`; on is what JavaScript takes for true.
    #[schemars(example = serde_json::json!({ "selfRegistration": true }))]
    pub configuration: BTreeMap<String, Value>,
}

/// IDM's `managed.json`; other keys are not read.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Managed {
    /// The managed objects.
    #[schemars(example = serde_json::json!([{ "name": "user" }]))]
    pub objects: Vec<ManagedObject>,
}

/// A managed object; other keys are not read.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ManagedObject {
    /// Its name: `user` for `managed/user`.
    #[schemars(example = &"user")]
    pub name: String,
    /// Its schema.
    pub schema: Option<ManagedSchema>,
}

/// The schema of a managed object; other keys are not read.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ManagedSchema {
    /// The properties by name.
    pub properties: Option<BTreeMap<String, ManagedProperty>>,
}

/// A property of a managed object; other keys are not read.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ManagedProperty {
    /// Whether users may change it. Default false.
    pub user_editable: Option<bool>,
    /// Whether IDM asks for the password again before it changes. Default false.
    pub is_protected: Option<bool>,
}

/// What a rule is that only IDM itself can answer.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum IdmOnlyRules {
    /// An error at load.
    Refuse,
    /// Kept; it grants nothing, and a warning at load says so.
    NeverGrant,
}

/// What a POST with `X-HTTP-Method-Override` is.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum MethodOverride {
    /// 400.
    Refuse,
    /// The overriding method.
    Honour,
}
