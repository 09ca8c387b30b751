//! What do an operator's scripts say? JavaScript as IDM runs it, shut in: no I/O, little memory, little time, nothing kept.

mod access_file;
mod access_places;
pub mod augment;
mod brief;
pub mod condition;
pub mod engine;
mod filter;
pub mod openidm;
pub mod outline;
mod remarks;
mod turns;

pub use access_file::{AccessFileError, configs};
pub use access_places::{WrittenRule, rule_places};
pub use augment::{AugmentError, AugmentScript};
pub use condition::{Bindings, Condition, ConditionError, Withheld};
pub use engine::{Limits, Script, ScriptError};
pub use openidm::Openidm;
pub use outline::{Outline, outline};
pub use remarks::{Remark, remarks};
pub use turns::{RunError, RunObserver, Turns};
