//! The few lossy number casts of the engine, each with the rule it follows.
use std::cmp::Ordering;

/// The double nearest to an integer.
#[inline]
#[allow(clippy::cast_precision_loss)]
pub fn i64_to_f64(n: i64) -> f64 {
    n as f64
}

/// The double nearest to a count.
#[inline]
#[allow(clippy::cast_precision_loss)]
pub fn usize_to_f64(n: usize) -> f64 {
    n as f64
}

/// Truncates toward zero; saturates at the ends, NaN is zero (Rust's `as`).
#[inline]
#[allow(clippy::cast_possible_truncation)]
pub fn f64_to_i64(x: f64) -> i64 {
    x as i64
}

/// The integer that a double is, if it is one within 64 bits.
#[inline]
pub fn exact_i64(x: f64) -> Option<i64> {
    // 2^63 itself is out of range, -2^63 is in.
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&x) && x.trunc() == x {
        Some(f64_to_i64(x))
    } else {
        None
    }
}

/// A length as a BSON int (saturating).
pub fn len_i32(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

/// A length as a BSON long (saturating).
pub fn len_i64(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Doubles with NaN below everything and equal to itself; 0.0 equals -0.0.
#[inline]
pub fn compare_f64(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b)
        .unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
}

/// Exact comparison of an integer with a double.
pub fn compare_i64_f64(a: i64, b: f64) -> Ordering {
    if b.is_nan() || b < -9_223_372_036_854_775_808.0 {
        return Ordering::Greater;
    }
    if b >= 9_223_372_036_854_775_808.0 {
        return Ordering::Less;
    }
    let whole = b.trunc();
    a.cmp(&f64_to_i64(whole))
        .then_with(|| compare_f64(0.0, b - whole))
}
