//! A persistent ordered map: a B+tree with shared nodes.
//!
//! Cloning is one count; a clone is a snapshot that later changes do not touch. A change copies the nodes on its way
//! only while a snapshot shares them. Order comes from the caller, so that keys need not carry it.
use std::cmp::Ordering;
use std::sync::Arc;

/// Entries of a full node.
const FULL: usize = 64;

/// By how many entries a leaf grows.
const STEP: usize = 8;

/// The map.
#[derive(Debug)]
pub struct Tree<K, V> {
    root: Arc<Node<K, V>>,
    len: usize,
}

#[derive(Debug, Clone)]
enum Node<K, V> {
    Leaf(Vec<(K, V)>),
    /// Children with a key not above any of theirs (the first one's key is never looked at).
    Branch(Vec<(K, Arc<Node<K, V>>)>),
}

impl<K, V> Clone for Tree<K, V> {
    fn clone(&self) -> Self {
        Self {
            root: Arc::clone(&self.root),
            len: self.len,
        }
    }
}

impl<K, V> Default for Tree<K, V> {
    fn default() -> Self {
        Self {
            root: Arc::new(Node::Leaf(Vec::new())),
            len: 0,
        }
    }
}

/// The child in which a key belongs.
fn child_of<K, T>(children: &[(K, T)], mut before: impl FnMut(&K) -> bool) -> usize {
    children
        .get(1..)
        .map_or(0, |rest| rest.partition_point(|(k, _)| before(k)))
}

type Split<K, V> = Option<(K, Arc<Node<K, V>>)>;

impl<K: Clone, V: Clone> Tree<K, V> {
    /// The number of entries.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The leaf where a key belongs; `probe` compares a key of the tree with the one looked for.
    #[inline]
    fn leaf(&self, probe: &mut impl FnMut(&K) -> Ordering) -> Option<&[(K, V)]> {
        let mut node = &*self.root;
        loop {
            match node {
                Node::Branch(children) => {
                    let at = child_of(children, |k| probe(k) != Ordering::Greater);
                    node = &children.get(at)?.1;
                }
                Node::Leaf(entries) => return Some(entries),
            }
        }
    }

    /// The value of a key; `probe` compares a key of the tree with the one looked for.
    pub fn get(&self, mut probe: impl FnMut(&K) -> Ordering) -> Option<&V> {
        let entries = self.leaf(&mut probe)?;
        let at = entries.binary_search_by(|(k, _)| probe(k)).ok()?;
        entries.get(at).map(|(_, v)| v)
    }

    /// The last entry that is not greater than what is looked for, or else the first one: where that belongs.
    pub fn floor(&self, mut probe: impl FnMut(&K) -> Ordering) -> Option<(&K, &V)> {
        let entries = self.leaf(&mut probe)?;
        let after = entries.partition_point(|(k, _)| probe(k) != Ordering::Greater);
        entries.get(after.saturating_sub(1)).map(|(k, v)| (k, v))
    }

    /// Inserts or replaces; gives back what was replaced.
    pub fn insert(&mut self, key: K, value: V, order: &impl Fn(&K, &K) -> Ordering) -> Option<V> {
        let (old, split) = insert(&mut self.root, key, value, order);
        if let Some((fence, right)) = split {
            let left = Arc::clone(&self.root);
            self.root = Arc::new(Node::Branch(vec![(fence.clone(), left), (fence, right)]));
        }
        self.len += usize::from(old.is_none());
        old
    }

    /// Removes a key; gives back its value.
    pub fn remove(&mut self, mut probe: impl FnMut(&K) -> Ordering) -> Option<V> {
        let old = remove(&mut self.root, &mut probe)?;
        self.len -= 1;
        loop {
            let only = match &*self.root {
                Node::Branch(children) if children.len() <= 1 => {
                    children.first().map(|(_, c)| Arc::clone(c))
                }
                _ => break,
            };
            self.root = only.unwrap_or_else(|| Arc::new(Node::Leaf(Vec::new())));
        }
        Some(old)
    }

    /// A cursor at the first entry.
    pub fn cursor(&self) -> Cursor<K, V> {
        self.seek(|_| false)
    }

    /// A cursor at the first entry that is not `before`.
    pub fn seek(&self, mut before: impl FnMut(&K) -> bool) -> Cursor<K, V> {
        let mut path = Vec::with_capacity(4);
        let mut node = Arc::clone(&self.root);
        loop {
            let (at, next) = match &*node {
                Node::Branch(children) => {
                    let at = child_of(children, &mut before);
                    (at, children.get(at).map(|(_, c)| Arc::clone(c)))
                }
                Node::Leaf(entries) => (entries.partition_point(|(k, _)| before(k)), None),
            };
            path.push((node, at));
            match next {
                Some(child) => node = child,
                None => return Cursor { path },
            }
        }
    }
}

/// Makes room for one more entry without doubling: leaves are most of what a tree holds.
fn room<T>(entries: &mut Vec<T>) {
    if entries.len() == entries.capacity() {
        entries.reserve_exact(STEP);
    }
}

fn insert<K: Clone, V: Clone>(
    node: &mut Arc<Node<K, V>>,
    key: K,
    value: V,
    order: &impl Fn(&K, &K) -> Ordering,
) -> (Option<V>, Split<K, V>) {
    match Arc::make_mut(node) {
        Node::Leaf(entries) => {
            // Most inserts append: look at the end first.
            let appends = entries
                .last()
                .is_none_or(|(k, _)| order(k, &key) == Ordering::Less);
            let found = if appends {
                Err(entries.len())
            } else {
                entries.binary_search_by(|(k, _)| order(k, &key))
            };
            match found {
                Ok(at) => match entries.get_mut(at) {
                    Some(slot) => (Some(std::mem::replace(slot, (key, value)).1), None),
                    None => (None, None),
                },
                Err(at) if entries.len() < FULL => {
                    room(entries);
                    entries.insert(at, (key, value));
                    (None, None)
                }
                Err(at) if at == entries.len() => {
                    let mut right = Vec::with_capacity(STEP);
                    right.push((key.clone(), value));
                    (None, Some((key, Arc::new(Node::Leaf(right)))))
                }
                Err(at) => {
                    let mut right = entries.split_off(FULL / 2);
                    entries.shrink_to(FULL / 2 + STEP);
                    room(&mut right);
                    if at <= FULL / 2 {
                        entries.insert(at, (key, value));
                    } else {
                        right.insert(at - FULL / 2, (key, value));
                    }
                    (
                        None,
                        right
                            .first()
                            .map(|(k, _)| k.clone())
                            .map(|fence| (fence, Arc::new(Node::Leaf(right)))),
                    )
                }
            }
        }
        Node::Branch(children) => {
            let at = child_of(children, |k| order(k, &key) != Ordering::Greater);
            let Some((_, child)) = children.get_mut(at) else {
                return (None, None);
            };
            let (old, split) = insert(child, key, value, order);
            let Some(new) = split else { return (old, None) };
            children.insert(at + 1, new);
            if children.len() <= FULL {
                return (old, None);
            }
            let keep = if at + 2 == children.len() {
                children.len() - 1
            } else {
                children.len() / 2
            };
            let right = children.split_off(keep);
            let split = right
                .first()
                .map(|(k, _)| k.clone())
                .map(|fence| (fence, Arc::new(Node::Branch(right))));
            (old, split)
        }
    }
}

fn remove<K: Clone, V: Clone>(
    node: &mut Arc<Node<K, V>>,
    probe: &mut impl FnMut(&K) -> Ordering,
) -> Option<V> {
    match Arc::make_mut(node) {
        Node::Leaf(entries) => {
            let at = entries.binary_search_by(|(k, _)| probe(k)).ok()?;
            Some(entries.remove(at).1)
        }
        Node::Branch(children) => {
            let at = child_of(children, |k| probe(k) != Ordering::Greater);
            let (_, child) = children.get_mut(at)?;
            let old = remove(child, probe)?;
            let empty = match &**child {
                Node::Leaf(entries) => entries.is_empty(),
                Node::Branch(inner) => inner.is_empty(),
            };
            if empty {
                children.remove(at);
            }
            Some(old)
        }
    }
}

/// A place between two entries of a snapshot; moves both ways.
#[derive(Debug, Clone)]
pub struct Cursor<K, V> {
    path: Vec<(Arc<Node<K, V>>, usize)>,
}

impl<K, V> Cursor<K, V> {
    /// Steps over the next entry, or back over the previous one.
    #[inline]
    pub fn step(&mut self, back: bool) -> Option<(&K, &V)> {
        if back {
            self.backward()
        } else {
            self.forward()
        }
    }

    /// The entries ahead that lie together; none at the end.
    pub fn run(&mut self) -> &[(K, V)] {
        let beyond = match self.path.last() {
            Some((node, at)) => !matches!(&**node, Node::Leaf(entries) if *at < entries.len()),
            None => true,
        };
        if beyond && !self.next_leaf() {
            return &[];
        }
        match self.path.last().map(|(node, at)| (&**node, *at)) {
            Some((Node::Leaf(entries), at)) => entries.get(at..).unwrap_or_default(),
            _ => &[],
        }
    }

    /// Steps over so many entries of the run.
    pub fn advance(&mut self, n: usize) {
        if let Some((_, at)) = self.path.last_mut() {
            *at += n;
        }
    }

    /// Steps over the next entry and gives it.
    #[inline]
    pub fn forward(&mut self) -> Option<(&K, &V)> {
        let (node, at) = self.path.last()?;
        if !matches!(&**node, Node::Leaf(entries) if *at < entries.len()) && !self.next_leaf() {
            return None;
        }
        let (node, at) = self.path.last_mut()?;
        *at += 1;
        match &**node {
            Node::Leaf(entries) => entries.get(*at - 1).map(|(k, v)| (k, v)),
            Node::Branch(_) => None,
        }
    }

    /// Steps back over the previous entry and gives it.
    pub fn backward(&mut self) -> Option<(&K, &V)> {
        let (_, at) = self.path.last()?;
        if *at == 0 && !self.previous_leaf() {
            return None;
        }
        let (node, at) = self.path.last_mut()?;
        *at = at.checked_sub(1)?;
        match &**node {
            Node::Leaf(entries) => entries.get(*at).map(|(k, v)| (k, v)),
            Node::Branch(_) => None,
        }
    }

    fn next_leaf(&mut self) -> bool {
        let mut depth = self.path.len();
        while depth > 1 {
            depth -= 1;
            let Some((node, at)) = self.path.get_mut(depth - 1) else {
                return false;
            };
            let Node::Branch(children) = &**node else {
                return false;
            };
            if *at + 1 < children.len() {
                *at += 1;
                self.path.truncate(depth);
                return self.descend(false);
            }
        }
        false
    }

    fn previous_leaf(&mut self) -> bool {
        let mut depth = self.path.len();
        while depth > 1 {
            depth -= 1;
            let Some((_, at)) = self.path.get_mut(depth - 1) else {
                return false;
            };
            if *at > 0 {
                *at -= 1;
                self.path.truncate(depth);
                return self.descend(true);
            }
        }
        false
    }

    /// From the branch on top of the path down to a leaf, to its first or last place.
    fn descend(&mut self, last: bool) -> bool {
        loop {
            let Some((node, at)) = self.path.last() else {
                return false;
            };
            let Node::Branch(children) = &**node else {
                return true;
            };
            let Some((_, child)) = children.get(*at) else {
                return false;
            };
            let child = Arc::clone(child);
            let at = match &*child {
                _ if !last => 0,
                Node::Leaf(entries) => entries.len(),
                Node::Branch(inner) => inner.len().saturating_sub(1),
            };
            self.path.push((child, at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        /// The tree is a `BTreeMap` under any history, snapshots keep their contents, and cursors walk both ways.
        #[test]
        fn behaves_as_an_ordered_map(ops in prop::collection::vec((any::<bool>(), 0_u16..600, any::<u8>()), 0..1500)) {
            let mut tree = Tree::default();
            let mut model = BTreeMap::new();
            let mut snapshots = Vec::new();
            for (i, (add, key, value)) in ops.into_iter().enumerate() {
                if add || i % 3 > 0 {
                    prop_assert_eq!(tree.insert(key, value, &u16::cmp), model.insert(key, value));
                } else {
                    prop_assert_eq!(tree.remove(|k| k.cmp(&key)), model.remove(&key));
                }
                if i % 400 == 0 {
                    snapshots.push((tree.clone(), model.clone()));
                }
            }
            snapshots.push((tree, model));
            for (tree, model) in snapshots {
                prop_assert_eq!(tree.len(), model.len());
                let mut cursor = tree.cursor();
                let mut seen = Vec::new();
                while let Some((k, v)) = cursor.forward() {
                    seen.push((*k, *v));
                }
                prop_assert_eq!(&seen, &model.iter().map(|(k, v)| (*k, *v)).collect::<Vec<_>>());
                let mut back = Vec::new();
                while let Some((k, v)) = cursor.backward() {
                    back.push((*k, *v));
                }
                back.reverse();
                prop_assert_eq!(&seen, &back);
                for key in [0_u16, 17, 300, 599] {
                    prop_assert_eq!(tree.get(|k| k.cmp(&key)), model.get(&key));
                    let mut from = tree.seek(|k| *k < key);
                    prop_assert_eq!(from.forward().map(|(k, _)| *k), model.range(key..).next().map(|(k, _)| *k));
                }
            }
        }
    }
}
