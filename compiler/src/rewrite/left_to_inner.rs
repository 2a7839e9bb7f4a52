//! LEFT joins whose unmatched rows are filtered out anyway.

use super::{Context, Kinds, Rule, walk};
use crate::error::Result;
use crate::plan::facts::{ColumnSet, rejected, strict_columns};
use crate::plan::{AggregateCall, ColumnId, Columns, JoinKind, Plan, Rel};

pub(super) const RULE: Rule = Rule {
    name: "left_to_inner",
    does: "A LEFT join becomes INNER where a condition above rejects NULL in a column of the joined source, or where a single \
           group has only aggregates that ignore NULL of it.",
    sound: "the rows that only a LEFT join has are NULL in all joined columns, and the condition removes them, or they count for no \
            aggregate of a group that is there anyway. Between the two there is nothing that looks at other rows (slices, windows, `DISTINCT ON`, set operations, aggregates but by their \
            keys).",
    example: (
        "left join author one on book.author_id = author._id\nfilter author.name = \"x\"",
        "join author one on book.author_id = author._id\nfilter author.name = \"x\"",
    ),
    needs: [Kinds::LEFT_JOIN, Kinds::ANY],
    apply,
};

fn apply(plan: &mut Plan, context: &Context<'_>) -> Result<bool> {
    walk::each_query(plan, context, &mut |query, columns| {
        Ok(descend(query.rel, columns))
    })
}

fn descend(rel: &mut Rel, columns: &Columns) -> bool {
    let mut changed = false;
    let mut there = ColumnSet::new();
    let mut at = rel;
    loop {
        match at {
            Rel::Filter { predicate, .. } => there.union(&rejected(predicate)),
            Rel::Join(join) => {
                if join.kind == JoinKind::Left
                    && there
                        .iter()
                        .any(|id| columns.source_of(id) == Some(join.source))
                {
                    join.kind = JoinKind::Inner;
                    changed = true;
                }
                if join.kind == JoinKind::Inner {
                    for (lhs, _) in &join.on {
                        there.union(&strict_columns(lhs));
                    }
                    if let Some(condition) = &join.condition {
                        there.union(&rejected(condition));
                    }
                }
            }
            Rel::Extend {
                columns: definitions,
                ..
            } => {
                for (id, definition) in definitions.iter().rev() {
                    if there.contains(*id) {
                        there.union(&strict_columns(definition));
                    }
                }
            }
            Rel::Aggregate {
                keys,
                carried,
                aggregates,
                ..
            } => {
                let mut below = ColumnSet::new();
                if keys.is_empty() {
                    below = counted(aggregates);
                } else {
                    for (id, key) in keys.iter() {
                        if there.contains(*id) {
                            below.union(&strict_columns(key));
                        }
                    }
                    for id in there.iter() {
                        if columns.source_of(id).is_some_and(|s| carried.contains(&s)) {
                            below.insert(id);
                        }
                    }
                }
                there = below;
            }
            Rel::Sort { .. } | Rel::Distinct { .. } => {}
            _ => there = ColumnSet::new(),
        }
        match at.input_mut() {
            Some(input) => at = input,
            None => return changed,
        }
    }
}

/// Columns without which a row counts for none of the aggregates.
fn counted(aggregates: &[(ColumnId, AggregateCall)]) -> ColumnSet {
    let mut all: Option<ColumnSet> = None;
    for (_, call) in aggregates {
        let mut needed = ColumnSet::new();
        if super::aggregate_per_row::ignores_null(call) && call.order.is_empty() {
            call.args
                .iter()
                .for_each(|arg| needed.union(&strict_columns(arg)));
            if let Some(filter) = &call.filter {
                needed.union(&rejected(filter));
            }
        }
        match &mut all {
            Some(set) => set.intersect(&needed),
            None => all = Some(needed),
        }
    }
    all.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use crate::testing::*;

    /// A comparison of a joined column needs the joined row; so does a chain of joins.
    #[test]
    fn rejected_rows_need_no_left_join() {
        let mut b = Build::new();
        let (book, author) = (b.source("Book"), b.source("Author"));
        let mentor = b.source_as("Author", "mentor");
        let (title, fk) = (b.column(book, "title"), b.column(book, "editor_id"));
        let (pk, m) = (b.column(author, "_id"), b.column(author, "mentor_id"));
        let (mpk, name) = (b.column(mentor, "_id"), b.column(mentor, "name"));
        let rel = left_one(left_one(scan(book), author, fk, pk), mentor, m, mpk);
        b.rows(filter(rel, eq(name, "a")), [title]).fires(
            "left_to_inner",
            "scan Book\n\
             join Author one on Book.editor_id#1 = Author._id#2\n\
             join Author as mentor one on Author.mentor_id#3 = mentor._id#4\n\
             filter mentor.name#5 = \"a\"\n\
             rows title: Book.title#0\n",
        );
    }

    /// A condition that NULL can satisfy keeps the LEFT join.
    #[test]
    fn tolerant_conditions_stay() {
        let mut b = Build::new();
        let (book, author) = (b.source("Book"), b.source("Author"));
        let (title, fk) = (b.column(book, "title"), b.column(book, "editor_id"));
        let (pk, name) = (b.column(author, "_id"), b.column(author, "name"));
        let rel = filter(
            left_one(scan(book), author, fk, pk),
            or([
                is_null(name),
                eq(name, "a"),
                eq(
                    call("Coalesce", vec![value(name), value("b")], text_type()),
                    "b",
                ),
            ]),
        );
        b.rows(rel, [title]).stays("left_to_inner");
    }

    /// Below a slice more rows would count.
    #[test]
    fn slices_between_stay() {
        let mut b = Build::new();
        let (book, author) = (b.source("Book"), b.source("Author"));
        let (id, fk) = (b.column(book, "_id"), b.column(book, "editor_id"));
        let (pk, name) = (b.column(author, "_id"), b.column(author, "name"));
        let rel = sort(left_one(scan(book), author, fk, pk), [asc(id)]);
        b.rows(filter(slice(rel, 0, 3), eq(name, "a")), [id])
            .stays("left_to_inner");
    }

    /// A condition on an aggregate says nothing about single rows.
    #[test]
    fn conditions_on_aggregates_stay() {
        let mut b = Build::new();
        let (book, author) = (b.source("Book"), b.source("Author"));
        let (id, fk) = (b.column(book, "_id"), b.column(book, "editor_id"));
        let (pk, name) = (b.column(author, "_id"), b.column(author, "name"));
        let n = b.counted("n");
        let rel = aggregate(
            left_one(scan(book), author, fk, pk),
            [(id, value(id))],
            [],
            [(n, agg("Count", vec![value(name)]))],
        );
        b.rows(filter(rel, lt(n, 1)), [id]).stays("left_to_inner");
    }

    /// A count of joined values does not see rows without one; a count of rows does, and groups must not vanish.
    #[test]
    fn aggregates_that_ignore_null_need_no_left_join() {
        let mut b = Build::new();
        let (book, author) = (b.source("Book"), b.source("Author"));
        let (fk, pk) = (b.column(book, "editor_id"), b.column(author, "_id"));
        let n = b.counted("n");
        let rel = left_one(scan(book), author, fk, pk);
        let rel = aggregate(rel, [], [], [(n, agg("Count", vec![value(pk)]))]);
        b.row(rel, [n]).fires(
            "left_to_inner",
            "scan Book\n\
             join Author one on Book.editor_id#0 = Author._id#1\n\
             aggregate n#2 = Count(Author._id#1)\n\
             row n: n#2\n",
        );
    }

    /// Rows that count without the joined value.
    #[test]
    fn other_aggregates_stay() {
        let mut b = Build::new();
        let (book, author) = (b.source("Book"), b.source("Author"));
        let (fk, pk) = (b.column(book, "editor_id"), b.column(author, "_id"));
        let (n, m) = (b.counted("n"), b.counted("m"));
        let rel = left_one(scan(book), author, fk, pk);
        let rel = aggregate(
            rel,
            [],
            [],
            [
                (n, agg("Count", vec![value(pk)])),
                (m, agg("Count", vec![])),
            ],
        );
        b.row(rel, [n, m]).stays("left_to_inner");
        let mut b = Build::new();
        let (book, author) = (b.source("Book"), b.source("Author"));
        let (fk, pk) = (b.column(book, "editor_id"), b.column(author, "_id"));
        let title = b.column(book, "title");
        let n = b.counted("n");
        let rel = left_one(scan(book), author, fk, pk);
        let rel = aggregate(
            rel,
            [(title, value(title))],
            [],
            [(n, agg("Count", vec![value(pk)]))],
        );
        b.rows(rel, [title, n]).stays("left_to_inner");
    }
}
