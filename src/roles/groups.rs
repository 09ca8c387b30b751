//! Which roles do a user's groups give? (D5, D6)

use std::borrow::Cow;

use serde_json::Value;

use super::{DropReason, Dropped, GroupComparison, GroupSettings, property};
use crate::principal::{Role, User};
use crate::record_path::RecordPath;

/// Roles by group, ready to be asked for.
#[derive(Debug)]
pub(super) struct Groups {
    membership: RecordPath,
    /// `groupMembership` as written.
    written: String,
    /// Role → groups by their [`GroupComparison::key`], in the mapping's order.
    mapping: Vec<(Role, Vec<String>)>,
    comparison: GroupComparison,
}

impl Groups {
    /// `None` where `groupMembership` is no path: no group is then held.
    pub(super) fn new(settings: GroupSettings) -> Option<Self> {
        let GroupSettings { membership: written, role_mapping, comparison } = settings;
        let keys = |groups: Vec<String>| groups.iter().map(|group| comparison.key(group).into_owned()).collect();
        let mapping = role_mapping.into_iter().map(|(role, groups)| (role, keys(groups))).collect();
        Some(Self { membership: property(&written)?, written, mapping, comparison })
    }

    /// The roles that have a group among the user's, in the mapping's order. Whatever is no list of names is no
    /// membership, and is told in `dropped`.
    pub(super) fn roles_of<'s>(&'s self, user: &User, dropped: &mut Vec<Dropped>) -> Vec<&'s Role> {
        let held = self.memberships(user, dropped);
        if held.is_empty() {
            return Vec::new();
        }
        let holds = |group: &String| held.iter().any(|held| self.comparison.same(group, held));
        self.mapping.iter().filter(|(_, groups)| groups.iter().any(holds)).map(|(role, _)| role).collect()
    }

    fn memberships<'u>(&self, user: &'u User, dropped: &mut Vec<Dropped>) -> Vec<Cow<'u, str>> {
        let mut keys = Vec::new();
        let mut wrong = || {
            dropped.push(Dropped { name: self.written.clone(), reason: DropReason::WrongType });
        };
        for list in self.membership.select(&user.fields) {
            match list {
                Value::Null => {}
                Value::Array(elements) => elements.iter().for_each(|element| match element {
                    Value::String(name) => keys.push(self.comparison.key(name)),
                    _ => wrong(),
                }),
                _ => wrong(),
            }
        }
        keys
    }
}

impl GroupComparison {
    /// What of a group name is compared.
    fn key(self, name: &str) -> Cow<'_, str> {
        match self {
            Self::Equals | Self::CaseInsensitive => Cow::Borrowed(name),
            Self::Ldap => Cow::Owned(without_outer_space(name)),
        }
    }

    /// Whether two keys are of the same group.
    fn same(self, a: &str, b: &str) -> bool {
        match self {
            Self::Equals => a == b,
            Self::CaseInsensitive | Self::Ldap => same_ignoring_case(a, b),
        }
    }
}

/// Letter by letter, upper- and lower-case mapped one to one: as Java's `equalsIgnoreCase`, so that ß is not SS.
fn same_ignoring_case(a: &str, b: &str) -> bool {
    fn single<I: Iterator<Item = char>>(c: char, mut mapped: I) -> char {
        match (mapped.next(), mapped.next()) {
            (Some(one), None) => one,
            _ => c,
        }
    }
    let fold = |c: char| {
        let upper = single(c, c.to_uppercase());
        (upper, single(upper, upper.to_lowercase()))
    };
    a == b || {
        let (mut a, mut b) = (a.chars(), b.chars());
        loop {
            match (a.next(), b.next()) {
                (None, None) => return true,
                (Some(x), Some(y)) if x == y => {}
                (Some(x), Some(y)) => {
                    let ((upper_x, lower_x), (upper_y, lower_y)) = (fold(x), fold(y));
                    if upper_x != upper_y && lower_x != lower_y {
                        return false;
                    }
                }
                _ => return false,
            }
        }
    }
}

/// `name` without white space at its ends and around `,` and `=` (D6). White space within a value stays.
fn without_outer_space(name: &str) -> String {
    let mut kept = String::with_capacity(name.len());
    let mut pending = String::new();
    for c in name.chars() {
        match c {
            ' ' | '\t' | '\n' | '\x0B' | '\x0C' | '\r' => pending.push(c),
            ',' | '=' => {
                pending.clear();
                kept.push(c);
            }
            _ => {
                if !kept.is_empty() && !kept.ends_with([',', '=']) {
                    kept.push_str(&pending);
                }
                pending.clear();
                kept.push(c);
            }
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::GroupComparison::{CaseInsensitive, Equals, Ldap};

    #[test]
    fn group_names_are_compared_as_the_method_says() {
        let dn = "cn=admins,ou=Groups,dc=x";
        for (method, a, b, same) in [
            (Equals, dn, dn, true),
            (Equals, dn, "CN=admins,ou=Groups,dc=x", false),
            (CaseInsensitive, "ÉQUIPE", "équipe", true),
            (CaseInsensitive, "Straße", "STRASSE", false),
            (CaseInsensitive, dn, "cn=admins, ou=Groups,dc=x", false),
            (Ldap, dn, " CN = Admins ,\tOU=groups, DC=X ", true),
            (Ldap, "cn=ad mins", "cn=ad  mins", false),
            (Ldap, "cn=a+sn=b", "cn=a + sn=b", false),
            (Ldap, dn, "ou=Groups,cn=admins,dc=x", false),
            (Ldap, "cn=admins\\, west,dc=x", "cn=admins\\,west,dc=x", true),
            (Ldap, "", "  ", true),
            (Ldap, "a", "", false),
        ] {
            let (a, b) = (&*method.key(a), &*method.key(b));
            assert_eq!(method.same(a, b), same, "{method:?} {a:?} {b:?}");
            assert_eq!(method.same(b, a), same, "{method:?} {b:?} {a:?}");
        }
    }
}
