//! Conditions and variables: `$cond`, `$ifNull`, `$switch`, `$let`, `$literal`, and what else has a form of its own.
use bson::Bson;

use super::compile::bind;
use super::{Context, Env, Expr, Fields, Node, Operator, Result, Slot};
use crate::memory::error::{Code, EngineError};
use crate::memory::value::{Path, SCORE, Value, num};

pub(super) fn literal(_name: &str, argument: &Bson, _cx: Context<'_>) -> Result<Expr> {
    Ok(Expr::literal(Value::from_bson(argument)))
}

pub(super) fn and(_name: &str, argument: &Bson, cx: Context<'_>) -> Result<Expr> {
    Ok(decided(cx, cx.arguments(argument)?, false))
}

pub(super) fn or(_name: &str, argument: &Bson, cx: Context<'_>) -> Result<Expr> {
    Ok(decided(cx, cx.arguments(argument)?, true))
}

/// `$and` and `$or` look at their constants first, wherever those stand: one that `decides` leaves nothing to evaluate.
fn decided(cx: Context<'_>, mut args: Vec<Expr>, decides: bool) -> Expr {
    let node = |args: Vec<Expr>| {
        Expr::from_node(match decides {
            false => Node::And(args.into()),
            true => Node::Or(args.into()),
        })
    };
    if cx.scope().is_lazy() {
        return node(args);
    }
    let truth = |e: &Expr| e.as_literal().map(Value::truthy);
    if args.iter().any(|e| truth(e) == Some(decides)) {
        return Expr::literal(Value::Bool(decides));
    }
    args.retain(|e| truth(e).is_none());
    if args.is_empty() {
        return Expr::literal(Value::Bool(!decides));
    }
    node(args)
}

pub(super) fn not(v: Value) -> Result<Value> {
    Ok(Value::Bool(!v.truthy()))
}

pub(super) fn cond(name: &str, argument: &Bson, cx: Context<'_>) -> Result<Expr> {
    let args = if let Bson::Document(_) = argument {
        let fields = Fields::new(name, argument, &["if", "then", "else"], 17083, 17083)?;
        [
            fields.required("if", 17080, cx)?,
            fields.required("then", 17081, cx)?,
            fields.required("else", 17082, cx)?,
        ]
    } else {
        cx.exactly(name, argument)?
    };
    if let [when, then, otherwise] = &args
        && let Some(v) = when.as_literal()
    {
        return Ok(if v.truthy() { then } else { otherwise }.clone());
    }
    Ok(Expr::from_node(Node::Cond(Box::new(args))))
}

pub(super) fn if_null(name: &str, argument: &Bson, cx: Context<'_>) -> Result<Expr> {
    let args = cx.arguments(argument)?;
    if args.len() < 2 {
        return Err(EngineError::location(
            1_257_300,
            format!("{name} needs at least two arguments, had: {}", args.len()),
        ));
    }
    Ok(Expr::from_node(Node::IfNull(args.into())))
}

#[derive(Debug)]
struct Switch {
    branches: Vec<(Expr, Expr)>,
    default: Option<Expr>,
}

impl Operator for Switch {
    fn eval(&self, env: &mut Env<'_>) -> Result<Value> {
        for (case, then) in &self.branches {
            if case.truthy(env)? {
                return then.eval(env);
            }
        }
        match &self.default {
            Some(d) => d.eval(env),
            None => Err(EngineError::location(
                40066,
                "$switch could not find a matching branch for an input, and no default was specified.",
            )),
        }
    }
}

pub(super) fn switch(name: &str, argument: &Bson, cx: Context<'_>) -> Result<Expr> {
    let fields = Fields::new(name, argument, &["branches", "default"], 40060, 40067)?;
    let mut branches: Vec<(Expr, Expr)> = Vec::new();
    let (mut given, mut certain) = (0, None);
    let lazy = cx.scope().lazily();
    match fields.get("branches") {
        None => {}
        Some(Bson::Array(items)) => {
            for item in items {
                let branch = Fields::new(name, item, &["case", "then"], 40062, 40063)?;
                given += 1;
                // Behind a case that is always true, or that never is, nothing is computed ahead.
                let unreached = cx.with(&lazy);
                let case = branch.required(
                    "case",
                    40064,
                    if certain.is_some() { unreached } else { cx },
                )?;
                let known = case
                    .as_literal()
                    .map(Value::truthy)
                    .filter(|_| !cx.scope().is_lazy());
                let dead = certain.is_some() || known == Some(false);
                let then = branch.required("then", 40065, if dead { unreached } else { cx })?;
                match known {
                    _ if dead => {}
                    Some(true) => certain = Some(then),
                    _ => branches.push((case, then)),
                }
            }
        }
        Some(other) => {
            return Err(EngineError::location(
                40061,
                format!("$switch expected an array for 'branches', found: {other}"),
            ));
        }
    }
    if given == 0 {
        return Err(EngineError::location(
            40068,
            "$switch requires at least one branch.",
        ));
    }
    let default = certain.or(fields.optional("default", cx)?);
    Ok(match default {
        Some(only) if branches.is_empty() => only,
        default => Expr::operator(Switch { branches, default }),
    })
}

#[derive(Debug)]
struct Let {
    variables: Vec<(Slot, Expr)>,
    body: Expr,
}

impl Operator for Let {
    fn eval(&self, env: &mut Env<'_>) -> Result<Value> {
        for (slot, e) in &self.variables {
            let v = e.eval(env)?;
            env.set(*slot, v);
        }
        self.body.eval(env)
    }
}

pub(super) fn let_in(name: &str, argument: &Bson, cx: Context<'_>) -> Result<Expr> {
    let fields = Fields::new(name, argument, &["vars", "in"], 16874, 16875)?;
    let vars = match fields.require("vars", 16876)? {
        Bson::Document(d) => d,
        _ => {
            return Err(EngineError::location(
                10065,
                "invalid parameter: expected an object (vars)",
            ));
        }
    };
    fields.require("in", 16877)?;
    let mut inner = cx.scope().clone();
    let mut slots = Vec::with_capacity(vars.len());
    for name in vars.keys() {
        let (scope, slot) = bind(&inner, name)?;
        inner = scope;
        slots.push(slot);
    }
    // The variables do not see each other, but their inner ones must not share a slot with them: pad the outer scope.
    let mut outer = cx.scope().clone();
    for _ in &slots {
        outer = outer.with("\0").0;
    }
    let mut variables = Vec::with_capacity(vars.len());
    for (slot, spec) in slots.into_iter().zip(vars.values()) {
        variables.push((slot, cx.with(&outer).compile(spec)?));
    }
    let body = fields.required("in", 16877, cx.with(&inner))?;
    Ok(Expr::operator(Let { variables, body }))
}

#[derive(Debug)]
struct Rand;

impl Operator for Rand {
    fn eval(&self, env: &mut Env<'_>) -> Result<Value> {
        Ok(Value::Double(unit(env.random())))
    }
}

/// A number from 0 to below 1, out of 53 random bits.
fn unit(bits: u64) -> f64 {
    let top = i64::try_from(bits >> 11).unwrap_or(0);
    num::i64_to_f64(top) / 9_007_199_254_740_992.0
}

pub(super) fn rand(_name: &str, argument: &Bson, _cx: Context<'_>) -> Result<Expr> {
    let empty = match argument {
        Bson::Document(d) => d.is_empty(),
        Bson::Array(a) => a.is_empty(),
        _ => false,
    };
    if !empty {
        return Err(EngineError::location(
            3_040_501,
            "$rand does not currently accept arguments",
        ));
    }
    Ok(Expr::operator(Rand))
}

#[derive(Debug)]
struct SampleRate(f64);

impl Operator for SampleRate {
    fn eval(&self, env: &mut Env<'_>) -> Result<Value> {
        Ok(Value::Bool(unit(env.random()) < self.0))
    }
}

pub(super) fn sample_rate(name: &str, argument: &Bson, _cx: Context<'_>) -> Result<Expr> {
    match Value::from_bson(argument).as_f64() {
        Some(rate) if (0.0..=1.0).contains(&rate) => Ok(Expr::operator(SampleRate(rate))),
        _ => Err(EngineError::bad_value(format!(
            "numeric argument to {name} must be in [0, 1]"
        ))),
    }
}

/// Operators that this engine has no means to run.
pub(super) fn unavailable(name: &str, _argument: &Bson, _cx: Context<'_>) -> Result<Expr> {
    Err(EngineError::new(
        Code::NotImplemented,
        format!("{name} needs a JavaScript engine, which the embedded engine does not have"),
    ))
}

/// `$meta`: text and vector scores live in the document's metadata, which plain pipelines lack.
pub(super) fn meta(_name: &str, argument: &Bson, _cx: Context<'_>) -> Result<Expr> {
    match argument {
        Bson::String(s)
            if matches!(
                s.as_str(),
                "textScore"
                    | "searchScore"
                    | "vectorSearchScore"
                    | "indexKey"
                    | "recordId"
                    | "sortKey"
                    | "geoNearDistance"
                    | "geoNearPoint"
                    | "searchHighlights"
                    | "searchScoreDetails"
                    | "score"
                    | "scoreDetails"
                    | "randVal"
            ) =>
        {
            // Scores travel with the document, in a field that cannot be stored.
            Ok(if s.ends_with("Score") || s == "score" {
                Expr::root_path(Path::lenient(SCORE)?)
            } else {
                Expr::literal(Value::Missing)
            })
        }
        Bson::String(s) => Err(EngineError::location(
            17308,
            format!("Unsupported argument to $meta: {s}"),
        )),
        _ => Err(EngineError::location(
            17307,
            "$meta only supports string arguments",
        )),
    }
}
