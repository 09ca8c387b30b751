//! What can an operator see from outside? Logs and metrics: instruments without knowledge of what is decided.

pub mod logging;
pub mod metrics;
