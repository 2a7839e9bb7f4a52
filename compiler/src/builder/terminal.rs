//! How a query becomes a statement.

use super::terms::{Named, Row};
use super::{Query, q};
use crate::queryset::{BulkUpdate, Call, Do, Insert, OrderTerm, Q, Queryset, Statement, Value};

impl Query {
    fn done(self, action: Do) -> Statement {
        self.into_queryset().done(action)
    }

    /// All rows. [`Statement::from`] does the same.
    #[must_use]
    pub fn rows(self) -> Statement {
        self.done(Do::Rows)
    }

    /// How many rows.
    #[must_use]
    pub fn count(self) -> Statement {
        self.done(Do::Count { limit: None })
    }

    /// How many rows, at most so many: counting stops there.
    #[must_use]
    pub fn count_up_to(self, limit: u64) -> Statement {
        self.done(Do::Count { limit: Some(limit) })
    }

    /// Whether there is a row.
    #[must_use]
    pub fn exists(self) -> Statement {
        self.done(Do::Exists)
    }

    /// Whether the row with this primary key is among the rows.
    #[must_use]
    pub fn contains(self, pk: impl Into<Value>) -> Statement {
        self.filter(q("pk", pk.into())).exists()
    }

    /// How the server would find the rows.
    #[must_use]
    pub fn explain(self) -> Statement {
        self.done(Do::Explain)
    }

    /// Exactly one row: none or several are errors of the executor.
    #[must_use]
    pub fn get(self) -> Statement {
        self.done(Do::Get)
    }

    /// The first row. Where the query has no order of its own that is the row with the least primary key; the default
    /// ordering of the model is not known here, so name it with `order_by`.
    #[must_use]
    pub fn first(self) -> Statement {
        let given = self.calls().iter().rev().find_map(|call| match call {
            Call::OrderBy(_) => Some(false),
            // Its stages say the order.
            Call::Raw(_) => Some(true),
            _ => None,
        });
        let rows = if given == Some(true) {
            self
        } else {
            self.ordered()
        };
        rows.slice(..1).rows()
    }

    /// The last row, likewise.
    #[must_use]
    pub fn last(self) -> Statement {
        self.ordered().reverse().slice(..1).rows()
    }

    fn ordered(self) -> Self {
        let last = self.calls().iter().rev().find_map(|call| match call {
            Call::OrderBy(terms) => Some(!terms.is_empty()),
            _ => None,
        });
        if last == Some(true) {
            self
        } else {
            self.order_by(["pk"])
        }
    }

    /// The first row in this order.
    #[must_use]
    pub fn earliest<T: Into<OrderTerm>>(self, terms: impl IntoIterator<Item = T>) -> Statement {
        self.order_by(terms).slice(..1).get()
    }

    /// The last row in this order.
    #[must_use]
    pub fn latest<T: Into<OrderTerm>>(self, terms: impl IntoIterator<Item = T>) -> Statement {
        self.order_by(terms).reverse().slice(..1).get()
    }

    /// The rows whose field has one of the values: what `in_bulk()` is made of.
    #[must_use]
    pub fn in_bulk(
        self,
        field: &str,
        values: impl IntoIterator<Item = impl Into<Value>>,
    ) -> Statement {
        let values: Vec<Value> = values.into_iter().map(Into::into).collect();
        self.filter(q(format!("{field}__in"), Value::List(values)))
            .rows()
    }

    /// One row of aggregates over all rows.
    ///
    /// ```
    /// use mqlc_compiler::builder::*;
    /// let pages = Query::from("library.Book").aggregate([("most", max("pages")), ("least", min("pages"))]);
    /// assert_eq!(
    ///     pages.to_json(),
    ///     concat!(
    ///         r#"{"model":"library.Book","calls":[],"do":{"aggregate":{"#,
    ///         r#""most":{"aggregate":{"name":"Max","args":[{"f":"pages"}]}},"#,
    ///         r#""least":{"aggregate":{"name":"Min","args":[{"f":"pages"}]}}}}}"#,
    ///     ),
    /// );
    /// ```
    #[must_use]
    pub fn aggregate(self, exprs: impl Into<Named>) -> Statement {
        let Named(exprs) = exprs.into();
        self.done(Do::Aggregate(exprs))
    }

    /// Sets fields of all rows.
    #[must_use]
    pub fn update(self, values: impl Into<Named>) -> Statement {
        let Named(values) = values.into();
        self.done(Do::Update(values))
    }

    /// Sets the fields of rows to values of their own: each row has its `pk`, and a value for each field.
    ///
    /// ```
    /// use mqlc_compiler::builder::*;
    /// let books = Query::from("library.Book")
    ///     .bulk_update([row("pk", 1).and("pages", 412), row("pk", 2).and("pages", 96)], ["pages"]);
    /// assert_eq!(
    ///     books.to_text(),
    ///     r#"Book.objects.bulk_update([Book(pk=1, pages=412), Book(pk=2, pages=96)], ["pages"])"#,
    /// );
    /// ```
    #[must_use]
    pub fn bulk_update<T: Into<Row>, N: Into<String>>(
        self,
        rows: impl IntoIterator<Item = T>,
        fields: impl IntoIterator<Item = N>,
    ) -> Statement {
        self.done(Do::BulkUpdate(BulkUpdate {
            rows: rows.into_iter().map(|row| row.into().0).collect(),
            fields: fields.into_iter().map(Into::into).collect(),
        }))
    }

    /// Deletes all rows, and what hangs on them.
    #[must_use]
    pub fn delete(self) -> Statement {
        self.done(Do::Delete)
    }

    /// Inserts rows.
    ///
    /// ```
    /// use mqlc_compiler::builder::*;
    /// let books: Statement = Query::from("library.Book")
    ///     .insert([row("title", "Dune").and("pages", 412).and_computed("added", now())])
    ///     .ignore_conflicts()
    ///     .into();
    /// assert!(books.to_json().contains(r#""added":{"$expr":{"func":{"name":"Now","args":[]}}}"#));
    /// ```
    #[must_use]
    pub fn insert<T: Into<Row>>(self, rows: impl IntoIterator<Item = T>) -> Insertion {
        let rows = rows.into_iter().map(|row| row.into().0).collect();
        Insertion {
            queryset: self.into_queryset(),
            insert: Insert {
                rows,
                ..Insert::default()
            },
        }
    }

    /// The row that satisfies the condition, or a new one with the defaults.
    ///
    /// ```
    /// use mqlc_compiler::builder::*;
    /// let tag = Query::from("library.Tag").get_or_create(q("name", "new"), row("color", "red"));
    /// assert_eq!(tag.to_text(), r#"Tag.objects.get_or_create(name="new", defaults={"color": "red"})"#);
    /// ```
    #[must_use]
    pub fn get_or_create(self, condition: impl Into<Q>, defaults: impl Into<Row>) -> Statement {
        self.done(Do::GetOrCreate {
            filter: Box::new(condition.into()),
            defaults: defaults.into().0,
        })
    }

    /// The row that satisfies the condition with these values set, or a new one with them.
    ///
    /// [`Query::update_or_create_with`] gives a new row other values.
    #[must_use]
    pub fn update_or_create(self, condition: impl Into<Q>, defaults: impl Into<Row>) -> Statement {
        self.done(Do::UpdateOrCreate {
            filter: Box::new(condition.into()),
            defaults: defaults.into().0,
            create_defaults: None,
        })
    }

    /// The row that satisfies the condition with the values of `update` set, or a new one with those of `create`.
    ///
    /// ```
    /// use mqlc_compiler::builder::*;
    /// let stock = Query::from("library.Stock").update_or_create_with(
    ///     q("book", 7),
    ///     Row::default().and_computed("quantity", f("quantity") + 1),
    ///     row("quantity", 1),
    /// );
    /// assert_eq!(
    ///     stock.to_text(),
    ///     r#"Stock.objects.update_or_create(book=7, defaults={"quantity": F("quantity") + 1}, create_defaults={"quantity": 1})"#,
    /// );
    /// ```
    #[must_use]
    pub fn update_or_create_with(
        self,
        condition: impl Into<Q>,
        update: impl Into<Row>,
        create: impl Into<Row>,
    ) -> Statement {
        self.done(Do::UpdateOrCreate {
            filter: Box::new(condition.into()),
            defaults: update.into().0,
            create_defaults: Some(create.into().0),
        })
    }
}

impl From<Query> for Statement {
    fn from(query: Query) -> Self {
        query.rows()
    }
}
impl From<&Query> for Statement {
    fn from(query: &Query) -> Self {
        Queryset::from(query).done(Do::Rows)
    }
}

/// Rows to insert, and what to do about those that are there already.
#[derive(Debug, Clone, PartialEq)]
pub struct Insertion {
    queryset: Queryset,
    insert: Insert,
}

impl Insertion {
    /// Leaves out rows that violate a constraint.
    #[must_use]
    pub fn ignore_conflicts(mut self) -> Self {
        self.insert.ignore_conflicts = true;
        self
    }

    /// Sets `update` of a row that is there already, which `unique` tells.
    #[must_use]
    pub fn update_conflicts<N: Into<String>, M: Into<String>>(
        mut self,
        unique: impl IntoIterator<Item = N>,
        update: impl IntoIterator<Item = M>,
    ) -> Self {
        self.insert.update_conflicts = true;
        self.insert.unique_fields = unique.into_iter().map(Into::into).collect();
        self.insert.update_fields = update.into_iter().map(Into::into).collect();
        self
    }

    /// The statement.
    #[must_use]
    pub fn done(self) -> Statement {
        self.queryset.done(Do::Insert(self.insert))
    }
}

impl From<Insertion> for Statement {
    fn from(insertion: Insertion) -> Self {
        insertion.done()
    }
}
