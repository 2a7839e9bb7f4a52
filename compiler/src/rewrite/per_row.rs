//! Aggregates over one-to-many relations, computed inside the join.

use super::{Context, Kinds, Rule, walk};
use crate::error::Result;
use crate::plan::facts::{ColumnSet, is_unique, strict_columns};
use crate::plan::{
    AggregateCall, Cardinality, Column, Columns, CompareOp, Join, JoinKind, Plan, Predicate, Rel,
    Scalar, SourceId, SubKind, SubPlan,
};

pub(super) const RULE: Rule = Rule {
    name: "aggregate_per_row",
    does: "An aggregate over a LEFT join to many, grouped by what tells the rows before the join apart, becomes a subquery of each \
           row: the join need not be multiplied out and grouped again.",
    sound: "every group is one row before the join, so its members are the joined rows. The aggregate ignores NULL, and is of a \
            value that is NULL without a joined row, so that the row that a LEFT join makes up does not count. There is \
            one aggregate and one join to many; other joins behind it are LEFT and to one.",
    example: (
        "scan author\nleft join book many on author._id = book.author_id\naggregate n = Count(book._id) by author._id carrying author",
        "scan author\nextend n = scalar {scan book | filter book.author_id = author._id | aggregate n = Count(book._id) | select n}",
    ),
    needs: Kinds::AGGREGATE,
    apply,
};

fn apply(plan: &mut Plan, context: &Context<'_>) -> Result<bool> {
    walk::each_query(plan, &mut |query, columns| {
        let mut changed = false;
        let mut at = query.rel;
        loop {
            changed |= rewrite(at, context, columns)?;
            match at.input_mut() {
                Some(input) => at = input,
                None => return Ok(changed),
            }
        }
    })
}

/// Aggregates that ignore NULL, and what they are of nothing is what they are of NULLs.
fn ignores_null(call: &AggregateCall) -> bool {
    matches!(
        call.function.as_str(),
        "Count" | "Sum" | "Avg" | "Min" | "Max" | "StdDev" | "Variance"
    )
}

/// The sources of the join to many and of the joins behind it, if they are as they must be.
fn joined(rel: &Rel, columns: &Columns) -> Option<Vec<SourceId>> {
    let mut chain: Vec<&Join> = Vec::new();
    let mut at = rel;
    loop {
        let Rel::Join(join) = at else { return None };
        if join.kind != JoinKind::Left || join.on.is_empty() {
            return None;
        }
        chain.push(join);
        if join.cardinality == Cardinality::Many {
            break;
        }
        at = &join.input;
    }
    let sources: Vec<SourceId> = chain.iter().map(|j| j.source).collect();
    // What follows the join to many has to hang on it.
    let behind = chain.iter().rev().skip(1).all(|join| {
        join.on.iter().all(|(lhs, _)| {
            let used = lhs.used_columns();
            !used.is_empty()
                && used
                    .iter()
                    .all(|id| columns.source_of(id).is_some_and(|s| sources.contains(&s)))
        })
    });
    behind.then_some(sources)
}

fn rewrite(rel: &mut Rel, context: &Context<'_>, columns: &mut Columns) -> Result<bool> {
    let Rel::Aggregate {
        input,
        keys,
        carried,
        aggregates,
    } = rel
    else {
        return Ok(false);
    };
    let [(_, call)] = aggregates.as_slice() else {
        return Ok(false);
    };
    let Some(sources) = joined(input, columns) else {
        return Ok(false);
    };
    if keys.is_empty() || !ignores_null(call) || call.args.len() != 1 || !call.order.is_empty() {
        return Ok(false);
    }
    let inside = |id| columns.source_of(id).is_some_and(|s| sources.contains(&s));
    let depends = call
        .args
        .first()
        .is_some_and(|arg| strict_columns(arg).iter().any(inside));
    let mut given = ColumnSet::new();
    for (_, key) in keys.iter() {
        let Scalar::Column(id) = key else {
            return Ok(false);
        };
        if inside(*id) {
            return Ok(false);
        }
        given.insert(*id);
    }
    if !depends || carried.iter().any(|s| sources.contains(s)) {
        return Ok(false);
    }
    let Some(before) = before(input, sources.len()) else {
        return Ok(false);
    };
    if !is_unique(before, &given, context.schema, columns)? {
        return Ok(false);
    }
    let keys = std::mem::take(keys);
    let aggregates = std::mem::take(aggregates);
    let (rows, joined) = split(input.take(), sources.len());
    let mut definitions: Vec<_> = keys
        .into_iter()
        .filter(|(id, key)| *key != Scalar::Column(*id))
        .collect();
    for (id, call) in aggregates {
        definitions.push((id, subquery(id, call, joined_rows(&joined), columns)?));
    }
    *rel = Rel::Extend {
        input: Box::new(rows),
        columns: definitions,
    };
    Ok(true)
}

/// The rows before the last `n` joins.
fn before(rel: &Rel, n: usize) -> Option<&Rel> {
    let mut at = rel;
    for _ in 0..n {
        at = at.input()?;
    }
    Some(at)
}

fn split(rel: Rel, n: usize) -> (Rel, Vec<Join>) {
    let mut joins = Vec::with_capacity(n);
    let mut at = rel;
    for _ in 0..n {
        match at {
            Rel::Join(mut join) => {
                at = join.input.take();
                joins.push(*join);
            }
            other => {
                at = other;
                break;
            }
        }
    }
    joins.reverse();
    (at, joins)
}

/// The rows that the joins add to one row.
fn joined_rows(joins: &[Join]) -> Rel {
    let mut rel = Rel::Empty;
    for (i, join) in joins.iter().enumerate() {
        if i > 0 {
            let mut next = join.clone();
            next.input = rel;
            rel = Rel::Join(Box::new(next));
            continue;
        }
        let mut parts: Vec<Predicate> = join
            .on
            .iter()
            .map(|(lhs, rhs)| Predicate::Compare {
                op: CompareOp::Eq,
                lhs: Scalar::Column(*rhs),
                rhs: lhs.clone(),
            })
            .collect();
        parts.extend(join.condition.clone());
        rel = super::block::filtered(Rel::Scan(join.source), parts);
    }
    rel
}

fn subquery(
    id: crate::plan::ColumnId,
    mut call: AggregateCall,
    rows: Rel,
    columns: &mut Columns,
) -> Result<Scalar> {
    let rows = match call.filter.take() {
        Some(filter) => super::block::filtered(rows, vec![filter]),
        None => rows,
    };
    let outer = columns.get(id)?.clone();
    let inner = columns.add(Column {
        name: outer.name,
        ty: outer.ty,
        nullable: outer.nullable,
        array: outer.array,
        origin: crate::plan::Origin::Computed,
    });
    let ty = call.ty.clone();
    Ok(Scalar::Subquery(Box::new(SubPlan {
        kind: SubKind::Scalar,
        rel: Rel::Aggregate {
            input: Box::new(rows),
            keys: Vec::new(),
            carried: Vec::new(),
            aggregates: vec![(inner, call)],
        },
        columns: vec![Scalar::Column(inner)],
        ty,
    })))
}

#[cfg(test)]
mod tests {
    use crate::testing::*;

    /// How many books each author has.
    #[test]
    fn counts_are_computed_in_the_join() {
        let mut b = Build::new();
        let (author, book) = (b.source("Author"), b.source("Book"));
        let (pk, name) = (b.column(author, "_id"), b.column(author, "name"));
        let (id, fk) = (b.column(book, "_id"), b.column(book, "author_id"));
        let n = b.counted("n");
        let rel = aggregate(
            left_many(scan(author), book, pk, fk),
            [(pk, value(pk))],
            [author],
            [(n, agg("Count", vec![value(id)]))],
        );
        b.rows(rel, [name, n]).fires(
            "aggregate_per_row",
            "scan Author\n\
             extend n#4 = scalar {scan Book | filter Book.author_id#3 = Author._id#0 | aggregate n#5 = Count(Book._id#2) | select n#5}\n\
             rows name: Author.name#1, n: n#4\n",
        );
    }

    /// Through a many-to-many relation, with a condition of the aggregate.
    #[test]
    fn chains_are_computed_in_the_join() {
        let mut b = Build::new();
        let (book, link, tag) = (b.source("Book"), b.source("BookTag"), b.source("Tag"));
        let (id, title) = (b.column(book, "_id"), b.column(book, "title"));
        let (fk, tfk) = (b.column(link, "book_id"), b.column(link, "tag_id"));
        let (tpk, name) = (b.column(tag, "_id"), b.column(tag, "name"));
        let n = b.computed("n", text_type());
        let rel = left_one(left_many(scan(book), link, id, fk), tag, tfk, tpk);
        let rel = aggregate(
            rel,
            [(id, value(id))],
            [book],
            [(n, agg_where("Max", vec![value(name)], gt(tpk, 0)))],
        );
        b.rows(rel, [title, n]).fires(
            "aggregate_per_row",
            "scan Book\n\
             extend n#6 = scalar {scan BookTag | filter BookTag.book_id#2 = Book._id#0 | left join Tag one on BookTag.tag_id#3 = Tag._id#4 | filter Tag._id#4 > 0 | aggregate n#7 = Max(Tag.name#5) | select n#7}\n\
             rows title: Book.title#1, n: n#6\n",
        );
    }

    /// The row that a LEFT join makes up counts for `Count(*)` and for values that replace NULL.
    #[test]
    fn aggregates_of_made_up_rows_stay() {
        for arg in [
            Vec::new(),
            vec![call("Coalesce", vec![null(), value(1)], int_type())],
        ] {
            let mut b = Build::new();
            let (author, book) = (b.source("Author"), b.source("Book"));
            let (pk, fk) = (b.column(author, "_id"), b.column(book, "author_id"));
            let n = b.counted("n");
            let rel = aggregate(
                left_many(scan(author), book, pk, fk),
                [(pk, value(pk))],
                [author],
                [(n, agg("Count", arg))],
            );
            b.rows(rel, [pk, n]).stays("aggregate_per_row");
        }
    }

    /// INNER joins leave groups out; two joins to many multiply each other.
    #[test]
    fn other_joins_stay() {
        let mut b = Build::new();
        let (author, book) = (b.source("Author"), b.source("Book"));
        let (pk, fk) = (b.column(author, "_id"), b.column(book, "author_id"));
        let id = b.column(book, "_id");
        let n = b.counted("n");
        let rel = aggregate(
            inner_many(scan(author), book, pk, fk),
            [(pk, value(pk))],
            [author],
            [(n, agg("Count", vec![value(id)]))],
        );
        b.rows(rel, [pk, n]).stays("aggregate_per_row");
        let mut b = Build::new();
        let (author, book) = (b.source("Author"), b.source("Book"));
        let edited = b.source_as("Book", "edited");
        let (pk, fk) = (b.column(author, "_id"), b.column(book, "author_id"));
        let (efk, id) = (b.column(edited, "editor_id"), b.column(book, "_id"));
        let n = b.counted("n");
        let rel = left_many(left_many(scan(author), book, pk, fk), edited, pk, efk);
        let rel = aggregate(
            rel,
            [(pk, value(pk))],
            [author],
            [(n, agg("Count", vec![value(id)]))],
        );
        b.rows(rel, [pk, n]).stays("aggregate_per_row");
    }

    /// Groups of several rows before the join.
    #[test]
    fn groups_of_several_rows_stay() {
        let mut b = Build::new();
        let (author, book) = (b.source("Author"), b.source("Book"));
        let (pk, name) = (b.column(author, "_id"), b.column(author, "name"));
        let (id, fk) = (b.column(book, "_id"), b.column(book, "author_id"));
        let n = b.counted("n");
        let rel = aggregate(
            left_many(scan(author), book, pk, fk),
            [(name, value(name))],
            [],
            [(n, agg("Count", vec![value(id)]))],
        );
        b.rows(rel, [name, n]).stays("aggregate_per_row");
    }
}
