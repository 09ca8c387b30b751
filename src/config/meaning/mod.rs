//! What does a file of the right shape mean? From what was written to the settings of every stage.

mod access;
mod advice;
mod augment;
mod directory;
mod filter;
mod headers;
mod knowledge;
mod listen;
mod rs_filter;
mod values;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::environment::Environment;
use super::problem::{Place, Problem};
use super::raw;
use super::sources::Snapshot;
use super::tree::{Entry, Kind, Node};
use super::{Config, Filter};
use crate::explain::settings::Readers;
use crate::{audit, explain};

/// Keys that stand at top level only.
const TOP_ONLY: [&str; 6] = ["listen", "audit", "explain", "propertyFiles", "filters", "serverAuthContext"];
/// Keys that stand either at top level or within filters, never in both.
const NEVER_BOTH: [&str; 4] = ["rsFilter", "rsFilterFile", "access", "accessFile"];

/// What conversion needs beside the tree, and what it collects.
pub(super) struct Context<'e> {
    pub env: &'e dyn Environment,
    /// What relative paths are relative to.
    pub base: PathBuf,
    pub problems: Vec<Problem>,
    pub warnings: Vec<Problem>,
    /// Every file that was read, and what was in it.
    pub files: Snapshot<'e>,
    /// Whether warnings hold advice too, which may take longer than a start should.
    pub lint: bool,
}

impl Context<'_> {
    fn problem(&mut self, here: &Here<'_>, message: impl Into<String>) {
        self.problems.push(Problem::new(&here.place, message));
    }

    fn warning(&mut self, here: &Here<'_>, message: impl Into<String>) {
        self.warnings.push(Problem::new(&here.place, message));
    }

    /// A path as written, seen from the configuration file's folder.
    pub fn resolve(&self, written: &str) -> PathBuf {
        self.base.join(written)
    }

    /// Reads a file, as it was when it was first read, and remembers that it is part of the configuration.
    pub fn read(&mut self, written: &str) -> Result<Vec<u8>, String> {
        self.files.read(&self.base.join(written))
    }

    /// As [`Self::read`], as text.
    pub fn read_text(&mut self, written: &str) -> Result<String, String> {
        String::from_utf8(self.read(written)?).map_err(|_| "is not UTF-8".to_owned())
    }
}

/// A value, or the place where it would stand.
#[derive(Clone)]
pub(super) struct Here<'a> {
    node: Option<&'a Node>,
    place: Place,
}

impl<'a> Here<'a> {
    fn of(node: &'a Node) -> Self {
        Self { node: Some(node), place: node.place.clone() }
    }

    fn child(&self, key: &str) -> Self {
        match self.node.and_then(|node| node.get(key)) {
            Some(node) => Self::of(node),
            None => Self { node: None, place: self.place.child(key) },
        }
    }

    fn item(&self, index: usize) -> Self {
        match self.node.and_then(|node| node.items().get(index)) {
            Some(node) => Self::of(node),
            None => self.clone(),
        }
    }

    /// The value as a message may show it.
    fn shown(&self) -> String {
        self.node.map_or_else(|| "nothing".to_owned(), |node| super::shape::shown(node, false))
    }

    fn is_substituted(&self) -> bool {
        self.node.is_some_and(|node| node.substituted)
    }
}

/// Reads a node of the right shape as `T`. The shape has been checked, so that a failure here is ours; it is still told.
fn typed<T: serde::de::DeserializeOwned>(cx: &mut Context<'_>, here: &Here<'_>) -> Option<T> {
    let value = here.node.map(Node::to_json).unwrap_or_default();
    match serde_path_to_error::deserialize(value) {
        Ok(value) => Some(value),
        Err(error) => {
            // The error's own words may hold the value.
            cx.problem(here, format!("cannot be read at `{}`; see `keyward schema`", error.path()));
            None
        }
    }
}

/// What the whole file means; `None` only if problems were collected.
pub(super) fn convert(tree: &Node, cx: &mut Context<'_>) -> Option<Config> {
    let top = Here::of(tree);
    refuse_other_modules(tree, cx);
    let listen = top.child("listen");
    let listen = listen::listen(cx, &listen);
    let audit = audit(cx, &top.child("audit"));
    let admin = listen.as_ref().and_then(|listen| listen.admin);
    let explain = explain(cx, &top.child("explain"), admin);
    let filters = filter_nodes(tree, cx);
    let filter = |node: Node| {
        let filter = filter::filter(cx, &Here::of(&node));
        node.take_apart();
        filter
    };
    let filters: Vec<Option<Filter>> = filters.into_iter().map(filter).collect();
    let filters: Option<Vec<Filter>> = filters.into_iter().collect();
    let filters = filters?;
    Some(Config { listen: listen?, audit: audit?, explain: explain?, filters })
}

/// A2: with `rsFilter` there is no other mechanism.
pub(super) fn refuse_other_modules(tree: &Node, cx: &mut Context<'_>) {
    let Some(modules) = tree.get("serverAuthContext").and_then(|context| context.get("authModules")) else { return };
    let found = match &modules.kind {
        Kind::List(items) if items.is_empty() => return,
        Kind::List(items) => format!("{} authentication modules", items.len()),
        _ => modules.kind_name().to_owned(),
    };
    let message =
        format!("found {found} beside `rsFilter`, expected an empty list: it is the only mechanism; take them away");
    cx.problems.push(Problem::new(&modules.place, message));
}

fn audit(cx: &mut Context<'_>, here: &Here<'_>) -> Option<audit::settings::Settings> {
    let default = audit::settings::Settings::default();
    if here.node.is_none() {
        return Some(default);
    }
    let raw: raw::Audit = typed(cx, here)?;
    Some(audit::settings::Settings {
        allows: raw.allows.unwrap_or(default.allows),
        denials: raw.denials.unwrap_or(default.denials),
        to: match raw.to {
            None | Some(raw::AuditTo::Stdout) => audit::settings::AuditTarget::Stdout,
            Some(raw::AuditTo::Off) => audit::settings::AuditTarget::Off,
        },
        redact: raw.redact.unwrap_or(default.redact),
    })
}

fn explain(cx: &mut Context<'_>, here: &Here<'_>, admin: Option<SocketAddr>) -> Option<explain::Settings> {
    let default = explain::Settings::default();
    if here.node.is_none() {
        return Some(default);
    }
    let raw: raw::Explain = typed(cx, here)?;
    let settings = explain::Settings {
        decisions: raw.decisions.and_then(|most| usize::try_from(most).ok()).unwrap_or(default.decisions),
        allows: raw.allows.unwrap_or(default.allows),
        header: raw.header.unwrap_or(default.header),
        readers: match raw.readers {
            None | Some(raw::Readers::Local) => Readers::Local,
            Some(raw::Readers::Anyone) => Readers::Anyone,
        },
    };
    let far = admin.filter(|admin| !admin.ip().to_canonical().is_loopback());
    if let (Some(admin), Readers::Anyone, 1..) = (far, settings.readers, settings.decisions) {
        let message = format!(
            "whoever reaches the admin listener at `{admin}` can read who was refused what; `readers: local` tells              loopback addresses only"
        );
        cx.warning(&here.child("readers"), message);
    }
    Some(settings)
}

/// One map for each filter, with what it takes over from the top level.
fn filter_nodes(tree: &Node, cx: &mut Context<'_>) -> Vec<Node> {
    let shared: Vec<Entry> = tree.entries().iter().filter(|e| !TOP_ONLY.contains(&e.key.as_str())).cloned().collect();
    let Some(list) = tree.get("filters") else {
        return vec![Node { place: tree.place.clone(), kind: Kind::Map(shared), substituted: false }];
    };
    if list.items().is_empty() {
        cx.problems.push(Problem::new(&list.place, "found no filter, expected at least one"));
    }
    for key in NEVER_BOTH {
        let inside = list.items().iter().find_map(|filter| filter.get(key));
        if let (Some(top), Some(inside)) = (tree.get(key), inside) {
            let message =
                format!("stands at top level and at line {} within a filter; keep one of them", inside.place.line);
            cx.problems.push(Problem::new(&top.place, message));
        }
    }
    check_names(list, cx);
    let merged = |filter: &Node| {
        let mut entries = filter.entries().to_vec();
        entries.extend(shared.iter().filter(|e| filter.get(&e.key).is_none()).cloned());
        Node { place: filter.place.clone(), kind: Kind::Map(entries), substituted: false }
    };
    list.items().iter().map(merged).collect()
}

/// Names, hosts and issuers choose a filter: each at most once.
fn check_names(list: &Node, cx: &mut Context<'_>) {
    let mut seen: HashMap<(&str, String), &Place> = HashMap::new();
    for filter in list.items() {
        if filter.get("name").is_none() {
            cx.problems.push(Problem::new(&filter.place.child("name"), "is missing, expected the filter's name"));
        }
        let hosts = filter.get("hosts").into_iter().flat_map(Node::items).map(|node| ("host", node));
        let issuers = filter.get("issuers").into_iter().flat_map(Node::items).map(|node| ("issuer", node));
        for (what, node) in filter.get("name").map(|node| ("name", node)).into_iter().chain(hosts).chain(issuers) {
            let Some(text) = node.text() else { continue };
            let text = match what {
                // One spelling, as requests are compared with it (T-25).
                "host" => text.strip_suffix('.').unwrap_or(text).to_lowercase(),
                _ => text.to_owned(),
            };
            if let Some(first) = seen.get(&(what, text.clone())) {
                let message = format!(
                    "found a {what} that stands already at line {}, column {}; a {what} chooses one filter",
                    first.line, first.column
                );
                cx.problems.push(Problem::new(&node.place, message));
            } else {
                seen.insert((what, text), &node.place);
            }
        }
    }
}
