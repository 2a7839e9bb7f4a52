//! Groups of all related rows at once, where every group is wanted.

use std::sync::Arc;

use bson::Bson;
use indexmap::IndexMap;

use super::group_first::{Whole, of_row, whole};
use super::per_row::ignores_null;
use super::walk::Purpose;
use super::{Context, Kinds, Rule, block, walk};
use crate::error::Result;
use crate::plan::facts::{ColumnSet, used_columns};
use crate::plan::{
    AggregateCall, ArrayFact, Cardinality, Column, ColumnId, Columns, Definitions, Join, JoinKind,
    Literal, Origin, Plan, Predicate, Rel, Scalar, SetOp, SourceId, substitute_scalar,
};
use crate::schema::{FieldKind, FieldType};

pub(super) const RULE: Rule = Rule {
    name: "group_all",
    does: "Where all rows of a collection are joined with many and grouped, and an order by an aggregate or a further group needs \
           every group, groups the joined collection by its key, adds the rows without a joined row, and joins back where their \
           columns are read: one pass instead of a look-up for every row.",
    sound: "a group by the row's unique key is the group of the joined rows by the column that refers to it, so each key has one value \
            of it at most, which is the greatest beside the value of nothing. Keys that no row has are left out by the INNER join, \
            or by a mark that only rows have. The aggregates read joined rows only, and have the value of nothing without one. \
            No slice comes before what needs every group.",
    example: (
        "scan author\nleft join book many on author._id = book.author_id\naggregate n = Count(book._id) by author._id carrying author\nsort n desc",
        "union all _id, n\n  scan author | select author._id, 0\n  scan book | aggregate n = Count(book._id) by book.author_id | select book.author_id, n\naggregate n = Max(n) by _id\njoin author one on _id = author._id\nsort n desc",
    ),
    needs: [Kinds::AGGREGATE, Kinds::ANY],
    apply,
};

fn apply(plan: &mut Plan, context: &Context<'_>) -> Result<bool> {
    walk::each_query(plan, context, &mut |query, columns| {
        if matches!(query.purpose, Purpose::Write | Purpose::Exists) {
            return Ok(false);
        }
        let Some(found) = choose(query.rel, context, columns)? else {
            return Ok(false);
        };
        let known = columns.get(found.key)?.clone();
        let key = columns.add(computed(&known));
        // The keys are equal, and that of the groups is there before the join.
        let same = Definitions::from([(found.key, Scalar::Column(key))]);
        let mut at = query.rel;
        for step in 0..found.steps {
            if found.sorts.contains(&step)
                && let Rel::Sort { keys, .. } = at
            {
                for sort in keys {
                    substitute_scalar(&mut sort.scalar, &same);
                }
            }
            match at.input_mut() {
                Some(input) => at = input,
                None => return Ok(false),
            }
        }
        replace(at, &found, key, columns)
    })
}

/// A group to be made of all joined rows.
struct Found {
    /// How many operators are above it.
    steps: usize,
    /// Which of them are sorts.
    sorts: Vec<usize>,
    /// The key of the rows.
    key: ColumnId,
    /// Nothing reads columns of the rows.
    unread: bool,
}

fn choose(rel: &Rel, context: &Context<'_>, columns: &Columns) -> Result<Option<Found>> {
    // A further group, its columns and those of what comes before it.
    let mut grouped: Option<ColumnSet> = None;
    let mut order = ColumnSet::new();
    let mut sorts = Vec::new();
    let mut at = rel;
    let mut steps = 0;
    loop {
        if let Some(group) = candidate(at, context, columns)? {
            let of_base = |id| columns.source_of(id) == Some(group.base);
            let unread = grouped
                .as_ref()
                .is_some_and(|used| !used.iter().any(of_base));
            let counted = group.aggregates.iter().any(|(id, _)| order.contains(*id));
            return Ok((counted || grouped.is_some()).then_some(Found {
                steps,
                sorts,
                key: group.key,
                unread,
            }));
        }
        let mut used = ColumnSet::new();
        at.expressions(&mut |node| used.union(&used_columns(node)));
        match at {
            Rel::Aggregate { carried, .. } => {
                if !carried.is_empty() {
                    return Ok(None);
                }
                (order, sorts) = (ColumnSet::new(), Vec::new());
                grouped = Some(used);
            }
            Rel::Sort { .. } => {
                order.union(&used);
                sorts.push(steps);
                if let Some(all) = &mut grouped {
                    all.union(&used);
                }
            }
            Rel::Filter { .. } | Rel::Extend { .. } | Rel::Join(_) => {
                if let Some(all) = &mut grouped {
                    all.union(&used);
                }
            }
            // What is above is content with fewer rows, or looks at them in another way.
            _ => (order, sorts, grouped) = (ColumnSet::new(), Vec::new(), None),
        }
        match at.input() {
            Some(input) => at = input,
            None => return Ok(None),
        }
        steps += 1;
    }
}

/// A group whose aggregates have the value of nothing where there is no joined row.
fn candidate<'r>(
    rel: &'r Rel,
    context: &Context<'_>,
    columns: &Columns,
) -> Result<Option<Whole<'r>>> {
    let fits = |group: &Whole<'_>| {
        !group.aggregates.is_empty()
            && group
                .aggregates
                .iter()
                .all(|(_, call)| ignores_null(call) && of_row(call))
    };
    Ok(whole(rel, context, columns)?.filter(fits))
}

fn computed(column: &Column) -> Column {
    Column {
        nullable: true,
        origin: Origin::Computed,
        ..column.clone()
    }
}

fn literal(value: Bson, ty: &Arc<FieldType>) -> Scalar {
    Scalar::from(Literal {
        value,
        ty: Arc::clone(ty),
    })
}

fn greatest(of: ColumnId, ty: &Arc<FieldType>) -> AggregateCall {
    AggregateCall {
        function: "Max".to_owned(),
        args: vec![Scalar::Column(of)],
        distinct: false,
        filter: None,
        order: Vec::new(),
        options: IndexMap::new(),
        ty: Arc::clone(ty),
        never_null: false,
    }
}

fn replace(rel: &mut Rel, found: &Found, key: ColumnId, columns: &mut Columns) -> Result<bool> {
    let Rel::Aggregate {
        input, aggregates, ..
    } = rel
    else {
        return Ok(false);
    };
    let Rel::Join(join) = &**input else {
        return Ok(false);
    };
    let (Rel::Scan(base), [(_, foreign)]) = (&join.input, join.on.as_slice()) else {
        return Ok(false);
    };
    let (base, foreign) = (*base, *foreign);
    let own = key_of_copy(base, found.key, columns)?;
    let mut union = vec![key];
    let mut of_rows = vec![Scalar::Column(own.1)];
    let mut of_groups = vec![Scalar::Column(foreign)];
    let mut parts = Vec::new();
    let mut wholes = Vec::new();
    for (id, call) in aggregates.iter() {
        let column = columns.get(*id)?.clone();
        let (part, either) = (
            columns.add(computed(&column)),
            columns.add(computed(&column)),
        );
        let is_count = call.function == "Count";
        let nothing = if is_count { Bson::Int32(0) } else { Bson::Null };
        let mut whole = greatest(either, &call.ty);
        if is_count {
            whole.never_null = true;
        }
        union.push(either);
        of_rows.push(literal(nothing, &call.ty));
        of_groups.push(Scalar::Column(part));
        parts.push((part, call.clone()));
        wholes.push((*id, whole));
    }
    let mark = found.unread.then(|| {
        let ty = Arc::new(FieldType::new(FieldKind::BooleanField));
        let column = Column {
            name: "row".into(),
            ty: Arc::clone(&ty),
            nullable: true,
            array: ArrayFact::No,
            origin: Origin::Computed,
        };
        let (mark, either) = (columns.add(column.clone()), columns.add(column));
        union.push(either);
        of_rows.push(literal(Bson::Boolean(true), &ty));
        of_groups.push(literal(Bson::Null, &ty));
        wholes.push((mark, greatest(either, &ty)));
        mark
    });
    let related = block::filtered(
        Rel::Scan(join.source),
        join.condition.iter().cloned().collect(),
    );
    let groups = Rel::Aggregate {
        input: Box::new(related),
        keys: vec![(foreign, Scalar::Column(foreign))],
        carried: Vec::new(),
        aggregates: parts,
    };
    let all = Rel::Aggregate {
        input: Box::new(Rel::SetOp {
            op: SetOp::UnionAll,
            inputs: vec![(Rel::Scan(own.0), of_rows), (groups, of_groups)],
            columns: union,
        }),
        keys: vec![(key, Scalar::Column(key))],
        carried: Vec::new(),
        aggregates: wholes,
    };
    *rel = match mark {
        Some(mark) => block::filtered(all, vec![Predicate::IsNull(Scalar::Column(mark)).negate()]),
        None => Rel::Join(Box::new(Join {
            input: all,
            source: base,
            kind: JoinKind::Inner,
            on: vec![(Scalar::Column(key), found.key)],
            condition: None,
            cardinality: Cardinality::One,
        })),
    };
    Ok(true)
}

/// Another use of a source, with its key.
fn key_of_copy(
    base: SourceId,
    key: ColumnId,
    columns: &mut Columns,
) -> Result<(SourceId, ColumnId)> {
    let copy = columns.source(base)?.clone();
    let copy = columns.add_source(copy);
    let mut column = columns.get(key)?.clone();
    if let Origin::Stored { source, .. } = &mut column.origin {
        *source = copy;
    }
    Ok((copy, columns.add(column)))
}

#[cfg(test)]
mod tests {
    use crate::testing::*;

    /// The authors of most books, those of none included.
    #[test]
    fn orders_by_an_aggregate_need_every_group() {
        let mut b = Build::new();
        let a = authors(&mut b);
        let n = b.counted("n");
        let rel = a.by_author(a.with_books(), n, agg("Count", vec![value(a.id)]));
        let rel = slice(sort(rel, [desc(n), asc(a.pk)]), 0, 3);
        b.rows(rel, [a.name, n]).fires(
            "group_all",
            "union all _id#5, n#8\n  \
             scan Author\n  select Author._id#6, 0\n  \
             scan Book\n  aggregate n#7 = Count(Book._id#2) by Book.author_id#3\n  select Book.author_id#3, n#7\n\
             aggregate n#4 = Max(n#8) by _id#5\n\
             join Author one on _id#5 = Author._id#0\n\
             sort n#4 desc, _id#5 asc\n\
             slice 0..3\n\
             rows name: Author.name#1, n: n#4\n",
        );
    }

    /// An aggregate of the aggregates reads no author.
    #[test]
    fn groups_of_groups_need_no_rows() {
        let mut b = Build::new();
        let a = authors(&mut b);
        let pages = b.column(a.book, "pages");
        let (n, most) = (b.computed("n", int_type()), b.computed("most", int_type()));
        let rows = on_condition(a.with_books(), gt(pages, 1));
        let rel = a.by_author(rows, n, agg("Sum", vec![value(pages)]));
        let rel = aggregate(rel, [], [], [(most, agg("Max", vec![value(n)]))]);
        b.row(rel, [most]).fires(
            "group_all",
            "union all _id#7, n#10, row#12\n  \
             scan Author\n  select Author._id#8, null, true\n  \
             scan Book\n  filter Book.pages#4 > 1\n  aggregate n#9 = Sum(Book.pages#4) by Book.author_id#3\n  select Book.author_id#3, n#9, null\n\
             aggregate n#5 = Max(n#10), row#11 = Max(row#12) by _id#7\n\
             filter row#11 is not null\n\
             aggregate most#6 = Max(n#5)\n\
             row most: most#6\n",
        );
    }

    /// Groups that are given one by one, selected authors, a page of authors, a row that a LEFT join makes up, a value of the author,
    /// a join that removes authors.
    #[test]
    fn other_groups_stay() {
        for broken in [
            "unordered",
            "own order",
            "selected",
            "page",
            "made up",
            "own value",
            "inner",
        ] {
            let mut b = Build::new();
            let a = authors(&mut b);
            let n = b.counted("n");
            let base = match broken {
                "selected" => filter(scan(a.author), eq(a.name, "a")),
                _ => scan(a.author),
            };
            let rows = match broken {
                "inner" => inner_many(base, a.book, a.pk, a.fk),
                _ => left_many(base, a.book, a.pk, a.fk),
            };
            let args = match broken {
                "made up" => Vec::new(),
                "own value" => vec![value(a.name)],
                _ => vec![value(a.id)],
            };
            let rel = a.by_author(rows, n, agg("Count", args));
            let rel = match broken {
                "unordered" => rel,
                "own order" => sort(rel, [asc(a.pk)]),
                "page" => sort(slice(sort(rel, [asc(a.pk)]), 0, 3), [asc(n)]),
                _ => sort(rel, [asc(n)]),
            };
            b.rows(rel, [a.name, n]).stays("group_all");
        }
    }
}
