//! Strings: by code points and by bytes.
use super::math::integral;
use super::{Context, Expr, Fields, Node, Result};
use crate::memory::datetime;
use crate::memory::error::EngineError;
use crate::memory::expr::convert::text_of;
use crate::memory::value::{Value, num};
use bson::Bson;

fn wrong(code: i32, what: &str, v: &Value) -> EngineError {
    EngineError::location(code, format!("{what}, found: {}", v.type_name()))
}

/// What `$toLower` and the like accept: strings, numbers, dates; null and missing are empty.
pub(super) fn coerce(v: &Value) -> Result<String> {
    match v {
        Value::Str(s) | Value::Symbol(s) | Value::JavaScript(s) => Ok(s.as_str().to_owned()),
        v if v.is_nullish() => Ok(String::new()),
        Value::Int32(_)
        | Value::Int64(_)
        | Value::Double(_)
        | Value::Decimal(_)
        | Value::Date(_) => text_of(v),
        Value::Timestamp(t) => Ok(timestamp(*t)),
        v => Err(EngineError::location(
            16007,
            format!("can't convert from BSON type {} to String", v.type_name()),
        )),
    }
}

/// A timestamp as the server prints it: month, day, time of day, and the ordinal after a colon.
fn timestamp(t: u64) -> String {
    let seconds = i64::try_from(t >> 32).unwrap_or(0);
    let civil = datetime::Civil::new(seconds.saturating_mul(1000), &datetime::Zone::Utc);
    let (hour, minute, second, _) = civil.clock();
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let month = usize::try_from(civil.month - 1)
        .ok()
        .and_then(|m| MONTHS.get(m))
        .copied()
        .unwrap_or_default();
    format!(
        "{month} {:>2} {hour:02}:{minute:02}:{second:02}:{}",
        civil.day,
        t & 0xffff_ffff
    )
}

pub(super) fn concat(args: Vec<Value>) -> Result<Value> {
    let mut out = String::new();
    for v in &args {
        match v {
            Value::Str(s) => out.push_str(s.as_str()),
            v if v.is_nullish() => return Ok(Value::Null),
            v => {
                return Err(EngineError::location(
                    16702,
                    format!("$concat only supports strings, not {}", v.type_name()),
                ));
            }
        }
    }
    Ok(Value::str(out))
}

pub(super) fn to_lower(v: Value) -> Result<Value> {
    Ok(Value::str(coerce(&v)?.to_ascii_lowercase()))
}

pub(super) fn to_upper(v: Value) -> Result<Value> {
    Ok(Value::str(coerce(&v)?.to_ascii_uppercase()))
}

pub(super) fn strcasecmp(a: Value, b: Value) -> Result<Value> {
    let (a, b) = (
        coerce(&a)?.to_ascii_uppercase(),
        coerce(&b)?.to_ascii_uppercase(),
    );
    Ok(Value::Int32(match a.cmp(&b) {
        std::cmp::Ordering::Less => -1,
        std::cmp::Ordering::Equal => 0,
        std::cmp::Ordering::Greater => 1,
    }))
}

pub(super) fn len_bytes(v: Value) -> Result<Value> {
    match &v {
        Value::Str(s) => Ok(Value::Int32(num::len_i32(s.as_bytes().len()))),
        v => Err(wrong(34473, "$strLenBytes requires a string argument", v)),
    }
}

pub(super) fn len_cp(v: Value) -> Result<Value> {
    match &v {
        Value::Str(s) => Ok(Value::Int32(num::len_i32(s.as_str().chars().count()))),
        v => Err(wrong(34471, "$strLenCP requires a string argument", v)),
    }
}

pub(super) fn substr_bytes(args: Vec<Value>) -> Result<Value> {
    let [v, start, len] = three(&args);
    let text = coerce(v)?;
    let number = |v: &Value, code: i32, what: &str| {
        v.as_f64().map(num::f64_to_i64).ok_or_else(|| {
            EngineError::location(
                code,
                format!(
                    "$substrBytes:  {what} must be a numeric type (is BSON type {})",
                    v.type_name()
                ),
            )
        })
    };
    let start = number(start, 16034, "starting index")?;
    let len = number(len, 16035, "length")?;
    let start = usize::try_from(start).map_err(|_| {
        EngineError::location(50752, "$substrBytes:  starting index must be non-negative")
    })?;
    if start >= text.len() {
        return Ok(Value::str(""));
    }
    if !text.is_char_boundary(start) {
        return Err(EngineError::location(
            28656,
            "$substrBytes:  Invalid range, starting index is a UTF-8 continuation byte.",
        ));
    }
    let end = usize::try_from(len).map_or(text.len(), |n| start.saturating_add(n).min(text.len()));
    match text.get(start..end) {
        Some(part) => Ok(Value::str(part)),
        None => Err(EngineError::location(
            28657,
            "$substrBytes:  Invalid range, ending index is in the middle of a UTF-8 character.",
        )),
    }
}

fn three(args: &[Value]) -> [&Value; 3] {
    const MISSING: &Value = &Value::Missing;
    let mut it = args.iter();
    std::array::from_fn(|_| it.next().unwrap_or(MISSING))
}

pub(super) fn substr_cp(args: Vec<Value>) -> Result<Value> {
    let [v, start, len] = three(&args);
    let text = coerce(v)?;
    let index = |v: &Value, what: &str, numeric: i32, whole: i32, negative: i32| {
        if !v.is_number() {
            return Err(EngineError::location(
                numeric,
                format!(
                    "$substrCP: {what} must be a numeric type (is BSON type {})",
                    v.type_name()
                ),
            ));
        }
        let n = small(v).ok_or_else(|| {
            EngineError::location(
                whole,
                format!("$substrCP: {what} cannot be represented as a 32-bit integral value"),
            )
        })?;
        usize::try_from(n).map_err(|_| {
            EngineError::location(
                negative,
                format!("$substrCP: {what} must be a nonnegative integer"),
            )
        })
    };
    let start = index(start, "starting index", 34450, 34451, 34455)?;
    let len = index(len, "length", 34452, 34453, 34454)?;
    let part: String = text.chars().skip(start).take(len).collect();
    Ok(Value::str(part))
}

/// A whole number of 32 bits.
fn small(v: &Value) -> Option<i64> {
    integral(v).filter(|n| i32::try_from(*n).is_ok())
}

/// The bounds of a search: optional start and end.
pub(super) fn bounds(args: &[Value], name: &str) -> Result<(usize, Option<usize>)> {
    let bound = |at: usize, what: &str| match args.get(at) {
        None => Ok(None),
        Some(v) => {
            let n = small(v).ok_or_else(|| {
                EngineError::location(
                    40096,
                    format!(
                        "{name} requires an integral {what} index, found a value of type: {}",
                        v.type_name()
                    ),
                )
            })?;
            usize::try_from(n).map(Some).map_err(|_| {
                EngineError::location(
                    40097,
                    format!("{name} requires a nonnegative {what} index, found: {n}"),
                )
            })
        }
    };
    Ok((bound(2, "starting")?.unwrap_or(0), bound(3, "ending")?))
}

fn needle(args: &[Value], name: &str, codes: [i32; 2]) -> Result<Option<(String, String)>> {
    let [hay, needle, _] = three(args);
    if hay.is_nullish() {
        return Ok(None);
    }
    let h = hay.as_str().ok_or_else(|| {
        wrong(
            codes[0],
            &format!("{name} requires a string as the first argument"),
            hay,
        )
    })?;
    let n = needle.as_str().ok_or_else(|| {
        wrong(
            codes[1],
            &format!("{name} requires a string as the second argument"),
            needle,
        )
    })?;
    Ok(Some((h.to_owned(), n.to_owned())))
}

fn position(at: Option<usize>) -> Value {
    Value::Int32(at.map_or(-1, num::len_i32))
}

pub(super) fn index_of_bytes(args: Vec<Value>) -> Result<Value> {
    let Some((hay, needle)) = needle(&args, "$indexOfBytes", [40091, 40092])? else {
        return Ok(Value::Null);
    };
    let (start, end) = bounds(&args, "$indexOfBytes")?;
    let end = end.unwrap_or(hay.len()).min(hay.len());
    if start > end {
        return Ok(position(None));
    }
    let found = hay
        .as_bytes()
        .get(start..end)
        .and_then(|h| memchr::memmem::find(h, needle.as_bytes()));
    Ok(position(found.map(|i| i + start)))
}

pub(super) fn index_of_cp(args: Vec<Value>) -> Result<Value> {
    let Some((hay, needle)) = needle(&args, "$indexOfCP", [40093, 40094])? else {
        return Ok(Value::Null);
    };
    let (start, end) = bounds(&args, "$indexOfCP")?;
    let byte = |cp: usize| hay.char_indices().nth(cp).map_or(hay.len(), |(i, _)| i);
    let count = hay.chars().count();
    let end = end.unwrap_or(count).min(count);
    if start > end {
        return Ok(position(None));
    }
    let part = hay.get(byte(start)..byte(end)).unwrap_or_default();
    let found = part
        .find(&needle)
        .map(|i| part.get(..i).unwrap_or_default().chars().count() + start);
    Ok(position(found))
}

pub(super) fn split(text: Value, delimiter: Value) -> Result<Value> {
    if text.is_nullish() || delimiter.is_nullish() {
        return Ok(Value::Null);
    }
    let t = text.as_str().ok_or_else(|| {
        wrong(
            40085,
            "$split requires an expression that evaluates to a string as a first argument",
            &text,
        )
    })?;
    let d = delimiter.as_str().ok_or_else(|| {
        wrong(
            40086,
            "$split requires an expression that evaluates to a string as a second argument",
            &delimiter,
        )
    })?;
    if d.is_empty() {
        return Err(EngineError::location(
            40087,
            "$split requires a non-empty separator",
        ));
    }
    Ok(Value::array(t.split(d).map(Value::str).collect()))
}

/// Whitespace as `$trim` sees it.
fn blank(c: char) -> bool {
    matches!(c, '\0' | ' ' | '\t'..='\r' | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}')
}

fn trimmed(args: &[Value], left: bool, right: bool, name: &str) -> Result<Value> {
    let [text, chars, _] = three(args);
    if text.is_nullish() {
        return Ok(Value::Null);
    }
    let t = text.as_str().ok_or_else(|| {
        wrong(
            50699,
            &format!("{name} requires its input to be a string"),
            text,
        )
    })?;
    let set: Option<Vec<char>> = match args.get(1) {
        None => None,
        Some(c) if c.is_nullish() => return Ok(Value::Null),
        Some(_) => Some(
            chars
                .as_str()
                .ok_or_else(|| {
                    wrong(
                        50700,
                        &format!("{name} requires 'chars' to be a string"),
                        chars,
                    )
                })?
                .chars()
                .collect(),
        ),
    };
    let cut = |c: char| set.as_ref().map_or_else(|| blank(c), |s| s.contains(&c));
    let mut out = t;
    if left {
        out = out.trim_start_matches(cut);
    }
    if right {
        out = out.trim_end_matches(cut);
    }
    Ok(Value::str(out))
}

fn trim_both(args: Vec<Value>) -> Result<Value> {
    trimmed(&args, true, true, "$trim")
}

fn trim_left(args: Vec<Value>) -> Result<Value> {
    trimmed(&args, true, false, "$ltrim")
}

fn trim_right(args: Vec<Value>) -> Result<Value> {
    trimmed(&args, false, true, "$rtrim")
}

/// `$trim`, `$ltrim`, `$rtrim`.
pub(super) fn compile_trim(name: &str, argument: &Bson, cx: Context<'_>) -> Result<Expr> {
    let fields = Fields::new(name, argument, &["input", "chars"], 50696, 50694)?;
    let mut args = vec![fields.required("input", 50695, cx)?];
    args.extend(fields.optional("chars", cx)?);
    let f = match name {
        "$ltrim" => trim_left,
        "$rtrim" => trim_right,
        _ => trim_both,
    };
    cx.fold(Node::Nary(f, args.into()))
}

fn replace(args: &[Value], name: &str, all: bool) -> Result<Value> {
    let [input, find, with] = three(args);
    for (v, what, code) in [
        (input, "input", 51746),
        (find, "find", 51745),
        (with, "replacement", 51744),
    ] {
        if v.as_str().is_none() && !v.is_nullish() {
            return Err(wrong(
                code,
                &format!("{name} requires that '{what}' be a string"),
                v,
            ));
        }
    }
    let (Some(input), Some(find), Some(with)) = (input.as_str(), find.as_str(), with.as_str())
    else {
        return Ok(Value::Null);
    };
    Ok(Value::str(if all {
        input.replace(find, with)
    } else {
        input.replacen(find, with, 1)
    }))
}

fn replace_one(args: Vec<Value>) -> Result<Value> {
    replace(&args, "$replaceOne", false)
}

fn replace_all(args: Vec<Value>) -> Result<Value> {
    replace(&args, "$replaceAll", true)
}

/// `$replaceOne`, `$replaceAll`.
pub(super) fn compile_replace(name: &str, argument: &Bson, cx: Context<'_>) -> Result<Expr> {
    let fields = Fields::new(
        name,
        argument,
        &["input", "find", "replacement"],
        51751,
        51750,
    )?;
    let args = vec![
        fields.required("input", 51749, cx)?,
        fields.required("find", 51748, cx)?,
        fields.required("replacement", 51747, cx)?,
    ];
    let f = if name == "$replaceAll" {
        replace_all
    } else {
        replace_one
    };
    cx.fold(Node::Nary(f, args.into()))
}

pub(super) fn binary_size(v: Value) -> Result<Value> {
    match &v {
        Value::Str(s) => Ok(Value::Int32(num::len_i32(s.as_bytes().len()))),
        Value::Binary(_, b) => Ok(Value::Int32(num::len_i32(b.as_slice().len()))),
        v if v.is_nullish() => Ok(Value::Null),
        v => Err(wrong(
            51276,
            "$binarySize requires a string or BinData argument",
            v,
        )),
    }
}
