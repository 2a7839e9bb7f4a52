//! The fluent front end: querysets in Rust, with Django's names.
//!
//! ```
//! use mqlc_compiler::builder::*;
//!
//! let books = Query::from("library.Book")
//!     .filter(f("author__name").istartswith("a") & !f("pages").lt(100))
//!     .annotate("age", now() - f("published"))
//!     .order_by([desc("published")])
//!     .slice(..20);
//! assert_eq!(
//!     books.rows().to_json(),
//!     concat!(
//!         r#"{"model":"library.Book","calls":[{"filter":{"and":["#,
//!         r#"{"lookup":{"path":"author__name__istartswith","rhs":{"value":"a"}}},"#,
//!         r#"{"not":{"lookup":{"path":"pages__lt","rhs":{"value":100}}}}]}},"#,
//!         r#"{"annotate":{"age":{"combined":{"op":"-","lhs":{"func":{"name":"Now","args":[]}},"rhs":{"f":"published"}}}}},"#,
//!         r#"{"order_by":[{"expr":{"f":"published"},"desc":true,"nulls":null}]},"#,
//!         r#"{"slice":[null,20]}],"do":"rows"}"#,
//!     ),
//! );
//! ```
//!
//! Text means what it means in Django: as an argument of a function, an aggregate, `Case` or an ordering it is a path
//! (`lower("name")` is of the field); compared with, added to or assigned to something it is a value
//! (`f("name").exact("x")`). [`f`] and [`val`] say so explicitly.
//!
//! | file | holds |
//! |---|---|
//! | `query` | [`Query`]: the methods of querysets |
//! | `terminal` | how a query becomes a [`crate::queryset::Statement`] |
//! | `terms` | arguments of those: selections, names with expressions, rows, prefetches, orderings |
//! | `expression` | [`Expression`]: lookups, transforms, and what else hangs on an expression |
//! | `operators` | `& \| ^ !` of conditions, `+ - * / %` of expressions |
//! | `functions` | database functions, as a table |
//! | `aggregates` | aggregates, windows and their functions |
//! | `search` | search expressions |
//! | `conditional` | `Case`, subqueries, outer references |

mod aggregates;
mod conditional;
mod expression;
mod functions;
mod operators;
mod query;
mod search;
mod terminal;
mod terms;

pub use aggregates::*;
pub use conditional::*;
pub use expression::{Expression, Operand, f, list, q, raw, typed, val};
pub use functions::*;
pub use query::Query;
pub use search::*;
pub use terminal::Insertion;
pub use terms::{
    Named, Row, Selection, asc, desc, fields, named, prefetch, random_order, row, select,
};

pub use crate::queryset::{
    Aggregate, Case, Expr, Func, Order, OrderTerm, Prefetch, Q, Statement, Value, Window,
};
pub use crate::schema::{FieldKind, FieldType};
