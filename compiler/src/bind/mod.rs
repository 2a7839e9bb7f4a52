//! From names to columns: Django's rules for relations, grouping and types.

use crate::error::{Error, Result};
use crate::plan::Plan;
use crate::queryset::Statement;
use crate::schema::Schema;

/// Binds a statement to a schema.
///
/// # Errors
/// Whatever Django refuses, with its class.
pub fn bind(_schema: &Schema, _statement: &Statement) -> Result<Plan> {
    Err(Error::unsupported("binding", "it is being built"))
}
