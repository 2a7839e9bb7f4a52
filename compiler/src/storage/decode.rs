//! BSON to literals.

use bson::spec::BinarySubtype;
use bson::{Bson, DateTime, Document};
use jiff::{Timestamp, civil};

use super::{MAX_DEPTH, is_polymorphic, text, too_deep};
use crate::error::{Code, Error, Result};
use crate::queryset::{RegexLiteral, Value};
use crate::schema::{FieldType, Schema, StorageFamily};

/// A stored value as Django gives it back. Numbers of another BSON type are converted; what is not of the family at
/// all comes back by its own type.
///
/// # Errors
/// `Decode` for dates out of Python's range, `Limit` for deep nesting.
pub fn from_bson(schema: &Schema, ty: &FieldType, stored: Bson) -> Result<Value> {
    decode(schema, ty, stored, 0)
}

/// A stored value by its own BSON type; dates are aware.
///
/// # Errors
/// As [`from_bson`].
pub fn untyped_from_bson(stored: Bson) -> Result<Value> {
    natural(stored, 0)
}

fn decode(schema: &Schema, ty: &FieldType, stored: Bson, depth: u32) -> Result<Value> {
    if depth > MAX_DEPTH {
        return Err(too_deep());
    }
    if matches!(stored, Bson::Null | Bson::Undefined) {
        return Ok(Value::Null);
    }
    let ty = super::stored_type(schema, ty)?;
    match (ty.kind.family(), stored) {
        // An expression that is said to be a whole number is read as one, as Django's `int()` does.
        (StorageFamily::Int | StorageFamily::Long, Bson::Double(f)) => Ok(whole(f.trunc())),
        (StorageFamily::Int | StorageFamily::Long, Bson::Decimal128(d)) => {
            let text = d.to_string();
            Ok(match (text.parse(), text.parse()) {
                (Ok(i), _) => Value::Int(i),
                (_, Ok(f)) => whole(f),
                _ => Value::Decimal(d),
            })
        }
        (StorageFamily::Double, Bson::Int32(i)) => Ok(Value::Float(f64::from(i))),
        (StorageFamily::Double, stored @ (Bson::Int64(_) | Bson::Decimal128(_))) => {
            let value = natural(stored, depth)?;
            Ok(text::float_of(&value).map_or(value, Value::Float))
        }
        (StorageFamily::Decimal, stored @ (Bson::Int32(_) | Bson::Int64(_) | Bson::Double(_))) => {
            let value = natural(stored, depth)?;
            Ok(text::parse_decimal(&text::python_str(&value)).map_or(value, Value::Decimal))
        }
        (StorageFamily::Bool, Bson::Int32(i)) => Ok(Value::Bool(i != 0)),
        (StorageFamily::Bool, Bson::Int64(i)) => Ok(Value::Bool(i != 0)),
        (StorageFamily::Date, Bson::DateTime(at)) => Ok(Value::Date(civil_of(at)?.date())),
        (StorageFamily::Time, Bson::DateTime(at)) => Ok(Value::Time(civil_of(at)?.time())),
        (StorageFamily::DateTime, Bson::DateTime(at)) => {
            if schema.settings().use_tz {
                instant_of(at)
            } else {
                civil_of(at).map(Value::NaiveDateTime)
            }
        }
        (StorageFamily::Duration, stored) => Ok(duration(&stored)
            .map_or_else(|| natural(stored, depth), |us| Ok(Value::Duration(us)))?),
        (StorageFamily::Uuid, Bson::String(s)) => {
            Ok(text::parse_uuid(&s).map_or(Value::Str(s), Value::Uuid))
        }
        (StorageFamily::Array, Bson::Array(items)) => items
            .into_iter()
            .map(|item| match &ty.base {
                Some(base) => decode(schema, base, item, depth + 1),
                None => natural(item, depth + 1),
            })
            .collect::<Result<Vec<_>>>()
            .map(Value::List),
        (StorageFamily::Embedded | StorageFamily::EmbeddedArray, Bson::Document(document)) => {
            embedded(schema, ty, document, depth)
        }
        (StorageFamily::EmbeddedArray, Bson::Array(items)) => items
            .into_iter()
            .map(|item| match item {
                Bson::Document(document) => embedded(schema, ty, document, depth + 1),
                other => natural(other, depth + 1),
            })
            .collect::<Result<Vec<_>>>()
            .map(Value::List),
        (_, stored) => natural(stored, depth),
    }
}

/// Python's `int()`: Django converts what expressions of an integer type compute (`BaseExpression.convert_value`).
fn whole(f: f64) -> Value {
    // Whole doubles print exactly; infinities and NaN do not parse.
    format!("{:.0}", f.trunc())
        .parse()
        .map_or(Value::Float(f), Value::Int)
}

fn duration(stored: &Bson) -> Option<i64> {
    match stored {
        Bson::Int32(ms) => Some(i64::from(*ms) * 1000),
        Bson::Int64(ms) => ms.checked_mul(1000),
        Bson::Double(ms) => format!("{:.0}", ms * 1000.0).parse().ok(),
        Bson::Decimal128(ms) => {
            let ms: f64 = ms.to_string().parse().ok()?;
            format!("{:.0}", ms * 1000.0).parse().ok()
        }
        _ => None,
    }
}

/// An instant. Those of the last hours of the year 9999 have no form with every offset, and come without one.
fn instant_of(at: DateTime) -> Result<Value> {
    match Timestamp::from_millisecond(at.timestamp_millis()) {
        Ok(instant) => Ok(Value::from(instant)),
        Err(_) => civil_of(at).map(Value::NaiveDateTime),
    }
}

fn civil_of(at: DateTime) -> Result<civil::DateTime> {
    civil::Date::constant(1970, 1, 1)
        .to_datetime(civil::Time::midnight())
        .checked_add(jiff::SignedDuration::from_millis(at.timestamp_millis()))
        .map_err(|_| Error::new(Code::Decode, "the date is out of range"))
}

/// An instance of an embedded model; keys that are missing are left out.
fn embedded(schema: &Schema, ty: &FieldType, mut document: Document, depth: u32) -> Result<Value> {
    let label = if is_polymorphic(ty.kind) {
        document.remove("_label").and_then(|label| match label {
            Bson::String(label) => Some(label),
            _ => None,
        })
    } else {
        None
    };
    let Some(label) = super::embedded_label(ty, label.as_deref()).map(|l| l.into_owned()) else {
        return natural(Bson::Document(document), depth);
    };
    let model = schema.find(&label)?;
    let mut fields = indexmap::IndexMap::new();
    for field in model.fields.iter().filter(|f| f.is_concrete()) {
        if let Some(stored) = document.remove(&*field.column) {
            let value = decode(schema, &field.ty, stored, depth + 1)?;
            fields.insert(field.attname.to_string(), value);
        }
    }
    Ok(Value::Model {
        model: label,
        fields,
    })
}

fn natural(stored: Bson, depth: u32) -> Result<Value> {
    if depth > MAX_DEPTH {
        return Err(too_deep());
    }
    Ok(match stored {
        Bson::Null | Bson::Undefined => Value::Null,
        Bson::Boolean(b) => Value::Bool(b),
        Bson::Int32(i) => Value::Int(i128::from(i)),
        Bson::Int64(i) => Value::Int(i128::from(i)),
        Bson::Double(f) => Value::Float(f),
        Bson::Decimal128(d) => Value::Decimal(d),
        Bson::String(s) | Bson::Symbol(s) | Bson::JavaScriptCode(s) => Value::Str(s),
        Bson::DateTime(at) => instant_of(at)?,
        Bson::ObjectId(id) => Value::ObjectId(id),
        Bson::Binary(binary) => {
            let uuid: Option<[u8; 16]> = match binary.subtype {
                BinarySubtype::Uuid => binary.bytes.as_slice().try_into().ok(),
                _ => None,
            };
            match uuid {
                Some(bytes) => Value::Uuid(bytes),
                None => Value::Binary {
                    subtype: binary.subtype.into(),
                    bytes: binary.bytes,
                },
            }
        }
        Bson::Array(items) => Value::List(
            items
                .into_iter()
                .map(|item| natural(item, depth + 1))
                .collect::<Result<_>>()?,
        ),
        Bson::Document(document) => Value::Dict(
            document
                .into_iter()
                .map(|(key, item)| Ok((key, natural(item, depth + 1)?)))
                .collect::<Result<_>>()?,
        ),
        Bson::RegularExpression(regex) => Value::Regex(RegexLiteral {
            pattern: regex.pattern.into_string(),
            options: regex.options.into_string(),
        }),
        other => Value::Str(other.to_string()),
    })
}
