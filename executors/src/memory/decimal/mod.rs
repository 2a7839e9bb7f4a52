//! Arithmetic of Decimal128: 34 digits, round half to even, the exponents of IEEE 754 (`0.10 + 0.2` is `0.30`).
//!
//! The exact operations work on integers (`arith`), text is read and rounded in `text`, and the functions that have
//! no exact result go through arbitrary precision binary floats (`functions`).
mod arith;
mod functions;
mod round;
mod text;

pub use arith::{abs, add, div, mul, neg, rem, sub};
pub use functions::{Function, apply, atan2, pow};
pub use round::{Rounding, floor_i64, quantize, to_integral, trunc_i64};
pub use text::{ParseError, from_f64, from_f64_exact, parse};

use super::value::{Decimal, DecimalParts};

/// Positive infinity.
pub fn infinity(negative: bool) -> Decimal {
    Decimal::from_parts(DecimalParts::Infinity { negative }).unwrap_or(Decimal::NAN)
}

/// Whether the sign bit is set.
pub fn is_negative(d: Decimal) -> bool {
    match d.parts() {
        DecimalParts::Finite { negative, .. } | DecimalParts::Infinity { negative } => negative,
        DecimalParts::NaN => false,
    }
}

/// Whether this is an infinity.
pub fn is_infinite(d: Decimal) -> bool {
    matches!(d.parts(), DecimalParts::Infinity { .. })
}

/// Whether the value is below zero (negative zero is not).
pub fn is_below_zero(d: Decimal) -> bool {
    is_negative(d) && !d.is_zero()
}

#[cfg(test)]
mod tests;
