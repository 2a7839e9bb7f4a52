//! `Case`, subqueries and references to the query around them.

use super::Operand;
use crate::queryset::{Case, Expr, OuterRef, Q, Queryset, SubqueryExpr, When};
use crate::schema::FieldType;

/// `Case(...)`: branches are added by [`Case::when`].
///
/// ```
/// use mqlc_compiler::builder::*;
/// let size = case().when(f("pages").gt(500), val("long")).otherwise(val("short"));
/// assert_eq!(
///     Expr::from(size).to_json(),
///     concat!(
///         r#"{"case":{"when":[{"if":{"lookup":{"path":"pages__gt","rhs":{"value":500}}},"then":{"value":"long"}}],"#,
///         r#""else":{"value":"short"}}}"#,
///     ),
/// );
/// ```
pub fn case() -> Case {
    Case {
        when: Vec::new(),
        default: None,
        output: None,
    }
}

impl Case {
    /// `When(condition, then=...)`: the next branch.
    #[must_use]
    pub fn when(mut self, condition: impl Into<Q>, then: impl Operand) -> Self {
        self.when.push(When {
            condition: condition.into(),
            then: then.operand(),
        });
        self
    }

    /// `default=`: where no branch holds.
    #[must_use]
    pub fn otherwise(mut self, default: impl Operand) -> Self {
        self.default = Some(Box::new(default.operand()));
        self
    }

    /// `output_field=`.
    #[must_use]
    pub fn output(mut self, output: impl Into<FieldType>) -> Self {
        self.output = Some(Box::new(output.into()));
        self
    }
}

/// `Subquery(queryset)`: its one column of its first row as a value.
///
/// As the right side of a lookup it is taken as it stands; a query given there directly selects the primary key.
pub fn subquery(queryset: impl Into<Queryset>) -> SubqueryExpr {
    SubqueryExpr {
        queryset: Box::new(queryset.into()),
        output: None,
        explicit: true,
    }
}

/// `ArraySubquery(queryset)`: its one column of all rows as an array.
pub fn array_subquery(queryset: impl Into<Queryset>) -> Expr {
    Expr::ArraySubquery(SubqueryExpr {
        queryset: Box::new(queryset.into()),
        output: None,
        explicit: false,
    })
}

/// `Exists(queryset)`.
///
/// ```
/// use mqlc_compiler::builder::*;
/// let books = Query::from("library.Book").filter(f("author").exact(outer_ref("pk")));
/// let authors = Query::from("library.Author").filter(!exists(books));
/// assert_eq!(
///     authors.rows().to_json(),
///     concat!(
///         r#"{"model":"library.Author","calls":[{"filter":{"and":[{"expr":{"not":{"exists":"#,
///         r#"{"model":"library.Book","calls":[{"filter":{"and":[{"lookup":{"path":"author","rhs":{"outer_ref":"pk"}}}]}}]}"#,
///         r#"}}}]}}],"do":"rows"}"#,
///     ),
/// );
/// ```
pub fn exists(queryset: impl Into<Queryset>) -> Expr {
    Expr::Exists(Box::new(queryset.into()))
}

/// `OuterRef("path")`: a path in the query around this one.
pub fn outer_ref(path: impl Into<String>) -> Expr {
    outer_ref_at(1, path)
}

/// `OuterRef(OuterRef("path"))`: a path so many queries further out.
pub fn outer_ref_at(levels: u32, path: impl Into<String>) -> Expr {
    Expr::OuterRef(OuterRef {
        path: path.into(),
        levels,
    })
}

/// `FilteredRelation(relation, condition=...)`: only in `annotate()` and `alias()`.
pub fn filtered_relation(relation: impl Into<String>, condition: impl Into<Q>) -> Expr {
    Expr::FilteredRelation {
        relation: relation.into(),
        condition: Box::new(condition.into()),
    }
}

impl SubqueryExpr {
    /// `output_field=`.
    #[must_use]
    pub fn output(mut self, output: impl Into<FieldType>) -> Self {
        self.output = Some(Box::new(output.into()));
        self
    }
}
