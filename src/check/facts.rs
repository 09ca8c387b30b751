//! What would the authorization server and the directory say? Their recorded words, instead of theirs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use serde_json::{Map, Value};

use crate::app::assemble::Outside;
use crate::config::Filter;
use crate::deadline::Deadline;
use crate::directory::settings::FileUsers;
use crate::directory::{self, DirectoryError, FileDirectory, Found, TokenClaims, UserDirectory, UserQuery};
use crate::introspection::answer::Answer;
use crate::introspection::{AnswerSource, Introspection, IntrospectionError, Introspector};
use crate::token::{BearerToken, TokenState};

/// What `--token-facts` holds.
#[derive(Clone)]
pub enum TokenFacts {
    /// One introspection answer, whatever the token is.
    Any(Map<String, Value>),
    /// Introspection answers by token.
    ByToken(BTreeMap<String, Map<String, Value>>),
}

impl TokenFacts {
    /// Tells the two apart: a map of tokens holds objects only, and no answer of RFC 7662 does.
    ///
    /// # Errors
    /// What is wrong with `value`.
    pub fn read(value: Value) -> Result<Self, String> {
        let Value::Object(members) = value else {
            return Err("an introspection answer was expected, or an object of answers by token".to_owned());
        };
        if members.is_empty() || !members.values().all(Value::is_object) {
            return Ok(Self::Any(members));
        }
        let answers = members.into_iter().filter_map(|(token, answer)| match answer {
            Value::Object(answer) => Some((token, answer)),
            _ => None,
        });
        Ok(Self::ByToken(answers.collect()))
    }
}

/// What a decision needed and nobody had recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FactMissing {
    /// The request carries a token, and there is no `--token-facts`.
    #[error(
        "the request carries a token: say with `--token-facts` what the authorization server answers about it, \
         e.g. {{\"active\": true, \"sub\": \"alice\"}}"
    )]
    Token,
    /// `--token-facts` holds answers by token, and none for this one.
    #[error("`--token-facts` holds no answer for the token of the request")]
    ThisToken,
    /// The directory is an identity manager, and there is no `--user`.
    #[error("the directory is an identity manager, which is not asked here: give the user's record with `--user`")]
    User,
}

/// Answers from files, and remembers what it was asked in vain.
pub struct Recorded {
    token_facts: Option<TokenFacts>,
    user: Option<Map<String, Value>>,
    missing: Arc<Missing>,
}

#[derive(Debug, Default)]
struct Missing(Mutex<Option<FactMissing>>);

impl Missing {
    fn note(&self, fact: FactMissing) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(fact);
    }
}

impl Recorded {
    /// Facts from `--token-facts` and `--user`.
    #[must_use]
    pub fn new(token_facts: Option<TokenFacts>, user: Option<Map<String, Value>>) -> Self {
        Self { token_facts, user, missing: Arc::default() }
    }

    /// What was asked for in vain: the decision is then about the missing fact, not about the request.
    #[must_use]
    pub fn missing(&self) -> Option<FactMissing> {
        *self.missing.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outside for Recorded {
    fn introspector(&self, _filter: &Filter) -> Result<Arc<dyn Introspector>, String> {
        Ok(Arc::new(RecordedAnswers { facts: self.token_facts.clone(), missing: Arc::clone(&self.missing) }))
    }

    fn directory(&self, filter: &Filter) -> Result<Arc<dyn UserDirectory>, String> {
        let missing = Arc::clone(&self.missing);
        Ok(match (&self.user, &filter.directory) {
            (None, directory::Settings::Token) => Arc::new(TokenClaims),
            (Some(_), directory::Settings::Token) => {
                return Err("it is `token`: the token's claims are the user, so `--user` has no place here".to_owned());
            }
            (Some(user), _) => Arc::new(RecordedUser { user: Some(user.clone()), missing }),
            (None, directory::Settings::File(users)) => Arc::new(FileDirectory::new(users)),
            (None, directory::Settings::Idm(_)) => Arc::new(RecordedUser { user: None, missing }),
        })
    }
}

struct RecordedAnswers {
    facts: Option<TokenFacts>,
    missing: Arc<Missing>,
}

#[async_trait]
impl Introspector for RecordedAnswers {
    async fn introspect(&self, token: &BearerToken, _: Deadline) -> Result<Introspection, IntrospectionError> {
        let in_vain = |fact| {
            self.missing.note(fact);
            IntrospectionError::GivenUp("nothing is recorded of this token")
        };
        let answer = match &self.facts {
            None => return Err(in_vain(FactMissing::Token)),
            Some(TokenFacts::Any(answer)) => answer,
            Some(TokenFacts::ByToken(answers)) => {
                answers.get(token.expose()).ok_or_else(|| in_vain(FactMissing::ThisToken))?
            }
        };
        let body = serde_json::to_vec(answer).map_err(|error| IntrospectionError::Unreadable(error.to_string()))?;
        let answer =
            Answer { status: 200, content_type: Some("application/json"), body: &body, hide: &[token.expose()] };
        let state: TokenState = answer.read()?;
        Ok(Introspection { state, source: AnswerSource::Asked })
    }
}

/// One record, in whatever collection it is looked for; its members must still meet the conditions.
struct RecordedUser {
    user: Option<Map<String, Value>>,
    missing: Arc<Missing>,
}

#[async_trait]
impl UserDirectory for RecordedUser {
    async fn find(&self, query: &UserQuery, deadline: Deadline) -> Result<Found, DirectoryError> {
        let Some(user) = &self.user else {
            self.missing.note(FactMissing::User);
            return Err(DirectoryError::Unreachable("it is not asked here".to_owned()));
        };
        let collections = BTreeMap::from([(query.component.to_string(), vec![user.clone()])]);
        FileDirectory::new(&FileUsers { collections }).find(query, deadline).await
    }
}
