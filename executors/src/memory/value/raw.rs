//! Reading BSON bytes in place. Bytes are checked when they enter the engine; here a malformed element ends the walk.
use super::{ArrRef, Buffer, BytesRef, Decimal, DocRef, StrRef, ValueRef};

fn take<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn length(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(i32::from_le_bytes(take(bytes, at)?)).ok()
}

#[inline]
fn cstring(bytes: &[u8], at: usize) -> Option<usize> {
    bytes.get(at..)?.iter().position(|b| *b == 0)
}

/// How many bytes the value at `at` takes.
#[inline]
fn width(kind: u8, bytes: &[u8], at: usize) -> Option<usize> {
    Some(match kind {
        0x10 => 4,
        0x01 | 0x09 | 0x11 | 0x12 => 8,
        0x08 => 1,
        0x06 | 0x0a | 0xff | 0x7f => 0,
        0x07 => 12,
        0x13 => 16,
        0x02 | 0x0d | 0x0e => length(bytes, at)?.checked_add(4)?,
        0x03 | 0x04 | 0x0f => length(bytes, at)?,
        0x05 => length(bytes, at)?.checked_add(5)?,
        0x0b => {
            let pattern = cstring(bytes, at)?;
            pattern + 2 + cstring(bytes, at + pattern + 1)?
        }
        0x0c => length(bytes, at)?.checked_add(16)?,
        _ => return None,
    })
}

fn string(buf: &Buffer, at: usize) -> Option<StrRef<'_>> {
    let len = length(buf, at)?.checked_sub(1)?;
    Some(StrRef::new(BytesRef::part(buf, at + 4, len)))
}

fn decode(kind: u8, buf: &Buffer, at: usize) -> Option<ValueRef<'_>> {
    Some(match kind {
        0x01 => ValueRef::Double(f64::from_le_bytes(take(buf, at)?)),
        0x02 => ValueRef::Str(string(buf, at)?),
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
        0x10 => ValueRef::Int32(i32::from_le_bytes(take(buf, at)?)),
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

    fn step(&mut self) -> Option<(StrRef<'a>, u8, usize)> {
        let kind = *self.buf.get(self.at)?;
        if kind == 0 {
            return None;
        }
        let start = self.at + 1;
        let len = cstring(self.buf, start)?;
        let value = start + len + 1;
        self.at = value.checked_add(width(kind, self.buf, value)?)?;
        Some((
            StrRef::new(BytesRef::part(self.buf, start, len)),
            kind,
            value,
        ))
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
pub(super) fn find<'a>(bytes: BytesRef<'a>, key: &[u8]) -> ValueRef<'a> {
    let buf = bytes.buffer();
    let mut at = bytes.start().saturating_add(4);
    loop {
        let Some(&kind) = buf.get(at) else {
            return ValueRef::Missing;
        };
        if kind == 0 {
            return ValueRef::Missing;
        }
        let Some(len) = cstring(buf, at + 1) else {
            return ValueRef::Missing;
        };
        let value = at + 2 + len;
        if len == key.len() && buf.get(at + 1..at + 1 + len) == Some(key) {
            return decode(kind, buf, value).unwrap_or_default();
        }
        let Some(w) = width(kind, buf, value) else {
            return ValueRef::Missing;
        };
        at = value + w;
    }
}
