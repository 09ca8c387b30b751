//! Is a role in effect at this moment? Its temporal constraints, read as IDM reads them (D7–D12).

mod interval;
mod period;
mod scan;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::DropReason;
use interval::Interval;

/// Why `constraints` keep a role from being in effect at `now`; `None` where they do not: there are none, or `now` lies
/// in at least one of them (D10).
///
/// SECURITY: one entry that cannot be read drops the role, even where another is current (J21).
pub(super) fn hindrance(constraints: &Value, now: Timestamp, zone: &TimeZone) -> Option<DropReason> {
    let entries = match constraints {
        Value::Null => return None,
        Value::Array(entries) => entries,
        _ => return Some(DropReason::UnreadableConstraint),
    };
    let mut current = entries.is_empty();
    for entry in entries {
        let text = entry.get("duration").and_then(Value::as_str);
        match text.and_then(|text| Interval::parse(text, zone).ok()) {
            Some(interval) => current |= interval.contains(now),
            None => return Some(DropReason::UnreadableConstraint),
        }
    }
    (!current).then_some(DropReason::NotInEffect)
}
