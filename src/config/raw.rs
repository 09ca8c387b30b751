//! What may be written in a configuration file? The shape of it, from which the JSON schema is made.
//!
//! The comments here are the schema's descriptions. `x-expected` is how an error message names a value.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

pub use super::raw_explain::{Explain, Readers};
pub use super::raw_idm::{IdmConfiguration, IdmOnlyRules, Managed, MethodOverride};
pub use super::raw_listen::{Limits, Listen, Listener};

/// A Keyward configuration: one filter at top level, or several under `filters`.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct File {
    /// Where the server listens.
    pub listen: Option<Listen>,
    /// Which decisions are logged, one JSON line each.
    pub audit: Option<Audit>,
    /// Which decisions are kept, to be explained later by `keyward explain`.
    pub explain: Option<Explain>,
    /// Files (`.properties`, `.json`, `.yaml`) that `&{name}` is looked up in after the environment.
    pub property_files: Option<Vec<String>>,
    /// Several filters, each with its own authorization server, mappings, cache and rules. A key that a filter leaves out
    /// is taken from the top level.
    pub filters: Option<Vec<Filter>>,
    /// IDM's other authentication modules, as they stand beside `rsFilter` in `authentication.json`; must hold none.
    pub server_auth_context: Option<ServerAuthContext>,
}

/// One filter: whose tokens, whose users, which rules, which answer.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Filter {
    /// The filter's name: what a route's context extension `keyward_filter` says.
    pub name: Option<String>,
    /// Hosts whose requests are given to this filter, without a port.
    pub hosts: Option<Vec<String>>,
    /// Issuers (`iss`) of JWTs that are given to this filter.
    pub issuers: Option<Vec<String>>,
    /// The authorization server and the mapping of its tokens to users, as in IDM.
    pub rs_filter: Option<RsFilter>,
    /// An IDM `authentication.json` to take `rsFilter` from. Keys of an `rsFilter` beside it are added; `clientSecret` there
    /// stands for the file's.
    pub rs_filter_file: Option<String>,
    /// Where user records live; exactly one of `idm`, `file` and `token`. Default `token`, where no `subjectMapping` is written.
    pub directory: Option<Directory>,
    /// The access rules.
    pub access: Option<Access>,
    /// An IDM `access.json` to take the access rules from, or an `access.js` (6.x and older).
    pub access_file: Option<String>,
    /// Header for the upstream → path into the security context, e.g. `authorization.id`. Left out: `x-auth-id`,
    /// `x-auth-authentication-id`, `x-auth-component`, `x-auth-roles`, `x-auth-realm`, `x-auth-client-id`,
    /// `x-auth-scopes` and `x-auth-security-context`; `{}`: none.
    pub identity_headers: Option<BTreeMap<String, String>>,
    /// Header for the client, on an allow → path into the security context.
    pub response_headers: Option<BTreeMap<String, String>>,
    /// How request paths are read.
    pub path: Option<Path>,
    /// Whether a 401's body holds `failureReasons`. Default true.
    pub error_detail: Option<bool>,
    /// Time zone of temporal constraints, an IANA name. Default `UTC`.
    pub time_zone: Option<String>,
    /// Whether the credential is taken out of the upstream request. Default false.
    pub remove_credential: Option<bool>,
    /// What an outage looks like to Envoy.
    pub outage: Option<Outage>,
}

/// One value or a list of them.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OneOrMany<T> {
    /// One.
    One(T),
    /// A list.
    Many(Vec<T>),
}

/// Which decisions are logged, and where to.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Audit {
    /// Share of allows, between 0 and 1. Default 1.
    #[schemars(range(min = 0, max = 1))]
    pub allows: Option<f64>,
    /// Share of denials and outages, between 0 and 1. Default 1.
    #[schemars(range(min = 0, max = 1))]
    pub denials: Option<f64>,
    /// Where the lines go. Default `stdout`.
    pub to: Option<AuditTo>,
    /// Whether users are named by a keyed hash, which tells them apart and no more. Default `true`.
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

/// IDM's other authentication modules.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct ServerAuthContext {
    /// Must be empty: `rsFilter` is the only mechanism.
    pub auth_modules: Option<Vec<Value>>,
}

/// The authorization server and the mapping of its tokens to users.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RsFilter {
    /// The client that introspects.
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretText,
    /// How the client authenticates. Default `client_secret_basic`.
    pub client_authentication: Option<ClientAuthentication>,
    /// How id and secret go into a Basic header. Default `form`.
    pub basic_encoding: Option<BasicEncoding>,
    /// The introspection endpoint (RFC 7662), used as it is.
    pub token_introspect_url: String,
    /// The longest an introspection may take. Default `5 seconds`.
    pub introspect_timeout: Option<DurationText>,
    /// How many introspections may be under way at once. Default 256.
    #[schemars(range(min = 1, max = 100_000))]
    pub max_in_flight: Option<usize>,
    /// PEM file of roots to trust instead of the system's.
    pub trusted_roots: Option<String>,
    /// Scopes that every token must have.
    pub scopes: Option<Vec<String>>,
    /// Accepted `iss`; left out: any.
    pub issuer: Option<OneOrMany<String>>,
    /// Accepted `aud`, one of which must be in the token; left out: any.
    pub audience: Option<OneOrMany<String>>,
    /// Accepted `token_type`, case ignored; an absent one is accepted. Default `[Bearer, access_token]`.
    pub token_types: Option<Vec<String>>,
    /// How far clocks may differ, for `exp` and `nbf`. Default `0 seconds`.
    pub clock_skew: Option<DurationText>,
    /// How long answers are remembered.
    pub cache: Option<TokenCache>,
    /// Where a token may stand beside the `Authorization` header.
    pub credential: Option<Credential>,
    /// What an `Authorization` header of another scheme than Bearer is. Default `refuse`.
    pub other_schemes: Option<OtherSchemes>,
    /// Realm → collection → user.
    pub subject_mapping: Option<Vec<SubjectMapping>>,
    /// Fixed subject → fixed user.
    pub static_user_mapping: Option<Vec<StaticUser>>,
    /// Whether static subjects are compared with case ignored. Default false.
    pub static_subject_ignore_case: Option<bool>,
    /// Who a request without a credential is; left out: 401.
    pub anonymous_user_mapping: Option<LocalUser>,
    /// Whether roles of relationships are full or leaf names. Default `full`.
    pub role_names: Option<RoleNames>,
    /// Which accounts may log in.
    pub account_status: Option<AccountStatus>,
    /// A script that may rewrite the security context.
    pub augment_security_context: Option<Script>,
}

/// How the client authenticates to the authorization server.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthentication {
    /// In an `Authorization: Basic` header.
    ClientSecretBasic,
    /// In the form body.
    ClientSecretPost,
}

/// How id and secret go into a Basic header.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum BasicEncoding {
    /// Form-urlencoded first: RFC 6749, AM since 6.5, Keycloak.
    Form,
    /// As they are: AM before 6.5, OpenAM.
    Raw,
}

/// A secret: a reference to a file or an environment variable, or (with a warning) the secret itself.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(extend("writeOnly" = true, "x-expected" = "`{ file: … }`, `{ env: … }` or a text"))]
pub enum SecretText {
    /// The secret itself, or `&{name}`.
    Plain(String),
    /// A file that holds the secret; a line end at its end is not part of it.
    File(SecretFile),
    /// An environment variable that holds the secret.
    Env(SecretEnv),
}

/// A file that holds a secret.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretFile {
    /// The file, relative to the configuration file's folder.
    pub file: String,
}

/// An environment variable that holds a secret.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretEnv {
    /// The variable's name.
    pub env: String,
}

/// A duration in English, e.g. `300 seconds`.
#[derive(Deserialize, JsonSchema)]
#[schemars(extend("x-expected" = "a duration such as `300 seconds`", "x-advice" = "write the unit"))]
pub struct DurationText(pub String);

/// How long introspection answers are remembered.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct TokenCache {
    /// The longest an answer is kept, and never past `exp`; `zero`: not at all; `unlimited`: until `exp`. Default `300 seconds`.
    pub max_timeout: Option<DurationText>,
    /// How long "inactive" is remembered. Default `5 seconds`.
    pub negative: Option<DurationText>,
    /// How long past its lifetime an answer serves while the authorization server cannot be asked. Default `0 seconds`.
    pub stale_if_error: Option<DurationText>,
    /// How many answers are kept. Default 100000.
    #[schemars(range(min = 1))]
    pub max_tokens: Option<u64>,
    /// How many negative answers are kept. Default 10000.
    #[schemars(range(min = 1))]
    pub max_negative: Option<u64>,
}

/// Where a token may stand beside the `Authorization` header.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Credential {
    /// Name of a cookie.
    pub cookie: Option<String>,
    /// Name of a header whose whole value is the token.
    pub header: Option<String>,
    /// Name of a query parameter.
    pub query_parameter: Option<String>,
}

/// What an `Authorization` header of another scheme is.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum OtherSchemes {
    /// 401.
    Refuse,
    /// As if no credential had been sent.
    Anonymous,
}

/// One realm's way from token to user.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SubjectMapping {
    /// The realm; left out: for tokens that no other mapping is for.
    pub realm: Option<String>,
    /// Type of a compound subject (`usr`, `age`) → collection.
    pub resource_type_mapping: Option<BTreeMap<String, String>>,
    /// The collection of every subject; either this or `resourceTypeMapping`.
    pub query_on_resource: Option<String>,
    /// Token field → user property. Default `sub` → `_id`.
    pub property_mapping: Option<BTreeMap<String, String>>,
    /// Path or paths of the user's roles, e.g. `authzRoles/*`.
    pub user_roles: Option<OneOrMany<String>>,
    /// Further fields of the user's record that are needed.
    pub additional_user_fields: Option<Vec<String>>,
    /// Roles that every user of this mapping has.
    pub default_roles: Option<Vec<String>>,
    /// Path of the user's property that lists groups.
    pub group_membership: Option<String>,
    /// Role → groups, any of which grants it.
    pub group_role_mapping: Option<BTreeMap<String, Vec<String>>>,
    /// How group names are compared. Default `equals`.
    pub group_comparison_method: Option<GroupComparison>,
}

/// How group names are compared.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum GroupComparison {
    /// Letter for letter.
    Equals,
    /// Case ignored.
    CaseInsensitive,
    /// Case ignored, and white space around `,` and `=`.
    Ldap,
}

/// Fixed subject → fixed user.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct StaticUser {
    /// The token's whole subject, e.g. `(usr!amadmin)`.
    pub subject: String,
    /// The user, as collection and id: `internal/user/openidm-admin`.
    pub local_user: String,
    /// The user's roles. Default none.
    pub roles: Option<Vec<String>>,
}

/// A fixed user.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct LocalUser {
    /// The user, as collection and id: `internal/user/anonymous`.
    pub local_user: String,
    /// The user's roles. Default none.
    pub roles: Option<Vec<String>>,
    /// Another name of `roles`.
    pub user_roles: Option<Vec<String>>,
}

/// Whether roles of relationships are full or leaf names.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum RoleNames {
    /// `internal/role/openidm-admin`.
    Full,
    /// `openidm-admin`, as before IDM 7.
    Leaf,
}

/// Which accounts may log in.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct AccountStatus {
    /// Accepted values of `accountStatus`. Default `[active]`.
    pub accepted: Option<Vec<String>>,
    /// Whether case is ignored. Default false.
    pub ignore_case: Option<bool>,
    /// Collections that are checked: exact, or a prefix that ends in `/*`. Default `["managed/*"]`.
    pub collections: Option<Vec<String>>,
}

/// A script.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Script {
    /// The script's language, e.g. `text/javascript`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The script itself.
    pub source: Option<String>,
    /// The script's file.
    pub file: Option<String>,
    /// Variables of the script.
    pub globals: Option<Map<String, Value>>,
    /// Further members are variables of the script, too.
    #[serde(flatten)]
    pub variables: Map<String, Value>,
}

/// Where user records live; exactly one of the three.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Directory {
    /// An identity manager that speaks CREST.
    pub idm: Option<Idm>,
    /// A file of users by collection.
    pub file: Option<String>,
    /// The token's own claims are the user.
    pub token: Option<TokenDirectory>,
}

/// The token's own claims are the user; there is nothing to say about them.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenDirectory {}

/// An identity manager that speaks CREST.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Idm {
    /// Its CREST root, e.g. `https://idm.example/openidm`.
    pub url: String,
    /// How Keyward authenticates there; left out: not at all.
    pub auth: Option<IdmAuth>,
    /// The longest a question may take. Default `5 seconds`.
    pub timeout: Option<DurationText>,
    /// PEM file of roots to trust instead of the system's.
    pub trusted_roots: Option<String>,
    /// How long records are kept.
    pub cache: Option<UserCache>,
}

/// How Keyward authenticates to the identity manager; one of the two.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct IdmAuth {
    /// `X-OpenIDM-Username` and `X-OpenIDM-Password`.
    pub headers: Option<IdmHeaders>,
    /// A token of Keyward's own, by client credentials.
    pub bearer: Option<IdmBearer>,
}

/// `X-OpenIDM-Username` and `X-OpenIDM-Password`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct IdmHeaders {
    /// The user name.
    pub username: String,
    /// The password.
    pub password: SecretText,
}

/// A token by client credentials (RFC 6749, section 4.4).
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct IdmBearer {
    /// The token endpoint.
    pub token_url: String,
    /// The client.
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretText,
    /// How the client authenticates. Default `client_secret_basic`.
    pub client_authentication: Option<ClientAuthentication>,
    /// How id and secret go into a Basic header. Default `form`.
    pub basic_encoding: Option<BasicEncoding>,
    /// Scopes to ask for.
    pub scopes: Option<Vec<String>>,
}

/// How long user records are kept.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct UserCache {
    /// How stale a user or role may be; `zero`: no cache. Default `5 seconds`.
    pub max_timeout: Option<DurationText>,
    /// How many records are kept. Default 10000.
    #[schemars(range(min = 1))]
    pub max_users: Option<u64>,
}

/// The access rules.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Access {
    /// How requests are read. Default `http`; `crest` with `accessFile`.
    pub style: Option<Style>,
    /// Taken off a path before it is matched; outside it nothing is granted. Default `/`; `/openidm` in `crest` style.
    pub context_path: Option<String>,
    /// What a POST with `X-HTTP-Method-Override` is, in `crest` style. Default `refuse`.
    pub method_override: Option<MethodOverride>,
    /// What IDM's own configuration says, for functions of `customAuthz` that ask for it.
    pub idm: Option<IdmConfiguration>,
    /// What a rule is whose `customAuthz` only IDM itself can answer. Default `refuse`.
    pub idm_only_rules: Option<IdmOnlyRules>,
    /// A script with functions of your own that `customAuthz` may call. Default the file of `accessFile`, if it is a
    /// script.
    pub functions_file: Option<String>,
    /// The rules; any that matches grants.
    pub rules: Option<Vec<Rule>>,
}

/// How requests are read for the rules.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum Style {
    /// create, read, query, action … on a resource path.
    Crest,
    /// GET, POST … on a path that begins with `/`.
    Http,
}

/// One access rule.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Rule {
    /// The rule's name in the audit. Default its place, e.g. `rules[3]`.
    pub name: Option<String>,
    /// `*`, an exact path, or a prefix that ends in `/*`.
    pub pattern: String,
    /// Roles, any of which is needed; `*` for everyone.
    pub roles: CommaList,
    /// Methods; `*` for all.
    pub methods: CommaList,
    /// CREST actions; `*` for all; left out: none.
    pub actions: Option<CommaList>,
    /// Patterns of paths that this rule is not for.
    #[schemars(extend("x-null" = true))]
    pub exclude_patterns: Option<CommaList>,
    /// An expression in IDM's JavaScript that must be true.
    #[schemars(extend("x-null" = true))]
    pub custom_authz: Option<String>,
    /// Scopes, all of which must be in the token.
    pub scopes: Option<CommaList>,
    /// A CEL expression that must be true.
    pub when: Option<String>,
    /// What the rule is for; read by people only.
    pub description: Option<String>,
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

/// How request paths are read.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Path {
    /// Doubled slashes become one instead of a refusal; dangerous. Default false.
    pub merge_slashes: Option<bool>,
    /// What `%2F` and `%5C` are; `keep` is dangerous. Default `refuse`.
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

/// The JSON schema of a configuration file as it is written: what `rsFilterFile` brings need not stand in the `rsFilter`
/// beside it.
#[must_use]
pub fn schema() -> Value {
    let mut schema = whole_schema();
    let of_rs_filter = schema.pointer_mut("/$defs/RsFilter").and_then(Value::as_object_mut);
    let Some(required) = of_rs_filter.and_then(|members| members.remove("required")) else { return schema };
    for pointer in ["", "/$defs/Filter"] {
        if let Some(Value::Object(members)) = schema.pointer_mut(pointer) {
            members.insert("if".to_owned(), json!({ "required": ["rsFilterFile"] }));
            members.insert("else".to_owned(), json!({ "properties": { "rsFilter": { "required": required } } }));
        }
    }
    schema
}

/// The schema of a configuration into which `rsFilterFile` and `accessFile` have been put.
pub(super) fn whole_schema() -> Value {
    let mut schema = schemars::schema_for!(File).to_value();
    let of_filter = schema.pointer("/$defs/Filter/properties").and_then(Value::as_object).cloned().unwrap_or_default();
    if let Some(Value::Object(top)) = schema.get_mut("properties") {
        for (key, value) in of_filter {
            if !["name", "hosts", "issuers"].contains(&key.as_str()) {
                top.insert(key, value);
            }
        }
    }
    if let Some(members) = schema.as_object_mut() {
        members.insert("title".to_owned(), Value::from("Keyward configuration"));
    }
    refuse_null(&mut schema);
    schema
}

/// A key without a value is a slip that could widen what is allowed: `null` is refused, but where IDM's files have it.
fn refuse_null(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            members.values_mut().for_each(refuse_null);
            members.retain(|key, value| key != "default" || !value.is_null());
            if members.get("x-null").is_some_and(|null| null == true) {
                return;
            }
            if let Some(Value::Array(types)) = members.get_mut("type") {
                types.retain(|name| name != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    members.insert("type".to_owned(), only);
                }
            }
            if let Some(Value::Array(branches)) = members.get_mut("anyOf") {
                branches.retain(|branch| branch.get("type").is_none_or(|name| name != "null"));
                if let [Value::Object(only)] = branches.as_slice() {
                    let only = only.clone();
                    members.remove("anyOf");
                    members.extend(only);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(refuse_null),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::schema;

    /// `UPDATE=1 cargo test the_committed_schema_is_current` rewrites it.
    #[test]
    fn the_committed_schema_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/keyward.schema.json");
        let current = format!("{:#}\n", schema());
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, &current).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(committed == current, "schema/keyward.schema.json is stale; run this test with UPDATE=1");
    }

    /// Whether `value` has what a schema of `if`, `else`, `properties`, `items`, `$ref` and `required` wants.
    fn complete(root: &Value, schema: &Value, value: &Value) -> bool {
        if let Some(target) = schema["$ref"].as_str() {
            return complete(root, root.pointer(target.trim_start_matches('#')).unwrap(), value);
        }
        let has = |schema: &Value| {
            schema["required"].as_array().into_iter().flatten().all(|key| value.get(key.as_str().unwrap()).is_some())
        };
        let else_holds = schema.get("if").is_none_or(&has) || complete(root, &schema["else"], value);
        let members = schema["properties"].as_object().into_iter().flatten();
        let members = members.filter_map(|(key, schema)| Some((schema, value.get(key)?)));
        let items = value.as_array().into_iter().flatten().map(|item| (&schema["items"], item));
        has(schema) && else_holds && members.chain(items).all(|(schema, value)| complete(root, schema, value))
    }

    #[test]
    fn what_the_file_brings_need_not_stand_beside_it_and_all_is_needed_without_one() {
        let schema = schema();
        let secret = json!({"clientSecret": {"env": "SECRET"}});
        let client = json!({"clientId": "c", "clientSecret": "s", "tokenIntrospectUrl": "https://am.test/"});
        for (file, expected) in [
            (json!({"rsFilterFile": "a.json"}), true),
            (json!({"rsFilterFile": "a.json", "rsFilter": secret}), true),
            (json!({"rsFilter": client}), true),
            (json!({"rsFilter": secret}), false),
            (json!({"rsFilter": {}}), false),
            (json!({"rsFilterFile": "a.json", "rsFilter": {"staticUserMapping": [{"subject": "x"}]}}), false),
            (json!({"filters": [{"name": "a", "rsFilterFile": "a.json", "rsFilter": secret}]}), true),
            (json!({"filters": [{"name": "a", "rsFilter": client}, {"name": "b"}]}), true),
            (json!({"filters": [{"name": "a", "rsFilterFile": "a.json"}, {"name": "b", "rsFilter": secret}]}), false),
        ] {
            assert_eq!(complete(&schema, &schema, &file), expected, "{file}");
        }
    }

    #[test]
    fn null_is_refused_but_where_idm_s_files_have_it() {
        let schema = schema();
        let rule = &schema["$defs"]["Rule"]["properties"];
        assert_eq!(rule["when"]["type"], "string");
        assert_eq!(rule["customAuthz"]["type"], serde_json::json!(["string", "null"]));
        assert_eq!(schema.to_string().matches("null").count(), 4, "customAuthz and excludePatterns, type and x-null");
    }

    #[test]
    fn every_key_is_described_and_every_secret_marked() {
        let schema = schema();
        let mut undescribed = Vec::new();
        let definitions = schema["$defs"].as_object().unwrap().iter();
        for (name, definition) in definitions.map(|(n, d)| (n.as_str(), d)).chain([("", &schema)]) {
            for (key, property) in definition["properties"].as_object().into_iter().flatten() {
                if property["description"].as_str().is_none_or(str::is_empty) {
                    undescribed.push(format!("{name}.{key}"));
                }
                if key.to_lowercase().contains("secret") || key == "password" {
                    assert_eq!(property["$ref"], "#/$defs/SecretText", "{name}.{key}");
                }
            }
        }
        assert!(undescribed.is_empty(), "{undescribed:?}");
        assert_eq!(schema["$defs"]["SecretText"]["writeOnly"], true);
    }
}
