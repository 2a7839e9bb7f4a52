//! What the user asked: the language-neutral form of a Django query, before any name is resolved.
//!
//! Every front end produces a [`Statement`]; calls stand in the order in which they were made and names are
//! as written (`author__name__icontains`). The public interchange form is Queryset JSON, version 1
//! (one variant here per tag there).
//!
//! | file | holds |
//! |---|---|
//! | `statement` | [`Statement`], [`Queryset`] and the terminals [`Do`] |
//! | `call` | the queryset methods, [`Call`] |
//! | `q` | boolean trees, [`Q`] |
//! | `expr` | expressions, [`Expr`] |
//! | `value` | literals, [`Value`] |
//! | `json` | Queryset JSON, in both directions |
//! | `keyset` | the page after a row, as calls |
//! | `text` | the canonical text: Django's Python |

mod call;
mod expr;
pub(crate) mod json;
mod keyset;
mod q;
mod statement;
mod text;
mod value;

pub use call::{Call, CombineOp, Direction, Hint, Order, OrderTerm, Prefetch, ValuesFields};
pub use expr::{
    Aggregate, ArithmeticOp, Case, Expr, Frame, FrameExclusion, FrameUnit, Func, NullsOrder,
    OuterRef, SubqueryExpr, When, Window,
};
pub use json::Limits;
pub use keyset::page_after;
pub use q::Q;
pub use statement::{BulkUpdate, Do, Insert, Queryset, Statement};
pub use value::{AwareDateTime, RegexLiteral, Value};
