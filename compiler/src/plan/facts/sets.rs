//! Sets of columns and sources.

use super::super::{ColumnId, SourceId};

#[derive(Debug, Clone, Default)]
struct Bits(Vec<u64>);

impl Bits {
    fn slot(id: u32) -> (usize, u64) {
        ((id / 64) as usize, 1 << (id % 64))
    }

    fn insert(&mut self, id: u32) -> bool {
        let (word, bit) = Self::slot(id);
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        match self.0.get_mut(word) {
            Some(w) => {
                let fresh = *w & bit == 0;
                *w |= bit;
                fresh
            }
            None => false,
        }
    }

    fn remove(&mut self, id: u32) {
        let (word, bit) = Self::slot(id);
        if let Some(w) = self.0.get_mut(word) {
            *w &= !bit;
        }
    }

    fn contains(&self, id: u32) -> bool {
        let (word, bit) = Self::slot(id);
        self.0.get(word).is_some_and(|w| w & bit != 0)
    }

    fn union(&mut self, other: &Bits) {
        if other.0.len() > self.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (a, b) in self.0.iter_mut().zip(&other.0) {
            *a |= b;
        }
    }

    fn intersect(&mut self, other: &Bits) {
        for (i, a) in self.0.iter_mut().enumerate() {
            *a &= other.0.get(i).copied().unwrap_or(0);
        }
    }

    fn subtract(&mut self, other: &Bits) {
        for (a, b) in self.0.iter_mut().zip(&other.0) {
            *a &= !b;
        }
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|w| *w == 0)
    }

    fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().enumerate().flat_map(|(i, word)| {
            let base = u32::try_from(i * 64).unwrap_or(u32::MAX);
            (0..64u32)
                .filter(move |bit| word & (1 << bit) != 0)
                .map(move |bit| base + bit)
        })
    }
}

impl PartialEq for Bits {
    fn eq(&self, other: &Self) -> bool {
        let n = self.0.len().max(other.0.len());
        (0..n).all(|i| self.0.get(i).unwrap_or(&0) == other.0.get(i).unwrap_or(&0))
    }
}

impl Eq for Bits {}

macro_rules! set {
    ($(#[$doc:meta])* $name:ident of $id:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct $name(Bits);

        impl $name {
            /// An empty set.
            #[must_use]
            pub fn new() -> Self {
                Self::default()
            }
            /// Adds an element; whether it is new.
            pub fn insert(&mut self, id: $id) -> bool {
                self.0.insert(id.0)
            }
            /// Removes an element.
            pub fn remove(&mut self, id: $id) {
                self.0.remove(id.0);
            }
            /// Whether it is an element.
            #[must_use]
            pub fn contains(&self, id: $id) -> bool {
                self.0.contains(id.0)
            }
            /// Adds all elements of another set.
            pub fn union(&mut self, other: &Self) {
                self.0.union(&other.0);
            }
            /// Keeps only the elements of another set.
            pub fn intersect(&mut self, other: &Self) {
                self.0.intersect(&other.0);
            }
            /// Removes the elements of another set.
            pub fn subtract(&mut self, other: &Self) {
                self.0.subtract(&other.0);
            }
            /// Whether there is no element.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.0.is_empty()
            }
            /// The elements in the order of their numbers.
            pub fn iter(&self) -> impl Iterator<Item = $id> + '_ {
                self.0.iter().map($id)
            }
        }

        impl FromIterator<$id> for $name {
            fn from_iter<T: IntoIterator<Item = $id>>(ids: T) -> Self {
                let mut set = Self::new();
                for id in ids {
                    set.insert(id);
                }
                set
            }
        }
    };
}

set! {
    /// A set of columns.
    ColumnSet of ColumnId
}
set! {
    /// A set of sources.
    SourceSet of SourceId
}
