//! How does Envoy ask, and how is it answered? The only module that names Envoy's types.

pub mod encode;
pub mod service;
pub mod view;

pub use service::AuthorizationService;
