//! MongoDB's languages as typed trees: the output of lowering, the input of tidying and rendering.
//!
//! Operators are data: [`Expr::Op`] names one of the table in `operators`, which knows arity and the server
//! version that brought it. User data is only ever a [`Literal`](Expr::Literal) or the value of a filter operator.
//!
//! | file | holds |
//! |---|---|
//! | `expr` | the aggregation language, [`Expr`] |
//! | `filter` | the match language, [`Filter`] |
//! | `stage` | pipeline stages, [`Stage`] |
//! | `operators` | the table of operators |
//! | `check` | what must hold before a command is rendered, [`check`] |
//! | `command` | server commands, [`Command`] |
//! | `display` | all of it as text for people |

mod check;
mod command;
pub mod display;
mod expr;
pub(crate) mod filter;
mod operators;
mod stage;

pub use check::check;
pub use command::{Command, Find, UpdateModel, WriteModel};
pub use display::{command as shell_text, text as value_text};
pub use expr::{Args, Expr};
pub use filter::{FieldOp, Filter};
pub use stage::{Accumulator, Lookup, Projection, SortOrder, Stage, WindowOutput, WindowRange};
