//! Orders given as `{field: 1, other: -1}`.
use std::cmp::Ordering;

use bson::Bson;

use crate::memory::error::EngineError;
use crate::memory::value::{Collation, Path, Value, ValueRef, compare_with};

/// A compiled order of documents.
#[derive(Clone, Debug)]
pub(crate) struct SortBy {
    parts: Vec<(Path, bool)>,
}

/// What a document is sorted by.
pub(crate) type SortKey = Vec<Value>;

impl SortBy {
    /// Compiles `{path: 1 | -1, ...}`.
    pub fn compile(spec: &bson::Document) -> Result<Self, EngineError> {
        if spec.is_empty() {
            return Err(EngineError::location(
                15976,
                "$sort stage must have at least one sort key",
            ));
        }
        let mut parts = Vec::with_capacity(spec.len());
        for (name, direction) in spec {
            let path = Path::parse(name)?;
            let ascending = match direction {
                Bson::Document(_) => {
                    return Err(EngineError::location(
                        31395,
                        "$meta sort keys are not supported here",
                    ));
                }
                other => match Value::from_bson(other).as_f64() {
                    Some(1.0) => true,
                    Some(-1.0) => false,
                    Some(_) => {
                        return Err(EngineError::location(
                            15975,
                            "$sort key ordering must be 1 (for ascending) or -1 (for descending)",
                        ));
                    }
                    None => {
                        return Err(EngineError::location(
                            15974,
                            "Illegal key in $sort specification",
                        ));
                    }
                },
            };
            parts.push((path, ascending));
        }
        Ok(Self { parts })
    }

    /// The key of a document: an array counts by its least element, or its greatest when descending.
    pub fn key(&self, v: ValueRef<'_>) -> SortKey {
        let part = |(path, ascending): &(Path, bool)| {
            let v = match v {
                ValueRef::Document(d) => path.get(d),
                _ => Value::Missing,
            };
            match v {
                Value::Array(items) => {
                    let order = |a: &ValueRef<'_>, b: &ValueRef<'_>| compare_with(*a, *b, None);
                    let pick = if *ascending {
                        items.iter().min_by(order)
                    } else {
                        items.iter().max_by(order)
                    };
                    pick.map_or(Value::Undefined, ValueRef::to_value)
                }
                other => other.or_null(),
            }
        };
        self.parts.iter().map(part).collect()
    }

    /// The key of an element of an array that is sorted: arrays count as they are, and only numbers lead into them.
    pub fn plain_key(&self, v: ValueRef<'_>) -> SortKey {
        let part = |(path, _): &(Path, bool)| {
            let mut at = v;
            for (depth, part) in path.parts().iter().enumerate() {
                at = match (at, part.index) {
                    (ValueRef::Document(d), _) => d.get(part.name.as_str()),
                    (ValueRef::Array(items), Some(i)) if depth > 0 => items.get(i),
                    _ => ValueRef::Missing,
                };
            }
            at.to_value().or_null()
        };
        self.parts.iter().map(part).collect()
    }

    /// Compares two keys.
    pub fn compare(&self, a: &SortKey, b: &SortKey, collation: Option<&Collation>) -> Ordering {
        for ((x, y), (_, ascending)) in a.iter().zip(b).zip(&self.parts) {
            let order = compare_with(x.view(), y.view(), collation);
            if order.is_ne() {
                return if *ascending { order } else { order.reverse() };
            }
        }
        Ordering::Equal
    }
}
