//! What accumulators hold while they run.
use std::collections::{HashSet, VecDeque};

use super::order::{SortBy, SortKey};
use crate::memory::error::EngineError;
use crate::memory::expr::Summation;
use crate::memory::value::{Collation, DocBuilder, Key, Value, ValueRef, compare_with, num};

/// What one accumulator holds for one group.
#[derive(Clone, Debug)]
pub struct State {
    pub(super) body: Body,
    pub(super) bytes: usize,
}

/// One value to take in, with its sort key where the accumulator orders.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    pub value: Value,
    pub key: Option<SortKey>,
}

#[derive(Clone, Debug)]
pub(super) enum Body {
    Sum(Box<Summation>),
    /// Nothing but small integers so far (`{$sum: 1}`).
    Counter(i64),
    Avg(Box<Summation>, i64),
    Count(i64),
    Extreme {
        best: Value,
        max: bool,
    },
    First(Option<Value>),
    Last(Value),
    List(Vec<Value>),
    Set {
        seen: HashSet<Key, ahash::RandomState>,
        items: Vec<Value>,
    },
    StdDev(Deviation),
    Merge(DocBuilder),
    FirstN(usize, Vec<Value>),
    LastN(usize, VecDeque<Value>),
    ExtremeN {
        n: usize,
        max: bool,
        items: Vec<Value>,
    },
    /// The first (or last) `n` in an order.
    Ranked {
        n: usize,
        bottom: bool,
        items: VecDeque<(SortKey, Value)>,
    },
    Numbers(Vec<f64>),
}

/// Welford's running variance.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Deviation {
    n: i64,
    mean: f64,
    squares: f64,
    broken: bool,
}

impl Deviation {
    pub fn add(&mut self, x: f64) {
        if !x.is_finite() {
            self.broken = true;
        }
        self.n += 1;
        let delta = x - self.mean;
        self.mean += delta / num::i64_to_f64(self.n);
        self.squares += delta * (x - self.mean);
    }

    pub fn finish(self, sample: bool) -> Value {
        let degrees = self.n - i64::from(sample);
        if degrees <= 0 {
            return Value::Null;
        }
        if self.broken {
            return Value::Double(f64::NAN);
        }
        Value::Double((self.squares / num::i64_to_f64(degrees)).sqrt())
    }
}

impl State {
    pub(super) fn new(body: Body) -> Self {
        Self { body, bytes: 0 }
    }

    /// About how many bytes the state holds beyond its own size (0 for counters): for the memory limit.
    pub fn byte_size(&self) -> usize {
        self.bytes
    }

    /// Takes a value in, unless the state keeps values: then `false`, and `push` it is.
    #[inline]
    pub(super) fn take(&mut self, v: ValueRef<'_>, collation: Option<&Collation>) -> bool {
        match &mut self.body {
            Body::Counter(n) => match v {
                ValueRef::Int32(m) => *n += i64::from(m),
                v => {
                    let mut sum = Box::new(Summation::default());
                    // Ints below 2^63 in count keep the type int until they no longer fit.
                    sum.add_plain(*n);
                    sum.add(v);
                    self.body = Body::Sum(sum);
                }
            },
            Body::Sum(sum) => {
                sum.add(v);
            }
            Body::Avg(sum, n) => *n += i64::from(sum.add(v)),
            Body::Count(n) => *n += 1,
            Body::Extreme { best, max } => {
                if !v.is_nullish() {
                    let better = best.is_missing() || {
                        let order = compare_with(v, best.view(), collation);
                        if *max { order.is_gt() } else { order.is_lt() }
                    };
                    if better {
                        *best = v.to_value();
                    }
                }
            }
            Body::First(first) => {
                first.get_or_insert_with(|| v.to_value());
            }
            Body::Last(last) => *last = v.to_value(),
            Body::StdDev(d) => {
                if let Some(x) = number(v) {
                    d.add(x);
                }
            }
            Body::Numbers(numbers) => {
                if let Some(x) = number(v) {
                    self.bytes += 8;
                    numbers.push(x);
                }
            }
            _ => return false,
        }
        true
    }

    /// Takes a value in.
    pub(super) fn push(
        &mut self,
        input: Input,
        sort: Option<&SortBy>,
        collation: Option<&Collation>,
    ) -> Result<(), EngineError> {
        let Input { value: v, key } = input;
        if self.take(v.view(), collation) {
            return Ok(());
        }
        // What a kept value counts as.
        let cost = |v: &Value| v.view().byte_size() + 32;
        match &mut self.body {
            Body::List(items) if !v.is_missing() => {
                self.bytes += cost(&v);
                items.push(v);
            }
            Body::Set { seen, items } if !v.is_missing() => {
                let key = Key(match collation {
                    Some(c) => c.fold(&v),
                    None => v.clone(),
                });
                if seen.insert(key) {
                    self.bytes += v.view().byte_size() + 64;
                    items.push(v);
                }
            }
            Body::Merge(doc) => {
                crate::memory::expr::merge_into(doc, &v)?;
                // What is overwritten counts as well: measuring it would cost more than it tells.
                if let Value::Document(_) = &v {
                    self.bytes += cost(&v);
                }
            }
            Body::FirstN(n, items) if items.len() < *n => {
                self.bytes += cost(&v);
                items.push(v.or_null());
            }
            Body::LastN(n, items) => {
                self.bytes += cost(&v);
                items.push_back(v.or_null());
                if items.len() > *n
                    && let Some(gone) = items.pop_front()
                {
                    self.bytes = self.bytes.saturating_sub(cost(&gone));
                }
            }
            Body::ExtremeN { n, max, items } if !v.is_nullish() => {
                let at = items.partition_point(|old| {
                    let order = compare_with(old.view(), v.view(), collation);
                    if *max { order.is_ge() } else { order.is_le() }
                });
                if at < *n {
                    self.bytes += cost(&v);
                    items.insert(at, v);
                    if items.len() > *n
                        && let Some(gone) = items.pop()
                    {
                        self.bytes = self.bytes.saturating_sub(cost(&gone));
                    }
                }
            }
            Body::Ranked { n, bottom, items } => {
                let (Some(sort), Some(key)) = (sort, key) else {
                    return Ok(());
                };
                let at =
                    items.partition_point(|(old, _)| sort.compare(old, &key, collation).is_le());
                let kept =
                    |(key, v): &(SortKey, Value)| cost(v) + key.iter().map(cost).sum::<usize>();
                let gone = if *bottom {
                    if items.len() == *n && at == 0 {
                        return Ok(());
                    }
                    self.bytes += kept(&(key.clone(), v.clone()));
                    items.insert(at, (key, v));
                    (items.len() > *n).then(|| items.pop_front()).flatten()
                } else if at < *n {
                    self.bytes += kept(&(key.clone(), v.clone()));
                    items.insert(at, (key, v));
                    (items.len() > *n).then(|| items.pop_back()).flatten()
                } else {
                    return Ok(());
                };
                self.bytes = self.bytes.saturating_sub(gone.as_ref().map_or(0, kept));
            }
            _ => {}
        }
        Ok(())
    }

    /// Concatenates arrays (`$concatArrays`), or unites them (`$setUnion`).
    pub(super) fn push_all(
        &mut self,
        v: &Value,
        name: &str,
        collation: Option<&Collation>,
    ) -> Result<(), EngineError> {
        if v.is_nullish() {
            return Ok(());
        }
        let items = v.as_array().ok_or_else(|| {
            EngineError::type_mismatch(format!(
                "{name} requires array inputs, but input {v:?} is of type {}",
                v.type_name()
            ))
        })?;
        for item in items.iter().map(ValueRef::to_value) {
            self.push(
                Input {
                    value: item,
                    key: None,
                },
                None,
                collation,
            )?;
        }
        Ok(())
    }
}

fn number(v: ValueRef<'_>) -> Option<f64> {
    if v.is_number() { v.as_f64() } else { None }
}
