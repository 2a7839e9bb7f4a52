//! The calendar: days to dates and back, weeks, local times.
use super::{DAY, Zone};

/// Days since 1970-01-01 of a date. Months and days may lie outside their ranges.
pub fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let months = year * 12 + (month - 1);
    let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
    // Years that start in March put the leap day last.
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let year_of_era = y - era * 400;
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468 + (day - 1)
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, day)
}

/// The number of days of a month (1 to 12).
pub(super) fn days_in_month(year: i64, month: i64) -> i64 {
    days_from_civil(year, month + 1, 1) - days_from_civil(year, month, 1)
}

/// A local date and time, with the offset that was in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Civil {
    pub year: i64,
    pub month: i64,
    pub day: i64,
    /// Days since 1970-01-01.
    pub days: i64,
    /// Milliseconds since local midnight.
    pub time: i64,
    /// Milliseconds east of UTC.
    pub offset: i64,
}

/// A date by ISO weeks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct IsoDate {
    pub year: i64,
    pub week: i64,
    /// 1 is Monday.
    pub day: i64,
}

/// The Monday (in days since 1970) on which the first ISO week of a year starts.
pub fn iso_week_monday(year: i64) -> i64 {
    let fourth = days_from_civil(year, 1, 4);
    fourth - (fourth + 3).rem_euclid(7)
}

impl Civil {
    /// The local time of an instant.
    pub fn new(ms: i64, zone: &Zone) -> Self {
        let offset = zone.offset_at(ms);
        let local = ms.saturating_add(offset);
        let days = local.div_euclid(DAY);
        let (year, month, day) = civil_from_days(days);
        Self {
            year,
            month,
            day,
            days,
            time: local.rem_euclid(DAY),
            offset,
        }
    }

    /// Hour, minute, second, millisecond.
    pub fn clock(&self) -> (i64, i64, i64, i64) {
        let t = self.time;
        (t / 3_600_000, t / 60_000 % 60, t / 1000 % 60, t % 1000)
    }

    /// 1 is January the first.
    pub fn day_of_year(&self) -> i64 {
        self.days - days_from_civil(self.year, 1, 1) + 1
    }

    /// 1 is Sunday.
    pub fn day_of_week(&self) -> i64 {
        (self.days + 4).rem_euclid(7) + 1
    }

    /// 0 to 53; weeks start on Sundays, days before the first one are in week 0.
    pub fn week(&self) -> i64 {
        (self.day_of_year() + 7 - self.day_of_week()) / 7
    }

    /// The date by ISO weeks.
    pub fn iso(&self) -> IsoDate {
        let day = (self.days + 3).rem_euclid(7) + 1;
        let (year, _, _) = civil_from_days(self.days + 4 - day);
        IsoDate {
            year,
            week: (self.days - iso_week_monday(year)) / 7 + 1,
            day,
        }
    }
}
