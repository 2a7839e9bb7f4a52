//! Arrays: elements, slices, ranges, conversions to and from objects.
use super::Result;
use super::math::integral;
use crate::memory::error::{Code, EngineError};
use crate::memory::value::{Array, DocBuilder, Str, Value, ValueRef, num};

fn wrong(code: i32, what: &str, v: &Value) -> EngineError {
    EngineError::location(
        code,
        format!("{what} must be an array, but is {}", v.type_name()),
    )
}

fn at(a: &Array, i: i64) -> Value {
    let index = if i < 0 {
        num::len_i64(a.len()).saturating_add(i)
    } else {
        i
    };
    usize::try_from(index).map_or(Value::Missing, |i| a.get(i))
}

pub(super) fn element_at(v: Value, index: Value) -> Result<Value> {
    if v.is_nullish() || index.is_nullish() {
        return Ok(Value::Null);
    }
    let a = v
        .as_array()
        .ok_or_else(|| wrong(28689, "$arrayElemAt's first argument", &v))?;
    if !index.is_number() {
        return Err(EngineError::location(
            28690,
            format!(
                "$arrayElemAt's second argument must be a numeric value, but is {}",
                index.type_name()
            ),
        ));
    }
    let i = integral(&index)
        .filter(|i| i32::try_from(*i).is_ok())
        .ok_or_else(|| {
            EngineError::location(
                28691,
                "$arrayElemAt's second argument must be representable as a 32-bit integer",
            )
        })?;
    Ok(at(a, i))
}

fn end(v: &Value, i: i64, name: &str) -> Result<Value> {
    if v.is_nullish() {
        return Ok(Value::Null);
    }
    let a = v
        .as_array()
        .ok_or_else(|| wrong(28689, &format!("{name}'s argument"), v))?;
    Ok(at(a, i))
}

pub(super) fn first(v: Value) -> Result<Value> {
    end(&v, 0, "$first")
}

pub(super) fn last(v: Value) -> Result<Value> {
    end(&v, -1, "$last")
}

pub(super) fn concat_arrays(args: Vec<Value>) -> Result<Value> {
    let mut out = Vec::new();
    for v in &args {
        if v.is_nullish() {
            return Ok(Value::Null);
        }
        let a = v.as_array().ok_or_else(|| {
            EngineError::location(
                28664,
                format!("$concatArrays only supports arrays, not {}", v.type_name()),
            )
        })?;
        out.extend(a.iter().map(ValueRef::to_value));
    }
    Ok(Value::array(out))
}

pub(super) fn is_array(v: Value) -> Result<Value> {
    Ok(Value::Bool(v.as_array().is_some()))
}

pub(super) fn size(v: Value) -> Result<Value> {
    let a = v.as_array().ok_or_else(|| {
        EngineError::location(
            17124,
            format!(
                "The argument to $size must be an array, but was of type: {}",
                v.type_name()
            ),
        )
    })?;
    Ok(Value::Int32(num::len_i32(a.len())))
}

pub(super) fn reverse(v: Value) -> Result<Value> {
    if v.is_nullish() {
        return Ok(Value::Null);
    }
    match v {
        Value::Array(a) => {
            let mut items = a.into_vec();
            items.reverse();
            Ok(Value::array(items))
        }
        v => Err(EngineError::location(
            34435,
            format!(
                "The argument to $reverseArray must be an array, but was of type: {}",
                v.type_name()
            ),
        )),
    }
}

/// The most elements that `$range` makes (what fits the memory limit of 100 MB).
const MAX_RANGE: i64 = 6_553_598;

pub(super) fn range(args: Vec<Value>) -> Result<Value> {
    let int = |i: usize, what: &str, numeric: i32, whole: i32| -> Result<i64> {
        let v = args.get(i).unwrap_or(&Value::Missing);
        if !v.is_number() {
            return Err(EngineError::location(
                numeric,
                format!(
                    "$range requires a numeric {what} value, found value of type: {}",
                    v.type_name()
                ),
            ));
        }
        integral(v)
            .filter(|n| i32::try_from(*n).is_ok())
            .ok_or_else(|| {
                EngineError::location(
                    whole,
                    format!(
                        "$range requires a {what} value that can be represented as a 32-bit integer"
                    ),
                )
            })
    };
    let start = int(0, "starting", 34443, 34444)?;
    let end = int(1, "ending", 34445, 34446)?;
    let step = if args.len() > 2 {
        int(2, "step", 34447, 34448)?
    } else {
        1
    };
    if step == 0 {
        return Err(EngineError::location(
            34449,
            "$range requires a non-zero step value",
        ));
    }
    let count = if (step > 0) == (end > start) {
        (end - start).abs().div_ceil_by(step.abs())
    } else {
        0
    };
    if count > MAX_RANGE {
        return Err(EngineError::new(
            Code::ExceededMemoryLimit,
            "$range would use too much memory and cannot spill",
        ));
    }
    Ok(Value::array(
        (0..count).map(|i| Value::int(start + i * step)).collect(),
    ))
}

trait DivCeil {
    fn div_ceil_by(self, d: i64) -> i64;
}

impl DivCeil for i64 {
    fn div_ceil_by(self, d: i64) -> i64 {
        (self + d - 1) / d
    }
}

pub(super) fn slice(args: Vec<Value>) -> Result<Value> {
    let v = args.first().unwrap_or(&Value::Missing);
    let second = args.get(1).unwrap_or(&Value::Missing);
    if v.is_nullish() || second.is_nullish() || args.get(2).is_some_and(Value::is_nullish) {
        return Ok(Value::Null);
    }
    let a = v
        .as_array()
        .ok_or_else(|| wrong(28724, "First argument to $slice", v))?;
    let int = |v: &Value, numeric: i32, whole: i32, what: &str| {
        if !v.is_number() {
            return Err(EngineError::location(
                numeric,
                format!(
                    "{what} argument to $slice must be a numeric value, but is of type: {}",
                    v.type_name()
                ),
            ));
        }
        integral(v)
            .filter(|n| i32::try_from(*n).is_ok())
            .ok_or_else(|| {
                EngineError::location(
                    whole,
                    format!("{what} argument to $slice can't be represented as a 32-bit integer"),
                )
            })
    };
    let n = int(second, 28725, 28726, "Second")?;
    let len = num::len_i64(a.len());
    let (start, count) = match args.get(2) {
        None if n >= 0 => (0, n),
        None => ((len + n).max(0), len),
        Some(third) => {
            let count = int(third, 28727, 28728, "Third")?;
            if count <= 0 {
                return Err(EngineError::location(
                    28729,
                    "Third argument to $slice must be positive",
                ));
            }
            (if n < 0 { (len + n).max(0) } else { n }, count)
        }
    };
    let (start, count) = (
        usize::try_from(start).unwrap_or(0),
        usize::try_from(count).unwrap_or(0),
    );
    if start == 0 && count >= a.len() {
        return Ok(v.clone());
    }
    Ok(Value::array(
        a.iter()
            .skip(start)
            .take(count)
            .map(ValueRef::to_value)
            .collect(),
    ))
}

pub(super) fn object_to_array(v: Value) -> Result<Value> {
    if v.is_nullish() {
        return Ok(Value::Null);
    }
    let d = v.as_document().ok_or_else(|| {
        EngineError::location(
            40390,
            format!(
                "$objectToArray requires a document input, found: {}",
                v.type_name()
            ),
        )
    })?;
    let pairs = d.iter().map(|(k, item)| {
        let mut pair = DocBuilder::new();
        pair.push("k", Value::Str(k.to_str()));
        pair.push("v", item.to_value());
        pair.value()
    });
    Ok(Value::array(pairs.collect()))
}

pub(super) fn array_to_object(v: Value) -> Result<Value> {
    if v.is_nullish() {
        return Ok(Value::Null);
    }
    let a = v.as_array().ok_or_else(|| {
        EngineError::location(
            40386,
            format!(
                "$arrayToObject requires an array input, found: {}",
                v.type_name()
            ),
        )
    })?;
    let mut out = DocBuilder::new();
    let mut pairs: Option<bool> = None;
    for item in a.iter() {
        let is_pair = match item {
            ValueRef::Array(_) => true,
            ValueRef::Document(_) => false,
            other => {
                return Err(EngineError::location(
                    40398,
                    format!(
                        "Unrecognised input type format for $arrayToObject: {}",
                        other.type_name()
                    ),
                ));
            }
        };
        if *pairs.get_or_insert(is_pair) != is_pair {
            return Err(EngineError::location(
                if is_pair { 40391 } else { 40396 },
                "$arrayToObject requires a consistent input format",
            ));
        }
        let (key, value) = pair(item)?;
        out.set(key, value);
    }
    Ok(out.value())
}

fn pair(item: ValueRef<'_>) -> Result<(Str, Value)> {
    let (key, value, code) = match item {
        ValueRef::Array(p) => {
            if p.len() != 2 {
                return Err(EngineError::location(
                    40397,
                    format!(
                        "$arrayToObject requires an array of size 2 arrays,found array of size: {}",
                        p.len()
                    ),
                ));
            }
            (p.get(0), p.get(1), 40395)
        }
        ValueRef::Document(d) => {
            if d.len() != 2 {
                return Err(EngineError::location(
                    40392,
                    format!(
                        "$arrayToObject requires an object keys of 'k' and 'v'. Found incorrect number of keys:{}",
                        d.len()
                    ),
                ));
            }
            let (key, value) = (d.get("k"), d.get("v"));
            if matches!(key, ValueRef::Missing) || matches!(value, ValueRef::Missing) {
                return Err(EngineError::location(
                    40393,
                    "$arrayToObject requires an object with keys 'k' and 'v'.",
                ));
            }
            (key, value, 40394)
        }
        _ => (ValueRef::Missing, ValueRef::Missing, 40398),
    };
    match key {
        ValueRef::Str(s) if !s.as_bytes().contains(&0) => Ok((s.to_str(), value.to_value())),
        ValueRef::Str(_) => Err(EngineError::location(
            4_940_400,
            "Key field cannot contain an embedded null byte",
        )),
        other => Err(EngineError::location(
            code,
            format!(
                "$arrayToObject requires keys of type string, found: {}",
                other.type_name()
            ),
        )),
    }
}
