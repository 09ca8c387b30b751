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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::Value;

    use super::{Written, parse};

    fn nanos(text: &str) -> Option<u64> {
        match parse(text) {
            Ok(Written::Finite(duration)) => u64::try_from(duration.as_nanos()).ok(),
            Ok(Written::Zero) => Some(0),
            Ok(Written::Unlimited) => Some(u64::MAX),
            Err(_) => None,
        }
    }

    #[test]
    fn durations_mean_what_the_original_made_of_them() {
        let vectors = include_str!("../../tests/vectors/duration.jsonl");
        for line in vectors.lines() {
            let vector: Value = serde_json::from_str(line).unwrap();
            let text = vector["duration"].as_str().unwrap();
            let expected = match vector["kind"].as_str() {
                // Where the original drops a part without a word, what is written counts, or it is refused (A21, A24).
                _ if vector.get("dialect").is_some() => continue,
                // `none` is refused (J5).
                Some("unlimited") if text.eq_ignore_ascii_case("none") => None,
                Some("unlimited") => Some(u64::MAX),
                Some(_) => Some(vector["nanos"].as_u64().unwrap()),
                None => None,
            };
            assert_eq!(nanos(text), expected, "{line}");
        }
    }

    #[test]
    fn what_the_original_drops_is_added_or_refused() {
        let seconds = |text| parse(text).ok().map(|w| if let Written::Finite(d) = w { d } else { Duration::MAX });
        for text in ["1minute10seconds", "1 minute AND 10 seconds", "1 minute 10 seconds", "1 min, 10 s", "1m and 10s"]
        {
            assert_eq!(seconds(text), Some(Duration::from_secs(70)), "{text}");
        }
        let refused = [
            "",
            " ",
            "300",
            "-5 seconds",
            "+5 seconds",
            "1 minute and",
            "1 minute,",
            "1 minute & 10 seconds",
            "1 week",
            "zero and 5 seconds",
            "5 seconds zero",
            "none",
            "None",
            "1 minute,, 10 seconds",
            "5 secondsand 1 minute",
            "1 minute and and 10 seconds",
            "five seconds",
            "1.5 seconds",
            "PT5M",
            "5\u{a0}seconds",
            "5 seconds!",
            "٥ seconds",
        ];
        for text in refused {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
