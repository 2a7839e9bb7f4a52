//! Expressions.

use bson::Bson;
use indexmap::IndexMap;

use super::{Order, Q, Queryset, Value};
use crate::schema::FieldType;

/// A Django expression, names unresolved.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Expr {
    /// `Value(v)`, or a plain literal.
    Value(Value),
    /// `Value(v, output_field=...)`.
    Typed {
        /// The literal.
        value: Value,
        /// Its type.
        output: Box<FieldType>,
    },
    /// Several expressions (for `in` and `range`).
    List(Vec<Expr>),
    /// `F("path")`.
    F(String),
    /// `~expr` of a boolean expression.
    Not(Box<Expr>),
    /// `F("x")[start:stop]`.
    Slice {
        /// What is sliced.
        expr: Box<Expr>,
        /// First element, zero-based.
        start: u64,
        /// Element after the last.
        stop: Option<u64>,
    },
    /// `OuterRef("path")`.
    OuterRef(OuterRef),
    /// `lhs op rhs`.
    Combined {
        /// Operator.
        op: ArithmeticOp,
        /// Left.
        lhs: Box<Expr>,
        /// Right.
        rhs: Box<Expr>,
    },
    /// `-expr`.
    Neg(Box<Expr>),
    /// A database function.
    Func(Func),
    /// `Star()`: the argument of `Count("*")`.
    Star,
    /// An aggregate.
    Aggregate(Aggregate),
    /// A window expression.
    Window(Box<Window>),
    /// `Case(When(...), ..., default=...)`.
    Case(Case),
    /// A `Q` used as a boolean expression.
    Q(Box<Q>),
    /// `ExpressionWrapper`.
    Wrap {
        /// The expression.
        expr: Box<Expr>,
        /// Its type.
        output: Box<FieldType>,
    },
    /// A lookup used as an expression: `GreaterThan(F("x"), 1)`.
    Compare {
        /// Lookup name.
        lookup: String,
        /// Left-hand side.
        lhs: Box<Expr>,
        /// Right-hand side.
        rhs: Box<Expr>,
    },
    /// A transform used as an expression.
    Transform {
        /// Transform name, a JSON key or an index.
        name: String,
        /// What is transformed.
        expr: Box<Expr>,
        /// Of a JSON key: as text (`KT()`).
        text: bool,
    },
    /// A scalar subquery, or a queryset as right-hand side of a lookup.
    Subquery(SubqueryExpr),
    /// `ArraySubquery(...)`.
    ArraySubquery(SubqueryExpr),
    /// `Exists(...)`.
    Exists(Box<Queryset>),
    /// `FilteredRelation(relation, condition=...)`; only in `annotate()` and `alias()`.
    FilteredRelation {
        /// Path of the relation.
        relation: String,
        /// What the joined rows must satisfy.
        condition: Box<Q>,
    },
    /// An expression of the aggregation language, as it stands.
    Raw(Bson),
}

/// `OuterRef`, possibly nested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OuterRef {
    /// Path in the outer query.
    pub path: String,
    /// How many queries further out: 1 for `OuterRef("x")`, 2 for `OuterRef(OuterRef("x"))`.
    pub levels: u32,
}

/// Arithmetic and bit operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ArithmeticOp {
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `%`
    Mod,
    /// `^` (power)
    Pow,
    /// `&`
    BitAnd,
    /// `|`
    BitOr,
    /// `#`
    BitXor,
    /// `<<`
    ShiftLeft,
    /// `>>`
    ShiftRight,
}

impl ArithmeticOp {
    /// Every operator, with its sign in Queryset JSON.
    pub const ALL: [(ArithmeticOp, &'static str); 11] = [
        (ArithmeticOp::Add, "+"),
        (ArithmeticOp::Sub, "-"),
        (ArithmeticOp::Mul, "*"),
        (ArithmeticOp::Div, "/"),
        (ArithmeticOp::Mod, "%"),
        (ArithmeticOp::Pow, "^"),
        (ArithmeticOp::BitAnd, "&"),
        (ArithmeticOp::BitOr, "|"),
        (ArithmeticOp::BitXor, "#"),
        (ArithmeticOp::ShiftLeft, "<<"),
        (ArithmeticOp::ShiftRight, ">>"),
    ];

    /// The sign in Queryset JSON.
    #[must_use]
    pub fn sign(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(op, _)| *op == self)
            .map_or("", |(_, sign)| sign)
    }
}

/// A database function call.
#[derive(Debug, Clone, PartialEq)]
pub struct Func {
    /// Class name in Django: `Lower`, `TruncMonth`, ...
    pub name: String,
    /// All expressions, in the order of the parameters.
    pub args: Vec<Expr>,
    /// Parameters that are no expressions (`tzinfo`, `kind`, `lookup_name`, `collation`).
    pub options: IndexMap<String, Value>,
    /// `output_field`, when given.
    pub output: Option<Box<FieldType>>,
}

/// An aggregate call.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    /// Class name: `Count`, `Sum`, ...
    pub name: String,
    /// Arguments; `Count("*")` has [`Expr::Star`].
    pub args: Vec<Expr>,
    /// Of distinct values.
    pub distinct: bool,
    /// `filter=`.
    pub filter: Option<Box<Q>>,
    /// `default=`.
    pub default: Option<Box<Expr>>,
    /// `order_by=`.
    pub order_by: Vec<Order>,
    /// Further options (`sample`, `delimiter`).
    pub options: IndexMap<String, Value>,
    /// `output_field`, when given.
    pub output: Option<Box<FieldType>>,
}

/// A window expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// Aggregate or window function.
    pub expr: Expr,
    /// `PARTITION BY`.
    pub partition_by: Vec<Expr>,
    /// `ORDER BY`.
    pub order_by: Vec<Order>,
    /// Frame; the default frame when absent.
    pub frame: Option<Frame>,
    /// `output_field`, when given.
    pub output: Option<Box<FieldType>>,
}

/// Frame of a window: bounds relative to the current row, `None` unbounded, negative preceding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Rows or values.
    pub unit: FrameUnit,
    /// First row.
    pub start: Option<i64>,
    /// Last row.
    pub end: Option<i64>,
    /// `EXCLUDE ...`.
    pub exclude: Option<FrameExclusion>,
}

/// What frame bounds count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameUnit {
    /// `RowRange`.
    Rows,
    /// `ValueRange`.
    Range,
}

/// Rows left out of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameExclusion {
    /// `EXCLUDE CURRENT ROW`.
    CurrentRow,
    /// `EXCLUDE GROUP`.
    Group,
    /// `EXCLUDE TIES`.
    Ties,
    /// `EXCLUDE NO OTHERS`.
    NoOthers,
}

/// Where nulls stand in an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NullsOrder {
    /// Before all values.
    First,
    /// After all values.
    Last,
}

/// `Case`.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Branches, tried in order.
    pub when: Vec<When>,
    /// `default=`; NULL when absent.
    pub default: Option<Box<Expr>>,
    /// `output_field`, when given.
    pub output: Option<Box<FieldType>>,
}

/// One branch of a `Case`.
#[derive(Debug, Clone, PartialEq)]
pub struct When {
    /// Condition.
    pub condition: Q,
    /// Result.
    pub then: Expr,
}

/// A queryset as a value.
#[derive(Debug, Clone, PartialEq)]
pub struct SubqueryExpr {
    /// The queryset.
    pub queryset: Box<Queryset>,
    /// `output_field`, when given.
    pub output: Option<Box<FieldType>>,
    /// A `Subquery(...)` as right-hand side of a lookup, to which the rules for plain querysets there do not apply.
    pub explicit: bool,
}

impl<T: Into<Value>> From<T> for Expr {
    fn from(value: T) -> Self {
        Expr::Value(value.into())
    }
}
