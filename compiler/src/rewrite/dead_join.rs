//! Joins that nobody looks at.

use super::walk::{Purpose, Query};
use super::{Context, Kinds, Rule, walk};
use crate::error::Result;
use crate::plan::facts::used_columns;
use crate::plan::{AggregateCall, Cardinality, Columns, JoinKind, Plan, Rel, SourceId};

pub(super) const RULE: Rule = Rule {
    name: "dead_join",
    does: "Removes a LEFT join whose columns are used nowhere: to one row always, to many where repetition does not count.",
    sound: "a LEFT join to at most one row neither adds nor removes rows. One to many repeats rows, which does not count for \
            existence, membership, distinct rows, and groups without aggregates or with aggregates of extremes and of \
            distinct values.",
    example: (
        "scan book\nleft join author one on book.author_id = author._id\ncount",
        "scan book\ncount",
    ),
    needs: [Kinds::LEFT_JOIN, Kinds::ANY],
    apply,
};

fn apply(plan: &mut Plan, context: &Context<'_>) -> Result<bool> {
    walk::each_query(plan, context, &mut |query, columns| {
        Ok(remove(query, columns))
    })
}

/// Whether repeated rows change the aggregate.
fn counts_repetition(call: &AggregateCall) -> bool {
    match call.function.as_str() {
        "Min" | "Max" => false,
        "Count" | "Sum" | "Avg" => !call.distinct,
        _ => true,
    }
}

fn remove(query: Query<'_>, columns: &Columns) -> bool {
    let mut used = query.demand();
    let mut repetition = !matches!(query.purpose, Purpose::Exists | Purpose::Set);
    let mut carried: Vec<SourceId> = Vec::new();
    let mut changed = false;
    let mut at = query.rel;
    if query.purpose == Purpose::Write {
        // The written sources are used, whatever columns of theirs are read.
        return false;
    }
    // Columns that nobody reads are another rule's work: as long as they are there, they use what they name.
    loop {
        if let Rel::Join(join) = at
            && join.kind == JoinKind::Left
            && (join.cardinality == Cardinality::One || !repetition)
            && !carried.contains(&join.source)
            && !used
                .iter()
                .any(|id| columns.source_of(id) == Some(join.source))
        {
            *at = join.input.take();
            changed = true;
            continue;
        }
        match at {
            Rel::Aggregate {
                carried: kept,
                aggregates,
                ..
            } => {
                repetition = false;
                carried.extend(kept.iter());
                repetition |= aggregates.iter().any(|(_, call)| counts_repetition(call));
                at.expressions(&mut |node| used.union(&used_columns(node)));
            }
            Rel::Distinct {
                columns: distinct,
                carried: kept,
                ..
            } => {
                repetition = false;
                distinct.iter().for_each(|id| {
                    used.insert(*id);
                });
                carried.extend(kept.iter());
            }
            Rel::Slice { .. } | Rel::Window { .. } | Rel::DistinctOn { .. } => {
                repetition = true;
                at.expressions(&mut |node| used.union(&used_columns(node)));
            }
            Rel::SetOp { .. } => return changed,
            _ => at.expressions(&mut |node| used.union(&used_columns(node))),
        }
        match at.input_mut() {
            Some(input) => at = input,
            None => return changed,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::*;

    /// Nobody looks at the author.
    #[test]
    fn unused_joins_go() {
        let mut b = Build::new();
        let (book, author) = (b.source("Book"), b.source("Author"));
        let mentor = b.source_as("Author", "mentor");
        let (title, fk) = (b.column(book, "title"), b.column(book, "editor_id"));
        let (pk, m) = (b.column(author, "_id"), b.column(author, "mentor_id"));
        let mpk = b.column(mentor, "_id");
        let rel = left_one(left_one(scan(book), author, fk, pk), mentor, m, mpk);
        b.rows(rel, [title])
            .fires("dead_join", "scan Book\nrows title: Book.title#0\n");
    }

    /// An INNER join removes rows.
    #[test]
    fn inner_joins_stay() {
        let mut b = Build::new();
        let (book, author) = (b.source("Book"), b.source("Author"));
        let (title, fk) = (b.column(book, "title"), b.column(book, "author_id"));
        let pk = b.column(author, "_id");
        b.rows(inner_one(scan(book), author, fk, pk), [title])
            .stays("dead_join");
    }

    /// A join to many repeats rows.
    #[test]
    fn joins_to_many_stay() {
        let mut b = Build::new();
        let (author, book) = (b.source("Author"), b.source("Book"));
        let (pk, fk) = (b.column(author, "_id"), b.column(book, "author_id"));
        b.count(left_many(scan(author), book, pk, fk))
            .stays("dead_join");
    }

    /// For existence repetition does not count.
    #[test]
    fn joins_to_many_go_where_repetition_does_not_count() {
        let mut b = Build::new();
        let (author, book) = (b.source("Author"), b.source("Book"));
        let (pk, fk) = (b.column(author, "_id"), b.column(book, "author_id"));
        b.exists(left_many(scan(author), book, pk, fk))
            .fires("dead_join", "scan Author\nexists\n");
    }

    /// A slice counts repetition.
    #[test]
    fn joins_to_many_below_a_slice_stay() {
        let mut b = Build::new();
        let (author, book) = (b.source("Author"), b.source("Book"));
        let (pk, fk) = (b.column(author, "_id"), b.column(book, "author_id"));
        b.exists(slice(left_many(scan(author), book, pk, fk), 3, 1))
            .stays("dead_join");
    }

    /// Sorting by a column uses the join.
    #[test]
    fn used_joins_stay() {
        let mut b = Build::new();
        let (book, author) = (b.source("Book"), b.source("Author"));
        let (title, fk) = (b.column(book, "title"), b.column(book, "editor_id"));
        let (pk, name) = (b.column(author, "_id"), b.column(author, "name"));
        b.rows(
            sort(left_one(scan(book), author, fk, pk), [asc(name)]),
            [title],
        )
        .stays("dead_join");
    }
}
