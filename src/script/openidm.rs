//! What may a script read with `openidm.read` and `openidm.query`? User records, through the filter's own directory.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use rquickjs::function::Opt;
use rquickjs::{Ctx, Exception, Function, Object, Value};
use serde_json::json;
use tokio::runtime::Handle;

use super::filter;
use crate::deadline::Deadline;
use crate::directory::{DirectoryError, Found, UserDirectory, UserQuery};
use crate::token::ActiveToken;

/// The most questions that one run may ask.
const MOST_QUESTIONS: usize = 8;

/// The way from a script to the directory.
#[derive(Clone)]
pub struct Openidm {
    /// Whom to ask; `None`: the filter has no directory of users.
    ///
    /// SECURITY: never the claims of the token, which answer for whomever they are asked about.
    pub directory: Option<Arc<dyn UserDirectory>>,
    /// The token that the check is about.
    pub token: Arc<ActiveToken>,
    /// How long the check may still take.
    pub deadline: Deadline,
}

/// The lack of a word from the directory, if there was one. The run then counts for nothing, whatever the script made of it.
pub(super) type Outage = Rc<RefCell<Option<DirectoryError>>>;

struct Asker {
    openidm: Openidm,
    handle: Handle,
    left: Cell<usize>,
    outage: Outage,
}

impl Openidm {
    /// Defines the global variable `openidm` with `read` and `query`. The directory is asked on `handle`, while the script's
    /// thread waits.
    pub(super) fn define<'js>(self, ctx: &Ctx<'js>, handle: Handle) -> rquickjs::Result<Outage> {
        let outage = Outage::default();
        let left = Cell::new(MOST_QUESTIONS);
        let asker = Rc::new(Asker { openidm: self, handle, left, outage: Rc::clone(&outage) });
        let reader = Rc::clone(&asker);
        let read = move |ctx: Ctx<'js>, path: String, _: Opt<Value<'js>>, fields: Opt<Value<'js>>| {
            let found = reader.read(&path, &names(fields.0.as_ref()));
            give(&ctx, found)
        };
        let query = move |ctx: Ctx<'js>, path: String, parameters: Opt<Value<'js>>, fields: Opt<Value<'js>>| {
            let parameters = parameters.0.and_then(Value::into_object);
            let filter = parameters.and_then(|it| it.get::<_, String>("_queryFilter").ok());
            let found = asker.query(&path, filter.as_deref(), &names(fields.0.as_ref()));
            give(&ctx, found)
        };
        let openidm = Object::new(ctx.clone())?;
        openidm.set("read", Function::new(ctx.clone(), read)?)?;
        openidm.set("query", Function::new(ctx.clone(), query)?)?;
        ctx.globals().set("openidm", openidm)?;
        Ok(outage)
    }
}

/// The value for the script, or an `Error` thrown within it.
fn give<'js>(ctx: &Ctx<'js>, found: Result<serde_json::Value, String>) -> rquickjs::Result<Value<'js>> {
    match found {
        Ok(value) => ctx.json_parse(value.to_string()),
        Err(message) => Err(Exception::throw_message(ctx, &message)),
    }
}

/// A list of field names; whatever is none is left out.
fn names(fields: Option<&Value<'_>>) -> Vec<String> {
    let list = fields.and_then(Value::as_array);
    list.into_iter().flat_map(|list| list.iter::<String>().filter_map(Result::ok)).collect()
}

impl Asker {
    /// `openidm.read("managed/user/bob")`: the record, or `null`.
    fn read(&self, path: &str, fields: &[String]) -> Result<serde_json::Value, String> {
        let path = path.strip_prefix('/').unwrap_or(path);
        let Some((collection, id)) = path.rsplit_once('/').filter(|(_, id)| !id.is_empty()) else {
            return Err(format!("openidm.read: `{path}` is no record of a collection"));
        };
        let found = self.ask("read", collection, vec![("_id".to_owned(), id.to_owned())], fields)?;
        Ok(found.unwrap_or_default())
    }

    /// `openidm.query("managed/user", {_queryFilter: …})`: `{result: […]}` with at most one record.
    fn query(&self, path: &str, filter: Option<&str>, fields: &[String]) -> Result<serde_json::Value, String> {
        let path = path.strip_prefix('/').unwrap_or(path);
        let filter =
            filter.ok_or("openidm.query: expected a text as `_queryFilter`; nothing else can be asked here")?;
        let conditions = filter::conditions(filter).map_err(|problem| format!("openidm.query: {problem}"))?;
        let found = self.ask("query", path, conditions, fields)?;
        Ok(json!({ "result": found.into_iter().collect::<Vec<_>>() }))
    }

    fn ask(
        &self,
        function: &str,
        collection: &str,
        conditions: Vec<filter::Condition>,
        fields: &[String],
    ) -> Result<Option<serde_json::Value>, String> {
        let told = |why: &str| format!("openidm.{function}: {why}");
        let directory = self.openidm.directory.as_ref();
        let directory = directory.ok_or_else(|| told("this filter has no directory of users to read from"))?;
        let left = self.left.get().checked_sub(1);
        self.left.set(left.ok_or_else(|| told(&format!("a run may ask {MOST_QUESTIONS} times at most")))?);
        if !is_collection(collection) {
            return Err(told("expected a collection such as `managed/user`"));
        }
        if conditions.iter().any(|(property, value)| has_control(property) || has_control(value)) {
            return Ok(None);
        }
        let question = UserQuery {
            component: collection.into(),
            conditions: conditions.into_iter().map(|(property, value)| (property.into(), value)).collect(),
            fields: fields.iter().filter(|field| *field != "*").cloned().collect(),
            token: Arc::clone(&self.openidm.token),
        };
        match self.handle.block_on(directory.find(&question, self.openidm.deadline)) {
            Ok(Found::One(user)) => Ok(Some(json!(user.fields))),
            Ok(Found::Nobody) => Ok(None),
            Ok(Found::Ambiguous) => Err(told("more than one record was found; ask for one")),
            Err(error) => {
                let message = told(&error.to_string());
                *self.outage.borrow_mut() = Some(error);
                Err(message)
            }
        }
    }
}

fn has_control(text: &str) -> bool {
    text.chars().any(char::is_control)
}

/// SECURITY: what a script builds may hold parts of the request; `..` must not lead out of the collection it names.
fn is_collection(path: &str) -> bool {
    let legal = |c: char| !c.is_control() && !matches!(c, '\\' | '%' | '?' | '#' | ';' | '*');
    path.chars().all(legal) && path.split('/').all(|segment| !matches!(segment, "" | "." | ".."))
}
