//! Literals to BSON.

use bson::spec::BinarySubtype;
use bson::{Binary, Bson, DateTime, Document, Regex, oid::ObjectId};
use jiff::civil;

use super::text::{self, python_str};
use super::{DAY_ONE_MILLIS, MAX_DEPTH, default_zone, is_left_out, is_polymorphic, too_deep};
use crate::error::{Code, Error, Result};
use crate::queryset::Value;
use crate::schema::{FieldKind, FieldType, Schema, StorageFamily};

/// A literal as values of the type are stored, converted as Django's fields do.
///
/// # Errors
/// `ValueError`, `TypeError` or `ValidationError` for what Django refuses; `Limit` for deep nesting.
pub fn to_bson(schema: &Schema, ty: &FieldType, value: &Value) -> Result<Bson> {
    encode(schema, ty, value, 0)
}

/// A literal without a type: by its own kind.
///
/// # Errors
/// As [`to_bson`].
pub fn untyped_to_bson(schema: &Schema, value: &Value) -> Result<Bson> {
    natural(schema, value, 0)
}

fn encode(schema: &Schema, ty: &FieldType, value: &Value, depth: u32) -> Result<Bson> {
    if depth > MAX_DEPTH {
        return Err(too_deep());
    }
    let ty = super::stored_type(schema, ty)?;
    match value {
        Value::Null | Value::JsonNull => return Ok(Bson::Null),
        Value::Expr(_) => {
            return Err(Error::unsupported(
                "an expression as a stored value",
                "only literals have a stored form",
            ));
        }
        _ => {}
    }
    match ty.kind.family() {
        StorageFamily::Int => {
            let number = integer(value)?;
            Ok(i32::try_from(number).map_or(Bson::Int64(number), Bson::Int32))
        }
        StorageFamily::Long => integer(value).map(Bson::Int64),
        StorageFamily::Double => double(value).map(Bson::Double),
        StorageFamily::Decimal => decimal(ty, value),
        StorageFamily::Text => Ok(Bson::String(python_str(value))),
        StorageFamily::Bool => boolean(value),
        StorageFamily::Binary => match value {
            Value::Binary { .. } => natural(schema, value, depth),
            other => Err(wrong_type("bytes", other)),
        },
        StorageFamily::Date => date(schema, value).map(|day| millis(day.into())),
        StorageFamily::DateTime => datetime(schema, value),
        StorageFamily::Time => time(value),
        StorageFamily::Duration => match value {
            Value::Duration(us) => Ok(Bson::Int64(us.div_euclid(1000))),
            other => Err(invalid("a duration", other)),
        },
        StorageFamily::Uuid => uuid(value),
        StorageFamily::ObjectId => match value {
            Value::ObjectId(id) => Ok(Bson::ObjectId(*id)),
            Value::Str(s) => ObjectId::parse_str(s)
                .map(Bson::ObjectId)
                .map_err(|_| invalid("an ObjectId", value)),
            other => Err(invalid("an ObjectId", other)),
        },
        StorageFamily::Json | StorageFamily::Geo => json(value, depth),
        StorageFamily::Array => array(schema, ty, value, depth),
        StorageFamily::Embedded => embedded(schema, ty, value, depth),
        StorageFamily::EmbeddedArray => match value {
            Value::List(items) => items
                .iter()
                .map(|item| embedded(schema, ty, item, depth + 1))
                .collect::<Result<Vec<_>>>()
                .map(Bson::Array),
            other => Err(wrong_type("a list of embedded models", other)),
        },
        StorageFamily::Key | StorageFamily::None => natural(schema, value, depth),
    }
}

fn expected(code: Code, what: &str, value: &Value) -> Error {
    Error::new(
        code,
        format!("expected {what} but got {}", python_str(value)),
    )
}

fn wrong_type(what: &str, value: &Value) -> Error {
    expected(Code::TypeError, what, value)
}

fn invalid(what: &str, value: &Value) -> Error {
    expected(Code::ValidationError, what, value)
}

/// Python's `int()`.
fn integer(value: &Value) -> Result<i64> {
    let out_of_range = || expected(Code::ValueError, "a 64-bit integer", value);
    match value {
        Value::Bool(b) => Ok(i64::from(*b)),
        Value::Int(i) => i64::try_from(*i).map_err(|_| out_of_range()),
        Value::Float(f) => {
            let whole = f.trunc();
            // Text is the one conversion that neither saturates nor loses: whole doubles print exactly.
            format!("{whole:.0}").parse().map_err(|_| out_of_range())
        }
        Value::Decimal(d) => {
            let text = d.to_string();
            match text.parse::<i64>() {
                Ok(number) => Ok(number),
                Err(_) => text
                    .parse::<f64>()
                    .map_err(|_| out_of_range())
                    .and_then(|f| integer(&Value::Float(f))),
            }
        }
        Value::Str(s) => s
            .trim()
            .replace('_', "")
            .parse()
            .map_err(|_| expected(Code::ValueError, "a number", value)),
        other => Err(wrong_type("a number", other)),
    }
}

/// Python's `float()`.
fn double(value: &Value) -> Result<f64> {
    match value {
        Value::Bool(b) => Ok(f64::from(u8::from(*b))),
        Value::Float(f) => Ok(*f),
        Value::Int(_) | Value::Decimal(_) | Value::Str(_) => python_str(value)
            .trim()
            .replace('_', "")
            .parse()
            .map_err(|_| expected(Code::ValueError, "a number", value)),
        other => Err(wrong_type("a number", other)),
    }
}

fn decimal(ty: &FieldType, value: &Value) -> Result<Bson> {
    let text = match value {
        Value::Decimal(d) => return Ok(Bson::Decimal128(*d)),
        Value::Bool(b) => u8::from(*b).to_string(),
        Value::Int(i) => i.to_string(),
        Value::Float(f) if f.is_finite() => match ty.max_digits {
            // Django: `Context(prec=max_digits).create_decimal_from_float`.
            Some(digits) if digits > 0 => {
                let places = usize::try_from(digits.min(34) - 1).unwrap_or(33);
                let rounded = format!("{f:.places$e}");
                plain(&rounded)
            }
            _ => text::float(*f),
        },
        Value::Str(s) => s.clone(),
        other => return Err(invalid("a decimal number", other)),
    };
    text::parse_decimal(&text)
        .map(Bson::Decimal128)
        .ok_or_else(|| invalid("a decimal number", value))
}

/// Digits without trailing zeros of the fraction: `1.2500e3` is `1.25e3`.
fn plain(scientific: &str) -> String {
    match scientific.split_once('e') {
        Some((digits, exponent)) if digits.contains('.') => {
            let digits = digits.trim_end_matches('0').trim_end_matches('.');
            format!("{digits}E{exponent}")
        }
        _ => scientific.to_owned(),
    }
}

/// Django: `BooleanField.to_python`.
fn boolean(value: &Value) -> Result<Bson> {
    let truth = match value {
        Value::Bool(b) => Some(*b),
        Value::Int(1) => Some(true),
        Value::Int(0) => Some(false),
        Value::Float(f) if *f == 1.0 => Some(true),
        Value::Float(f) if *f == 0.0 => Some(false),
        Value::Str(s) => match s.as_str() {
            "t" | "True" | "1" => Some(true),
            "f" | "False" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    };
    truth
        .map(Bson::Boolean)
        .ok_or_else(|| invalid("either True or False", value))
}

/// Milliseconds of a datetime read as UTC.
fn millis(at: civil::DateTime) -> Bson {
    let seconds = at
        .date()
        .duration_since(civil::Date::constant(1970, 1, 1))
        .as_secs();
    let time = at.time();
    let of_day = i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60;
    let total = seconds + of_day + i64::from(time.second());
    Bson::DateTime(DateTime::from_millis(
        total * 1000 + i64::from(time.millisecond()),
    ))
}

fn date(schema: &Schema, value: &Value) -> Result<civil::Date> {
    match value {
        Value::Date(day) => Ok(*day),
        Value::NaiveDateTime(at) => Ok(at.date()),
        Value::DateTime(at) if schema.settings().use_tz => {
            Ok(default_zone(schema)?.to_datetime(at.instant).date())
        }
        Value::DateTime(at) => Ok(at.offset.to_datetime(at.instant).date()),
        Value::Str(s) => text::parse_date(s).ok_or_else(|| invalid("a date", value)),
        other => Err(wrong_type("a date", other)),
    }
}

fn datetime(schema: &Schema, value: &Value) -> Result<Bson> {
    let use_tz = schema.settings().use_tz;
    match value {
        Value::DateTime(at) if use_tz => Ok(Bson::DateTime(DateTime::from_millis(
            at.instant.as_microsecond().div_euclid(1000),
        ))),
        Value::DateTime(_) => Err(Error::new(
            Code::ValueError,
            "aware datetimes cannot be stored when USE_TZ is False",
        )),
        Value::NaiveDateTime(at) if use_tz => {
            let instant = default_zone(schema)?
                .to_timestamp(*at)
                .map_err(|_| expected(Code::ValueError, "a datetime in range", value))?;
            Ok(Bson::DateTime(DateTime::from_millis(
                instant.as_microsecond().div_euclid(1000),
            )))
        }
        Value::NaiveDateTime(at) => Ok(millis(*at)),
        Value::Date(day) => datetime(
            schema,
            &Value::NaiveDateTime(day.to_datetime(civil::Time::midnight())),
        ),
        Value::Str(s) => match text::parse_datetime(s) {
            Some(at) => datetime(schema, &at),
            None => Err(invalid("a datetime", value)),
        },
        other => Err(wrong_type("a datetime", other)),
    }
}

fn time(value: &Value) -> Result<Bson> {
    let time = match value {
        Value::Time(time) => *time,
        Value::NaiveDateTime(at) => at.time(),
        Value::DateTime(at) => at.offset.to_datetime(at.instant).time(),
        Value::Str(s) => text::parse_time(s).ok_or_else(|| invalid("a time", value))?,
        other => return Err(wrong_type("a time", other)),
    };
    let seconds =
        i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60 + i64::from(time.second());
    Ok(Bson::DateTime(DateTime::from_millis(
        DAY_ONE_MILLIS + seconds * 1000 + i64::from(time.millisecond()),
    )))
}

fn uuid(value: &Value) -> Result<Bson> {
    let bytes = match value {
        Value::Uuid(bytes) => Some(*bytes),
        Value::Str(s) => text::parse_uuid(s),
        Value::Int(i) => u128::try_from(*i).ok().map(u128::to_be_bytes),
        _ => None,
    };
    bytes
        .map(|b| Bson::String(text::uuid(&b).replace('-', "")))
        .ok_or_else(|| invalid("a UUID", value))
}

fn array(schema: &Schema, ty: &FieldType, value: &Value, depth: u32) -> Result<Bson> {
    let Value::List(items) = value else {
        return Err(wrong_type("a list", value));
    };
    items
        .iter()
        .map(|item| match &ty.base {
            Some(base) => encode(schema, base, item, depth + 1),
            None => natural(schema, item, depth + 1),
        })
        .collect::<Result<Vec<_>>>()
        .map(Bson::Array)
}

/// An embedded document: by column, NULLs stored, a NULL key left out.
fn embedded(schema: &Schema, ty: &FieldType, value: &Value, depth: u32) -> Result<Bson> {
    if depth > MAX_DEPTH {
        return Err(too_deep());
    }
    let (label, values) = match value {
        Value::Model { model, fields } => (Some(model.as_str()), fields),
        Value::Dict(fields) => (None, fields),
        Value::Null => return Ok(Bson::Null),
        other => return Err(wrong_type("an embedded model", other)),
    };
    let Some(label) = super::embedded_label(ty, label) else {
        return Err(wrong_type("an embedded model", value));
    };
    let model = schema.find(&label)?;
    let mut document = Document::new();
    for (name, value) in values {
        let field = model
            .fields
            .iter()
            .find(|f| f.name == *name || f.attname == *name)
            .ok_or_else(|| {
                Error::new(
                    Code::FieldDoesNotExist,
                    format!("{label} has no field named {name:?}"),
                )
                .with_choices(model.fields.iter().map(|f| f.name.clone()))
            })?;
        if is_left_out(&field.ty, value) || field.primary_key && *value == Value::Null {
            continue;
        }
        document.insert(
            field.column.clone(),
            encode(schema, &field.ty, value, depth + 1).map_err(|e| e.inside(name))?,
        );
    }
    if is_polymorphic(ty.kind) {
        document.insert("_label", label.into_owned());
    }
    Ok(Bson::Document(document))
}

/// Content of a JSON value, with what JSON cannot hold as text (Django: `DjangoJSONEncoder`).
fn json(value: &Value, depth: u32) -> Result<Bson> {
    if depth > MAX_DEPTH {
        return Err(too_deep());
    }
    Ok(match value {
        Value::Null | Value::JsonNull => Bson::Null,
        Value::Bool(b) => Bson::Boolean(*b),
        Value::Int(i) => whole(*i)?,
        Value::Float(f) => Bson::Double(*f),
        Value::Str(s) => Bson::String(s.clone()),
        Value::List(items) => Bson::Array(
            items
                .iter()
                .map(|item| json(item, depth + 1))
                .collect::<Result<_>>()?,
        ),
        Value::Dict(entries) => Bson::Document(
            entries
                .iter()
                .map(|(key, item)| Ok((key.clone(), json(item, depth + 1)?)))
                .collect::<Result<_>>()?,
        ),
        Value::NaiveDateTime(_) | Value::DateTime(_) => {
            Bson::String(python_str(value).replacen(' ', "T", 1))
        }
        Value::Date(_) | Value::Time(_) | Value::Decimal(_) | Value::Uuid(_) => {
            Bson::String(python_str(value))
        }
        Value::ObjectId(id) => Bson::ObjectId(*id),
        other => return Err(wrong_type("a JSON value", other)),
    })
}

fn whole(i: i128) -> Result<Bson> {
    i32::try_from(i)
        .map(Bson::Int32)
        .or_else(|_| i64::try_from(i).map(Bson::Int64))
        .map_err(|_| expected(Code::ValueError, "a 64-bit integer", &Value::Int(i)))
}

/// By the kind of the literal.
fn natural(schema: &Schema, value: &Value, depth: u32) -> Result<Bson> {
    if depth > MAX_DEPTH {
        return Err(too_deep());
    }
    if let Some(kind) = super::literal_kind(value) {
        return match value {
            Value::Binary { bytes, subtype } => Ok(Bson::Binary(Binary {
                subtype: BinarySubtype::from(*subtype),
                bytes: bytes.clone(),
            })),
            // A bare naive datetime has no field that would make it aware.
            Value::NaiveDateTime(at) if !schema.settings().use_tz => Ok(millis(*at)),
            _ => encode(schema, &FieldType::new(kind), value, depth + 1),
        };
    }
    Ok(match value {
        Value::List(items) => Bson::Array(
            items
                .iter()
                .map(|item| natural(schema, item, depth + 1))
                .collect::<Result<_>>()?,
        ),
        Value::Dict(entries) => Bson::Document(
            entries
                .iter()
                .map(|(key, item)| Ok((key.clone(), natural(schema, item, depth + 1)?)))
                .collect::<Result<_>>()?,
        ),
        Value::Regex(regex) => Bson::RegularExpression(Regex {
            pattern: text_without_nul(&regex.pattern)?,
            options: text_without_nul(&regex.options)?,
        }),
        Value::Model { .. } => embedded(
            schema,
            &FieldType::new(FieldKind::EmbeddedModelField),
            value,
            depth + 1,
        )?,
        Value::Expr(_) => {
            return Err(Error::unsupported(
                "an expression as a stored value",
                "only literals have a stored form",
            ));
        }
        _ => Bson::Null,
    })
}

fn text_without_nul(text: &str) -> Result<bson::raw::CString> {
    bson::raw::CString::try_from(text.to_owned())
        .map_err(|_| Error::new(Code::ValueError, "a regular expression holds no NUL"))
}
