//! `$jsonSchema`: what documents of a model look like.
//!
//! | of a field | said as |
//! |---|---|
//! | how it is stored | `bsonType` |
//! | not null | `required`, and no `null` among its types |
//! | `max_length` of what is not a `TextField` | `maxLength` |
//! | the range of an integer class, the digits of a decimal | `minimum`, `maximum` |
//! | `size`, `max_size` and the elements of an array | `minItems`, `maxItems`, `items` |
//! | embedded models | `properties` inside |
//!
//! An element of an array may be NULL whatever its field says, as in PostgreSQL. Further keys are let in.

use bson::{Bson, Document, doc};

use crate::bind::integer_range;
use crate::error::Result;
use crate::names::Name;
use crate::schema::{FieldKind, FieldType, Model, Schema, StorageFamily};
use crate::storage::stored_type;

/// Embedded models inside each other beyond which nothing is said of them: a server takes documents of a hundred levels.
const MAX_DEPTH: usize = 12;

/// Fields of embedded models beyond which nothing is said of further ones: each model is written wherever it is embedded.
const MAX_FIELDS: usize = 5_000;

/// What the documents of a model look like.
pub(super) fn schema(schema: &Schema, model: &Model) -> Result<Document> {
    let mut writer = Writer {
        schema,
        open: Vec::new(),
        fields: 0,
    };
    writer.object(model)
}

struct Writer<'a> {
    schema: &'a Schema,
    /// Embedded models that are being written: one inside itself is said to be a document only.
    open: Vec<&'a str>,
    /// Fields that have been written.
    fields: usize,
}

impl<'a> Writer<'a> {
    fn object(&mut self, model: &'a Model) -> Result<Document> {
        let mut required: Vec<Name> = Vec::new();
        let mut properties = Document::new();
        for field in model.fields.iter().filter(|f| f.is_concrete()) {
            self.fields += 1;
            // Nobody writes generated columns here, and every document has an `_id`.
            if !field.null() && !field.generated && field.column != "_id" {
                required.push(field.column.clone());
            }
            let content = self.value(&field.ty, field.null())?;
            if !content.is_empty() {
                properties.insert(field.column.clone(), content);
            }
        }
        let mut out = doc! {"bsonType": "object"};
        if !required.is_empty() {
            out.insert("required", required);
        }
        if !properties.is_empty() {
            out.insert("properties", properties);
        }
        Ok(out)
    }

    /// What a value of a type looks like; empty if it may be anything.
    fn value(&mut self, ty: &'a FieldType, null: bool) -> Result<Document> {
        use StorageFamily as F;
        let ty = stored_type(self.schema, ty)?;
        let mut out = Document::new();
        let types: &[&str] = match ty.kind.family() {
            // Arithmetic of the server keeps the smaller type where it fits.
            F::Int | F::Long | F::Duration => &["int", "long"],
            F::Double => &["double", "int", "long"],
            F::Decimal => &["decimal"],
            F::Text | F::Uuid => &["string"],
            F::Bool => &["bool"],
            F::Binary => &["binData"],
            F::Date | F::DateTime | F::Time => &["date"],
            F::ObjectId => &["objectId"],
            F::Array | F::EmbeddedArray => &["array"],
            F::Embedded | F::Geo => &["object"],
            F::Json | F::Key | F::None => return Ok(out),
        };
        let mut types: Vec<Bson> = types.iter().map(|t| Bson::from(*t)).collect();
        if null {
            types.push("null".into());
        }
        match types.as_slice() {
            [only] => out.insert("bsonType", only.clone()),
            _ => out.insert("bsonType", types),
        };
        match ty.kind.family() {
            F::Text => {
                let bounded = !matches!(
                    ty.kind,
                    FieldKind::TextField | FieldKind::GenericIPAddressField
                );
                if let (Some(length), true) = (ty.max_length, bounded) {
                    out.insert("maxLength", i64::from(length));
                }
            }
            F::Uuid => {
                out.insert("pattern", "^[0-9a-f]{32}$");
            }
            F::Int | F::Long => range(ty, &mut out),
            F::Decimal => digits(ty, &mut out),
            F::Array => {
                if let Some(size) = ty.size {
                    out.insert("minItems", i64::from(size));
                }
                if let Some(size) = ty.size.or(ty.max_size) {
                    out.insert("maxItems", i64::from(size));
                }
                if let Some(base) = &ty.base {
                    let items = self.value(base, true)?;
                    if !items.is_empty() {
                        out.insert("items", items);
                    }
                }
            }
            F::Embedded => self.embedded(ty, &mut out)?,
            F::EmbeddedArray => {
                if let Some(size) = ty.max_size {
                    out.insert("maxItems", i64::from(size));
                }
                let mut items = doc! {"bsonType": ["object", "null"]};
                self.embedded(ty, &mut items)?;
                out.insert("items", items);
            }
            F::Geo => geometry(ty, &mut out),
            _ => {}
        }
        Ok(out)
    }

    /// What the documents of embedded models hold.
    fn embedded(&mut self, ty: &'a FieldType, out: &mut Document) -> Result<()> {
        if self.open.len() >= MAX_DEPTH || self.fields > MAX_FIELDS {
            return Ok(());
        }
        let polymorphic = matches!(
            ty.kind,
            FieldKind::PolymorphicEmbeddedModelField
                | FieldKind::PolymorphicEmbeddedModelArrayField
        );
        let mut candidates = Vec::new();
        for label in &ty.models {
            if self.open.contains(&label.as_str()) {
                return Ok(());
            }
            self.open.push(label);
            let object = self.object(self.schema.find(label)?);
            self.open.pop();
            let mut object = object?;
            if polymorphic {
                let inside = object
                    .entry("properties".to_owned())
                    .or_insert(doc! {}.into());
                if let Bson::Document(properties) = inside {
                    properties.insert("_label", doc! {"enum": [label]});
                }
            }
            candidates.push(object);
        }
        match candidates.as_mut_slice() {
            [] => {}
            [only] if !polymorphic => {
                for key in ["required", "properties"] {
                    if let Some(content) = only.remove(key) {
                        out.insert(key, content);
                    }
                }
            }
            _ => {
                let null = out
                    .get_array("bsonType")
                    .is_ok_and(|types| types.contains(&"null".into()));
                if null {
                    candidates.push(doc! {"bsonType": "null"});
                }
                out.insert("anyOf", candidates);
            }
        }
        Ok(())
    }
}

/// The range of an integer class, where it is less than a type holds.
fn range(ty: &FieldType, out: &mut Document) {
    let Some((least, most)) = integer_range(ty) else {
        return;
    };
    let bound = |n: i128| {
        let n = i64::try_from(n).ok()?;
        Some(i32::try_from(n).map_or(Bson::Int64(n), Bson::Int32))
    };
    if least > i128::from(i64::MIN)
        && let Some(least) = bound(least)
    {
        out.insert("minimum", least);
    }
    if most < i128::from(i64::MAX)
        && let Some(most) = bound(most)
    {
        out.insert("maximum", most);
    }
}

/// The digits before the point (PostgreSQL: "numeric field overflow").
fn digits(ty: &FieldType, out: &mut Document) {
    let (Some(all), Some(places)) = (ty.max_digits, ty.decimal_places) else {
        return;
    };
    let Some(whole) = all
        .checked_sub(places)
        .and_then(|n| usize::try_from(n).ok())
    else {
        return;
    };
    // A decimal has 34 digits.
    if whole > 33 {
        return;
    }
    let bound = format!("1{}", "0".repeat(whole));
    if let (Ok(most), Ok(least)) = (bound.parse(), format!("-{bound}").parse()) {
        out.insert("minimum", Bson::Decimal128(least));
        out.insert("exclusiveMinimum", true);
        out.insert("maximum", Bson::Decimal128(most));
        out.insert("exclusiveMaximum", true);
    }
}

/// GeoJSON.
fn geometry(ty: &FieldType, out: &mut Document) {
    let shape = ty.kind.name().trim_end_matches("Field");
    out.insert("required", ["type"].map(Bson::from).to_vec());
    if shape != "Geometry" {
        out.insert("properties", doc! {"type": {"enum": [shape]}});
    }
}
