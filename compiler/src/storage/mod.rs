//! Values in their stored form: what a literal becomes in a document or a command, and what comes back.
//!
//! Documents are what the official Django backend stores, so that existing databases work:
//!
//! | family | stored as | accepted literals (as Django's `get_prep_value`) |
//! |---|---|---|
//! | `Int`, `Long` | int, long | integers, booleans, whole text, numbers (cut) |
//! | `Double` | double | numbers, text |
//! | `Decimal` | decimal128 | numbers, text |
//! | `Text` | string | everything, as Python's `str()` |
//! | `Bool` | bool | booleans, 0 and 1, `"True"`, `"t"`, `"1"`, ... |
//! | `Binary` | binary | bytes |
//! | `Date` | date at midnight UTC | dates, datetimes (in the default zone), ISO text |
//! | `DateTime` | date, milliseconds | datetimes, dates, ISO text; naive ones as of the default zone |
//! | `Time` | date on 0001-01-01 | times, naive datetimes, ISO text |
//! | `Duration` | long, milliseconds | timedeltas |
//! | `Uuid` | string of 32 hexadecimal digits | UUIDs, text, integers |
//! | `ObjectId` | objectId | ObjectIds, their text |
//! | `Json`, `Geo` | any | what JSON can hold |
//! | `Array` | array | lists, by element |
//! | `Embedded`, `EmbeddedArray` | document by column | instances of embedded models |
//! | `Key` | as the key that it refers to | |
//!
//! With `use_tz` off datetimes have no zone; they are stored as if they were UTC.
//!
//! | file | holds |
//! |---|---|
//! | `encode` | literals to BSON, [`to_bson`] |
//! | `decode` | BSON to literals, [`from_bson`] |
//! | `text` | how Python writes values as text, and reads them |

mod decode;
mod encode;
mod text;

use std::borrow::Cow;

pub use decode::{from_bson, untyped_from_bson};
pub use encode::{to_bson, untyped_to_bson};
pub use text::python_str;

use crate::error::{Code, Error, Result};
use crate::queryset::Value;
use crate::schema::{FieldKind, FieldType, NameTarget, Schema, StorageFamily};

/// Nesting of arrays, documents and embedded models beyond which values are refused.
const MAX_DEPTH: u32 = 100;

/// Milliseconds of 0001-01-01T00:00:00Z, the day on which times are stored.
pub(crate) const DAY_ONE_MILLIS: i64 = -62_135_596_800_000;

/// The type that values of `ty` are really stored by: that of the referenced key for foreign keys, else `ty` itself.
///
/// # Errors
/// `UnknownModel` or `Schema` when the key leads nowhere.
pub fn stored_type<'a>(schema: &'a Schema, ty: &'a FieldType) -> Result<&'a FieldType> {
    if ty.kind.family() != StorageFamily::Key {
        return Ok(ty);
    }
    let Some(label) = ty.to.as_deref() else {
        return Err(Error::new(Code::Schema, "a foreign key without a target"));
    };
    let model = schema.find(label)?;
    let target = match ty.to_field.as_deref() {
        None => model.pk,
        Some(name) => match model.names.get(name) {
            Some(NameTarget::Field(field)) => *field,
            _ => {
                return Err(Error::new(
                    Code::Schema,
                    format!("{label} has no field {name:?}"),
                ));
            }
        },
    };
    Ok(&schema.key_target(target)?.ty)
}

/// Whether the value is stored by leaving its key out: no value of a `JSONField` (JSON's own null is stored as null).
#[must_use]
pub fn is_left_out(ty: &FieldType, value: &Value) -> bool {
    ty.kind == FieldKind::JSONField && *value == Value::Null
}

/// The field class that a bare literal has (Django: `Value._resolve_output_field`); `None` where it has none.
#[must_use]
pub fn literal_kind(value: &Value) -> Option<FieldKind> {
    Some(match value {
        Value::Str(_) => FieldKind::CharField,
        Value::Bool(_) => FieldKind::BooleanField,
        Value::Int(_) => FieldKind::IntegerField,
        Value::Float(_) => FieldKind::FloatField,
        Value::DateTime(_) | Value::NaiveDateTime(_) => FieldKind::DateTimeField,
        Value::Date(_) => FieldKind::DateField,
        Value::Time(_) => FieldKind::TimeField,
        Value::Duration(_) => FieldKind::DurationField,
        Value::Decimal(_) => FieldKind::DecimalField,
        Value::Binary { .. } => FieldKind::BinaryField,
        Value::Uuid(_) => FieldKind::UUIDField,
        Value::ObjectId(_) => FieldKind::ObjectIdField,
        _ => return None,
    })
}

/// The default zone: that of naive datetimes which meet aware ones.
fn default_zone(schema: &Schema) -> Result<jiff::tz::TimeZone> {
    let settings = schema.settings();
    let name = settings
        .default_time_zone
        .as_deref()
        .unwrap_or(&settings.time_zone);
    jiff::tz::TimeZone::get(name)
        .map_err(|_| Error::new(Code::Schema, format!("no time zone is named {name:?}")))
}

fn too_deep() -> Error {
    Error::new(
        Code::Limit,
        format!("values are nested at most {MAX_DEPTH} deep"),
    )
}

/// The model of an embedded document: that of its label, or the only candidate.
fn embedded_label<'a>(ty: &'a FieldType, label: Option<&'a str>) -> Option<Cow<'a, str>> {
    match label {
        Some(label) => Some(Cow::Borrowed(label)),
        None => ty.models.first().map(|m| Cow::Borrowed(m.as_str())),
    }
}

/// Polymorphic fields store the label of the model beside the columns.
fn is_polymorphic(kind: FieldKind) -> bool {
    matches!(
        kind,
        FieldKind::PolymorphicEmbeddedModelField | FieldKind::PolymorphicEmbeddedModelArrayField
    )
}

#[cfg(test)]
mod tests;
