//! What will Envoy, the upstream and the client see?

pub mod settings;
pub mod source;
