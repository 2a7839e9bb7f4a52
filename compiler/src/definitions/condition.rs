//! Conditions of indexes and checks, bound as those of a `filter()`.

use crate::compiler::Compiler;
use crate::error::{Error, Result};
use crate::plan::{Plan, Predicate, Rel, has_subquery};
use crate::queryset::{Call, Do, Q, Statement};
use crate::rewrite;
use crate::schema::Model;
use crate::trace::Trace;

/// The plan that counts the rows of which a condition is true (or, turned, false).
pub(super) fn plan(compiler: &Compiler, model: &Model, q: &Q, turned: bool) -> Result<Plan> {
    let statement = Statement {
        model: model.label.clone(),
        calls: vec![Call::Filter(q.clone())],
        action: Do::Count { limit: None },
    };
    let mut plan = compiler.bind(&statement)?;
    if turned {
        match &mut plan.rel {
            Rel::Filter { predicate, .. } => {
                let condition = std::mem::replace(predicate, Predicate::TRUE);
                *predicate = condition.negate();
            }
            // Every row, or none.
            rel => {
                *rel = match rel {
                    Rel::Empty => return Err(never()),
                    _ => Rel::Empty,
                }
            }
        }
    }
    rewrite::rewrite(
        &mut plan,
        compiler.schema(),
        compiler.target_ref(),
        &mut Trace::brief(),
    )?;
    own(&plan.rel)?;
    Ok(plan)
}

/// The condition reads the document only.
fn own(rel: &Rel) -> Result<()> {
    match rel {
        Rel::Scan(_) | Rel::Empty => Ok(()),
        Rel::Filter { input, predicate } if !has_subquery(predicate) => own(input),
        Rel::Sort { input, .. } => own(input),
        _ => Err(Error::unsupported(
            "a condition about other documents",
            "the server looks at one document at a time",
        )),
    }
}

/// What is true of the rows: `None` if nothing is.
pub(super) fn predicate(rel: &Rel) -> Option<Predicate> {
    match rel {
        Rel::Scan(_) => Some(Predicate::TRUE),
        Rel::Filter { input, predicate } => Some(self::predicate(input)?.and(predicate.clone())),
        Rel::Sort { input, .. } => predicate(input),
        _ => None,
    }
}

pub(super) fn never() -> Error {
    Error::unsupported(
        "a condition that is true of no row",
        "it would hold nothing",
    )
}
