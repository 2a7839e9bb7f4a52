//! The arithmetic of `$inc`, `$mul` and `$bit`: as in expressions, but longs do not overflow into doubles.
use crate::memory::error::EngineError;
use crate::memory::expr::arith;
use crate::memory::value::Value;

fn whole(v: &Value) -> Option<i64> {
    match v {
        Value::Int32(n) => Some(i64::from(*n)),
        Value::Int64(n) => Some(*n),
        _ => None,
    }
}

fn integers(
    a: &Value,
    b: &Value,
    name: &str,
    f: fn(i64, i64) -> Option<i64>,
) -> Option<Result<Value, EngineError>> {
    let (x, y) = (whole(a)?, whole(b)?);
    let both_int = matches!((a, b), (Value::Int32(_), Value::Int32(_)));
    Some(match f(x, y) {
        Some(n) if both_int => Ok(Value::int(n)),
        Some(n) => Ok(Value::Int64(n)),
        None => Err(EngineError::bad_value(format!(
            "Failed to apply {name} operations to current value ({a:?}): overflow"
        ))),
    })
}

/// `$inc`.
pub fn add(a: &Value, b: &Value) -> Result<Value, EngineError> {
    integers(a, b, "$inc", i64::checked_add).unwrap_or_else(|| arith::add(a, b))
}

/// `$mul`.
pub fn multiply(a: &Value, b: &Value) -> Result<Value, EngineError> {
    integers(a, b, "$mul", i64::checked_mul).unwrap_or_else(|| arith::mul(a, b))
}

/// `$bit` with one operation.
pub fn bit(a: &Value, b: &Value, f: fn(i64, i64) -> i64) -> Option<Value> {
    let (x, y) = (whole(a)?, whole(b)?);
    let n = f(x, y);
    Some(match (a, b) {
        (Value::Int32(_), Value::Int32(_)) => Value::int(n),
        _ => Value::Int64(n),
    })
}
