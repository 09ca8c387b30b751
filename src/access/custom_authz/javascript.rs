//! How does a `customAuthz` hold that is more than the native subset? As JavaScript, with what it may name checked at load.

use std::ops::Range;

use serde_json::Value;

use super::bindings::{self, Looks};
use super::function::{self, Function};
use super::library::Library;
use super::meaning;
use super::parser::{self, Syntax};
use crate::access::facts::Facts;
use crate::access::settings::Knowledge;
use crate::directory::DirectoryError;
use crate::script::outline::Use;
use crate::script::{Condition, ConditionError, outline};

/// What the answers of native functions are called within the script.
const ANSWERS: &str = "__keyward";
/// Lets the names of headers be written in any case, as HTTP has them.
const ANY_CASE: &str = "context.http.headers = new Proxy(context.http.headers, { \
    get: function (headers, name) { return typeof name === 'string' ? headers[name.toLowerCase()] : undefined; }, \
    has: function (headers, name) { return typeof name === 'string' && name.toLowerCase() in headers; } });";
/// The names of the language that conditions may use.
const LANGUAGE: [&str; 33] = [
    "Array",
    "BigInt",
    "Boolean",
    "Date",
    "Error",
    "Infinity",
    "JSON",
    "Map",
    "Math",
    "NaN",
    "Number",
    "Object",
    "Proxy",
    "RangeError",
    "ReferenceError",
    "RegExp",
    "Set",
    "String",
    "Symbol",
    "SyntaxError",
    "TypeError",
    "URIError",
    "WeakMap",
    "WeakSet",
    "decodeURI",
    "decodeURIComponent",
    "encodeURI",
    "encodeURIComponent",
    "isFinite",
    "isNaN",
    "parseFloat",
    "parseInt",
    "undefined",
];

/// A compiled condition in JavaScript.
#[derive(Debug)]
pub(super) struct JavaScript {
    condition: Condition,
    looks: Looks,
    /// The calls of IDM's functions. They are answered natively, before the script runs.
    calls: Vec<Function>,
    reads_users: bool,
}

/// Why a text is no condition in JavaScript.
pub(super) enum Refusal {
    /// It cannot be read as JavaScript either.
    Unreadable,
    /// It names what is not there.
    Meaning(String),
}

impl From<String> for Refusal {
    fn from(message: String) -> Self {
        Self::Meaning(message)
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::access) enum Failure {
    /// The condition failed: the request is denied (J20).
    #[error("{0}")]
    Condition(String),
    /// The directory gave no word: an outage.
    #[error(transparent)]
    Directory(DirectoryError),
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::Condition(message)
    }
}

impl JavaScript {
    /// Compiles a text with what it needs of the library.
    pub(super) fn compile(text: &str, knowledge: &Knowledge, library: &Library) -> Result<Self, Refusal> {
        let own = outline(text).map_err(|_| Refusal::Unreadable)?;
        if text.contains(ANSWERS) {
            return Err(Refusal::Meaning(format!("`{ANSWERS}` is a name that Keyward needs for itself")));
        }
        let of_library = |it: &&Use| !function::is_known(&it.name) && library.declares(&it.name);
        let taken = library.taking(own.free.iter().filter(of_library).map(|it| it.name.clone()));
        let mut linker = Linker { knowledge, library, calls: Vec::new() };
        let mut program = String::new();
        for statement in &taken {
            program.push_str(&linker.link(statement.text, statement.from, &statement.free)?);
            program.push('\n');
        }
        let free: Vec<&Use> = own.free.iter().collect();
        program.push_str(&linker.link(text, 0, &free)?);
        let named = |name: &str| free.iter().chain(taken.iter().flat_map(|it| &it.free)).any(|it| it.name == name);
        let reads_users = named("openidm");
        let looks = Looks::of(free.iter().chain(taken.iter().flat_map(|it| &it.free)).copied());
        if looks.at_any_header() {
            program = format!("{ANY_CASE}\n{program}");
        }
        let condition = Condition::compile(&program, reads_users);
        let condition = condition.map_err(|error| Refusal::Meaning(format!("the script cannot be read: {error}")))?;
        Ok(Self { condition, looks, calls: linker.calls, reads_users })
    }

    /// The first function that only IDM can answer, and why.
    pub(super) fn idm_only(&self) -> Option<&str> {
        self.calls.iter().find_map(|call| match call {
            Function::IdmOnly(why) => Some(why.as_str()),
            _ => None,
        })
    }

    /// Whether the condition reads users through the directory.
    pub(super) fn reads_users(&self) -> bool {
        self.reads_users
    }

    /// Whether the condition holds.
    ///
    /// # Errors
    /// [`Failure`].
    pub(super) async fn holds(&self, facts: &Facts<'_>) -> Result<bool, Failure> {
        let answers = self.calls.iter().map(|call| call.call(facts).map(Value::from)).collect::<Result<_, _>>()?;
        let mut bound = bindings::gather(&self.looks, facts);
        if !self.calls.is_empty() {
            bound.variables.insert(ANSWERS.to_owned(), Value::Array(answers));
        }
        self.condition.holds(bound, &facts.reach.turns).await.map_err(|error| match error {
            ConditionError::Failed(error) => Failure::Condition(error.to_string()),
            ConditionError::Directory(error) => Failure::Directory(error),
        })
    }
}

/// Checks what texts name, and puts the answers of IDM's functions in the place of their calls.
struct Linker<'l> {
    knowledge: &'l Knowledge,
    library: &'l Library,
    calls: Vec<Function>,
}

impl Linker<'_> {
    /// `text` stands at `from` of its file; `free` are the names in it that the file does not declare.
    fn link(&mut self, text: &str, from: usize, free: &[&Use]) -> Result<String, String> {
        let within = |at: usize| at.saturating_sub(from);
        let (mut linked, mut end) = (String::with_capacity(text.len()), 0);
        for it in free {
            let Some(call) = self.check(it, |call| text.get(within(call.start)..within(call.end)))? else { continue };
            let answer = format!("{ANSWERS}[{}]", self.calls.len());
            self.calls.push(call);
            let at = it.call.as_ref().map_or(0..0, |call| within(call.start)..within(call.end));
            linked.push_str(text.get(end..at.start).unwrap_or_default());
            linked.push_str(&answer);
            end = at.end;
        }
        linked.push_str(text.get(end..).unwrap_or_default());
        Ok(linked)
    }

    /// The function of IDM that is called here; `None` where the name is something else that is known.
    fn check<'t>(
        &self,
        it: &Use,
        text: impl FnOnce(&Range<usize>) -> Option<&'t str>,
    ) -> Result<Option<Function>, String> {
        let name = it.name.as_str();
        let is_own = !function::is_known(name) && self.library.declares(name);
        match name {
            _ if it.written => {
                return Err(format!("`{name}` is assigned to; compare with `===`, or declare a variable"));
            }
            _ if is_own || LANGUAGE.contains(&name) => {}
            "id" | "roles" | "method" | "action" => {}
            "request" | "context" => meaning::check_members(name, &it.members, it.computed)?,
            "openidm" => check_openidm(it.members.first().map(String::as_str))?,
            "eval" | "Function" => {
                return Err(format!("`{name}` makes code that nobody has checked; write the code itself"));
            }
            _ => return self.idms(name, it.call.as_ref().and_then(text)).map(Some),
        }
        Ok(None)
    }

    /// A function of IDM, by the text of its call.
    fn idms(&self, name: &str, call: Option<&str>) -> Result<Function, String> {
        let Some(call) = call else { return Err(meaning::unknown_name(name)) };
        let arguments = match parser::parse(call) {
            Ok(Syntax::Call(_, arguments)) => arguments,
            _ if function::is_known(name) => {
                return Err(format!("`{name}` can be called with fixed texts and lists only, e.g. `{name}(['a'])`"));
            }
            _ => Vec::new(),
        };
        function::named(name, &arguments, self.knowledge)
    }
}

fn check_openidm(function: Option<&str>) -> Result<(), String> {
    match function {
        Some("read" | "query") => Ok(()),
        Some(other) => {
            Err(format!("`openidm.{other}` is out of a sidecar's reach; `openidm.read` and `openidm.query` find users"))
        }
        None => Err("`openidm` can be used only through `openidm.read` and `openidm.query`".to_owned()),
    }
}
