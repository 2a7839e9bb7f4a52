//! The functions of Python that literals of queries are written with: dates, zones, numbers, identifiers, patterns.

use bson::Decimal128;
use bson::oid::ObjectId;
use jiff::tz::{Offset, TimeZone};

use super::Evaluator;
use super::args::{Args, required};
use super::moment::{aware, date, out_of_range, time, timedelta};
use super::names::{Builtin, Python, Role};
use super::value::{Py, Zone, refuse, string, type_error, value_error};
use crate::error::{Code, Result};
use crate::queryset::{RegexLiteral, Value};
use crate::text::syntax::BinaryOp;

impl Evaluator<'_> {
    pub(super) fn python(&mut self, name: &str, python: Python, args: Args) -> Result<Py> {
        match python {
            Python::Date => Ok(Py::Value(Value::Date(date(name, args)?))),
            Python::DateTime => self.datetime(args),
            Python::Time => time(args),
            Python::TimeDelta => timedelta(args),
            Python::TimeZone => fixed_zone(name, args),
            Python::UtcNow => {
                args.finish(name)?;
                Ok(Py::Value(self.aware_now()?))
            }
            Python::LocalDate => {
                args.finish(name)?;
                Ok(Py::Value(self.today()?))
            }
            Python::Utc => Ok(Py::Zone(Zone::Named("UTC".to_owned()))),
            Python::CurrentZone => Ok(Py::Zone(Zone::Named(self.zone_name()))),
            Python::MakeAware => self.make_aware(name, args),
            Python::ZoneInfo => named_zone(name, args),
            Python::Decimal => decimal(name, args),
            Python::Uuid => uuid(name, args),
            Python::RandomUuid => Err(refuse(Code::Python, format!("{name}() is random"))
                .with_hint("give the value, or a parameter")),
            Python::ObjectId => object_id(name, args),
            Python::Compile => compile(args),
            Python::RegexFlag(_) | Python::Operator(_) => {
                self.operator_function(name, python, args)
            }
            Python::Reduce => self.reduce(args),
            Python::Super => Ok(Py::Parent),
            Python::Translate => {
                let mut values = args.positional.into_iter();
                values
                    .next()
                    .map(|(v, _)| v)
                    .ok_or_else(|| type_error("a translated text is missing"))
            }
            _ => self.container(name, python, args),
        }
    }

    fn make_aware(&self, name: &str, args: Args) -> Result<Py> {
        let [value, zone] = args.bind(name, ["value", "timezone"])?;
        let Py::Value(Value::NaiveDateTime(naive)) = required(value, name, "value")? else {
            return Err(type_error("make_aware() takes a naive datetime"));
        };
        let zone = match zone {
            Some(Py::Zone(zone)) => zone,
            _ => Zone::Named(self.zone_name()),
        };
        Ok(Py::Value(Value::DateTime(aware(naive, &zone)?)))
    }

    fn operator_function(&mut self, name: &str, python: Python, args: Args) -> Result<Py> {
        let Python::Operator(sign) = python else {
            return Err(type_error(format!("'{name}' is not callable")));
        };
        let [left, right] = args.bind(name, ["a", "b"])?;
        let (left, right) = (required(left, name, "a")?, required(right, name, "b")?);
        self.binary(operator(sign), left, right)
    }

    /// `functools.reduce(operator.or_, [...])`.
    fn reduce(&mut self, args: Args) -> Result<Py> {
        let [function, items, first] = args.bind("reduce", ["function", "iterable", "initial"])?;
        let function = required(function, "reduce", "function")?;
        let combine = |this: &mut Self, left: Py, right: Py| match &function {
            Py::Builtin(Builtin {
                role: Role::Python(Python::Operator(sign)),
                ..
            }) => this.binary(operator(sign), left, right),
            Py::Lambda(lambda) => {
                let nowhere = crate::error::Span::NOWHERE;
                this.call_lambda(
                    lambda,
                    Args {
                        positional: vec![(left, nowhere), (right, nowhere)],
                        keywords: Vec::new(),
                    },
                )
            }
            other => Err(refuse(
                Code::Python,
                format!(
                    "reduce() takes a lambda or a function of the module operator here, not {}",
                    other.describe()
                ),
            )),
        };
        let items = required(items, "reduce", "iterable")?;
        let Some(items) = items.items() else {
            return Err(type_error("reduce() takes a list"));
        };
        let mut items = items.iter().cloned();
        let mut result = match first.or_else(|| items.next()) {
            Some(first) => first,
            None => {
                return Err(type_error(
                    "reduce() of empty iterable with no initial value",
                ));
            }
        };
        for item in items {
            result = combine(self, result, item)?;
        }
        Ok(result)
    }
}

fn operator(sign: &str) -> BinaryOp {
    match sign {
        "|" => BinaryOp::Or,
        "&" => BinaryOp::And,
        "^" => BinaryOp::Xor,
        "-" => BinaryOp::Sub,
        "*" => BinaryOp::Mul,
        _ => BinaryOp::Add,
    }
}

/// `datetime.timezone(offset)`.
fn fixed_zone(name: &str, args: Args) -> Result<Py> {
    let [offset, _] = args.bind(name, ["offset", "name"])?;
    match required(offset, name, "offset")? {
        Py::Value(Value::Duration(micros)) => {
            let seconds = i32::try_from(micros / 1_000_000).map_err(|_| out_of_range())?;
            Offset::from_seconds(seconds)
                .map(|o| Py::Zone(Zone::Fixed(o)))
                .map_err(|_| out_of_range())
        }
        other => Err(type_error(format!(
            "a time zone's offset is a timedelta, not {}",
            other.describe()
        ))),
    }
}

/// `ZoneInfo(key)`.
fn named_zone(name: &str, args: Args) -> Result<Py> {
    let [key] = args.bind(name, ["key"])?;
    let key = string(&required(key, name, "key")?, "the zone's name")?;
    if TimeZone::get(&key).is_err() {
        return Err(value_error(format!("No time zone found with key {key}")));
    }
    Ok(Py::Zone(Zone::Named(key)))
}

fn uuid(name: &str, args: Args) -> Result<Py> {
    let [hex, _bytes, _little, _fields, int] =
        args.bind(name, ["hex", "bytes", "bytes_le", "fields", "int"])?;
    if let Some(Py::Value(Value::Int(int))) = int {
        let int = u128::try_from(int)
            .map_err(|_| value_error("int is out of range (need a 128-bit value)"))?;
        return Ok(Py::Value(Value::Uuid(int.to_be_bytes())));
    }
    let hex = string(&required(hex, name, "hex")?, "the UUID")?;
    let clean: String = hex
        .trim_start_matches("urn:uuid:")
        .chars()
        .filter(|c| !"{}-".contains(*c))
        .collect();
    bson::Uuid::parse_str(&clean)
        .map(|u| Py::Value(Value::Uuid(u.bytes())))
        .map_err(|_| value_error("badly formed hexadecimal UUID string"))
}

fn object_id(name: &str, args: Args) -> Result<Py> {
    let [id] = args.bind(name, ["oid"])?;
    let Some(id) = id.filter(|v| !v.is_none()) else {
        return Err(refuse(Code::Python, "a new ObjectId is random")
            .with_hint("give its 24 hexadecimal digits"));
    };
    if let Py::Value(Value::ObjectId(id)) = id {
        return Ok(Py::Value(Value::ObjectId(id)));
    }
    let id = string(&id, "the ObjectId")?;
    ObjectId::parse_str(&id)
        .map(|id| Py::Value(Value::ObjectId(id)))
        .map_err(|_| {
            value_error(format!(
                "'{id}' is not a valid ObjectId: it has 24 hexadecimal digits"
            ))
        })
}

fn decimal(name: &str, args: Args) -> Result<Py> {
    let [value] = args.bind(name, ["value"])?;
    let text = match value.unwrap_or_else(|| Py::int(0)) {
        Py::Value(Value::Str(text)) => text.trim().replace('_', ""),
        Py::Value(Value::Int(i)) => i.to_string(),
        Py::Value(Value::Decimal(d)) => return Ok(Py::Value(Value::Decimal(d))),
        Py::Value(Value::Float(f)) if f.fract() == 0.0 && f.abs() < 9.0e15 => format!("{f:.0}"),
        Py::Value(Value::Float(_)) => {
            return Err(refuse(
                Code::Python,
                "a Decimal of a float has digits that nobody wrote",
            )
            .with_hint("write the number as a string: Decimal(\"1.50\")"));
        }
        other => return Err(type_error(format!("Decimal() of {}", other.describe()))),
    };
    text.parse::<Decimal128>()
        .map(|d| Py::Value(Value::Decimal(d)))
        .map_err(|_| {
            value_error(format!(
                "'{text}' is no decimal number of at most 34 digits"
            ))
        })
}

fn compile(args: Args) -> Result<Py> {
    let [pattern, flags] = args.bind("compile", ["pattern", "flags"])?;
    let pattern = string(&required(pattern, "compile", "pattern")?, "the pattern")?;
    let flags = match flags {
        None => Vec::new(),
        Some(Py::Tuple(flags)) => flags,
        Some(flag) => vec![flag],
    };
    let mut options = String::new();
    for flag in flags {
        match flag {
            Py::Builtin(Builtin {
                role: Role::Python(Python::RegexFlag(letter)),
                ..
            }) => options.push_str(letter),
            other => {
                return Err(type_error(format!(
                    "flags are re.IGNORECASE and the like, not {}",
                    other.describe()
                )));
            }
        }
    }
    let mut letters: Vec<char> = options.chars().collect();
    letters.sort_unstable();
    letters.dedup();
    Ok(Py::Value(Value::Regex(RegexLiteral {
        pattern,
        options: letters.into_iter().collect(),
    })))
}

pub(super) fn int(value: &Py, radix: u32) -> Result<Py> {
    match value {
        Py::Value(Value::Int(i)) => Ok(Py::int(*i)),
        Py::Value(Value::Bool(b)) => Ok(Py::int(i128::from(*b))),
        Py::Value(Value::Float(f)) if f.abs() < 1.0e18 => {
            #[allow(clippy::cast_possible_truncation)] // Python cuts off, and the size is checked
            let cut = f.trunc() as i64;
            Ok(Py::int(cut))
        }
        Py::Value(Value::Str(text)) if (2..=36).contains(&radix) => {
            i128::from_str_radix(&text.trim().replace('_', ""), radix)
                .map(Py::int)
                .map_err(|_| {
                    value_error(format!(
                        "invalid literal for int() with base {radix}: '{text}'"
                    ))
                })
        }
        other => Err(type_error(format!("int() of {}", other.describe()))),
    }
}

pub(super) fn float(value: &Py) -> Result<Py> {
    let number = match value {
        Py::Value(Value::Float(f)) => *f,
        #[allow(clippy::cast_precision_loss)] // Python's own conversion
        Py::Value(Value::Int(i)) => *i as f64,
        Py::Value(Value::Str(text)) => match text.trim().to_ascii_lowercase().as_str() {
            "inf" | "infinity" | "+inf" => f64::INFINITY,
            "-inf" | "-infinity" => f64::NEG_INFINITY,
            "nan" => f64::NAN,
            text => text
                .parse()
                .map_err(|_| value_error(format!("could not convert string to float: '{text}'")))?,
        },
        other => return Err(type_error(format!("float() of {}", other.describe()))),
    };
    Ok(Py::Value(Value::Float(number)))
}
