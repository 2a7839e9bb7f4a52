//! When a result is the expected one.
//!
//! Rows in order or as multisets; floats within 1e-9; decimals by value, long ones within 1e-9; datetimes by instant;
//! prefetched lists as multisets; no value and JSON's null are both null.

use bson::Decimal128;
use mqlc_compiler::queryset::Value;
use mqlc_executors::RowValue;

/// Relative difference of floats and long decimals that counts as equal.
const TOLERANCE: f64 = 1e-9;

/// Compares results; the error says what differs, and in one word of what kind it is.
pub(crate) fn rows(
    expected: &[Value],
    actual: &[RowValue],
    ordered: bool,
) -> Result<(), (String, String)> {
    if expected.len() != actual.len() {
        return Err((
            "number of rows".to_owned(),
            format!(
                "{} rows instead of {}; expected {}\nand got {}",
                actual.len(),
                expected.len(),
                shorten(&expected.iter().map(json).collect::<Vec<_>>().join(", ")),
                shorten(&actual.iter().map(row_json).collect::<Vec<_>>().join(", ")),
            ),
        ));
    }
    if ordered {
        for (number, (e, a)) in expected.iter().zip(actual).enumerate() {
            if let Err(difference) = row(e, a) {
                let elsewhere = actual.iter().any(|other| row(e, other).is_ok());
                let kind = if elsewhere {
                    "order of rows".to_owned()
                } else {
                    difference.0
                };
                return Err((kind, format!("row {number}: {}", difference.1)));
            }
        }
        return Ok(());
    }
    match unmatched(expected, actual) {
        None => Ok(()),
        Some((e, a)) => {
            let difference = row(e, a).err().unwrap_or_default();
            Err((
                difference.0,
                format!(
                    "no row is {}\nbut one is {}",
                    shorten(&json(e)),
                    shorten(&row_json(a))
                ),
            ))
        }
    }
}

/// Pairs equal rows; gives an expected and an actual row without partner.
fn unmatched<'a>(
    expected: &'a [Value],
    actual: &'a [RowValue],
) -> Option<(&'a Value, &'a RowValue)> {
    let mut free: Vec<&RowValue> = actual.iter().collect();
    let mut missing = None;
    for e in expected {
        match free.iter().position(|a| row(e, a).is_ok()) {
            Some(at) => {
                free.remove(at);
            }
            None => {
                missing.get_or_insert(e);
            }
        }
    }
    Some((missing?, free.first()?))
}

/// Compares one row.
pub(crate) fn row(expected: &Value, actual: &RowValue) -> Result<(), (String, String)> {
    match (expected, actual) {
        (e, RowValue::Value(a)) => {
            if values(e, a) {
                Ok(())
            } else {
                Err(("value".to_owned(), different(e, actual)))
            }
        }
        (Value::Dict(e), RowValue::Object(a)) => {
            if let Some(key) = e.keys().find(|k| a.get(k).is_none()) {
                return Err((format!("no key {key}"), format!("no key {key}")));
            }
            for (key, a) in a.iter() {
                let Some(e) = e.get(key) else {
                    return Err((
                        format!("key {key}"),
                        format!("the key {key} is not expected"),
                    ));
                };
                let compared = match (e, a) {
                    (Value::List(e), RowValue::List(a)) => rows(e, a, false),
                    _ => row(e, a),
                };
                compared.map_err(|(kind, text)| {
                    (
                        format!("{kind} of {key}").replace("value of ", "value of key "),
                        format!("{key}: {text}"),
                    )
                })?;
            }
            Ok(())
        }
        (Value::List(e), RowValue::Named(a)) => list(e, a.values(), expected, actual),
        (Value::List(e), RowValue::List(a)) => list(e, a, expected, actual),
        _ => Err(("kind of row".to_owned(), different(expected, actual))),
    }
}

fn list(
    e: &[Value],
    a: &[RowValue],
    expected: &Value,
    actual: &RowValue,
) -> Result<(), (String, String)> {
    if e.len() != a.len() {
        return Err(("length of row".to_owned(), different(expected, actual)));
    }
    for (at, (e, a)) in e.iter().zip(a).enumerate() {
        row(e, a).map_err(|(kind, text)| (kind, format!("{at}: {text}")))?;
    }
    Ok(())
}

fn different(expected: &Value, actual: &RowValue) -> String {
    format!(
        "{} instead of {}",
        shorten(&row_json(actual)),
        shorten(&json(expected))
    )
}

/// Whether two values are equal by the corpus's rules.
pub(crate) fn values(expected: &Value, actual: &Value) -> bool {
    match (expected, actual) {
        (Value::Null | Value::JsonNull, Value::Null | Value::JsonNull) => true,
        (Value::Int(e), Value::Int(a)) => e == a,
        (Value::Int(_) | Value::Float(_), Value::Int(_) | Value::Float(_)) => {
            match (number(expected), number(actual)) {
                (Some(e), Some(a)) => close(e, a),
                _ => false,
            }
        }
        (Value::Decimal(e), Value::Decimal(a)) => decimals(e, a),
        (Value::DateTime(e), Value::DateTime(a)) => e.instant == a.instant,
        (Value::List(e), Value::List(a)) => {
            e.len() == a.len() && e.iter().zip(a).all(|(e, a)| values(e, a))
        }
        (Value::Dict(e), Value::Dict(a)) => {
            e.len() == a.len()
                && e.iter()
                    .all(|(key, e)| a.get(key).is_some_and(|a| values(e, a)))
        }
        (
            Value::Model {
                model: e,
                fields: ef,
            },
            Value::Model {
                model: a,
                fields: af,
            },
        ) => {
            e == a
                && ef.len() == af.len()
                && ef
                    .iter()
                    .all(|(key, e)| af.get(key).is_some_and(|a| values(e, a)))
        }
        (e, a) => e == a,
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Int(i) => i.to_string().parse().ok(),
        Value::Float(f) => Some(*f),
        _ => None,
    }
}

/// Equal, or within the tolerance of each other.
pub(crate) fn close(e: f64, a: f64) -> bool {
    e == a || e.is_nan() && a.is_nan() || (e - a).abs() <= TOLERANCE * e.abs().max(a.abs())
}

fn decimals(e: &Decimal128, a: &Decimal128) -> bool {
    let (e, a) = (e.to_string(), a.to_string());
    if e == a {
        return true;
    }
    match (digits(&e), digits(&a)) {
        (Some(de), Some(da)) => {
            let long = |d: &Digits| d.all.len() >= 14;
            if de.canonical() == da.canonical() {
                return true;
            }
            if !long(&de) && !long(&da) {
                return false;
            }
            match (e.parse::<f64>(), a.parse::<f64>()) {
                (Ok(e), Ok(a)) => close(e, a),
                _ => false,
            }
        }
        _ => false,
    }
}

/// A decimal's text in parts: its significant digits (trailing zeros included) as written.
struct Digits {
    negative: bool,
    all: String,
    exponent: i64,
}

impl Digits {
    /// Without trailing zeros.
    fn canonical(&self) -> (bool, &str, i64) {
        let short = self.all.trim_end_matches('0');
        if short.is_empty() {
            return (false, "", 0);
        }
        let cut = i64::try_from(self.all.len() - short.len()).unwrap_or(0);
        (self.negative, short, self.exponent + cut)
    }
}

fn digits(text: &str) -> Option<Digits> {
    let (number, exponent) = match text.split_once(['E', 'e']) {
        Some((number, exponent)) => (number, exponent.parse().ok()?),
        None => (text, 0_i64),
    };
    let negative = number.starts_with('-');
    let number = number.trim_start_matches(['-', '+']);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let all: String = format!("{whole}{fraction}");
    if !all.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(Digits {
        negative,
        all: all.trim_start_matches('0').to_owned(),
        exponent: exponent - i64::try_from(fraction.len()).ok()?,
    })
}

/// A value as JSON.
pub(crate) fn json(value: &Value) -> String {
    value.to_json_text()
}

/// A row as JSON.
pub(crate) fn row_json(row: &RowValue) -> String {
    serde_json::to_string(row).unwrap_or_default()
}

/// At most a few hundred characters.
pub(crate) fn shorten(text: &str) -> String {
    const MOST: usize = 400;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(MOST).collect();
    short.push_str(" ...");
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn equal(e: &str, a: &str) -> bool {
        values(
            &Value::from_json_text(e).unwrap(),
            &Value::from_json_text(a).unwrap(),
        )
    }

    /// Numbers compare by value, but decimals only with decimals and booleans only with booleans.
    #[test]
    fn numbers() {
        assert!(equal("1", "1.0"));
        assert!(equal("0.1", "0.10000000000000001"));
        assert!(!equal("1", "true"));
        assert!(equal(
            r#"{"$numberDecimal":"1.50"}"#,
            r#"{"$numberDecimal":"1.5"}"#
        ));
        assert!(equal(
            r#"{"$numberDecimal":"1E+2"}"#,
            r#"{"$numberDecimal":"100.00"}"#
        ));
        assert!(!equal(
            r#"{"$numberDecimal":"1.50"}"#,
            r#"{"$numberDecimal":"1.51"}"#
        ));
        assert!(equal(
            r#"{"$numberDecimal":"0.333333333333333"}"#,
            r#"{"$numberDecimal":"0.33333333333333333333"}"#
        ));
        assert!(!equal(r#"{"$numberDecimal":"1.5"}"#, "1.5"));
    }

    /// Aware datetimes compare by instant.
    #[test]
    fn instants() {
        assert!(equal(
            r#"{"$date":"2024-01-31T10:00:00+02:00"}"#,
            r#"{"$date":"2024-01-31T08:00:00+00:00"}"#
        ));
    }

    /// Unordered rows are a multiset.
    #[test]
    fn multisets() {
        let one = |i: i64| Value::from(i);
        let row = |i: i64| RowValue::Value(Value::from(i));
        assert!(rows(&[one(1), one(2)], &[row(2), row(1)], false).is_ok());
        assert!(rows(&[one(1), one(2)], &[row(2), row(1)], true).is_err());
        assert!(rows(&[one(1), one(1)], &[row(2), row(1)], false).is_err());
    }
}
