//! Which words does a `customAuthz` consist of?

/// A word of the expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// A name, a keyword among them.
    Name(String),
    /// A text literal, unescaped.
    Text(String),
    /// A number literal.
    Number(f64),
    /// An operator or a bracket.
    Sign(&'static str),
}

/// Longest first, so that `===` is not read as `==` and `=`.
const SIGNS: [&str; 18] =
    ["===", "!==", "==", "!=", "&&", "||", "!", "+", "-", "(", ")", "[", "]", "{", "}", ".", ",", ":"];

/// Splits the text into tokens, each with its place: the number of characters before it, plus one.
///
/// # Errors
/// The first thing that is no token of the subset.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, String> {
    let text = text.trim_end_matches(is_space);
    // A statement's end is no part of the expression.
    let source = text.strip_suffix(';').unwrap_or(text);
    let mut rest = source;
    let mut tokens = Vec::new();
    loop {
        rest = rest.trim_start_matches(is_space);
        let place = source.chars().count() - rest.chars().count() + 1;
        let Some(first) = rest.chars().next() else { return Ok(tokens) };
        let (token, after) = match first {
            '"' | '\'' => text_literal(rest, first).ok_or_else(|| {
                format!(
                    "the text at character {place} has no end, \
                or an escape other than `\\\\`, `\\'`, `\\\"`, `\\n`, `\\t` and `\\u0000`"
                )
            })?,
            '0'..='9' => number(rest).ok_or_else(|| format!("no number at character {place}"))?,
            _ if is_name_start(first) => name(rest),
            _ => match SIGNS.iter().find_map(|sign| Some((*sign, rest.strip_prefix(sign)?))) {
                Some((sign, after)) => (Token::Sign(sign), after),
                None => return Err(format!("`{first}` at character {place} is not part of the supported subset")),
            },
        };
        tokens.push((place, token));
        rest = after;
    }
}

/// JavaScript's white space: Unicode's but for the next-line character, and the byte order mark.
pub(super) fn is_space(letter: char) -> bool {
    (letter.is_whitespace() && letter != '\u{85}') || letter == '\u{feff}'
}

fn is_name_start(letter: char) -> bool {
    letter.is_ascii_alphabetic() || letter == '_' || letter == '$'
}

fn name(rest: &str) -> (Token, &str) {
    let end = rest.find(|letter: char| !is_name_start(letter) && !letter.is_ascii_digit()).unwrap_or(rest.len());
    let (name, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
    (Token::Name(name.to_owned()), after)
}

fn number(rest: &str) -> Option<(Token, &str)> {
    let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '.').unwrap_or(rest.len());
    let (digits, after) = rest.split_at_checked(end)?;
    // Octal, hexadecimal and exponents are left out, for Rust and JavaScript read them differently.
    let octal = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number = digits.parse::<f64>().ok().filter(|number| plain && !octal && number.is_finite())?;
    Some((Token::Number(number), after))
}

fn text_literal(rest: &str, quote: char) -> Option<(Token, &str)> {
    let mut text = String::new();
    let mut letters = rest.chars();
    letters.next()?;
    loop {
        match letters.next()? {
            letter if letter == quote => return Some((Token::Text(text), letters.as_str())),
            '\n' | '\r' => return None,
            '\\' => text.push(match letters.next()? {
                letter @ ('\\' | '\'' | '"' | '/') => letter,
                'n' => '\n',
                't' => '\t',
                'u' => {
                    let (digits, after) = letters.as_str().split_at_checked(4)?;
                    letters = after.chars();
                    // `from_str_radix` would take a sign.
                    digits.chars().all(|digit| digit.is_ascii_hexdigit()).then_some(())?;
                    char::from_u32(u32::from_str_radix(digits, 16).ok()?)?
                }
                _ => return None,
            }),
            letter => text.push(letter),
        }
    }
}
