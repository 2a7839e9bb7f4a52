//! The entries of an index in their order: a tree of blocks. Cloning makes a snapshot.
use std::cmp::Ordering;

use super::block::{Block, EntryRef};
use super::tree::{Cursor, Tree};

/// Entries in an order that the caller knows.
#[derive(Clone, Debug, Default)]
pub struct Entries {
    blocks: Tree<Block, ()>,
    len: usize,
}

impl Entries {
    /// The number of entries.
    pub fn len(&self) -> usize {
        self.len
    }

    /// The block in which an entry belongs, and its place there.
    fn find(
        &self,
        entry: EntryRef<'_>,
        order: &impl Fn(EntryRef<'_>, EntryRef<'_>) -> Ordering,
    ) -> Option<(Block, usize, bool)> {
        let (block, ()) = self
            .blocks
            .floor(|b| b.get(0).map_or(Ordering::Less, |first| order(first, entry)))?;
        let at = block.partition_point(|e| order(e, entry) == Ordering::Less);
        let there = block
            .get(at)
            .is_some_and(|e| order(e, entry) == Ordering::Equal);
        Some((block.clone(), at, there))
    }

    /// Puts blocks in the place of one.
    fn replace(
        &mut self,
        old: &Block,
        new: impl IntoIterator<Item = Block>,
        order: &impl Fn(EntryRef<'_>, EntryRef<'_>) -> Ordering,
    ) {
        let order = |a: &Block, b: &Block| Block::order(a, b, order);
        let mut new = new.into_iter().peekable();
        // A block with the same first entry takes the old one's place by itself.
        if new.peek().is_none_or(|first| order(first, old).is_ne()) {
            self.blocks.remove(|b| order(b, old));
        }
        for block in new {
            self.blocks.insert(block, (), &order);
        }
    }

    /// Adds the entry of a block that has one.
    pub fn insert(&mut self, one: Block, order: &impl Fn(EntryRef<'_>, EntryRef<'_>) -> Ordering) {
        let Some(entry) = one.get(0) else { return };
        let Some((block, at, there)) = self.find(entry, order) else {
            self.len += 1;
            self.blocks
                .insert(one, (), &|a, b| Block::order(a, b, order));
            return;
        };
        if there {
            return;
        }
        self.len += 1;
        if !block.is_full() {
            self.replace(&block, [block.with(at, entry)], order);
        } else if at == block.len() {
            // Most inserts append: the full block stays as it is.
            self.blocks
                .insert(one, (), &|a, b| Block::order(a, b, order));
        } else {
            let (left, right) = block.halves();
            let half = left.len();
            let both = if at <= half {
                [left.with(at, entry), right]
            } else {
                let right = right.with(at - half, entry);
                [left, right]
            };
            self.replace(&block, both, order);
        }
    }

    /// Takes out the entry that is like that of a block that has one.
    pub fn remove(&mut self, one: &Block, order: &impl Fn(EntryRef<'_>, EntryRef<'_>) -> Ordering) {
        let Some(entry) = one.get(0) else { return };
        if let Some((block, at, true)) = self.find(entry, order) {
            self.len -= 1;
            self.replace(&block, block.without(at), order);
        }
    }

    /// The record of the only entry that is equal to what is looked for; `probe` compares an entry with that.
    pub fn only(&self, probe: impl Fn(EntryRef<'_>) -> Ordering) -> Option<u64> {
        let (block, ()) = self
            .blocks
            .floor(|b| b.get(0).map_or(Ordering::Less, &probe))?;
        let at = block.partition_point(|e| probe(e) == Ordering::Less);
        if let Some(found) = block.get(at)
            && probe(found) == Ordering::Equal
        {
            return Some(found.record());
        }
        // Blocks are told apart by records as well: with an older record it may be in the block before.
        let mut cursor = self.seek(|e| probe(e) == Ordering::Less);
        let found = cursor.forward()?;
        (probe(found) == Ordering::Equal).then(|| found.record())
    }

    /// A cursor at the first entry that is not `before`.
    pub fn seek(&self, mut before: impl FnMut(EntryRef<'_>) -> bool) -> EntryCursor {
        let mut blocks = self.blocks.seek(|b| b.get(0).is_some_and(&mut before));
        // The one before may end with entries that are not.
        blocks.backward();
        let mut cursor = EntryCursor {
            block: blocks.forward().map(|(b, ())| b.clone()),
            blocks,
            at: 0,
        };
        if let Some(block) = &cursor.block {
            cursor.at = block.partition_point(before);
        }
        cursor
    }
}

/// A place between two entries of a snapshot; moves both ways.
#[derive(Debug, Clone)]
pub struct EntryCursor {
    /// Behind the block.
    blocks: Cursor<Block, ()>,
    block: Option<Block>,
    at: usize,
}

impl EntryCursor {
    /// Steps over the next entry, or back over the previous one, and gives it.
    #[inline]
    pub fn step(&mut self, back: bool) -> Option<EntryRef<'_>> {
        if back {
            self.backward()
        } else {
            self.forward()
        }
    }

    /// Steps over the next entry and gives it.
    #[inline]
    pub fn forward(&mut self) -> Option<EntryRef<'_>> {
        if self.at >= self.block.as_ref()?.len() {
            let (next, ()) = self.blocks.forward()?;
            self.block = Some(next.clone());
            self.at = 0;
        }
        self.at += 1;
        self.block.as_ref()?.get(self.at - 1)
    }

    /// Counts the entries from here on for which `inside` holds, until `limit` is reached: `inside` holds for all entries before
    /// some place, and for none after it. Block by block: the result may be more than the limit.
    pub fn count(&mut self, limit: usize, mut inside: impl FnMut(EntryRef<'_>) -> bool) -> usize {
        let mut n = 0;
        while let Some(block) = &self.block {
            let end = block.partition_point(&mut inside);
            n += end.saturating_sub(self.at);
            if end < block.len() || n >= limit {
                break;
            }
            self.block = self.blocks.forward().map(|(b, ())| b.clone());
            self.at = 0;
        }
        n
    }

    /// Steps back over the previous entry and gives it.
    pub fn backward(&mut self) -> Option<EntryRef<'_>> {
        if self.at == 0 {
            self.block.as_ref()?;
            self.blocks.backward()?;
            let previous = self.blocks.backward().map(|(b, ())| b.clone());
            self.blocks.forward();
            let previous = previous?;
            self.at = previous.len();
            self.block = Some(previous);
        }
        self.at -= 1;
        self.block.as_ref()?.get(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::value::{Value, compare};
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn order(a: EntryRef<'_>, b: EntryRef<'_>) -> Ordering {
        let mut both = a.values().zip(b.values());
        both.find_map(|(x, y)| Some(compare(x, y)).filter(|o| o.is_ne()))
            .unwrap_or_else(|| a.record().cmp(&b.record()))
    }

    fn entry(key: u16, record: u64) -> Block {
        // Long texts now and then: blocks that are full early, and offsets that need four bytes.
        let text = "x".repeat(match key % 50 {
            0 => 70_000,
            1 => 3_000,
            n => usize::from(n),
        });
        let values = [Value::Int32(i32::from(key)), Value::str(text)];
        Block::one(values.iter().map(Value::view), record)
    }

    fn seen(e: EntryRef<'_>) -> (u16, u64) {
        let key = e.values().next().and_then(|v| v.as_i64()).unwrap_or(-1);
        (u16::try_from(key).unwrap(), e.record())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        /// The entries are an ordered set under any history, snapshots keep theirs, and cursors walk both ways from anywhere.
        #[test]
        fn behaves_as_an_ordered_set(ops in prop::collection::vec((any::<bool>(), 0_u16..400, 0_u64..3), 0..700)) {
            let mut entries = Entries::default();
            let mut model = BTreeSet::new();
            let mut snapshots = Vec::new();
            for (i, (add, key, record)) in ops.into_iter().enumerate() {
                if add || i % 3 > 0 {
                    entries.insert(entry(key, record), &order);
                    model.insert((key, record));
                } else {
                    entries.remove(&entry(key, record), &order);
                    model.remove(&(key, record));
                }
                if i % 300 == 0 {
                    snapshots.push((entries.clone(), model.clone()));
                }
            }
            snapshots.push((entries, model));
            for (entries, model) in snapshots {
                prop_assert_eq!(entries.len(), model.len());
                for from in [0_u16, 17, 199, 200, 399, 500] {
                    let mut cursor = entries.seek(|e| seen(e).0 < from);
                    let mut ahead = Vec::new();
                    while let Some(e) = cursor.forward() {
                        ahead.push(seen(e));
                    }
                    let expected: Vec<_> = model.range((from, 0)..).copied().collect();
                    prop_assert_eq!(&ahead, &expected);
                    let mut back = Vec::new();
                    while let Some(e) = cursor.backward() {
                        back.push(seen(e));
                    }
                    back.reverse();
                    prop_assert_eq!(back, model.iter().copied().collect::<Vec<_>>());
                    let mut cursor = entries.seek(|e| seen(e).0 < from);
                    let inside = model.range((from, 0)..(from + 90, 0)).count();
                    prop_assert_eq!(cursor.count(usize::MAX, |e| seen(e).0 < from + 90), inside);
                    let mut cursor = entries.seek(|e| seen(e).0 < from);
                    prop_assert!(cursor.count(7, |e| seen(e).0 < from + 90) >= inside.min(7));
                    let mut cursor = entries.seek(|e| seen(e).0 < from);
                    let before = cursor.backward().map(seen);
                    prop_assert_eq!(before, model.range(..(from, 0)).next_back().copied());
                }
            }
        }
    }
}
