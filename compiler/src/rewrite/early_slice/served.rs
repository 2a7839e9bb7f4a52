//! Orders that an index gives.

use crate::error::Result;
use crate::plan::facts::is_correlated;
use crate::plan::{Columns, Node, Rel, Scalar, SubKind, as_column, visit};
use crate::rewrite::Context;
use crate::rewrite::block::{Reach, is_indexed, reach, root_key};

/// Whether rows are in the order of an index of the collection, all of which are read otherwise: those of a slice, or those
/// that would carry a list into the sort.
pub(super) fn is_served(rel: &Rel, context: &Context<'_>, columns: &Columns) -> Result<bool> {
    let sort = match rel {
        Rel::Slice { input, .. } => input,
        other => other,
    };
    let Rel::Sort { input, keys } = sort else {
        return Ok(false);
    };
    if let Rel::Sort { .. } = rel
        && !brings_list(input, columns)
    {
        return Ok(false);
    }
    let Some((source, key)) = keys
        .first()
        .and_then(|k| as_column(&k.scalar))
        .and_then(|id| root_key(columns, id))
    else {
        return Ok(false);
    };
    if !is_indexed(context.schema, columns, source, key)? {
        return Ok(false);
    }
    let mut conditions = Vec::new();
    let mut at = &**input;
    loop {
        match at {
            Rel::Scan(base) => {
                let known = |s: &Scalar| matches!(s, Scalar::Literal(_));
                return Ok(*base == source
                    && reach(
                        source,
                        conditions.into_iter(),
                        &known,
                        context.schema,
                        columns,
                    )? >= Reach::Range);
            }
            Rel::Filter { input, predicate } => {
                conditions.extend(predicate.parts());
                at = input;
            }
            Rel::Join(join) => at = &join.input,
            Rel::Extend { input, .. } => at = input,
            _ => return Ok(false),
        }
    }
}

/// A condition compares with a list that is the same for all rows, and each row carries it from there on.
fn brings_list(rel: &Rel, columns: &Columns) -> bool {
    let Rel::Filter { predicate, .. } = rel else {
        return false;
    };
    let mut found = false;
    visit(Node::Predicate(predicate), &mut |node, _| {
        if let Node::Scalar(Scalar::Subquery(sub)) = node {
            found |= sub.kind == SubKind::Array && !is_correlated(sub, columns);
        }
        !found
    });
    found
}
