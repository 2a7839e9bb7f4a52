//! Numbers: whole, decimal (exact, 34 digits for quotients) and floating.

use std::cmp::Ordering;

use bson::Bson;
use mqlc_compiler::queryset::ArithmeticOp;

/// `digits * 10^exponent`.
#[derive(Debug, Clone, Copy)]
pub struct Dec {
    pub digits: i128,
    pub exponent: i32,
}

#[derive(Debug, Clone, Copy)]
pub enum Num {
    Int(i64),
    Dec(Dec),
    Float(f64),
}

impl Dec {
    pub fn parse(text: &str) -> Option<Dec> {
        let (mantissa, exponent) = match text.split_once(['E', 'e']) {
            Some((m, e)) => (m, e.trim_start_matches('+').parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        Some(Dec {
            digits: format!("{whole}{fraction}").parse().ok()?,
            exponent: exponent - i32::try_from(fraction.len()).ok()?,
        })
    }

    fn aligned(self, other: Dec) -> Option<(i128, i128, i32)> {
        let e = self.exponent.min(other.exponent);
        let scale = |d: Dec| {
            10_i128
                .checked_pow(u32::try_from(d.exponent - e).ok()?)?
                .checked_mul(d.digits)
        };
        Some((scale(self)?, scale(other)?, e))
    }

    pub fn normal(mut self) -> Dec {
        if self.digits == 0 {
            return Dec {
                digits: 0,
                exponent: 0,
            };
        }
        while self.digits % 10 == 0 {
            self.digits /= 10;
            self.exponent += 1;
        }
        self
    }

    /// Rounded, half to even, to a number of digits.
    pub fn rounded(mut self, places: u32) -> Dec {
        let limit = 10_i128.pow(places);
        let mut sticky = false;
        while self.digits.abs() >= limit {
            let last = self.digits % 10;
            self.digits /= 10;
            self.exponent += 1;
            if self.digits.abs() < limit {
                let up = last.abs() > 5 || last.abs() == 5 && (sticky || self.digits % 2 != 0);
                if up {
                    self.digits += last.signum();
                }
            }
            sticky |= last != 0;
        }
        self
    }

    fn divided(self, by: Dec) -> Dec {
        let negative = (self.digits < 0) != (by.digits < 0);
        let (n, d) = (self.digits.abs(), by.digits.abs());
        let (mut quotient, mut rest, mut exponent) = (n / d, n % d, self.exponent - by.exponent);
        while rest != 0 && quotient < 10_i128.pow(34) {
            rest *= 10;
            quotient = quotient * 10 + rest / d;
            rest %= d;
            exponent -= 1;
        }
        // One digit too many; what is left decides a half.
        if rest != 0 && quotient % 5 == 0 {
            quotient += 1;
        }
        let digits = if negative { -quotient } else { quotient };
        Dec { digits, exponent }.rounded(34)
    }

    fn float(self) -> f64 {
        format!("{}e{}", self.digits, self.exponent)
            .parse()
            .expect("a number")
    }

    pub fn bson(self) -> Bson {
        let d = self.rounded(34);
        let text = format!("{}E{}", d.digits, d.exponent);
        Bson::Decimal128(text.parse().expect("a decimal"))
    }
}

impl Num {
    pub fn of(value: &Bson) -> Option<Num> {
        Some(match value {
            Bson::Int32(n) => Num::Int(i64::from(*n)),
            Bson::Int64(n) => Num::Int(*n),
            Bson::Double(x) => Num::Float(*x),
            Bson::Decimal128(d) => Num::Dec(Dec::parse(&d.to_string())?),
            _ => return None,
        })
    }

    pub fn dec(self) -> Dec {
        match self {
            Num::Int(n) => Dec {
                digits: i128::from(n),
                exponent: 0,
            },
            Num::Dec(d) => d,
            Num::Float(x) => Dec::parse(&format!("{x:?}")).expect("a finite number"),
        }
    }

    pub fn float(self) -> f64 {
        match self {
            Num::Int(n) => n as f64,
            Num::Dec(d) => d.float(),
            Num::Float(x) => x,
        }
    }

    pub fn bson(self) -> Bson {
        match self {
            Num::Int(n) => Bson::Int64(n),
            Num::Dec(d) => d.bson(),
            Num::Float(x) => Bson::Double(x),
        }
    }

    pub fn order(self, other: Num) -> Ordering {
        match (self, other) {
            (Num::Int(a), Num::Int(b)) => a.cmp(&b),
            (Num::Float(_), _) | (_, Num::Float(_)) => {
                let (x, y) = (self.float(), other.float());
                x.partial_cmp(&y)
                    .unwrap_or_else(|| y.is_nan().cmp(&x.is_nan()))
            }
            _ => match self.dec().aligned(other.dec()) {
                Some((a, b, _)) => a.cmp(&b),
                None => self.float().total_cmp(&other.float()),
            },
        }
    }

    /// `None` where the result leaves the range; NULL is `Some(None)`.
    pub fn arithmetic(self, op: ArithmeticOp, other: Num) -> Option<Option<Num>> {
        if let (Num::Int(a), Num::Int(b)) = (self, other) {
            return Some(Some(Num::Int(match op {
                ArithmeticOp::Add => a.checked_add(b)?,
                ArithmeticOp::Sub => a.checked_sub(b)?,
                ArithmeticOp::Mul => a.checked_mul(b)?,
                ArithmeticOp::Div | ArithmeticOp::Mod if b == 0 => return Some(None),
                ArithmeticOp::Div => a.checked_div(b)?,
                ArithmeticOp::Mod => a.checked_rem(b)?,
                ArithmeticOp::Pow => a.checked_pow(u32::try_from(b).ok()?)?,
                ArithmeticOp::BitAnd => a & b,
                ArithmeticOp::BitOr => a | b,
                ArithmeticOp::BitXor => a ^ b,
                ArithmeticOp::ShiftLeft => {
                    a.checked_mul(2_i64.checked_pow(u32::try_from(b).ok()?)?)?
                }
                ArithmeticOp::ShiftRight => a >> u32::try_from(b).ok().filter(|b| *b < 63)?,
            })));
        }
        if matches!(self, Num::Float(_)) || matches!(other, Num::Float(_)) {
            let (a, b) = (self.float(), other.float());
            return Some(Some(Num::Float(match op {
                ArithmeticOp::Add => a + b,
                ArithmeticOp::Sub => a - b,
                ArithmeticOp::Mul => a * b,
                ArithmeticOp::Div | ArithmeticOp::Mod if b == 0.0 => return Some(None),
                ArithmeticOp::Div => a / b,
                ArithmeticOp::Mod => a % b,
                ArithmeticOp::Pow => a.powf(b),
                _ => return None,
            })));
        }
        let (a, b) = (self.dec(), other.dec());
        let sum = |f: fn(i128, i128) -> Option<i128>| {
            let (a, b, exponent) = a.aligned(b)?;
            Some(Dec {
                digits: f(a, b)?,
                exponent,
            })
        };
        Some(Some(Num::Dec(match op {
            ArithmeticOp::Add => sum(i128::checked_add)?,
            ArithmeticOp::Sub => sum(i128::checked_sub)?,
            ArithmeticOp::Mul => Dec {
                digits: a.digits.checked_mul(b.digits)?,
                exponent: a.exponent + b.exponent,
            }
            .rounded(34),
            ArithmeticOp::Div | ArithmeticOp::Mod if b.digits == 0 => return Some(None),
            ArithmeticOp::Div => a.divided(b),
            ArithmeticOp::Mod => sum(i128::checked_rem)?,
            _ => return None,
        })))
    }
}
