//! Server commands.

use bson::Document;

use super::{Expr, Filter, Projection, SortOrder, Stage};
use crate::queryset::Hint;

/// One command to the server.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// `find`.
    Find(Box<Find>),
    /// `aggregate`; without a collection on the database itself.
    Aggregate {
        /// Collection.
        collection: Option<String>,
        /// Stages.
        pipeline: Vec<Stage>,
        /// Options.
        hint: Option<Box<Hint>>,
    },
    /// `count`.
    Count {
        /// Collection.
        collection: String,
        /// Filter.
        filter: Filter,
        /// Counting stops there.
        limit: Option<u64>,
        /// Rows left out.
        skip: u64,
        /// Options.
        hint: Option<Box<Hint>>,
    },
    /// `insert`.
    Insert {
        /// Collection.
        collection: String,
        /// Documents.
        documents: Vec<Document>,
        /// The parameter that is the last of the consecutive numbers which documents without `_id` get as theirs.
        keys: Option<u32>,
        /// Stop at the first error.
        ordered: bool,
    },
    /// `update` with one or several models.
    Update {
        /// Collection.
        collection: String,
        /// Updates in order.
        updates: Vec<UpdateModel>,
        /// Stop at the first error.
        ordered: bool,
        /// Options.
        hint: Option<Box<Hint>>,
    },
    /// `delete`.
    Delete {
        /// Collection.
        collection: String,
        /// Which documents.
        filter: Filter,
        /// At most one.
        one: bool,
        /// Options.
        hint: Option<Box<Hint>>,
    },
    /// `findAndModify`.
    FindAndModify {
        /// Collection.
        collection: String,
        /// Which document.
        filter: Filter,
        /// What becomes of it.
        update: WriteModel,
        /// Insert one if there is none.
        upsert: bool,
        /// Return the new document.
        new: bool,
    },
    /// `create`, `collMod` or `createIndexes`, as it stands.
    Define(Box<Document>),
}

impl Command {
    /// Its options.
    pub(crate) fn hint(&self) -> Option<&Hint> {
        match self {
            Command::Find(find) => find.hint.as_deref(),
            Command::Aggregate { hint, .. }
            | Command::Count { hint, .. }
            | Command::Update { hint, .. }
            | Command::Delete { hint, .. } => hint.as_deref(),
            Command::Insert { .. } | Command::FindAndModify { .. } | Command::Define(_) => None,
        }
    }

    /// The parameter whose value is the last of the keys that new documents get.
    pub(crate) fn keys(&self) -> Option<u32> {
        match self {
            Command::Insert { keys, .. } => *keys,
            Command::Update { updates, .. } => updates.iter().find_map(|u| u.key),
            _ => None,
        }
    }

    /// Changes documents, or what collections are.
    #[must_use]
    pub fn writes(&self) -> bool {
        matches!(
            self,
            Command::Insert { .. }
                | Command::Update { .. }
                | Command::Delete { .. }
                | Command::FindAndModify { .. }
                | Command::Define(_)
        )
    }
}

/// A `find` command.
#[derive(Debug, Clone, PartialEq)]
pub struct Find {
    /// Collection.
    pub collection: String,
    /// Filter.
    pub filter: Filter,
    /// Projection; empty for whole documents.
    pub projection: Vec<(String, Projection)>,
    /// Sort.
    pub sort: Vec<(String, SortOrder)>,
    /// Rows left out.
    pub skip: u64,
    /// Rows at most.
    pub limit: Option<u64>,
    /// Options.
    pub hint: Option<Box<Hint>>,
}

/// One update of an `update` command.
#[derive(Debug, Clone, PartialEq)]
pub struct UpdateModel {
    /// Which documents.
    pub filter: Filter,
    /// What becomes of them.
    pub update: WriteModel,
    /// All of them, not just the first.
    pub multi: bool,
    /// Insert one if there is none.
    pub upsert: bool,
    /// The parameter that is the last of the consecutive numbers which the inserted documents of a command get as `_id`.
    pub key: Option<u32>,
}

/// What an update does.
#[derive(Debug, Clone, PartialEq)]
pub enum WriteModel {
    /// Update operators: `$set`, `$setOnInsert`, ...
    Operators(Document),
    /// A pipeline of `$set` stages.
    Pipeline(Vec<Vec<(String, Expr)>>),
}
