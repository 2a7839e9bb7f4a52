//! Sums that need not tell 0 from nothing.

use super::walk::Query;
use super::{Context, Kinds, Rule, walk};
use crate::error::Result;
use crate::plan::facts::{ColumnSet, Nulls, used_columns};
use crate::plan::{
    AggregateCall, ArrayFact, Column, ColumnId, Columns, CompareOp, Node, Origin, Plan, Predicate,
    Rel, Scalar, visit,
};
use bson::Bson;

pub(super) const RULE: Rule = Rule {
    name: "sum_of_nothing",
    does: "Leaves out the count of values that tells a sum of 0 from the sum of nothing, where a condition rejects 0 as it does \
           NULL, where `Coalesce` makes 0 of NULL, or where the least or greatest of the same values tells it.",
    sound: "the sum is compared with a number so that 0 fits no more than NULL does, before anything else can see it; or nothing \
            reads it but `Coalesce(sum, 0)`; or there is a least or greatest value of the same values under the same condition, \
            which is NULL where there is none. Not for sums of distinct values.",
    example: (
        "aggregate s = Sum(pages), m = Max(pages) by author_id",
        "aggregate s_sum = Sum(pages) or 0, m = Max(pages) by author_id\nextend s = case when m is not null then s_sum else null end",
    ),
    needs: [Kinds::AGGREGATE, Kinds::ANY],
    apply,
};

fn apply(plan: &mut Plan, context: &Context<'_>) -> Result<bool> {
    walk::each_query(plan, context, &mut simplify)
}

fn simplify(query: Query<'_>, columns: &mut Columns) -> Result<bool> {
    // What is read otherwise than by `Coalesce(sum, 0)`.
    let mut read = query.demand();
    // Columns that the conditions right above want to be a number other than 0.
    let mut wanted = ColumnSet::new();
    let mut changed = false;
    let mut at = query.rel;
    loop {
        match at {
            Rel::Aggregate { aggregates, .. } => {
                for (id, call) in aggregates.iter_mut().filter(|(_, call)| is_sum(call)) {
                    if wanted.contains(*id) || !read.contains(*id) {
                        call.never_null = true;
                        changed = true;
                    }
                }
                if witnessed(at, columns)? {
                    return Ok(true);
                }
                wanted = ColumnSet::new();
            }
            Rel::Filter { predicate, .. } => {
                for part in predicate.parts() {
                    if let Some(id) = not_zero(part) {
                        wanted.insert(id);
                    }
                }
            }
            Rel::Extend { .. } | Rel::Sort { .. } => {}
            _ => wanted = ColumnSet::new(),
        }
        if let Rel::Distinct { columns, .. } = at {
            columns.iter().for_each(|id| {
                read.insert(*id);
            });
        }
        at.expressions(&mut |node| reads(node, &mut read));
        match at.input_mut() {
            Some(input) => at = input,
            None => return Ok(changed),
        }
    }
}

/// A sum of which the server must count the values.
fn is_sum(call: &AggregateCall) -> bool {
    call.function == "Sum" && call.args.len() == 1 && !call.distinct && !call.never_null
}

/// The column of a comparison with a number that is false for 0.
fn not_zero(part: &Predicate) -> Option<ColumnId> {
    let Predicate::Compare {
        op,
        lhs: Scalar::Column(id),
        rhs: Scalar::Literal(literal),
    } = part
    else {
        return None;
    };
    let number = match &literal.value {
        Bson::Int32(n) => f64::from(*n),
        // Only the sign matters.
        Bson::Int64(n) => f64::from(i8::try_from(n.signum()).ok()?),
        Bson::Double(n) => *n,
        Bson::Decimal128(n) => n.to_string().parse().ok()?,
        _ => return None,
    };
    let fits = match op {
        CompareOp::Gt => 0.0 > number,
        CompareOp::Gte => 0.0 >= number,
        CompareOp::Lt => 0.0 < number,
        CompareOp::Lte => 0.0 <= number,
        CompareOp::Eq => number == 0.0,
        CompareOp::Ne => number != 0.0,
    };
    (!fits && !number.is_nan()).then_some(*id)
}

/// Columns that are read, but for a sum in `Coalesce(sum, 0)`.
fn reads(node: Node<'_>, read: &mut ColumnSet) {
    visit(node, &mut |node, _| {
        if let Node::SubPlan(_) = node {
            read.union(&used_columns(node));
            return false;
        }
        let Node::Scalar(scalar) = node else {
            return true;
        };
        match scalar {
            Scalar::Column(id) => {
                read.insert(*id);
                true
            }
            Scalar::Call(call) if call.function == "Coalesce" => {
                !matches!(call.args.as_slice(), [Scalar::Column(_), Scalar::Literal(zero)] if is_zero(&zero.value))
            }
            _ => true,
        }
    });
}

/// The 0 that is the server's sum of nothing.
fn is_zero(value: &Bson) -> bool {
    match value {
        Bson::Int32(n) => *n == 0,
        Bson::Int64(n) => *n == 0,
        Bson::Double(n) => *n == 0.0,
        Bson::Decimal128(n) => n.to_string() == "0",
        _ => false,
    }
}

/// Sums that have the least or greatest of their values beside them.
fn witnessed(rel: &mut Rel, columns: &mut Columns) -> Result<bool> {
    let Rel::Aggregate {
        input,
        keys,
        aggregates,
        ..
    } = rel
    else {
        return Ok(false);
    };
    if keys.is_empty() || !aggregates.iter().any(|(_, call)| is_sum(call)) {
        return Ok(false);
    }
    let mut told: Vec<(ColumnId, Scalar)> = Vec::new();
    let mut nulls: Option<Nulls<'_>> = None;
    for i in 0..aggregates.len() {
        let Some((id, call)) = aggregates.get(i).filter(|(_, call)| is_sum(call)) else {
            continue;
        };
        let witness = aggregates.iter().find(|(_, other)| {
            matches!(other.function.as_str(), "Min" | "Max")
                && other.args == call.args
                && other.filter == call.filter
        });
        let Some((witness, _)) = witness else {
            continue;
        };
        let nulls = nulls.get_or_insert_with(|| Nulls::new(columns).of(input));
        // Where every row of a group has a value there is nothing to tell.
        if call.filter.is_none() && call.args.iter().all(|x| !nulls.nullable_scalar(x)) {
            continue;
        }
        told.push((*id, Scalar::Column(*witness)));
    }
    let mut definitions = Vec::with_capacity(told.len());
    for (id, witness) in told {
        let Some((known, call)) = aggregates.iter_mut().find(|(known, _)| *known == id) else {
            continue;
        };
        let name = format!("{}_sum", columns.get(id)?.name);
        let sum = columns.add(Column {
            name: name.as_str().into(),
            ty: call.ty.clone(),
            nullable: true,
            array: ArrayFact::No,
            origin: Origin::Computed,
        });
        *known = sum;
        call.never_null = true;
        let value = Scalar::Case {
            when: vec![(Predicate::IsNull(witness).negate(), Scalar::Column(sum))],
            otherwise: Box::new(Scalar::literal(Bson::Null, call.ty.clone())),
            ty: call.ty.clone(),
        };
        definitions.push((id, value));
    }
    if definitions.is_empty() {
        return Ok(false);
    }
    let input = Box::new(rel.take());
    *rel = Rel::Extend {
        input,
        columns: definitions,
    };
    Ok(true)
}

#[cfg(test)]
mod tests {
    use crate::plan::{AggregateCall, ColumnId, Rel, Scalar};
    use crate::testing::*;

    fn grouped(
        b: &mut Build,
        call: impl Fn(ColumnId) -> AggregateCall,
    ) -> (Rel, ColumnId, ColumnId) {
        let book = b.source("Book");
        let (author, pages) = (b.column(book, "author_id"), b.column(book, "pages"));
        let s = b.computed("s", int_type());
        let rel = aggregate(
            scan(book),
            [(author, value(author))],
            [],
            [(s, call(pages))],
        );
        (rel, author, s)
    }

    fn sum(pages: ColumnId) -> AggregateCall {
        agg("Sum", vec![value(pages)])
    }

    fn or_zero(id: ColumnId, zero: i64) -> Scalar {
        let zero = Scalar::literal(bson::Bson::Int64(zero), int_type());
        call("Coalesce", vec![value(id), zero], int_type())
    }

    /// More than five hundred is more than nothing.
    #[test]
    fn conditions_that_reject_zero() {
        let mut b = Build::new();
        let (rel, author, s) = grouped(&mut b, sum);
        b.rows(filter(rel, gt(s, 500)), [author, s]).fires(
            "sum_of_nothing",
            "scan Book\n\
             aggregate s#2 = Sum(Book.pages#1) or 0 by Book.author_id#0\n\
             filter s#2 > 500\n\
             rows author_id: Book.author_id#0, s: s#2\n",
        );
    }

    /// Zero is more than minus one, where NULL is not.
    #[test]
    fn conditions_that_zero_meets_stay() {
        let mut b = Build::new();
        let (rel, author, s) = grouped(&mut b, sum);
        b.rows(filter(rel, gt(s, -1)), [author, s])
            .stays("sum_of_nothing");
        let mut b = Build::new();
        let (rel, author, s) = grouped(&mut b, sum);
        b.rows(filter(rel, lt(s, 500)), [author, s])
            .stays("sum_of_nothing");
    }

    /// A slice below the condition takes rows whatever the sum; what it takes may depend on NULL.
    #[test]
    fn conditions_after_a_slice_stay() {
        let mut b = Build::new();
        let (rel, author, s) = grouped(&mut b, sum);
        let rel = slice(sort(rel, [asc(s)]), 0, 3);
        b.rows(filter(rel, gt(s, 500)), [author, s])
            .stays("sum_of_nothing");
    }

    /// `Sum(default=0)` is the server's own sum.
    #[test]
    fn defaults_of_zero() {
        let mut b = Build::new();
        let (rel, author, s) = grouped(&mut b, sum);
        let z = b.computed("z", int_type());
        b.rows(extend(rel, [(z, or_zero(s, 0))]), [author, z])
            .fires(
                "sum_of_nothing",
                "scan Book\n\
             aggregate s#2 = Sum(Book.pages#1) or 0 by Book.author_id#0\n\
             extend z#3 = Coalesce(s#2, 0)\n\
             rows author_id: Book.author_id#0, z: z#3\n",
            );
    }

    /// Another default, or another reader of the sum, sees the difference.
    #[test]
    fn other_defaults_and_readers_stay() {
        let mut b = Build::new();
        let (rel, author, s) = grouped(&mut b, sum);
        let z = b.computed("z", int_type());
        b.rows(extend(rel, [(z, or_zero(s, 7))]), [author, z])
            .stays("sum_of_nothing");
        let mut b = Build::new();
        let (rel, author, s) = grouped(&mut b, sum);
        let z = b.computed("z", int_type());
        b.rows(extend(rel, [(z, or_zero(s, 0))]), [author, s, z])
            .stays("sum_of_nothing");
    }

    /// The greatest value is NULL where there is none.
    #[test]
    fn extremes_tell() {
        let mut b = Build::new();
        let book = b.source("Book");
        let (author, pages) = (b.column(book, "author_id"), b.column(book, "pages"));
        let (s, m) = (b.computed("s", int_type()), b.computed("m", int_type()));
        let rel = aggregate(
            scan(book),
            [(author, value(author))],
            [],
            [(s, sum(pages)), (m, agg("Max", vec![value(pages)]))],
        );
        b.rows(rel, [author, s, m]).fires(
            "sum_of_nothing",
            "scan Book\n\
             aggregate s_sum#4 = Sum(Book.pages#1) or 0, m#3 = Max(Book.pages#1) by Book.author_id#0\n\
             extend s#2 = case when m#3 is not null then s_sum#4 else null end\n\
             rows author_id: Book.author_id#0, s: s#2, m: m#3\n",
        );
    }

    /// Of other values, or under another condition, it tells nothing; distinct values are in a set that tells.
    #[test]
    fn other_extremes_stay() {
        let cases = |author: ColumnId, pages: ColumnId| {
            let mut distinct = sum(pages);
            distinct.distinct = true;
            [
                (sum(pages), agg("Max", vec![value(author)])),
                (
                    sum(pages),
                    agg_where("Max", vec![value(pages)], gt(pages, 1)),
                ),
                (distinct, agg("Max", vec![value(pages)])),
            ]
        };
        for i in 0..3 {
            let mut b = Build::new();
            let book = b.source("Book");
            let (author, pages) = (b.column(book, "author_id"), b.column(book, "pages"));
            let (s, m) = (b.computed("s", int_type()), b.computed("m", int_type()));
            let (sum, most) = cases(author, pages)[i].clone();
            let rel = aggregate(
                scan(book),
                [(author, value(author))],
                [],
                [(s, sum), (m, most)],
            );
            b.rows(rel, [author, s, m]).stays("sum_of_nothing");
        }
    }
}
