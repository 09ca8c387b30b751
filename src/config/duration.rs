//! How long is `1 minute and 10 seconds`? The English durations of A20–A24.

use std::time::Duration;

/// What a duration text means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// A length of time; may be zero.
    Finite(Duration),
    /// `zero`, `disabled`.
    Zero,
    /// `unlimited`, `indefinite`, `infinity`, `undefined`.
    Unlimited,
}

/// Reads a duration.
///
/// # Errors
/// What is wrong and what to do; the text itself is not repeated.
pub(super) fn parse(text: &str) -> Result<Written, &'static str> {
    let text = text.to_lowercase();
    let text = text.trim_matches([' ', '\t']);
    match text {
        "zero" | "disabled" => return Ok(Written::Zero),
        "unlimited" | "indefinite" | "infinity" | "undefined" => return Ok(Written::Unlimited),
        "none" => return Err("`none` means no limit to some and no time to others; write `zero` or `unlimited`"),
        _ => {}
    }
    let (mut nanos, mut rest) = part(text)?;
    while !rest.is_empty() {
        let (more, left) = part(separator(rest))?;
        // Overflow saturates, as in the original.
        nanos = nanos.saturating_add(more);
        rest = left;
    }
    let nanos = u64::try_from(nanos).unwrap_or(u64::MAX).min(i64::MAX.unsigned_abs());
    Ok(Written::Finite(Duration::from_nanos(nanos)))
}

/// What follows a separator: white space, `,` or `and`.
fn separator(text: &str) -> &str {
    let rest = text.trim_start_matches([' ', '\t']);
    if let Some(rest) = rest.strip_prefix(',') {
        return rest.trim_start_matches([' ', '\t']);
    }
    match rest.strip_prefix("and") {
        Some(after) if rest.len() < text.len() && after.starts_with([' ', '\t']) => {
            after.trim_start_matches([' ', '\t'])
        }
        _ => rest,
    }
}

/// One number with its unit, in nanoseconds, and what follows.
fn part(text: &str) -> Result<(u128, &str), &'static str> {
    let after_digits = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = text.get(..text.len() - after_digits.len()).unwrap_or_default();
    if digits.is_empty() {
        return Err("write a whole number and its unit, for each part");
    }
    let count: i64 = digits.parse().map_err(|_| "the number is too large")?;
    let unit_onwards = after_digits.trim_start_matches([' ', '\t']);
    let rest = unit_onwards.trim_start_matches(|c: char| c.is_alphabetic());
    let unit = unit_onwards.get(..unit_onwards.len() - rest.len()).unwrap_or_default();
    if unit.is_empty() {
        return Err("write the unit");
    }
    let nanos = unit_nanos(unit)
        .ok_or("the units are days, hours, minutes, seconds, milliseconds, microseconds and nanoseconds")?;
    Ok((u128::from(count.unsigned_abs()).saturating_mul(nanos), rest))
}

/// The length of a unit (A22).
fn unit_nanos(unit: &str) -> Option<u128> {
    Some(match unit {
        "days" | "day" | "d" => 86_400_000_000_000,
        "hours" | "hour" | "h" => 3_600_000_000_000,
        "minutes" | "minute" | "min" | "m" => 60_000_000_000,
        "seconds" | "second" | "sec" | "s" => 1_000_000_000,
        "milliseconds" | "millisecond" | "millisec" | "millis" | "milli" | "ms" => 1_000_000,
        "microseconds" | "microsecond" | "microsec" | "micros" | "micro" | "us" | "µs" | "μs" => 1_000,
        "nanoseconds" | "nanosecond" | "nanosec" | "nanos" | "nano" | "ns" => 1,
        _ => return None,
    })
}
