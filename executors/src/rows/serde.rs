//! Rows to Rust types.
//!
//! | value | as |
//! |---|---|
//! | integers, floats, booleans, text, bytes | themselves |
//! | dates, times, datetimes | ISO 8601 text (RFC 3339 where aware), as the time crates read it |
//! | durations | microseconds |
//! | decimals, UUIDs, ObjectIds | text |
//! | objects, named rows, embedded models | structs and maps |
//! | lists | sequences and tuples |
//! | NULL | `Option::None`, unit |

use ::serde::de::value::{Error as DeError, MapDeserializer, SeqDeserializer};
use ::serde::de::{DeserializeOwned, Deserializer, Error as _, IntoDeserializer, Visitor};
use ::serde::{Serialize, Serializer, forward_to_deserialize_any};
use mqlc_compiler::queryset::Value;
use mqlc_compiler::storage::python_str;

use super::{Row, RowValue};
use crate::error::{Error, Result};

/// A row as a value of a type.
///
/// # Errors
/// `Decode` where the row does not fit the type.
pub fn from_row<T: DeserializeOwned>(row: RowValue) -> Result<T> {
    T::deserialize(Content(row)).map_err(|e| Error::decode("", e))
}

struct Content(RowValue);

impl IntoDeserializer<'_, DeError> for Content {
    type Deserializer = Self;
    fn into_deserializer(self) -> Self {
        self
    }
}

fn entries<'de, V: Visitor<'de>>(
    entries: impl Iterator<Item = (String, RowValue)>,
    visitor: V,
) -> Result<V::Value, DeError> {
    visitor.visit_map(MapDeserializer::new(entries.map(|(k, v)| (k, Content(v)))))
}

fn items<'de, V: Visitor<'de>>(
    items: impl Iterator<Item = RowValue>,
    visitor: V,
) -> Result<V::Value, DeError> {
    visitor.visit_seq(SeqDeserializer::new(items.map(Content)))
}

fn value<'de, V: Visitor<'de>>(value: Value, visitor: V) -> Result<V::Value, DeError> {
    match value {
        Value::Null | Value::JsonNull => visitor.visit_unit(),
        Value::Bool(b) => visitor.visit_bool(b),
        Value::Int(i) => match (i64::try_from(i), u64::try_from(i)) {
            (Ok(i), _) => visitor.visit_i64(i),
            (_, Ok(u)) => visitor.visit_u64(u),
            _ => visitor.visit_i128(i),
        },
        Value::Float(f) => visitor.visit_f64(f),
        Value::Str(s) => visitor.visit_string(s),
        Value::List(list) => items(list.into_iter().map(RowValue::Value), visitor),
        Value::Dict(dict) | Value::Model { fields: dict, .. } => entries(
            dict.into_iter().map(|(k, v)| (k, RowValue::Value(v))),
            visitor,
        ),
        Value::DateTime(at) => visitor.visit_string(at.instant.to_string()),
        Value::NaiveDateTime(at) => visitor.visit_string(at.to_string()),
        Value::Duration(us) => visitor.visit_i64(us),
        Value::Binary { bytes, .. } => visitor.visit_byte_buf(bytes),
        Value::Expr(_) => Err(DeError::custom("an expression is no value")),
        other => visitor.visit_string(python_str(&other)),
    }
}

impl<'de> Deserializer<'de> for Content {
    type Error = DeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        match self.0 {
            RowValue::Value(v) => value(v, visitor),
            RowValue::Object(row) => {
                let names: Vec<String> = row.names().map(str::to_owned).collect();
                entries(names.into_iter().zip(row.values), visitor)
            }
            RowValue::Named(row) => items(row.values.into_iter(), visitor),
            RowValue::List(list) => items(list.into_iter(), visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        match self.0 {
            RowValue::Value(Value::Null | Value::JsonNull) => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeError> {
        match self.0 {
            RowValue::Named(row) => Content(RowValue::Object(row)).deserialize_any(visitor),
            other => Content(other).deserialize_any(visitor),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeError> {
        match self.0 {
            RowValue::Value(Value::Str(s)) => {
                let variant: ::serde::de::value::StringDeserializer<DeError> =
                    s.into_deserializer();
                variant.deserialize_enum(name, variants, visitor)
            }
            _ => Err(DeError::custom("an enum is read from text")),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

impl Serialize for RowValue {
    /// As Queryset JSON writes values; objects by name, lists in order.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            RowValue::Value(value) => value.serialize(serializer),
            RowValue::Object(row) => row.serialize(serializer),
            RowValue::Named(row) => serializer.collect_seq(row.values()),
            RowValue::List(list) => serializer.collect_seq(list),
        }
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}
