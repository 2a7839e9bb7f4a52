//! Executors: what runs a compiled program.
#[cfg(feature = "memory")]
pub mod memory;
