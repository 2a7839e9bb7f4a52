//! `$derivative` and `$integral`: slopes between documents, and areas under them.
use std::ops::Range;

use super::Result;
use super::scale::is_zero;
use crate::memory::datetime::Unit;
use crate::memory::error::EngineError;
use crate::memory::expr::arith;
use crate::memory::value::{Document, Value};
use crate::memory::window::SortPart;

/// What a sort value of the wrong type gives.
pub(super) struct Codes {
    no_date: i32,
    unit_missing: i32,
    no_number: i32,
}

pub(super) const DERIVATIVE: Codes = Codes {
    no_date: 5_624_900,
    unit_missing: 5_624_901,
    no_number: 5_624_902,
};

pub(super) const INTEGRAL: Codes = Codes {
    no_date: 5_423_901,
    unit_missing: 5_423_902,
    no_number: 5_423_900,
};

/// The sort values as positions on an axis.
pub(super) fn positions(
    partition: &[Document],
    sort: &[SortPart],
    unit: Option<Unit>,
    codes: &Codes,
) -> Result<Vec<Value>> {
    let Some(part) = sort.first() else {
        return Ok(Vec::new());
    };
    partition
        .iter()
        .map(|d| match part.value(d) {
            Value::Date(ms) if unit.is_some() => Ok(Value::Int64(ms)),
            Value::Date(_) => Err(EngineError::location(
                codes.unit_missing,
                "a 'unit' is required when the sortBy is a date",
            )),
            v if unit.is_some() => Err(EngineError::location(
                codes.no_date,
                format!(
                    "with 'unit', the sortBy must be a date, but it was {}",
                    v.type_name()
                ),
            )),
            v if v.is_number() => Ok(v),
            v => Err(EngineError::location(
                codes.no_number,
                format!("the sortBy must be numeric, but it was {}", v.type_name()),
            )),
        })
        .collect()
}

pub(super) fn derivative(
    r: Range<usize>,
    x: &[Value],
    y: &[Value],
    unit: Option<Unit>,
) -> Result<Value> {
    let Some(last) = r.end.checked_sub(1).filter(|l| *l >= r.start) else {
        return Ok(Value::Null);
    };
    let (Some(x0), Some(x1), Some(y0), Some(y1)) =
        (x.get(r.start), x.get(last), y.get(r.start), y.get(last))
    else {
        return Ok(Value::Null);
    };
    let rise = arith::sub(y1, y0)?;
    if rise.is_nullish() {
        return Err(EngineError::location(
            5_624_903,
            "$derivative input must not be null or missing",
        ));
    }
    let run = arith::sub(x1, x0)?;
    if is_zero(&run) {
        return Ok(Value::Null);
    }
    let slope = arith::quotient(rise, run)?;
    match unit.and_then(Unit::millis) {
        Some(ms) => arith::mul(&slope, &Value::Int64(ms)),
        None => Ok(slope),
    }
}

pub(super) fn integrals(
    ranges: &[Range<usize>],
    x: &[Value],
    y: &[Value],
    unit: Option<Unit>,
) -> Result<Vec<Value>> {
    if let Some(v) = y.iter().find(|v| !v.is_number()) {
        return Err(EngineError::location(
            5_423_900,
            format!(
                "The input value of $integral must be numeric, but was {}",
                v.type_name()
            ),
        ));
    }
    // The area between each document and the one before.
    let mut areas = vec![Value::Double(0.0)];
    for i in 1..y.len() {
        let (Some(x0), Some(x1), Some(y0), Some(y1)) =
            (x.get(i - 1), x.get(i), y.get(i - 1), y.get(i))
        else {
            break;
        };
        let heights = arith::add(y0, y1)?;
        let twice = arith::mul(&heights, &arith::sub(x1, x0)?)?;
        areas.push(arith::quotient(twice, Value::Double(2.0))?);
    }
    let scale = |v: Value| match unit.and_then(Unit::millis) {
        Some(ms) => arith::quotient(v, Value::Int64(ms)),
        None => Ok(v),
    };
    let mut out = Vec::with_capacity(ranges.len());
    let mut running: Option<(usize, usize, Value)> = None;
    for r in ranges {
        if r.is_empty() {
            out.push(Value::Null);
            continue;
        }
        // A window that only grows keeps its sum.
        let (from, mut total) = match running.take() {
            Some((start, end, total)) if start == r.start && end <= r.end => (end, total),
            _ => (r.start + 1, Value::Double(0.0)),
        };
        for area in areas.get(from..r.end).unwrap_or_default() {
            total = arith::add(&total, area)?;
        }
        running = Some((r.start, r.end.max(r.start + 1), total.clone()));
        out.push(scale(total)?);
    }
    Ok(out)
}
