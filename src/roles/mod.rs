//! Which roles does the user have at this moment? Default roles, then the record's, then those of groups (section D).

mod groups;
pub(crate) mod reference;
mod temporal;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use crate::principal::{Role, User};
use crate::record_path::RecordPath;
use groups::Groups;

/// How the users of one subject mapping get their roles.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// `defaultRoles` (B18).
    pub default_roles: Vec<Role>,
    /// `userRoles`: paths into the record, e.g. `authzRoles/*` (B14, A17).
    pub user_roles: Vec<String>,
    /// `groupMembership`, `groupRoleMapping`, `groupComparisonMethod` (D5, D6).
    pub groups: Option<GroupSettings>,
    /// `roleNames: leaf`: roles of relationships are leaf names (J7).
    pub leaf_names: bool,
    /// `timeZone`: of intervals without one, and of periods (J8). `None` is UTC.
    pub time_zone: Option<TimeZone>,
}

/// Roles by group membership.
#[derive(Debug, Clone)]
pub struct GroupSettings {
    /// Path of the record's property that lists groups.
    pub membership: String,
    /// Role → groups, any of which grants it.
    pub role_mapping: Vec<(Role, Vec<String>)>,
    /// How group names are compared.
    pub comparison: GroupComparison,
}

/// `groupComparisonMethod` (D6).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum GroupComparison {
    /// Letter for letter.
    #[default]
    Equals,
    /// Case ignored.
    CaseInsensitive,
    /// Case ignored, and white space around the ends, `,` and `=`.
    Ldap,
}

/// The roles of a user, and what was left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calculated {
    /// Ordered, each once (D2).
    pub roles: Vec<Role>,
    /// Roles and list items that grant nothing: out of their time, or unreadable. For the audit and the log.
    pub dropped: Vec<Dropped>,
}

/// A role that was not granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// Its name as far as it is known.
    pub name: String,
    /// Why.
    pub reason: DropReason,
}

/// Why a role was not granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropReason {
    /// A temporal constraint excludes this moment (D10, D11).
    NotInEffect,
    /// A temporal constraint cannot be read (D10, J21).
    UnreadableConstraint,
    /// The element is neither a text nor a reference (D4).
    WrongType,
}

/// Calculates roles as one subject mapping wants it; what the mapping alone decides is worked out beforehand.
#[derive(Debug)]
pub struct RoleCalculator {
    default_roles: Vec<Role>,
    /// To the properties themselves, not to their elements.
    user_roles: Vec<RecordPath>,
    groups: Option<Groups>,
    leaf_names: bool,
    time_zone: TimeZone,
}

impl RoleCalculator {
    /// A calculator for `settings`. A path that cannot be read grants nothing; the configuration refuses it before.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            default_roles: settings.default_roles,
            user_roles: settings.user_roles.iter().filter_map(|path| property(path)).collect(),
            groups: settings.groups.and_then(Groups::new),
            leaf_names: settings.leaf_names,
            time_zone: settings.time_zone.unwrap_or(TimeZone::UTC),
        }
    }

    /// The roles of `user` at `now`: default roles, then the record's, then those of groups (D1), each once (D2).
    #[must_use]
    pub fn calculate(&self, user: &User, now: Timestamp) -> Calculated {
        let mut tally = Tally::default();
        self.default_roles.iter().for_each(|role| tally.grant(role.clone()));
        let at = Moment { now, zone: &self.time_zone };
        for path in &self.user_roles {
            for value in path.select(&user.fields) {
                self.add_property(value, path.as_str(), at, &mut tally);
            }
        }
        if let Some(groups) = &self.groups {
            for role in groups.roles_of(user, &mut tally.result.dropped) {
                tally.grant(role.clone());
            }
        }
        tally.result
    }

    /// One value of a roles property: a comma text, or a list of texts and relationships (D4).
    fn add_property(&self, value: &Value, path: &str, at: Moment<'_>, tally: &mut Tally) {
        match value {
            Value::Null => {}
            Value::String(text) => text.split(',').filter_map(Role::new).for_each(|role| tally.grant(role)),
            Value::Array(elements) => elements.iter().for_each(|element| self.add_element(element, path, at, tally)),
            _ => tally.drop(path, DropReason::WrongType),
        }
    }

    fn add_element(&self, element: &Value, path: &str, at: Moment<'_>, tally: &mut Tally) {
        match element {
            Value::String(name) => {
                if let Some(role) = Role::new(name) {
                    tally.grant(role);
                }
            }
            Value::Object(relationship) => {
                let name = match self.leaf_names {
                    true => reference::leaf_name(relationship),
                    false => reference::full_name(relationship),
                };
                match name.as_deref().and_then(Role::new) {
                    None => tally.drop(path, DropReason::WrongType),
                    Some(role) => match hindrance(relationship, at) {
                        None => tally.grant(role),
                        Some(reason) => tally.drop(role.as_str(), reason),
                    },
                }
            }
            _ => tally.drop(path, DropReason::WrongType),
        }
    }
}

/// The path of a property that lists roles or groups, whether or not its elements are named: `authzRoles/*`.
fn property(path: &str) -> Option<RecordPath> {
    RecordPath::parse(path).ok().map(RecordPath::without_elements)
}

/// An instant, and the zone of intervals that name none.
#[derive(Clone, Copy)]
struct Moment<'z> {
    now: Timestamp,
    zone: &'z TimeZone,
}

/// Why a relationship does not grant its role now. Both the grant's constraints and the role's must hold (D10); the
/// role's stand on the element itself, where the directory has put the role's members.
fn hindrance(relationship: &Map<String, Value>, at: Moment<'_>) -> Option<DropReason> {
    let grant = relationship.get("_refProperties").and_then(|properties| properties.get("temporalConstraints"));
    let role = relationship.get("temporalConstraints");
    [grant, role].into_iter().flatten().find_map(|constraints| temporal::hindrance(constraints, at.now, at.zone))
}

/// Roles as they are added up.
#[derive(Default)]
struct Tally {
    result: Calculated,
    granted: HashSet<Role>,
}

impl Tally {
    fn grant(&mut self, role: Role) {
        if self.granted.insert(role.clone()) {
            self.result.roles.push(role);
        }
    }

    fn drop(&mut self, name: &str, reason: DropReason) {
        self.result.dropped.push(Dropped { name: name.to_owned(), reason });
    }
}
