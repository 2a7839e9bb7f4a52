//! `$covariancePop` and `$covarianceSamp`.
use super::Result;
use crate::memory::decimal;
use crate::memory::expr::{Summation, arith};
use crate::memory::value::Value;

/// The covariance of all that are pairs of numbers. Pairs with an infinity or a NaN count as no pair, but spoil the sum.
pub(super) fn covariance(pairs: &[Value], sample: bool) -> Result<Value> {
    let (mut mean_x, mut mean_y) = (Summation::default(), Summation::default());
    let mut sum = Summation::default();
    let mut count = 0_i64;
    for pair in pairs {
        let Value::Array(items) = pair else {
            continue;
        };
        let (x, y) = (items.get(0), items.get(1));
        if items.len() != 2 || !x.is_number() || !y.is_number() {
            continue;
        }
        let finite = |v: &Value| v.as_f64().is_some_and(f64::is_finite);
        if !finite(&x) || !finite(&y) {
            sum.add(spoiled(&x, &y).view());
            continue;
        }
        let before = (count > 0).then(|| mean_x.mean(count));
        count += 1;
        mean_x.add(x.view());
        mean_y.add(y.view());
        if let Some(before) = before {
            let dx = arith::sub(&x, &before)?;
            let dy = arith::sub(&y, &mean_y.mean(count))?;
            sum.add(arith::mul(&dx, &dy)?.view());
        }
    }
    if count == 1 && !sample {
        return Ok(Value::Double(0.0));
    }
    let degrees = count - i64::from(sample);
    Ok(if degrees <= 0 {
        Value::Null
    } else {
        sum.mean(degrees)
    })
}

/// What a pair with an infinity or a NaN adds.
fn spoiled(x: &Value, y: &Value) -> Value {
    let parts = [x.as_f64(), y.as_f64()].map(|v| v.unwrap_or(f64::NAN));
    let has = |test: fn(f64) -> bool| parts.iter().any(|v| test(*v));
    let (up, down) = (has(|v| v == f64::INFINITY), has(|v| v == f64::NEG_INFINITY));
    let result = if has(f64::is_nan) || up && down {
        f64::NAN
    } else if up {
        f64::INFINITY
    } else {
        f64::NEG_INFINITY
    };
    if matches!(x, Value::Decimal(_)) || matches!(y, Value::Decimal(_)) {
        Value::Decimal(decimal::from_f64(result))
    } else {
        Value::Double(result)
    }
}
