//! Where in an `access.js` does each rule stand? For messages: what is not sure is left out.

use std::thread;

use oxc_allocator::Allocator;
use oxc_ast::AstKind;
use oxc_ast::ast::{ArrayExpression, Expression, ObjectExpression, ObjectPropertyKind};
use oxc_parser::Parser;
use oxc_semantic::SemanticBuilder;
use oxc_span::{GetSpan, SourceType};
use serde_json::Value;

use super::outline::STACK;

/// Line and column, both from 1, the column in characters.
pub type At = (usize, usize);

/// Where a rule is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenRule {
    /// The rule: an object, or the call that makes it.
    pub at: At,
    /// The values of members that are written within it, by their names.
    pub members: Vec<(String, At)>,
}

/// The places of the rules that `source` sets up, in their order; none where the script has not exactly one list `configs`
/// whose elements are those rules one by one.
#[must_use]
pub fn rule_places(source: &str, rules: &[Value]) -> Vec<WrittenRule> {
    thread::scope(|scope| {
        let reader = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || read(source, rules));
        reader.ok()?.join().ok()?
    })
    .unwrap_or_default()
}

fn read(source: &str, rules: &[Value]) -> Option<Vec<WrittenRule>> {
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, source, SourceType::script()).parse();
    if parsed.diagnostics.iter().next().is_some() {
        return None;
    }
    let semantic = SemanticBuilder::new_compiler().with_build_nodes(true).build(&parsed.program).semantic;
    let mut lists = semantic.nodes().iter().filter_map(|node| match node.kind() {
        AstKind::ObjectProperty(property) if property.key.static_name().as_deref() == Some("configs") => {
            match &property.value {
                Expression::ArrayExpression(list) => Some(list),
                _ => None,
            }
        }
        _ => None,
    });
    let (list, None) = (lists.next()?, lists.next()) else { return None };
    places(source, list, rules)
}

fn places(source: &str, list: &ArrayExpression<'_>, rules: &[Value]) -> Option<Vec<WrittenRule>> {
    let elements = list.elements.iter().map(|element| element.as_expression());
    let elements: Vec<&Expression<'_>> = elements.collect::<Option<_>>()?;
    if elements.len() != rules.len() {
        return None;
    }
    let place = |(element, rule): (&Expression<'_>, &Value)| {
        let members = match element {
            Expression::ObjectExpression(object) => members(source, object, rule)?,
            _ => Vec::new(),
        };
        Some(WrittenRule { at: at(source, element.span().start), members })
    };
    elements.into_iter().zip(rules).map(place).collect()
}

/// The members of a rule; `None` where its pattern is another than that of `rule`, so that the script has moved its rules.
fn members(source: &str, object: &ObjectExpression<'_>, rule: &Value) -> Option<Vec<(String, At)>> {
    let mut members = Vec::new();
    for property in &object.properties {
        let ObjectPropertyKind::ObjectProperty(property) = property else { continue };
        let Some(name) = property.key.static_name() else { continue };
        if let ("pattern", Expression::StringLiteral(text)) = (&*name, &property.value)
            && rule.get("pattern").and_then(Value::as_str) != Some(text.value.as_str())
        {
            return None;
        }
        members.push((name.into_owned(), at(source, property.value.span().start)));
    }
    Some(members)
}

fn at(source: &str, offset: u32) -> At {
    let before = usize::try_from(offset).ok().and_then(|offset| source.get(..offset)).unwrap_or_default();
    let last = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, last.chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::{At, rule_places};
    use crate::script::configs;

    fn told(source: &str) -> Vec<(At, Vec<(String, At)>)> {
        let rules = configs(source).expect("rules");
        let places = rule_places(source, rules.as_array().expect("a list"));
        places.into_iter().map(|rule| (rule.at, rule.members)).collect()
    }

    #[test]
    fn rules_and_their_members_are_found_where_they_are_written() {
        let source = "function r(p) { return {pattern: p}; }\nvar a = { 'configs': [\n  {\n    \"pattern\": \"é\", roles: '*',\n    \
                      methods: \"re\" + 'ad'\n  },\n  r('x')\n] };";
        let member = |name: &str, at| (name.to_owned(), at);
        let first = vec![member("pattern", (4, 16)), member("roles", (4, 28)), member("methods", (5, 14))];
        assert_eq!(told(source), [((3, 3), first), ((7, 3), Vec::new())]);
    }

    #[test]
    fn where_it_is_not_sure_nothing_is_told() {
        for source in [
            "var a = {configs: [{pattern: 'a'}, {pattern: 'b'}]}; a.configs.reverse();",
            "var a = {configs: [{pattern: 'a'}]}; a.configs.push({pattern: 'b'});",
            "var b = [{pattern: 'a'}], a = {configs: [...b]};",
            "var b = [{pattern: 'a'}], a = {configs: b};",
            "var b = {c: {configs: [{pattern: 'a'}]}}; var a = {configs: [{pattern: 'a'}]};",
        ] {
            assert_eq!(told(source), [], "{source}");
        }
    }
}
