//! Aggregates over one-to-many relations, computed inside the join.

use super::{Context, Kinds, Rule, block, walk};
use crate::error::Result;
use crate::plan::facts::{ColumnSet, is_unique, strict_columns};
use crate::plan::{
    AggregateCall, Cardinality, Column, ColumnId, Columns, Join, JoinKind, Origin, Plan, Rel,
    Scalar, SourceId, SubKind, SubPlan, substitute_call, with_own_names,
};

pub(super) const RULE: Rule = Rule {
    name: "aggregate_per_row",
    does: "An aggregate over a LEFT join to many, grouped by what tells the rows before the join apart, becomes a subquery of each \
           row: the join need not be multiplied out and grouped again.",
    sound: "every group is one row before the join, so its members are the joined rows. The aggregate ignores NULL, and is of a \
            value that is NULL without a joined row, so that the row that a LEFT join makes up does not count. Several \
            joins to many multiply each other: then only aggregates of extremes and of distinct values, each of one join.",
    example: (
        "scan author\nleft join book many on author._id = book.author_id\naggregate n = Count(book._id) by author._id carrying author",
        "scan author\nextend n = scalar {scan book | filter book.author_id = author._id | aggregate n = Count(book._id) | select n}",
    ),
    needs: [Kinds::AGGREGATE, Kinds::ANY],
    apply,
};

fn apply(plan: &mut Plan, context: &Context<'_>) -> Result<bool> {
    walk::each_query(plan, context, &mut |query, columns| {
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
pub(super) fn ignores_null(call: &AggregateCall) -> bool {
    matches!(
        call.function.as_str(),
        "Count" | "Sum" | "Avg" | "Min" | "Max" | "StdDev" | "Variance"
    )
}

/// A join to many with the joins that hang on it.
struct Chain {
    sources: Vec<SourceId>,
    joins: Vec<Join>,
}

impl Chain {
    /// Whether a column is of one of its sources.
    fn has(&self, id: ColumnId, columns: &Columns) -> bool {
        columns
            .source_of(id)
            .is_some_and(|source| self.sources.contains(&source))
    }
}

/// The rows before the joins to many, and these joins by what they hang on.
struct Parts {
    before: Rel,
    chains: Vec<Chain>,
}

/// Takes the LEFT joins on top of rows apart. A join to one that hangs on the rows before stays with them.
fn take_apart(rel: Rel, columns: &Columns) -> Option<Parts> {
    let mut joins = Vec::new();
    let mut at = rel;
    loop {
        match at {
            Rel::Join(mut join) if join.kind == JoinKind::Left && !join.on.is_empty() => {
                at = join.input.take();
                joins.push(*join);
            }
            other => {
                at = other;
                break;
            }
        }
    }
    let mut parts = Parts {
        before: at,
        chains: Vec::new(),
    };
    for mut join in joins.into_iter().rev() {
        let mut used = ColumnSet::new();
        for (lhs, _) in &join.on {
            used.union(&lhs.used_columns());
        }
        if let Some(condition) = &join.condition {
            used.union(&condition.used_columns());
        }
        let hangs: Vec<usize> = parts
            .chains
            .iter()
            .enumerate()
            .filter(|(_, chain)| used.iter().any(|id| chain.has(id, columns)))
            .map(|(i, _)| i)
            .collect();
        match hangs.as_slice() {
            [] if join.cardinality == Cardinality::One => {
                join.input = parts.before.take();
                parts.before = Rel::Join(Box::new(join));
            }
            [] => parts.chains.push(Chain {
                sources: vec![join.source],
                joins: vec![join],
            }),
            [i] => {
                let chain = parts.chains.get_mut(*i)?;
                // Its left side is of the chain alone: without it there is NULL, and no match.
                let inside = join
                    .on
                    .iter()
                    .any(|(lhs, _)| strict_columns(lhs).iter().any(|id| chain.has(id, columns)));
                if !inside {
                    return None;
                }
                chain.sources.push(join.source);
                chain.joins.push(join);
            }
            _ => return None,
        }
    }
    (!parts.chains.is_empty()).then_some(parts)
}

/// Whether repeated values change the aggregate.
fn counts_repetition(call: &AggregateCall) -> bool {
    !matches!(call.function.as_str(), "Min" | "Max") && !call.distinct
}

/// The chain that an aggregate is about: all of its columns that are joined are of it, and its value is NULL without it.
fn chain_of(call: &AggregateCall, chains: &[Chain], columns: &Columns) -> Option<usize> {
    let [arg] = call.args.as_slice() else {
        return None;
    };
    let mut used = arg.used_columns();
    if let Some(filter) = &call.filter {
        used.union(&filter.used_columns());
    }
    let touches = |set: &ColumnSet, chain: &Chain| set.iter().any(|id| chain.has(id, columns));
    let mut about = chains
        .iter()
        .enumerate()
        .filter(|(_, chain)| touches(&used, chain));
    let (i, chain) = about.next()?;
    (about.next().is_none() && touches(&strict_columns(arg), chain)).then_some(i)
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
    let simple = !keys.is_empty()
        && !aggregates.is_empty()
        && aggregates
            .iter()
            .all(|(_, call)| ignores_null(call) && call.order.is_empty());
    if !simple || !matches!(&**input, Rel::Join(join) if join.kind == JoinKind::Left) {
        return Ok(false);
    }
    let Some(parts) = take_apart((**input).clone(), columns) else {
        return Ok(false);
    };
    let joined = |id| parts.chains.iter().any(|chain| chain.has(id, columns));
    let mut given = ColumnSet::new();
    for (_, key) in keys.iter() {
        let Scalar::Column(id) = key else {
            return Ok(false);
        };
        if joined(*id) {
            return Ok(false);
        }
        given.insert(*id);
    }
    let carries_joined = carried
        .iter()
        .any(|s| parts.chains.iter().any(|c| c.sources.contains(s)));
    let about: Option<Vec<usize>> = aggregates
        .iter()
        .map(|(_, call)| chain_of(call, &parts.chains, columns))
        .collect();
    let Some(about) = about else {
        return Ok(false);
    };
    // Aggregates of the same join share its lookup. Several joins multiply each other: then only what does not count
    // repetition is right.
    let worth =
        parts.chains.len() == 1 || !aggregates.iter().any(|(_, call)| counts_repetition(call));
    if carries_joined || !worth || !is_unique(&parts.before, &given, context.schema, columns)? {
        return Ok(false);
    }
    let keys = std::mem::take(keys);
    let aggregates = std::mem::take(aggregates);
    let mut definitions: Vec<_> = keys
        .into_iter()
        .filter(|(id, key)| *key != Scalar::Column(*id))
        .collect();
    let mut looked_up: Vec<usize> = Vec::new();
    for ((id, mut call), i) in aggregates.into_iter().zip(about) {
        let Some(chain) = parts.chains.get(i) else {
            continue;
        };
        let mut rows = joined_rows(&chain.joins);
        if looked_up.contains(&i) {
            let names = with_own_names(&mut rows, columns)?;
            let own = |(old, new)| (old, Scalar::Column(new));
            substitute_call(&mut call, &names.into_iter().map(own).collect());
        }
        looked_up.push(i);
        definitions.push((id, subquery(id, call, rows, columns)?));
    }
    *rel = Rel::Extend {
        input: Box::new(parts.before),
        columns: definitions,
    };
    Ok(true)
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
        let mut parts = block::equalities(join.on.clone());
        parts.extend(join.condition.clone());
        rel = block::filtered(Rel::Scan(join.source), parts);
    }
    rel
}

fn subquery(
    id: ColumnId,
    mut call: AggregateCall,
    rows: Rel,
    columns: &mut Columns,
) -> Result<Scalar> {
    let rows = match call.filter.take() {
        Some(filter) => block::filtered(rows, vec![filter]),
        None => rows,
    };
    let outer = columns.get(id)?.clone();
    let inner = columns.add(Column {
        name: outer.name,
        ty: outer.ty,
        nullable: outer.nullable,
        array: outer.array,
        origin: Origin::Computed,
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
        let a = authors(&mut b);
        let (name, n) = (a.name, b.counted("n"));
        let rel = a.by_author(a.with_books(), n, agg("Count", vec![value(a.id)]));
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
            let a = authors(&mut b);
            let n = b.counted("n");
            let rel = a.by_author(a.with_books(), n, agg("Count", arg));
            b.rows(rel, [a.pk, n]).stays("aggregate_per_row");
        }
    }

    /// Rows that are looked up twice have sources of their own each time, in the subqueries of their conditions too.
    #[test]
    fn conditions_have_their_own_names() {
        let mut b = Build::new();
        let (author, book) = (b.source("Author"), b.source("Book"));
        let other = b.source_as("Book", "other");
        let (pk, fk) = (b.column(author, "_id"), b.column(book, "author_id"));
        let (id, same) = (b.column(book, "_id"), b.column(other, "_id"));
        let (n, m) = (b.counted("n"), b.counted("m"));
        let there = exists(filter(scan(other), eq(same, id)));
        let rel = on_condition(left_many(scan(author), book, pk, fk), there);
        let count = || agg("Count", vec![value(id)]);
        let rel = aggregate(
            rel,
            [(pk, value(pk))],
            [author],
            [(n, count()), (m, count())],
        );
        b.rows(rel, [n, m]).fires(
            "aggregate_per_row",
            "scan Author\n\
             extend n#4 = scalar {scan Book | filter Book.author_id#1 = Author._id#0 and exists {scan Book as other | filter other._id#3 = Book._id#2 | select } | aggregate n#6 = Count(Book._id#2) | select n#6}, \
             m#5 = scalar {scan Book | filter Book.author_id#7 = Author._id#0 and exists {scan Book as other | filter other._id#9 = Book._id#8 | select } | aggregate m#10 = Count(Book._id#8) | select m#10}\n\
             rows n: n#4, m: m#5\n",
        );
    }

    /// Two joins to many multiply each other; what does not count repetition is computed for each alone.
    #[test]
    fn distinct_counts_are_not_multiplied() {
        let mut b = Build::new();
        let (author, book) = (b.source("Author"), b.source("Book"));
        let edited = b.source_as("Book", "edited");
        let (pk, fk) = (b.column(author, "_id"), b.column(book, "author_id"));
        let (efk, id) = (b.column(edited, "editor_id"), b.column(book, "_id"));
        let (pages, title) = (b.column(edited, "pages"), b.column(edited, "title"));
        let (n, m, t) = (
            b.counted("n"),
            b.computed("m", int_type()),
            b.computed("t", text_type()),
        );
        let rel = left_many(left_many(scan(author), book, pk, fk), edited, pk, efk);
        let mut count = agg("Count", vec![value(id)]);
        count.distinct = true;
        let rel = aggregate(
            rel,
            [(pk, value(pk))],
            [author],
            [
                (n, count),
                (m, agg("Max", vec![value(pages)])),
                (t, agg_where("Min", vec![value(title)], gt(pages, 1))),
            ],
        );
        b.rows(rel, [pk, n, m, t]).fires(
            "aggregate_per_row",
            "scan Author\n\
             extend n#6 = scalar {scan Book | filter Book.author_id#1 = Author._id#0 | aggregate n#9 = Count(distinct Book._id#3) | select n#9}, \
             m#7 = scalar {scan Book as edited | filter edited.editor_id#2 = Author._id#0 | aggregate m#10 = Max(edited.pages#4) | select m#10}, \
             t#8 = scalar {scan Book as edited | filter edited.editor_id#11 = Author._id#0 | filter edited.pages#12 > 1 | aggregate t#14 = Min(edited.title#13) | select t#14}\n\
             rows _id: Author._id#0, n: n#6, m: m#7, t: t#8\n",
        );
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
