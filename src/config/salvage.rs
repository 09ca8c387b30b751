//! What is left of a configuration once the parts of a wrong shape are taken out? So that the rest is judged as well.

use serde_json::Value;

use super::problem::{Place, Problem};
use super::shape;
use super::tree::{self, Entry, Kind, Node};

/// Enough to climb from the deepest place to the top.
const MOST_ROUNDS: usize = 8;

/// The tree without whatever `problems` speak of, and the paths of which nothing can be said any more; `None` where nothing
/// useful is left.
///
/// What a part lacks is put there as the schema's example has it, so that the rest of the part is judged; where there is no
/// example, the part is taken out whole.
pub(super) fn salvage(mut tree: Node, problems: &[Problem], schema: &Value) -> Option<(Node, Vec<String>)> {
    let mut removed: Vec<String> = Vec::new();
    let mut filled: Vec<String> = Vec::new();
    let own = tree.place.file.clone();
    // What is wrong with another file as a whole leaves this one as it is.
    let told =
        problems.iter().map(|problem| &problem.place).filter(|place| place.file == own || !place.path.is_empty());
    let (of_this, of_others): (Vec<&Place>, Vec<&Place>) = told.partition(|place| place.file == own);
    for place in of_others {
        removed.extend(remove(&mut tree, place.path.clone()));
    }
    let mut wrong: Vec<String> = of_this.into_iter().map(|place| place.path.clone()).collect();
    for _ in 0..MOST_ROUNDS {
        for missing in shape::check(&tree, schema).missing {
            let place = missing.from.child(missing.key);
            if let Some(example) = missing.example.and_then(|value| as_node(value, &place))
                && put(&mut tree, &missing.from, missing.key, &example)
            {
                wrong.retain(|path| *path != place.path);
                // An item is one thing: what is said of one of its keys may come of another.
                filled.push(if missing.from.path.ends_with(']') { missing.from.path } else { place.path });
            }
        }
        for path in std::mem::take(&mut wrong) {
            if removed.iter().any(|outer| is_within(outer, &path)) {
                continue;
            }
            removed.push(remove(&mut tree, path)?);
        }
        let shape = shape::check(&tree, schema);
        if shape.problems.is_empty() {
            removed.append(&mut filled);
            return Some((tree, removed));
        }
        wrong = shape.problems.into_iter().map(|problem| problem.place.path).collect();
    }
    None
}

/// A value of the schema as if it had been written at `place`.
fn as_node(value: &Value, place: &Place) -> Option<Node> {
    tree::parse(&value.to_string(), &"example.json".into()).ok().map(|node| node.at(place, false))
}

/// Puts `key` into every map that stands at `from`: an anchor or a file may have put one there more than once.
fn put(node: &mut Node, from: &Place, key: &str, value: &Node) -> bool {
    let mut done = node.place == *from && node.get(key).is_none();
    match &mut node.kind {
        Kind::Map(entries) => {
            if done {
                entries.push(Entry { key: key.to_owned(), place: value.place.clone(), node: value.clone() });
            }
            for entry in entries {
                done |= put(&mut entry.node, from, key, value);
            }
        }
        Kind::List(items) => {
            for item in items {
                done |= put(item, from, key, value);
            }
        }
        Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) => done = false,
    }
    done
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
