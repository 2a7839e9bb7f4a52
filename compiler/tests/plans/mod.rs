//! A library of books as schema, random data for it, plans written by hand, and an interpreter of plans that knows
//! nothing of MongoDB's languages: the oracle of the rewrite rules.
#![allow(dead_code, missing_docs, unused_imports)]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss
)]

mod arbitrary;
mod build;
mod data;
mod interpret;
mod library;
mod shapes;

pub use arbitrary::plan_of;
pub use build::*;
pub use data::{Dice, data};
pub use interpret::{Data, in_order, promised_order, values};
pub use library::library;

/// The result of a plan over the library: one text a row, sorted.
pub fn interpret(plan: &mqlc_compiler::plan::Plan, data: &Data) -> Vec<String> {
    static SCHEMA: std::sync::OnceLock<mqlc_compiler::schema::Schema> = std::sync::OnceLock::new();
    interpret::interpret(plan, SCHEMA.get_or_init(library), data)
}
