//! Window functions of `$setWindowFields`: each computes one output for every document of a sorted partition.
//!
//! `bounds` reads windows and turns them into index ranges; `slide` runs accumulators over ranges that only move
//! forward; `rank` and `series` hold the functions that have no accumulator of that name.
mod bounds;
mod rank;
mod series;
mod slide;

use bson::Bson;

use super::accumulator::Accumulator;
use super::error::EngineError;
use super::expr::{Env, Scope};
use super::value::{Document, Path, Value, ValueRef, compare_with};
use bounds::Bounds;

/// One part of `sortBy`: the path, and whether it ascends.
#[derive(Clone, Debug)]
pub struct SortPart {
    /// The path.
    pub path: Path,
    /// Whether it ascends.
    pub ascending: bool,
}

impl SortPart {
    /// What a document is sorted by: an array counts by its least element, or its greatest when descending.
    fn value(&self, doc: &Document) -> Value {
        match self.path.get(doc.view()) {
            Value::Array(items) => {
                let order = |a: &ValueRef<'_>, b: &ValueRef<'_>| compare_with(*a, *b, None);
                let pick = if self.ascending {
                    items.iter().min_by(order)
                } else {
                    items.iter().max_by(order)
                };
                pick.map_or(Value::Undefined, ValueRef::to_value)
            }
            other => other.or_null(),
        }
    }
}

/// A compiled output: the operator, its arguments and its window.
#[derive(Clone, Debug)]
pub struct WindowFunction {
    function: Function,
    sort: Vec<SortPart>,
}

#[derive(Clone, Debug)]
enum Function {
    Accumulate(Box<Accumulator>, Bounds),
    Rank(rank::Rank),
    Series(series::Series),
}

impl WindowFunction {
    /// Compiles one output specification such as `{$sum: "$v", window: {documents: [-1, 0]}}`. `sort` is the stage's
    /// `sortBy` (empty when there is none).
    ///
    /// # Errors
    /// What MongoDB gives when it parses the output (missing sort, bad bounds, unknown operator, ...).
    pub fn compile(
        spec: &bson::Document,
        sort: &[SortPart],
        scope: &Scope,
    ) -> Result<Self, EngineError> {
        let mut call: Option<(&str, &Bson)> = None;
        let mut window = None;
        for (name, value) in spec {
            if name == "window" {
                window = Some(value);
            } else if name.starts_with('$') && call.is_none() {
                call = Some((name, value));
            } else {
                return Err(EngineError::failed_to_parse(format!(
                    "Window function found an unknown argument: {name}"
                )));
            }
        }
        let Some((name, argument)) = call else {
            return Err(EngineError::failed_to_parse(
                "Expected a $-prefixed window function",
            ));
        };
        let function = if let Some(rank) = rank::Rank::find(name) {
            rank.check(name, argument, window, sort)?;
            Function::Rank(rank)
        } else if series::Series::exists(name) {
            Function::Series(series::Series::compile(
                name, argument, window, sort, scope,
            )?)
        } else if Accumulator::exists(name) && name != "$mergeObjects" {
            let bounds = Bounds::compile(window, sort)?;
            let accumulator = Accumulator::compile(name, argument, scope)?;
            if !accumulator.has_constant_count() {
                return Err(EngineError::location(
                    5_787_902,
                    format!("'n' of {name} must be constant in a window"),
                ));
            }
            Function::Accumulate(Box::new(accumulator), bounds)
        } else {
            return Err(EngineError::failed_to_parse(format!(
                "Unrecognized window function, {name}"
            )));
        };
        Ok(Self {
            function,
            sort: sort.to_vec(),
        })
    }

    /// The output for every document of a partition, in its order. The partition is sorted by the stage's `sortBy`.
    ///
    /// # Errors
    /// What evaluation gives.
    pub fn run(
        &self,
        partition: &[Document],
        env: &mut Env<'_>,
    ) -> Result<Vec<Value>, EngineError> {
        match &self.function {
            Function::Rank(rank) => Ok(rank.run(partition, &self.sort, env.collation())),
            Function::Series(series) => series.run(partition, &self.sort, env),
            Function::Accumulate(accumulator, bounds) => {
                let ranges = bounds.ranges(partition, &self.sort, env.collation())?;
                slide::run(accumulator, partition, &ranges, env)
            }
        }
    }
}

#[cfg(test)]
mod tests;
