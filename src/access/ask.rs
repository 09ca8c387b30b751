//! What are the rules asked? One request in the words of their style: a method, a path, an action.

use std::borrow::Cow;

/// One question to the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ask<'a> {
    /// The method: HTTP's as sent, or CREST's.
    pub(super) method: &'a str,
    /// The path within the context path: with a leading slash in `http` style, without in `crest` style.
    pub(super) path: &'a str,
    /// CREST's action, empty where there is none.
    pub(super) action: Cow<'a, str>,
}

impl<'a> Ask<'a> {
    /// A question without an action.
    pub(super) fn new(method: &'a str, path: &'a str) -> Self {
        Self { method, path, action: Cow::Borrowed("") }
    }

    /// CREST's `action`, by name.
    pub(super) fn action(name: Cow<'a, str>, path: &'a str) -> Self {
        Self { method: "action", path, action: name }
    }

    /// The question for people, e.g. `create managed/user`.
    pub(super) fn for_people(&self) -> String {
        if self.action.is_empty() {
            format!("{} {}", self.method, self.path)
        } else {
            format!("{} {} {}", self.method, self.action, self.path)
        }
    }
}

/// One question, or two that must both be granted, in that order (E22).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asks<'a> {
    first: Ask<'a>,
    second: Option<Ask<'a>>,
}

impl<'a> Asks<'a> {
    /// One question.
    pub(super) fn one(ask: Ask<'a>) -> Self {
        Self { first: ask, second: None }
    }

    /// Two questions.
    pub(super) fn both(first: Ask<'a>, second: Ask<'a>) -> Self {
        Self { first, second: Some(second) }
    }

    /// The first question.
    pub(super) fn first(&self) -> &Ask<'a> {
        &self.first
    }

    /// The second question, where there is one.
    pub(super) fn second(&self) -> Option<&Ask<'a>> {
        self.second.as_ref()
    }

    /// The questions in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Ask<'a>> {
        std::iter::once(&self.first).chain(&self.second)
    }
}
