//! Conditions that compare a field of every element with one value from around: `year < x` holds for some element if it
//! holds for the least.

use bson::Bson;

use super::Lowerer;
use super::element::has_element;
use super::filter::{expression, opposite};
use super::leaf::{is_null_literal, operator, within};
use super::native::has_places;
use super::scope::Val;
use super::truth::junction;
use crate::error::Result;
use crate::mql::{Expr, FieldOp, Filter};
use crate::names::Path;
use crate::plan::{AnyElement, ArrayFact, CompareOp, Origin, Predicate, Scalar};
use crate::schema::StorageFamily;

/// A field of the elements against one value.
struct Bound<'a> {
    op: CompareOp,
    key: Path,
    value: &'a Scalar,
    /// Every element has a value.
    always: bool,
}

impl Lowerer<'_> {
    /// The filter of a condition that one value of all elements decides: the least, the greatest, or whether the value is
    /// among them. `$min` and `$max` leave out what is null or missing, and of nothing they are null.
    pub fn bound(&mut self, any: &AnyElement, array: &Val, want: bool) -> Result<Option<Filter>> {
        let Expr::Field(path) = &array.expr else {
            return Ok(None);
        };
        let Some(bound) = self.as_bound(any) else {
            return Ok(None);
        };
        let value = self.operand(bound.value)?;
        if is_null_literal(&value) {
            return Ok(None);
        }
        let values = Expr::Field(path.to(&bound.key));
        let mut vars = Vec::new();
        let (guard, value) = match bound.op {
            // No value is less than NULL, which is before all; but of no values the least is NULL.
            CompareOp::Lt | CompareOp::Lte if bound.always && has_places(array) => {
                (vec![has_element(path, 0, true)], value)
            }
            CompareOp::Lt | CompareOp::Lte => {
                let key = Filter::field(bound.key.dotted(), FieldOp::Ne(Bson::Null));
                let some = FieldOp::ElemMatch(Box::new(key));
                (vec![Filter::field(path.dotted(), some)], value)
            }
            // NULL is none of the values.
            CompareOp::Eq if bound.always => (Vec::new(), value),
            // NULL is greater than no value; but every value is greater than NULL.
            _ if !value.nullable => (Vec::new(), value),
            _ => match self.presence(bound.value, &value)? {
                Some(tests) => (tests, value),
                None => match value.scalar_path() {
                    Some(path) => (vec![Filter::field(path, FieldOp::Ne(Bson::Null))], value),
                    None => {
                        let value = self.shared(value, &mut vars);
                        (vec![Filter::Expr(value.is_not_null())], value)
                    }
                },
            },
        };
        let op = if want { bound.op } else { bound.op.opposite() };
        let test = match bound.op {
            CompareOp::Lt | CompareOp::Lte => {
                Expr::list(operator(op), [Expr::one("$min", values), value.expr])
            }
            CompareOp::Gt | CompareOp::Gte => {
                Expr::list(operator(op), [Expr::one("$max", values), value.expr])
            }
            CompareOp::Eq => {
                let values = match array.nullable {
                    true => Expr::list("$ifNull", [values, Expr::Array(Vec::new())]),
                    false => values,
                };
                let member = Expr::list("$in", [value.expr, values]);
                match want {
                    true => member,
                    false => Expr::list("$not", [member]),
                }
            }
            CompareOp::Ne => return Ok(None),
        };
        if let ([Filter::Expr(guard)], false) = (guard.as_slice(), vars.is_empty()) {
            let guard = match want {
                true => guard.clone(),
                false => Expr::list("$not", [guard.clone()]),
            };
            return Ok(Some(expression(within(
                vars,
                junction(vec![guard, test], want),
            ))));
        }
        let mut parts: Vec<Filter> = match want {
            true => guard,
            false => guard.into_iter().map(opposite).collect(),
        };
        parts.push(expression(test));
        Ok(Some(match want {
            true => Filter::all(parts),
            false => Filter::any(parts),
        }))
    }

    fn as_bound<'a>(&self, any: &'a AnyElement) -> Option<Bound<'a>> {
        let (None, [(given, value)]) = (any.range, any.given.as_slice()) else {
            return None;
        };
        let Predicate::Compare {
            op,
            lhs: Scalar::Column(column),
            rhs: Scalar::Column(rhs),
        } = &any.test
        else {
            return None;
        };
        if rhs != given || self.columns.source_of(*column) != Some(any.element) {
            return None;
        }
        // Numbers that are none, and texts by a collation, are compared one by one.
        let known = self.columns.get(*column).ok()?;
        let plain = matches!(
            known.ty.kind.family(),
            StorageFamily::Int
                | StorageFamily::Long
                | StorageFamily::Date
                | StorageFamily::DateTime
                | StorageFamily::Time
                | StorageFamily::Duration
        );
        let Origin::Stored { path: key, .. } = &known.origin else {
            return None;
        };
        let numbered = |key: &str| key.bytes().all(|b| b.is_ascii_digit());
        let single = plain && known.array == ArrayFact::No && !key.iter().any(|k| numbered(k));
        single.then_some(Bound {
            op: *op,
            key: key.clone(),
            value,
            always: !known.nullable,
        })
    }
}
