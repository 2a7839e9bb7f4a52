//! Arguments of queryset methods: selections, expressions by name, rows, prefetches, orderings.

use indexmap::IndexMap;

use super::{Expression, Operand};
use crate::queryset::{Expr, Order, OrderTerm, Prefetch, Queryset, Value, ValuesFields};

/// Ascending by a path or an expression.
pub fn asc(by: impl Operand) -> Order {
    by.operand().asc()
}

/// Descending by a path or an expression.
pub fn desc(by: impl Operand) -> Order {
    by.operand().desc()
}

/// `"?"`: in random order.
pub fn random_order() -> OrderTerm {
    OrderTerm::Name("?".to_owned())
}

impl From<&str> for OrderTerm {
    fn from(name: &str) -> Self {
        OrderTerm::Name(name.to_owned())
    }
}
impl From<String> for OrderTerm {
    fn from(name: String) -> Self {
        OrderTerm::Name(name)
    }
}
impl From<Order> for OrderTerm {
    fn from(order: Order) -> Self {
        OrderTerm::Expr(order)
    }
}

/// Expressions by name: a list of pairs where all have one type, else [`named`] and [`Named::and`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Named(pub(super) IndexMap<String, Expr>);

/// The first of several expressions by name.
///
/// ```
/// use mqlc_compiler::builder::*;
/// let update = Query::from("library.Book").update(named("price", f("price") * 2).and("title", "x"));
/// assert_eq!(
///     update.to_json(),
///     concat!(
///         r#"{"model":"library.Book","calls":[],"do":{"update":{"#,
///         r#""price":{"combined":{"op":"*","lhs":{"f":"price"},"rhs":{"value":2}}},"title":{"value":"x"}}}}"#,
///     ),
/// );
/// ```
pub fn named(name: impl Into<String>, expr: impl Into<Expr>) -> Named {
    Named::default().and(name, expr)
}

impl Named {
    /// One more.
    #[must_use]
    pub fn and(mut self, name: impl Into<String>, expr: impl Into<Expr>) -> Self {
        let expr = match expr.into() {
            // Only the right sides of lookups tell explicit subqueries from plain querysets.
            Expr::Subquery(mut subquery) => {
                subquery.explicit = false;
                Expr::Subquery(subquery)
            }
            expr => expr,
        };
        self.0.insert(name.into(), expr);
        self
    }
}

impl<K: Into<String>, E: Into<Expr>> FromIterator<(K, E)> for Named {
    fn from_iter<I: IntoIterator<Item = (K, E)>>(pairs: I) -> Self {
        pairs
            .into_iter()
            .fold(Named::default(), |named, (name, expr)| {
                named.and(name, expr)
            })
    }
}
impl<K: Into<String>, E: Into<Expr>, const N: usize> From<[(K, E); N]> for Named {
    fn from(pairs: [(K, E); N]) -> Self {
        pairs.into_iter().collect()
    }
}
impl<K: Into<String>, E: Into<Expr>> From<Vec<(K, E)>> for Named {
    fn from(pairs: Vec<(K, E)>) -> Self {
        pairs.into_iter().collect()
    }
}

/// Values by field name: a list of pairs where all have one type, else [`row`] and [`Row::and`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Row(pub(super) IndexMap<String, Value>);

/// The first value of a row.
pub fn row(field: impl Into<String>, value: impl Into<Value>) -> Row {
    Row::default().and(field, value)
}

impl Row {
    /// One more value.
    #[must_use]
    pub fn and(mut self, field: impl Into<String>, value: impl Into<Value>) -> Self {
        self.0.insert(field.into(), value.into());
        self
    }

    /// One more value, which the database computes.
    #[must_use]
    pub fn and_computed(mut self, field: impl Into<String>, expr: impl Into<Expr>) -> Self {
        let value = match expr.into() {
            Expr::Value(value) => value,
            expr => Value::Expr(Box::new(expr)),
        };
        self.0.insert(field.into(), value);
        self
    }
}

impl<K: Into<String>, V: Into<Value>> FromIterator<(K, V)> for Row {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        pairs
            .into_iter()
            .fold(Row::default(), |row, (field, value)| row.and(field, value))
    }
}
impl<K: Into<String>, V: Into<Value>, const N: usize> From<[(K, V); N]> for Row {
    fn from(pairs: [(K, V); N]) -> Self {
        pairs.into_iter().collect()
    }
}

/// What `values()` and `values_list()` select: fields, and expressions by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Selection(pub(super) ValuesFields);

/// Fields to select; [`Selection::expr`] adds expressions.
pub fn select<N: Into<String>>(fields: impl IntoIterator<Item = N>) -> Selection {
    Selection(ValuesFields {
        fields: fields.into_iter().map(Into::into).collect(),
        exprs: IndexMap::new(),
    })
}

/// No field by name: all of them, unless [`Selection::expr`] adds expressions.
pub fn fields() -> Selection {
    Selection::default()
}

impl Selection {
    /// One more expression, `values(name=expr)`.
    #[must_use]
    pub fn expr(mut self, name: impl Into<String>, expr: impl Into<Expr>) -> Self {
        let Named(exprs) = named(name, expr);
        self.0.exprs.extend(exprs);
        self
    }
}

impl<N: Into<String>, const L: usize> From<[N; L]> for Selection {
    fn from(fields: [N; L]) -> Self {
        select(fields)
    }
}
impl<N: Into<String>> From<Vec<N>> for Selection {
    fn from(fields: Vec<N>) -> Self {
        select(fields)
    }
}
impl From<&str> for Selection {
    fn from(field: &str) -> Self {
        select([field])
    }
}

/// `Prefetch(lookup)`.
pub fn prefetch(lookup: impl Into<String>) -> Prefetch {
    Prefetch {
        lookup: lookup.into(),
        queryset: None,
        to_attr: None,
    }
}

impl Prefetch {
    /// `queryset=`: which of the related objects.
    #[must_use]
    pub fn queryset(mut self, queryset: impl Into<Queryset>) -> Self {
        self.queryset = Some(queryset.into());
        self
    }

    /// `to_attr=`: under which name.
    #[must_use]
    pub fn to_attr(mut self, name: impl Into<String>) -> Self {
        self.to_attr = Some(name.into());
        self
    }
}

impl From<&str> for Prefetch {
    fn from(lookup: &str) -> Self {
        prefetch(lookup)
    }
}
impl From<String> for Prefetch {
    fn from(lookup: String) -> Self {
        prefetch(lookup)
    }
}
