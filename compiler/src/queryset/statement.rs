//! The root of the surface syntax: a queryset and what is done with it.

use indexmap::IndexMap;

use super::{Call, Expr, Q, Value};

/// A complete query: a model, the calls made on its manager, and a terminal.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// Label of the model, `app.Model`.
    pub model: String,
    /// Queryset methods in the order in which they were called.
    pub calls: Vec<Call>,
    /// The terminal.
    pub action: Do,
}

/// A queryset without a terminal, as it stands inside subqueries, combinators and prefetches.
#[derive(Debug, Clone, PartialEq)]
pub struct Queryset {
    /// Label of the model, `app.Model`.
    pub model: String,
    /// Queryset methods in the order in which they were called.
    pub calls: Vec<Call>,
}

/// How a statement ends.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Do {
    /// Evaluate to rows.
    Rows,
    /// `count()`; with a limit, counting stops there ("at most N").
    Count {
        /// The bound, if any.
        limit: Option<u64>,
    },
    /// `exists()`.
    Exists,
    /// `explain()`.
    Explain,
    /// `get()`: exactly one row, everything else is an error of the executor.
    Get,
    /// `get_or_create()`.
    GetOrCreate {
        /// Which row.
        filter: Box<Q>,
        /// Further values of a created row.
        defaults: IndexMap<String, Value>,
    },
    /// `update_or_create()`.
    UpdateOrCreate {
        /// Which row.
        filter: Box<Q>,
        /// Values set on a row that is there.
        defaults: IndexMap<String, Value>,
        /// Further values of a created row.
        create_defaults: Option<IndexMap<String, Value>>,
    },
    /// `aggregate(...)`.
    Aggregate(IndexMap<String, Expr>),
    /// `update(...)`.
    Update(IndexMap<String, Expr>),
    /// `delete()`.
    Delete,
    /// `create()` and `bulk_create()`.
    Insert(Insert),
    /// `bulk_update()`.
    BulkUpdate(BulkUpdate),
}

/// Rows by their keys, and what each is set to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BulkUpdate {
    /// One map of field names to values a row; its key is `pk`.
    pub rows: Vec<IndexMap<String, Value>>,
    /// The fields that are set.
    pub fields: Vec<String>,
}

/// Rows to insert.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Insert {
    /// One map of field names to values a row.
    pub rows: Vec<IndexMap<String, Value>>,
    /// Leave out rows that violate a constraint.
    pub ignore_conflicts: bool,
    /// Update the existing row instead.
    pub update_conflicts: bool,
    /// Fields that such an update sets.
    pub update_fields: Vec<String>,
    /// Fields whose uniqueness decides what "existing" means.
    pub unique_fields: Vec<String>,
}

impl Statement {
    /// The statement's queryset, without its terminal.
    #[must_use]
    pub fn queryset(&self) -> Queryset {
        Queryset {
            model: self.model.clone(),
            calls: self.calls.clone(),
        }
    }
}

impl Queryset {
    /// Ends the queryset with a terminal.
    #[must_use]
    pub fn done(self, action: Do) -> Statement {
        Statement {
            model: self.model,
            calls: self.calls,
            action,
        }
    }
}
