//! Django's rules for the type of an expression.

use std::sync::Arc;

use crate::error::{Code, Error, Result};
use crate::queryset::ArithmeticOp;
use crate::schema::{FieldKind, FieldType};

use FieldKind as K;

/// The class that a field class derives from, where that matters for expressions.
fn base(kind: FieldKind) -> Option<FieldKind> {
    Some(match kind {
        K::AutoField | K::BigIntegerField | K::SmallIntegerField | K::PositiveIntegerField => {
            K::IntegerField
        }
        K::BigAutoField | K::PositiveBigIntegerField => K::BigIntegerField,
        K::SmallAutoField | K::PositiveSmallIntegerField => K::SmallIntegerField,
        K::EmailField | K::URLField | K::SlugField | K::CommaSeparatedIntegerField => K::CharField,
        K::ImageField => K::FileField,
        K::NullBooleanField => K::BooleanField,
        K::DateTimeField => K::DateField,
        K::OneToOneField => K::ForeignKey,
        K::ListField | K::SetField => K::ArrayField,
        K::DictField => K::JSONField,
        K::ObjectIdAutoField => K::ObjectIdField,
        K::PointField
        | K::LineStringField
        | K::PolygonField
        | K::MultiPointField
        | K::MultiLineStringField
        | K::MultiPolygonField
        | K::GeometryCollectionField => K::GeometryField,
        _ => return None,
    })
}

/// `issubclass(kind, of)` for Django's field classes.
#[must_use]
pub fn is_subclass(kind: FieldKind, of: FieldKind) -> bool {
    let mut current = Some(kind);
    while let Some(class) = current {
        if class == of {
            return true;
        }
        current = base(class);
    }
    // `BigAutoField` and `SmallAutoField` say that they are `AutoField`s.
    of == K::AutoField && matches!(kind, K::BigAutoField | K::SmallAutoField)
}

/// Is the class one of integers.
#[must_use]
pub fn is_integer(kind: FieldKind) -> bool {
    is_subclass(kind, K::IntegerField)
}

/// A type without parameters.
#[must_use]
pub fn plain(kind: FieldKind) -> Arc<FieldType> {
    Arc::new(FieldType::new(kind))
}

/// The common type of several expressions: that of the first that has one, of whose class all others must be
/// (`Expression._resolve_output_field`). `None` if none has a type.
///
/// # Errors
/// `FieldError` for mixed types.
pub fn infer(types: &[Option<Arc<FieldType>>]) -> Result<Option<Arc<FieldType>>> {
    let mut known = types.iter().flatten();
    let Some(first) = known.next() else {
        return Ok(None);
    };
    for other in known {
        if !is_subclass(first.kind, other.kind) {
            return Err(mixed(first.kind, other.kind));
        }
    }
    Ok(Some(first.clone()))
}

/// Django's refusal of mixed types.
#[must_use]
pub fn mixed(first: FieldKind, other: FieldKind) -> Error {
    Error::new(
        Code::FieldError,
        format!(
            "Expression contains mixed types: {}, {}. You must set output_field.",
            first.name(),
            other.name()
        ),
    )
}

/// Django's refusal of an expression without a type.
#[must_use]
pub fn unknown_type() -> Error {
    Error::new(
        Code::OutputFieldIsNone,
        "Cannot resolve expression type, unknown output_field",
    )
}

/// Operators that take numbers.
const NUMERIC: [ArithmeticOp; 6] = [
    ArithmeticOp::Add,
    ArithmeticOp::Sub,
    ArithmeticOp::Mul,
    ArithmeticOp::Div,
    ArithmeticOp::Mod,
    ArithmeticOp::Pow,
];

/// Which kinds an operator combines to which, in the order in which Django tries them. `None` is NULL without a type.
type Row = (Option<FieldKind>, Option<FieldKind>, FieldKind);

const SAME_POSITIVE: [Row; 1] = [(
    Some(K::PositiveIntegerField),
    Some(K::PositiveIntegerField),
    K::PositiveIntegerField,
)];
const SAME: [Row; 3] = [
    (
        Some(K::IntegerField),
        Some(K::IntegerField),
        K::IntegerField,
    ),
    (Some(K::FloatField), Some(K::FloatField), K::FloatField),
    (
        Some(K::DecimalField),
        Some(K::DecimalField),
        K::DecimalField,
    ),
];
const DIFFERENT: [Row; 4] = [
    (
        Some(K::IntegerField),
        Some(K::DecimalField),
        K::DecimalField,
    ),
    (
        Some(K::DecimalField),
        Some(K::IntegerField),
        K::DecimalField,
    ),
    (Some(K::IntegerField), Some(K::FloatField), K::FloatField),
    (Some(K::FloatField), Some(K::IntegerField), K::FloatField),
];
const WITH_NULL: [Row; 6] = [
    (Some(K::IntegerField), None, K::IntegerField),
    (None, Some(K::IntegerField), K::IntegerField),
    (Some(K::DecimalField), None, K::DecimalField),
    (None, Some(K::DecimalField), K::DecimalField),
    (Some(K::FloatField), None, K::FloatField),
    (None, Some(K::FloatField), K::FloatField),
];
const ADD_TIMES: [Row; 7] = [
    (Some(K::DateField), Some(K::DurationField), K::DateTimeField),
    (
        Some(K::DateTimeField),
        Some(K::DurationField),
        K::DateTimeField,
    ),
    (Some(K::DurationField), Some(K::DateField), K::DateTimeField),
    (
        Some(K::DurationField),
        Some(K::DateTimeField),
        K::DateTimeField,
    ),
    (
        Some(K::DurationField),
        Some(K::DurationField),
        K::DurationField,
    ),
    (Some(K::TimeField), Some(K::DurationField), K::TimeField),
    (Some(K::DurationField), Some(K::TimeField), K::TimeField),
];
const SUB_TIMES: [Row; 9] = [
    (Some(K::DateField), Some(K::DurationField), K::DateTimeField),
    (
        Some(K::DateTimeField),
        Some(K::DurationField),
        K::DateTimeField,
    ),
    (Some(K::DateField), Some(K::DateField), K::DurationField),
    (Some(K::DateField), Some(K::DateTimeField), K::DurationField),
    (Some(K::DateTimeField), Some(K::DateField), K::DurationField),
    (
        Some(K::DateTimeField),
        Some(K::DateTimeField),
        K::DurationField,
    ),
    (
        Some(K::DurationField),
        Some(K::DurationField),
        K::DurationField,
    ),
    (Some(K::TimeField), Some(K::DurationField), K::TimeField),
    (Some(K::TimeField), Some(K::TimeField), K::DurationField),
];

/// The type of `lhs op rhs` (Django's `_connector_combinations`); `None` where Django knows none.
#[must_use]
pub fn combined_type(
    op: ArithmeticOp,
    lhs: Option<FieldKind>,
    rhs: Option<FieldKind>,
) -> Option<FieldKind> {
    let find = |rows: &[Row]| {
        rows.iter()
            .find(|(l, r, _)| side(*l, lhs) && side(*r, rhs))
            .map(|(_, _, result)| *result)
    };
    if NUMERIC.contains(&op) {
        let positive = match op {
            ArithmeticOp::Sub => None,
            _ => find(&SAME_POSITIVE),
        };
        let different = || match op {
            ArithmeticOp::Pow => None,
            _ => find(&DIFFERENT),
        };
        let times = || match op {
            ArithmeticOp::Add => find(&ADD_TIMES),
            ArithmeticOp::Sub => find(&SUB_TIMES),
            _ => None,
        };
        positive
            .or_else(|| find(&SAME))
            .or_else(different)
            .or_else(|| find(&WITH_NULL))
            .or_else(times)
    } else {
        let integer = |kind: Option<FieldKind>| kind.is_some_and(is_integer);
        (integer(lhs) && integer(rhs)).then_some(K::IntegerField)
    }
}

fn side(row: Option<FieldKind>, given: Option<FieldKind>) -> bool {
    match (row, given) {
        (Some(row), Some(given)) => is_subclass(given, row),
        (None, None) => true,
        _ => false,
    }
}

/// The type of functions with `NumericOutputFieldMixin`: decimal if an argument is, else float if one is an integer,
/// else the common type.
///
/// # Errors
/// `FieldError` for mixed types.
pub fn numeric(types: &[Option<Arc<FieldType>>]) -> Result<Option<Arc<FieldType>>> {
    let any = |kind| types.iter().flatten().any(|ty| is_subclass(ty.kind, kind));
    if any(K::DecimalField) {
        return Ok(Some(plain(K::DecimalField)));
    }
    if any(K::IntegerField) || types.is_empty() {
        return Ok(Some(plain(K::FloatField)));
    }
    infer(types)
}
