//! `$minMaxScaler`.
use super::Result;
use crate::memory::expr::arith;
use crate::memory::value::{Value, compare_with};

/// A value on the scale from `min` to `max`, which the least and the greatest number of its window span.
pub(super) fn scaled(v: &Value, window: &[Value], min: &Value, max: &Value) -> Result<Value> {
    if !v.is_number() {
        return Ok(Value::Null);
    }
    let numbers = || window.iter().filter(|w| w.is_number());
    let order = |a: &&Value, b: &&Value| compare_with(a.view(), b.view(), None);
    let (Some(low), Some(high)) = (numbers().min_by(order), numbers().max_by(order)) else {
        return Ok(Value::Null);
    };
    let span = arith::sub(high, low)?;
    if is_zero(&span) {
        return Ok(min.clone());
    }
    let place = arith::quotient(arith::sub(v, low)?, span)?;
    arith::add(min, &arith::mul(&place, &arith::sub(max, min)?)?)
}

pub(super) fn is_zero(v: &Value) -> bool {
    compare_with(v.view(), Value::Int32(0).view(), None).is_eq()
}
