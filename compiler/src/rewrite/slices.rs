//! Slices of slices, and of single rows.

use super::{Context, Kinds, Rule};
use crate::error::Result;
use crate::plan::facts::{ColumnSet, is_unique};
use crate::plan::{Columns, Plan, Rel, VisitMut, walk_rel};

pub(super) const RULE: Rule = Rule {
    name: "slices",
    does: "Merges slices of slices and removes the slice of what is at most one row.",
    sound: "a slice of a slice is a slice, by arithmetic that saturates; a first row of at most one row is all of them.",
    example: ("slice 10..30\nslice 5..10", "slice 15..20"),
    needs: [Kinds::SLICE, Kinds::ANY],
    apply,
};

struct Slices<'a> {
    columns: &'a Columns,
    context: &'a Context<'a>,
    changed: bool,
    result: Result<()>,
}

impl VisitMut for Slices<'_> {
    fn rel(&mut self, rel: &mut Rel) {
        walk_rel(self, rel);
        match merge(rel, self.columns, self.context) {
            Ok(changed) => self.changed |= changed,
            Err(e) => self.result = Err(e),
        }
    }
}

fn apply(plan: &mut Plan, context: &Context<'_>) -> Result<bool> {
    let mut walk = Slices {
        columns: &plan.columns,
        context,
        changed: false,
        result: Ok(()),
    };
    walk.rel(&mut plan.rel);
    crate::plan::walk_terminal(&mut walk, &mut plan.terminal);
    walk.result?;
    Ok(walk.changed)
}

fn merge(rel: &mut Rel, columns: &Columns, context: &Context<'_>) -> Result<bool> {
    let Rel::Slice { input, skip, limit } = rel else {
        return Ok(false);
    };
    if let Rel::Slice {
        input: below,
        skip: first,
        limit: most,
    } = &mut **input
    {
        let left = most.map(|n| n.saturating_sub(*skip));
        let limit = match (left, *limit) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let skip = first.saturating_add(*skip);
        let below = below.take();
        *rel = Rel::Slice {
            input: Box::new(below),
            skip,
            limit,
        };
        return Ok(true);
    }
    if *skip == 0
        && *limit != Some(0)
        && is_unique(input, &ColumnSet::new(), context.schema, columns)?
    {
        *rel = input.take();
        return Ok(true);
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use crate::testing::*;

    /// The second slice counts from the first.
    #[test]
    fn slices_merge() {
        let mut b = Build::new();
        let book = b.source("Book");
        let id = b.column(book, "_id");
        let rel = slice(slice(sort(scan(book), [asc(id)]), 1, 5), 2, 9);
        b.rows(rel, [id]).fires(
            "slices",
            "scan Book\nsort Book._id#0 asc\nslice 3..6\nrows _id: Book._id#0\n",
        );
    }

    /// The first of one row.
    #[test]
    fn single_rows_are_not_sliced() {
        let mut b = Build::new();
        let book = b.source("Book");
        let id = b.column(book, "_id");
        let rel = slice(filter(scan(book), eq(id, 3)), 0, 21);
        b.rows(rel, [id]).fires(
            "slices",
            "scan Book\nfilter Book._id#0 = 3\nrows _id: Book._id#0\n",
        );
    }

    /// Several rows are sliced, and so is a row that is skipped.
    #[test]
    fn other_slices_stay() {
        let mut b = Build::new();
        let book = b.source("Book");
        let (id, author) = (b.column(book, "_id"), b.column(book, "author_id"));
        let rel = slice(sort(filter(scan(book), eq(author, 3)), [asc(id)]), 0, 1);
        b.rows(rel, [id]).stays("slices");
        let mut b = Build::new();
        let book = b.source("Book");
        let id = b.column(book, "_id");
        b.rows(slice(filter(scan(book), eq(id, 3)), 1, 1), [id])
            .stays("slices");
    }
}
