//! What a `bulk_create()` stores.

use bson::Document;

/// Documents to insert into one collection.
#[derive(Debug, Clone, PartialEq)]
pub struct Insertion {
    /// Label of the model.
    pub label: String,
    /// Collection.
    pub collection: String,
    /// The documents. Those without `_id` get one.
    pub documents: Vec<Document>,
    /// Where such an `_id` comes from.
    pub keys: NewKeys,
    /// What becomes of a document that violates a unique constraint.
    pub conflict: Conflict,
}

/// Where the keys of new documents come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewKeys {
    /// The driver or the server makes an ObjectId.
    ObjectId,
    /// A counter in the database: 32-bit or, if true, 64-bit numbers.
    Sequence {
        /// 64-bit.
        long: bool,
    },
}

/// What becomes of a document that violates a unique constraint.
#[derive(Debug, Clone, PartialEq)]
pub enum Conflict {
    /// The statement fails.
    Fail,
    /// The document is left out.
    Ignore,
    /// The document that is there is changed instead.
    Update {
        /// Columns that are unique together.
        unique: Vec<String>,
        /// Columns that it takes from the new one.
        update: Vec<String>,
    },
}
