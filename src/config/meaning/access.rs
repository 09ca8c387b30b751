//! Which access rules hold?

use super::augment::unreadable;
use super::{Context, Here, advice, knowledge};
use crate::access::settings::{Library, RuleProblem, RuleSettings, Style};
use crate::access::{AccessRules, Settings};
use crate::config::problem::Problem;
use crate::config::raw;
use crate::config::tree::Node;
use crate::directory;
use crate::giving_way;
use crate::subject;

/// The last segments of the internal roles that every IDM has (D15).
const BUILT_IN_ROLES: [&str; 6] = [
    "openidm-admin",
    "openidm-authorized",
    "openidm-cert",
    "openidm-reg",
    "openidm-tasks-manager",
    "platform-provisioning",
];

/// `access`; its rules may have come out of `accessFile`.
pub(super) fn access(
    cx: &mut Context<'_>,
    here: &Here<'_>,
    raw: Option<raw::Access>,
    directory: Option<&directory::Settings>,
) -> Option<Settings> {
    let raw = raw.unwrap_or_default();
    if raw.rules.is_none() {
        cx.problem(&here.child("rules"), "is missing, expected the access rules: without a rule nothing is granted");
    }
    let style = match raw.style {
        None | Some(raw::Style::Http) => Style::Http,
        Some(raw::Style::Crest) => Style::Crest,
    };
    let context_path = context_path(cx, &here.child("contextPath"), raw.context_path, style);
    let knowledge = knowledge::knowledge(cx, here, raw.idm, raw.idm_only_rules, style);
    let place = here.child("rules");
    let missing = raw.rules.is_none();
    let written = raw.rules.map_or(0, |rules| rules.0);
    if written == 0 && !missing {
        cx.warning(&place, "there is no rule, so that nothing is granted");
    }
    let rules: Vec<_> = (0..written).map(|index| rule(cx, &place, index)).collect();
    let library = library(cx, &here.child("functionsFile"), raw.functions_file);
    let settings = Settings {
        library: library?,
        style,
        // The rules are judged though the path they begin at cannot be: where it is does not matter to them.
        context_path: context_path.clone().unwrap_or_default(),
        honour_method_override: raw.method_override == Some(raw::MethodOverride::Honour),
        knowledge,
        rules: rules.into_iter().collect::<Option<_>>()?,
    };
    match AccessRules::compile(&settings) {
        Ok(rules) => {
            cx.warnings.extend(rules.idm_only().into_iter().map(|told| rule_problem(&place, told)));
            if let (Some(index), Some(directory::Settings::Token)) = (rules.first_to_read_users(), directory) {
                let message = "reads users with `openidm`, but `directory: token` knows none but the token's own";
                cx.problem(&place.item(index).child("customAuthz"), message);
            }
        }
        Err(problems) => cx.problems.extend(problems.into_iter().map(|problem| rule_problem(&place, problem))),
    }
    for (index, rule) in settings.rules.iter().enumerate() {
        giving_way::step();
        cx.warnings.extend(rule.remarks(index, style).into_iter().map(|remark| rule_problem(&place, remark)));
    }
    if cx.lint {
        advice::of_rules(cx, &place, &settings);
    }
    if style == Style::Crest {
        for (index, rule) in settings.rules.iter().enumerate() {
            if rule.pattern == "privilege" || rule.pattern.starts_with("privilege/") {
                let message = "Keyward grants by rules only: what IDM's privileges (delegated administration) would grant \
                               beside them is refused";
                cx.warning(&place.item(index).child("pattern"), message);
            }
        }
    }
    context_path.map(|_| settings)
}

/// The operator's own functions.
fn library(cx: &mut Context<'_>, here: &Here<'_>, file: Option<String>) -> Option<Library> {
    let Some(file) = file else { return Some(Library::default()) };
    let text = match cx.read_text(&file) {
        Ok(text) => text,
        Err(error) => {
            cx.problem(here, format!("the file {} {error}", here.shown()));
            return None;
        }
    };
    Library::read(&text)
        .map_err(|error| cx.problems.push(unreadable(here, Some(cx.resolve(&file).display().to_string()), &error)))
        .ok()
}

/// J7: files of 6.x and older name roles by their last segment, which `roleNames: full` makes of no relationship.
pub(super) fn suggest_leaf_names(
    cx: &mut Context<'_>,
    here: &Here<'_>,
    access: &Settings,
    subject: &subject::Settings,
) {
    let full = |mapping: &subject::Mapping| !mapping.roles.leaf_names && !mapping.roles.user_roles.is_empty();
    if access.style != Style::Crest || !subject.mappings.iter().any(full) {
        return;
    }
    let named = access.rules.iter().flat_map(|rule| &rule.roles);
    if let Some(role) = named.into_iter().find(|role| BUILT_IN_ROLES.contains(&role.to_lowercase().as_str())) {
        let message = format!(
            "the rules name `{role}`, as IDM 6 and older do, where IDM 7 has `internal/role/{role}`; write `leaf` for such \
             rules (then write the mappings' roles without `internal/role/` too)"
        );
        cx.warning(here, message);
    }
}

fn rule(cx: &mut Context<'_>, rules: &Here<'_>, index: usize) -> Option<RuleSettings> {
    giving_way::step();
    let here = rules.item(index);
    let value = here.node.map(Node::to_json).unwrap_or_default();
    match RuleSettings::from_json(index, &value) {
        Ok(mut rule) => {
            // Decisions name a rule as its own file does, so that whoever reads them finds it.
            if here.place.path.starts_with("configs[") && here.node.is_none_or(|node| node.get("name").is_none()) {
                rule.name.clone_from(&here.place.path);
            }
            Some(rule)
        }
        Err(problems) => {
            cx.problems.extend(problems.into_iter().map(|problem| rule_problem(rules, problem)));
            None
        }
    }
}

/// A rule's problem or remark with its place.
pub(super) fn rule_problem(rules: &Here<'_>, problem: RuleProblem) -> Problem {
    let rule = rules.item(problem.index);
    let place = if problem.key.is_empty() { rule } else { rule.child(problem.key) };
    // SECURITY: the message may hold the value.
    let message = if place.is_substituted() {
        "an expression stands for what does not fit here".to_owned()
    } else {
        problem.message
    };
    Problem::new(&place.place, message)
}

fn context_path(cx: &mut Context<'_>, here: &Here<'_>, written: Option<String>, style: Style) -> Option<String> {
    let Some(path) = written else {
        return Some(if style == Style::Crest { "/openidm" } else { "/" }.to_owned());
    };
    let path = if path.len() > 1 { path.strip_suffix('/').map(str::to_owned).unwrap_or(path) } else { path };
    let segments = || path.split('/').skip(1);
    let odd = path != "/" && segments().any(|s| matches!(s, "" | "." | "..") || s.contains(['%', '?', '#', '\\', '*']));
    if !path.starts_with('/') || odd {
        cx.problem(here, format!("found {}, expected a path such as `/openidm`", here.shown()));
        return None;
    }
    Some(path)
}
