//! `$convert` and the `$toX` family.
use bson::Bson;

use super::convert_binary::{self, Encoding};
use super::{Context, Env, Expr, Fields, Operator, Result, coerce_date};
use crate::memory::datetime::{self, Format, Zone};
use crate::memory::decimal;
use crate::memory::error::{Code, EngineError};
use crate::memory::value::{Decimal, Value, num, type_named, type_numbered};

/// The type to convert to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Target {
    code: i32,
    name: &'static str,
    subtype: u8,
}

impl Target {
    fn by_name(name: &str) -> Result<Self> {
        type_named(name)
            .map(|(name, code)| Self {
                code,
                name,
                subtype: 0,
            })
            .ok_or_else(|| EngineError::bad_value(format!("Unknown type name: {name}")))
    }

    /// From the value of `to`; `None` for null.
    fn read(v: &Value) -> Result<Option<Self>> {
        match v {
            Value::Str(s) => Self::by_name(s.as_str()).map(Some),
            Value::Document(d) => {
                let Some(mut target) = Self::read(&d.get("type"))? else {
                    return Ok(None);
                };
                let given = d.get("subtype");
                if target.name == "binData" && !given.is_missing() {
                    target.subtype = subtype(&given)?;
                }
                Ok(Some(target))
            }
            v if v.is_number() => {
                let code = v
                    .as_i64()
                    .and_then(|n| i32::try_from(n).ok())
                    .ok_or_else(|| {
                        EngineError::failed_to_parse(
                            "In $convert, numeric 'to' argument is not an integer",
                        )
                    })?;
                let found = type_numbered(code);
                let (name, _) = found.ok_or_else(|| {
                    EngineError::failed_to_parse(format!(
                        "In $convert, numeric value for 'to' does not correspond to a BSON type: {code}"
                    ))
                })?;
                Ok(Some(Self {
                    code,
                    name,
                    subtype: 0,
                }))
            }
            v if v.is_nullish() => Ok(None),
            v => Err(EngineError::failed_to_parse(format!(
                "$convert's 'to' argument must be a string or number, but is {}",
                v.type_name()
            ))),
        }
    }
}

/// A subtype of binary data: one of those that have a meaning, or one for users.
fn subtype(v: &Value) -> Result<u8> {
    if !v.is_number() {
        return Err(EngineError::location(
            4_341_108,
            format!(
                "For BinData, $convert's 'subtype' argument must be a number, but is {}",
                v.type_name()
            ),
        ));
    }
    let n = v.as_i64().ok_or_else(|| {
        EngineError::location(
            4_341_106,
            "In $convert, numeric 'subtype' argument is not an integer",
        )
    })?;
    u8::try_from(n)
        .ok()
        .filter(|n| matches!(n, 0..=8 | 128..=255))
        .ok_or_else(|| {
            EngineError::location(
                4_341_107,
                format!(
                    "In $convert, numeric value for 'subtype' does not correspond to a BinData type: {n}"
                ),
            )
        })
}

#[derive(Debug)]
struct Convert {
    input: Expr,
    to: Expr,
    fixed: Option<Target>,
    on_error: Option<Expr>,
    on_null: Option<Expr>,
    format: Option<Expr>,
}

impl Operator for Convert {
    fn eval(&self, env: &mut Env<'_>) -> Result<Value> {
        let v = self.input.eval(env)?;
        let target = match self.fixed {
            Some(t) => Some(t),
            None => Target::read(&self.to.eval(env)?)?,
        };
        if v.is_nullish() {
            return match &self.on_null {
                Some(e) => e.eval(env),
                None => Ok(Value::Null),
            };
        }
        let Some(target) = target else {
            return Ok(Value::Null);
        };
        let encoding = match &self.format {
            Some(f) => convert_binary::encoding(&f.eval(env)?)?,
            None => None,
        };
        match convert(&v, target, encoding) {
            // Only what cannot be converted, not what was asked wrongly.
            Err(e) => match &self.on_error {
                Some(other) if e.code == Code::ConversionFailure.number() => other.eval(env),
                _ => Err(e),
            },
            done => done,
        }
    }
}

pub(super) fn compile(name: &str, argument: &Bson, cx: Context<'_>) -> Result<Expr> {
    let known = ["input", "to", "onError", "onNull", "format"];
    let fields = Fields::new(name, argument, &known, 9, 9)?;
    let input = fields.required("input", 9, cx)?;
    let to = fields.required("to", 9, cx)?;
    let fixed = match to.as_literal() {
        Some(v) => Target::read(v)?,
        None => None,
    };
    let convert = Convert {
        input,
        to,
        fixed,
        on_error: fields.optional("onError", cx)?,
        on_null: fields.optional("onNull", cx)?,
        format: fields.optional("format", cx)?,
    };
    let constant = convert.input.as_literal().is_some()
        && convert.to.as_literal().is_some()
        && argument.as_document().is_some_and(|d| d.len() == 2);
    cx.fold_if(constant, Expr::operator(convert))
}

/// `$toInt` and the like.
pub(super) fn compile_to(name: &str, argument: &Bson, cx: Context<'_>) -> Result<Expr> {
    let Ok([input]) = <[Expr; 1]>::try_from(cx.arguments(argument)?) else {
        return Err(EngineError::location(
            50723,
            format!("{name} requires a single argument"),
        ));
    };
    let mut target = Target::by_name(match name {
        "$toBool" => "bool",
        "$toDate" => "date",
        "$toDecimal" => "decimal",
        "$toDouble" => "double",
        "$toInt" => "int",
        "$toLong" => "long",
        "$toObjectId" => "objectId",
        "$toUUID" => "binData",
        _ => "string",
    })?;
    let format = if name == "$toUUID" {
        target.subtype = 4;
        "uuid"
    } else {
        "auto"
    };
    let constant = input.as_literal().is_some();
    let convert = Convert {
        input,
        to: Expr::literal(Value::Null),
        fixed: Some(target),
        on_error: None,
        on_null: None,
        format: Some(Expr::literal(Value::str(format))),
    };
    cx.fold_if(constant, Expr::operator(convert))
}

fn failure(message: impl Into<String>) -> EngineError {
    EngineError::new(Code::ConversionFailure, message)
}

fn unsupported(v: &Value, target: Target) -> EngineError {
    failure(format!(
        "Unsupported conversion from {} to {} in $convert with no onError value",
        v.type_name(),
        target.name
    ))
}

fn not_parsed(text: &str, why: &str) -> EngineError {
    failure(format!(
        "Failed to parse number '{text}' in $convert with no onError value: {why}"
    ))
}

fn convert(v: &Value, target: Target, encoding: Option<Encoding>) -> Result<Value> {
    match target.name {
        "double" => to_double(v, target),
        "string" => to_string(v, target, encoding),
        "bool" => Ok(Value::Bool(match v {
            Value::Bool(b) => *b,
            Value::Str(_) => true,
            v if v.is_number() => v.truthy(),
            _ => true,
        })),
        "int" => {
            let n = to_integer(v, target)?;
            // A double is held against the ends of the range as it is, with its fraction.
            let inside = match v {
                Value::Double(x) => (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(x),
                _ => true,
            };
            i32::try_from(if inside { n } else { i64::MAX })
                .map(Value::Int32)
                .map_err(|_| {
                    failure(
                        "Conversion would overflow target type in $convert with no onError value",
                    )
                })
        }
        "long" => to_integer(v, target).map(Value::Int64),
        "decimal" => to_decimal(v, target),
        "date" => to_date(v, target),
        "objectId" => match v {
            Value::ObjectId(_) => Ok(v.clone()),
            Value::Str(s) => object_id(s.as_str()).map(Value::ObjectId).ok_or_else(|| {
                failure(format!(
                    "Failed to parse objectId '{s}' in $convert with no onError value"
                ))
            }),
            v => Err(unsupported(v, target)),
        },
        "binData" => convert_binary::to_binary(v, target.subtype, encoding)
            .unwrap_or_else(|| Err(unsupported(v, target))),
        _ => Err(unsupported(v, target)),
    }
}

fn object_id(text: &str) -> Option<[u8; 12]> {
    let bytes = convert_binary::unhex(text)?;
    bytes.try_into().ok()
}

fn to_double(v: &Value, target: Target) -> Result<Value> {
    Ok(Value::Double(match v {
        Value::Double(x) => *x,
        Value::Bool(b) => f64::from(u8::from(*b)),
        Value::Date(ms) => num::i64_to_f64(*ms),
        Value::Decimal(d) => {
            let x = d.to_f64();
            let small = x == 0.0 || x.is_subnormal();
            if (x.is_infinite() && !decimal::is_infinite(*d)) || (small && !d.is_zero()) {
                return Err(failure(
                    "Conversion would overflow target type in $convert with no onError value",
                ));
            }
            x
        }
        v if v.is_number() => v.as_f64().unwrap_or(f64::NAN),
        Value::Str(s) => {
            let text = s.as_str();
            let x: f64 = text
                .parse()
                .map_err(|_| not_parsed(text, "Did not consume whole string."))?;
            let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
            let vanished = x == 0.0 && mantissa.bytes().any(|b| (b'1'..=b'9').contains(&b));
            if vanished || (x.is_infinite() && !text.to_ascii_lowercase().contains("inf")) {
                return Err(not_parsed(text, "Out of range"));
            }
            x
        }
        v => return Err(unsupported(v, target)),
    }))
}

fn parse_integer(text: &str) -> Result<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|c| c.is_ascii_digit()) {
        return Err(not_parsed(text, "Did not consume whole string."));
    }
    text.parse().map_err(|_| not_parsed(text, "Overflow"))
}

fn to_integer(v: &Value, target: Target) -> Result<i64> {
    let overflow =
        || failure("Conversion would overflow target type in $convert with no onError value");
    Ok(match v {
        Value::Int32(n) => i64::from(*n),
        Value::Int64(n) => *n,
        Value::Bool(b) => i64::from(*b),
        Value::Double(x) if x.is_nan() => {
            return Err(failure(
                "Attempt to convert NaN value to integer type in $convert with no onError value",
            ));
        }
        Value::Double(x) if x.is_infinite() => {
            return Err(failure(
                "Attempt to convert infinity value to integer type in $convert with no onError value",
            ));
        }
        Value::Double(x) => num::exact_i64(x.trunc()).ok_or_else(overflow)?,
        Value::Decimal(d) if d.is_nan() || decimal::is_infinite(*d) => {
            return Err(failure(
                "Attempt to convert NaN or infinity to integer type in $convert with no onError value",
            ));
        }
        Value::Decimal(d) => decimal::trunc_i64(*d).ok_or_else(overflow)?,
        Value::Date(ms) if target.name == "long" => *ms,
        Value::Str(s) => parse_integer(s.as_str())?,
        v => return Err(unsupported(v, target)),
    })
}

fn to_decimal(v: &Value, target: Target) -> Result<Value> {
    Ok(Value::Decimal(match v {
        Value::Decimal(d) => *d,
        Value::Bool(b) => Decimal::from_i64(i64::from(*b)),
        Value::Int32(n) => Decimal::from_i64(i64::from(*n)),
        Value::Int64(n) | Value::Date(n) => Decimal::from_i64(*n),
        Value::Double(x) => decimal::from_f64(*x),
        Value::Str(s) => decimal::parse(s.as_str()).map_err(|e| match e {
            decimal::ParseError::Malformed => {
                not_parsed(s.as_str(), "Failed to parse string to decimal")
            }
            decimal::ParseError::OutOfRange => not_parsed(
                s.as_str(),
                "Conversion from string to decimal would overflow",
            ),
        })?,
        v => return Err(unsupported(v, target)),
    }))
}

fn to_date(v: &Value, target: Target) -> Result<Value> {
    let overflow =
        || failure("Conversion would overflow target type in $convert with no onError value");
    Ok(Value::Date(match v {
        Value::Int64(ms) => *ms,
        Value::Double(x) => num::exact_i64(x.trunc()).ok_or_else(overflow)?,
        Value::Decimal(d) => decimal::trunc_i64(*d).ok_or_else(overflow)?,
        Value::Str(s) => datetime::parse_date(s.as_str(), None)?,
        v => coerce_date(v.view()).ok_or_else(|| unsupported(v, target))?,
    }))
}

fn to_string(v: &Value, target: Target, encoding: Option<Encoding>) -> Result<Value> {
    match v {
        Value::Str(_) => Ok(v.clone()),
        Value::Binary(subtype, b) => {
            convert_binary::to_text(*subtype, b.as_slice(), encoding).map(Value::str)
        }
        Value::Bool(_)
        | Value::Int32(_)
        | Value::Int64(_)
        | Value::Double(_)
        | Value::Decimal(_)
        | Value::Date(_)
        | Value::ObjectId(_) => text_of(v).map(Value::str),
        v => Err(unsupported(v, target)),
    }
}

/// The text of a boolean, number, date or ObjectId.
pub(crate) fn text_of(v: &Value) -> Result<String> {
    Ok(match v {
        Value::Bool(b) => b.to_string(),
        Value::Int32(n) => n.to_string(),
        Value::Int64(n) => n.to_string(),
        Value::Double(x) => double_text(*x),
        Value::Decimal(d) => d.to_string(),
        Value::Date(ms) => Format::to_string_format(datetime::ISO_UTC)?.write(*ms, &Zone::Utc)?,
        Value::ObjectId(id) => convert_binary::hex(id),
        _ => String::new(),
    })
}

/// The shortest digits that read back as the same double; scientific below 1e-4 and from 1e16.
fn double_text(x: f64) -> String {
    if x.is_nan() {
        return "NaN".to_owned();
    }
    if x.is_infinite() {
        return if x > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let scientific = format!("{x:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        return format!("{x}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}
