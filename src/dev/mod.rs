//! How does someone try Keyward with nothing else at hand?
//!
//! Everything here is a composition of parts that know nothing of it: an embedded authorization server, an echo
//! upstream, an Envoy where one is found, and the ordinary program between them, all on loopback.

pub mod authorization_server;
pub mod echo;
pub mod envoy;
