//! What can be derived from a plan: scopes, nullability, uniqueness, demand. Computed when asked for, never stored.
//!
//! | file | holds |
//! |---|---|
//! | `sets` | [`ColumnSet`], [`SourceSet`] |
//! | `scope` | which columns there are at a point, [`Scope`]; free columns of subqueries |
//! | `nulls` | which columns can be NULL at a point, [`Nulls`]; null-rejecting conditions |
//! | `keys` | which columns tell rows apart, [`is_unique`], [`determined`] |
//! | `demand` | which columns are used, [`demand`] |

mod demand;
mod keys;
mod nulls;
mod scope;
mod sets;

pub use demand::{demand, output_columns};
pub use keys::{Determined, constants, determined, is_unique, tells_apart, unique_paths};
pub use nulls::{Nulls, is_strict, never_null, rejected, strict_columns};
pub use scope::{Scope, defined_inside, free_columns, is_correlated, scope, used_columns};
pub use sets::{ColumnSet, SourceSet};
