//! Rows that are distinct anyway.

use super::walk::{Purpose, Query};
use super::{Context, Kinds, Rule, walk};
use crate::error::Result;
use crate::plan::facts::{ColumnSet, is_unique};
use crate::plan::{AggregateCall, Columns, Plan, Rel, SetOp};

pub(super) const RULE: Rule = Rule {
    name: "distinct",
    does: "Removes `distinct` where a key among the columns tells rows apart, and where repetition does not count; there a union need not \
           look for it either.",
    sound: "a unique column that is never NULL, with to-one joins only or keys of every joined row, makes rows distinct; existence, \
            membership and aggregates of extremes or distinct values do not count rows.",
    example: ("scan book\ndistinct book._id, book.title", "scan book"),
    needs: [Kinds::DISTINCT.or(Kinds::SET_OP), Kinds::ANY],
    apply,
};

fn apply(plan: &mut Plan, context: &Context<'_>) -> Result<bool> {
    walk::each_query(plan, context, &mut |query, columns| {
        remove(query, columns, context)
    })
}

fn counts_repetition(call: &AggregateCall) -> bool {
    match call.function.as_str() {
        "Min" | "Max" => false,
        "Count" | "Sum" | "Avg" => !call.distinct,
        _ => true,
    }
}

fn remove(query: Query<'_>, columns: &Columns, context: &Context<'_>) -> Result<bool> {
    let mut repetition = !matches!(query.purpose, Purpose::Exists | Purpose::Set);
    let mut changed = false;
    let mut at = query.rel;
    loop {
        if let Rel::Distinct {
            input, columns: by, ..
        } = at
        {
            let given: ColumnSet = by.iter().copied().collect();
            if !repetition || is_unique(input, &given, context.schema, columns)? {
                *at = input.take();
                changed = true;
                continue;
            }
        }
        match at {
            Rel::Distinct { .. } => repetition = false,
            Rel::Aggregate { aggregates, .. } => {
                repetition = aggregates.iter().any(|(_, call)| counts_repetition(call));
            }
            Rel::Slice { .. } | Rel::Window { .. } | Rel::DistinctOn { .. } => repetition = true,
            Rel::SetOp { op, .. } => {
                if *op == SetOp::Union && !repetition {
                    *op = SetOp::UnionAll;
                    changed = true;
                }
                return Ok(changed);
            }
            _ => {}
        }
        match at.input_mut() {
            Some(input) => at = input,
            None => return Ok(changed),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::SetOp;
    use crate::testing::*;

    /// Books with their keys are distinct.
    #[test]
    fn keys_are_distinct() {
        let mut b = Build::new();
        let (book, author) = (b.source("Book"), b.source("Author"));
        let (id, fk) = (b.column(book, "_id"), b.column(book, "author_id"));
        let pk = b.column(author, "_id");
        let rel = distinct(left_one(scan(book), author, fk, pk), [id]);
        b.rows(rel, [id]).fires(
            "distinct",
            "scan Book\n\
             left join Author one on Book.author_id#1 = Author._id#2\n\
             rows _id: Book._id#0\n",
        );
    }

    /// A unique column can be missing in many rows.
    #[test]
    fn nullable_keys_stay() {
        let mut b = Build::new();
        let book = b.source("Book");
        let isbn = b.column(book, "isbn");
        b.rows(distinct(scan(book), [isbn]), [isbn])
            .stays("distinct");
    }

    /// A join to many repeats the key.
    #[test]
    fn repeated_keys_stay() {
        let mut b = Build::new();
        let (author, book) = (b.source("Author"), b.source("Book"));
        let (pk, fk) = (b.column(author, "_id"), b.column(book, "author_id"));
        b.count(distinct(inner_many(scan(author), book, pk, fk), [pk]))
            .stays("distinct");
    }

    /// Titles are made distinct once, after the union of all; where rows are counted, by the union.
    #[test]
    fn unions_below_distinct_rows_keep_repetition() {
        for counted in [false, true] {
            let mut b = Build::new();
            let (one, two) = (b.source("Book"), b.source("Book"));
            let (a, z) = (b.column(one, "title"), b.column(two, "title"));
            let title = b.computed("title", text_type());
            let rel = set_op(
                SetOp::Union,
                [(scan(one), vec![value(a)]), (scan(two), vec![value(z)])],
                vec![title],
            );
            if counted {
                b.count(rel).stays("distinct");
            } else {
                b.rows(distinct(rel, [title]), [title]).fires(
                    "distinct",
                    "union all title#2\n  \
                     scan Book\n  select Book.title#0\n  \
                     scan Book\n  select Book.title#1\n\
                     distinct title#2\n\
                     rows title: title#2\n",
                );
            }
        }
    }

    /// Existence does not count; a slice does.
    #[test]
    fn repetition_counts_below_a_slice() {
        let mut b = Build::new();
        let book = b.source("Book");
        let title = b.column(book, "title");
        b.exists(distinct(scan(book), [title]))
            .fires("distinct", "scan Book\nexists\n");
        let mut b = Build::new();
        let book = b.source("Book");
        let title = b.column(book, "title");
        b.exists(slice(distinct(scan(book), [title]), 2, 1))
            .stays("distinct");
    }
}
