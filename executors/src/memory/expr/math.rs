//! Rounding, roots, powers and logarithms.
use super::Result;
use super::arith::{to_decimal, to_double};
use crate::memory::decimal::{self, Function, Rounding};
use crate::memory::error::EngineError;
use crate::memory::value::{Value, num};

/// The complaint about an argument that is no number.
pub(super) fn not_numeric(name: &str, v: &Value) -> EngineError {
    EngineError::location(
        28765,
        format!("{name} only supports numeric types, not {}", v.type_name()),
    )
}

/// Applies to doubles and decimals; integers become doubles. Null for null and missing.
pub(super) fn real(
    name: &str,
    v: &Value,
    double: fn(f64) -> f64,
    function: Function,
) -> Result<Value> {
    match v {
        Value::Decimal(d) => Ok(Value::Decimal(decimal::apply(function, *d))),
        v if v.is_number() => Ok(Value::Double(double(to_double(v)))),
        v if v.is_nullish() => Ok(Value::Null),
        v => Err(not_numeric(name, v)),
    }
}

/// Whether the number is below a bound (NaN is not).
pub(super) fn below(v: &Value, bound: i32) -> bool {
    match v {
        Value::Decimal(d) => {
            !d.is_nan()
                && d.compare(crate::memory::value::Decimal::from_i64(i64::from(bound)))
                    .is_lt()
        }
        v => v.as_f64().is_some_and(|x| x < f64::from(bound)),
    }
}

fn is_zero(v: &Value) -> bool {
    match v {
        Value::Decimal(d) => d.is_zero(),
        v => v.as_f64() == Some(0.0),
    }
}

/// Logarithms of a decimal NaN are double NaNs.
fn is_nan(v: &Value) -> bool {
    match v {
        Value::Decimal(d) => d.is_nan(),
        v => v.as_f64().is_some_and(f64::is_nan),
    }
}

pub(super) fn abs(v: Value) -> Result<Value> {
    Ok(match v {
        Value::Int32(n) => Value::int(i64::from(n).abs()),
        Value::Int64(n) => Value::Int64(
            n.checked_abs()
                .ok_or_else(|| EngineError::location(28680, "can't take $abs of long long min"))?,
        ),
        Value::Double(x) => Value::Double(x.abs()),
        Value::Decimal(d) => Value::Decimal(decimal::abs(d)),
        v if v.is_nullish() => Value::Null,
        v => return Err(not_numeric("$abs", &v)),
    })
}

fn whole(name: &str, v: Value, double: fn(f64) -> f64, rounding: Rounding) -> Result<Value> {
    Ok(match v {
        Value::Double(x) => Value::Double(double(x)),
        Value::Decimal(d) => Value::Decimal(decimal::to_integral(d, rounding)),
        v if v.is_number() => v,
        v if v.is_nullish() => Value::Null,
        v => return Err(not_numeric(name, &v)),
    })
}

pub(super) fn ceil(v: Value) -> Result<Value> {
    whole("$ceil", v, f64::ceil, Rounding::Ceiling)
}

pub(super) fn floor(v: Value) -> Result<Value> {
    whole("$floor", v, f64::floor, Rounding::Floor)
}

pub(super) fn round(args: Vec<Value>) -> Result<Value> {
    to_places("$round", &args, Rounding::HalfEven)
}

pub(super) fn trunc(args: Vec<Value>) -> Result<Value> {
    to_places("$trunc", &args, Rounding::Down)
}

fn to_places(name: &str, args: &[Value], rounding: Rounding) -> Result<Value> {
    let v = args.first().unwrap_or(&Value::Missing);
    let place = args.get(1);
    if v.is_nullish() {
        return Ok(Value::Null);
    }
    if !v.is_number() {
        return Err(EngineError::location(
            51081,
            format!("{name} only supports numeric types, not {}", v.type_name()),
        ));
    }
    if place.is_some_and(Value::is_nullish) {
        return Ok(Value::Null);
    }
    let places = match place {
        None => 0,
        Some(p) if !p.is_number() => {
            return Err(EngineError::location(
                16004,
                format!("can't convert from BSON type {} to long", p.type_name()),
            ));
        }
        Some(p) => {
            let n = p.as_i64().ok_or_else(|| {
                EngineError::location(
                    51082,
                    format!("precision argument to {name} must be a integral value"),
                )
            })?;
            i32::try_from(n)
                .ok()
                .filter(|n| (-20..=100).contains(n))
                .ok_or_else(|| {
                    EngineError::location(
                        51083,
                        format!("cannot apply {name} with precision value {n} value must be in [-20, 100]"),
                    )
                })?
        }
    };
    Ok(match v {
        Value::Decimal(d) => Value::Decimal(decimal::quantize(*d, places, rounding)),
        Value::Double(x) if !x.is_finite() => Value::Double(*x),
        Value::Double(x) if places == 0 => Value::Double(match rounding {
            Rounding::HalfEven => x.round_ties_even(),
            _ => x.trunc(),
        }),
        Value::Double(x) => {
            let d = decimal::quantize(decimal::from_f64_exact(*x), places, rounding);
            Value::Double(d.to_f64())
        }
        v if places >= 0 => v.clone(),
        Value::Int32(n) => Value::int(round_integer(i64::from(*n), places, rounding).unwrap_or(0)),
        v => {
            let n = v.as_i64().unwrap_or(0);
            Value::Int64(round_integer(n, places, rounding).ok_or_else(|| {
                EngineError::location(51080, format!("invalid conversion from Decimal128 result in {name} resulting from arguments: [{n}, {places}]"))
            })?)
        }
    })
}

fn round_integer(n: i64, places: i32, rounding: Rounding) -> Option<i64> {
    let unit = 10_i128.checked_pow(places.unsigned_abs())?;
    let n = i128::from(n);
    let low = n - n % unit;
    let rest = (n % unit).abs();
    let away = rounding == Rounding::HalfEven
        && (rest * 2 > unit || (rest * 2 == unit && (low / unit) % 2 != 0));
    i64::try_from(if away { low + unit * n.signum() } else { low }).ok()
}

pub(super) fn exp(v: Value) -> Result<Value> {
    real("$exp", &v, f64::exp, Function::Exp)
}

pub(super) fn sqrt(v: Value) -> Result<Value> {
    if below(&v, 0) {
        return Err(EngineError::location(
            28714,
            "$sqrt's argument must be greater than or equal to 0",
        ));
    }
    real("$sqrt", &v, f64::sqrt, Function::Sqrt)
}

pub(super) fn ln(v: Value) -> Result<Value> {
    if v.is_number() && (below(&v, 0) || is_zero(&v)) {
        return Err(EngineError::location(
            28766,
            "$ln's argument must be a positive number",
        ));
    }
    if is_nan(&v) {
        return Ok(Value::Double(f64::NAN));
    }
    real("$ln", &v, f64::ln, Function::Ln)
}

pub(super) fn log10(v: Value) -> Result<Value> {
    if v.is_number() && (below(&v, 0) || is_zero(&v)) {
        return Err(EngineError::location(
            28761,
            "$log10's argument must be a positive number",
        ));
    }
    if is_nan(&v) {
        return Ok(Value::Double(f64::NAN));
    }
    real("$log10", &v, f64::log10, Function::Log10)
}

pub(super) fn log(v: Value, base: Value) -> Result<Value> {
    if v.is_nullish() || base.is_nullish() {
        return Ok(Value::Null);
    }
    if !v.is_number() {
        return Err(EngineError::location(
            28756,
            format!("$log's argument must be numeric, not {}", v.type_name()),
        ));
    }
    if !base.is_number() {
        return Err(EngineError::location(
            28757,
            format!("$log's base must be numeric, not {}", base.type_name()),
        ));
    }
    if below(&v, 0) || is_zero(&v) {
        return Err(EngineError::location(
            28758,
            "$log's argument must be a positive number",
        ));
    }
    if below(&base, 0) || is_zero(&base) || base == Value::Int32(1) {
        return Err(EngineError::location(
            28759,
            "$log's base must be a positive number not equal to 1",
        ));
    }
    if is_nan(&v) || is_nan(&base) {
        return Ok(Value::Double(f64::NAN));
    }
    if matches!(v, Value::Decimal(_)) || matches!(base, Value::Decimal(_)) {
        let ln = |v: &Value| decimal::apply(Function::Ln, to_decimal(v));
        return Ok(Value::Decimal(decimal::div(ln(&v), ln(&base))));
    }
    Ok(Value::Double(to_double(&v).ln() / to_double(&base).ln()))
}

pub(super) fn pow(base: Value, exponent: Value) -> Result<Value> {
    if base.is_nullish() || exponent.is_nullish() {
        return Ok(Value::Null);
    }
    if !base.is_number() {
        return Err(EngineError::location(
            28762,
            format!("$pow's base must be numeric, not {}", base.type_name()),
        ));
    }
    if !exponent.is_number() {
        return Err(EngineError::location(
            28763,
            format!(
                "$pow's exponent must be numeric, not {}",
                exponent.type_name()
            ),
        ));
    }
    if is_zero(&base) && below(&exponent, 0) {
        return Err(EngineError::location(
            28764,
            "$pow cannot take a base of 0 and a negative exponent",
        ));
    }
    if matches!(base, Value::Decimal(_)) || matches!(exponent, Value::Decimal(_)) {
        return Ok(Value::Decimal(decimal::pow(
            to_decimal(&base),
            to_decimal(&exponent),
        )));
    }
    let double = || Value::Double(to_double(&base).powf(to_double(&exponent)));
    if matches!(base, Value::Double(_)) || matches!(exponent, Value::Double(_)) {
        return Ok(double());
    }
    let (b, e) = (base.as_i64().unwrap_or(0), exponent.as_i64().unwrap_or(0));
    let result = match b {
        1 => Some(1),
        -1 => Some(if e % 2 == 0 { 1 } else { -1 }),
        0 => Some(i64::from(e == 0)),
        _ if e < 0 => None,
        _ => u32::try_from(e).ok().and_then(|e| b.checked_pow(e)),
    };
    let narrow = matches!((&base, &exponent), (Value::Int32(_), Value::Int32(_)));
    Ok(match result {
        Some(n) if narrow => Value::int(n),
        Some(n) => Value::Int64(n),
        None => double(),
    })
}

/// The integer that an argument must be.
pub(super) fn integral(v: &Value) -> Option<i64> {
    match v {
        Value::Double(x) => num::exact_i64(*x),
        v => v.as_i64(),
    }
}

pub(super) fn sigmoid(v: Value) -> Result<Value> {
    match &v {
        Value::Decimal(d) => {
            let one = crate::memory::value::Decimal::from_i64(1);
            let e = decimal::apply(Function::Exp, decimal::neg(*d));
            Ok(Value::Decimal(decimal::div(one, decimal::add(one, e))))
        }
        v if v.is_number() => Ok(Value::Double(1.0 / (1.0 + (-to_double(v)).exp()))),
        v if v.is_nullish() => Ok(Value::Null),
        v => Err(not_numeric("$sigmoid", v)),
    }
}
