//! Are all lines written, in order, without a check ever waiting for a reader?

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;

use super::{AuditWriter, MOST_BYTES, is_sampled};
use crate::audit::settings::{AuditTarget, Settings};
use crate::audit::{AuditContext, AuditEvent};
use crate::authorizer::DecisionRecord;
use crate::decision::{Decision, Denial};
use crate::principal::{Origin, Principal};

#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A reader that reads nothing until it is let go: every write waits for the lock.
#[derive(Clone, Default)]
struct Stuck(Arc<Mutex<()>>);

impl Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        drop(self.0.lock().unwrap());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write(writer: &AuditWriter, id: &str) {
    let (decision, record) = (Decision::Deny(Denial::NoRule), DecisionRecord::default());
    let context = AuditContext {
        time: Timestamp::UNIX_EPOCH,
        decision_id: id,
        trace_id: None,
        filter: None,
        took: Duration::from_micros(7),
    };
    writer.write(AuditEvent::new(context, None, &decision, &record));
}

#[test]
fn every_line_is_written_in_order_before_the_writer_is_gone() {
    let page = Page::default();
    let writer = AuditWriter::start_with(Settings::default(), page.clone()).unwrap();
    let clone = writer.clone();
    for number in 0..1_000 {
        write(if number % 2 == 0 { &writer } else { &clone }, &number.to_string());
    }
    drop((writer, clone));
    let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
    let ids: Vec<String> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["decisionId"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids, (0..1_000).map(|number| number.to_string()).collect::<Vec<_>>());
}

#[test]
fn a_reader_that_is_stuck_stops_nobody_and_what_is_dropped_is_counted() {
    let stuck = Stuck::default();
    let held = stuck.0.lock().unwrap();
    let writer = AuditWriter::start_with(Settings::default(), stuck.clone()).unwrap();
    let line = "x".repeat(64 * 1024);
    // Twice as much as may wait, and what the thread may have taken already.
    for _ in 0..3 * MOST_BYTES / line.len() {
        write(&writer, &line);
    }
    assert!(writer.tally().dropped() > 0);
    drop(held);
}

#[test]
fn what_nobody_reads_any_more_is_counted_as_dropped() {
    struct Gone;
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (page, gone) = (Page::default(), Gone);
    let read = AuditWriter::start_with(Settings::default(), page).unwrap();
    let unread = AuditWriter::start_with(Settings::default(), gone).unwrap();
    let tallies = [read.tally(), unread.tally()];
    for number in 0..7 {
        write(&read, &number.to_string());
        write(&unread, &number.to_string());
    }
    drop((read, unread));
    assert_eq!(tallies.map(|tally| (tally.written(), tally.dropped())), [(7, 0), (0, 7)]);
}

#[test]
fn a_share_is_met() {
    for (share, expected) in [(0.0, 0), (1.0, 10_000), (0.25, 2_500)] {
        let hits = (0..10_000).filter(|sequence| is_sampled(share, *sequence)).count();
        assert!(hits.abs_diff(expected) < 20, "{share}: {hits}");
    }
}

#[test]
fn changed_settings_are_followed_and_pseudonyms_stay() {
    let page = Page::default();
    let off = Settings { to: AuditTarget::Off, ..Settings::default() };
    let writer = AuditWriter::start_with(off, page.clone()).unwrap();
    let serving = writer.clone();
    let denial = Decision::Deny(Denial::NoRule);
    assert!(!serving.wants(&denial));
    let none = Settings { denials: 0.0, ..Settings::default() };
    for (settings, wanted) in [(Settings::default(), true), (none, false), (off, false), (Settings::default(), true)] {
        writer.follow(settings);
        assert_eq!(serving.wants(&denial), wanted, "{settings:?}");
    }

    for redact in [true, false, true] {
        writer.follow(Settings { redact, ..Settings::default() });
        let principal = Principal::new("alice", "managed/user", "alice", Vec::new(), Origin::Anonymous).unwrap();
        let record = DecisionRecord { principal: Some(Arc::new(principal)), ..DecisionRecord::default() };
        let context = AuditContext {
            time: Timestamp::UNIX_EPOCH,
            decision_id: "1",
            trace_id: None,
            filter: None,
            took: Duration::ZERO,
        };
        serving.write(AuditEvent::new(context, None, &denial, &record));
    }
    drop((writer, serving));
    let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
    let ids: Vec<_> =
        text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].clone()).collect();
    assert_eq!((&ids[0], ids[1].as_str()), (&ids[2], Some("alice")));
    assert!(ids[0].as_str().unwrap().starts_with('#'), "{ids:?}");
}
