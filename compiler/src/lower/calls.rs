//! The border to the registry of functions: arguments with their facts go in, expressions and accumulators come out.

use std::sync::Arc;

use super::Lowerer;
use super::scope::{Scope, Val};
use crate::error::Result;
use crate::functions::{LoweredAggregate, LoweredArg, LoweredCall, LoweredKey};
use crate::mql::{Accumulator, Expr};
use crate::plan::{AggregateCall, Scalar, SortKey};
use crate::queryset::ArithmeticOp;
use crate::schema::{FieldType, StorageFamily};

impl Lowerer<'_> {
    /// A value as an argument of a registered function.
    pub fn arg(val: Val) -> LoweredArg {
        LoweredArg {
            literal: val.literal().cloned(),
            expr: val.expr,
            ty: val.ty,
            nullable: val.nullable,
        }
    }

    pub fn lowered_args(&mut self, args: &[Scalar]) -> Result<Vec<LoweredArg>> {
        args.iter()
            .map(|a| Ok(Self::arg(self.scalar(a)?)))
            .collect()
    }

    pub fn lowered_keys(&mut self, keys: &[SortKey]) -> Result<Vec<LoweredKey>> {
        keys.iter()
            .map(|key| {
                let val = self.scalar(&key.scalar)?;
                Ok(LoweredKey {
                    expr: val.expr,
                    desc: key.desc,
                    nulls: key.nulls,
                    ty: val.ty,
                    nullable: val.nullable,
                })
            })
            .collect()
    }

    /// A function of the registry.
    pub fn call(
        &mut self,
        function: &str,
        args: &[Scalar],
        options: &indexmap::IndexMap<String, crate::queryset::Value>,
        ty: &Arc<FieldType>,
    ) -> Result<Val> {
        let args = self.lowered_args(args)?;
        // The server computes constants before it looks at a guard around them, and many operators refuse null.
        if self.registry.null_rule(function).rejects_null() && args.iter().any(is_null) {
            return Ok(Val {
                expr: Expr::null(),
                ty: ty.clone(),
                nullable: true,
                array: super::scalar::array_of(ty),
            });
        }
        let nullable = self
            .registry
            .nullable(function, args.iter().map(|a| a.nullable));
        let expr = self.registry.lower_call(
            &LoweredCall {
                function,
                args: &args,
                options,
                ty,
            },
            self.target,
        )?;
        Ok(Val {
            expr,
            ty: ty.clone(),
            nullable,
            array: super::scalar::array_of(ty),
        })
    }

    /// `lhs op rhs`.
    pub fn arithmetic(
        &mut self,
        op: ArithmeticOp,
        lhs: &Scalar,
        rhs: &Scalar,
        ty: &Arc<FieldType>,
    ) -> Result<Val> {
        let l = Self::arg(self.scalar(lhs)?);
        let r = Self::arg(self.scalar(rhs)?);
        // Division by zero and the like give NULL.
        let partial = !matches!(
            op,
            ArithmeticOp::Add | ArithmeticOp::Sub | ArithmeticOp::Mul
        );
        let nullable = partial || l.nullable || r.nullable;
        let expr = self
            .registry
            .lower_arithmetic(op, &l, &r, ty, self.target)?;
        Ok(Val {
            expr,
            ty: ty.clone(),
            nullable,
            array: super::scalar::array_of(ty),
        })
    }

    /// The accumulators of an aggregate, added to `fields`, and its value after the group.
    pub fn call_aggregate(
        &mut self,
        call: &AggregateCall,
        filter: Option<Expr>,
        name: &str,
        after: &mut Scope,
        fields: &mut Vec<(String, Accumulator)>,
    ) -> Result<Expr> {
        let args = self.lowered_args(&call.args)?;
        let order = self.lowered_keys(&call.order)?;
        let mut names = || after.fresh(name);
        let grouped = self.registry.lower_aggregate(
            &LoweredAggregate {
                function: &call.function,
                args: &args,
                distinct: call.distinct,
                filter,
                order: &order,
                options: &call.options,
                ty: &call.ty,
                never_null: call.never_null,
                always_there: false,
            },
            &mut names,
            self.target,
        )?;
        // Accumulators that are not the value leave its name to it.
        let mut grouped = grouped;
        if !grouped.is_plain() {
            for (i, (key, accumulator)) in grouped.fields.iter_mut().enumerate() {
                let what = match (accumulator.op, i) {
                    ("$sum", 0) => "sum",
                    ("$sum", 1) => "count",
                    _ => "values",
                };
                after.release(key);
                let new = after.fresh(&format!("{name}_{what}"));
                grouped.value.rename_root(key, &new);
                *key = new;
            }
        }
        // An accumulator that is there already serves again.
        let mut value = grouped.value;
        for (key, accumulator) in grouped.fields {
            match fields.iter().find(|(_, known)| *known == accumulator) {
                Some((known, _)) => {
                    value.rename_root(&key, known);
                    after.release(&key);
                }
                None => fields.push((key, accumulator)),
            }
        }
        Ok(value)
    }
}

/// The literal NULL. A null of JSON is a value.
fn is_null(arg: &LoweredArg) -> bool {
    arg.literal == Some(bson::Bson::Null) && arg.ty.kind.family() != StorageFamily::Json
}
