//! Reading a collection: all of it, or by an index.
use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering as Atomic};

use super::Range;
use crate::memory::error::EngineError;
use crate::memory::expr::Env;
use crate::memory::filter::Filter;
use crate::memory::stage::{Stage, Visit};
use crate::memory::storage::{Collection, Cursor, EntryCursor, EntryRef, Index, IndexSpec};
use crate::memory::value::{Buffer, DocRef, Document, Value, ValueRef, compare};

/// Counts what a command reads, for `explain`.
#[derive(Debug, Default)]
pub struct Examined {
    /// Documents.
    pub documents: AtomicU64,
    /// Index entries.
    pub keys: AtomicU64,
}

#[inline]
fn passes(
    filters: &[Arc<Filter>],
    doc: DocRef<'_>,
    env: &mut Env<'_>,
) -> Result<bool, EngineError> {
    for filter in filters {
        if !filter.matches(doc, env)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Every document that passes the filters, in order of insertion or its reverse.
pub struct CollectionScan {
    cursor: Cursor<u64, Buffer>,
    reverse: bool,
    filters: Vec<Arc<Filter>>,
    examined: Option<Arc<Examined>>,
}

impl CollectionScan {
    /// A scan of a snapshot.
    pub fn new(
        collection: &Collection,
        reverse: bool,
        filters: Vec<Arc<Filter>>,
        examined: Option<Arc<Examined>>,
    ) -> Self {
        let filters = filters.into_iter().filter(|f| !f.is_all()).collect();
        Self {
            cursor: if reverse {
                collection.cursor_at_end()
            } else {
                collection.cursor()
            },
            reverse,
            filters,
            examined,
        }
    }

    /// The next record that passes.
    ///
    /// # Errors
    /// What the filters give.
    pub fn next_record(
        &mut self,
        env: &mut Env<'_>,
    ) -> Result<Option<(u64, Document)>, EngineError> {
        while let Some((record, raw)) = self.cursor.step(self.reverse) {
            env.tick()?;
            if let Some(examined) = &self.examined {
                examined.documents.fetch_add(1, Atomic::Relaxed);
            }
            if passes(&self.filters, DocRef::whole(raw), env)? {
                return Ok(Some((*record, Document::from_raw(raw.clone()))));
            }
        }
        Ok(None)
    }
}

impl Stage for CollectionScan {
    fn next(&mut self, env: &mut Env<'_>) -> Result<Option<Document>, EngineError> {
        Ok(self.next_record(env)?.map(|(_, doc)| doc))
    }

    fn each(&mut self, env: &mut Env<'_>, f: Visit<'_>) -> Result<(), EngineError> {
        if self.reverse {
            while let Some((_, doc)) = self.next_record(env)? {
                f(doc.view(), env)?;
            }
            return Ok(());
        }
        loop {
            let run = self.cursor.run();
            let n = run.len();
            if n == 0 {
                return Ok(());
            }
            if let Some(examined) = &self.examined {
                let n = u64::try_from(n).unwrap_or(u64::MAX);
                examined.documents.fetch_add(n, Atomic::Relaxed);
            }
            for (_, raw) in run {
                env.tick()?;
                let doc = DocRef::whole(raw);
                if passes(&self.filters, doc, env)? {
                    f(doc, env)?;
                }
            }
            self.cursor.advance(n);
        }
    }
}

/// The documents behind the entries of an index within ranges.
pub struct IndexScan {
    collection: Arc<Collection>,
    index: usize,
    ranges: std::vec::IntoIter<Range>,
    current: Option<(Range, EntryCursor)>,
    reverse: bool,
    seen: Option<HashSet<u64>>,
    ahead: Option<Ahead>,
    filters: Vec<Arc<Filter>>,
    examined: Option<Arc<Examined>>,
}

/// Records that are read in their own order, which is that of the documents in memory: entries are gathered some time ahead,
/// first few and then more and more, so that whoever stops early has not paid for much.
struct Ahead {
    size: usize,
    records: std::vec::IntoIter<u64>,
}

impl Ahead {
    /// Entries that are read as they come before any are gathered.
    const FIRST: usize = 256;
    /// Entries gathered at a time.
    const MOST: usize = 65_536;
}

/// Where an entry lies relative to a range, in the index's order.
fn locate(index: &Index, range: &Range, entry: EntryRef<'_>) -> Ordering {
    locate_key(&index.spec, range, entry.values())
}

/// Where a key lies relative to a range, in the index's order.
pub fn locate_key<'v>(
    spec: &IndexSpec,
    range: &Range,
    key: impl Iterator<Item = ValueRef<'v>> + Clone,
) -> Ordering {
    if let Some(between) = &range.between {
        let order = |end: &[Value]| {
            let mut both = key.clone().zip(end).zip(&spec.fields);
            let differ = both.find_map(|((v, end), field)| {
                let order = compare(v, end.view());
                let order = if field.ascending {
                    order
                } else {
                    order.reverse()
                };
                order.is_ne().then_some(order)
            });
            differ.unwrap_or(Ordering::Equal)
        };
        return match (&between.min, &between.max) {
            (Some(min), _) if order(min).is_lt() => Ordering::Less,
            (_, Some(max)) if order(max).is_ge() => Ordering::Greater,
            _ => Ordering::Equal,
        };
    }
    let mut fields = key.zip(&spec.fields);
    for wanted in &range.prefix {
        let Some((v, field)) = fields.next() else {
            return Ordering::Equal;
        };
        let order = compare(v, wanted.view());
        if order != Ordering::Equal {
            return if field.ascending {
                order
            } else {
                order.reverse()
            };
        }
    }
    match (&range.interval, fields.next()) {
        (Some(interval), Some((v, field))) => {
            let order = interval.locate(v);
            if field.ascending {
                order
            } else {
                order.reverse()
            }
        }
        _ => Ordering::Equal,
    }
}

/// The number of entries within ranges, counted up to a limit. A range counts as one if there is nothing in it.
pub(super) fn entries(index: &Index, ranges: &[Range], limit: usize) -> usize {
    let mut n = 0;
    for range in ranges {
        let mut cursor = index.seek(|e| locate(index, range, e) == Ordering::Less);
        let inside = |e: EntryRef<'_>| locate(index, range, e) != Ordering::Greater;
        n += cursor.count(limit - n, inside).max(1);
        if n >= limit {
            break;
        }
    }
    n
}

impl IndexScan {
    /// A scan of a snapshot.
    pub fn new(
        collection: Arc<Collection>,
        index: usize,
        mut ranges: Vec<Range>,
        reverse: bool,
        ordered: bool,
        filters: Vec<Arc<Filter>>,
        examined: Option<Arc<Examined>>,
    ) -> Self {
        if reverse {
            ranges.reverse();
        }
        let multikey = collection.indexes().get(index).is_some_and(|i| i.multikey);
        let seen = multikey.then(HashSet::new);
        Self {
            collection,
            index,
            ranges: ranges.into_iter(),
            current: None,
            reverse,
            seen,
            ahead: (!ordered).then(|| Ahead {
                size: 0,
                records: Vec::new().into_iter(),
            }),
            filters,
            examined,
        }
    }

    /// The record of the next entry, or of the next of those gathered.
    fn next_gathered(&mut self, env: &mut Env<'_>) -> Result<Option<u64>, EngineError> {
        let Some(ahead) = &mut self.ahead else {
            return Ok(self.next_entry());
        };
        if let Some(record) = ahead.records.next() {
            return Ok(Some(record));
        }
        if ahead.size < Ahead::FIRST {
            ahead.size += 1;
            return Ok(self.next_entry());
        }
        ahead.size = (ahead.size * 2).min(Ahead::MOST);
        let size = ahead.size;
        let mut records = Vec::with_capacity(size);
        while records.len() < size
            && let Some(record) = self.next_entry()
        {
            env.tick()?;
            records.push(record);
        }
        records.sort_unstable();
        let mut records = records.into_iter();
        let first = records.next();
        if let Some(ahead) = &mut self.ahead {
            ahead.records = records;
        }
        Ok(first)
    }

    fn next_entry(&mut self) -> Option<u64> {
        let index = self.collection.indexes().get(self.index)?;
        loop {
            if let Some((range, cursor)) = &mut self.current {
                match cursor.step(self.reverse) {
                    Some(entry) if locate(index, range, entry) == Ordering::Equal => {
                        if let Some(examined) = &self.examined {
                            examined.keys.fetch_add(1, Atomic::Relaxed);
                        }
                        return Some(entry.record());
                    }
                    _ => self.current = None,
                }
            }
            let range = self.ranges.next()?;
            let last = if self.reverse {
                Ordering::Equal
            } else {
                Ordering::Less
            };
            let cursor = index.seek(|e| locate(index, &range, e) <= last);
            self.current = Some((range, cursor));
        }
    }

    /// The next record that passes.
    ///
    /// # Errors
    /// What the filters give.
    pub fn next_record(
        &mut self,
        env: &mut Env<'_>,
    ) -> Result<Option<(u64, Document)>, EngineError> {
        while let Some(record) = self.next_unseen(env)? {
            if let Some(raw) = self.collection.raw(record)
                && passes(&self.filters, DocRef::whole(raw), env)?
            {
                return Ok(Some((record, Document::from_raw(raw.clone()))));
            }
        }
        Ok(None)
    }

    /// The next record that was not given before.
    #[inline]
    fn next_unseen(&mut self, env: &mut Env<'_>) -> Result<Option<u64>, EngineError> {
        while let Some(record) = self.next_gathered(env)? {
            env.tick()?;
            if let Some(seen) = &mut self.seen
                && !seen.insert(record)
            {
                continue;
            }
            if let Some(examined) = &self.examined {
                examined.documents.fetch_add(1, Atomic::Relaxed);
            }
            return Ok(Some(record));
        }
        Ok(None)
    }
}

impl Stage for IndexScan {
    fn next(&mut self, env: &mut Env<'_>) -> Result<Option<Document>, EngineError> {
        Ok(self.next_record(env)?.map(|(_, doc)| doc))
    }

    fn each(&mut self, env: &mut Env<'_>, f: Visit<'_>) -> Result<(), EngineError> {
        while let Some(record) = self.next_unseen(env)? {
            if let Some(raw) = self.collection.raw(record) {
                let doc = DocRef::whole(raw);
                if passes(&self.filters, doc, env)? {
                    f(doc, env)?;
                }
            }
        }
        Ok(())
    }
}
