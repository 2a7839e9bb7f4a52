//! MongoDB's total order of values, and equality and hashing that agree with it.
//! Source of the order: the manual, "Comparison/Sort Order".
use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use super::{Collation, Decimal, Value, ValueRef, num};

/// The bracket of a type: values of different brackets compare by it.
pub(super) fn bracket(v: ValueRef<'_>) -> u8 {
    match v {
        ValueRef::MinKey => 0,
        ValueRef::Missing | ValueRef::Undefined => 1,
        ValueRef::Null => 2,
        ValueRef::Int32(_) | ValueRef::Int64(_) | ValueRef::Double(_) | ValueRef::Decimal(_) => 3,
        ValueRef::Str(_) | ValueRef::Symbol(_) => 4,
        ValueRef::Document(_) => 5,
        ValueRef::Array(_) => 6,
        ValueRef::Binary(..) => 7,
        ValueRef::ObjectId(_) => 8,
        ValueRef::Bool(_) => 9,
        ValueRef::Date(_) => 10,
        ValueRef::Timestamp(_) => 11,
        ValueRef::Regex(..) => 12,
        ValueRef::DbPointer(..) => 13,
        ValueRef::JavaScript(_) => 14,
        ValueRef::JavaScriptWithScope(..) => 15,
        ValueRef::MaxKey => 16,
    }
}

impl ValueRef<'_> {
    /// The number of this value's type bracket: only values of one bracket match a range operator.
    pub fn type_bracket(self) -> u8 {
        bracket(self)
    }
}

/// Compares in MongoDB's order, strings by their bytes.
#[inline]
pub fn compare(a: ValueRef<'_>, b: ValueRef<'_>) -> Ordering {
    compare_with(a, b, None)
}

/// Compares in MongoDB's order, strings by a collation if there is one.
pub fn compare_with(a: ValueRef<'_>, b: ValueRef<'_>, collation: Option<&Collation>) -> Ordering {
    match (a, b) {
        (ValueRef::Int32(x), ValueRef::Int32(y)) => x.cmp(&y),
        (ValueRef::Int64(x), ValueRef::Int64(y)) => x.cmp(&y),
        (ValueRef::Double(x), ValueRef::Double(y)) => num::compare_f64(x, y),
        (ValueRef::Str(x) | ValueRef::Symbol(x), ValueRef::Str(y) | ValueRef::Symbol(y)) => {
            match collation {
                None => x.as_bytes().cmp(y.as_bytes()),
                Some(c) => c.compare(x.as_str(), y.as_str()),
            }
        }
        (ValueRef::ObjectId(x), ValueRef::ObjectId(y)) => x.cmp(&y),
        (ValueRef::Bool(x), ValueRef::Bool(y)) => x.cmp(&y),
        (ValueRef::Date(x), ValueRef::Date(y)) => x.cmp(&y),
        (ValueRef::Timestamp(x), ValueRef::Timestamp(y)) => x.cmp(&y),
        (ValueRef::Document(x), ValueRef::Document(y)) => {
            let (mut x, mut y) = (x.iter(), y.iter());
            loop {
                let ((k, v), (l, w)) = match (x.next(), y.next()) {
                    (None, None) => return Ordering::Equal,
                    (None, Some(_)) => return Ordering::Less,
                    (Some(_), None) => return Ordering::Greater,
                    (Some(p), Some(q)) => (p, q),
                };
                let order = bracket(v)
                    .cmp(&bracket(w))
                    .then_with(|| k.as_bytes().cmp(l.as_bytes()))
                    .then_with(|| compare_with(v, w, collation));
                if order != Ordering::Equal {
                    return order;
                }
            }
        }
        (ValueRef::Array(x), ValueRef::Array(y)) => {
            let (mut x, mut y) = (x.iter(), y.iter());
            loop {
                let order = match (x.next(), y.next()) {
                    (None, None) => return Ordering::Equal,
                    (None, Some(_)) => Ordering::Less,
                    (Some(_), None) => Ordering::Greater,
                    (Some(v), Some(w)) => compare_with(v, w, collation),
                };
                if order != Ordering::Equal {
                    return order;
                }
            }
        }
        (ValueRef::Binary(s, x), ValueRef::Binary(t, y)) => x
            .len()
            .cmp(&y.len())
            .then_with(|| s.cmp(&t))
            .then_with(|| x.as_slice().cmp(y.as_slice())),
        (ValueRef::Regex(p, o), ValueRef::Regex(q, r)) => p
            .as_bytes()
            .cmp(q.as_bytes())
            .then_with(|| o.as_bytes().cmp(r.as_bytes())),
        (ValueRef::DbPointer(n, x), ValueRef::DbPointer(m, y)) => n
            .as_bytes()
            .len()
            .cmp(&m.as_bytes().len())
            .then_with(|| n.as_bytes().cmp(m.as_bytes()))
            .then_with(|| x.cmp(&y)),
        (ValueRef::JavaScript(x), ValueRef::JavaScript(y)) => x.as_bytes().cmp(y.as_bytes()),
        (ValueRef::JavaScriptWithScope(x, s), ValueRef::JavaScriptWithScope(y, t)) => x
            .as_bytes()
            .cmp(y.as_bytes())
            .then_with(|| compare_with(ValueRef::Document(s), ValueRef::Document(t), collation)),
        _ => {
            let (p, q) = (bracket(a), bracket(b));
            if p == 3 && q == 3 {
                compare_numbers(a, b)
            } else {
                p.cmp(&q)
            }
        }
    }
}

fn integer(v: ValueRef<'_>) -> Option<i64> {
    match v {
        ValueRef::Int32(n) => Some(i64::from(n)),
        ValueRef::Int64(n) => Some(n),
        _ => None,
    }
}

fn compare_numbers(a: ValueRef<'_>, b: ValueRef<'_>) -> Ordering {
    if let (Some(x), Some(y)) = (integer(a), integer(b)) {
        return x.cmp(&y);
    }
    match (a, b) {
        (ValueRef::Double(x), ValueRef::Double(y)) => num::compare_f64(x, y),
        (ValueRef::Double(x), ValueRef::Decimal(y)) => y.compare_f64(x).reverse(),
        (ValueRef::Decimal(x), ValueRef::Double(y)) => x.compare_f64(y),
        (ValueRef::Decimal(x), ValueRef::Decimal(y)) => x.compare(y),
        (ValueRef::Double(x), other) => {
            num::compare_i64_f64(integer(other).unwrap_or(0), x).reverse()
        }
        (other, ValueRef::Double(y)) => num::compare_i64_f64(integer(other).unwrap_or(0), y),
        (ValueRef::Decimal(x), other) => x.compare(Decimal::from_i64(integer(other).unwrap_or(0))),
        (other, ValueRef::Decimal(y)) => Decimal::from_i64(integer(other).unwrap_or(0)).compare(y),
        _ => Ordering::Equal,
    }
}

/// Whether two values are equal in MongoDB's sense (`1`, `1.0` and the decimal `1` are).
#[inline]
pub fn equal(a: ValueRef<'_>, b: ValueRef<'_>) -> bool {
    if let (ValueRef::Str(x), ValueRef::Str(y)) = (a, b) {
        return x.as_bytes() == y.as_bytes();
    }
    compare(a, b) == Ordering::Equal
}

/// Feeds a value to a hasher so that equal values hash alike.
pub fn hash_value<H: Hasher>(v: ValueRef<'_>, state: &mut H) {
    state.write_u8(bracket(v));
    match v {
        ValueRef::Missing
        | ValueRef::Null
        | ValueRef::Undefined
        | ValueRef::MinKey
        | ValueRef::MaxKey => {}
        ValueRef::Bool(b) => state.write_u8(u8::from(b)),
        ValueRef::Int32(n) => state.write_i64(i64::from(n)),
        ValueRef::Int64(n) => state.write_i64(n),
        ValueRef::Double(x) => hash_f64(x, state),
        // An equal double is the nearest double, so hashing that agrees.
        ValueRef::Decimal(d) => match d.exact_i64() {
            Some(n) => state.write_i64(n),
            None => hash_f64(d.to_f64(), state),
        },
        ValueRef::Date(n) => state.write_i64(n),
        ValueRef::Timestamp(n) => state.write_u64(n),
        ValueRef::ObjectId(id) => state.write(&id),
        ValueRef::Str(s) | ValueRef::Symbol(s) | ValueRef::JavaScript(s) => {
            state.write(s.as_bytes());
            state.write_u8(0xff);
        }
        ValueRef::JavaScriptWithScope(c, s) => {
            state.write(c.as_bytes());
            hash_value(ValueRef::Document(s), state);
        }
        ValueRef::Binary(t, b) => {
            state.write_u8(t);
            state.write_usize(b.len());
            state.write(b.as_slice());
        }
        ValueRef::Regex(p, o) => {
            state.write(p.as_bytes());
            state.write_u8(0xff);
            state.write(o.as_bytes());
        }
        ValueRef::DbPointer(n, id) => {
            state.write(n.as_bytes());
            state.write(&id);
        }
        ValueRef::Array(a) => {
            for item in a.iter() {
                hash_value(item, state);
            }
            state.write_u8(0xfe);
        }
        ValueRef::Document(d) => {
            for (k, item) in d.iter() {
                state.write(k.as_bytes());
                hash_value(item, state);
            }
            state.write_u8(0xfe);
        }
    }
}

fn hash_f64<H: Hasher>(x: f64, state: &mut H) {
    match num::exact_i64(x) {
        Some(n) => state.write_i64(n),
        None if x.is_nan() => state.write_u64(f64::NAN.to_bits()),
        None => state.write_u64(x.to_bits()),
    }
}

/// A value as a key of hash maps and ordered maps, by MongoDB's order. For a collation, fold the value first
/// ([`Collation::fold`]).
#[derive(Clone, Debug, Default)]
pub struct Key(pub Value);

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        equal(self.0.view(), other.0.view())
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(self.0.view(), other.0.view())
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_value(self.0.view(), state);
    }
}
