//! Which of the engine's own loops would outlast every deadline? Those over lists of any length, mostly empty ones.

use std::sync::LazyLock;

use regex::Regex;
use rquickjs::{Ctx, Function};

/// Puts a bound before the functions of lists that the engine runs without looking at the clock: a list is no memory, so
/// `new Array(4e9).join()` would run for minutes.
const BOUNDS: &str = r#"(function (most) {
    var apply = Reflect.apply, lists = Array.prototype;
    ["concat", "copyWithin", "flat", "flatMap", "join", "reverse", "shift", "slice", "sort", "splice", "toLocaleString",
        "unshift"].forEach(function (name) {
        var native = lists[name];
        var bounded = {value: function () {
            for (var i = -1; i < arguments.length; i += 1) {
                var list = i < 0 ? this : arguments[i];
                if (list !== null && typeof list === "object" && list.length > most) {
                    throw new RangeError("a list of more than " + most + " elements");
                }
            }
            return apply(native, this, arguments);
        }};
        Object.defineProperty(bounded.value, "name", {value: name});
        Object.defineProperty(bounded.value, "length", {value: native.length});
        Object.defineProperty(lists, name, {value: bounded.value, writable: true, configurable: true});
    });
    delete String.raw;
})"#;
/// The longest list, in elements.
const MOST: u32 = 1_000_000;
/// A script without one of these has no list but those that take up memory: a word that makes or borrows lists, or a
/// `length` that is set. `<=` and `>=` compare.
static NEEDED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r#"Array|call|apply|bind|Reflect|length["'\]\s]*(?::|,|\}|\+\+|--|=(?:[^=]|$)|(?:[+*/%&|^?-]{1,3}|<<|>>>?)=(?:[^=]|$))"#,
    )
    .ok()
});

/// Whether a script could need the bounds, which cost some 20 µs.
pub(super) fn needed(source: &str) -> bool {
    NEEDED.as_ref().is_none_or(|needed| needed.is_match(source))
}

/// Sets the bounds.
pub(super) fn set(ctx: &Ctx<'_>) -> rquickjs::Result<()> {
    ctx.eval::<Function<'_>, _>(BOUNDS)?.call((MOST,))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use serde_json::{Value, json};

    use crate::script::engine::{Script, ScriptError};

    fn run(source: &str) -> Result<Option<Value>, ScriptError> {
        Script::compile(source)?.run(Instant::now() + Duration::from_secs(5), |sandbox| {
            let value = sandbox.evaluate()?;
            sandbox.json(value)
        })
    }

    #[test]
    fn no_loop_of_the_engine_over_a_list_outlasts_the_deadline() {
        for call in [
            "concat()",
            "copyWithin(0, 1)",
            "flat()",
            "flatMap(f)",
            "join('')",
            "reverse()",
            "shift()",
            "slice(0)",
            "sort()",
            "splice(0, 1)",
            "toLocaleString()",
            "toString()",
            "unshift(1)",
            "every(f)",
            "fill(0)",
            "filter(f)",
            "find(f)",
            "forEach(f)",
            "includes(7)",
            "indexOf(7)",
            "lastIndexOf(7)",
            "map(f)",
            "reduce(f, 0)",
            "some(f)",
            "toSorted()",
        ] {
            let began = Instant::now();
            let source = format!("var f = function () {{ return false; }}; new Array(4e9).{call}");
            let ended = Script::compile(&source).and_then(|script| {
                script.run(began + Duration::from_millis(50), |sandbox| sandbox.evaluate().map(|_| ()))
            });
            assert!(ended.is_err(), "{call}");
            assert!(began.elapsed() < Duration::from_secs(4), "{call}: {:?}", began.elapsed());
        }
        for source in [
            "'' + new Array(4e9)",
            "[].concat(new Array(4e9))",
            "[].slice.call({length: 4e9})",
            "Array.prototype.reverse.apply({length: 4e9}, [])",
            "var a = []; a.length = 4e9; a.join()",
            "String.raw({raw: {length: 4e9}})",
        ] {
            assert!(matches!(run(source), Err(ScriptError::Other(_))), "{source}");
        }
    }

    #[test]
    fn bounds_are_set_where_a_script_could_make_or_borrow_a_long_list() {
        for source in [
            "new Array(5)",
            "[].slice.call(x)",
            "a.length = 5",
            "a['length']=5",
            "a.length += 1",
            "a.length++",
            "({length: 5})",
            "var length = 5, o = {length}",
            "a.length **= 2",
            "a.length >>>= 1",
            "a.length ??= 3",
            "[a.length] = [3]",
            "a[\"length\"]\n= 5",
            "Reflect.apply(f, x, [])",
        ] {
            assert!(super::needed(source), "{source}");
        }
        for source in [
            "a.length === 5",
            "a.length == 5",
            "a.length <= 5 && a.length >= 3",
            "a.length > 5",
            "a.length - 1",
            "a.length",
        ] {
            assert!(!super::needed(source), "{source}");
        }
    }

    #[test]
    fn lists_of_a_usual_length_are_what_they_were() {
        for (source, expected) in [
            ("[3, 1, 2].sort().reverse().slice(0, 2).concat([7], 8).join('-')", json!("3-2-7-8")),
            ("var a = [1, 2, 3]; [a.shift(), a.unshift(0, 5), a.splice(1, 1), a.length]", json!([1, 4, [5], 3])),
            ("[[1], [2, [3]]].flat().length + [1].flatMap(function (x) { return [x, x]; }).length", json!(5)),
            ("[].join.name + [].concat.length + [].slice.length", json!("join12")),
            ("Array.prototype.slice.call('abc', 1).length + Array.from('xy').length", json!(4)),
            ("(function () { return Array.prototype.slice.call(arguments, 1); }(1, 2, 3))", json!([2, 3])),
            ("Object.keys([1].concat).length + ([1, [2]] + '').length", json!(3)),
        ] {
            assert_eq!(run(source), Ok(Some(expected)), "{source}");
        }
    }
}
