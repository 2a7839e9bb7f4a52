//! Commands as text for people: what one would type into `mongosh`, a stage a line.

use std::fmt::{self, Write};

use bson::{Bson, Document};

use super::{Command, Expr, Filter, Stage};
use crate::render;

/// Lines up to this width hold a whole document.
const WIDTH: usize = 110;

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&command(&render::command(self, &[])))
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&pretty(&Bson::Document(render::stage(self)), 0))
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text(&Bson::Document(render::filter(self))))
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text(&render::expr(self)))
    }
}

/// A rendered command in the shell's words.
#[must_use]
pub fn command(command: &Document) -> String {
    let mut rest = command.clone();
    let Some((verb, target)) = rest.clone().into_iter().next() else {
        return String::new();
    };
    rest.remove(&verb);
    let collection = match &target {
        Bson::String(name) => collection(name),
        _ => "db".to_owned(),
    };
    match verb.as_str() {
        "aggregate" => {
            rest.remove("cursor");
            let stages = match rest.remove("pipeline") {
                Some(Bson::Array(stages)) => stages,
                _ => Vec::new(),
            };
            let options = if rest.is_empty() {
                String::new()
            } else {
                format!(", {}", text(&Bson::Document(rest)))
            };
            format!("{collection}.aggregate({}{options})", lines(&stages))
        }
        "find" => {
            let filter = rest.remove("filter");
            let projection = rest.remove("projection");
            let mut out = format!("{collection}.find(");
            match (&filter, &projection) {
                (None, None) => {}
                (Some(f), None) => out.push_str(&pretty(f, 0)),
                (f, Some(p)) => {
                    let filter = f.as_ref().map_or("{}".to_owned(), |f| pretty(f, 0));
                    let _ = write!(out, "{filter}, {}", pretty(p, 0));
                }
            }
            out.push(')');
            for (name, value) in rest {
                let _ = write!(out, ".{name}({})", text(&value));
            }
            out
        }
        "count" => {
            let query = rest.remove("query").unwrap_or(Bson::Null);
            let options = if rest.is_empty() {
                String::new()
            } else {
                format!(", {}", text(&Bson::Document(rest)))
            };
            format!("{collection}.count({}{options})", text(&query))
        }
        "createIndexes" => {
            let lines = rest.get_array("indexes").into_iter().flatten();
            let lines: Vec<String> = lines
                .filter_map(Bson::as_document)
                .map(|index| create_index(&collection, index))
                .collect();
            lines.join("\n")
        }
        "create" => {
            let name = target.as_str().map(quote).unwrap_or_default();
            format!(
                "db.createCollection({name}, {})",
                pretty(&Bson::Document(rest), 0)
            )
        }
        _ => format!(
            "db.runCommand({})",
            pretty(&Bson::Document(command.clone()), 0)
        ),
    }
}

/// One index of a `createIndexes`.
fn create_index(collection: &str, index: &Document) -> String {
    let mut options = index.clone();
    let keys = options.remove("key").unwrap_or(Bson::Null);
    let options = pretty(&Bson::Document(options), 0);
    format!("{collection}.createIndex({}, {options})", text(&keys))
}

/// A pipeline, a stage a line.
#[must_use]
pub fn lines(stages: &[Bson]) -> String {
    if stages.is_empty() {
        return "[]".to_owned();
    }
    let mut out = "[\n".to_owned();
    for stage in stages {
        let _ = writeln!(out, "  {},", pretty(stage, 1));
    }
    out.push(']');
    out
}

fn collection(name: &str) -> String {
    if is_identifier(name) {
        format!("db.{name}")
    } else {
        format!("db.getCollection({})", quote(name))
    }
}

/// A list that stands for the values of an earlier step: an expression of the shell.
fn expression(items: &[Bson]) -> Option<&str> {
    match items {
        [Bson::JavaScriptCode(code)] => Some(code),
        _ => None,
    }
}

/// On one line if it fits, else a member a line.
fn pretty(value: &Bson, indent: usize) -> String {
    let flat = text(value);
    if matches!(value, Bson::Array(items) if expression(items).is_some()) {
        return flat;
    }
    if flat.chars().count() + 2 * indent <= WIDTH {
        return flat;
    }
    let pad = "  ".repeat(indent);
    match value {
        Bson::Document(d) => {
            // A single key stays on the line of its brace.
            if let (1, Some((key, inner))) = (d.len(), d.iter().next()) {
                return format!("{{ {}: {} }}", name(key), pretty(inner, indent));
            }
            let mut out = "{\n".to_owned();
            for (key, inner) in d {
                let _ = writeln!(out, "{pad}  {}: {},", name(key), pretty(inner, indent + 1));
            }
            out + &pad + "}"
        }
        Bson::Array(items) => {
            let mut out = "[\n".to_owned();
            for item in items {
                let _ = writeln!(out, "{pad}  {},", pretty(item, indent + 1));
            }
            out + &pad + "]"
        }
        _ => flat,
    }
}

/// A value on one line.
#[must_use]
pub fn text(value: &Bson) -> String {
    match value {
        Bson::Document(d) if d.is_empty() => "{}".to_owned(),
        Bson::Document(d) => {
            let members: Vec<String> = d
                .iter()
                .map(|(key, inner)| format!("{}: {}", name(key), text(inner)))
                .collect();
            format!("{{ {} }}", members.join(", "))
        }
        Bson::Array(items) => {
            if let Some(code) = expression(items) {
                return code.to_owned();
            }
            let members: Vec<String> = items.iter().map(text).collect();
            format!("[{}]", members.join(", "))
        }
        Bson::String(s) => quote(s),
        Bson::Int32(n) => n.to_string(),
        Bson::Int64(n) => match i32::try_from(*n) {
            Ok(small) => small.to_string(),
            Err(_) => format!("Long(\"{n}\")"),
        },
        Bson::Double(d) => double(*d),
        Bson::Boolean(b) => b.to_string(),
        Bson::Null => "null".to_owned(),
        Bson::DateTime(date) => match date.try_to_rfc3339_string() {
            Ok(s) => format!("ISODate(\"{s}\")"),
            Err(_) => format!("new Date({})", date.timestamp_millis()),
        },
        Bson::ObjectId(id) => format!("ObjectId(\"{id}\")"),
        Bson::Decimal128(d) => format!("Decimal128(\"{d}\")"),
        Bson::RegularExpression(regex) => {
            format!(
                "RegExp({}, {})",
                quote(regex.pattern.as_str()),
                quote(regex.options.as_str())
            )
        }
        Bson::Binary(binary) => {
            let hex = binary.bytes.iter().fold(String::new(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            });
            format!("HexData({}, \"{hex}\")", u8::from(binary.subtype))
        }
        // Stands for an expression of the shell: nothing else makes this type, which MongoDB has given up.
        Bson::Symbol(expression) => expression.clone(),
        Bson::MinKey => "MinKey()".to_owned(),
        Bson::MaxKey => "MaxKey()".to_owned(),
        other => format!(
            "EJSON.deserialize({})",
            other.clone().into_relaxed_extjson()
        ),
    }
}

fn double(d: f64) -> String {
    if d.is_nan() {
        "NaN".to_owned()
    } else if d.is_infinite() {
        if d > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
    } else if d.fract() == 0.0 && d.abs() < 1e15 {
        format!("{d:.1}")
    } else {
        format!("{d}")
    }
}

fn quote(s: &str) -> String {
    serde_json::Value::String(s.to_owned()).to_string()
}

fn name(key: &str) -> String {
    if is_identifier(key) {
        key.to_owned()
    } else {
        quote(key)
    }
}

fn is_identifier(key: &str) -> bool {
    let mut chars = key.chars();
    chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_' || c == '$')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '$')
}
