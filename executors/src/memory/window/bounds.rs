//! Windows: from their specification to the range of documents around each one.
use std::cmp::Ordering;
use std::ops::Range;

use bson::Bson;

use super::SortPart;
use crate::memory::datetime::{self, Unit, Zone};
use crate::memory::error::EngineError;
use crate::memory::expr::{Expr, Scope, arith};
use crate::memory::value::{Collation, Document, Value, compare_with, num};

/// One end of a window.
#[derive(Clone, Debug)]
pub(super) enum End {
    Unbounded,
    Current,
    /// Documents, or a distance of the sort value.
    At(Value),
}

/// A compiled window.
#[derive(Clone, Debug)]
pub(super) enum Bounds {
    Documents(i64, i64),
    Range(End, End, Option<Unit>),
}

const FAR: i64 = i64::MAX / 4;

impl Bounds {
    /// From `window` (the whole partition without one).
    pub fn compile(window: Option<&Bson>, sort: &[SortPart]) -> Result<Self, EngineError> {
        let Some(window) = window else {
            return Ok(Self::Documents(-FAR, FAR));
        };
        let Bson::Document(window) = window else {
            return Err(EngineError::failed_to_parse(
                "'window' field must be an object",
            ));
        };
        if let Some(name) = window
            .keys()
            .find(|k| !matches!(k.as_str(), "documents" | "range" | "unit"))
        {
            return Err(EngineError::failed_to_parse(format!(
                "'window' field can only contain 'documents' as the only argument or 'range' with an optional 'unit' field, found {name}"
            )));
        }
        let unit = match window.get("unit") {
            None => None,
            Some(Bson::String(s)) => Some(Unit::parse(s)?),
            Some(_) => return Err(EngineError::failed_to_parse("'unit' must be a string")),
        };
        match (window.get("documents"), window.get("range")) {
            (Some(_), Some(_)) => Err(EngineError::failed_to_parse(
                "Window bounds can specify either 'documents' or 'unit', not both.",
            )),
            (None, None) if unit.is_some() => Err(EngineError::failed_to_parse(
                "'window' field that specifies 'unit' must also specify 'range'",
            )),
            (None, None) => Ok(Self::Documents(-FAR, FAR)),
            (Some(_), None) if unit.is_some() => Err(EngineError::failed_to_parse(
                "Window bounds can specify either 'documents' or 'unit', not both.",
            )),
            (Some(ends), None) => Self::documents(ends, sort),
            (None, Some(ends)) => Self::range(ends, unit, sort),
        }
    }

    fn documents(ends: &Bson, sort: &[SortPart]) -> Result<Self, EngineError> {
        let (low, high) = ends_of(ends)?;
        let whole = |end: &End, far: i64| match end {
            End::Unbounded => Ok(far),
            End::Current => Ok(0),
            End::At(v) => v.as_i64().ok_or_else(|| {
                EngineError::failed_to_parse("Numeric document-based bounds must be an integer")
            }),
        };
        let (a, b) = (whole(&low, -FAR)?, whole(&high, FAR)?);
        if a > b {
            return Err(EngineError::location(
                5_339_900,
                format!("Lower bound must not exceed upper bound: [{a}, {b}]"),
            ));
        }
        let bounded = !(matches!(low, End::Unbounded) && matches!(high, End::Unbounded));
        if bounded && sort.is_empty() {
            return Err(EngineError::location(
                5_339_901,
                "Document-based bounds require a sortBy",
            ));
        }
        Ok(Self::Documents(a, b))
    }

    fn range(ends: &Bson, unit: Option<Unit>, sort: &[SortPart]) -> Result<Self, EngineError> {
        let (low, high) = ends_of(ends)?;
        for end in [&low, &high] {
            if let End::At(v) = end
                && unit.is_some()
                && v.as_i64().is_none()
            {
                return Err(EngineError::failed_to_parse(
                    "With 'unit', range-based bounds must be an integer",
                ));
            }
        }
        let order = |end: &End, side: Ordering| match end {
            End::Unbounded => Value::Double(if side.is_lt() {
                f64::NEG_INFINITY
            } else {
                f64::INFINITY
            }),
            End::Current => Value::Int32(0),
            End::At(v) => v.clone(),
        };
        let (a, b) = (order(&low, Ordering::Less), order(&high, Ordering::Greater));
        if compare_with(a.view(), b.view(), None).is_gt() {
            return Err(EngineError::location(
                5_339_900,
                "Lower bound must not exceed upper bound",
            ));
        }
        if sort.len() != 1 {
            return Err(EngineError::location(
                5_339_902,
                "Range-based bounds require sortBy a single field",
            ));
        }
        if sort.iter().any(|part| !part.ascending) {
            return Err(EngineError::location(
                8_947_401,
                "Range-based bounds require an ascending sortBy",
            ));
        }
        Ok(Self::Range(low, high, unit))
    }

    /// The documents in the window of each document. Both ends of the ranges never move back.
    pub fn ranges(
        &self,
        partition: &[Document],
        sort: &[SortPart],
        collation: Option<&Collation>,
    ) -> Result<Vec<Range<usize>>, EngineError> {
        let n = partition.len();
        match self {
            Self::Documents(low, high) => {
                let clamp = |at: i64| {
                    let at = at.clamp(0, num::len_i64(n));
                    usize::try_from(at).unwrap_or(0)
                };
                Ok((0..n)
                    .map(|i| {
                        let i = num::len_i64(i);
                        let start = clamp(i.saturating_add(*low));
                        start..clamp(i.saturating_add(*high).saturating_add(1)).max(start)
                    })
                    .collect())
            }
            Self::Range(low, high, unit) => {
                let Some(part) = sort.first() else {
                    return Ok(vec![0..n; n]);
                };
                let keys: Vec<Value> = partition.iter().map(|d| part.value(d)).collect();
                let mut out: Vec<Range<usize>> = Vec::with_capacity(n);
                let (mut start, mut end) = (0, 0);
                for key in &keys {
                    check(key, *unit)?;
                    let from = limit(key, low, *unit, part.ascending)?;
                    let to = limit(key, high, *unit, part.ascending)?;
                    let order = |a: &Value, b: &Value| {
                        let order = compare_with(a.view(), b.view(), collation);
                        if part.ascending {
                            order
                        } else {
                            order.reverse()
                        }
                    };
                    if let Some(from) = &from {
                        while keys.get(start).is_some_and(|k| order(k, from).is_lt()) {
                            start += 1;
                        }
                    }
                    match &to {
                        Some(to) => {
                            while keys.get(end).is_some_and(|k| order(k, to).is_le()) {
                                end += 1;
                            }
                        }
                        None => end = n,
                    }
                    out.push(start..end.max(start));
                }
                Ok(out)
            }
        }
    }
}

fn check(key: &Value, unit: Option<Unit>) -> Result<(), EngineError> {
    match (unit, key) {
        (Some(_), Value::Date(_)) => Ok(()),
        (Some(_), other) => Err(EngineError::location(
            5_429_513,
            format!(
                "Expected the sortBy field to be a date, but it was {}",
                other.type_name()
            ),
        )),
        (None, v) if v.is_number() => Ok(()),
        (None, Value::Date(_)) => Err(EngineError::location(
            5_429_413,
            "Invalid range: For windows that involve date or time ranges, a unit must be provided.",
        )),
        (None, other) => Err(EngineError::location(
            5_429_414,
            format!(
                "Invalid range: Expected the sortBy field to be a number, but it was {}",
                other.type_name()
            ),
        )),
    }
}

/// The sort value at which a window ends; `None` without end.
fn limit(
    key: &Value,
    end: &End,
    unit: Option<Unit>,
    ascending: bool,
) -> Result<Option<Value>, EngineError> {
    match end {
        End::Unbounded => Ok(None),
        End::Current => Ok(Some(key.clone())),
        End::At(distance) => {
            let distance = if ascending {
                distance.clone()
            } else {
                arith::sub(&Value::Int32(0), distance)?
            };
            Ok(Some(match (unit, key) {
                (Some(unit), Value::Date(ms)) => {
                    let amount = distance.as_i64().unwrap_or(0);
                    Value::Date(datetime::add_units(*ms, unit, amount, &Zone::Utc)?)
                }
                _ => arith::add(key, &distance)?,
            }))
        }
    }
}

fn ends_of(ends: &Bson) -> Result<(End, End), EngineError> {
    let malformed = || {
        EngineError::failed_to_parse(
            "Window bounds must be a 2-element array of numbers, 'unbounded' or 'current'",
        )
    };
    let Bson::Array(ends) = ends else {
        return Err(malformed());
    };
    let [low, high] = ends.as_slice() else {
        return Err(malformed());
    };
    let end = |v: &Bson| match v {
        Bson::String(s) if s == "unbounded" => Ok(End::Unbounded),
        Bson::String(s) if s == "current" => Ok(End::Current),
        other => match Expr::compile(other, &Scope::new())?.as_literal() {
            Some(v) if v.is_number() => Ok(End::At(v.clone())),
            _ => Err(malformed()),
        },
    };
    Ok((end(low)?, end(high)?))
}
