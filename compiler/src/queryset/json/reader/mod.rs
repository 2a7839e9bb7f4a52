//! A pull reader over JSON text.
//!
//! It knows nothing of querysets. What it adds to a plain tokenizer is what statements need: integers of 128
//! bits that never turn into floats, the JSON path of every refusal, keys that are not given twice, and limits that
//! strike before recursion can. Text is borrowed where it holds no escapes.

mod containers;
#[cfg(test)]
mod tests;
mod tokens;

use std::fmt::Write as _;

use super::Limits;
use crate::diagnostic::closest;
use crate::error::{Code, Error, Result};

/// How many steps of a path are shown when nesting is too deep.
const SHOWN_STEPS: usize = 24;

/// One variant of a tagged union: its tag and how its content is read.
pub(crate) type Tag<T> = (&'static str, fn(&mut Reader<'_>) -> Result<T>);

/// The variants of a tagged union.
pub(crate) type Tags<T> = &'static [Tag<T>];

/// Reads an object with known keys: one arm a key, unknown and repeated keys are refused.
macro_rules! fields {
    ($r:expr, $what:expr, { $($key:literal => $body:expr),+ $(,)? }) => {{
        const KEYS: &[&str] = &[$($key),+];
        let mut object = $r.begin_object($what)?;
        while let Some(key) = $r.next_key(&mut object)? {
            match &*key {
                $($key => {
                    $r.once(&mut object, const { $crate::queryset::json::reader::bit(KEYS, $key) }, $key)?;
                    $body
                })+
                _ => return Err($r.unknown_key($what, &key, KEYS)),
            }
        }
    }};
}
pub(crate) use fields;

/// The bit of a known key.
pub(crate) const fn bit(keys: &[&str], key: &str) -> u64 {
    let mut bit = 1;
    let mut rest = keys;
    while let [first, others @ ..] = rest {
        if same(first.as_bytes(), key.as_bytes()) {
            return bit;
        }
        bit <<= 1;
        rest = others;
    }
    bit
}

const fn same(mut a: &[u8], mut b: &[u8]) -> bool {
    while let ([x, after_x @ ..], [y, after_y @ ..]) = (a, b) {
        if *x != *y {
            return false;
        }
        (a, b) = (after_x, after_y);
    }
    a.is_empty() && b.is_empty()
}

/// Kinds of JSON values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    Bool,
    Number,
    String,
    Array,
    Object,
}

impl Kind {
    fn article(self) -> &'static str {
        match self {
            Kind::Null => "null",
            Kind::Bool => "a boolean",
            Kind::Number => "a number",
            Kind::String => "a string",
            Kind::Array => "an array",
            Kind::Object => "an object",
        }
    }
}

/// A number as written: without fraction and exponent it is an integer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Number {
    Int(i128),
    Float(f64),
}

/// Where the reader stands in an object.
pub(crate) struct Object {
    first: bool,
    /// One bit for each known key that was there.
    seen: u64,
}

/// Where the reader stands in an array.
pub(crate) struct Array {
    next: usize,
}

/// A step of the JSON path; keys are places of the text.
#[derive(Clone, Copy)]
enum Step {
    Key(usize),
    Index(usize),
}

/// The reader: a position in the text and the path that leads to it.
pub(crate) struct Reader<'a> {
    text: &'a str,
    pos: usize,
    path: Vec<Step>,
    depth: u32,
    nodes: u32,
    limits: Limits,
    /// Whether values that the database computes may stand here.
    pub(crate) computed_values: bool,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(text: &'a str, limits: Limits) -> Self {
        Reader {
            text,
            pos: 0,
            path: Vec::with_capacity(16),
            depth: 0,
            nodes: 0,
            limits,
            computed_values: false,
        }
    }

    /// Reads one document, to the end of the text.
    pub(crate) fn document<T>(mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let content = read(&mut self)?;
        match self.skip_space() {
            None => Ok(content),
            Some(_) => Err(self.broken("expected the end of the document")),
        }
    }

    // Errors

    /// A refusal of what stands here.
    pub(crate) fn fail(&self, message: impl Into<String>) -> Error {
        self.fail_with(Code::Decode, message)
    }

    /// A refusal of what stands here with a code of its own.
    pub(crate) fn fail_with(&self, code: Code, message: impl Into<String>) -> Error {
        Error::new(code, message).at(self.render_path(usize::MAX))
    }

    /// A refusal of an object without a key that it must have.
    pub(crate) fn missing(&self, what: &str, key: &str) -> Error {
        self.fail(format!("{what} needs the key `{key}`"))
    }

    /// Takes what a required key held.
    pub(crate) fn need<T>(&self, slot: Option<T>, what: &str, key: &str) -> Result<T> {
        slot.ok_or_else(|| self.missing(what, key))
    }

    /// A refusal of a key.
    pub(crate) fn unknown_key(&self, what: &str, key: &str, known: &[&'static str]) -> Error {
        self.unknown(format!("{what} has no key `{key}`"), key, known)
    }

    /// A refusal of a value that is none of the known ones.
    pub(crate) fn unknown_choice(&self, what: &str, given: &str, known: &[&'static str]) -> Error {
        self.unknown(format!("{given:?} is no {what}"), given, known)
    }

    /// A refusal of a name, with the known ones and the one that was probably meant.
    pub(crate) fn unknown(&self, message: String, given: &str, known: &[&'static str]) -> Error {
        let error = self.fail(message).with_choices(known.iter().copied());
        match closest(given, known.iter().copied()) {
            Some(choice) => error.with_hint(format!("did you mean `{choice}`?")),
            None => error,
        }
    }

    /// A refusal of text that is not JSON.
    fn broken(&self, expected: &str) -> Error {
        let before = self.text.get(..self.pos).unwrap_or(self.text);
        let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        let found = match self
            .text
            .get(self.pos..)
            .and_then(|rest| rest.chars().next())
        {
            None => "the end of the text".to_owned(),
            Some(c) => format!("{c:?}"),
        };
        self.fail(format!(
            "not JSON: {expected}, found {found} at line {line} column {column}"
        ))
    }

    fn render_path(&self, most: usize) -> String {
        let mut out = String::new();
        for step in self.path.iter().take(most) {
            out.push('/');
            match *step {
                Step::Index(index) => {
                    let _ = write!(out, "{index}");
                }
                Step::Key(start) => {
                    let mut key = Reader::new(self.text, self.limits);
                    key.pos = start;
                    // It was read before.
                    push_pointer(&mut out, &key.string_token().unwrap_or_default());
                }
            }
        }
        if self.path.len() > most {
            out.push_str("/...");
        }
        out
    }

    // Limits

    /// Counts a node of the statement.
    pub(crate) fn node(&mut self) -> Result<()> {
        self.nodes += 1;
        if self.nodes > self.limits.nodes {
            return Err(Error::new(
                Code::Limit,
                format!("more than {} nodes", self.limits.nodes),
            )
            .at(self.render_path(SHOWN_STEPS)));
        }
        Ok(())
    }

    /// Enters a node of the statement; [`Reader::leave`] is its counterpart.
    pub(crate) fn enter(&mut self) -> Result<()> {
        self.node()?;
        self.depth += 1;
        if self.depth > self.limits.depth {
            return Err(Error::new(
                Code::Limit,
                format!("nested deeper than {} levels", self.limits.depth),
            )
            .at(self.render_path(SHOWN_STEPS)));
        }
        Ok(())
    }

    pub(crate) fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }
}

/// Adds a key to a JSON pointer (RFC 6901).
fn push_pointer(out: &mut String, key: &str) {
    for c in key.chars() {
        match c {
            '~' => out.push_str("~0"),
            '/' => out.push_str("~1"),
            c => out.push(c),
        }
    }
}
