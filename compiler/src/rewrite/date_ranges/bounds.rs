//! The instants between which a date has a value of a part.

use bson::{Bson, DateTime};
use jiff::Timestamp;
use jiff::civil::{Date, ISOWeekDate, Time, Weekday};
use jiff::tz::Offset;

use super::day::{start, zone_of};
use super::part::Part;
use crate::rewrite::literal;

/// The instants between which a date has a value of a part.
pub(super) struct Bounds {
    pub from: DateTime,
    pub until: DateTime,
    /// Dates before have lesser values. Otherwise the value is between those that there are: `from` and `until` are the
    /// bounds of the greatest lesser one.
    pub exact: bool,
}

pub(super) fn bounds(part: Part, value: &Bson, zone: Option<&str>) -> Option<Bounds> {
    let year = |value: &Bson| {
        i16::try_from(literal::int(value)?)
            .ok()
            .filter(|y| (1..9998).contains(y))
    };
    let instant = |value: &Bson| match value {
        Bson::DateTime(at) => Timestamp::from_millisecond(at.timestamp_millis()).ok(),
        _ => None,
    };
    let mut exact = true;
    let (first, next) = match part {
        Part::Year => {
            let year = year(value)?;
            (Date::new(year, 1, 1).ok()?, Date::new(year + 1, 1, 1).ok()?)
        }
        Part::IsoYear => {
            let first = |year| Some(ISOWeekDate::new(year, 1, Weekday::Monday).ok()?.date());
            let year = year(value)?;
            (first(year)?, first(year + 1)?)
        }
        Part::Date => {
            let day = Offset::UTC.to_datetime(instant(value)?);
            (day.time() == Time::midnight()).then_some(())?;
            (day.date(), day.date().tomorrow().ok()?)
        }
        Part::Truncated(unit) => {
            let at = instant(value)?;
            let local = match zone {
                Some(zone) => zone_of(zone)?.to_datetime(at),
                None => Offset::UTC.to_datetime(at),
            };
            (2..9998).contains(&local.year()).then_some(())?;
            let (first, next) = unit.around(local.date())?;
            exact = start(first, zone)?.timestamp_millis() == at.as_millisecond();
            (first, next)
        }
        Part::Month | Part::Day => return None,
    };
    Some(Bounds {
        from: start(first, zone)?,
        until: start(next, zone)?,
        exact,
    })
}
