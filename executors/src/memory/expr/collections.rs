//! Sets and look-ups in arrays: what depends on how values compare.
use std::collections::HashSet;

use super::Result;
use super::string::bounds;
use crate::memory::error::EngineError;
use crate::memory::value::{Array, Collation, Key, Value, compare_with, num};

/// What stands for a value in a hash set.
pub(crate) fn key(v: &Value, collation: Option<&Collation>) -> Key {
    Key(match collation {
        Some(c) => c.fold(v),
        None => v.clone(),
    })
}

fn array<'v>(v: &'v Value, code: i32, what: &str) -> Result<&'v Array> {
    v.as_array().ok_or_else(|| {
        EngineError::location(
            code,
            format!("{what} must be an array, but is {}", v.type_name()),
        )
    })
}

pub(super) fn set_union(args: Vec<Value>, collation: Option<&Collation>) -> Result<Value> {
    let mut seen = HashSet::new();
    let mut out = Vec::new();
    for v in &args {
        if v.is_nullish() {
            return Ok(Value::Null);
        }
        for item in array(v, 17043, "All operands of $setUnion")?.iter() {
            let item = item.to_value();
            if seen.insert(key(&item, collation)) {
                out.push(item);
            }
        }
    }
    Ok(sorted(out, collation))
}

pub(super) fn set_intersection(args: Vec<Value>, collation: Option<&Collation>) -> Result<Value> {
    let mut kept: Option<Vec<Value>> = None;
    for v in &args {
        if v.is_nullish() {
            return Ok(Value::Null);
        }
        let items = array(v, 17047, "All operands of $setIntersection")?;
        let keys: HashSet<Key> = items
            .iter()
            .map(|i| key(&i.to_value(), collation))
            .collect();
        kept = Some(match kept {
            None => distinct(items, collation),
            Some(old) => old
                .into_iter()
                .filter(|i| keys.contains(&key(i, collation)))
                .collect(),
        });
    }
    Ok(sorted(kept.unwrap_or_default(), collation))
}

/// Unions and intersections come in the order of values.
fn sorted(mut items: Vec<Value>, collation: Option<&Collation>) -> Value {
    items.sort_by(|a, b| compare_with(a.view(), b.view(), collation));
    Value::array(items)
}

fn distinct(items: &Array, collation: Option<&Collation>) -> Vec<Value> {
    let mut seen = HashSet::new();
    items
        .iter()
        .map(crate::memory::value::ValueRef::to_value)
        .filter(|i| seen.insert(key(i, collation)))
        .collect()
}

pub(super) fn set_difference(args: Vec<Value>, collation: Option<&Collation>) -> Result<Value> {
    let [a, b] = two(&args);
    if a.is_nullish() || b.is_nullish() {
        return Ok(Value::Null);
    }
    let a = array(a, 17048, "First argument of $setDifference")?;
    let b = array(b, 17049, "Second argument of $setDifference")?;
    let without: HashSet<Key> = b.iter().map(|i| key(&i.to_value(), collation)).collect();
    let mut out = distinct(a, collation);
    out.retain(|i| !without.contains(&key(i, collation)));
    Ok(Value::array(out))
}

fn two(args: &[Value]) -> [&Value; 2] {
    const MISSING: &Value = &Value::Missing;
    let mut it = args.iter();
    std::array::from_fn(|_| it.next().unwrap_or(MISSING))
}

fn keys(v: &Value, collation: Option<&Collation>, code: i32, what: &str) -> Result<HashSet<Key>> {
    Ok(array(v, code, what)?
        .iter()
        .map(|i| key(&i.to_value(), collation))
        .collect())
}

pub(super) fn set_equals(args: Vec<Value>, collation: Option<&Collation>) -> Result<Value> {
    let mut first: Option<HashSet<Key>> = None;
    let mut equal = true;
    for v in &args {
        let set = keys(v, collation, 17044, "All operands of $setEquals")?;
        match &first {
            None => first = Some(set),
            Some(f) => equal &= *f == set,
        }
    }
    Ok(Value::Bool(equal))
}

pub(super) fn set_is_subset(args: Vec<Value>, collation: Option<&Collation>) -> Result<Value> {
    let [a, b] = two(&args);
    let a = keys(a, collation, 17046, "First argument of $setIsSubset")?;
    let b = keys(b, collation, 17042, "Second argument of $setIsSubset")?;
    Ok(Value::Bool(a.is_subset(&b)))
}

pub(super) fn all_true(v: Value) -> Result<Value> {
    let a = array(&v, 17040, "$allElementsTrue's argument")?;
    Ok(Value::Bool(a.iter().all(|i| i.truthy())))
}

pub(super) fn any_true(v: Value) -> Result<Value> {
    let a = array(&v, 17041, "$anyElementTrue's argument")?;
    Ok(Value::Bool(a.iter().any(|i| i.truthy())))
}

pub(super) fn contains(args: Vec<Value>, collation: Option<&Collation>) -> Result<Value> {
    let [needle, hay] = two(&args);
    let Some(hay) = hay.as_array() else {
        return Err(EngineError::location(
            40081,
            format!(
                "$in requires an array as a second argument, found: {}",
                hay.type_name()
            ),
        ));
    };
    let n = needle.view();
    Ok(Value::Bool(
        hay.iter().any(|i| compare_with(i, n, collation).is_eq()),
    ))
}

pub(super) fn index_of_array(args: Vec<Value>, collation: Option<&Collation>) -> Result<Value> {
    let [hay, needle] = two(&args);
    if hay.is_nullish() {
        return Ok(Value::Null);
    }
    let Some(hay) = hay.as_array() else {
        return Err(EngineError::location(
            40090,
            format!(
                "$indexOfArray requires an array as a first argument, found: {}",
                hay.type_name()
            ),
        ));
    };
    let (start, end) = bounds(&args, "$indexOfArray")?;
    let end = end.unwrap_or(usize::MAX);
    let n = needle.view();
    let found = hay
        .iter()
        .enumerate()
        .take(end)
        .skip(start)
        .find(|(_, i)| compare_with(*i, n, collation).is_eq());
    Ok(Value::Int32(found.map_or(-1, |(i, _)| num::len_i32(i))))
}
