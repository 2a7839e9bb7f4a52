//! Texts with values in them: f-strings and `str.format()`.

use super::args::Args;
use super::scalar::MAX_TEXT;
use super::strings::text_of;
use super::value::{Py, refuse, type_error};
use crate::error::{Code, Error, Result};
use crate::queryset::Value;

/// One value as `!conversion` and `:spec` want it.
pub(super) fn value(value: &Py, conversion: Option<char>, spec: &str) -> Result<String> {
    let text = match (conversion, value) {
        (Some('r' | 'a'), Py::Value(Value::Str(text))) => {
            if text.contains('\'') && !text.contains('"') {
                format!("\"{text}\"")
            } else {
                format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
            }
        }
        (Some(_), _) => text_of(value)?,
        (None, _) => return plain(value, spec),
    };
    padded(text, spec, '<')
}

fn plain(value: &Py, spec: &str) -> Result<String> {
    if spec.is_empty() {
        return text_of(value);
    }
    match value {
        Py::Value(Value::Date(day)) => strftime(spec, *day),
        Py::Value(Value::NaiveDateTime(at)) => strftime(spec, *at),
        Py::Value(Value::Time(time)) => strftime(spec, *time),
        Py::Value(Value::Int(i)) if !spec.ends_with('f') => {
            padded(i.to_string(), spec.trim_end_matches('d'), '>')
        }
        #[allow(clippy::cast_precision_loss)] // Python's own conversion
        Py::Value(Value::Int(i)) => number(*i as f64, spec),
        Py::Value(Value::Float(f)) => number(*f, spec),
        other => padded(text_of(other)?, spec.trim_end_matches('s'), '<'),
    }
}

/// `.2f`, perhaps with a width before it.
fn number(value: f64, spec: &str) -> Result<String> {
    let (width, digits) = spec
        .strip_suffix('f')
        .map(|s| s.split_once('.').unwrap_or((s, "6")))
        .ok_or_else(unread)?;
    let digits: usize = digits.parse().map_err(|_| unread())?;
    if digits > 100 {
        return Err(unread());
    }
    padded(format!("{value:.digits$}"), width, '>')
}

/// `>10`, `^10`, `*<10`, `010`.
fn padded(text: String, spec: &str, default: char) -> Result<String> {
    let mut chars: Vec<char> = spec.chars().collect();
    let (mut fill, mut align) = (' ', default);
    if let [f, a, ..] = chars.as_slice()
        && "<>^".contains(*a)
    {
        (fill, align) = (*f, *a);
        chars.drain(..2);
    } else if let [a, ..] = chars.as_slice()
        && "<>^".contains(*a)
    {
        align = *a;
        chars.remove(0);
    }
    if chars.first() == Some(&'0') {
        fill = '0';
        chars.remove(0);
    }
    let width: String = chars.into_iter().collect();
    let width: usize = if width.is_empty() {
        0
    } else {
        width.parse().map_err(|_| unread())?
    };
    if width > MAX_TEXT {
        return Err(refuse(Code::Limit, "the string is too long"));
    }
    let missing = width.saturating_sub(text.chars().count());
    let fill = |n: usize| -> String { std::iter::repeat_n(fill, n).collect() };
    Ok(match align {
        '<' => format!("{text}{}", fill(missing)),
        '^' => format!("{}{text}{}", fill(missing / 2), fill(missing - missing / 2)),
        _ => match text.strip_prefix('-') {
            // Zeros stand after the sign.
            Some(digits) if spec.starts_with('0') => format!("-{}{digits}", fill(missing)),
            _ => format!("{}{text}", fill(missing)),
        },
    })
}

fn strftime(spec: &str, moment: impl Into<jiff::fmt::strtime::BrokenDownTime>) -> Result<String> {
    moment.into().to_string(spec).map_err(|_| unread())
}

fn unread() -> Error {
    refuse(Code::Python, "this format of a value is not read here")
        .with_hint("write the string itself")
}

/// `text.format(...)`.
pub(super) fn method(text: &str, args: Args) -> Result<Py> {
    let mut out = String::new();
    let mut rest = text;
    let mut next = 0usize;
    while let Some(c) = rest.chars().next() {
        let after = rest.get(c.len_utf8()..).unwrap_or_default();
        match c {
            '{' | '}' if after.starts_with(c) => {
                out.push(c);
                rest = after.get(1..).unwrap_or_default();
                continue;
            }
            '}' => return Err(type_error("Single '}' encountered in format string")),
            '{' => {}
            _ => {
                out.push(c);
                rest = after;
                continue;
            }
        }
        let Some((field, remaining)) = after.split_once('}') else {
            return Err(type_error("expected '}' before end of string"));
        };
        rest = remaining;
        let (field, spec) = field.split_once(':').unwrap_or((field, ""));
        let (name, conversion) = field.split_once('!').unwrap_or((field, ""));
        let found = if name.is_empty() {
            next += 1;
            args.positional.get(next - 1).map(|(v, _)| v)
        } else if let Ok(at) = name.parse::<usize>() {
            args.positional.get(at).map(|(v, _)| v)
        } else {
            args.keywords
                .iter()
                .find(|k| k.name == name)
                .map(|k| &k.value)
        };
        let found =
            found.ok_or_else(|| type_error(format!("format() has no value for '{{{name}}}'")))?;
        out.push_str(&value(found, conversion.chars().next(), spec)?);
        if out.len() > MAX_TEXT {
            return Err(refuse(Code::Limit, "the string is too long"));
        }
    }
    Ok(Py::str(out))
}
