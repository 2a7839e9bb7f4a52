//! Arithmetic with dates: `$dateAdd`, `$dateSubtract`, `$dateDiff`, `$dateTrunc`, `$dateFromParts`.
use bson::Bson;

use super::date::{ZoneArg, instant};
use super::math::integral;
use super::{Context, Env, Expr, Fields, Operator, Result};
use crate::memory::datetime::{self, IsoParts, Parts, TimeOfDay, Unit, Weekday, Zone};
use crate::memory::error::EngineError;
use crate::memory::value::Value;

/// A unit of time: constant, or out of each document.
#[derive(Debug)]
enum UnitArg {
    Fixed(Unit),
    Each(Expr),
}

impl UnitArg {
    fn compile(e: Expr, name: &str) -> Result<Self> {
        match e.as_literal() {
            Some(v) if !v.is_nullish() => read_unit(v, name).map(Self::Fixed),
            _ => Ok(Self::Each(e)),
        }
    }

    fn get(&self, env: &mut Env<'_>, name: &str) -> Result<Option<Unit>> {
        match self {
            Self::Fixed(u) => Ok(Some(*u)),
            Self::Each(e) => match e.eval(env)? {
                v if v.is_nullish() => Ok(None),
                v => read_unit(&v, name).map(Some),
            },
        }
    }
}

fn read_unit(v: &Value, name: &str) -> Result<Unit> {
    let text = v.as_str().ok_or_else(|| {
        EngineError::location(
            5_439_013,
            format!(
                "{name} requires 'unit' to be a string, but got {}",
                v.type_name()
            ),
        )
    })?;
    Unit::parse(text)
}

fn week_start(e: Option<&Expr>, env: &mut Env<'_>, name: &str) -> Result<Option<Weekday>> {
    let Some(e) = e else {
        return Ok(Some(Weekday::SUNDAY));
    };
    match e.eval(env)? {
        v if v.is_nullish() => Ok(None),
        Value::Str(s) => Weekday::parse(s.as_str()).map(Some).ok_or_else(|| {
            EngineError::location(
                5_439_016,
                format!("{name} parameter 'startOfWeek' value cannot be recognized as a day of a week: {s}"),
            )
        }),
        v => Err(EngineError::location(
            5_439_015,
            format!("{name} requires 'startOfWeek' to be a string, but got {}", v.type_name()),
        )),
    }
}

fn need_date(v: &Value, code: i32, name: &str, what: &str) -> Result<i64> {
    instant(v).ok().flatten().ok_or_else(|| {
        EngineError::location(
            code,
            format!(
                "{name} requires '{what}' to be a date, but got {}",
                v.type_name()
            ),
        )
    })
}

#[derive(Debug)]
struct Add {
    name: &'static str,
    sign: i64,
    start: Expr,
    unit: UnitArg,
    amount: Expr,
    zone: ZoneArg,
}

impl Operator for Add {
    fn eval(&self, env: &mut Env<'_>) -> Result<Value> {
        let start = self.start.eval(env)?;
        if start.is_nullish() {
            return Ok(Value::Null);
        }
        let (Some(unit), amount) = (self.unit.get(env, self.name)?, self.amount.eval(env)?) else {
            return Ok(Value::Null);
        };
        if amount.is_nullish() {
            return Ok(Value::Null);
        }
        let Some(zone) = self.zone.get(env)? else {
            return Ok(Value::Null);
        };
        let ms = need_date(&start, 5_166_403, self.name, "startDate")?;
        let n = integral(&amount).ok_or_else(|| {
            EngineError::location(
                5_166_405,
                format!("{} expects integer amount of time units", self.name),
            )
        })?;
        let n = n.checked_mul(self.sign).ok_or_else(|| {
            EngineError::location(
                6_045_000,
                format!("invalid {} 'amount' parameter value: {n}", self.name),
            )
        })?;
        datetime::add_units(ms, unit, n, &zone).map(Value::Date)
    }
}

pub(super) fn compile_add(name: &str, argument: &Bson, cx: Context<'_>) -> Result<Expr> {
    let known = ["startDate", "unit", "amount", "timezone"];
    let fields = Fields::new(name, argument, &known, 5_166_400, 5_166_401)?;
    let (name, sign) = if name == "$dateSubtract" {
        ("$dateSubtract", -1)
    } else {
        ("$dateAdd", 1)
    };
    Ok(Expr::operator(Add {
        name,
        sign,
        start: fields.required("startDate", 5_166_402, cx)?,
        unit: UnitArg::compile(fields.required("unit", 5_166_402, cx)?, name)?,
        amount: fields.required("amount", 5_166_402, cx)?,
        zone: ZoneArg::compile(&fields, cx)?,
    }))
}

/// What counts and cuts units: their kind, the zone of their borders, the day on which weeks start.
#[derive(Debug)]
struct Calendar {
    unit: UnitArg,
    zone: ZoneArg,
    week_start: Option<Expr>,
}

impl Calendar {
    /// `None` if one of them is null.
    fn get(&self, env: &mut Env<'_>, name: &str) -> Result<Option<(Unit, Zone, Weekday)>> {
        let Some(unit) = self.unit.get(env, name)? else {
            return Ok(None);
        };
        let Some(zone) = self.zone.get(env)? else {
            return Ok(None);
        };
        let week = match unit {
            Unit::Week => week_start(self.week_start.as_ref(), env, name)?,
            _ => Some(Weekday::SUNDAY),
        };
        Ok(week.map(|week| (unit, zone, week)))
    }
}

#[derive(Debug)]
struct Diff {
    start: Expr,
    end: Expr,
    calendar: Calendar,
}

impl Operator for Diff {
    fn eval(&self, env: &mut Env<'_>) -> Result<Value> {
        const NAME: &str = "$dateDiff";
        let (start, end) = (self.start.eval(env)?, self.end.eval(env)?);
        if start.is_nullish() || end.is_nullish() {
            return Ok(Value::Null);
        }
        let Some((unit, zone, week)) = self.calendar.get(env, NAME)? else {
            return Ok(Value::Null);
        };
        let start = need_date(&start, 5_166_307, NAME, "startDate")?;
        let end = need_date(&end, 5_166_307, NAME, "endDate")?;
        datetime::diff(start, end, unit, &zone, week)
            .map(Value::Int64)
            .ok_or_else(|| EngineError::location(5_166_308, "$dateDiff overflowed"))
    }
}

pub(super) fn compile_diff(name: &str, argument: &Bson, cx: Context<'_>) -> Result<Expr> {
    let known = ["startDate", "endDate", "unit", "timezone", "startOfWeek"];
    let fields = Fields::new(name, argument, &known, 5_166_301, 5_166_302)?;
    let start = fields.required("startDate", 5_166_303, cx)?;
    let end = fields.required("endDate", 5_166_304, cx)?;
    let unit = UnitArg::compile(fields.required("unit", 5_166_305, cx)?, name)?;
    let week = fields.optional("startOfWeek", cx)?;
    check_week_start(week.as_ref(), name)?;
    Ok(Expr::operator(Diff {
        start,
        end,
        calendar: Calendar {
            unit,
            zone: ZoneArg::compile(&fields, cx)?,
            week_start: week,
        },
    }))
}

/// A constant that names no day is refused at once, whatever the unit.
fn check_week_start(e: Option<&Expr>, name: &str) -> Result<()> {
    match e.and_then(Expr::as_literal) {
        Some(Value::Str(s)) if Weekday::parse(s.as_str()).is_none() => Err(EngineError::location(
            5_439_016,
            format!(
                "{name} parameter 'startOfWeek' value cannot be recognized as a day of a week: {s}"
            ),
        )),
        _ => Ok(()),
    }
}

#[derive(Debug)]
struct Trunc {
    date: Expr,
    bin: Option<Expr>,
    calendar: Calendar,
}

impl Operator for Trunc {
    fn eval(&self, env: &mut Env<'_>) -> Result<Value> {
        const NAME: &str = "$dateTrunc";
        let date = self.date.eval(env)?;
        if date.is_nullish() {
            return Ok(Value::Null);
        }
        let bin = match &self.bin {
            None => 1,
            Some(e) => match e.eval(env)? {
                v if v.is_nullish() => return Ok(Value::Null),
                v => {
                    let n = if v.is_number() { integral(&v) } else { None };
                    let n = n.ok_or_else(|| {
                        EngineError::location(
                            5_439_017,
                            format!(
                                "{NAME} requires 'binSize' to be a 64-bit integer, but got {v:?}"
                            ),
                        )
                    })?;
                    if n <= 0 {
                        return Err(EngineError::location(
                            5_439_018,
                            format!("{NAME} requires 'binSize' to be greater than 0, but got {n}"),
                        ));
                    }
                    n
                }
            },
        };
        let Some((unit, zone, week)) = self.calendar.get(env, NAME)? else {
            return Ok(Value::Null);
        };
        let ms = need_date(&date, 5_439_012, NAME, "date")?;
        datetime::trunc(ms, unit, bin, &zone, week)
            .map(Value::Date)
            .ok_or_else(|| EngineError::location(5_439_005, "$dateTrunc overflowed"))
    }
}

pub(super) fn compile_trunc(name: &str, argument: &Bson, cx: Context<'_>) -> Result<Expr> {
    let known = ["date", "unit", "binSize", "timezone", "startOfWeek"];
    let fields = Fields::new(name, argument, &known, 5_439_007, 5_439_008)?;
    let date = fields.required("date", 5_439_009, cx)?;
    let unit = UnitArg::compile(fields.required("unit", 5_439_010, cx)?, name)?;
    let week = fields.optional("startOfWeek", cx)?;
    if matches!(unit, UnitArg::Fixed(Unit::Week)) {
        check_week_start(week.as_ref(), name)?;
    }
    Ok(Expr::operator(Trunc {
        date,
        bin: fields.optional("binSize", cx)?,
        calendar: Calendar {
            unit,
            zone: ZoneArg::compile(&fields, cx)?,
            week_start: week,
        },
    }))
}

#[derive(Debug)]
struct FromParts {
    iso: bool,
    /// Year, month or week, day, hour, minute, second, millisecond.
    parts: [Option<Expr>; 7],
    zone: ZoneArg,
}

const PLAIN: [&str; 7] = [
    "year",
    "month",
    "day",
    "hour",
    "minute",
    "second",
    "millisecond",
];
const ISO: [&str; 7] = [
    "isoWeekYear",
    "isoWeek",
    "isoDayOfWeek",
    "hour",
    "minute",
    "second",
    "millisecond",
];

impl Operator for FromParts {
    fn eval(&self, env: &mut Env<'_>) -> Result<Value> {
        // The time comes first: a null there hides what is wrong with the date.
        let time = self.numbers(3..7, env)?;
        let zone = self.zone.get(env)?;
        let (Some(time), Some(zone)) = (time, zone) else {
            return Ok(Value::Null);
        };
        let Some(date) = self.numbers(0..3, env)? else {
            return Ok(Value::Null);
        };
        let ([year, month, day], [hour, minute, second, millisecond]) =
            (date.as_slice(), time.as_slice())
        else {
            return Ok(Value::Null);
        };
        let (year, month, day) = (*year, *month, *day);
        if !(1..=9999).contains(&year) {
            let (code, name) = if self.iso {
                (31095, "isoWeekYear")
            } else {
                (40523, "year")
            };
            return Err(EngineError::location(
                code,
                format!(
                    "'{name}' must evaluate to an integer in the range 1 to 9999, found {year}"
                ),
            ));
        }
        let time = TimeOfDay {
            hour: *hour,
            minute: *minute,
            second: *second,
            millisecond: *millisecond,
        };
        let ms = if self.iso {
            IsoParts {
                year,
                week: month,
                day,
                time,
            }
            .to_utc(&zone)
        } else {
            Parts {
                year,
                month,
                day,
                time,
            }
            .to_utc(&zone)
        };
        ms.map(Value::Date).ok_or_else(|| {
            EngineError::new(
                crate::memory::error::Code::Overflow,
                "the date is out of range",
            )
        })
    }
}

impl FromParts {
    /// Some of the parts; `None` when one is null.
    fn numbers(
        &self,
        range: std::ops::Range<usize>,
        env: &mut Env<'_>,
    ) -> Result<Option<Vec<i64>>> {
        let names = if self.iso { ISO } else { PLAIN };
        let mut out = Vec::with_capacity(4);
        for (i, (e, name)) in self.parts.iter().zip(names).enumerate() {
            if !range.contains(&i) {
                continue;
            }
            let Some(e) = e else {
                out.push(i64::from(i < 3));
                continue;
            };
            let v = e.eval(env)?;
            if v.is_nullish() {
                return Ok(None);
            }
            let n = if v.is_number() { integral(&v) } else { None };
            let n = n.ok_or_else(|| {
                EngineError::location(
                    40515,
                    format!(
                        "'{name}' must evaluate to an integer, found {}",
                        v.type_name()
                    ),
                )
            })?;
            if (1..5).contains(&i) && i16::try_from(n).is_err() {
                return Err(EngineError::location(
                    31034,
                    format!(
                        "'{name}' must evaluate to a value in the range [-32768, 32767]; value {n} is not in range"
                    ),
                ));
            }
            out.push(n);
        }
        Ok(Some(out))
    }
}

pub(super) fn compile_from_parts(name: &str, argument: &Bson, cx: Context<'_>) -> Result<Expr> {
    let known = [
        "year",
        "month",
        "day",
        "hour",
        "minute",
        "second",
        "millisecond",
        "isoWeekYear",
        "isoWeek",
        "isoDayOfWeek",
        "timezone",
    ];
    let fields = Fields::new(name, argument, &known, 40519, 40518)?;
    let any = |names: &[&str]| names.iter().any(|n| fields.get(n).is_some());
    let iso = any(&["isoWeekYear", "isoWeek", "isoDayOfWeek"]);
    if iso && any(&["year", "month", "day"]) {
        let code = if any(&["year"]) { 40489 } else { 40525 };
        return Err(EngineError::location(
            code,
            "$dateFromParts does not allow mixing natural dates with ISO dates",
        ));
    }
    if !any(&["isoWeekYear", "year"]) {
        return Err(EngineError::location(
            40516,
            format!("{name} requires either 'year' or 'isoWeekYear' to be present"),
        ));
    }
    let mut parts = [const { None }; 7];
    for (slot, part) in parts.iter_mut().zip(if iso { ISO } else { PLAIN }) {
        *slot = fields.optional(part, cx)?;
    }
    Ok(Expr::operator(FromParts {
        iso,
        parts,
        zone: ZoneArg::compile(&fields, cx)?,
    }))
}
