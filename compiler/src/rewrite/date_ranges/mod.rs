//! Parts of dates compared with literals become ranges of the dates themselves.
//!
//! | file | holds |
//! |---|---|
//! | `part` | what of a date is read, and in which zone |
//! | `bounds` | the instants between which a date has a value of a part |
//! | `day` | the instant at which a day begins |

mod bounds;
mod day;
mod part;

use std::sync::Arc;

use bson::{Bson, DateTime};
use jiff::ToSpan;

use super::{Context, Kinds, Rule, literal, walk};
use crate::error::Result;
use crate::plan::{Columns, CompareOp, Literal, Plan, Predicate, Scalar};
use bounds::bounds;
use day::{date_of, start};
use part::{Part, Reading, reading};

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

/// Replaces `year = y and month = m [and day = d]` of one date by its range.
fn whole_dates(list: &mut Vec<Predicate>, columns: &Columns) -> bool {
    let Some((places, range)) = whole_date(list, columns) else {
        return false;
    };
    let mut at = 0;
    list.retain(|_| {
        at += 1;
        !places.contains(&(at - 1))
    });
    list.extend(range);
    true
}

/// The places of the conditions that together say which month or day a date is in, and the range that they stand for.
fn whole_date(list: &[Predicate], columns: &Columns) -> Option<(Vec<usize>, [Predicate; 2])> {
    let equal: Vec<(usize, Reading<'_>, i64)> = list
        .iter()
        .enumerate()
        .filter_map(|(i, p)| {
            let (lhs, rhs) = p.as_equality()?;
            let reading = reading(lhs, columns)?;
            Some((i, reading, literal::int(literal::literal(rhs)?)?))
        })
        .collect();
    let (i, of, year) = equal
        .iter()
        .find(|(_, reading, _)| reading.part == Part::Year)?;
    let beside = |part: Part| {
        equal
            .iter()
            .find(|(_, reading, _)| *reading == Reading { part, ..*of })
    };
    let (j, _, month) = beside(Part::Month)?;
    let mut places = vec![*i, *j];
    let (first, next) = match beside(Part::Day) {
        Some((k, _, day)) => {
            places.push(*k);
            let day = date_of(*year, *month, *day)?;
            (day, day.tomorrow().ok()?)
        }
        None => {
            let first = date_of(*year, *month, 1)?;
            (first, first.checked_add(1.month()).ok()?)
        }
    };
    let (from, until) = (start(first, of.zone)?, start(next, of.zone)?);
    let range = [
        compare(CompareOp::Gte, of.date, from, columns)?,
        compare(CompareOp::Lt, of.date, until, columns)?,
    ];
    Some((places, range))
}

/// Lists of values become at most as many ranges.
const RANGES: usize = 100;

/// The range that a comparison of a part with a literal stands for.
fn range(p: &Predicate, columns: &Columns) -> Option<Predicate> {
    if let Predicate::In { lhs, list } = p {
        return ranges(lhs, list, columns);
    }
    let Predicate::Compare { op, lhs, rhs } = p else {
        return None;
    };
    let Reading { date, part, zone } = reading(lhs, columns)?;
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
    let Reading { date, part, zone } = reading(lhs, columns)?;
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

    fn instant(text: &str) -> DateTime {
        DateTime::parse_rfc3339_str(text).expect("a date and time")
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
            value: Bson::DateTime(instant(text)),
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
}
