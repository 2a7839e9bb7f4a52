//! The borrowed twin of `Value`.
use std::sync::Arc;

use super::{ArrRef, BytesRef, Decimal, DocRef, Regex, StrRef, Value, num};

/// A value read in place; `Copy`. See [`Value`] for the meaning of each variant.
#[derive(Clone, Copy, Default)]
#[allow(missing_docs)]
pub enum ValueRef<'a> {
    #[default]
    Missing,
    Null,
    Undefined,
    MinKey,
    MaxKey,
    Bool(bool),
    Int32(i32),
    Int64(i64),
    Double(f64),
    Decimal(Decimal),
    Date(i64),
    Timestamp(u64),
    ObjectId([u8; 12]),
    Str(StrRef<'a>),
    Symbol(StrRef<'a>),
    JavaScript(StrRef<'a>),
    JavaScriptWithScope(StrRef<'a>, DocRef<'a>),
    Binary(u8, BytesRef<'a>),
    Regex(StrRef<'a>, StrRef<'a>),
    DbPointer(StrRef<'a>, [u8; 12]),
    Array(ArrRef<'a>),
    Document(DocRef<'a>),
}

impl<'a> ValueRef<'a> {
    /// Owned; shares buffers, copies no bytes.
    pub fn to_value(self) -> Value {
        match self {
            Self::Missing => Value::Missing,
            Self::Null => Value::Null,
            Self::Undefined => Value::Undefined,
            Self::MinKey => Value::MinKey,
            Self::MaxKey => Value::MaxKey,
            Self::Bool(b) => Value::Bool(b),
            Self::Int32(n) => Value::Int32(n),
            Self::Int64(n) => Value::Int64(n),
            Self::Double(x) => Value::Double(x),
            Self::Decimal(d) => Value::Decimal(d),
            Self::Date(d) => Value::Date(d),
            Self::Timestamp(t) => Value::Timestamp(t),
            Self::ObjectId(id) => Value::ObjectId(id),
            Self::Str(s) => Value::Str(s.to_str()),
            Self::Symbol(s) => Value::Symbol(s.to_str()),
            Self::JavaScript(s) => Value::JavaScript(s.to_str()),
            Self::JavaScriptWithScope(c, s) => {
                Value::JavaScriptWithScope(Arc::new((c.to_str(), s.to_document())))
            }
            Self::Binary(t, b) => Value::Binary(t, b.to_bytes()),
            Self::Regex(p, o) => Value::Regex(Arc::new(Regex {
                pattern: p.to_str(),
                options: o.to_str(),
            })),
            Self::DbPointer(ns, id) => Value::DbPointer(Arc::new((ns.to_str(), id))),
            Self::Array(a) => Value::Array(a.to_array()),
            Self::Document(d) => Value::Document(d.to_document()),
        }
    }

    /// The name of the type as the `$type` expression gives it.
    pub fn type_name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Null => "null",
            Self::Undefined => "undefined",
            Self::MinKey => "minKey",
            Self::MaxKey => "maxKey",
            Self::Bool(_) => "bool",
            Self::Int32(_) => "int",
            Self::Int64(_) => "long",
            Self::Double(_) => "double",
            Self::Decimal(_) => "decimal",
            Self::Date(_) => "date",
            Self::Timestamp(_) => "timestamp",
            Self::ObjectId(_) => "objectId",
            Self::Str(_) => "string",
            Self::Symbol(_) => "symbol",
            Self::JavaScript(_) => "javascript",
            Self::JavaScriptWithScope(..) => "javascriptWithScope",
            Self::Binary(..) => "binData",
            Self::Regex(..) => "regex",
            Self::DbPointer(..) => "dbPointer",
            Self::Array(_) => "array",
            Self::Document(_) => "object",
        }
    }

    /// BSON's number for the type (-1 for minKey, 127 for maxKey, 0 for missing).
    pub fn type_number(self) -> i32 {
        match self {
            Self::Missing => 0,
            Self::Null => 10,
            Self::Undefined => 6,
            Self::MinKey => -1,
            Self::MaxKey => 127,
            Self::Bool(_) => 8,
            Self::Int32(_) => 16,
            Self::Int64(_) => 18,
            Self::Double(_) => 1,
            Self::Decimal(_) => 19,
            Self::Date(_) => 9,
            Self::Timestamp(_) => 17,
            Self::ObjectId(_) => 7,
            Self::Str(_) => 2,
            Self::Symbol(_) => 14,
            Self::JavaScript(_) => 13,
            Self::JavaScriptWithScope(..) => 15,
            Self::Binary(..) => 5,
            Self::Regex(..) => 11,
            Self::DbPointer(..) => 12,
            Self::Array(_) => 4,
            Self::Document(_) => 3,
        }
    }

    /// Whether a condition holds: all but false, zero, null, undefined and missing (NaN is true).
    pub fn truthy(self) -> bool {
        match self {
            Self::Missing | Self::Null | Self::Undefined => false,
            Self::Bool(b) => b,
            Self::Int32(n) => n != 0,
            Self::Int64(n) => n != 0,
            Self::Double(x) => x != 0.0,
            Self::Decimal(d) => !d.is_zero(),
            _ => true,
        }
    }

    /// Missing, null or undefined.
    #[inline]
    pub fn is_nullish(self) -> bool {
        matches!(self, Self::Missing | Self::Null | Self::Undefined)
    }

    /// Missing.
    #[inline]
    pub fn is_missing(self) -> bool {
        matches!(self, Self::Missing)
    }

    /// Int, long, double or decimal.
    #[inline]
    pub fn is_number(self) -> bool {
        matches!(
            self,
            Self::Int32(_) | Self::Int64(_) | Self::Double(_) | Self::Decimal(_)
        )
    }

    /// The integer that this number is, if it is one.
    pub fn as_i64(self) -> Option<i64> {
        match self {
            Self::Int32(n) => Some(i64::from(n)),
            Self::Int64(n) => Some(n),
            Self::Double(x) => num::exact_i64(x),
            Self::Decimal(d) => d.exact_i64(),
            _ => None,
        }
    }

    /// The nearest double of a number.
    pub fn as_f64(self) -> Option<f64> {
        match self {
            Self::Int32(n) => Some(f64::from(n)),
            Self::Int64(n) => Some(num::i64_to_f64(n)),
            Self::Double(x) => Some(x),
            Self::Decimal(d) => Some(d.to_f64()),
            _ => None,
        }
    }

    /// The bytes of a string, a binary, or a raw array or document; 0 for the rest. Cheap.
    pub fn shallow_size(self) -> usize {
        match self {
            Self::Str(s) | Self::Symbol(s) | Self::JavaScript(s) => s.as_bytes().len(),
            Self::Binary(_, b) => b.len(),
            Self::Document(d) => d.raw_bytes().map_or(64, <[u8]>::len),
            Self::Array(a) => a.raw_bytes().map_or_else(|| a.len() * 32, <[u8]>::len),
            _ => 0,
        }
    }

    /// The text of a string.
    pub fn as_str(self) -> Option<&'a str> {
        match self {
            Self::Str(s) => Some(s.as_str()),
            _ => None,
        }
    }

    /// The document.
    pub fn as_document(self) -> Option<DocRef<'a>> {
        match self {
            Self::Document(d) => Some(d),
            _ => None,
        }
    }

    /// The array.
    pub fn as_array(self) -> Option<ArrRef<'a>> {
        match self {
            Self::Array(a) => Some(a),
            _ => None,
        }
    }
}
