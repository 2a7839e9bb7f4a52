//! Conditions split by when they can be tested: on rows, on groups, on windows.

use super::finish::columns_of;
use super::query::QueryId;
use super::{Binder, Definition};
use crate::error::{Code, Error, Result};
use crate::plan::{Node, Predicate};

impl Binder<'_> {
    /// Splits conditions by whether they read aggregates or windows (Django's `split_having_qualify`).
    pub(super) fn split_conditions(
        &self,
        q: QueryId,
        conditions: Vec<Predicate>,
        must_group: bool,
    ) -> Result<Split> {
        let mut split = Split::default();
        for condition in conditions {
            self.split_condition(q, condition, false, must_group, &mut split)?;
        }
        Ok(split)
    }

    pub(super) fn split_condition(
        &self,
        q: QueryId,
        predicate: Predicate,
        negated: bool,
        must_group: bool,
        split: &mut Split,
    ) -> Result<()> {
        let (aggregate, window) = self.reads(q, &predicate);
        if !aggregate && !window {
            split.filter.push(predicate);
            return Ok(());
        }
        let (inner_negated, node) = match &predicate {
            Predicate::Not(inner) => (!negated, inner.as_ref()),
            other => (negated, other),
        };
        let (children, connected): (&[Predicate], bool) = match node {
            Predicate::And(children) => (children, inner_negated),
            Predicate::Or(children) => (children, !inner_negated),
            Predicate::Xor(children) => (children, true),
            _ => {
                if window {
                    split.qualify.push(predicate);
                } else {
                    split.having.push(predicate);
                }
                return Ok(());
            }
        };
        if connected && aggregate && !window {
            split.having.push(predicate);
            return Ok(());
        }
        if connected {
            let plain = children.iter().any(|c| self.reads(q, c) == (false, false));
            if plain && must_group {
                return Err(Error::new(
                    Code::NotImplemented,
                    "Heterogeneous disjunctive predicates against window functions are not implemented when \
                     performing conditional aggregation.",
                ));
            }
            split.qualify.push(predicate);
            return Ok(());
        }
        for child in children {
            let child = if inner_negated == negated {
                child.clone()
            } else {
                child.clone().negate()
            };
            self.split_condition(q, child, negated, must_group, split)?;
        }
        Ok(())
    }

    /// Whether a condition reads aggregates, and whether it reads windows.
    pub(super) fn reads(&self, q: QueryId, predicate: &Predicate) -> (bool, bool) {
        if self.definitions.is_empty() {
            return (false, false);
        }
        let mut columns = Vec::new();
        columns_of(Node::Predicate(predicate), &mut columns);
        let window = self.any_definition(q, &columns, &|d| matches!(d, Definition::Window { .. }));
        let aggregate =
            self.any_definition(q, &columns, &|d| matches!(d, Definition::Aggregate(_)));
        (aggregate, window)
    }
}

/// A condition split by when it can be tested.
#[derive(Debug, Default)]
pub(super) struct Split {
    pub filter: Vec<Predicate>,
    pub having: Vec<Predicate>,
    pub qualify: Vec<Predicate>,
}
