//! `$dateTrunc`: the start of the bin that an instant lies in. Bins are counted from 2000-01-01T00:00 local time
//! (weeks: from the first start of a week since then).
use super::{Civil, DAY, Unit, Weekday, Zone, days_from_civil};

/// Days from 1970-01-01 to 2000-01-01, a Saturday.
const REFERENCE: i64 = 10_957;

/// Truncates to `bin` units (at least 1). `None` on overflow.
pub fn trunc(ms: i64, unit: Unit, bin: i64, zone: &Zone, week_start: Weekday) -> Option<i64> {
    if let Some(months) = unit.months() {
        let civil = Civil::new(ms, zone);
        let size = months.checked_mul(bin)?;
        let since = (civil.year - 2000) * 12 + civil.month - 1;
        let start = since.div_euclid(size).checked_mul(size)?;
        // Far beyond the first date that 64 bits of milliseconds hold.
        if start.abs() > 12 * 300_000_000 {
            return None;
        }
        let local = days_from_civil(2000, 1 + start, 1).checked_mul(DAY)?;
        return Some(zone.to_utc(local));
    }
    match unit {
        Unit::Day | Unit::Week => {
            let (size, reference) = if unit == Unit::Week {
                // Saturday is day 5 when Monday is 0.
                let ahead = (week_start.0 - 5).rem_euclid(7);
                (bin.checked_mul(7)?, REFERENCE + ahead)
            } else {
                (bin, REFERENCE)
            };
            let day = ms.checked_add(zone.offset_at(ms))?.div_euclid(DAY);
            let start = (day - reference).div_euclid(size).checked_mul(size)? + reference;
            Some(zone.to_utc(start.checked_mul(DAY)?))
        }
        _ => {
            let size = unit.millis()?.checked_mul(bin)?;
            let reference = zone.to_utc(REFERENCE * DAY);
            let start = ms
                .checked_sub(reference)?
                .div_euclid(size)
                .checked_mul(size)?;
            start.checked_add(reference)
        }
    }
}
