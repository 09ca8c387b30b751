//! Where do diagnostics go? To stderr, as JSON lines or as text; stdout belongs to results and to the audit.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal, Write};
use std::panic::{self, PanicHookInfo};
use std::sync::Arc;
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use super::lines::{Bounds, LineWriter, Tally};

/// A log is written at once, so that it says what was last done whatever happens next; losses are told by a metric alone.
const BOUNDS: Bounds = Bounds { name: "log", most_bytes: 1024 * 1024, gather: Duration::ZERO, lost: |_| {} };

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// One JSON object per line.
    #[default]
    Json,
    /// For eyes.
    Text,
}

/// Why there can be no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// `--log-level` cannot be understood.
    #[error(
        "`{level}` is no log level: {source}; write `error`, `warn`, `info`, `debug` or `trace`, or directives such as \
         `info,keyward::app=debug`"
    )]
    Level {
        /// What was written.
        level: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// The system gives no thread to write it.
    #[error("cannot start the log: {0}")]
    Thread(io::Error),
}

/// A log that is being written. Dropped, it waits a moment until the last lines are, and takes no more.
#[derive(Debug)]
#[must_use = "the log ends when this is dropped"]
pub struct Log(Arc<LineWriter>);

impl Log {
    /// What became of the lines so far.
    #[must_use]
    pub fn tally(&self) -> Arc<Tally> {
        Arc::clone(self.0.tally())
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Starts logging for the whole process, to the end of what is returned; a second call changes nothing.
///
/// Whoever logs never waits: standard error may be a pipe that nobody reads. What a panic says goes the same way.
///
/// # Errors
/// [`LogError`].
pub fn init(level: &str, format: Format) -> Result<Log, LogError> {
    let filter = filter(level)?;
    let lines = Arc::new(LineWriter::start(BOUNDS, io::stderr()).map_err(LogError::Thread)?);
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(Lines(Arc::clone(&lines)));
    let _already_started = match format {
        Format::Json => builder.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init(),
        // Colours are for eyes: in a file they are noise that no `grep` expects.
        Format::Text => builder.with_ansi(io::stderr().is_terminal()).try_init(),
    };
    panic::set_hook(Box::new(tell_panic));
    Ok(Log(lines))
}

/// As the standard library tells it, but into the log: its own way to standard error would wait for a reader.
fn tell_panic(panicked: &PanicHookInfo<'_>) {
    let location = panicked.location().map(tracing::field::display);
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| tracing::field::display(backtrace));
    tracing::error!(location, backtrace, "panicked: {}", panicked.payload_as_str().unwrap_or("no text"));
}

/// Each event comes as one line in one piece.
#[derive(Clone)]
struct Lines(Arc<LineWriter>);

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

fn filter(level: &str) -> Result<EnvFilter, LogError> {
    EnvFilter::try_new(level).map_err(|source| LogError::Level { level: level.to_owned(), source })
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
