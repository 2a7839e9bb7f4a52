//! What `get_or_create()` and `update_or_create()` do where a row is there, and where none is.

use super::{Assignment, ColumnId, Insertion, Output, OutputNode, SourceId};

/// A row that is there, or else is made.
#[derive(Debug, Clone, PartialEq)]
pub struct Upsert {
    /// The source of the rows.
    pub source: SourceId,
    /// What a row that is there is made of.
    pub output: Output,
    /// The `_id` of its document.
    pub key: ColumnId,
    /// What its document is set to: one assignment or none.
    pub assignments: Vec<Assignment>,
    /// The only document of the row that is made.
    pub insertion: Insertion,
    /// What a row is made of whose document was just written, in the order of the model's fields.
    pub stored: Vec<OutputNode>,
}
