//! Expressions: references, literals, functions, aggregates, windows, subqueries.

use std::sync::Arc;

use bson::Bson;

use super::call::refuse_composite;
use super::filter::{FilterContext, truth_of};
use super::path::{FinalField, JoinInfo, PathError, split};
use super::query::QueryId;
use super::{Binder, Bound, Resolve};
use crate::error::{Code, Error, Result};
use crate::plan::{Literal, Node, Predicate, Scalar, SubKind};
use crate::queryset::{Expr, OuterRef, Value};
use crate::schema::{FieldKind, FieldType, StorageFamily};

impl Bound {
    /// NULL without a type.
    pub(super) fn untyped_null() -> Self {
        let ty = untyped();
        Bound::of(
            Scalar::from(Literal {
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
                if let Scalar::Column(id) = bound.scalar {
                    self.no_search(q, Node::Predicate(&Predicate::Bool(Scalar::Column(id))))?;
                }
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
                let condition = self.build_lookup(q, &[lookup.as_str()], l, rhs)?;
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
                Ok(Bound::of(
                    Scalar::Raw(Box::new(bson.clone()), ty.clone()),
                    ty,
                ))
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
            Scalar::from(Literal {
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
            Scalar::from(Literal {
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
        names: &[&str],
        cx: &mut Resolve,
    ) -> Result<Bound> {
        if let Some((bound, used)) = self.annotation_of(q, names, cx.summarize)? {
            let whole = used == names.len();
            let first = names.first().is_some_and(|n| {
                self.q(q)
                    .is_ok_and(|query| query.annotations.contains_key(*n))
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
        // The end of a reverse relation is the other model's key, whatever its columns.
        let reverse_key =
            joins.len() > 1 && matches!(info.end, FinalField::Relation(by) if by.reverse);
        if targets.len() > 1 && !reverse_key {
            return Err(Error::new(
                Code::FieldError,
                "Referencing multicolumn fields with F() objects isn't supported",
            ));
        }
        let mut bound = self.field_bound(q, alias, &targets, None)?;
        bound = self.path_transforms(q, bound, &info, names)?;
        if let Some(reuse) = &mut cx.reuse {
            reuse.extend(joins.iter().copied());
        }
        Ok(bound)
    }

    /// The annotation that a path starts with, and how many names it takes.
    pub(super) fn annotation_of(
        &self,
        q: QueryId,
        names: &[&str],
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

    pub(super) fn check_no_joins(&self, q: QueryId, scalar: &Scalar) -> Result<()> {
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
            at = self.q(at)?.outer.ok_or_else(no_outer_query)?;
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
        if outer.path.contains("__") {
            for column in self.columns_in(&bound.scalar) {
                self.spanning.insert(column);
            }
        }
        Ok(bound)
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
        let bound = self.field_bound(q, alias, &targets, end)?;
        self.path_transforms(q, bound, &info, &names)
    }

    /// The transforms at the end of a path. A name that is none was meant as a field (Django: `Query.setup_joins`).
    pub(super) fn path_transforms(
        &mut self,
        q: QueryId,
        bound: Bound,
        info: &JoinInfo,
        names: &[&str],
    ) -> Result<Bound> {
        let mut bound = bound;
        let fields = names.len().saturating_sub(info.transforms);
        let (fields, transforms) = names.split_at_checked(fields).unwrap_or((names, &[]));
        for (i, name) in transforms.iter().enumerate() {
            bound = match self.try_transform(bound, name, transforms) {
                Ok(bound) => bound,
                Err(error) if i == 0 && error.code() == Code::UnsupportedLookup => {
                    return Err(match info.end {
                        FinalField::Relation(by) if !by.reverse => {
                            self.unknown_name(q, info.model, name)?
                        }
                        FinalField::Relation(_) => error,
                        FinalField::Plain(_) => {
                            error.reworded(
                                Code::UnknownField,
                                format!(
                                    "Cannot resolve keyword '{name}' into field. Join on '{}' not permitted.",
                                    fields.last().copied().unwrap_or_default()
                                ),
                            )
                        }
                    });
                }
                Err(error) => return Err(error),
            };
        }
        Ok(bound)
    }
}

/// A condition as a value.
pub(super) fn boolean(predicate: Predicate) -> Bound {
    let ty = plain(FieldKind::BooleanField);
    Bound::of(Scalar::Predicate(Box::new(predicate)), ty)
}

/// A reference to an outer query where there is none.
pub(super) fn no_outer_query() -> Error {
    Error::new(
        Code::ValueError,
        "This queryset contains a reference to an outer query and may only be used in a subquery.",
    )
    .at("/outer_ref")
}
