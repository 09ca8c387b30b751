//! Which decisions are written down, and where?

/// `audit`: shares between 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Share of allows that are logged.
    pub allows: f64,
    /// Share of denials and outages that are logged.
    pub denials: f64,
    /// Where lines go.
    pub to: AuditTarget,
    /// Whether users are named by a keyed hash only.
    pub redact: bool,
}

/// Where audit lines go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AuditTarget {
    /// One JSON line each on standard output.
    #[default]
    Stdout,
    /// Nowhere.
    Off,
}

impl Default for Settings {
    fn default() -> Self {
        Self { allows: 1.0, denials: 1.0, to: AuditTarget::Stdout, redact: true }
    }
}
