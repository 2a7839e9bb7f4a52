//! Arithmetic and comparison of literals as Python does them.

use std::cmp::Ordering;

use jiff::{Span as Interval, Timestamp, Unit};

use super::value::{Py, refuse, type_error, value_error};
use crate::error::{Code, Error, Result};
use crate::queryset::{AwareDateTime, Value};
use crate::text::syntax::{BinaryOp, CompareOp};

/// Longest text that operators make.
pub(super) const MAX_TEXT: usize = 1 << 20;

pub(super) fn number(value: &Value) -> Option<Number> {
    Some(match value {
        Value::Int(i) => Number::Int(*i),
        Value::Bool(b) => Number::Int(i128::from(*b)),
        Value::Float(f) => Number::Float(*f),
        _ => return None,
    })
}

#[derive(Clone, Copy)]
pub(super) enum Number {
    Int(i128),
    Float(f64),
}

impl Number {
    fn float(self) -> f64 {
        match self {
            #[allow(clippy::cast_precision_loss)] // Python's own conversion of operands
            Number::Int(i) => i as f64,
            Number::Float(f) => f,
        }
    }
}

/// An operator on two scalars; `None` where Python has none.
pub(super) fn scalar(op: BinaryOp, a: &Value, b: &Value) -> Option<Result<Value>> {
    use BinaryOp as B;
    if let (Some(x), Some(y)) = (number(a), number(b)) {
        return numbers(op, x, y);
    }
    Some(match (op, a, b) {
        (B::Add, Value::Str(x), Value::Str(y)) => bounded(x.len() + y.len(), || format!("{x}{y}")),
        (B::Mul, Value::Str(x), Value::Int(n)) | (B::Mul, Value::Int(n), Value::Str(x)) => {
            let n = usize::try_from((*n).max(0)).unwrap_or(usize::MAX);
            bounded(x.len().saturating_mul(n), || x.repeat(n))
        }
        (B::Add, Value::Duration(x), Value::Duration(y)) => {
            x.checked_add(*y).map(Value::Duration).ok_or_else(too_large)
        }
        (B::Sub, Value::Duration(x), Value::Duration(y)) => {
            x.checked_sub(*y).map(Value::Duration).ok_or_else(too_large)
        }
        (B::Mul, Value::Duration(x), Value::Int(n))
        | (B::Mul, Value::Int(n), Value::Duration(x)) => i64::try_from(*n)
            .ok()
            .and_then(|n| x.checked_mul(n))
            .map(Value::Duration)
            .ok_or_else(too_large),
        (B::Div, Value::Duration(x), Value::Int(n))
        | (B::FloorDiv, Value::Duration(x), Value::Int(n)) => i64::try_from(*n)
            .ok()
            .filter(|n| *n != 0)
            .and_then(|n| x.checked_div_euclid(n))
            .map(Value::Duration)
            .ok_or_else(|| value_error("the division has no result")),
        (B::Add, Value::Duration(d), moment) | (B::Add, moment, Value::Duration(d)) => {
            return shift(moment, *d);
        }
        (B::Sub, moment, Value::Duration(d)) => return shift(moment, d.checked_neg()?),
        (B::Sub, Value::Date(x), Value::Date(y)) => {
            let days = y.until((Unit::Day, *x)).ok()?.get_days();
            Ok(Value::Duration(i64::from(days) * 86_400_000_000))
        }
        (B::Sub, Value::NaiveDateTime(x), Value::NaiveDateTime(y)) => {
            let micros = y.duration_until(*x).as_micros();
            i64::try_from(micros)
                .map(Value::Duration)
                .map_err(|_| too_large())
        }
        (B::Sub, Value::DateTime(x), Value::DateTime(y)) => {
            let micros = y.instant.duration_until(x.instant).as_micros();
            i64::try_from(micros)
                .map(Value::Duration)
                .map_err(|_| too_large())
        }
        _ => return None,
    })
}

pub(super) fn numbers(op: BinaryOp, x: Number, y: Number) -> Option<Result<Value>> {
    use BinaryOp as B;
    let zero = || value_error("division by zero");
    if let (Number::Int(x), Number::Int(y)) = (x, y) {
        let integer = |r: Option<i128>| Some(r.map(Value::Int).ok_or_else(too_large));
        return match op {
            B::Add => integer(x.checked_add(y)),
            B::Sub => integer(x.checked_sub(y)),
            B::Mul => integer(x.checked_mul(y)),
            B::FloorDiv if y == 0 => Some(Err(zero())),
            B::Mod if y == 0 => Some(Err(zero())),
            // Python rounds to minus infinity.
            B::FloorDiv => integer(x.checked_div(y).and_then(|q| {
                let exact = q.checked_mul(y)? == x;
                if exact || (x < 0) == (y < 0) {
                    Some(q)
                } else {
                    q.checked_sub(1)
                }
            })),
            B::Mod => integer(x.checked_rem(y).map(|r| {
                if r != 0 && (r < 0) != (y < 0) {
                    r + y
                } else {
                    r
                }
            })),
            B::Or => integer(Some(x | y)),
            B::And => integer(Some(x & y)),
            B::Xor => integer(Some(x ^ y)),
            B::ShiftLeft => integer(
                u32::try_from(y)
                    .ok()
                    .filter(|n| *n < 126)
                    .and_then(|n| x.checked_mul(1i128 << n)),
            ),
            B::ShiftRight => integer(u32::try_from(y).ok().map(|n| x >> n.min(127))),
            B::Pow if y >= 0 => integer(u32::try_from(y).ok().and_then(|n| x.checked_pow(n))),
            B::Pow => Some(Ok(Value::Float(
                Number::Int(x).float().powf(Number::Int(y).float()),
            ))),
            B::Div if y == 0 => Some(Err(zero())),
            B::Div => Some(Ok(Value::Float(
                Number::Int(x).float() / Number::Int(y).float(),
            ))),
            B::MatMul => None,
        };
    }
    let (x, y) = (x.float(), y.float());
    let result = match op {
        B::Add => x + y,
        B::Sub => x - y,
        B::Mul => x * y,
        B::Div | B::FloorDiv | B::Mod if y == 0.0 => return Some(Err(zero())),
        B::Div => x / y,
        B::FloorDiv => (x / y).floor(),
        B::Mod => x - y * (x / y).floor(),
        B::Pow => x.powf(y),
        _ => return None,
    };
    Some(Ok(Value::Float(result)))
}

pub(super) fn bounded(length: usize, make: impl FnOnce() -> String) -> Result<Value> {
    if length > MAX_TEXT {
        return Err(refuse(Code::Limit, "the string is too long"));
    }
    Ok(Value::Str(make()))
}

/// A date or datetime, some microseconds later.
pub(super) fn shift(moment: &Value, micros: i64) -> Option<Result<Value>> {
    let interval = Interval::new().try_microseconds(micros).ok()?;
    let range = || value_error("date value out of range");
    Some(match moment {
        // A date only counts the whole days, rounded down.
        Value::Date(date) => {
            let days = Interval::new()
                .try_days(micros.div_euclid(86_400_000_000))
                .ok()?;
            date.checked_add(days).map(Value::Date).map_err(|_| range())
        }
        Value::NaiveDateTime(datetime) => datetime
            .checked_add(interval)
            .map(Value::NaiveDateTime)
            .map_err(|_| range()),
        Value::DateTime(AwareDateTime { instant, offset }) => add(*instant, micros)
            .map(|instant| {
                Value::DateTime(AwareDateTime {
                    instant,
                    offset: *offset,
                })
            })
            .ok_or_else(range),
        _ => return None,
    })
}

pub(super) fn add(instant: Timestamp, micros: i64) -> Option<Timestamp> {
    instant
        .checked_add(jiff::SignedDuration::from_micros(micros))
        .ok()
}

/// `"%s" % value` for the plain conversions.
pub(super) fn format_text(format: &str, values: &Py) -> Result<Py> {
    let single = [values.clone()];
    let values = match values {
        Py::Tuple(items) => items.as_slice(),
        _ => &single,
    };
    let mut values = values.iter();
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('%') => out.push('%'),
            Some('s' | 'd') => {
                let value = values
                    .next()
                    .ok_or_else(|| type_error("not enough arguments for format string"))?;
                out.push_str(&super::strings::text_of(value)?);
            }
            _ => {
                return Err(refuse(Code::Python, "only %s and %d are formatted here")
                    .with_hint("write the string itself"));
            }
        }
        if out.len() > MAX_TEXT {
            return Err(refuse(Code::Limit, "the string is too long"));
        }
    }
    if values.next().is_some() {
        return Err(type_error(
            "not all arguments converted during string formatting",
        ));
    }
    Ok(Py::str(out))
}

/// A comparison of literals; `None` where only the database can tell.
pub(super) fn compare(op: CompareOp, left: &Py, right: &Py) -> Option<bool> {
    let identical = || match (left, right) {
        (Py::Value(Value::Null), other) | (other, Py::Value(Value::Null)) => Some(other.is_none()),
        (Py::Value(Value::Bool(a)), Py::Value(Value::Bool(b))) => Some(a == b),
        _ => None,
    };
    Some(match op {
        CompareOp::Is => identical()?,
        CompareOp::IsNot => !identical()?,
        CompareOp::In | CompareOp::NotIn => {
            let found = match (left.as_str(), right.as_str()) {
                (Some(part), Some(text)) => text.contains(part),
                _ => {
                    let mut found = false;
                    for item in right.items()? {
                        found |= equal(left, item)?;
                    }
                    found
                }
            };
            found == (op == CompareOp::In)
        }
        CompareOp::Eq => equal(left, right)?,
        CompareOp::Ne => !equal(left, right)?,
        CompareOp::Lt => order(left, right)? == Ordering::Less,
        CompareOp::Le => order(left, right)? != Ordering::Greater,
        CompareOp::Gt => order(left, right)? == Ordering::Greater,
        CompareOp::Ge => order(left, right)? != Ordering::Less,
    })
}

pub(super) fn equal(left: &Py, right: &Py) -> Option<bool> {
    if let Some(order) = order(left, right) {
        return Some(order == Ordering::Equal);
    }
    Some(left.literal()? == right.literal()?)
}

/// The order of two literals of one kind.
pub(super) fn order(left: &Py, right: &Py) -> Option<Ordering> {
    let (Py::Value(a), Py::Value(b)) = (left, right) else {
        return None;
    };
    match (a, b) {
        (Value::Str(a), Value::Str(b)) => Some(a.cmp(b)),
        (Value::Date(a), Value::Date(b)) => Some(a.cmp(b)),
        (Value::NaiveDateTime(a), Value::NaiveDateTime(b)) => Some(a.cmp(b)),
        (Value::DateTime(a), Value::DateTime(b)) => Some(a.instant.cmp(&b.instant)),
        (Value::Time(a), Value::Time(b)) => Some(a.cmp(b)),
        (Value::Duration(a), Value::Duration(b)) => Some(a.cmp(b)),
        _ => match (number(a)?, number(b)?) {
            (Number::Int(a), Number::Int(b)) => Some(a.cmp(&b)),
            (a, b) => a.float().partial_cmp(&b.float()),
        },
    }
}

pub(super) fn too_large() -> Error {
    refuse(Code::Limit, "the number is too large")
}
