//! Formats of `$dateToString` and `$dateFromString`, compiled once.
use std::fmt::Write as _;

use super::{Civil, Zone};
use crate::memory::error::EngineError;

/// The default format in UTC.
pub const ISO_UTC: &str = "%Y-%m-%dT%H:%M:%S.%LZ";
/// The default format in other zones.
pub const ISO: &str = "%Y-%m-%dT%H:%M:%S.%L";

/// English names of the months.
pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// One piece of a format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    Field(char),
}

/// A compiled format.
#[derive(Clone, Debug)]
pub struct Format {
    pub(super) pieces: Vec<Piece>,
}

impl Format {
    /// Compiles a format for output.
    ///
    /// # Errors
    /// 18535 for a `%` at the end, 18536 for an unknown specifier.
    pub fn to_string_format(text: &str) -> Result<Self, EngineError> {
        Self::compile(text, "bBdGHjLmMSuUVwYzZ")
    }

    /// Compiles a format for input.
    ///
    /// # Errors
    /// As for output.
    pub fn from_string_format(text: &str) -> Result<Self, EngineError> {
        Self::compile(text, "bBdGHjLmMSuVYzZ")
    }

    fn compile(text: &str, known: &str) -> Result<Self, EngineError> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                plain.push(c);
                continue;
            }
            match chars.next() {
                None => {
                    return Err(EngineError::location(
                        18535,
                        "Unmatched '%' at end of format string",
                    ));
                }
                Some('%') => plain.push('%'),
                Some(f) if known.contains(f) => {
                    if !plain.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut plain)));
                    }
                    pieces.push(Piece::Field(f));
                }
                Some(f) => {
                    return Err(EngineError::location(
                        18536,
                        format!("Invalid format character '%{f}' in format string"),
                    ));
                }
            }
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self { pieces })
    }

    /// Writes a date.
    ///
    /// # Errors
    /// 18537 for a year outside 0 to 9999.
    pub fn write(&self, ms: i64, zone: &Zone) -> Result<String, EngineError> {
        let c = Civil::new(ms, zone);
        let (hour, minute, second, millisecond) = c.clock();
        let mut out = String::with_capacity(24);
        for piece in &self.pieces {
            let field = match piece {
                Piece::Text(t) => {
                    out.push_str(t);
                    continue;
                }
                Piece::Field(f) => *f,
            };
            let name = usize::try_from(c.month - 1)
                .ok()
                .and_then(|m| MONTHS.get(m))
                .copied()
                .unwrap_or_default();
            let (number, width) = match field {
                'Y' => (year(c.year)?, 4),
                'G' => (year(c.iso().year)?, 4),
                'm' => (c.month, 2),
                'd' => (c.day, 2),
                'H' => (hour, 2),
                'M' => (minute, 2),
                'S' => (second, 2),
                'L' => (millisecond, 3),
                'j' => (c.day_of_year(), 3),
                'w' => (c.day_of_week(), 1),
                'u' => (c.iso().day, 1),
                'U' => (c.week(), 2),
                'V' => (c.iso().week, 2),
                'b' => {
                    out.push_str(name.get(..3).unwrap_or_default());
                    continue;
                }
                'B' => {
                    out.push_str(name);
                    continue;
                }
                'Z' => (c.offset / 60_000, 1),
                _ => {
                    let minutes = c.offset.abs() / 60_000;
                    out.push(if c.offset < 0 { '-' } else { '+' });
                    (minutes / 60 * 100 + minutes % 60, 4)
                }
            };
            let _infallible = write!(out, "{number:0width$}");
        }
        Ok(out)
    }
}

fn year(y: i64) -> Result<i64, EngineError> {
    if (0..=9999).contains(&y) {
        Ok(y)
    } else {
        Err(EngineError::location(
            18537,
            format!(
                "Could not convert date to string: date component was outside the supported range of 0-9999: {y}"
            ),
        ))
    }
}
