//! Sets of columns and sources.

use super::super::{ColumnId, SourceId};
use crate::bits::Bits;

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
