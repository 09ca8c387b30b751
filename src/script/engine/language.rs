//! How much of the language does a script need? Making the rest ready would cost more than most scripts themselves.

use rquickjs::context::intrinsic;
use rquickjs::{Context, Runtime};

/// All that scripts may use: everything that neither reaches out nor needs a job queue of its own.
type Whole = (
    intrinsic::Date,
    intrinsic::Eval,
    intrinsic::RegExpCompiler,
    intrinsic::RegExp,
    intrinsic::Json,
    intrinsic::Proxy,
    intrinsic::MapSet,
    intrinsic::TypedArrays,
    intrinsic::Promise,
);
/// What most scripts use of it. Regular expressions and dates are always there: the engine's syntax makes them, and what it
/// makes without knowing them it never frees.
type Usual = (intrinsic::Date, intrinsic::Eval, intrinsic::RegExpCompiler, intrinsic::RegExp, intrinsic::Json);

/// A script without these words uses no more than the usual part. Whatever makes names or code at run time counts as well.
const BEYOND_USUAL: [&str; 16] = [
    "Proxy",
    "Map",
    "Set",
    "Promise",
    "async",
    "await",
    "Array",
    "Buffer",
    "Data",
    "Weak",
    "Iterator",
    "globalThis",
    "eval",
    "Function",
    "import",
    "constructor",
];

/// What has to be made ready for a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// [`Usual`].
    Usual,
    /// [`Whole`].
    Whole,
}

impl Needs {
    /// What a script can name.
    pub(super) fn of(source: &str) -> Self {
        let names = |words: &[&str]| words.iter().any(|word| source.contains(word));
        if names(&BEYOND_USUAL) { Self::Whole } else { Self::Usual }
    }

    /// A context with it. What is missing is an error where a script uses it, and so a denial: never a yes.
    pub(super) fn context(self, runtime: &Runtime) -> rquickjs::Result<Context> {
        match self {
            Self::Usual => Context::custom::<Usual>(runtime),
            Self::Whole => Context::custom::<Whole>(runtime),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Needs;

    #[test]
    fn a_script_gets_what_it_names() {
        for (source, needs) in [
            ("roles.indexOf('clerk') >= 0 && id.split('-').pop() === method", Needs::Usual),
            ("/^a/.test(id)", Needs::Usual),
            ("id.match('a')", Needs::Usual),
            ("new Date().getTime()", Needs::Usual),
            ("new Set(roles).has('x')", Needs::Whole),
            ("(async () => 1)()", Needs::Whole),
            ("import('fs')", Needs::Whole),
            ("globalThis['Ma' + 'p']", Needs::Whole),
        ] {
            assert_eq!(Needs::of(source), needs, "{source}");
        }
    }
}
