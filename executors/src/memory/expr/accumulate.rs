//! Accumulators as expressions: over the arguments, or over the one argument's array.
use bson::Bson;

use super::{Context, Env, Expr, Operator, Result};
use crate::memory::accumulator::{Accumulator, Input, Op, Percentile};
use crate::memory::value::{Value, ValueRef};

#[derive(Debug)]
struct Over {
    accumulator: Accumulator,
    arguments: Vec<Expr>,
}

impl Operator for Over {
    fn eval(&self, env: &mut Env<'_>) -> Result<Value> {
        let mut state = self.accumulator.new_state();
        if let [one] = self.arguments.as_slice() {
            match one.eval(env)? {
                Value::Array(items) => {
                    for item in items.iter().map(ValueRef::to_value) {
                        let input = Input {
                            value: item,
                            key: None,
                        };
                        self.accumulator.push(&mut state, input, env)?;
                    }
                }
                value => self
                    .accumulator
                    .push(&mut state, Input { value, key: None }, env)?,
            }
        } else {
            for e in &self.arguments {
                let value = e.eval(env)?;
                self.accumulator
                    .push(&mut state, Input { value, key: None }, env)?;
            }
        }
        self.accumulator.finish(state, env)
    }
}

pub(super) fn compile(name: &str, argument: &Bson, cx: Context<'_>) -> Result<Expr> {
    let op = match name {
        "$sum" => Op::Sum,
        "$avg" => Op::Avg,
        "$min" => Op::Min,
        "$max" => Op::Max,
        "$stdDevPop" => Op::StdDevPop,
        _ => Op::StdDevSamp,
    };
    Ok(Expr::operator(Over {
        accumulator: Accumulator::over(op),
        arguments: cx.arguments(argument)?,
    }))
}

#[derive(Debug)]
struct Ranks(Percentile);

impl Operator for Ranks {
    fn eval(&self, env: &mut Env<'_>) -> Result<Value> {
        let mut numbers = Vec::new();
        match self.0.input.eval(env)? {
            Value::Array(items) => numbers.extend(
                items
                    .iter()
                    .map(ValueRef::to_value)
                    .filter(Value::is_number)
                    .filter_map(|v| v.as_f64()),
            ),
            v if v.is_number() => numbers.extend(v.as_f64()),
            _ => {}
        }
        self.0.result(numbers, env)
    }
}

pub(super) fn compile_percentile(name: &str, argument: &Bson, cx: Context<'_>) -> Result<Expr> {
    Ok(Expr::operator(Ranks(Percentile::compile(
        name, argument, cx,
    )?)))
}
