//! What may be written for one filter, at top level or below `filters`?

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::access::Access;
use super::directory::Directory;
use super::rs_filter::RsFilter;

/// One filter: whose tokens, whose users, which rules, which answer.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Filter {
    /// The filter's name: what a route's context extension `keyward_filter` says, and what metrics call it. Required
    /// below `filters`.
    #[schemars(example = &"shop")]
    pub name: Option<String>,
    /// Hosts whose requests are given to this filter, without scheme and port. Default none.
    #[schemars(example = serde_json::json!(["shop.example"]))]
    pub hosts: Option<Vec<String>>,
    /// Issuers (`iss`) of JWTs that are given to this filter. Default none.
    #[schemars(example = serde_json::json!(["https://as.example"]))]
    pub issuers: Option<Vec<String>>,
    /// The authorization server and the mapping of its tokens to users, as in IDM. Required, or `rsFilterFile`.
    pub rs_filter: Option<RsFilter>,
    /// An IDM `authentication.json` to take `rsFilter` from. Keys of an `rsFilter` beside it are added; `clientSecret` there
    /// stands for the file's.
    #[schemars(example = &"conf/authentication.json")]
    pub rs_filter_file: Option<String>,
    /// Where user records live; exactly one of `idm`, `file` and `token`. Required with `subjectMapping`. Default
    /// `token`.
    pub directory: Option<Directory>,
    /// The access rules. Required, or `accessFile`.
    pub access: Option<Access>,
    /// An IDM `access.json` to take the access rules from, or an `access.js` (6.x and older).
    #[schemars(example = &"conf/access.json")]
    pub access_file: Option<String>,
    /// Header for the upstream → path into the security context: `authenticationId`, `authorization.<member>`, `realm`,
    /// `token.<member>`, `user.<field>` or `securityContext` (base64url JSON). A header of that name that the client
    /// sent never arrives. `{}`: none. Default `x-auth-id`, `x-auth-authentication-id`, `x-auth-component`,
    /// `x-auth-roles`, `x-auth-realm`, `x-auth-client-id`, `x-auth-scopes` and `x-auth-security-context`.
    #[schemars(example = serde_json::json!({ "x-auth-id": "authorization.id", "x-auth-mail": "user.mail" }))]
    pub identity_headers: Option<BTreeMap<String, String>>,
    /// Header for the client, on an allow → path into the security context, as in `identityHeaders`. Default none.
    #[schemars(example = serde_json::json!({ "x-user": "authenticationId" }))]
    pub response_headers: Option<BTreeMap<String, String>>,
    /// How request paths are read.
    pub path: Option<Path>,
    /// Whether a 401's body tells in `failureReasons` what was wrong with token or user. Default true.
    pub error_detail: Option<bool>,
    /// Time zone of temporal constraints of roles, an IANA name. Default `UTC`.
    #[schemars(example = &"Europe/Berlin")]
    pub time_zone: Option<String>,
    /// Whether the credential is taken out of the upstream's request. Default false.
    pub remove_credential: Option<bool>,
    /// What the lack of a verdict looks like: the authorization server or the directory cannot be asked, or the server
    /// has too much to do.
    pub outage: Option<Outage>,
}

/// How request paths are read.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Path {
    /// Whether doubled slashes become one instead of a refusal. Dangerous: only for an upstream that merges them, too.
    /// Default false.
    pub merge_slashes: Option<bool>,
    /// What `%2F` and `%5C` in a path are. `keep` is dangerous: an upstream may read them as slashes. Default `refuse`.
    pub encoded_slashes: Option<EncodedSlashes>,
}

/// What an encoded slash is.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum EncodedSlashes {
    /// 400.
    Refuse,
    /// Part of its segment.
    Keep,
}

/// What an outage looks like to Envoy.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[schemars(example = serde_json::json!({ "answer": "deny", "status": 503 }))]
pub struct Outage {
    /// A denial, or Envoy's `error_response`, to which `failure_mode_allow` applies. Default `deny`.
    pub answer: Option<OutageAnswer>,
    /// The status, between 500 and 599. Default 503.
    #[schemars(range(min = 500, max = 599))]
    pub status: Option<u16>,
}

/// What an outage is answered with.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum OutageAnswer {
    /// A denial.
    Deny,
    /// Envoy's `error_response`.
    Error,
}
