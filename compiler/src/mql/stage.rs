//! Pipeline stages.

use bson::{Bson, Document};

use super::{Args, Expr, Filter};

/// A stage of a pipeline.
#[derive(Debug, Clone, PartialEq)]
pub enum Stage {
    /// `$match`.
    Match(Filter),
    /// `$project`.
    Project(Vec<(String, Projection)>),
    /// `$addFields` (rendered `$set`).
    Set(Vec<(String, Expr)>),
    /// `$unset`.
    Unset(Vec<String>),
    /// `$group`.
    Group {
        /// `_id`.
        id: Expr,
        /// Accumulators by name.
        fields: Vec<(String, Accumulator)>,
    },
    /// `$sort`.
    Sort(Vec<(String, SortOrder)>),
    /// `$skip`.
    Skip(u64),
    /// `$limit`; at least 1.
    Limit(u64),
    /// `$unwind`.
    Unwind {
        /// Path without `$`.
        path: String,
        /// `preserveNullAndEmptyArrays`.
        preserve: bool,
        /// `includeArrayIndex`.
        index: Option<String>,
    },
    /// `$lookup`.
    Lookup(Box<Lookup>),
    /// `$replaceRoot`.
    ReplaceRoot(Expr),
    /// `$unionWith`.
    UnionWith {
        /// Collection.
        collection: Option<String>,
        /// Pipeline.
        pipeline: Vec<Stage>,
    },
    /// `$setWindowFields`.
    SetWindowFields {
        /// `partitionBy`.
        partition: Option<Expr>,
        /// `sortBy`.
        sort: Vec<(String, SortOrder)>,
        /// Outputs by name.
        output: Vec<(String, WindowOutput)>,
    },
    /// `$count`.
    Count(String),
    /// `$sample`.
    Sample(u64),
    /// `$documents`.
    Documents(Vec<Expr>),
    /// `$facet`.
    Facet(Vec<(String, Vec<Stage>)>),
    /// `$search`, `$vectorSearch`, `$rankFusion`: the first of a pipeline.
    Search {
        /// Its name, with `$`.
        name: &'static str,
        /// What it takes; there are no expressions in it.
        spec: Document,
    },
    /// `$merge`, `$geoNear`...: stages that only pass through.
    Other(Document),
}

/// What `$project` does with a name.
#[derive(Debug, Clone, PartialEq)]
pub enum Projection {
    /// `1`.
    Include,
    /// `0`.
    Exclude,
    /// A computed value.
    Expr(Expr),
}

/// Direction of a sort key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortOrder {
    /// `1`.
    Asc,
    /// `-1`.
    Desc,
}

/// An accumulator: `{$op: args}`.
#[derive(Debug, Clone, PartialEq)]
pub struct Accumulator {
    /// Operator with `$`.
    pub op: &'static str,
    /// Its argument.
    pub args: Args,
}

/// An output of `$setWindowFields`.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowOutput {
    /// Operator with `$`.
    pub op: &'static str,
    /// Its argument.
    pub args: Args,
    /// `window`, if any.
    pub window: Option<WindowRange>,
}

/// Bounds of a window: `None` is `"unbounded"`, 0 `"current"`.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowRange {
    /// `documents` or `range`.
    pub range: bool,
    /// Lower bound.
    pub start: Option<Bson>,
    /// Upper bound.
    pub end: Option<Bson>,
    /// Unit of a range over dates.
    pub unit: Option<&'static str>,
}

/// A `$lookup` in any of its forms.
#[derive(Debug, Clone, PartialEq)]
pub struct Lookup {
    /// Collection; `None` with a pipeline that begins with `$documents`.
    pub from: Option<String>,
    /// `localField` and `foreignField`.
    pub fields: Option<(String, String)>,
    /// `let`.
    pub variables: Vec<(String, Expr)>,
    /// `pipeline`.
    pub pipeline: Vec<Stage>,
    /// `as`.
    pub into: String,
}
