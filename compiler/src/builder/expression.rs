//! Lookups, transforms and what else hangs on an expression.

use std::ops::{Bound, RangeBounds};

use bson::Bson;

use super::Query;
use crate::queryset::{
    Aggregate, ArithmeticOp, Case, Expr, Func, NullsOrder, Order, Q, Queryset, SubqueryExpr, Value,
    Window,
};
use crate::schema::{FieldKind, FieldType};

/// `F("path")`: a field, an annotation, or a path of relations to one.
pub fn f(path: impl Into<String>) -> Expr {
    Expr::F(path.into())
}

/// `Value(...)`: a literal, also where text would be a path.
pub fn val(value: impl Into<Value>) -> Expr {
    Expr::Value(value.into())
}

/// `Value(..., output_field=...)`: a literal with a type.
///
/// ```
/// use mqlc_compiler::builder::*;
/// assert_eq!(typed(1, FieldKind::FloatField).to_json(), r#"{"typed":{"value":1,"output":{"type":"FloatField"}}}"#);
/// ```
pub fn typed(value: impl Into<Value>, output: impl Into<FieldType>) -> Expr {
    Expr::Typed {
        value: value.into(),
        output: Box::new(output.into()),
    }
}

/// `Q(path__lookup=rhs)`: a condition by the name of its path and lookup.
///
/// ```
/// use mqlc_compiler::builder::*;
/// assert_eq!(q("pages__lt", 100), f("pages").lt(100));
/// ```
pub fn q(path: impl Into<String>, rhs: impl Into<Expr>) -> Q {
    Q::lookup(path, rhs)
}

/// Several expressions, as right-hand side of `in` and `range`.
pub fn list<T: Operand>(items: impl IntoIterator<Item = T>) -> Expr {
    Expr::List(items.into_iter().map(Operand::operand).collect())
}

/// An expression of the aggregation language as it stands.
pub fn raw(mql: impl Into<Bson>) -> Expr {
    Expr::Raw(mql.into())
}

impl From<FieldKind> for FieldType {
    fn from(kind: FieldKind) -> Self {
        FieldType::new(kind)
    }
}

/// What stands where Django takes an expression or the path of a field: text is a path.
pub trait Operand {
    /// The expression.
    fn operand(self) -> Expr;
}

impl Operand for &str {
    fn operand(self) -> Expr {
        f(self)
    }
}

impl Operand for String {
    fn operand(self) -> Expr {
        f(self)
    }
}

macro_rules! operands {
    ($($ty:ty),* $(,)?) => {$(
        impl Operand for $ty {
            fn operand(self) -> Expr {
                self.into()
            }
        }
    )*};
}
operands!(
    Expr,
    Func,
    Aggregate,
    Case,
    Window,
    Q,
    SubqueryExpr,
    Query,
    Value,
    bool,
    i32,
    i64,
    u32,
    u64,
    f64,
    jiff::civil::Date,
    jiff::civil::DateTime,
    jiff::civil::Time,
    jiff::Timestamp,
    bson::Decimal128,
    bson::oid::ObjectId,
);

impl From<Func> for Expr {
    fn from(func: Func) -> Self {
        Expr::Func(func)
    }
}
impl From<Aggregate> for Expr {
    fn from(aggregate: Aggregate) -> Self {
        Expr::Aggregate(aggregate)
    }
}
impl From<Case> for Expr {
    fn from(case: Case) -> Self {
        Expr::Case(case)
    }
}
impl From<Window> for Expr {
    fn from(window: Window) -> Self {
        Expr::Window(Box::new(window))
    }
}
impl From<Q> for Expr {
    fn from(condition: Q) -> Self {
        match condition {
            Q::Expr(expr) => expr,
            condition => Expr::Q(Box::new(condition)),
        }
    }
}
impl From<SubqueryExpr> for Expr {
    fn from(subquery: SubqueryExpr) -> Self {
        Expr::Subquery(subquery)
    }
}
impl From<Queryset> for Expr {
    fn from(queryset: Queryset) -> Self {
        Expr::Subquery(SubqueryExpr {
            queryset: Box::new(queryset),
            output: None,
            explicit: false,
        })
    }
}
impl From<Query> for Expr {
    fn from(query: Query) -> Self {
        query.into_queryset().into()
    }
}

/// Lookups, each with the name and the meaning that Django gives it.
macro_rules! lookups {
    ($($(#[doc = $doc:literal])+ $method:ident $name:literal;)*) => {$(
        $(#[doc = $doc])+
        fn $method(self, rhs: impl Into<Expr>) -> Q {
            self.lookup($name, rhs)
        }
    )*};
}

/// Transforms without arguments.
macro_rules! transforms {
    ($($method:ident)*) => {$(
        #[doc = concat!("The transform `", stringify!($method), "`.")]
        fn $method(self) -> Expr {
            self.transform(stringify!($method))
        }
    )*};
}

/// Arithmetic that Rust has no fitting operator for.
macro_rules! arithmetic {
    ($($(#[doc = $doc:literal])+ $method:ident $op:ident;)*) => {$(
        $(#[doc = $doc])+
        fn $method(self, rhs: impl Into<Expr>) -> Expr {
            Expr::Combined {
                op: ArithmeticOp::$op,
                lhs: Box::new(self.into()),
                rhs: Box::new(rhs.into()),
            }
        }
    )*};
}

/// Everything that one can ask of an expression.
///
/// On a path a lookup is the lookup of a `filter()`: `f("a__b").gt(1)` is `a__b__gt=1`. On other expressions it is
/// a comparison: `count("a").gt(1)`.
pub trait Expression: Into<Expr> {
    /// A lookup by name; registered ones too.
    fn lookup(self, name: &str, rhs: impl Into<Expr>) -> Q {
        match self.into() {
            Expr::F(path) => Q::lookup(format!("{path}__{name}"), rhs),
            expr => Q::Expr(Expr::Compare {
                lookup: name.to_owned(),
                lhs: Box::new(expr),
                rhs: Box::new(rhs.into()),
            }),
        }
    }

    /// A transform by name, or a key of a JSON value, or an index.
    fn transform(self, name: &str) -> Expr {
        match self.into() {
            Expr::F(path) => Expr::F(format!("{path}__{name}")),
            expr => Expr::Transform {
                name: name.to_owned(),
                expr: Box::new(expr),
                text: false,
            },
        }
    }

    /// Equal; of a path without the name of a lookup, as people write it.
    fn exact(self, rhs: impl Into<Expr>) -> Q {
        match self.into() {
            Expr::F(path) => Q::lookup(path, rhs),
            expr => expr.lookup("exact", rhs),
        }
    }

    lookups! {
        /// Equal without regard to case.
        iexact "iexact";
        /// Contains the text; of JSON and arrays, contains the value.
        contains "contains";
        /// Contains the text without regard to case.
        icontains "icontains";
        /// Starts with the text.
        startswith "startswith";
        /// Starts with the text without regard to case.
        istartswith "istartswith";
        /// Ends with the text.
        endswith "endswith";
        /// Ends with the text without regard to case.
        iendswith "iendswith";
        /// Matches the regular expression.
        regex "regex";
        /// Matches the regular expression without regard to case.
        iregex "iregex";
        /// One of a list of values, of expressions ([`list`]), or of the rows of a query.
        in_ "in";
        /// Greater than.
        gt "gt";
        /// Greater than or equal.
        gte "gte";
        /// Less than.
        lt "lt";
        /// Less than or equal.
        lte "lte";
        /// Is contained by the value (arrays, JSON).
        contained_by "contained_by";
        /// Shares an element (arrays).
        overlap "overlap";
        /// Has the key (JSON).
        has_key "has_key";
        /// Has all keys (JSON).
        has_keys "has_keys";
        /// Has one of the keys (JSON).
        has_any_keys "has_any_keys";
    }

    /// Is NULL, or is not.
    fn isnull(self, null: bool) -> Q {
        self.lookup("isnull", null)
    }

    /// Between two bounds, both included.
    fn range(self, first: impl Into<Expr>, last: impl Into<Expr>) -> Q {
        let bounds = match (first.into(), last.into()) {
            (Expr::Value(first), Expr::Value(last)) => Expr::Value(Value::List(vec![first, last])),
            (first, last) => Expr::List(vec![first, last]),
        };
        self.lookup("range", bounds)
    }

    transforms! {
        year iso_year quarter month week week_day iso_week_day day hour minute second date time
    }

    /// The key of a JSON value.
    fn key(self, name: &str) -> Expr {
        self.transform(name)
    }

    /// `KT()`: the text at a path of keys of a JSON value.
    fn key_text(self, name: &str) -> Expr {
        Expr::Transform {
            name: name.to_owned(),
            expr: Box::new(self.into()),
            text: true,
        }
    }

    arithmetic! {
        /// `lhs ** rhs`.
        pow Pow;
        /// Bitwise and.
        bitand BitAnd;
        /// Bitwise or.
        bitor BitOr;
        /// Bitwise exclusive or.
        bitxor BitXor;
        /// Shift to the left.
        bitleftshift ShiftLeft;
        /// Shift to the right.
        bitrightshift ShiftRight;
    }

    /// `F("x")[start:stop]`: part of a text or an array, counted from zero.
    fn part(self, range: impl RangeBounds<u64>) -> Expr {
        let (start, stop) = bounds(&range);
        Expr::Slice {
            expr: Box::new(self.into()),
            start: start.unwrap_or(0),
            stop,
        }
    }

    /// `ExpressionWrapper`: the expression with a type.
    fn wrap(self, output: impl Into<FieldType>) -> Expr {
        Expr::Wrap {
            expr: Box::new(self.into()),
            output: Box::new(output.into()),
        }
    }

    /// Ascending.
    fn asc(self) -> Order {
        Order {
            expr: self.into(),
            desc: false,
            nulls: None,
        }
    }

    /// Descending.
    fn desc(self) -> Order {
        Order {
            expr: self.into(),
            desc: true,
            nulls: None,
        }
    }

    /// `Window(...)`: the aggregate or window function over rows that belong together.
    fn over(self) -> Window {
        Window {
            expr: self.into(),
            partition_by: Vec::new(),
            order_by: Vec::new(),
            frame: None,
            output: None,
        }
    }
}

impl Expression for Expr {}
impl Expression for Func {}
impl Expression for Aggregate {}
impl Expression for Case {}
impl Expression for Window {}
impl Expression for SubqueryExpr {}

impl Order {
    /// NULLs before all values.
    #[must_use]
    pub fn nulls_first(mut self) -> Self {
        self.nulls = Some(NullsOrder::First);
        self
    }

    /// NULLs after all values.
    #[must_use]
    pub fn nulls_last(mut self) -> Self {
        self.nulls = Some(NullsOrder::Last);
        self
    }
}

/// A range of Rust as Python's start and stop.
pub(super) fn bounds(range: &impl RangeBounds<u64>) -> (Option<u64>, Option<u64>) {
    let start = match range.start_bound() {
        Bound::Included(start) => Some(*start).filter(|start| *start > 0),
        Bound::Excluded(start) => Some(start.saturating_add(1)),
        Bound::Unbounded => None,
    };
    let stop = match range.end_bound() {
        Bound::Included(stop) => Some(stop.saturating_add(1)),
        Bound::Excluded(stop) => Some(*stop),
        Bound::Unbounded => None,
    };
    (start, stop)
}
