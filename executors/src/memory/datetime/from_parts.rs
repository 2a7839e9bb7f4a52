//! `$dateFromParts`: dates from numbers that may lie outside their usual ranges.
use super::{DAY, Zone, days_from_civil, iso_week_monday};

/// The time within a day; parts may overflow.
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)]
pub struct TimeOfDay {
    pub hour: i64,
    pub minute: i64,
    pub second: i64,
    pub millisecond: i64,
}

impl TimeOfDay {
    fn millis(self) -> Option<i64> {
        let minutes = self.hour.checked_mul(60)?.checked_add(self.minute)?;
        let seconds = minutes.checked_mul(60)?.checked_add(self.second)?;
        seconds.checked_mul(1000)?.checked_add(self.millisecond)
    }
}

/// A calendar date.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct Parts {
    pub year: i64,
    pub month: i64,
    pub day: i64,
    pub time: TimeOfDay,
}

impl Parts {
    /// The instant.
    pub fn to_utc(self, zone: &Zone) -> Option<i64> {
        instant(
            days_from_civil(self.year, self.month, self.day),
            self.time,
            zone,
        )
    }
}

/// A date by ISO weeks.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct IsoParts {
    pub year: i64,
    pub week: i64,
    pub day: i64,
    pub time: TimeOfDay,
}

impl IsoParts {
    /// The instant.
    pub fn to_utc(self, zone: &Zone) -> Option<i64> {
        let days = iso_week_monday(self.year) + (self.week - 1) * 7 + self.day - 1;
        instant(days, self.time, zone)
    }
}

fn instant(days: i64, time: TimeOfDay, zone: &Zone) -> Option<i64> {
    let local = days.checked_mul(DAY)?.checked_add(time.millis()?)?;
    Some(zone.to_utc(local))
}
