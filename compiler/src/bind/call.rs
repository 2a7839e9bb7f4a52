//! Functions, `Case`, `ExpressionWrapper`.

use super::filter::FilterContext;
use super::query::QueryId;
use super::{Binder, Bound, Definition, Resolve};
use crate::error::{Code, Error, Result};
use crate::functions::{COLLATE, Call as FunctionCall};
use crate::plan::{Node, Predicate, Scalar};
use crate::queryset::{Case, Expr, Func, Q};
use crate::schema::FieldType;
use std::sync::Arc;

impl Binder<'_> {
    pub(super) fn function(&mut self, q: QueryId, func: &Func, cx: &mut Resolve) -> Result<Bound> {
        if let Some(score) = self.search(q, func, cx)? {
            return Ok(score);
        }
        let mut args = Vec::with_capacity(func.args.len());
        for (i, arg) in func.args.iter().enumerate() {
            let bound = self
                .resolve(q, arg, cx)
                .map_err(|e| e.inside(i).inside("args"))?;
            if let Scalar::List(_) = &bound.scalar {
                return Err(Error::new(
                    Code::ValueError,
                    format!(
                        "{} expression does not support composite primary keys.",
                        func.name
                    ),
                ));
            }
            args.push(Self::arg(&bound));
        }
        let output = match &func.output {
            Some(output) => Some(Arc::new(self.key_type(output)?)),
            None => None,
        };
        if func.name == COLLATE {
            self.collate(func)?;
        }
        let scalar = self.registry.resolve(
            FunctionCall {
                name: func.name.clone(),
                args,
                options: func.options.clone(),
                output,
            },
            &self.context(),
        )?;
        self.typed(scalar)
    }

    /// A `Q` inside an expression: no anti-joins, and joins stay as wide as they were.
    pub(super) fn condition(
        &mut self,
        q: QueryId,
        condition: &Q,
        cx: &mut Resolve,
    ) -> Result<Predicate> {
        let (predicate, joins) = self.build_q(
            q,
            condition,
            FilterContext {
                allow_joins: cx.allow_joins,
                split: false,
                summarize: cx.summarize,
                ..FilterContext::default()
            },
            &mut cx.reuse,
        )?;
        self.q_mut(q)?.promote(joins.iter())?;
        self.no_search(q, Node::Predicate(&predicate))?;
        Ok(predicate)
    }

    pub(super) fn case(&mut self, q: QueryId, case: &Case, cx: &mut Resolve) -> Result<Bound> {
        let mut when = Vec::with_capacity(case.when.len());
        let mut types = Vec::new();
        for (i, branch) in case.when.iter().enumerate() {
            let condition = self
                .condition(q, &branch.condition, cx)
                .map_err(|e| e.inside("if").inside(i).inside("when"))?;
            let then = self
                .resolve(q, &branch.then, cx)
                .map_err(|e| e.inside("then").inside(i).inside("when"))?;
            refuse_composite(&then, "When")?;
            types.push((!then.is_untyped()).then(|| then.ty.clone()));
            when.push((condition, then.scalar));
        }
        let otherwise = match &case.default {
            Some(default) => {
                let bound = self.resolve(q, default, cx).map_err(|e| e.inside("else"))?;
                refuse_composite(&bound, "Case")?;
                types.push((!bound.is_untyped()).then(|| bound.ty.clone()));
                bound.scalar
            }
            None => Bound::untyped_null().scalar,
        };
        let ty = match &case.output {
            Some(output) => Arc::new(self.key_type(output)?),
            None => match self.registry.infer(&types)? {
                Some(ty) => ty,
                None => {
                    return Err(Error::new(
                        Code::OutputFieldIsNone,
                        "Cannot resolve expression type, unknown output_field",
                    ));
                }
            },
        };
        Ok(Bound::of(
            Scalar::Case {
                when,
                otherwise: Box::new(otherwise),
                ty: ty.clone(),
            },
            ty,
        ))
    }

    pub(super) fn wrap(
        &mut self,
        q: QueryId,
        expr: &Expr,
        output: &FieldType,
        cx: &mut Resolve,
    ) -> Result<Bound> {
        let ty = Arc::new(self.key_type(output)?);
        match expr {
            Expr::Combined { op, lhs, rhs } => {
                let l = self.resolve(q, lhs, cx).map_err(|e| {
                    e.inside("lhs")
                        .inside("combined")
                        .inside("expr")
                        .inside("wrap")
                })?;
                let r = self.resolve(q, rhs, cx).map_err(|e| {
                    e.inside("rhs")
                        .inside("combined")
                        .inside("expr")
                        .inside("wrap")
                })?;
                let scalar = self.registry.combine(
                    *op,
                    Self::arg(&l),
                    Self::arg(&r),
                    Some(ty),
                    &self.context(),
                )?;
                self.typed(scalar)
            }
            _ => {
                let bound = self
                    .resolve(q, expr, cx)
                    .map_err(|e| e.inside("expr").inside("wrap"))?;
                self.retyped(q, bound.scalar, ty)
            }
        }
    }

    /// The same value under another type (`ExpressionWrapper` does not convert).
    pub(super) fn retyped(
        &mut self,
        q: QueryId,
        scalar: Scalar,
        ty: Arc<FieldType>,
    ) -> Result<Bound> {
        let scalar = match scalar {
            Scalar::Literal(mut literal) => {
                literal.ty = ty.clone();
                Scalar::Literal(literal)
            }
            Scalar::Call(mut call) => {
                call.ty = ty.clone();
                Scalar::Call(call)
            }
            Scalar::Case {
                when, otherwise, ..
            } => Scalar::Case {
                when,
                otherwise,
                ty: ty.clone(),
            },
            other => {
                let current = other.ty(&self.columns)?;
                if current.kind == ty.kind {
                    other
                } else {
                    Scalar::Column(self.define(
                        q,
                        "value".to_owned(),
                        &ty,
                        Definition::Computed(other),
                    ))
                }
            }
        };
        Ok(Bound::of(scalar, ty))
    }
}

/// Composite keys are values of lookups only.
pub(super) fn refuse_composite(bound: &Bound, class: &str) -> Result<()> {
    if let Scalar::List(_) = bound.scalar {
        return Err(Error::new(
            Code::ValueError,
            format!("{class} expression does not support composite primary keys."),
        ));
    }
    Ok(())
}
