//! Which values does a JSON text hold?

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

use super::{Entry, Kind, MAX_DEPTH, MAX_NODES, Node, duplicate};
use crate::config::problem::{Place, Problem};
use crate::giving_way;

/// Reads one JSON value; `serde_json` parses, a counting reader tells where we are.
pub(super) fn parse(text: &str, file: &Arc<str>) -> Result<Node, Vec<Problem>> {
    let cx = Context::new(text, file);
    let mut parser = serde_json::Deserializer::from_reader(Counting { cx: &cx });
    let node = Seed { cx: &cx, depth: 0, peeked: false }.deserialize(&mut parser).and_then(|node| {
        parser.end()?;
        Ok(node)
    });
    let mut problems = cx.duplicates.take();
    match node {
        Ok(node) if problems.is_empty() => Ok(node),
        Ok(_) => Err(problems),
        Err(error) => {
            let full = error.to_string();
            let message = full.split(" at line ").next().unwrap_or_default();
            let place = Place {
                file: Arc::clone(file),
                line: error.line().max(1),
                column: error.column().max(1),
                path: String::new(),
            };
            problems.push(Problem::new(&place, format!("cannot be read as JSON: {message}")));
            Err(problems)
        }
    }
}

struct Context<'a> {
    text: &'a str,
    file: &'a Arc<str>,
    /// Byte offsets at which lines begin.
    lines: Vec<usize>,
    /// Bytes the parser has taken.
    read: Cell<usize>,
    nodes: Cell<usize>,
    duplicates: RefCell<Vec<Problem>>,
}

impl<'a> Context<'a> {
    fn new(text: &'a str, file: &'a Arc<str>) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i + 1);
        let lines = std::iter::once(0).chain(breaks).collect();
        Self { text, file, lines, read: Cell::new(0), nodes: Cell::new(0), duplicates: RefCell::default() }
    }

    /// Where the next value begins. `peeked`: the parser has already taken its first byte.
    fn here(&self, peeked: bool) -> Place {
        let read = self.read.get();
        let offset = if peeked {
            read.saturating_sub(1)
        } else {
            let rest = self.text.get(read..).unwrap_or_default();
            read + (rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len())
        };
        let line = self.lines.partition_point(|start| *start <= offset);
        let start = self.lines.get(line.saturating_sub(1)).copied().unwrap_or_default();
        let column = self.text.get(start..offset).unwrap_or_default().chars().count() + 1;
        Place { file: Arc::clone(self.file), line, column, path: String::new() }
    }
}

struct Counting<'c, 'a> {
    cx: &'c Context<'a>,
}

impl io::Read for Counting<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = self.cx.text.as_bytes().get(self.cx.read.get()..).unwrap_or_default();
        // One byte at a time, so that `read` is where the parser is.
        match (buffer.first_mut(), rest.first()) {
            (Some(slot), Some(byte)) => {
                *slot = *byte;
                self.cx.read.set(self.cx.read.get() + 1);
                Ok(1)
            }
            _ => Ok(0),
        }
    }
}

struct Seed<'c, 'a> {
    cx: &'c Context<'a>,
    depth: usize,
    peeked: bool,
}

impl<'de> DeserializeSeed<'de> for Seed<'_, '_> {
    type Value = Node;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        giving_way::step();
        let place = self.cx.here(self.peeked);
        self.cx.nodes.set(self.cx.nodes.get() + 1);
        if self.depth > MAX_DEPTH {
            return Err(D::Error::custom(format!("more than {MAX_DEPTH} levels of nesting")));
        }
        if self.cx.nodes.get() > MAX_NODES {
            return Err(D::Error::custom(format!("more than {MAX_NODES} values")));
        }
        let kind = deserializer.deserialize_any(Kinds { cx: self.cx, depth: self.depth })?;
        Ok(Node { place, kind, substituted: false })
    }
}

struct Kinds<'c, 'a> {
    cx: &'c Context<'a>,
    depth: usize,
}

impl<'de> Visitor<'de> for Kinds<'_, '_> {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Kind, E> {
        Ok(Kind::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Kind, E> {
        Ok(Kind::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Kind, E> {
        Ok(Kind::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Kind, E> {
        Number::from_f64(value).map(Kind::Number).ok_or_else(|| E::custom("a number that is none"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Kind, E> {
        Ok(Kind::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Kind, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(Seed { cx: self.cx, depth: self.depth + 1, peeked: true })? {
            items.push(item);
        }
        Ok(Kind::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Kind, A::Error> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut first: HashMap<String, Place> = HashMap::new();
        while let Some((key, place)) = map.next_key_seed(KeySeed { cx: self.cx })? {
            let node = map.next_value_seed(Seed { cx: self.cx, depth: self.depth + 1, peeked: false })?;
            if let Some(earlier) = first.get(&key) {
                self.cx.duplicates.borrow_mut().push(duplicate(&key, place, earlier));
                continue;
            }
            first.insert(key.clone(), place.clone());
            entries.push(Entry { key, place, node });
        }
        Ok(Kind::Map(entries))
    }
}

struct KeySeed<'c, 'a> {
    cx: &'c Context<'a>,
}

impl<'de> DeserializeSeed<'de> for KeySeed<'_, '_> {
    type Value = (String, Place);

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        let place = self.cx.here(true);
        let key = <String as serde::Deserialize>::deserialize(deserializer)?;
        Ok((key, place))
    }
}
