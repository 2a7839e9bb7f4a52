//! Subqueries as `$lookup` in front of the stage that needs them.
//!
//! | file | holds |
//! |---|---|
//! | `correlation` | the equality with an outer row that becomes `localField` and `foreignField` |
//! | `aggregate` | aggregates without groups, alone and several of the same rows together |
//! | `beside` | several fields of the same row in one look-up |

mod aggregate;
mod beside;
mod correlation;

use std::sync::Arc;

use bson::Bson;

use super::Lowerer;
use super::filter::constant;
use super::rel::{is_empty, is_one, unordered};
use super::scope::{Kind, Val, include};
use crate::error::{Error, Result};
use crate::mql::{Expr, FieldOp, Filter, Projection, Stage};
use crate::plan::facts::Nulls;
use crate::plan::{
    ArrayFact, Columns, Counterparts, Definitions, Predicate, Rel, Scalar, SubKind, SubPlan,
    counterparts, substitute_scalar,
};
use aggregate::over_aggregate;

impl Lowerer<'_> {
    /// A subquery has a row, or has none.
    pub fn exists(&mut self, sub: &SubPlan, want: bool) -> Result<Filter> {
        Ok(match self.existence(sub)? {
            Existence::Known(value) => constant(value == want),
            Existence::Rows(path) => {
                let none = Bson::Array(Vec::new());
                let op = if want {
                    FieldOp::Ne(none)
                } else {
                    FieldOp::Eq(none)
                };
                Filter::field(path, op)
            }
        })
    }

    pub fn exists_expr(&mut self, sub: &SubPlan, want: bool) -> Result<Expr> {
        Ok(match self.existence(sub)? {
            Existence::Known(value) => Expr::lit(value == want),
            Existence::Rows(path) => {
                let op = if want { "$ne" } else { "$eq" };
                Expr::list(op, [Expr::field([path]), Expr::Array(Vec::new())])
            }
        })
    }

    /// `IN` a subquery: some row is equal, or no row could be.
    pub fn in_subquery(&mut self, lhs: &[Scalar], sub: &SubPlan, want: bool) -> Result<Filter> {
        let exists = self.membership(lhs, sub, want)?;
        self.exists(&exists, want)
    }

    pub fn in_subquery_expr(&mut self, lhs: &[Scalar], sub: &SubPlan, want: bool) -> Result<Expr> {
        let exists = self.membership(lhs, sub, want)?;
        self.exists_expr(&exists, want)
    }

    /// The subquery of the rows that make `lhs IN sub` true; or, to show that it is false, those that keep it from
    /// being false: equal, or not comparable because of NULL.
    fn membership(&mut self, lhs: &[Scalar], sub: &SubPlan, want: bool) -> Result<SubPlan> {
        // Also where the subquery has no joined row.
        let nulls = Nulls::new(self.columns).of(&sub.rel);
        let mut conditions = Vec::new();
        for (outer, inner) in lhs.iter().zip(&sub.columns) {
            let equal = Predicate::equal(inner.clone(), outer.clone());
            let mut either = vec![equal];
            if !want {
                if self.operand(outer)?.nullable {
                    either.push(Predicate::IsNull(outer.clone()));
                }
                if nulls.nullable_scalar(inner) {
                    either.push(Predicate::IsNull(inner.clone()));
                }
            }
            conditions.push(if either.len() == 1 {
                either.remove(0)
            } else {
                Predicate::Or(either)
            });
        }
        Ok(SubPlan {
            kind: SubKind::Exists,
            rel: Rel::Filter {
                input: Box::new(unordered(&sub.rel).clone()),
                predicate: Predicate::And(conditions),
            },
            columns: Vec::new(),
            ty: sub.ty.clone(),
        })
    }

    fn existence(&mut self, sub: &SubPlan) -> Result<Existence> {
        let rel = unordered(&sub.rel);
        if is_empty(rel) {
            return Ok(Existence::Known(false));
        }
        if let Rel::Aggregate { keys, .. } = rel
            && keys.is_empty()
        {
            return Ok(Existence::Known(true));
        }
        if let Some(val) = self.known_subquery(sub)? {
            return Ok(Existence::Rows(val.path().unwrap_or_default()));
        }
        let name = self.run(rel.clone(), "exists", None, |l| {
            l.push(Stage::Limit(1))?;
            l.push(include(&["_id".to_owned()]))
        })?;
        let val = Val {
            expr: Expr::field([&name]),
            ty: sub.ty.clone(),
            nullable: false,
            array: ArrayFact::Yes,
        };
        self.scope()?.subqueries.push((sub.clone(), val));
        Ok(Existence::Rows(name))
    }

    /// The value of an equal subquery that is there already.
    fn known_subquery(&mut self, sub: &SubPlan) -> Result<Option<Val>> {
        let columns = self.columns;
        let known = &self.scope()?.subqueries;
        Ok(known
            .iter()
            .find(|(other, _)| same(other, sub, columns))
            .map(|(_, val)| val.clone()))
    }

    /// The value of a scalar subquery or an array of values.
    pub fn subquery_value(&mut self, sub: &SubPlan) -> Result<Val> {
        if sub.kind == SubKind::Exists {
            return Ok(Val {
                expr: self.exists_expr(sub, true)?,
                ty: sub.ty.clone(),
                nullable: false,
                array: ArrayFact::No,
            });
        }
        if let Some(val) = self.known_subquery(sub)? {
            return Ok(val);
        }
        let [column] = sub.columns.as_slice() else {
            return Err(Error::internal("a subquery used as a value has one column"));
        };
        let many = matches!(sub.kind, SubKind::Array | SubKind::Set);
        let beside = if many {
            None
        } else {
            self.beside(sub, column)?
        };
        let val = if let Some(expr) = beside {
            value(expr, sub, many)
        } else if is_empty(&sub.rel) {
            let expr = if many {
                Expr::Array(Vec::new())
            } else {
                Expr::null()
            };
            value(expr, sub, many)
        } else if !many && let Some((extends, aggregate)) = over_aggregate(&sub.rel) {
            self.aggregate_value(sub, &extends, aggregate, column)?
        } else {
            let mut key = String::new();
            let name = self.run(sub.rel.clone(), "rows", Some(column), |l| {
                if !many && !is_one(&sub.rel) {
                    l.push(Stage::Limit(1))?;
                }
                key = l.select(column, many)?;
                Ok(())
            })?;
            if !many {
                self.scope()?.single.push(name.clone());
            }
            let values = Expr::field([name, key]);
            let expr = if many {
                values
            } else {
                Expr::one("$first", values)
            };
            value(expr, sub, many)
        };
        self.scope()?.subqueries.push((sub.clone(), val.clone()));
        Ok(val)
    }

    /// Projects the documents of a subquery to its column and returns its key.
    fn select(&mut self, column: &Scalar, nulls: bool) -> Result<String> {
        let val = self.scalar(column)?;
        if let Expr::Field(path) = &val.expr
            && let [key] = &**path
            && !(nulls && val.nullable)
        {
            let key = key.clone();
            self.push(include(std::slice::from_ref(&key)))?;
            return Ok(key.into());
        }
        let expr = if nulls && val.nullable && val.expr.may_be_missing() {
            Expr::list("$ifNull", [val.expr, Expr::null()])
        } else {
            val.expr
        };
        self.push(Stage::Project(vec![
            ("value".to_owned(), Projection::Expr(expr)),
            ("_id".to_owned(), Projection::Exclude),
        ]))?;
        Ok("value".to_owned())
    }

    /// Appends the `$lookup` of a subquery whose pipeline `finish` completes, and returns the name of its array.
    fn run(
        &mut self,
        mut rel: Rel,
        suffix: &str,
        column: Option<&Scalar>,
        finish: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<String> {
        let purpose = self.purpose.take();
        let fields = self.correlation(&mut rel)?;
        // Its stages are its own.
        let matching = std::mem::replace(&mut self.matching, false);
        let any = suffix == "exists";
        let fields = self.side_by_side(&mut rel, fields, column, any)?;
        self.begin(Kind::Lookup);
        let inner = self.rel(&rel).and_then(|()| finish(self));
        let scope = self.end()?;
        inner?;
        self.matching = matching;
        let base = match (&purpose, &scope.collection) {
            (Some(name), _) => format!("{name}_{suffix}"),
            (None, Some(collection)) => {
                let name = collection.rsplit('_').next().unwrap_or(collection);
                format!("{name}_{suffix}")
            }
            (None, None) => suffix.to_owned(),
        };
        let into = self.fresh(&base)?;
        let lookup = scope.into_lookup(fields, into.clone());
        self.push(lookup)?;
        self.purpose = purpose;
        Ok(into)
    }
}

enum Existence {
    Known(bool),
    /// At this path is an array of at most one row.
    Rows(String),
}

fn value(expr: Expr, sub: &SubPlan, many: bool) -> Val {
    Val {
        expr,
        ty: Arc::clone(&sub.ty),
        nullable: !many,
        array: if many {
            ArrayFact::Yes
        } else {
            super::scalar::array_of(&sub.ty)
        },
    }
}

/// Whether two subqueries have the same value.
fn same(a: &SubPlan, b: &SubPlan, columns: &Columns) -> bool {
    if a == b {
        return true;
    }
    if a.kind != b.kind || a.columns.len() != b.columns.len() {
        return false;
    }
    let Some(names) = counterparts(&a.rel, &b.rel, columns) else {
        return false;
    };
    let names = definitions(&names);
    a.columns.iter().zip(&b.columns).all(|(a, b)| {
        let mut b = b.clone();
        substitute_scalar(&mut b, &names);
        *a == b
    })
}

fn definitions(names: &Counterparts) -> Definitions {
    names
        .iter()
        .map(|(from, to)| (*from, Scalar::Column(*to)))
        .collect()
}
