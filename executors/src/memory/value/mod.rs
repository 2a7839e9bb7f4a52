//! Values of the engine: every BSON type, compact and cheap to clone.
//!
//! Strings, arrays and documents are slices of a stored document's BSON bytes (an `Arc`ed buffer and offsets) or
//! built in memory (`Arc`ed vectors); [`Document`], [`Array`] and [`Str`] hide which. Each owned type has a borrowed,
//! `Copy` twin ([`ValueRef`], [`DocRef`], [`ArrRef`], [`StrRef`]): comparison, hashing and the match language work on
//! those, so that reading a stored document allocates nothing.
mod array;
mod border;
mod bytes;
mod collation;
mod decimal;
mod document;
mod encode;
pub mod num;
mod order;
mod pack;
mod path;
mod raw;
mod types;
mod view;

use std::fmt;
use std::sync::Arc;

pub use array::{ArrIter, ArrRef, Array};
pub use bytes::{Buffer, Bytes, BytesRef, Str, StrRef};
pub use collation::Collation;
pub use decimal::{Decimal, DecimalParts, MAX_COEFFICIENT};
pub(crate) use document::SCORE;
pub use document::{DocBuilder, DocIter, DocRef, Document};
pub use order::{Key, compare, compare_with, equal, hash_value};
pub use pack::{pack, unpack};
pub use path::{Part, Path};
pub use types::{type_named, type_numbered};
pub use view::ValueRef;

/// A regular expression value.
#[derive(Clone, Debug)]
pub struct Regex {
    /// The pattern.
    pub pattern: Str,
    /// The options, in alphabetical order.
    pub options: Str,
}

/// A value: BSON's types, and `Missing` for a field that is not there.
#[derive(Clone, Default)]
pub enum Value {
    /// No value at all: a field that is not there. Never stored.
    #[default]
    Missing,
    /// Null.
    Null,
    /// The deprecated undefined.
    Undefined,
    /// Below everything.
    MinKey,
    /// Above everything.
    MaxKey,
    /// Boolean.
    Bool(bool),
    /// `int`.
    Int32(i32),
    /// `long`.
    Int64(i64),
    /// `double`.
    Double(f64),
    /// `decimal`.
    Decimal(Decimal),
    /// Milliseconds since the epoch, UTC.
    Date(i64),
    /// Seconds in the high, increment in the low 32 bits.
    Timestamp(u64),
    /// ObjectId.
    ObjectId([u8; 12]),
    /// String.
    Str(Str),
    /// Deprecated symbol; compares as a string.
    Symbol(Str),
    /// Code without scope.
    JavaScript(Str),
    /// Code with scope.
    JavaScriptWithScope(Arc<(Str, Document)>),
    /// Binary data: subtype and bytes.
    Binary(u8, Bytes),
    /// Regular expression.
    Regex(Arc<Regex>),
    /// Deprecated pointer: namespace and id.
    DbPointer(Arc<(Str, [u8; 12])>),
    /// Array.
    Array(Array),
    /// Document.
    Document(Document),
}

impl Value {
    /// A borrowed view.
    #[inline]
    pub fn view(&self) -> ValueRef<'_> {
        match self {
            Self::Missing => ValueRef::Missing,
            Self::Null => ValueRef::Null,
            Self::Undefined => ValueRef::Undefined,
            Self::MinKey => ValueRef::MinKey,
            Self::MaxKey => ValueRef::MaxKey,
            Self::Bool(b) => ValueRef::Bool(*b),
            Self::Int32(n) => ValueRef::Int32(*n),
            Self::Int64(n) => ValueRef::Int64(*n),
            Self::Double(x) => ValueRef::Double(*x),
            Self::Decimal(d) => ValueRef::Decimal(*d),
            Self::Date(d) => ValueRef::Date(*d),
            Self::Timestamp(t) => ValueRef::Timestamp(*t),
            Self::ObjectId(id) => ValueRef::ObjectId(*id),
            Self::Str(s) => ValueRef::Str(s.view()),
            Self::Symbol(s) => ValueRef::Symbol(s.view()),
            Self::JavaScript(s) => ValueRef::JavaScript(s.view()),
            Self::JavaScriptWithScope(c) => ValueRef::JavaScriptWithScope(c.0.view(), c.1.view()),
            Self::Binary(t, b) => ValueRef::Binary(*t, b.view()),
            Self::Regex(r) => ValueRef::Regex(r.pattern.view(), r.options.view()),
            Self::DbPointer(p) => ValueRef::DbPointer(p.0.view(), p.1),
            Self::Array(a) => ValueRef::Array(a.view()),
            Self::Document(d) => ValueRef::Document(d.view()),
        }
    }

    /// A string.
    pub fn str(s: impl Into<Str>) -> Self {
        Self::Str(s.into())
    }

    /// A built array.
    pub fn array(items: Vec<Self>) -> Self {
        Self::Array(Array::from(items))
    }

    /// An int if it fits, else a long: how MongoDB counts.
    pub fn int(n: i64) -> Self {
        i32::try_from(n).map_or(Self::Int64(n), Self::Int32)
    }

    /// The name of the type as the `$type` expression gives it (`missing` included).
    pub fn type_name(&self) -> &'static str {
        self.view().type_name()
    }

    /// Whether a condition holds: all but false, zero, null, undefined and missing.
    pub fn truthy(&self) -> bool {
        self.view().truthy()
    }

    /// Missing, null or undefined.
    #[inline]
    pub fn is_nullish(&self) -> bool {
        matches!(self, Self::Missing | Self::Null | Self::Undefined)
    }

    /// Missing.
    #[inline]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing)
    }

    /// Int, long, double or decimal.
    #[inline]
    pub fn is_number(&self) -> bool {
        matches!(
            self,
            Self::Int32(_) | Self::Int64(_) | Self::Double(_) | Self::Decimal(_)
        )
    }

    /// The text of a string.
    #[inline]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(s) => Some(s.as_str()),
            _ => None,
        }
    }

    /// The array.
    #[inline]
    pub fn as_array(&self) -> Option<&Array> {
        match self {
            Self::Array(a) => Some(a),
            _ => None,
        }
    }

    /// The document.
    #[inline]
    pub fn as_document(&self) -> Option<&Document> {
        match self {
            Self::Document(d) => Some(d),
            _ => None,
        }
    }

    /// The integer that this number is, if it is one (doubles and decimals with no fraction included).
    pub fn as_i64(&self) -> Option<i64> {
        self.view().as_i64()
    }

    /// The nearest double of a number.
    pub fn as_f64(&self) -> Option<f64> {
        self.view().as_f64()
    }

    /// Missing becomes null.
    pub fn or_null(self) -> Self {
        if self.is_missing() { Self::Null } else { self }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("Missing"),
            other => fmt::Debug::fmt(&other.view().to_bson(), f),
        }
    }
}

impl PartialEq for Value {
    /// MongoDB's equality: numbers by value across types.
    fn eq(&self, other: &Self) -> bool {
        equal(self.view(), other.view())
    }
}

macro_rules! from {
    ($($ty:ty => $variant:ident),*) => {$(
        impl From<$ty> for Value {
            fn from(v: $ty) -> Self { Self::$variant(v.into()) }
        }
    )*};
}
from!(bool => Bool, i32 => Int32, i64 => Int64, f64 => Double, Decimal => Decimal, Str => Str, &str => Str, String => Str, Array => Array, Document => Document, Vec<Value> => Array);

#[cfg(test)]
mod tests {
    use super::*;
    use bson::doc;

    #[test]
    fn values_stay_small() {
        assert!(size_of::<Value>() <= 24, "{}", size_of::<Value>());
        assert!(size_of::<Document>() <= 16);
    }

    /// A document read in place and a built one give the same fields, and both go back to the same BSON.
    #[test]
    fn raw_and_built_agree() {
        let d = doc! {"a": 1, "b": {"c": [1_i64, "x", {"d": 2.5}]}, "e": bson::Bson::Null, "r": bson::Regex { pattern: "a".to_owned().try_into().unwrap(), options: "i".to_owned().try_into().unwrap() }};
        let raw = Document::from_raw(Buffer::from(d.to_vec().unwrap().as_slice()));
        let built = Document::from_bson(&d);
        assert_eq!(raw, built);
        assert_eq!(raw.to_bson(), d);
        assert_eq!(built.to_bson(), d);
        assert_eq!(&*built.to_raw(), d.to_vec().unwrap().as_slice());
        assert_eq!(built.byte_size(), raw.byte_size());
        let path = Path::parse("b.c.d").unwrap();
        assert_eq!(path.get(raw.view()), Value::array(vec![Value::Double(2.5)]));
        assert!(path.get_ref(raw.view()).is_none());
    }

    /// Numbers compare by value across the four types, NaN lowest; equal ones hash alike.
    #[test]
    fn numbers_compare_across_types() {
        let dec = |s: &str| {
            Value::Decimal(Decimal::from_bytes(
                s.parse::<bson::Decimal128>().unwrap().bytes(),
            ))
        };
        let order = [
            Value::Double(f64::NAN),
            Value::Double(f64::NEG_INFINITY),
            Value::Int64(i64::MIN),
            dec("-1.5"),
            Value::Int32(0),
            dec("0.1"),
            Value::Double(0.1),
            Value::Int64(9_007_199_254_740_992),
            Value::Int64(9_007_199_254_740_993),
            Value::Double(9.223_372_036_854_776e18),
            dec("1E+20"),
            Value::Double(f64::INFINITY),
        ];
        for (i, a) in order.iter().enumerate() {
            for (j, b) in order.iter().enumerate() {
                assert_eq!(compare(a.view(), b.view()), i.cmp(&j), "{a:?} {b:?}");
            }
        }
        let hash = |v: &Value| {
            let mut h = std::collections::hash_map::DefaultHasher::new();
            hash_value(v.view(), &mut h);
            std::hash::Hasher::finish(&h)
        };
        for (a, b) in [
            (Value::Int32(2), dec("2.00")),
            (Value::Double(2.5), dec("2.5")),
            (Value::Double(-0.0), Value::Int64(0)),
            (Value::Double(f64::NAN), dec("NaN")),
        ] {
            assert_eq!(a, b);
            assert_eq!(hash(&a), hash(&b));
        }
    }
}
