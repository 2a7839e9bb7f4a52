//! What goes with the rows that a `delete()` finds.
//!
//! Decided from the schema alone: which models refer to which, and what their `on_delete` says. The documents
//! themselves are found when the program runs.

use bson::Bson;

use crate::program::RefusalRule;

/// Everything that a `delete()` takes along, changes or is refused for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Deletion {
    /// Models whose documents go. The first is the statement's own.
    pub sets: Vec<DeletedSet>,
    /// References that are set to another value instead.
    pub detached: Vec<Detached>,
    /// References that forbid the whole statement.
    pub guards: Vec<Guard>,
}

/// Documents of one model that go.
#[derive(Debug, Clone, PartialEq)]
pub struct DeletedSet {
    /// Label of the model.
    pub label: String,
    /// Collection.
    pub collection: String,
    /// Where they are found, beside the rows of the statement.
    pub origins: Vec<DeletedBy>,
    /// Columns beside `_id` that references to the model hold.
    pub keep: Vec<String>,
    /// Others depend on which documents these are, so they have to be found first.
    pub needed: bool,
}

/// Why documents go.
#[derive(Debug, Clone, PartialEq)]
pub enum DeletedBy {
    /// They refer to documents that go.
    Reference(Reference),
    /// They are the part of such documents that a parent model stores, under the key that is stored in this column.
    Parent {
        /// Number of the set of the children.
        of: usize,
        /// Column of the children.
        column: String,
    },
}

/// A reference to documents that go.
#[derive(Debug, Clone, PartialEq)]
pub struct Reference {
    /// Number of the set that is referred to.
    pub of: usize,
    /// Own column, and the column of that set that it holds: several for a reference of several columns.
    pub columns: Vec<(String, String)>,
    /// Only documents that have this value in this column (the content type of a generic relation).
    pub only: Option<(String, Bson)>,
    /// The columns are stored by a parent model.
    pub part: Option<ParentPart>,
}

/// The part of documents that a parent model stores.
#[derive(Debug, Clone, PartialEq)]
pub struct ParentPart {
    /// The parent's collection.
    pub collection: String,
    /// Column of the documents themselves that has the key of their part.
    pub link: String,
}

/// `SET_NULL`, `SET_DEFAULT`, `SET`.
#[derive(Debug, Clone, PartialEq)]
pub struct Detached {
    /// Collection.
    pub collection: String,
    /// Its documents.
    pub reference: Reference,
    /// What their column is set to.
    pub value: Bson,
}

/// `PROTECT` and `RESTRICT`.
#[derive(Debug, Clone, PartialEq)]
pub struct Guard {
    /// Collection.
    pub collection: String,
    /// Documents that must not be there.
    pub reference: Reference,
    /// Why not.
    pub rule: RefusalRule,
    /// Number of the set of this collection: documents that go themselves do not count (`RESTRICT`).
    pub except: Option<usize>,
    /// Name of the model that is referred to, and `Model.field` that refers.
    pub names: (String, String),
}
