//! Peepholes on MQL: what an expert would not have written twice.
//!
//! | file | holds |
//! |---|---|
//! | `filter` | simplification of filters |
//! | `stages` | adjacent stages |
//! | `command` | pipelines that are cheaper commands |

mod command;
mod filter;
mod stages;

pub use command::{as_count, as_find};
pub use filter::simplify;
pub use stages::pipeline;
