//! Dates and times: stored as instants, dates at midnight UTC, times on the first day of year 1.

use bson::Bson;
use indexmap::IndexMap;
use jiff::civil;
use mqlc_compiler::queryset::{ArithmeticOp, Value};
use mqlc_compiler::schema::{FieldType, StorageFamily};

const DAY: i64 = 86_400_000;
const DAY_ONE: i64 = -62_135_596_800_000;

fn instant(millis: i64) -> Bson {
    Bson::DateTime(bson::DateTime::from_millis(millis))
}

/// Sums and differences in which a moment takes part.
pub fn arithmetic(op: ArithmeticOp, a: &Bson, b: &Bson, ty: &FieldType) -> Option<Bson> {
    let millis = match (op, a, b) {
        (ArithmeticOp::Add, Bson::DateTime(a), Bson::Int64(b))
        | (ArithmeticOp::Add, Bson::Int64(b), Bson::DateTime(a)) => a.timestamp_millis() + b,
        (ArithmeticOp::Sub, Bson::DateTime(a), Bson::Int64(b)) => a.timestamp_millis() - b,
        (ArithmeticOp::Sub, Bson::DateTime(a), Bson::DateTime(b)) => {
            return Some(Bson::Int64(a.timestamp_millis() - b.timestamp_millis()));
        }
        _ => return None,
    };
    Some(instant(if ty.kind.family() == StorageFamily::Time {
        DAY_ONE + (millis - DAY_ONE).rem_euclid(DAY)
    } else {
        millis
    }))
}

fn zone(options: &IndexMap<String, Value>) -> jiff::tz::TimeZone {
    match options.get("tzinfo") {
        Some(Value::Str(zone)) => match zone.strip_prefix(['+', '-']) {
            Some(rest) => {
                let (h, m) = rest.split_once(':').expect("an offset");
                let seconds: i32 = h.parse::<i32>().expect("hours") * 3600
                    + m.parse::<i32>().expect("minutes") * 60;
                let sign = if zone.starts_with('-') { -1 } else { 1 };
                jiff::tz::TimeZone::fixed(
                    jiff::tz::Offset::from_seconds(sign * seconds).expect("an offset"),
                )
            }
            None => jiff::tz::TimeZone::get(zone).expect("a zone"),
        },
        _ => jiff::tz::TimeZone::UTC,
    }
}

pub fn function(
    name: &str,
    value: &Bson,
    options: &IndexMap<String, Value>,
    ty: &FieldType,
) -> Option<Bson> {
    let Bson::DateTime(date) = value else {
        panic!("no interpretation of {name}({value})");
    };
    let zone = zone(options);
    // Dates reach further than instants that have a zone.
    let at = match jiff::Timestamp::from_millisecond(date.timestamp_millis()) {
        Ok(instant) => instant.to_zoned(zone.clone()).datetime(),
        Err(_) => {
            let span = jiff::Span::new().milliseconds(date.timestamp_millis());
            civil::date(1970, 1, 1)
                .at(0, 0, 0, 0)
                .checked_add(span)
                .ok()?
        }
    };
    let option = |key: &str| match options.get(key) {
        Some(Value::Str(text)) => text.as_str(),
        other => panic!("{other:?} is no option"),
    };
    if name == "Extract" {
        return Some(Bson::Int64(part(option("lookup_name"), at)));
    }
    let day = civil::DateTime::from_parts(at.date(), civil::Time::midnight());
    let utc = |at: civil::DateTime| {
        let since = at.since((
            jiff::Unit::Millisecond,
            civil::date(1970, 1, 1).at(0, 0, 0, 0),
        ));
        instant(since.expect("a span").get_milliseconds())
    };
    let back = |at: civil::DateTime| {
        if zone == jiff::tz::TimeZone::UTC {
            return utc(at);
        }
        let zoned = zone.to_zoned(at).expect("a moment");
        instant(zoned.timestamp().as_millisecond())
    };
    let first = |month: i8| civil::date(at.year(), month, 1).at(0, 0, 0, 0);
    let truncated = match option("kind") {
        "date" => return Some(utc(day)),
        "time" => {
            return Some(utc(civil::DateTime::from_parts(
                civil::date(1, 1, 1),
                at.time(),
            )));
        }
        "year" => first(1),
        "quarter" => first((at.month() - 1) / 3 * 3 + 1),
        "month" => first(at.month()),
        "week" => {
            let back = i64::from(at.date().weekday().to_monday_zero_offset());
            day.checked_sub(jiff::Span::new().days(back))
                .expect("a day")
        }
        "day" => day,
        "hour" => at.date().at(at.hour(), 0, 0, 0),
        "minute" => at.date().at(at.hour(), at.minute(), 0, 0),
        "second" => at.date().at(at.hour(), at.minute(), at.second(), 0),
        other => panic!("no interpretation of {other}"),
    };
    // A type other than that of the value needs a conversion that has its own tests.
    let _ = ty;
    Some(back(truncated))
}

fn part(name: &str, at: civil::DateTime) -> i64 {
    let iso = at.date().iso_week_date();
    match name {
        "year" => i64::from(at.year()),
        "iso_year" => i64::from(iso.year()),
        "month" => i64::from(at.month()),
        "day" => i64::from(at.day()),
        "week" => i64::from(iso.week()),
        "week_day" => i64::from(at.date().weekday().to_sunday_one_offset()),
        "iso_week_day" => i64::from(at.date().weekday().to_monday_one_offset()),
        "quarter" => i64::from((at.month() - 1) / 3 + 1),
        "hour" => i64::from(at.hour()),
        "minute" => i64::from(at.minute()),
        "second" => i64::from(at.second()),
        other => panic!("no interpretation of {other}"),
    }
}
