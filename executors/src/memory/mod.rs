//! The embedded engine: MongoDB 8.0's query language over collections in memory.
//!
//! Specified by MongoDB's manual. What lives where: `value` (values, order, paths), `expr` (aggregation expressions),
//! `accumulator` and `window` (what `$group` and `$setWindowFields` compute), `decimal`, `datetime` and `geo` (their
//! arithmetic), `filter` (the match language), `stage` (pipelines), `database` (commands, storage, indexes).
pub mod accumulator;
pub mod battery;
pub mod database;
pub mod datetime;
pub mod decimal;
pub mod error;
mod executor;
pub mod expr;
pub mod filter;
pub mod geo;
pub mod pattern;
pub mod plan;
pub mod stage;
pub mod storage;
pub mod value;
pub mod window;

pub use database::{Engine, Limits};
pub use executor::MemoryExecutor;
