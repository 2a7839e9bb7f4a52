//! The instant at which a day begins.

use bson::DateTime;
use jiff::civil::Date;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

/// A zone by its name, or by its distance from UTC.
pub(super) fn zone_of(name: &str) -> Option<TimeZone> {
    let fixed = name.strip_prefix(['+', '-']).and_then(|rest| {
        let (hours, minutes) = rest.split_once(':')?;
        let seconds = hours.parse::<i32>().ok()? * 3600 + minutes.parse::<i32>().ok()? * 60;
        let sign = if name.starts_with('-') { -1 } else { 1 };
        Offset::from_seconds(sign * seconds).ok()
    });
    match fixed {
        Some(offset) => Some(TimeZone::fixed(offset)),
        None => TimeZone::get(name).ok(),
    }
}

/// The first instant of a day in a zone, if from then on it is never an earlier day again.
pub(super) fn start(day: Date, zone: Option<&str>) -> Option<DateTime> {
    let midnight = day.at(0, 0, 0, 0);
    let Some(zone) = zone else {
        let at = Offset::UTC.to_timestamp(midnight).ok()?;
        return Some(DateTime::from_millis(at.as_millisecond()));
    };
    let zone = zone_of(zone)?;
    let at = zone
        .to_ambiguous_zoned(midnight)
        .compatible()
        .ok()?
        .timestamp();
    let day_at = |at: Timestamp| zone.to_datetime(at).date();
    let blink = SignedDuration::from_millis(1);
    let just_before = at.checked_sub(blink).ok()?;
    let certain = day_at(at) >= day && day_at(just_before) < day;
    if !certain || at.subsec_nanosecond() % 1_000_000 != 0 {
        return None;
    }
    // Clocks that are turned back near midnight can repeat the day before.
    let near = SignedDuration::from_hours(48);
    let (first, last) = (at.checked_sub(near).ok()?, at.checked_add(near).ok()?);
    for change in zone.following(at) {
        let change = change.timestamp();
        if change > last {
            break;
        }
        if day_at(change) < day {
            return None;
        }
    }
    for change in zone.preceding(at) {
        let change = change.timestamp();
        if change < first {
            break;
        }
        if day_at(change.checked_sub(blink).ok()?) >= day {
            return None;
        }
    }
    Some(DateTime::from_millis(at.as_millisecond()))
}

/// A day that has a next one.
pub(super) fn date_of(year: i64, month: i64, day: i64) -> Option<Date> {
    Date::new(
        i16::try_from(year).ok().filter(|y| (1..9999).contains(y))?,
        i8::try_from(month).ok()?,
        i8::try_from(day).ok()?,
    )
    .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(year: i16, month: i8, day: i8) -> Date {
        Date::new(year, month, day).expect("a date")
    }

    fn instant(text: &str) -> Option<DateTime> {
        Some(DateTime::parse_rfc3339_str(text).expect("a date and time"))
    }

    /// Days start when clocks say so: at midnight, after a gap, and nowhere certain when midnight comes twice with the day
    /// before between.
    #[test]
    fn days_start_by_the_zone() {
        let start = |d, zone| start(d, Some(zone));
        assert_eq!(
            start(date(2024, 7, 1), "Europe/Berlin"),
            instant("2024-06-30T22:00:00Z")
        );
        assert_eq!(
            start(date(2024, 7, 1), "+05:30"),
            instant("2024-06-30T18:30:00Z")
        );
        // Clocks went from 0:00 to 1:00.
        assert_eq!(
            start(date(2017, 10, 15), "America/Sao_Paulo"),
            instant("2017-10-15T03:00:00Z")
        );
        // Clocks went from 1:00 back to 0:00: the first midnight counts.
        assert_eq!(
            start(date(2023, 11, 5), "America/Havana"),
            instant("2023-11-05T04:00:00Z")
        );
        // Clocks went from 0:01 back to 23:01 of the day before.
        assert_eq!(start(date(2009, 11, 1), "America/St_Johns"), None);
        // The 30th of December 2011 never came: it starts, and ends, with the 31st.
        assert_eq!(
            start(date(2011, 12, 30), "Pacific/Apia"),
            instant("2011-12-30T10:00:00Z")
        );
    }
}
