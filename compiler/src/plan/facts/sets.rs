//! Sets of columns and sources.

use super::super::{ColumnId, SourceId};

/// The first 64 in place, which is all that most plans have; the others in words of their own.
#[derive(Debug, Clone, Default)]
struct Bits {
    first: u64,
    others: Vec<u64>,
}

impl Bits {
    /// The word of a number after the first one, and the bit in it.
    fn slot(id: u32) -> (Option<usize>, u64) {
        (((id / 64) as usize).checked_sub(1), 1 << (id % 64))
    }

    fn word(&self, word: Option<usize>) -> u64 {
        match word {
            None => self.first,
            Some(i) => self.others.get(i).copied().unwrap_or(0),
        }
    }

    fn insert(&mut self, id: u32) -> bool {
        let (word, bit) = Self::slot(id);
        let word = match word {
            None => &mut self.first,
            Some(i) => {
                if i >= self.others.len() {
                    self.others.resize(i + 1, 0);
                }
                match self.others.get_mut(i) {
                    Some(word) => word,
                    None => return false,
                }
            }
        };
        let fresh = *word & bit == 0;
        *word |= bit;
        fresh
    }

    fn remove(&mut self, id: u32) {
        let (word, bit) = Self::slot(id);
        let word = match word {
            None => Some(&mut self.first),
            Some(i) => self.others.get_mut(i),
        };
        if let Some(word) = word {
            *word &= !bit;
        }
    }

    fn contains(&self, id: u32) -> bool {
        let (word, bit) = Self::slot(id);
        self.word(word) & bit != 0
    }

    fn union(&mut self, other: &Bits) {
        self.first |= other.first;
        if other.others.len() > self.others.len() {
            self.others.resize(other.others.len(), 0);
        }
        for (a, b) in self.others.iter_mut().zip(&other.others) {
            *a |= b;
        }
    }

    fn intersect(&mut self, other: &Bits) {
        self.first &= other.first;
        for (i, a) in self.others.iter_mut().enumerate() {
            *a &= other.word(Some(i));
        }
    }

    fn subtract(&mut self, other: &Bits) {
        self.first &= !other.first;
        for (a, b) in self.others.iter_mut().zip(&other.others) {
            *a &= !b;
        }
    }

    fn is_empty(&self) -> bool {
        self.first == 0 && self.others.iter().all(|w| *w == 0)
    }

    fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        let words = std::iter::once(self.first).chain(self.others.iter().copied());
        words.zip(0_u32..).flat_map(|(mut word, i)| {
            std::iter::from_fn(move || {
                let bit = word.trailing_zeros();
                // Clears the lowest bit; there is none left in 0.
                word &= word.checked_sub(1)?;
                Some(i * 64 + bit)
            })
        })
    }
}

impl PartialEq for Bits {
    fn eq(&self, other: &Self) -> bool {
        let n = self.others.len().max(other.others.len());
        self.first == other.first && (0..n).all(|i| self.word(Some(i)) == other.word(Some(i)))
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
