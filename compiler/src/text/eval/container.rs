//! The functions and methods of containers and numbers.

use std::cmp::Ordering;

use super::Evaluator;
use super::args::{Args, required};
use super::member::{no_attribute, runtime};
use super::names::Python;
use super::python::{float, int};
use super::scalar::order;
use super::strings::text_of;
use super::value::{Done, Py, integer, refuse, string, type_error, value_error};
use crate::error::{Code, Error, Result};
use crate::queryset::{Do, Value};
use crate::text::syntax::BinaryOp;

impl Evaluator<'_> {
    /// A function of a container or a number; of a queryset, which it evaluates.
    pub(super) fn container(&mut self, name: &str, python: Python, mut args: Args) -> Result<Py> {
        if python == Python::Dict {
            return dict(args);
        }
        if python == Python::Print {
            let first = args.positional.into_iter().next();
            return Ok(first.map_or_else(Py::null, |(v, _)| v));
        }
        let base = args.take("base");
        let has_key = python == Python::Sorted && args.take_some("key").is_some();
        let reverse = args
            .take("reverse")
            .is_some_and(|v| v.truth() == Some(true));
        let mut values: Vec<Py> = args
            .only_positional(name)?
            .into_iter()
            .map(|(v, _)| v)
            .collect();
        if let [Py::Rows(rows)] = values.as_slice()
            && evaluates(python)
        {
            return Ok(self.done(rows, Do::Rows));
        }
        if has_key && !matches!(values.as_slice(), [Py::Done(_)]) {
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
            Python::Len => length(one()?),
            Python::Ord => ord(one()?),
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
                None => Err(runtime("bool()")),
            },
            Python::List => Ok(Py::List(elements(values.first())?)),
            Python::Tuple => Ok(Py::Tuple(elements(values.first())?)),
            Python::Set => Ok(Py::Set(distinct(elements(values.first())?))),
            Python::Range => self.range(&values),
            Python::Abs => match one()? {
                Py::Value(Value::Int(i)) => Ok(Py::int(i.saturating_abs())),
                Py::Value(Value::Float(f)) => Ok(Py::Value(Value::Float(f.abs()))),
                other => Err(type_error(format!("abs() of {}", other.describe()))),
            },
            Python::Min => extreme(name, values, Ordering::Less),
            Python::Max => extreme(name, values, Ordering::Greater),
            Python::Sum => values.into_iter().try_fold(Py::int(0), |total, item| {
                self.binary(BinaryOp::Add, total, item)
            }),
            Python::Sorted => sorted(values, reverse),
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

/// Whether Python runs a queryset to give it to the function.
fn evaluates(python: Python) -> bool {
    matches!(
        python,
        Python::Len
            | Python::Bool
            | Python::List
            | Python::Tuple
            | Python::Set
            | Python::Sorted
            | Python::Str
    )
}

fn dict(args: Args) -> Result<Py> {
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
    Ok(Py::Dict(entries))
}

fn length(value: &Py) -> Result<Py> {
    let length = match (value.items(), value) {
        (Some(items), _) => items.len(),
        (None, Py::Dict(entries)) => entries.len(),
        (None, Py::Value(Value::Str(text))) => text.chars().count(),
        _ => return Err(type_error(format!("{} has no len()", value.describe()))),
    };
    Ok(Py::int(length as u64))
}

fn ord(value: &Py) -> Result<Py> {
    let text = string(value, "the character")?;
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) => Ok(Py::int(u32::from(c))),
        _ => Err(type_error("ord() expected a character")),
    }
}

/// How many members of a set are told apart, each by a look at all others.
const MOST_DISTINCT: usize = 4096;

fn distinct(items: Vec<Py>) -> Vec<Py> {
    let mut set: Vec<Py> = Vec::new();
    for item in items {
        if set.len() > MOST_DISTINCT || !set.contains(&item) {
            set.push(item);
        }
    }
    set
}

/// The value that is `wanted` to all others.
fn extreme(name: &str, values: Vec<Py>, wanted: Ordering) -> Result<Py> {
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

fn sorted(mut values: Vec<Py>, reverse: bool) -> Result<Py> {
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
