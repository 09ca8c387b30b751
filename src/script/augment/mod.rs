//! What does the script of `augmentSecurityContext` make of the security context? (A10, C7, C8.)

mod bindings;
mod result;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::engine::{Sandbox, Script, ScriptError};
use super::turns::{Input, Turns};
use crate::deadline::Deadline;
use crate::principal::{ContextIncomplete, Origin, Principal, User};
use crate::request::{RequestPath, RequestView};
use crate::token::ActiveToken;

/// The variables that every run has; the script's own (`globals`) have other names.
pub const BINDINGS: [&str; 7] =
    ["security", "properties", "httpRequest", "resource", "subjectMapping", "privileges", "require"];
/// The modules that `require` knows.
pub const MODULES: [&str; 2] = ["auth/orgPrivileges", "auth/orgPrivileges.js"];
/// Headers that scripts do not get to see: what they hold would lead from the script into an answer or a log.
/// SECURITY: credentials never leave the stages that need them.
const WITHHELD: [&str; 3] = ["authorization", "proxy-authorization", "cookie"];

/// `augmentSecurityContext`.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The script.
    pub source: String,
    /// Its own variables. INVARIANT kept by the configuration: none is called like one of [`BINDINGS`].
    pub globals: Map<String, Value>,
    /// The `rsFilter` block without secrets: the variable `properties`. Its `subjectMapping` gives the variable of that name.
    pub properties: Value,
    /// Further headers to withhold: those that hold credentials. Lower case.
    pub withheld_headers: Vec<String>,
    /// Whether the query is withheld: where a credential can stand in it.
    pub withhold_query: bool,
}

/// A script that rewrites security contexts.
#[derive(Debug, Clone)]
pub struct AugmentScript {
    script: Script,
    /// Constant variables by name, as JSON.
    constants: Arc<[(String, String)]>,
    /// `subjectMapping` by index, as JSON.
    mappings: Arc<[Arc<str>]>,
    withheld_headers: Vec<String>,
    withhold_query: bool,
    turns: Turns,
}

/// Why there is no augmented security context. None of these may lead to an allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AugmentError {
    /// The script threw `{code: 4xx, message}` (C8): authentication has failed; the message, which may be empty.
    #[error("the script refused: `{0}`")]
    Refused(String),
    /// What it left lacks a member that C5 requires.
    #[error(transparent)]
    Incomplete(#[from] ContextIncomplete),
    /// It failed in another way.
    #[error(transparent)]
    Failed(#[from] ScriptError),
}

/// What is asked about, apart from who it is.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The request.
    pub request: &'a RequestView<'a>,
    /// Its path.
    pub path: &'a RequestPath<'a>,
    /// The index of the subject mapping that the token led to; `None` for a static user.
    pub mapping: Option<usize>,
    /// The instant of the check, which is the script's `Date`.
    pub now: Timestamp,
    /// No run takes longer, neither to its turn nor to its end.
    pub deadline: Deadline,
}

/// What one run is about, apart from the script, as JSON: owned, because a run that is too late outlives its question.
struct Question {
    constants: Arc<[(String, String)]>,
    security: String,
    http_request: String,
    resource: String,
    mapping: Arc<str>,
    now: Timestamp,
}

/// What a run left: the security context it was given, and the members of what it returned.
struct Left {
    security: Option<Value>,
    authentication_id: Option<Value>,
    authorization: Option<Value>,
}

impl AugmentScript {
    /// Reads the script; runs nothing of it.
    ///
    /// # Errors
    /// [`ScriptError::Syntax`] with the place within the script.
    pub fn compile(settings: Settings) -> Result<Self, ScriptError> {
        let script = Script::compile(&settings.source)?;
        let mappings = settings.properties.get("subjectMapping").and_then(Value::as_array);
        let mappings = mappings.into_iter().flatten().map(|mapping| mapping.to_string().into()).collect();
        let globals = settings.globals.into_iter().map(|(name, value)| (name, value.to_string()));
        let properties = ("properties".to_owned(), settings.properties.to_string());
        // E14: nobody has privileges here.
        let privileges = ("privileges".to_owned(), "[]".to_owned());
        Ok(Self {
            script,
            constants: globals.chain([properties, privileges]).collect(),
            mappings,
            withheld_headers: settings.withheld_headers,
            withhold_query: settings.withhold_query,
            turns: Turns::default(),
        })
    }

    /// The same script, which takes its turns among `turns`.
    #[must_use]
    pub fn with_turns(self, turns: Turns) -> Self {
        Self { turns, ..self }
    }

    /// Runs the script for a principal that a token led to.
    ///
    /// # Errors
    /// [`AugmentError`]: the script refused, left an incomplete context, or failed.
    pub async fn run(&self, principal: &Principal, asked: Asked<'_>) -> Result<Principal, AugmentError> {
        let left = self.ask(principal.to_json(), principal.user().map(AsRef::as_ref), asked).await?;
        result::read(left, principal.origin.clone())
    }

    /// Runs the script for a token that led to nobody: it may supply the whole of `authorization` itself (C7).
    ///
    /// # Errors
    /// As [`Self::run`]; [`AugmentError::Incomplete`] also where the script leaves everything as it is.
    pub async fn supply(
        &self,
        authentication_id: &str,
        token: Arc<ActiveToken>,
        asked: Asked<'_>,
    ) -> Result<Principal, AugmentError> {
        let security = json!({ "authenticationId": authentication_id, "authorization": {} });
        let left = self.ask(security, None, asked).await?;
        result::read(left, Origin::Supplied(token))
    }

    async fn ask(&self, security: Value, user: Option<&User>, asked: Asked<'_>) -> Result<Left, AugmentError> {
        let mapping = asked.mapping.and_then(|index| self.mappings.get(index).cloned());
        let question = Question {
            constants: Arc::clone(&self.constants),
            security: security.to_string(),
            http_request: self.http_request(asked.request, asked.path).to_string(),
            resource: user.map_or_else(|| "null".to_owned(), |user| json!(user.fields).to_string()),
            mapping: mapping.unwrap_or_else(|| "null".into()),
            now: asked.now,
        };
        let (input, script) = (question.input(), self.script.clone());
        let run = move |limits| script.run(limits, |sandbox| question.ask(&sandbox));
        match self.turns.run(&self.script, input, asked.deadline, run).await {
            Ok(left) => Ok(left),
            Err(ScriptError::Thrown { code: Some(400..=499), message }) => Err(AugmentError::Refused(message)),
            Err(error) => Err(error.into()),
        }
    }

    fn http_request(&self, request: &RequestView<'_>, path: &RequestPath<'_>) -> Value {
        let mut headers: Map<String, Value> = Map::new();
        for (name, value) in request.headers.iter() {
            let name = name.to_ascii_lowercase();
            if WITHHELD.contains(&name.as_str()) || self.withheld_headers.contains(&name) {
                continue;
            }
            // What is not UTF-8 stays visible and equals nothing that a script could expect.
            let value = String::from_utf8_lossy(value);
            match headers.get_mut(&name) {
                Some(Value::String(held)) => {
                    held.push(',');
                    held.push_str(&value);
                }
                _ => {
                    headers.insert(name, value.into());
                }
            }
        }
        // The path as every other stage reads it.
        let mut uri = path.as_str().to_owned();
        if let (Some(query), false) = (path.query(), self.withhold_query) {
            uri.push('?');
            uri.push_str(query);
        }
        json!({ "method": request.method, "path": path.as_str(), "uri": uri, "headers": headers })
    }
}

impl Question {
    fn input(&self) -> Input {
        let constants: usize = self.constants.iter().map(|(_, json)| json.len()).sum();
        let own = [&*self.security, &*self.http_request, &*self.resource, &*self.mapping];
        Input::Texts(constants + own.iter().map(|json| json.len()).sum::<usize>())
    }

    fn ask(&self, sandbox: &Sandbox<'_, '_>) -> rquickjs::Result<Left> {
        sandbox.set_clock(self.now)?;
        bindings::define_globals(sandbox)?;
        for (name, json) in &*self.constants {
            sandbox.define(name, json)?;
        }
        let http_request = sandbox.define("httpRequest", &self.http_request)?;
        bindings::define_functions(sandbox, http_request)?;
        sandbox.define("resource", &self.resource)?;
        sandbox.define("subjectMapping", &self.mapping)?;
        let security = sandbox.define("security", &self.security)?;
        let returned = sandbox.evaluate()?;
        let member = |name: &str| match returned.as_object() {
            Some(returned) => sandbox.json(returned.get(name)?),
            None => Ok(None),
        };
        let (authentication_id, authorization) = (member("authenticationId")?, member("authorization")?);
        Ok(Left { security: sandbox.json(security)?, authentication_id, authorization })
    }
}
