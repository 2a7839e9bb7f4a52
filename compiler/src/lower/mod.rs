//! From plan to MongoDB's languages: for each condition the cheapest form with the same truth.

use crate::error::{Error, Result};
use crate::functions::Registry;
use crate::plan::Plan;
use crate::program::Program;
use crate::shape::Shape;
use crate::target::Target;

/// Lowers a plan to a program and the shape of its result.
///
/// # Errors
/// `Unsupported` for what the target cannot do.
pub fn lower(_plan: Plan, _registry: &Registry, _target: &Target) -> Result<(Program, Shape)> {
    Err(Error::unsupported("lowering", "it is being built"))
}
