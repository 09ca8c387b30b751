//! How does a token become a static user or a question for the directory? The mappings, compiled once (section B).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::compound::Compound;
use super::template::Template;
use super::{Collection, MappedSubject, Mapping, Settings, StaticUser, SubjectError, SubjectProblem};
use crate::directory::UserQuery;
use crate::record_path::RecordPath;
use crate::token::ActiveToken;

/// Maps tokens to users.
#[derive(Debug)]
pub struct SubjectMapper {
    /// By whole subject; lower case if case is ignored (A19).
    static_users: HashMap<String, StaticUser>,
    ignore_case: bool,
    mappings: Vec<CompiledMapping>,
    /// Index of the one mapping of a realm (B5).
    by_realm: HashMap<String, usize>,
    /// Index of the mapping without a realm.
    realmless: Option<usize>,
    anonymous: Option<StaticUser>,
}

#[derive(Debug)]
struct CompiledMapping {
    collection: CompiledCollection,
    properties: Vec<MappedProperty>,
    /// Index in `properties` of the claim that is `authenticationId`: `sub`, else the first (J14).
    authentication: usize,
    /// Fields that the directory must fetch.
    fields: Arc<[String]>,
}

#[derive(Debug)]
enum CompiledCollection {
    ByResourceType(BTreeMap<String, Template>),
    Fixed(Template),
}

#[derive(Debug)]
struct MappedProperty {
    claim: RecordPath,
    property: Arc<str>,
}

impl SubjectMapper {
    /// A mapper of `settings`.
    ///
    /// # Errors
    /// Every problem at once: ambiguous mappings (B3, B5), templates and paths that cannot be read.
    pub fn new(settings: Settings) -> Result<Self, Vec<SubjectProblem>> {
        let mut problems = Vec::new();
        let static_users = index_static(&settings, &mut problems);
        let (by_realm, realmless) = index_realms(&settings.mappings, &mut problems);
        let mappings = settings
            .mappings
            .iter()
            .enumerate()
            .map(|(n, mapping)| CompiledMapping::compile(mapping, &format!("subjectMapping/{n}"), &mut problems))
            .collect();
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            static_users,
            ignore_case: settings.static_subject_ignore_case,
            mappings,
            by_realm,
            realmless,
            anonymous: settings.anonymous,
        })
    }

    /// Who a request without a credential is.
    #[must_use]
    pub fn anonymous(&self) -> Option<&StaticUser> {
        self.anonymous.as_ref()
    }

    /// Who `token` is about.
    ///
    /// Static mappings come first (B2); else the one mapping of the token's realm, or the one without a realm, is used,
    /// and no other (B4).
    ///
    /// # Errors
    /// [`SubjectError`]; the client learns only that access is denied.
    pub fn map(&self, token: &Arc<ActiveToken>) -> Result<MappedSubject, SubjectError> {
        let subject = token.subject.as_deref().filter(|s| !s.is_empty()).ok_or(SubjectError::NoSubject)?;
        if let Some(user) = self.static_user(subject) {
            return Ok(MappedSubject::Static(user.clone()));
        }
        let index = self.mapping_for(token).ok_or(SubjectError::NoMapping)?;
        let mapping = self.mappings.get(index).ok_or(SubjectError::NoMapping)?;
        let (component, name) = mapping.locate(subject, &token.claims)?;
        let conditions = mapping
            .properties
            .iter()
            .map(|p| Ok((Arc::clone(&p.property), p.value(name, &token.claims)?)))
            .collect::<Result<Vec<_>, SubjectError>>()?;
        let authentication_id =
            conditions.get(mapping.authentication).map(|(_, value)| value.clone()).ok_or(SubjectError::NoMapping)?;
        let query = UserQuery { component, conditions, fields: Arc::clone(&mapping.fields), token: Arc::clone(token) };
        let by_query = matches!(mapping.collection, CompiledCollection::Fixed(_));
        Ok(MappedSubject::Directory { query, authentication_id, mapping: index, by_query })
    }

    fn static_user(&self, subject: &str) -> Option<&StaticUser> {
        if self.static_users.is_empty() {
            None
        } else if self.ignore_case {
            self.static_users.get(&subject.to_lowercase())
        } else {
            self.static_users.get(subject)
        }
    }

    fn mapping_for(&self, token: &ActiveToken) -> Option<usize> {
        let realm = token.realm.as_deref().filter(|realm| !realm.is_empty());
        realm.and_then(|realm| self.by_realm.get(realm).copied()).or(self.realmless)
    }
}

impl CompiledMapping {
    fn compile(mapping: &Mapping, place: &str, problems: &mut Vec<SubjectProblem>) -> Self {
        let collection = match &mapping.collection {
            Collection::Fixed(text) => {
                CompiledCollection::Fixed(template(text, &format!("{place}/queryOnResource"), problems))
            }
            Collection::ByResourceType(by_type) => CompiledCollection::ByResourceType(
                by_type
                    .iter()
                    .map(|(kind, text)| {
                        (kind.clone(), template(text, &format!("{place}/resourceTypeMapping/{kind}"), problems))
                    })
                    .collect(),
            ),
        };
        let mut properties = Vec::new();
        for (claim, property) in &mapping.properties {
            let place = format!("{place}/propertyMapping/{claim}");
            let Some(claim) = path(claim, &place, problems) else { continue };
            if path(property, &place, problems).is_some() {
                properties.push(MappedProperty { claim, property: property.as_str().into() });
            }
        }
        if mapping.properties.is_empty() {
            problem(problems, &format!("{place}/propertyMapping"), "no property to find the user by".to_owned());
        }
        Self {
            collection,
            authentication: properties.iter().position(MappedProperty::is_subject).unwrap_or(0),
            properties,
            fields: fields(mapping, place, problems),
        }
    }

    /// The collection, and the subject's name part (B9, B10).
    fn locate<'s>(&self, subject: &'s str, claims: &Map<String, Value>) -> Result<(Arc<str>, &'s str), SubjectError> {
        let compound = Compound::parse(subject);
        let (template, name) = match &self.collection {
            CompiledCollection::Fixed(template) => (template, compound.map_or(subject, |c| c.name)),
            CompiledCollection::ByResourceType(by_type) => {
                let Compound { kind, name } = compound.ok_or(SubjectError::NotCompound)?;
                (by_type.get(kind).ok_or(SubjectError::UnknownType)?, name)
            }
        };
        Ok((template.render(claims).ok_or(SubjectError::NoCollection)?, name))
    }
}

impl MappedProperty {
    fn is_subject(&self) -> bool {
        self.claim.as_str() == "sub"
    }

    /// The text that the user's property must equal; `name` is the subject's name part.
    ///
    /// SECURITY: a value with a control character finds nobody (B11): filter languages have no safe way to write it.
    fn value(&self, name: &str, claims: &Map<String, Value>) -> Result<String, SubjectError> {
        let text = if self.is_subject() {
            Some(name.to_owned())
        } else {
            match self.claim.select(claims).as_slice() {
                [value] => text_of(value),
                _ => None,
            }
        };
        text.filter(|text| !text.is_empty() && !text.chars().any(char::is_control))
            .ok_or_else(|| SubjectError::ClaimAbsent(self.claim.as_str().to_owned()))
    }
}

/// The text of a claim that can be compared: a text as it is, a number as it stands in the JSON.
///
/// SECURITY: a number that JSON parsing has rounded is none: two different numbers must never become one user.
fn text_of(value: &Value) -> Option<String> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        Value::Number(number) if number.as_f64().is_some_and(|n| n.abs() < EXACT) => Some(number.to_string()),
        _ => None,
    }
}

fn index_static(settings: &Settings, problems: &mut Vec<SubjectProblem>) -> HashMap<String, StaticUser> {
    let mut index = HashMap::new();
    for (n, (subject, user)) in settings.static_users.iter().enumerate() {
        let place = format!("staticUserMapping/{n}/subject");
        if subject.is_empty() {
            problem(problems, &place, "an empty subject matches no token".to_owned());
        }
        let key = if settings.static_subject_ignore_case { subject.to_lowercase() } else { subject.clone() };
        if index.insert(key, user.clone()).is_some() {
            problem(problems, &place, format!("ambiguous static user mappings: two entries for subject {subject}"));
        }
    }
    index
}

fn index_realms(mappings: &[Mapping], problems: &mut Vec<SubjectProblem>) -> (HashMap<String, usize>, Option<usize>) {
    let mut by_realm = HashMap::new();
    let mut realmless = None;
    let mut told = HashSet::new();
    for (n, mapping) in mappings.iter().enumerate() {
        let place = format!("subjectMapping/{n}/realm");
        let earlier = match &mapping.realm {
            Some(realm) if realm.is_empty() => {
                problem(problems, &place, "an empty realm matches no token; leave `realm` out instead".to_owned());
                None
            }
            Some(realm) => by_realm.insert(realm.clone(), n),
            None => realmless.replace(n),
        };
        if earlier.is_some() && told.insert(mapping.realm.as_deref()) {
            let which =
                mapping.realm.as_ref().map_or("without a realm".to_owned(), |realm| format!("for realm {realm}"));
            problem(problems, &place, format!("ambiguous subject mappings: two entries {which}"));
        }
    }
    (by_realm, realmless)
}

/// What the directory must fetch: role, group and additional fields, each once. Roles are asked for as `…/*`, also where
/// the star is not written, so that a directory that expands relationships sends the roles' own temporal constraints.
fn fields(mapping: &Mapping, place: &str, problems: &mut Vec<SubjectProblem>) -> Arc<[String]> {
    let roles = &mapping.roles;
    let named = (roles.user_roles.iter().map(|field| ("userRoles", field)))
        .chain(roles.groups.iter().map(|groups| ("groupMembership", &groups.membership)))
        .chain(mapping.additional_fields.iter().map(|field| ("additionalUserFields", field)));
    let mut fields: Vec<String> = Vec::new();
    for (key, field) in named {
        let Some(field) = path(field, &format!("{place}/{key}"), problems) else { continue };
        let field = match key {
            "userRoles" => format!("{}/*", field.without_elements().as_str()),
            _ => field.as_str().to_owned(),
        };
        if !fields.contains(&field) {
            fields.push(field);
        }
    }
    fields.into()
}

fn template(text: &str, place: &str, problems: &mut Vec<SubjectProblem>) -> Template {
    Template::compile(text).unwrap_or_else(|message| {
        problem(problems, place, message);
        Template::Literal("".into())
    })
}

fn path(text: &str, place: &str, problems: &mut Vec<SubjectProblem>) -> Option<RecordPath> {
    RecordPath::parse(text).map_err(|error| problem(problems, place, error.to_string())).ok()
}

fn problem(problems: &mut Vec<SubjectProblem>, place: &str, message: String) {
    problems.push(SubjectProblem { place: place.to_owned(), message });
}
