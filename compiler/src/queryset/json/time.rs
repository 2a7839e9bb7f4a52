//! Dates, times and datetimes as Python's `isoformat()` writes them.
//!
//! Fixed forms, so that a text means one thing only: `2024-01-31`, `10:30:00.000001`,
//! `2024-01-31T10:00:00.123456`, and `+02:00` or `Z` after it. Fractions have one to nine digits.

use std::fmt;

use jiff::{civil, tz::Offset};

use crate::queryset::AwareDateTime;

struct Digits<'a>(&'a [u8]);

impl Digits<'_> {
    fn number(&mut self, length: usize) -> Option<i16> {
        let (head, tail) = self.0.split_at_checked(length)?;
        let mut number: i16 = 0;
        for byte in head {
            let digit = byte.is_ascii_digit().then(|| byte - b'0')?;
            number = number.checked_mul(10)?.checked_add(digit.into())?;
        }
        self.0 = tail;
        Some(number)
    }

    fn two(&mut self) -> Option<i8> {
        i8::try_from(self.number(2)?).ok()
    }

    fn mark(&mut self, mark: u8) -> Option<()> {
        let (first, rest) = self.0.split_first()?;
        (*first == mark).then(|| self.0 = rest)
    }

    fn end<T>(&self, value: T) -> Option<T> {
        self.0.is_empty().then_some(value)
    }

    fn date(&mut self) -> Option<civil::Date> {
        let year = self.number(4)?;
        self.mark(b'-')?;
        let month = self.two()?;
        self.mark(b'-')?;
        civil::Date::new(year, month, self.two()?).ok()
    }

    fn time(&mut self) -> Option<civil::Time> {
        let hour = self.two()?;
        self.mark(b':')?;
        let minute = self.two()?;
        self.mark(b':')?;
        let second = self.two()?;
        let mut nanos: i32 = 0;
        if self.mark(b'.').is_some() {
            let mut unit = 100_000_000;
            let start = self.0.len();
            while let Some((byte, rest)) = self.0.split_first() {
                if !byte.is_ascii_digit() {
                    break;
                }
                if unit == 0 {
                    return None;
                }
                nanos += i32::from(byte - b'0') * unit;
                unit /= 10;
                self.0 = rest;
            }
            if self.0.len() == start {
                return None;
            }
        }
        civil::Time::new(hour, minute, second, nanos).ok()
    }

    fn datetime(&mut self) -> Option<civil::DateTime> {
        let date = self.date()?;
        self.mark(b'T')?;
        Some(civil::DateTime::from_parts(date, self.time()?))
    }

    fn offset(&mut self) -> Option<Offset> {
        if self.mark(b'Z').is_some() {
            return Some(Offset::UTC);
        }
        let sign = match self.mark(b'+') {
            Some(()) => 1,
            None => {
                self.mark(b'-')?;
                -1
            }
        };
        let hours = i32::from(self.two()?);
        self.mark(b':')?;
        let minutes = i32::from(self.two()?);
        let seconds = match self.mark(b':') {
            Some(()) => i32::from(self.two()?),
            None => 0,
        };
        if hours > 23 || minutes > 59 || seconds > 59 {
            return None;
        }
        Offset::from_seconds(sign * (hours * 3600 + minutes * 60 + seconds)).ok()
    }
}

pub(crate) fn parse_date(text: &str) -> Option<civil::Date> {
    let mut digits = Digits(text.as_bytes());
    let date = digits.date()?;
    digits.end(date)
}

pub(crate) fn parse_time(text: &str) -> Option<civil::Time> {
    let mut digits = Digits(text.as_bytes());
    let time = digits.time()?;
    digits.end(time)
}

pub(crate) fn parse_naive(text: &str) -> Option<civil::DateTime> {
    let mut digits = Digits(text.as_bytes());
    let datetime = digits.datetime()?;
    digits.end(datetime)
}

pub(crate) fn parse_aware(text: &str) -> Option<AwareDateTime> {
    let mut digits = Digits(text.as_bytes());
    let datetime = digits.datetime()?;
    let offset = digits.offset()?;
    let instant = offset.to_timestamp(datetime).ok()?;
    digits.end(AwareDateTime { instant, offset })
}

/// A date as `isoformat()` writes it.
pub(crate) struct IsoDate(pub civil::Date);
/// A time as `isoformat()` writes it.
pub(crate) struct IsoTime(pub civil::Time);
/// A datetime without a zone as `isoformat()` writes it.
pub(crate) struct IsoNaive(pub civil::DateTime);
/// A datetime with an offset as `isoformat()` writes it.
pub(crate) struct IsoAware(pub AwareDateTime);

impl fmt::Display for IsoDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = self.0;
        write!(
            f,
            "{:04}-{:02}-{:02}",
            date.year(),
            date.month(),
            date.day()
        )
    }
}

impl fmt::Display for IsoTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = self.0;
        write!(
            f,
            "{:02}:{:02}:{:02}",
            time.hour(),
            time.minute(),
            time.second()
        )?;
        match time.subsec_nanosecond() {
            0 => Ok(()),
            nanos if nanos % 1000 == 0 => write!(f, ".{:06}", nanos / 1000),
            nanos => write!(f, ".{nanos:09}"),
        }
    }
}

impl fmt::Display for IsoNaive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}T{}", IsoDate(self.0.date()), IsoTime(self.0.time()))
    }
}

impl fmt::Display for IsoAware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AwareDateTime { instant, offset } = self.0;
        write!(f, "{}", IsoNaive(offset.to_datetime(instant)))?;
        let seconds = offset.seconds();
        let sign = if seconds < 0 { '-' } else { '+' };
        let seconds = seconds.unsigned_abs();
        write!(f, "{sign}{:02}:{:02}", seconds / 3600, seconds / 60 % 60)?;
        match seconds % 60 {
            0 => Ok(()),
            rest => write!(f, ":{rest:02}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written as Python writes it comes back as it was.
    #[test]
    fn forms_round_trip() {
        for text in ["2024-01-31", "0001-01-01", "9999-12-31"] {
            assert_eq!(IsoDate(parse_date(text).unwrap()).to_string(), text);
        }
        for text in ["10:30:00", "10:30:00.000001", "23:59:59.999999999"] {
            assert_eq!(IsoTime(parse_time(text).unwrap()).to_string(), text);
        }
        for text in [
            "2024-01-31T10:00:00.123456+02:00",
            "1890-01-01T00:00:00-05:50:36",
            "2024-01-31T10:00:00+00:00",
        ] {
            assert_eq!(IsoAware(parse_aware(text).unwrap()).to_string(), text);
        }
    }

    /// Everything else is refused, not guessed.
    #[test]
    fn other_forms_are_refused() {
        for text in [
            "2024-1-31",
            "2024-02-30",
            "2024-01-31 ",
            "20240131",
            "+2024-01-31",
            "２024-01-31",
            "",
        ] {
            assert_eq!(parse_date(text), None, "{text}");
        }
        for text in [
            "10:30",
            "24:00:00",
            "10:30:00.",
            "10:30:00.1234567890",
            "10:60:00",
            "10:30:61",
        ] {
            assert_eq!(parse_time(text), None, "{text}");
        }
        for text in [
            "2024-01-31T10:00:00",
            "2024-01-31T10:00:00+2",
            "2024-01-31T10:00:00+24:00",
            "2024-01-31 10:00:00Z",
        ] {
            assert_eq!(parse_aware(text), None, "{text}");
        }
        assert_eq!(parse_naive("2024-01-31T10:00:00Z"), None);
    }
}
