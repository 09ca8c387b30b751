//! Which record does a script's `_queryFilter` describe? As far as a directory can be asked: texts that must be equal (E26).

/// The longest filter, in bytes, and the most conditions in it.
const LONGEST: usize = 4096;
const MOST: usize = 16;

/// A property and the text that it must equal.
pub(super) type Condition = (String, String);

/// Reads `a eq "x" and /b eq 'y'`, with or without parentheses round parts of it.
///
/// # Errors
/// What was found where something else was expected.
pub(super) fn conditions(filter: &str) -> Result<Vec<Condition>, String> {
    if filter.len() > LONGEST {
        return Err(format!("the filter is longer than {LONGEST} bytes"));
    }
    let mut words = words(filter)?.into_iter();
    let (mut conditions, mut open) = (Vec::new(), 0_usize);
    loop {
        let mut word = words.next();
        while word == Some(Word::Open) {
            open += 1;
            word = words.next();
        }
        let (Some(Word::Name(property)), Some(Word::Name(operator)), Some(Word::Text(value))) =
            (word, words.next(), words.next())
        else {
            return Err(UNSUPPORTED.to_owned());
        };
        if !operator.eq_ignore_ascii_case("eq") {
            return Err(format!("found `{operator}`; {UNSUPPORTED}"));
        }
        conditions.push((property.strip_prefix('/').unwrap_or(&property).to_owned(), value));
        if conditions.len() > MOST {
            return Err(format!("the filter has more than {MOST} conditions"));
        }
        let mut word = words.next();
        while word == Some(Word::Close) {
            open = open.checked_sub(1).ok_or_else(|| "a `)` stands alone".to_owned())?;
            word = words.next();
        }
        match word {
            None if open == 0 => return Ok(conditions),
            None => return Err("a `(` is not closed".to_owned()),
            Some(Word::Name(and)) if and.eq_ignore_ascii_case("and") => {}
            Some(_) => return Err(UNSUPPORTED.to_owned()),
        }
    }
}

const UNSUPPORTED: &str =
    "a directory can be asked for texts that are equal only: `property eq \"text\"`, joined by `and`";

#[derive(Debug, PartialEq)]
enum Word {
    Open,
    Close,
    Name(String),
    Text(String),
}

fn words(filter: &str) -> Result<Vec<Word>, String> {
    let mut letters = filter.chars().peekable();
    let mut words = Vec::new();
    while let Some(letter) = letters.next() {
        match letter {
            _ if letter.is_whitespace() => {}
            '(' => words.push(Word::Open),
            ')' => words.push(Word::Close),
            '"' | '\'' => {
                let mut text = String::new();
                loop {
                    match letters.next() {
                        Some(end) if end == letter => break,
                        // B11: not JSON; a backslash makes the next character literal.
                        Some('\\') => text.extend(letters.next()),
                        Some(other) => text.push(other),
                        None => return Err("a text in the filter has no end".to_owned()),
                    }
                }
                words.push(Word::Text(text));
            }
            _ => {
                let mut name = String::from(letter);
                while let Some(more) = letters.next_if(|c| !c.is_whitespace() && !matches!(c, '(' | ')' | '"' | '\'')) {
                    name.push(more);
                }
                words.push(Word::Name(name));
            }
        }
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::conditions;

    fn read(filter: &str) -> Result<Vec<(String, String)>, String> {
        conditions(filter)
    }

    fn pairs(pairs: &[(&str, &str)]) -> Result<Vec<(String, String)>, String> {
        Ok(pairs.iter().map(|(property, value)| ((*property).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn equal_texts_are_conditions() {
        assert_eq!(read("userName eq \"bob\""), pairs(&[("userName", "bob")]));
        assert_eq!(read("/mail eq 'b@x' AND (sn EQ \"a b\")"), pairs(&[("mail", "b@x"), ("sn", "a b")]));
        assert_eq!(read("((a eq \"1\") and b eq \"2\")"), pairs(&[("a", "1"), ("b", "2")]));
        assert_eq!(read(r#"a eq "x\"\\\u0022""#), pairs(&[("a", "x\"\\u0022")]));
    }

    #[test]
    fn everything_else_is_refused_and_never_widened() {
        for filter in [
            "",
            "true",
            "a",
            "a eq",
            "a eq 1",
            "a co \"x\"",
            "a eq \"x\" or true",
            "!(a eq \"x\")",
            "a pr",
            "(a eq \"x\"",
            "a eq \"x\")",
            "a eq \"x\" and",
            "a eq \"x\" b eq \"y\"",
            "a eq \"x",
            "a eq \"x\" or b eq \"y\"",
            "() a eq \"x\"",
        ] {
            assert!(read(filter).is_err(), "{filter}");
        }
        assert!(read(&"a eq \"x\" and ".repeat(400)).is_err());
    }
}
