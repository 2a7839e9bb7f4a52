//! Runs of index entries in one buffer: nothing is allocated for an entry, and nothing is left free between them.
//!
//! A block never changes. It begins with the number of entries, the width of offsets, and an offset for each entry; an entry is the
//! record in five bytes and then the values.
use std::cmp::Ordering;

use crate::memory::value::{Buffer, ValueRef, pack, unpack};

/// Entries of a full block.
const FULL: usize = 64;
/// A block of large values is full earlier: it is written anew with every change.
const FULL_BYTES: usize = 4096;
/// Bytes of a record id. There are never as many records as that would need.
const RECORD: usize = 5;
const HEADER: usize = 3;

/// A run of entries, at least one.
#[derive(Clone, Debug)]
pub struct Block(Buffer);

/// An entry in its block.
#[derive(Clone, Copy, Debug)]
pub struct EntryRef<'a> {
    buf: &'a Buffer,
    start: usize,
    end: usize,
}

impl<'a> EntryRef<'a> {
    /// The record.
    #[inline]
    pub fn record(self) -> u64 {
        let mut id = [0; 8];
        if let Some(bytes) = self.buf.get(self.start..self.start + RECORD) {
            for (to, from) in id.iter_mut().zip(bytes) {
                *to = *from;
            }
        }
        u64::from_le_bytes(id)
    }

    /// The values, in the order of the index's fields.
    #[inline]
    pub fn values(self) -> Values<'a> {
        Values {
            buf: self.buf,
            at: self.start + RECORD,
            end: self.end,
        }
    }

    fn bytes(self) -> &'a [u8] {
        self.buf.get(self.start..self.end).unwrap_or_default()
    }
}

/// The values of an entry.
#[derive(Clone, Debug)]
pub struct Values<'a> {
    buf: &'a Buffer,
    at: usize,
    end: usize,
}

impl<'a> Iterator for Values<'a> {
    type Item = ValueRef<'a>;

    #[inline]
    fn next(&mut self) -> Option<ValueRef<'a>> {
        if self.at >= self.end {
            return None;
        }
        let (value, end) = unpack(self.buf, self.at)?;
        self.at = end;
        Some(value)
    }
}

impl Block {
    /// A block of one entry.
    pub fn one<'v>(values: impl Iterator<Item = ValueRef<'v>>, record: u64) -> Self {
        let mut entry = Vec::with_capacity(32);
        entry.extend(record.to_le_bytes().into_iter().take(RECORD));
        values.for_each(|v| pack(v, &mut entry));
        Self::of(std::iter::once(entry.as_slice()))
    }

    fn of<'e>(entries: impl Iterator<Item = &'e [u8]> + Clone) -> Self {
        let (count, bytes) = entries
            .clone()
            .fold((0, 0), |(n, bytes), e| (n + 1, bytes + e.len()));
        let wide = HEADER + 2 * count + bytes > usize::from(u16::MAX);
        let table = HEADER + count * if wide { 4 } else { 2 };
        let mut out = Vec::with_capacity(table + bytes);
        // No block has as many entries as would not fit.
        out.extend_from_slice(&u16::try_from(count).unwrap_or(u16::MAX).to_le_bytes());
        out.push(u8::from(wide));
        let mut at = table;
        for entry in entries.clone() {
            let offset = u32::try_from(at).unwrap_or(u32::MAX).to_le_bytes();
            out.extend(offset.into_iter().take(if wide { 4 } else { 2 }));
            at += entry.len();
        }
        entries.for_each(|e| out.extend_from_slice(e));
        Self(Buffer::from(out.as_slice()))
    }

    /// The number of entries.
    #[inline]
    pub fn len(&self) -> usize {
        let count = self.0.first_chunk().copied().unwrap_or_default();
        usize::from(u16::from_le_bytes(count))
    }

    #[inline]
    fn offset(&self, at: usize) -> Option<usize> {
        let bytes: &[u8] = &self.0;
        if *bytes.get(2)? == 0 {
            let offset = bytes.get(HEADER + 2 * at..)?.first_chunk()?;
            return Some(usize::from(u16::from_le_bytes(*offset)));
        }
        let offset = bytes.get(HEADER + 4 * at..)?.first_chunk()?;
        usize::try_from(u32::from_le_bytes(*offset)).ok()
    }

    /// The entry at a place.
    #[inline]
    pub fn get(&self, at: usize) -> Option<EntryRef<'_>> {
        let count = self.len();
        if at >= count {
            return None;
        }
        Some(EntryRef {
            buf: &self.0,
            start: self.offset(at)?,
            end: if at + 1 < count {
                self.offset(at + 1)?
            } else {
                self.0.len()
            },
        })
    }

    /// The order of the first entries of two blocks.
    pub fn order(
        a: &Self,
        b: &Self,
        order: &impl Fn(EntryRef<'_>, EntryRef<'_>) -> Ordering,
    ) -> Ordering {
        match (a.get(0), b.get(0)) {
            (Some(a), Some(b)) => order(a, b),
            (a, b) => a.is_some().cmp(&b.is_some()),
        }
    }

    /// The number of entries at the beginning for which `before` holds.
    #[inline]
    pub fn partition_point(&self, mut before: impl FnMut(EntryRef<'_>) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.get(middle).is_some_and(&mut before) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Whether another entry would be too much.
    pub fn is_full(&self) -> bool {
        let count = self.len();
        count >= FULL || count > 1 && self.0.len() >= FULL_BYTES
    }

    fn entries(&self) -> impl Iterator<Item = &[u8]> + Clone {
        (0..self.len()).filter_map(|at| self.get(at).map(EntryRef::bytes))
    }

    /// With one more entry at a place.
    pub fn with(&self, at: usize, entry: EntryRef<'_>) -> Self {
        let before = self.entries().take(at);
        Self::of(
            before
                .chain(std::iter::once(entry.bytes()))
                .chain(self.entries().skip(at)),
        )
    }

    /// Without the entry at a place; nothing if it was the last one.
    pub fn without(&self, at: usize) -> Option<Self> {
        let rest = self.entries().take(at).chain(self.entries().skip(at + 1));
        (self.len() > 1).then(|| Self::of(rest))
    }

    /// In two.
    pub fn halves(&self) -> (Self, Self) {
        let half = self.len() / 2;
        (
            Self::of(self.entries().take(half)),
            Self::of(self.entries().skip(half)),
        )
    }
}
