//! Relational operators.

use std::sync::Arc;

use bson::Document;
use indexmap::IndexMap;

use super::{
    BulkUpdate, ColumnId, Deletion, Insertion, Output, Predicate, Scalar, Search, SourceId, Upsert,
};
use crate::queryset::{FrameUnit, NullsOrder, Value};
use crate::schema::FieldType;

/// Rows.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::large_enum_variant)] // plans are a handful of operators: plain fields read better than boxes
pub enum Rel {
    /// All documents of a source.
    Scan(SourceId),
    /// The documents that given stages (of `raw_aggregate`) produce from a source.
    Raw {
        /// The source.
        source: SourceId,
        /// Stages as the user wrote them.
        stages: Vec<Document>,
    },
    /// The documents of a source that a search index finds.
    Search(Box<Search>),
    /// No rows.
    Empty,
    /// One row without columns.
    Unit,
    /// Rows for which the predicate is true.
    Filter {
        /// Input.
        input: Box<Rel>,
        /// Condition.
        predicate: Predicate,
    },
    /// Rows of the input with those of another source.
    Join(Box<Join>),
    /// Computed columns beside the input's. Later ones may use earlier ones.
    Extend {
        /// Input.
        input: Box<Rel>,
        /// Column and definition.
        columns: Vec<(ColumnId, Scalar)>,
    },
    /// One row per group; without keys exactly one row, also for no input.
    Aggregate {
        /// Input.
        input: Box<Rel>,
        /// Group keys: after it, only these columns, the aggregates and the carried sources are there.
        keys: Vec<(ColumnId, Scalar)>,
        /// Sources whose rows are the same within a group, because their primary key is among the keys (or
        /// follows from it): their columns stay usable.
        carried: Vec<SourceId>,
        /// Aggregates.
        aggregates: Vec<(ColumnId, AggregateCall)>,
    },
    /// Window functions of one partition and order.
    Window {
        /// Input.
        input: Box<Rel>,
        /// `PARTITION BY`.
        partition: Vec<Scalar>,
        /// `ORDER BY`.
        order: Vec<SortKey>,
        /// Outputs.
        outputs: Vec<(ColumnId, WindowCall)>,
    },
    /// One row per distinct combination of the columns. Afterwards only they are there, and the carried sources.
    Distinct {
        /// Input.
        input: Box<Rel>,
        /// What rows are compared by.
        columns: Vec<ColumnId>,
        /// As of `Aggregate`.
        carried: Vec<SourceId>,
    },
    /// The first row per combination of the columns, in the input's order (`DISTINCT ON`).
    DistinctOn {
        /// Input, sorted.
        input: Box<Rel>,
        /// What rows are compared by.
        on: Vec<Scalar>,
        /// The order to re-establish afterwards.
        order: Vec<SortKey>,
        /// The columns that are there afterwards, if these are few; all of the input's otherwise.
        kept: Option<Vec<ColumnId>>,
    },
    /// Rows in order.
    Sort {
        /// Input.
        input: Box<Rel>,
        /// Keys, most significant first.
        keys: Vec<SortKey>,
    },
    /// `n` rows after the first `skip`.
    Slice {
        /// Input.
        input: Box<Rel>,
        /// Rows left out.
        skip: u64,
        /// Rows at most.
        limit: Option<u64>,
    },
    /// Rows of several inputs as one. Afterwards only `columns` are there.
    SetOp {
        /// Which operation.
        op: SetOp,
        /// Inputs, each with its own columns in the order of `columns`.
        inputs: Vec<(Rel, Vec<Scalar>)>,
        /// Columns of the result.
        columns: Vec<ColumnId>,
    },
}

/// Operations on sets of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetOp {
    /// `UNION`.
    Union,
    /// `UNION ALL`.
    UnionAll,
    /// `INTERSECT`.
    Intersection,
    /// `EXCEPT`.
    Difference,
}

/// A join with the rows of another source.
#[derive(Debug, Clone, PartialEq)]
pub struct Join {
    /// Input.
    pub input: Rel,
    /// The joined source.
    pub source: SourceId,
    /// INNER or LEFT.
    pub kind: JoinKind,
    /// Equal columns: of the input, of the joined source. NULL is equal to nothing.
    pub on: Vec<(Scalar, ColumnId)>,
    /// Further condition on the pair of rows (filtered relations, generic relations, extra restrictions).
    pub condition: Option<Predicate>,
    /// How many rows of the source can match one of the input.
    pub cardinality: Cardinality,
}

/// What happens to rows without a partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinKind {
    /// They are left out.
    Inner,
    /// They stay, with NULL in the joined columns.
    Left,
}

/// How many rows can match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cardinality {
    /// At most one: the joined columns are unique.
    One,
    /// Any number.
    Many,
}

impl Cardinality {
    /// Of a join by columns that tell the joined rows apart, or do not.
    #[must_use]
    pub fn of_unique(unique: bool) -> Self {
        if unique {
            Cardinality::One
        } else {
            Cardinality::Many
        }
    }
}

/// One sort key.
#[derive(Debug, Clone, PartialEq)]
pub struct SortKey {
    /// By what; `Scalar::Call` of `Random` for `?`.
    pub scalar: Scalar,
    /// Descending.
    pub desc: bool,
    /// Where NULLs go; `None` is MongoDB's own place: first when ascending, last when descending.
    pub nulls: Option<NullsOrder>,
}

/// An aggregate over the rows of a group.
#[derive(Debug, Clone, PartialEq)]
pub struct AggregateCall {
    /// Name in the function registry: `Count`, `Sum`, ...
    pub function: String,
    /// Arguments; none for `COUNT(*)`.
    pub args: Vec<Scalar>,
    /// Of distinct values.
    pub distinct: bool,
    /// Only rows for which this is true.
    pub filter: Option<Predicate>,
    /// Order of the values, where it matters.
    pub order: Vec<SortKey>,
    /// Options that are no expressions (`sample`, `delimiter`).
    pub options: IndexMap<String, Value>,
    /// Type of the result.
    pub ty: Arc<FieldType>,
    /// Every group has a value, and the sum of nothing is 0: where rules make a whole of parts. An average of parts, and a sum of parts that
    /// can be NULL, have the numbers of values of the parts as a second argument.
    pub never_null: bool,
}

impl AggregateCall {
    /// A function of the values of all rows.
    #[must_use]
    pub fn new(function: &str, args: Vec<Scalar>, ty: Arc<FieldType>) -> Self {
        AggregateCall {
            function: function.to_owned(),
            args,
            distinct: false,
            filter: None,
            order: Vec::new(),
            options: IndexMap::new(),
            ty,
            never_null: false,
        }
    }
}

/// A window function over a frame.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowCall {
    /// The function, as an aggregate call: `Rank`, `Lag`, `Sum`, ...
    pub call: AggregateCall,
    /// Frame; the default frame (up to the current row and its peers, or everything without an order) when absent.
    pub frame: Option<WindowFrame>,
}

/// Bounds of a frame relative to the current row, `None` unbounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowFrame {
    /// Rows or values.
    pub unit: FrameUnit,
    /// First row.
    pub start: Option<i64>,
    /// Last row.
    pub end: Option<i64>,
}

/// What an `update()` sets in one collection.
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    /// Collection.
    pub collection: String,
    /// The column that says which of its documents belong to a row.
    pub key: Scalar,
    /// What is set, by stored name. Values that hold a subquery are computed before anything is written.
    pub values: Vec<(String, Scalar)>,
}

impl Rel {
    /// The source that the operator itself brings in.
    #[must_use]
    pub fn source(&self) -> Option<SourceId> {
        match self {
            Rel::Scan(source) | Rel::Raw { source, .. } => Some(*source),
            Rel::Search(search) => Some(search.source),
            Rel::Join(join) => Some(join.source),
            _ => None,
        }
    }

    /// Calls `f` with every column that the operator itself computes, in the order in which they are written.
    pub fn computed(&self, mut f: impl FnMut(ColumnId)) {
        match self {
            Rel::Search(search) => search.columns.iter().for_each(|(id, _)| f(*id)),
            Rel::Extend { columns, .. } => columns.iter().for_each(|(id, _)| f(*id)),
            Rel::Aggregate {
                keys, aggregates, ..
            } => {
                keys.iter().for_each(|(id, _)| f(*id));
                aggregates.iter().for_each(|(id, _)| f(*id));
            }
            Rel::Window { outputs, .. } => outputs.iter().for_each(|(id, _)| f(*id)),
            Rel::SetOp { columns, .. } => columns.iter().for_each(|id| f(*id)),
            _ => {}
        }
    }
}

/// What is done with the rows.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::large_enum_variant)] // there is one in a plan
pub enum Terminal {
    /// They are returned.
    Rows {
        /// What they are made of.
        output: Output,
    },
    /// They are counted.
    Count {
        /// Counting stops there.
        limit: Option<u64>,
    },
    /// Whether there is one.
    Exists,
    /// The single row of an aggregate is returned; values by name.
    Aggregate {
        /// Name and column; what stands for an empty result is in the aggregate itself.
        output: Output,
    },
    /// Documents are inserted.
    Insert(Insertion),
    /// The only one is returned, changed or not; where there is none, one is made.
    Upsert(Box<Upsert>),
    /// Documents are set to values of their own.
    BulkUpdate(BulkUpdate),
    /// Rows are updated.
    Update {
        /// The source.
        source: SourceId,
        /// What is set: in its own collection first, then in those of its parents.
        assignments: Vec<Assignment>,
    },
    /// Rows are deleted, with what hangs on them.
    Delete {
        /// The source.
        source: SourceId,
        /// What hangs on them.
        deletion: Deletion,
    },
}

impl Terminal {
    /// What the rows are made of that are returned.
    #[must_use]
    pub fn output(&self) -> Option<&Output> {
        match self {
            Terminal::Rows { output } | Terminal::Aggregate { output } => Some(output),
            Terminal::Upsert(upsert) => Some(&upsert.output),
            _ => None,
        }
    }

    /// As [`Terminal::output`].
    pub fn output_mut(&mut self) -> Option<&mut Output> {
        match self {
            Terminal::Rows { output } | Terminal::Aggregate { output } => Some(output),
            Terminal::Upsert(upsert) => Some(&mut upsert.output),
            _ => None,
        }
    }

    /// What documents are set to.
    #[must_use]
    pub fn assignments(&self) -> &[Assignment] {
        match self {
            Terminal::Update { assignments, .. } => assignments,
            Terminal::Upsert(upsert) => &upsert.assignments,
            _ => &[],
        }
    }
}
