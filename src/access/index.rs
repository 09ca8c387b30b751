//! Which rules can speak of a path at all? An index over the patterns, so that many rules cost no more than few.

use std::collections::HashMap;

use super::pattern::Pattern;

/// Rule numbers by what their pattern begins with. Every list is in file order.
///
/// INVARIANT: a rule whose pattern covers a path is among the path's candidates; the rules themselves decide.
#[derive(Debug, Default)]
pub(super) struct Index {
    any: Vec<usize>,
    exact: HashMap<Box<str>, Vec<usize>>,
    /// By the text before the slash from which on the pattern is open.
    under: HashMap<Box<str>, Vec<usize>>,
    /// How many slashes the longest key of `under` has: no path is followed deeper, however many slashes it has.
    depth: usize,
}

impl Index {
    /// Indexes the patterns of the rules, in file order.
    pub(super) fn new<'p>(patterns: impl Iterator<Item = &'p Pattern>) -> Self {
        let mut index = Self::default();
        for (number, pattern) in patterns.enumerate() {
            match pattern {
                Pattern::Any => index.any.push(number),
                Pattern::Exact(text) => index.exact.entry(text.clone()).or_default().push(number),
                Pattern::Under(prefix) => index.add_under(prefix.strip_suffix('/').unwrap_or(prefix).into(), number),
                Pattern::Template(template) => index.add_under(template.literal_prefix(), number),
            }
        }
        index
    }

    fn add_under(&mut self, prefix: String, number: usize) {
        self.depth = self.depth.max(prefix.matches('/').count());
        self.under.entry(prefix.into()).or_default().push(number);
    }

    /// The numbers of the rules that may cover `path`, in file order.
    pub(super) fn candidates(&self, path: &str) -> Candidates<'_> {
        let mut found = Candidates::One([].iter());
        if !self.any.is_empty() {
            found = found.and(&self.any);
        }
        if let Some(numbers) = self.exact.get(path) {
            found = found.and(numbers);
        }
        if !self.under.is_empty() {
            for (slash, _) in path.match_indices('/').take(self.depth + 1) {
                if let Some(numbers) = path.get(..slash).and_then(|prefix| self.under.get(prefix)) {
                    found = found.and(numbers);
                }
            }
        }
        found.sorted()
    }
}

/// Rule numbers in file order: one list of the index, or several that were merged.
#[derive(Debug)]
pub(super) enum Candidates<'a> {
    One(std::slice::Iter<'a, usize>),
    Merged(std::vec::IntoIter<usize>),
}

impl<'a> Candidates<'a> {
    fn and(self, numbers: &'a [usize]) -> Self {
        match self {
            Self::One(held) if held.as_slice().is_empty() => Self::One(numbers.iter()),
            Self::One(held) => Self::Merged([held.as_slice(), numbers].concat().into_iter()),
            Self::Merged(held) => {
                let mut held: Vec<usize> = held.collect();
                held.extend_from_slice(numbers);
                Self::Merged(held.into_iter())
            }
        }
    }

    fn sorted(self) -> Self {
        match self {
            Self::One(_) => self,
            Self::Merged(held) => {
                let mut held: Vec<usize> = held.collect();
                held.sort_unstable();
                Self::Merged(held.into_iter())
            }
        }
    }
}

impl Iterator for Candidates<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        match self {
            Self::One(numbers) => numbers.next().copied(),
            Self::Merged(numbers) => numbers.next(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Index, Pattern};
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

    fn covering(patterns: &[Pattern], path: &str) -> Vec<usize> {
        (0..patterns.len()).filter(|number| patterns[*number].matches(path)).collect()
    }

    proptest! {
        #[test]
        fn the_candidates_hold_every_covering_rule_in_file_order(
            patterns in prop::collection::vec(pattern(), 0..12),
            path in "/?([ab*]/){0,4}[ab]?/?",
        ) {
            let candidates: Vec<usize> = Index::new(patterns.iter()).candidates(&path).collect();
            prop_assert!(candidates.is_sorted());
            let held: Vec<usize> =
                candidates.iter().copied().filter(|number| patterns[*number].matches(&path)).collect();
            prop_assert_eq!(held, covering(&patterns, &path));
        }
    }

    #[test]
    fn few_rules_are_asked_however_many_there_are() {
        let patterns: Vec<Pattern> =
            (0..10_000).map(|number| Pattern::http(&format!("/s{number}/{{id}}/*")).unwrap()).collect();
        let index = Index::new(patterns.iter());
        assert_eq!(index.candidates("/s77/1/x").collect::<Vec<_>>(), [77]);
        assert_eq!(index.candidates(&"/x".repeat(30_000)).count(), 0);
    }
}
