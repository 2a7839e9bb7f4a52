//! Functions without exact results, by way of arbitrary precision binary floats (`astro-float`).
use astro_float_num::{BigFloat, Consts, Radix, RoundingMode, Sign};
use ethnum::U256;

use super::arith::{Class, classify, digits, finish, pow10};
use super::{ParseError, infinity, is_negative, parse};
use crate::memory::value::Decimal;

/// A function of one decimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Function {
    Sqrt,
    Exp,
    Ln,
    Log10,
    Sin,
    Cos,
    Tan,
    Asin,
    Acos,
    Atan,
    Sinh,
    Cosh,
    Tanh,
    Asinh,
    Acosh,
    Atanh,
    ToRadians,
    ToDegrees,
}

const RM: RoundingMode = RoundingMode::ToEven;
const PRECISION: usize = 320;

/// Applies a function. Outside its domain the result is NaN.
pub fn apply(function: Function, d: Decimal) -> Decimal {
    if d.is_nan() {
        return d;
    }
    if function == Function::Sqrt {
        return sqrt(d);
    }
    // A product with the factor in 34 digits, as in MongoDB.
    let factor = match function {
        Function::ToRadians => Some("0.01745329251994329576923690768488613"),
        Function::ToDegrees => Some("57.29577951308232087679815481410517"),
        _ => None,
    };
    if let Some(factor) = factor {
        return parse(factor).map_or(Decimal::NAN, |factor| super::mul(d, factor));
    }
    if d.is_zero() {
        match function {
            Function::Exp | Function::Cos | Function::Cosh => return Decimal::from_i64(1),
            Function::Ln | Function::Log10 => return infinity(true),
            Function::Acos | Function::Acosh => {}
            _ => return d,
        }
    }
    let Ok(mut consts) = Consts::new() else {
        return Decimal::NAN;
    };
    let p = precision(d);
    let Some(x) = load(d, p, &mut consts) else {
        return Decimal::NAN;
    };
    let cc = &mut consts;
    let y = match function {
        Function::Exp => x.exp(p, RM, cc),
        Function::Ln => x.ln(p, RM, cc),
        Function::Log10 => x.log10(p, RM, cc),
        Function::Sin => x.sin(p, RM, cc),
        Function::Cos => x.cos(p, RM, cc),
        Function::Tan => x.tan(p, RM, cc),
        Function::Asin => x.asin(p, RM, cc),
        Function::Acos => x.acos(p, RM, cc),
        Function::Atan => x.atan(p, RM, cc),
        Function::Sinh => x.sinh(p, RM, cc),
        Function::Cosh => x.cosh(p, RM, cc),
        Function::Tanh => x.tanh(p, RM, cc),
        Function::Asinh => x.asinh(p, RM, cc),
        Function::Acosh => x.acosh(p, RM, cc),
        Function::Atanh => x.atanh(p, RM, cc),
        Function::Sqrt | Function::ToRadians | Function::ToDegrees => x,
    };
    store(&y, cc)
}

/// The power. Negative bases need whole exponents (NaN otherwise).
pub fn pow(base: Decimal, exponent: Decimal) -> Decimal {
    let one = Decimal::from_i64(1);
    if exponent.is_zero() || base.compare(one).is_eq() {
        return one;
    }
    if base.is_nan() || exponent.is_nan() {
        return Decimal::NAN;
    }
    if let (Some(n), Class::Finite(_)) = (exponent.exact_i64(), classify(base))
        && let Ok(n) = u32::try_from(n)
        && n <= 1024
        && let Some(exact) = power_of_integer(base, n)
    {
        return exact;
    }
    let Ok(mut cc) = Consts::new() else {
        return Decimal::NAN;
    };
    let p = PRECISION;
    let negative = is_negative(base);
    let whole = super::to_integral(exponent, super::Rounding::Down)
        .compare(exponent)
        .is_eq();
    if negative && !whole && !base.is_zero() && !super::is_infinite(base) {
        return Decimal::NAN;
    }
    let odd = whole && {
        let half = super::rem(super::abs(exponent), Decimal::from_i64(2));
        half.compare(Decimal::from_i64(1)).is_eq()
    };
    if base.is_zero() && super::is_below_zero(exponent) {
        return infinity(negative && odd);
    }
    let (Some(x), Some(y)) = (
        load(super::abs(base), p, &mut cc),
        load(exponent, p, &mut cc),
    ) else {
        return Decimal::NAN;
    };
    let z = store(&x.pow(&y, p, RM, &mut cc), &mut cc);
    if negative && odd { super::neg(z) } else { z }
}

/// Repeated squaring while everything stays exact.
fn power_of_integer(base: Decimal, n: u32) -> Option<Decimal> {
    let Class::Finite(x) = classify(base) else {
        return None;
    };
    let c = U256::from(x.coefficient);
    if c == U256::ZERO || (digits(c) - 1).saturating_mul(n) > 34 {
        return None;
    }
    let mut product = U256::ONE;
    for _ in 0..n {
        product = product.checked_mul(c)?;
        if digits(product) > 34 {
            return None;
        }
    }
    let exponent = x.exponent.checked_mul(i32::try_from(n).ok()?)?;
    Some(finish(x.negative && n % 2 == 1, product, exponent, false))
}

/// The angle of a point.
pub fn atan2(y: Decimal, x: Decimal) -> Decimal {
    if y.is_nan() || x.is_nan() {
        return Decimal::NAN;
    }
    let negative = is_negative(y);
    let below = is_negative(x);
    let Ok(mut cc) = Consts::new() else {
        return Decimal::NAN;
    };
    let p = PRECISION;
    let pi = cc.pi(p, RM);
    let two = BigFloat::from_i32(2, p);
    let magnitude = if y.is_zero() {
        if below { pi } else { return y }
    } else if x.is_zero() {
        pi.div(&two, p, RM)
    } else {
        match (super::is_infinite(y), super::is_infinite(x)) {
            (true, true) => {
                let quarter = pi.div(&BigFloat::from_i32(4, p), p, RM);
                if below {
                    quarter.mul(&BigFloat::from_i32(3, p), p, RM)
                } else {
                    quarter
                }
            }
            (true, false) => pi.div(&two, p, RM),
            (false, true) if below => pi,
            (false, true) => return finish(negative, U256::ZERO, 0, false),
            (false, false) => {
                let (Some(b), Some(a)) = (
                    load(super::abs(y), p, &mut cc),
                    load(super::abs(x), p, &mut cc),
                ) else {
                    return Decimal::NAN;
                };
                let angle = b.div(&a, p, RM).atan(p, RM, &mut cc);
                if below { pi.sub(&angle, p, RM) } else { angle }
            }
        }
    };
    let d = store(&magnitude, &mut cc);
    if negative { super::neg(d) } else { d }
}

/// Exact up to the last digit: the integer root of the coefficient, widened.
fn sqrt(d: Decimal) -> Decimal {
    let x = match classify(d) {
        Class::Finite(x) => x,
        Class::Infinity(false) => return d,
        _ => return Decimal::NAN,
    };
    if x.coefficient == 0 {
        return finish(x.negative, U256::ZERO, x.exponent.div_euclid(2), false);
    }
    if x.negative {
        return Decimal::NAN;
    }
    let c = U256::from(x.coefficient);
    // An even exponent and at least 69 digits, so that the root has 35.
    let mut widen = 74_u32.saturating_sub(digits(c));
    if (x.exponent - i32::try_from(widen).unwrap_or(0)).rem_euclid(2) == 1 {
        widen -= 1;
    }
    let n = c * pow10(widen);
    let mut r = U256::ONE << ((256 - n.leading_zeros()).div_ceil(2));
    loop {
        let next = (r + n / r) >> 1_u32;
        if next >= r {
            break;
        }
        r = next;
    }
    let exact = r * r == n;
    let mut e = (x.exponent - i32::try_from(widen).unwrap_or(0)) / 2;
    let ideal = x.exponent.div_euclid(2);
    if exact {
        let ten = U256::from(10_u8);
        while e < ideal && r % ten == U256::ZERO {
            r /= ten;
            e += 1;
        }
    }
    finish(false, r, e, !exact)
}

/// Enough bits to reduce large arguments exactly.
fn precision(d: Decimal) -> usize {
    match classify(d) {
        Class::Finite(x) if x.exponent > 0 => {
            PRECISION + usize::try_from(x.exponent).unwrap_or(0) * 4
        }
        _ => PRECISION,
    }
}

fn load(d: Decimal, p: usize, cc: &mut Consts) -> Option<BigFloat> {
    match classify(d) {
        Class::NaN => None,
        Class::Infinity(negative) => {
            let text = if negative { "-Inf" } else { "Inf" };
            Some(BigFloat::parse(text, Radix::Dec, p, RM, cc))
        }
        Class::Finite(x) => {
            let sign = if x.negative { "-" } else { "" };
            let text = format!("{sign}{}e{}", x.coefficient, x.exponent);
            Some(BigFloat::parse(&text, Radix::Dec, p, RM, cc))
        }
    }
}

fn store(x: &BigFloat, cc: &mut Consts) -> Decimal {
    if x.is_nan() {
        return Decimal::NAN;
    }
    let negative = x.sign() == Some(Sign::Neg);
    if x.is_inf() {
        return infinity(negative);
    }
    let Ok(text) = x.format(Radix::Dec, RM, cc) else {
        return Decimal::NAN;
    };
    match parse(&text) {
        Ok(d) => d,
        Err(ParseError::OutOfRange) if text.contains("e-") => {
            finish(negative, U256::ZERO, super::arith::MIN_EXPONENT, false)
        }
        Err(ParseError::OutOfRange) => infinity(negative),
        Err(ParseError::Malformed) => Decimal::NAN,
    }
}
