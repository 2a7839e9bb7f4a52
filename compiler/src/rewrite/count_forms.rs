//! Values that are never NULL are counted as rows, distinct ones that are unique as values.

use super::{Context, Kinds, Rule};
use crate::error::Result;
use crate::plan::facts::{ColumnSet, Nulls, is_unique};
use crate::plan::{Columns, Plan, Rel, Scalar, VisitMut, walk_rel, walk_terminal};

pub(super) const RULE: Rule = Rule {
    name: "count_forms",
    does: "Counts rows instead of values that are never NULL, and values instead of distinct ones where they are unique.",
    sound: "a value that is never NULL is counted for every row; values of a column that tells rows apart repeat only as NULL, \
            which does not count.",
    example: (
        "aggregate n = Count(distinct book._id)",
        "aggregate n = Count(*)",
    ),
    needs: [Kinds::AGGREGATE, Kinds::ANY],
    apply,
};

fn apply(plan: &mut Plan, context: &Context<'_>) -> Result<bool> {
    let mut counts = Counts {
        columns: &plan.columns,
        context,
        result: Ok(false),
    };
    counts.rel(&mut plan.rel);
    walk_terminal(&mut counts, &mut plan.terminal);
    counts.result
}

struct Counts<'a> {
    columns: &'a Columns,
    context: &'a Context<'a>,
    result: Result<bool>,
}

impl VisitMut for Counts<'_> {
    fn rel(&mut self, rel: &mut Rel) {
        walk_rel(self, rel);
        if let Ok(changed) = self.result {
            self.result = simplify(rel, self.columns, self.context).map(|c| c | changed);
        }
    }
}

fn simplify(rel: &mut Rel, columns: &Columns, context: &Context<'_>) -> Result<bool> {
    let Rel::Aggregate {
        input, aggregates, ..
    } = rel
    else {
        return Ok(false);
    };
    let mut changed = false;
    let mut nulls: Option<Nulls<'_>> = None;
    for (_, call) in aggregates {
        if call.function != "Count" || call.args.len() != 1 || !call.options.is_empty() {
            continue;
        }
        let Some(Scalar::Column(id)) = call.args.first() else {
            continue;
        };
        if call.distinct {
            let given: ColumnSet = [*id].into_iter().collect();
            if !is_unique(input, &given, context.schema, columns)? {
                continue;
            }
            call.distinct = false;
            changed = true;
        }
        let nulls = nulls.get_or_insert_with(|| Nulls::new(columns).of(input));
        if !nulls.nullable(*id) {
            call.args.clear();
            call.order.clear();
            changed = true;
        }
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use crate::testing::*;

    /// Keys are counted as rows.
    #[test]
    fn keys_are_counted_as_rows() {
        let mut b = Build::new();
        let book = b.source("Book");
        let (id, isbn) = (b.column(book, "_id"), b.column(book, "isbn"));
        let (n, m) = (b.counted("n"), b.counted("m"));
        let mut distinct_id = agg("Count", vec![value(id)]);
        distinct_id.distinct = true;
        let rel = aggregate(
            scan(book),
            [],
            [],
            [(n, distinct_id), (m, agg("Count", vec![value(isbn)]))],
        );
        b.row(rel, [n, m]).fires(
            "count_forms",
            "scan Book\naggregate n#2 = Count(*), m#3 = Count(Book.isbn#1)\nrow n: n#2, m: m#3\n",
        );
    }

    /// Behind a LEFT join a key can be NULL, and repeat.
    #[test]
    fn joined_keys_stay() {
        let mut b = Build::new();
        let (book, author) = (b.source("Book"), b.source("Author"));
        let (fk, pk) = (b.column(book, "editor_id"), b.column(author, "_id"));
        let (n, m) = (b.counted("n"), b.counted("m"));
        let mut distinct_id = agg("Count", vec![value(pk)]);
        distinct_id.distinct = true;
        let rel = aggregate(
            left_one(scan(book), author, fk, pk),
            [],
            [],
            [(n, distinct_id), (m, agg("Count", vec![value(pk)]))],
        );
        b.row(rel, [n, m]).stays("count_forms");
    }
}
