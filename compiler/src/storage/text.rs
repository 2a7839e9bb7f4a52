//! Values as text: how Python's `str()` writes them and how Django's fields read them.

use bson::Decimal128;
use jiff::{Timestamp, civil};

use crate::queryset::{AwareDateTime, Value};

/// Python's `str()` of a value.
#[must_use]
pub fn python_str(value: &Value) -> String {
    match value {
        Value::Str(s) => s.clone(),
        other => python_repr(other, 0),
    }
}

fn python_repr(value: &Value, depth: u32) -> String {
    if depth > super::MAX_DEPTH {
        return "...".to_owned();
    }
    match value {
        Value::Null | Value::JsonNull => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Int(i) => i.to_string(),
        Value::Float(f) => float(*f),
        Value::Str(s) => format!("'{}'", s.replace('\\', "\\\\").replace('\'', "\\'")),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(|v| python_repr(v, depth + 1)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Dict(entries) => {
            let entries: Vec<String> = entries
                .iter()
                .map(|(k, v)| format!("'{k}': {}", python_repr(v, depth + 1)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::DateTime(at) => aware(at),
        Value::NaiveDateTime(at) => naive(*at),
        Value::Date(day) => day.to_string(),
        Value::Time(time) => clock(*time),
        Value::Duration(us) => duration(*us),
        Value::Decimal(d) => d.to_string(),
        Value::Uuid(bytes) => uuid(bytes),
        Value::ObjectId(id) => id.to_hex(),
        Value::Binary { bytes, .. } => format!("b'{}'", bytes.escape_ascii()),
        Value::Regex(regex) => regex.pattern.clone(),
        Value::Model { model, .. } => format!("<{model}>"),
        Value::Expr(_) => "<expression>".to_owned(),
    }
}

/// `repr()` of a float: shortest digits, `1.0`, `1e+16`, `1e-07`.
pub(super) fn float(f: f64) -> String {
    if f.is_nan() {
        return "nan".to_owned();
    }
    if f.is_infinite() {
        return if f > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let text = format!("{f:?}");
    match text.split_once('e') {
        // Rust switches to exponents at 1e16 and below 1e-5, Python at 1e16 and below 1e-4.
        None if f != 0.0 && f.abs() < 1e-4 => exponent(&format!("{f:e}")),
        None => text,
        Some(_) => exponent(&text),
    }
}

fn exponent(text: &str) -> String {
    let Some((digits, exponent)) = text.split_once('e') else {
        return text.to_owned();
    };
    let (sign, number) = match exponent.strip_prefix('-') {
        Some(number) => ('-', number),
        None => ('+', exponent),
    };
    let digits = digits.strip_suffix(".0").unwrap_or(digits);
    format!("{digits}e{sign}{number:0>2}")
}

fn fraction(nanoseconds: i32) -> String {
    let micros = nanoseconds / 1000;
    if micros == 0 {
        String::new()
    } else {
        format!(".{micros:06}")
    }
}

fn clock(t: civil::Time) -> String {
    format!(
        "{:02}:{:02}:{:02}{}",
        t.hour(),
        t.minute(),
        t.second(),
        fraction(t.subsec_nanosecond())
    )
}

fn naive(at: civil::DateTime) -> String {
    format!("{} {}", at.date(), clock(at.time()))
}

fn aware(at: &AwareDateTime) -> String {
    let seconds = at.offset.seconds();
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.abs() / 60;
    format!(
        "{}{sign}{:02}:{:02}",
        naive(at.offset.to_datetime(at.instant)),
        minutes / 60,
        minutes % 60
    )
}

fn duration(us: i64) -> String {
    const DAY: i64 = 86_400_000_000;
    let (days, rest) = (us.div_euclid(DAY), us.rem_euclid(DAY));
    let seconds = rest / 1_000_000;
    let micros = rest % 1_000_000;
    let mut text = match days {
        0 => String::new(),
        1 | -1 => format!("{days} day, "),
        _ => format!("{days} days, "),
    };
    text.push_str(&format!(
        "{}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    ));
    if micros != 0 {
        text.push_str(&format!(".{micros:06}"));
    }
    text
}

/// A UUID with hyphens.
pub(super) fn uuid(bytes: &[u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (i, byte) in bytes.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

/// Reads a UUID as Python's `UUID()` does: hexadecimal digits with any hyphens, braces and `urn:uuid:`.
pub(super) fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let hex: String = text
        .replace("urn:", "")
        .replace("uuid:", "")
        .trim_matches(['{', '}'])
        .replace('-', "");
    if hex.len() != 32 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u128::from_str_radix(&hex, 16).ok().map(u128::to_be_bytes)
}

/// Reads a date: `2024-01-31`, also with single digits.
pub(super) fn parse_date(text: &str) -> Option<civil::Date> {
    let mut parts = text.splitn(3, '-');
    let year: i16 = digits(parts.next()?, 4, 4)?;
    let month: i8 = digits(parts.next()?, 1, 2)?;
    let day: i8 = digits(parts.next()?, 1, 2)?;
    civil::Date::new(year, month, day).ok()
}

fn digits<T: std::str::FromStr>(text: &str, min: usize, max: usize) -> Option<T> {
    let fits = (min..=max).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if fits { text.parse().ok() } else { None }
}

/// Reads a datetime with or without a zone; a mere date is midnight.
pub(super) fn parse_datetime(text: &str) -> Option<Value> {
    let text = text.trim();
    if let Some(day) = parse_date(text) {
        return Some(Value::NaiveDateTime(
            day.to_datetime(civil::Time::midnight()),
        ));
    }
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Some(Value::from(instant));
    }
    text.parse::<civil::DateTime>()
        .ok()
        .map(Value::NaiveDateTime)
}

/// Reads a time of day.
pub(super) fn parse_time(text: &str) -> Option<civil::Time> {
    text.trim().parse().ok()
}

/// Reads a number as a decimal.
pub(super) fn parse_decimal(text: &str) -> Option<Decimal128> {
    text.trim().replace('_', "").parse().ok()
}

/// A number as a float.
pub(super) fn float_of(value: &Value) -> Option<f64> {
    match value {
        Value::Float(f) => Some(*f),
        Value::Int(_) | Value::Decimal(_) => python_str(value).parse().ok(),
        _ => None,
    }
}
