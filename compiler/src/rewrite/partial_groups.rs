//! Groups by a key before it is joined.

use super::block::{Reach, is_block, reach, root_key};
use super::walk::Purpose;
use super::{Context, Kinds, Rule, walk};
use crate::error::Result;
use crate::plan::facts::{ColumnSet, Nulls};
use crate::plan::{
    AggregateCall, ArrayFact, Cardinality, Column, ColumnId, Columns, Join, Node, Origin, Plan,
    Predicate, Rel, Scalar, SourceId, is_copyable,
};
use crate::schema::{FieldKind, FieldType, StorageFamily};
use std::sync::Arc;

pub(super) const RULE: Rule = Rule {
    name: "partial_groups",
    does: "Groups by a foreign key before the rows that it leads to are joined, and then by their columns: a look-up for every key \
           instead of one for every row.",
    sound: "rows of one key are joined with the same row, so they stay together. Counts, sums, least and greatest values of parts give \
            those of the whole, an average is the sum by the number of values; sums and averages only where addition is exact. The \
            aggregates read no joined row.",
    example: (
        "scan book\njoin author one on book.author_id = author._id\naggregate n = Count(*) by author.name",
        "scan book\naggregate n1 = Count(*) by book.author_id\njoin author one on book.author_id = author._id\naggregate n = Sum(n1) by author.name",
    ),
    needs: [Kinds::AGGREGATE, Kinds::ANY],
    apply,
};

fn apply(plan: &mut Plan, context: &Context<'_>) -> Result<bool> {
    walk::each_query(plan, context, &mut |query, columns| {
        if matches!(query.purpose, Purpose::Write | Purpose::Exists) {
            return Ok(false);
        }
        walk::first_operator(query.rel, &mut |at| rewrite(at, context, columns))
    })
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
    if keys.is_empty() || !carried.is_empty() || aggregates.is_empty() {
        return Ok(false);
    }
    // The joins to one row on top, and the rows below.
    let mut joins: Vec<&Join> = Vec::new();
    let mut rows = &**input;
    while let Rel::Join(join) = rows {
        if join.cardinality != Cardinality::One || join.on.is_empty() {
            break;
        }
        joins.push(join);
        rows = &join.input;
    }
    let sources: Vec<SourceId> = joins.iter().map(|j| j.source).collect();
    if sources.is_empty() || !is_block(rows) {
        return Ok(false);
    }
    let Some(key) = foreign_key(&joins, &sources, context, columns)? else {
        return Ok(false);
    };
    let of_joined = |id: ColumnId| columns.source_of(id).is_some_and(|s| sources.contains(&s));
    let by_joined = keys
        .iter()
        .all(|(_, key)| matches!(key, Scalar::Column(id) if of_joined(*id)));
    let simple = aggregates.iter().all(|(_, call)| {
        is_divisible(call, columns)
            && call.is_copyable()
            && !call.used_columns().iter().any(of_joined)
    });
    if !by_joined || !simple || !is_large(rows, context, columns)? {
        return Ok(false);
    }
    let mut joins: Vec<Join> = joins.into_iter().cloned().collect();
    let rows = rows.clone();
    let mut parts = Parts {
        columns,
        calls: Vec::with_capacity(aggregates.len()),
    };
    let nullable: Vec<bool> = {
        let nulls = Nulls::new(parts.columns).of(&rows);
        aggregates
            .iter()
            .map(|(_, call)| {
                let some =
                    call.filter.is_some() || call.args.iter().any(|x| nulls.nullable_scalar(x));
                some && !(call.function == "Sum" && call.never_null)
            })
            .collect()
    };
    for ((id, call), nullable) in aggregates.iter_mut().zip(nullable) {
        let name = parts.columns.get(*id)?.name.clone();
        *call = parts.of(call, &name, nullable)?;
    }
    let parts = parts.calls;
    let mut grouped = Rel::Aggregate {
        input: Box::new(rows),
        keys: vec![(key, Scalar::Column(key))],
        carried: Vec::new(),
        aggregates: parts,
    };
    while let Some(mut join) = joins.pop() {
        join.input = grouped;
        grouped = Rel::Join(Box::new(join));
    }
    **input = grouped;
    Ok(true)
}

/// The aggregates of the parts.
struct Parts<'c> {
    columns: &'c mut Columns,
    calls: Vec<(ColumnId, AggregateCall)>,
}

impl Parts<'_> {
    /// Computes what an aggregate needs of the parts, and what it is of them.
    fn of(&mut self, call: &AggregateCall, name: &str, nullable: bool) -> Result<AggregateCall> {
        let whole = |function: &str, args: Vec<ColumnId>| {
            let args = args.into_iter().map(Scalar::Column).collect();
            AggregateCall::new(function, args, call.ty.clone())
        };
        let divided = matches!(call.function.as_str(), "Sum" | "Avg");
        if !divided {
            let part = self.part(call.clone(), name)?;
            let function = match call.function.as_str() {
                "Count" => "Sum",
                other => other,
            };
            return Ok(whole(function, vec![part]));
        }
        let mut total = AggregateCall {
            function: "Sum".to_owned(),
            ..call.clone()
        };
        if let Some(x) = call.args.first() {
            total.ty = x.ty(self.columns)?;
        }
        total.never_null = true;
        let count = AggregateCall {
            function: "Count".to_owned(),
            args: if nullable {
                call.args.clone()
            } else {
                Vec::new()
            },
            ty: Arc::new(FieldType::new(FieldKind::BigIntegerField)),
            ..call.clone()
        };
        let mut args = Vec::new();
        args.push(self.part(total, name)?);
        if nullable || call.function == "Avg" {
            args.push(self.part(count, &format!("{name}_count"))?);
        }
        let mut whole = whole(&call.function, args);
        if !nullable {
            whole.never_null = true;
        }
        Ok(whole)
    }

    /// The column of an aggregate of the parts, once for all that need it.
    fn part(&mut self, call: AggregateCall, name: &str) -> Result<ColumnId> {
        if let Some((id, _)) = self.calls.iter().find(|(_, known)| *known == call) {
            return Ok(*id);
        }
        let id = self.columns.add(Column {
            name: name.into(),
            ty: call.ty.clone(),
            nullable: call.function != "Count" && !call.never_null,
            array: ArrayFact::No,
            origin: Origin::Computed,
        });
        self.calls.push((id, call));
        Ok(id)
    }
}

/// The only column of the rows below that the joins read, if it is a foreign key that several rows can have.
fn foreign_key(
    joins: &[&Join],
    sources: &[SourceId],
    context: &Context<'_>,
    columns: &Columns,
) -> Result<Option<ColumnId>> {
    let mut used = ColumnSet::new();
    for join in joins {
        for (lhs, _) in &join.on {
            used.union(&lhs.used_columns());
        }
        if let Some(condition) = &join.condition {
            if !is_copyable(Node::Predicate(condition)) {
                return Ok(None);
            }
            used.union(&condition.used_columns());
        }
    }
    let mut below = used
        .iter()
        .filter(|id| !columns.source_of(*id).is_some_and(|s| sources.contains(&s)));
    let (Some(key), None) = (below.next(), below.next()) else {
        return Ok(None);
    };
    let is_key = match &columns.get(key)?.origin {
        Origin::Stored { field: Some(f), .. } => {
            context.schema.field(*f)?.ty.kind == FieldKind::ForeignKey
        }
        _ => false,
    };
    Ok((is_key && root_key(columns, key).is_some()).then_some(key))
}

/// The aggregate of a whole follows from those of its parts.
fn is_divisible(call: &AggregateCall, columns: &Columns) -> bool {
    let plain = !call.distinct && call.order.is_empty() && call.options.is_empty();
    let exact = |s: &Scalar| {
        s.ty(columns).is_ok_and(|ty| {
            matches!(
                ty.kind.family(),
                StorageFamily::Int | StorageFamily::Long | StorageFamily::Decimal
            )
        })
    };
    plain
        && match call.function.as_str() {
            "Count" => true,
            "Min" | "Max" => matches!(call.args.as_slice(), [Scalar::Column(_)]),
            "Sum" | "Avg" => matches!(call.args.as_slice(), [x @ Scalar::Column(_)] if exact(x)),
            _ => false,
        }
}

/// The rows are not a few that a unique key selects.
fn is_large(rows: &Rel, context: &Context<'_>, columns: &Columns) -> Result<bool> {
    let mut conditions: Vec<&Predicate> = Vec::new();
    let mut at = rows;
    loop {
        match at {
            Rel::Scan(source) => {
                let known = |s: &Scalar| matches!(s, Scalar::Literal(_));
                let reached = reach(
                    *source,
                    conditions.into_iter(),
                    &known,
                    context.schema,
                    columns,
                )?;
                return Ok(reached > Reach::Few);
            }
            Rel::Filter { input, predicate } => {
                conditions.extend(predicate.parts());
                at = input;
            }
            Rel::Join(join) => at = &join.input,
            _ => return Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::*;

    /// Each author is looked up once.
    #[test]
    fn keys_are_grouped_before_they_are_joined() {
        let mut b = Build::new();
        let w = written(&mut b);
        let (n, most) = (b.counted("n"), b.computed("most", int_type()));
        let rel = w.by(
            w.country,
            [
                (n, agg("Count", vec![])),
                (most, agg("Max", vec![value(w.pages)])),
            ],
        );
        b.rows(rel, [w.country, n, most]).fires(
            "partial_groups",
            "scan Book\n\
             aggregate n#6 = Count(*), most#7 = Max(Book.pages#0) by Book.author_id#1\n\
             join Author one on Book.author_id#1 = Author._id#2\n\
             aggregate n#4 = Sum(n#6), most#5 = Max(most#7) by Author.country#3\n\
             rows country: Author.country#3, n: n#4, most: most#5\n",
        );
    }

    /// An average is the sum by the number of values; a sum is NULL where there is none.
    #[test]
    fn averages_and_sums_need_numbers_of_values() {
        let mut b = Build::new();
        let w = written(&mut b);
        let mean = b.computed("mean", ty(mqlc_compiler::schema::FieldKind::FloatField));
        let (sum, keys) = (
            b.computed("sum", int_type()),
            b.computed("keys", int_type()),
        );
        let mut average = agg("Avg", vec![value(w.pages)]);
        average.ty = ty(mqlc_compiler::schema::FieldKind::FloatField);
        let rel = w.by(
            w.country,
            [
                (mean, average),
                (sum, agg("Sum", vec![value(w.pages)])),
                (keys, agg("Sum", vec![value(w.fk)])),
            ],
        );
        b.rows(rel, [w.country, mean, sum, keys]).fires(
            "partial_groups",
            "scan Book\n\
             aggregate mean#7 = Sum(Book.pages#0) or 0, mean_count#8 = Count(Book.pages#0), keys#9 = Sum(Book.author_id#1) or 0 by Book.author_id#1\n\
             join Author one on Book.author_id#1 = Author._id#2\n\
             aggregate mean#4 = Avg(mean#7, mean_count#8), sum#5 = Sum(mean#7, mean_count#8), keys#6 = Sum(keys#9) or 0 by Author.country#3\n\
             rows country: Author.country#3, mean: mean#4, sum: sum#5, keys: keys#6\n",
        );
    }

    /// A sum of floats depends on its order.
    #[test]
    fn other_aggregates_stay() {
        for (function, path) in [("Avg", "price"), ("Sum", "price"), ("StdDev", "pages")] {
            let mut b = Build::new();
            let (book, author) = (b.source("Book"), b.source("Author"));
            let (of, fk) = (b.column(book, path), b.column(book, "author_id"));
            let (pk, country) = (b.column(author, "_id"), b.column(author, "country"));
            let n = b.computed("n", int_type());
            let rel = aggregate(
                inner_one(scan(book), author, fk, pk),
                [(country, value(country))],
                [],
                [(n, agg(function, vec![value(of)]))],
            );
            b.rows(rel, [country, n]).stays("partial_groups");
        }
    }

    /// What is read of the joined row, or a key of the rows themselves, needs every row.
    #[test]
    fn other_keys_and_values_stay() {
        for own_key in [false, true] {
            let mut b = Build::new();
            let (book, author) = (b.source("Book"), b.source("Author"));
            let (title, fk) = (b.column(book, "title"), b.column(book, "author_id"));
            let (pk, country) = (b.column(author, "_id"), b.column(author, "country"));
            let n = b.counted("n");
            let (key, of) = if own_key {
                (title, title)
            } else {
                (country, country)
            };
            let rel = aggregate(
                inner_one(scan(book), author, fk, pk),
                [(key, value(key))],
                [],
                [(n, agg("Count", vec![value(of)]))],
            );
            b.rows(rel, [key, n]).stays("partial_groups");
        }
    }

    /// A join to many repeats rows.
    #[test]
    fn joins_to_many_stay() {
        let mut b = Build::new();
        let (author, book) = (b.source("Author"), b.source("Book"));
        let (mentor, fk) = (b.column(author, "mentor_id"), b.column(book, "author_id"));
        let title = b.column(book, "title");
        let n = b.counted("n");
        let rel = aggregate(
            inner_many(scan(author), book, mentor, fk),
            [(title, value(title))],
            [],
            [(n, agg("Count", vec![]))],
        );
        b.rows(rel, [title, n]).stays("partial_groups");
    }
}
