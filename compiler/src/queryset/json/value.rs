//! Literals from JSON.

use bson::{Decimal128, oid::ObjectId};
use indexmap::IndexMap;

use super::expr::expr;
use super::reader::{Kind, Number, Reader, Tags, fields};
use super::time;
use crate::error::Result;
use crate::queryset::{RegexLiteral, Value};

/// What every `$` form is called in errors.
const FORM: &str = "a value with a `$` key";

/// The kinds that JSON does not have.
const FORMS: Tags<Value> = &[
    ("$date", |r| {
        text(
            r,
            "a datetime with an offset, `2024-01-31T10:00:00.123456+02:00`, before 9999-12-30T22:00:01Z",
            |s| time::parse_aware(s).map(Value::DateTime),
        )
    }),
    ("$naive", |r| {
        text(
            r,
            "a datetime without an offset, `2024-01-31T10:00:00.123456`",
            |s| time::parse_naive(s).map(Value::NaiveDateTime),
        )
    }),
    ("$day", |r| {
        text(r, "a date, `2024-01-31`", |s| {
            time::parse_date(s).map(Value::Date)
        })
    }),
    ("$time", |r| {
        text(r, "a time, `10:30:00.000001`", |s| {
            time::parse_time(s).map(Value::Time)
        })
    }),
    ("$duration", |r| {
        r.int("`$duration`", "an integer of 64 bits (microseconds)")
            .map(Value::Duration)
    }),
    ("$numberDecimal", |r| {
        text(r, "a decimal number of at most 34 digits", |s| {
            decimal(s).map(Value::Decimal)
        })
    }),
    ("$uuid", |r| {
        text(r, "a UUID, `c8edabc3-f738-4ca3-b68d-ab92a91478a3`", |s| {
            bson::Uuid::parse_str(s)
                .ok()
                .map(|uuid| Value::Uuid(uuid.bytes()))
        })
    }),
    ("$oid", |r| {
        text(r, "24 hexadecimal digits", |s| {
            ObjectId::parse_str(s).ok().map(Value::ObjectId)
        })
    }),
    ("$binary", binary),
    ("$numberDouble", |r| {
        text(r, "`NaN`, `Infinity`, `-Infinity` or a float", |s| {
            double(s).map(Value::Float)
        })
    }),
    ("$regularExpression", regex),
    ("$model", model),
    ("$expr", computed),
    ("$literal", |r| r.map("`$literal`", value).map(Value::Dict)),
    ("$jsonNull", json_null),
];

/// A literal.
pub(crate) fn value(r: &mut Reader<'_>) -> Result<Value> {
    r.node()?;
    match r.peek()? {
        Kind::Null => r.take_null().map(|_| Value::Null),
        Kind::Bool => r.bool("a boolean").map(Value::Bool),
        Kind::Number => Ok(match r.number()? {
            Number::Int(number) => Value::Int(number),
            Number::Float(number) => Value::Float(number),
        }),
        Kind::String => r.owned("a text").map(Value::Str),
        Kind::Array => {
            r.enter()?;
            let items = r.vec("a list", value)?;
            r.leave();
            Ok(Value::List(items))
        }
        Kind::Object => {
            r.enter()?;
            let content = object(r)?;
            r.leave();
            Ok(content)
        }
    }
}

/// A literal where values that the database computes may stand.
pub(crate) fn computed_value(r: &mut Reader<'_>) -> Result<Value> {
    let before = std::mem::replace(&mut r.computed_values, true);
    let content = value(r)?;
    r.computed_values = before;
    Ok(content)
}

/// A dict, or a kind that JSON does not have.
fn object(r: &mut Reader<'_>) -> Result<Value> {
    let mut object = r.begin_object("a value")?;
    let mut dict = IndexMap::new();
    while let Some(key) = r.next_key(&mut object)? {
        if key.starts_with('$') {
            if !dict.is_empty() {
                return Err(r
                    .fail(format!(
                        "{FORM} has no other key, found `{key}` among others"
                    ))
                    .with_hint("a dict with such keys is written as `$literal`"));
            }
            let Some((_, read)) = FORMS.iter().find(|(name, _)| *name == key) else {
                let known: Vec<&str> = FORMS.iter().map(|(name, _)| *name).collect();
                let error = r.unknown(format!("`{key}` is no kind of value"), &key, &known);
                return Err(match error.hint() {
                    Some(_) => error,
                    None => error.with_hint("a dict with such keys is written as `$literal`"),
                });
            };
            let content = read(r)?;
            r.end_tagged(&mut object, FORM, &key)?;
            return Ok(content);
        }
        if dict.contains_key(key.as_ref()) {
            return Err(r.repeated(&key));
        }
        let content = value(r)?;
        dict.insert(key.into_owned(), content);
    }
    Ok(Value::Dict(dict))
}

fn text(
    r: &mut Reader<'_>,
    expected: &str,
    parse: impl FnOnce(&str) -> Option<Value>,
) -> Result<Value> {
    if r.peek()? != Kind::String {
        return Err(r.wrong_kind("this", &format!("a string: {expected}")));
    }
    let given = r.string(expected)?;
    parse(&given).ok_or_else(|| r.fail(format!("{given:?} is not {expected}")))
}

/// Python's `Decimal` where BSON's decimal holds it exactly.
pub(super) fn decimal(text: &str) -> Option<Decimal128> {
    text.parse().ok()
}

pub(super) fn double(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => text.parse().ok().filter(|number: &f64| number.is_finite()),
    }
}

fn binary(r: &mut Reader<'_>) -> Result<Value> {
    let (bytes, subtype) = binary_parts(r)?;
    Ok(Value::Binary { bytes, subtype })
}

/// `{"base64": "...", "subType": "00"}`.
pub(super) fn binary_parts(r: &mut Reader<'_>) -> Result<(Vec<u8>, u8)> {
    const WHAT: &str = "`$binary`";
    let (mut bytes, mut subtype) = (None, None);
    fields!(r, WHAT, {
        "base64" => {
            let given = r.string("`base64`")?;
            let binary = bson::Binary::from_base64(given.as_ref(), None);
            bytes = Some(binary.map_err(|_| r.fail("this is not base64"))?.bytes);
        },
        "subType" => {
            let given = r.string("`subType`")?;
            let valid = given.len() <= 2 && !given.starts_with('+');
            let number = u8::from_str_radix(&given, 16).ok().filter(|_| valid);
            subtype = Some(number.ok_or_else(|| r.fail("`subType` is two hexadecimal digits"))?);
        },
    });
    Ok((
        r.need(bytes, WHAT, "base64")?,
        r.need(subtype, WHAT, "subType")?,
    ))
}

fn regex(r: &mut Reader<'_>) -> Result<Value> {
    let (pattern, options) = regex_parts(r)?;
    Ok(Value::Regex(RegexLiteral { pattern, options }))
}

/// `{"pattern": "...", "options": ""}`.
pub(super) fn regex_parts(r: &mut Reader<'_>) -> Result<(String, String)> {
    const WHAT: &str = "`$regularExpression`";
    let (mut pattern, mut options) = (None, String::new());
    fields!(r, WHAT, {
        "pattern" => pattern = Some(r.owned("`pattern`")?),
        "options" => options = r.owned("`options`")?,
    });
    Ok((r.need(pattern, WHAT, "pattern")?, options))
}

fn model(r: &mut Reader<'_>) -> Result<Value> {
    const WHAT: &str = "`$model`";
    let (mut model, mut fields) = (None, None);
    fields!(r, WHAT, {
        "model" => model = Some(r.owned("`model`")?),
        "fields" => fields = Some(r.map("`fields`", value)?),
    });
    Ok(Value::Model {
        model: r.need(model, WHAT, "model")?,
        fields: r.need(fields, WHAT, "fields")?,
    })
}

fn computed(r: &mut Reader<'_>) -> Result<Value> {
    if !r.computed_values {
        return Err(r
            .fail("a value that the database computes stands only in the rows of an insert")
            .with_hint("a dict with such keys is written as `$literal`"));
    }
    Ok(Value::Expr(Box::new(expr(r)?)))
}

fn json_null(r: &mut Reader<'_>) -> Result<Value> {
    if r.bool("`$jsonNull`")? {
        Ok(Value::JsonNull)
    } else {
        Err(r.fail("`$jsonNull` is always true"))
    }
}
