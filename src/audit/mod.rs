//! What is written down about a decision?

pub mod settings;
