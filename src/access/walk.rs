//! How far did each rule come with a request, and what was the one thing it lacked?
//!
//! Told from what the decision itself found: no condition runs again, nothing of the request but its method and path is
//! kept, and the rules are those that decided, whatever has been loaded since.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::sync::Arc;

use super::Way;
use super::ask::Ask;
use super::rule::{Lack, Rule};
use crate::principal::{Principal, Role};

/// How many rules that came near are told of each question.
const MOST_NEAR: usize = 20;

/// How many rules with a similar pattern are told where no rule covers the path.
const MOST_SIMILAR: usize = 3;

/// What one rule said about a request: for `check` and `explain`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleStep {
    /// The rule's name or place.
    pub rule: String,
    /// The CREST or HTTP request it was asked about, e.g. `create managed/user`.
    pub asked: String,
    /// `None`: it grants. Else the first thing it lacked, in the order of E6, for people.
    pub lacked: Option<String>,
}

/// Which rules an explanation tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Those whose pattern covers the path, the ones that came farthest first; at most 20 for each question. Where there
    /// are none, up to three whose pattern begins as the path does.
    Near,
    /// Every rule up to the one that ended the walk, in the order of the file.
    All,
}

/// What rules said, and how many more there were.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleSteps {
    /// What they said.
    pub steps: Vec<RuleStep>,
    /// How many were walked past and are not told.
    pub left_out: usize,
}

/// What [`super::AccessRules::admit_noting`] notes down.
#[derive(Debug, Clone, Default)]
pub struct Notes {
    /// Note the walk of an allow, too; that of a denial is noted always.
    pub of_allows: bool,
    /// The walk, once the rules were asked.
    pub walk: Option<Walk>,
}

/// One walk through the rules: which questions, who asked, and what only the request itself could tell.
///
/// It keeps the rules alive; whoever keeps it for long puts [`Walk::steps`] in its place when rules are replaced.
#[derive(Debug, Clone)]
pub struct Walk {
    rules: Arc<[Rule]>,
    roles: Vec<Role>,
    legs: Vec<Leg>,
}

/// One question's way through the rules.
#[derive(Debug, Clone)]
struct Leg {
    method: Box<str>,
    path: Box<str>,
    action: Box<str>,
    /// What the rules lacked that came as far as the scopes; by number.
    late: Vec<(usize, Lack, String)>,
    end: End,
}

/// How a question's way ended.
#[derive(Debug, Clone)]
enum End {
    /// This rule grants.
    Granted(usize),
    /// The condition of this rule failed, and why.
    Failed(usize, String),
    /// No rule grants.
    Nowhere,
}

/// How far a rule came: the greater, the nearer.
fn nearness(lack: Option<Lack>) -> u8 {
    match lack {
        Some(Lack::Pattern) => 0,
        Some(Lack::Excluded(_)) => 1,
        Some(Lack::Roles) => 2,
        Some(Lack::Method) => 3,
        Some(Lack::Action) => 4,
        Some(Lack::Scopes) => 5,
        Some(Lack::When | Lack::CustomAuthz) => 6,
        None => 7,
    }
}

impl Walk {
    /// A walk of `principal` past `rules`.
    pub(super) fn new(rules: &Arc<[Rule]>, principal: &Principal) -> Self {
        Self { rules: Arc::clone(rules), roles: principal.roles.clone(), legs: Vec::new() }
    }

    /// One more question of the walk, and its way.
    pub(super) fn push(&mut self, ask: &Ask<'_>, way: &Way<'_>, principal: &Principal) {
        let told = |(number, lack): &(usize, Lack)| {
            let rule = self.rules.get(*number)?;
            Some((*number, *lack, rule.describe(*lack, ask, &principal.roles, Some(principal))))
        };
        let late = way.late.iter().filter_map(told).collect();
        let end = match (&way.granted, &way.failed) {
            (Ok((number, _)), _) => End::Granted(*number),
            (Err(_), Some((number, why))) => End::Failed(*number, why.clone()),
            (Err(_), None) => End::Nowhere,
        };
        let (method, path, action) = (ask.method.into(), ask.path.into(), ask.action.as_ref().into());
        self.legs.push(Leg { method, path, action, late, end });
    }

    /// About how many bytes it holds, the rules not counted.
    #[must_use]
    pub fn weight(&self) -> usize {
        let roles: usize = self.roles.iter().map(|role| role.as_str().len() + size_of::<Role>()).sum();
        let leg = |leg: &Leg| {
            let late: usize = leg.late.iter().map(|(_, _, text)| text.len() + 64).sum();
            let failure = if let End::Failed(_, why) = &leg.end { why.len() } else { 0 };
            leg.method.len() + leg.path.len() + leg.action.len() + late + failure + size_of::<Leg>()
        };
        size_of::<Self>() + roles + self.legs.iter().map(leg).sum::<usize>()
    }

    /// What the rules said.
    #[must_use]
    pub fn steps(&self, which: Which) -> RuleSteps {
        let mut told = RuleSteps::default();
        for leg in &self.legs {
            match which {
                Which::All => {
                    let walked = self.walked(leg).map(|(number, lack)| self.step(leg, number, lack));
                    told.steps.extend(walked.flatten());
                }
                Which::Near => {
                    let (near, passed) = self.near(leg);
                    told.left_out += passed - near.len();
                    told.steps.extend(near.into_iter().filter_map(|(number, lack)| self.step(leg, number, lack)));
                }
            }
        }
        told
    }

    /// The rules that were walked past, in the order of the file, up to the one that ended the way.
    fn walked<'w>(&'w self, leg: &'w Leg) -> impl Iterator<Item = (usize, Option<Lack>)> + 'w {
        let (last, granted) = match leg.end {
            End::Granted(number) => (number + 1, Some(number)),
            End::Failed(number, _) => (number + 1, None),
            End::Nowhere => (self.rules.len(), None),
        };
        let ask = leg.ask();
        self.rules.iter().enumerate().take(last).map(move |(number, rule)| {
            let late = || leg.late.iter().find(|(late, ..)| *late == number).map(|(_, lack, _)| *lack);
            let lack = if granted == Some(number) {
                None
            } else {
                let roles = self.roles.iter().map(Role::as_str);
                rule.lacks(&ask, roles).or_else(late)
            };
            (number, lack)
        })
    }

    /// The rules that came near, the nearest first, and how many were walked past in all.
    fn near(&self, leg: &Leg) -> (Vec<(usize, Option<Lack>)>, usize) {
        let mut passed = 0;
        let mut near: Vec<_> =
            self.walked(leg).inspect(|_| passed += 1).filter(|(_, lack)| *lack != Some(Lack::Pattern)).collect();
        near.sort_by_key(|(_, lack)| Reverse(nearness(*lack)));
        near.truncate(MOST_NEAR);
        if near.is_empty() {
            near = self.similar(leg);
        }
        (near, passed)
    }

    /// Rules whose pattern has most segments in common with the path, though it does not cover it.
    fn similar(&self, leg: &Leg) -> Vec<(usize, Option<Lack>)> {
        let common = |rule: &Rule| {
            let pairs = rule.written_pattern().split('/').zip(leg.path.split('/'));
            pairs.take_while(|(pattern, path)| pattern == path).filter(|(segment, _)| !segment.is_empty()).count()
        };
        let mut similar: Vec<_> = self
            .rules
            .iter()
            .enumerate()
            .map(|(number, rule)| (number, common(rule)))
            .filter(|(_, n)| *n > 0)
            .collect();
        similar.sort_by_key(|(_, count)| Reverse(*count));
        similar.truncate(MOST_SIMILAR);
        similar.into_iter().map(|(number, _)| (number, Some(Lack::Pattern))).collect()
    }

    fn step(&self, leg: &Leg, number: usize, lack: Option<Lack>) -> Option<RuleStep> {
        let rule = self.rules.get(number)?;
        let ask = leg.ask();
        let lacked = match (&leg.end, lack) {
            (End::Failed(failed, why), _) if *failed == number => Some(format!("{why}; the walk ends here")),
            (_, Some(lack)) => {
                let late = leg.late.iter().find(|(late, ..)| *late == number).map(|(_, _, text)| text.clone());
                Some(late.unwrap_or_else(|| rule.describe(lack, &ask, &self.roles, None)))
            }
            (_, None) => None,
        };
        Some(RuleStep { rule: rule.name.to_string(), asked: ask.for_people(), lacked })
    }
}

impl Leg {
    fn ask(&self) -> Ask<'_> {
        Ask { method: &self.method, path: &self.path, action: Cow::Borrowed(&self.action) }
    }
}
