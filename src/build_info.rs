//! Which build is this? Facts that the build pipeline hands in, never read from git by the build itself.

/// The version of the package, as `1.2.3`.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit, from `KEYWARD_COMMIT` at build time; `unknown` where nobody said.
pub const COMMIT: &str = match option_env!("KEYWARD_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};
