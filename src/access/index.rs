//! Which rules can speak of a path and a user at all? An index, so that many rules cost no more than few.

use std::borrow::Cow;
use std::collections::HashMap;

use super::names::Names;
use super::pattern::Pattern;

/// Rule numbers by what their pattern begins with, and below that by the roles they list.
///
/// INVARIANT: a rule whose pattern covers a path, and that lists a role of the user or is for everyone, is among the
/// candidates; the rules themselves decide.
#[derive(Debug, Default)]
pub(super) struct Index {
    any: Bucket,
    exact: HashMap<Box<str>, Bucket>,
    /// By the text before the slash from which on the pattern is open.
    under: HashMap<Box<str>, Bucket>,
    /// How many slashes the longest key of `under` has: no path is followed deeper, however many slashes it has.
    depth: usize,
    /// A number for each role that a rule lists, in lower case.
    roles: HashMap<Box<str>, usize>,
}

/// The rules of one key.
#[derive(Debug, Default)]
struct Bucket {
    everyone: Vec<usize>,
    /// The number of a role, and a rule that lists it; sorted.
    by_role: Vec<(usize, usize)>,
}

impl Index {
    /// Indexes the patterns and roles of the rules, in file order.
    pub(super) fn new<'r>(rules: impl Iterator<Item = (&'r Pattern, &'r Names)>) -> Self {
        let mut index = Self::default();
        for (number, (pattern, roles)) in rules.enumerate() {
            let mut listed = Vec::new();
            for role in roles.lowered() {
                let next = index.roles.len();
                listed.push(*index.roles.entry(role.into()).or_insert(next));
            }
            let bucket = index.bucket(pattern);
            if roles.any() {
                bucket.everyone.push(number);
            } else {
                bucket.by_role.extend(listed.into_iter().map(|role| (role, number)));
            }
        }
        let buckets = index.exact.values_mut().chain(index.under.values_mut()).chain([&mut index.any]);
        buckets.for_each(|bucket| bucket.by_role.sort_unstable());
        index
    }

    fn bucket(&mut self, pattern: &Pattern) -> &mut Bucket {
        let prefix = match pattern {
            Pattern::Any => return &mut self.any,
            Pattern::Exact(text) => return self.exact.entry(text.clone()).or_default(),
            Pattern::Under(prefix) => prefix.strip_suffix('/').unwrap_or(prefix).to_owned(),
            Pattern::Template(template) => template.literal_prefix(),
        };
        self.depth = self.depth.max(prefix.matches('/').count());
        self.under.entry(prefix.into()).or_default()
    }

    /// The numbers of the rules that may grant `path` to a user with `roles`, in file order.
    pub(super) fn candidates<'r>(&self, path: &str, roles: impl Iterator<Item = &'r str>) -> Vec<usize> {
        let mut roles = Held::Names(roles);
        let mut found = Vec::new();
        self.collect(&self.any, &mut roles, &mut found);
        if let Some(bucket) = self.exact.get(path) {
            self.collect(bucket, &mut roles, &mut found);
        }
        if !self.under.is_empty() {
            for (slash, _) in path.match_indices('/').take(self.depth + 1) {
                if let Some(bucket) = path.get(..slash).and_then(|prefix| self.under.get(prefix)) {
                    self.collect(bucket, &mut roles, &mut found);
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    fn collect<'r>(&self, bucket: &Bucket, roles: &mut Held<impl Iterator<Item = &'r str>>, found: &mut Vec<usize>) {
        found.extend_from_slice(&bucket.everyone);
        if bucket.by_role.is_empty() {
            return;
        }
        for role in roles.numbers(&self.roles) {
            let begin = bucket.by_role.partition_point(|(listed, _)| listed < role);
            let listing = bucket.by_role.iter().skip(begin).take_while(|(listed, _)| listed == role);
            found.extend(listing.map(|(_, number)| *number));
        }
    }
}

/// The user's roles: looked up once, when a bucket first asks for them.
enum Held<I> {
    Names(I),
    Numbers(Vec<usize>),
}

impl<'r, I: Iterator<Item = &'r str>> Held<I> {
    fn numbers(&mut self, known: &HashMap<Box<str>, usize>) -> &[usize] {
        if let Self::Names(names) = self {
            *self = Self::Numbers(names.filter_map(|name| known.get(&*lower(name)).copied()).collect());
        }
        match self {
            Self::Numbers(numbers) => numbers,
            Self::Names(_) => &[],
        }
    }
}

/// As [`Names`] lowers; most roles need no copy.
fn lower(name: &str) -> Cow<'_, str> {
    let is_lower = name.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
    if is_lower { Cow::Borrowed(name) } else { Cow::Owned(name.to_lowercase()) }
}

#[cfg(test)]
mod tests {
    use super::{Index, Names, Pattern};
    use proptest::prelude::*;

    fn pattern() -> impl Strategy<Value = Pattern> {
        let text = prop::collection::vec(prop_oneof!["[ab]", Just("{x}".to_owned()), Just("*".to_owned())], 0..4);
        (text, any::<bool>(), any::<bool>()).prop_map(|(segments, leading, crest)| {
            let mut seen = false;
            let unique = segments.into_iter().map(|segment| {
                let again = segment == "{x}" && std::mem::replace(&mut seen, true);
                if again { "{y}".to_owned() } else { segment }
            });
            let mut unique: Vec<_> = unique.collect();
            unique.dedup();
            let text = format!("{}{}", if leading { "/" } else { "" }, unique.join("/"));
            if crest { Pattern::crest(&text) } else { Pattern::http(&text).unwrap_or_else(|_| Pattern::crest(&text)) }
        })
    }

    fn names() -> impl Strategy<Value = Names> {
        let name = prop::sample::select(&["*", "r", "R", "É", "\u{212a}", "s"][..]);
        prop::collection::vec(name.prop_map(str::to_owned), 0..3).prop_map(|items| Names::new(&items))
    }

    fn may_grant((pattern, names): &(Pattern, Names), path: &str, roles: &[&str]) -> bool {
        pattern.matches(path) && (names.any() || roles.iter().any(|role| names.has(role)))
    }

    proptest! {
        #[test]
        fn the_candidates_hold_every_rule_that_may_grant_in_file_order(
            rules in prop::collection::vec((pattern(), names()), 0..12),
            path in "/?([ab*]/){0,4}[ab]?/?",
            roles in prop::collection::vec(prop::sample::select(&["r", "é", "É", "k", "K", "x", "*"][..]), 0..3),
        ) {
            let index = Index::new(rules.iter().map(|(pattern, names)| (pattern, names)));
            let candidates = index.candidates(&path, roles.iter().copied());
            prop_assert!(candidates.is_sorted_by(|a, b| a < b));
            let held: Vec<usize> =
                candidates.iter().copied().filter(|number| may_grant(&rules[*number], &path, &roles)).collect();
            let all: Vec<usize> = (0..rules.len()).filter(|number| may_grant(&rules[*number], &path, &roles)).collect();
            prop_assert_eq!(held, all);
        }
    }

    #[test]
    fn few_rules_are_asked_however_many_there_are() {
        let names = |number: usize| Names::new(&[format!("role{number}")]);
        let template = |number| Pattern::http(&format!("/s{number}/{{id}}/*")).unwrap();
        let rules: Vec<(Pattern, Names)> = (0..10_000).map(|number| (template(number), names(number))).collect();
        let index = Index::new(rules.iter().map(|(pattern, names)| (pattern, names)));
        assert_eq!(index.candidates("/s77/1/x", ["Role77", "role78"].into_iter()), [77]);
        assert_eq!(index.candidates(&"/x".repeat(30_000), std::iter::empty()), [0_usize; 0]);
        let everywhere: Vec<(Pattern, Names)> = (0..10_000).map(|number| (Pattern::Any, names(number))).collect();
        let index = Index::new(everywhere.iter().map(|(pattern, names)| (pattern, names)));
        assert_eq!(index.candidates("/x", ["role9", "role7", "nobody"].into_iter()), [7, 9]);
    }
}
