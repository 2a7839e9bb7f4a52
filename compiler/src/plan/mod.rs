//! The bound logical plan: relational operators over columns, with SQL's three-valued logic.
//!
//! A plan knows nothing of documents: columns have ids, relations have [`SourceId`]s, predicates are true, false or
//! unknown. Column ids are unique in a whole plan, subqueries included, so a subquery refers to an outer row
//! simply by naming one of its columns.
//!
//! | file | holds |
//! |---|---|
//! | `column` | [`ColumnId`], [`SourceId`] and what is known of them |
//! | `rel` | relational operators, [`Rel`] |
//! | `scalar` | scalar expressions, [`Scalar`] |
//! | `predicate` | conditions, [`Predicate`] |
//! | `deletion` | what a `delete()` takes along, [`Deletion`] |
//! | `insertion` | what a `bulk_create()` stores, [`Insertion`] |
//! | `bulk_update` | what a `bulk_update()` changes, [`BulkUpdate`] |
//! | `upsert` | what a `get_or_create()` does where a row is there, and where none is, [`Upsert`] |
//! | `search` | rows that a search index finds, [`Search`] |
//! | `output` | what rows are made of, [`Output`] |
//! | `visit` | walks, [`Visit`], [`visit()`] and [`VisitMut`] |
//! | `rename` | queries that differ in names only |
//! | `substitute` | columns replaced by their definitions |
//! | `facts` | what can be derived: scopes, nullability, keys, demand |
//! | `check` | the invariants, [`check()`] |
//! | `display` | plans as text, [`Show`] |

use bson::Document;

use crate::queryset::Hint;

mod bulk_update;
mod check;
mod column;
mod deletion;
mod display;
pub mod facts;
mod insertion;
mod output;
mod predicate;
mod rel;
mod rename;
mod scalar;
mod search;
mod substitute;
mod upsert;
mod visit;

pub use bulk_update::{BulkUpdate, Change};
pub use check::{MAX_DEPTH, MAX_NODES, check, check_depth, undefined_columns};
pub use column::{ArrayFact, Column, ColumnId, Columns, Origin, Source, SourceId};
pub use deletion::{DeletedBy, DeletedSet, Deletion, Detached, Guard, ParentPart, Reference};
pub use display::Show;
pub use insertion::{Conflict, Insertion, NewKeys};
pub use output::{Output, OutputNode, Prefetched, RowKind};
pub use predicate::{AnyElement, CompareOp, Pattern, Predicate};
pub use rel::{
    AggregateCall, Assignment, Cardinality, Join, JoinKind, Rel, SetOp, SortKey, Terminal,
    WindowCall, WindowFrame,
};
pub use rename::{Counterparts, counterparts, rename, with_own_names};
pub use scalar::{FunctionCall, JsonStep, Literal, Scalar, SubKind, SubPlan};
pub use search::{Search, SearchMeta, SearchStage};
pub use substitute::{
    Definitions, as_column, has_volatile, is_copyable, is_volatile, stored_path, substitute_call,
    substitute_predicate, substitute_rel, substitute_scalar,
};
pub use upsert::Upsert;
pub use visit::{
    Node, Visit, VisitMut, has_subquery, visit, visit_call, visit_expressions, visit_predicate,
    visit_rel, visit_scalar, visit_subplan, visit_terminal, walk_call, walk_expressions,
    walk_predicate, walk_rel, walk_scalar, walk_subplan, walk_terminal,
};

/// A whole bound statement: the rows, and what becomes of them.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Every column and source of the plan and its subqueries.
    pub columns: Columns,
    /// The rows.
    pub rel: Rel,
    /// What is done with them.
    pub terminal: Terminal,
    /// Options of its commands.
    pub hint: Option<Box<Hint>>,
    /// What texts are compared by where the plan holds a call of `Collate`.
    pub collation: Option<Document>,
}
