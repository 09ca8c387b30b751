//! How do lines leave the process without anybody waiting for who reads them?

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How long the end waits for the last lines to be read.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long to leave a reader alone that has no room and does not let us wait.
const NO_ROOM: Duration = Duration::from_millis(10);

/// What lines are allowed to take.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The thread's name.
    pub name: &'static str,
    /// Bytes that may wait for a slow reader before further lines are dropped and counted.
    pub most_bytes: usize,
    /// How long lines are gathered before they are written: waking a thread costs more than a line does.
    pub gather: Duration,
    /// Hears why, at the first loss.
    pub lost: fn(why: &str),
}

/// Writes lines in order on a thread of its own. When it is dropped, what still waits is written, unless nobody reads.
#[derive(Debug)]
pub struct LineWriter {
    waiting: Arc<Waiting>,
    tally: Arc<Tally>,
}

/// What became of the lines. It may outlive the writer, and keeps no line waiting.
#[derive(Debug)]
pub struct Tally {
    written: AtomicU64,
    dropped: AtomicU64,
    lost: fn(why: &str),
}

impl Tally {
    /// How many lines were written.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// How many lines were dropped because nobody read them, or not fast enough.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn lose(&self, lines: u64, why: &str) {
        if lines > 0 && self.dropped.fetch_add(lines, Ordering::Relaxed) == 0 {
            (self.lost)(why);
        }
    }
}

#[derive(Debug)]
struct Waiting {
    bounds: Bounds,
    lines: Mutex<Lines>,
    /// Told when the first line comes, when no more will come, and when the thread has ended.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Lines {
    bytes: Vec<u8>,
    count: u64,
    closed: bool,
    ended: bool,
}

impl LineWriter {
    /// A writer to `out`.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn start(bounds: Bounds, out: impl Write + Send + 'static) -> io::Result<Self> {
        let tally = Arc::new(Tally { written: AtomicU64::new(0), dropped: AtomicU64::new(0), lost: bounds.lost });
        let waiting = Arc::new(Waiting { bounds, lines: Mutex::default(), changed: Condvar::new() });
        let (reader, counts) = (Arc::clone(&waiting), Arc::clone(&tally));
        thread::Builder::new().name(bounds.name.to_owned()).spawn(move || reader.write_all_to(out, &counts))?;
        Ok(Self { waiting, tally })
    }

    /// Hands over a line with its end; never waits. With too much waiting the line is dropped and counted.
    pub fn push(&self, line: &[u8]) {
        let mut lines = self.waiting.lock();
        if lines.closed || lines.bytes.len() + line.len() > self.waiting.bounds.most_bytes {
            drop(lines);
            self.tally.lose(1, "nobody reads them fast enough");
            return;
        }
        let first = lines.bytes.is_empty();
        lines.bytes.extend_from_slice(line);
        lines.count += 1;
        drop(lines);
        if first {
            self.waiting.changed.notify_all();
        }
    }

    /// What became of the lines so far.
    #[must_use]
    pub fn tally(&self) -> &Arc<Tally> {
        &self.tally
    }

    /// Waits until what was pushed is written, for a second at most, and takes no more.
    pub fn close(&self) {
        self.waiting.lock().closed = true;
        self.waiting.changed.notify_all();
        // A reader that has stopped reading must not keep the process from ending.
        drop(self.waiting.wait(LAST_WORDS, |lines| lines.ended));
    }
}

impl Drop for LineWriter {
    fn drop(&mut self) {
        self.close();
    }
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `done`, at most `for_at_most`.
    fn wait(&self, for_at_most: Duration, done: impl Fn(&Lines) -> bool) -> MutexGuard<'_, Lines> {
        let waited = self.changed.wait_timeout_while(self.lock(), for_at_most, |lines| !done(lines));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Writes whatever comes until no more will come. Once the reader is gone, lines are taken and thrown away, so that
    /// the buffer never fills.
    fn write_all_to(&self, mut out: impl Write, tally: &Tally) {
        let (mut taken, mut is_gone) = (Vec::new(), false);
        loop {
            drop(self.wait(Duration::MAX, |lines| lines.closed || !lines.bytes.is_empty()));
            let mut lines = self.wait(self.bounds.gather, |lines| lines.closed);
            std::mem::swap(&mut lines.bytes, &mut taken);
            let count = std::mem::take(&mut lines.count);
            let last = lines.closed;
            drop(lines);
            let written = if is_gone { Err(io::ErrorKind::BrokenPipe.into()) } else { write_whole(&mut out, &taken) };
            match written {
                Ok(()) => {
                    tally.written.fetch_add(count, Ordering::Relaxed);
                }
                Err(error) => {
                    // A full disk may have room again; a closed pipe has no reader again.
                    is_gone = error.kind() == io::ErrorKind::BrokenPipe;
                    tally.lose(count, if is_gone { "nobody reads them any more" } else { "they cannot be written" });
                }
            }
            taken.clear();
            if last {
                break;
            }
        }
        self.lock().ended = true;
        self.changed.notify_all();
    }
}

/// Writes all of it, also into a pipe that somebody else has told not to let its writers wait.
fn write_whole(out: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
    loop {
        let step = match out.write(bytes) {
            Ok(0) if !bytes.is_empty() => Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                bytes = bytes.get(written..).unwrap_or_default();
                if bytes.is_empty() { out.flush().map(|()| true) } else { Ok(false) }
            }
            Err(error) => Err(error),
        };
        match step {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(NO_ROOM),
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests;
