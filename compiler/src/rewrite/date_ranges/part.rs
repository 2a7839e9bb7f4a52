//! What of a date is read, and in which zone.

use jiff::ToSpan;
use jiff::civil::Date;

use crate::plan::{Columns, Scalar};
use crate::queryset::Value;
use crate::rewrite::literal;
use crate::schema::StorageFamily;

/// What of a date is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Year,
    IsoYear,
    Month,
    Day,
    Date,
    Truncated(Unit),
}

/// What a date is truncated to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Year,
    Quarter,
    Month,
    Week,
    Day,
}

impl Unit {
    fn of(kind: &str) -> Option<Unit> {
        Some(match kind {
            "year" => Unit::Year,
            "quarter" => Unit::Quarter,
            "month" => Unit::Month,
            "week" => Unit::Week,
            "day" => Unit::Day,
            _ => return None,
        })
    }

    /// The first day of the unit that a day is in, and of the next one.
    pub(super) fn around(self, day: Date) -> Option<(Date, Date)> {
        let month = |m: i8| Date::new(day.year(), m, 1).ok();
        let (first, span) = match self {
            Unit::Year => (month(1)?, 1.year()),
            Unit::Quarter => (month((day.month() - 1) / 3 * 3 + 1)?, 3.months()),
            Unit::Month => (month(day.month())?, 1.month()),
            Unit::Week => {
                let since = i64::from(day.weekday().to_monday_zero_offset());
                (day.checked_sub(since.days()).ok()?, 1.week())
            }
            Unit::Day => (day, 1.day()),
        };
        Some((first, first.checked_add(span).ok()?))
    }
}

/// What a value reads of a date.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Reading<'s> {
    pub date: &'s Scalar,
    pub part: Part,
    /// The zone in which it is read, UTC where there is none.
    pub zone: Option<&'s str>,
}

/// The date, the part of it and the zone, where a value is a part of a date that a range can stand for.
pub(super) fn reading<'s>(scalar: &'s Scalar, columns: &Columns) -> Option<Reading<'s>> {
    let Scalar::Call(call) = scalar else {
        return None;
    };
    let text = |name: &str| match call.options.get(name) {
        Some(Value::Str(text)) => Some(text.as_str()),
        _ => None,
    };
    let part = match (call.function.as_str(), text("lookup_name"), text("kind")) {
        ("Extract", Some("year"), _) => Part::Year,
        ("Extract", Some("iso_year"), _) => Part::IsoYear,
        ("Extract", Some("month"), _) => Part::Month,
        ("Extract", Some("day"), _) => Part::Day,
        ("Trunc", _, Some("date")) => Part::Date,
        ("Trunc", _, Some(kind)) => Part::Truncated(Unit::of(kind)?),
        _ => return None,
    };
    let [date] = call.args.as_slice() else {
        return None;
    };
    let zone = text("tzinfo");
    let family = date.ty(columns).ok()?.kind.family();
    // Truncated to another kind of value, it is compared with what the column never holds.
    if matches!(part, Part::Truncated(_)) && call.ty.kind.family() != family {
        return None;
    }
    let has_zone = match family {
        StorageFamily::DateTime => true,
        StorageFamily::Date => false,
        _ => return None,
    };
    ((has_zone || zone.is_none()) && literal::is_single(date, columns)).then_some(Reading {
        date,
        part,
        zone,
    })
}
