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
//! | `output` | what rows are made of, [`Output`] |

mod column;
mod output;
mod predicate;
mod rel;
mod scalar;

pub use column::{ArrayFact, Column, ColumnId, Columns, Origin, Source, SourceId};
pub use output::{Output, OutputNode, Prefetched, RowKind};
pub use predicate::{CompareOp, Pattern, Predicate};
pub use rel::{
    AggregateCall, Cardinality, Join, JoinKind, Rel, SetOp, SortKey, Terminal, WindowCall,
    WindowFrame,
};
pub use scalar::{JsonStep, Literal, Scalar, SubKind, SubPlan};

/// A whole bound statement: the rows, and what becomes of them.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Every column and source of the plan and its subqueries.
    pub columns: Columns,
    /// The rows.
    pub rel: Rel,
    /// What is done with them.
    pub terminal: Terminal,
}
