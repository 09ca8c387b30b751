//! From when until when is an ISO 8601 interval? `start/end`, `start/period` or `period/end`, as Joda-Time reads them (D8, D9).

use jiff::civil::{Date, DateTime, ISOWeekDate, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::period::Period;
use super::scan::Scan;

/// A half-open interval: the start belongs to it, the end does not (D9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Interval {
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
}

/// The text is no legal interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreadable;

impl Interval {
    /// Reads an interval; `zone` is that of ends without one, and of periods (J8).
    pub(super) fn parse(text: &str, zone: &TimeZone) -> Result<Self, Unreadable> {
        let (left, right) = text.split_once('/').ok_or(Unreadable)?;
        let is_period = |side: &str| side.starts_with(['P', 'p']);
        let period = |side: &str| Period::parse(side).ok_or(Unreadable);
        let instant = |side: &str| instant(side, zone).ok_or(Unreadable);
        let (start, end) = match (is_period(left), is_period(right)) {
            (true, true) => return Err(Unreadable),
            (true, false) => {
                let end = instant(right)?;
                (period(left)?.add_to(end, zone, true), end)
            }
            (false, true) => {
                let start = instant(left)?;
                (start, period(right)?.add_to(start, zone, false))
            }
            (false, false) => (instant(left)?, instant(right)?),
        };
        if end < start { Err(Unreadable) } else { Ok(Self { start, end }) }
    }

    pub(super) fn contains(self, now: Timestamp) -> bool {
        self.start <= now && now < self.end
    }
}

/// `date ['T' [time] [offset]]` or `'T' time [offset]` (then of 1970-01-01).
fn instant(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let mut scan = Scan::new(text);
    let (date, has_date) = match longest_date(scan) {
        Some((date, rest)) => {
            scan = rest;
            (date, true)
        }
        None => (Ok(Date::constant(1970, 1, 1)), false),
    };
    let mut time = SignedDuration::ZERO;
    let mut offset = None;
    if scan.take('T') {
        match time_of_day(&mut scan)? {
            Some(elapsed) => time = elapsed,
            None if !has_date => return None,
            None => {}
        }
        offset = zone_offset(&mut scan)?;
    } else if !has_date {
        return None;
    }
    if !scan.is_at_end() {
        return None;
    }
    let date = match date {
        Ok(date) => date,
        Err(Beyond::Calendar { future }) => return Some(if future { Timestamp::MAX } else { Timestamp::MIN }),
        Err(Beyond::Legal) => return None,
    };
    let local = date.to_datetime(jiff::civil::Time::midnight()).checked_add(time).ok()?;
    let beyond = if local.year() > 0 { Timestamp::MAX } else { Timestamp::MIN };
    match offset {
        Some(offset) => {
            let utc = TimeZone::UTC.to_timestamp(local).and_then(|utc| utc.checked_sub(offset));
            Some(utc.unwrap_or(beyond))
        }
        None => in_zone(local, zone, beyond),
    }
}

/// The instant of a written local time: one that a change of clocks leaves out is illegal, of two the earlier counts.
///
/// The last and first hours of the calendar (`9999-12-31T23:59:59`) are `beyond` what a [`Timestamp`] can be.
fn in_zone(local: DateTime, zone: &TimeZone, beyond: Timestamp) -> Option<Timestamp> {
    let ambiguous = zone.to_ambiguous_timestamp(local);
    match ambiguous.offset() {
        jiff::tz::AmbiguousOffset::Gap { .. } => None,
        _ => Some(ambiguous.compatible().unwrap_or(beyond)),
    }
}

/// Why a date that has the right form is none.
#[derive(Debug, Clone, Copy)]
enum Beyond {
    /// A month, week or day that the calendar does not have.
    Legal,
    /// A year outside -9999 to 9999: legal, and for our purpose the end or the beginning of time.
    Calendar { future: bool },
}

type ReadDate<'t> = (Result<Date, Beyond>, Scan<'t>);

/// The date form that reaches farthest: `yyyy[-MM[-dd]]`, `xxxx-Www[-e]` or `yyyy-DDD`; of equals the first.
fn longest_date(scan: Scan<'_>) -> Option<ReadDate<'_>> {
    let forms = [calendar_date(scan), week_date(scan), ordinal_date(scan)];
    // Fewest characters left; `min_by_key` takes the first of equals.
    forms.into_iter().flatten().min_by_key(|(_, rest)| rest.left())
}

fn calendar_date(mut scan: Scan<'_>) -> Option<ReadDate<'_>> {
    let year = year(&mut scan)?;
    let month = after_hyphen(&mut scan, 2);
    let day = month.and_then(|_| after_hyphen(&mut scan, 2));
    let date = in_year(year, |year| {
        Date::new(year, i8::try_from(month.unwrap_or(1)).ok()?, i8::try_from(day.unwrap_or(1)).ok()?).ok()
    });
    Some((date, scan))
}

fn week_date(mut scan: Scan<'_>) -> Option<ReadDate<'_>> {
    let year = year(&mut scan)?;
    let week = if scan.take('-') && scan.take('W') { scan.number(2)? } else { return None };
    let day = after_hyphen(&mut scan, 1).unwrap_or(1);
    let date = in_year(year, |year| {
        let weekday = Weekday::from_monday_one_offset(i8::try_from(day).ok()?).ok()?;
        Some(ISOWeekDate::new(year, i8::try_from(week).ok()?, weekday).ok()?.date())
    });
    Some((date, scan))
}

fn ordinal_date(mut scan: Scan<'_>) -> Option<ReadDate<'_>> {
    let year = year(&mut scan)?;
    let day = after_hyphen(&mut scan, 3)?;
    let date = in_year(year, |year| {
        let first = Date::new(year, 1, 1).ok()?;
        first.with().day_of_year(i16::try_from(day).ok()?).build().ok()
    });
    Some((date, scan))
}

/// A year of at most nine digits, with or without a sign.
fn year(scan: &mut Scan<'_>) -> Option<i64> {
    scan.signed(9).map(|(negative, year)| if negative { -year } else { year })
}

fn in_year(year: i64, date: impl FnOnce(i16) -> Option<Date>) -> Result<Date, Beyond> {
    match i16::try_from(year).ok().filter(|year| (-9999..=9999).contains(year)) {
        Some(year) => date(year).ok_or(Beyond::Legal),
        None => Err(Beyond::Calendar { future: year > 0 }),
    }
}

/// `-` and a number; nothing is taken if they do not follow.
fn after_hyphen<'t>(scan: &mut Scan<'t>, digits: usize) -> Option<i64> {
    let before = *scan;
    let number = if scan.take('-') { scan.number(digits) } else { None };
    if number.is_none() {
        *scan = before;
    }
    number
}

/// `HH[:mm[:ss]]`, the last with a decimal fraction or not. `Some(None)`: there is no time; `None`: an illegal one.
#[expect(clippy::option_option, reason = "absent and illegal are two things, and only here")]
fn time_of_day(scan: &mut Scan<'_>) -> Option<Option<SignedDuration>> {
    let mut time = SignedDuration::ZERO;
    for (position, (unit, most)) in [(3600, 23), (60, 59), (1, 59)].into_iter().enumerate() {
        let before = *scan;
        let number = if position == 0 || scan.take(':') { scan.number(2) } else { None };
        let Some(number) = number else {
            *scan = before;
            return Some((position > 0).then_some(time));
        };
        if number > most {
            return None;
        }
        time += SignedDuration::from_secs(number * unit);
        if let Some(fraction) = fraction(scan, unit) {
            return Some(Some(time + fraction));
        }
    }
    Some(Some(time))
}

/// A decimal fraction of a unit of `seconds`, at most nine digits, cut to milliseconds.
fn fraction(scan: &mut Scan<'_>, seconds: i64) -> Option<SignedDuration> {
    let before = *scan;
    let digits = if scan.take('.') || scan.take(',') { scan.digits(9) } else { None };
    let Some(digits) = digits else {
        *scan = before;
        return None;
    };
    let mut weight = seconds * 1000;
    let mut tenths = 0;
    for digit in digits.bytes() {
        tenths += i64::from(digit - b'0') * weight;
        weight /= 10;
    }
    Some(SignedDuration::from_millis(tenths / 10))
}

/// `Z`, `±HH`, `±HHmm`, `±HH:mm`, and seconds in either form. `Some(None)`: there is none; `None`: an illegal one.
#[expect(clippy::option_option, reason = "absent and illegal are two things, and only here")]
fn zone_offset(scan: &mut Scan<'_>) -> Option<Option<SignedDuration>> {
    if scan.take('Z') {
        return Some(Some(SignedDuration::ZERO));
    }
    let negative = scan.take('-');
    if !negative && !scan.take('+') {
        return Some(None);
    }
    let mut seconds = two_digits(scan, 23)? * 3600;
    let separated = scan.take(':');
    if separated || !scan.is_at_end() {
        seconds += two_digits(scan, 59)? * 60;
        if !scan.is_at_end() && scan.take(':') == separated {
            seconds += two_digits(scan, 59)?;
        }
    }
    Some(Some(SignedDuration::from_secs(if negative { -seconds } else { seconds })))
}

fn two_digits(scan: &mut Scan<'_>, most: i64) -> Option<i64> {
    let digits = scan.digits(2).filter(|digits| digits.len() == 2)?;
    digits.parse().ok().filter(|number| *number <= most)
}
