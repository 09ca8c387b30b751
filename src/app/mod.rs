//! How do the parts become a running server?

pub mod settings;
