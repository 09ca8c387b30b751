//! What do an operator's scripts say? JavaScript as IDM runs it, shut in: no I/O, little memory, little time, nothing kept.

pub mod augment;
pub mod engine;

pub use augment::{AugmentError, AugmentScript};
pub use engine::{Script, ScriptError};
