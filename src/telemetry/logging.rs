//! Where do diagnostics go? To stderr, as JSON lines or as text; stdout belongs to results and to the audit.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// One JSON object per line.
    #[default]
    Json,
    /// For eyes.
    Text,
}

/// `--log-level` cannot be understood.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{level}` is no log level: {source}; write `error`, `warn`, `info`, `debug` or `trace`, or directives such as \
     `info,keyward::app=debug`"
)]
pub struct LevelError {
    level: String,
    source: tracing_subscriber::filter::ParseError,
}

/// Starts logging for the whole process; a second call changes nothing.
///
/// # Errors
/// When `level` is neither a level nor a list of directives.
pub fn init(level: &str, format: Format) -> Result<(), LevelError> {
    let filter = filter(level)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let _already_started = match format {
        Format::Json => builder.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init(),
        // Colours are for eyes: in a file they are noise that no `grep` expects.
        Format::Text => builder.with_ansi(io::stderr().is_terminal()).try_init(),
    };
    Ok(())
}

fn filter(level: &str) -> Result<EnvFilter, LevelError> {
    EnvFilter::try_new(level).map_err(|source| LevelError { level: level.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_or_directives_are_understood() {
        for level in ["info", "WARN", "off", "info,keyward::app=debug"] {
            assert!(filter(level).is_ok(), "{level}");
        }
    }

    #[test]
    fn another_word_is_refused_with_what_would_do() {
        let error = filter("info,keyward=loudly").unwrap_err().to_string();
        assert!(error.contains("`info,keyward=loudly` is no log level") && error.contains("`warn`"), "{error}");
    }
}
