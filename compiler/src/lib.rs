//! The pure compiler of mqlc: Django-like querysets in, MongoDB commands out. No IO, no async, no clock.
//!
//! | pass | from | to | module |
//! |---|---|---|---|
//! | front ends | text, JSON, Rust | [`queryset::Statement`] | `text`, [`queryset`], `builder` |
//! | bind | statement and [`schema::Schema`] | `plan::Plan` | `bind` |
//! | rewrite | plan | plan | `rewrite` |
//! | lower | plan and `target::Target` | `mql` | `lower` |
//! | tidy, check | mql | mql | `tidy` |
//! | render | mql | bson | `render` |

pub mod bind;
mod bits;
pub mod builder;
mod compiler;
pub mod definitions;
mod diagnostic;
mod error;
pub mod explain;
pub mod functions;
pub mod lower;
pub mod mql;
pub mod names;
pub mod plan;
pub mod program;
pub mod queryset;
pub mod render;
pub mod rewrite;
pub mod schema;
pub mod shape;
pub mod storage;
pub mod target;
pub mod text;
pub mod tidy;
pub mod trace;

#[cfg(test)]
extern crate self as mqlc_compiler;
#[cfg(test)]
#[path = "../tests/plans/mod.rs"]
mod testing;

pub use compiler::{Compiled, Compiler};
pub use definitions::{DefinitionOptions, Definitions};
pub use error::{Code, Error, Result, Span};
pub use explain::Explanation;
