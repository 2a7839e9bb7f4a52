//! Literals.

use bson::{Decimal128, oid::ObjectId};
use indexmap::IndexMap;
use jiff::{Timestamp, civil, tz::Offset};

use super::Expr;

/// A literal as Python knows it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// `None`.
    Null,
    /// `bool`.
    Bool(bool),
    /// `int`; integers beyond 128 bits are refused by the front ends.
    Int(i128),
    /// `float`, also NaN and infinities.
    Float(f64),
    /// `str`.
    Str(String),
    /// `list` and `tuple`.
    List(Vec<Value>),
    /// `dict` with string keys.
    Dict(IndexMap<String, Value>),
    /// `datetime` with a zone.
    DateTime(AwareDateTime),
    /// `datetime` without a zone.
    NaiveDateTime(civil::DateTime),
    /// `date`.
    Date(civil::Date),
    /// `time` without a zone.
    Time(civil::Time),
    /// `timedelta` in microseconds.
    Duration(i64),
    /// `Decimal`.
    Decimal(Decimal128),
    /// `UUID`, big endian.
    Uuid([u8; 16]),
    /// `ObjectId`.
    ObjectId(ObjectId),
    /// `bytes`, with BSON's subtype.
    Binary {
        /// Content.
        bytes: Vec<u8>,
        /// BSON binary subtype, 0 for generic.
        subtype: u8,
    },
    /// `re.compile(...)`.
    Regex(RegexLiteral),
    /// An instance of an embedded model.
    Model {
        /// Label of the model.
        model: String,
        /// Values by field name.
        fields: IndexMap<String, Value>,
    },
    /// A value that the database computes (inserts only).
    Expr(Box<Expr>),
    /// JSON's null as the content of a JSONField, unlike no value.
    JsonNull,
}

/// An instant with the offset in which it was written. Only the instant counts in comparisons of data;
/// the offset is kept so that a statement can be written back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AwareDateTime {
    /// The instant.
    pub instant: Timestamp,
    /// Offset from UTC as written.
    pub offset: Offset,
}

/// A compiled regular expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegexLiteral {
    /// Pattern.
    pub pattern: String,
    /// Options in BSON's letters.
    pub options: String,
}

macro_rules! from_int {
    ($($t:ty),*) => {$(
        impl From<$t> for Value {
            fn from(v: $t) -> Self {
                Value::Int(i128::from(v))
            }
        }
    )*};
}
from_int!(i8, i16, i32, i64, i128, u8, u16, u32, u64);

impl From<bool> for Value {
    fn from(v: bool) -> Self {
        Value::Bool(v)
    }
}
impl From<f64> for Value {
    fn from(v: f64) -> Self {
        Value::Float(v)
    }
}
impl From<&str> for Value {
    fn from(v: &str) -> Self {
        Value::Str(v.to_owned())
    }
}
impl From<String> for Value {
    fn from(v: String) -> Self {
        Value::Str(v)
    }
}
impl From<civil::Date> for Value {
    fn from(v: civil::Date) -> Self {
        Value::Date(v)
    }
}
impl From<civil::DateTime> for Value {
    fn from(v: civil::DateTime) -> Self {
        Value::NaiveDateTime(v)
    }
}
impl From<civil::Time> for Value {
    fn from(v: civil::Time) -> Self {
        Value::Time(v)
    }
}
impl From<Timestamp> for Value {
    fn from(v: Timestamp) -> Self {
        Value::DateTime(AwareDateTime {
            instant: v,
            offset: Offset::UTC,
        })
    }
}
impl From<ObjectId> for Value {
    fn from(v: ObjectId) -> Self {
        Value::ObjectId(v)
    }
}
impl From<Decimal128> for Value {
    fn from(v: Decimal128) -> Self {
        Value::Decimal(v)
    }
}
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(v: Option<T>) -> Self {
        v.map_or(Value::Null, Into::into)
    }
}
impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(v: Vec<T>) -> Self {
        Value::List(v.into_iter().map(Into::into).collect())
    }
}
impl<T: Into<Value>, const N: usize> From<[T; N]> for Value {
    fn from(v: [T; N]) -> Self {
        Value::List(v.into_iter().map(Into::into).collect())
    }
}
