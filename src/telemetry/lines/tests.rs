//! Are all lines written, in order, without anybody ever waiting for a reader?

use std::collections::VecDeque;

use super::*;

const BOUNDS: Bounds = Bounds { name: "test", most_bytes: 1024, gather: Duration::ZERO, lost: |_| {} };

/// Answers with these results in turn, then takes everything.
#[derive(Clone, Default)]
struct Moody {
    moods: Arc<Mutex<VecDeque<io::Result<usize>>>>,
    text: Arc<Mutex<Vec<u8>>>,
}

impl Moody {
    fn new(moods: impl IntoIterator<Item = io::Result<usize>>) -> Self {
        Self { moods: Arc::new(Mutex::new(moods.into_iter().collect())), text: Arc::default() }
    }

    fn text(&self) -> String {
        String::from_utf8(self.text.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Moody {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.moods.lock().unwrap().pop_front().unwrap_or(Ok(bytes.len()))?.min(bytes.len());
        self.text.lock().unwrap().extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_reader_with_little_room_gets_every_byte_once() {
    let moods = [Ok(3), Err(io::ErrorKind::WouldBlock.into()), Ok(2), Err(io::ErrorKind::Interrupted.into()), Ok(1)];
    let out = Moody::new(moods);
    let writer = LineWriter::start(BOUNDS, out.clone()).unwrap();
    let tally = Arc::clone(writer.tally());
    for number in 0..100 {
        writer.push(format!("{number}\n").as_bytes());
    }
    drop(writer);
    assert_eq!(out.text(), (0..100).map(|number| format!("{number}\n")).collect::<String>());
    assert_eq!((tally.written(), tally.dropped()), (100, 0));
}

/// A disk that was full for a while.
#[test]
fn what_cannot_be_written_is_lost_and_what_comes_after_is_not() {
    let out = Moody::new([Err(io::ErrorKind::StorageFull.into())]);
    let writer = LineWriter::start(BOUNDS, out.clone()).unwrap();
    writer.push(b"lost\n");
    while writer.tally().dropped() == 0 {
        thread::yield_now();
    }
    writer.push(b"kept\n");
    writer.close();
    assert_eq!(out.text(), "kept\n");
    assert_eq!((writer.tally().written(), writer.tally().dropped()), (1, 1));
    writer.push(b"too late\n");
    assert_eq!(writer.tally().dropped(), 2);
}
