//! What is left of a configuration once the parts of a wrong shape are taken out? So that the rest is judged as well.

use super::problem::{Place, Problem};
use super::tree::{Kind, Node};

/// Enough to climb from the deepest place to the top.
const MOST_ROUNDS: usize = 8;

/// The tree without whatever `problems` speak of, and the paths that were taken out; `None` where nothing useful is left.
///
/// `check` says what is still wrong with a tree. A part that lacks something is taken out whole, since nothing can be
/// said about what it means.
pub(super) fn salvage(
    mut tree: Node,
    problems: &[Problem],
    check: impl Fn(&Node) -> Vec<Problem>,
) -> Option<(Node, Vec<String>)> {
    let mut removed: Vec<String> = Vec::new();
    let mut wrong: Vec<String> = problems.iter().map(|problem| problem.place.path.clone()).collect();
    for _ in 0..MOST_ROUNDS {
        for path in std::mem::take(&mut wrong) {
            if removed.iter().any(|outer| is_within(outer, &path)) {
                continue;
            }
            removed.push(remove(&mut tree, path)?);
        }
        wrong = check(&tree).into_iter().map(|problem| problem.place.path).collect();
        if wrong.is_empty() {
            return Some((tree, removed));
        }
    }
    None
}

/// Whether a problem at `place` could come from what was taken out: it stands above, at or below it.
pub(super) fn is_affected(place: &Place, removed: &[String]) -> bool {
    place.path.is_empty() || removed.iter().any(|path| is_within(path, &place.path) || is_within(&place.path, path))
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
