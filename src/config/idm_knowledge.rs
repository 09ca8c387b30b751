//! What do IDM's `ui-configuration.json` and `managed.json` say that rules ask for?

use super::files::Properties;
use super::idm_files::{member_mut, read, take_key};
use super::meaning::Context;
use super::problem::{Place, Problem};
use super::substitute::substitute;
use super::tree::{self, Entry, Kind, Node};

/// Which parts of a file are read. Expressions in the others need no value here.
enum Read {
    Whole,
    Keys(&'static [(&'static str, Read)]),
    EachItem(&'static Read),
    EachValue(&'static Read),
}

const UI_CONFIGURATION: Read = Read::Keys(&[("configuration", Read::Whole)]);
const PROPERTY: Read = Read::Keys(&[("userEditable", Read::Whole), ("isProtected", Read::Whole)]);
const OBJECT: Read =
    Read::Keys(&[("name", Read::Whole), ("schema", Read::Keys(&[("properties", Read::EachValue(&PROPERTY))]))]);
const MANAGED: Read = Read::Keys(&[("objects", Read::EachItem(&OBJECT))]);

/// Puts the content of the files that `access.idm` names where it would stand if it were written there.
pub(super) fn include(access: &mut Node, properties: &Properties, cx: &mut Context<'_>) {
    let Some(Node { kind: Kind::Map(entries), .. }) = member_mut(access, "idm") else { return };
    for (key, instead_of, parts, inner, empty) in [
        ("uiConfigurationFile", "uiConfiguration", UI_CONFIGURATION, "configuration", Kind::Map(Vec::new())),
        ("managedFile", "managed", MANAGED, "objects", Kind::List(Vec::new())),
    ] {
        let Some((at, file)) = take_key(entries, key) else { continue };
        if entries.iter().any(|entry| entry.key == instead_of) {
            cx.problems.push(Problem::new(&at, format!("stands beside `{instead_of}`; keep one of them")));
            continue;
        }
        let node = read(&at, &file, cx).and_then(|(name, text)| {
            let parsed = tree::parse(&text, &name);
            parsed.map_err(|problems| cx.problems.extend(problems)).ok()
        });
        let node = node.map(|mut node| {
            reduce(&mut node, &parts);
            substitute(&mut node, properties, cx);
            node
        });
        // The rules are judged though a file cannot be read, and not refused once more for want of it.
        let node = node.unwrap_or_else(|| {
            let entry = |key: &str, place: &Place, kind| {
                let node = Node { place: place.clone(), kind, substituted: false };
                Entry { key: key.to_owned(), place: place.clone(), node }
            };
            entries.push(entry(key, &at, Kind::Text(file)));
            entry(instead_of, &at.child(instead_of), Kind::Map(vec![entry(inner, &at.child(inner), empty)])).node
        });
        entries.push(Entry { key: instead_of.to_owned(), place: node.place.clone(), node });
    }
}

/// Takes away what is not read. What has another kind than expected stays, for the check of the shape.
fn reduce(node: &mut Node, parts: &Read) {
    match (parts, &mut node.kind) {
        (Read::Keys(keys), Kind::Map(entries)) => {
            entries.retain(|entry| keys.iter().any(|(key, _)| *key == entry.key));
            for entry in entries {
                if let Some((_, parts)) = keys.iter().find(|(key, _)| *key == entry.key) {
                    reduce(&mut entry.node, parts);
                }
            }
        }
        (Read::EachItem(parts), Kind::List(items)) => items.iter_mut().for_each(|item| reduce(item, parts)),
        (Read::EachValue(parts), Kind::Map(entries)) => {
            entries.iter_mut().for_each(|entry| reduce(&mut entry.node, parts));
        }
        _ => {}
    }
}
