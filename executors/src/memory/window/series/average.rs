//! `$expMovingAvg`.
use super::Result;
use crate::memory::expr::arith;
use crate::memory::value::{Decimal, Value};

pub(super) fn exp_moving_avg(values: Vec<Value>, alpha: &Value) -> Result<Vec<Value>> {
    // Everything is decimal inside; the result is one only if an input was.
    let rest = arith::sub(&Value::Decimal(Decimal::from_i64(1)), alpha)?;
    let mut last: Option<Value> = None;
    let mut exact = false;
    let mut out = Vec::with_capacity(values.len());
    for v in values {
        if v.is_number() {
            exact |= matches!(v, Value::Decimal(_));
            let v = Value::Decimal(arith::to_decimal(&v));
            last = Some(match &last {
                None => v,
                Some(last) => arith::add(&arith::mul(&v, alpha)?, &arith::mul(last, &rest)?)?,
            });
        }
        out.push(match &last {
            None => Value::Null,
            Some(v) if exact => v.clone(),
            Some(v) => Value::Double(v.as_f64().unwrap_or(f64::NAN)),
        });
    }
    Ok(out)
}
