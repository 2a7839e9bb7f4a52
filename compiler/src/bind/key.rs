//! Lookups of JSON values and arrays.

use super::filter::conjunction;
use super::lookup::Condition;
use super::{Binder, Bound, Rhs};
use crate::error::{Error, Result};
use crate::plan::facts::Nulls;
use crate::plan::{JsonStep, Predicate, Scalar, SubKind};
use crate::queryset::Value;

impl Binder<'_> {
    /// `has_key`, `has_keys`, `has_any_keys`: the key is there. The last key is never an index.
    pub(super) fn has_keys(
        &mut self,
        name: &str,
        all: bool,
        lhs: &Bound,
        rhs: Rhs,
    ) -> Result<Condition> {
        let items = match rhs {
            Rhs::Value(Value::List(values)) => values.into_iter().map(Rhs::Value).collect(),
            Rhs::List(items) => items,
            one => vec![one],
        };
        let mut tests = Vec::with_capacity(items.len());
        for item in items {
            let (base, mut steps) = match lhs.scalar.clone() {
                Scalar::Json { base, steps, .. } => (base, steps),
                other => (Box::new(other), Vec::new()),
            };
            match item {
                Rhs::Value(value) => {
                    steps.push(JsonStep::Key(super::prep::python_str(&value)));
                }
                // A path of keys on the right continues that on the left.
                Rhs::Scalar(Bound {
                    scalar: Scalar::Json { steps: more, .. },
                    ..
                }) => steps.extend(more),
                _ => {
                    return Err(Error::unsupported(
                        format!("{name} with an expression"),
                        "keys must be known when compiling",
                    ));
                }
            }
            let there = Scalar::Json {
                base,
                steps,
                text: false,
            };
            tests.push(Predicate::IsNull(there).negate());
        }
        let test = if !all {
            if tests.is_empty() {
                Predicate::FALSE
            } else {
                Predicate::Or(tests)
            }
        } else if tests.is_empty() {
            // All of no keys are in any value, in none they are unknown.
            Predicate::IsNull(lhs.scalar.clone()).negate()
        } else {
            conjunction(tests)
        };
        if !Nulls::new(&self.columns).nullable_scalar(&lhs.scalar) {
            return Ok(test.into());
        }
        // Of no value it is unknown.
        let no_value = Predicate::And(vec![
            Predicate::IsNull(lhs.scalar.clone()),
            Predicate::Const(None),
        ]);
        Ok(Predicate::Or(vec![test, no_value]).into())
    }

    /// A lookup of JSON values or arrays that is no comparison.
    pub(super) fn special(&mut self, name: &str, lhs: &Bound, rhs: Rhs) -> Result<Condition> {
        let rhs = match rhs {
            Rhs::Value(value) => self.rhs_literal(lhs, &value)?,
            Rhs::Scalar(bound) => bound.scalar,
            Rhs::List(items) => self.list_value(lhs, items)?.scalar,
            Rhs::Query { id, .. } => {
                Scalar::Subquery(Box::new(self.finish_subquery(id, SubKind::Scalar, None)?))
            }
        };
        Ok(Predicate::Lookup {
            name: name.to_owned(),
            lhs: lhs.scalar.clone(),
            rhs,
        }
        .into())
    }

    /// A list on the right: a literal array if all its members are plain, else an array of expressions.
    pub(super) fn list_value(&mut self, lhs: &Bound, items: Vec<Rhs>) -> Result<Bound> {
        let base = lhs.ty.base.clone().unwrap_or_else(|| lhs.ty.clone());
        let element = Bound::of(lhs.scalar.clone(), base);
        let mut list = Vec::with_capacity(items.len());
        for item in items {
            list.push(match item {
                Rhs::Value(value) => self.rhs_literal(&element, &value)?,
                Rhs::Scalar(bound) => bound.scalar,
                Rhs::Query { id, .. } => {
                    Scalar::Subquery(Box::new(self.finish_subquery(id, SubKind::Scalar, None)?))
                }
                Rhs::List(items) => self.list_value(&element, items)?.scalar,
            });
        }
        Ok(Bound::of(Scalar::List(list), lhs.ty.clone()))
    }
}
