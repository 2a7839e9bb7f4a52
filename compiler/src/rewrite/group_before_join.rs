//! Groups come before joins to one row that a key of the groups leads to.

use super::walk::Purpose;
use super::{Context, Kinds, Rule, walk};
use crate::error::Result;
use crate::plan::facts::{ColumnSet, used_columns};
use crate::plan::{
    AggregateCall, Cardinality, ColumnId, Columns, Join, Node, Plan, Rel, Scalar, SourceId,
    is_copyable,
};

pub(super) const RULE: Rule = Rule {
    name: "group_before_join",
    does: "Groups before rows are joined to one that the keys of the groups lead to: a look-up for every group instead of one for every \
           row.",
    sound: "all rows of a group are joined with the same row, because what the joins compare is among the keys; so an INNER join \
            leaves out all rows of a group or none. Other keys are columns of the joined row, or read none. The aggregates read no \
            joined row, and of the documents only joined ones are carried.",
    example: (
        "scan book\njoin author one on book.author_id = author._id\naggregate n = Count(*) by book.author_id carrying author",
        "scan book\naggregate n = Count(*) by book.author_id\njoin author one on book.author_id = author._id",
    ),
    needs: [Kinds::AGGREGATE, Kinds::ANY],
    apply,
};

fn apply(plan: &mut Plan, context: &Context<'_>) -> Result<bool> {
    walk::each_query(plan, context, &mut |query, columns| {
        if query.purpose == Purpose::Write {
            return Ok(false);
        }
        walk::first_operator(query.rel, &mut |at| Ok(rewrite(at, columns)))
    })
}

fn rewrite(rel: &mut Rel, columns: &Columns) -> bool {
    let Rel::Aggregate {
        input,
        keys,
        carried,
        aggregates,
    } = rel
    else {
        return false;
    };
    if keys.is_empty() || !is_movable(input, keys, carried, aggregates, columns) {
        return false;
    }
    let (mut rows, mut joins) = take_joins(input.take());
    // Keys of the joined rows follow from the others.
    let sources: Vec<SourceId> = joins.iter().map(|join| join.source).collect();
    keys.retain(|(_, key)| !reads(Node::Scalar(key), &sources, columns));
    carried.clear();
    **input = rows.take();
    let mut grouped = rel.take();
    while let Some(mut join) = joins.pop() {
        join.input = grouped;
        grouped = Rel::Join(Box::new(join));
    }
    *rel = grouped;
    true
}

/// Joins to one on top of rows, from the last to the first, and the rows without them. Computed columns between them stay with the
/// rows.
fn take_joins(rel: Rel) -> (Rel, Vec<Join>) {
    let mut joins = Vec::new();
    let mut computed = Vec::new();
    let mut at = rel;
    loop {
        match at {
            Rel::Join(mut join) if is_to_one(&join) => {
                at = join.input.take();
                joins.push(*join);
            }
            Rel::Extend { input, columns } => {
                computed.push(columns);
                at = *input;
            }
            other => {
                at = other;
                break;
            }
        }
    }
    while let Some(columns) = computed.pop() {
        at = Rel::Extend {
            input: Box::new(at),
            columns,
        };
    }
    (at, joins)
}

fn is_to_one(join: &Join) -> bool {
    join.cardinality == Cardinality::One && !join.on.is_empty()
}

fn is_movable(
    rows: &Rel,
    keys: &[(ColumnId, Scalar)],
    carried: &[SourceId],
    aggregates: &[(ColumnId, AggregateCall)],
    columns: &Columns,
) -> bool {
    let mut joins: Vec<&Join> = Vec::new();
    let mut computed: Vec<&Scalar> = Vec::new();
    let mut at = rows;
    loop {
        match at {
            Rel::Join(join) if is_to_one(join) => {
                joins.push(join);
                at = &join.input;
            }
            Rel::Extend { input, columns } => {
                computed.extend(columns.iter().map(|(_, s)| s));
                at = input;
            }
            _ => break,
        }
    }
    let sources: Vec<SourceId> = joins.iter().map(|join| join.source).collect();
    let joined = |node: Node<'_>| reads(node, &sources, columns);
    // Each key is of the joined row, by its own name, or has nothing to do with it.
    let apart = keys
        .iter()
        .all(|(id, key)| !joined(Node::Scalar(key)) || matches!(key, Scalar::Column(c) if c == id));
    let mut compared = ColumnSet::new();
    for join in &joins {
        for (lhs, _) in &join.on {
            compared.union(&lhs.used_columns());
        }
        if let Some(condition) = &join.condition {
            if !is_copyable(Node::Predicate(condition)) {
                return false;
            }
            compared.union(&condition.used_columns());
        }
    }
    let is_key = |id: ColumnId| {
        keys.iter()
            .any(|(k, key)| *k == id && *key == Scalar::Column(id))
    };
    let of_joined = |id: ColumnId| columns.source_of(id).is_some_and(|s| sources.contains(&s));
    !joins.is_empty()
        && apart
        && compared.iter().all(|id| of_joined(id) || is_key(id))
        && !compared.iter().all(of_joined)
        && carried.iter().all(|s| sources.contains(s))
        && !computed.iter().any(|s| joined(Node::Scalar(s)))
        && !aggregates.iter().any(|(_, call)| {
            let mut found = false;
            call.expressions(&mut |node| found |= joined(node));
            found
        })
}

/// Whether something reads a source, or holds what must stay where it is.
fn reads(node: Node<'_>, sources: &[SourceId], columns: &Columns) -> bool {
    !is_copyable(node)
        || used_columns(node)
            .iter()
            .any(|id| columns.source_of(id).is_some_and(|s| sources.contains(&s)))
}

#[cfg(test)]
mod tests {
    use crate::testing::*;

    /// An author is looked up for each group, not for each book.
    #[test]
    fn groups_are_joined() {
        let mut b = Build::new();
        let (book, author) = (b.source("Book"), b.source("Author"));
        let (pages, fk) = (b.column(book, "pages"), b.column(book, "author_id"));
        let (pk, name) = (b.column(author, "_id"), b.column(author, "name"));
        let (x, n) = (b.computed("x", int_type()), b.counted("n"));
        let rel = extend(inner_one(scan(book), author, fk, pk), [(x, plus(pages, 1))]);
        let rel = aggregate(
            rel,
            [(fk, value(fk)), (x, value(x)), (name, value(name))],
            [],
            [(n, agg("Count", vec![value(pages)]))],
        );
        b.rows(sort(rel, [asc(name)]), [fk, x, n]).fires(
            "group_before_join",
            "scan Book\n\
             extend x#4 = (Book.pages#0 + 1)\n\
             aggregate n#5 = Count(Book.pages#0) by Book.author_id#1, x#4\n\
             join Author one on Book.author_id#1 = Author._id#2\n\
             sort Author.name#3 asc\n\
             rows author_id: Book.author_id#1, x: x#4, n: n#5\n",
        );
    }

    /// Without the key a group has rows of several authors; joined values are there only after the join.
    #[test]
    fn other_keys_and_values_stay() {
        for broken in [
            "no key",
            "renamed",
            "computed",
            "aggregate",
            "filter",
            "carried",
        ] {
            let mut b = Build::new();
            let (book, author) = (b.source("Book"), b.source("Author"));
            let (pages, fk) = (b.column(book, "pages"), b.column(book, "author_id"));
            let (pk, name) = (b.column(author, "_id"), b.column(author, "name"));
            let (k, n) = (b.computed("k", int_type()), b.counted("n"));
            let mut rows = inner_one(scan(book), author, fk, pk);
            let mut keys = [(fk, value(fk)), (name, value(name))];
            let mut call = agg("Count", vec![value(pages)]);
            match broken {
                "no key" => keys[0] = (pages, value(pages)),
                "renamed" => keys[0] = (k, value(fk)),
                "computed" => {
                    rows = extend(rows, [(k, plus(pk, 1))]);
                    keys[1] = (k, value(k));
                }
                "aggregate" => call = agg("Max", vec![value(pk)]),
                "filter" => call.filter = Some(gt(name, "a")),
                _ => {}
            }
            let first = keys[0].0;
            let mut rel = aggregate(rows, keys, [], [(n, call)]);
            if let ("carried", mqlc_compiler::plan::Rel::Aggregate { carried, .. }) =
                (broken, &mut rel)
            {
                carried.push(book);
            }
            b.rows(rel, [first, n]).stays("group_before_join");
        }
    }

    /// A join to many repeats the rows of a group.
    #[test]
    fn joins_to_many_stay() {
        let mut b = Build::new();
        let (author, book) = (b.source("Author"), b.source("Book"));
        let (mentor, fk) = (b.column(author, "mentor_id"), b.column(book, "author_id"));
        let n = b.counted("n");
        let rel = aggregate(
            inner_many(scan(author), book, mentor, fk),
            [(mentor, value(mentor))],
            [],
            [(n, agg("Count", vec![]))],
        );
        b.rows(rel, [mentor, n]).stays("group_before_join");
    }
}
