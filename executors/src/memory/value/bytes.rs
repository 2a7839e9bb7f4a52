//! Shared runs of bytes: a slice of a stored document's buffer, or a buffer of its own.
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use triomphe::ThinArc;

/// A shared buffer behind one word: the count and the length stand before the bytes, so that values and trees stay small.
#[derive(Clone, PartialEq, Eq)]
pub struct Buffer(ThinArc<(), u8>);

impl Buffer {
    /// Whether two are one buffer.
    pub fn same(a: &Self, b: &Self) -> bool {
        std::ptr::eq(ThinArc::as_ptr(&a.0), ThinArc::as_ptr(&b.0))
    }
}

impl From<&[u8]> for Buffer {
    fn from(bytes: &[u8]) -> Self {
        Self(ThinArc::from_header_and_slice((), bytes))
    }
}

impl Deref for Buffer {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.0.slice
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// An owned, cheaply cloned run of bytes inside a shared buffer.
#[derive(Clone)]
pub struct Bytes {
    buf: Buffer,
    start: u32,
    len: u32,
}

/// A borrowed run of bytes that can become [`Bytes`] without copying.
#[derive(Clone, Copy)]
pub struct BytesRef<'a> {
    buf: &'a Buffer,
    start: u32,
    len: u32,
}

/// Offsets are 32 bits wide: documents end at 16 MiB, so this never saturates in practice.
pub(crate) fn offset(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Back from a stored offset.
pub(crate) fn position(n: u32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

impl Bytes {
    /// Takes over a whole buffer.
    pub fn whole(buf: Buffer) -> Self {
        let len = offset(buf.len());
        Self { buf, start: 0, len }
    }

    /// A part of a buffer; out of range parts read as empty.
    pub fn part(buf: Buffer, start: usize, len: usize) -> Self {
        Self {
            buf,
            start: offset(start),
            len: offset(len),
        }
    }

    /// The bytes themselves.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        self.view().as_slice()
    }

    /// A borrowed view.
    #[inline]
    pub fn view(&self) -> BytesRef<'_> {
        BytesRef {
            buf: &self.buf,
            start: self.start,
            len: self.len,
        }
    }
}

impl<'a> BytesRef<'a> {
    /// A part of a buffer; out of range parts read as empty.
    #[inline]
    pub fn part(buf: &'a Buffer, start: usize, len: usize) -> Self {
        Self {
            buf,
            start: offset(start),
            len: offset(len),
        }
    }

    /// The bytes themselves.
    #[inline]
    pub fn as_slice(self) -> &'a [u8] {
        let start = position(self.start);
        self.buf
            .get(start..start.saturating_add(position(self.len)))
            .unwrap_or(&[])
    }

    /// The shared buffer.
    #[inline]
    pub fn buffer(self) -> &'a Buffer {
        self.buf
    }

    /// Where the run starts in the buffer.
    #[inline]
    pub fn start(self) -> usize {
        position(self.start)
    }

    /// Length in bytes.
    #[inline]
    pub fn len(self) -> usize {
        position(self.len)
    }

    /// Whether there are no bytes.
    pub fn is_empty(self) -> bool {
        self.len == 0
    }

    /// Shares the buffer; copies nothing.
    #[inline]
    pub fn to_bytes(self) -> Bytes {
        Bytes {
            buf: self.buf.clone(),
            start: self.start,
            len: self.len,
        }
    }
}

/// An owned string: UTF-8 in a shared buffer.
#[derive(Clone)]
pub struct Str(Bytes);

/// A borrowed string that can become [`Str`] without copying.
#[derive(Clone, Copy)]
pub struct StrRef<'a>(BytesRef<'a>);

impl Str {
    /// A string of any bytes: only for keys that are compared and never read as text.
    pub(super) fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(Bytes::whole(Buffer::from(bytes.as_slice())))
    }

    /// The text. Buffers are checked when documents enter; a broken one reads as empty.
    #[inline]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.0.as_slice()).unwrap_or_default()
    }

    /// The UTF-8 bytes (no check: prefer this for comparison).
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// A borrowed view.
    #[inline]
    pub fn view(&self) -> StrRef<'_> {
        StrRef(self.0.view())
    }
}

impl<'a> StrRef<'a> {
    /// Wraps bytes known to be UTF-8.
    #[inline]
    pub fn new(bytes: BytesRef<'a>) -> Self {
        Self(bytes)
    }

    /// The text.
    #[inline]
    pub fn as_str(self) -> &'a str {
        std::str::from_utf8(self.0.as_slice()).unwrap_or_default()
    }

    /// The UTF-8 bytes.
    #[inline]
    pub fn as_bytes(self) -> &'a [u8] {
        self.0.as_slice()
    }

    /// Shares the buffer; copies nothing.
    #[inline]
    pub fn to_str(self) -> Str {
        Str(self.0.to_bytes())
    }
}

impl From<&str> for Str {
    fn from(s: &str) -> Self {
        Self(Bytes::whole(Buffer::from(s.as_bytes())))
    }
}

impl From<String> for Str {
    fn from(s: String) -> Self {
        Self(Bytes::whole(Buffer::from(s.as_bytes())))
    }
}

impl From<Arc<str>> for Str {
    fn from(s: Arc<str>) -> Self {
        Self(Bytes::whole(Buffer::from(s.as_bytes())))
    }
}

impl PartialEq for Str {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Str {}

impl PartialEq<str> for Str {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialOrd for Str {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Str {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl std::hash::Hash for Str {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Debug for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_slice(), f)
    }
}
