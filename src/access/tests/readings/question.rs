//! One request and its user, as each of the readings wants to have them.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::access::ask::Ask;
use crate::access::facts::Facts;
use crate::access::tests::{facts, view};
use crate::principal::{Origin, Principal, Role};
use crate::request::{PathPolicy, RequestPath, RequestView};

/// What the rules are asked.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub(super) method: String,
    pub(super) path: String,
    /// Empty: no action.
    pub(super) action: String,
    /// `_queryId` and its like, where the method is `query`.
    pub(super) query: Vec<(&'static str, String)>,
    /// The body, where the method has one.
    pub(super) body: Option<&'static str>,
    pub(super) headers: Vec<(&'static str, &'static str)>,
    pub(super) roles: Vec<String>,
    /// Component and id.
    pub(super) user: (&'static str, &'static str),
}

impl Question {
    /// Asks Keyward's own code.
    pub(super) fn natively<T>(&self, ask: impl FnOnce(&Facts<'_>) -> T) -> T {
        let target = self.target();
        let path = RequestPath::parse(&target, PathPolicy::default()).unwrap();
        let request = RequestView { body: self.body.map(str::as_bytes), ..view("POST", &target, &self.headers) };
        let roles = self.roles.iter().filter_map(|role| Role::new(role)).collect();
        let (component, id) = self.user;
        let principal = Arc::new(Principal::new("login", component, id, roles, Origin::Anonymous).unwrap());
        let question = Ask { method: &self.method, path: &self.path, action: self.action.as_str().into() };
        ask(&facts(&request, &path, &principal, &question))
    }

    fn target(&self) -> String {
        let query: String = form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.query).finish();
        format!("/openidm/x?{query}")
    }

    /// The value of a query parameter, as scripts see it.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let held = self.query.iter().filter(|_| self.method == "query").find(|(held, _)| *held == name);
        held.map(|(_, value)| value.as_str())
    }

    /// The bindings of J18 and IDM's locals.
    pub(super) fn for_scripts(&self) -> Value {
        let mut request = Map::new();
        let mut set = |name: &str, value: Value| request.insert(name.to_owned(), value);
        set("method", json!(self.method));
        set("resourcePath", json!(self.path));
        if !self.action.is_empty() {
            set("action", json!(self.action));
        }
        for (name, member) in
            [("_queryId", "queryId"), ("_queryFilter", "queryFilter"), ("_queryExpression", "queryExpression")]
        {
            if let Some(value) = self.parameter(name) {
                set(member, json!(value));
            }
        }
        let body = self.body.map(|body| serde_json::from_str::<Value>(body).unwrap());
        match (self.method.as_str(), body) {
            ("create" | "update" | "action", Some(body)) => set("content", body),
            ("patch", Some(body)) => set("patchOperations", body),
            _ => None,
        };
        let (component, id) = self.user;
        let authorization = json!({"component": component, "id": id, "roles": self.roles});
        let headers: Map<String, Value> =
            self.headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let parameters: Map<String, Value> =
            self.query.iter().map(|(name, value)| ((*name).to_owned(), json!([value]))).collect();
        json!({
            "id": self.path,
            "roles": self.roles,
            "method": self.method,
            "action": self.action,
            "request": request,
            "context": {
                "security": {"authenticationId": "login", "authorization": authorization},
                "http": {"method": "POST", "path": "/openidm/x", "headers": headers, "parameters": parameters},
                "oauth2": {},
            },
        })
    }
}
