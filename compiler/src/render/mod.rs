//! From typed trees to BSON, one to one.
//!
//! This is the only place that decides how a literal is written so that the server reads it as data: `$literal` where
//! an expression could be read out of it, `$eq` where a filter could. A tree is walked once, and written into what the
//! caller wants: a document of the `bson` crate, or the bytes that are sent.
//!
//! | file | holds |
//! |---|---|
//! | `sink` | what is written into; documents |
//! | `bytes` | BSON's bytes |
//! | `command` | commands |
//! | `stage` | stages |
//! | `expr` | expressions |
//! | `filter` | filters |

mod bytes;
mod command;
mod expr;
mod filter;
mod sink;
mod stage;
#[cfg(test)]
mod tests;

use bson::{Bson, Document, RawDocumentBuf};

use crate::error::Result;
use crate::mql::{Command, Expr, Filter, Stage};
use bytes::Bytes;
use sink::{ITEM, Tree};

/// Values of earlier steps by the number of their parameter.
pub type Values<'a> = &'a [(u32, Vec<Bson>)];

/// A command as a server takes it, without `$db`.
#[must_use]
pub fn command(command: &Command, values: Values<'_>) -> Document {
    Tree::filled(|out| Render { values }.command(command, out))
}

/// The bytes of a command as a server takes it, without `$db`.
///
/// # Errors
/// `Unsupported` for what BSON cannot say: keys with a NUL character, documents beyond two gigabytes.
pub fn raw_command(command: &Command, values: Values<'_>) -> Result<RawDocumentBuf> {
    Bytes::filled(|out| Render { values }.command(command, out))
}

/// A stage as BSON, without values of earlier steps.
#[must_use]
pub fn stage(stage: &Stage) -> Document {
    Tree::filled(|out| Render { values: &[] }.stage(stage, out))
}

/// A filter as BSON, without values of earlier steps.
#[must_use]
pub fn filter(filter: &Filter) -> Document {
    Tree::filled(|out| Render { values: &[] }.conditions(filter, &[], out))
}

/// An expression as BSON, without values of earlier steps.
#[must_use]
pub fn expr(expr: &Expr) -> Bson {
    let mut items = Tree::array_filled(|out| Render { values: &[] }.expr(ITEM, expr, out));
    items.pop().unwrap_or_default()
}

/// The walk.
struct Render<'a> {
    values: Values<'a>,
}

impl Render<'_> {
    /// The values that an earlier step found.
    fn parameter(&self, number: u32) -> &[Bson] {
        let found = self.values.iter().find(|(n, _)| *n == number);
        found.map_or(&[], |(_, values)| values)
    }
}
