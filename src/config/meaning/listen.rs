//! Where does the server listen?

use std::net::SocketAddr;

use super::values::{duration, timeout};
use super::{Context, Here, typed};
use crate::config::raw::{self, Listener, OneOrMany};
use crate::listen::{Address, Drain, Limits, Listen, Settings, TlsSettings};

const DEFAULT_EXT_AUTHZ: &str = "127.0.0.1:9191";
const DEFAULT_ADMIN: &str = "127.0.0.1:9902";

/// `listen`.
pub(super) fn listen(cx: &mut Context<'_>, here: &Here<'_>) -> Option<Settings> {
    let raw: raw::Listen = if here.node.is_some() { typed(cx, here)? } else { raw::Listen::default() };
    let place = here.child("extAuthz");
    let listeners: Vec<(Here<'_>, Listener)> = match raw.ext_authz {
        None => vec![(place, Listener::Address(DEFAULT_EXT_AUTHZ.to_owned()))],
        Some(OneOrMany::One(one)) => vec![(place, one)],
        Some(OneOrMany::Many(many)) => {
            if many.is_empty() {
                cx.problem(&place, "found no address, expected at least one such as `127.0.0.1:9191`");
            }
            many.into_iter().enumerate().map(|(index, one)| (place.item(index), one)).collect()
        }
    };
    let ext_authz: Vec<Option<Listen>> = listeners.into_iter().map(|(here, raw)| listener(cx, &here, raw)).collect();
    let admin = match raw.admin.as_deref() {
        Some("off") => Some(None),
        text => tcp(cx, &here.child("admin"), text.unwrap_or(DEFAULT_ADMIN)).map(Some),
    };
    let health = match raw.health.as_deref() {
        None | Some("off") => Some(None),
        Some(text) => tcp(cx, &here.child("health"), text).map(Some),
    };
    let default = Drain::default();
    let grace = duration(cx, &here.child("grace"), raw.grace.as_ref(), default.grace);
    let deadline = duration(cx, &here.child("drainDeadline"), raw.drain_deadline.as_ref(), default.deadline);
    let limits = limits(cx, &here.child("limits"), &raw.limits.unwrap_or_default());
    let known: Vec<Address> = ext_authz.iter().flatten().map(|listen| listen.address.clone()).collect();
    let others = [admin.flatten(), health.flatten()].into_iter().flatten().map(Address::Tcp);
    refuse_same_twice(cx, here, known.into_iter().chain(others));
    let ext_authz = ext_authz.into_iter().collect::<Option<_>>()?;
    let drain = Drain { grace: grace?, deadline: deadline? };
    Some(Settings { ext_authz, admin: admin?, health: health?, drain, limits: limits? })
}

fn limits(cx: &mut Context<'_>, here: &Here<'_>, raw: &raw::Limits) -> Option<Limits> {
    let default = Limits::default();
    let handshake =
        timeout(cx, &here.child("handshakeTimeout"), raw.handshake_timeout.as_ref(), default.handshake_timeout);
    let message = timeout(cx, &here.child("messageTimeout"), raw.message_timeout.as_ref(), default.message_timeout);
    let keepalive = timeout(cx, &here.child("keepalive"), raw.keepalive.as_ref(), default.keepalive);
    Some(Limits {
        max_connections: raw.max_connections.unwrap_or(default.max_connections),
        max_streams: raw.max_streams.unwrap_or(default.max_streams),
        max_message_bytes: raw.max_message_bytes.unwrap_or(default.max_message_bytes),
        max_in_flight: raw.max_in_flight.unwrap_or(default.max_in_flight),
        handshake_timeout: handshake?,
        message_timeout: message?,
        keepalive: keepalive?,
    })
}

fn listener(cx: &mut Context<'_>, here: &Here<'_>, raw: Listener) -> Option<Listen> {
    match raw {
        Listener::Address(text) => Some(Listen { address: address(cx, here, &text)?, tls: None }),
        Listener::WithTls(raw) => {
            let tls = raw.tls.map(|tls| TlsSettings {
                certificate: cx.resolve(&tls.certificate),
                key: cx.resolve(&tls.key),
                client_ca: tls.client_ca.as_deref().map(|file| cx.resolve(file)),
            });
            Some(Listen { address: address(cx, &here.child("address"), &raw.address)?, tls })
        }
    }
}

fn address(cx: &mut Context<'_>, here: &Here<'_>, text: &str) -> Option<Address> {
    match text.strip_prefix("unix:") {
        Some(path) => {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() || path.ends_with('/') {
                cx.problem(
                    here,
                    format!(
                        "found {}, expected a socket's path such as `unix:/run/keyward/ext_authz.sock`",
                        here.shown()
                    ),
                );
                return None;
            }
            Some(Address::Unix(cx.resolve(path)))
        }
        None => tcp(cx, here, text).map(Address::Tcp),
    }
}

fn tcp(cx: &mut Context<'_>, here: &Here<'_>, text: &str) -> Option<SocketAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let advice = match text.rsplit_once(':') {
        Some(("", port)) if port.parse::<u16>().is_ok() => "; write the address too: `0.0.0.0` for all",
        Some((_, port)) if port.parse::<u16>().is_ok() => "; write the address as a number",
        _ => "",
    };
    cx.problem(here, format!("found {}, expected an address and port such as `127.0.0.1:9191`{advice}", here.shown()));
    None
}

/// Two listeners at one address: the second could not be opened.
fn refuse_same_twice(cx: &mut Context<'_>, here: &Here<'_>, addresses: impl Iterator<Item = Address>) {
    let mut seen: Vec<Address> = Vec::new();
    for address in addresses {
        if seen.iter().any(|other| collide(other, &address)) {
            cx.problem(here, format!("found `{address}` beside a listener that is there already; give each its own"));
        }
        seen.push(address);
    }
}

/// `0.0.0.0` and `::` take a port of every address of their kind; port 0 is any that is free.
fn collide(one: &Address, other: &Address) -> bool {
    match (one, other) {
        (Address::Tcp(one), Address::Tcp(other)) => {
            let every = one.ip().is_unspecified() || other.ip().is_unspecified();
            let meet = one.ip() == other.ip() || (every && one.is_ipv4() == other.is_ipv4());
            one.port() != 0 && one.port() == other.port() && meet
        }
        (Address::Unix(one), Address::Unix(other)) => one == other,
        _ => false,
    }
}
