//! Which comparison in a script does not compare what it seems to?

/// A choice between two texts, `"a" || "b"`, which is always the first of them (B21).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What it means, and what to write.
    pub message: String,
}

/// Finds what the knowledge base once advised, `status !== ("active" || "Active")`, and its like.
#[must_use]
pub fn remarks(source: &str) -> Vec<Remark> {
    let tokens = tokens(source);
    let mut remarks = Vec::new();
    for (index, window) in tokens.windows(3).enumerate() {
        let [first, operator, second] = window else { continue };
        let (Some(left), Some(_)) = (first.literal(), second.literal()) else { continue };
        let before = index.checked_sub(1).and_then(|before| tokens.get(before)).map_or("", |token| token.text);
        let message = match (operator.text, before) {
            // `a === "x" || "y"` and `a === ("x" || "y")`.
            ("||", "=" | "!") => "what stands before `||` is compared, what stands after it is always true".to_owned(),
            ("||", _) => format!("`{left} || …` is always {left}: what stands after `||` is never compared"),
            ("&&", _) => format!("`{left} && …` is never {left}: only what stands after `&&` counts"),
            _ => continue,
        };
        let advice = "; compare with each text by itself, or list the statuses in `accountStatus.accepted`";
        remarks.push(Remark { line: first.line, column: first.column, message: message + advice });
    }
    remarks
}

struct Token<'s> {
    text: &'s str,
    line: usize,
    column: usize,
}

impl<'s> Token<'s> {
    fn literal(&self) -> Option<&'s str> {
        Some(self.text).filter(|text| text.len() > 1 && text.starts_with(['"', '\'']))
    }
}

/// Texts, `||`, `&&`, and every other character by itself; without white space and comments.
fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let (mut rest, mut line, mut column) = (source, 1, 1);
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if matches!(first, '"' | '\'' | '`') {
            literal_length(rest, first)
        } else if rest.starts_with("||") || rest.starts_with("&&") {
            2
        } else {
            first.len_utf8()
        };
        let Some((text, after)) = rest.split_at_checked(length) else { break };
        if !first.is_whitespace() && !text.starts_with("//") && !text.starts_with("/*") {
            tokens.push(Token { text, line, column });
        }
        match text.rsplit_once('\n') {
            Some((_, last)) => {
                line += text.matches('\n').count();
                column = last.chars().count() + 1;
            }
            None => column += text.chars().count(),
        }
        rest = after;
    }
    tokens
}

/// A text with its quotes, in bytes; as far as the end where it is not closed.
fn literal_length(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (index, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return index + c.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::remarks;

    #[test]
    fn a_choice_between_texts_is_told_with_its_place() {
        let source = "var a; // (\"x\" || \"y\")\nif (user.accountStatus !== (\"active\"||\"Active\")) {\n  throw {code: 401};\n}";
        let found = remarks(source);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].line, found[0].column), (2, 29));
        assert!(found[0].message.starts_with("`\"active\" || …` is always \"active\""), "{found:?}");
        assert!(remarks("s === 'active' || 'Active'")[0].message.contains("always true"));
        assert!(remarks("s == ('a' && 'b')")[0].message.contains("never 'a'"));
    }

    #[test]
    fn sound_choices_are_not() {
        for source in [
            "s === 'a' || s === 'b'",
            "x = name || 'nobody'",
            "\"a || b\" + 'c'",
            "/* 'a' || 'b' */",
            "'a'",
            "'\\'' + '|'",
        ] {
            assert_eq!(remarks(source), [], "{source}");
        }
    }
}
