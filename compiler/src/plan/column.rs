//! Columns and the relations that they come from.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::names::{Name, Path};
use crate::schema::{FieldRef, FieldType, ModelId};

/// Number of a column in its plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ColumnId(pub u32);

/// Number of a source (one use of a collection) in its plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceId(pub u32);

/// Whether a value can be an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ArrayFact {
    /// Never.
    No,
    /// Its content is free (JSON).
    Maybe,
    /// Always, when not null.
    Yes,
}

/// Where a column's value comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Origin {
    /// Stored in the documents of a source.
    Stored {
        /// Which use of which collection.
        source: SourceId,
        /// Keys from the root of the stored document: one, or several into embedded documents.
        path: Path,
        /// The field, if it is one.
        field: Option<FieldRef>,
    },
    /// Computed by an operator of the plan, which says how.
    Computed,
}

/// What is known of a column.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// A name for people and for the stored temporary; unique names are made when lowering.
    pub name: Name,
    /// Type; a foreign key's is that of the key it refers to.
    pub ty: Arc<FieldType>,
    /// Can be NULL (null or missing) where it is defined; a LEFT join can make it NULL later.
    pub nullable: bool,
    /// Can hold an array.
    pub array: ArrayFact,
    /// Where it comes from.
    pub origin: Origin,
}

impl Column {
    /// The key of the documents of a source.
    #[must_use]
    pub fn is_document_key(&self) -> bool {
        matches!(&self.origin, Origin::Stored { path, .. } if matches!(&**path, [key] if *key == "_id"))
    }
}

/// One use of a collection.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// A name for people and for the joined document; unique names are made when lowering.
    pub name: Name,
    /// The model.
    pub model: ModelId,
    /// Its collection.
    pub collection: Name,
    /// Keys of its stored documents, in the order of the fields: new keys of a pipeline avoid them, and a projection
    /// that asks for all of them is left out.
    pub stored: Arc<[Name]>,
}

/// The columns and sources of a plan.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Columns {
    columns: Vec<Column>,
    sources: Vec<Source>,
}

impl Columns {
    /// Adds a column.
    pub fn add(&mut self, column: Column) -> ColumnId {
        self.columns.push(column);
        ColumnId(u32::try_from(self.columns.len() - 1).unwrap_or(u32::MAX))
    }

    /// Makes room for columns that come.
    pub fn reserve(&mut self, count: usize) {
        self.columns.reserve(count);
    }

    /// The id that the next column will have.
    pub fn next_id(&self) -> ColumnId {
        ColumnId(u32::try_from(self.columns.len()).unwrap_or(u32::MAX))
    }

    /// Adds a source.
    pub fn add_source(&mut self, source: Source) -> SourceId {
        self.sources.push(source);
        SourceId(u32::try_from(self.sources.len() - 1).unwrap_or(u32::MAX))
    }

    /// The stored column of a path in a source; the same id each time.
    pub fn stored(
        &mut self,
        source: SourceId,
        path: &Path,
        column: impl FnOnce() -> Column,
    ) -> ColumnId {
        let found = self.columns.iter().position(|c| {
            matches!(&c.origin, Origin::Stored { source: s, path: p, .. } if *s == source && p == path)
        });
        match found.and_then(|i| u32::try_from(i).ok()) {
            Some(i) => ColumnId(i),
            None => self.add(column()),
        }
    }

    /// The stored column of a key at the root of a source's documents, if there is one already.
    #[must_use]
    pub fn find_stored(&self, source: SourceId, key: &str) -> Option<ColumnId> {
        let found = self.columns.iter().position(|c| {
            matches!(&c.origin, Origin::Stored { source: s, path, .. }
                if *s == source && matches!(&**path, [only] if only == key))
        });
        found.and_then(|i| u32::try_from(i).ok()).map(ColumnId)
    }

    /// What is known of a column.
    ///
    /// # Errors
    /// `Internal` for the id of another plan.
    pub fn get(&self, id: ColumnId) -> Result<&Column> {
        self.columns
            .get(id.0 as usize)
            .ok_or_else(|| Error::internal("column id of another plan"))
    }

    /// What is known of a column, to refine it.
    pub fn get_mut(&mut self, id: ColumnId) -> Option<&mut Column> {
        self.columns.get_mut(id.0 as usize)
    }

    /// What is known of a source.
    ///
    /// # Errors
    /// `Internal` for the id of another plan.
    pub fn source(&self, id: SourceId) -> Result<&Source> {
        self.sources
            .get(id.0 as usize)
            .ok_or_else(|| Error::internal("source id of another plan"))
    }

    /// The source of a stored column.
    #[must_use]
    pub fn source_of(&self, id: ColumnId) -> Option<SourceId> {
        match self.columns.get(id.0 as usize).map(|c| &c.origin) {
            Some(Origin::Stored { source, .. }) => Some(*source),
            _ => None,
        }
    }

    /// All columns with their ids.
    pub fn iter(&self) -> impl Iterator<Item = (ColumnId, &Column)> {
        self.columns
            .iter()
            .enumerate()
            .map(|(i, c)| (ColumnId(u32::try_from(i).unwrap_or(u32::MAX)), c))
    }
}
