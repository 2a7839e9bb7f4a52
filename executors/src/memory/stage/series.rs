//! Preferred number series: the granularities of `$bucketAuto`.
use crate::memory::value::Value;

/// A granularity.
#[derive(Clone, Copy, Debug)]
pub enum Series {
    /// Powers of two.
    PowersOfTwo,
    /// The numbers of one decade, from 1 up (scaled by 100 to keep them exact).
    Decade(&'static [f64]),
}

const R5: &[f64] = &[1.0, 1.6, 2.5, 4.0, 6.3];
const R10: &[f64] = &[1.0, 1.25, 1.6, 2.0, 2.5, 3.15, 4.0, 5.0, 6.3, 8.0];
const R20: &[f64] = &[
    1.0, 1.12, 1.25, 1.4, 1.6, 1.8, 2.0, 2.24, 2.5, 2.8, 3.15, 3.55, 4.0, 4.5, 5.0, 5.6, 6.3, 7.1,
    8.0, 9.0,
];
const R40: &[f64] = &[
    1.0, 1.06, 1.12, 1.18, 1.25, 1.32, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9, 2.0, 2.12, 2.24, 2.36, 2.5,
    2.65, 2.8, 3.0, 3.15, 3.35, 3.55, 3.75, 4.0, 4.25, 4.5, 4.75, 5.0, 5.3, 5.6, 6.0, 6.3, 6.7,
    7.1, 7.5, 8.0, 8.5, 9.0, 9.5,
];
const R80: &[f64] = &[
    1.03, 1.09, 1.15, 1.22, 1.28, 1.36, 1.45, 1.55, 1.65, 1.75, 1.85, 1.95, 2.06, 2.18, 2.3, 2.43,
    2.58, 2.72, 2.9, 3.07, 3.25, 3.45, 3.65, 3.87, 4.12, 4.37, 4.62, 4.87, 5.15, 5.45, 5.8, 6.15,
    6.5, 6.9, 7.3, 7.75, 8.25, 8.75, 9.25, 9.75,
];
const ONE_TWO_FIVE: &[f64] = &[1.0, 2.0, 5.0];
const E6: &[f64] = &[1.0, 1.5, 2.2, 3.3, 4.7, 6.8];
const E12: &[f64] = &[1.0, 1.2, 1.5, 1.8, 2.2, 2.7, 3.3, 3.9, 4.7, 5.6, 6.8, 8.2];
const E24: &[f64] = &[
    1.0, 1.1, 1.2, 1.3, 1.5, 1.6, 1.8, 2.0, 2.2, 2.4, 2.7, 3.0, 3.3, 3.6, 3.9, 4.3, 4.7, 5.1, 5.6,
    6.2, 6.8, 7.5, 8.2, 9.1,
];
const E48: &[f64] = &[
    1.0, 1.05, 1.1, 1.15, 1.21, 1.27, 1.33, 1.4, 1.47, 1.54, 1.62, 1.69, 1.78, 1.87, 1.96, 2.05,
    2.15, 2.26, 2.37, 2.49, 2.61, 2.74, 2.87, 3.01, 3.16, 3.32, 3.48, 3.65, 3.83, 4.02, 4.22, 4.42,
    4.64, 4.87, 5.11, 5.36, 5.62, 5.9, 6.19, 6.49, 6.81, 7.15, 7.5, 7.87, 8.25, 8.66, 9.09, 9.53,
];

impl Series {
    /// The series of a name.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "POWERSOF2" => Self::PowersOfTwo,
            "1-2-5" => Self::Decade(ONE_TWO_FIVE),
            "R5" => Self::Decade(R5),
            "R10" => Self::Decade(R10),
            "R20" => Self::Decade(R20),
            "R40" => Self::Decade(R40),
            "R80" => Self::Decade(R80),
            "E6" => Self::Decade(E6),
            "E12" => Self::Decade(E12),
            "E24" => Self::Decade(E24),
            "E48" => Self::Decade(E48),
            _ => return None,
        })
    }

    /// The least number of the series above a number.
    pub fn up(self, v: &Value) -> Value {
        let x = v.as_f64().unwrap_or(0.0);
        if x == 0.0 {
            return Value::Double(0.0);
        }
        match self {
            Self::PowersOfTwo => {
                let power = 2.0_f64.powf(x.log2().floor() + 1.0);
                Value::Double(power)
            }
            Self::Decade(numbers) => {
                let mut scale = 10.0_f64.powf(x.log10().floor());
                loop {
                    if let Some(n) = numbers.iter().map(|n| n * scale).find(|n| *n > x) {
                        return Value::Double(n);
                    }
                    scale *= 10.0;
                    if !scale.is_finite() {
                        return Value::Double(scale);
                    }
                }
            }
        }
    }

    /// The greatest number of the series below a number.
    pub fn down(self, v: &Value) -> Value {
        let x = v.as_f64().unwrap_or(0.0);
        if x == 0.0 {
            return Value::Double(0.0);
        }
        match self {
            Self::PowersOfTwo => Value::Double(2.0_f64.powf(x.log2().ceil() - 1.0)),
            Self::Decade(numbers) => {
                let mut scale = 10.0_f64.powf(x.log10().floor());
                loop {
                    if let Some(n) = numbers.iter().rev().map(|n| n * scale).find(|n| *n < x) {
                        return Value::Double(n);
                    }
                    scale /= 10.0;
                    if scale == 0.0 {
                        return Value::Double(0.0);
                    }
                }
            }
        }
    }
}
