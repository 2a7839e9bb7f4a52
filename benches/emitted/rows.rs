//! Rows of both sides in one form, so that they can be compared.

use std::fmt::Write as _;

use bson::{Bson, Document};
use mqlc::compiler::queryset::Value;
use mqlc::executors::{Outcome, RowValue};

use crate::querysets::{Kind, Official};

/// A row: names with values, NULLs left out.
pub type Line = String;

/// What a queryset of ours gave.
pub fn ours(outcome: &Outcome) -> Vec<Line> {
    match outcome {
        Outcome::Rows(rows) => rows
            .iter()
            .map(|row| {
                let mut pairs = Vec::new();
                flatten(row, "", &mut pairs);
                line(pairs)
            })
            .collect(),
        Outcome::Count(n) => vec![format!("count={n}")],
        Outcome::Exists(there) => vec![format!("exists={there}")],
        Outcome::Aggregate(row) => {
            let mut pairs = Vec::new();
            for (name, value) in row.iter() {
                flatten(value, name, &mut pairs);
            }
            vec![line(pairs)]
        }
        other => vec![format!("{other:?}")],
    }
}

/// What the documents of the official backend's first command stand for.
pub fn theirs(official: &Official, documents: &[Document]) -> Vec<Line> {
    match official.kind {
        Kind::Rows | Kind::Aggregate => documents
            .iter()
            .map(|document| {
                line(
                    official
                        .columns
                        .iter()
                        .map(|(name, path)| (name.clone(), bson_text(at(document, path))))
                        .collect(),
                )
            })
            .collect(),
        Kind::Count => {
            let n = documents.first().map_or(Bson::Int32(0), |d| {
                d.get("__count").cloned().unwrap_or(Bson::Int32(0))
            });
            vec![format!("count={n}")]
        }
        Kind::Exists => vec![format!("exists={}", !documents.is_empty())],
    }
}

fn at<'a>(document: &'a Document, path: &[String]) -> Option<&'a Bson> {
    let (first, rest) = path.split_first()?;
    let value = document.get(first)?;
    match (rest, value) {
        ([], value) => Some(value),
        (rest, Bson::Document(inner)) => at(inner, rest),
        _ => None,
    }
}

fn line(mut pairs: Vec<(String, Option<String>)>) -> Line {
    pairs.sort();
    let mut out = String::new();
    for (name, value) in pairs {
        if let Some(value) = value {
            let _ = write!(out, "{name}={value};");
        }
    }
    out
}

/// Rows with nothing but the values of these names: prefetched objects are fetched by other commands.
pub fn only(official: &Official, lines: &mut [Line]) {
    for line in lines {
        *line = line
            .split_inclusive(';')
            .filter(|pair| {
                let name = pair.split('=').next();
                official
                    .columns
                    .iter()
                    .any(|(n, _)| Some(n.as_str()) == name)
            })
            .collect();
    }
}

/// Names and values of a row.
fn flatten(row: &RowValue, name: &str, out: &mut Vec<(String, Option<String>)>) {
    let inside = |part: &str| {
        if name.is_empty() {
            part.to_owned()
        } else {
            format!("{name}.{part}")
        }
    };
    match row {
        RowValue::Value(value) => {
            let name = if name.is_empty() { "0" } else { name };
            out.push((name.to_owned(), text(value)));
        }
        RowValue::Object(row) => {
            for (part, value) in row.iter() {
                flatten(value, &inside(part), out);
            }
        }
        RowValue::Named(row) => {
            for (i, value) in row.values().iter().enumerate() {
                flatten(value, &inside(&i.to_string()), out);
            }
        }
        RowValue::List(values) if name.is_empty() => {
            for (i, value) in values.iter().enumerate() {
                flatten(value, &i.to_string(), out);
            }
        }
        RowValue::List(_) => {}
    }
}

/// Sums may be made in another order: the last digits do not count.
fn number(n: f64) -> String {
    format!("{n:.9e}")
}

#[allow(clippy::cast_precision_loss)]
fn text(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => return None,
        Value::Int(n) => number(*n as f64),
        Value::Float(n) => number(*n),
        Value::Str(s) => s.clone(),
        Value::DateTime(t) => format!("t{}", t.instant.as_millisecond()),
        Value::Date(d) => {
            let zoned = d.to_zoned(jiff::tz::TimeZone::UTC).unwrap();
            format!("t{}", zoned.timestamp().as_millisecond())
        }
        other => format!("{other:?}"),
    })
}

#[allow(clippy::cast_precision_loss)]
fn bson_text(value: Option<&Bson>) -> Option<String> {
    Some(match value? {
        Bson::Null => return None,
        Bson::Int32(n) => number(f64::from(*n)),
        Bson::Int64(n) => number(*n as f64),
        Bson::Double(n) => number(*n),
        Bson::String(s) => s.clone(),
        Bson::DateTime(t) => format!("t{}", t.timestamp_millis()),
        Bson::Boolean(b) => format!("Bool({b})"),
        other => format!("{other:?}"),
    })
}
