//! Lookups of composite keys.

use super::filter::conjunction;
use super::lookup::Condition;
use super::query::QueryId;
use super::{Binder, Bound, Rhs};
use crate::error::{Code, Error, Result};
use crate::plan::{CompareOp, Predicate, Scalar};
use crate::queryset::Value;

impl Binder<'_> {
    pub(super) fn tuple_values(
        &self,
        parts: &[Scalar],
        lhs: &Bound,
        values: Vec<Rhs>,
    ) -> Result<Vec<Scalar>> {
        if parts.len() != values.len() {
            return Err(Error::new(
                Code::ValueError,
                format!("the lookup must have {} elements", parts.len()),
            ));
        }
        let targets = lhs
            .relation
            .as_ref()
            .map(|r| r.targets.clone())
            .unwrap_or_default();
        let mut out = Vec::with_capacity(values.len());
        for (i, (part, value)) in parts.iter().zip(values).enumerate() {
            let ty = match targets.get(i) {
                Some(target) => self.schema.key_target(*target)?.ty.clone(),
                None => part.ty(&self.columns)?,
            };
            let element = Bound::of(part.clone(), ty);
            out.push(match value {
                Rhs::Value(value) => self.rhs_literal(&element, &value)?,
                Rhs::Scalar(bound) => bound.scalar,
                _ => {
                    return Err(Error::new(
                        Code::ValueError,
                        "Composite field lookups only work with composite expressions.",
                    ));
                }
            });
        }
        Ok(out)
    }

    pub(super) fn tuple_of(&self, name: &str, rhs: Rhs, arity: usize) -> Result<Vec<Rhs>> {
        match rhs {
            Rhs::Value(Value::List(values)) => Ok(values.into_iter().map(Rhs::Value).collect()),
            Rhs::List(items) => Ok(items),
            Rhs::Scalar(Bound {
                scalar: Scalar::List(parts),
                ..
            }) => parts
                .into_iter()
                .map(|s| self.typed(s).map(Rhs::Scalar))
                .collect(),
            _ => Err(Error::new(
                Code::ValueError,
                format!("'{name}' lookup of a key of {arity} columns must be a tuple or a list"),
            )),
        }
    }

    pub(super) fn tuple_compare(
        &mut self,
        _q: QueryId,
        op: CompareOp,
        name: &str,
        parts: Vec<Scalar>,
        lhs: &Bound,
        rhs: Rhs,
    ) -> Result<Condition> {
        if let Rhs::Query { id, explicit } = rhs {
            if name != "exact" {
                return Err(Error::new(
                    Code::ValueError,
                    format!("'{name}' doesn't support multi-column subqueries."),
                ));
            }
            self.check_one(id, name, explicit)?;
            if !explicit && self.q(id)?.selected.is_none() {
                let pk = self.schema.model(self.q(id)?.model)?.pk;
                let received = self.unnest(pk)?.len();
                if received != parts.len() {
                    return Err(Error::new(
                        Code::ValueError,
                        format!(
                            "The QuerySet value for the exact lookup must have {} selected fields (received {received})",
                            parts.len()
                        ),
                    ));
                }
            }
            return self.in_query(lhs, id, explicit).map_err(|e| {
                if e.code() == Code::ValueError {
                    Error::new(Code::ValueError, e.message().replace("'in'", "exact"))
                } else {
                    e
                }
            });
        }
        let values = self.tuple_of(name, rhs, parts.len())?;
        let values = self.tuple_values(&parts, lhs, values)?;
        let pairs: Vec<(Scalar, Scalar)> = parts.into_iter().zip(values).collect();
        let compare = |op: CompareOp, (lhs, rhs): &(Scalar, Scalar)| Predicate::Compare {
            op,
            lhs: lhs.clone(),
            rhs: rhs.clone(),
        };
        if op == CompareOp::Eq {
            return Ok(
                conjunction(pairs.iter().map(|p| compare(CompareOp::Eq, p)).collect()).into(),
            );
        }
        // (a, b) < (x, y) is a < x or a = x and b < y.
        let strict = match op {
            CompareOp::Lt | CompareOp::Lte => CompareOp::Lt,
            _ => CompareOp::Gt,
        };
        let mut branches = Vec::with_capacity(pairs.len());
        for i in 0..pairs.len() {
            let mut all: Vec<Predicate> = pairs
                .iter()
                .take(i)
                .map(|p| compare(CompareOp::Eq, p))
                .collect();
            if let Some(last) = pairs.get(i) {
                let here = if i + 1 == pairs.len() { op } else { strict };
                all.push(compare(here, last));
            }
            branches.push(conjunction(all));
        }
        Ok(Predicate::Or(branches).into())
    }

    pub(super) fn tuple_in(
        &mut self,
        _q: QueryId,
        parts: Vec<Scalar>,
        lhs: &Bound,
        items: Vec<Rhs>,
    ) -> Result<Condition> {
        let mut branches = Vec::with_capacity(items.len());
        for item in items {
            let values = self.tuple_of("in", item, parts.len())?;
            if values.iter().any(|v| matches!(v, Rhs::Value(Value::Null))) {
                continue;
            }
            let values = self.tuple_values(&parts, lhs, values)?;
            branches.push(conjunction(
                parts
                    .iter()
                    .cloned()
                    .zip(values)
                    .map(|(lhs, rhs)| Predicate::Compare {
                        op: CompareOp::Eq,
                        lhs,
                        rhs,
                    })
                    .collect(),
            ));
        }
        Ok(match branches.len() {
            0 => Predicate::FALSE,
            1 => conjunction(branches),
            _ => Predicate::Or(branches),
        }
        .into())
    }
}
