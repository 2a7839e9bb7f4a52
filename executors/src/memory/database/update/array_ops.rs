//! `$push` and its modifiers, `$addToSet`, `$pull`, `$pullAll`, `$pop`.
use std::cmp::Ordering;

use bson::Bson;

use crate::memory::accumulator::SortBy;
use crate::memory::error::EngineError;
use crate::memory::expr::Scope;
use crate::memory::filter::Filter;
use crate::memory::value::{Collation, Document, Value, ValueRef, compare_with, equal, num};

/// How `$push` sorts.
#[derive(Clone, Debug)]
pub enum Order {
    /// By the elements: whether ascending.
    Elements(bool),
    /// By fields of the elements.
    Fields(SortBy),
}

/// `$push`.
#[derive(Clone, Debug)]
pub struct Push {
    each: Vec<Value>,
    position: Option<i64>,
    slice: Option<i64>,
    sort: Option<Order>,
}

fn bad<T>(message: impl Into<String>) -> Result<T, EngineError> {
    Err(EngineError::bad_value(message))
}

fn each(v: &Bson, name: &str) -> Result<Vec<Value>, EngineError> {
    match v {
        Bson::Array(items) => Ok(items.iter().map(Value::from_bson).collect()),
        other => bad(format!(
            "The argument to $each in {name} must be an array but it was of type: {}",
            Value::from_bson(other).type_name()
        )),
    }
}

fn integer(v: &Bson, what: &str) -> Result<i64, EngineError> {
    Value::from_bson(v).as_i64().ok_or_else(|| {
        EngineError::bad_value(format!(
            "The value for {what} must be an integer value but was given type: {}",
            Value::from_bson(v).type_name()
        ))
    })
}

impl Push {
    pub(super) fn compile(v: &Bson) -> Result<Self, EngineError> {
        let mut push = Self {
            each: Vec::new(),
            position: None,
            slice: None,
            sort: None,
        };
        let Bson::Document(d) = v else {
            push.each.push(Value::from_bson(v));
            return Ok(push);
        };
        let Some(items) = d.get("$each") else {
            if let Some(modifier) = d
                .keys()
                .find(|k| matches!(k.as_str(), "$slice" | "$sort" | "$position"))
            {
                return bad(format!(
                    "The dollar ($) prefixed field '{modifier}' is not valid without $each"
                ));
            }
            push.each.push(Value::from_bson(v));
            return Ok(push);
        };
        push.each = each(items, "$push")?;
        for (modifier, v) in d {
            match modifier.as_str() {
                "$each" => {}
                "$position" => push.position = Some(integer(v, "$position")?),
                "$slice" => push.slice = Some(integer(v, "$slice")?),
                "$sort" => {
                    push.sort = Some(match v {
                        Bson::Document(s) if s.is_empty() => {
                            return bad(
                                "The $sort pattern is empty when it should be a set of fields.",
                            );
                        }
                        Bson::Document(s) => Order::Fields(
                            SortBy::compile(s).map_err(|e| EngineError::bad_value(e.message))?,
                        ),
                        other => match Value::from_bson(other).as_f64() {
                            Some(1.0) => Order::Elements(true),
                            Some(-1.0) => Order::Elements(false),
                            _ => return bad("The $sort element value must be either 1 or -1"),
                        },
                    });
                }
                other => return bad(format!("Unrecognized clause in $push: {other}")),
            }
        }
        Ok(push)
    }

    pub(super) fn apply(&self, items: &mut Vec<Value>, collation: Option<&Collation>) {
        let len = num::len_i64(items.len());
        let at = match self.position {
            None => len,
            Some(n) if n < 0 => (len + n).max(0),
            Some(n) => n.min(len),
        };
        let at = usize::try_from(at).unwrap_or(0);
        items.splice(at..at, self.each.iter().cloned());
        match &self.sort {
            None => {}
            Some(Order::Elements(ascending)) => items.sort_by(|a, b| {
                let order = compare_with(a.view(), b.view(), collation);
                if *ascending { order } else { order.reverse() }
            }),
            Some(Order::Fields(by)) => items.sort_by(|a, b| {
                let (a, b) = (by.plain_key(a.view()), by.plain_key(b.view()));
                by.compare(&a, &b, collation)
            }),
        }
        if let Some(n) = self.slice {
            let keep = usize::try_from(n.unsigned_abs()).unwrap_or(usize::MAX);
            if n >= 0 {
                items.truncate(keep);
            } else if items.len() > keep {
                items.drain(..items.len() - keep);
            }
        }
    }
}

/// The values of `$addToSet`.
pub fn add_to_set(v: &Bson) -> Result<Vec<Value>, EngineError> {
    match v {
        Bson::Document(d) if d.contains_key("$each") => {
            if let Some(other) = d.keys().find(|k| *k != "$each") {
                return bad(format!(
                    "Found unexpected fields after $each in $addToSet: {other}"
                ));
            }
            match d.get("$each") {
                Some(Bson::Array(items)) => Ok(items.iter().map(Value::from_bson).collect()),
                other => Err(EngineError::type_mismatch(format!(
                    "The argument to $each in $addToSet must be an array but it was of type {}",
                    other.map_or("missing", |v| Value::from_bson(v).type_name())
                ))),
            }
        }
        other => Ok(vec![Value::from_bson(other)]),
    }
}

/// The field that an element is, to a condition on it.
const WRAPPED: &str = "element";

/// What `$pull` takes out.
#[derive(Clone, Debug)]
pub enum Pull {
    /// Elements equal to this.
    Equal(Value),
    /// Documents that pass a filter.
    Documents(Box<Filter>),
    /// Elements that pass a condition, as the value of a field would: of an array, its elements count too.
    Values(Box<Filter>),
}

impl Pull {
    pub(super) fn compile(v: &Bson, scope: &Scope) -> Result<Self, EngineError> {
        Ok(match v {
            Bson::Document(d) => {
                let operators = d.keys().next().is_some_and(|k| {
                    k.starts_with('$') && !matches!(k.as_str(), "$and" | "$or" | "$nor")
                });
                if operators {
                    let wrapped = bson::doc! {WRAPPED: v.clone()};
                    Self::Values(Box::new(Filter::compile(&wrapped, scope)?))
                } else {
                    Self::Documents(Box::new(Filter::compile(d, scope)?))
                }
            }
            Bson::RegularExpression(_) => {
                let wrapped = bson::doc! {WRAPPED: v.clone()};
                Self::Values(Box::new(Filter::compile(&wrapped, scope)?))
            }
            other => Self::Equal(Value::from_bson(other)),
        })
    }

    pub(super) fn takes(&self, item: &Value, collation: Option<&Collation>) -> bool {
        match self {
            Self::Equal(v) => compare_with(item.view(), v.view(), collation) == Ordering::Equal,
            Self::Documents(filter) => {
                matches!(item, Value::Document(_)) && filter.matches_value(item.view(), collation)
            }
            Self::Values(filter) => {
                let wrapped: Document = [(WRAPPED, item.clone())].into_iter().collect();
                filter.matches_value(ValueRef::Document(wrapped.view()), collation)
            }
        }
    }
}

/// Whether a list has a value.
pub fn holds(items: &[Value], v: &Value, collation: Option<&Collation>) -> bool {
    items.iter().any(|x| match collation {
        None => equal(x.view(), v.view()),
        Some(_) => compare_with(x.view(), v.view(), collation) == Ordering::Equal,
    })
}
