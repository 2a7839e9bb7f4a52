//! Queryset methods.

use bson::{Bson, Document};
use indexmap::IndexMap;

use super::{Expr, NullsOrder, Q, Queryset};

/// One queryset method with its arguments.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Call {
    /// `filter(...)`.
    Filter(Q),
    /// `filter(...)` of a related manager: the filter or exclude right after it shares its multi-valued joins.
    StickyFilter(Q),
    /// `exclude(...)`; the condition stands as given, the call negates it.
    Exclude(Q),
    /// `annotate(...)`.
    Annotate(IndexMap<String, Expr>),
    /// `alias(...)`.
    Alias(IndexMap<String, Expr>),
    /// `values(...)`.
    Values(ValuesFields),
    /// `values_list(...)`.
    ValuesList {
        /// What is selected.
        fields: ValuesFields,
        /// Rows are the values themselves.
        flat: bool,
        /// Rows are named tuples.
        named: bool,
    },
    /// `order_by(...)`; empty clears the ordering.
    OrderBy(Vec<OrderTerm>),
    /// `reverse()`.
    Reverse,
    /// `distinct(...)`; without fields whole rows.
    Distinct(Vec<String>),
    /// `[start:stop]`.
    Slice {
        /// First row, zero-based.
        start: Option<u64>,
        /// Row after the last.
        stop: Option<u64>,
    },
    /// `dates(field, kind, order)`.
    Dates {
        /// Path of a date.
        field: String,
        /// `year`, `month`, `week` or `day`.
        kind: String,
        /// `ASC` or `DESC`.
        order: Direction,
    },
    /// `datetimes(field, kind, order, tzinfo)`.
    Datetimes {
        /// Path of a datetime.
        field: String,
        /// `year` to `second`.
        kind: String,
        /// `ASC` or `DESC`.
        order: Direction,
        /// Zone name; the current zone when absent.
        tz: Option<String>,
    },
    /// `none()`.
    None,
    /// `select_related(...)`: `None` clears, an empty list follows every non-null relation.
    SelectRelated(Option<Vec<String>>),
    /// `prefetch_related(...)`: `None` clears.
    PrefetchRelated(Option<Vec<Prefetch>>),
    /// `defer(...)`: `None` clears.
    Defer(Option<Vec<String>>),
    /// `only(...)`.
    Only(Vec<String>),
    /// `union(...)`.
    Union {
        /// Keep duplicates.
        all: bool,
        /// The other querysets.
        others: Vec<Queryset>,
    },
    /// `intersection(...)`.
    Intersection(Vec<Queryset>),
    /// `difference(...)`.
    Difference(Vec<Queryset>),
    /// `&`, `|` and `^` of two querysets.
    Combine {
        /// Which of them.
        op: CombineOp,
        /// The right-hand side.
        other: Box<Queryset>,
    },
    /// `raw_aggregate(...)`: stages that come before everything else.
    Raw(Vec<Document>),
    /// `using(alias)`: kept for the executor.
    Using(String),
    /// `select_for_update(...)`.
    SelectForUpdate {
        /// Fail instead of waiting.
        nowait: bool,
        /// Leave locked rows out.
        skip_locked: bool,
        /// Relations to lock too.
        of: Vec<String>,
        /// Lock without the key.
        no_key: bool,
    },
    /// Options of the server command.
    Hint(Box<Hint>),
}

/// What `values()` and `values_list()` select; both empty means all fields.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ValuesFields {
    /// Names in order; positional expressions are named here too.
    pub fields: Vec<String>,
    /// Expressions by name.
    pub exprs: IndexMap<String, Expr>,
}

/// One term of `order_by()`.
#[derive(Debug, Clone, PartialEq)]
pub enum OrderTerm {
    /// `name`, `-name` or `?`.
    Name(String),
    /// An expression with its direction.
    Expr(Order),
}

/// `expr.asc()` and `expr.desc()`.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// What is ordered by.
    pub expr: Expr,
    /// Descending.
    pub desc: bool,
    /// Where nulls go; the database's own place when absent.
    pub nulls: Option<NullsOrder>,
}

/// Direction of `dates()` and `datetimes()`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// `ASC`.
    Asc,
    /// `DESC`.
    Desc,
}

/// Operators between querysets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CombineOp {
    /// `&`.
    And,
    /// `|`.
    Or,
    /// `^`.
    Xor,
}

/// One lookup of `prefetch_related()`.
#[derive(Debug, Clone, PartialEq)]
pub struct Prefetch {
    /// Path of relations.
    pub lookup: String,
    /// Queryset of a `Prefetch(...)`.
    pub queryset: Option<Queryset>,
    /// Attribute that holds the list.
    pub to_attr: Option<String>,
}

/// Options for the server.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Hint {
    /// Index name or key pattern.
    pub index: Option<Bson>,
    /// Comment in logs and profiles.
    pub comment: Option<Bson>,
    /// Collation document.
    pub collation: Option<Document>,
    /// Server time limit in milliseconds.
    pub max_time_ms: Option<u64>,
    /// Whether blocking stages may spill to disk.
    pub allow_disk_use: Option<bool>,
}
