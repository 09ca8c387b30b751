//! What does a condition in JavaScript see of the request? Only what its text can look at (J18).

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::eval;
use super::meaning::{QueryPart, Variable};
use super::value::Js;
use crate::access::facts::{Facts, header};
use crate::principal::Role;
use crate::script::outline::Use;
use crate::script::{Bindings, Openidm, Withheld};

/// Headers that hold credentials. SECURITY: what a script reads may end in an error and so in the audit.
const CREDENTIALS: [&str; 3] = ["authorization", "proxy-authorization", "cookie"];
const HEADERS: [&str; 3] = ["context", "http", "headers"];
const PARAMETERS: [&str; 3] = ["context", "http", "parameters"];

/// The ways from a global variable that a condition's text takes, as far as they are written out: what is made for a run.
#[derive(Debug, Default)]
pub(super) struct Looks(Vec<Vec<String>>);

impl Looks {
    /// The looks of these uses of names.
    pub(super) fn of<'u>(uses: impl IntoIterator<Item = &'u Use>) -> Self {
        let way = |it: &Use| std::iter::once(&it.name).chain(&it.members).cloned().collect();
        Self(uses.into_iter().map(way).collect())
    }

    /// Whether the text can see what stands at `path`, or something below it.
    fn reach(&self, path: &[&str]) -> bool {
        self.0.iter().any(|way| way.iter().zip(path).all(|(name, wanted)| name == wanted))
    }

    /// Whether headers are looked at by names that are not written out.
    pub(super) fn at_any_header(&self) -> bool {
        self.0
            .iter()
            .any(|way| way.len() <= HEADERS.len() && way.iter().zip(HEADERS).all(|(name, wanted)| name == wanted))
    }

    /// The names of headers that are written out, as they are written.
    fn headers(&self) -> BTreeSet<&str> {
        let ways = self.0.iter().filter(|way| way.iter().zip(HEADERS).all(|(name, wanted)| name == wanted));
        ways.filter_map(|way| way.get(HEADERS.len())).map(String::as_str).collect()
    }
}

/// Gathers what a run sees.
struct Gathered<'a, 'f> {
    facts: &'f Facts<'a>,
    looks: &'f Looks,
    variables: Map<String, Value>,
    withheld: Vec<Withheld>,
}

/// What a condition with these looks sees in this request.
pub(super) fn gather(looks: &Looks, facts: &Facts<'_>) -> Bindings {
    let mut gathered = Gathered { facts, looks, variables: Map::new(), withheld: Vec::new() };
    gathered.variable(&["id"], Variable::Id);
    gathered.variable(&["method"], Variable::Method);
    gathered.variable(&["action"], Variable::Action);
    gathered.at(&["roles"], || {
        facts.principal.roles.iter().map(|role| Value::from(Role::as_str(role))).collect::<Vec<_>>().into()
    });
    gathered.at(&["request"], || Map::new().into());
    gathered.variable(&["request", "method"], Variable::Method);
    gathered.variable(&["request", "resourcePath"], Variable::Id);
    gathered.variable(&["request", "action"], Variable::RequestAction);
    gathered.variable(&["request", "queryId"], Variable::Query(QueryPart::Id));
    gathered.variable(&["request", "queryFilter"], Variable::Query(QueryPart::Filter));
    gathered.variable(&["request", "queryExpression"], Variable::Query(QueryPart::Expression));
    gathered.variable(&["request", "additionalParameters"], Variable::AdditionalParameters);
    gathered.variable(&["request", "content"], Variable::Content);
    gathered.variable(&["request", "patchOperations"], Variable::PatchOperations);
    gathered.at(&["context", "security"], || facts.principal.to_json());
    gathered.variable(&["context", "http", "method"], Variable::HttpMethod);
    gathered.variable(&["context", "http", "path"], Variable::HttpPath);
    gathered.at(&HEADERS, || Map::new().into());
    gathered.headers();
    gathered.at(&PARAMETERS, || Map::new().into());
    gathered.parameters();
    gathered.at(&["context", "oauth2"], || Map::new().into());
    gathered.variable(&["context", "oauth2", "accessToken"], Variable::AccessToken);
    let openidm = Openidm {
        directory: facts.reach.users.clone(),
        token: facts.principal.token().cloned().unwrap_or_default(),
        deadline: facts.moment.deadline,
    };
    Bindings { variables: gathered.variables, withheld: gathered.withheld, openidm, now: facts.moment.now }
}

impl Gathered<'_, '_> {
    /// Puts a value where the text can see it.
    fn at(&mut self, path: &[&str], value: impl FnOnce() -> Value) {
        if self.looks.reach(path) {
            self.put(path, value());
        }
    }

    fn put(&mut self, path: &[&str], value: Value) {
        let Some((last, way)) = path.split_last() else { return };
        let mut object = &mut self.variables;
        for name in way {
            let below = object.entry(*name).or_insert_with(|| Map::new().into());
            let Value::Object(below) = below else { return };
            object = below;
        }
        object.insert((*last).to_owned(), value);
    }

    /// Puts what a name stands for, or why it cannot be told.
    fn variable(&mut self, path: &[&str], variable: Variable) {
        if !self.looks.reach(path) {
            return;
        }
        match eval::read(&variable, self.facts) {
            Ok(Js::Json(value)) => self.put(path, value),
            Ok(Js::Undefined) => {}
            Err(why) => self.withhold(path, why),
        }
    }

    fn withhold(&mut self, path: &[&str], why: String) {
        self.withheld.push(Withheld { path: path.iter().map(|name| (*name).to_owned()).collect(), why });
    }

    /// Headers by the names that are written out, or all of them by their names in lower case.
    fn headers(&mut self) {
        if !self.looks.reach(&HEADERS) {
            return;
        }
        let names: BTreeSet<String> = if self.looks.at_any_header() {
            self.facts.request.headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect()
        } else {
            self.looks.headers().into_iter().map(str::to_owned).collect()
        };
        for name in names {
            let [context, http, headers] = HEADERS;
            let path = [context, http, headers, &name];
            match self.header(&name.to_ascii_lowercase()) {
                Ok(Some(value)) => self.put(&path, value.into()),
                Ok(None) => {}
                Err(why) => self.withhold(&path, why),
            }
        }
    }

    fn header(&self, name: &str) -> Result<Option<String>, String> {
        let value = header(&self.facts.request.headers, name)?;
        let is_credential =
            CREDENTIALS.contains(&name) || self.facts.reach.credential_headers.iter().any(|it| it == name);
        match value {
            Some(_) if is_credential => {
                Err(format!("the header `{name}` holds a credential, which conditions do not see"))
            }
            value => Ok(value),
        }
    }

    /// Every value of each parameter, in order, but for the one that holds the credential.
    fn parameters(&mut self) {
        if !self.looks.reach(&PARAMETERS) {
            return;
        }
        let mut parameters: Map<String, Value> = Map::new();
        let hidden = self.facts.reach.credential_parameter.as_deref();
        for (name, value) in self.facts.path.parameters().filter(|(name, _)| hidden != Some(name)) {
            let values = parameters.entry(name.into_owned()).or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(values) = values {
                values.push(value.into_owned().into());
            }
        }
        self.put(&PARAMETERS, parameters.into());
        if let Some(name) = hidden.filter(|hidden| self.facts.path.parameters().any(|(name, _)| name == *hidden)) {
            let [context, http, parameters] = PARAMETERS;
            let why = format!("the parameter `{name}` holds a credential, which conditions do not see");
            self.withhold(&[context, http, parameters, name], why);
        }
    }
}
