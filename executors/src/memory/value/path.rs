//! Dotted paths, in the sense of aggregation (arrays are mapped over). The match language has its own walk.
use std::fmt;
use std::sync::Arc;

use super::raw::Needle;
use super::{ArrRef, Array, DocRef, Str, Value, ValueRef};
use crate::memory::error::EngineError;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The name of the field.
    pub name: Str,
    /// The array index that the name is, if it is one (`0`, `12`; not `01`).
    pub index: Option<usize>,
    /// The name, made ready for looking in BSON.
    pub(super) needle: Needle,
}

/// A parsed dotted path of at least one part.
#[derive(Clone, PartialEq, Eq)]
pub struct Path {
    parts: Arc<[Part]>,
}

/// More parts than documents may be deep.
const MAX_PARTS: usize = 200;

impl Path {
    /// Parses a field path of aggregation (without its `$`): no empty parts, none that starts with `$`.
    ///
    /// # Errors
    /// 40353, 15998, 16410, 16411 as MongoDB; `Overflow` beyond 200 parts.
    pub fn parse(text: &str) -> Result<Self, EngineError> {
        if text.is_empty() {
            return Err(EngineError::location(
                40352,
                "FieldPath cannot be constructed with empty string",
            ));
        }
        if text.ends_with('.') {
            return Err(EngineError::location(
                40353,
                format!("FieldPath must not end with a '.'. FieldPath: {text}"),
            ));
        }
        for part in text.split('.') {
            if part.is_empty() {
                return Err(EngineError::location(
                    15998,
                    "FieldPath field names may not be empty strings.",
                ));
            }
            if part.starts_with('$') {
                return Err(EngineError::location(
                    16410,
                    format!(
                        "FieldPath field names may not start with '$'. Consider using $getField or $setField. FieldPath: {text}"
                    ),
                ));
            }
            if part.contains('\0') {
                return Err(EngineError::location(
                    16411,
                    "FieldPath field names may not contain '\\0'.",
                ));
            }
        }
        Self::lenient(text)
    }

    /// Splits at dots and accepts any part (the match language, updates and sort keys have rules of their own).
    ///
    /// # Errors
    /// `Overflow` beyond 200 parts.
    pub fn lenient(text: &str) -> Result<Self, EngineError> {
        let parts: Vec<Part> = text
            .split('.')
            .take(MAX_PARTS + 1)
            .map(|p| Part {
                name: p.into(),
                index: index(p),
                needle: Needle::new(p.as_bytes()),
            })
            .collect();
        if parts.len() > MAX_PARTS {
            return Err(EngineError::new(
                crate::memory::error::Code::Overflow,
                format!("FieldPath is too long; it must have at most {MAX_PARTS} components"),
            ));
        }
        Ok(Self {
            parts: Arc::from(parts),
        })
    }

    /// The parts.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The first part's name.
    pub fn first(&self) -> &str {
        self.parts.first().map_or("", |p| p.name.as_str())
    }

    /// Evaluates `$path` on a document: arrays on the way are mapped over, elements that are not documents are skipped.
    pub fn get(&self, doc: DocRef<'_>) -> Value {
        walk(&self.parts, doc)
    }

    /// Evaluates the path on a value: documents are entered, arrays mapped, all else is missing.
    pub fn get_in(&self, value: ValueRef<'_>) -> Value {
        match value {
            ValueRef::Document(d) => walk(&self.parts, d),
            ValueRef::Array(a) => map(&self.parts, a),
            _ => Value::Missing,
        }
    }

    /// The beginning of the path that leads to the first array on its way, if there is one.
    pub fn first_array(&self, doc: DocRef<'_>) -> Option<&[Part]> {
        let mut doc = doc;
        for (at, part) in self.parts.iter().enumerate() {
            match doc.at(part) {
                ValueRef::Document(d) => doc = d,
                ValueRef::Array(_) => return self.parts.get(..=at),
                _ => return None,
            }
        }
        None
    }

    /// The value in place, when no array is on the way (`None` then).
    #[inline]
    pub fn get_ref<'a>(&self, doc: DocRef<'a>) -> Option<ValueRef<'a>> {
        let mut doc = doc;
        let (last, init) = self.parts.split_last()?;
        for part in init {
            match doc.at(part) {
                ValueRef::Document(d) => doc = d,
                ValueRef::Array(_) => return None,
                _ => return Some(ValueRef::Missing),
            }
        }
        Some(doc.at(last))
    }
}

fn index(part: &str) -> Option<usize> {
    let plain = !part.is_empty() && part.len() < 10 && part.bytes().all(|b| b.is_ascii_digit());
    if plain && (part == "0" || !part.starts_with('0')) {
        part.parse().ok()
    } else {
        None
    }
}

fn walk(parts: &[Part], doc: DocRef<'_>) -> Value {
    let (mut parts, mut doc) = (parts, doc);
    loop {
        let Some((first, rest)) = parts.split_first() else {
            return Value::Document(doc.to_document());
        };
        let value = doc.at(first);
        if rest.is_empty() {
            return value.to_value();
        }
        match value {
            ValueRef::Document(d) => (parts, doc) = (rest, d),
            ValueRef::Array(a) => return map(rest, a),
            _ => return Value::Missing,
        }
    }
}

fn map(parts: &[Part], array: ArrRef<'_>) -> Value {
    let items = array.iter().filter_map(|item| match item {
        ValueRef::Document(d) => Some(walk(parts, d)).filter(|v| !v.is_missing()),
        _ => None,
    });
    Value::Array(items.collect::<Array>())
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, part) in self.parts.iter().enumerate() {
            if i > 0 {
                f.write_str(".")?;
            }
            f.write_str(part.name.as_str())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Path({self})")
    }
}
