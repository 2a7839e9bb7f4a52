//! Operators over arrays with named arguments: `$map`, `$filter`, `$reduce`, `$zip`, `$sortArray`, `$firstN` and kin.
use bson::Bson;

use super::compile::bind;
use super::math::integral;
use super::{Context, Env, Expr, Fields, Operator, Result, Slot};
use crate::memory::accumulator::SortBy;
use crate::memory::error::EngineError;
use crate::memory::value::{Array, Value, ValueRef, compare_with};

fn input_array(v: &Value, code: i32, name: &str) -> Result<Option<Array>> {
    match v {
        Value::Array(a) => Ok(Some(a.clone())),
        v if v.is_nullish() => Ok(None),
        v => Err(EngineError::location(
            code,
            format!("input to {name} must be an array not {}", v.type_name()),
        )),
    }
}

fn name_of<'a>(fields: &Fields<'a>) -> Result<&'a str> {
    match fields.get("as") {
        None => Ok("this"),
        Some(Bson::String(s)) => Ok(s),
        Some(_) => Err(EngineError::type_mismatch("'as' must be a string")),
    }
}

#[derive(Debug)]
struct Map {
    input: Expr,
    slot: Slot,
    each: Expr,
}

impl Operator for Map {
    fn eval(&self, env: &mut Env<'_>) -> Result<Value> {
        let Some(items) = input_array(&self.input.eval(env)?, 16883, "$map")? else {
            return Ok(Value::Null);
        };
        let mut out = Vec::with_capacity(items.len());
        for item in items.iter() {
            env.tick()?;
            env.set(self.slot, item.to_value());
            out.push(self.each.eval(env)?.or_null());
        }
        Ok(Value::array(out))
    }
}

pub(super) fn compile_map(name: &str, argument: &Bson, cx: Context<'_>) -> Result<Expr> {
    let fields = Fields::new(name, argument, &["input", "as", "in"], 16878, 16879)?;
    let input = fields.required("input", 16880, cx)?;
    let (scope, slot) = bind(cx.scope(), name_of(&fields)?)?;
    let each = fields.required("in", 16882, cx.with(&scope))?;
    Ok(Expr::operator(Map { input, slot, each }))
}

#[derive(Debug)]
struct Filter {
    input: Expr,
    slot: Slot,
    condition: Expr,
    limit: Option<Expr>,
}

impl Operator for Filter {
    fn eval(&self, env: &mut Env<'_>) -> Result<Value> {
        let Some(items) = input_array(&self.input.eval(env)?, 28651, "$filter")? else {
            return Ok(Value::Null);
        };
        let limit = match &self.limit {
            None => usize::MAX,
            Some(l) => match l.eval(env)? {
                v if v.is_nullish() => usize::MAX,
                v => {
                    let n = integral(&v)
                        .filter(|n| i32::try_from(*n).is_ok())
                        .ok_or_else(|| {
                            EngineError::location(
                                327_391,
                                "$filter: limit must be represented as a 32-bit integral value",
                            )
                        })?;
                    if n < 1 {
                        return Err(EngineError::location(
                            327_392,
                            format!("$filter: limit must be greater than 0: {n}"),
                        ));
                    }
                    usize::try_from(n).unwrap_or(usize::MAX)
                }
            },
        };
        let mut out = Vec::new();
        for item in items.iter() {
            env.tick()?;
            if out.len() >= limit {
                break;
            }
            env.set(self.slot, item.to_value());
            if self.condition.truthy(env)? {
                out.push(item.to_value());
            }
        }
        Ok(Value::array(out))
    }
}

pub(super) fn compile_filter(name: &str, argument: &Bson, cx: Context<'_>) -> Result<Expr> {
    let fields = Fields::new(
        name,
        argument,
        &["input", "as", "cond", "limit"],
        28646,
        28647,
    )?;
    let input = fields.required("input", 28648, cx)?;
    let (scope, slot) = bind(cx.scope(), name_of(&fields)?)?;
    let condition = fields.required("cond", 28650, cx.with(&scope))?;
    let limit = fields.optional("limit", cx)?;
    Ok(Expr::operator(Filter {
        input,
        slot,
        condition,
        limit,
    }))
}

#[derive(Debug)]
struct Reduce {
    input: Expr,
    initial: Expr,
    value: Slot,
    this: Slot,
    each: Expr,
}

impl Operator for Reduce {
    fn eval(&self, env: &mut Env<'_>) -> Result<Value> {
        let Some(items) = input_array(&self.input.eval(env)?, 40080, "$reduce")? else {
            return Ok(Value::Null);
        };
        let mut total = self.initial.eval(env)?;
        for item in items.iter() {
            env.tick()?;
            env.set(self.value, total);
            env.set(self.this, item.to_value());
            total = self.each.eval(env)?;
        }
        Ok(total)
    }
}

pub(super) fn compile_reduce(name: &str, argument: &Bson, cx: Context<'_>) -> Result<Expr> {
    let fields = Fields::new(
        name,
        argument,
        &["input", "initialValue", "in"],
        40075,
        40076,
    )?;
    let input = fields.required("input", 40077, cx)?;
    let initial = fields.required("initialValue", 40078, cx)?;
    let (scope, value) = cx.scope().with("value");
    let (scope, this) = scope.with("this");
    let each = fields.required("in", 40079, cx.with(&scope))?;
    Ok(Expr::operator(Reduce {
        input,
        initial,
        value,
        this,
        each,
    }))
}

#[derive(Debug)]
struct Zip {
    inputs: Vec<Expr>,
    longest: bool,
    defaults: Vec<Expr>,
}

impl Operator for Zip {
    fn eval(&self, env: &mut Env<'_>) -> Result<Value> {
        let mut arrays = Vec::with_capacity(self.inputs.len());
        for e in &self.inputs {
            match e.eval(env)? {
                Value::Array(a) => arrays.push(a.into_vec()),
                v if v.is_nullish() => return Ok(Value::Null),
                v => {
                    return Err(EngineError::location(
                        34468,
                        format!(
                            "$zip found a non-array expression in input: {}",
                            v.type_name()
                        ),
                    ));
                }
            }
        }
        let lengths = arrays.iter().map(Vec::len);
        let rows = if self.longest {
            lengths.max()
        } else {
            lengths.min()
        }
        .unwrap_or(0);
        let mut defaults = Vec::with_capacity(self.defaults.len());
        for e in &self.defaults {
            defaults.push(e.eval(env)?.or_null());
        }
        let mut columns: Vec<_> = arrays.into_iter().map(Vec::into_iter).collect();
        let mut out = Vec::with_capacity(rows);
        for _ in 0..rows {
            let row = columns.iter_mut().enumerate().map(|(i, c)| {
                c.next()
                    .unwrap_or_else(|| defaults.get(i).cloned().unwrap_or(Value::Null))
            });
            out.push(Value::array(row.collect()));
        }
        Ok(Value::array(out))
    }
}

pub(super) fn compile_zip(name: &str, argument: &Bson, cx: Context<'_>) -> Result<Expr> {
    let fields = Fields::new(
        name,
        argument,
        &["inputs", "useLongestLength", "defaults"],
        34460,
        34464,
    )?;
    let list = |key: &str, code: i32| match fields.get(key) {
        None => Ok(Vec::new()),
        Some(Bson::Array(items)) => items.iter().map(|i| cx.compile(i)).collect(),
        Some(other) => Err(EngineError::location(
            code,
            format!("{key} must be an array of expressions, found {other}"),
        )),
    };
    let inputs = list("inputs", 34461)?;
    let defaults = list("defaults", 34462)?;
    let longest = match fields.get("useLongestLength") {
        None => false,
        Some(Bson::Boolean(b)) => *b,
        Some(_) => {
            return Err(EngineError::location(
                34463,
                "useLongestLength must be a bool",
            ));
        }
    };
    if inputs.is_empty() {
        return Err(EngineError::location(
            34465,
            "$zip requires at least one input array",
        ));
    }
    if !defaults.is_empty() && !longest {
        return Err(EngineError::location(
            34466,
            "cannot specify defaults unless useLongestLength is true",
        ));
    }
    if !defaults.is_empty() && defaults.len() != inputs.len() {
        return Err(EngineError::location(
            34467,
            "defaults and inputs must have the same length",
        ));
    }
    Ok(Expr::operator(Zip {
        inputs,
        longest,
        defaults,
    }))
}

#[derive(Debug)]
enum Order {
    /// By the whole values; whether they ascend.
    Whole(bool),
    By(SortBy),
}

#[derive(Debug)]
struct SortArray {
    input: Expr,
    order: Order,
}

impl Operator for SortArray {
    fn eval(&self, env: &mut Env<'_>) -> Result<Value> {
        let items = match self.input.eval(env)? {
            Value::Array(a) => a,
            v if v.is_nullish() => return Ok(Value::Null),
            v => {
                return Err(EngineError::location(
                    2_942_504,
                    format!(
                        "The input argument to $sortArray must be an array, but was of type: {}",
                        v.type_name()
                    ),
                ));
            }
        };
        let collation = env.collation();
        let mut items = items.into_vec();
        match &self.order {
            Order::Whole(ascending) => items.sort_by(|a, b| {
                let order = compare_with(a.view(), b.view(), collation);
                if *ascending { order } else { order.reverse() }
            }),
            Order::By(by) => {
                let mut keyed: Vec<_> = items
                    .into_iter()
                    .map(|v| (by.plain_key(v.view()), v))
                    .collect();
                keyed.sort_by(|(a, _), (b, _)| by.compare(a, b, collation));
                items = keyed.into_iter().map(|(_, v)| v).collect();
            }
        }
        Ok(Value::array(items))
    }
}

pub(super) fn compile_sort(name: &str, argument: &Bson, cx: Context<'_>) -> Result<Expr> {
    let fields = Fields::new(name, argument, &["input", "sortBy"], 2_942_500, 2_942_501)?;
    let input = fields.required("input", 2_942_502, cx)?;
    let order = match fields.require("sortBy", 2_942_503)? {
        Bson::Document(d) => Order::By(SortBy::compile(d)?),
        other => match Value::from_bson(other).as_i64() {
            Some(1) => Order::Whole(true),
            Some(-1) => Order::Whole(false),
            _ => {
                return Err(EngineError::location(
                    2_942_507,
                    "$sortArray: sortBy must be 1, -1 or an object",
                ));
            }
        },
    };
    Ok(Expr::operator(SortArray { input, order }))
}

/// Which elements an N-operator takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Take {
    First,
    Last,
    Min,
    Max,
}

#[derive(Debug)]
struct TakeN {
    take: Take,
    input: Expr,
    n: Expr,
}

/// The count that `n` must be.
pub(crate) fn count(v: &Value) -> Result<usize> {
    let wrong = |code: i32| {
        EngineError::location(
            code,
            format!("Value for 'n' must be of integral type, but found {v:?}"),
        )
    };
    if !v.is_number() {
        return Err(wrong(5_787_902));
    }
    let n = integral(v).ok_or_else(|| wrong(5_787_903))?;
    usize::try_from(n).ok().filter(|n| *n > 0).ok_or_else(|| {
        EngineError::location(5_787_908, format!("'n' must be greater than 0, found {n}"))
    })
}

impl Operator for TakeN {
    fn eval(&self, env: &mut Env<'_>) -> Result<Value> {
        let n = count(&self.n.eval(env)?)?;
        let v = self.input.eval(env)?;
        let Value::Array(items) = v else {
            return Err(EngineError::location(5_788_200, "Input must be an array"));
        };
        let collation = env.collation();
        let out: Vec<Value> = match self.take {
            Take::First => items.iter().take(n).map(ValueRef::to_value).collect(),
            Take::Last => items
                .iter()
                .skip(items.len().saturating_sub(n))
                .map(ValueRef::to_value)
                .collect(),
            Take::Min | Take::Max => {
                let mut all: Vec<Value> = items
                    .iter()
                    .map(ValueRef::to_value)
                    .filter(|v| !v.is_nullish())
                    .collect();
                all.sort_by(|a, b| {
                    let order = compare_with(a.view(), b.view(), collation);
                    if self.take == Take::Min {
                        order
                    } else {
                        order.reverse()
                    }
                });
                all.truncate(n);
                all
            }
        };
        Ok(Value::array(out))
    }
}

pub(super) fn compile_take(name: &str, argument: &Bson, cx: Context<'_>) -> Result<Expr> {
    let fields = Fields::new(name, argument, &["input", "n"], 5_787_900, 5_787_901)?;
    let n = fields.required("n", 5_787_906, cx)?;
    let input = fields.required("input", 5_787_907, cx)?;
    let take = match name {
        "$firstN" => Take::First,
        "$lastN" => Take::Last,
        "$minN" => Take::Min,
        _ => Take::Max,
    };
    let constant = n.as_literal().is_some() && input.as_literal().is_some();
    let plain = matches!(take, Take::First | Take::Last);
    cx.fold_if(constant && plain, Expr::operator(TakeN { take, input, n }))
}
