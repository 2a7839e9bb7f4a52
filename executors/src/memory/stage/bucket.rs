//! `$bucket` and `$bucketAuto`.
use std::cmp::Ordering;

use bson::{Bson, doc};

use super::group::Outputs;
use super::{Held, Source, Stage, StagePlan, Starting, series};
use crate::memory::accumulator::State;
use crate::memory::error::EngineError;
use crate::memory::expr::{Env, Expr, Scope};
use crate::memory::value::{DocBuilder, Document, Value, compare_with, equal};

fn fail<T>(code: i32, message: impl Into<String>) -> Result<T, EngineError> {
    Err(EngineError::location(code, message))
}

fn outputs(spec: Option<&Bson>, scope: &Scope, code: i32) -> Result<Outputs, EngineError> {
    match spec {
        None => Outputs::compile(&doc! {"count": {"$sum": 1_i32}}, scope),
        Some(Bson::Document(d)) => Outputs::compile(d, scope),
        Some(_) => fail(code, "The $bucket 'output' field must be an object"),
    }
}

fn group_by(v: &Bson, scope: &Scope, code: i32) -> Result<Expr, EngineError> {
    match v {
        Bson::String(s) if s.starts_with('$') => Expr::compile(v, scope),
        Bson::Document(d) if d.keys().next().is_some_and(|k| k.starts_with('$')) => {
            Expr::compile(v, scope)
        }
        _ => fail(
            code,
            format!(
                "The $bucket 'groupBy' field must be defined as a $-prefixed path or an expression, but found: {v}"
            ),
        ),
    }
}

/// A compiled `$bucket`.
#[derive(Clone, Debug)]
pub struct Bucket {
    group_by: Expr,
    boundaries: Vec<Value>,
    default: Option<Value>,
    outputs: Outputs,
}

impl Bucket {
    /// Reads the specification.
    ///
    /// # Errors
    /// 40192 to 40202 as MongoDB.
    pub fn compile(spec: &Bson, scope: &Scope) -> Result<Self, EngineError> {
        let Bson::Document(d) = spec else {
            return fail(
                40201,
                format!(
                    "Argument to $bucket stage must be an object, but found type: {}",
                    Value::from_bson(spec).type_name()
                ),
            );
        };
        if let Some(unknown) = d
            .keys()
            .find(|k| !["groupBy", "boundaries", "default", "output"].contains(&k.as_str()))
        {
            return fail(40197, format!("Unrecognized option to $bucket: {unknown}."));
        }
        let (Some(by), Some(bounds)) = (d.get("groupBy"), d.get("boundaries")) else {
            return fail(
                40198,
                "$bucket requires 'groupBy' and 'boundaries' to be specified.",
            );
        };
        let by = group_by(by, scope, 40202)?;
        let Bson::Array(items) = bounds else {
            return fail(40200, "The $bucket 'boundaries' field must be an array");
        };
        let mut boundaries = Vec::with_capacity(items.len());
        for item in items {
            match Expr::compile(item, scope)?.as_literal() {
                Some(v) => boundaries.push(v.clone()),
                None => {
                    return fail(
                        40191,
                        format!(
                            "The $bucket 'boundaries' field must be an array of constant values, but found value: {item}."
                        ),
                    );
                }
            }
        }
        if boundaries.len() < 2 {
            return fail(
                40192,
                "The $bucket 'boundaries' field must have at least 2 values",
            );
        }
        for (a, b) in boundaries.iter().zip(boundaries.iter().skip(1)) {
            if a.view().type_bracket() != b.view().type_bracket() {
                return fail(
                    40193,
                    "All values in the 'boundaries' option to $bucket must have the same type.",
                );
            }
            if compare_with(a.view(), b.view(), None) != Ordering::Less {
                return fail(
                    40194,
                    "The 'boundaries' option to $bucket must be sorted, but elements are not in ascending order.",
                );
            }
        }
        let default = match d.get("default") {
            None => None,
            Some(v) => match Expr::compile(v, scope)?.as_literal() {
                Some(v) => Some(v.clone()),
                None => {
                    return fail(
                        40195,
                        "The $bucket 'default' field must be a constant expression.",
                    );
                }
            },
        };
        if let (Some(v), Some(low), Some(high)) = (&default, boundaries.first(), boundaries.last())
        {
            let inside = compare_with(low.view(), v.view(), None) != Ordering::Greater
                && compare_with(v.view(), high.view(), None) == Ordering::Less;
            if inside && v.view().type_bracket() == low.view().type_bracket() {
                return fail(
                    40199,
                    "The $bucket 'default' field must be less than the lowest boundary or greater than or equal to the highest boundary.",
                );
            }
        }
        Ok(Self {
            group_by: by,
            boundaries,
            default,
            outputs: outputs(d.get("output"), scope, 40196)?,
        })
    }
}

impl StagePlan for Bucket {
    fn start(&self, input: Source, _: &Starting<'_>) -> Result<Source, EngineError> {
        Ok(Box::new(Bucketing {
            input: Some(input),
            plan: self.clone(),
            rows: Vec::new().into_iter(),
        }))
    }
}

struct Bucketing {
    input: Option<Source>,
    plan: Bucket,
    rows: std::vec::IntoIter<(Value, Box<[State]>)>,
}

impl Stage for Bucketing {
    fn next(&mut self, env: &mut Env<'_>) -> Result<Option<Document>, EngineError> {
        if let Some(mut input) = self.input.take() {
            let plan = &self.plan;
            let mut held = Held::new("$bucket");
            let mut buckets: Vec<Option<Box<[State]>>> = vec![None; plan.boundaries.len()];
            while let Some(doc) = input.next(env)? {
                env.set_root(doc);
                let value = plan.group_by.eval(env)?;
                let above = plan.boundaries.partition_point(|b| {
                    compare_with(b.view(), value.view(), env.collation()) != Ordering::Greater
                });
                let inside = above > 0 && above < plan.boundaries.len();
                if !inside && plan.default.is_none() {
                    return fail(
                        40066,
                        "$switch could not find a matching branch for an input, and no default was specified.",
                    );
                }
                // The last place is that of the default.
                let at = if inside {
                    above - 1
                } else {
                    plan.boundaries.len() - 1
                };
                if let Some(slot) = buckets.get_mut(at) {
                    let states = slot.get_or_insert_with(|| plan.outputs.start());
                    held.add(plan.outputs.add(states, env)?, env)?;
                }
            }
            let last = plan.boundaries.len() - 1;
            let mut rows: Vec<(Value, Box<[State]>)> = Vec::new();
            for (i, bucket) in buckets.into_iter().enumerate() {
                let id = if i == last {
                    plan.default.as_ref()
                } else {
                    plan.boundaries.get(i)
                };
                if let (Some(id), Some(states)) = (id, bucket) {
                    rows.push((id.clone(), states));
                }
            }
            rows.sort_by(|a, b| compare_with(a.0.view(), b.0.view(), env.collation()));
            self.rows = rows.into_iter();
        }
        match self.rows.next() {
            Some((id, states)) => self.plan.outputs.finish(id, states, env).map(Some),
            None => Ok(None),
        }
    }
}

/// A compiled `$bucketAuto`.
#[derive(Clone, Debug)]
pub struct BucketAuto {
    group_by: Expr,
    buckets: usize,
    granularity: Option<series::Series>,
    outputs: Outputs,
}

impl BucketAuto {
    /// Reads the specification.
    ///
    /// # Errors
    /// 40239 to 40246 as MongoDB.
    pub fn compile(spec: &Bson, scope: &Scope) -> Result<Self, EngineError> {
        let Bson::Document(d) = spec else {
            return fail(40240, "The argument to $bucketAuto must be an object");
        };
        if let Some(unknown) = d
            .keys()
            .find(|k| !["groupBy", "buckets", "granularity", "output"].contains(&k.as_str()))
        {
            return fail(
                40245,
                format!("Unrecognized option to $bucketAuto: {unknown}."),
            );
        }
        let (Some(by), Some(buckets)) = (d.get("groupBy"), d.get("buckets")) else {
            return fail(
                40246,
                "$bucketAuto requires 'groupBy' and 'buckets' to be specified",
            );
        };
        let by = group_by(by, scope, 40239)?;
        let value = Value::from_bson(buckets);
        if !value.is_number() {
            return fail(
                40241,
                "The $bucketAuto 'buckets' field must be a numeric value",
            );
        }
        let Some(n) = value.as_i64().filter(|n| i32::try_from(*n).is_ok()) else {
            return fail(
                40242,
                "The $bucketAuto 'buckets' field must be representable as a 32-bit integer",
            );
        };
        let Some(buckets) = usize::try_from(n).ok().filter(|n| *n > 0) else {
            return fail(
                40243,
                "The $bucketAuto 'buckets' field must be greater than 0",
            );
        };
        let granularity = match d.get("granularity") {
            None => None,
            Some(Bson::String(s)) => match series::Series::named(s) {
                Some(series) => Some(series),
                None => return fail(40257, format!("Unknown rounding granularity '{s}'")),
            },
            Some(_) => {
                return fail(
                    40261,
                    "The $bucketAuto 'granularity' field must be a string",
                );
            }
        };
        Ok(Self {
            group_by: by,
            buckets,
            granularity,
            outputs: outputs(d.get("output"), scope, 40244)?,
        })
    }
}

impl StagePlan for BucketAuto {
    fn start(&self, input: Source, _: &Starting<'_>) -> Result<Source, EngineError> {
        Ok(Box::new(AutoBucketing {
            input: Some(input),
            plan: self.clone(),
            rows: Vec::new().into_iter(),
        }))
    }
}

struct AutoBucketing {
    input: Option<Source>,
    plan: BucketAuto,
    rows: std::vec::IntoIter<Document>,
}

impl Stage for AutoBucketing {
    fn next(&mut self, env: &mut Env<'_>) -> Result<Option<Document>, EngineError> {
        if let Some(mut input) = self.input.take() {
            let plan = &self.plan;
            let mut docs: Vec<(Value, Document)> = Vec::new();
            let mut held = Held::new("$bucketAuto");
            while let Some(doc) = input.next(env)? {
                held.add(doc.held_bytes(), env)?;
                env.set_root(doc.clone());
                let value = plan.group_by.eval(env)?.or_null();
                if plan.granularity.is_some() {
                    if !value.is_number() {
                        return fail(
                            40258,
                            "$bucketAuto can specify a 'granularity' with numeric boundaries only",
                        );
                    }
                    if value.as_f64().is_some_and(|x| x < 0.0 || x.is_nan()) {
                        return fail(
                            40260,
                            "$bucketAuto can specify a 'granularity' with non-negative numbers only",
                        );
                    }
                }
                docs.push((value, doc));
            }
            docs.sort_by(|a, b| compare_with(a.0.view(), b.0.view(), env.collation()));
            self.rows = split(plan, docs, env)?.into_iter();
        }
        Ok(self.rows.next())
    }
}

/// Cuts the sorted documents into buckets of about equal size; equal values stay together.
fn split(
    plan: &BucketAuto,
    docs: Vec<(Value, Document)>,
    env: &mut Env<'_>,
) -> Result<Vec<Document>, EngineError> {
    let size = ((docs.len() + plan.buckets / 2) / plan.buckets).max(1);
    let mut rows: Vec<(Value, Value, Box<[State]>)> = Vec::new();
    let mut docs = docs.into_iter().peekable();
    let mut lower: Option<Value> = None;
    while let Some((first, doc)) = docs.next() {
        let last_bucket = rows.len() + 1 == plan.buckets;
        let mut states = plan.outputs.start();
        env.set_root(doc);
        plan.outputs.add(&mut states, env)?;
        let mut count = 1;
        let mut top = first.clone();
        let mut limit: Option<Value> = None;
        while let Some((value, _)) = docs.peek() {
            if !last_bucket && count >= size {
                let same = match (&plan.granularity, &limit) {
                    (None, _) => equal(value.view(), top.view()),
                    (Some(series), None) => {
                        let bound = series.up(&top);
                        let inside =
                            compare_with(value.view(), bound.view(), None) == Ordering::Less;
                        limit = Some(bound);
                        inside
                    }
                    (Some(_), Some(bound)) => {
                        compare_with(value.view(), bound.view(), None) == Ordering::Less
                    }
                };
                if !same {
                    break;
                }
            }
            let Some((value, doc)) = docs.next() else {
                break;
            };
            env.set_root(doc);
            plan.outputs.add(&mut states, env)?;
            top = value;
            count += 1;
        }
        let min = match (&plan.granularity, lower.take()) {
            (Some(_), Some(bound)) => bound,
            (Some(series), None) => series.down(&first),
            (None, _) => first,
        };
        let max = match (&plan.granularity, docs.peek()) {
            (Some(series), _) => limit.unwrap_or_else(|| series.up(&top)),
            (None, Some((next, _))) => next.clone(),
            (None, None) => top,
        };
        lower = Some(max.clone());
        rows.push((min, max, states));
    }
    let mut out = Vec::with_capacity(rows.len());
    for (min, max, states) in rows {
        let mut id = DocBuilder::new();
        id.push("min", min);
        id.push("max", max);
        out.push(plan.outputs.finish(id.value(), states, env)?);
    }
    Ok(out)
}
