//! Executors: what runs a compiled program, and how its documents become rows.
//!
//! An [`Executor`] runs single commands. [`Execute`] builds on it what users want: rows, serde structs, streams, counts.
//!
//! | module | runs commands |
//! |---|---|
//! | [`memory`] with [`MemoryExecutor`] | on the embedded engine (feature `memory`, on by default) |
//! | [`scripted`] | against a list of expected commands with canned replies |
//! | `mongodb` | on a server, through the official driver (feature `mongodb`) |
//!
//! The module `wire` (feature `wire`) is the other way round: the embedded engine as a server for any MongoDB driver.

mod error;
mod executor;
#[cfg(feature = "memory")]
pub mod memory;
#[cfg(feature = "mongodb")]
pub mod mongodb;
pub mod rows;
mod run;
pub mod scripted;
mod upsert;
#[cfg(feature = "wire")]
pub mod wire;

pub use error::{CommandError, DUPLICATE_KEY, Error, Result, WriteError, WriteFailure};
pub use executor::{Execute, Executor, Outcome, Reply, Written, check_reply};
#[cfg(feature = "memory")]
pub use memory::MemoryExecutor;
pub use rows::{Row, RowValue};
pub use scripted::ScriptedExecutor;
#[cfg(feature = "wire")]
pub use wire::{WireOptions, WireServer};
