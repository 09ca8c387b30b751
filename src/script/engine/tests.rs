//! Limits, places, and that nothing is left behind.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::language::Needs;
use super::{Script, ScriptError, sandboxed};

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

fn run_until(source: &str, until: Instant) -> Result<Option<Value>, ScriptError> {
    Script::compile(source)?.run(until, |sandbox| {
        let value = sandbox.evaluate()?;
        sandbox.json(value)
    })
}

fn run(source: &str) -> Result<Option<Value>, ScriptError> {
    run_until(source, soon())
}

fn thrown(code: Option<i64>, message: &str) -> Result<Option<Value>, ScriptError> {
    Err(ScriptError::Thrown { code, message: message.to_owned() })
}

#[test]
fn the_value_is_that_of_the_last_expression() {
    assert_eq!(run("var a = 1; a + 1"), Ok(Some(json!(2))));
    assert_eq!(run("(function () { return {a: [1, 'x', null]}; }());"), Ok(Some(json!({"a": [1, "x", null]}))));
    assert_eq!(run("var a = 1;"), Ok(None));
    assert_eq!(run("// nothing but a comment"), Ok(None));
    assert_eq!(run("'use strict'; (function () { return this === undefined; }())"), Ok(Some(json!(true))));
    assert_eq!(run("x = 010; x"), Ok(Some(json!(8))), "sloppy, as in IDM");
}

#[test]
fn a_script_that_cannot_be_read_is_refused_with_its_place_and_nothing_of_it_runs() {
    for (source, expected) in [
        ("var a = ;", (1, 9)),
        ("var a = 1;\nif (a {\n}", (2, 7)),
        ("'use strict';\nwith (a) {}", (2, 1)),
        ("let a;\nlet a;", (2, 6)),
        ("if (a) {\n\n", (3, 1)),
        ("é = (1 +", (1, 9)),
    ] {
        let Err(ScriptError::Syntax { line, column, message }) = Script::compile(source) else {
            panic!("{source:?} was read")
        };
        assert_eq!((line, column), expected, "{source:?}: {message}");
    }
    for source in ["return 1;", "a = `", "/* open", "import x from 'y';", "if (a)", "a\0b", "}", "x ="] {
        assert!(matches!(Script::compile(source), Err(ScriptError::Syntax { .. })), "{source:?}");
    }
    for source in
        ["throw 1", "while (true) {}", "undefinedName()", "null.x", "a = b // comment", "x++", "function f() {}"]
    {
        assert!(Script::compile(source).is_ok(), "{source:?}");
    }
}

#[test]
fn what_is_thrown_is_told_with_its_code() {
    assert_eq!(run("throw {code: 401, message: 'no'}"), thrown(Some(401), "no"));
    assert_eq!(run("throw {code: 503.0, message: 'later'}"), thrown(Some(503), "later"));
    assert_eq!(run("throw {code: '401', message: 'no'}"), thrown(None, "no"), "a text is no code");
    assert_eq!(run("throw {code: 401.5}"), thrown(None, ""));
    assert_eq!(run("throw {code: NaN}"), thrown(None, ""));
    assert_eq!(run("throw {message: 7}"), thrown(None, ""));
    assert_eq!(run("throw 'text'"), thrown(None, "text"));
    assert_eq!(run("throw null"), Err(ScriptError::Memory), "what the engine throws when it cannot even make an error");
    assert_eq!(run("throw undefined"), thrown(None, ""));
    assert_eq!(run("throw 7"), thrown(None, ""));
    assert_eq!(run("var e = new Error('no'); e.code = 403; throw e"), thrown(Some(403), "no"));
    assert_eq!(run("throw {get code() { throw 1 }, get message() { throw 2 }}"), thrown(None, ""));
}

#[test]
fn an_error_of_the_engine_names_the_place() {
    assert_eq!(
        run("var a = null;\n  a.b.c;"),
        Err(ScriptError::Other("TypeError: cannot read property 'b' of null (line 2, column 3)".to_owned()))
    );
    assert!(matches!(run("eval('var a = ;')"), Err(ScriptError::Syntax { .. })));
}

#[test]
fn a_script_ends_at_its_deadline() {
    for source in [
        "while (true) {}",
        "for (;;) { try { while (true) {} } catch (e) {} finally { while (true) {} } }",
        "/^(a+)+$/.test('a'.repeat(40) + 'b')",
        "var a = []; for (var i = 0; i < 3e4; i++) a.push(i); while (true) a.sort(function () { return 1; })",
        "throw {get code() { while (true) {} }}",
        "({toJSON: function () { while (true) {} }})",
    ] {
        let began = Instant::now();
        assert_eq!(run_until(source, began + Duration::from_millis(50)), Err(ScriptError::Deadline), "{source}");
        assert!(began.elapsed() < Duration::from_secs(5), "{source}: {:?}", began.elapsed());
    }
}

#[test]
fn a_script_that_ended_too_late_has_no_result() {
    assert_eq!(run_until("1", Instant::now()), Err(ScriptError::Deadline));
}

#[test]
fn memory_is_bounded() {
    for source in [
        "var a = []; while (true) a.push(new Array(1000).fill(1))",
        "var s = 'x'; while (true) s += s",
        "'x'.repeat(1e9).length",
        "new Uint8Array(1e9).length",
        "var o = {}; for (var i = 0;; i++) o['k' + i] = {p: o}",
    ] {
        let Err(error) = run(source) else { panic!("{source} ran") };
        assert!(matches!(error, ScriptError::Memory | ScriptError::Other(_)), "{source}: {error:?}");
    }
}

#[test]
fn recursion_is_bounded() {
    for source in [
        "function f() { return f() + 1; } f()",
        "var a = []; for (var i = 0; i < 2e5; i++) a = [a]; JSON.stringify(a)",
        "JSON.parse('['.repeat(2e5))",
        "eval('('.repeat(2e5))",
        "new RegExp('('.repeat(2e5))",
    ] {
        let Err(error) = run(source) else { panic!("{source} ran") };
        assert!(!matches!(error, ScriptError::Deadline), "{source}: {error:?}");
    }
}

#[test]
fn running_out_of_memory_anywhere_leaves_the_process_standing() {
    let source = "var m = new Map(); var all = [];
        function Node(i) { this.i = i; this.self = this; this.f = () => this; }
        for (var i = 0; i < 50; i++) {
            try { all.push(new Node(i)); m.set('k' + i, {r: /(a+)b/.exec('aaab'), d: new Date(i).toISOString()}); } catch (e) {}
            (async () => { await null; return all; })();
            try { JSON.parse(JSON.stringify([...m.keys()])); } catch (e) {}
            try { new Proxy({}, {get: () => `${i}`}).x; [...(function* () { yield i; })()]; eval('var z' + i + ' = ' + i); } catch (e) {}
        }
        all.length";
    survives_every_limit(source, Needs::Whole);
    let usual = "var all = [];
        function Node(i) { this.i = i; this.self = this; this.f = () => this; }
        for (var i = 0; i < 50; i++) {
            try { all.push(new Node(i)); all.push({r: /(a+)b/.exec('aaab'), d: new Date(i).toISOString()}); } catch (e) {}
            try { JSON.parse(JSON.stringify(all.map(n => n.i))); } catch (e) {}
            try { [...(function* () { yield i; })()]; `${i}`.replace(/1/g, 'x').split('x'); ({...{a: 1}}); } catch (e) {}
        }
        all.length";
    assert_eq!(Needs::of(usual), Needs::Usual);
    survives_every_limit(usual, Needs::Usual);
}

fn survives_every_limit(source: &str, needs: Needs) {
    let mut outcomes = [0_usize; 2];
    for limit in (60_000..700_000).step_by(1_537) {
        let outcome = sandboxed(source, (needs, true), limit, Some(soon()), |sandbox| {
            sandbox.define("security", r#"{"authorization": {"roles": ["a", "b"]}}"#)?;
            let value = sandbox.evaluate()?;
            sandbox.json(value)
        });
        outcomes[usize::from(outcome.is_ok())] += 1;
    }
    assert!(outcomes[0] > 0 && outcomes[1] > 0, "{outcomes:?}");
}

#[test]
fn nothing_is_left_behind_for_the_next_run() {
    let script = Script::compile(
        "var seen = [typeof left, typeof Array.prototype.left, typeof Object.prototype.left, JSON.stringify(security),
                     typeof Symbol.for('s').description, typeof Math.left, [].concat.name];
         left = 1; Array.prototype.left = 1; Object.prototype.left = 1; Math.left = 1;
         Array.prototype.concat = function evil() {}; security.left = 1;
         JSON.stringify = function () { return 'evil'; }; Promise.resolve().then(function () { left = 2; });
         seen",
    )
    .expect("a script");
    let look = || {
        script.run(soon(), |sandbox| {
            sandbox.define("security", r#"{"a": 1}"#)?;
            let value = sandbox.evaluate()?;
            sandbox.json(value)
        })
    };
    let first = look();
    assert_eq!(
        first,
        Ok(Some(json!(["undefined", "undefined", "undefined", "{\"a\":1}", "string", "undefined", "concat"])))
    );
    for _ in 0..3 {
        assert_eq!(look(), first);
    }
}

#[test]
fn a_script_reaches_nothing_outside() {
    for name in
        ["require", "process", "std", "os", "fetch", "XMLHttpRequest", "load", "print", "console", "Worker", "openidm"]
    {
        assert_eq!(run(&format!("typeof {name}")), Ok(Some(json!("undefined"))), "{name}");
    }
    let imported = run("import('fs').then(function (m) { seen = m; }); typeof seen");
    assert!(matches!(imported, Ok(Some(Value::String(ref text))) if text == "undefined") || imported.is_err());
}
