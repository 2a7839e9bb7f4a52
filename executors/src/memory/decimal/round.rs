//! Rounding to a place and to integers.
use ethnum::U256;

use super::arith::{Class, DIGITS, classify, digits, finish, pow10, shrink};
use crate::memory::value::Decimal;

/// How to round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// To the nearest, ties to even.
    HalfEven,
    /// Toward zero.
    Down,
    /// Toward negative infinity.
    Floor,
    /// Toward positive infinity.
    Ceiling,
}

/// Rounds to `places` digits after the point (before it, when negative), with exactly that exponent. Where that
/// would need more than 34 digits, there are 34.
pub fn quantize(d: Decimal, places: i32, rounding: Rounding) -> Decimal {
    let Class::Finite(x) = classify(d) else {
        return d;
    };
    let target = -places;
    let c = U256::from(x.coefficient);
    if x.exponent >= target {
        let grow = x.exponent.abs_diff(target);
        if c == U256::ZERO {
            return finish(x.negative, c, target, false);
        }
        let grow = grow.min(DIGITS - digits(c));
        let exponent = x.exponent - i32::try_from(grow).unwrap_or(0);
        return finish(x.negative, c * pow10(grow), exponent, false);
    }
    let drop = x.exponent.abs_diff(target);
    let q = match rounding {
        Rounding::HalfEven => shrink(c, drop, false),
        _ => {
            let (q, r) = if drop > 76 {
                (U256::ZERO, c)
            } else {
                (c / pow10(drop), c % pow10(drop))
            };
            let up = match rounding {
                Rounding::Floor => x.negative,
                Rounding::Ceiling => !x.negative,
                _ => false,
            };
            if up && r != U256::ZERO {
                q + U256::ONE
            } else {
                q
            }
        }
    };
    finish(x.negative, q, target, false)
}

/// Rounds to an integer, written without an exponent as far as 34 digits suffice.
pub fn to_integral(d: Decimal, rounding: Rounding) -> Decimal {
    quantize(d, 0, rounding)
}

/// The integer toward zero, if it fits.
pub fn trunc_i64(d: Decimal) -> Option<i64> {
    to_integral(d, Rounding::Down).exact_i64()
}

/// The integer below, if it fits.
pub fn floor_i64(d: Decimal) -> Option<i64> {
    to_integral(d, Rounding::Floor).exact_i64()
}
