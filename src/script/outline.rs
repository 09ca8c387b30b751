//! Which names does a script use that it does not declare, and what does it declare at its top?

use std::ops::Range;
use std::thread;

use oxc_allocator::Allocator;
use oxc_ast::AstKind;
use oxc_parser::Parser;
use oxc_semantic::{NodeId, Semantic, SemanticBuilder};
use oxc_span::{GetSpan, SourceType, Span};

use super::engine::{Script, ScriptError};

/// The stack of the thread that reads a script, in bytes; touched only as far as the script nests. The engine, which reads
/// the script first, allows some thousand levels.
pub(super) const STACK: usize = 256 * 1024 * 1024;

/// A script as far as its names go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outline {
    /// Uses of names that the script does not declare, in the order of the text.
    pub free: Vec<Use>,
    /// The statements at the top.
    pub statements: Vec<Statement>,
}

/// One use of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// The name.
    pub name: String,
    /// The members that are read below it by fixed names, outermost last: `context.http.path` has `http` and `path`.
    pub members: Vec<String>,
    /// Whether a member below those is read by a name that is computed.
    pub computed: bool,
    /// Whether the name, or a member below it, is assigned to.
    pub written: bool,
    /// Where the name stands, in bytes.
    pub at: Range<usize>,
    /// The whole call, where the name itself is what is called.
    pub call: Option<Range<usize>>,
}

/// A statement at the top of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Where it stands, in bytes.
    pub at: Range<usize>,
    /// The names that it declares.
    pub declares: Vec<String>,
    /// The names it uses that are declared at the top of the script, its own left out.
    pub uses: Vec<String>,
}

/// Reads a script for its names; runs nothing of it.
///
/// # Errors
/// [`ScriptError::Syntax`] where it cannot be read.
pub fn outline(source: &str) -> Result<Outline, ScriptError> {
    Script::compile(source)?;
    let unread = |message: &str| ScriptError::Syntax { line: 0, column: 0, message: message.to_owned() };
    thread::scope(|scope| {
        let reader = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || read(source));
        let reader = reader.map_err(|_| unread("there is no thread left to read the script in"))?;
        reader.join().map_err(|_| unread("the script cannot be read"))?
    })
}

fn read(source: &str) -> Result<Outline, ScriptError> {
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, source, SourceType::script()).parse();
    if let Some(problem) = parsed.diagnostics.iter().next() {
        return Err(ScriptError::Syntax { line: 0, column: 0, message: problem.to_string() });
    }
    let semantic = SemanticBuilder::new_compiler().with_build_nodes(true).build(&parsed.program).semantic;
    let scoping = semantic.scoping();
    let mut free: Vec<Use> = scoping
        .root_unresolved_references_ids()
        .flatten()
        .filter_map(|reference| {
            let reference = scoping.get_reference(reference);
            used(&semantic, reference.node_id(), reference.is_write())
        })
        .collect();
    free.sort_by_key(|it| it.at.start);
    let mut statements: Vec<Statement> = parsed
        .program
        .body
        .iter()
        .map(|statement| Statement { at: range(statement.span()), declares: Vec::new(), uses: Vec::new() })
        .collect();
    for symbol in scoping.iter_bindings_in(scoping.root_scope_id()) {
        let name = scoping.symbol_name(symbol);
        let declared = semantic.symbol_declaration(symbol).kind().span();
        for statement in statements.iter_mut().filter(|statement| holds(statement, declared)) {
            statement.declares.push(name.to_owned());
        }
        for reference in semantic.symbol_references(symbol) {
            let at = semantic.reference_span(reference);
            let user = statements.iter_mut().find(|statement| holds(statement, at));
            if let Some(user) = user.filter(|user| !user.declares.iter().any(|own| own == name)) {
                user.uses.push(name.to_owned());
            }
        }
    }
    for statement in &mut statements {
        statement.uses.sort();
        statement.uses.dedup();
    }
    Ok(Outline { free, statements })
}

/// The use of a name at its node.
fn used(semantic: &Semantic<'_>, node: NodeId, mut written: bool) -> Option<Use> {
    let nodes = semantic.nodes();
    let AstKind::IdentifierReference(name) = nodes.kind(node) else { return None };
    let parent = nodes.parent_kind(node);
    let call = match parent {
        AstKind::CallExpression(call) if call.callee.span() == name.span => Some(range(call.span)),
        AstKind::NewExpression(call) if call.callee.span() == name.span => Some(range(call.span)),
        _ => None,
    };
    let (mut members, mut below, mut computed) = (Vec::new(), name.span, false);
    for ancestor in nodes.ancestor_kinds(node) {
        match ancestor {
            AstKind::StaticMemberExpression(member) if member.object.span() == below => {
                if !computed {
                    members.push(member.property.name.to_string());
                }
                below = member.span;
            }
            AstKind::ComputedMemberExpression(member) if member.object.span() == below => {
                match &member.expression {
                    oxc_ast::ast::Expression::StringLiteral(key) if !computed => members.push(key.value.to_string()),
                    _ => computed = true,
                }
                below = member.span;
            }
            AstKind::AssignmentExpression(assignment) => {
                written |= assignment.left.span() == below;
                break;
            }
            AstKind::UpdateExpression(_) => {
                written = true;
                break;
            }
            _ => break,
        }
    }
    Some(Use { name: name.name.to_string(), members, computed, written, at: range(name.span), call })
}

fn holds(statement: &Statement, span: Span) -> bool {
    let at = range(span);
    statement.at.start <= at.start && at.end <= statement.at.end
}

fn range(span: Span) -> Range<usize> {
    span.start as usize..span.end as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free(source: &str) -> Vec<String> {
        let uses = outline(source).unwrap_or_else(|error| panic!("{source}: {error}")).free;
        uses.iter()
            .map(|it| {
                let call =
                    it.call.clone().map(|call| format!(" in `{}`", source.get(call).unwrap())).unwrap_or_default();
                let signs = format!("{}{}", if it.computed { "[]" } else { "" }, if it.written { "=" } else { "" });
                format!("{}{signs}{call}", [std::slice::from_ref(&it.name), &it.members].concat().join("."))
            })
            .collect()
    }

    #[test]
    fn names_that_a_script_does_not_declare_are_told_with_what_is_read_of_them() {
        for (source, expected) in [
            ("request.method === method", vec!["request.method", "method"]),
            ("context.http.headers['x-a'].length", vec!["context.http.headers.x-a.length"]),
            ("context[id].path", vec!["context[]", "id"]),
            ("context.http[id]['x']", vec!["context.http[]", "id"]),
            ("id = 'x'", vec!["id="]),
            ("request.method += action", vec!["request.method=", "action"]),
            ("request.content.x++ || id === method", vec!["request.content.x=", "id", "method"]),
            ("x = id", vec!["x=", "id"]),
            ("[id] = roles; ({method} = request)", vec!["id=", "roles", "method=", "request"]),
            ("f(g(1), [h()])", vec!["f in `f(g(1), [h()])`", "g in `g(1)`", "h in `h()`"]),
            ("new Date(x)", vec!["Date in `new Date(x)`", "x"]),
            ("(function (a) { var b = a; return b + c; })(1)", vec!["c"]),
            ("roles.some(r => r === id)", vec!["roles.some", "id"]),
            ("var x = 1; x + y; function z() { return x; } z()", vec!["y"]),
            ("typeof q === 'undefined'", vec!["q"]),
            ("({id: 1, method}).id", vec!["method"]),
            ("a = 5", vec!["a="]),
            ("'request.' + `${action}` // comment(1)", vec!["action"]),
            ("try { f() } catch (e) { e.x }", vec!["f in `f()`"]),
        ] {
            assert_eq!(free(source), expected, "{source}");
        }
    }

    #[test]
    fn statements_tell_what_they_declare_and_what_they_need_of_each_other() {
        let source = "var limit = 3, other;\nfunction few(list) { return list.length < limit && few; }\nfew(roles);";
        let outline = outline(source).unwrap();
        let told: Vec<_> =
            outline.statements.iter().map(|it| (source.get(it.at.clone()).unwrap(), &it.declares, &it.uses)).collect();
        assert_eq!(told.len(), 3, "{told:?}");
        let mut declared = told[0].1.clone();
        declared.sort();
        assert_eq!(declared, ["limit", "other"]);
        assert_eq!((told[1].1, told[1].2), (&vec!["few".to_owned()], &vec!["limit".to_owned()]));
        assert_eq!((told[2].0, told[2].2), ("few(roles);", &vec!["few".to_owned()]));
    }

    #[test]
    fn what_nests_as_deep_as_the_engine_lets_it_is_read_and_the_rest_refused() {
        for (open, close) in
            [("(", ")"), ("[", "]"), ("!", ""), ("-", ""), ("f(", ")"), ("a=>", ""), ("{", "}"), ("a.", "")]
        {
            for depth in [10, 300, 1_000, 3_000, 30_000, 200_000] {
                let source = format!("{}1{}", open.repeat(depth), close.repeat(depth));
                // Whatever the engine says of it, the process stays up.
                let _ = outline(&source);
            }
        }
    }
}
