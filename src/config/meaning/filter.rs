//! What does one filter mean?

use jiff::tz::TimeZone;

use super::{Context, Here, access, advice, directory, headers, rs_filter, typed};
use crate::config::{Filter, raw};
use crate::directory::Settings as Directory;
use crate::request::{EncodedSlashes, PathPolicy};
use crate::response;
use crate::response::settings::{OutageAnswer, OutageStatus};
use crate::subject::Collection;

/// One filter; `None` only if problems were collected.
pub(super) fn filter(cx: &mut Context<'_>, here: &Here<'_>) -> Option<Filter> {
    let raw: raw::Filter = typed(cx, here)?;
    let zone = time_zone(cx, &here.child("timeZone"), raw.time_zone.as_deref());
    let name = raw.name.clone().unwrap_or_else(|| "default".to_owned());
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) {
        cx.problem(&here.child("name"), "found an odd name; use letters, digits, `.`, `_` and `-`");
    }
    let hosts = hosts(cx, &here.child("hosts"), raw.hosts.unwrap_or_default());
    let maps = raw.rs_filter.as_ref().and_then(|rs| rs.subject_mapping.as_ref()).is_some_and(|list| !list.is_empty());
    if raw.directory.is_none() && maps {
        let message = "is missing, expected where the users of `subjectMapping` live: `idm`, `file` or `token`";
        cx.problem(&here.child("directory"), message);
    }
    let directory = directory::directory(cx, &here.child("directory"), raw.directory);
    let rs = here.child("rsFilter");
    let parts = match raw.rs_filter {
        Some(raw) => rs_filter::rs_filter(cx, &rs, raw, directory.as_ref(), zone.as_ref()),
        None => {
            cx.problem(
                &rs,
                "is missing, expected the authorization server's `clientId`, `clientSecret` and `tokenIntrospectUrl`",
            );
            None
        }
    };
    let access = access::access(cx, &here.child("access"), raw.access, directory.as_ref());
    if let (Some(parts), Some(access)) = (&parts, &access) {
        if let Some(directory) = &directory {
            account_status(cx, &rs, parts, directory);
        }
        access::suggest_leaf_names(cx, &rs.child("roleNames"), access, &parts.subject);
        if let (true, None, Some(directory)) = (cx.lint, &parts.augment, &directory) {
            advice::of_roles(cx, &here.child("access").child("rules"), access, &parts.subject, directory);
        }
    }
    let path = path(cx, &here.child("path"), raw.path.unwrap_or_default());
    let identity_headers = raw.identity_headers.unwrap_or_else(headers::default_identity_headers);
    let identity_headers = headers::headers(cx, &here.child("identityHeaders"), identity_headers);
    let response_headers = raw.response_headers.unwrap_or_default();
    let response_headers = headers::headers(cx, &here.child("responseHeaders"), response_headers);
    let outage = outage(cx, &here.child("outage"), &raw.outage.unwrap_or_default());
    let parts = parts?;
    Some(Filter {
        name,
        hosts,
        issuers: raw.issuers.unwrap_or_default(),
        credential: parts.credential,
        introspection: parts.introspection,
        token_policy: parts.token_policy,
        subject: parts.subject,
        account_status: parts.account_status,
        augment: parts.augment,
        directory: directory?,
        access: access?,
        path,
        response: response::settings::Settings {
            identity_headers,
            response_headers,
            remove_credential: raw.remove_credential.unwrap_or(false),
            error_detail: raw.error_detail.unwrap_or(true),
            outage,
        },
        time_zone: zone?,
    })
}

/// Remarks on a check of accounts that nobody passes or that everybody does (B20).
fn account_status(cx: &mut Context<'_>, rs: &Here<'_>, parts: &rs_filter::Parts, directory: &Directory) {
    let (settings, here) = (&parts.account_status, rs.child("accountStatus"));
    if settings.accepted.is_empty() {
        cx.warning(&here.child("accepted"), "is empty, so that no user of a checked collection may pass");
    }
    if !matches!(directory, Directory::Token) {
        if settings.collections.is_empty() {
            cx.warning(
                &here.child("collections"),
                "is empty, so that a locked or inactive account passes like any other",
            );
        }
        return;
    }
    for (index, mapping) in parts.subject.mappings.iter().enumerate() {
        let names: Vec<&String> = match &mapping.collection {
            Collection::Fixed(name) => vec![name],
            Collection::ByResourceType(by_type) => by_type.values().collect(),
        };
        if let Some(name) = names.into_iter().find(|name| settings.checks(name)) {
            let message = format!(
                "users of `{name}` need an `accountStatus`, and with `directory: token` that is a claim of the token, \
                 which few tokens have: without it every user is inactive; write another collection such as `token`, or \
                 `accountStatus: {{ collections: [] }}`"
            );
            cx.warning(&rs.child("subjectMapping").item(index), message);
        }
    }
}

fn time_zone(cx: &mut Context<'_>, here: &Here<'_>, name: Option<&str>) -> Option<TimeZone> {
    let Some(name) = name else { return Some(TimeZone::UTC) };
    match TimeZone::get(name) {
        Ok(zone) => Some(zone),
        Err(_) => {
            cx.problem(here, format!("found {}, expected an IANA time zone such as `Europe/Berlin`", here.shown()));
            None
        }
    }
}

fn hosts(cx: &mut Context<'_>, here: &Here<'_>, hosts: Vec<String>) -> Vec<String> {
    for (index, host) in hosts.iter().enumerate() {
        let bracketed = host.starts_with('[') && host.ends_with(']');
        let odd = host.is_empty() || host.contains(['/', '@', ' ', '*']) || (host.contains(':') && !bracketed);
        if odd {
            let here = here.item(index);
            cx.problem(
                &here,
                format!("found {}, expected a host such as `api.example`, without scheme and port", here.shown()),
            );
        }
    }
    hosts.iter().map(|host| host.strip_suffix('.').unwrap_or(host).to_lowercase()).collect()
}

fn path(cx: &mut Context<'_>, here: &Here<'_>, raw: raw::Path) -> PathPolicy {
    let merge_slashes = raw.merge_slashes.unwrap_or(false);
    if merge_slashes {
        cx.warning(&here.child("mergeSlashes"), "dangerous where the upstream reads `//` as it stands");
    }
    let encoded_slashes = match raw.encoded_slashes {
        None | Some(raw::EncodedSlashes::Refuse) => EncodedSlashes::Refuse,
        Some(raw::EncodedSlashes::Keep) => {
            cx.warning(&here.child("encodedSlashes"), "dangerous where the upstream decodes `%2F` before it routes");
            EncodedSlashes::Keep
        }
    };
    PathPolicy { merge_slashes, encoded_slashes }
}

fn outage(cx: &mut Context<'_>, here: &Here<'_>, raw: &raw::Outage) -> OutageAnswer {
    let status = match raw.status {
        None => OutageStatus::default(),
        Some(status) => OutageStatus::new(status).unwrap_or_else(|| {
            cx.problem(&here.child("status"), "found another status, expected one from 500 to 599");
            OutageStatus::default()
        }),
    };
    match raw.answer {
        None | Some(raw::OutageAnswer::Deny) => OutageAnswer::Deny(status),
        Some(raw::OutageAnswer::Error) => {
            let message = "lets requests pass undecided where Envoy's filter says `failure_mode_allow: true`; see that it \
                           does not, or write `deny`";
            cx.warning(&here.child("answer"), message);
            OutageAnswer::Error(status)
        }
    }
}
