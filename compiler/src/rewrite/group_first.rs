//! Groups of the related rows, before the rows that they are related to.

use super::block::{self, is_unique_set, root_key};
use super::walk::{Purpose, Query};
use super::{Context, Kinds, Rule, literal, walk};
use crate::error::Result;
use crate::plan::facts::{ColumnSet, rejected, strict_columns, used_columns};
use crate::plan::{
    AggregateCall, Cardinality, ColumnId, Columns, CompareOp, Join, JoinKind, Node, Plan,
    Predicate, Rel, Scalar, SourceId, is_copyable,
};

pub(super) const RULE: Rule = Rule {
    name: "group_first",
    does: "Where all rows of a collection are joined with many and grouped, and a condition on the groups needs a joined row, groups the \
           joined collection by its key and joins back: one pass instead of a look-up for every row.",
    sound: "a group by the row's unique key is the group of the joined rows by the column that refers to it; groups without a joined \
            row are removed by the condition, groups of no row by the INNER join. The aggregates read joined rows only. A \
            slice that could stop early keeps the look-ups.",
    example: (
        "scan author\nleft join book many on author._id = book.author_id\naggregate n = Count(book._id) by author._id carrying author\nfilter n > 2",
        "scan book\naggregate n = Count(book._id) by book.author_id\nfilter n > 2\njoin author one on book.author_id = author._id",
    ),
    needs: [Kinds::AGGREGATE, Kinds::ANY],
    apply,
};

fn apply(plan: &mut Plan, context: &Context<'_>) -> Result<bool> {
    walk::each_query(plan, context, &mut |query, columns| {
        if matches!(query.purpose, Purpose::Write | Purpose::Exists) {
            return Ok(false);
        }
        descend(query, context, columns)
    })
}

fn descend(query: Query<'_>, context: &Context<'_>, columns: &Columns) -> Result<bool> {
    // What the rows of slices are ordered by: without a group there, a slice stops early.
    let mut slices: Vec<ColumnSet> = Vec::new();
    let mut at = query.rel;
    loop {
        if let Rel::Slice { input, .. } = at {
            let mut used = ColumnSet::new();
            if let Rel::Sort { keys, .. } = &**input {
                for key in keys {
                    used.union(&used_columns(Node::Scalar(&key.scalar)));
                }
            }
            slices.push(used);
        }
        if rewrite(at, &slices, context, columns)? {
            return Ok(true);
        }
        match at.input_mut() {
            Some(input) => at = input,
            None => return Ok(false),
        }
    }
}

fn rewrite(
    rel: &mut Rel,
    slices: &[ColumnSet],
    context: &Context<'_>,
    columns: &Columns,
) -> Result<bool> {
    let Rel::Filter { input, predicate } = rel else {
        return Ok(false);
    };
    let Some(Whole {
        base,
        key,
        foreign,
        join,
        aggregates,
    }) = whole(input, context, columns)?
    else {
        return Ok(false);
    };
    let counted = |set: &ColumnSet| aggregates.iter().any(|(id, _)| set.contains(*id));
    let parts = predicate.parts();
    if !slices.iter().all(counted) || !parts.iter().any(|p| needs_row(p, aggregates)) {
        return Ok(false);
    }
    let (early, late): (Vec<Predicate>, Vec<Predicate>) = parts.iter().cloned().partition(|p| {
        p.used_columns()
            .iter()
            .all(|id| aggregates.iter().any(|(a, _)| *a == id))
    });
    let joined = block::filtered(
        Rel::Scan(join.source),
        join.condition.iter().cloned().collect(),
    );
    let groups = Rel::Aggregate {
        input: Box::new(joined),
        keys: vec![(foreign, Scalar::Column(foreign))],
        carried: Vec::new(),
        aggregates: aggregates.to_vec(),
    };
    let back = Rel::Join(Box::new(Join {
        input: block::filtered(groups, early),
        source: base,
        kind: JoinKind::Inner,
        on: vec![(Scalar::Column(foreign), key)],
        condition: None,
        cardinality: Cardinality::One,
    }));
    *rel = block::filtered(back, late);
    Ok(true)
}

/// A group of the rows that are joined with each document of a source.
pub(super) struct Whole<'r> {
    pub base: SourceId,
    /// The key of its documents.
    pub key: ColumnId,
    /// The column of the joined rows that holds it.
    pub foreign: ColumnId,
    pub join: &'r Join,
    pub aggregates: &'r [(ColumnId, AggregateCall)],
}

/// A group of the rows that are joined with all documents of a source, of which the aggregates read nothing.
pub(super) fn whole<'r>(
    rel: &'r Rel,
    context: &Context<'_>,
    columns: &Columns,
) -> Result<Option<Whole<'r>>> {
    let Rel::Aggregate {
        input,
        keys,
        carried,
        aggregates,
    } = rel
    else {
        return Ok(None);
    };
    let Rel::Join(join) = &**input else {
        return Ok(None);
    };
    let Rel::Scan(base) = join.input else {
        return Ok(None);
    };
    let ([(id, Scalar::Column(key))], [(Scalar::Column(lhs), foreign)]) =
        (keys.as_slice(), join.on.as_slice())
    else {
        return Ok(None);
    };
    let is_whole = join.kind == JoinKind::Left
        && join.cardinality == Cardinality::Many
        && id == key
        && lhs == key
        && carried.iter().all(|s| *s == base)
        && is_key(base, *key, context, columns)?
        && aggregates
            .iter()
            .all(|(_, call)| is_of(call, join.source, columns))
        && join.condition.as_ref().is_none_or(|c| {
            is_copyable(Node::Predicate(c)) && are_of(&c.used_columns(), join.source, columns)
        });
    Ok(is_whole.then_some(Whole {
        base,
        key: *key,
        foreign: *foreign,
        join,
        aggregates,
    }))
}

/// A column tells the documents of a source apart, and is never NULL.
fn is_key(
    source: SourceId,
    id: ColumnId,
    context: &Context<'_>,
    columns: &Columns,
) -> Result<bool> {
    let Some((of, key)) = root_key(columns, id) else {
        return Ok(false);
    };
    Ok(of == source
        && !columns.get(id)?.nullable
        && is_unique_set(context.schema, columns, source, &[key])?)
}

fn are_of(used: &ColumnSet, source: SourceId, columns: &Columns) -> bool {
    used.iter().all(|id| columns.source_of(id) == Some(source))
}

/// An aggregate reads nothing but a source.
fn is_of(call: &AggregateCall, source: SourceId, columns: &Columns) -> bool {
    // A count of rows would count the row that a LEFT join makes up.
    let of_values = !call.args.is_empty() || call.filter.is_some();
    of_values
        && call.order.is_empty()
        && call.is_copyable()
        && are_of(&call.used_columns(), source, columns)
}

/// Whether a condition is not true of a group without a joined row.
fn needs_row(part: &Predicate, aggregates: &[(ColumnId, AggregateCall)]) -> bool {
    let function = |id: ColumnId| {
        aggregates
            .iter()
            .find(|(a, _)| *a == id)
            .map(|(_, call)| call)
    };
    if let Predicate::Compare {
        op,
        lhs: Scalar::Column(id),
        rhs,
    } = part
        && let Some(call) = function(*id)
        && call.function == "Count"
        && of_row(call)
        && let Some(n) = literal::literal(rhs).and_then(literal::int)
    {
        return match op {
            CompareOp::Gt => n >= 0,
            CompareOp::Gte | CompareOp::Eq => n > 0,
            CompareOp::Ne => n == 0,
            CompareOp::Lt | CompareOp::Lte => false,
        };
    }
    rejected(part).iter().any(|id| {
        function(id).is_some_and(|call| {
            matches!(
                call.function.as_str(),
                "Sum" | "Avg" | "Min" | "Max" | "StdDev" | "Variance"
            ) && !call.never_null
                && of_row(call)
        })
    })
}

/// Whether the aggregate reads nothing where there is no joined row: its argument is NULL there, or its filter not true.
pub(super) fn of_row(call: &AggregateCall) -> bool {
    call.args.iter().any(|arg| !strict_columns(arg).is_empty())
        || call
            .filter
            .as_ref()
            .is_some_and(|f| !rejected(f).is_empty())
}

#[cfg(test)]
mod tests {
    use crate::testing::*;

    /// Authors of more than two books are found by grouping books.
    #[test]
    fn related_rows_are_grouped_first() {
        let mut b = Build::new();
        let a = authors(&mut b);
        let n = b.counted("n");
        let rel = a.by_author(a.with_books(), n, agg("Count", vec![value(a.id)]));
        let rel = filter(rel, and([gt(n, 2), eq(a.name, "a")]));
        b.rows(rel, [a.name, n]).fires(
            "group_first",
            "scan Book\n\
             aggregate n#4 = Count(Book._id#2) by Book.author_id#3\n\
             filter n#4 > 2\n\
             join Author one on Book.author_id#3 = Author._id#0\n\
             filter Author.name#1 = \"a\"\n\
             rows name: Author.name#1, n: n#4\n",
        );
    }

    /// Groups without books count, or none is needed.
    #[test]
    fn groups_without_rows_stay() {
        for needed in [false, true] {
            let mut b = Build::new();
            let a = authors(&mut b);
            let n = b.counted("n");
            let rel = a.by_author(a.with_books(), n, agg("Count", vec![value(a.id)]));
            let rel = filter(rel, if needed { lt(n, 2) } else { eq(a.pk, 3) });
            b.rows(rel, [n]).stays("group_first");
        }
    }

    /// Few authors are looked up rather than all books grouped; a page of authors ends the look-ups.
    #[test]
    fn selected_rows_stay() {
        for sliced in [false, true] {
            let mut b = Build::new();
            let a = authors(&mut b);
            let n = b.counted("n");
            let base = if sliced {
                scan(a.author)
            } else {
                filter(scan(a.author), eq(a.name, "a"))
            };
            let rows = left_many(base, a.book, a.pk, a.fk);
            let rel = a.by_author(rows, n, agg("Count", vec![value(a.id)]));
            let mut rel = filter(rel, gt(n, 2));
            if sliced {
                rel = slice(sort(rel, [asc(a.pk)]), 0, 3);
            }
            b.rows(rel, [a.pk, n]).stays("group_first");
        }
    }

    /// A count of rows counts the row that the LEFT join makes up; a value of the author is no value of the books.
    #[test]
    fn other_aggregates_stay() {
        for rows in [false, true] {
            let mut b = Build::new();
            let a = authors(&mut b);
            let n = b.counted("n");
            let args = if rows { vec![] } else { vec![value(a.name)] };
            let rel = a.by_author(a.with_books(), n, agg("Count", args));
            b.rows(filter(rel, gt(n, 2)), [a.pk, n])
                .stays("group_first");
        }
    }
}
