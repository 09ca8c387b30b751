//! How do the parts become a running server?

pub mod assemble;
pub mod connection;
pub mod listener;
pub mod reflection;
pub mod server;
pub mod settings;
pub mod tls;
pub mod watch;
