//! Subqueries, and the right-hand sides of lookups.

use super::expr::plain;
use super::filter::FilterContext;
use super::query::QueryId;
use super::{Binder, Bound, Resolve, Rhs};
use crate::error::{Code, Error, Result};
use crate::plan::{Scalar, SubKind, SubPlan};
use crate::queryset::{Expr, SubqueryExpr};
use crate::schema::{FieldKind, FieldType};
use std::sync::Arc;

impl Binder<'_> {
    pub(super) fn subquery(
        &mut self,
        q: QueryId,
        sub: &SubqueryExpr,
        kind: SubKind,
        cx: &mut Resolve,
    ) -> Result<Bound> {
        self.outer_reuse.push((q, cx.reuse.clone()));
        let inner = self.queryset(&sub.queryset, Some(q));
        if let Some((_, used)) = self.outer_reuse.pop() {
            cx.reuse = used;
        }
        let inner = inner.map_err(|e| e.inside("queryset"))?;
        let output = match &sub.output {
            Some(output) => Some(Arc::new(self.key_type(output)?)),
            None => None,
        };
        let plan = self.finish_subquery(inner, kind, output)?;
        let ty = plan.ty.clone();
        Ok(Bound::of(Scalar::Subquery(Box::new(plan)), ty))
    }

    /// A finished query as a subquery that selects values.
    pub(super) fn finish_subquery(
        &mut self,
        inner: QueryId,
        kind: SubKind,
        output: Option<Arc<FieldType>>,
    ) -> Result<SubPlan> {
        let (rel, columns) = self.finish_values(inner)?;
        let columns = if columns.len() > 1 && kind != SubKind::Set {
            return Err(Error::new(
                Code::OutputFieldIsNone,
                "Cannot resolve expression type, unknown output_field",
            )
            .with_hint("select one value: .values(\"field\")"));
        } else {
            columns
        };
        let first = match columns.first() {
            Some(scalar) => scalar.ty(&self.columns)?,
            None => plain(FieldKind::IntegerField),
        };
        let mut ty = match output {
            Some(ty) => (*ty).clone(),
            None if kind == SubKind::Array => {
                let mut array = FieldType::new(FieldKind::ArrayField);
                array.base = Some(first);
                array
            }
            None => (*first).clone(),
        };
        ty.null = true;
        Ok(SubPlan {
            kind,
            rel,
            columns,
            ty: Arc::new(ty),
        })
    }

    /// The right-hand side of a lookup: plain values stay plain, so that the left-hand side can prepare them.
    pub(super) fn resolve_rhs(
        &mut self,
        q: QueryId,
        rhs: &Expr,
        context: FilterContext,
        reuse: &mut super::Reuse,
    ) -> Result<Rhs> {
        Ok(match rhs {
            Expr::Value(value) => Rhs::Value(value.clone()),
            // `Value(None, JSONField())` is JSON's null, as a plain None is.
            Expr::Typed {
                value: crate::queryset::Value::Null,
                output,
            } if output.kind == FieldKind::JSONField => Rhs::Value(crate::queryset::Value::Null),
            Expr::List(items) => {
                let mut list = Vec::with_capacity(items.len());
                for (i, item) in items.iter().enumerate() {
                    list.push(
                        self.resolve_rhs(q, item, context, reuse)
                            .map_err(|e| e.inside(i).inside("list"))?,
                    );
                }
                Rhs::List(list)
            }
            Expr::Subquery(sub) => {
                self.outer_reuse.push((q, reuse.clone()));
                let inner = self.queryset(&sub.queryset, Some(q));
                if let Some((_, used)) = self.outer_reuse.pop() {
                    *reuse = used;
                }
                Rhs::Query {
                    id: inner.map_err(|e| e.inside("queryset").inside("subquery"))?,
                    explicit: sub.explicit,
                }
            }
            other => {
                let mut cx = Resolve {
                    allow_joins: context.allow_joins,
                    reuse: reuse.clone(),
                    summarize: context.summarize,
                };
                let before = std::mem::replace(&mut self.lenient, true);
                let bound = self.resolve(q, other, &mut cx);
                self.lenient = before;
                let bound = bound?;
                *reuse = cx.reuse;
                Rhs::Scalar(bound)
            }
        })
    }
}
