//! What time is it to a script? The instant of the check, as for everything else that decides.

use jiff::Timestamp;

use super::Sandbox;

/// Takes the place of `Date`: the same but for `now`, `new Date()` and `Date()`, which tell the given instant.
///
/// INVARIANT: the real constructor is reachable through nothing that a script gets hold of.
const CLOCK: &str = r#"(function (now) {
    var Real = Date, construct = Reflect.construct;
    function Clock() {
        if (new.target === undefined) { return new Real(now).toString(); }
        return construct(Real, arguments.length === 0 ? [now] : arguments, new.target);
    }
    Object.defineProperties(Clock, {
        name: {value: "Date"},
        length: {value: 7},
        prototype: {value: Real.prototype, writable: false},
        now: {value: function () { return now; }, writable: true, configurable: true},
        parse: {value: Real.parse, writable: true, configurable: true},
        UTC: {value: Real.UTC, writable: true, configurable: true}
    });
    Object.defineProperty(Real.prototype, "constructor", {value: Clock});
    Object.defineProperty(globalThis, "Date", {value: Clock});
})"#;

impl Sandbox<'_, '_> {
    /// Sets the script's clock: it stands still at `now`. To be called before the script runs.
    ///
    /// A script that does not name `Date` gets none at all, which costs less than one that tells the right time.
    ///
    /// # Errors
    /// No memory is left.
    pub fn set_clock(&self, now: Timestamp) -> rquickjs::Result<()> {
        if !self.source.contains("Date") {
            return self.ctx.globals().remove("Date");
        }
        #[expect(clippy::cast_precision_loss, reason = "JavaScript counts milliseconds so; exact for 285,000 years")]
        let milliseconds = now.as_millisecond() as f64;
        self.apply(CLOCK, (milliseconds,))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use jiff::Timestamp;
    use serde_json::{Value, json};

    use crate::script::engine::{Script, ScriptError};

    fn at_noon(source: &str) -> Result<Option<Value>, ScriptError> {
        let now: Timestamp = "2026-06-01T12:00:00.250Z".parse().expect("an instant");
        Script::compile(source)?.run(Instant::now() + Duration::from_secs(20), |sandbox| {
            sandbox.set_clock(now)?;
            let value = sandbox.evaluate()?;
            sandbox.json(value)
        })
    }

    #[test]
    fn a_script_s_clock_stands_at_the_check_s_instant() {
        for (source, expected) in [
            ("Date.now()", json!(1_780_315_200_250_i64)),
            ("new Date()", json!("2026-06-01T12:00:00.250Z")),
            ("new Date().getTime() === Date.now()", json!(true)),
            ("+new (new Date(0)).constructor()", json!(1_780_315_200_250_i64)),
            (
                "class Mine extends Date {} [new Mine() instanceof Mine, +new Mine()]",
                json!([true, 1_780_315_200_250_i64]),
            ),
            ("Reflect.construct(Date, [])", json!("2026-06-01T12:00:00.250Z")),
            ("Date() === new Date().toString()", json!(true)),
        ] {
            assert_eq!(at_noon(source), Ok(Some(expected)), "{source}");
        }
    }

    #[test]
    fn everything_else_of_date_is_as_ever() {
        for (source, expected) in [
            ("new Date(0)", json!("1970-01-01T00:00:00.000Z")),
            ("new Date('2026-01-02T03:04:05Z').getUTCHours()", json!(3)),
            ("new Date(Date.UTC(2026, 0, 31)).toISOString()", json!("2026-01-31T00:00:00.000Z")),
            ("new Date(2026, 0, 31).getDate()", json!(31)),
            ("Date.parse('1970-01-01T00:00:01Z')", json!(1000)),
            ("new Date(new Date(5)).getTime()", json!(5)),
            ("new Date('x').getTime()", json!(null)),
            (
                "[new Date() instanceof Date, typeof Date, Date.name, Date.length, typeof Date(1)]",
                json!([true, "function", "Date", 7, "string"]),
            ),
            ("Object.prototype.toString.call(new Date())", json!("[object Date]")),
            ("Object.keys(Date).length + Object.keys(Date.prototype).length", json!(0)),
        ] {
            assert_eq!(at_noon(source), Ok(Some(expected)), "{source}");
        }
    }

    #[test]
    fn a_script_that_does_not_name_it_reaches_no_clock() {
        for source in
            ["typeof globalThis['Da' + 'te']", "eval('typeof Da' + 'te')", "typeof globalThis['perfor' + 'mance']"]
        {
            assert_eq!(at_noon(source), Ok(Some(json!("undefined"))), "{source}");
        }
    }
}
