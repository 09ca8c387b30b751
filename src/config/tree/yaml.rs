//! Which values does a YAML 1.2 text hold (core schema, one document)?

use std::collections::HashMap;
use std::sync::Arc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, StrInput, Tag};
use serde_json::Number;

use super::{Entry, Kind, MAX_DEPTH, MAX_NODES, Node, duplicate};
use crate::config::problem::{Place, Problem};
use crate::giving_way;

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    text: &'a str,
    file: &'a Arc<str>,
    duplicates: Vec<Problem>,
    /// Anchored values, each with the number of values in it.
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
}

/// Reads one document.
pub(super) fn parse(text: &str, file: &Arc<str>) -> Result<Node, Vec<Problem>> {
    let parser = Parser::new_from_str(text);
    let mut reader = Reader { parser, text, file, duplicates: Vec::new(), anchors: HashMap::new(), nodes: 0 };
    match reader.document() {
        Ok(node) if reader.duplicates.is_empty() => Ok(node),
        Ok(_) => Err(reader.duplicates),
        Err(problem) => {
            reader.duplicates.push(problem);
            Err(reader.duplicates)
        }
    }
}

impl<'a> Reader<'a> {
    fn place(&self, marker: &Marker) -> Place {
        Place { file: Arc::clone(self.file), line: marker.line(), column: marker.col() + 1, path: String::new() }
    }

    fn next(&mut self) -> Result<(Event<'a>, Place), Problem> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => {
                let place = self.place(&span.start);
                Ok((event, place))
            }
            Some(Err(error)) => Err(self.unreadable(error.marker(), error.info())),
            None => Ok((Event::StreamEnd, Place::whole(self.file))),
        }
    }

    fn unreadable(&self, marker: &Marker, info: &str) -> Problem {
        let line = self.text.lines().nth(marker.line().saturating_sub(1)).unwrap_or_default();
        let advice = if info.contains("tab") || line.trim_start_matches(' ').starts_with('\t') {
            "; indent with spaces, not with tabs"
        } else if line.contains("&{") {
            "; put a text with `&{` in quotes"
        } else if let Some(words) = in_plain_words(info) {
            return Problem::new(&self.place(marker), format!("cannot be read as YAML: {words}"));
        } else {
            ""
        };
        // The scanner's own words may quote the text, which may be a secret.
        let info = info.split([':', '`', '"', '\'']).next().unwrap_or_default().trim_end();
        let info = if info.is_empty() { "found something that does not fit here" } else { info };
        Problem::new(&self.place(marker), format!("cannot be read as YAML: {info}{advice}"))
    }

    fn document(&mut self) -> Result<Node, Problem> {
        let mut root = None;
        loop {
            let (event, place) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentEnd | Event::Nothing => {}
                Event::StreamEnd => {
                    let empty = || Node { place: Place::whole(self.file), kind: Kind::Null, substituted: false };
                    return Ok(root.unwrap_or_else(empty));
                }
                Event::DocumentStart(_) if root.is_some() => {
                    return Err(Problem::new(&place, "found a second document (`---`), expected one; keep one"));
                }
                Event::DocumentStart(_) => {}
                event => root = Some(self.node(event, place, 0)?),
            }
        }
    }

    fn node(&mut self, event: Event<'a>, place: Place, depth: usize) -> Result<Node, Problem> {
        if depth > MAX_DEPTH {
            return Err(Problem::new(&place, format!("found more than {MAX_DEPTH} levels of nesting; flatten it")));
        }
        giving_way::step();
        let before = self.nodes;
        self.count(1, &place)?;
        let (kind, anchor) = match event {
            Event::Alias(id) => return self.alias(id, &place),
            Event::Scalar(text, style, anchor, tag) => {
                let is_text = match tag.as_deref() {
                    None => style != ScalarStyle::Plain,
                    Some(tag) => self.text_tag(tag, &place)?,
                };
                (if is_text { Kind::Text(text.into_owned()) } else { plain(&text) }, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                self.no_tag(tag.as_deref(), &place)?;
                (self.list(depth)?, anchor)
            }
            Event::MappingStart(anchor, tag) => {
                self.no_tag(tag.as_deref(), &place)?;
                (self.map(depth)?, anchor)
            }
            _ => return Err(Problem::new(&place, "cannot be read as YAML: a value is missing")),
        };
        let node = Node { place, kind, substituted: false };
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), self.nodes - before));
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Kind, Problem> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Kind::List(items)),
                (event, place) => items.push(self.node(event, place, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Kind, Problem> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut first: HashMap<String, Place> = HashMap::new();
        loop {
            let (key, place) = match self.next()? {
                (Event::MappingEnd, _) => return Ok(Kind::Map(entries)),
                (Event::Scalar(key, ..), place) => (key.into_owned(), place),
                (_, place) => return Err(Problem::new(&place, "found a key that is no text; keys are texts")),
            };
            let (event, value_place) = self.next()?;
            let node = self.node(event, value_place, depth + 1)?;
            if let Some(earlier) = first.get(&key) {
                self.duplicates.push(duplicate(&key, place, earlier));
                continue;
            }
            first.insert(key.clone(), place.clone());
            entries.push(Entry { key, place, node });
        }
    }

    fn alias(&mut self, id: usize, place: &Place) -> Result<Node, Problem> {
        let Some((node, size)) = self.anchors.get(&id) else {
            return Err(Problem::new(
                place,
                "found an alias for a value that holds the alias itself; write the value out",
            ));
        };
        let (node, size) = (node.clone(), *size);
        self.count(size, place)?;
        Ok(node)
    }

    fn count(&mut self, more: usize, place: &Place) -> Result<(), Problem> {
        self.nodes += more;
        if self.nodes > MAX_NODES {
            return Err(Problem::new(place, format!("found more than {MAX_NODES} values, aliases written out")));
        }
        Ok(())
    }

    fn text_tag(&self, tag: &Tag, place: &Place) -> Result<bool, Problem> {
        if tag.is_yaml_core_schema() && tag.suffix == "str" {
            Ok(true)
        } else {
            self.no_tag(Some(tag), place).map(|()| false)
        }
    }

    #[expect(clippy::unused_self, reason = "reads as one of the reader's checks")]
    fn no_tag(&self, tag: Option<&Tag>, place: &Place) -> Result<(), Problem> {
        match tag {
            None => Ok(()),
            Some(_) => Err(Problem::new(place, "found a YAML tag (`!…`), expected a plain value; take the tag away")),
        }
    }
}

/// A plain scalar by the core schema (YAML 1.2.2, section 10.3.2): `no` and `on` are texts.
fn plain(text: &str) -> Kind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Kind::Null,
        "true" | "True" | "TRUE" => return Kind::Bool(true),
        "false" | "False" | "FALSE" => return Kind::Bool(false),
        _ => {}
    }
    number(text).map_or_else(|| Kind::Text(text.to_owned()), Kind::Number)
}

fn number(text: &str) -> Option<Number> {
    if let Some(digits) = text.strip_prefix("0x") {
        return digits
            .bytes()
            .all(|b| b.is_ascii_hexdigit())
            .then(|| u64::from_str_radix(digits, 16).ok())?
            .map(Number::from);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return digits
            .bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| u64::from_str_radix(digits, 8).ok())?
            .map(Number::from);
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let starts = unsigned.strip_prefix('.').unwrap_or(unsigned).starts_with(|c: char| c.is_ascii_digit());
    if !starts || !unsigned.bytes().all(|b| b.is_ascii_digit() || b".eE+-".contains(&b)) {
        return None;
    }
    let text = text.strip_prefix('+').unwrap_or(text);
    if let Ok(value) = text.parse::<u64>() {
        return Some(value.into());
    }
    if let Ok(value) = text.parse::<i64>() {
        return Some(value.into());
    }
    text.parse::<f64>().ok().and_then(Number::from_f64)
}

/// What the commonest slips look like to the scanner, and what to do about them.
fn in_plain_words(info: &str) -> Option<&'static str> {
    const SLIPS: &[(&str, &str)] = &[
        ("simple key expect", "found a line that is no `key: value`; write a space after the colon"),
        (
            "mapping values are not allowed",
            "found `: ` within a value; put the value in quotes, or look at the line before: is a space missing after its colon?",
        ),
        (
            "unexpected character",
            "found a character that no plain text begins with, such as `@`, `%` or a backquote; put the text in quotes",
        ),
        ("scanning an anchor or alias", "found `*` or `&` that names nothing; put the text in quotes"),
        (
            "while parsing a block mapping",
            "found a line that is indented otherwise than its neighbours; begin the keys of one map in one column",
        ),
        (
            "while parsing a block collection",
            "found a line that is indented otherwise than its neighbours; begin the `-` of one list in one column",
        ),
        (
            "while parsing a flow mapping",
            "found no `,` or `}` where one belongs; look whether one is missing, and put texts with `{`, `}` or `,` in quotes",
        ),
        (
            "while parsing a flow sequence",
            "found no `,` or `]` where one belongs; look whether one is missing, and put texts with `[`, `]` or `,` in quotes",
        ),
        ("misplaced bracket", "found a closing bracket that nothing opens; take it away, or put the text in quotes"),
        ("in a quoted scalar, found unexpected end", "found no closing quote; write one"),
        (
            "while scanning a quoted scalar, found unexpected end",
            "found no closing quote for the text that begins here; write one",
        ),
    ];
    SLIPS.iter().find(|(said, _)| info.contains(said)).map(|(_, words)| *words)
}
