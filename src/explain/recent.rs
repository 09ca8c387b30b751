//! Which decisions were made lately? A ring that is bounded in number and bytes, without secrets.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use prost::Message as _;

use super::message::{Explanation, Header, Outcome};
use super::settings::{Readers, Settings};
use crate::access::{RuleSteps, Walk, Which};

/// How many bytes all decisions together may hold, for each that is to be kept.
const BYTES_EACH: usize = 8 * 1024;

/// A walk that holds more than this is told at once, and only what was told is kept.
const HEAVIEST_WALK: usize = 4 * 1024;

/// No text of a decision that is kept is longer.
const LONGEST_TEXT: usize = 1024;

/// No list of a decision that is kept is longer.
const LONGEST_LIST: usize = 100;

/// The last decisions.
#[derive(Debug)]
pub struct Recent {
    settings: ArcSwap<Settings>,
    ring: Mutex<Ring>,
}

#[derive(Debug, Default)]
struct Ring {
    kept: VecDeque<(Arc<Entry>, usize)>,
    bytes: usize,
}

/// One decision. What its rules said is told when somebody asks, or when the rules are replaced.
#[derive(Debug)]
struct Entry {
    explanation: Explanation,
    rules: Mutex<Rules>,
}

#[derive(Debug)]
enum Rules {
    Walked(Walk),
    Told(RuleSteps),
}

impl Recent {
    /// A ring that keeps what `settings` say.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings: ArcSwap::from_pointee(settings), ring: Mutex::default() }
    }

    /// A ring that keeps nothing.
    #[must_use]
    pub fn off() -> Self {
        Self::new(Settings { decisions: 0, ..Settings::default() })
    }

    /// Whether a refused client is told the decision's id.
    #[must_use]
    pub fn tells_client(&self) -> bool {
        self.settings.load().header
    }

    /// Who may ask.
    #[must_use]
    pub fn readers(&self) -> Readers {
        self.settings.load().readers
    }

    /// Goes by `settings` from now on; what is too much by them is forgotten.
    pub fn follow(&self, settings: Settings) {
        self.settings.store(Arc::new(settings));
        let mut gone = Vec::new();
        self.make_room(&mut lock(&self.ring), &mut gone);
    }

    /// How many are kept at most.
    #[must_use]
    pub fn most(&self) -> usize {
        self.settings.load().decisions
    }

    /// Whether refusals are kept.
    #[must_use]
    pub fn keeps_refusals(&self) -> bool {
        self.most() > 0
    }

    /// Whether an allow is kept; `lot` is any number that is not chosen by anybody.
    #[must_use]
    pub fn keeps_allow(&self, lot: u32) -> bool {
        let settings = self.settings.load();
        settings.decisions > 0 && f64::from(lot) < settings.allows * (f64::from(u32::MAX) + 1.0)
    }

    /// Keeps a decision; the oldest make room.
    pub fn keep(&self, explanation: Explanation, walk: Option<Walk>) {
        let rules = match walk {
            Some(walk) if walk.weight() <= HEAVIEST_WALK => Rules::Walked(walk),
            Some(walk) => Rules::Told(told(&walk)),
            None => Rules::Told(RuleSteps::default()),
        };
        let entry = Entry { explanation: bounded(explanation), rules: Mutex::new(rules) };
        let weight = entry.weight();
        // Freed after the lock is.
        let mut gone = Vec::new();
        let mut ring = lock(&self.ring);
        ring.bytes += weight;
        ring.kept.push_back((Arc::new(entry), weight));
        self.make_room(&mut ring, &mut gone);
    }

    /// The decision of this id, and what its rules said.
    #[must_use]
    pub fn find(&self, id: &str, which: Which) -> Option<Explanation> {
        let found =
            lock(&self.ring).kept.iter().rev().map(|(entry, _)| entry).find(|kept| kept.explanation.id == id).cloned();
        found.map(|entry| entry.explanation.clone().with_rules(entry.rules(which)))
    }

    /// The decisions that `wanted` says, the newest first, at most `limit`, without what makes them long; and how many more.
    #[must_use]
    pub fn list(&self, wanted: impl Fn(&Explanation) -> bool, limit: usize) -> (Vec<Explanation>, usize) {
        let all: Vec<Arc<Entry>> = lock(&self.ring).kept.iter().rev().map(|(entry, _)| Arc::clone(entry)).collect();
        let mut found = all.iter().map(|entry| &entry.explanation).filter(|explanation| wanted(explanation));
        let first = found.by_ref().take(limit).map(summary).collect();
        (first, found.count())
    }

    /// Tells what the rules said of every decision, and lets go of the rules: they are about to be replaced or have been.
    pub fn settle(&self) {
        let all: Vec<Arc<Entry>> = lock(&self.ring).kept.iter().map(|(entry, _)| Arc::clone(entry)).collect();
        all.iter().for_each(|entry| entry.settle());
        // Weighed before the lock is taken: refusals wait for it. Of what was weighed the first may have made room meanwhile,
        // and new ones stand behind the last.
        let weights: Vec<usize> = all.iter().map(|entry| entry.weight()).collect();
        let mut weighed = all.iter().zip(weights);
        let mut gone = Vec::new();
        let mut ring = lock(&self.ring);
        let mut bytes = 0;
        for (entry, weight) in &mut ring.kept {
            if let Some((_, settled)) = weighed.find(|(weighed, _)| Arc::ptr_eq(weighed, entry)) {
                *weight = settled;
            }
            bytes += *weight;
        }
        ring.bytes = bytes;
        self.make_room(&mut ring, &mut gone);
    }

    fn make_room(&self, ring: &mut Ring, gone: &mut Vec<Arc<Entry>>) {
        let most = self.most();
        let most_bytes = most.saturating_mul(BYTES_EACH);
        while ring.kept.len() > most || ring.bytes > most_bytes {
            let Some((entry, weight)) = ring.kept.pop_front() else { break };
            ring.bytes -= weight;
            gone.push(entry);
        }
    }
}

impl Entry {
    fn weight(&self) -> usize {
        let rules = match &*lock(&self.rules) {
            Rules::Walked(walk) => walk.weight(),
            Rules::Told(told) => {
                told.steps.iter().map(|step| step.rule.len() + step.asked.len() + lacked(step) + 96).sum()
            }
        };
        // Texts once more for what allocations cost.
        size_of::<Self>() + 2 * self.explanation.encoded_len() + rules
    }

    fn rules(&self, which: Which) -> RuleSteps {
        match &*lock(&self.rules) {
            Rules::Walked(walk) => walk.steps(which),
            Rules::Told(told) => told.clone(),
        }
    }

    fn settle(&self) {
        let mut rules = lock(&self.rules);
        if let Rules::Walked(walk) = &*rules {
            *rules = Rules::Told(told(walk));
        }
    }
}

fn lacked(step: &crate::access::RuleStep) -> usize {
    step.lacked.as_ref().map_or(0, String::len)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The rules that came near, in texts that are not long.
fn told(walk: &Walk) -> RuleSteps {
    let mut told = walk.steps(Which::Near);
    for step in &mut told.steps {
        clip(&mut step.rule);
        clip(&mut step.asked);
        step.lacked.iter_mut().for_each(clip);
    }
    told
}

/// The same with lists and texts that are not long, and without the values of headers that the upstream got.
///
/// SECURITY: identity headers may come from any claim of the token and any field of the user.
fn bounded(mut explanation: Explanation) -> Explanation {
    let Explanation { request, token, before_script, identity, dropped_roles, steps, answer, rule, .. } =
        &mut explanation;
    clip(rule);
    if let Some(request) = request {
        [&mut request.method, &mut request.host, &mut request.path, &mut request.request_id].into_iter().for_each(clip);
    }
    if let Some(token) = token {
        [&mut token.subject, &mut token.realm, &mut token.client_id].into_iter().for_each(clip);
        clip_all(&mut token.scopes);
    }
    for identity in before_script.iter_mut().chain(identity) {
        [&mut identity.authentication_id, &mut identity.component, &mut identity.id].into_iter().for_each(clip);
        clip_all(&mut identity.roles);
    }
    dropped_roles.truncate(LONGEST_LIST);
    dropped_roles.iter_mut().for_each(|role| clip(&mut role.name));
    steps.iter_mut().for_each(|step| clip(&mut step.text));
    if let Some(answer) = answer {
        answer.set.iter_mut().chain(&mut answer.response_headers).for_each(|header| header.value = None);
        answer.headers.iter_mut().for_each(clip_header);
        clip(&mut answer.body);
        clip_all(&mut answer.remove);
    }
    explanation
}

fn clip_header(header: &mut Header) {
    header.value.iter_mut().for_each(clip);
}

fn clip_all(texts: &mut Vec<String>) {
    if texts.len() > LONGEST_LIST {
        let more = texts.len() - LONGEST_LIST;
        texts.truncate(LONGEST_LIST);
        texts.push(format!("… and {more} more"));
    }
    texts.iter_mut().for_each(clip);
}

fn clip(text: &mut String) {
    if text.len() > LONGEST_TEXT {
        text.truncate(text.floor_char_boundary(LONGEST_TEXT));
        text.push('…');
        text.shrink_to_fit();
    }
}

/// Without what makes it long.
fn summary(explanation: &Explanation) -> Explanation {
    Explanation { steps: Vec::new(), rules: Vec::new(), answer: None, ..explanation.clone() }
}

/// Whether it is of this outcome; unspecified is any.
#[must_use]
pub fn is_of(explanation: &Explanation, outcome: Outcome) -> bool {
    outcome == Outcome::Unspecified || explanation.outcome() == outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explanation(id: &str) -> Explanation {
        Explanation { id: id.to_owned(), outcome: Outcome::Deny.into(), ..Explanation::default() }
    }

    fn recent(decisions: usize) -> Recent {
        Recent::new(Settings { decisions, ..Settings::default() })
    }

    #[test]
    fn the_oldest_make_room_for_the_newest() {
        let recent = recent(3);
        for id in ["a", "b", "c", "d"] {
            recent.keep(explanation(id), None);
        }
        assert!(recent.find("a", Which::Near).is_none());
        let (listed, left_out) = recent.list(|_| true, 2);
        let ids: Vec<_> = listed.iter().map(|explanation| explanation.id.as_str()).collect();
        assert_eq!((ids, left_out), (vec!["d", "c"], 1));
    }

    #[test]
    fn however_long_texts_are_the_bytes_stay_bounded() {
        let recent = recent(50);
        for id in 0..100 {
            let long = || "ä".repeat(2_000);
            let mut explanation = explanation(&id.to_string());
            let roles = (0..200).map(|number| format!("{number}{}", long())).collect();
            explanation.identity = Some(super::super::message::Identity { id: long(), roles, ..Default::default() });
            explanation.answer = Some(super::super::message::Answer { body: long(), ..Default::default() });
            recent.keep(explanation, None);
            let ring = lock(&recent.ring);
            assert!(ring.bytes <= 50 * BYTES_EACH, "{}", ring.bytes);
            assert_eq!(ring.bytes, ring.kept.iter().map(|(entry, _)| entry.weight()).sum::<usize>());
        }
        assert!(recent.find("99", Which::Near).is_some());
    }

    #[test]
    fn changed_settings_are_followed_and_what_is_too_much_is_forgotten() {
        let recent = recent(3);
        for id in ["a", "b", "c"] {
            recent.keep(explanation(id), None);
        }
        recent.follow(Settings { decisions: 1, allows: 1.0, header: false, readers: Readers::Anyone });
        assert!(recent.find("b", Which::Near).is_none() && recent.find("c", Which::Near).is_some());
        assert!(recent.keeps_allow(u32::MAX) && !recent.tells_client() && recent.readers() == Readers::Anyone);
        recent.follow(Settings { decisions: 0, ..Settings::default() });
        assert!(recent.find("c", Which::Near).is_none() && !recent.keeps_refusals());
    }

    #[test]
    fn what_is_kept_weighs_what_it_does_also_after_rules_were_replaced() {
        let recent = recent(3);
        for id in ["a", "b", "c", "d"] {
            recent.keep(explanation(id), None);
        }
        let heavier =
            (0..50).map(|_| crate::access::RuleStep { rule: "r".to_owned(), asked: "GET /".to_owned(), lacked: None });
        let told = RuleSteps { steps: heavier.collect(), left_out: 0 };
        for (entry, _) in &lock(&recent.ring).kept {
            *lock(&entry.rules) = Rules::Told(told.clone());
        }
        recent.settle();
        let ring = lock(&recent.ring);
        assert!(ring.kept.iter().all(|(entry, weight)| *weight == entry.weight()), "{ring:?}");
        assert_eq!((ring.kept.len(), ring.bytes), (3, ring.kept.iter().map(|(_, weight)| weight).sum()));
    }

    #[test]
    fn a_ring_of_none_keeps_nothing() {
        let recent = recent(0);
        assert!(!recent.keeps_refusals() && !recent.keeps_allow(0));
        recent.keep(explanation("a"), None);
        assert!(recent.find("a", Which::Near).is_none());
    }

    #[test]
    fn allows_are_kept_as_the_share_says() {
        let of = |allows| Recent::new(Settings { allows, ..Settings::default() });
        assert!(!of(0.0).keeps_allow(0) && of(1.0).keeps_allow(u32::MAX));
        assert!(of(0.5).keeps_allow(u32::MAX / 2) && !of(0.5).keeps_allow(u32::MAX / 2 + 2));
    }
}
