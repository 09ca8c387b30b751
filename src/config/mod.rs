//! What did the operator write, and what does it mean?

use jiff::tz::TimeZone;

use crate::request::PathPolicy;
use crate::{access, account_status, app, audit, credential, directory, introspection, response, subject};

/// A whole configuration, valid by construction.
#[derive(Debug, Clone)]
pub struct Config {
    /// `listen`.
    pub listen: app::settings::Settings,
    /// `audit`.
    pub audit: audit::settings::Settings,
    /// The filters; the single form is one named `default`. INVARIANT: at least one, names unique.
    pub filters: Vec<Filter>,
}

/// One filter: its own authorization server, mappings, cache and rules.
#[derive(Debug, Clone)]
pub struct Filter {
    /// `name`.
    pub name: String,
    /// `hosts`: authorities that choose this filter, lower case, without port.
    pub hosts: Vec<String>,
    /// `issuers`: unverified `iss` of JWTs that choose this filter.
    pub issuers: Vec<String>,
    /// Where credentials stand.
    pub credential: credential::settings::Settings,
    /// How tokens are introspected.
    pub introspection: introspection::Settings,
    /// What a token must be.
    pub token_policy: introspection::TokenPolicy,
    /// Who tokens are about.
    pub subject: subject::Settings,
    /// Which accounts may log in.
    pub account_status: account_status::Settings,
    /// Where users live.
    pub directory: directory::Settings,
    /// The access rules.
    pub access: access::Settings,
    /// How paths are read.
    pub path: PathPolicy,
    /// What answers look like.
    pub response: response::settings::Settings,
    /// `timeZone`.
    pub time_zone: TimeZone,
}
