//! Dates and times: constructors, parts, methods, and the clock that is a parameter.

use jiff::Timestamp;
use jiff::civil::{self, Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};

use super::Evaluator;
use super::args::{Args, required};
use super::member::no_attribute;
use super::names::Builtin;
use super::strings::{text_method, text_of};
use super::value::{Py, Zone, integer, refuse, string, type_error, value_error};
use crate::error::{Code, Error, Result};
use crate::queryset::{AwareDateTime, Value};

/// The parts of a `datetime` in the order of its arguments.
const MOMENT: [&str; 7] = [
    "year",
    "month",
    "day",
    "hour",
    "minute",
    "second",
    "microsecond",
];

impl Evaluator<'_> {
    /// The name of the current time zone.
    pub(super) fn zone_name(&self) -> String {
        self.schema
            .map_or_else(|| "UTC".to_owned(), |s| s.settings().time_zone.clone())
    }

    pub(super) fn datetime(&mut self, mut args: Args) -> Result<Py> {
        let zone = args.take_some("tzinfo");
        args.take("fold");
        let [year, month, day, hour, minute, second, micro] = args.bind("datetime", MOMENT)?;
        let part = |value: Option<Py>, what: &str| match value {
            None => Ok(0),
            Some(value) => integer(&value, what),
        };
        let day = civil_date(
            integer(&required(year, "datetime", "year")?, "year")?,
            integer(&required(month, "datetime", "month")?, "month")?,
            integer(&required(day, "datetime", "day")?, "day")?,
        )?;
        let time = civil_time(
            part(hour, "hour")?,
            part(minute, "minute")?,
            part(second, "second")?,
            part(micro, "microsecond")?,
        )?;
        let naive = DateTime::from_parts(day, time);
        Ok(Py::Value(match zone {
            None => Value::NaiveDateTime(naive),
            Some(Py::Zone(zone)) => Value::DateTime(aware(naive, &zone)?),
            Some(other) => {
                return Err(type_error(format!(
                    "tzinfo must be a time zone, not {}",
                    other.describe()
                )));
            }
        }))
    }

    /// `datetime.now()` and the other constructors of its class.
    pub(super) fn datetime_method(&mut self, name: &str, args: Args) -> Result<Py> {
        match name {
            "now" | "today" => {
                let [zone] = args.bind(name, ["tz"])?;
                match zone {
                    Some(Py::Zone(zone)) => {
                        let now = self.now()?;
                        Ok(Py::Value(Value::DateTime(at_zone(now, &zone)?)))
                    }
                    _ => Ok(Py::Value(self.local_now()?)),
                }
            }
            "utcnow" => {
                let now = self.now()?;
                Ok(Py::Value(Value::NaiveDateTime(
                    Offset::UTC.to_datetime(now),
                )))
            }
            "combine" => {
                let [day, time, zone] = args.bind(name, ["date", "time", "tzinfo"])?;
                match (day, time, zone) {
                    (
                        Some(Py::Value(Value::Date(day))),
                        Some(Py::Value(Value::Time(time))),
                        None,
                    ) => Ok(Py::Value(Value::NaiveDateTime(DateTime::from_parts(
                        day, time,
                    )))),
                    (
                        Some(Py::Value(Value::Date(day))),
                        Some(Py::Value(Value::Time(time))),
                        Some(Py::Zone(zone)),
                    ) => {
                        let naive = DateTime::from_parts(day, time);
                        Ok(Py::Value(Value::DateTime(aware(naive, &zone)?)))
                    }
                    _ => Err(type_error("combine() takes a date and a time")),
                }
            }
            "fromisoformat" => {
                let [text] = args.bind(name, ["date_string"])?;
                iso_datetime(&string(&required(text, name, "date_string")?, "the text")?)
            }
            _ => Err(
                refuse(Code::Python, format!("datetime.{name}() is not read here"))
                    .with_hint("write datetime(year, month, day, ...)"),
            ),
        }
    }

    /// Constructors of `date` and `time`.
    pub(super) fn class_method(&mut self, builtin: &Builtin, name: &str, args: Args) -> Result<Py> {
        match (builtin.name, name) {
            ("date", "today") => {
                args.finish(name)?;
                Ok(Py::Value(self.today()?))
            }
            ("date", "fromisoformat") => {
                let [text] = args.bind(name, ["date_string"])?;
                let text = string(&required(text, name, "date_string")?, "the text")?;
                text.parse::<Date>()
                    .map(|d| Py::Value(Value::Date(d)))
                    .map_err(|_| value_error(format!("Invalid isoformat string: '{text}'")))
            }
            ("time", "fromisoformat") => {
                let [text] = args.bind(name, ["time_string"])?;
                let text = string(&required(text, name, "time_string")?, "the text")?;
                text.parse::<Time>()
                    .map(|t| Py::Value(Value::Time(t)))
                    .map_err(|_| value_error(format!("Invalid isoformat string: '{text}'")))
            }
            _ => Err(no_attribute(builtin.name, name)),
        }
    }

    /// An attribute of a literal.
    pub(super) fn value_attribute(&self, value: &Value, name: &str) -> Result<Py> {
        let local = |at: &AwareDateTime| at.offset.to_datetime(at.instant);
        let datetime = match value {
            Value::NaiveDateTime(at) => Some(*at),
            Value::DateTime(at) => Some(local(at)),
            Value::Date(day) => {
                Some(day.at(0, 0, 0, 0)).filter(|_| matches!(name, "year" | "month" | "day"))
            }
            Value::Time(time) => Some(DateTime::from_parts(civil::date(1, 1, 1), *time))
                .filter(|_| !matches!(name, "year" | "month" | "day")),
            _ => None,
        };
        if let Some(at) = datetime {
            let part = match name {
                "year" => i64::from(at.year()),
                "month" => i64::from(at.month()),
                "day" => i64::from(at.day()),
                "hour" => i64::from(at.hour()),
                "minute" => i64::from(at.minute()),
                "second" => i64::from(at.second()),
                "microsecond" => i64::from(at.subsec_nanosecond() / 1000),
                _ => return Err(no_attribute(&Py::Value(value.clone()).describe(), name)),
            };
            return Ok(Py::int(part));
        }
        if let Value::Duration(micros) = value {
            return Ok(Py::int(match name {
                "days" => micros.div_euclid(86_400_000_000),
                "seconds" => micros.rem_euclid(86_400_000_000) / 1_000_000,
                "microseconds" => micros.rem_euclid(1_000_000),
                _ => return Err(no_attribute("a timedelta", name)),
            }));
        }
        Err(no_attribute(&Py::Value(value.clone()).describe(), name))
    }

    /// A method of a literal.
    pub(super) fn value_method(&mut self, value: &Value, name: &str, args: Args) -> Result<Py> {
        match (value, name) {
            (Value::NaiveDateTime(at), "date") => Ok(Py::Value(Value::Date(at.date()))),
            (Value::NaiveDateTime(at), "time") => Ok(Py::Value(Value::Time(at.time()))),
            (Value::DateTime(at), "date") => Ok(Py::Value(Value::Date(
                at.offset.to_datetime(at.instant).date(),
            ))),
            (Value::DateTime(at), "time") => Ok(Py::Value(Value::Time(
                at.offset.to_datetime(at.instant).time(),
            ))),
            (Value::DateTime(at), "astimezone") => {
                let [zone] = args.bind(name, ["tz"])?;
                match zone {
                    Some(Py::Zone(zone)) => {
                        Ok(Py::Value(Value::DateTime(at_zone(at.instant, &zone)?)))
                    }
                    _ => Err(type_error("astimezone() takes a time zone")),
                }
            }
            (Value::Date(_) | Value::NaiveDateTime(_) | Value::DateTime(_), "replace") => {
                replace(value, args)
            }
            (Value::Date(day), "weekday") => {
                Ok(Py::int(i64::from(day.weekday().to_monday_zero_offset())))
            }
            (Value::Date(day), "isoweekday") => {
                Ok(Py::int(i64::from(day.weekday().to_monday_one_offset())))
            }
            (_, "isoformat") => Ok(Py::str(
                text_of(&Py::Value(value.clone()))?.replacen(' ', "T", 1),
            )),
            (Value::Duration(micros), "total_seconds") => {
                #[allow(clippy::cast_precision_loss)] // a float of seconds is what Python gives
                let seconds = *micros as f64 / 1e6;
                Ok(Py::Value(Value::Float(seconds)))
            }
            (Value::Str(text), _) => text_method(text, name, args),
            _ => Err(no_attribute(&Py::Value(value.clone()).describe(), name)),
        }
    }

    /// The current time, aware, in UTC; naive in projects without time zones.
    pub(super) fn aware_now(&self) -> Result<Value> {
        let now = self.now()?;
        if self.schema.is_some_and(|s| !s.settings().use_tz) {
            return self.local_now();
        }
        Ok(Value::from(now))
    }

    /// The current time on the project's clock.
    pub(super) fn local_now(&self) -> Result<Value> {
        let now = self.now()?;
        let zone = TimeZone::get(&self.zone_name())
            .map_err(|_| value_error("the time zone is not known"))?;
        Ok(Value::NaiveDateTime(now.to_zoned(zone).datetime()))
    }

    pub(super) fn today(&self) -> Result<Value> {
        match self.local_now()? {
            Value::NaiveDateTime(now) => Ok(Value::Date(now.date())),
            other => Ok(other),
        }
    }
}

pub(super) fn out_of_range() -> Error {
    value_error("the value is out of range")
}

pub(super) fn civil_date(year: i64, month: i64, day: i64) -> Result<Date> {
    let parts = (i16::try_from(year), i8::try_from(month), i8::try_from(day));
    let (Ok(year), Ok(month), Ok(day)) = parts else {
        return Err(value_error("the date is out of range"));
    };
    if !(1..=9999).contains(&year) {
        return Err(value_error(format!("year {year} is out of range")));
    }
    if !(1..=12).contains(&month) {
        return Err(value_error("month must be in 1..12"));
    }
    Date::new(year, month, day).map_err(|_| value_error("day is out of range for month"))
}

pub(super) fn civil_time(hour: i64, minute: i64, second: i64, micro: i64) -> Result<Time> {
    let part = |value: i64, most: i64, what: &str| -> Result<i8> {
        i8::try_from(value)
            .ok()
            .filter(|_| (0..=most).contains(&value))
            .ok_or_else(|| value_error(format!("{what} must be in 0..{most}")))
    };
    let nanos = i32::try_from(micro)
        .ok()
        .filter(|m| (0..1_000_000).contains(m))
        .map(|m| m * 1000)
        .ok_or_else(|| value_error("microsecond must be in 0..999999"))?;
    Time::new(
        part(hour, 23, "hour")?,
        part(minute, 59, "minute")?,
        part(second, 59, "second")?,
        nanos,
    )
    .map_err(|_| out_of_range())
}

pub(super) fn date(name: &str, args: Args) -> Result<Date> {
    let [year, month, day] = args.bind(name, ["year", "month", "day"])?;
    civil_date(
        integer(&required(year, name, "year")?, "year")?,
        integer(&required(month, name, "month")?, "month")?,
        integer(&required(day, name, "day")?, "day")?,
    )
}

pub(super) fn time(args: Args) -> Result<Py> {
    let [hour, minute, second, micro] =
        args.bind("time", ["hour", "minute", "second", "microsecond"])?;
    let part = |value: Option<Py>, what: &str| match value {
        None => Ok(0),
        Some(value) => integer(&value, what),
    };
    Ok(Py::Value(Value::Time(civil_time(
        part(hour, "hour")?,
        part(minute, "minute")?,
        part(second, "second")?,
        part(micro, "microsecond")?,
    )?)))
}

pub(super) fn timedelta(args: Args) -> Result<Py> {
    const UNITS: [(&str, i64); 7] = [
        ("days", 86_400_000_000),
        ("seconds", 1_000_000),
        ("microseconds", 1),
        ("milliseconds", 1_000),
        ("minutes", 60_000_000),
        ("hours", 3_600_000_000),
        ("weeks", 604_800_000_000),
    ];
    let bound = args.bind("timedelta", UNITS.map(|(name, _)| name))?;
    let mut total: i64 = 0;
    for (value, (name, unit)) in bound.into_iter().zip(UNITS) {
        let micros = match value {
            None => continue,
            Some(Py::Value(Value::Float(f))) => {
                #[allow(clippy::cast_precision_loss)] // units are far below 2^53
                let micros = (f * unit as f64).round_ties_even();
                if micros.abs() > 9.0e18 {
                    return Err(out_of_range());
                }
                #[allow(clippy::cast_possible_truncation)] // checked just above
                let micros = micros as i64;
                Some(micros)
            }
            Some(value) => integer(&value, name)?.checked_mul(unit),
        };
        total = micros
            .and_then(|m| total.checked_add(m))
            .ok_or_else(out_of_range)?;
    }
    Ok(Py::Value(Value::Duration(total)))
}

/// A naive datetime in a zone; in a gap or overlap the offset before it counts, as with Python's `fold=0`.
pub(super) fn aware(naive: DateTime, zone: &Zone) -> Result<AwareDateTime> {
    let (instant, offset) = match zone {
        Zone::Fixed(offset) => (
            offset.to_timestamp(naive).map_err(|_| out_of_range())?,
            *offset,
        ),
        Zone::Named(name) => {
            let zone =
                TimeZone::get(name).map_err(|_| value_error("the time zone is not known"))?;
            let ambiguous = zone.to_ambiguous_timestamp(naive);
            let offset = match ambiguous.offset() {
                jiff::tz::AmbiguousOffset::Unambiguous { offset } => offset,
                jiff::tz::AmbiguousOffset::Gap { before, .. }
                | jiff::tz::AmbiguousOffset::Fold { before, .. } => before,
            };
            (
                offset.to_timestamp(naive).map_err(|_| out_of_range())?,
                offset,
            )
        }
    };
    Ok(AwareDateTime { instant, offset })
}

pub(super) fn at_zone(instant: Timestamp, zone: &Zone) -> Result<AwareDateTime> {
    let offset = match zone {
        Zone::Fixed(offset) => *offset,
        Zone::Named(name) => TimeZone::get(name)
            .map_err(|_| value_error("the time zone is not known"))?
            .to_offset(instant),
    };
    Ok(AwareDateTime { instant, offset })
}

pub(super) fn iso_datetime(text: &str) -> Result<Py> {
    let wrong = || value_error(format!("Invalid isoformat string: '{text}'"));
    if let Ok(naive) = text.parse::<DateTime>()
        && !text.ends_with(['Z', 'z'])
        && !has_offset(text)
    {
        return Ok(Py::Value(Value::NaiveDateTime(naive)));
    }
    let pieces = jiff::fmt::temporal::DateTimeParser::new();
    let instant = pieces.parse_timestamp(text).map_err(|_| wrong())?;
    let offset = offset_of(text).ok_or_else(wrong)?;
    Ok(Py::Value(Value::DateTime(AwareDateTime {
        instant,
        offset,
    })))
}

pub(super) fn has_offset(text: &str) -> bool {
    text.get(10..).is_some_and(|rest| rest.contains(['+', '-']))
}

pub(super) fn offset_of(text: &str) -> Option<Offset> {
    let rest = text.get(10..)?;
    let Some(at) = rest.find(['+', '-']) else {
        return Some(Offset::UTC);
    };
    let (sign, digits) = rest.get(at..)?.split_at_checked(1)?;
    let mut parts = digits.split(':').map(str::parse::<i32>);
    let hours = parts.next()?.ok()?;
    let minutes = parts.next().map_or(Some(0), |m| m.ok())?;
    let seconds = hours
        .checked_mul(3600)?
        .checked_add(minutes.checked_mul(60)?)?;
    Offset::from_seconds(if sign == "-" { -seconds } else { seconds }).ok()
}

pub(super) fn offset_text(offset: Offset) -> String {
    let minutes = offset.seconds() / 60;
    let sign = if minutes < 0 { '-' } else { '+' };
    format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
}

/// `replace()` of a date or datetime.
pub(super) fn replace(value: &Value, mut args: Args) -> Result<Py> {
    let (old, offset) = match value {
        Value::Date(day) => (day.at(0, 0, 0, 0), None),
        Value::NaiveDateTime(at) => (*at, None),
        Value::DateTime(at) => (at.offset.to_datetime(at.instant), Some(at.offset)),
        _ => return Err(type_error("replace() of this value")),
    };
    let zone = args.take("tzinfo");
    let [year, month, day, hour, minute, second, micro] = args.bind("replace", MOMENT)?;
    let part = |value: Option<Py>, old: i64, what: &str| match value {
        None => Ok(old),
        Some(value) => integer(&value, what),
    };
    let day = civil_date(
        part(year, old.year().into(), "year")?,
        part(month, old.month().into(), "month")?,
        part(day, old.day().into(), "day")?,
    )?;
    if matches!(value, Value::Date(_)) {
        return Ok(Py::Value(Value::Date(day)));
    }
    let time = civil_time(
        part(hour, old.hour().into(), "hour")?,
        part(minute, old.minute().into(), "minute")?,
        part(second, old.second().into(), "second")?,
        part(
            micro,
            (old.subsec_nanosecond() / 1000).into(),
            "microsecond",
        )?,
    )?;
    let naive = DateTime::from_parts(day, time);
    Ok(Py::Value(match (zone, offset) {
        (Some(Py::Zone(zone)), _) => Value::DateTime(aware(naive, &zone)?),
        (None, Some(offset)) => Value::DateTime(aware(naive, &Zone::Fixed(offset))?),
        _ => Value::NaiveDateTime(naive),
    }))
}
