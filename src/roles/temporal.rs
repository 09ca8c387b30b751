//! Is a role in effect at this moment? (D7–D12)

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::DropReason;

/// Why `constraints` keep a role from being in effect; `None` where they do not.
///
/// SECURITY: what cannot be read grants nothing (J21).
pub(super) fn hindrance(constraints: &Value, _now: Timestamp, _zone: &TimeZone) -> Option<DropReason> {
    match constraints {
        Value::Null => None,
        Value::Array(intervals) if intervals.is_empty() => None,
        _ => Some(DropReason::UnreadableConstraint),
    }
}
