//! Comparison of literals: as the database would, or not at all.

use std::cmp::Ordering;
use std::hash::{BuildHasher, Hash, Hasher};

use bson::Bson;
use foldhash::fast::RandomState;

use crate::plan::{ArrayFact, Columns, CompareOp, Node, Predicate, Scalar, has_volatile};
use crate::schema::StorageFamily;

/// The order of two literals of the same kind; `None` where it is not certain (other kinds, NaN, decimals).
pub(super) fn compare(a: &Bson, b: &Bson) -> Option<Ordering> {
    Some(match (a, b) {
        (Bson::String(a), Bson::String(b)) => a.as_bytes().cmp(b.as_bytes()),
        (Bson::Boolean(a), Bson::Boolean(b)) => a.cmp(b),
        (Bson::DateTime(a), Bson::DateTime(b)) => a.cmp(b),
        (Bson::ObjectId(a), Bson::ObjectId(b)) => a.bytes().cmp(&b.bytes()),
        (Bson::Double(a), Bson::Double(b)) => return a.partial_cmp(b),
        _ => int(a)?.cmp(&int(b)?),
    })
}

/// The value of an integer literal.
pub(super) fn int(value: &Bson) -> Option<i64> {
    match value {
        Bson::Int32(n) => Some(i64::from(*n)),
        Bson::Int64(n) => Some(*n),
        _ => None,
    }
}

/// Whether a comparison of two literals in this order holds.
pub(super) fn holds(op: CompareOp, order: Ordering) -> bool {
    match op {
        CompareOp::Eq => order.is_eq(),
        CompareOp::Ne => order.is_ne(),
        CompareOp::Lt => order.is_lt(),
        CompareOp::Lte => order.is_le(),
        CompareOp::Gt => order.is_gt(),
        CompareOp::Gte => order.is_ge(),
    }
}

/// The literal in an expression, NULL left out.
pub(super) fn literal(scalar: &Scalar) -> Option<&Bson> {
    match scalar {
        Scalar::Literal(literal) if literal.value != Bson::Null => Some(&literal.value),
        _ => None,
    }
}

/// Whether the expression is the literal NULL.
pub(super) fn is_null(scalar: &Scalar) -> bool {
    matches!(scalar, Scalar::Literal(l) if l.value == Bson::Null)
}

/// Whether values of an expression are single, totally ordered values of one type: no arrays, no free JSON, no
/// documents, and no floats or decimals, among which NaN is.
pub(super) fn is_ordered(scalar: &Scalar, columns: &Columns) -> bool {
    is_single(scalar, columns)
        && scalar.ty(columns).is_ok_and(|ty| {
            !matches!(
                ty.kind.family(),
                StorageFamily::Double | StorageFamily::Decimal
            )
        })
}

/// Whether values of an expression are single values of one type: no arrays, no free JSON, no documents.
pub(super) fn is_single(scalar: &Scalar, columns: &Columns) -> bool {
    match scalar {
        Scalar::Column(id) => {
            let Ok(column) = columns.get(*id) else {
                return false;
            };
            if column.array != ArrayFact::No {
                return false;
            }
        }
        Scalar::Raw(..) | Scalar::List(_) | Scalar::Json { .. } => return false,
        Scalar::Literal(_) => {}
        // What is drawn anew each time is another value each time.
        other if has_volatile(Node::Scalar(other)) => return false,
        _ => {}
    }
    scalar.ty(columns).is_ok_and(|ty| {
        !matches!(
            ty.kind.family(),
            StorageFamily::Json
                | StorageFamily::Array
                | StorageFamily::Embedded
                | StorageFamily::EmbeddedArray
                | StorageFamily::Geo
                | StorageFamily::None
        )
    })
}

/// A number that is equal for equal literals.
pub(super) fn fingerprint(state: &RandomState, value: &Bson) -> u64 {
    let mut hasher = state.build_hasher();
    hash_bson(value, &mut hasher);
    hasher.finish()
}

fn hash_bson(value: &Bson, hasher: &mut impl Hasher) {
    match value {
        Bson::String(s) => s.hash(hasher),
        Bson::Boolean(b) => b.hash(hasher),
        Bson::DateTime(d) => d.timestamp_millis().hash(hasher),
        Bson::ObjectId(id) => id.bytes().hash(hasher),
        Bson::Int32(n) => i64::from(*n).hash(hasher),
        Bson::Int64(n) => n.hash(hasher),
        _ => 0_u8.hash(hasher),
    }
}

/// A number that is equal for equal conditions, and mostly different for others.
pub(super) fn predicate_fingerprint(state: &RandomState, predicate: &Predicate) -> u64 {
    let mut hasher = state.build_hasher();
    let mut budget = 16;
    crate::plan::visit(Node::Predicate(predicate), &mut |node, _| {
        match node {
            Node::Predicate(p) => std::mem::discriminant(p).hash(&mut hasher),
            Node::Scalar(Scalar::Column(id)) => id.hash(&mut hasher),
            Node::Scalar(Scalar::Literal(l)) => hash_bson(&l.value, &mut hasher),
            _ => {}
        }
        budget -= 1;
        budget > 0
    });
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the database might order otherwise has no order here.
    #[test]
    fn uncertain_orders_are_none() {
        assert_eq!(
            compare(&Bson::Int32(1), &Bson::Int64(2)),
            Some(Ordering::Less)
        );
        assert_eq!(compare(&Bson::Double(f64::NAN), &Bson::Double(1.0)), None);
        assert_eq!(compare(&Bson::Int64(1), &Bson::String("1".into())), None);
        assert_eq!(compare(&Bson::Int64(1), &Bson::Double(1.0)), None);
        assert_eq!(compare(&Bson::Null, &Bson::Null), None);
    }
}
