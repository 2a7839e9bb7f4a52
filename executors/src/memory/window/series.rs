//! Functions of series: `$shift`, `$derivative`, `$integral`, covariances, `$expMovingAvg`, `$linearFill`, `$locf`,
//! `$minMaxScaler`.
use std::ops::Range;

use bson::Bson;

use super::SortPart;
use super::bounds::Bounds;
use crate::memory::datetime::Unit;
use crate::memory::decimal;
use crate::memory::error::EngineError;
use crate::memory::expr::{Context, Env, Evaluation, Expr, Fields, Scope, Summation, arith};
use crate::memory::value::{Decimal, Document, Value, compare_with, num};

type Result<T, E = EngineError> = std::result::Result<T, E>;

#[derive(Clone, Debug)]
pub(super) enum Series {
    Shift {
        output: Expr,
        by: i64,
        default: Value,
    },
    Derivative {
        input: Expr,
        unit: Option<Unit>,
        bounds: Bounds,
    },
    Integral {
        input: Expr,
        unit: Option<Unit>,
        bounds: Bounds,
    },
    Covariance {
        pair: Expr,
        sample: bool,
        bounds: Bounds,
    },
    ExpMovingAvg {
        input: Expr,
        alpha: Value,
    },
    LinearFill(Expr),
    Locf(Expr),
    MinMaxScaler {
        input: Expr,
        min: Value,
        max: Value,
        bounds: Bounds,
    },
}

const NAMES: [&str; 9] = [
    "$shift",
    "$derivative",
    "$integral",
    "$covariancePop",
    "$covarianceSamp",
    "$expMovingAvg",
    "$linearFill",
    "$locf",
    "$minMaxScaler",
];

fn parse_error(message: impl Into<String>) -> EngineError {
    EngineError::failed_to_parse(message)
}

/// The value of an argument that must be constant.
fn constant(e: &Expr, what: &str) -> Result<Value> {
    if let Some(v) = e.as_literal() {
        return Ok(v.clone());
    }
    if e.as_path().is_some() {
        return Err(parse_error(format!(
            "{what} expression must yield a constant value."
        )));
    }
    let evaluation = Evaluation::default();
    e.eval(&mut Env::new(&evaluation)).map_err(|_| {
        EngineError::location(5_433_800, format!("{what} must be a constant expression"))
    })
}

impl Series {
    pub fn exists(name: &str) -> bool {
        NAMES.contains(&name)
    }

    pub fn compile(
        name: &str,
        argument: &Bson,
        window: Option<&Bson>,
        sort: &[SortPart],
        scope: &Scope,
    ) -> Result<Self> {
        let cx = Context::new(scope);
        let own_window = !matches!(name, "$shift" | "$expMovingAvg" | "$linearFill" | "$locf");
        if window.is_some() && !own_window {
            return Err(parse_error(format!(
                "'window' field is not allowed in {name}"
            )));
        }
        match name {
            "$shift" => {
                if sort.is_empty() {
                    return Err(parse_error("'$shift' requires a sortBy"));
                }
                let f = Fields::new(name, argument, &["output", "by", "default"], 9, 9)?;
                let by = Value::from_bson(f.require("by", 9)?);
                Ok(Self::Shift {
                    output: f.required("output", 9, cx)?,
                    by: by
                        .as_i64()
                        .filter(|_| by.is_number())
                        .ok_or_else(|| parse_error("'$shift:by' field must be an integer"))?,
                    default: match f.optional("default", cx)? {
                        None => Value::Null,
                        Some(e) => constant(&e, "'$shift:default'")?.or_null(),
                    },
                })
            }
            "$derivative" | "$integral" => {
                let f = Fields::new(name, argument, &["input", "unit"], 9, 9)?;
                let input = f.required("input", 9, cx)?;
                let unit = match f.get("unit") {
                    None => None,
                    Some(Bson::String(s)) => {
                        let unit = Unit::parse(s)?;
                        if unit.millis().is_none() {
                            return Err(EngineError::location(
                                5_490_710,
                                "unit must be 'week' or smaller",
                            ));
                        }
                        Some(unit)
                    }
                    Some(_) => {
                        return Err(EngineError::location(5_490_703, "'unit' must be a string"));
                    }
                };
                if sort.len() != 1 {
                    return Err(parse_error(format!(
                        "{name} requires a sortBy with exactly one element"
                    )));
                }
                if window.is_none() && name == "$derivative" {
                    return Err(parse_error("$derivative requires explicit window bounds"));
                }
                let bounds = Bounds::compile(window, sort)?;
                Ok(if name == "$derivative" {
                    Self::Derivative {
                        input,
                        unit,
                        bounds,
                    }
                } else {
                    Self::Integral {
                        input,
                        unit,
                        bounds,
                    }
                })
            }
            "$covariancePop" | "$covarianceSamp" => Ok(Self::Covariance {
                pair: cx.compile(argument)?,
                sample: name == "$covarianceSamp",
                bounds: Bounds::compile(window, sort)?,
            }),
            "$expMovingAvg" => {
                if sort.is_empty() {
                    return Err(parse_error("$expMovingAvg requires an explicit 'sortBy'"));
                }
                let f = Fields::new(name, argument, &["input", "N", "alpha"], 9, 9)?;
                let input = f.required("input", 9, cx)?;
                let number = |k: &str| f.get(k).map(Value::from_bson);
                let alpha = match (number("N"), number("alpha")) {
                    (Some(n), None) => {
                        let n = n.as_i64().filter(|n| *n > 0).ok_or_else(|| {
                            parse_error("'N' field must be an integer, and greater than 0")
                        })?;
                        let n = n.saturating_add(1);
                        Value::Decimal(decimal::div(Decimal::from_i64(2), Decimal::from_i64(n)))
                    }
                    (None, Some(a)) => match a.as_f64() {
                        Some(x) if x > 0.0 && x < 1.0 => Value::Decimal(arith::to_decimal(&a)),
                        _ => {
                            return Err(parse_error("'alpha' must be between 0 and 1 (exclusive)"));
                        }
                    },
                    _ => {
                        return Err(parse_error(
                            "$expMovingAvg sub object must have exactly two fields: An 'input' field, and either an 'N' field or an 'alpha' field",
                        ));
                    }
                };
                Ok(Self::ExpMovingAvg { input, alpha })
            }
            "$linearFill" => {
                if sort.len() != 1 {
                    return Err(EngineError::location(
                        605_001,
                        "$linearFill must be specified with a top level sortBy expression with exactly one element",
                    ));
                }
                Ok(Self::LinearFill(cx.compile(argument)?))
            }
            "$minMaxScaler" => {
                let f = Fields::new(name, argument, &["input", "min", "max"], 9, 9)?;
                let end = |k: &str, default: i32| match f.get(k) {
                    None => Ok(Value::Int32(default)),
                    Some(v) => {
                        let v = Value::from_bson(v);
                        if v.is_number() {
                            Ok(v)
                        } else {
                            Err(parse_error(format!("'{k}' must be a number")))
                        }
                    }
                };
                Ok(Self::MinMaxScaler {
                    input: f.required("input", 9, cx)?,
                    min: end("min", 0)?,
                    max: end("max", 1)?,
                    bounds: Bounds::compile(window, sort)?,
                })
            }
            _ => Ok(Self::Locf(cx.compile(argument)?)),
        }
    }

    pub fn run(
        &self,
        partition: &[Document],
        sort: &[SortPart],
        env: &mut Env<'_>,
    ) -> Result<Vec<Value>> {
        match self {
            Self::Shift {
                output,
                by,
                default,
            } => {
                let values = eval_all(output, partition, env)?;
                Ok((0..values.len())
                    .map(|i| {
                        let at = num::len_i64(i)
                            .checked_add(*by)
                            .and_then(|at| usize::try_from(at).ok());
                        at.and_then(|at| values.get(at))
                            .map_or_else(|| default.clone(), |v| v.clone().or_null())
                    })
                    .collect())
            }
            Self::Locf(input) => {
                let mut last = Value::Null;
                Ok(eval_all(input, partition, env)?
                    .into_iter()
                    .map(|v| {
                        if !v.is_nullish() {
                            last = v;
                        }
                        last.clone()
                    })
                    .collect())
            }
            Self::ExpMovingAvg { input, alpha } => {
                exp_moving_avg(eval_all(input, partition, env)?, alpha)
            }
            Self::LinearFill(input) => {
                let values = eval_all(input, partition, env)?;
                one_scale(partition, sort)?;
                linear_fill(values, &positions(partition, sort, None, None)?)
            }
            Self::Derivative {
                input,
                unit,
                bounds,
            } => {
                let values = eval_all(input, partition, env)?;
                let x = positions(partition, sort, *unit, Some(&DERIVATIVE))?;
                let ranges = bounds.ranges(partition, sort, env.collation())?;
                ranges
                    .into_iter()
                    .map(|r| derivative(r, &x, &values, *unit))
                    .collect()
            }
            Self::Integral {
                input,
                unit,
                bounds,
            } => {
                let values = eval_all(input, partition, env)?;
                let x = positions(partition, sort, *unit, Some(&INTEGRAL))?;
                let ranges = bounds.ranges(partition, sort, env.collation())?;
                integrals(&ranges, &x, &values, *unit)
            }
            Self::Covariance {
                pair,
                sample,
                bounds,
            } => {
                let pairs = eval_all(pair, partition, env)?;
                let ranges = bounds.ranges(partition, sort, env.collation())?;
                ranges
                    .into_iter()
                    .map(|r| covariance(pairs.get(r).unwrap_or_default(), *sample))
                    .collect()
            }
            Self::MinMaxScaler {
                input,
                min,
                max,
                bounds,
            } => {
                let values = eval_all(input, partition, env)?;
                let ranges = bounds.ranges(partition, sort, env.collation())?;
                values
                    .iter()
                    .zip(ranges)
                    .map(|(v, r)| scaled(v, values.get(r).unwrap_or_default(), min, max))
                    .collect()
            }
        }
    }
}

fn eval_all(e: &Expr, partition: &[Document], env: &mut Env<'_>) -> Result<Vec<Value>> {
    partition
        .iter()
        .map(|d| {
            env.set_root(d.clone());
            e.eval(env)
        })
        .collect()
}

/// The sort values as positions on an axis.
/// What a sort value of the wrong type gives.
struct Codes {
    no_date: i32,
    unit_missing: i32,
    no_number: i32,
}

const DERIVATIVE: Codes = Codes {
    no_date: 5_624_900,
    unit_missing: 5_624_901,
    no_number: 5_624_902,
};

const INTEGRAL: Codes = Codes {
    no_date: 5_423_901,
    unit_missing: 5_423_902,
    no_number: 5_423_900,
};

fn positions(
    partition: &[Document],
    sort: &[SortPart],
    unit: Option<Unit>,
    codes: Option<&Codes>,
) -> Result<Vec<Value>> {
    let unit_matters = codes.is_some();
    let codes = codes.unwrap_or(&DERIVATIVE);
    let Some(part) = sort.first() else {
        return Ok(Vec::new());
    };
    partition
        .iter()
        .map(|d| match part.value(d) {
            Value::Date(ms) if unit.is_some() || !unit_matters => Ok(Value::Int64(ms)),
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

fn is_zero(v: &Value) -> bool {
    compare_with(v.view(), Value::Int32(0).view(), None).is_eq()
}

fn derivative(r: Range<usize>, x: &[Value], y: &[Value], unit: Option<Unit>) -> Result<Value> {
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

fn integrals(
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

/// The covariance of all that are pairs of numbers. Pairs with an infinity or a NaN count as no pair, but spoil the sum.
fn covariance(pairs: &[Value], sample: bool) -> Result<Value> {
    let (mut mean_x, mut mean_y) = (Summation::default(), Summation::default());
    let mut sum = Summation::default();
    let mut count = 0_i64;
    for pair in pairs {
        let Value::Array(items) = pair else {
            continue;
        };
        let (x, y) = (items.get(0), items.get(1));
        if items.len() != 2 || !x.is_number() || !y.is_number() {
            continue;
        }
        let finite = |v: &Value| v.as_f64().is_some_and(f64::is_finite);
        if !finite(&x) || !finite(&y) {
            sum.add(spoiled(&x, &y).view());
            continue;
        }
        let before = (count > 0).then(|| mean_x.mean(count));
        count += 1;
        mean_x.add(x.view());
        mean_y.add(y.view());
        if let Some(before) = before {
            let dx = arith::sub(&x, &before)?;
            let dy = arith::sub(&y, &mean_y.mean(count))?;
            sum.add(arith::mul(&dx, &dy)?.view());
        }
    }
    if count == 1 && !sample {
        return Ok(Value::Double(0.0));
    }
    let degrees = count - i64::from(sample);
    Ok(if degrees <= 0 {
        Value::Null
    } else {
        sum.mean(degrees)
    })
}

/// What a pair with an infinity or a NaN adds.
fn spoiled(x: &Value, y: &Value) -> Value {
    let parts = [x.as_f64(), y.as_f64()].map(|v| v.unwrap_or(f64::NAN));
    let has = |test: fn(f64) -> bool| parts.iter().any(|v| test(*v));
    let (up, down) = (has(|v| v == f64::INFINITY), has(|v| v == f64::NEG_INFINITY));
    let result = if has(f64::is_nan) || up && down {
        f64::NAN
    } else if up {
        f64::INFINITY
    } else {
        f64::NEG_INFINITY
    };
    if matches!(x, Value::Decimal(_)) || matches!(y, Value::Decimal(_)) {
        Value::Decimal(decimal::from_f64(result))
    } else {
        Value::Double(result)
    }
}

fn exp_moving_avg(values: Vec<Value>, alpha: &Value) -> Result<Vec<Value>> {
    // Everything is decimal inside; the result is one only if an input was.
    let rest = arith::sub(&Value::Decimal(Decimal::from_i64(1)), alpha)?;
    let mut last: Option<Value> = None;
    let mut exact = false;
    let mut out = Vec::with_capacity(values.len());
    for v in values {
        if v.is_number() {
            exact |= matches!(v, Value::Decimal(_));
            let v = Value::Decimal(arith::to_decimal(&v));
            last = Some(match &last {
                None => v,
                Some(last) => arith::add(&arith::mul(&v, alpha)?, &arith::mul(last, &rest)?)?,
            });
        }
        out.push(match &last {
            None => Value::Null,
            Some(v) if exact => v.clone(),
            Some(v) => Value::Double(v.as_f64().unwrap_or(f64::NAN)),
        });
    }
    Ok(out)
}

/// The places between which lines are drawn are all numbers, or all dates.
fn one_scale(partition: &[Document], sort: &[SortPart]) -> Result<()> {
    let Some(part) = sort.first() else {
        return Ok(());
    };
    let mut before: Option<Value> = None;
    for doc in partition {
        let v = part.value(doc);
        if !v.is_number() && !matches!(v, Value::Date(_)) {
            return Err(EngineError::type_mismatch(format!(
                "Value of the sortBy field must be numeric or a date, but found {}",
                v.type_name()
            )));
        }
        if let Some(other) = before.filter(|b| b.is_number() != v.is_number()) {
            return Err(EngineError::type_mismatch(format!(
                "Conflicting sort value types, previously received type {}, but found {}",
                other.type_name(),
                v.type_name()
            )));
        }
        before = Some(v);
    }
    Ok(())
}

fn linear_fill(mut values: Vec<Value>, x: &[Value]) -> Result<Vec<Value>> {
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

fn scaled(v: &Value, window: &[Value], min: &Value, max: &Value) -> Result<Value> {
    if !v.is_number() {
        return Ok(Value::Null);
    }
    let numbers = || window.iter().filter(|w| w.is_number());
    let order = |a: &&Value, b: &&Value| compare_with(a.view(), b.view(), None);
    let (Some(low), Some(high)) = (numbers().min_by(order), numbers().max_by(order)) else {
        return Ok(Value::Null);
    };
    let span = arith::sub(high, low)?;
    if is_zero(&span) {
        return Ok(min.clone());
    }
    let place = arith::quotient(arith::sub(v, low)?, span)?;
    arith::add(min, &arith::mul(&place, &arith::sub(max, min)?)?)
}
