//! Which rules can speak of a path, a method and a user at all? An index, so that many rules cost no more than few.

use std::borrow::Cow;
use std::collections::HashMap;

use super::names::Names;
use super::pattern::Pattern;
use crate::giving_way;

/// Rules by what their pattern begins with, and below that by the roles and the methods they list.
///
/// INVARIANT: a rule whose pattern covers a path, that lists the method, and that lists a role of the user or is for
/// everyone, is among the candidates; the rules themselves decide.
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
    /// A set for each method that a rule lists, in lower case.
    methods: HashMap<Box<str>, Methods>,
}

/// The rules of one key.
#[derive(Debug, Default)]
struct Bucket {
    everyone: Vec<Entry>,
    /// The number of a role, and a rule that lists it; sorted by role.
    by_role: Vec<(usize, Entry)>,
}

impl Drop for Bucket {
    fn drop(&mut self) {
        giving_way::step();
    }
}

/// A rule by its number, and its methods.
#[derive(Debug, Clone, Copy)]
struct Entry {
    rule: usize,
    methods: Methods,
}

/// What stands in the rules' columns of roles and methods, and in front of them.
pub(super) struct Columns<'r> {
    pub(super) pattern: &'r Pattern,
    pub(super) roles: &'r Names,
    pub(super) methods: &'r Names,
}

/// A set of methods. Those beyond the first sixty share a place: a candidate too many, never one too few.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Methods(u64);

impl Methods {
    const NONE: Self = Self(0);
    /// Every method, also those that no rule names.
    const ANY: Self = Self(1);

    fn numbered(number: usize) -> Self {
        Self(2 << number.min(60))
    }

    fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl Index {
    /// Indexes the rules, in file order.
    pub(super) fn new<'r>(rules: impl Iterator<Item = Columns<'r>>) -> Self {
        let mut index = Self::default();
        for (rule, columns) in rules.enumerate() {
            giving_way::step();
            let entry = Entry { rule, methods: index.methods(columns.methods) };
            let mut listed = Vec::new();
            for role in columns.roles.lowered() {
                let next = index.roles.len();
                listed.push(*index.roles.entry(role.into()).or_insert(next));
            }
            let bucket = index.bucket(columns.pattern);
            if columns.roles.any() {
                bucket.everyone.push(entry);
            } else {
                bucket.by_role.extend(listed.into_iter().map(|role| (role, entry)));
            }
        }
        let buckets = index.exact.values_mut().chain(index.under.values_mut()).chain([&mut index.any]);
        for bucket in buckets {
            giving_way::step();
            bucket.by_role.sort_by_key(|(role, _)| *role);
        }
        index
    }

    fn methods(&mut self, names: &Names) -> Methods {
        if names.any() {
            return Methods::ANY;
        }
        names.lowered().fold(Methods::NONE, |methods, name| {
            let next = Methods::numbered(self.methods.len());
            methods.and(*self.methods.entry(name.into()).or_insert(next))
        })
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

    /// The numbers of the rules that may grant `method` on `path` to a user with `roles`, in file order.
    pub(super) fn candidates<'r>(&self, path: &str, method: &str, roles: impl Iterator<Item = &'r str>) -> Vec<usize> {
        let listed = self.methods.get(&*lower(method)).copied();
        let mut wanted = Wanted {
            roles: Held::Names(roles),
            methods: listed.unwrap_or(Methods::NONE).and(Methods::ANY),
            found: Vec::new(),
        };
        wanted.collect(&self.any, &self.roles);
        if let Some(bucket) = self.exact.get(path) {
            wanted.collect(bucket, &self.roles);
        }
        if !self.under.is_empty() {
            for (slash, _) in path.match_indices('/').take(self.depth + 1) {
                if let Some(bucket) = path.get(..slash).and_then(|prefix| self.under.get(prefix)) {
                    wanted.collect(bucket, &self.roles);
                }
            }
        }
        let mut found = wanted.found;
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// What is looked for, and what has been found.
struct Wanted<I> {
    roles: Held<I>,
    methods: Methods,
    found: Vec<usize>,
}

impl<'r, I: Iterator<Item = &'r str>> Wanted<I> {
    fn collect(&mut self, bucket: &Bucket, known: &HashMap<Box<str>, usize>) {
        let methods = self.methods;
        let fitting = |entry: &Entry| entry.methods.meets(methods).then_some(entry.rule);
        self.found.extend(bucket.everyone.iter().filter_map(fitting));
        if bucket.by_role.is_empty() {
            return;
        }
        for role in self.roles.numbers(known) {
            let begin = bucket.by_role.partition_point(|(listed, _)| listed < role);
            let listing = bucket.by_role.iter().skip(begin).take_while(|(listed, _)| listed == role);
            self.found.extend(listing.filter_map(|(_, entry)| fitting(entry)));
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
    use super::{Columns, Index, Names, Pattern};
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

    /// Pattern, roles, methods.
    type Row = (Pattern, Names, Names);

    fn index(rules: &[Row]) -> Index {
        Index::new(rules.iter().map(|(pattern, roles, methods)| Columns { pattern, roles, methods }))
    }

    fn may_grant((pattern, names, methods): &Row, path: &str, method: &str, roles: &[&str]) -> bool {
        pattern.matches(path) && methods.has(method) && (names.any() || roles.iter().any(|role| names.has(role)))
    }

    proptest! {
        #[test]
        fn the_candidates_hold_every_rule_that_may_grant_in_file_order(
            rules in prop::collection::vec((pattern(), names(), names()), 0..12),
            path in "/?([ab*]/){0,4}[ab]?/?",
            method in prop::sample::select(&["r", "é", "É", "k", "K", "x", "*"][..]),
            roles in prop::collection::vec(prop::sample::select(&["r", "é", "É", "k", "K", "x", "*"][..]), 0..3),
        ) {
            let candidates = index(&rules).candidates(&path, method, roles.iter().copied());
            prop_assert!(candidates.is_sorted_by(|a, b| a < b));
            let held: Vec<usize> =
                candidates.iter().copied().filter(|number| may_grant(&rules[*number], &path, method, &roles)).collect();
            let all = (0..rules.len()).filter(|number| may_grant(&rules[*number], &path, method, &roles));
            let all: Vec<usize> = all.collect();
            prop_assert_eq!(held, all);
        }
    }

    #[test]
    fn few_rules_are_asked_however_many_there_are() {
        let names = |number: usize| Names::new(&[format!("role{number}")]);
        let any = || Names::new(&["*".to_owned()]);
        let template = |number| Pattern::http(&format!("/s{number}/{{id}}/*")).unwrap();
        let rules: Vec<Row> = (0..10_000).map(|number| (template(number), names(number), any())).collect();
        assert_eq!(index(&rules).candidates("/s77/1/x", "get", ["Role77", "role78"].into_iter()), [77]);
        assert_eq!(index(&rules).candidates(&"/x".repeat(30_000), "get", std::iter::empty()), [0_usize; 0]);
        let everywhere: Vec<Row> = (0..10_000).map(|number| (Pattern::Any, names(number), any())).collect();
        assert_eq!(index(&everywhere).candidates("/x", "get", ["role9", "role7", "nobody"].into_iter()), [7, 9]);
    }

    #[test]
    fn a_rule_for_other_methods_is_not_asked_as_long_as_there_are_no_more_than_sixty() {
        let rules: Vec<Row> = (0..100)
            .map(|number| (Pattern::Any, Names::new(&["*".to_owned()]), Names::new(&[format!("Method{number}")])))
            .collect();
        let asked = |method| index(&rules).candidates("/x", method, std::iter::empty());
        assert_eq!(asked("METHOD7"), [7]);
        assert_eq!(asked("method59"), [59]);
        assert_eq!(asked("method99"), (60..100).collect::<Vec<_>>());
        assert_eq!(asked("unheard"), [0_usize; 0]);
    }
}
