//! What does the script of `augmentSecurityContext` make of the security context? (A10, C7, C8.)

mod result;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;
use tokio::time::timeout_at;

use super::engine::{Sandbox, Script, ScriptError};
use crate::deadline::Deadline;
use crate::principal::{ContextIncomplete, Principal, User};
use crate::request::{RequestPath, RequestView};

/// The variables that every run has; the script's own (`globals`) have other names.
pub const BINDINGS: [&str; 5] = ["security", "properties", "httpRequest", "resource", "subjectMapping"];
/// The longest a run may take, whatever the check's own deadline.
const LONGEST_RUN: Duration = Duration::from_secs(1);
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
    slots: Arc<Semaphore>,
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

/// What one run is about, apart from the script: owned, because a run that is too late outlives its question.
struct Question {
    security: Value,
    http_request: Value,
    user: Option<Arc<User>>,
    mapping: Arc<str>,
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
        // As many runs at once as there are processors: a script waits for nothing, more would only slow each other down.
        let slots = std::thread::available_parallelism().map_or(1, usize::from).max(2);
        Ok(Self {
            script,
            constants: globals.chain([properties]).collect(),
            mappings,
            withheld_headers: settings.withheld_headers,
            withhold_query: settings.withhold_query,
            slots: Arc::new(Semaphore::new(slots)),
        })
    }

    /// Runs the script for a principal that a token led to. `mapping` is the index of its subject mapping, if it has one.
    ///
    /// Never waits longer than `deadline`, neither for a turn nor for the script's end.
    ///
    /// # Errors
    /// [`AugmentError`]: the script refused, left an incomplete context, or failed.
    pub async fn run(
        &self,
        principal: &Principal,
        request: &RequestView<'_>,
        path: &RequestPath<'_>,
        mapping: Option<usize>,
        deadline: Deadline,
    ) -> Result<Principal, AugmentError> {
        let question = Question {
            security: principal.to_json(),
            http_request: self.http_request(request, path),
            user: principal.user().cloned(),
            mapping: mapping.and_then(|index| self.mappings.get(index).cloned()).unwrap_or_else(|| "null".into()),
        };
        let left = timeout_at(deadline.instant(), self.run_elsewhere(question, deadline));
        let left = left.await.map_err(|_| ScriptError::Deadline)??;
        result::read(left, principal)
    }

    /// Runs on a thread that may block. The turn is given back when the script has ended, not when its caller has gone.
    async fn run_elsewhere(&self, question: Question, deadline: Deadline) -> Result<Left, AugmentError> {
        let turn = Arc::clone(&self.slots).acquire_owned().await;
        let turn = turn.map_err(|_| ScriptError::Other("the scripts have been shut down".to_owned()))?;
        let (script, constants) = (self.script.clone(), Arc::clone(&self.constants));
        let until = Instant::now() + deadline.remaining().min(LONGEST_RUN);
        let run = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            script.run(until, |sandbox| question.ask(&sandbox, &constants))
        });
        match run.await {
            Ok(Ok(left)) => Ok(left),
            Ok(Err(ScriptError::Thrown { code: Some(400..=499), message })) => Err(AugmentError::Refused(message)),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(ScriptError::Other("the engine broke".to_owned()).into()),
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
    fn ask(self, sandbox: &Sandbox<'_, '_>, constants: &[(String, String)]) -> rquickjs::Result<Left> {
        for (name, json) in constants {
            sandbox.define(name, json)?;
        }
        let resource = self.user.map_or_else(|| "null".to_owned(), |user| json!(user.fields).to_string());
        sandbox.define("httpRequest", &self.http_request.to_string())?;
        sandbox.define("resource", &resource)?;
        sandbox.define("subjectMapping", &self.mapping)?;
        let security = sandbox.define("security", &self.security.to_string())?;
        let returned = sandbox.evaluate()?;
        let member = |name: &str| match returned.as_object() {
            Some(returned) => sandbox.json(returned.get(name)?),
            None => Ok(None),
        };
        let (authentication_id, authorization) = (member("authenticationId")?, member("authorization")?);
        Ok(Left { security: sandbox.json(security)?, authentication_id, authorization })
    }
}
