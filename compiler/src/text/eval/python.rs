//! The little of Python that literals of queries are written with: dates, numbers, identifiers, containers.

use std::cmp::Ordering;

use bson::Decimal128;
use bson::oid::ObjectId;
use jiff::tz::{Offset, TimeZone};

use super::Evaluator;
use super::args::{Args, required};
use super::moment::{aware, date, offset_text, out_of_range, time, timedelta};
use super::names::{Builtin, Python, Role};
use super::scalar::order;
use super::tree::no_attribute;
use super::value::{Done, Py, Zone, integer, refuse, string, type_error, value_error};
use crate::error::{Code, Error, Result};
use crate::queryset::{Do, RegexLiteral, Value};
use crate::text::syntax::BinaryOp;

impl Evaluator<'_> {
    pub(super) fn python(&mut self, name: &str, python: Python, args: Args) -> Result<Py> {
        match python {
            Python::Date => Ok(Py::Value(Value::Date(date(name, args)?))),
            Python::DateTime => self.datetime(args),
            Python::Time => time(args),
            Python::TimeDelta => timedelta(args),
            Python::TimeZone => {
                let [offset, _] = args.bind(name, ["offset", "name"])?;
                match required(offset, name, "offset")? {
                    Py::Value(Value::Duration(micros)) => {
                        let seconds =
                            i32::try_from(micros / 1_000_000).map_err(|_| out_of_range())?;
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
            Python::MakeAware => {
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
            Python::ZoneInfo => {
                let [key] = args.bind(name, ["key"])?;
                let key = string(&required(key, name, "key")?, "the zone's name")?;
                if TimeZone::get(&key).is_err() {
                    return Err(value_error(format!("No time zone found with key {key}")));
                }
                Ok(Py::Zone(Zone::Named(key)))
            }
            Python::Decimal => decimal(name, args),
            Python::Uuid => {
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
            Python::RandomUuid => Err(refuse(Code::Python, format!("{name}() is random"))
                .with_hint("give the value, or a parameter")),
            Python::ObjectId => {
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
                let nowhere = crate::error::Span { start: 0, end: 0 };
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

    /// Functions of containers and numbers.
    fn container(&mut self, name: &str, python: Python, args: Args) -> Result<Py> {
        if python == Python::Dict {
            let mut entries = match args.positional.as_slice() {
                [] => Vec::new(),
                [(Py::Dict(entries), _)] => entries.clone(),
                _ => return Err(type_error("dict() takes keyword arguments, or a dict")),
            };
            entries.extend(
                args.keywords
                    .into_iter()
                    .map(|k| (Py::str(k.name), k.value)),
            );
            return Ok(Py::Dict(entries));
        }
        if python == Python::Print {
            return Ok(args
                .positional
                .into_iter()
                .next()
                .map_or_else(Py::null, |(v, _)| v));
        }
        let mut args = args;
        let base = args.take("base");
        let key = if python == Python::Sorted {
            args.take_some("key")
        } else {
            None
        };
        let reverse = args
            .take("reverse")
            .is_some_and(|v| v.truth() == Some(true));
        let mut values: Vec<Py> = args
            .only_positional(name)?
            .into_iter()
            .map(|(v, _)| v)
            .collect();
        // A queryset is evaluated by these.
        if let [Py::Rows(rows)] = values.as_slice()
            && matches!(
                python,
                Python::Len
                    | Python::Bool
                    | Python::List
                    | Python::Tuple
                    | Python::Set
                    | Python::Sorted
                    | Python::Str
            )
        {
            return Ok(self.done(rows, Do::Rows));
        }
        if key.is_some() && !matches!(values.as_slice(), [Py::Done(_)]) {
            return Err(refuse(
                Code::Python,
                "sorted() orders by the values themselves here",
            ));
        }
        if let [Py::Done(done)] = values.as_slice()
            && done.statement.action == Do::Rows
        {
            return Ok(Py::Done(Box::new(Done {
                statement: done.statement.clone(),
                instance: None,
            })));
        }
        if matches!(
            python,
            Python::Min | Python::Max | Python::Sum | Python::Sorted
        ) && let [only] = values.as_slice()
            && let Some(items) = only.items()
        {
            values = items.to_vec();
        }
        let one = || -> Result<&Py> {
            values.first().filter(|_| values.len() == 1).ok_or_else(|| {
                type_error(format!(
                    "{name}() takes exactly one argument ({} given)",
                    values.len()
                ))
            })
        };
        match python {
            Python::Len => {
                let value = one()?;
                let length = match (value.items(), value) {
                    (Some(items), _) => items.len(),
                    (None, Py::Dict(entries)) => entries.len(),
                    (None, Py::Value(Value::Str(text))) => text.chars().count(),
                    _ => return Err(type_error(format!("{} has no len()", value.describe()))),
                };
                Ok(Py::int(length as u64))
            }
            Python::Ord => {
                let text = string(one()?, "the character")?;
                let mut chars = text.chars();
                match (chars.next(), chars.next()) {
                    (Some(c), None) => Ok(Py::int(u32::from(c))),
                    _ => Err(type_error("ord() expected a character")),
                }
            }
            Python::Chr => u32::try_from(integer(one()?, "the number")?)
                .ok()
                .and_then(char::from_u32)
                .map(|c| Py::str(c.to_string()))
                .ok_or_else(|| value_error("chr() arg not in range")),
            Python::Int => {
                let radix = match &base {
                    Some(base) => u32::try_from(integer(base, "base")?).unwrap_or(0),
                    None => 10,
                };
                int(values.first().unwrap_or(&Py::int(0)), radix)
            }
            Python::Float => float(one()?),
            Python::Str => Ok(Py::str(values.first().map_or(Ok(String::new()), text_of)?)),
            Python::Bool => match values.first().map_or(Some(false), Py::truth) {
                Some(truth) => Ok(Py::bool(truth)),
                None => Err(super::tree::runtime("bool()")),
            },
            Python::List => Ok(Py::List(elements(values.first())?)),
            Python::Tuple => Ok(Py::Tuple(elements(values.first())?)),
            Python::Set => {
                let mut set: Vec<Py> = Vec::new();
                for item in elements(values.first())? {
                    if set.len() > 4096 || !set.contains(&item) {
                        set.push(item);
                    }
                }
                Ok(Py::Set(set))
            }
            Python::Range => self.range(&values),
            Python::Abs => match one()? {
                Py::Value(Value::Int(i)) => Ok(Py::int(i.saturating_abs())),
                Py::Value(Value::Float(f)) => Ok(Py::Value(Value::Float(f.abs()))),
                other => Err(type_error(format!("abs() of {}", other.describe()))),
            },
            Python::Min | Python::Max => {
                let wanted = if python == Python::Min {
                    Ordering::Less
                } else {
                    Ordering::Greater
                };
                let mut items = values.into_iter();
                let mut best = items
                    .next()
                    .ok_or_else(|| value_error(format!("{name}() of nothing")))?;
                for item in items {
                    match order(&item, &best) {
                        Some(found) if found == wanted => best = item,
                        Some(_) => {}
                        None => {
                            return Err(type_error(format!(
                                "{name}() compares literals of one kind"
                            )));
                        }
                    }
                }
                Ok(best)
            }
            Python::Sum => {
                let mut total = Py::int(0);
                for item in values {
                    total = self.binary(BinaryOp::Add, total, item)?;
                }
                Ok(total)
            }
            Python::Sorted => {
                let mut failed = false;
                values.sort_by(|a, b| {
                    order(a, b).unwrap_or_else(|| {
                        failed = true;
                        Ordering::Equal
                    })
                });
                if failed {
                    return Err(type_error("sorted() compares literals of one kind"));
                }
                if reverse {
                    values.reverse();
                }
                Ok(Py::List(values))
            }
            Python::Round => match values.as_slice() {
                [Py::Value(Value::Float(f))] => {
                    int(&Py::Value(Value::Float(f.round_ties_even())), 10)
                }
                [value @ Py::Value(Value::Int(_)), ..] => Ok(value.clone()),
                _ => Err(refuse(Code::Python, "round() takes a single float here")),
            },
            _ => Err(Error::internal("a function of Python without meaning")),
        }
    }

    fn range(&mut self, values: &[Py]) -> Result<Py> {
        let bounds = values
            .iter()
            .map(|v| integer(v, "the bound"))
            .collect::<Result<Vec<i64>>>()?;
        let (start, stop, step) = match bounds.as_slice() {
            [stop] => (0, *stop, 1),
            [start, stop] => (*start, *stop, 1),
            [start, stop, step] if *step != 0 => (*start, *stop, *step),
            _ => return Err(type_error("range() takes one to three integers")),
        };
        let mut items = Vec::new();
        let mut at = start;
        while (step > 0 && at < stop) || (step < 0 && at > stop) {
            self.spend(1)?;
            items.push(Py::int(at));
            match at.checked_add(step) {
                Some(next) => at = next,
                None => break,
            }
        }
        Ok(Py::List(items))
    }

    /// A method of a list or dict.
    pub(super) fn container_method(&mut self, value: &Py, name: &str, args: Args) -> Result<Py> {
        match (value, name) {
            (Py::Dict(entries), "get") => {
                let [key, default] = args.bind(name, ["key", "default"])?;
                let key = required(key, name, "key")?;
                Ok(entries
                    .iter()
                    .find(|(k, _)| *k == key)
                    .map(|(_, v)| v.clone())
                    .or(default)
                    .unwrap_or_else(Py::null))
            }
            (Py::Dict(entries), "keys") => {
                Ok(Py::List(entries.iter().map(|(k, _)| k.clone()).collect()))
            }
            (Py::Dict(entries), "values") => {
                Ok(Py::List(entries.iter().map(|(_, v)| v.clone()).collect()))
            }
            (Py::Dict(entries), "items") => Ok(Py::List(
                entries
                    .iter()
                    .map(|(k, v)| Py::Tuple(vec![k.clone(), v.clone()]))
                    .collect(),
            )),
            (_, "append" | "extend" | "update" | "add" | "remove" | "pop" | "insert") => {
                Err(refuse(
                    Code::Python,
                    format!("{name}() changes its object, which is not done here"),
                ))
            }
            (other, _) => Err(no_attribute(&other.describe(), name)),
        }
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

fn int(value: &Py, radix: u32) -> Result<Py> {
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

fn float(value: &Py) -> Result<Py> {
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

/// What iterating over a value gives.
pub(super) fn elements(value: Option<&Py>) -> Result<Vec<Py>> {
    match value {
        None => Ok(Vec::new()),
        Some(Py::Dict(entries)) => Ok(entries.iter().map(|(k, _)| k.clone()).collect()),
        Some(Py::Value(Value::Str(text))) => {
            Ok(text.chars().map(|c| Py::str(c.to_string())).collect())
        }
        Some(value) => match value.items() {
            Some(items) => Ok(items.to_vec()),
            None => Err(type_error(format!("{} has no elements", value.describe()))),
        },
    }
}

/// `str(value)`.
pub(super) fn text_of(value: &Py) -> Result<String> {
    Ok(match value {
        Py::Value(value) => match value {
            Value::Null => "None".to_owned(),
            Value::Bool(true) => "True".to_owned(),
            Value::Bool(false) => "False".to_owned(),
            Value::Int(i) => i.to_string(),
            Value::Float(f) if f.fract() == 0.0 && f.abs() < 1.0e16 => format!("{f:.1}"),
            Value::Float(f) => f.to_string(),
            Value::Str(text) => text.clone(),
            Value::Date(day) => day.to_string(),
            Value::Time(time) => time.to_string(),
            Value::NaiveDateTime(at) => at.to_string().replacen('T', " ", 1),
            Value::DateTime(at) => {
                let local = at.offset.to_datetime(at.instant).to_string();
                format!("{}{}", local.replacen('T', " ", 1), offset_text(at.offset))
            }
            Value::Decimal(d) => d.to_string(),
            Value::Uuid(bytes) => bson::Uuid::from_bytes(*bytes).to_string(),
            Value::ObjectId(id) => id.to_hex(),
            _ => return Err(type_error("this value has no text here")),
        },
        other => return Err(type_error(format!("{} has no text here", other.describe()))),
    })
}

/// The methods of strings that literals are written with.
pub(super) fn text_method(text: &str, name: &str, args: Args) -> Result<Py> {
    if name == "format" {
        return super::format::method(text, args);
    }
    let given = args.only_positional(name)?;
    let argument = given.first().and_then(|(v, _)| v.as_str());
    Ok(match (name, argument) {
        ("upper", None) => Py::str(text.to_uppercase()),
        ("lower", None) => Py::str(text.to_lowercase()),
        ("strip", None) => Py::str(text.trim()),
        ("lstrip", None) => Py::str(text.trim_start()),
        ("rstrip", None) => Py::str(text.trim_end()),
        ("replace", Some(from)) if given.len() == 2 => {
            let to = given
                .get(1)
                .and_then(|(v, _)| v.as_str())
                .unwrap_or_default();
            if from.is_empty()
                || text.len().saturating_mul(to.len().max(1)) > super::scalar::MAX_TEXT
            {
                return Err(refuse(Code::Limit, "the string is too long"));
            }
            Py::str(text.replace(from, to))
        }
        ("title", None) => {
            let mut out = String::new();
            let mut inside = false;
            for c in text.chars() {
                if inside {
                    out.extend(c.to_lowercase());
                } else {
                    out.extend(c.to_uppercase());
                }
                inside = c.is_alphabetic();
            }
            Py::str(out)
        }
        ("split", None) if given.is_empty() => {
            Py::List(text.split_whitespace().map(Py::str).collect())
        }
        ("split", Some(separator)) if !separator.is_empty() => {
            Py::List(text.split(separator).map(Py::str).collect())
        }
        ("startswith", Some(start)) => Py::bool(text.starts_with(start)),
        ("endswith", Some(end)) => Py::bool(text.ends_with(end)),
        ("encode", _) => Py::Value(Value::Binary {
            bytes: text.as_bytes().to_vec(),
            subtype: 0,
        }),
        ("join", None) => {
            let items = given.first().and_then(|(v, _)| v.items());
            let parts: Option<Vec<&str>> = items.and_then(|i| i.iter().map(Py::as_str).collect());
            match parts {
                Some(parts) => Py::str(parts.join(text)),
                None => return Err(type_error("join() takes a list of strings")),
            }
        }
        _ => {
            return Err(refuse(
                Code::Python,
                format!("'{name}' of a string is not done here"),
            )
            .with_hint("write the string itself"));
        }
    })
}
