//! What do single values mean: durations, secrets, URLs, time zones, files?

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use url::{Host, Url};

use super::{Context, Here};
use crate::config::duration::{self, Written};
use crate::config::raw;
use crate::config::shape::shown_key;
use crate::config::tree::Node;
use crate::introspection::settings::MaxTimeout;
use crate::principal::Role;
use crate::secret::Secret;

/// The entries of a map in the order in which they were written.
pub(super) fn as_written<V>(here: &Here<'_>, mut map: BTreeMap<String, V>) -> Vec<(String, V)> {
    let written = here.node.map(Node::entries).unwrap_or_default();
    let mut entries: Vec<_> = written.iter().filter_map(|entry| map.remove_entry(&entry.key)).collect();
    entries.extend(map);
    entries
}

/// A duration that has an end; `default` where nothing is written.
pub(super) fn duration(
    cx: &mut Context<'_>,
    here: &Here<'_>,
    raw: Option<&raw::DurationText>,
    default: Duration,
) -> Option<Duration> {
    let Some(raw) = raw else { return Some(default) };
    match written(cx, here, raw)? {
        Written::Finite(duration) => Some(duration),
        Written::Zero => Some(Duration::ZERO),
        Written::Unlimited => {
            cx.problem(here, "found no limit, expected a duration such as `5 seconds`; write one that ends");
            None
        }
    }
}

/// As [`duration()`], but not zero: a timeout.
pub(super) fn timeout(
    cx: &mut Context<'_>,
    here: &Here<'_>,
    raw: Option<&raw::DurationText>,
    default: Duration,
) -> Option<Duration> {
    let duration = duration(cx, here, raw, default)?;
    if duration.is_zero() {
        cx.problem(here, "found a timeout of zero, expected a duration such as `5 seconds`");
        return None;
    }
    Some(duration)
}

/// `cache.maxTimeout` (A25).
pub(super) fn max_timeout(
    cx: &mut Context<'_>,
    here: &Here<'_>,
    raw: Option<&raw::DurationText>,
    default: Duration,
) -> Option<MaxTimeout> {
    let Some(raw) = raw else { return Some(MaxTimeout::AtMost(default)) };
    Some(match written(cx, here, raw)? {
        Written::Finite(duration) if duration.is_zero() => MaxTimeout::Off,
        Written::Finite(duration) => MaxTimeout::AtMost(duration),
        Written::Zero => MaxTimeout::Off,
        Written::Unlimited => MaxTimeout::UntilExpiry,
    })
}

fn written(cx: &mut Context<'_>, here: &Here<'_>, raw: &raw::DurationText) -> Option<Written> {
    match duration::parse(&raw.0) {
        Ok(written) => Some(written),
        Err(advice) => {
            let found = here.shown();
            cx.problem(here, format!("found {found}, expected a duration such as `300 seconds`; {advice}"));
            None
        }
    }
}

/// A secret, from wherever it comes.
pub(super) fn secret(cx: &mut Context<'_>, here: &Here<'_>, raw: &raw::SecretText) -> Option<Secret> {
    let value = match raw {
        raw::SecretText::Plain(value) => {
            if !here.is_substituted() {
                cx.warning(here, "the secret stands in the file; write `{ file: … }`, `{ env: … }` or `\"&{name}\"`");
            }
            value.clone()
        }
        raw::SecretText::File(reference) => match cx.read_text(&reference.file) {
            Ok(mut text) => {
                let kept = text.trim_end_matches(['\n', '\r']).len();
                text.truncate(kept);
                text
            }
            Err(error) => {
                // The name may be the secret itself, written in the wrong place: the place says enough.
                cx.problem(&here.child("file"), format!("the secret's file {error}"));
                return None;
            }
        },
        raw::SecretText::Env(reference) => match cx.env.var(&reference.env) {
            Some(value) => value,
            None => {
                let here = here.child("env");
                let name =
                    if here.is_substituted() { String::new() } else { format!(" {}", shown_key(&reference.env)) };
                cx.problem(&here, format!("the environment variable{name} is not set"));
                return None;
            }
        },
    };
    if value.is_empty() {
        cx.problem(here, "found an empty secret; give one");
        return None;
    }
    if value.chars().any(char::is_control) {
        cx.problem(here, "found a secret with a line break or another control character; keep it to one line");
        return None;
    }
    Some(Secret::new(value))
}

/// An absolute `http` or `https` URL without credentials and fragment.
pub(super) fn url(cx: &mut Context<'_>, here: &Here<'_>, text: &str) -> Option<Url> {
    let Ok(url) = Url::parse(text) else {
        // SECURITY: a URL may hold a password.
        let found = if text.contains('@') { "a text".to_owned() } else { here.shown() };
        cx.problem(here, format!("found {found}, expected a URL such as `https://am.example/introspect`"));
        return None;
    };
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        cx.problem(here, format!("found a URL of scheme `{}`, expected `https` and a host", url.scheme()));
        return None;
    }
    if !url.username().is_empty() || url.password().is_some() {
        cx.problem(here, "found a URL with a user name or password; give them by the keys that are there for it");
        return None;
    }
    if url.fragment().is_some() {
        cx.problem(here, "found a URL with a fragment (`#…`); take it away");
        return None;
    }
    if url.scheme() == "http" && !is_loopback(&url) {
        cx.warning(here, "`http` to another machine shows tokens and secrets to the network; use `https`");
    }
    Some(url)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}

/// A PEM bundle of roots to trust.
pub(super) fn trusted_roots(cx: &mut Context<'_>, here: &Here<'_>, file: Option<&str>) -> Option<Option<Vec<u8>>> {
    let Some(file) = file else { return Some(None) };
    match cx.read(file) {
        Ok(pem) if String::from_utf8_lossy(&pem).contains("-----BEGIN CERTIFICATE-----") => Some(Some(pem)),
        Ok(_) => {
            cx.problem(here, "the file holds no `BEGIN CERTIFICATE`; expected a PEM bundle");
            None
        }
        Err(error) => {
            cx.problem(here, format!("the file {} {error}", here.shown()));
            None
        }
    }
}

/// Role names, none of them empty.
pub(super) fn roles(cx: &mut Context<'_>, here: &Here<'_>, names: Option<&[String]>) -> Vec<Role> {
    let mut roles = Vec::new();
    for (index, name) in names.unwrap_or_default().iter().enumerate() {
        match Role::new(name) {
            Some(role) => roles.push(role),
            None => cx.problem(&here.item(index), "found an empty role name; take it away"),
        }
    }
    roles
}

/// One or many as a list, none empty.
pub(super) fn list(cx: &mut Context<'_>, here: &Here<'_>, raw: Option<raw::OneOrMany<String>>) -> Vec<String> {
    let list = match raw {
        None => return Vec::new(),
        Some(raw::OneOrMany::One(one)) => vec![one],
        Some(raw::OneOrMany::Many(many)) => many,
    };
    if list.is_empty() || list.iter().any(String::is_empty) {
        cx.problem(here, "found an empty value; give one or take the key away");
    }
    list
}

/// A text that must not be empty.
pub(super) fn filled(cx: &mut Context<'_>, here: &Here<'_>, text: &str) {
    if text.is_empty() {
        cx.problem(here, "found an empty text; give a value");
    }
}
