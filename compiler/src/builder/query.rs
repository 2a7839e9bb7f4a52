//! The methods of querysets.

use std::ops::{BitAnd, BitOr, BitXor, RangeBounds};

use bson::Document;

use super::expression::bounds;
use super::terms::{Named, Selection};
use crate::queryset::{
    Call, CombineOp, Direction, Expr, Hint, OrderTerm, Prefetch, Q, Queryset, Value,
};

/// A queryset that is being built. Every method takes it and gives it back with one more call.
///
/// ```
/// use mqlc_compiler::builder::*;
/// let authors = Query::from("library.Author")
///     .annotate("books", count("book").filter(q("book__pages__gt", 100)))
///     .filter(f("books").gt(2) | f("name").iexact("ursula"))
///     .order_by(["-books", "name"])
///     .values(["name", "books"]);
/// assert_eq!(authors.calls().len(), 4);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Query(Queryset);

fn strings<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Vec<String> {
    names.into_iter().map(Into::into).collect()
}

fn querysets<T: Into<Queryset>>(others: impl IntoIterator<Item = T>) -> Vec<Queryset> {
    others.into_iter().map(Into::into).collect()
}

/// The conditions of one call, always under an `and`, as Django holds them.
fn conditions(condition: Q) -> Q {
    match condition {
        Q::And(parts) => Q::And(parts),
        other => Q::And(vec![other]),
    }
}

impl Query {
    /// All rows of a model, by its label `app.Model`.
    #[allow(clippy::should_implement_trait)] // the model is what a query is from
    pub fn from(model: impl Into<String>) -> Self {
        Query(Queryset {
            model: model.into(),
            calls: Vec::new(),
        })
    }

    /// The calls so far.
    #[must_use]
    pub fn calls(&self) -> &[Call] {
        &self.0.calls
    }

    /// The queryset.
    #[must_use]
    pub fn into_queryset(self) -> Queryset {
        self.0
    }

    /// Adds any call.
    #[must_use]
    pub fn call(mut self, call: Call) -> Self {
        self.0.calls.push(call);
        self
    }

    /// Goes on as told, if there is something to go on with.
    ///
    /// ```
    /// use mqlc_compiler::builder::*;
    /// let wanted: Option<&str> = None;
    /// let all = Query::from("library.Book").apply_if(wanted, |books, title| books.filter(f("title").exact(title)));
    /// assert!(all.calls().is_empty());
    /// ```
    #[must_use]
    pub fn apply_if<T>(self, option: Option<T>, go_on: impl FnOnce(Self, T) -> Self) -> Self {
        match option {
            Some(value) => go_on(self, value),
            None => self,
        }
    }

    /// Goes on as told: for parts of queries that are shared.
    #[must_use]
    pub fn apply(self, go_on: impl FnOnce(Self) -> Self) -> Self {
        go_on(self)
    }

    // Conditions

    /// Rows that satisfy the condition.
    #[must_use]
    pub fn filter(self, condition: impl Into<Q>) -> Self {
        self.call(Call::Filter(conditions(condition.into())))
    }

    /// Rows that do not satisfy the condition.
    #[must_use]
    pub fn exclude(self, condition: impl Into<Q>) -> Self {
        self.call(Call::Exclude(conditions(condition.into())))
    }

    /// The condition of a related manager: the filter right after it shares its multi-valued joins.
    #[must_use]
    pub fn sticky_filter(self, condition: impl Into<Q>) -> Self {
        self.call(Call::StickyFilter(conditions(condition.into())))
    }

    /// No row.
    #[must_use]
    pub fn none(self) -> Self {
        self.call(Call::None)
    }

    // Annotations and selections

    /// One more value of each row.
    #[must_use]
    pub fn annotate(self, name: impl Into<String>, expr: impl Into<Expr>) -> Self {
        self.annotate_all(super::named(name, expr))
    }

    /// Several more values of each row in one call.
    #[must_use]
    pub fn annotate_all(self, exprs: impl Into<Named>) -> Self {
        let Named(exprs) = exprs.into();
        self.call(Call::Annotate(exprs))
    }

    /// A name for an expression, which is not part of the rows.
    #[must_use]
    pub fn alias(self, name: impl Into<String>, expr: impl Into<Expr>) -> Self {
        let Named(exprs) = super::named(name, expr);
        self.call(Call::Alias(exprs))
    }

    /// Rows are maps of these names; none selects all fields.
    #[must_use]
    pub fn values(self, selection: impl Into<Selection>) -> Self {
        let Selection(fields) = selection.into();
        self.call(Call::Values(fields))
    }

    /// Rows are lists in this order.
    #[must_use]
    pub fn values_list(self, selection: impl Into<Selection>) -> Self {
        self.list(selection.into(), false, false)
    }

    /// Rows are single values: `values_list(field, flat=True)`.
    #[must_use]
    pub fn values_list_flat(self, selection: impl Into<Selection>) -> Self {
        self.list(selection.into(), true, false)
    }

    /// Rows are named tuples: `values_list(..., named=True)`.
    #[must_use]
    pub fn values_list_named(self, selection: impl Into<Selection>) -> Self {
        self.list(selection.into(), false, true)
    }

    fn list(self, Selection(fields): Selection, flat: bool, named: bool) -> Self {
        self.call(Call::ValuesList {
            fields,
            flat,
            named,
        })
    }

    /// Rows are the different dates of a field, cut to `year`, `month`, `week` or `day`.
    #[must_use]
    pub fn dates(self, field: impl Into<String>, kind: impl Into<String>) -> Self {
        self.call(Call::Dates {
            field: field.into(),
            kind: kind.into(),
            order: Direction::Asc,
        })
    }

    /// Rows are the different datetimes of a field, cut to `year` ... `second`, in the current zone.
    #[must_use]
    pub fn datetimes(self, field: impl Into<String>, kind: impl Into<String>) -> Self {
        self.call(Call::Datetimes {
            field: field.into(),
            kind: kind.into(),
            order: Direction::Asc,
            tz: None,
        })
    }

    // Order and amount

    /// In this order, which replaces the one before; none clears it.
    #[must_use]
    pub fn order_by<T: Into<OrderTerm>>(self, terms: impl IntoIterator<Item = T>) -> Self {
        self.call(Call::OrderBy(terms.into_iter().map(Into::into).collect()))
    }

    /// Without order, the model's own neither.
    #[must_use]
    pub fn unordered(self) -> Self {
        self.call(Call::OrderBy(Vec::new()))
    }

    /// In the opposite order.
    #[must_use]
    pub fn reverse(self) -> Self {
        self.call(Call::Reverse)
    }

    /// Each row once.
    #[must_use]
    pub fn distinct(self) -> Self {
        self.call(Call::Distinct(Vec::new()))
    }

    /// The first row for each combination of these fields.
    #[must_use]
    pub fn distinct_on<N: Into<String>>(self, fields: impl IntoIterator<Item = N>) -> Self {
        self.call(Call::Distinct(strings(fields)))
    }

    /// Rows by their position, counted from zero.
    #[must_use]
    pub fn slice(self, range: impl RangeBounds<u64>) -> Self {
        let (start, stop) = bounds(&range);
        self.call(Call::Slice { start, stop })
    }

    /// The page after a row, without counting over the rows before it (keyset pagination): orders by these names and
    /// keeps the rows that come after the given values, which are the last row's. The names must order the rows
    /// totally (end with the primary key); see [`page_after`](crate::queryset::page_after).
    ///
    /// ```
    /// use mqlc_compiler::builder::*;
    /// let page = Query::from("library.Book").page_after([("title", "Emma"), ("pk", "7")]).slice(..20);
    /// assert_eq!(
    ///     page.rows().to_text(),
    ///     r#"Book.objects.filter(Q(title__gte="Emma"), Q(title__gt="Emma") | Q(title="Emma") & Q(pk__gt="7")).order_by("title", "pk")[:20]"#,
    /// );
    /// ```
    #[must_use]
    pub fn page_after<N: Into<String>, V: Into<Value>>(
        self,
        last: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let keys: Vec<(String, Value)> = last
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        crate::queryset::page_after(&keys)
            .into_iter()
            .fold(self, Query::call)
    }

    // Related objects and fields

    /// Related objects in the same rows.
    #[must_use]
    pub fn select_related<N: Into<String>>(self, paths: impl IntoIterator<Item = N>) -> Self {
        self.call(Call::SelectRelated(Some(strings(paths))))
    }

    /// Every related object that cannot be missing, in the same rows.
    #[must_use]
    pub fn select_related_all(self) -> Self {
        self.call(Call::SelectRelated(Some(Vec::new())))
    }

    /// No related objects in the same rows.
    #[must_use]
    pub fn clear_select_related(self) -> Self {
        self.call(Call::SelectRelated(None))
    }

    /// Related objects by queries of their own.
    #[must_use]
    pub fn prefetch_related<T: Into<Prefetch>>(self, lookups: impl IntoIterator<Item = T>) -> Self {
        let lookups = lookups.into_iter().map(Into::into).collect();
        self.call(Call::PrefetchRelated(Some(lookups)))
    }

    /// No related objects by queries of their own.
    #[must_use]
    pub fn clear_prefetch_related(self) -> Self {
        self.call(Call::PrefetchRelated(None))
    }

    /// Without these fields.
    #[must_use]
    pub fn defer<N: Into<String>>(self, fields: impl IntoIterator<Item = N>) -> Self {
        self.call(Call::Defer(Some(strings(fields))))
    }

    /// With all fields again.
    #[must_use]
    pub fn clear_defer(self) -> Self {
        self.call(Call::Defer(None))
    }

    /// With these fields only.
    #[must_use]
    pub fn only<N: Into<String>>(self, fields: impl IntoIterator<Item = N>) -> Self {
        self.call(Call::Only(strings(fields)))
    }

    // Combinations

    /// Rows of this and the others, each once.
    #[must_use]
    pub fn union<T: Into<Queryset>>(self, others: impl IntoIterator<Item = T>) -> Self {
        let others = querysets(others);
        self.call(Call::Union { all: false, others })
    }

    /// Rows of this and the others.
    #[must_use]
    pub fn union_all<T: Into<Queryset>>(self, others: impl IntoIterator<Item = T>) -> Self {
        let others = querysets(others);
        self.call(Call::Union { all: true, others })
    }

    /// Rows that this and the others share.
    #[must_use]
    pub fn intersection<T: Into<Queryset>>(self, others: impl IntoIterator<Item = T>) -> Self {
        self.call(Call::Intersection(querysets(others)))
    }

    /// Rows that none of the others has.
    #[must_use]
    pub fn difference<T: Into<Queryset>>(self, others: impl IntoIterator<Item = T>) -> Self {
        self.call(Call::Difference(querysets(others)))
    }

    fn combine(self, op: CombineOp, other: Query) -> Self {
        let other = Box::new(other.into_queryset());
        self.call(Call::Combine { op, other })
    }

    // The server

    /// Stages before everything else: `raw_aggregate(...)`, as the first call.
    #[must_use]
    pub fn raw_aggregate(self, stages: impl IntoIterator<Item = Document>) -> Self {
        self.call(Call::Raw(stages.into_iter().collect()))
    }

    /// On this database: kept for the executor.
    #[must_use]
    pub fn using(self, alias: impl Into<String>) -> Self {
        self.call(Call::Using(alias.into()))
    }

    /// With these options of the server's command.
    #[must_use]
    pub fn hint(self, hint: Hint) -> Self {
        self.call(Call::Hint(Box::new(hint)))
    }

    /// Locks the rows.
    #[must_use]
    pub fn select_for_update(self) -> Self {
        self.call(Call::SelectForUpdate {
            nowait: false,
            skip_locked: false,
            of: Vec::new(),
            no_key: false,
        })
    }
}

macro_rules! combinations {
    ($($trait:ident $method:ident $op:ident),*) => {$(
        impl $trait for Query {
            type Output = Query;

            fn $method(self, other: Query) -> Query {
                self.combine(CombineOp::$op, other)
            }
        }
    )*};
}
combinations!(BitAnd bitand And, BitOr bitor Or, BitXor bitxor Xor);

impl From<Query> for Queryset {
    fn from(query: Query) -> Self {
        query.0
    }
}
impl From<&Query> for Queryset {
    fn from(query: &Query) -> Self {
        query.0.clone()
    }
}
impl From<Queryset> for Query {
    fn from(queryset: Queryset) -> Self {
        Query(queryset)
    }
}
