//! Comparison and order of values.

use std::cmp::Ordering;

use bson::Bson;
use mqlc_compiler::plan::CompareOp;

use super::number::Num;

/// A comparison; values of other types are never in order.
pub fn compared(op: CompareOp, a: &Bson, b: &Bson) -> Option<bool> {
    if *a == Bson::Null || *b == Bson::Null {
        return None;
    }
    if rank(a) != rank(b) {
        return Some(op == CompareOp::Ne);
    }
    // NaN is in no order with numbers, and equal to itself.
    if let (Bson::Double(x), Bson::Double(y)) = (a, b)
        && x.is_nan() != y.is_nan()
    {
        return Some(op == CompareOp::Ne);
    }
    let o = order(a, b);
    Some(match op {
        CompareOp::Eq => o.is_eq(),
        CompareOp::Ne => o.is_ne(),
        CompareOp::Lt => o.is_lt(),
        CompareOp::Lte => o.is_le(),
        CompareOp::Gt => o.is_gt(),
        CompareOp::Gte => o.is_ge(),
    })
}

pub fn rank(value: &Bson) -> u8 {
    match value {
        Bson::Null => 0,
        Bson::Undefined => 1,
        Bson::Int32(_) | Bson::Int64(_) | Bson::Double(_) | Bson::Decimal128(_) => 2,
        Bson::String(_) => 3,
        Bson::Document(_) => 4,
        Bson::Array(_) => 5,
        Bson::Binary(_) => 6,
        Bson::ObjectId(_) => 7,
        Bson::Boolean(_) => 8,
        Bson::DateTime(_) => 9,
        other => panic!("no interpretation of {other}"),
    }
}

/// The order of values: NULL first, then by type.
pub fn order(a: &Bson, b: &Bson) -> Ordering {
    match (a, b) {
        (Bson::String(a), Bson::String(b)) => a.cmp(b),
        (Bson::Boolean(a), Bson::Boolean(b)) => a.cmp(b),
        (Bson::DateTime(a), Bson::DateTime(b)) => a.cmp(b),
        (Bson::ObjectId(a), Bson::ObjectId(b)) => a.cmp(b),
        (Bson::Binary(a), Bson::Binary(b)) => a.bytes.cmp(&b.bytes),
        (Bson::Array(a), Bson::Array(b)) => a
            .iter()
            .zip(b)
            .map(|(x, y)| order(x, y))
            .find(|o| o.is_ne())
            .unwrap_or(a.len().cmp(&b.len())),
        (Bson::Document(a), Bson::Document(b)) => a
            .iter()
            .zip(b)
            // Types before names before values, as the manual orders objects.
            .map(|((k, x), (l, y))| rank(x).cmp(&rank(y)).then(k.cmp(l)).then(order(x, y)))
            .find(|o| o.is_ne())
            .unwrap_or(a.len().cmp(&b.len())),
        _ => match (Num::of(a), Num::of(b)) {
            (Some(a), Some(b)) => a.order(b),
            _ => rank(a).cmp(&rank(b)),
        },
    }
}

pub fn same(a: &[Bson], b: &[Bson]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(x, y)| order(x, y).is_eq())
}
