//! Dates and times: `django.db.models.functions.datetime`.
//!
//! A time zone applies to datetimes only, and only where the settings use zones; dates and times of day are what they
//! are. After [`Call`]s are resolved there are two functions, `Extract` (option `lookup_name`) and `Trunc` (option
//! `kind`), with the zone in the option `tzinfo`; without it the reading is that of UTC.

use std::sync::Arc;

use bson::Bson;

use super::build::{Class, class, date_trunc, int, time_of_day, two, whole};
use super::typing::plain;
use super::{Call, Context, Function, LoweredCall, NullRule, Output, is_subclass};
use crate::error::{Code, Error, Result};
use crate::mql::{Args, Expr};
use crate::queryset::Value;
use crate::schema::{FieldKind as K, FieldType, StorageFamily};
use crate::target::Target;

const DATES: &[K] = &[K::DateField];
const CLOCKS: &[K] = &[K::DateTimeField, K::TimeField];
const DATETIMES: &[K] = &[K::DateTimeField];

/// Class, `lookup_name`, and the field classes that have it in paths.
const EXTRACTS: [(&str, &str, &[K]); 11] = [
    ("ExtractYear", "year", DATES),
    ("ExtractIsoYear", "iso_year", DATES),
    ("ExtractMonth", "month", DATES),
    ("ExtractDay", "day", DATES),
    ("ExtractWeek", "week", DATES),
    ("ExtractWeekDay", "week_day", DATES),
    ("ExtractIsoWeekDay", "iso_week_day", DATES),
    ("ExtractQuarter", "quarter", DATES),
    ("ExtractHour", "hour", CLOCKS),
    ("ExtractMinute", "minute", CLOCKS),
    ("ExtractSecond", "second", CLOCKS),
];

/// Class and `kind`.
const TRUNCS: [(&str, &str); 10] = [
    ("TruncYear", "year"),
    ("TruncQuarter", "quarter"),
    ("TruncMonth", "month"),
    ("TruncWeek", "week"),
    ("TruncDay", "day"),
    ("TruncHour", "hour"),
    ("TruncMinute", "minute"),
    ("TruncSecond", "second"),
    ("TruncDate", "date"),
    ("TruncTime", "time"),
];

/// The family's rows.
pub(super) fn functions() -> Vec<Function> {
    let extract_row = |name| {
        Function::scalar(
            name,
            1,
            Output::Kind(K::IntegerField),
            NullRule::Strict,
            extract,
        )
        .options(&["lookup_name", "tzinfo"])
        .check(check_extract)
    };
    let trunc_row = |name| {
        Function::scalar(name, 1, Output::Rule(trunc_type), NullRule::Strict, trunc)
            .options(&["kind", "tzinfo"])
            .check(check_trunc)
    };
    let mut rows = vec![
        extract_row("Extract"),
        trunc_row("Trunc"),
        Function::scalar(
            "Now",
            0,
            Output::Kind(K::DateTimeField),
            NullRule::Never,
            |_, _| Ok(Expr::var("NOW")),
        ),
        // the time of the command is all there is of a transaction's
        Function::scalar(
            "TransactionNow",
            0,
            Output::Kind(K::DateTimeField),
            NullRule::Never,
            |_, _| Ok(Expr::var("NOW")),
        ),
    ];
    for (name, path, kinds) in EXTRACTS {
        rows.push(extract_row(name).transform(path, kinds));
    }
    for (name, kind) in TRUNCS {
        let row = trunc_row(name);
        rows.push(match kind {
            "date" => row.transform("date", DATETIMES),
            "time" => row.transform("time", DATETIMES),
            _ => row,
        });
    }
    rows
}

fn value_error(message: impl Into<String>) -> Error {
    Error::new(Code::ValueError, message)
}

/// Puts the zone into the options of a call on a datetime; elsewhere none may be given.
fn set_zone(call: &mut Call, cx: &Context<'_>) -> Result<()> {
    let kind = call.args.first().and_then(super::Arg::kind);
    let given = match call.options.shift_remove("tzinfo") {
        None | Some(Value::Null) => None,
        Some(Value::Str(name)) => Some(name),
        Some(_) => return Err(value_error("tzinfo must be the name of a time zone")),
    };
    if kind != Some(K::DateTimeField) {
        if given.is_some() {
            return Err(value_error("tzinfo can only be used with DateTimeField."));
        }
        return Ok(());
    }
    if !cx.settings.use_tz {
        return Ok(());
    }
    let name = given.unwrap_or_else(|| cx.settings.time_zone.clone());
    let zone = normal_zone(&name)?;
    if zone != "UTC" {
        call.options.insert("tzinfo".to_owned(), Value::Str(zone));
    }
    Ok(())
}

/// `UTC+05:30` and `+0530` as `+05:30`; names must be known.
fn normal_zone(name: &str) -> Result<String> {
    let bare = name.strip_prefix("UTC").unwrap_or(name);
    if bare.is_empty() || matches!(name, "Etc/UTC" | "Z") {
        return Ok("UTC".to_owned());
    }
    if bare.starts_with(['+', '-']) {
        let (sign, rest) = bare.split_at(1);
        let digits: String = rest.chars().filter(|c| *c != ':').collect();
        let valid =
            (digits.len() == 2 || digits.len() == 4) && digits.bytes().all(|b| b.is_ascii_digit());
        if !valid {
            return Err(value_error(format!("Unknown time zone: '{name}'")));
        }
        let (hours, minutes) = digits.split_at(2);
        let minutes = if minutes.is_empty() { "00" } else { minutes };
        if hours == "00" && minutes == "00" {
            return Ok("UTC".to_owned());
        }
        return Ok(format!("{sign}{hours}:{minutes}"));
    }
    match jiff::tz::TimeZone::get(name) {
        Ok(_) => Ok(name.to_owned()),
        Err(_) => Err(value_error(format!("Unknown time zone: '{name}'"))),
    }
}

fn check_extract(call: &mut Call, cx: &Context<'_>) -> Result<()> {
    if let Some((_, path, _)) = EXTRACTS.iter().find(|(name, _, _)| *name == call.name) {
        call.options
            .insert("lookup_name".to_owned(), Value::Str((*path).to_owned()));
        call.name = "Extract".to_owned();
    }
    let Some(part) = call.text_option("lookup_name").map(str::to_owned) else {
        return Err(value_error("lookup_name must be provided"));
    };
    let Some(arg) = call.args.first() else {
        return Err(Error::internal("Extract without an argument"));
    };
    let Some(kind) = arg.kind() else {
        return Ok(());
    };
    let label = || arg.label(cx.columns);
    if !(is_subclass(kind, K::DateField) || matches!(kind, K::TimeField | K::DurationField)) {
        return Err(value_error(
            "Extract input expression must be DateField, DateTimeField, TimeField, or DurationField.",
        ));
    }
    let clock = matches!(part.as_str(), "hour" | "minute" | "second");
    if kind == K::DateField && clock {
        return Err(value_error(format!(
            "Cannot extract time component '{part}' from DateField '{}'.",
            label()
        )));
    }
    let calendar = EXTRACTS.iter().any(|(_, path, _)| *path == part) && !clock && part != "day";
    if kind == K::DurationField && calendar {
        return Err(value_error(format!(
            "Cannot extract component '{part}' from DurationField '{}'.",
            label()
        )));
    }
    let known = EXTRACTS.iter().any(|(_, path, _)| *path == part)
        || matches!(
            part.as_str(),
            "epoch" | "microsecond" | "millisecond" | "dayofyear" | "doy"
        );
    if !known {
        return Err(value_error(format!("Invalid lookup type: '{part}'")));
    }
    set_zone(call, cx)
}

fn trunc_type(call: &Call, _cx: &Context<'_>) -> Result<Option<Arc<FieldType>>> {
    Ok(match call.text_option("kind") {
        Some("date") => Some(plain(K::DateField)),
        Some("time") => Some(plain(K::TimeField)),
        _ => call.args.first().and_then(|a| a.ty.clone()),
    })
}

fn check_trunc(call: &mut Call, cx: &Context<'_>) -> Result<()> {
    if let Some((_, kind)) = TRUNCS.iter().find(|(name, _)| *name == call.name) {
        call.options
            .insert("kind".to_owned(), Value::Str((*kind).to_owned()));
        call.name = "Trunc".to_owned();
    }
    let kind = call.text_option("kind").unwrap_or_default().to_owned();
    if !TRUNCS.iter().any(|(_, known)| *known == kind) {
        return Err(value_error(format!("Invalid lookup type: '{kind}'")));
    }
    let Some(arg) = call.args.first() else {
        return Err(Error::internal("Trunc without an argument"));
    };
    let label = arg.label(cx.columns);
    let field = arg.kind();
    let dated = |k: K| is_subclass(k, K::DateField);
    let Some(field) = field.filter(|k| dated(*k) || *k == K::TimeField) else {
        return Err(Error::new(
            Code::TypeError,
            format!("'{label}' isn't a DateField, TimeField, or DateTimeField."),
        ));
    };
    let class_output = match kind.as_str() {
        "date" => Some(K::DateField),
        "time" => Some(K::TimeField),
        _ => None,
    };
    let given = call.output.as_ref().map(|ty| ty.kind);
    if given.is_some_and(|k| !(dated(k) || k == K::TimeField)) {
        return Err(value_error(
            "output_field must be either DateField, TimeField, or DateTimeField",
        ));
    }
    let output = class_output.or(given).unwrap_or(field);
    let explicit = class_output.is_some() || given.is_some_and(|k| k != field);
    let refuse = |class: &str| {
        let to = if explicit {
            output.name()
        } else {
            "DateTimeField"
        };
        Err(value_error(format!(
            "Cannot truncate {class} '{label}' to {to}."
        )))
    };
    let clock = matches!(kind.as_str(), "hour" | "minute" | "second" | "time");
    if field == K::DateField && (output == K::DateTimeField || clock) {
        return refuse("DateField");
    }
    if field == K::TimeField && (output == K::DateTimeField || !clock) {
        return refuse("TimeField");
    }
    set_zone(call, cx)
}

/// A date whose reading in UTC is what a moment reads in a zone.
fn local(moment: Expr, zone: Option<&str>) -> Expr {
    let Some(zone) = zone else {
        return moment;
    };
    if let Some(offset) = fixed_offset_ms(zone) {
        return two("$add", moment, Expr::lit(whole(offset)));
    }
    let part = |name: &str| Expr::Var {
        name: "parts".to_owned(),
        path: vec![name.to_owned()],
    };
    let parts = Expr::named(
        "$dateToParts",
        [("date", moment), ("timezone", Expr::lit(zone))],
    );
    let names = [
        "year",
        "month",
        "day",
        "hour",
        "minute",
        "second",
        "millisecond",
    ];
    Expr::let_in(
        [("parts", parts)],
        Expr::named("$dateFromParts", names.map(|name| (name, part(name)))),
    )
}

/// The milliseconds of `+05:30`.
fn fixed_offset_ms(zone: &str) -> Option<i64> {
    let (sign, rest) = match zone.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let hours: i64 = hours.parse().ok()?;
    let minutes: i64 = minutes.parse().ok()?;
    Some(sign * (hours * 60 + minutes) * 60_000)
}

/// `{$op: date}` in a zone.
fn dated(op: &'static str, date: Expr, zone: Option<&str>) -> Expr {
    match zone {
        None => Expr::one(op, date),
        Some(zone) => Expr::Op(
            op,
            Args::Named(vec![("date", date), ("timezone", Expr::lit(zone))]),
        ),
    }
}

fn extract(call: &LoweredCall<'_>, _target: &Target) -> Result<Expr> {
    let arg = call.arg(0)?;
    let x = arg.expr.clone();
    let zone = call.text_option("tzinfo");
    let part = call.text_option("lookup_name").unwrap_or_default();
    if class(&arg.ty) == Class::Duration {
        return extract_duration(part, x);
    }
    Ok(match part {
        "year" => dated("$year", x, zone),
        "iso_year" => dated("$isoWeekYear", x, zone),
        "month" => dated("$month", x, zone),
        "day" => dated("$dayOfMonth", x, zone),
        "week" => dated("$isoWeek", x, zone),
        "week_day" => dated("$dayOfWeek", x, zone),
        "iso_week_day" => dated("$isoDayOfWeek", x, zone),
        "hour" => dated("$hour", x, zone),
        "minute" => dated("$minute", x, zone),
        "second" => dated("$second", x, zone),
        "millisecond" => dated("$millisecond", x, zone),
        "dayofyear" | "doy" => dated("$dayOfYear", x, zone),
        "microsecond" => two("$multiply", dated("$millisecond", x, zone), int(1000)),
        "epoch" => Expr::one(
            "$toLong",
            Expr::one("$floor", two("$divide", Expr::one("$toLong", x), int(1000))),
        ),
        "quarter" => Expr::one(
            "$toInt",
            Expr::one("$ceil", two("$divide", dated("$month", x, zone), int(3))),
        ),
        other => {
            return Err(Error::unsupported(
                format!("Extract '{other}'"),
                "MongoDB has no such part of a date",
            ));
        }
    })
}

/// Parts of a duration in milliseconds: whole days, and the rest as a clock shows it.
fn extract_duration(part: &str, ms: Expr) -> Result<Expr> {
    let units = |unit: i64| {
        Expr::one(
            "$toLong",
            Expr::one("$trunc", two("$divide", ms.clone(), Expr::lit(whole(unit)))),
        )
    };
    Ok(match part {
        "day" => units(86_400_000),
        "hour" => two("$mod", units(3_600_000), int(24)),
        "minute" => two("$mod", units(60_000), int(60)),
        "second" => two("$mod", units(1000), int(60)),
        "epoch" => units(1000),
        other => {
            return Err(Error::unsupported(
                format!("Extract '{other}' from a duration"),
                "it has no such part",
            ));
        }
    })
}

fn unit(kind: &str) -> Option<&'static str> {
    TRUNCS
        .iter()
        .map(|(_, unit)| *unit)
        .find(|unit| *unit == kind)
        .filter(|unit| !matches!(*unit, "date" | "time"))
}

fn trunc(call: &LoweredCall<'_>, _target: &Target) -> Result<Expr> {
    let arg = call.arg(0)?;
    if matches!(arg.literal, Some(Bson::Null)) {
        return Ok(Expr::null());
    }
    let x = arg.expr.clone();
    let zone = call.text_option("tzinfo");
    let kind = call.text_option("kind").unwrap_or_default();
    let from = arg.ty.kind.family();
    let step = |date: Expr, zone| match unit(kind) {
        Some(unit) => date_trunc(date, unit, zone),
        None => date,
    };
    Ok(match (from, call.ty.kind.family()) {
        // the instant at which the local unit begins
        (StorageFamily::DateTime, StorageFamily::DateTime) => step(x, zone),
        // the local date, which is stored as midnight UTC
        (StorageFamily::DateTime, StorageFamily::Date) => {
            let midnight = || date_trunc(local(x.clone(), zone), "day", None);
            match unit(kind) {
                None | Some("day" | "hour" | "minute" | "second") => midnight(),
                Some(unit) => date_trunc(local(x.clone(), zone), unit, None),
            }
        }
        (StorageFamily::DateTime, StorageFamily::Time) => step(time_of_day(local(x, zone)), None),
        (StorageFamily::Date, StorageFamily::Date) if kind == "date" => x,
        (StorageFamily::Time, StorageFamily::Time) if kind == "time" => x,
        // 0001-01-01 is before every reference point of `$dateTrunc`, which is no obstacle for clock units
        _ => step(x, None),
    })
}
