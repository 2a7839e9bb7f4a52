//! `str(value)` and the methods of strings.

use super::args::Args;
use super::moment::offset_text;
use super::scalar::MAX_TEXT;
use super::value::{Py, refuse, type_error};
use crate::error::{Code, Result};
use crate::queryset::Value;

/// `str(value)`.
pub(super) fn text_of(value: &Py) -> Result<String> {
    Ok(match value {
        Py::Value(value) => match value {
            Value::Null => "None".to_owned(),
            Value::Bool(true) => "True".to_owned(),
            Value::Bool(false) => "False".to_owned(),
            Value::Int(i) => i.to_string(),
            Value::Float(f) if f.fract() == 0.0 && f.abs() < 1.0e16 => format!("{f:.1}"),
            Value::Float(f) => f.to_string(),
            Value::Str(text) => text.clone(),
            Value::Date(day) => day.to_string(),
            Value::Time(time) => time.to_string(),
            Value::NaiveDateTime(at) => at.to_string().replacen('T', " ", 1),
            Value::DateTime(at) => {
                let local = at.offset.to_datetime(at.instant).to_string();
                format!("{}{}", local.replacen('T', " ", 1), offset_text(at.offset))
            }
            Value::Decimal(d) => d.to_string(),
            Value::Uuid(bytes) => bson::Uuid::from_bytes(*bytes).to_string(),
            Value::ObjectId(id) => id.to_hex(),
            _ => return Err(type_error("this value has no text here")),
        },
        other => return Err(type_error(format!("{} has no text here", other.describe()))),
    })
}

/// The methods of strings that literals are written with.
pub(super) fn text_method(text: &str, name: &str, args: Args) -> Result<Py> {
    if name == "format" {
        return super::format::method(text, args);
    }
    let given = args.only_positional(name)?;
    let argument = given.first().and_then(|(v, _)| v.as_str());
    Ok(match (name, argument) {
        ("upper", None) => Py::str(text.to_uppercase()),
        ("lower", None) => Py::str(text.to_lowercase()),
        ("strip", None) => Py::str(text.trim()),
        ("lstrip", None) => Py::str(text.trim_start()),
        ("rstrip", None) => Py::str(text.trim_end()),
        ("replace", Some(from)) if given.len() == 2 => {
            let to = given
                .get(1)
                .and_then(|(v, _)| v.as_str())
                .unwrap_or_default();
            if from.is_empty() || text.len().saturating_mul(to.len().max(1)) > MAX_TEXT {
                return Err(refuse(Code::Limit, "the string is too long"));
            }
            Py::str(text.replace(from, to))
        }
        ("title", None) => {
            let mut out = String::new();
            let mut inside = false;
            for c in text.chars() {
                if inside {
                    out.extend(c.to_lowercase());
                } else {
                    out.extend(c.to_uppercase());
                }
                inside = c.is_alphabetic();
            }
            Py::str(out)
        }
        ("split", None) if given.is_empty() => {
            Py::List(text.split_whitespace().map(Py::str).collect())
        }
        ("split", Some(separator)) if !separator.is_empty() => {
            Py::List(text.split(separator).map(Py::str).collect())
        }
        ("startswith", Some(start)) => Py::bool(text.starts_with(start)),
        ("endswith", Some(end)) => Py::bool(text.ends_with(end)),
        ("encode", _) => Py::Value(Value::Binary {
            bytes: text.as_bytes().to_vec(),
            subtype: 0,
        }),
        ("join", None) => {
            let items = given.first().and_then(|(v, _)| v.items());
            let parts: Option<Vec<&str>> = items.and_then(|i| i.iter().map(Py::as_str).collect());
            match parts {
                Some(parts) => Py::str(parts.join(text)),
                None => return Err(type_error("join() takes a list of strings")),
            }
        }
        _ => {
            return Err(refuse(
                Code::Python,
                format!("'{name}' of a string is not done here"),
            )
            .with_hint("write the string itself"));
        }
    })
}
