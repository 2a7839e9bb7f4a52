//! Trigonometry, with the bounds that MongoDB sets.
use super::Result;
use super::arith::{to_decimal, to_double};
use super::math::real;
use crate::memory::decimal::{self, Function};
use crate::memory::error::EngineError;
use crate::memory::value::Value;

fn bounded(
    name: &str,
    v: &Value,
    low: f64,
    high: f64,
    double: fn(f64) -> f64,
    function: Function,
) -> Result<Value> {
    if v.is_number() {
        let x = to_double(v);
        // Infinite bounds are open, the others closed.
        let outside =
            x < low || x > high || (x.is_infinite() && (x == low || x == high) && low == -high);
        if !x.is_nan() && outside {
            return Err(EngineError::location(
                50989,
                format!("cannot apply {name} to {x}, value must be in [{low},{high}]"),
            ));
        }
    }
    real(name, v, double, function)
}

const INF: f64 = f64::INFINITY;

/// Near 1 the standard library's loses digits.
fn acosh_f64(x: f64) -> f64 {
    let t = x - 1.0;
    if t < 1e8 {
        (t + (2.0 * t + t * t).sqrt()).ln_1p()
    } else {
        x.ln() + std::f64::consts::LN_2
    }
}

/// Near -1 the standard library's loses digits.
fn atanh_f64(x: f64) -> f64 {
    let a = x.abs();
    (0.5 * (2.0 * a / (1.0 - a)).ln_1p()).copysign(x)
}

macro_rules! functions {
    ($($f:ident $name:literal $low:expr, $high:expr, $double:expr, $decimal:ident;)*) => {$(
        pub(super) fn $f(v: Value) -> Result<Value> {
            bounded($name, &v, $low, $high, $double, Function::$decimal)
        }
    )*};
}

functions! {
    sin "$sin" -INF, INF, f64::sin, Sin;
    cos "$cos" -INF, INF, f64::cos, Cos;
    tan "$tan" -INF, INF, f64::tan, Tan;
    asin "$asin" -1.0, 1.0, f64::asin, Asin;
    acos "$acos" -1.0, 1.0, f64::acos, Acos;
    acosh "$acosh" 1.0, INF, acosh_f64, Acosh;
    atanh "$atanh" -1.0, 1.0, atanh_f64, Atanh;
}

macro_rules! unbounded {
    ($($f:ident $name:literal $double:expr, $decimal:ident;)*) => {$(
        pub(super) fn $f(v: Value) -> Result<Value> {
            real($name, &v, $double, Function::$decimal)
        }
    )*};
}

unbounded! {
    atan "$atan" f64::atan, Atan;
    sinh "$sinh" f64::sinh, Sinh;
    cosh "$cosh" f64::cosh, Cosh;
    tanh "$tanh" f64::tanh, Tanh;
    asinh "$asinh" f64::asinh, Asinh;
    degrees_to_radians "$degreesToRadians" f64::to_radians, ToRadians;
    radians_to_degrees "$radiansToDegrees" f64::to_degrees, ToDegrees;
}

pub(super) fn atan2(y: Value, x: Value) -> Result<Value> {
    if y.is_nullish() || x.is_nullish() {
        return Ok(Value::Null);
    }
    for (v, code) in [(&y, 51044), (&x, 51045)] {
        if !v.is_number() {
            return Err(EngineError::location(
                code,
                format!("$atan2 only supports numeric types, not {}", v.type_name()),
            ));
        }
    }
    if matches!(y, Value::Decimal(_)) || matches!(x, Value::Decimal(_)) {
        return Ok(Value::Decimal(decimal::atan2(
            to_decimal(&y),
            to_decimal(&x),
        )));
    }
    Ok(Value::Double(to_double(&y).atan2(to_double(&x))))
}
