//! Where does the credential come from?

pub mod settings;
