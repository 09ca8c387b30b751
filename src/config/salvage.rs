//! What is left of a configuration once the parts of a wrong shape are taken out? So that the rest is judged as well.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::Value;

use super::problem::{Place, Problem};
use super::shape::{self, Missing};
use super::tree::{self, Entry, Kind, Node};

/// Enough to climb from the deepest place to the top.
const MOST_ROUNDS: usize = 8;

/// The tree without whatever `problems` speak of, and the paths of which nothing can be said any more; `None` where nothing
/// useful is left.
///
/// What a part lacks is put there as the schema's example has it, so that the rest of the part is judged; where there is no
/// example, the part is taken out whole.
pub(super) fn salvage(mut tree: Node, problems: &[Problem], schema: &Value) -> Option<(Node, Vec<String>)> {
    let file = Arc::clone(&tree.place.file);
    let mut removed: Vec<String> = Vec::new();
    let mut filled: HashSet<Place> = HashSet::new();
    // What is wrong with another file as a whole leaves this one as it is.
    let told = problems.iter().map(|problem| &problem.place);
    let mut wrong: Vec<Place> = told.filter(|place| place.file == file || !place.path.is_empty()).cloned().collect();
    let mut missing = shape::check(&tree, schema).missing;
    for _ in 0..MOST_ROUNDS {
        fill(&mut tree, &examples(&missing), &mut filled);
        wrong.retain(|place| !filled.contains(place));
        for place in wrong {
            if removed.iter().any(|outer| is_within(outer, &place.path)) {
                continue;
            }
            match remove(&mut tree, place.path) {
                Some(path) => removed.push(path),
                None if place.file == file => return None,
                None => {}
            }
        }
        let shape = shape::check(&tree, schema);
        if shape.problems.is_empty() {
            removed.extend(filled.into_iter().map(|place| unjudged(place.path)));
            return Some((tree, removed));
        }
        wrong = shape.problems.into_iter().map(|problem| problem.place).collect();
        missing = shape.missing;
    }
    None
}

/// The keys that each map lacks, with the schema's example of each as if it had been written there.
fn examples(missing: &[Missing<'_>]) -> HashMap<Place, Vec<Entry>> {
    let mut by_map: HashMap<Place, Vec<Entry>> = HashMap::new();
    for Missing { from, key, example } in missing {
        let place = from.child(key);
        let parsed = example.map(|value| tree::parse(&value.to_string(), &"example.json".into()));
        if let Some(Ok(node)) = parsed {
            let entry = Entry { key: (*key).to_owned(), node: node.at(&place, false), place };
            by_map.entry(from.clone()).or_default().push(entry);
        }
    }
    by_map
}

/// Puts the keys into the maps that lack them; where an alias or a file brought a map twice, into both.
fn fill(node: &mut Node, lacking: &HashMap<Place, Vec<Entry>>, filled: &mut HashSet<Place>) {
    match &mut node.kind {
        Kind::Map(entries) => {
            for entry in lacking.get(&node.place).into_iter().flatten() {
                if !entries.iter().any(|other| other.key == entry.key) {
                    filled.insert(entry.place.clone());
                    entries.push(entry.clone());
                }
            }
            entries.iter_mut().for_each(|entry| fill(&mut entry.node, lacking, filled));
        }
        Kind::List(items) => items.iter_mut().for_each(|item| fill(item, lacking, filled)),
        Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) => {}
    }
}

/// What is not judged if the key at `path` was made up. An item is one thing: what is said of one of its keys may come of
/// another.
fn unjudged(mut path: String) -> String {
    if let Some((item, key)) = path.rsplit_once('.')
        && item.ends_with(']')
        && !key.is_empty()
    {
        path.truncate(item.len());
    }
    path
}

/// Whether a problem at `place` could come from what was taken out of `file` or put in: it stands above, at or below it.
pub(super) fn is_affected(place: &Place, silent: &[String], file: &str) -> bool {
    (place.path.is_empty() && *place.file == *file)
        || silent.iter().any(|path| is_within(path, &place.path) || is_within(&place.path, path))
}

/// Takes out what stands at `path`, or what it should have stood in; `None` where that is the whole file.
fn remove(tree: &mut Node, mut path: String) -> Option<String> {
    loop {
        if path.is_empty() {
            return None;
        }
        if take(tree, &path) {
            // An item took its list with it.
            let end = if path.ends_with(']') { path.rfind('[') } else { None };
            path.truncate(end.unwrap_or(path.len()));
            return Some(path);
        }
        let parent = path.rfind(['.', '[']).unwrap_or(0);
        path.truncate(parent);
    }
}

/// An item of a list takes the list with it: the places of the others would no longer be true.
fn take(node: &mut Node, path: &str) -> bool {
    let Kind::Map(entries) = &mut node.kind else { return false };
    let before = entries.len();
    entries.retain(|entry| entry.place.path != path && entry.node.place.path != path && !has_item(&entry.node, path));
    entries.len() < before || entries.iter_mut().any(|entry| take_below(&mut entry.node, path))
}

fn take_below(node: &mut Node, path: &str) -> bool {
    match &mut node.kind {
        Kind::List(items) => items.iter_mut().any(|item| take_below(item, path)),
        _ => take(node, path),
    }
}

fn has_item(node: &Node, path: &str) -> bool {
    matches!(&node.kind, Kind::List(items) if items.iter().any(|item| item.place.path == path || has_item(item, path)))
}

fn is_within(outer: &str, inner: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}
