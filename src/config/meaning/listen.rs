//! Where does the server listen?

use std::collections::HashSet;
use std::net::SocketAddr;

use super::{Context, Here, typed};
use crate::config::raw::{self, Listener, OneOrMany};
use crate::listen::{Address, Listen, Settings, TlsSettings};

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
        Some("off") => None,
        text => Some(tcp(cx, &here.child("admin"), text.unwrap_or(DEFAULT_ADMIN))?),
    };
    let ext_authz: Vec<Listen> = ext_authz.into_iter().collect::<Option<_>>()?;
    refuse_same_twice(cx, here, &ext_authz, admin);
    Some(Settings { ext_authz, admin })
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

fn refuse_same_twice(cx: &mut Context<'_>, here: &Here<'_>, ext_authz: &[Listen], admin: Option<SocketAddr>) {
    let mut seen = HashSet::new();
    let addresses = ext_authz.iter().map(|listen| listen.address.clone()).chain(admin.map(Address::Tcp));
    for address in addresses {
        let any_port = matches!(address, Address::Tcp(address) if address.port() == 0);
        if !any_port && !seen.insert(format!("{address:?}")) {
            cx.problem(here, "found one address twice; give each listener its own");
        }
    }
}
