//! What do an operator's scripts say? JavaScript as IDM runs it, shut in: no I/O, little memory, little time, nothing kept.

mod access_file;
pub mod augment;
pub mod engine;
pub mod outline;
mod remarks;

pub use access_file::{AccessFileError, configs};
pub use augment::{AugmentError, AugmentScript};
pub use engine::{Script, ScriptError};
pub use remarks::{Remark, remarks};
