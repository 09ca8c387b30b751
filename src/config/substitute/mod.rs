//! What do `&{name}` and `{"$int": …}` stand for? (A27–A33, J13.)

mod coerce;

use super::environment::Environment;
use super::files::Properties;
use super::meaning::Context;
use super::problem::Problem;
use super::tree::{Kind, Node};
use crate::giving_way;

/// The deepest chain of values that hold expressions.
const MAX_DEPTH: usize = 16;
/// The most expressions that are resolved for one value.
const MAX_EXPRESSIONS: usize = 1_000;
/// The longest text that expressions may make, in bytes.
const MAX_TEXT: usize = 1024 * 1024;

/// Resolves every expression and coercion in a tree. Keys are left as they are (A28).
pub(super) fn substitute(tree: &mut Node, properties: &Properties, cx: &mut Context<'_>) {
    let resolver = Resolver { properties, env: cx.env, names: Vec::new(), resolved: 0 };
    walk(tree, &resolver, &mut cx.problems);
}

fn walk(node: &mut Node, resolver: &Resolver<'_>, problems: &mut Vec<Problem>) {
    giving_way::step();
    match &mut node.kind {
        Kind::List(items) => items.iter_mut().for_each(|item| walk(item, resolver, problems)),
        Kind::Map(entries) => {
            // A32: nothing within an encrypted value is an expression.
            for entry in entries.iter_mut().filter(|entry| entry.key != "$crypto") {
                walk(&mut entry.node, resolver, problems);
            }
            coerce::coerce(node, problems);
        }
        Kind::Text(text) if text.contains("&{") => match resolver.fresh().expand(text) {
            Ok(Expanded::Literal(text)) => node.kind = Kind::Text(text),
            Ok(Expanded::Text(text)) => {
                node.kind = Kind::Text(text);
                node.substituted = true;
            }
            Ok(Expanded::Value(kind)) => {
                let value = Node { place: node.place.clone(), kind, substituted: true };
                *node = value.at(&node.place, true);
            }
            Err(message) => {
                problems.push(Problem::new(&node.place, message));
                node.substituted = true;
            }
        },
        _ => {}
    }
}

/// What a text became.
enum Expanded {
    /// No expression was in it, only escaped ones.
    Literal(String),
    /// A text with parts from elsewhere.
    Text(String),
    /// The whole text was one expression, and it stands for something that is no text.
    Value(Kind),
}

struct Resolver<'r> {
    properties: &'r Properties,
    env: &'r dyn Environment,
    /// The names that are being resolved, outermost first.
    names: Vec<String>,
    resolved: usize,
}

impl Resolver<'_> {
    fn fresh(&self) -> Self {
        Self { properties: self.properties, env: self.env, names: Vec::new(), resolved: 0 }
    }

    fn expand(&mut self, text: &str) -> Result<Expanded, String> {
        let mut out = String::new();
        let mut rest = text;
        let mut found = false;
        while let Some((before, after)) = rest.split_once("&{") {
            if let Some(before) = before.strip_suffix('\\') {
                out.push_str(before);
                out.push_str("&{");
                rest = after;
                continue;
            }
            let Some((inner, after)) = split_at_close(after) else {
                // A28: an unclosed expression is literal.
                break;
            };
            found = true;
            let value = self.resolve(inner)?;
            let whole = out.is_empty() && before.is_empty() && after.is_empty();
            match value {
                Kind::Text(value) => {
                    out.push_str(before);
                    out.push_str(&value);
                }
                other if whole => return Ok(Expanded::Value(other)),
                Kind::Bool(value) => out.extend([before, &value.to_string()]),
                Kind::Number(value) => out.extend([before, &value.to_string()]),
                Kind::Null | Kind::List(_) | Kind::Map(_) => {
                    return Err(format!(
                        "{} stands for a list or a map, expected a text within a longer text",
                        self.named(inner)
                    ));
                }
            }
            if out.len() > MAX_TEXT {
                return Err("the expressions make a text that is too long".to_owned());
            }
            rest = after;
        }
        out.push_str(rest);
        Ok(if found { Expanded::Text(out) } else { Expanded::Literal(out) })
    }

    /// The value of `name` or `name|default`.
    fn resolve(&mut self, inner: &str) -> Result<Kind, String> {
        self.resolved += 1;
        if self.resolved > MAX_EXPRESSIONS || self.names.len() >= MAX_DEPTH {
            return Err(format!("{} leads to too many expressions", self.named(inner)));
        }
        let (written, default) = split_default(inner);
        let name = self.expand_text(written)?;
        if self.names.contains(&name) {
            return Err(format!("{} leads back to itself", self.named(inner)));
        }
        let found = match self.env.var(&variable(&name)) {
            Some(value) => Some(Kind::Text(value)),
            None => self.properties.get(&name).map(|node| node.kind.clone()),
        };
        match (found, default) {
            (Some(kind), _) => {
                self.names.push(name);
                let value = self.expand_within(kind);
                self.names.pop();
                value
            }
            (None, Some(default)) => self.expand_kind(default),
            (None, None) => Err(self.unset(inner, written)),
        }
    }

    /// A27: a resolved value may itself hold expressions.
    fn expand_within(&mut self, kind: Kind) -> Result<Kind, String> {
        Ok(match kind {
            Kind::Text(text) => self.expand_kind(&text)?,
            Kind::List(mut items) => {
                for item in &mut items {
                    item.kind = self.expand_within(std::mem::replace(&mut item.kind, Kind::Null))?;
                }
                Kind::List(items)
            }
            Kind::Map(mut entries) => {
                for entry in &mut entries {
                    entry.node.kind = self.expand_within(std::mem::replace(&mut entry.node.kind, Kind::Null))?;
                }
                Kind::Map(entries)
            }
            other => other,
        })
    }

    fn expand_kind(&mut self, text: &str) -> Result<Kind, String> {
        Ok(match self.expand(text)? {
            Expanded::Literal(text) | Expanded::Text(text) => Kind::Text(text),
            Expanded::Value(kind) => kind,
        })
    }

    fn expand_text(&mut self, text: &str) -> Result<String, String> {
        match self.expand_kind(text)? {
            Kind::Text(text) => Ok(text),
            Kind::Number(number) => Ok(number.to_string()),
            Kind::Bool(value) => Ok(value.to_string()),
            _ => Err("an expression's name holds an expression that is no text".to_owned()),
        }
    }

    /// The expression as the file has it. SECURITY: what came out of the environment is not shown.
    fn named(&self, inner: &str) -> String {
        let written = self.names.first().map_or_else(|| split_default(inner).0, String::as_str);
        let harmless = |c: char| c.is_ascii_alphanumeric() || "_-.&{}".contains(c);
        if written.len() <= 100 && written.chars().all(harmless) {
            format!("`&{{{written}}}`")
        } else {
            "an expression".to_owned()
        }
    }

    fn unset(&self, inner: &str, written: &str) -> String {
        let named = self.named(inner);
        if !self.names.is_empty() {
            return format!("{named} leads to an expression that is not set");
        }
        if written.contains("&{") {
            return format!("{named} is not set, neither in the environment nor in a property file");
        }
        let variable = super::shape::shown_key(&variable(written));
        format!(
            "{named} is not set: neither the environment variable {variable} nor a property file has it; \
             set one of them or write a default after a bar"
        )
    }
}

/// J13: the environment variable of a property.
fn variable(name: &str) -> String {
    name.to_uppercase().replace(['.', '-'], "_")
}

/// Splits after the `}` that closes an expression whose inside begins here.
fn split_at_close(text: &str) -> Option<(&str, &str)> {
    let mut depth = 0_usize;
    let mut previous = '\0';
    for (index, c) in text.char_indices() {
        match c {
            '{' if previous == '&' => depth += 1,
            '}' if depth == 0 => {
                let (inner, rest) = text.split_at_checked(index)?;
                return Some((inner, rest.strip_prefix('}')?));
            }
            '}' => depth -= 1,
            _ => {}
        }
        previous = c;
    }
    None
}

/// Splits at the first bar that is not within a nested expression.
fn split_default(inner: &str) -> (&str, Option<&str>) {
    let mut depth = 0_usize;
    let mut previous = '\0';
    for (index, c) in inner.char_indices() {
        match c {
            '{' if previous == '&' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            '|' if depth == 0 => {
                if let Some((name, rest)) = inner.split_at_checked(index) {
                    return (name, rest.strip_prefix('|'));
                }
            }
            _ => {}
        }
        previous = c;
    }
    (inner, None)
}
