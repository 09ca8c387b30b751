//! What in a rule is legal, but most likely not meant? For warnings at load (J4).

use super::{RuleProblem, RuleSettings, Style};

const CREST_METHODS: [&str; 9] = ["*", "create", "read", "update", "delete", "patch", "action", "query", "script"];
const HTTP_METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

impl RuleSettings {
    /// What an operator should look at: items that match nothing because of a space, a star that is no wildcard, a path
    /// that no request has. Nothing of it keeps the rule from being compiled.
    #[must_use]
    pub fn remarks(&self, index: usize, style: Style) -> Vec<RuleProblem> {
        let mut remarks = Vec::new();
        let mut remark = |key, message: Option<String>| {
            if let Some(message) = message {
                remarks.push(RuleProblem { index, key, message });
            }
        };
        remark("pattern", pattern_remark(&self.pattern, style));
        for item in self.exclude_patterns.iter().filter(|item| !item.is_empty()) {
            let spaced = space_remark(item).map(|message| message + "; as it stands it excludes nothing");
            remark("excludePatterns", spaced.or_else(|| pattern_remark(item, style)));
        }
        let actions = self.actions.as_deref().unwrap_or_default();
        for (key, items) in [("roles", &*self.roles), ("methods", &*self.methods), ("actions", actions)] {
            for item in items {
                remark(key, space_remark(item));
            }
            if items.len() > 1 && items.iter().any(|item| item == "*") {
                let message = "`*` beside other items is a name like any other; write `*` alone for all of them";
                remark(key, Some(message.to_owned()));
            }
        }
        for (key, items) in [("roles", &self.roles), ("methods", &self.methods)] {
            if items.iter().all(String::is_empty) {
                remark(key, Some("is empty, so the rule never grants".to_owned()));
            }
        }
        for method in &self.methods {
            remark("methods", method_remark(method, style));
        }
        remarks
    }
}

fn space_remark(item: &str) -> Option<String> {
    let trimmed = item.trim();
    (trimmed != item && !trimmed.is_empty()).then(|| {
        format!(
            "`{item}` begins or ends with white space, which is part of the name; write `{trimmed}` if that is meant"
        )
    })
}

fn pattern_remark(pattern: &str, style: Style) -> Option<String> {
    let stars = pattern.strip_suffix("/*").unwrap_or(if pattern == "*" { "" } else { pattern });
    if stars.contains('*') {
        return Some(format!(
            "in `{pattern}` a star stands for itself; it is a wildcard only alone or after the last `/`"
        ));
    }
    if let Some(what) = never_in_a_path(pattern) {
        return Some(format!("no path holds {what} when it is matched, so `{pattern}` covers nothing"));
    }
    match style {
        Style::Crest if pattern.starts_with('/') => {
            Some(format!("no path begins with a slash in `style: crest`, so `{pattern}` covers nothing"))
        }
        _ if pattern.len() > 1 && pattern.ends_with('/') => {
            Some(format!("a trailing slash is taken off before matching, so `{pattern}` covers nothing"))
        }
        Style::Crest | Style::Http => None,
    }
}

/// What a path in normal form cannot hold (J10). `%2F` and `%5C` it can, where `encodedSlashes` keeps them.
fn never_in_a_path(pattern: &str) -> Option<&'static str> {
    let escape = |rest: &str| {
        let digits = rest.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        digits.is_some_and(|digits| !["2F", "5C"].contains(&digits))
    };
    if pattern.split('%').skip(1).any(escape) {
        return Some("a percent-escape");
    }
    if pattern.contains(['?', '#']) {
        return Some("a query or fragment");
    }
    if pattern.contains("//") {
        return Some("an empty segment");
    }
    pattern.split('/').any(|segment| matches!(segment, "." | "..")).then_some("a dot segment")
}

fn method_remark(method: &str, style: Style) -> Option<String> {
    let lowered = method.trim().to_lowercase();
    let crests = CREST_METHODS.contains(&lowered.as_str());
    match style {
        Style::Crest if !crests && !lowered.is_empty() => {
            Some(format!("`{method}` is no CREST method; they are {}", CREST_METHODS.join(", ")))
        }
        Style::Http if ["create", "read", "update", "action"].contains(&lowered.as_str()) => {
            Some(format!("`{method}` is a CREST method; in `style: http` write GET, POST, PUT …"))
        }
        Style::Crest => None,
        Style::Http => slip_of(&method.trim().to_uppercase())
            .map(|known| format!("`{method}` is no method that HTTP defines; is `{known}` meant?")),
    }
}

/// The method of which this upper-case name is one letter away. Any name can be a method, but few are meant to be `GETT`.
fn slip_of(method: &str) -> Option<&'static str> {
    let unknown = !HTTP_METHODS.contains(&method);
    HTTP_METHODS.into_iter().find(|other| unknown && strsim::damerau_levenshtein(other, method) == 1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{RuleSettings, Style};

    fn remarks(style: Style, rule: &serde_json::Value) -> Vec<String> {
        let rule = RuleSettings::from_json(0, rule).unwrap();
        rule.remarks(0, style).iter().map(|remark| format!("{}: {}", remark.key, remark.message)).collect()
    }

    #[test]
    fn what_matches_nothing_is_remarked_on() {
        let rule = json!({"pattern": "/a", "roles": "*,x", "methods": "read, query,GET", "actions": "",
            "excludePatterns": "repo, repo/*,a*b"});
        let said = remarks(Style::Crest, &rule);
        for (begins, times) in [
            ("pattern: no path begins", 1),
            ("roles: `*` beside", 1),
            ("methods: ` query` begins", 1),
            ("methods: `GET` is no CREST method", 1),
            ("excludePatterns: ` repo/*` begins", 1),
            ("excludePatterns: in `a*b` a star", 1),
            ("", 6),
        ] {
            assert_eq!(said.iter().filter(|remark| remark.starts_with(begins)).count(), times, "{begins}: {said:#?}");
        }
        let http = json!({"pattern": "/a/", "roles": [], "methods": "read"});
        let said = remarks(Style::Http, &http);
        assert_eq!(said.len(), 3, "{said:#?}");
        let slips =
            json!({"pattern": "/a", "roles": "*", "methods": ["GETT", "psot", "Get", "PROPFIND", "PURGE", "*"]});
        let said = remarks(Style::Http, &slips);
        let meant = |text: &str| said.iter().filter(|remark| remark.contains(text)).count();
        assert_eq!((meant("is `GET` meant"), meant("is `POST` meant"), meant(" meant?")), (1, 1, 2), "{said:#?}");
    }

    #[test]
    fn a_pattern_that_no_path_in_normal_form_can_meet_is_remarked_on() {
        for (exclude, said) in [
            ("/%61dmin/*", Some("a percent-escape")),
            ("/a%2fb", Some("a percent-escape")),
            ("/a?x=1", Some("a query")),
            ("/a#x", Some("a query")),
            ("/a//b", Some("an empty segment")),
            ("/a/../b", Some("a dot segment")),
            ("/./*", Some("a dot segment")),
            ("/a%2Fb", None),
            ("/100%", None),
            ("/a..b/.c", None),
        ] {
            let rule = json!({"pattern": "*", "roles": "*", "methods": "*", "excludePatterns": [exclude]});
            let remarks = remarks(Style::Http, &rule);
            assert_eq!(remarks.len(), usize::from(said.is_some()), "{exclude}: {remarks:?}");
            assert!(said.is_none_or(|said| remarks[0].contains(said)), "{exclude}: {remarks:?}");
        }
    }

    #[test]
    fn a_sound_rule_earns_no_remark() {
        let crest = json!({"pattern": "managed/user/*", "roles": "*", "methods": "read,action", "actions": "*"});
        assert!(remarks(Style::Crest, &crest).is_empty());
        let http = json!({"pattern": "/users/{id}/*", "roles": ["a b"], "methods": ["GET"], "excludePatterns": ""});
        assert!(remarks(Style::Http, &http).is_empty());
        let all = json!({"pattern": "*", "roles": "*", "methods": "*"});
        assert!(remarks(Style::Http, &all).is_empty() && remarks(Style::Crest, &all).is_empty());
    }
}
