//! Scalar expressions.

use std::sync::Arc;

use bson::Bson;

use super::Lowerer;
use super::scope::{Val, get_field};
use crate::error::Result;
use crate::mql::Expr;
use crate::plan::facts::rejected;
use crate::plan::{ArrayFact, CompareOp, JsonStep, Predicate, Scalar};
use crate::schema::{FieldKind, FieldType, StorageFamily};

impl Lowerer<'_> {
    /// The value of a scalar in the current document.
    pub fn scalar(&mut self, scalar: &Scalar) -> Result<Val> {
        self.deeper(|l| l.scalar_of(scalar))
    }

    fn scalar_of(&mut self, scalar: &Scalar) -> Result<Val> {
        Ok(match scalar {
            Scalar::Column(id) => self.column(*id)?,
            Scalar::Literal(literal) => Val {
                nullable: literal.value == Bson::Null,
                array: array_of(&literal.ty),
                expr: Expr::Literal(literal.value.clone()),
                ty: literal.ty.clone(),
            },
            Scalar::Arithmetic { op, lhs, rhs, ty } => self.arithmetic(*op, lhs, rhs, ty)?,
            Scalar::Call(call) => self.call(&call.function, &call.args, &call.options, &call.ty)?,
            Scalar::Case {
                when,
                otherwise,
                ty,
            } => self.case(when, otherwise, ty)?,
            Scalar::Predicate(inner) => Val {
                nullable: self.can_be_unknown(inner)?,
                expr: self.value_expr(inner)?,
                ty: Arc::new(FieldType::new(FieldKind::BooleanField)),
                array: ArrayFact::No,
            },
            Scalar::Json { base, steps, text } => {
                let base = self.scalar(base)?;
                json(base, steps, *text)
            }
            Scalar::List(items) => {
                let mut exprs = Vec::new();
                for item in items {
                    let val = self.scalar(item)?;
                    // A missing member would shift the others.
                    exprs.push(if val.nullable && val.expr.may_be_missing() {
                        Expr::list("$ifNull", [val.expr, Expr::null()])
                    } else {
                        val.expr
                    });
                }
                Val {
                    expr: Expr::Array(exprs),
                    ty: scalar.ty(self.columns)?,
                    nullable: false,
                    array: ArrayFact::Yes,
                }
            }
            Scalar::Subquery(sub) => self.subquery_value(sub)?,
            Scalar::Raw(raw, ty) => Val {
                expr: Expr::Raw((**raw).clone()),
                ty: ty.clone(),
                nullable: true,
                array: array_of(ty),
            },
        })
    }

    fn case(
        &mut self,
        when: &[(Predicate, Scalar)],
        otherwise: &Scalar,
        ty: &Arc<FieldType>,
    ) -> Result<Val> {
        let mut branches = Vec::new();
        let mut nullable = false;
        let mut last = self.scalar(otherwise)?;
        // After a branch for NULL the others need not look for it.
        let mut there = Vec::new();
        for (condition, result) in null_first(when) {
            let test = self.assuming(&there, |l| l.truth_expr(condition, true))?;
            if let Predicate::IsNull(scalar) = condition {
                there.push(scalar.clone());
            }
            match test {
                Expr::Literal(Bson::Boolean(false)) => continue,
                Expr::Literal(Bson::Boolean(true)) => {
                    last = self.scalar(result)?;
                    break;
                }
                test => {
                    let val = self.scalar(result)?;
                    nullable |= val.nullable;
                    branches.push((test, val.expr));
                }
            }
        }
        nullable |= last.nullable;
        let expr = match branches.len() {
            0 => last.expr,
            1 => {
                let (test, yes) = branches.remove(0);
                Expr::cond(test, yes, last.expr)
            }
            _ => {
                let branches = branches
                    .into_iter()
                    .map(|(test, value)| {
                        Expr::Document(vec![("case".to_owned(), test), ("then".to_owned(), value)])
                    })
                    .collect();
                Expr::named(
                    "$switch",
                    [("branches", Expr::Array(branches)), ("default", last.expr)],
                )
            }
        };
        Ok(Val {
            expr,
            ty: ty.clone(),
            nullable,
            array: array_of(ty),
        })
    }
}

/// Whether values of a type can be arrays.
pub(super) fn array_of(ty: &FieldType) -> ArrayFact {
    match ty.kind.family() {
        StorageFamily::Array | StorageFamily::EmbeddedArray => ArrayFact::Yes,
        StorageFamily::Json => ArrayFact::Maybe,
        _ => ArrayFact::No,
    }
}

/// A key or element inside a JSON value. A path would enter arrays on its way; `$getField` does not.
fn json(base: Val, steps: &[JsonStep], text: bool) -> Val {
    let mut expr = base.expr;
    for step in steps {
        expr = match step {
            JsonStep::Key(key) => get_field(expr, key),
            JsonStep::Index(index) => {
                let element = Expr::list("$arrayElemAt", [expr.clone(), Expr::lit(*index)]);
                let key = get_field(expr.clone(), &index.to_string());
                Expr::cond(Expr::one("$isArray", expr), element, key)
            }
        };
    }
    let ty = if text {
        FieldKind::TextField
    } else {
        FieldKind::JSONField
    };
    let expr = if text { json_text(expr) } else { expr };
    Val {
        expr,
        ty: Arc::new(FieldType::new(ty)),
        nullable: true,
        array: if text {
            ArrayFact::No
        } else {
            ArrayFact::Maybe
        },
    }
}

/// A JSON value as text: strings as they are, JSON's null as NULL.
fn json_text(expr: Expr) -> Expr {
    Expr::named(
        "$convert",
        [
            ("input", expr),
            ("to", Expr::lit("string")),
            ("onError", Expr::null()),
            ("onNull", Expr::null()),
        ],
    )
}

/// Branches with one for NULL before those that would test for it and cannot be taken where it is.
fn null_first(when: &[(Predicate, Scalar)]) -> Vec<&(Predicate, Scalar)> {
    let mut branches: Vec<&(Predicate, Scalar)> = when.iter().collect();
    let found = when
        .iter()
        .enumerate()
        .find_map(|(at, (condition, _))| match condition {
            Predicate::IsNull(Scalar::Column(id)) => Some((at, *id)),
            _ => None,
        });
    if let Some((at, id)) = found
        && let Some(earlier) = when.get(..at)
        && earlier.iter().all(|(p, _)| rejected(p).contains(id))
        && earlier.iter().any(|(p, _)| tests_for_null(p))
        && let Some(first) = branches.get_mut(..=at)
    {
        first.rotate_right(1);
    }
    branches
}

/// A comparison that NULL, which is before everything, would meet.
fn tests_for_null(p: &Predicate) -> bool {
    matches!(
        p,
        Predicate::Compare {
            op: CompareOp::Lt | CompareOp::Lte | CompareOp::Ne,
            ..
        }
    )
}
