//! Units of time and days of the week, as arguments name them.
use crate::memory::error::EngineError;

/// A unit of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Unit {
    Year,
    Quarter,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
    Millisecond,
}

impl Unit {
    /// Reads a unit's name.
    ///
    /// # Errors
    /// `FailedToParse` when there is no such unit.
    pub fn parse(text: &str) -> Result<Self, EngineError> {
        Ok(match text {
            "year" => Self::Year,
            "quarter" => Self::Quarter,
            "month" => Self::Month,
            "week" => Self::Week,
            "day" => Self::Day,
            "hour" => Self::Hour,
            "minute" => Self::Minute,
            "second" => Self::Second,
            "millisecond" => Self::Millisecond,
            _ => {
                return Err(EngineError::failed_to_parse(format!(
                    "unknown time unit value: {text}"
                )));
            }
        })
    }

    /// The length in milliseconds, for the units that have one.
    pub fn millis(self) -> Option<i64> {
        Some(match self {
            Self::Week => 604_800_000,
            Self::Day => 86_400_000,
            Self::Hour => 3_600_000,
            Self::Minute => 60_000,
            Self::Second => 1000,
            Self::Millisecond => 1,
            Self::Year | Self::Quarter | Self::Month => return None,
        })
    }

    /// The number of months, for the units that are made of months.
    pub fn months(self) -> Option<i64> {
        match self {
            Self::Year => Some(12),
            Self::Quarter => Some(3),
            Self::Month => Some(1),
            _ => None,
        }
    }
}

/// A day of the week; 0 is Monday.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weekday(pub i64);

impl Weekday {
    /// What weeks start with unless told otherwise.
    pub const SUNDAY: Self = Self(6);

    /// Reads an English name or its first three letters, in any case.
    pub fn parse(text: &str) -> Option<Self> {
        const NAMES: [&str; 7] = [
            "monday",
            "tuesday",
            "wednesday",
            "thursday",
            "friday",
            "saturday",
            "sunday",
        ];
        let text = text.to_ascii_lowercase();
        let at = NAMES
            .iter()
            .position(|n| *n == text || (text.len() == 3 && n.starts_with(&text)))?;
        i64::try_from(at).ok().map(Self)
    }
}
