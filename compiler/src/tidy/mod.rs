//! Peepholes on MQL: what an expert would not have written twice.
//!
//! | file | holds |
//! |---|---|
//! | `filter` | simplification of filters |
//! | `stages` | adjacent stages |
//! | `computed` | computed fields that need not be written into documents |
//! | `command` | pipelines that are cheaper commands |

mod command;
mod computed;
mod filter;
mod stages;

pub use command::{as_count, as_find};
pub use filter::simplify;
pub use stages::pipeline;
