//! Expressions: references, literals, functions, aggregates, windows, subqueries.

use std::sync::Arc;

use bson::Bson;

use super::filter::{FilterContext, conjunction, truth_of};
use super::path::{FinalField, PathError, split};
use super::query::{GroupBy, QueryId};
use super::{Binder, Bound, Definition, Resolve, Rhs};
use crate::error::{Code, Error, Result};
use crate::functions::{AggregateRequest, Call as FunctionCall};
use crate::plan::{
    ArrayFact, Column, ColumnId, Literal, Origin, Predicate, Scalar, SortKey, SubKind, SubPlan,
    WindowCall, WindowFrame,
};
use crate::queryset::{
    Aggregate, Case, Expr, Frame, Func, Order, OuterRef, Q, SubqueryExpr, Value, Window,
};
use crate::schema::{FieldKind, FieldType, StorageFamily};

impl Bound {
    /// NULL without a type.
    pub(super) fn untyped_null() -> Self {
        let ty = untyped();
        Bound::of(
            Scalar::Literal(Literal {
                value: Bson::Null,
                ty: ty.clone(),
            }),
            ty,
        )
    }

    /// A literal whose type its place decides.
    pub(super) fn is_untyped(&self) -> bool {
        is_untyped(&self.ty)
    }
}

/// The type of a literal `None`: only its place can tell. No field has a composite key without fields as type.
fn untyped() -> Arc<FieldType> {
    let mut ty = FieldType::new(FieldKind::GenericForeignKey);
    ty.null = true;
    Arc::new(ty)
}

pub(super) fn is_untyped(ty: &FieldType) -> bool {
    ty.kind == FieldKind::GenericForeignKey
}

/// A type without parameters.
pub(super) fn plain(kind: FieldKind) -> Arc<FieldType> {
    Arc::new(FieldType::new(kind))
}

impl Binder<'_> {
    /// An expression in a query.
    pub(super) fn resolve(&mut self, q: QueryId, expr: &Expr, cx: &mut Resolve) -> Result<Bound> {
        self.enter()?;
        let result = self.resolve_inner(q, expr, cx);
        self.leave();
        result
    }

    fn resolve_inner(&mut self, q: QueryId, expr: &Expr, cx: &mut Resolve) -> Result<Bound> {
        match expr {
            Expr::Value(value) => self.literal(value).map_err(|e| e.inside("value")),
            Expr::Typed { value, output } => self.typed_literal(value, output),
            Expr::F(path) => self
                .resolve_path(q, &split(path), cx)
                .map_err(|e| e.at("/f")),
            Expr::OuterRef(outer) => self.outer_ref(q, outer, cx),
            Expr::List(items) => {
                let mut list = Vec::with_capacity(items.len());
                for item in items {
                    list.push(self.resolve(q, item, cx)?.scalar);
                }
                let scalar = Scalar::List(list);
                let ty = scalar.ty(&self.columns)?;
                Ok(Bound::of(scalar, ty))
            }
            Expr::Not(inner) => {
                let bound = self.resolve(q, inner, cx).map_err(|e| e.inside("not"))?;
                if bound.ty.kind != FieldKind::BooleanField {
                    return Err(Error::new(
                        Code::TypeError,
                        "Cannot negate non-conditional expressions.",
                    ));
                }
                Ok(boolean(truth_of(bound.scalar).negate()))
            }
            Expr::Slice { expr, start, stop } => {
                let bound = self.resolve(q, expr, cx)?;
                let scalar =
                    self.registry
                        .slice(Self::arg(&bound), *start, *stop, &self.context())?;
                self.typed(scalar)
            }
            Expr::Combined { op, lhs, rhs } => {
                let l = self
                    .resolve(q, lhs, cx)
                    .map_err(|e| e.inside("lhs").inside("combined"))?;
                let r = self
                    .resolve(q, rhs, cx)
                    .map_err(|e| e.inside("rhs").inside("combined"))?;
                for side in [&l, &r] {
                    refuse_composite(side, "CombinedExpression")?;
                }
                let scalar = self.registry.combine(
                    *op,
                    Self::arg(&l),
                    Self::arg(&r),
                    None,
                    &self.context(),
                )?;
                self.typed(scalar)
            }
            Expr::Neg(inner) => {
                let bound = self.resolve(q, inner, cx).map_err(|e| e.inside("neg"))?;
                let scalar = self
                    .registry
                    .negate(Self::arg(&bound), None, &self.context())?;
                self.typed(scalar)
            }
            Expr::Func(func) => self.function(q, func, cx).map_err(|e| e.inside("func")),
            Expr::Aggregate(aggregate) => self
                .aggregate(q, aggregate, cx)
                .map_err(|e| e.inside("aggregate")),
            Expr::Window(window) => self.window(q, window, cx).map_err(|e| e.inside("window")),
            Expr::Case(case) => self.case(q, case, cx).map_err(|e| e.inside("case")),
            Expr::Q(condition) => {
                let predicate = self
                    .condition(q, condition, cx)
                    .map_err(|e| e.inside("q"))?;
                Ok(boolean(predicate))
            }
            Expr::Wrap { expr, output } => self.wrap(q, expr, output, cx),
            Expr::Compare { lookup, lhs, rhs } => {
                let l = self
                    .resolve(q, lhs, cx)
                    .map_err(|e| e.inside("lhs").inside("compare"))?;
                let rhs = self
                    .resolve_rhs(
                        q,
                        rhs,
                        FilterContext {
                            allow_joins: cx.allow_joins,
                            summarize: cx.summarize,
                            ..FilterContext::default()
                        },
                        &mut cx.reuse,
                    )
                    .map_err(|e| e.inside("rhs").inside("compare"))?;
                let condition = self.build_lookup(q, std::slice::from_ref(lookup), l, rhs)?;
                Ok(boolean(condition.predicate))
            }
            Expr::Transform { name, expr, text } => {
                let bound = self
                    .resolve(q, expr, cx)
                    .map_err(|e| e.inside("expr").inside("transform"))?;
                let mut bound = bound;
                if let Scalar::Json { text: nested, .. } = &mut bound.scalar
                    && *text
                    && *nested
                {
                    // `KT("a__b")` is text at its end only.
                    *nested = false;
                    bound.ty = plain(FieldKind::JSONField);
                }
                let mut result = self.try_transform(bound, name, &[])?;
                if *text && let Scalar::Json { text, .. } = &mut result.scalar {
                    *text = true;
                    result.ty = plain(FieldKind::TextField);
                }
                Ok(result)
            }
            Expr::Subquery(sub) => self
                .subquery(q, sub, SubKind::Scalar, cx)
                .map_err(|e| e.inside("subquery")),
            Expr::ArraySubquery(sub) => self
                .subquery(q, sub, SubKind::Array, cx)
                .map_err(|e| e.inside("array_subquery")),
            Expr::Exists(queryset) => {
                self.outer_reuse.push((q, cx.reuse.clone()));
                let inner = self.queryset(queryset, Some(q));
                if let Some((_, used)) = self.outer_reuse.pop() {
                    cx.reuse = used;
                }
                let inner = inner.map_err(|e| e.inside("exists"))?;
                let sub = self.finish_exists(inner)?;
                Ok(boolean(Predicate::Exists(Box::new(sub))))
            }
            Expr::FilteredRelation { .. } => Err(Error::new(
                Code::FieldError,
                "FilteredRelation stands in annotate() and alias() only",
            )),
            Expr::Star => Err(Error::new(Code::FieldError, "* stands in Count() only")),
            Expr::Raw(bson) => {
                let ty = plain(FieldKind::JSONField);
                Ok(Bound::of(Scalar::Raw(bson.clone(), ty.clone()), ty))
            }
        }
    }

    /// Gives a scalar its own type.
    pub(super) fn typed(&self, scalar: Scalar) -> Result<Bound> {
        let ty = scalar.ty(&self.columns)?;
        Ok(Bound::of(scalar, ty))
    }

    /// A literal with the type that its Python class suggests (`Value._resolve_output_field`).
    pub(super) fn literal(&self, value: &Value) -> Result<Bound> {
        let kind = match value {
            Value::Null => return Ok(Bound::untyped_null()),
            Value::Bool(_) => FieldKind::BooleanField,
            Value::Int(_) => FieldKind::IntegerField,
            Value::Float(_) => FieldKind::FloatField,
            Value::Str(_) => FieldKind::CharField,
            Value::DateTime(_) | Value::NaiveDateTime(_) => FieldKind::DateTimeField,
            Value::Date(_) => FieldKind::DateField,
            Value::Time(_) => FieldKind::TimeField,
            Value::Duration(_) => FieldKind::DurationField,
            Value::Decimal(_) => FieldKind::DecimalField,
            Value::Uuid(_) => FieldKind::UUIDField,
            Value::ObjectId(_) => FieldKind::ObjectIdField,
            Value::Binary { .. } => FieldKind::BinaryField,
            _ => FieldKind::JSONField,
        };
        let ty = plain(kind);
        let value = self.store(&ty, value)?;
        Ok(Bound::of(
            Scalar::Literal(Literal {
                value,
                ty: ty.clone(),
            }),
            ty,
        ))
    }

    fn typed_literal(&self, value: &Value, output: &FieldType) -> Result<Bound> {
        let ty = Arc::new(self.key_type(output)?);
        let stored = if *value == Value::Null {
            Bson::Null
        } else {
            let prepared = self.prepare(&ty, value)?;
            self.store(&ty, &prepared)?
        };
        Ok(Bound::of(
            Scalar::Literal(Literal {
                value: stored,
                ty: ty.clone(),
            }),
            ty,
        ))
    }

    /// A type with foreign keys replaced by the type of what they refer to.
    pub(super) fn key_type(&self, ty: &FieldType) -> Result<FieldType> {
        if ty.kind.family() != StorageFamily::Key {
            return Ok(ty.clone());
        }
        let Some(label) = &ty.to else {
            return Ok(FieldType::new(FieldKind::IntegerField));
        };
        let model = self.schema.find(label)?;
        let target = match &ty.to_field {
            Some(name) => match model.names.get(name) {
                Some(crate::schema::NameTarget::Field(f)) => *f,
                _ => model.pk,
            },
            None => model.pk,
        };
        let mut result = (*self.schema.key_target(target)?.ty).clone();
        result.null = ty.null;
        Ok(result)
    }

    /// A reference by path, Django's `resolve_ref`.
    pub(super) fn resolve_path(
        &mut self,
        q: QueryId,
        names: &[String],
        cx: &mut Resolve,
    ) -> Result<Bound> {
        if let Some((bound, used)) = self.annotation_of(q, names, cx.summarize)? {
            let whole = used == names.len();
            let first = names.first().is_some_and(|n| {
                self.q(q)
                    .is_ok_and(|query| query.annotations.contains_key(n))
            });
            if whole || first {
                if !cx.allow_joins {
                    self.check_no_joins(q, &bound.scalar)?;
                }
                let mut bound = bound;
                let start = if whole { used } else { 1 };
                for name in names.get(start..).unwrap_or(&[]) {
                    bound = self.try_transform(bound, name, &[])?;
                }
                return Ok(bound);
            }
        }
        let model = self.q(q)?.model;
        let alias = self.initial_alias(q)?;
        let info = match self.setup_joins(q, names, model, alias, cx.reuse.as_mut(), true) {
            Ok(info) => info,
            Err(PathError::Other(error)) => return Err(error),
            Err(PathError::Multi(_)) => {
                return Err(Error::internal("multi-valued relation where allowed"));
            }
        };
        let (targets, alias, joins) = self.trim_joins(q, &info)?;
        if !cx.allow_joins && joins.len() > 1 {
            return Err(Error::new(
                Code::FieldError,
                "Joined field references are not permitted in this query",
            ));
        }
        if targets.len() > 1 {
            return Err(Error::new(
                Code::FieldError,
                "Referencing multicolumn fields with F() objects isn't supported",
            ));
        }
        let mut bound = self.field_bound(q, alias, &targets, None)?;
        for name in &info.transforms {
            bound = self.try_transform(bound, name, &info.transforms)?;
        }
        if let Some(reuse) = &mut cx.reuse {
            reuse.extend(joins);
        }
        Ok(bound)
    }

    /// The annotation that a path starts with, and how many names it takes.
    pub(super) fn annotation_of(
        &self,
        q: QueryId,
        names: &[String],
        summarize: bool,
    ) -> Result<Option<(Bound, usize)>> {
        let query = self.q(q)?;
        if query.annotations.is_empty() {
            return Ok(None);
        }
        for used in 1..=names.len() {
            let name = names.get(..used).unwrap_or(names).join("__");
            if let Some(annotation) = query.annotations.get(&name) {
                if summarize && !query.selects(&name) {
                    return Err(Error::new(
                        Code::FieldError,
                        format!(
                            "Cannot aggregate over the '{name}' alias. Use annotate() to promote it."
                        ),
                    ));
                }
                let bound = self.typed(annotation.scalar.clone())?;
                return Ok(Some((bound, used)));
            }
        }
        Ok(None)
    }

    fn check_no_joins(&self, q: QueryId, scalar: &Scalar) -> Result<()> {
        let query = self.q(q)?;
        for column in self.columns_in(scalar) {
            if let Some(source) = self.columns.source_of(column)
                && query
                    .aliases
                    .iter()
                    .any(|a| a.source == source && a.join.is_some())
            {
                return Err(Error::new(
                    Code::FieldError,
                    "Joined field references are not permitted in this query",
                ));
            }
        }
        Ok(())
    }

    fn outer_ref(&mut self, q: QueryId, outer: &OuterRef, _cx: &mut Resolve) -> Result<Bound> {
        let mut at = q;
        for _ in 0..outer.levels {
            at = self.q(at)?.outer.ok_or_else(|| {
                Error::new(
                    Code::ValueError,
                    "This queryset contains a reference to an outer query and may only be used in a subquery.",
                )
                .at("/outer_ref")
            })?;
        }
        let position = self.outer_reuse.iter().rposition(|(id, _)| *id == at);
        let reuse = position
            .and_then(|i| self.outer_reuse.get(i))
            .and_then(|(_, r)| r.clone());
        let mut cx = Resolve {
            allow_joins: true,
            reuse,
            summarize: false,
        };
        let bound = self
            .resolve_path(at, &split(&outer.path), &mut cx)
            .map_err(|e| e.at("/outer_ref"))?;
        if let Some(slot) = position.and_then(|i| self.outer_reuse.get_mut(i)) {
            slot.1 = cx.reuse;
        }
        Ok(bound)
    }

    fn function(&mut self, q: QueryId, func: &Func, cx: &mut Resolve) -> Result<Bound> {
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
        self.q_mut(q)?.promote(joins)?;
        Ok(predicate)
    }

    fn aggregate(&mut self, q: QueryId, aggregate: &Aggregate, cx: &mut Resolve) -> Result<Bound> {
        let request = self.aggregate_request(q, aggregate, cx)?;
        let name = aggregate.name.clone();
        for arg in &request.args {
            let nested = if cx.summarize {
                let columns = self.columns_in(&arg.scalar);
                columns.iter().any(|id| self.summaries.contains(id))
            } else {
                self.contains_aggregate(q, &arg.scalar)
            };
            if nested {
                return Err(self.nested_aggregate(&name, aggregate));
            }
        }
        let resolved = self.registry.aggregate(request, &self.context())?;
        let column = self.define(
            q,
            aggregate.name.to_lowercase(),
            &resolved.call.ty.clone(),
            Definition::Aggregate(resolved.call.clone()),
        );
        self.typed(resolved.value(column))
    }

    fn nested_aggregate(&self, name: &str, aggregate: &Aggregate) -> Error {
        let inner = match aggregate.args.first() {
            Some(Expr::F(path)) => path.clone(),
            Some(Expr::Aggregate(inner)) => inner.name.clone(),
            _ => "expression".to_owned(),
        };
        Error::new(
            Code::FieldError,
            format!("Cannot compute {name}('{inner}'): '{inner}' is an aggregate"),
        )
    }

    fn aggregate_request(
        &mut self,
        q: QueryId,
        aggregate: &Aggregate,
        cx: &mut Resolve,
    ) -> Result<AggregateRequest> {
        let mut args = Vec::with_capacity(aggregate.args.len());
        for (i, arg) in aggregate.args.iter().enumerate() {
            if *arg == Expr::Star {
                if aggregate.filter.is_some() {
                    return Err(Error::new(
                        Code::ValueError,
                        "Star cannot be used with filter. Please specify a field.",
                    ));
                }
                continue;
            }
            let bound = self
                .resolve(q, arg, cx)
                .map_err(|e| e.inside(i).inside("args"))?;
            match bound.scalar {
                // Counting a composite key counts its first column.
                Scalar::List(parts) if aggregate.name == "Count" && !aggregate.distinct => {
                    if let Some(first) = parts.into_iter().next() {
                        let bound = self.typed(first)?;
                        args.push(Self::arg(&bound));
                    }
                }
                Scalar::List(_) if aggregate.name == "Count" => {
                    return Err(Error::new(
                        Code::ValueError,
                        "COUNT(DISTINCT) doesn't support composite primary keys",
                    ));
                }
                Scalar::List(_) => {
                    return Err(Error::new(
                        Code::ValueError,
                        format!(
                            "{} expression does not support composite primary keys.",
                            aggregate.name
                        ),
                    ));
                }
                _ => args.push(Self::arg(&bound)),
            }
        }
        let filter = match &aggregate.filter {
            Some(condition) => {
                let predicate = self
                    .condition(q, condition, cx)
                    .map_err(|e| e.inside("filter"))?;
                Some(predicate)
            }
            None => None,
        };
        let default = match &aggregate.default {
            Some(default) => {
                let bound = self
                    .resolve(q, default, cx)
                    .map_err(|e| e.inside("default"))?;
                Some(Self::arg(&bound))
            }
            None => None,
        };
        let order = self.order_keys_of(q, &aggregate.order_by, cx)?;
        let output = match &aggregate.output {
            Some(output) => Some(Arc::new(self.key_type(output)?)),
            None => None,
        };
        Ok(AggregateRequest {
            name: aggregate.name.clone(),
            args,
            distinct: aggregate.distinct,
            filter,
            default,
            order,
            options: aggregate.options.clone(),
            output,
        })
    }

    /// `ORDER BY` inside an aggregate or window.
    pub(super) fn order_keys_of(
        &mut self,
        q: QueryId,
        orders: &[Order],
        cx: &mut Resolve,
    ) -> Result<Vec<SortKey>> {
        let mut keys = Vec::with_capacity(orders.len());
        for (i, order) in orders.iter().enumerate() {
            let bound = self
                .resolve(q, &order.expr, cx)
                .map_err(|e| e.inside("expr").inside(i).inside("order_by"))?;
            keys.push(SortKey {
                scalar: bound.scalar,
                desc: order.desc,
                nulls: order.nulls,
            });
        }
        Ok(keys)
    }

    fn window(&mut self, q: QueryId, window: &Window, cx: &mut Resolve) -> Result<Bound> {
        let request = match &window.expr {
            Expr::Aggregate(aggregate) => self.aggregate_request(q, aggregate, cx)?,
            Expr::Func(func) => {
                self.registry.check_window(&func.name)?;
                let mut args = Vec::with_capacity(func.args.len());
                for (i, arg) in func.args.iter().enumerate() {
                    let bound = self
                        .resolve(q, arg, cx)
                        .map_err(|e| e.inside(i).inside("args"))?;
                    args.push(Self::arg(&bound));
                }
                AggregateRequest {
                    name: func.name.clone(),
                    args,
                    distinct: false,
                    filter: None,
                    default: None,
                    order: Vec::new(),
                    options: func.options.clone(),
                    output: match &func.output {
                        Some(output) => Some(Arc::new(self.key_type(output)?)),
                        None => None,
                    },
                }
            }
            _ => {
                return Err(Error::new(
                    Code::ValueError,
                    "Expression isn't compatible with OVER clauses.",
                ));
            }
        };
        self.registry.check_window(&request.name)?;
        let resolved = self.registry.aggregate(request, &self.context())?;
        let mut partition = Vec::with_capacity(window.partition_by.len());
        for (i, part) in window.partition_by.iter().enumerate() {
            let bound = self
                .resolve(q, part, cx)
                .map_err(|e| e.inside(i).inside("partition_by"))?;
            match bound.scalar {
                Scalar::List(parts) => partition.extend(parts),
                scalar => partition.push(scalar),
            }
        }
        let mut order = Vec::new();
        for key in self.order_keys_of(q, &window.order_by, cx)? {
            match key.scalar {
                Scalar::List(parts) => order.extend(parts.into_iter().map(|scalar| SortKey {
                    scalar,
                    desc: key.desc,
                    nulls: key.nulls,
                })),
                _ => order.push(key),
            }
        }
        let frame = window.frame.map(frame_of).transpose()?;
        let ty = resolved.call.ty.clone();
        let column = self.define(
            q,
            resolved.call.function.to_lowercase(),
            &ty,
            Definition::Window {
                call: WindowCall {
                    call: resolved.call.clone(),
                    frame,
                },
                partition,
                order,
            },
        );
        let value = resolved.value(column);
        match &window.output {
            Some(output) => {
                let ty = Arc::new(self.key_type(output)?);
                self.retyped(q, value, ty)
            }
            None => self.typed(value),
        }
    }

    fn case(&mut self, q: QueryId, case: &Case, cx: &mut Resolve) -> Result<Bound> {
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

    fn wrap(
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
            Scalar::Literal(literal) => Scalar::Literal(Literal {
                value: literal.value,
                ty: ty.clone(),
            }),
            Scalar::Call {
                function,
                args,
                options,
                ..
            } => Scalar::Call {
                function,
                args,
                options,
                ty: ty.clone(),
            },
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

    fn subquery(
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
                Code::FieldError,
                "Cannot resolve expression type, unknown output_field",
            ));
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
                let bound = self.resolve(q, other, &mut cx)?;
                *reuse = cx.reuse;
                Rhs::Scalar(bound)
            }
        })
    }

    /// Makes a column for a definition.
    pub(super) fn define(
        &mut self,
        q: QueryId,
        name: String,
        ty: &Arc<FieldType>,
        definition: Definition,
    ) -> ColumnId {
        let array = match ty.kind.family() {
            StorageFamily::Json | StorageFamily::Geo => ArrayFact::Maybe,
            StorageFamily::Array | StorageFamily::EmbeddedArray => ArrayFact::Yes,
            _ => ArrayFact::No,
        };
        let nullable = match &definition {
            Definition::Aggregate(call) => call.function != "Count",
            Definition::Computed(_) | Definition::Window { .. } => true,
        };
        let id = self.columns.add(Column {
            name,
            ty: ty.clone(),
            nullable,
            array,
            origin: Origin::Computed,
        });
        self.definitions.insert(id, (q, definition));
        id
    }

    /// An expression as a column: itself if it is one, else a computed column.
    pub(super) fn as_column(&mut self, q: QueryId, name: &str, scalar: Scalar) -> Result<ColumnId> {
        if let Scalar::Column(id) = scalar {
            return Ok(id);
        }
        let ty = scalar.ty(&self.columns)?;
        Ok(self.define(q, name.to_owned(), &ty, Definition::Computed(scalar)))
    }

    /// An annotation's value: trivial ones stand for themselves, others become a column, so that they are
    /// computed once however often they are used.
    pub(super) fn annotation_scalar(
        &mut self,
        q: QueryId,
        name: &str,
        scalar: Scalar,
    ) -> Result<Scalar> {
        Ok(match scalar {
            Scalar::Literal(_) | Scalar::List(_) => scalar,
            Scalar::Column(id) => {
                if self.definitions.contains_key(&id)
                    && let Some(column) = self.columns.get_mut(id)
                {
                    name.clone_into(&mut column.name);
                }
                Scalar::Column(id)
            }
            other => Scalar::Column(self.as_column(q, name, other)?),
        })
    }

    /// Whether an expression is a condition before it is resolved (Django's `conditional`).
    pub(super) fn is_conditional(&self, _q: QueryId, expr: &Expr) -> Result<bool> {
        Ok(!matches!(
            expr,
            Expr::F(_) | Expr::OuterRef(_) | Expr::List(_) | Expr::Star | Expr::Slice { .. }
        ) && match expr {
            Expr::Value(value) => matches!(value, Value::Bool(_)),
            Expr::Typed { output, .. } | Expr::Wrap { output, .. } => {
                output.kind == FieldKind::BooleanField
            }
            Expr::Combined { .. } | Expr::Neg(_) => false,
            _ => true,
        })
    }

    /// Refuses what cannot stand in a condition.
    pub(super) fn check_filterable(&self, _scalar: &Scalar) -> Result<()> {
        Ok(())
    }

    /// Columns that an expression reads, those of subqueries' outer references included.
    pub(super) fn columns_in(&self, scalar: &Scalar) -> Vec<ColumnId> {
        let mut found = Vec::new();
        super::finish::columns_of(crate::plan::Node::Scalar(scalar), &mut found);
        found
    }

    /// Reads an aggregate of the query.
    pub(super) fn contains_aggregate(&self, q: QueryId, scalar: &Scalar) -> bool {
        self.any_definition(q, &self.columns_in(scalar), &|d| {
            matches!(d, Definition::Aggregate(_))
        })
    }

    /// Reads a window function of the query.
    pub(super) fn contains_window(&self, q: QueryId, scalar: &Scalar) -> bool {
        self.any_definition(q, &self.columns_in(scalar), &|d| {
            matches!(d, Definition::Window { .. })
        })
    }

    /// Whether one of the columns, or what they are computed from, is defined so.
    pub(super) fn any_definition(
        &self,
        q: QueryId,
        columns: &[ColumnId],
        test: &dyn Fn(&Definition) -> bool,
    ) -> bool {
        columns.iter().any(|id| match self.definitions.get(id) {
            Some((owner, definition)) if *owner == q => {
                test(definition)
                    || match definition {
                        Definition::Computed(scalar) => {
                            self.any_definition(q, &self.columns_in(scalar), test)
                        }
                        _ => false,
                    }
            }
            _ => false,
        })
    }

    /// Adds annotations, as one `annotate()` or `alias()` call.
    pub(super) fn annotate(
        &mut self,
        q: QueryId,
        name: &str,
        expr: &Expr,
        selected: bool,
    ) -> Result<()> {
        check_alias(name)?;
        if let Expr::FilteredRelation {
            relation,
            condition,
        } = expr
        {
            return self.add_filtered_relation(q, name, relation, condition);
        }
        let mut cx = Resolve::annotation();
        let bound = self.resolve(q, expr, &mut cx)?;
        let scalar = self.annotation_scalar(q, name, bound.scalar)?;
        let contains = self.contains_aggregate(q, &scalar);
        let query = self.q_mut(q)?;
        if selected {
            if let Some(mask) = &mut query.mask {
                mask.insert(name.to_owned());
            }
        } else {
            let names: indexmap::IndexSet<String> = query
                .selected_annotations()
                .map(|(n, _)| n.clone())
                .filter(|n| n != name)
                .collect();
            query.mask = Some(names);
        }
        query
            .annotations
            .insert(name.to_owned(), super::query::Annotation { scalar });
        if selected
            && let Some(names) = &mut query.selected
            && !names.iter().any(|n| n == name)
        {
            names.push(name.to_owned());
        }
        if contains && query.group_by == GroupBy::None {
            self.q_mut(q)?.group_by = GroupBy::Model;
        }
        Ok(())
    }

    fn add_filtered_relation(
        &mut self,
        q: QueryId,
        name: &str,
        relation: &str,
        condition: &Q,
    ) -> Result<()> {
        if name.contains('.') {
            return Err(Error::new(
                Code::ValueError,
                format!("FilteredRelation doesn't support aliases with periods (got '{name}')."),
            ));
        }
        let model = self.q(q)?.model;
        let parts = split(relation);
        let path = match self.names_to_path(q, &parts, model, true, false) {
            Ok(path) => path,
            Err(PathError::Other(error)) => return Err(error),
            Err(PathError::Multi(_)) => {
                return Err(Error::internal("multi-valued relation where allowed"));
            }
        };
        if path.used < parts.len() {
            return Err(Error::new(
                Code::ValueError,
                format!(
                    "FilteredRelation's relation_name cannot contain lookups (got '{relation}')."
                ),
            ));
        }
        let mut lookups = Vec::new();
        lookups_of(condition, &mut lookups);
        if has_queryset(condition) {
            return Err(Error::new(
                Code::ValueError,
                "Passing a QuerySet within a FilteredRelation is not supported.",
            ));
        }
        for lookup in lookups {
            let names = split(&lookup);
            let found = match self.names_to_path(q, &names, model, true, false) {
                Ok(path) => path,
                Err(PathError::Other(error)) => return Err(error),
                Err(PathError::Multi(_)) => {
                    return Err(Error::internal("multi-valued relation where allowed"));
                }
            };
            let shift = if found.used == names.len() { 2 } else { 1 };
            let depth = found.used.saturating_sub(shift);
            for (i, part) in names.iter().take(depth).enumerate() {
                if parts.get(i).is_some_and(|p| p != part) {
                    return Err(Error::new(
                        Code::ValueError,
                        format!(
                            "FilteredRelation's condition doesn't support relations outside the '{relation}' (got '{lookup}')."
                        ),
                    ));
                }
            }
            if found.used > parts.len() + 1 {
                return Err(Error::new(
                    Code::ValueError,
                    format!(
                        "FilteredRelation's condition doesn't support nested relations deeper than the relation_name (got '{lookup}' for '{relation}')."
                    ),
                ));
            }
        }
        let condition = rename_prefix(condition, relation, name);
        self.q_mut(q)?.filtered_relations.insert(
            name.to_owned(),
            super::query::FilteredRelation {
                relation: relation.to_owned(),
                condition,
            },
        );
        Ok(())
    }

    /// The condition of a filtered relation, when its join is made.
    pub(super) fn filtered_condition(
        &mut self,
        q: QueryId,
        name: &str,
        reuse: super::Reuse,
    ) -> Result<Predicate> {
        let Some(relation) = self.q(q)?.filtered_relations.get(name).cloned() else {
            return Ok(Predicate::TRUE);
        };
        let mut reuse = reuse;
        let (predicate, _) = self.build_q(
            q,
            &relation.condition,
            FilterContext {
                split: false,
                update_join_types: false,
                ..FilterContext::default()
            },
            &mut reuse,
        )?;
        Ok(conjunction(vec![predicate]))
    }

    /// The end of a path as a bound value, for selections.
    pub(super) fn select_path(&mut self, q: QueryId, name: &str) -> Result<Bound> {
        let model = self.q(q)?.model;
        let alias = self.initial_alias(q)?;
        let names = split(name);
        let info = match self.setup_joins(q, &names, model, alias, None, true) {
            Ok(info) => info,
            Err(PathError::Other(error)) => return Err(error),
            Err(PathError::Multi(_)) => {
                return Err(Error::new(
                    Code::FieldError,
                    format!("Invalid field name: '{name}'"),
                ));
            }
        };
        let (targets, alias, _) = self.trim_joins(q, &info)?;
        let end: Option<FinalField> = None;
        let mut bound = self.field_bound(q, alias, &targets, end)?;
        for name in &info.transforms {
            bound = self.try_transform(bound, name, &info.transforms)?;
        }
        Ok(bound)
    }
}

/// Composite keys are values of lookups only.
fn refuse_composite(bound: &Bound, class: &str) -> Result<()> {
    if let Scalar::List(_) = bound.scalar {
        return Err(Error::new(
            Code::ValueError,
            format!("{class} expression does not support composite primary keys."),
        ));
    }
    Ok(())
}

/// A condition as a value.
pub(super) fn boolean(predicate: Predicate) -> Bound {
    let ty = plain(FieldKind::BooleanField);
    Bound::of(Scalar::Predicate(Box::new(predicate)), ty)
}

fn frame_of(frame: Frame) -> Result<WindowFrame> {
    use crate::queryset::{FrameExclusion, FrameUnit};
    if frame.exclude.is_some_and(|e| e != FrameExclusion::NoOthers) {
        return Err(Error::unsupported(
            "a window frame exclusion",
            "$setWindowFields has no form for it",
        ));
    }
    if frame.unit == FrameUnit::Rows
        && let (Some(start), Some(end)) = (frame.start, frame.end)
        && start > end
    {
        return Err(Error::new(
            Code::ValueError,
            "start cannot be greater than end.",
        ));
    }
    if frame.unit == FrameUnit::Range {
        if let Some(start) = frame.start.filter(|s| *s > 0) {
            return Err(Error::new(
                Code::ValueError,
                format!(
                    "start argument must be a negative integer, zero, or None, but got '{start}'."
                ),
            ));
        }
        if let Some(end) = frame.end.filter(|e| *e < 0) {
            return Err(Error::new(
                Code::ValueError,
                format!("end argument must be a positive integer, zero, or None, but got '{end}'."),
            ));
        }
    }
    if frame.unit == FrameUnit::Range
        && (frame.start.is_some_and(|s| s != 0) || frame.end.is_some_and(|e| e != 0))
    {
        return Err(Error::new(
            Code::NotSupported,
            "PostgreSQL only supports UNBOUNDED together with PRECEDING and FOLLOWING.",
        ));
    }
    Ok(WindowFrame {
        unit: frame.unit,
        start: frame.start,
        end: frame.end,
    })
}

/// Names that would be no column alias are refused (`Query.check_alias`).
pub(super) fn check_alias(name: &str) -> Result<()> {
    let forbidden = name
        .chars()
        .any(|c| c.is_whitespace() || c.is_control() || matches!(c, '\'' | '"' | '`' | ';' | '#'))
        || name.contains("--")
        || name.contains("/*")
        || name.contains("*/");
    if forbidden {
        return Err(Error::new(
            Code::ValueError,
            "Column aliases cannot contain whitespace characters, hashes, control characters, quotation marks, \
             semicolons, or SQL comments.",
        ));
    }
    Ok(())
}

fn lookups_of(condition: &Q, found: &mut Vec<String>) {
    match condition {
        Q::And(parts) | Q::Or(parts) | Q::Xor(parts) => {
            for part in parts {
                lookups_of(part, found);
            }
        }
        Q::Not(inner) => lookups_of(inner, found),
        Q::Lookup { path, .. } => found.push(path.clone()),
        Q::Expr(_) => {}
    }
}

fn has_queryset(condition: &Q) -> bool {
    match condition {
        Q::And(parts) | Q::Or(parts) | Q::Xor(parts) => parts.iter().any(has_queryset),
        Q::Not(inner) => has_queryset(inner),
        Q::Lookup { rhs, .. } => matches!(rhs, Expr::Subquery(_)),
        Q::Expr(_) => false,
    }
}

fn rename_prefix(condition: &Q, prefix: &str, name: &str) -> Q {
    match condition {
        Q::And(parts) => Q::And(
            parts
                .iter()
                .map(|p| rename_prefix(p, prefix, name))
                .collect(),
        ),
        Q::Or(parts) => Q::Or(
            parts
                .iter()
                .map(|p| rename_prefix(p, prefix, name))
                .collect(),
        ),
        Q::Xor(parts) => Q::Xor(
            parts
                .iter()
                .map(|p| rename_prefix(p, prefix, name))
                .collect(),
        ),
        Q::Not(inner) => Q::Not(Box::new(rename_prefix(inner, prefix, name))),
        Q::Lookup { path, rhs } => Q::Lookup {
            path: match path.strip_prefix(prefix) {
                Some(rest) => format!("{name}{rest}"),
                None => path.clone(),
            },
            rhs: rhs.clone(),
        },
        Q::Expr(expr) => Q::Expr(expr.clone()),
    }
}
