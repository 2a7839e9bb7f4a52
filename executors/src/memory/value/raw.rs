//! Reading BSON bytes in place. Bytes are checked when they enter the engine; here a malformed element ends the walk.
use super::{ArrRef, Buffer, BytesRef, Decimal, DocRef, Part, StrRef, ValueRef};

#[inline]
fn take<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

#[inline]
fn length(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(i32::from_le_bytes(take(bytes, at)?)).ok()
}

#[inline]
fn cstring(bytes: &[u8], at: usize) -> Option<usize> {
    memchr::memchr(0, bytes.get(at..)?)
}

/// As a [`width`]: a length of four bytes comes first, and so many bytes more than it says follow.
const COUNTED: u8 = 64;
/// As a [`width`]: a regular expression.
const PATTERN: u8 = 254;
/// As a [`width`]: no type.
const BAD: u8 = 255;

/// The bytes that a value of a type takes.
#[inline(always)]
const fn width(kind: u8) -> u8 {
    match kind {
        0x06 | 0x0a | 0x7f | 0xff => 0,
        0x08 => 1,
        0x10 => 4,
        0x01 | 0x09 | 0x11 | 0x12 => 8,
        0x07 => 12,
        0x13 => 16,
        0x03 | 0x04 | 0x0f => COUNTED,
        0x02 | 0x0d | 0x0e => COUNTED + 4,
        0x05 => COUNTED + 5,
        0x0c => COUNTED + 16,
        0x0b => PATTERN,
        _ => BAD,
    }
}

/// Where the value at `at` ends.
#[inline(always)]
pub(super) fn end_of(kind: u8, bytes: &[u8], at: usize) -> Option<usize> {
    let width = width(kind);
    if width < COUNTED {
        return Some(at + usize::from(width));
    }
    if width < PATTERN {
        let counted = usize::try_from(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?)).ok()?;
        return Some(at + counted + usize::from(width - COUNTED));
    }
    if width == BAD {
        return None;
    }
    let pattern = cstring(bytes, at)?;
    Some(at + pattern + 2 + cstring(bytes, at + pattern + 1)?)
}

/// The name of a field, made ready for looking: its first eight bytes (with the zero that ends it) as one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needle {
    word: u64,
    mask: u64,
    len: usize,
}

impl Needle {
    /// For a name.
    #[inline]
    pub fn new(name: &[u8]) -> Self {
        let mut word = [0; 8];
        for (to, from) in word.iter_mut().zip(name) {
            *to = *from;
        }
        let mask = match name.len() {
            n @ 0..7 => (1 << (8 * (n + 1))) - 1,
            _ => u64::MAX,
        };
        Self {
            word: u64::from_le_bytes(word),
            mask,
            len: name.len(),
        }
    }

    /// Whether the name of the element that `rest` begins with, and whose first word is known, is the one of the needle.
    #[inline(always)]
    fn is_at<'n>(self, word: u64, rest: &[u8], name: impl FnOnce() -> &'n [u8]) -> bool {
        (word ^ self.word) & self.mask == 0 && (self.len < 8 || long(rest, name()))
    }
}

/// Whether an element has a long name.
#[cold]
fn long(rest: &[u8], name: &[u8]) -> bool {
    rest.get(1..1 + name.len()) == Some(name) && rest.get(1 + name.len()) == Some(&0)
}

/// The type of the element that bytes begin with, and the first eight bytes after it; those beyond the end are zeros.
#[inline(always)]
fn head(rest: &[u8]) -> Option<(u8, u64)> {
    match rest.first_chunk() {
        Some(&[kind, a, b, c, d, e, f, g, h]) => {
            Some((kind, u64::from_le_bytes([a, b, c, d, e, f, g, h])))
        }
        None => short_head(rest),
    }
}

#[cold]
fn short_head(rest: &[u8]) -> Option<(u8, u64)> {
    let (kind, name) = rest.split_first()?;
    let mut word = [0; 8];
    for (to, from) in word.iter_mut().zip(name) {
        *to = *from;
    }
    Some((*kind, u64::from_le_bytes(word)))
}

/// The length of the name of the element that `rest` begins with.
#[inline(always)]
fn name_len(word: u64, rest: &[u8]) -> Option<usize> {
    // The lowest byte of a word that is zero gets its high bit set.
    let zeros = word.wrapping_sub(0x0101_0101_0101_0101) & !word & 0x8080_8080_8080_8080;
    if zeros != 0 {
        return usize::try_from(zeros.trailing_zeros() / 8).ok();
    }
    Some(8 + cstring(rest, 9)?)
}

#[inline]
fn string(buf: &Buffer, at: usize) -> Option<StrRef<'_>> {
    let len = length(buf, at)?.checked_sub(1)?;
    Some(StrRef::new(BytesRef::part(buf, at + 4, len)))
}

/// The value of a type at a place.
#[inline(always)]
pub(super) fn decode(kind: u8, buf: &Buffer, at: usize) -> Option<ValueRef<'_>> {
    Some(match kind {
        0x10 => ValueRef::Int32(i32::from_le_bytes(take(buf, at)?)),
        0x01 => ValueRef::Double(f64::from_le_bytes(take(buf, at)?)),
        0x02 => ValueRef::Str(string(buf, at)?),
        _ => return decode_other(kind, buf, at),
    })
}

fn decode_other(kind: u8, buf: &Buffer, at: usize) -> Option<ValueRef<'_>> {
    Some(match kind {
        0x03 => ValueRef::Document(DocRef::raw(buf, at, length(buf, at)?)),
        0x04 => ValueRef::Array(ArrRef::raw(buf, at, length(buf, at)?)),
        0x05 => ValueRef::Binary(
            *buf.get(at + 4)?,
            BytesRef::part(buf, at + 5, length(buf, at)?),
        ),
        0x06 => ValueRef::Undefined,
        0x07 => ValueRef::ObjectId(take(buf, at)?),
        0x08 => ValueRef::Bool(*buf.get(at)? != 0),
        0x09 => ValueRef::Date(i64::from_le_bytes(take(buf, at)?)),
        0x0a => ValueRef::Null,
        0x0b => {
            let pattern = cstring(buf, at)?;
            let options = cstring(buf, at + pattern + 1)?;
            ValueRef::Regex(
                StrRef::new(BytesRef::part(buf, at, pattern)),
                StrRef::new(BytesRef::part(buf, at + pattern + 1, options)),
            )
        }
        0x0c => {
            let ns = string(buf, at)?;
            ValueRef::DbPointer(ns, take(buf, at + 4 + length(buf, at)?)?)
        }
        0x0d => ValueRef::JavaScript(string(buf, at)?),
        0x0e => ValueRef::Symbol(string(buf, at)?),
        0x0f => {
            let code = string(buf, at + 4)?;
            let scope = at + 8 + length(buf, at + 4)?;
            ValueRef::JavaScriptWithScope(code, DocRef::raw(buf, scope, length(buf, scope)?))
        }
        0x11 => ValueRef::Timestamp(u64::from_le_bytes(take(buf, at)?)),
        0x12 => ValueRef::Int64(i64::from_le_bytes(take(buf, at)?)),
        0x13 => ValueRef::Decimal(Decimal::from_bytes(take(buf, at)?)),
        0xff => ValueRef::MinKey,
        0x7f => ValueRef::MaxKey,
        _ => return None,
    })
}

/// Walks the elements of the document in a run of bytes.
#[derive(Clone)]
pub(super) struct RawIter<'a> {
    buf: &'a Buffer,
    at: usize,
}

impl<'a> RawIter<'a> {
    pub(super) fn new(bytes: BytesRef<'a>) -> Self {
        Self {
            buf: bytes.buffer(),
            at: bytes.start().saturating_add(4),
        }
    }

    #[inline]
    fn step(&mut self) -> Option<(StrRef<'a>, u8, usize)> {
        let bytes: &[u8] = self.buf;
        let rest = bytes.get(self.at..)?;
        let (kind, word) = head(rest)?;
        if kind == 0 {
            return None;
        }
        let len = name_len(word, rest)?;
        let value = self.at + 2 + len;
        let name = BytesRef::part(self.buf, self.at + 1, len);
        self.at = end_of(kind, bytes, value)?;
        Some((StrRef::new(name), kind, value))
    }

    /// The number of elements left.
    pub(super) fn count_rest(mut self) -> usize {
        let mut n = 0;
        while self.step().is_some() {
            n += 1;
        }
        n
    }
}

impl<'a> Iterator for RawIter<'a> {
    type Item = (StrRef<'a>, ValueRef<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, kind, at) = self.step()?;
        Some((name, decode(kind, self.buf, at)?))
    }

    fn nth(&mut self, n: usize) -> Option<Self::Item> {
        for _ in 0..n {
            self.step()?;
        }
        self.next()
    }
}

/// The value of a field, or `Missing`.
#[inline]
pub(super) fn find<'a>(doc: BytesRef<'a>, name: &[u8], needle: Needle) -> ValueRef<'a> {
    seek(doc, name, needle).unwrap_or_default()
}

#[inline]
fn seek<'a>(doc: BytesRef<'a>, name: &[u8], needle: Needle) -> Option<ValueRef<'a>> {
    let buf = doc.buffer();
    let bytes: &[u8] = buf;
    let mut at = doc.start() + 4;
    loop {
        let rest = bytes.get(at..)?;
        let (kind, word) = head(rest)?;
        if kind == 0 {
            return None;
        }
        if needle.is_at(word, rest, || name) {
            return decode(kind, buf, at + 2 + needle.len);
        }
        at = end_of(kind, bytes, at + 2 + name_len(word, rest)?)?;
    }
}

/// The values of several fields, found in one walk; `Missing` stays where there is none.
#[inline]
pub(super) fn pick<'a>(
    doc: BytesRef<'a>,
    wanted: &[Part],
    found: &mut [ValueRef<'a>],
) -> Option<()> {
    let buf = doc.buffer();
    let bytes: &[u8] = buf;
    let (mut at, mut left) = (doc.start() + 4, wanted.len());
    while left > 0 {
        let rest = bytes.get(at..)?;
        let (kind, word) = head(rest)?;
        if kind == 0 {
            return None;
        }
        let value = at + 2 + name_len(word, rest)?;
        for (part, slot) in wanted.iter().zip(&mut *found) {
            // The first field of a name counts, as everywhere.
            if part.needle.is_at(word, rest, || part.name.as_bytes()) && slot.is_missing() {
                *slot = decode(kind, buf, value)?;
                left -= 1;
            }
        }
        at = end_of(kind, bytes, value)?;
    }
    None
}
