//! How long is an ISO 8601 period such as `P1Y2M3W4DT5H6M7.5S`, added to an instant or taken from it? (D8)

use jiff::civil::DateTime;
use jiff::tz::{Disambiguation, TimeZone};
use jiff::{SignedDuration, Span, Timestamp};

use super::scan::Scan;

/// A period, field by field, for months and days are not always equally long.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Period {
    years: i64,
    months: i64,
    weeks: i64,
    days: i64,
    /// Hours, minutes, seconds and milliseconds: elapsed time.
    time: SignedDuration,
}

/// Puts an amount of one calendar unit into a span; `None` where it is too large.
type SpanOf = fn(Span, i64) -> Option<Span>;

/// The most digits a field may have.
const MOST_DIGITS: usize = 9;

impl Period {
    /// Reads a period. Fields stand in order, each at most once and whole; only seconds may have a fraction, of which
    /// milliseconds count. Each may have a sign. Letters may be in lower case.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut scan = Scan::new(text);
        if !scan.take('P') {
            return None;
        }
        let mut period = Self {
            years: field(&mut scan, 'Y'),
            months: field(&mut scan, 'M'),
            weeks: field(&mut scan, 'W'),
            days: field(&mut scan, 'D'),
            time: SignedDuration::ZERO,
        };
        if scan.take('T') {
            let before = scan.left();
            period.time = SignedDuration::from_secs(field(&mut scan, 'H') * 3600)
                + SignedDuration::from_secs(field(&mut scan, 'M') * 60)
                + seconds(&mut scan);
            if scan.left() == before {
                return None;
            }
        }
        scan.is_at_end().then_some(period)
    }

    /// `instant` and this period, or less this period if `back`. Beyond the years of the calendar: its end or beginning.
    ///
    /// Years, months, weeks and days are counted on the calendar of `zone`, one after the other, also where the interval's
    /// text names another zone; hours and less are elapsed time.
    pub(super) fn add_to(self, instant: Timestamp, zone: &TimeZone, back: bool) -> Timestamp {
        let sign = if back { -1 } else { 1 };
        let forward = |amount: i64| (amount * sign) >= 0;
        let calendar: [(i64, SpanOf); 4] = [
            (self.years, |span, n| span.try_years(n).ok()),
            (self.months, |span, n| span.try_months(n).ok()),
            (self.weeks, |span, n| span.try_weeks(n).ok()),
            (self.days, |span, n| span.try_days(n).ok()),
        ];
        let mut instant = instant;
        for (amount, make) in calendar.into_iter().filter(|(amount, _)| *amount != 0) {
            let moved = make(Span::new(), amount * sign)
                .and_then(|span| zone.to_datetime(instant).checked_add(span).ok())
                .and_then(|local| at(local, zone));
            match moved {
                Some(moved) => instant = moved,
                None => return if forward(amount) { Timestamp::MAX } else { Timestamp::MIN },
            }
        }
        let time = if back { -self.time } else { self.time };
        instant.checked_add(time).unwrap_or(if time.is_negative() { Timestamp::MIN } else { Timestamp::MAX })
    }
}

/// The instant of a local time that was reached by counting: in a gap as much later as the gap is long, in an overlap the
/// earlier one.
fn at(local: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    zone.to_ambiguous_timestamp(local).disambiguate(Disambiguation::Compatible).ok()
}

/// A number that `letter` follows; zero, and nothing taken, if there is none.
fn field(scan: &mut Scan<'_>, letter: char) -> i64 {
    let before = *scan;
    match scan.signed(MOST_DIGITS) {
        Some((negative, number)) if scan.take(letter) => {
            if negative {
                -number
            } else {
                number
            }
        }
        _ => {
            *scan = before;
            0
        }
    }
}

fn seconds(scan: &mut Scan<'_>) -> SignedDuration {
    let before = *scan;
    let Some((negative, whole)) = scan.signed(MOST_DIGITS) else { return SignedDuration::ZERO };
    let mut millis = 0;
    if scan.take('.') || scan.take(',') {
        let digits = scan.digits(usize::MAX).unwrap_or_default();
        let weights = [100, 10, 1];
        millis = digits.bytes().zip(weights).map(|(digit, weight)| i64::from(digit - b'0') * weight).sum();
    }
    if !scan.take('S') {
        *scan = before;
        return SignedDuration::ZERO;
    }
    let length = SignedDuration::from_secs(whole) + SignedDuration::from_millis(millis);
    if negative { -length } else { length }
}
