//! Which access rules does an `access.js` of IDM 6 and older set up? (E1.)

use std::time::{Duration, Instant};

use serde_json::Value;

use super::engine::{Script, ScriptError};

/// The longest an access file may run. It is read at load, where nobody waits for a decision.
const LONGEST_RUN: Duration = Duration::from_secs(5);

/// Finds the one variable that holds `configs`, and lets through only what JSON holds as it is.
///
/// SECURITY: what JSON would leave out or change (a function, `undefined`, an inherited member) could be a rule's condition
/// or exclusion, and without it the rule would be wider than written: it is refused.
const FINDER: &str = r#"
;(function () {
    var refuse = function (message) { return {problem: message}; };
    var refusal = null;
    var plain = function (value, at) {
        if (refusal !== null || value === null) { return; }
        var kind = typeof value;
        if (kind === "string" || kind === "boolean" || (kind === "number" && isFinite(value))) { return; }
        if (Array.isArray(value)) {
            for (var i = 0; i < value.length; i += 1) { plain(value[i], at + "[" + i + "]"); }
            return;
        }
        if (kind === "object" && Object.getPrototypeOf(value) === Object.prototype) {
            Object.getOwnPropertyNames(value).forEach(function (name) {
                var property = Object.getOwnPropertyDescriptor(value, name);
                if (!property.enumerable || property.get) { refusal = at + "." + name + ": found a computed member"; }
                else { plain(property.value, at + "." + name); }
            });
            return;
        }
        var article = kind === "object" ? "an object of a class" : kind === "undefined" ? "undefined" : "a " + kind;
        refusal = at + ": found " + article;
    };
    var names = [], values = [];
    var look = function (name, value) {
        if (value === null || typeof value !== "object" || !Array.isArray(value.configs)) { return; }
        if (values.indexOf(value) < 0) { names.push("`" + name + "`"); values.push(value); }
    };
    Object.getOwnPropertyNames(globalThis).forEach(function (name) { look(name, globalThis[name]); });
    if (typeof accessConfig !== "undefined") { look("accessConfig", accessConfig); }
    if (typeof httpAccessConfig !== "undefined") { look("httpAccessConfig", httpAccessConfig); }
    if (values.length === 0) {
        return refuse("found no variable that holds rules, expected one such as `var accessConfig = {configs: [...]}`");
    }
    if (values.length > 1) { return refuse("found rules in " + names.join(" and ") + ", expected one variable"); }
    plain(values[0].configs, "configs");
    if (refusal !== null) {
        return refuse(refusal + ", expected a text, a number, true, false, a list or a plain object");
    }
    return {configs: values[0].configs};
}());
"#;

/// Why an access file gives no rules.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessFileError {
    /// It cannot be read or run.
    #[error(transparent)]
    Script(#[from] ScriptError),
    /// It runs, and leaves no rules that could be taken over whole.
    #[error("{0}")]
    NoRules(String),
}

/// The list `configs` that the script leaves in a variable. The script is run without I/O and within limits.
///
/// # Errors
/// [`AccessFileError`].
pub fn configs(source: &str) -> Result<Value, AccessFileError> {
    Script::compile(source)?;
    let script = Script::compile(&format!("{source}\n{FINDER}"))?;
    let left = script.run(Instant::now() + LONGEST_RUN, |sandbox| {
        let left = sandbox.evaluate()?;
        sandbox.json(left)
    })?;
    let Some(Value::Object(mut left)) = left else {
        return Err(AccessFileError::NoRules("leaves no rules".to_owned()));
    };
    match (left.remove("configs"), left.remove("problem")) {
        (Some(configs), None) => Ok(configs),
        (_, Some(Value::String(problem))) => Err(AccessFileError::NoRules(problem)),
        _ => Err(AccessFileError::NoRules("leaves no rules".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_rules_are_read_however_the_variable_is_declared() {
        let rule = r#"{"pattern": "a/" + "*", 'roles': "*", /* of */ methods: "read", customAuthz: null}"#;
        for declared in [
            "var httpAccessConfig =",
            "var anything =",
            "accessConfig =",
            "const accessConfig =",
            "let httpAccessConfig =",
        ] {
            let source =
                format!("// Rules\n{declared} {{ \"configs\": [ {rule} ] }};\nfunction mine() {{ return 1; }} // end");
            let expected = json!([{"pattern": "a/*", "roles": "*", "methods": "read", "customAuthz": null}]);
            assert_eq!(configs(&source), Ok(expected), "{declared}");
        }
    }

    #[test]
    fn what_json_would_leave_out_is_refused() {
        for (member, expected) in [
            ("customAuthz: function () {}", "configs[0].customAuthz: found a function,"),
            ("customAuthz: undefined", "configs[0].customAuthz: found undefined,"),
            ("get customAuthz() { return 'false'; }", "configs[0].customAuthz: found a computed member,"),
            ("excludePatterns: ['a', , 'b']", "configs[0].excludePatterns[1]: found undefined,"),
            ("excludePatterns: new Date(0)", "configs[0].excludePatterns: found an object of a class,"),
            ("toJSON: 5, roles: NaN", "configs[0].roles: found a number,"),
            ("__proto__: {excludePatterns: 'repo'}", "configs[0]: found an object of a class,"),
        ] {
            let error = configs(&format!("var a = {{configs: [{{ {member} }}]}};")).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{member}: {error}");
        }
    }

    #[test]
    fn a_script_that_leaves_no_rules_loops_or_throws_is_an_error() {
        let problem = |source: &str| configs(source).unwrap_err().to_string();
        assert!(problem("var a = {config: []};").starts_with("found no variable that holds rules"));
        assert!(problem("var a = {configs: []}; var b = {configs: []};").contains("found rules in `a` and `b`"));
        assert!(problem("var a = {configs: [ };").starts_with("line 1, column"));
        assert!(problem("var a = ;\n").starts_with("line 1, column"));
        assert!(problem("load('x.js');").contains("is not defined"));
        assert!(problem("var a = {configs: []}; a.configs.push(a.configs);").contains("stack"));
        assert_eq!(problem("throw {code: 7, message: 'no'};"), "the script threw 7 `no`");
    }
}
