//! Rows and commands as text.

use std::io::Write;

use bson::{Bson, Document};
use comfy_table::{ContentArrangement, Table};
use mqlc::Compiled;
use mqlc::compiler::shape::{Shape, ShapeNode};
use mqlc::executors::{Outcome, Row, RowValue, Written};

use super::Result;
use super::run::Format;

/// Prints the result of a statement.
pub(super) fn print(compiled: &Compiled, outcome: &Outcome, format: Format) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match outcome {
        Outcome::Rows(rows) => match format {
            Format::Table => write!(out, "{}", table(rows, &names(&compiled.shape)))?,
            _ => {
                for row in rows {
                    writeln!(out, "{}", json(row, format))?;
                }
            }
        },
        Outcome::Count(n) => writeln!(out, "{n}")?,
        Outcome::Exists(there) => writeln!(out, "{there}")?,
        Outcome::Aggregate(row) => match format {
            Format::Table => write!(out, "{}", table(&[RowValue::Object(row.clone())], &[]))?,
            _ => writeln!(out, "{}", json(&RowValue::Object(row.clone()), format))?,
        },
        Outcome::Upserted { row, created } => match format {
            Format::Table => {
                write!(out, "{}", table(std::slice::from_ref(row), &[]))?;
                writeln!(out, "{}", if *created { "created" } else { "was there" })?;
            }
            _ => {
                let row = json(row, format);
                writeln!(out, r#"{{"row":{row},"created":{created}}}"#)?;
            }
        },
        Outcome::Written(written) => match format {
            Format::Table => self::written(written, &mut out)?,
            _ => writeln!(out, "{}", written_json(written, format))?,
        },
        _ => writeln!(out, "done")?,
    }
    Ok(())
}

/// How many documents were written, by model where they were deleted, and the keys of new ones.
fn written(written: &Written, out: &mut impl Write) -> Result<()> {
    if written.deleted.is_empty() {
        writeln!(out, "{} written", written.count)?;
    } else {
        writeln!(out, "{} deleted", written.count)?;
    }
    for (label, count) in &written.deleted {
        writeln!(out, "  {label}: {count}")?;
    }
    for key in &written.keys {
        writeln!(out, "  key {key}")?;
    }
    Ok(())
}

fn written_json(written: &Written, format: Format) -> String {
    let keys = match format {
        Format::Ejson => written
            .keys
            .iter()
            .map(|key| key.clone().into_canonical_extjson())
            .collect(),
        _ => written
            .keys
            .iter()
            .map(|key| plain(&key.clone().into_relaxed_extjson()))
            .collect::<Vec<_>>(),
    };
    let mut object = serde_json::json!({"count": written.count});
    if let Some(members) = object.as_object_mut() {
        if !keys.is_empty() {
            members.insert("keys".to_owned(), keys.into());
        }
        if !written.deleted.is_empty() {
            let deleted = written
                .deleted
                .iter()
                .map(|(k, n)| (k.clone(), serde_json::Value::from(*n)));
            members.insert("deleted".to_owned(), deleted.collect());
        }
    }
    object.to_string()
}

fn json(row: &RowValue, format: Format) -> String {
    let value = serde_json::to_value(row).unwrap_or_default();
    match format {
        Format::Ejson => value.to_string(),
        _ => plain(&value).to_string(),
    }
}

/// Values without their type tags: dates, decimals and the like as the text in them.
fn plain(value: &serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Array(items) => items.iter().map(plain).collect(),
        serde_json::Value::Object(map) => match map.iter().next() {
            Some((key, inner)) if map.len() == 1 && key.starts_with('$') => match key.as_str() {
                "$binary" => inner.get("base64").cloned().unwrap_or_default(),
                "$jsonNull" => serde_json::Value::Null,
                _ => inner.clone(),
            },
            _ => map.iter().map(|(k, v)| (k.clone(), plain(v))).collect(),
        },
        other => other.clone(),
    }
}

/// No borders, and a line under the names of the columns (positions as in `comfy_table::presets`).
const HEADER_LINE: &str = "     ──            ";

/// The names of the columns of rows that do not carry them, as those of `values_list()`.
fn names(shape: &Shape) -> Vec<&str> {
    match shape {
        Shape::Rows(row) => row.nodes.iter().map(ShapeNode::name).collect(),
        _ => Vec::new(),
    }
}

/// Rows as a table: a line per row, a column per name.
fn table(rows: &[RowValue], names: &[&str]) -> String {
    let mut table = Table::new();
    table
        .load_preset(HEADER_LINE)
        .set_content_arrangement(ContentArrangement::Dynamic);
    match rows.first() {
        Some(RowValue::Object(row) | RowValue::Named(row)) => {
            table.set_header(row.iter().map(|(name, _)| name.to_owned()));
        }
        Some(RowValue::List(items)) => {
            let name = |i: usize| {
                names
                    .get(i)
                    .map_or_else(|| (i + 1).to_string(), ToString::to_string)
            };
            table.set_header((0..items.len()).map(name));
        }
        Some(RowValue::Value(_)) => {
            table.set_header([names.first().copied().unwrap_or("value")]);
        }
        None => {}
    }
    for row in rows {
        match row {
            RowValue::Object(row) | RowValue::Named(row) => table.add_row(cells(row)),
            RowValue::List(items) => table.add_row(items.iter().map(cell)),
            RowValue::Value(_) => table.add_row([cell(row)]),
        };
    }
    let count = match rows.len() {
        1 => "1 row".to_owned(),
        n => format!("{n} rows"),
    };
    if rows.is_empty() {
        return format!("{count}\n");
    }
    let lines: String = table
        .lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect();
    format!("{lines}{count}\n")
}

fn cells(row: &Row) -> Vec<String> {
    row.iter().map(|(_, value)| cell(value)).collect()
}

fn cell(value: &RowValue) -> String {
    match plain(&serde_json::to_value(value).unwrap_or_default()) {
        serde_json::Value::String(text) => text,
        serde_json::Value::Null => "NULL".to_owned(),
        other => other.to_string(),
    }
}

/// The commands of a program as mongosh text.
pub(super) fn mongosh(compiled: &Compiled) -> String {
    if compiled.program.steps.is_empty() {
        return "// no command: the result is known to be empty\n".to_owned();
    }
    compiled.program.to_string()
}

/// The command documents of a program; what an earlier step finds stands as an empty list.
pub(super) fn commands(compiled: &Compiled) -> Vec<Document> {
    compiled
        .program
        .steps
        .iter()
        .map(|step| step.bind(&[]).command)
        .collect()
}

/// BSON as extended JSON in one line.
pub(super) fn extended_json(value: Bson, canonical: bool) -> String {
    if canonical {
        value.into_canonical_extjson().to_string()
    } else {
        value.into_relaxed_extjson().to_string()
    }
}
