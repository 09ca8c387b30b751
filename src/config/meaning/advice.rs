//! What would a careful reader say of a configuration that loads? Only under `keyward lint`.

use std::collections::HashSet;

use super::access::rule_problem;
use super::{Context, Here};
use crate::access::settings::{advice, roles_of_nobody};
use crate::config::problem::{Place, Problem};
use crate::config::tree::Kind;
use crate::directory::settings::FileUsers;
use crate::record_path::RecordPath;
use crate::roles::{self, reference};
use crate::{access, directory, script, subject};

/// Rules that grant nothing of their own, and conditions that compare nothing; `rules` is where they stand.
pub(super) fn of_rules(cx: &mut Context<'_>, rules: &Here<'_>, settings: &access::Settings) {
    cx.warnings.extend(
        advice(&settings.rules, settings.style, &settings.knowledge)
            .into_iter()
            .map(|found| rule_problem(rules, found)),
    );
    for (index, rule) in settings.rules.iter().enumerate() {
        of_lists(cx, &rules.item(index));
        let here = rules.item(index).child("customAuthz");
        for remark in script::remarks(rule.custom_authz.as_deref().unwrap_or_default()) {
            cx.warning(&here, remark.message);
        }
    }
}

/// E13a: lists in a rule of IDM's own files, which IDM reads otherwise or not at all.
fn of_lists(cx: &mut Context<'_>, rule: &Here<'_>) {
    if !rule.place.path.starts_with("configs[") {
        return;
    }
    for key in ["roles", "methods", "actions", "excludePatterns"] {
        let here = rule.child(key);
        if here.node.is_some_and(|node| matches!(node.kind, Kind::List(_))) {
            cx.warning(
                &here,
                "found a list, which IDM does not read as Keyward does; write a text with commas for both",
            );
        }
    }
}

/// Comparisons in `augmentSecurityContext` that compare nothing (B21). A `file` has places of its own.
pub(super) fn of_script(cx: &mut Context<'_>, here: &Here<'_>, file: Option<&str>, source: &str) {
    for remark in script::remarks(source) {
        let place = match file {
            Some(file) => Place { file: file.into(), line: remark.line, column: remark.column, path: String::new() },
            None => here.child("source").place,
        };
        cx.warnings.push(Problem::new(&place, remark.message));
    }
}

/// Roles in rules that nobody has, where it is known who has which. A script may give others.
pub(super) fn of_roles(
    cx: &mut Context<'_>,
    rules: &Here<'_>,
    access: &access::Settings,
    subject: &subject::Settings,
    directory: &directory::Settings,
) {
    if let Some(known) = known_roles(subject, directory) {
        let found = roles_of_nobody(&access.rules, &known);
        cx.warnings.extend(found.into_iter().map(|found| rule_problem(rules, found)));
    }
}

/// Every role that somebody can have; `None` where users stand elsewhere.
fn known_roles(subject: &subject::Settings, directory: &directory::Settings) -> Option<HashSet<String>> {
    let fixed = subject.static_users.iter().map(|(_, user)| user).chain(&subject.anonymous);
    let mut known: HashSet<String> = fixed.flat_map(|user| &user.roles).map(|role| role.as_str().to_owned()).collect();
    for mapping in &subject.mappings {
        let settings = &mapping.roles;
        let of_groups = settings.groups.iter().flat_map(|groups| &groups.role_mapping).map(|(role, _)| role);
        known.extend(settings.default_roles.iter().chain(of_groups).map(|role| role.as_str().to_owned()));
        match directory {
            _ if settings.user_roles.is_empty() => {}
            directory::Settings::File(users) => of_users(settings, users, &mut known),
            directory::Settings::Token | directory::Settings::Idm(_) => return None,
        }
    }
    Some(known)
}

/// The roles that records of a users file name, whether in effect now or not.
fn of_users(settings: &roles::Settings, users: &FileUsers, known: &mut HashSet<String>) {
    let paths = settings.user_roles.iter().filter_map(|path| RecordPath::parse(path).ok());
    for path in paths.collect::<Vec<_>>() {
        for record in users.collections.values().flatten() {
            for value in path.select(record) {
                let names = match value {
                    serde_json::Value::String(text) => text.split(',').map(str::to_owned).collect(),
                    serde_json::Value::Object(element) => reference::full_name(element).into_iter().collect(),
                    _ => Vec::new(),
                };
                let leaf = |name: &String| name.rsplit('/').next().unwrap_or(name).to_owned();
                let leaves: Vec<String> =
                    if settings.leaf_names { names.iter().map(leaf).collect() } else { Vec::new() };
                known.extend(names.into_iter().chain(leaves));
            }
        }
    }
}
