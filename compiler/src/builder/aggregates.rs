//! Aggregates, and windows over them.

use std::ops::{Bound, RangeBounds};

use indexmap::IndexMap;

use super::Operand;
use crate::queryset::{Aggregate, Expr, Frame, FrameExclusion, FrameUnit, Order, Q, Value, Window};
use crate::schema::FieldType;

/// An aggregate by the name of its class: for registered ones and those without a shorthand here.
pub fn aggregate(name: impl Into<String>, argument: impl Operand) -> Aggregate {
    call(name, vec![argument.operand()])
}

fn call(name: impl Into<String>, args: Vec<Expr>) -> Aggregate {
    Aggregate {
        name: name.into(),
        args,
        distinct: false,
        filter: None,
        default: None,
        order_by: Vec::new(),
        options: IndexMap::new(),
        output: None,
    }
}

macro_rules! aggregates {
    ($($name:ident $class:literal;)*) => {$(
        #[doc = concat!("`", $class, "(expression)` of Django.")]
        pub fn $name(expression: impl Operand) -> Aggregate {
            aggregate($class, expression)
        }
    )*};
}

aggregates! {
    any_value "AnyValue";
    array_agg "ArrayAgg";
    avg "Avg";
    bit_and "BitAnd";
    bit_or "BitOr";
    bit_xor "BitXor";
    bool_and "BoolAnd";
    bool_or "BoolOr";
    count "Count";
    json_array_agg "JSONArrayAgg";
    max "Max";
    min "Min";
    stddev "StdDev";
    sum "Sum";
    variance "Variance";
}

/// `Count("*")`: rows, not values.
///
/// ```
/// use mqlc_compiler::builder::*;
/// assert_eq!(Expr::from(count_all()).to_json(), r#"{"aggregate":{"name":"Count","args":[{"star":{}}]}}"#);
/// ```
pub fn count_all() -> Aggregate {
    call("Count", vec![Expr::Star])
}

/// `StringAgg(expression, delimiter)`.
pub fn string_agg(expression: impl Operand, delimiter: impl Into<Expr>) -> Aggregate {
    call("StringAgg", vec![expression.operand(), delimiter.into()])
}

impl Aggregate {
    /// `distinct=True`.
    #[must_use]
    pub fn distinct(mut self) -> Self {
        self.distinct = true;
        self
    }

    /// `filter=`: of the rows that satisfy this.
    #[must_use]
    pub fn filter(mut self, condition: impl Into<Q>) -> Self {
        self.filter = Some(Box::new(condition.into()));
        self
    }

    /// `default=`: instead of NULL where there is no value.
    #[must_use]
    pub fn default(mut self, default: impl Into<Expr>) -> Self {
        self.default = Some(Box::new(default.into()));
        self
    }

    /// `order_by=`: in this order.
    #[must_use]
    pub fn order_by(mut self, terms: impl IntoIterator<Item = Order>) -> Self {
        self.order_by = terms.into_iter().collect();
        self
    }

    /// `sample=True`: of a sample, not of the whole population.
    #[must_use]
    pub fn sample(self) -> Self {
        self.option("sample", true)
    }

    /// A parameter that is no expression, by its name in Django.
    #[must_use]
    pub fn option(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.options.insert(name.into(), value.into());
        self
    }

    /// `output_field=`.
    #[must_use]
    pub fn output(mut self, output: impl Into<FieldType>) -> Self {
        self.output = Some(Box::new(output.into()));
        self
    }
}

/// Windows are made by [`super::Expression::over`].
///
/// ```
/// use mqlc_compiler::builder::*;
/// let running = sum("pages").over().partition_by(["author"]).order_by([asc("published")]).rows(..=0);
/// assert_eq!(
///     Expr::from(running).to_json(),
///     concat!(
///         r#"{"window":{"expr":{"aggregate":{"name":"Sum","args":[{"f":"pages"}]}},"partition_by":[{"f":"author"}],"#,
///         r#""order_by":[{"expr":{"f":"published"},"desc":false,"nulls":null}],"#,
///         r#""frame":{"unit":"rows","start":null,"end":0}}}"#,
///     ),
/// );
/// ```
impl Window {
    /// `partition_by=`.
    #[must_use]
    pub fn partition_by<T: Operand>(mut self, parts: impl IntoIterator<Item = T>) -> Self {
        self.partition_by = parts.into_iter().map(Operand::operand).collect();
        self
    }

    /// `order_by=`.
    #[must_use]
    pub fn order_by(mut self, terms: impl IntoIterator<Item = Order>) -> Self {
        self.order_by = terms.into_iter().collect();
        self
    }

    /// `frame=RowRange(...)`: rows relative to the current one, which is 0; open ends are unbounded.
    #[must_use]
    pub fn rows(self, range: impl RangeBounds<i64>) -> Self {
        self.frame(FrameUnit::Rows, &range)
    }

    /// `frame=ValueRange(...)`: rows whose ordering value is this far from the current one's.
    #[must_use]
    pub fn range_of_values(self, range: impl RangeBounds<i64>) -> Self {
        self.frame(FrameUnit::Range, &range)
    }

    fn frame(mut self, unit: FrameUnit, range: &impl RangeBounds<i64>) -> Self {
        let start = match range.start_bound() {
            Bound::Included(start) => Some(*start),
            Bound::Excluded(start) => Some(start.saturating_add(1)),
            Bound::Unbounded => None,
        };
        let end = match range.end_bound() {
            Bound::Included(end) => Some(*end),
            Bound::Excluded(end) => Some(end.saturating_sub(1)),
            Bound::Unbounded => None,
        };
        let exclude = self.frame.and_then(|frame| frame.exclude);
        self.frame = Some(Frame {
            unit,
            start,
            end,
            exclude,
        });
        self
    }

    /// `exclusion=`: rows left out of the frame.
    #[must_use]
    pub fn exclude(mut self, exclude: FrameExclusion) -> Self {
        let frame = self.frame.get_or_insert(Frame {
            unit: FrameUnit::Rows,
            start: None,
            end: None,
            exclude: None,
        });
        frame.exclude = Some(exclude);
        self
    }

    /// `output_field=`.
    #[must_use]
    pub fn output(mut self, output: impl Into<FieldType>) -> Self {
        self.output = Some(Box::new(output.into()));
        self
    }
}
