//! Aggregation expressions: compiled once per pipeline into a tree of typed operators, evaluated per document.
//!
//! `compile` reads a specification (`registry` holds the table of operators), resolves variables to slots and folds
//! constants; the other modules hold the operators, one family each. Operators on values that need no variables are
//! plain functions; those that bind variables or keep compiled parts (time zones, patterns) are `Operator`s.
mod accumulate;
pub mod arith;
mod array;
mod array_form;
mod budget;
mod collections;
mod compile;
mod control;
pub(crate) mod convert;
mod convert_binary;
mod date;
mod date_math;
mod env;
mod hash;
mod math;
mod object;
mod regex;
mod registry;
mod scope;
mod string;
mod sum;
mod trig;
mod variable;

use std::fmt;
use std::sync::Arc;

use bson::Bson;

pub(crate) use arith::coerce_date;
pub(crate) use array_form::count;
pub use budget::Budget;
pub(crate) use compile::{Context, Fields, bind};
pub use env::{Env, Evaluation};
pub(crate) use object::merge_into;
pub use scope::{Scope, Slot};
pub(crate) use sum::Summation;

use super::error::EngineError;
use super::value::{Collation, DocBuilder, Path, Str, Value, ValueRef, compare_with};

type Result<T, E = EngineError> = std::result::Result<T, E>;

/// An operator with parts of its own.
pub(crate) trait Operator: fmt::Debug + Send + Sync {
    /// Evaluates on the environment's document.
    fn eval(&self, env: &mut Env<'_>) -> Result<Value>;
}

/// A compiled expression.
#[derive(Clone, Debug)]
pub struct Expr(Node);

/// Which comparison.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Comparison {
    Eq,
    Ne,
    Gt,
    Gte,
    Lt,
    Lte,
    Cmp,
}

#[derive(Clone, Debug)]
pub(crate) enum Node {
    Literal(Value),
    /// The root document.
    Root,
    /// A path from the root document.
    RootPath(Path),
    /// A path from a variable, or the variable itself.
    Variable(Slot, Option<Path>),
    Now,
    ClusterTime,
    Object(Box<[(Str, Expr)]>),
    Array(Box<[Expr]>),
    Unary(fn(Value) -> Result<Value>, Box<Expr>),
    Binary(fn(Value, Value) -> Result<Value>, Box<[Expr; 2]>),
    Nary(fn(Vec<Value>) -> Result<Value>, Box<[Expr]>),
    /// Depends on how strings compare.
    Collated(
        fn(Vec<Value>, Option<&Collation>) -> Result<Value>,
        Box<[Expr]>,
    ),
    Compare(Comparison, Box<[Expr; 2]>),
    And(Box<[Expr]>),
    Or(Box<[Expr]>),
    Cond(Box<[Expr; 3]>),
    IfNull(Box<[Expr]>),
    Operator(Arc<dyn Operator>),
}

impl Expr {
    /// Compiles an expression: operators and variables are resolved, constants folded.
    ///
    /// # Errors
    /// What MongoDB gives when it parses the expression (`InvalidPipelineOperator` for an unknown operator, ...).
    pub fn compile(spec: &Bson, scope: &Scope) -> Result<Self> {
        Context::new(scope).compile(spec)
    }

    /// A path from the root document.
    pub(crate) fn root_path(path: Path) -> Self {
        Self(Node::RootPath(path))
    }

    /// A constant.
    pub fn literal(v: Value) -> Self {
        Self(Node::Literal(v))
    }

    /// The value, when the expression is constant.
    pub fn as_literal(&self) -> Option<&Value> {
        match &self.0 {
            Node::Literal(v) => Some(v),
            _ => None,
        }
    }

    /// The path, when the expression is a plain field path of the root document (`"$a.b"`): planners use it.
    pub fn as_path(&self) -> Option<&Path> {
        match &self.0 {
            Node::RootPath(p) => Some(p),
            _ => None,
        }
    }

    pub(crate) fn operator(op: impl Operator + 'static) -> Self {
        Self(Node::Operator(Arc::new(op)))
    }

    pub(crate) fn from_node(node: Node) -> Self {
        Self(node)
    }

    pub(crate) fn node(&self) -> &Node {
        &self.0
    }

    /// Evaluates on the environment's document.
    ///
    /// # Errors
    /// What MongoDB gives when it evaluates (`ConversionFailure`, `TypeMismatch`, `Location16020`, ...).
    pub fn eval(&self, env: &mut Env<'_>) -> Result<Value> {
        match &self.0 {
            Node::Literal(v) => Ok(v.clone()),
            Node::Root => Ok(Value::Document(env.root().clone())),
            Node::RootPath(p) => Ok(p.get(env.root().view())),
            Node::Variable(slot, None) => Ok(env.get(*slot).clone()),
            Node::Variable(slot, Some(p)) => Ok(p.get_in(env.get(*slot).view())),
            Node::Now => Ok(Value::Date(env.evaluation().now)),
            Node::ClusterTime => {
                let seconds = u64::try_from(env.evaluation().now / 1000).unwrap_or(0);
                Ok(Value::Timestamp((seconds << 32) | 1))
            }
            Node::Object(fields) => {
                let mut doc = DocBuilder::new();
                for (name, e) in fields {
                    doc.push(name.clone(), e.eval(env)?);
                }
                Ok(doc.value())
            }
            Node::Array(items) => {
                let items = items.iter().map(|e| e.eval(env).map(Value::or_null));
                Ok(Value::array(items.collect::<Result<_>>()?))
            }
            Node::Unary(f, a) => f(a.eval(env)?),
            Node::Binary(f, args) => {
                let [a, b] = &**args;
                let a = a.eval(env)?;
                f(a, b.eval(env)?)
            }
            Node::Nary(f, args) => f(eval_all(args, env)?),
            Node::Collated(f, args) => f(eval_all(args, env)?, env.collation()),
            Node::Compare(how, args) => compare(*how, args, env),
            Node::And(args) => {
                for a in args {
                    if !a.truthy(env)? {
                        return Ok(Value::Bool(false));
                    }
                }
                Ok(Value::Bool(true))
            }
            Node::Or(args) => {
                for a in args {
                    if a.truthy(env)? {
                        return Ok(Value::Bool(true));
                    }
                }
                Ok(Value::Bool(false))
            }
            Node::Cond(args) => {
                let [when, then, otherwise] = &**args;
                if when.truthy(env)? {
                    then.eval(env)
                } else {
                    otherwise.eval(env)
                }
            }
            Node::IfNull(args) => {
                let mut last = Value::Missing;
                for a in args {
                    last = a.eval(env)?;
                    if !last.is_nullish() {
                        break;
                    }
                }
                Ok(last)
            }
            Node::Operator(op) => op.eval(env),
        }
    }

    /// Whether the expression's value counts as true.
    ///
    /// # Errors
    /// As for `eval`.
    pub fn truthy(&self, env: &mut Env<'_>) -> Result<bool> {
        Ok(match self.in_place(env) {
            Some(v) => v.truthy(),
            None => self.eval(env)?.truthy(),
        })
    }

    /// The value without evaluating or sharing anything, for constants, variables and plain paths.
    #[inline]
    fn in_place<'v>(&'v self, env: &'v Env<'_>) -> Option<ValueRef<'v>> {
        match &self.0 {
            Node::Literal(v) => Some(v.view()),
            Node::RootPath(p) => p.get_ref(env.root().view()),
            Node::Variable(slot, None) => Some(env.get(*slot).view()),
            Node::Variable(slot, Some(p)) => match env.get(*slot) {
                Value::Document(d) => p.get_ref(d.view()),
                _ => None,
            },
            _ => None,
        }
    }
}

fn eval_all(args: &[Expr], env: &mut Env<'_>) -> Result<Vec<Value>> {
    args.iter().map(|a| a.eval(env)).collect()
}

fn compare(how: Comparison, args: &[Expr; 2], env: &mut Env<'_>) -> Result<Value> {
    let [a, b] = args;
    let collation = env.collation();
    let order = match (a.in_place(env), b.in_place(env)) {
        (Some(x), Some(y)) => compare_with(x, y, collation),
        (None, Some(_)) => {
            let x = a.eval(env)?;
            // The second is still in place: evaluating the first cannot rebind what it reads.
            match b.in_place(env) {
                Some(y) => compare_with(x.view(), y, collation),
                None => compare_with(x.view(), b.eval(env)?.view(), collation),
            }
        }
        _ => {
            let x = a.eval(env)?;
            let y = b.eval(env)?;
            compare_with(x.view(), y.view(), collation)
        }
    };
    Ok(match how {
        Comparison::Eq => Value::Bool(order.is_eq()),
        Comparison::Ne => Value::Bool(order.is_ne()),
        Comparison::Gt => Value::Bool(order.is_gt()),
        Comparison::Gte => Value::Bool(order.is_ge()),
        Comparison::Lt => Value::Bool(order.is_lt()),
        Comparison::Lte => Value::Bool(order.is_le()),
        Comparison::Cmp => Value::Int32(match order {
            std::cmp::Ordering::Less => -1,
            std::cmp::Ordering::Equal => 0,
            std::cmp::Ordering::Greater => 1,
        }),
    })
}

#[cfg(test)]
mod tests;
