//! What does a CEL expression look at? Found out once, so that a request pays only for what its rules name.

use std::collections::BTreeSet;

use cel::IdedExpr;
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue};

use crate::access::pattern::Pattern;
use crate::access::settings::Style;

/// How deep loops may nest, for the evaluator counts no steps (T-10).
const DEEPEST_LOOP: usize = 2;

/// The members of one map that an expression names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Keys {
    /// None at all.
    #[default]
    None,
    /// These.
    Some(BTreeSet<String>),
    /// Any: it is used as a whole, or by a key that is computed.
    All,
}

impl Keys {
    fn add(&mut self, key: Option<&str>) {
        match (key, &mut *self) {
            (None, _) => *self = Self::All,
            (Some(_), Self::All) => {}
            (Some(key), Self::Some(keys)) => {
                keys.insert(key.to_owned());
            }
            (Some(key), Self::None) => *self = Self::Some(BTreeSet::from([key.to_owned()])),
        }
    }

    /// Whether the member `key` is needed.
    pub(super) fn wants(&self, key: &str) -> bool {
        match self {
            Self::None => false,
            Self::Some(keys) => keys.contains(key),
            Self::All => true,
        }
    }
}

/// How deep an expression may nest, a chain of operators or members among it (T-10).
const DEEPEST: usize = 48;

/// Everything an expression looks at.
#[derive(Debug, Clone, Default)]
pub(super) struct Needs {
    /// The plain members of `request`: `method`, `path`, `host`, `scheme`.
    pub(super) request: BTreeSet<&'static str>,
    pub(super) headers: Keys,
    pub(super) header_list: Keys,
    pub(super) query: Keys,
    pub(super) query_list: Keys,
    pub(super) params: Keys,
    pub(super) user: Keys,
    pub(super) token: Keys,
    pub(super) authorization: Keys,
    pub(super) authentication_id: bool,
    pub(super) crest: bool,
    /// How deep its loops nest.
    pub(super) loops: usize,
    /// Every literal text and member's name in it: what an error may repeat, for it is the operator's own.
    pub(super) words: BTreeSet<String>,
}

const REQUEST: [&str; 8] = ["method", "path", "host", "scheme", "headers", "headerList", "query", "queryList"];
const VARIABLES: [&str; 7] = ["request", "params", "user", "token", "authorization", "authenticationId", "crest"];
/// Names that CEL itself knows.
const TYPES: [&str; 12] = [
    "bool",
    "bytes",
    "double",
    "dyn",
    "int",
    "list",
    "map",
    "null_type",
    "optional",
    "optional_type",
    "string",
    "type",
];
const FUNCTIONS: [&str; 44] = [
    "_?_:_",
    "_&&_",
    "_||_",
    "!_",
    "_-_",
    "_+_",
    "_*_",
    "_/_",
    "_%_",
    "_==_",
    "_!=_",
    "_>=_",
    "_<=_",
    "_>_",
    "_<_",
    "-_",
    "_[_]",
    "_[?_]",
    "_?._",
    "@in",
    "@not_strictly_false",
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "bool",
    "bytes",
    "double",
    "dyn",
    "int",
    "string",
    "type",
    "uint",
    "of",
    "ofNonZeroValue",
    "none",
    "hasValue",
    "value",
    "or",
    "orValue",
    "optional.of",
    "optional.none",
    "optional.ofNonZeroValue",
];

impl Needs {
    /// Walks the expression.
    ///
    /// # Errors
    /// A name, member, function, regular expression or loop that cannot be supported, with advice.
    pub(super) fn of(expression: &IdedExpr, pattern: &Pattern, style: Style) -> Result<Self, String> {
        let mut walk = Walk { needs: Self::default(), bound: Vec::new(), loops: 0, depth: 0, pattern, style };
        walk.visit(expression)?;
        Ok(walk.needs)
    }
}

struct Walk<'a> {
    needs: Needs,
    /// The variables of the loops around, innermost last.
    bound: Vec<String>,
    loops: usize,
    depth: usize,
    pattern: &'a Pattern,
    style: Style,
}

/// A chain of members with literal keys: its root and the keys below.
type Chain<'e> = (&'e str, Vec<&'e str>);

fn chain(expression: &IdedExpr) -> Option<Chain<'_>> {
    match &expression.expr {
        Expr::Ident(name) => Some((name, Vec::new())),
        Expr::Select(select) => {
            let (root, mut keys) = chain(&select.operand)?;
            keys.push(&select.field);
            Some((root, keys))
        }
        Expr::Call(call) => {
            let (operand, key) = indexed(call)?;
            let (root, mut keys) = chain(operand)?;
            keys.push(literal(key)?);
            Some((root, keys))
        }
        _ => None,
    }
}

fn indexed(call: &CallExpr) -> Option<(&IdedExpr, &IdedExpr)> {
    match (call.func_name.as_str(), call.args.as_slice()) {
        ("_[_]" | "_[?_]" | "_?._", [operand, key]) => Some((operand, key)),
        _ => None,
    }
}

pub(super) fn literal(expression: &IdedExpr) -> Option<&str> {
    match &expression.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

impl Walk<'_> {
    fn visit(&mut self, expression: &IdedExpr) -> Result<(), String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(format!("the expression nests deeper than {DEEPEST} levels; chains of operators count, too"));
        }
        match &expression.expr {
            Expr::Select(select) => drop(self.needs.words.insert(select.field.clone())),
            Expr::Literal(LiteralValue::String(text)) => drop(self.needs.words.insert(text.inner().to_owned())),
            _ => {}
        }
        match chain(expression) {
            Some((_, keys)) if keys.len() > DEEPEST => return Err(format!("more than {DEEPEST} members in a row")),
            Some((root, keys)) => {
                self.needs.words.extend(keys.iter().map(|key| (*key).to_owned()));
                self.read(root, &keys)?;
            }
            None => self.parts(expression)?,
        }
        self.depth -= 1;
        Ok(())
    }

    fn parts(&mut self, expression: &IdedExpr) -> Result<(), String> {
        match &expression.expr {
            Expr::Call(call) => self.call(call),
            Expr::Select(select) => self.visit(&select.operand),
            Expr::List(list) => list.elements.iter().try_for_each(|element| self.visit(element)),
            Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => {
                    self.visit(&entry.key)?;
                    self.visit(&entry.value)
                }
                EntryExpr::StructField(field) => self.visit(&field.value),
            }),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            Expr::Struct(_) => Err("messages cannot be built here; use maps".to_owned()),
            Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => Ok(()),
        }
    }

    fn call(&mut self, call: &CallExpr) -> Result<(), String> {
        let name = call.func_name.as_str();
        if !FUNCTIONS.contains(&name) {
            let known: Vec<&str> =
                FUNCTIONS.into_iter().filter(|known| known.starts_with(|first: char| first.is_alphabetic())).collect();
            return Err(format!("the function `{name}` is not known; known are {}", known.join(", ")));
        }
        if name == "matches" {
            // SECURITY: a regular expression that a client writes could cost any time to compile.
            let pattern = call.args.last().and_then(literal);
            pattern.ok_or("`matches` takes a literal text as its regular expression")?;
        }
        if let ("@in", [key, map]) = (name, call.args.as_slice())
            && let (Some(key), Some((root, mut keys))) = (literal(key), chain(map))
            && is_map(root, &keys)
        {
            keys.push(key);
            return self.read(root, &keys);
        }
        call.target.iter().try_for_each(|target| self.visit(target))?;
        call.args.iter().try_for_each(|argument| self.visit(argument))
    }

    fn comprehension(&mut self, comprehension: &ComprehensionExpr) -> Result<(), String> {
        self.visit(&comprehension.iter_range)?;
        self.visit(&comprehension.accu_init)?;
        let named = [Some(&comprehension.iter_var), comprehension.iter_var2.as_ref(), Some(&comprehension.accu_var)];
        let before = self.bound.len();
        for name in named.into_iter().flatten() {
            if VARIABLES.contains(&name.as_str()) {
                return Err(format!("the loop variable `{name}` hides the variable of that name; call it otherwise"));
            }
            self.bound.push(name.clone());
        }
        self.loops += 1;
        self.needs.loops = self.needs.loops.max(self.loops);
        if self.loops > DEEPEST_LOOP {
            return Err(format!("loops (`all`, `exists`, `map`, …) nest deeper than {DEEPEST_LOOP} levels"));
        }
        self.visit(&comprehension.loop_cond)?;
        self.visit(&comprehension.loop_step)?;
        self.visit(&comprehension.result)?;
        self.loops -= 1;
        self.bound.truncate(before);
        Ok(())
    }

    fn read(&mut self, root: &str, keys: &[&str]) -> Result<(), String> {
        if self.bound.iter().any(|bound| bound == root) || TYPES.contains(&root) {
            return Ok(());
        }
        let first = keys.first().copied();
        match root {
            "request" => self.request(first, keys.get(1).copied()),
            "params" => {
                if let Some(name) = first
                    && !self.pattern.parameter_names().any(|known| known == name)
                {
                    return Err(format!("the pattern has no path parameter `{{{name}}}`"));
                }
                self.needs.params.add(first);
                Ok(())
            }
            "user" => {
                self.needs.user.add(first);
                Ok(())
            }
            "token" => {
                self.needs.token.add(first);
                Ok(())
            }
            "authorization" => {
                self.needs.authorization.add(first);
                Ok(())
            }
            "authenticationId" => {
                self.needs.authentication_id = true;
                Ok(())
            }
            "crest" if self.style == Style::Crest => {
                self.needs.crest = true;
                let known = ["method", "resourcePath", "action"];
                match first {
                    Some(key) if !known.contains(&key) => Err(unknown_member("crest", key, &known)),
                    _ => Ok(()),
                }
            }
            "crest" => Err("`crest` is there in `style: crest` only; see `request`".to_owned()),
            _ => {
                let known = VARIABLES.map(|known| format!("`{known}`")).join(", ");
                Err(format!("the name `{root}` is not known; known are {known}"))
            }
        }
    }

    fn request(&mut self, member: Option<&str>, key: Option<&str>) -> Result<(), String> {
        let member = member.ok_or("`request` can be used only through a member, e.g. `request.method`")?;
        match member {
            "headers" | "headerList" => {
                // A name with a capital would never be found, and `!(… in …)` would take that for absent.
                if let Some(name) = key
                    && name.chars().any(char::is_uppercase)
                {
                    return Err(format!("headers have lower-case names here; write `{}`", name.to_lowercase()));
                }
                let keys = if member == "headers" { &mut self.needs.headers } else { &mut self.needs.header_list };
                keys.add(key);
            }
            "query" => self.needs.query.add(key),
            "queryList" => self.needs.query_list.add(key),
            _ => match REQUEST.into_iter().find(|known| *known == member) {
                Some(known) => {
                    self.needs.request.insert(known);
                }
                None => return Err(unknown_member("request", member, &REQUEST)),
            },
        }
        Ok(())
    }
}

/// Whether a chain names one of the maps whose members are looked at one by one.
fn is_map(root: &str, keys: &[&str]) -> bool {
    match (root, keys) {
        ("params" | "user" | "token" | "authorization", []) => true,
        ("request", [member]) => ["headers", "headerList", "query", "queryList"].contains(member),
        _ => false,
    }
}

fn unknown_member(of: &str, member: &str, known: &[&str]) -> String {
    format!("`{of}` has no member `{member}`; it has {}", known.join(", "))
}
