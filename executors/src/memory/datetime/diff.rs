//! `$dateDiff`: how many boundaries of a unit lie between two instants.
use super::{Civil, DAY, Unit, Weekday, Zone};

/// The number of boundaries crossed from `start` to `end` (negative when `end` is earlier). `None` on overflow.
pub fn diff(start: i64, end: i64, unit: Unit, zone: &Zone, week_start: Weekday) -> Option<i64> {
    match unit {
        Unit::Millisecond => end.checked_sub(start),
        Unit::Second => end.div_euclid(1000).checked_sub(start.div_euclid(1000)),
        Unit::Hour | Unit::Minute => {
            let length = unit.millis()?;
            // Each instant goes back to the start of its local hour: what lies between counts in real time.
            let floor = |ms: i64| {
                let local = ms.saturating_add(zone.offset_at(ms));
                ms - local.rem_euclid(length)
            };
            Some(floor(end).checked_sub(floor(start))? / length)
        }
        Unit::Day | Unit::Week => {
            let day = |ms: i64| ms.saturating_add(zone.offset_at(ms)).div_euclid(DAY);
            if unit == Unit::Day {
                return Some(day(end) - day(start));
            }
            // 1970-01-01 was a Thursday.
            let week = |ms: i64| (day(ms) + 3 - week_start.0).div_euclid(7);
            Some(week(end) - week(start))
        }
        Unit::Month | Unit::Quarter | Unit::Year => {
            let (a, b) = (Civil::new(start, zone), Civil::new(end, zone));
            let index =
                |c: &Civil| (c.year * 12 + c.month - 1).div_euclid(unit.months().unwrap_or(1));
            Some(index(&b) - index(&a))
        }
    }
}
