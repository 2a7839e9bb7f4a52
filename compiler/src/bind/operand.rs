//! The values that lookups compare with.

use super::path::JoinInfo;
use super::query::QueryId;
use super::{Binder, Bound, Rhs};
use crate::error::{Code, Error, Result};
use crate::plan::{CompareOp, Literal, Predicate, Scalar};
use crate::queryset::Value;
use crate::schema::{FieldKind, FieldType, ModelId, StorageFamily};

impl Binder<'_> {
    /// A plain value as a literal of the left-hand side's type.
    pub(super) fn rhs_literal(&self, lhs: &Bound, value: &Value) -> Result<Scalar> {
        if *value == Value::Null {
            return Ok(null_literal());
        }
        let ty = match &lhs.relation {
            Some(relation) => match relation.targets.last() {
                Some(target) => self.schema.key_target(*target)?.ty.clone(),
                None => lhs.ty.clone(),
            },
            None => lhs.ty.clone(),
        };
        let prepared = self.prepare(&ty, value).map_err(|e| {
            let field = lhs.field.and_then(|field| self.schema.field(field).ok());
            super::prep::named(e, field.map_or("", |field| &field.name))
        })?;
        let stored = self.store(&ty, &prepared)?;
        Ok(Scalar::from(Literal { value: stored, ty }))
    }

    /// An expression on the right; an untyped NULL stays NULL, other literals stay as they are.
    pub(super) fn adopt(&self, _lhs: &Bound, bound: Bound) -> Scalar {
        bound.scalar
    }

    /// Casts the sides of a comparison to each other where their stored types cannot be equal: keys as text.
    pub(super) fn comparable(&self, lhs: Scalar, rhs: Scalar) -> Result<(Scalar, Scalar)> {
        let (Scalar::Column(_) | Scalar::Subquery(_), Scalar::Column(_) | Scalar::Subquery(_)) =
            (&lhs, &rhs)
        else {
            return Ok((lhs, rhs));
        };
        let l = lhs.ty(&self.columns)?;
        let r = rhs.ty(&self.columns)?;
        let text = |ty: &FieldType| ty.kind.family() == StorageFamily::Text;
        let key = |ty: &FieldType| {
            matches!(
                ty.kind.family(),
                StorageFamily::Int
                    | StorageFamily::Long
                    | StorageFamily::ObjectId
                    | StorageFamily::Uuid
            )
        };
        Ok(if text(&l) && key(&r) {
            let rhs = self.registry.cast(
                crate::functions::Arg {
                    scalar: rhs,
                    ty: Some(r),
                },
                l,
            );
            (lhs, rhs)
        } else if key(&l) && text(&r) {
            let lhs = self.registry.cast(
                crate::functions::Arg {
                    scalar: lhs,
                    ty: Some(l),
                },
                r,
            );
            (lhs, rhs)
        } else {
            (lhs, rhs)
        })
    }

    /// Whether a whole number beyond the field's range decides a comparison (`IntegerFieldOverflow`).
    pub(super) fn out_of_range(&self, lhs: &Bound, op: CompareOp, value: &Value) -> Option<bool> {
        let Value::Int(value) = value else {
            return None;
        };
        let (low, high) = integer_range(&lhs.ty)?;
        if *value < low {
            return Some(matches!(op, CompareOp::Gt | CompareOp::Gte));
        }
        if *value > high {
            return Some(matches!(op, CompareOp::Lt | CompareOp::Lte));
        }
        None
    }

    /// A decided condition, as Django folds it: true or false for every row.
    pub(super) fn folded(&self, _lhs: &Bound, outcome: bool) -> Predicate {
        Predicate::Const(Some(outcome))
    }

    /// Querysets on the right of a relation must be of its model.
    pub(super) fn check_related(&self, info: &JoinInfo, value: &Rhs) -> Result<()> {
        let super::path::FinalField::Relation(by) = info.end else {
            return Ok(());
        };
        let Rhs::Query {
            id,
            explicit: false,
        } = value
        else {
            return Ok(());
        };
        let query = self.q(*id)?;
        if query.selected.is_some() {
            return Ok(());
        }
        let fits = |target: ModelId| -> Result<bool> {
            Ok(self.schema.parent_links(query.model, target).is_some()
                || self.schema.parent_links(target, query.model).is_some())
        };
        let field = self.schema.field(by.field)?;
        if fits(info.model)? || field.primary_key && fits(by.field.model)? {
            return Ok(());
        }
        let name = |label: &str| label.rsplit('.').next().unwrap_or(label).to_owned();
        Err(Error::new(
            Code::ValueError,
            format!(
                "Cannot use QuerySet for \"{}\": Use a QuerySet for \"{}\".",
                name(&self.schema.model(query.model)?.label),
                name(&self.schema.model(info.model)?.label)
            ),
        ))
    }

    pub(super) fn check_one(&self, id: QueryId, name: &str, explicit: bool) -> Result<()> {
        if explicit || name != "exact" {
            return Ok(());
        }
        if !self.q(id)?.has_limit_one() {
            return Err(Error::new(
                Code::ValueError,
                "The QuerySet value for an exact lookup must be limited to one result using slicing.",
            ));
        }
        Ok(())
    }
}

/// NULL.
pub(super) fn null_literal() -> Scalar {
    Bound::untyped_null().scalar
}

pub(super) fn is_integer(ty: &FieldType) -> bool {
    integer_range(ty).is_some()
}

/// Smallest and largest value of an integer field (Django: `integer_field_range` of PostgreSQL).
pub(crate) fn integer_range(ty: &FieldType) -> Option<(i128, i128)> {
    Some(match ty.kind {
        FieldKind::SmallIntegerField | FieldKind::SmallAutoField => (-32_768, 32_767),
        FieldKind::IntegerField | FieldKind::AutoField => (-2_147_483_648, 2_147_483_647),
        FieldKind::BigIntegerField | FieldKind::BigAutoField => {
            (i128::from(i64::MIN), i128::from(i64::MAX))
        }
        FieldKind::PositiveSmallIntegerField => (0, 32_767),
        FieldKind::PositiveIntegerField => (0, 2_147_483_647),
        FieldKind::PositiveBigIntegerField => (0, i128::from(i64::MAX)),
        _ => return None,
    })
}

/// Name of a value's Python class, for messages.
pub(super) fn python_class(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Int(_) => "int",
        Value::Float(_) => "float",
        Value::Str(_) => "str",
        Value::List(_) => "list",
        Value::Dict(_) => "dict",
        Value::DateTime(_) | Value::NaiveDateTime(_) => "datetime.datetime",
        Value::Date(_) => "datetime.date",
        Value::Time(_) => "datetime.time",
        Value::Duration(_) => "datetime.timedelta",
        Value::Decimal(_) => "decimal.Decimal",
        Value::Uuid(_) => "UUID",
        Value::ObjectId(_) => "ObjectId",
        Value::Binary { .. } => "bytes",
        _ => "object",
    }
}
