//! Storage: persistent trees of records and index entries, and the state of all databases.
//!
//! Everything here is copied on write: whoever holds a clone reads a snapshot that nobody changes.
mod block;
mod collection;
mod entries;
mod index;
mod tree;

use std::cmp::Ordering;
use std::sync::Arc;

pub use block::EntryRef;
pub use collection::{Collection, CollectionOptions};
pub use entries::EntryCursor;
pub use index::{Index, IndexField, IndexKey, IndexSpec};
pub use tree::{Cursor, Tree};

type Name = (Arc<str>, Arc<str>);

/// All collections of all databases.
#[derive(Clone, Debug, Default)]
pub struct State {
    collections: Tree<Name, Arc<Collection>>,
}

fn probe<'a>(db: &'a str, name: &'a str) -> impl Fn(&Name) -> Ordering + 'a {
    move |k| (*k.0).cmp(db).then_with(|| (*k.1).cmp(name))
}

impl State {
    /// A collection (or view).
    pub fn get(&self, db: &str, name: &str) -> Option<&Arc<Collection>> {
        self.collections.get(probe(db, name))
    }

    /// Puts a collection in place of the one of its name.
    pub fn put(&mut self, db: &str, name: &str, collection: Arc<Collection>) {
        self.collections
            .insert((Arc::from(db), Arc::from(name)), collection, &Name::cmp);
    }

    /// Takes a collection out; it is not shared with this state any more.
    pub fn take(&mut self, db: &str, name: &str) -> Option<Arc<Collection>> {
        self.collections.remove(probe(db, name))
    }

    /// The collections of one database, or of all: database, name, collection.
    pub fn list(&self, db: Option<&str>) -> Vec<(Arc<str>, Arc<str>, Arc<Collection>)> {
        let mut cursor = self.collections.cursor();
        let mut out = Vec::new();
        while let Some(((d, n), c)) = cursor.forward() {
            if db.is_none_or(|wanted| **d == *wanted) {
                out.push((Arc::clone(d), Arc::clone(n), Arc::clone(c)));
            }
        }
        out
    }
}
