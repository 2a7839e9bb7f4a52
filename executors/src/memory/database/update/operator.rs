//! The update operators on one value.
use std::cmp::Ordering;

use bson::Bson;

use super::array_ops::{Pull, Push, add_to_set, holds};
use super::{Moment, arith};
use crate::memory::error::EngineError;
use crate::memory::expr::Scope;
use crate::memory::value::{Array, Collation, Value, compare_with};

/// What happens at one path.
#[derive(Clone, Debug)]
pub enum Operator {
    Set(Value),
    SetOnInsert(Value),
    Unset,
    Inc(Value),
    Mul(Value),
    Min(Value),
    Max(Value),
    CurrentDate(bool),
    Push(Push),
    AddToSet(Vec<Value>),
    Pull(Pull),
    PullAll(Vec<Value>),
    Pop(bool),
    Bit(Vec<(BitOp, Value)>),
}

/// An operation of `$bit`.
pub type BitOp = fn(i64, i64) -> i64;

impl Operator {
    /// Reads the argument of one operator at one path. `None` when there is no such operator.
    pub(super) fn compile(
        name: &str,
        path: &str,
        v: &Bson,
        scope: &Scope,
    ) -> Result<Option<Self>, EngineError> {
        let number = |what: &str| {
            let value = Value::from_bson(v);
            if value.is_number() {
                Ok(value)
            } else {
                Err(EngineError::type_mismatch(format!(
                    "Cannot {what} with non-numeric argument: {{{path}: {v}}}"
                )))
            }
        };
        Ok(Some(match name {
            "$set" => Self::Set(Value::from_bson(v)),
            "$setOnInsert" => Self::SetOnInsert(Value::from_bson(v)),
            "$unset" => Self::Unset,
            "$inc" => Self::Inc(number("increment")?),
            "$mul" => Self::Mul(number("multiply")?),
            "$min" => Self::Min(Value::from_bson(v)),
            "$max" => Self::Max(Value::from_bson(v)),
            "$currentDate" => match v {
                Bson::Boolean(true) => Self::CurrentDate(false),
                Bson::Boolean(false) => Self::CurrentDate(false),
                Bson::Document(d) => match d.get("$type") {
                    Some(Bson::String(s)) if s == "date" => Self::CurrentDate(false),
                    Some(Bson::String(s)) if s == "timestamp" => Self::CurrentDate(true),
                    _ => {
                        return Err(EngineError::bad_value(
                            "The '$type' string field is required to be 'date' or 'timestamp': {$currentDate: {field : {$type: 'date'}}}",
                        ));
                    }
                },
                other => {
                    return Err(EngineError::bad_value(format!(
                        "{} is not valid type for $currentDate. Please use a boolean ('true') or a $type expression ({{$type: 'timestamp/date'}}).",
                        Value::from_bson(other).type_name()
                    )));
                }
            },
            "$push" => Self::Push(Push::compile(v)?),
            "$addToSet" => Self::AddToSet(add_to_set(v)?),
            "$pull" => Self::Pull(Pull::compile(v, scope)?),
            "$pullAll" => match v {
                Bson::Array(items) => Self::PullAll(items.iter().map(Value::from_bson).collect()),
                other => {
                    return Err(EngineError::bad_value(format!(
                        "$pullAll requires an array argument but was given a {}",
                        Value::from_bson(other).type_name()
                    )));
                }
            },
            "$pop" => match Value::from_bson(v).as_i64() {
                Some(1) => Self::Pop(false),
                Some(-1) => Self::Pop(true),
                _ => {
                    return Err(EngineError::failed_to_parse(format!(
                        "$pop expects 1 or -1, found: {v}"
                    )));
                }
            },
            "$bit" => Self::Bit(bits(path, v)?),
            _ => return Ok(None),
        }))
    }

    /// Whether a path that could not be made is an error all the same.
    pub(super) fn needs_viable(&self) -> bool {
        !matches!(self, Self::Unset)
    }

    /// The new value at the path; missing takes the field away.
    pub(super) fn apply(
        &self,
        old: Value,
        path: &str,
        moment: &Moment<'_>,
        collation: Option<&Collation>,
    ) -> Result<Value, EngineError> {
        let order = |new: &Value| compare_with(new.view(), old.view(), collation);
        Ok(match self {
            Self::Set(v) => v.clone(),
            Self::SetOnInsert(v) => {
                if moment.inserting {
                    v.clone()
                } else {
                    old
                }
            }
            Self::Unset => Value::Missing,
            Self::Inc(by) => match old {
                Value::Missing => by.clone(),
                old if old.is_number() => arith::add(&old, by)?,
                old => return Err(not_numeric("$inc", path, &old)),
            },
            Self::Mul(by) => match old {
                Value::Missing => arith::multiply(&Value::Int32(0), by)?,
                old if old.is_number() => arith::multiply(&old, by)?,
                old => return Err(not_numeric("$mul", path, &old)),
            },
            Self::Min(v) => {
                if old.is_missing() || order(v) == Ordering::Less {
                    v.clone()
                } else {
                    old
                }
            }
            Self::Max(v) => {
                if old.is_missing() || order(v) == Ordering::Greater {
                    v.clone()
                } else {
                    old
                }
            }
            Self::CurrentDate(false) => Value::Date(moment.now),
            Self::CurrentDate(true) => {
                let seconds = u64::try_from(moment.now.div_euclid(1000)).unwrap_or(0);
                Value::Timestamp((seconds << 32) | 1)
            }
            Self::Push(push) => {
                let mut items = list(old, path, "$push")?.unwrap_or_default();
                push.apply(&mut items, collation);
                Value::array(items)
            }
            Self::AddToSet(values) => {
                let mut items = list(old, path, "$addToSet")?.unwrap_or_default();
                for v in values {
                    if !holds(&items, v, collation) {
                        items.push(v.clone());
                    }
                }
                Value::array(items)
            }
            Self::Pull(pull) => match list(old, path, "$pull")? {
                None => Value::Missing,
                Some(mut items) => {
                    items.retain(|v| !pull.takes(v, collation));
                    Value::array(items)
                }
            },
            Self::PullAll(values) => match list(old, path, "$pullAll")? {
                None => Value::Missing,
                Some(mut items) => {
                    items.retain(|v| !holds(values, v, collation));
                    Value::array(items)
                }
            },
            Self::Pop(first) => match old {
                Value::Missing => Value::Missing,
                Value::Array(a) => {
                    let mut items = Array::into_vec(a);
                    if *first && !items.is_empty() {
                        items.remove(0);
                    } else {
                        items.pop();
                    }
                    Value::array(items)
                }
                other => {
                    return Err(EngineError::type_mismatch(format!(
                        "Path '{path}' contains an element of non-array type '{}'",
                        other.type_name()
                    )));
                }
            },
            Self::Bit(ops) => {
                let mut value = if old.is_missing() {
                    Value::Int32(0)
                } else {
                    old
                };
                for (f, by) in ops {
                    value = match arith::bit(&value, by, *f) {
                        Some(v) => v,
                        None => {
                            return Err(EngineError::bad_value(format!(
                                "Cannot apply $bit to a value of non-integral type. {path} has the field of non-integer type {}",
                                value.type_name()
                            )));
                        }
                    };
                }
                value
            }
        })
    }
}

fn not_numeric(name: &str, path: &str, old: &Value) -> EngineError {
    EngineError::type_mismatch(format!(
        "Cannot apply {name} to a value of non-numeric type. {{{path}}} has the field of non-numeric type {}",
        old.type_name()
    ))
}

fn list(old: Value, path: &str, name: &str) -> Result<Option<Vec<Value>>, EngineError> {
    match old {
        Value::Missing => Ok(None),
        Value::Array(a) => Ok(Some(a.into_vec())),
        other => Err(EngineError::bad_value(match name {
            "$pull" | "$pullAll" => format!("Cannot apply {name} to a non-array value"),
            _ => format!(
                "The field '{path}' must be an array but is of type {} in document",
                other.type_name()
            ),
        })),
    }
}

fn bits(path: &str, v: &Bson) -> Result<Vec<(BitOp, Value)>, EngineError> {
    let Bson::Document(d) = v else {
        return Err(EngineError::bad_value(format!(
            "The $bit modifier is not compatible with a {}. You must pass in an embedded document: {{$bit: {{field: {{and/or/xor: #}}}}",
            Value::from_bson(v).type_name()
        )));
    };
    if d.is_empty() {
        return Err(EngineError::bad_value(format!(
            "You must pass in at least one bitwise operation. The format is: {{$bit: {{field: {{and/or/xor: #}}}}: {path}"
        )));
    }
    let mut ops: Vec<(BitOp, Value)> = Vec::with_capacity(d.len());
    for (name, by) in d {
        let f: BitOp = match name.as_str() {
            "and" => |a, b| a & b,
            "or" => |a, b| a | b,
            "xor" => |a, b| a ^ b,
            other => {
                return Err(EngineError::bad_value(format!(
                    "The $bit modifier only supports 'and', 'or', and 'xor', not '{other}' which is an unknown operator: {{{other}: {by}}}"
                )));
            }
        };
        if !matches!(by, Bson::Int32(_) | Bson::Int64(_)) {
            return Err(EngineError::bad_value(format!(
                "The $bit modifier field must be an Integer(32/64 bit); a '{}' is not supported here",
                Value::from_bson(by).type_name()
            )));
        }
        ops.push((f, Value::from_bson(by)));
    }
    Ok(ops)
}
