//! What do files say that IDM wrote: `authentication.json`, `access.json` and `access.js`?

use std::path::{Component, Path, PathBuf};

use super::files::Properties;
use super::idm_knowledge;
use super::meaning::{Context, refuse_other_modules};
use super::problem::{Place, Problem};
use super::substitute::substitute;
use super::tree::{self, Entry, Kind, Node};
use crate::script::{self, AccessFileError, ScriptError, WrittenRule};

/// Top-level keys of `authentication.json` that are read, or that every file of IDM may have.
const AUTHENTICATION_KEYS: [&str; 4] = ["_id", "_rev", "rsFilter", "serverAuthContext"];

/// What stands for an `rsFilter` and for rules that cannot be read.
const UNREAD_RS_FILTER: &str =
    r#"{"clientId": "x", "clientSecret": "x", "tokenIntrospectUrl": "https://am.invalid/", "subjectMapping": []}"#;
const UNREAD_RULES: &str = r#"{"style": "crest", "rules": []}"#;

/// Puts the content of `rsFilterFile` and `accessFile` where `rsFilter` and `access` would stand, in every filter.
pub(super) fn include(tree: &mut Node, properties: &Properties, cx: &mut Context<'_>) {
    let Kind::Map(entries) = &mut tree.kind else { return };
    include_into(entries, properties, cx);
    for entry in entries.iter_mut().filter(|entry| entry.key == "filters") {
        let Kind::List(filters) = &mut entry.node.kind else { continue };
        for filter in filters {
            if let Kind::Map(entries) = &mut filter.kind {
                include_into(entries, properties, cx);
            }
        }
    }
}

fn include_into(entries: &mut Vec<Entry>, properties: &Properties, cx: &mut Context<'_>) {
    if let Some((at, file)) = take_key(entries, "rsFilterFile") {
        match rs_filter(&at, &file, cx) {
            Some(node) => include_rs_filter(entries, node, properties, cx),
            None => stand_in(entries, ("rsFilterFile", &at, file), "rsFilter", UNREAD_RS_FILTER),
        }
    }
    if let Some((at, file)) = take_key(entries, "accessFile") {
        match access_rules(&at, &file, cx) {
            Some(rules) => include_rules(entries, &at, &file, rules, properties, cx),
            None => stand_in(entries, ("accessFile", &at, file), "access", UNREAD_RULES),
        }
    }
    if let Some(access) = entries.iter_mut().find(|entry| entry.key == "access") {
        idm_knowledge::include(&mut access.node, properties, cx);
    }
}

/// Puts into `key` what a file that cannot be read would have brought, so that what is written beside it is judged, and
/// nothing is said to be missing that the file may have. All of it stands below the key that names the file, of which a
/// problem is known: nothing is said about it.
fn stand_in(entries: &mut Vec<Entry>, (named, at, file): (&str, &Place, String), key: &str, unread: &str) {
    let entry = |key: &str, node: Node| Entry { key: key.to_owned(), place: node.place.clone(), node };
    entries.push(entry(named, Node { place: at.clone(), kind: Kind::Text(file), substituted: false }));
    let unread = tree::parse(unread, &"unread.json".into());
    let Ok(unread) = unread.map(|node| node.at(&at.child(key), false)) else { return };
    match member(entries, key) {
        None => entries.push(entry(key, unread)),
        Some(Node { kind: Kind::Map(written), .. }) => {
            let Kind::Map(unread) = unread.kind else { return };
            for entry in unread {
                if !written.iter().any(|other| other.key == entry.key) {
                    written.push(entry);
                }
            }
        }
        Some(_) => {}
    }
}

/// Takes the key away: its place and the file it names. What is no text stays, for the check of the shape.
pub(super) fn take_key(entries: &mut Vec<Entry>, key: &str) -> Option<(Place, String)> {
    let index = entries.iter().position(|entry| entry.key == key && entry.node.text().is_some())?;
    let node = entries.remove(index).node;
    Some((node.place.clone(), node.text()?.to_owned()))
}

/// `rsFilter` out of an `authentication.json`, its expressions as they stand. The file is named at `at`.
pub(super) fn rs_filter(at: &Place, file: &str, cx: &mut Context<'_>) -> Option<Node> {
    let (name, text) = read(at, file, cx)?;
    let tree = tree::parse(&text, &name).map_err(|problems| cx.problems.extend(problems)).ok()?;
    refuse_other_modules(&tree, cx);
    for entry in tree.entries().iter().filter(|entry| !AUTHENTICATION_KEYS.contains(&entry.key.as_str())) {
        cx.warnings.push(Problem::new(&entry.place, "is no part of `rsFilter` and not read"));
    }
    let context = tree.get("serverAuthContext").map(Node::entries).unwrap_or_default();
    for entry in context.iter().filter(|entry| entry.key != "authModules") {
        let message = "is not read: beside `rsFilter` there are neither sessions nor other authentication modules";
        cx.warnings.push(Problem::new(&entry.place, message));
    }
    let Some(node) = tree.get("rsFilter") else {
        cx.problems.push(Problem::new(&tree.place, "found no `rsFilter`, expected it at the top"));
        return None;
    };
    let mut node = node.clone();
    find_script(&mut node, file, cx);
    Some(node)
}

/// IDM looks for scripts in `script/` beside `conf/`, then in the folder that holds both, Keyward beside its own configuration: the first that exists is it.
fn find_script(rs_filter: &mut Node, file: &str, cx: &Context<'_>) {
    let Some(script) = member_mut(rs_filter, "augmentSecurityContext").and_then(|script| member_mut(script, "file"))
    else {
        return;
    };
    let Kind::Text(written) = &mut script.kind else { return };
    let folder = Path::new(file).parent().unwrap_or(Path::new(""));
    let beside = |place: &str| tidy(&folder.join(place).join(&*written));
    let candidates = [beside("../script"), beside(".."), folder.join(&*written)];
    let exists = |path: &&PathBuf| cx.base.join(path).is_file();
    if let Some(found) = candidates.iter().find(exists) {
        *written = found.display().to_string();
    }
}

/// `conf/../script` is `script`. Only for plain names: what a link points to has another parent.
fn tidy(path: &Path) -> PathBuf {
    let mut tidied = PathBuf::new();
    for component in path.components() {
        let plain = matches!(tidied.components().next_back(), Some(Component::Normal(_))) && !tidied.is_symlink();
        if component == Component::ParentDir && plain {
            tidied.pop();
        } else {
            tidied.push(component);
        }
    }
    tidied
}

/// The value of a key, where this is a map that has it.
pub(super) fn member_mut<'n>(node: &'n mut Node, key: &str) -> Option<&'n mut Node> {
    let Kind::Map(entries) = &mut node.kind else { return None };
    member(entries, key)
}

fn member<'n>(entries: &'n mut [Entry], key: &str) -> Option<&'n mut Node> {
    entries.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.node)
}

/// Joins the file's `rsFilter` with the keys of an `rsFilter` beside it.
///
/// SECURITY: two places for one key would leave open which of them holds. Only `clientSecret` may stand in both, because
/// IDM's is often one that only IDM can read; the one beside the file holds then.
fn include_rs_filter(entries: &mut Vec<Entry>, mut node: Node, properties: &Properties, cx: &mut Context<'_>) {
    let beside = entries.iter().position(|entry| entry.key == "rsFilter").map(|index| entries.remove(index));
    let beside = beside.map(|entry| entry.node);
    if let Some(beside) = &beside
        && !matches!(beside.kind, Kind::Map(_))
    {
        cx.problems.push(Problem::new(&beside.place, format!("found {}, expected a map", beside.kind_name())));
        return;
    }
    let beside = beside.as_ref().map(Node::entries).unwrap_or_default();
    for entry in beside {
        let Kind::Map(of_file) = &mut node.kind else { break };
        let Some(index) = of_file.iter().position(|other| other.key == entry.key) else { continue };
        if entry.key == "clientSecret" {
            of_file.remove(index);
        } else if let Some(other) = of_file.get(index) {
            let Place { file, line, .. } = &other.place;
            let message = format!(
                "stands at line {line} of {file} too; keep one of them (only `clientSecret` may be given here instead)"
            );
            cx.problems.push(Problem::new(&entry.place, message));
        }
    }
    substitute(&mut node, properties, cx);
    if let Kind::Map(of_file) = &mut node.kind {
        of_file.extend(beside.iter().cloned());
    }
    entries.push(Entry { key: "rsFilter".to_owned(), place: node.place.clone(), node });
}

/// The rules out of an `access.json`, their expressions as they stand, or out of an `access.js`. The file is named at `at`.
pub(super) fn access_rules(at: &Place, file: &str, cx: &mut Context<'_>) -> Option<Node> {
    let (name, text) = read(at, file, cx)?;
    if file.ends_with(".js") {
        return match script::configs(&text) {
            Ok(configs) => {
                let tree = tree::parse(&configs.to_string(), &"configs.json".into());
                let tree = tree.map_err(|problems| cx.problems.extend(problems)).ok()?;
                let mut rules = tree.at(&Place::whole(&name).child("configs"), false);
                let written = script::rule_places(&text, configs.as_array().map(Vec::as_slice).unwrap_or_default());
                if let Kind::List(rules) = &mut rules.kind {
                    rules.iter_mut().zip(&written).for_each(|(rule, written)| place_rule(rule, written));
                }
                Some(rules)
            }
            Err(error) => {
                cx.problems.push(script_problem(&Place::whole(&name), &error));
                None
            }
        };
    }
    let tree = tree::parse(&text, &name).map_err(|problems| cx.problems.extend(problems)).ok()?;
    for entry in tree.entries().iter().filter(|entry| !["_id", "_rev", "configs"].contains(&entry.key.as_str())) {
        cx.warnings.push(Problem::new(&entry.place, "is no list of rules and not read"));
    }
    let Some(rules) = tree.get("configs") else {
        cx.problems.push(Problem::new(&tree.place, "found no `configs`, expected the list of rules there"));
        return None;
    };
    Some(rules.clone())
}

/// Gives a rule and its members the lines at which the script has them, and their order there.
fn place_rule(rule: &mut Node, written: &WrittenRule) {
    let set = |place: &mut Place, (line, column)| (place.line, place.column) = (line, column);
    set(&mut rule.place, written.at);
    let Kind::Map(members) = &mut rule.kind else { return };
    for entry in members.iter_mut() {
        let at = written.members.iter().find(|(name, _)| *name == entry.key).map_or(written.at, |(_, at)| *at);
        set(&mut entry.place, at);
        set(&mut entry.node.place, at);
    }
    members.sort_by_key(|entry| (entry.place.line, entry.place.column));
}

/// E1: an `access.js` may hold functions beside its rules.
fn declares_more_than_rules(file: &str, cx: &mut Context<'_>) -> bool {
    let outline = cx.read_text(file).ok().and_then(|text| script::outline(&text).ok()).unwrap_or_default();
    outline.statements.iter().filter(|statement| !statement.declares.is_empty()).count() > 1
}

fn script_problem(whole: &Place, error: &AccessFileError) -> Problem {
    match error {
        AccessFileError::Script(ScriptError::Syntax { line, column, message }) => {
            let place = Place { line: *line, column: *column, ..whole.clone() };
            Problem::new(&place, format!("the script cannot be read: {message}"))
        }
        AccessFileError::Script(error) => Problem::new(
            whole,
            format!("the rules cannot be read: {error}; scripts run here without files, `require` and `openidm`"),
        ),
        AccessFileError::NoRules(message) => Problem::new(whole, message.clone()),
    }
}

/// `access` with the file's rules; `crest` is the style unless another is written (product sheet).
fn include_rules(
    entries: &mut Vec<Entry>,
    at: &Place,
    file: &str,
    mut rules: Node,
    properties: &Properties,
    cx: &mut Context<'_>,
) {
    // What a script computed is no text with expressions: IDM substitutes in its `.json` files only.
    if !rules.place.file.ends_with(".js") {
        substitute(&mut rules, properties, cx);
    }
    if !entries.iter().any(|entry| entry.key == "access") {
        let node = Node { place: at.clone(), kind: Kind::Map(Vec::new()), substituted: false };
        entries.push(Entry { key: "access".to_owned(), place: at.clone(), node });
    }
    let Some(access) = entries.iter_mut().find(|entry| entry.key == "access") else { return };
    if access.node.get("rules").is_some() {
        cx.problems.push(Problem::new(at, "stands beside `access.rules`; keep one of them"));
        return;
    }
    let styled = access.node.get("style").is_some();
    let has_functions = access.node.get("functionsFile").is_some();
    let Kind::Map(members) = &mut access.node.kind else { return };
    if !has_functions && file.ends_with(".js") && declares_more_than_rules(file, cx) {
        let node = Node { place: at.clone(), kind: Kind::Text(file.to_owned()), substituted: false };
        members.push(Entry { key: "functionsFile".to_owned(), place: at.clone(), node });
    }
    members.push(Entry { key: "rules".to_owned(), place: rules.place.clone(), node: rules });
    if !styled {
        let node = Node { place: at.clone(), kind: Kind::Text("crest".to_owned()), substituted: false };
        members.push(Entry { key: "style".to_owned(), place: at.clone(), node });
    }
}

/// A file's name for places, and its text.
pub(super) fn read(at: &Place, file: &str, cx: &mut Context<'_>) -> Option<(std::sync::Arc<str>, String)> {
    match cx.read_text(file) {
        Ok(text) => Some((cx.resolve(file).display().to_string().into(), text)),
        Err(error) => {
            cx.problems.push(Problem::new(at, format!("the file `{file}` {error}")));
            None
        }
    }
}
