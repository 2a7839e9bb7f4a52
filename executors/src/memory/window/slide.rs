//! Accumulators over windows: run once when all windows are alike, grown when one end stands still, slid where a value
//! can leave again, else run anew for each window.
use std::collections::VecDeque;
use std::ops::Range;

use crate::memory::accumulator::{Accumulator, Input, Op};
use crate::memory::error::EngineError;
use crate::memory::expr::{Env, Summation};
use crate::memory::value::{Document, Value, compare_with, num};

/// The accumulator's value over each range of the partition. Both ends of the ranges never move back.
pub(super) fn run(
    accumulator: &Accumulator,
    partition: &[Document],
    ranges: &[Range<usize>],
    env: &mut Env<'_>,
) -> Result<Vec<Value>, EngineError> {
    let mut inputs = Vec::with_capacity(partition.len());
    for doc in partition {
        env.set_root(doc.clone());
        inputs.push(accumulator.input(env)?);
    }
    let Some(first) = ranges.first() else {
        return Ok(Vec::new());
    };
    if ranges.iter().all(|r| r == first) {
        let v = over(
            accumulator,
            inputs.get(first.clone()).unwrap_or_default(),
            env,
        )?;
        return Ok(vec![v; ranges.len()]);
    }
    if ranges.iter().all(|r| r.start == 0) {
        return grow(accumulator, &inputs, ranges.iter(), |r| r.end, env);
    }
    match accumulator.op() {
        Op::Sum | Op::Avg => slide_sums(accumulator, &inputs, ranges, env),
        Op::Count => Ok(ranges
            .iter()
            .map(|r| Value::int(num::len_i64(r.len())))
            .collect()),
        Op::Min | Op::Max => Ok(slide_extremes(
            accumulator.op() == Op::Max,
            &inputs,
            ranges,
            env,
        )),
        Op::First => Ok(ends(&inputs, ranges, |r| Some(r.start))),
        Op::Last => Ok(ends(&inputs, ranges, |r| r.end.checked_sub(1))),
        Op::StdDevPop | Op::StdDevSamp if ranges.iter().all(|r| r.end == inputs.len()) => {
            // From the other side these only grow; the order of the values does not matter.
            inputs.reverse();
            let n = inputs.len();
            let mut out = grow(
                accumulator,
                &inputs,
                ranges.iter().rev(),
                |r| n - r.start,
                env,
            )?;
            out.reverse();
            Ok(out)
        }
        _ => ranges
            .iter()
            .map(|r| over(accumulator, inputs.get(r.clone()).unwrap_or_default(), env))
            .collect(),
    }
}

fn over(
    accumulator: &Accumulator,
    inputs: &[Input],
    env: &mut Env<'_>,
) -> Result<Value, EngineError> {
    let mut state = accumulator.new_state();
    for input in inputs {
        accumulator.push(&mut state, input.clone(), env)?;
    }
    accumulator.finish(state, env)
}

/// Windows that start where the inputs start.
fn grow<'r>(
    accumulator: &Accumulator,
    inputs: &[Input],
    ranges: impl Iterator<Item = &'r Range<usize>>,
    end: impl Fn(&Range<usize>) -> usize,
    env: &mut Env<'_>,
) -> Result<Vec<Value>, EngineError> {
    let mut state = accumulator.new_state();
    let mut done = 0;
    let mut out: Vec<Value> = Vec::new();
    for r in ranges {
        let to = end(r);
        if to <= done
            && let Some(last) = out.last()
        {
            out.push(last.clone());
            continue;
        }
        for input in inputs.get(done..to).unwrap_or_default() {
            accumulator.push(&mut state, input.clone(), env)?;
        }
        done = done.max(to);
        out.push(accumulator.finish(state.clone(), env)?);
    }
    Ok(out)
}

fn ends(
    inputs: &[Input],
    ranges: &[Range<usize>],
    at: impl Fn(&Range<usize>) -> Option<usize>,
) -> Vec<Value> {
    ranges
        .iter()
        .map(|r| {
            let at = if r.is_empty() { None } else { at(r) };
            at.and_then(|i| inputs.get(i))
                .map_or(Value::Null, |i| i.value.clone().or_null())
        })
        .collect()
}

/// Integers leave a sum exactly; windows that hold doubles or decimals are summed anew.
fn slide_sums(
    accumulator: &Accumulator,
    inputs: &[Input],
    ranges: &[Range<usize>],
    env: &mut Env<'_>,
) -> Result<Vec<Value>, EngineError> {
    let (mut total, mut longs, mut inexact, mut count) = (0_i128, 0_usize, 0_usize, 0_i64);
    let mut update = |input: &Input, enter: bool| {
        let sign = if enter { 1 } else { -1 };
        let step = |counter: &mut usize| {
            *counter = if enter {
                *counter + 1
            } else {
                counter.saturating_sub(1)
            };
        };
        match &input.value {
            Value::Int32(n) => {
                total += sign * i128::from(*n);
                count += i64::from(if enter { 1_i8 } else { -1 });
            }
            Value::Int64(n) => {
                total += sign * i128::from(*n);
                count += i64::from(if enter { 1_i8 } else { -1 });
                step(&mut longs);
            }
            Value::Double(_) | Value::Decimal(_) => step(&mut inexact),
            _ => {}
        }
        (total, longs, inexact, count)
    };
    let (mut start, mut end) = (0, 0);
    let mut out = Vec::with_capacity(ranges.len());
    let mut now = (0, 0, 0, 0);
    for r in ranges {
        for input in inputs.get(end..r.end).unwrap_or_default() {
            now = update(input, true);
        }
        end = end.max(r.end);
        for input in inputs.get(start..r.start.min(end)).unwrap_or_default() {
            now = update(input, false);
        }
        // Documents that the window jumped over never came in.
        start = start.max(r.start);
        end = end.max(start);
        let (total, longs, inexact, count) = now;
        out.push(if inexact > 0 {
            over(accumulator, inputs.get(r.clone()).unwrap_or_default(), env)?
        } else if accumulator.op() == Op::Sum {
            Summation::of_integers(total, longs > 0).value()
        } else if count == 0 {
            Value::Null
        } else {
            Summation::of_integers(total, longs > 0).mean(count)
        });
    }
    Ok(out)
}

/// The best of each window: candidates that a later, better one outlives are dropped.
fn slide_extremes(
    max: bool,
    inputs: &[Input],
    ranges: &[Range<usize>],
    env: &Env<'_>,
) -> Vec<Value> {
    let mut candidates: VecDeque<(usize, &Value)> = VecDeque::new();
    let mut end = 0;
    let mut out = Vec::with_capacity(ranges.len());
    for r in ranges {
        for (i, input) in inputs.iter().enumerate().take(r.end).skip(end) {
            let v = &input.value;
            if v.is_nullish() {
                continue;
            }
            while candidates.back().is_some_and(|(_, old)| {
                let order = compare_with(v.view(), old.view(), env.collation());
                if max { order.is_gt() } else { order.is_lt() }
            }) {
                candidates.pop_back();
            }
            candidates.push_back((i, v));
        }
        end = end.max(r.end);
        while candidates.front().is_some_and(|(i, _)| *i < r.start) {
            candidates.pop_front();
        }
        out.push(
            candidates
                .front()
                .map_or(Value::Null, |(_, v)| (*v).clone()),
        );
    }
    out
}
