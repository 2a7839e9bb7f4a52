//! Simplification of filters.

use bson::Bson;

use crate::mql::filter::single;
use crate::mql::{Args, Expr, FieldOp, Filter};

/// The same filter, shorter.
#[must_use]
pub fn simplify(filter: Filter) -> Filter {
    match filter {
        Filter::And(items) => {
            let items = items.into_iter().map(simplify).collect();
            match Filter::all(items) {
                Filter::And(items) => merge_fields(items),
                other => other,
            }
        }
        Filter::Or(items) => match Filter::any(items.into_iter().map(simplify).collect()) {
            Filter::Or(mut ways) => {
                or_null(&mut ways);
                Filter::any(ways)
            }
            other => other,
        },
        Filter::Field { path, ops } => Filter::Field {
            path,
            ops: ops.into_iter().map(simplify_op).collect(),
        },
        Filter::Nor(mut items) => match (items.len(), items.pop().map(simplify)) {
            (1, Some(Filter::Field { path, ops })) => Filter::Field {
                path,
                ops: vec![negated(ops)],
            },
            (_, last) => Filter::Nor(items.into_iter().map(simplify).chain(last).collect()),
        },
        other => other,
    }
}

/// What matches where these do not.
fn negated(mut ops: Vec<FieldOp>) -> FieldOp {
    match (ops.len(), ops.pop()) {
        (1, Some(FieldOp::Eq(v))) => FieldOp::Ne(v),
        (1, Some(FieldOp::Ne(v))) => FieldOp::Eq(v),
        (1, Some(FieldOp::In(list))) => FieldOp::Nin(list),
        (1, Some(FieldOp::Nin(list))) => FieldOp::In(list),
        (1, Some(FieldOp::Exists(there))) => FieldOp::Exists(!there),
        (_, last) => FieldOp::Not(ops.into_iter().chain(last).collect()),
    }
}

/// Filters on elements are filters too.
fn simplify_op(op: FieldOp) -> FieldOp {
    match op {
        FieldOp::ElemMatch(inner) => FieldOp::ElemMatch(Box::new(simplify(*inner))),
        FieldOp::Not(ops) => FieldOp::Not(ops.into_iter().map(simplify_op).collect()),
        other => other,
    }
}

/// Conditions on one path become one document, `$expr`s become one.
fn merge_fields(items: Vec<Filter>) -> Filter {
    let mut out: Vec<Filter> = Vec::new();
    let mut exprs: Vec<Expr> = Vec::new();
    for item in items {
        match item {
            Filter::Expr(Expr::Op("$and", Args::List(parts))) => exprs.extend(parts),
            Filter::Expr(expr) => exprs.push(expr),
            Filter::Field { path, ops } => {
                let same = out.iter_mut().find_map(|f| match f {
                    Filter::Field { path: p, ops: o } if *p == path && fits(o, &ops) => Some(o),
                    _ => None,
                });
                match same {
                    Some(existing) => {
                        existing.extend(ops);
                        drop_null_tests(existing);
                    }
                    None => out.push(Filter::Field { path, ops }),
                }
            }
            other => out.push(other),
        }
    }
    match exprs.len() {
        0 => {}
        1 => out.extend(exprs.pop().map(Filter::Expr)),
        _ => out.push(Filter::Expr(Expr::list("$and", exprs))),
    }
    single(out, Filter::True, Filter::And)
}

/// No operator would be there twice.
fn fits(a: &[FieldOp], b: &[FieldOp]) -> bool {
    b.iter().all(|op| {
        a.iter().all(|other| {
            let same = std::mem::discriminant(op) == std::mem::discriminant(other);
            // Both are `$in` when rendered.
            let lists = matches!(
                (op, other),
                (FieldOp::InParameter(_), FieldOp::In(_))
                    | (FieldOp::In(_), FieldOp::InParameter(_))
            );
            !same && !lists && !matches!(op, FieldOp::Other(..))
        })
    })
}

/// `$ne: null` beside an operator that null does not satisfy.
fn drop_null_tests(ops: &mut Vec<FieldOp>) {
    let rejects = |op: &FieldOp| match op {
        FieldOp::Eq(v) | FieldOp::Lt(v) | FieldOp::Lte(v) | FieldOp::Gt(v) | FieldOp::Gte(v) => {
            is_scalar(v)
        }
        FieldOp::In(list) => list.iter().all(is_scalar),
        FieldOp::Nin(list) => list.contains(&Bson::Null),
        FieldOp::Regex { .. } => true,
        _ => false,
    };
    if ops.iter().any(rejects) {
        ops.retain(|op| *op != FieldOp::Ne(Bson::Null));
    }
    let (lists, others): (Vec<&FieldOp>, Vec<&FieldOp>) =
        ops.iter().partition(|op| matches!(op, FieldOp::Nin(_)));
    if lists.is_empty() || !others.into_iter().any(rejects) {
        return;
    }
    for op in ops {
        if let FieldOp::Nin(list) = op {
            list.retain(|v| *v != Bson::Null);
            if let [one] = list.as_slice() {
                *op = FieldOp::Ne(one.clone());
            }
        }
    }
}

/// The condition that holds where this one does not, null and missing included: `{$not: {$gte: 3}}` beside `{$lt: 3}`.
/// Only for values that are totally ordered: NaN is neither less nor greater.
fn opposite(op: &FieldOp) -> Option<FieldOp> {
    let total = |v: &Bson| {
        matches!(
            v,
            Bson::Int32(_)
                | Bson::Int64(_)
                | Bson::String(_)
                | Bson::DateTime(_)
                | Bson::ObjectId(_)
        )
    };
    match op {
        FieldOp::Lt(v) if total(v) => Some(FieldOp::Gte(v.clone())),
        FieldOp::Lte(v) if total(v) => Some(FieldOp::Gt(v.clone())),
        FieldOp::Gt(v) if total(v) => Some(FieldOp::Lte(v.clone())),
        FieldOp::Gte(v) if total(v) => Some(FieldOp::Lt(v.clone())),
        _ => None,
    }
}

fn is_scalar(value: &Bson) -> bool {
    !matches!(
        value,
        Bson::Null | Bson::Undefined | Bson::Array(_) | Bson::MinKey | Bson::MaxKey
    )
}

/// `x NOT IN (a, NULL) OR x IS NULL` is `x` not equal to `a` in the match language.
fn or_null(items: &mut Vec<Filter>) {
    let nulls: Vec<String> = items
        .iter()
        .filter_map(|f| match f {
            Filter::Field { path, ops } if *ops == [FieldOp::Eq(Bson::Null)] => Some(path.clone()),
            _ => None,
        })
        .collect();
    for path in nulls {
        let mut absorbed = false;
        for item in items.iter_mut() {
            let Filter::Field { path: p, ops } = item else {
                continue;
            };
            if *p != path {
                continue;
            }
            if let [op] = ops.as_mut_slice() {
                match &mut *op {
                    FieldOp::Nin(list) if list.contains(&Bson::Null) => {
                        list.retain(|v| *v != Bson::Null);
                        if let [one] = list.as_slice() {
                            *op = FieldOp::Ne(one.clone());
                        }
                        absorbed = true;
                    }
                    // These hold for null already.
                    FieldOp::Ne(v) if *v != Bson::Null => absorbed = true,
                    FieldOp::Nin(_) | FieldOp::Not(_) => absorbed = true,
                    // The scan of an index by one range, null included, instead of by two.
                    other => {
                        if let Some(opposite) = opposite(&*other) {
                            *op = FieldOp::Not(vec![opposite]);
                            absorbed = true;
                        }
                    }
                }
            }
        }
        if absorbed {
            items.retain(
                |f| !matches!(f, Filter::Field { path: p, ops } if *p == path && *ops == [FieldOp::Eq(Bson::Null)]),
            );
        }
    }
}
