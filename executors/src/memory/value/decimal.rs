//! Decimal128 as a value: decoding, encoding, comparison. Arithmetic lives in `memory::decimal`.
use std::cmp::Ordering;
use std::fmt;

use super::num;

/// An IEEE 754 decimal128 in its binary integer encoding, as BSON stores it (little-endian).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Decimal([u8; 16]);

/// What a decimal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecimalParts {
    /// `coefficient * 10^exponent`, negated when `negative`.
    Finite {
        /// Sign (also of zero).
        negative: bool,
        /// At most 34 digits.
        coefficient: u128,
        /// Power of ten, -6176..=6111.
        exponent: i32,
    },
    /// Plus or minus infinity.
    Infinity {
        /// Sign.
        negative: bool,
    },
    /// Not a number.
    NaN,
}

/// The largest coefficient.
pub const MAX_COEFFICIENT: u128 = 9_999_999_999_999_999_999_999_999_999_999_999;
const BIAS: i32 = 6176;

impl Decimal {
    /// Not a number.
    pub const NAN: Self = Self([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x7c]);

    /// From BSON's sixteen bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// BSON's sixteen bytes.
    pub fn bytes(self) -> [u8; 16] {
        self.0
    }

    /// Encodes parts. The coefficient and the exponent must be in range (`None` otherwise).
    pub fn from_parts(parts: DecimalParts) -> Option<Self> {
        let bits: u128 = match parts {
            DecimalParts::NaN => 0x7c << 120,
            DecimalParts::Infinity { negative } => (0x78 << 120) | (u128::from(negative) << 127),
            DecimalParts::Finite {
                negative,
                coefficient,
                exponent,
            } => {
                let biased = u128::try_from(exponent.checked_add(BIAS)?).ok()?;
                if coefficient > MAX_COEFFICIENT || biased > 12_287 {
                    return None;
                }
                (u128::from(negative) << 127) | (biased << 113) | coefficient
            }
        };
        Some(Self(bits.to_le_bytes()))
    }

    /// The exact decimal of an integer.
    pub fn from_i64(n: i64) -> Self {
        let parts = DecimalParts::Finite {
            negative: n < 0,
            coefficient: u128::from(n.unsigned_abs()),
            exponent: 0,
        };
        Self::from_parts(parts).unwrap_or(Self::NAN)
    }

    /// Decodes. Coefficients out of range are zero, as the standard demands.
    pub fn parts(self) -> DecimalParts {
        let bits = u128::from_le_bytes(self.0);
        let negative = bits >> 127 == 1;
        match (bits >> 122) & 0x1f {
            0x1f => return DecimalParts::NaN,
            0x1e => return DecimalParts::Infinity { negative },
            _ => {}
        }
        let (biased, coefficient) = if (bits >> 125) & 3 == 3 {
            ((bits >> 111) & 0x3fff, 0)
        } else {
            ((bits >> 113) & 0x3fff, bits & ((1 << 113) - 1))
        };
        let coefficient = if coefficient > MAX_COEFFICIENT {
            0
        } else {
            coefficient
        };
        DecimalParts::Finite {
            negative,
            coefficient,
            exponent: i32::try_from(biased).unwrap_or(0) - BIAS,
        }
    }

    /// Whether this is NaN.
    pub fn is_nan(self) -> bool {
        matches!(self.parts(), DecimalParts::NaN)
    }

    /// Whether this is a zero of either sign.
    pub fn is_zero(self) -> bool {
        matches!(self.parts(), DecimalParts::Finite { coefficient: 0, .. })
    }

    /// The nearest double.
    pub fn to_f64(self) -> f64 {
        match self.parts() {
            DecimalParts::NaN => f64::NAN,
            DecimalParts::Infinity { negative: false } => f64::INFINITY,
            DecimalParts::Infinity { negative: true } => f64::NEG_INFINITY,
            DecimalParts::Finite {
                negative,
                coefficient,
                exponent,
            } => {
                let x: f64 = format!("{coefficient}e{exponent}")
                    .parse()
                    .unwrap_or(f64::NAN);
                if negative { -x } else { x }
            }
        }
    }

    /// The integer that this is, if it is one within 64 bits.
    pub fn exact_i64(self) -> Option<i64> {
        let DecimalParts::Finite {
            negative,
            mut coefficient,
            mut exponent,
        } = self.parts()
        else {
            return None;
        };
        if coefficient == 0 {
            return Some(0);
        }
        while exponent < 0 {
            if !coefficient.is_multiple_of(10) {
                return None;
            }
            coefficient /= 10;
            exponent += 1;
        }
        let scale = 10_u128.checked_pow(u32::try_from(exponent).ok()?)?;
        let magnitude = i128::try_from(coefficient.checked_mul(scale)?).ok()?;
        i64::try_from(if negative { -magnitude } else { magnitude }).ok()
    }

    /// Without its fraction, toward zero.
    #[must_use]
    pub fn truncated(self) -> Self {
        let DecimalParts::Finite {
            negative,
            mut coefficient,
            mut exponent,
        } = self.parts()
        else {
            return self;
        };
        while exponent < 0 && coefficient > 0 {
            coefficient /= 10;
            exponent += 1;
        }
        let exponent = if coefficient == 0 { 0 } else { exponent };
        Self::from_parts(DecimalParts::Finite {
            negative,
            coefficient,
            exponent,
        })
        .unwrap_or(self)
    }

    /// Numeric comparison; NaN is below everything and equal to itself.
    pub fn compare(self, other: Self) -> Ordering {
        compare_digits(&Digits::of_decimal(self), &Digits::of_decimal(other))
    }

    /// Exact comparison with a double.
    pub fn compare_f64(self, other: f64) -> Ordering {
        if let Some(n) = num::exact_i64(other) {
            return self.compare(Self::from_i64(n));
        }
        compare_digits(&Digits::of_decimal(self), &Digits::of_f64(other))
    }
}

/// A number as sign and digits, for exact comparison.
enum Digits {
    NaN,
    Infinity(bool),
    Zero,
    /// sign, coefficient and exponent of a decimal
    Small(bool, u128, i32),
    /// sign, digits and exponent of the whole expansion of a double
    Long(bool, String, i32),
}

impl Digits {
    fn of_decimal(d: Decimal) -> Self {
        match d.parts() {
            DecimalParts::NaN => Self::NaN,
            DecimalParts::Infinity { negative } => Self::Infinity(negative),
            DecimalParts::Finite { coefficient: 0, .. } => Self::Zero,
            DecimalParts::Finite {
                negative,
                coefficient,
                exponent,
            } => Self::Small(negative, coefficient, exponent),
        }
    }

    fn of_f64(x: f64) -> Self {
        if x.is_nan() {
            return Self::NaN;
        }
        if x.is_infinite() {
            return Self::Infinity(x < 0.0);
        }
        if x == 0.0 {
            return Self::Zero;
        }
        // A double has at most 767 significant digits, so this expansion is exact.
        let text = format!("{:.767e}", x.abs());
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
        let exponent: i32 = exponent.parse().unwrap_or(0);
        let exponent = exponent - (num::len_i32(digits.len()) - 1);
        Self::Long(x < 0.0, digits, exponent)
    }

    fn rank(&self) -> i8 {
        match self {
            Self::NaN => -3,
            Self::Infinity(true) => -2,
            Self::Small(true, ..) | Self::Long(true, ..) => -1,
            Self::Zero => 0,
            Self::Small(false, ..) | Self::Long(false, ..) => 1,
            Self::Infinity(false) => 2,
        }
    }

    fn text(&self) -> (String, i32) {
        match self {
            Self::Small(_, c, e) => (c.to_string(), *e),
            Self::Long(_, d, e) => (d.clone(), *e),
            _ => (String::new(), 0),
        }
    }
}

fn compare_digits(a: &Digits, b: &Digits) -> Ordering {
    let by_rank = a.rank().cmp(&b.rank());
    if by_rank != Ordering::Equal || a.rank().abs() != 1 {
        return by_rank;
    }
    let magnitude = match (a, b) {
        (Digits::Small(_, x, e), Digits::Small(_, y, f)) if e == f => x.cmp(y),
        _ => {
            let ((x, e), (y, f)) = (a.text(), b.text());
            let top = (num::len_i32(x.len()) + e).cmp(&(num::len_i32(y.len()) + f));
            top.then_with(|| x.trim_end_matches('0').cmp(y.trim_end_matches('0')))
        }
    };
    if a.rank() < 0 {
        magnitude.reverse()
    } else {
        magnitude
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&bson::Decimal128::from_bytes(self.0), f)
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Decimal({self})")
    }
}
