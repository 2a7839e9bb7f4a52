//! `$add`, `$subtract`, `$multiply`, `$divide`, `$mod`: promotion int, long, double, decimal; integers that overflow
//! widen.
use super::Result;
use crate::memory::decimal;
use crate::memory::error::{Code, EngineError};
use crate::memory::value::{Decimal, Value, ValueRef, num};

/// Any number as a decimal, doubles with 15 digits.
pub(crate) fn to_decimal(v: &Value) -> Decimal {
    match v {
        Value::Int32(n) => Decimal::from_i64(i64::from(*n)),
        Value::Int64(n) => Decimal::from_i64(*n),
        Value::Double(x) => decimal::from_f64(*x),
        Value::Decimal(d) => *d,
        _ => Decimal::NAN,
    }
}

pub(crate) fn to_double(v: &Value) -> f64 {
    v.as_f64().unwrap_or(f64::NAN)
}

fn long(v: &Value) -> Option<i64> {
    match v {
        Value::Int32(n) => Some(i64::from(*n)),
        Value::Int64(n) => Some(*n),
        _ => None,
    }
}

/// The milliseconds of a date, of a timestamp or of an ObjectId's creation.
pub(crate) fn coerce_date(v: ValueRef<'_>) -> Option<i64> {
    match v {
        ValueRef::Date(ms) => Some(ms),
        ValueRef::Timestamp(t) => i64::try_from(t >> 32).ok()?.checked_mul(1000),
        ValueRef::ObjectId([a, b, c, d, ..]) => {
            Some(i64::from(u32::from_be_bytes([a, b, c, d])) * 1000)
        }
        _ => None,
    }
}

fn overflow(what: &str) -> EngineError {
    EngineError::new(Code::Overflow, format!("date overflow in {what}"))
}

/// The sum of two values, as `$add` gives it.
///
/// # Errors
/// `TypeMismatch`; 16612 for two dates; `Overflow`.
pub fn add(a: &Value, b: &Value) -> Result<Value> {
    match (a, b) {
        (Value::Int32(x), Value::Int32(y)) => Ok(Value::int(i64::from(*x) + i64::from(*y))),
        (Value::Double(x), Value::Double(y)) => Ok(Value::Double(x + y)),
        _ => add_all([a, b].into_iter()),
    }
}

pub(super) fn add_two(a: Value, b: Value) -> Result<Value> {
    add(&a, &b)
}

pub(super) fn add_many(args: Vec<Value>) -> Result<Value> {
    add_all(args.iter())
}

/// A sum that widens as its operands do: integers in 64 bits, then plain doubles, then decimals.
enum Total {
    Integer(i64, bool),
    Double(f64),
    Decimal(Decimal),
    Date(i64),
}

impl Total {
    fn value(&self) -> Value {
        match self {
            Self::Integer(n, false) => Value::int(*n),
            Self::Integer(n, true) => Value::Int64(*n),
            Self::Double(x) => Value::Double(*x),
            Self::Decimal(d) => Value::Decimal(*d),
            Self::Date(ms) => Value::Date(*ms),
        }
    }

    fn add(self, v: &Value) -> Result<Self> {
        Ok(match (self, v) {
            (Self::Date(_), Value::Date(_)) => {
                return Err(EngineError::location(
                    16612,
                    "only one date allowed in an $add expression",
                ));
            }
            (Self::Date(ms), v) => Self::Date(
                whole_millis(v)
                    .and_then(|n| ms.checked_add(n))
                    .ok_or_else(|| overflow("$add"))?,
            ),
            (total, Value::Date(ms)) => Self::Date(
                whole_millis(&total.value())
                    .and_then(|n| ms.checked_add(n))
                    .ok_or_else(|| overflow("$add"))?,
            ),
            (Self::Decimal(d), v) => Self::Decimal(decimal::add(d, to_decimal(v))),
            (total, Value::Decimal(d)) => {
                Self::Decimal(decimal::add(to_decimal(&total.value()), *d))
            }
            (Self::Double(x), v) => Self::Double(x + to_double(v)),
            (Self::Integer(n, _), Value::Double(x)) => Self::Double(num::i64_to_f64(n) + x),
            (Self::Integer(n, wide), v) => {
                let m = long(v).unwrap_or(0);
                match n.checked_add(m) {
                    Some(sum) => Self::Integer(sum, wide || matches!(v, Value::Int64(_))),
                    None => Self::Double(num::i64_to_f64(n) + num::i64_to_f64(m)),
                }
            }
        })
    }
}

/// A number rounded to whole milliseconds, halves away from zero.
fn whole_millis(v: &Value) -> Option<i64> {
    match v {
        Value::Double(x) => num::exact_i64(x.round()),
        Value::Decimal(d) => decimal::to_integral(*d, decimal::Rounding::HalfEven).exact_i64(),
        other => other.as_i64(),
    }
}

fn add_all<'v>(args: impl Iterator<Item = &'v Value>) -> Result<Value> {
    let mut total = Total::Integer(0, false);
    for v in args {
        if v.is_nullish() {
            return Ok(Value::Null);
        }
        if !v.is_number() && !matches!(v, Value::Date(_)) {
            return Err(EngineError::type_mismatch(format!(
                "$add only supports numeric or date types, not {}",
                v.type_name()
            )));
        }
        total = total.add(v)?;
    }
    Ok(total.value())
}

/// The difference, as `$subtract` gives it.
///
/// # Errors
/// `TypeMismatch`, `Overflow`.
pub fn sub(a: &Value, b: &Value) -> Result<Value> {
    if a.is_nullish() || b.is_nullish() {
        return Ok(Value::Null);
    }
    match (a, b) {
        (Value::Date(x), Value::Date(y)) => {
            let d = x.checked_sub(*y).ok_or_else(|| overflow("$subtract"))?;
            return Ok(Value::Int64(d));
        }
        (Value::Date(x), y) if y.is_number() => {
            // Unlike `$add`, which rounds, this cuts a double.
            let y = match y {
                Value::Double(y) => num::exact_i64(y.trunc()),
                y => whole_millis(y),
            };
            let d = y.and_then(|y| x.checked_sub(y));
            return Ok(Value::Date(d.ok_or_else(|| overflow("$subtract"))?));
        }
        _ => {}
    }
    if !a.is_number() || !b.is_number() {
        return Err(EngineError::type_mismatch(format!(
            "can't $subtract {} from {}",
            b.type_name(),
            a.type_name()
        )));
    }
    Ok(match (a, b) {
        (Value::Decimal(_), _) | (_, Value::Decimal(_)) => {
            Value::Decimal(decimal::sub(to_decimal(a), to_decimal(b)))
        }
        (Value::Int32(x), Value::Int32(y)) => Value::int(i64::from(*x) - i64::from(*y)),
        _ => match (long(a), long(b)) {
            (Some(x), Some(y)) => match x.checked_sub(y) {
                Some(d) => Value::Int64(d),
                None => Value::Double(num::i64_to_f64(x) - num::i64_to_f64(y)),
            },
            _ => Value::Double(to_double(a) - to_double(b)),
        },
    })
}

pub(super) fn subtract(a: Value, b: Value) -> Result<Value> {
    sub(&a, &b)
}

/// The product, as `$multiply` gives it.
///
/// # Errors
/// `TypeMismatch`.
pub fn mul(a: &Value, b: &Value) -> Result<Value> {
    for v in [a, b] {
        if v.is_nullish() {
            return Ok(Value::Null);
        }
        if !v.is_number() {
            return Err(EngineError::type_mismatch(format!(
                "$multiply only supports numeric types, not {}",
                v.type_name()
            )));
        }
    }
    Ok(match (a, b) {
        (Value::Decimal(_), _) | (_, Value::Decimal(_)) => {
            Value::Decimal(decimal::mul(to_decimal(a), to_decimal(b)))
        }
        (Value::Int32(x), Value::Int32(y)) => Value::int(i64::from(*x) * i64::from(*y)),
        _ => match (long(a), long(b)) {
            (Some(x), Some(y)) => match x.checked_mul(y) {
                Some(p) => Value::Int64(p),
                None => Value::Double(num::i64_to_f64(x) * num::i64_to_f64(y)),
            },
            _ => Value::Double(to_double(a) * to_double(b)),
        },
    })
}

pub(super) fn multiply_two(a: Value, b: Value) -> Result<Value> {
    mul(&a, &b)
}

pub(super) fn multiply_many(args: Vec<Value>) -> Result<Value> {
    let mut product = Value::Int32(1);
    // Once integers overflow, the product of the operands as doubles counts.
    let mut double = 1.0;
    for v in &args {
        let exact = mul(&product, v)?;
        double *= v.as_f64().unwrap_or(f64::NAN);
        product = match exact {
            Value::Null => return Ok(Value::Null),
            Value::Double(_) => Value::Double(double),
            other => other,
        };
    }
    Ok(product)
}

/// The quotient, as `$divide` gives it.
pub(crate) fn quotient(a: Value, b: Value) -> Result<Value> {
    divide(a, b)
}

pub(super) fn divide(a: Value, b: Value) -> Result<Value> {
    if a.is_nullish() || b.is_nullish() {
        return Ok(Value::Null);
    }
    if !a.is_number() || !b.is_number() {
        return Err(EngineError::type_mismatch(format!(
            "$divide only supports numeric types, not {} and {}",
            a.type_name(),
            b.type_name()
        )));
    }
    let by_zero = || EngineError::bad_value("can't $divide by zero");
    if matches!(a, Value::Decimal(_)) || matches!(b, Value::Decimal(_)) {
        let (x, y) = (to_decimal(&a), to_decimal(&b));
        if y.is_zero() {
            return Err(by_zero());
        }
        return Ok(Value::Decimal(decimal::div(x, y)));
    }
    let (x, y) = (to_double(&a), to_double(&b));
    if y == 0.0 {
        return Err(by_zero());
    }
    Ok(Value::Double(x / y))
}

pub(super) fn modulo(a: Value, b: Value) -> Result<Value> {
    if a.is_nullish() || b.is_nullish() {
        return Ok(Value::Null);
    }
    if !a.is_number() || !b.is_number() {
        return Err(EngineError::location(
            16611,
            format!(
                "$mod only supports numeric types, not {} and {}",
                a.type_name(),
                b.type_name()
            ),
        ));
    }
    let by_zero = || EngineError::location(16610, "can't $mod by zero");
    // Beside an integer, a double that is a whole 32-bit number counts as an int.
    let small = match (&a, &b) {
        (Value::Int32(_) | Value::Int64(_), Value::Double(y)) => {
            num::exact_i64(*y).and_then(|n| i32::try_from(n).ok())
        }
        _ => None,
    };
    let b = small.map_or(b, Value::Int32);
    if matches!(a, Value::Decimal(_)) || matches!(b, Value::Decimal(_)) {
        let (x, y) = (to_decimal(&a), to_decimal(&b));
        if y.is_zero() {
            return Err(EngineError::location(5_733_415, "can't $mod by zero"));
        }
        return Ok(Value::Decimal(decimal::rem(x, y)));
    }
    Ok(match (&a, &b) {
        (Value::Int32(_), Value::Int32(0)) => return Err(by_zero()),
        (Value::Int32(x), Value::Int32(y)) => Value::Int32(x.checked_rem(*y).unwrap_or(0)),
        _ => match (long(&a), long(&b)) {
            (Some(_), Some(0)) => return Err(by_zero()),
            (Some(x), Some(y)) => Value::Int64(x.checked_rem(y).unwrap_or(0)),
            _ => {
                let y = to_double(&b);
                if y == 0.0 {
                    return Err(by_zero());
                }
                Value::Double(to_double(&a) % y)
            }
        },
    })
}

/// `$bitAnd`, `$bitOr`, `$bitXor` over ints and longs.
fn bits(args: &[Value], name: &str, start: i64, f: fn(i64, i64) -> i64) -> Result<Value> {
    let (mut total, mut wide) = (start, false);
    for v in args {
        match v {
            Value::Int32(n) => total = f(total, i64::from(*n)),
            Value::Int64(n) => {
                wide = true;
                total = f(total, *n);
            }
            v if v.is_nullish() => return Ok(Value::Null),
            v => {
                return Err(EngineError::type_mismatch(format!(
                    "{name} only supports int and long operands, not {}",
                    v.type_name()
                )));
            }
        }
    }
    Ok(if wide {
        Value::Int64(total)
    } else {
        Value::int(total)
    })
}

pub(super) fn bit_and(args: Vec<Value>) -> Result<Value> {
    bits(&args, "$bitAnd", -1, |a, b| a & b)
}

pub(super) fn bit_or(args: Vec<Value>) -> Result<Value> {
    bits(&args, "$bitOr", 0, |a, b| a | b)
}

pub(super) fn bit_xor(args: Vec<Value>) -> Result<Value> {
    bits(&args, "$bitXor", 0, |a, b| a ^ b)
}

pub(super) fn bit_not(v: Value) -> Result<Value> {
    match v {
        Value::Int32(n) => Ok(Value::Int32(!n)),
        Value::Int64(n) => Ok(Value::Int64(!n)),
        v if v.is_nullish() => Ok(Value::Null),
        v if v.is_number() => Err(EngineError::type_mismatch(format!(
            "$bitNot only supports int and long, not: {}.",
            v.type_name()
        ))),
        v => Err(EngineError::location(
            28765,
            format!("$bitNot only supports numeric types, not {}", v.type_name()),
        )),
    }
}
