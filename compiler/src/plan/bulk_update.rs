//! What a `bulk_update()` changes.

use bson::Document;

/// Documents of one collection, each with what it is set to.
#[derive(Debug, Clone, PartialEq)]
pub struct BulkUpdate {
    /// Collection.
    pub collection: String,
    /// The columns that are set.
    pub columns: Vec<String>,
    /// The documents.
    pub changes: Vec<Change>,
}

/// What a document is set to.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The columns of its key.
    pub key: Document,
    /// Values by column.
    pub set: Document,
    /// Columns that it has no longer.
    pub unset: Vec<String>,
}
