//! What can an operator see from outside? Logs, metrics and traces: instruments without knowledge of what is decided.

pub mod lines;
pub mod logging;
pub mod metrics;
pub mod trace;
