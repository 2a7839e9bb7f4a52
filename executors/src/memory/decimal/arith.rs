//! The exact operations, rounded once at the end.
use ethnum::U256;

use super::infinity;
use crate::memory::value::{Decimal, DecimalParts, MAX_COEFFICIENT};

/// Digits of precision.
pub(super) const DIGITS: u32 = 34;
pub(super) const MIN_EXPONENT: i32 = -6176;
pub(super) const MAX_EXPONENT: i32 = 6111;

/// A finite decimal.
#[derive(Clone, Copy)]
pub(super) struct Finite {
    pub negative: bool,
    pub coefficient: u128,
    pub exponent: i32,
}

pub(super) enum Class {
    Finite(Finite),
    Infinity(bool),
    NaN,
}

pub(super) fn classify(d: Decimal) -> Class {
    match d.parts() {
        DecimalParts::Finite {
            negative,
            coefficient,
            exponent,
        } => Class::Finite(Finite {
            negative,
            coefficient,
            exponent,
        }),
        DecimalParts::Infinity { negative } => Class::Infinity(negative),
        DecimalParts::NaN => Class::NaN,
    }
}

pub(super) fn pow10(n: u32) -> U256 {
    U256::from(10_u8).pow(n.min(76))
}

/// The number of decimal digits (1 for zero).
pub(super) fn digits(c: U256) -> u32 {
    // log10(2) ~ 1233/4096 gives the count or one too few.
    let bits = 256 - c.leading_zeros();
    let guess = (bits * 1233) >> 12;
    if c >= pow10(guess) {
        guess + 1
    } else {
        guess.max(1)
    }
}

/// Divides by a power of ten, half to even; `sticky` says that the true value lies a little above.
pub(super) fn shrink(c: U256, drop: u32, sticky: bool) -> U256 {
    if drop == 0 {
        return c;
    }
    if drop > 76 {
        return U256::ZERO;
    }
    let scale = pow10(drop);
    let (q, r) = (c / scale, c % scale);
    let half = scale / 2;
    let odd = q % U256::from(2_u8) == U256::ONE;
    if r > half || (r == half && (sticky || odd)) {
        q + U256::ONE
    } else {
        q
    }
}

/// Rounds to 34 digits and to the range of exponents.
pub(super) fn finish(negative: bool, coefficient: U256, exponent: i32, sticky: bool) -> Decimal {
    let (mut c, mut e) = (coefficient, exponent);
    let over = digits(c).saturating_sub(DIGITS);
    let under = u32::try_from(MIN_EXPONENT.saturating_sub(e)).unwrap_or(0);
    let drop = over.max(under);
    if drop > 0 {
        c = shrink(c, drop, sticky);
        e = e.saturating_add(i32::try_from(drop).unwrap_or(i32::MAX));
        if digits(c) > DIGITS {
            c /= U256::from(10_u8);
            e += 1;
        }
    }
    if c == U256::ZERO {
        e = e.clamp(MIN_EXPONENT, MAX_EXPONENT);
    }
    while e > MAX_EXPONENT {
        let wider = c * U256::from(10_u8);
        if wider > U256::from(MAX_COEFFICIENT) {
            return infinity(negative);
        }
        c = wider;
        e -= 1;
    }
    Decimal::from_parts(DecimalParts::Finite {
        negative,
        coefficient: c.as_u128(),
        exponent: e,
    })
    .unwrap_or(Decimal::NAN)
}

/// The sum.
pub fn add(a: Decimal, b: Decimal) -> Decimal {
    let (x, y) = match (classify(a), classify(b)) {
        (Class::NaN, _) | (_, Class::NaN) => return Decimal::NAN,
        (Class::Infinity(p), Class::Infinity(q)) => {
            return if p == q { infinity(p) } else { Decimal::NAN };
        }
        (Class::Infinity(p), _) | (_, Class::Infinity(p)) => return infinity(p),
        (Class::Finite(x), Class::Finite(y)) => (x, y),
    };
    let (high, low) = if x.exponent >= y.exponent {
        (x, y)
    } else {
        (y, x)
    };
    let distance = high.exponent.abs_diff(low.exponent);
    let (mut h, mut l) = (U256::from(high.coefficient), U256::from(low.coefficient));
    // Widen the upper one as far as 256 bits allow; what the lower one then loses is far behind the last digit, and all
    // that counts of it is that it is there.
    let (mut exponent, mut sticky) = (low.exponent, false);
    if h != U256::ZERO {
        let widen = distance.min(75 - digits(h));
        h *= pow10(widen);
        let cut = distance - widen;
        if cut > 0 {
            exponent = high
                .exponent
                .saturating_sub(i32::try_from(widen).unwrap_or(0));
            let scale = pow10(cut);
            let kept = if cut > 40 { U256::ZERO } else { l / scale };
            sticky = if cut > 40 {
                l != U256::ZERO
            } else {
                l % scale != U256::ZERO
            };
            l = kept;
        }
    }
    if high.negative == low.negative {
        finish(high.negative, h + l, exponent, sticky)
    } else if h == l && !sticky {
        finish(false, U256::ZERO, exponent, false)
    } else if h > l {
        // The true difference lies a little below: take one away and say that it lies above.
        let borrow = if sticky { U256::ONE } else { U256::ZERO };
        finish(high.negative, h - l - borrow, exponent, sticky)
    } else {
        finish(low.negative, l - h, exponent, false)
    }
}

/// The opposite (of NaN: NaN).
pub fn neg(a: Decimal) -> Decimal {
    let parts = match a.parts() {
        DecimalParts::Finite {
            negative,
            coefficient,
            exponent,
        } => DecimalParts::Finite {
            negative: !negative,
            coefficient,
            exponent,
        },
        DecimalParts::Infinity { negative } => DecimalParts::Infinity {
            negative: !negative,
        },
        DecimalParts::NaN => DecimalParts::NaN,
    };
    Decimal::from_parts(parts).unwrap_or(Decimal::NAN)
}

/// The magnitude.
pub fn abs(a: Decimal) -> Decimal {
    if super::is_negative(a) { neg(a) } else { a }
}

/// The difference.
pub fn sub(a: Decimal, b: Decimal) -> Decimal {
    add(a, neg(b))
}

/// The product.
pub fn mul(a: Decimal, b: Decimal) -> Decimal {
    match (classify(a), classify(b)) {
        (Class::NaN, _) | (_, Class::NaN) => Decimal::NAN,
        (Class::Finite(x), Class::Finite(y)) => finish(
            x.negative != y.negative,
            U256::from(x.coefficient) * U256::from(y.coefficient),
            x.exponent + y.exponent,
            false,
        ),
        _ if a.is_zero() || b.is_zero() => Decimal::NAN,
        _ => infinity(super::is_negative(a) != super::is_negative(b)),
    }
}

/// The quotient; zero over zero is NaN, anything else over zero an infinity.
pub fn div(a: Decimal, b: Decimal) -> Decimal {
    let negative = super::is_negative(a) != super::is_negative(b);
    let (x, y) = match (classify(a), classify(b)) {
        (Class::NaN, _) | (_, Class::NaN) | (Class::Infinity(_), Class::Infinity(_)) => {
            return Decimal::NAN;
        }
        (Class::Infinity(_), _) => return infinity(negative),
        (_, Class::Infinity(_)) => return finish(negative, U256::ZERO, MIN_EXPONENT, false),
        (Class::Finite(x), Class::Finite(y)) => (x, y),
    };
    let ideal = x.exponent - y.exponent;
    match (x.coefficient, y.coefficient) {
        (0, 0) => return Decimal::NAN,
        (_, 0) => return infinity(negative),
        (0, _) => return finish(negative, U256::ZERO, ideal, false),
        _ => {}
    }
    let n = U256::from(x.coefficient);
    let d = U256::from(y.coefficient);
    let scale = 76 - digits(n);
    let n = n * pow10(scale);
    let (mut q, r) = (n / d, n % d);
    let mut e = ideal - i32::try_from(scale).unwrap_or(0);
    if r == U256::ZERO {
        let ten = U256::from(10_u8);
        while e < ideal && q % ten == U256::ZERO {
            q /= ten;
            e += 1;
        }
    }
    finish(negative, q, e, r != U256::ZERO)
}

/// The remainder of the truncated quotient, with the sign of the dividend.
pub fn rem(a: Decimal, b: Decimal) -> Decimal {
    let (x, y) = match (classify(a), classify(b)) {
        (Class::NaN, _) | (_, Class::NaN) | (Class::Infinity(_), _) => return Decimal::NAN,
        (Class::Finite(_), Class::Infinity(_)) => return a,
        (Class::Finite(x), Class::Finite(y)) => (x, y),
    };
    if y.coefficient == 0 {
        return Decimal::NAN;
    }
    let exponent = x.exponent.min(y.exponent);
    let mut r = U256::from(x.coefficient);
    let mut d = U256::from(y.coefficient);
    if x.exponent >= y.exponent {
        let mut left = x.exponent.abs_diff(y.exponent);
        r %= d;
        while left > 0 && r != U256::ZERO {
            let step = left.min(38);
            r = r * pow10(step) % d;
            left -= step;
        }
    } else {
        let shift = y.exponent.abs_diff(x.exponent);
        if shift <= 41 {
            d *= pow10(shift);
            r %= d;
        }
    }
    finish(x.negative, r, exponent, false)
}
