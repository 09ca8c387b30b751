//! What does IDM's own configuration say, that functions of `customAuthz` ask for (E.3)?

use std::collections::{HashMap, HashSet};

/// What the operator gave of IDM's configuration, and what becomes of rules that ask for more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Knowledge {
    /// The flags that are on in `ui-configuration.json`; `None`: the file was not given.
    pub ui_flags: Option<HashSet<String>>,
    /// The objects of `managed.json` by name; `None`: the file was not given.
    pub managed: Option<HashMap<String, ManagedObject>>,
    /// The features that are on (7.x); `None`: they were not given.
    pub features: Option<HashSet<String>>,
    /// What a rule is that only IDM itself can answer.
    pub idm_only: IdmOnly,
}

/// A managed object, as its schema has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ManagedObject {
    /// The properties with `userEditable: true`.
    pub user_editable: HashSet<String>,
    /// The properties with `isProtected: true` (C6).
    pub protected: HashSet<String>,
}

/// What a rule is whose `customAuthz` only IDM itself can answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IdmOnly {
    /// Refused when the rules are loaded.
    #[default]
    Refuse,
    /// Kept, and passed over for every request. Rules only add, so nothing is granted that IDM would not grant.
    NeverGrant,
}
