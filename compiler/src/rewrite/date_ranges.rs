//! Parts of dates compared with literals become ranges of the dates themselves.

use std::sync::Arc;

use bson::{Bson, DateTime};
use jiff::civil::{Date, ISOWeekDate, Weekday};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::{Context, Kinds, Rule, literal, walk};
use crate::error::Result;
use crate::plan::{Columns, CompareOp, FunctionCall, Literal, Plan, Predicate, Scalar};
use crate::queryset::Value;
use crate::schema::StorageFamily;

pub(super) const RULE: Rule = Rule {
    name: "date_ranges",
    does: "Turns comparisons of the year, of year with month (and day), of the day of a date, or of a date truncated to a day, week, \
           month, quarter or year, with literals and lists of them into half-open ranges, which an index can serve.",
    sound: "the part never decreases with time, and the first instant that has it is known from the rules of the zone; where clocks \
            were turned back across that instant, the comparison stays as it is. The date is a single value.",
    example: (
        "filter Extract(published, lookup_name: year) = 2024",
        "filter published >= 2024-01-01T00:00:00Z and published < 2025-01-01T00:00:00Z",
    ),
    needs: [Kinds::CALL_COMPARED, Kinds::ANY],
    apply,
};

fn apply(plan: &mut Plan, _: &Context<'_>) -> Result<bool> {
    let mut changed = walk::each_predicate(plan, &mut |p, _, columns| match p {
        Predicate::And(list) => whole_dates(list, columns),
        _ => false,
    });
    changed |= walk::each_predicate(plan, &mut |p, _, columns| {
        let Some(replacement) = range(p, columns) else {
            return false;
        };
        *p = replacement;
        true
    });
    Ok(changed)
}

/// What of a date is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Year,
    IsoYear,
    Month,
    Day,
    Date,
    Truncated(Unit),
}

/// What a date is truncated to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
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
    fn around(self, day: Date) -> Option<(Date, Date)> {
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

/// A date, a part of it and the zone in which it is read.
fn part<'s>(scalar: &'s Scalar, columns: &Columns) -> Option<(&'s Scalar, Part, Option<&'s str>)> {
    let Scalar::Call(call) = scalar else {
        return None;
    };
    let FunctionCall {
        function,
        args,
        options,
        ty,
    } = &**call;
    let text = |name: &str| match options.get(name) {
        Some(Value::Str(text)) => Some(text.as_str()),
        _ => None,
    };
    let part = match (function.as_str(), text("lookup_name"), text("kind")) {
        ("Extract", Some("year"), _) => Part::Year,
        ("Extract", Some("iso_year"), _) => Part::IsoYear,
        ("Extract", Some("month"), _) => Part::Month,
        ("Extract", Some("day"), _) => Part::Day,
        ("Trunc", _, Some("date")) => Part::Date,
        ("Trunc", _, Some(kind)) => Part::Truncated(Unit::of(kind)?),
        _ => return None,
    };
    let [date] = args.as_slice() else { return None };
    let family = date.ty(columns).ok()?.kind.family();
    let zone = text("tzinfo");
    if matches!(part, Part::Truncated(_)) && ty.kind.family() != family {
        return None;
    }
    let reads = match family {
        StorageFamily::DateTime => true,
        StorageFamily::Date => zone.is_none(),
        _ => false,
    };
    (reads && literal::is_single(date, columns)).then_some((date, part, zone))
}

/// `year = y and month = m [and day = d]` of one date.
fn whole_dates(list: &mut Vec<Predicate>, columns: &Columns) -> bool {
    let found = |list: &[Predicate], wanted: Part, of: Option<(&Scalar, Option<&str>)>| {
        list.iter().enumerate().find_map(|(i, p)| {
            let Predicate::Compare {
                op: CompareOp::Eq,
                lhs,
                rhs,
            } = p
            else {
                return None;
            };
            let (date, part, zone) = part(lhs, columns)?;
            let number = literal::int(literal::literal(rhs)?)?;
            let same = of.is_none_or(|(d, z)| d == date && z == zone);
            (part == wanted && same).then_some((i, number))
        })
    };
    let Some((i, year)) = found(list, Part::Year, None) else {
        return false;
    };
    let Some(Predicate::Compare { lhs, .. }) = list.get(i) else {
        return false;
    };
    let Some((date, _, zone)) = part(lhs, columns) else {
        return false;
    };
    let Some((j, month)) = found(list, Part::Month, Some((date, zone))) else {
        return false;
    };
    let day = found(list, Part::Day, Some((date, zone)));
    let Some(first) = date_of(year, month, day.map_or(1, |(_, d)| d)) else {
        return false;
    };
    let last = match day {
        Some(_) => first.tomorrow(),
        None => first.checked_add(1.month()),
    };
    let Some((from, to)) = last
        .ok()
        .and_then(|last| Some((start(first, zone)?, start(last, zone)?)))
    else {
        return false;
    };
    let date = date.clone();
    let parts = [
        compare(CompareOp::Gte, &date, from, columns),
        compare(CompareOp::Lt, &date, to, columns),
    ];
    let [Some(lower), Some(upper)] = parts else {
        return false;
    };
    let gone = [Some(i), Some(j), day.map(|(k, _)| k)];
    let mut at = 0;
    list.retain(|_| {
        at += 1;
        !gone.contains(&Some(at - 1))
    });
    list.push(lower);
    list.push(upper);
    true
}

fn date_of(year: i64, month: i64, day: i64) -> Option<Date> {
    Date::new(
        i16::try_from(year).ok().filter(|y| (1..9999).contains(y))?,
        i8::try_from(month).ok()?,
        i8::try_from(day).ok()?,
    )
    .ok()
}

/// The instants between which a date has a value of a part.
struct Bounds {
    from: DateTime,
    until: DateTime,
    /// Dates before have lesser values. Otherwise the value is between those that there are: `from` and `until` are the
    /// bounds of the greatest lesser one.
    exact: bool,
}

fn bounds(part: Part, value: &Bson, zone: Option<&str>) -> Option<Bounds> {
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
            (day.time() == jiff::civil::Time::midnight()).then_some(())?;
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

/// Lists of values become at most as many ranges.
const RANGES: usize = 100;

fn range(p: &Predicate, columns: &Columns) -> Option<Predicate> {
    if let Predicate::In { lhs, list } = p {
        return ranges(lhs, list, columns);
    }
    let Predicate::Compare { op, lhs, rhs } = p else {
        return None;
    };
    let (date, part, zone) = part(lhs, columns)?;
    let bounds = bounds(part, literal::literal(rhs)?, zone)?;
    let from = || compare(CompareOp::Gte, date, bounds.from, columns);
    let before = || compare(CompareOp::Lt, date, bounds.from, columns);
    let until = || compare(CompareOp::Lt, date, bounds.until, columns);
    let after = || compare(CompareOp::Gte, date, bounds.until, columns);
    Some(match (op, bounds.exact) {
        (CompareOp::Eq, true) => Predicate::And(vec![from()?, until()?]),
        (CompareOp::Ne, true) => Predicate::Or(vec![before()?, after()?]),
        (CompareOp::Lt, true) => before()?,
        (CompareOp::Gte, true) => from()?,
        (CompareOp::Lte, _) | (CompareOp::Lt, false) => until()?,
        (CompareOp::Gt, _) | (CompareOp::Gte, false) => after()?,
        (CompareOp::Eq | CompareOp::Ne, false) => return None,
    })
}

/// One of several values: their ranges, those joined that meet.
fn ranges(lhs: &Scalar, list: &[Scalar], columns: &Columns) -> Option<Predicate> {
    let (date, part, zone) = part(lhs, columns)?;
    if list.is_empty() || list.len() > RANGES {
        return None;
    }
    let mut spans: Vec<(DateTime, DateTime)> = Vec::new();
    for member in list {
        let bounds = bounds(part, literal::literal(member)?, zone)?;
        if !bounds.exact {
            return None;
        }
        spans.push((bounds.from, bounds.until));
    }
    spans.sort_unstable();
    let mut joined: Vec<(DateTime, DateTime)> = Vec::new();
    for (from, until) in spans {
        match joined.last_mut() {
            Some((_, end)) if *end >= from => *end = until.max(*end),
            _ => joined.push((from, until)),
        }
    }
    let mut parts = Vec::new();
    for (from, until) in joined {
        parts.push(Predicate::And(vec![
            compare(CompareOp::Gte, date, from, columns)?,
            compare(CompareOp::Lt, date, until, columns)?,
        ]));
    }
    match parts.len() {
        1 => parts.pop(),
        _ => Some(Predicate::Or(parts)),
    }
}

fn compare(op: CompareOp, date: &Scalar, at: DateTime, columns: &Columns) -> Option<Predicate> {
    Some(Predicate::Compare {
        op,
        lhs: date.clone(),
        rhs: Scalar::from(Literal {
            value: Bson::DateTime(at),
            ty: Arc::clone(&date.ty(columns).ok()?),
        }),
    })
}

fn zone_of(name: &str) -> Option<TimeZone> {
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
fn start(day: Date, zone: Option<&str>) -> Option<DateTime> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queryset::Value;
    use crate::schema::FieldKind;
    use crate::testing::*;

    fn extract(of: crate::plan::ColumnId, part: &str, zone: Option<&str>) -> Scalar {
        let mut options = vec![("lookup_name", Value::Str(part.to_owned()))];
        if let Some(zone) = zone {
            options.push(("tzinfo", Value::Str(zone.to_owned())));
        }
        call_with("Extract", vec![value(of)], &options, int_type())
    }

    fn date(year: i16, month: i8, day: i8) -> Date {
        Date::new(year, month, day).expect("a date")
    }

    fn instant(text: &str) -> Option<DateTime> {
        let at: Timestamp = text.parse().expect("a timestamp");
        Some(DateTime::from_millis(at.as_millisecond()))
    }

    /// A year is a range, and an index on the date can serve it.
    #[test]
    fn years_become_ranges() {
        let mut b = Build::new();
        let book = b.source("Book");
        let (id, at) = (b.column(book, "_id"), b.column(book, "published"));
        let rel = filter(
            scan(book),
            or([
                eq(extract(at, "year", None), 2023),
                gt(extract(at, "year", Some("Europe/Paris")), 2023),
                ne(extract(at, "year", None), 2022),
            ]),
        );
        b.rows(rel, [id]).fires(
            "date_ranges",
            "scan Book\n\
             filter (Book.published#1 >= 2023-01-01T00:00:00Z and Book.published#1 < 2024-01-01T00:00:00Z) \
             or Book.published#1 >= 2023-12-31T23:00:00Z \
             or (Book.published#1 < 2022-01-01T00:00:00Z or Book.published#1 >= 2023-01-01T00:00:00Z)\n\
             rows _id: Book._id#0\n",
        );
    }

    /// A year with a month is a month.
    #[test]
    fn years_and_months_become_one_range() {
        let mut b = Build::new();
        let book = b.source("Book");
        let (id, at) = (b.column(book, "_id"), b.column(book, "published"));
        let rel = filter(
            scan(book),
            and([
                eq(extract(at, "month", None), 1),
                gt(id, 0),
                eq(extract(at, "year", None), 2023),
            ]),
        );
        b.rows(rel, [id]).fires(
            "date_ranges",
            "scan Book\n\
             filter Book._id#0 > 0 and Book.published#1 >= 2023-01-01T00:00:00Z and Book.published#1 < 2023-02-01T00:00:00Z\n\
             rows _id: Book._id#0\n",
        );
    }

    fn truncated(of: crate::plan::ColumnId, kind: &str, zone: Option<&str>) -> Scalar {
        let mut options = vec![("kind", Value::Str(kind.to_owned()))];
        if let Some(zone) = zone {
            options.push(("tzinfo", Value::Str(zone.to_owned())));
        }
        call_with(
            "Trunc",
            vec![value(of)],
            &options,
            ty(FieldKind::DateTimeField),
        )
    }

    fn at(text: &str) -> Scalar {
        Scalar::from(Literal {
            value: instant(text).map_or(Bson::Null, Bson::DateTime),
            ty: ty(FieldKind::DateTimeField),
        })
    }

    /// A list of years is a list of ranges; those that meet are one.
    #[test]
    fn lists_become_ranges() {
        let mut b = Build::new();
        let book = b.source("Book");
        let (id, at) = (b.column(book, "_id"), b.column(book, "published"));
        let years = [2024, 2019, 2023].map(value);
        let rel = filter(scan(book), member(extract(at, "year", None), years));
        b.rows(rel, [id]).fires(
            "date_ranges",
            "scan Book\n\
             filter (Book.published#1 >= 2019-01-01T00:00:00Z and Book.published#1 < 2020-01-01T00:00:00Z) \
             or (Book.published#1 >= 2023-01-01T00:00:00Z and Book.published#1 < 2025-01-01T00:00:00Z)\n\
             rows _id: Book._id#0\n",
        );
    }

    /// A truncated date is compared by the range of dates that are truncated to it, in its zone.
    #[test]
    fn truncated_dates_become_ranges() {
        for (kind, zone, op, text, expected) in [
            (
                "month",
                None,
                CompareOp::Eq,
                "2024-05-01T00:00:00Z",
                "(Book.published#1 >= 2024-05-01T00:00:00Z and Book.published#1 < 2024-06-01T00:00:00Z)",
            ),
            (
                "quarter",
                None,
                CompareOp::Lte,
                "2024-05-09T00:00:00Z",
                "Book.published#1 < 2024-07-01T00:00:00Z",
            ),
            (
                "week",
                None,
                CompareOp::Gte,
                "2024-05-06T00:00:00Z",
                "Book.published#1 >= 2024-05-06T00:00:00Z",
            ),
            (
                "week",
                None,
                CompareOp::Gte,
                "2024-05-07T00:00:00Z",
                "Book.published#1 >= 2024-05-13T00:00:00Z",
            ),
            (
                "day",
                Some("Europe/Paris"),
                CompareOp::Lt,
                "2024-04-30T22:00:00Z",
                "Book.published#1 < 2024-04-30T22:00:00Z",
            ),
            (
                "year",
                Some("Europe/Paris"),
                CompareOp::Gt,
                "2024-01-01T00:00:00Z",
                "Book.published#1 >= 2024-12-31T23:00:00Z",
            ),
        ] {
            let mut b = Build::new();
            let book = b.source("Book");
            let (id, published) = (b.column(book, "_id"), b.column(book, "published"));
            let compared = Predicate::Compare {
                op,
                lhs: truncated(published, kind, zone),
                rhs: at(text),
            };
            let rel = filter(scan(book), or([compared, eq(id, 1)]));
            b.rows(rel, [id]).fires(
                "date_ranges",
                &format!("scan Book\nfilter {expected} or Book._id#0 = 1\nrows _id: Book._id#0\n"),
            );
        }
    }

    /// Nothing is truncated to the middle of a month, as a comparison that may be unknown says; an hour is no day.
    #[test]
    fn other_truncated_dates_stay() {
        for (kind, text) in [
            ("month", "2024-05-09T00:00:00Z"),
            ("hour", "2024-05-09T03:00:00Z"),
        ] {
            let mut b = Build::new();
            let book = b.source("Book");
            let (id, published) = (b.column(book, "_id"), b.column(book, "published"));
            let rel = filter(scan(book), eq(truncated(published, kind, None), at(text)));
            b.rows(rel, [id]).stays("date_ranges");
        }
    }

    /// A month without a year is no range, a column no literal, and a year that no date has no instant.
    #[test]
    fn other_comparisons_stay() {
        let mut b = Build::new();
        let book = b.source("Book");
        let (id, at) = (b.column(book, "_id"), b.column(book, "published"));
        let pages = b.column(book, "pages");
        let rel = filter(
            scan(book),
            or([
                eq(extract(at, "month", None), 1),
                eq(extract(at, "year", None), pages),
                eq(extract(at, "year", None), 123_456),
            ]),
        );
        b.rows(rel, [id]).stays("date_ranges");
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
