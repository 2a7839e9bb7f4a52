//! Functions of series: `$shift`, `$derivative`, `$integral`, covariances, `$expMovingAvg`, `$linearFill`, `$locf`,
//! `$minMaxScaler`.
//!
//! This file compiles them and runs them over a partition; each of the others computes one of them, or two that are alike.
mod average;
mod covariance;
mod fill;
mod scale;
mod slope;

use bson::Bson;

use super::SortPart;
use super::bounds::Bounds;
use crate::memory::datetime::Unit;
use crate::memory::decimal;
use crate::memory::error::EngineError;
use crate::memory::expr::{Context, Env, Evaluation, Expr, Fields, Scope, arith};
use crate::memory::value::{Decimal, Document, Value, num};

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

/// The input of a function over time, and the unit of time.
fn over_time(name: &str, argument: &Bson, cx: Context<'_>) -> Result<(Expr, Option<Unit>)> {
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
    Ok((input, unit))
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
                Self::shift(argument, cx)
            }
            "$derivative" | "$integral" => {
                let (input, unit) = over_time(name, argument, cx)?;
                if sort.len() != 1 {
                    return Err(parse_error(format!(
                        "{name} requires a sortBy with exactly one element"
                    )));
                }
                if name == "$integral" {
                    let bounds = Bounds::compile(window, sort)?;
                    return Ok(Self::Integral {
                        input,
                        unit,
                        bounds,
                    });
                }
                if window.is_none() {
                    return Err(parse_error("$derivative requires explicit window bounds"));
                }
                let bounds = Bounds::compile(window, sort)?;
                Ok(Self::Derivative {
                    input,
                    unit,
                    bounds,
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
                Self::exp_moving_avg(argument, cx)
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
            "$minMaxScaler" => Self::min_max_scaler(argument, window, sort, cx),
            _ => Ok(Self::Locf(cx.compile(argument)?)),
        }
    }

    fn shift(argument: &Bson, cx: Context<'_>) -> Result<Self> {
        let f = Fields::new("$shift", argument, &["output", "by", "default"], 9, 9)?;
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

    fn exp_moving_avg(argument: &Bson, cx: Context<'_>) -> Result<Self> {
        let f = Fields::new("$expMovingAvg", argument, &["input", "N", "alpha"], 9, 9)?;
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

    fn min_max_scaler(
        argument: &Bson,
        window: Option<&Bson>,
        sort: &[SortPart],
        cx: Context<'_>,
    ) -> Result<Self> {
        let f = Fields::new("$minMaxScaler", argument, &["input", "min", "max"], 9, 9)?;
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
                average::exp_moving_avg(eval_all(input, partition, env)?, alpha)
            }
            Self::LinearFill(input) => {
                fill::linear_fill(eval_all(input, partition, env)?, partition, sort)
            }
            Self::Derivative {
                input,
                unit,
                bounds,
            } => {
                let values = eval_all(input, partition, env)?;
                let x = slope::positions(partition, sort, *unit, &slope::DERIVATIVE)?;
                let ranges = bounds.ranges(partition, sort, env.collation())?;
                ranges
                    .into_iter()
                    .map(|r| slope::derivative(r, &x, &values, *unit))
                    .collect()
            }
            Self::Integral {
                input,
                unit,
                bounds,
            } => {
                let values = eval_all(input, partition, env)?;
                let x = slope::positions(partition, sort, *unit, &slope::INTEGRAL)?;
                let ranges = bounds.ranges(partition, sort, env.collation())?;
                slope::integrals(&ranges, &x, &values, *unit)
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
                    .map(|r| covariance::covariance(pairs.get(r).unwrap_or_default(), *sample))
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
                    .map(|(v, r)| scale::scaled(v, values.get(r).unwrap_or_default(), min, max))
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
