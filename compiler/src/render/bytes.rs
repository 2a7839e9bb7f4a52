//! BSON's bytes (bsonspec.org, version 1.1).

use std::io::Write;

use bson::{Bson, RawDocumentBuf, doc};

use super::sink::Sink;
use crate::error::{Error, Result};

/// Types of elements.
mod element {
    pub(super) const DOUBLE: u8 = 0x01;
    pub(super) const STRING: u8 = 0x02;
    pub(super) const DOCUMENT: u8 = 0x03;
    pub(super) const ARRAY: u8 = 0x04;
    pub(super) const OBJECT_ID: u8 = 0x07;
    pub(super) const BOOLEAN: u8 = 0x08;
    pub(super) const DATE_TIME: u8 = 0x09;
    pub(super) const NULL: u8 = 0x0a;
    pub(super) const INT32: u8 = 0x10;
    pub(super) const INT64: u8 = 0x12;
    pub(super) const DECIMAL: u8 = 0x13;
}

/// Room that most commands fit in.
const ROOM: usize = 512;

/// Documents and arrays that are being written, one inside the other.
pub(super) struct Bytes {
    out: Vec<u8>,
    /// In an array, the number of its next item.
    next: Option<u32>,
    /// Something cannot be said in BSON.
    refused: bool,
}

impl Bytes {
    /// The document that is written.
    pub(super) fn filled(fill: impl FnOnce(&mut Bytes)) -> Result<RawDocumentBuf> {
        let mut bytes = Bytes {
            out: Vec::with_capacity(ROOM),
            next: None,
            refused: false,
        };
        bytes.nest(None, fill);
        if bytes.refused {
            return Err(Error::unsupported(
                "this command",
                "keys of BSON hold no NUL character, and its documents two gigabytes at most",
            ));
        }
        RawDocumentBuf::from_bytes(bytes.out).map_err(|error| Error::internal(error.to_string()))
    }

    /// The type and the key of the next element.
    fn key(&mut self, element: u8, key: &str) {
        self.out.push(element);
        match &mut self.next {
            None => {
                self.refused |= key.as_bytes().contains(&0);
                self.out.extend_from_slice(key.as_bytes());
            }
            Some(next) => {
                match u8::try_from(*next) {
                    Ok(digit @ 0..=9) => self.out.push(b'0' + digit),
                    // Writing into memory does not fail.
                    _ => self.refused |= write!(self.out, "{next}").is_err(),
                }
                *next += 1;
            }
        }
        self.out.push(0);
    }

    /// A document or, counted from a first number, an array.
    fn nest(&mut self, first: Option<u32>, fill: impl FnOnce(&mut Self)) {
        let start = self.begin();
        let outer = std::mem::replace(&mut self.next, first);
        fill(self);
        self.next = outer;
        self.out.push(0);
        self.end(start, start);
    }

    /// Leaves room for a length.
    fn begin(&mut self) -> usize {
        let start = self.out.len();
        self.out.extend_from_slice(&[0; 4]);
        start
    }

    /// Writes the length of what came after `from` where there was room for it.
    fn end(&mut self, room: usize, from: usize) {
        let length = i32::try_from(self.out.len() - from);
        match (length, self.out.get_mut(room..room + 4)) {
            (Ok(length), Some(room)) => room.copy_from_slice(&length.to_le_bytes()),
            _ => self.refused = true,
        }
    }

    fn fixed(&mut self, element: u8, key: &str, content: &[u8]) {
        self.key(element, key);
        self.out.extend_from_slice(content);
    }

    /// The types that are rare in commands, as the `bson` crate writes them.
    fn rare(&mut self, key: &str, value: &Bson) {
        let document = doc! {"": value.clone()}.to_vec().unwrap_or_default();
        // The length, the type, the end of the empty key, the content, the end of the document.
        match document.as_slice() {
            [_, _, _, _, element, 0, content @ .., 0] => self.fixed(*element, key, content),
            _ => self.refused = true,
        }
    }
}

impl Sink for Bytes {
    fn value(&mut self, key: &str, value: &Bson) {
        match value {
            Bson::String(text) => self.str(key, text),
            Bson::Int32(n) => self.fixed(element::INT32, key, &n.to_le_bytes()),
            Bson::Int64(n) => self.fixed(element::INT64, key, &n.to_le_bytes()),
            Bson::Double(n) => self.fixed(element::DOUBLE, key, &n.to_le_bytes()),
            Bson::Boolean(yes) => self.fixed(element::BOOLEAN, key, &[u8::from(*yes)]),
            Bson::Null => self.fixed(element::NULL, key, &[]),
            Bson::DateTime(at) => {
                self.fixed(
                    element::DATE_TIME,
                    key,
                    &at.timestamp_millis().to_le_bytes(),
                );
            }
            Bson::ObjectId(id) => self.fixed(element::OBJECT_ID, key, &id.bytes()),
            Bson::Decimal128(n) => self.fixed(element::DECIMAL, key, &n.bytes()),
            Bson::Array(items) => self.values(key, items),
            Bson::Document(document) => self.copy(key, document),
            rare => self.rare(key, rare),
        }
    }

    fn text<'t>(&mut self, key: &str, parts: impl Iterator<Item = &'t str>) {
        self.key(element::STRING, key);
        let room = self.begin();
        for part in parts {
            self.out.extend_from_slice(part.as_bytes());
        }
        self.out.push(0);
        self.end(room, room + 4);
    }

    fn document(&mut self, key: &str, fill: impl FnOnce(&mut Self)) {
        self.key(element::DOCUMENT, key);
        self.nest(None, fill);
    }

    fn array(&mut self, key: &str, fill: impl FnOnce(&mut Self)) {
        self.key(element::ARRAY, key);
        self.nest(Some(0), fill);
    }
}
