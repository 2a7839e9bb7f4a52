//! Dates as text and as parts.
use bson::Bson;

use super::{Context, Env, Expr, Fields, Operator, Result, coerce_date};
use crate::memory::datetime::{self, Civil, Format, Zone};
use crate::memory::error::EngineError;
use crate::memory::value::{DocBuilder, Value};

/// The time zone of an operator: constant, or out of each document.
#[derive(Debug)]
pub(super) enum ZoneArg {
    Fixed(Option<Zone>),
    Each(Expr),
}

impl ZoneArg {
    pub fn compile(fields: &Fields<'_>, cx: Context<'_>) -> Result<Self> {
        match fields.optional("timezone", cx)? {
            None => Ok(Self::Fixed(Some(Zone::Utc))),
            Some(e) => match e.as_literal() {
                Some(v) => read_zone(v).map(Self::Fixed),
                None => Ok(Self::Each(e)),
            },
        }
    }

    /// The zone; `None` when the argument is null.
    pub fn get(&self, env: &mut Env<'_>) -> Result<Option<Zone>> {
        match self {
            Self::Fixed(z) => Ok(z.clone()),
            Self::Each(e) => read_zone(&e.eval(env)?),
        }
    }

    pub fn is_fixed(&self) -> bool {
        matches!(self, Self::Fixed(_))
    }
}

fn read_zone(v: &Value) -> Result<Option<Zone>> {
    match v {
        Value::Str(s) => Zone::parse(s.as_str()).map(Some),
        v if v.is_nullish() => Ok(None),
        v => Err(EngineError::location(
            40517,
            format!(
                "timezone must evaluate to a string, found {}",
                v.type_name()
            ),
        )),
    }
}

/// The instant of a date argument; `None` for null and missing.
pub(super) fn instant(v: &Value) -> Result<Option<i64>> {
    if v.is_nullish() {
        return Ok(None);
    }
    coerce_date(v.view()).map(Some).ok_or_else(|| {
        EngineError::location(
            16006,
            format!("can't convert from BSON type {} to Date", v.type_name()),
        )
    })
}

#[derive(Debug)]
struct Part {
    part: fn(&Civil) -> Value,
    date: Expr,
    zone: ZoneArg,
}

impl Operator for Part {
    fn eval(&self, env: &mut Env<'_>) -> Result<Value> {
        let Some(ms) = instant(&self.date.eval(env)?)? else {
            return Ok(Value::Null);
        };
        let civil = match &self.zone {
            ZoneArg::Fixed(Some(z)) => Civil::new(ms, z),
            other => match other.get(env)? {
                Some(z) => Civil::new(ms, &z),
                None => return Ok(Value::Null),
            },
        };
        Ok((self.part)(&civil))
    }
}

fn part(name: &str) -> fn(&Civil) -> Value {
    match name {
        "$year" => |c| Value::int(c.year),
        "$month" => |c| Value::int(c.month),
        "$dayOfMonth" => |c| Value::int(c.day),
        "$dayOfWeek" => |c| Value::int(c.day_of_week()),
        "$dayOfYear" => |c| Value::int(c.day_of_year()),
        "$hour" => |c| Value::int(c.clock().0),
        "$minute" => |c| Value::int(c.clock().1),
        "$second" => |c| Value::int(c.clock().2),
        "$millisecond" => |c| Value::int(c.clock().3),
        "$week" => |c| Value::int(c.week()),
        "$isoWeek" => |c| Value::int(c.iso().week),
        "$isoWeekYear" => |c| Value::Int64(c.iso().year),
        _ => |c| Value::int(c.iso().day),
    }
}

/// `$year` and the like: a date, or a document with `date` and `timezone`.
pub(super) fn compile_part(name: &str, argument: &Bson, cx: Context<'_>) -> Result<Expr> {
    let (date, zone) = match argument {
        Bson::Document(d) if !d.keys().next().is_some_and(|k| k.starts_with('$')) => {
            let fields = Fields::new(name, argument, &["date", "timezone"], 40535, 40535)?;
            (
                fields.required("date", 40539, cx)?,
                ZoneArg::compile(&fields, cx)?,
            )
        }
        Bson::Array(items) if items.len() != 1 => {
            return Err(EngineError::location(
                40536,
                format!(
                    "{name} accepts exactly one argument if given an array, but was given {}",
                    items.len()
                ),
            ));
        }
        other => {
            let [date] = cx.exactly(name, other)?;
            (date, ZoneArg::Fixed(Some(Zone::Utc)))
        }
    };
    let constant = date.as_literal().is_some() && zone.is_fixed();
    let op = Part {
        part: part(name),
        date,
        zone,
    };
    cx.fold_if(constant, Expr::operator(op))
}

/// A format: compiled once, or each document's own.
#[derive(Debug)]
enum FormatArg {
    Fixed(Format),
    Each(Expr, fn(&str) -> Result<Format>),
    Null,
}

impl FormatArg {
    fn compile(e: Expr, read: fn(&str) -> Result<Format>, code: i32) -> Result<Self> {
        match e.as_literal() {
            None => Ok(Self::Each(e, read)),
            Some(v) if v.is_nullish() => Ok(Self::Null),
            Some(v) => Ok(Self::Fixed(read(text(v, code)?)?)),
        }
    }
}

/// A format that is no string, in `$dateToString` and in `$dateFromString`.
const NOT_TEXT_TO: i32 = 18533;
const NOT_TEXT_FROM: i32 = 40684;

fn text(v: &Value, code: i32) -> Result<&str> {
    v.as_str().ok_or_else(|| {
        EngineError::location(
            code,
            format!(
                "the format of a date must evaluate to a string, found {}",
                v.type_name()
            ),
        )
    })
}

#[derive(Debug)]
struct ToText {
    date: Expr,
    zone: ZoneArg,
    format: Option<FormatArg>,
    on_null: Option<Expr>,
    iso_utc: Format,
    iso: Format,
}

impl Operator for ToText {
    fn eval(&self, env: &mut Env<'_>) -> Result<Value> {
        let date = self.date.eval(env)?;
        let zone = self.zone.get(env)?;
        let dynamic;
        let format = match &self.format {
            None => None,
            Some(FormatArg::Fixed(f)) => Some(f),
            Some(FormatArg::Null) => return self.null(&date, env),
            Some(FormatArg::Each(e, read)) => {
                let v = e.eval(env)?;
                if v.is_nullish() {
                    return self.null(&date, env);
                }
                dynamic = read(text(&v, NOT_TEXT_TO)?)?;
                Some(&dynamic)
            }
        };
        let Some(ms) = instant(&date)? else {
            return self.null(&date, env);
        };
        let Some(zone) = zone else {
            return Ok(Value::Null);
        };
        let format = format.unwrap_or(if zone.is_utc() {
            &self.iso_utc
        } else {
            &self.iso
        });
        format.write(ms, &zone).map(Value::str)
    }
}

impl ToText {
    fn null(&self, date: &Value, env: &mut Env<'_>) -> Result<Value> {
        match &self.on_null {
            Some(e) if date.is_nullish() => e.eval(env),
            _ => Ok(Value::Null),
        }
    }
}

pub(super) fn compile_to_string(name: &str, argument: &Bson, cx: Context<'_>) -> Result<Expr> {
    let known = ["date", "format", "timezone", "onNull"];
    let fields = Fields::new(name, argument, &known, 18629, 18534)?;
    let date = fields.required("date", 18628, cx)?;
    let format = match fields.optional("format", cx)? {
        None => None,
        Some(e) => Some(FormatArg::compile(
            e,
            Format::to_string_format,
            NOT_TEXT_TO,
        )?),
    };
    Ok(Expr::operator(ToText {
        date,
        zone: ZoneArg::compile(&fields, cx)?,
        format,
        on_null: fields.optional("onNull", cx)?,
        iso_utc: Format::to_string_format(datetime::ISO_UTC)?,
        iso: Format::to_string_format(datetime::ISO)?,
    }))
}

#[derive(Debug)]
struct FromText {
    text: Expr,
    zone: Option<ZoneArg>,
    format: Option<FormatArg>,
    on_error: Option<Expr>,
    on_null: Option<Expr>,
}

impl FromText {
    fn read(&self, v: &Value, env: &mut Env<'_>) -> Result<Value> {
        if v.as_str().is_none()
            && let Some(other) = &self.on_error
        {
            return other.eval(env);
        }
        let zone = match &self.zone {
            None => None,
            Some(z) => match z.get(env)? {
                None => return Ok(Value::Null),
                zone => zone,
            },
        };
        let dynamic;
        let format = match &self.format {
            None => None,
            Some(FormatArg::Fixed(f)) => Some(f),
            Some(FormatArg::Null) => return Ok(Value::Null),
            Some(FormatArg::Each(e, read)) => {
                let v = e.eval(env)?;
                if v.is_nullish() {
                    return Ok(Value::Null);
                }
                dynamic = read(text(&v, NOT_TEXT_FROM)?)?;
                Some(&dynamic)
            }
        };
        let parsed = match v.as_str() {
            None => Err(EngineError::new(
                crate::memory::error::Code::ConversionFailure,
                format!(
                    "$dateFromString requires that 'dateString' be a string, found: {}",
                    v.type_name()
                ),
            )),
            Some(t) => match format {
                Some(f) => datetime::parse_with(t, f, zone.as_ref()),
                None => datetime::parse_date(t, zone.as_ref()),
            },
        };
        match (parsed, &self.on_error) {
            (Ok(ms), _) => Ok(Value::Date(ms)),
            (Err(_), Some(other)) => other.eval(env),
            (Err(e), None) => Err(e),
        }
    }
}

impl Operator for FromText {
    fn eval(&self, env: &mut Env<'_>) -> Result<Value> {
        let v = self.text.eval(env)?;
        if v.is_nullish() {
            return match &self.on_null {
                Some(e) => e.eval(env),
                None => Ok(Value::Null),
            };
        }
        self.read(&v, env)
    }
}

pub(super) fn compile_from_string(name: &str, argument: &Bson, cx: Context<'_>) -> Result<Expr> {
    let known = ["dateString", "format", "timezone", "onError", "onNull"];
    let fields = Fields::new(name, argument, &known, 40540, 40541)?;
    let text = fields.required("dateString", 40542, cx)?;
    let format = match fields.optional("format", cx)? {
        None => None,
        Some(e) => Some(FormatArg::compile(
            e,
            Format::from_string_format,
            NOT_TEXT_FROM,
        )?),
    };
    let zone = match fields.get("timezone") {
        None => None,
        Some(_) => Some(ZoneArg::compile(&fields, cx)?),
    };
    let op = FromText {
        text,
        zone,
        format,
        on_error: fields.optional("onError", cx)?,
        on_null: fields.optional("onNull", cx)?,
    };
    let constant = op.text.as_literal().is_some()
        && op.on_error.is_none()
        && op.on_null.is_none()
        && op.zone.as_ref().is_none_or(ZoneArg::is_fixed)
        && !matches!(op.format, Some(FormatArg::Each(..)));
    cx.fold_if(constant, Expr::operator(op))
}

#[derive(Debug)]
struct ToParts {
    date: Expr,
    zone: ZoneArg,
    iso: Option<Expr>,
}

impl Operator for ToParts {
    fn eval(&self, env: &mut Env<'_>) -> Result<Value> {
        let date = self.date.eval(env)?;
        let Some(zone) = self.zone.get(env)? else {
            return Ok(Value::Null);
        };
        let iso = match &self.iso {
            None => false,
            Some(e) => match e.eval(env)? {
                Value::Bool(b) => b,
                v if v.is_nullish() => return Ok(Value::Null),
                v => {
                    return Err(EngineError::location(
                        40521,
                        format!("iso8601 must evaluate to a bool, found {}", v.type_name()),
                    ));
                }
            },
        };
        let Some(ms) = instant(&date)? else {
            return Ok(Value::Null);
        };
        let c = Civil::new(ms, &zone);
        let (hour, minute, second, millisecond) = c.clock();
        let week = c.iso();
        let first = if iso {
            [
                ("isoWeekYear", week.year),
                ("isoWeek", week.week),
                ("isoDayOfWeek", week.day),
            ]
        } else {
            [("year", c.year), ("month", c.month), ("day", c.day)]
        };
        let rest = [
            ("hour", hour),
            ("minute", minute),
            ("second", second),
            ("millisecond", millisecond),
        ];
        let mut doc = DocBuilder::new();
        for (name, n) in first.into_iter().chain(rest) {
            doc.push(name, Value::int(n));
        }
        Ok(doc.value())
    }
}

pub(super) fn compile_to_parts(name: &str, argument: &Bson, cx: Context<'_>) -> Result<Expr> {
    let fields = Fields::new(
        name,
        argument,
        &["date", "timezone", "iso8601"],
        40524,
        40520,
    )?;
    Ok(Expr::operator(ToParts {
        date: fields.required("date", 40522, cx)?,
        zone: ZoneArg::compile(&fields, cx)?,
        iso: fields.optional("iso8601", cx)?,
    }))
}

pub(super) fn ts_second(v: Value) -> Result<Value> {
    match v {
        Value::Timestamp(t) => Ok(Value::Int64(i64::try_from(t >> 32).unwrap_or(0))),
        v if v.is_nullish() => Ok(Value::Null),
        v => Err(EngineError::location(
            5_687_301,
            format!(
                "Argument to $tsSecond must be a timestamp, but is {}",
                v.type_name()
            ),
        )),
    }
}

pub(super) fn ts_increment(v: Value) -> Result<Value> {
    match v {
        Value::Timestamp(t) => Ok(Value::Int64(i64::try_from(t & 0xffff_ffff).unwrap_or(0))),
        v if v.is_nullish() => Ok(Value::Null),
        v => Err(EngineError::location(
            5_687_302,
            format!(
                "Argument to $tsIncrement must be a timestamp, but is {}",
                v.type_name()
            ),
        )),
    }
}
