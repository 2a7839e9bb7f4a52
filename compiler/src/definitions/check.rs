//! Check constraints: which documents break one.
//!
//! A row is refused where the condition is false; where it is unknown, because something in it is NULL, the row passes (SQL: `CHECK`). So what is
//! lowered is the opposite, which is true exactly where the condition is false, and the validator lets in what does not match it.

use bson::Document;

use super::condition;
use crate::compiler::Compiler;
use crate::error::{Error, Result};
use crate::lower;
use crate::mql::{self, Command, Filter};
use crate::queryset::Q;
use crate::render;
use crate::schema::Model;

/// The filter of the documents that break a condition; `None` if none can.
pub(super) fn broken(compiler: &Compiler, model: &Model, q: &Q) -> Result<Option<Document>> {
    let plan = condition::plan(compiler, model, q, true)?;
    let target = compiler.target_ref();
    let (program, _) = lower::lower(plan, compiler.functions(), target)?;
    match program.steps.as_slice() {
        [] => Ok(None),
        [step] => {
            mql::check(&step.command, target)?;
            match &step.command {
                Command::Count {
                    filter: Filter::True,
                    ..
                } => Err(condition::never()),
                Command::Count { filter, .. } => Ok(Some(render::filter(filter))),
                _ => Err(form()),
            }
        }
        _ => Err(form()),
    }
}

fn form() -> Error {
    Error::unsupported(
        "a condition that no single filter says",
        "a validator is one filter",
    )
}
