//! How do the words of a `customAuthz` belong together?

use super::lexer::{Token, tokens};

/// The most characters an expression may have, and how deep it may nest (T-10).
const LONGEST: usize = 4096;
const DEEPEST: usize = 32;

/// The syntax of an expression. What its names mean is decided by [`super::meaning`].
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Syntax {
    /// Nothing at all: the blank text.
    Blank,
    Text(String),
    Number(f64),
    List(Vec<Syntax>),
    /// An object literal.
    Object(Vec<(String, Syntax)>),
    Name(String),
    /// `of.name` or `of[key]`.
    Member(Box<Syntax>, Box<Syntax>),
    Call(Box<Syntax>, Vec<Syntax>),
    Not(Box<Syntax>),
    /// `a && b && …`.
    All(Vec<Syntax>),
    /// `a || b || …`.
    Any(Vec<Syntax>),
    /// `a + b + …`.
    Sum(Vec<Syntax>),
    /// A comparison, by its operator.
    Compare(&'static str, Box<Syntax>, Box<Syntax>),
}

/// Parses an expression.
///
/// # Errors
/// Where and what was found, and what is expected there.
pub(super) fn parse(text: &str) -> Result<Syntax, String> {
    if text.len() > LONGEST {
        return Err(format!("the expression has {} bytes, expected at most {LONGEST}", text.len()));
    }
    let tokens = tokens(text)?;
    if tokens.is_empty() {
        return Ok(Syntax::Blank);
    }
    let mut parser = Parser { tokens: tokens.into_iter().peekable(), depth: 0 };
    let syntax = parser.any()?;
    match parser.tokens.peek() {
        None => Ok(syntax),
        Some(_) => Err(parser.unexpected("an operator, or the end of the expression")),
    }
}

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<(usize, Token)>>,
    depth: usize,
}

type Parsed = Result<Syntax, String>;

impl Parser {
    fn sign(&mut self, wanted: &'static str) -> bool {
        self.tokens.next_if(|(_, token)| *token == Token::Sign(wanted)).is_some()
    }

    fn expect(&mut self, wanted: &'static str) -> Result<(), String> {
        if self.sign(wanted) { Ok(()) } else { Err(self.unexpected(&format!("`{wanted}`"))) }
    }

    fn unexpected(&mut self, expected: &str) -> String {
        match self.tokens.peek() {
            None => format!("the expression ends where {expected} was expected"),
            Some((place, token)) => {
                let found = match token {
                    Token::Name(name) => format!("`{name}`"),
                    Token::Text(text) => format!("the text `{text}`"),
                    Token::Number(number) => format!("the number `{number}`"),
                    Token::Sign(sign) => format!("`{sign}`"),
                };
                format!("found {found} at character {place}, expected {expected}")
            }
        }
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, String>) -> Result<T, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(format!("the expression nests deeper than {DEEPEST} levels"));
        }
        let read = read(self);
        self.depth -= 1;
        read
    }

    fn chain(
        &mut self,
        sign: &'static str,
        part: impl Fn(&mut Self) -> Parsed,
        whole: impl Fn(Vec<Syntax>) -> Syntax,
    ) -> Parsed {
        let first = part(self)?;
        let mut parts = vec![first];
        while self.sign(sign) {
            parts.push(part(self)?);
        }
        Ok(if parts.len() == 1 { parts.pop().unwrap_or(Syntax::Blank) } else { whole(parts) })
    }

    fn any(&mut self) -> Parsed {
        self.deeper(|parser| parser.chain("||", Self::all, Syntax::Any))
    }

    fn all(&mut self) -> Parsed {
        self.chain("&&", Self::comparison, Syntax::All)
    }

    fn comparison(&mut self) -> Parsed {
        let left = self.sum()?;
        let Some(operator) = ["===", "!==", "==", "!="].into_iter().find(|operator| self.sign(operator)) else {
            return Ok(left);
        };
        let right = self.sum()?;
        Ok(Syntax::Compare(operator, Box::new(left), Box::new(right)))
    }

    fn sum(&mut self) -> Parsed {
        self.chain("+", Self::unary, Syntax::Sum)
    }

    fn unary(&mut self) -> Parsed {
        if self.sign("!") {
            return self.deeper(|parser| Ok(Syntax::Not(Box::new(parser.unary()?))));
        }
        if self.sign("-") {
            return match self.tokens.next_if(|(_, token)| matches!(token, Token::Number(_))) {
                Some((_, Token::Number(number))) => Ok(Syntax::Number(-number)),
                _ => Err(self.unexpected("a number after `-`")),
            };
        }
        let mut syntax = self.primary()?;
        for _ in 0..DEEPEST {
            if self.sign(".") {
                let Some((_, Token::Name(name))) = self.tokens.next_if(|(_, token)| matches!(token, Token::Name(_)))
                else {
                    return Err(self.unexpected("a member's name"));
                };
                syntax = Syntax::Member(Box::new(syntax), Box::new(Syntax::Text(name)));
            } else if self.sign("[") {
                let key = self.any()?;
                self.expect("]")?;
                syntax = Syntax::Member(Box::new(syntax), Box::new(key));
            } else if self.sign("(") {
                let arguments = self.list(")")?;
                syntax = Syntax::Call(Box::new(syntax), arguments);
            } else {
                return Ok(syntax);
            }
        }
        Err(format!("the expression has more than {DEEPEST} members in a row"))
    }

    fn primary(&mut self) -> Parsed {
        if self.sign("(") {
            let inner = self.any()?;
            self.expect(")")?;
            return Ok(inner);
        }
        if self.sign("[") {
            return self.list("]").map(Syntax::List);
        }
        if self.sign("{") {
            return self.object();
        }
        match self.tokens.next_if(|(_, token)| !matches!(token, Token::Sign(_))) {
            Some((_, Token::Name(name))) => Ok(Syntax::Name(name)),
            Some((_, Token::Text(text))) => Ok(Syntax::Text(text)),
            Some((_, Token::Number(number))) => Ok(Syntax::Number(number)),
            Some((_, Token::Sign(_))) | None => Err(self.unexpected("a value, a name or `(`")),
        }
    }

    fn list(&mut self, end: &'static str) -> Result<Vec<Syntax>, String> {
        let mut items = Vec::new();
        while !self.sign(end) {
            if !items.is_empty() {
                self.expect(",")?;
            }
            items.push(self.any()?);
        }
        Ok(items)
    }

    fn object(&mut self) -> Parsed {
        let mut members = Vec::new();
        while !self.sign("}") {
            if !members.is_empty() {
                self.expect(",")?;
            }
            let key = match self.tokens.next_if(|(_, token)| matches!(token, Token::Name(_) | Token::Text(_))) {
                Some((_, Token::Name(key) | Token::Text(key))) => key,
                _ => return Err(self.unexpected("a key of the object")),
            };
            self.expect(":")?;
            members.push((key, self.any()?));
        }
        Ok(Syntax::Object(members))
    }
}
