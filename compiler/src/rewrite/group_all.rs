//! Groups of all related rows at once, where every group is wanted.

use std::sync::Arc;

use bson::Bson;

use super::aggregate_per_row::ignores_null;
use super::group_first::{Whole, of_row, whole};
use super::union_columns::read;
use super::walk::{Purpose, Query};
use super::{Context, Kinds, Rule, block, walk};
use crate::error::Result;
use crate::plan::facts::{ColumnSet, SourceSet};
use crate::plan::{
    AggregateCall, ArrayFact, Cardinality, Column, ColumnId, Columns, Definitions, Join, JoinKind,
    Literal, Origin, Plan, Predicate, Rel, Scalar, SetOp, SourceId, substitute_scalar,
};
use crate::schema::{FieldKind, FieldType, StorageFamily};

pub(super) const RULE: Rule = Rule {
    name: "group_all",
    does: "Where all rows of a collection are joined with many and grouped, and an order by an aggregate or a further group needs \
           every group, groups the joined collection by its key and adds the rows without a joined row, with the columns that are read of \
           them, or joins back where these are many: one pass instead of a look-up for every row.",
    sound: "a group by the row's unique key is the group of the joined rows by the column that refers to it, so each key has one value \
            of it at most, which is the greatest beside the value of nothing; so is a single value of the row beside NULL. Keys that no row \
            has are left out by a column that is never NULL in a row, a mark that only rows have, or the INNER join. The aggregates read joined rows only, and have the value of nothing without one. \
            No slice comes before what needs every group.",
    example: (
        "scan author\nleft join book many on author._id = book.author_id\naggregate n = Count(book._id) by author._id carrying author\nsort n desc\nrows author.name, n",
        "union all _id, n, name\n  scan author | select author._id, 0, author.name\n  scan book | aggregate n = Count(book._id) by book.author_id | select book.author_id, n, null\naggregate n = Max(n), name = Max(name) by _id\nfilter name is not null\nsort n desc\nrows author.name, n",
    ),
    needs: [Kinds::AGGREGATE, Kinds::ANY],
    apply,
};

/// Columns of the rows up to which they come with the keys.
const FEW: usize = 3;

fn apply(plan: &mut Plan, context: &Context<'_>) -> Result<bool> {
    // A collation is for all texts of a command, so that none may be compared beside those that ask for it.
    let collated = plan.collation.is_some();
    walk::each_query(plan, context, &mut |query, columns| {
        if matches!(query.purpose, Purpose::Write | Purpose::Exists) {
            return Ok(false);
        }
        let Some(mut found) = choose(&query, context, columns)? else {
            return Ok(false);
        };
        found.read = found.read.filter(|_| !collated);
        let known = columns.get(found.key)?.clone();
        let key = columns.add(computed(&known));
        // The keys are equal, and that of the groups is there before the join.
        let same = Definitions::from([(found.key, Scalar::Column(key))]);
        let mut at = query.rel;
        for step in 0..found.steps {
            if found.read.is_none()
                && found.sorts.contains(&step)
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
    /// Columns of the rows that are read, beside the key, if they are few: they come with the keys.
    read: Option<Vec<ColumnId>>,
}

fn choose(query: &Query<'_>, context: &Context<'_>, columns: &Columns) -> Result<Option<Found>> {
    let rel = &*query.rel;
    if !groups_joined(rel) {
        return Ok(None);
    }
    let mut grouped = false;
    // What is read above.
    let mut all = query.demand();
    let mut carries = SourceSet::new();
    let mut order = ColumnSet::new();
    let mut sorts = Vec::new();
    let mut at = rel;
    let mut steps = 0;
    loop {
        if let Some(group) = candidate(at, context, columns)? {
            let read: Vec<ColumnId> = all
                .iter()
                .filter(|id| *id != group.key && columns.source_of(*id) == Some(group.base))
                .collect();
            let few = read.len() <= FEW
                && !carries.contains(group.base)
                && read.iter().all(|id| columns.get(*id).is_ok_and(is_plain));
            let counted = group.aggregates.iter().any(|(id, _)| order.contains(*id));
            return Ok((counted || grouped).then_some(Found {
                steps,
                sorts,
                key: group.key,
                read: few.then_some(read),
            }));
        }
        let mut used = ColumnSet::new();
        read(at, &mut used);
        match at {
            Rel::Aggregate { carried, .. } => {
                // Only what this group reads is read below it.
                if !carried.is_empty() {
                    return Ok(None);
                }
                (order, sorts) = (ColumnSet::new(), Vec::new());
                grouped = true;
                all = ColumnSet::new();
            }
            Rel::Distinct { carried, .. } => {
                carried.iter().for_each(|source| {
                    carries.insert(*source);
                });
                (order, sorts, grouped) = (ColumnSet::new(), Vec::new(), false);
            }
            Rel::Sort { .. } => {
                order.union(&used);
                sorts.push(steps);
            }
            Rel::Filter { .. } | Rel::Extend { .. } | Rel::Join(_) => {}
            // What is above is content with fewer rows, or looks at them in another way.
            _ => (order, sorts, grouped) = (ColumnSet::new(), Vec::new(), false),
        }
        all.union(&used);
        match at.input() {
            Some(input) => at = input,
            None => return Ok(None),
        }
        steps += 1;
    }
}

/// Whether there is a group of joined rows at all, which is asked before anything else.
fn groups_joined(rel: &Rel) -> bool {
    let mut at = rel;
    loop {
        if let Rel::Aggregate { input, .. } = at
            && matches!(&**input, Rel::Join(join) if join.kind == JoinKind::Left && matches!(join.input, Rel::Scan(_)))
        {
            return true;
        }
        match at.input() {
            Some(input) => at = input,
            None => return false,
        }
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
    AggregateCall::new("Max", vec![Scalar::Column(of)], Arc::clone(ty))
}

/// The rows and the groups side by side, and the greatest of both by key.
struct Sides {
    union: Vec<ColumnId>,
    of_rows: Vec<Scalar>,
    of_groups: Vec<Scalar>,
    wholes: Vec<(ColumnId, AggregateCall)>,
}

impl Sides {
    /// A column `either` of what a row and a group say, and the column that is the greatest of it.
    fn add(
        &mut self,
        either: ColumnId,
        (of_row, of_group): (Scalar, Scalar),
        (id, whole): (ColumnId, AggregateCall),
    ) {
        self.union.push(either);
        self.of_rows.push(of_row);
        self.of_groups.push(of_group);
        self.wholes.push((id, whole));
    }

    /// Adds the aggregates, which are of nothing in the rows, and gives those of the groups.
    fn add_aggregates(
        &mut self,
        aggregates: &[(ColumnId, AggregateCall)],
        columns: &mut Columns,
    ) -> Result<Vec<(ColumnId, AggregateCall)>> {
        let mut parts = Vec::with_capacity(aggregates.len());
        for (id, call) in aggregates {
            let column = columns.get(*id)?.clone();
            let part = columns.add(computed(&column));
            let either = columns.add(computed(&column));
            let is_count = call.function == "Count";
            let nothing = if is_count { Bson::Int32(0) } else { Bson::Null };
            let mut whole = greatest(either, &call.ty);
            whole.never_null = is_count;
            self.add(
                either,
                (literal(nothing, &call.ty), Scalar::Column(part)),
                (*id, whole),
            );
            parts.push((part, call.clone()));
        }
        Ok(parts)
    }

    /// Adds columns of the rows. Gives the column that says whether there is a row, and what is to be named again: the
    /// first column that is NULL only without a row says it, or a mark of its own.
    fn add_columns(
        &mut self,
        read: &[ColumnId],
        copy: SourceId,
        columns: &mut Columns,
    ) -> Result<(ColumnId, Option<(ColumnId, Scalar)>)> {
        let mut named = None;
        for id in read {
            let column = columns.get(*id)?.clone();
            let either = columns.add(computed(&column));
            let of_row = Scalar::Column(of_copy(*id, copy, columns)?);
            let whole = if column.nullable || named.is_some() {
                *id
            } else {
                let whole = columns.add(computed(&column));
                named = Some((whole, *id));
                whole
            };
            self.add(
                either,
                (of_row, literal(Bson::Null, &column.ty)),
                (whole, greatest(either, &column.ty)),
            );
        }
        if let Some((mark, id)) = named {
            return Ok((mark, Some((id, Scalar::Column(mark)))));
        }
        let ty = Arc::new(FieldType::new(FieldKind::BooleanField));
        let column = Column {
            name: "row".into(),
            ty: Arc::clone(&ty),
            nullable: true,
            array: ArrayFact::No,
            origin: Origin::Computed,
        };
        let (mark, either) = (columns.add(column.clone()), columns.add(column));
        self.add(
            either,
            (literal(Bson::Boolean(true), &ty), literal(Bson::Null, &ty)),
            (mark, greatest(either, &ty)),
        );
        Ok((mark, None))
    }

    /// What is left of both for each key.
    fn by_key(self, rows: Rel, groups: Rel, key: (ColumnId, Scalar)) -> Rel {
        Rel::Aggregate {
            input: Box::new(Rel::SetOp {
                op: SetOp::UnionAll,
                inputs: vec![(rows, self.of_rows), (groups, self.of_groups)],
                columns: self.union,
            }),
            keys: vec![key],
            carried: Vec::new(),
            aggregates: self.wholes,
        }
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
    let (copy, own_key) = key_of_copy(base, found.key, columns)?;
    let mut sides = Sides {
        union: vec![key],
        of_rows: vec![Scalar::Column(own_key)],
        of_groups: vec![Scalar::Column(foreign)],
        wholes: Vec::new(),
    };
    let parts = sides.add_aggregates(aggregates, columns)?;
    let rows = Rel::Scan(copy);
    let groups = Rel::Aggregate {
        input: Box::new(block::filtered(
            Rel::Scan(join.source),
            join.condition.iter().cloned().collect(),
        )),
        keys: vec![(foreign, Scalar::Column(foreign))],
        carried: Vec::new(),
        aggregates: parts,
    };
    let Some(read) = &found.read else {
        *rel = Rel::Join(Box::new(Join {
            input: sides.by_key(rows, groups, (key, Scalar::Column(key))),
            source: base,
            kind: JoinKind::Inner,
            on: vec![(Scalar::Column(key), found.key)],
            condition: None,
            cardinality: Cardinality::One,
        }));
        return Ok(true);
    };
    let (mark, named) = sides.add_columns(read, copy, columns)?;
    let all = sides.by_key(rows, groups, (found.key, Scalar::Column(key)));
    let is_row = Predicate::IsNull(Scalar::Column(mark)).negate();
    let rows = block::filtered(all, vec![is_row]);
    *rel = match named {
        Some(named) => Rel::Extend {
            input: Box::new(rows),
            columns: vec![named],
        },
        None => rows,
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
    Ok((copy, of_copy(key, copy, columns)?))
}

/// A column of another use of its source.
fn of_copy(id: ColumnId, copy: SourceId, columns: &mut Columns) -> Result<ColumnId> {
    let mut column = columns.get(id)?.clone();
    if let Origin::Stored { source, .. } = &mut column.origin {
        *source = copy;
    }
    Ok(columns.add(column))
}

/// A single value of which the greatest of it and NULL is the value itself.
fn is_plain(column: &Column) -> bool {
    column.array == ArrayFact::No
        && !matches!(
            column.ty.kind.family(),
            StorageFamily::Json
                | StorageFamily::Array
                | StorageFamily::Embedded
                | StorageFamily::EmbeddedArray
                | StorageFamily::Geo
                | StorageFamily::None
        )
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
            "union all _id#5, n#8, name#9\n  \
             scan Author\n  select Author._id#6, 0, Author.name#10\n  \
             scan Book\n  aggregate n#7 = Count(Book._id#2) by Book.author_id#3\n  select Book.author_id#3, n#7, null\n\
             aggregate n#4 = Max(n#8), name#11 = Max(name#9) by Author._id#0 = _id#5\n\
             filter name#11 is not null\n\
             extend Author.name#1 = name#11\n\
             sort n#4 desc, Author._id#0 asc\n\
             slice 0..3\n\
             rows name: Author.name#1, n: n#4\n",
        );
    }

    /// A column that can be NULL does not tell whether there is a row.
    #[test]
    fn a_mark_stands_for_rows_of_which_nothing_need_be_there() {
        let mut b = Build::new();
        let a = authors(&mut b);
        let born = b.column(a.author, "born");
        let n = b.counted("n");
        let rel = a.by_author(a.with_books(), n, agg("Count", vec![value(a.id)]));
        b.rows(sort(rel, [desc(n), asc(a.pk)]), [born, n]).fires(
            "group_all",
            "union all _id#6, n#9, born#10, row#13\n  \
             scan Author\n  select Author._id#7, 0, Author.born#11, true\n  \
             scan Book\n  aggregate n#8 = Count(Book._id#2) by Book.author_id#3\n  select Book.author_id#3, n#8, null, null\n\
             aggregate n#5 = Max(n#9), Author.born#4 = Max(born#10), row#12 = Max(row#13) by Author._id#0 = _id#6\n\
             filter row#12 is not null\n\
             sort n#5 desc, Author._id#0 asc\n\
             rows born: Author.born#4, n: n#5\n",
        );
    }

    /// Many columns of the rows are not held by a group.
    #[test]
    fn many_columns_are_joined_back() {
        let mut b = Build::new();
        let a = authors(&mut b);
        let (born, country) = (b.column(a.author, "born"), b.column(a.author, "country"));
        let n = b.counted("n");
        let rel = a.by_author(a.with_books(), n, agg("Count", vec![value(a.id)]));
        let also = b.column(a.author, "mentor_id");
        b.rows(sort(rel, [desc(n)]), [a.name, born, country, also, n])
            .fires(
                "group_all",
                "union all _id#8, n#11\n  \
                 scan Author\n  select Author._id#9, 0\n  \
                 scan Book\n  aggregate n#10 = Count(Book._id#2) by Book.author_id#3\n  select Book.author_id#3, n#10\n\
                 aggregate n#6 = Max(n#11) by _id#8\n\
                 join Author one on _id#8 = Author._id#0\n\
                 sort n#6 desc\n\
                 rows name: Author.name#1, born: Author.born#4, country: Author.country#5, mentor_id: Author.mentor_id#7, n: n#6\n",
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
             aggregate n#5 = Max(n#10), row#11 = Max(row#12) by Author._id#0 = _id#7\n\
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
