//! What may be written in a configuration file? The shape of it, from which the JSON schema is made.
//!
//! The comments here and below are the schema's descriptions. `x-expected` is how an error message names a value.

mod access;
mod audit;
mod client;
mod directory;
mod explain;
mod filter;
mod idm;
mod listen;
mod rs_filter;
mod schema;
mod subject;
mod values;

pub use access::{Access, Style};
pub use audit::{Audit, AuditTo};
pub use client::{BasicEncoding, ClientAuthentication, SecretText};
pub use directory::{Directory, Idm, IdmAuth};
pub use explain::{Explain, Readers};
pub use filter::{EncodedSlashes, Filter, Outage, OutageAnswer, Path};
pub use idm::{IdmConfiguration, IdmOnlyRules, Managed, MethodOverride};
pub use listen::{Limits, Listen, Listener};
pub use rs_filter::{AccountStatus, Credential, OtherSchemes, RoleNames, RsFilter, Script, TokenCache};
pub use schema::schema;
pub(super) use schema::whole_schema;
pub use subject::{GroupComparison, SubjectMapping};
pub use values::{DurationText, OneOrMany};

use rs_filter::ServerAuthContext;
use schemars::JsonSchema;

/// A Keyward configuration: one filter at top level, or several under `filters`.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct File {
    /// Where the server listens.
    pub listen: Option<Listen>,
    /// Which decisions are written down, one JSON line each.
    pub audit: Option<Audit>,
    /// Which decisions are kept, to be explained later by `keyward explain`.
    pub explain: Option<Explain>,
    /// Files (`.properties`, `.json`, `.yaml`) that expressions such as `&{name}` are looked up in after the
    /// environment; of two files with one name, the earlier holds. Default none.
    #[schemars(example = serde_json::json!(["conf/shop.properties"]))]
    pub property_files: Option<Vec<String>>,
    /// Several filters, each with its own authorization server, mappings, cache and rules. A key that a filter leaves
    /// out is taken from the top level; `rsFilter` and `access` stand in one of the two places only. Default one
    /// filter, named `default`.
    pub filters: Option<Vec<Filter>>,
    /// IDM's other authentication modules, as they stand beside `rsFilter` in `authentication.json`; must hold none.
    pub server_auth_context: Option<ServerAuthContext>,
}
