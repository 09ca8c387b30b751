//! Which decisions are kept to be explained, and who may ask?

/// `explain`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// How many of the last decisions are kept; 0: none.
    pub decisions: usize,
    /// Share of allows, between 0 and 1, that are kept among them.
    pub allows: f64,
    /// Whether a refused client is told the decision's id (`x-keyward-decision`).
    pub header: bool,
    /// Who may ask.
    pub readers: Readers,
}

/// Whose connections to the admin listener may read decisions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Readers {
    /// Those from a loopback address.
    #[default]
    Local,
    /// Anybody's.
    Anyone,
}

impl Default for Settings {
    fn default() -> Self {
        Self { decisions: 1000, allows: 0.0, header: true, readers: Readers::default() }
    }
}
