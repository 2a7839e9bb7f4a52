//! `$linearFill`.
use super::Result;
use crate::memory::error::EngineError;
use crate::memory::expr::arith;
use crate::memory::value::{Document, Value, compare_with};
use crate::memory::window::SortPart;

/// The places between which lines are drawn, as numbers: they are all numbers, or all dates.
fn places(partition: &[Document], sort: &[SortPart]) -> Result<Vec<Value>> {
    let Some(part) = sort.first() else {
        return Ok(Vec::new());
    };
    let mut places = Vec::with_capacity(partition.len());
    let mut before: Option<Value> = None;
    for doc in partition {
        let v = part.value(doc);
        let place = match &v {
            Value::Date(ms) => Value::Int64(*ms),
            number if number.is_number() => number.clone(),
            other => {
                return Err(EngineError::type_mismatch(format!(
                    "Value of the sortBy field must be numeric or a date, but found {}",
                    other.type_name()
                )));
            }
        };
        if let Some(other) = before.filter(|b| b.is_number() != v.is_number()) {
            return Err(EngineError::type_mismatch(format!(
                "Conflicting sort value types, previously received type {}, but found {}",
                other.type_name(),
                v.type_name()
            )));
        }
        places.push(place);
        before = Some(v);
    }
    Ok(places)
}

/// Values between known ones, on the line between those.
pub(super) fn linear_fill(
    mut values: Vec<Value>,
    partition: &[Document],
    sort: &[SortPart],
) -> Result<Vec<Value>> {
    let x = places(partition, sort)?;
    let mut known: Option<(usize, Value)> = None;
    for i in 0..values.len() {
        let Some(v) = values.get(i).cloned() else {
            break;
        };
        if let (Some(a), Some(b)) = (i.checked_sub(1).and_then(|j| x.get(j)), x.get(i))
            && compare_with(a.view(), b.view(), None).is_eq()
        {
            return Err(EngineError::location(
                6_050_106,
                "There can be no repeated values in the sort field",
            ));
        }
        if v.is_nullish() {
            if let Some(slot) = values.get_mut(i) {
                *slot = Value::Null;
            }
            continue;
        }
        if !v.is_number() {
            return Err(EngineError::type_mismatch(format!(
                "Value to be filled must be numeric or nullish, but found {}",
                v.type_name()
            )));
        }
        if let Some((from, start)) = &known {
            let gap = from + 1..i;
            if let (Some(x0), Some(x1)) = (x.get(*from), x.get(i))
                && !gap.is_empty()
            {
                let slope = arith::quotient(arith::sub(&v, start)?, arith::sub(x1, x0)?)?;
                for j in gap {
                    if let (Some(at), Some(slot)) = (x.get(j), values.get_mut(j)) {
                        *slot = arith::add(start, &arith::mul(&slope, &arith::sub(at, x0)?)?)?;
                    }
                }
            }
        }
        known = Some((i, v));
    }
    Ok(values)
}
