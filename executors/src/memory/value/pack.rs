//! Values without names, packed one after the other: what indexes keep.
use super::{Buffer, BytesRef, StrRef, ValueRef, encode, raw};

/// A string of less than 64 KiB: two bytes of length, no zero at its end. All other values are as in BSON.
const SHORT: u8 = 0x82;

/// Appends a value: its type and its bytes. Missing becomes null.
pub fn pack(value: ValueRef<'_>, out: &mut Vec<u8>) {
    if let ValueRef::Str(s) = value
        && let Ok(len) = u16::try_from(s.as_bytes().len())
    {
        out.push(SHORT);
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(s.as_bytes());
        return;
    }
    out.push(encode::kind(value));
    encode::body(value, out);
}

/// The value that [`pack`] has put at a place of a buffer, and where it ends.
#[inline]
pub fn unpack(buf: &Buffer, at: usize) -> Option<(ValueRef<'_>, usize)> {
    let bytes: &[u8] = buf;
    let kind = *bytes.get(at)?;
    if kind == SHORT {
        let len = usize::from(u16::from_le_bytes(*bytes.get(at + 1..)?.first_chunk()?));
        let text = StrRef::new(BytesRef::part(buf, at + 3, len));
        return Some((ValueRef::Str(text), at + 3 + len));
    }
    let end = raw::end_of(kind, bytes, at + 1)?;
    Some((raw::decode(kind, buf, at + 1)?, end))
}
