//! What do the variables of a `when` hold for this request? Only what the expression names is built.

use std::collections::{BTreeMap, HashMap};

use cel::{Context, Value};
use serde_json::Map;

use super::analysis::{Keys, Needs};
use crate::access::facts::{Facts, header};
use crate::access::pattern::Pattern;
use crate::request::normal_host;

type CelMap = HashMap<String, Value>;

/// Binds the variables.
///
/// # Errors
/// A value that cannot be told for certain (a repeated parameter, a header that is not UTF-8, a host that is none), or one
/// with more items than a loop may have.
pub(super) fn variables(
    context: &mut Context<'_, '_>,
    needs: &Needs,
    facts: &Facts<'_>,
    pattern: &Pattern,
) -> Result<(), String> {
    let bound = Bound { most: most_items(needs.loops) };
    context.add_variable_from_value("request", bound.request(needs, facts)?);
    if needs.params != Keys::None {
        let params = pattern.parameters(facts.ask.path).map(|(name, value)| (name.to_owned(), value.into()));
        context.add_variable_from_value("params", params.collect::<CelMap>());
    }
    let none = Map::new();
    if needs.user != Keys::None {
        let fields = facts.principal.user().map_or(&none, |user| &user.fields);
        context.add_variable_from_value("user", bound.members(fields, &needs.user)?);
    }
    if needs.token != Keys::None {
        let claims = facts.principal.token().map_or(&none, |token| &token.claims);
        context.add_variable_from_value("token", bound.members(claims, &needs.token)?);
    }
    if needs.authorization != Keys::None {
        let mut authorization = bound.members(&facts.principal.extra, &needs.authorization)?;
        let roles: Vec<Value> = facts.principal.roles.iter().map(|role| role.as_str().into()).collect();
        bound.check(roles.len())?;
        authorization.insert("id".to_owned(), (&*facts.principal.id).into());
        authorization.insert("component".to_owned(), (&*facts.principal.component).into());
        authorization.insert("roles".to_owned(), roles.into());
        context.add_variable_from_value("authorization", authorization);
    }
    if needs.authentication_id {
        context.add_variable_from_value("authenticationId", &*facts.principal.authentication_id);
    }
    if needs.crest {
        let ask = facts.ask;
        let crest = [("method", ask.method), ("resourcePath", ask.path), ("action", &*ask.action)];
        let crest = crest.map(|(name, value)| (name.to_owned(), Value::from(value)));
        context.add_variable_from_value("crest", CelMap::from(crest));
    }
    Ok(())
}

/// SECURITY: the evaluator counts no steps, and half of what it loops over comes from clients (T-10).
fn most_items(loops: usize) -> usize {
    match loops {
        0 => usize::MAX,
        1 => 1000,
        _ => 100,
    }
}

/// How many items a list or map may have.
struct Bound {
    most: usize,
}

impl Bound {
    fn check(&self, items: usize) -> Result<(), String> {
        if items <= self.most {
            return Ok(());
        }
        Err(format!("a value has {items} items, more than the {} that may be looped over", self.most))
    }

    fn request(&self, needs: &Needs, facts: &Facts<'_>) -> Result<CelMap, String> {
        let request = facts.request;
        let mut members = CelMap::new();
        for member in &needs.request {
            let value = match *member {
                "method" => request.method.into(),
                "path" => facts.path.as_str().into(),
                "host" => normal_host(request.host).ok_or("the request's host is none")?.into(),
                _ => request.scheme.to_ascii_lowercase().into(),
            };
            members.insert((*member).to_owned(), value);
        }
        for (member, keys) in [("headers", &needs.headers), ("headerList", &needs.header_list)] {
            if *keys != Keys::None {
                members.insert(member.to_owned(), self.headers(keys, facts, member == "headerList")?.into());
            }
        }
        for (member, keys) in [("query", &needs.query), ("queryList", &needs.query_list)] {
            if *keys != Keys::None {
                members.insert(member.to_owned(), self.query(keys, facts, member == "queryList")?.into());
            }
        }
        Ok(members)
    }

    fn headers(&self, keys: &Keys, facts: &Facts<'_>, as_list: bool) -> Result<CelMap, String> {
        let headers = &facts.request.headers;
        let names: Vec<String> = match keys {
            Keys::None => Vec::new(),
            Keys::Some(names) => names.iter().cloned().collect(),
            Keys::All => headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect(),
        };
        self.check(names.len())?;
        let mut found = CelMap::new();
        for name in names {
            let Some(value) = header(headers, &name)? else { continue };
            let value = if as_list {
                let items: Vec<Value> = value.split(',').map(|item| item.trim().into()).collect();
                self.check(items.len())?;
                items.into()
            } else {
                value.into()
            };
            found.insert(name, value);
        }
        Ok(found)
    }

    fn query(&self, keys: &Keys, facts: &Facts<'_>, as_list: bool) -> Result<CelMap, String> {
        let mut found: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for (name, value) in facts.path.parameters().filter(|(name, _)| keys.wants(name)) {
            found.entry(name.into_owned()).or_default().push(value.into_owned().into());
        }
        self.check(found.len())?;
        let mut members = CelMap::new();
        for (name, mut values) in found {
            self.check(values.len())?;
            let value = match values.pop() {
                Some(only) if !as_list && values.is_empty() => only,
                // SECURITY: the upstream may take the first value or the last, or both.
                Some(_) if !as_list => return Err(format!("the parameter `{name}` is given more than once")),
                last => {
                    values.extend(last);
                    values.into()
                }
            };
            members.insert(name, value);
        }
        Ok(members)
    }

    fn members(&self, members: &Map<String, serde_json::Value>, keys: &Keys) -> Result<CelMap, String> {
        let wanted = members.iter().filter(|(name, _)| keys.wants(name));
        let mut found = CelMap::new();
        for (name, value) in wanted {
            found.insert(name.clone(), self.value(value)?);
        }
        self.check(found.len())?;
        Ok(found)
    }

    /// A JSON value in CEL: whole numbers are `int` where they fit.
    fn value(&self, value: &serde_json::Value) -> Result<Value, String> {
        use serde_json::Value as Json;
        Ok(match value {
            Json::Null => Value::Null,
            Json::Bool(flag) => Value::Bool(*flag),
            Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
                (Some(number), ..) => Value::Int(number),
                (_, Some(number), _) => Value::UInt(number),
                (.., number) => Value::Float(number.unwrap_or(f64::NAN)),
            },
            Json::String(text) => text.as_str().into(),
            Json::Array(items) => {
                self.check(items.len())?;
                items.iter().map(|item| self.value(item)).collect::<Result<Vec<_>, _>>()?.into()
            }
            Json::Object(members) => self.members(members, &Keys::All)?.into(),
        })
    }
}
