//! What does Keyward do with a request? This page is the map of the way, from Envoy's question to the answer.
//!
//! ```text
//! Envoy ─CheckRequest─▶ ext_authz      view: borrowed, nothing trusted          RequestView
//!                       authorizer
//!                         request::path  as the upstream reads it, or a refusal  RequestPath
//!                         credential     absent, present, unusable               BearerToken
//!                         introspection  cached → one flight → RFC 7662          TokenState
//!                         subject        static user, or a question              MappedSubject
//!                         directory      found, nobody, ambiguous                User
//!                         roles          at this moment                          Principal
//!                         script         as the operator augments it             Principal
//!                         access         does a rule grant?                      Permit
//!                       decision         Allow(Permit) | Deny | Outage
//!                       response         headers set or removed; or a refusal    Reply
//!                       ext_authz      encode                                    CheckResponse
//!                       audit, metrics   one event
//! ```
//!
//! The library is public for the binary, the tests and the benchmarks of this package; it promises nothing to others.

#![forbid(unsafe_code)]

pub mod access;
pub mod account_status;
pub mod admin;
pub mod app;
pub mod audit;
pub mod authorizer;
pub mod build_info;
pub mod check;
pub mod cli;
pub mod client_auth;
pub mod clock;
pub mod config;
pub mod credential;
pub mod deadline;
pub mod decision;
#[cfg(feature = "dev")]
pub mod dev;
pub mod directory;
pub mod explain;
pub mod ext_authz;
pub mod giving_way;
pub mod http_client;
pub mod introspection;
pub mod listen;
pub mod principal;
pub mod record_path;
pub mod request;
pub mod response;
pub mod roles;
pub mod script;
pub mod secret;
pub mod single_flight;
pub mod strict_json;
pub mod subject;
pub mod telemetry;
pub mod token;
pub mod user;
