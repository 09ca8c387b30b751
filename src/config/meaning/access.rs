//! Which access rules hold?

use super::{Context, Here};
use crate::access::Settings;
use crate::access::settings::{RuleSettings, Style};
use crate::config::raw::{self, CommaList};

/// `access`; its rules may have come out of `accessFile`.
pub(super) fn access(cx: &mut Context<'_>, here: &Here<'_>, raw: Option<raw::Access>) -> Option<Settings> {
    let raw = match raw {
        Some(raw) if raw.rules.is_some() => raw,
        _ => {
            cx.problem(
                &here.child("rules"),
                "is missing, expected the access rules: without a rule nothing is granted",
            );
            return None;
        }
    };
    let style = match raw.style {
        None | Some(raw::Style::Http) => Style::Http,
        Some(raw::Style::Crest) => Style::Crest,
    };
    let context_path = context_path(cx, &here.child("contextPath"), raw.context_path, style);
    let place = here.child("rules");
    let written = raw.rules.unwrap_or_default();
    if written.is_empty() {
        cx.warning(&place, "there is no rule, so that nothing is granted");
    }
    let rules = written.into_iter().enumerate().map(|(index, rule)| convert(index, rule)).collect();
    Some(Settings {
        style,
        context_path: context_path?,
        honour_method_override: raw.method_override == Some(raw::MethodOverride::Honour),
        rules,
    })
}

fn convert(index: usize, raw: raw::Rule) -> RuleSettings {
    let split = |list: CommaList| match list {
        CommaList::Commas(text) => text.split(',').map(str::to_owned).collect(),
        CommaList::List(list) => list,
    };
    RuleSettings {
        name: raw.name.unwrap_or_else(|| format!("rules[{index}]")),
        pattern: raw.pattern,
        roles: split(raw.roles),
        methods: split(raw.methods),
        actions: raw.actions.map(split),
        exclude_patterns: raw.exclude_patterns.map(split).unwrap_or_default(),
        custom_authz: raw.custom_authz,
        scopes: raw.scopes.map(split).unwrap_or_default(),
        when: raw.when,
    }
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
