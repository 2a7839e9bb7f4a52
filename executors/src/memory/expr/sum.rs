//! Exact sums over numbers of mixed types.
use crate::memory::decimal;
use crate::memory::value::{Decimal, Value, ValueRef, num};

/// A running sum: integers exactly, doubles with compensation, decimals on their own; one type at the end.
#[derive(Clone, Debug)]
pub(crate) struct Summation {
    integers: i128,
    high: f64,
    low: f64,
    /// The plain sum: what counts once an infinity or a NaN is in.
    plain: f64,
    decimals: Option<Decimal>,
    widest: Widest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Widest {
    Int,
    Long,
    Double,
    Decimal,
}

impl Default for Summation {
    fn default() -> Self {
        Self {
            integers: 0,
            high: 0.0,
            low: 0.0,
            plain: 0.0,
            decimals: None,
            widest: Widest::Int,
        }
    }
}

impl Summation {
    /// Adds a number; `false` when the value is none.
    #[inline]
    pub fn add(&mut self, v: ValueRef<'_>) -> bool {
        match v {
            ValueRef::Int32(n) => self.integers += i128::from(n),
            ValueRef::Int64(n) => {
                self.integers += i128::from(n);
                self.widest = self.widest.max(Widest::Long);
            }
            ValueRef::Double(x) => {
                self.add_double(x);
                self.widest = self.widest.max(Widest::Double);
            }
            ValueRef::Decimal(d) => {
                self.decimals = Some(match self.decimals {
                    Some(sum) => decimal::add(sum, d),
                    None => d,
                });
                self.widest = Widest::Decimal;
            }
            _ => return false,
        }
        true
    }

    /// Adds an integer that leaves the type as it is (a count so far).
    pub fn add_plain(&mut self, n: i64) {
        self.integers += i128::from(n);
    }

    fn add_double(&mut self, x: f64) {
        self.plain += x;
        let sum = self.high + x;
        let back = sum - self.high;
        self.low += (self.high - (sum - back)) + (x - back);
        self.high = sum;
    }

    fn double(&self) -> f64 {
        if !self.plain.is_finite() {
            return self.plain;
        }
        let mut all = self.clone();
        // Two doubles hold any sum of fewer than 2^43 longs.
        let (top, rest) = (self.integers >> 32, self.integers & 0xffff_ffff);
        all.add_double(i128_to_f64(top) * 4_294_967_296.0);
        all.add_double(i128_to_f64(rest));
        all.high + all.low
    }

    fn decimal(&self) -> Decimal {
        let mut sum = integer_decimal(self.integers);
        if self.high != 0.0 || self.low != 0.0 || !self.plain.is_finite() {
            let x = if self.plain.is_finite() {
                self.high
            } else {
                self.plain
            };
            sum = decimal::add(sum, decimal::from_f64_exact(x));
            if self.plain.is_finite() && self.low != 0.0 {
                sum = decimal::add(sum, decimal::from_f64_exact(self.low));
            }
        }
        match self.decimals {
            Some(d) => decimal::add(sum, d),
            None => sum,
        }
    }

    /// The sum in the widest type seen; integers that overflow become long, then double.
    pub fn value(&self) -> Value {
        match self.widest {
            Widest::Int => match i64::try_from(self.integers) {
                Ok(n) => Value::int(n),
                Err(_) => Value::Double(self.double()),
            },
            Widest::Long => match i64::try_from(self.integers) {
                Ok(n) => Value::Int64(n),
                Err(_) => Value::Double(self.double()),
            },
            Widest::Double => Value::Double(self.double()),
            Widest::Decimal => Value::Decimal(self.decimal()),
        }
    }

    /// The sum divided by a count: a double, or a decimal if there was one.
    pub fn mean(&self, count: i64) -> Value {
        if self.widest == Widest::Decimal {
            return Value::Decimal(decimal::div(self.decimal(), Decimal::from_i64(count)));
        }
        Value::Double(self.double() / num::i64_to_f64(count))
    }

    /// The sum of ints, or of ints and longs.
    pub fn of_integers(total: i128, long: bool) -> Self {
        Self {
            integers: total,
            widest: if long { Widest::Long } else { Widest::Int },
            ..Self::default()
        }
    }
}

#[allow(clippy::cast_precision_loss)]
fn i128_to_f64(n: i128) -> f64 {
    n as f64
}

fn integer_decimal(n: i128) -> Decimal {
    use crate::memory::value::DecimalParts;
    Decimal::from_parts(DecimalParts::Finite {
        negative: n < 0,
        coefficient: n.unsigned_abs(),
        exponent: 0,
    })
    .unwrap_or(Decimal::NAN)
}
