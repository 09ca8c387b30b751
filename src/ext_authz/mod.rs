//! How does Envoy ask, and how is it answered? The only module that names Envoy's types.

pub mod answered;
pub mod decision_id;
pub mod encode;
pub mod explain;
pub mod recorded;
pub mod service;
pub mod view;

pub use recorded::RecordedRequest;
pub use service::AuthorizationService;
