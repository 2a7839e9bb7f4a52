//! Time zones: names of the tz database and fixed offsets.
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, civil::DateTime};

use super::DAY;
use crate::memory::error::EngineError;

/// A time zone.
#[derive(Clone, Debug)]
pub enum Zone {
    /// UTC.
    Utc,
    /// Milliseconds east of UTC.
    Fixed(i64),
    /// A zone of the tz database.
    Named(TimeZone),
}

impl Zone {
    /// Reads a zone: a name (`Europe/Rome`, `UTC`), or an offset (`+05:30`, `-0800`, `+03`).
    ///
    /// # Errors
    /// 40485 when there is no such zone.
    pub fn parse(text: &str) -> Result<Self, EngineError> {
        if matches!(text, "UTC" | "GMT" | "Z" | "Etc/UTC") {
            return Ok(Self::Utc);
        }
        if let Some(ms) = offset(text) {
            return Ok(if ms == 0 { Self::Utc } else { Self::Fixed(ms) });
        }
        TimeZone::get(text).map(Self::Named).map_err(|_| {
            EngineError::location(
                40485,
                format!("unrecognized time zone identifier: \"{text}\""),
            )
        })
    }

    /// Whether this is UTC itself.
    pub fn is_utc(&self) -> bool {
        matches!(self, Self::Utc)
    }

    /// The offset in force at an instant, in milliseconds east of UTC.
    pub fn offset_at(&self, ms: i64) -> i64 {
        match self {
            Self::Utc => 0,
            Self::Fixed(offset) => *offset,
            Self::Named(tz) => millis(tz.to_offset(timestamp(ms))),
        }
    }

    /// The instant of a local time (milliseconds as if it were UTC). A time that the clocks skip moves forward, one
    /// that they show twice is the first.
    pub fn to_utc(&self, local: i64) -> i64 {
        match self {
            Self::Utc => local,
            Self::Fixed(offset) => local.saturating_sub(*offset),
            Self::Named(tz) => {
                let civil: DateTime = Offset::UTC.to_datetime(timestamp(local));
                match tz.to_ambiguous_timestamp(civil).compatible() {
                    Ok(t) if timestamp(local).as_millisecond() == local => t.as_millisecond(),
                    _ => local.saturating_sub(self.offset_at(local)),
                }
            }
        }
    }
}

fn millis(offset: Offset) -> i64 {
    i64::from(offset.seconds()) * 1000
}

/// The nearest instant that the tz database can be asked about.
fn timestamp(ms: i64) -> Timestamp {
    let (low, high) = (
        Timestamp::MIN.as_millisecond() + 2 * DAY,
        Timestamp::MAX.as_millisecond() - 2 * DAY,
    );
    Timestamp::from_millisecond(ms.clamp(low, high)).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// `+hh`, `+hhmm`, `+hh:mm` in milliseconds.
pub(super) fn offset(text: &str) -> Option<i64> {
    let (sign, rest) = match text.as_bytes().first()? {
        b'+' => (1, text.get(1..)?),
        b'-' => (-1, text.get(1..)?),
        _ => return None,
    };
    let digits: String = match rest.len() {
        2 | 4 => rest.to_owned(),
        5 if rest.as_bytes().get(2) == Some(&b':') => rest.replacen(':', "", 1),
        _ => return None,
    };
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let hours: i64 = digits.get(..2)?.parse().ok()?;
    let minutes: i64 = digits
        .get(2..)
        .filter(|m| !m.is_empty())
        .map_or(Ok(0), str::parse)
        .ok()?;
    Some(sign * (hours * 60 + minutes) * 60_000)
}
