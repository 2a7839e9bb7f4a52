//! What values become before they are compared: Django's `get_prep_value`, then the storage form.

use bson::{Bson, Decimal128};
use jiff::civil;

use super::Binder;
use super::operand::python_class;
use crate::error::{Code, Error, Result};
use crate::queryset::Value;
use crate::schema::{FieldKind, FieldType, StorageFamily};

impl Binder<'_> {
    /// The storage form of a prepared value.
    pub(super) fn store(&self, ty: &FieldType, value: &Value) -> Result<Bson> {
        crate::storage::to_bson(self.schema, ty, value)
    }

    /// Converts a value to the type of a field, as the field does before a comparison.
    pub(super) fn prepare(&self, ty: &FieldType, value: &Value) -> Result<Value> {
        if *value == Value::Null {
            return Ok(Value::Null);
        }
        match ty.kind.family() {
            StorageFamily::Int | StorageFamily::Long => integer(value),
            StorageFamily::Double => float(value),
            StorageFamily::Decimal => decimal(value),
            StorageFamily::Bool => boolean(value),
            // An address is stored or it is not; there is no empty one.
            StorageFamily::Text
                if ty.kind == FieldKind::GenericIPAddressField
                    && *value == Value::Str(String::new()) =>
            {
                Ok(Value::Null)
            }
            StorageFamily::Text => Ok(Value::Str(python_str(value))),
            StorageFamily::Date => self.date(value),
            StorageFamily::DateTime => self.datetime(value),
            StorageFamily::Time => time(value),
            StorageFamily::Duration => duration(value),
            StorageFamily::Uuid => uuid(value),
            StorageFamily::Array => match (value, &ty.base) {
                (Value::List(items), Some(base)) => Ok(Value::List(
                    items
                        .iter()
                        .map(|item| self.prepare(base, item))
                        .collect::<Result<_>>()?,
                )),
                _ => Ok(value.clone()),
            },
            _ => Ok(value.clone()),
        }
    }

    fn date(&self, value: &Value) -> Result<Value> {
        Ok(match value {
            Value::Date(_) => value.clone(),
            Value::NaiveDateTime(dt) => Value::Date(dt.date()),
            Value::DateTime(aware) if !self.schema.settings().use_tz => {
                Value::Date(aware.offset.to_datetime(aware.instant).date())
            }
            Value::DateTime(aware) => {
                let zone = self.default_zone()?;
                Value::Date(aware.instant.to_zoned(zone).date())
            }
            Value::Str(text) => match parse_date(text) {
                Some(date) => Value::Date(date),
                None if looks_like(text, "0-0-0") => {
                    return Err(invalid(format!(
                        "“{text}” value has the correct format (YYYY-MM-DD) but it is an invalid date."
                    )));
                }
                None => {
                    return Err(invalid(format!(
                        "“{text}” value has an invalid date format. It must be in YYYY-MM-DD format."
                    )));
                }
            },
            other => return Err(expected_text(other)),
        })
    }

    fn datetime(&self, value: &Value) -> Result<Value> {
        let naive = match value {
            Value::DateTime(_) => return Ok(value.clone()),
            Value::NaiveDateTime(dt) => *dt,
            Value::Date(date) => date.to_datetime(civil::Time::midnight()),
            Value::Str(text) => {
                if let Ok(instant) = text.trim().replacen(' ', "T", 1).parse::<jiff::Timestamp>() {
                    return Ok(Value::from(instant));
                }
                match parse_datetime(text) {
                    Some(dt) => dt,
                    None if looks_like(text, "0-0-0 0:0") => {
                        return Err(invalid(format!(
                            "“{text}” value has the correct format (YYYY-MM-DD HH:MM[:ss[.uuuuuu]][TZ]) but it is \
                             an invalid date/time."
                        )));
                    }
                    None => {
                        return Err(invalid(format!(
                            "“{text}” value has an invalid format. It must be in \
                             YYYY-MM-DD HH:MM[:ss[.uuuuuu]][TZ] format."
                        )));
                    }
                }
            }
            other => return Err(expected_text(other)),
        };
        if !self.schema.settings().use_tz {
            return Ok(Value::NaiveDateTime(naive));
        }
        let zone = self.default_zone()?;
        let instant = zone
            .to_ambiguous_timestamp(naive)
            .compatible()
            .map_err(|e| invalid(e.to_string()))?;
        Ok(Value::from(instant))
    }

    /// The zone in which naive datetimes are read when they meet aware ones.
    pub(super) fn default_zone(&self) -> Result<jiff::tz::TimeZone> {
        let settings = self.schema.settings();
        let name = settings
            .default_time_zone
            .as_deref()
            .unwrap_or(&settings.time_zone);
        jiff::tz::TimeZone::get(name)
            .map_err(|_| Error::new(Code::ValueError, format!("no time zone is named {name:?}")))
    }
}

/// Puts the field's name into a message, as Django does for numbers.
pub(super) fn named(error: Error, field: &str) -> Error {
    if field.is_empty() || !error.message().starts_with("Field expected") {
        return error;
    }
    let message =
        error
            .message()
            .replacen("Field expected", &format!("Field '{field}' expected"), 1);
    Error::new(error.code(), message)
}

fn number_error(value: &Value) -> Error {
    let code = match value {
        Value::Str(_) | Value::Float(_) => Code::ValueError,
        _ => Code::TypeError,
    };
    Error::new(
        code,
        format!("Field expected a number but got {}.", python_repr(value)),
    )
}

fn integer(value: &Value) -> Result<Value> {
    Ok(match value {
        Value::Int(_) => value.clone(),
        Value::Bool(b) => Value::Int(i128::from(*b)),
        Value::Float(f) => Value::Int(float_to_int(*f).ok_or_else(|| number_error(value))?),
        Value::Decimal(d) => {
            let float: f64 = d.to_string().parse().map_err(|_| number_error(value))?;
            Value::Int(float_to_int(float).ok_or_else(|| number_error(value))?)
        }
        Value::Str(text) => match text.trim().replace('_', "").parse::<i128>() {
            Ok(int) => Value::Int(int),
            Err(_) => return Err(number_error(value)),
        },
        other => return Err(number_error(other)),
    })
}

/// The whole part of a float, if it fits.
fn float_to_int(float: f64) -> Option<i128> {
    if !float.is_finite() || float.abs() >= 1e36 {
        return None;
    }
    format!("{:.0}", float.trunc()).parse().ok()
}

fn float(value: &Value) -> Result<Value> {
    Ok(match value {
        Value::Float(_) => value.clone(),
        Value::Int(i) => Value::Float(i.to_string().parse().map_err(|_| number_error(value))?),
        Value::Bool(b) => Value::Float(f64::from(u8::from(*b))),
        Value::Decimal(d) => Value::Float(d.to_string().parse().map_err(|_| number_error(value))?),
        Value::Str(text) => match text.trim().parse::<f64>() {
            Ok(float) => Value::Float(float),
            Err(_) => return Err(number_error(value)),
        },
        other => return Err(number_error(other)),
    })
}

fn decimal(value: &Value) -> Result<Value> {
    let text = match value {
        Value::Decimal(_) => return Ok(value.clone()),
        Value::Int(i) => i.to_string(),
        Value::Bool(b) => u8::from(*b).to_string(),
        Value::Float(f) if f.is_nan() => {
            return Err(invalid("“nan” value must be a decimal number."));
        }
        Value::Float(f) => format!("{f}"),
        Value::Str(text) => text.trim().to_owned(),
        other => {
            return Err(invalid(format!(
                "“{}” value must be a decimal number.",
                python_str(other)
            )));
        }
    };
    text.parse::<Decimal128>()
        .map(Value::Decimal)
        .map_err(|_| invalid(format!("“{text}” value must be a decimal number.")))
}

fn boolean(value: &Value) -> Result<Value> {
    Ok(Value::Bool(match value {
        Value::Bool(b) => *b,
        Value::Int(1) => true,
        Value::Int(0) => false,
        Value::Float(f) if *f == 1.0 => true,
        Value::Float(f) if *f == 0.0 => false,
        Value::Str(text) => match text.as_str() {
            "t" | "True" | "1" => true,
            "f" | "False" | "0" => false,
            _ => return Err(boolean_error(value)),
        },
        other => return Err(boolean_error(other)),
    }))
}

fn boolean_error(value: &Value) -> Error {
    invalid(format!(
        "“{}” value must be either True or False.",
        python_str(value)
    ))
}

/// Whether a text starts with numbers and signs of this shape: `0` stands for digits, a blank for itself or a `T`.
fn looks_like(text: &str, shape: &str) -> bool {
    let mut rest = text.trim();
    for c in shape.chars() {
        let after = match c {
            '0' => rest.trim_start_matches(|c: char| c.is_ascii_digit()),
            ' ' => rest.strip_prefix([' ', 'T']).unwrap_or(rest),
            c => rest.strip_prefix(c).unwrap_or(rest),
        };
        if after.len() == rest.len() {
            return false;
        }
        rest = after;
    }
    shape != "0-0-0" || rest.is_empty()
}

fn time(value: &Value) -> Result<Value> {
    Ok(match value {
        Value::Time(_) => value.clone(),
        Value::NaiveDateTime(dt) => Value::Time(dt.time()),
        Value::DateTime(aware) => Value::Time(aware.offset.to_datetime(aware.instant).time()),
        Value::Str(text) => match parse_time(text) {
            Some(time) => Value::Time(time),
            None if looks_like(text, "0:0") => {
                return Err(invalid(format!(
                    "“{text}” value has the correct format (HH:MM[:ss[.uuuuuu]]) but it is an invalid time."
                )));
            }
            None => {
                return Err(invalid(format!(
                    "“{text}” value has an invalid format. It must be in HH:MM[:ss[.uuuuuu]] format."
                )));
            }
        },
        other => return Err(expected_text(other)),
    })
}

fn duration(value: &Value) -> Result<Value> {
    Ok(match value {
        Value::Duration(_) => value.clone(),
        Value::Str(text) => match parse_duration(text) {
            Some(micros) => Value::Duration(micros),
            None => {
                return Err(invalid(format!(
                    "“{text}” value has an invalid format. It must be in [DD] [[HH:]MM:]ss[.uuuuuu] format."
                )));
            }
        },
        other => return Err(expected_text(other)),
    })
}

fn uuid(value: &Value) -> Result<Value> {
    let error = || invalid(format!("“{}” is not a valid UUID.", python_str(value)));
    Ok(match value {
        Value::Uuid(_) => value.clone(),
        Value::Int(i) => Value::Uuid(u128::try_from(*i).map_err(|_| error())?.to_be_bytes()),
        Value::Str(text) => {
            let hex: String = text
                .trim()
                .trim_start_matches("urn:")
                .trim_start_matches("uuid:")
                .trim_matches(|c| c == '{' || c == '}')
                .replace('-', "");
            if hex.len() != 32 {
                return Err(error());
            }
            Value::Uuid(
                u128::from_str_radix(&hex, 16)
                    .map_err(|_| error())?
                    .to_be_bytes(),
            )
        }
        _ => return Err(error()),
    })
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(Code::ValidationError, message)
}

fn expected_text(value: &Value) -> Error {
    Error::new(
        Code::TypeError,
        format!(
            "expected string or bytes-like object, got '{}'",
            python_class(value)
        ),
    )
}

fn parse_date(text: &str) -> Option<civil::Date> {
    let mut parts = text.trim().split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() != 4 || month.len() > 2 || day.len() > 2 {
        return None;
    }
    civil::Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()
}

fn parse_time(text: &str) -> Option<civil::Time> {
    let text = text.trim();
    let mut parts = text.splitn(3, ':');
    let hour: i8 = parts.next()?.parse().ok()?;
    let minute: i8 = parts.next()?.parse().ok()?;
    let (second, nanos) = match parts.next() {
        None => (0, 0),
        Some(rest) => {
            let (whole, fraction) = rest.split_once(['.', ',']).unwrap_or((rest, ""));
            if fraction.len() > 9 || !fraction.chars().all(|c| c.is_ascii_digit()) {
                return None;
            }
            let nanos: i32 = format!("{fraction:0<9}").parse().ok()?;
            (whole.parse().ok()?, nanos)
        }
    };
    civil::Time::new(hour, minute, second, nanos).ok()
}

fn parse_datetime(text: &str) -> Option<civil::DateTime> {
    let text = text.trim();
    match text.split_once(['T', ' ']) {
        Some((date, time)) => Some(parse_date(date)?.to_datetime(parse_time(time)?)),
        None => Some(parse_date(text)?.to_datetime(civil::Time::midnight())),
    }
}

/// `[DD] [[HH:]MM:]ss[.uuuuuu]` in microseconds.
fn parse_duration(text: &str) -> Option<i64> {
    let text = text.trim();
    let (days, rest) = match text.split_once(" day") {
        Some((days, rest)) => (
            days.trim().parse::<i64>().ok()?,
            rest.trim_start_matches('s').trim_start_matches(',').trim(),
        ),
        None => match text.split_once(' ') {
            Some((days, rest)) => (days.parse::<i64>().ok()?, rest),
            None => (0, text),
        },
    };
    let negative = rest.starts_with('-');
    let rest = rest.trim_start_matches('-');
    let mut seconds: i64 = 0;
    let mut micros: i64 = 0;
    if !rest.is_empty() {
        let parts: Vec<&str> = rest.split(':').collect();
        if parts.len() > 3 {
            return None;
        }
        let (last, first) = parts.split_last()?;
        for part in first {
            seconds = seconds
                .checked_add(part.parse::<i64>().ok()?)?
                .checked_mul(60)?;
        }
        let (whole, fraction) = last.split_once(['.', ',']).unwrap_or((last, ""));
        seconds = seconds.checked_add(whole.parse::<i64>().ok()?)?;
        if !fraction.is_empty() {
            let fraction: String = fraction.chars().take(6).collect();
            micros = format!("{fraction:0<6}").parse().ok()?;
        }
    }
    let part = seconds.checked_mul(1_000_000)?.checked_add(micros)?;
    let part = if negative { -part } else { part };
    days.checked_mul(86_400_000_000)?.checked_add(part)
}

/// Python's `str()` of a value.
pub(super) fn python_str(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Int(i) => i.to_string(),
        Value::Float(f) => python_float(*f),
        Value::Str(s) => s.clone(),
        Value::Date(d) => d.to_string(),
        Value::Time(t) => t.to_string(),
        Value::NaiveDateTime(dt) => dt.to_string().replace('T', " "),
        Value::DateTime(aware) => aware
            .offset
            .to_datetime(aware.instant)
            .to_string()
            .replace('T', " "),
        Value::Decimal(d) => d.to_string(),
        Value::Uuid(bytes) => {
            let hex = format!("{:032x}", u128::from_be_bytes(*bytes));
            let cut = |a: usize, b: usize| hex.get(a..b).unwrap_or("").to_owned();
            format!(
                "{}-{}-{}-{}-{}",
                cut(0, 8),
                cut(8, 12),
                cut(12, 16),
                cut(16, 20),
                cut(20, 32)
            )
        }
        Value::ObjectId(oid) => oid.to_hex(),
        Value::Regex(regex) => regex.pattern.clone(),
        other => python_repr(other),
    }
}

fn python_float(f: f64) -> String {
    if f.is_finite() && f.fract() == 0.0 && f.abs() < 1e16 {
        format!("{f:.1}")
    } else {
        format!("{f}")
    }
}

/// Python's `repr()` of a value, for messages.
fn python_repr(value: &Value) -> String {
    match value {
        Value::Str(s) => format!("'{s}'"),
        Value::List(items) => format!(
            "[{}]",
            items.iter().map(python_repr).collect::<Vec<_>>().join(", ")
        ),
        Value::Dict(map) => format!(
            "{{{}}}",
            map.iter()
                .map(|(k, v)| format!("'{k}': {}", python_repr(v)))
                .collect::<Vec<_>>()
                .join(", ")
        ),
        Value::Null
        | Value::Bool(_)
        | Value::Int(_)
        | Value::Float(_)
        | Value::Date(_)
        | Value::Time(_)
        | Value::NaiveDateTime(_)
        | Value::DateTime(_)
        | Value::Decimal(_)
        | Value::Uuid(_)
        | Value::ObjectId(_)
        | Value::Regex(_) => python_str(value),
        other => format!("<{}>", python_class(other)),
    }
}
