//! Decimals from text and from doubles.
use ethnum::U256;

use super::arith::{finish, shrink};
use super::{infinity, is_infinite};
use crate::memory::value::Decimal;

/// Why a text is no decimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseError {
    /// Not a number at all.
    Malformed,
    /// Beyond the range of exponents.
    OutOfRange,
}

/// Reads a decimal: sign, digits, point, exponent; `inf`, `infinity` and `nan` in any case. More than 34 digits are
/// rounded. No spaces.
///
/// # Errors
/// See [`ParseError`].
pub fn parse(text: &str) -> Result<Decimal, ParseError> {
    let (negative, body) = match text.as_bytes().first() {
        Some(b'-') => (true, text.get(1..).unwrap_or_default()),
        Some(b'+') => (false, text.get(1..).unwrap_or_default()),
        _ => (false, text),
    };
    if body.eq_ignore_ascii_case("inf") || body.eq_ignore_ascii_case("infinity") {
        return Ok(infinity(negative));
    }
    if body.eq_ignore_ascii_case("nan") {
        return Ok(Decimal::NAN);
    }
    let (mantissa, power) = match body.find(['e', 'E']) {
        Some(at) => {
            let power = body.get(at + 1..).unwrap_or_default();
            let digits = power.strip_prefix(['+', '-']).unwrap_or(power);
            if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                return Err(ParseError::Malformed);
            }
            let saturated = if power.starts_with('-') {
                -100_000
            } else {
                100_000
            };
            let power = power.parse::<i32>().unwrap_or(saturated);
            (
                body.get(..at).unwrap_or_default(),
                power.clamp(-100_000, 100_000),
            )
        }
        None => (body, 0),
    };
    let mut coefficient = U256::ZERO;
    let (mut kept, mut exponent) = (0_u32, power);
    let (mut seen, mut point, mut sticky) = (false, false, false);
    for b in mantissa.bytes() {
        match b {
            b'.' if !point => point = true,
            b'0'..=b'9' => {
                seen = true;
                if point {
                    exponent -= 1;
                }
                if kept < 70 {
                    coefficient = coefficient * U256::from(10_u8) + U256::from(b - b'0');
                    kept += u32::from(coefficient != U256::ZERO);
                } else {
                    sticky |= b != b'0';
                    exponent += 1;
                }
            }
            _ => return Err(ParseError::Malformed),
        }
    }
    if !seen {
        return Err(ParseError::Malformed);
    }
    let d = finish(negative, coefficient, exponent, sticky);
    let underflow = coefficient != U256::ZERO && d.is_zero();
    if is_infinite(d) || underflow {
        return Err(ParseError::OutOfRange);
    }
    Ok(d)
}

/// The decimal of a double as conversions make it: 15 significant digits, trailing zeros kept (`0.1` is
/// `0.100000000000000`).
pub fn from_f64(x: f64) -> Decimal {
    scientific(x, 14, false)
}

/// The decimal nearest to a double, with up to 34 digits, as sums use it.
pub fn from_f64_exact(x: f64) -> Decimal {
    scientific(x, 40, true)
}

fn scientific(x: f64, places: usize, strip: bool) -> Decimal {
    if x.is_nan() {
        return Decimal::NAN;
    }
    if x.is_infinite() {
        return infinity(x < 0.0);
    }
    if x == 0.0 {
        return finish(x.is_sign_negative(), U256::ZERO, 0, false);
    }
    let text = format!("{:.*e}", places, x.abs());
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let mut c = U256::ZERO;
    for b in mantissa.bytes().filter(u8::is_ascii_digit) {
        c = c * U256::from(10_u8) + U256::from(b - b'0');
    }
    let mut e = exponent.parse::<i32>().unwrap_or(0) - i32::try_from(places).unwrap_or(0);
    if strip {
        let ten = U256::from(10_u8);
        // Shed the zeros behind the last digit, but go no further than the units.
        c = if super::arith::digits(c) > 34 {
            let rounded = shrink(c, 7, false);
            e += 7;
            rounded
        } else {
            c
        };
        while e < 0 && c % ten == U256::ZERO {
            c /= ten;
            e += 1;
        }
    }
    finish(x < 0.0, c, e, false)
}
