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

pub use arbitrary::plan_of;
pub use build::*;
pub use data::{Data, Dice, data};
pub use interpret::{Interpreter, in_order, interpret, promised_order, values};
pub use library::library;
