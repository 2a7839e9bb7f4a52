//! The keys of an index: from names of fields to paths of stored documents.

use std::sync::Arc;

use crate::error::{Code, Error, Result};
use crate::schema::{Field, FieldType, Model, Schema, StorageFamily};
use crate::storage::stored_type;

/// Where a key of an index is stored, and what is there.
#[derive(Debug, Clone)]
pub(super) struct Key {
    /// Path in the documents.
    pub path: String,
    /// What is stored there; `None` inside of JSON.
    pub ty: Option<Arc<FieldType>>,
    /// It may be NULL.
    pub nullable: bool,
    /// An array is on the way to it.
    pub many: bool,
}

impl Key {
    /// How its values are stored.
    pub(super) fn family(&self) -> StorageFamily {
        match &self.ty {
            Some(ty) => ty.kind.family(),
            None => StorageFamily::Json,
        }
    }
}

/// The key of a name: of a field of the model, or a path from one into embedded documents or JSON.
pub(super) fn key(schema: &Schema, model: &Model, name: &str) -> Result<Key> {
    let mut parts = name.split('.');
    let first = parts.next().unwrap_or_default();
    let field = own_field(schema, model, first)?;
    let mut key = Key {
        path: field.column.to_string(),
        ty: Some(stored(schema, &field.ty)?),
        nullable: field.null(),
        many: false,
    };
    for part in parts {
        key = inside(schema, key, part)?;
    }
    Ok(key)
}

fn stored(schema: &Schema, ty: &Arc<FieldType>) -> Result<Arc<FieldType>> {
    match ty.kind.family() {
        StorageFamily::Key => stored_type(schema, ty).map(|ty| Arc::new(ty.clone())),
        _ => Ok(Arc::clone(ty)),
    }
}

/// A stored field of the model itself.
fn own_field<'m>(schema: &'m Schema, model: &'m Model, name: &str) -> Result<&'m Field> {
    let called = |f: &&Field| f.name == name || f.attname == name;
    let found = match name {
        "pk" => schema.field(model.pk).ok(),
        _ => model.fields.iter().find(called),
    };
    match found {
        Some(field) if field.is_concrete() => return Ok(field),
        Some(field) => {
            return Err(Error::unsupported(
                format!("an index of {name:?}"),
                format!("a {} stores nothing of its own", field.ty.kind.name()),
            ));
        }
        None => {}
    }
    let mut inherited = model
        .all_fields
        .iter()
        .filter_map(|f| schema.field(*f).ok());
    if let Some(field) = inherited.find(called) {
        let parent = schema.model(field.id.model)?;
        return Err(Error::unsupported(
            format!("an index of {name:?}"),
            format!("{} stores it in a collection of its own", parent.label),
        ));
    }
    let stored = model.fields.iter().filter(|f| f.is_concrete());
    Err(Error::new(
        Code::Schema,
        format!("{} has no field {name:?}", model.label),
    )
    .with_choices(stored.map(|f| f.name.clone())))
}

/// A step further.
fn inside(schema: &Schema, key: Key, part: &str) -> Result<Key> {
    let path = format!("{}.{part}", key.path);
    let Some(ty) = &key.ty else {
        return Ok(Key { path, ..key });
    };
    let array = ty
        .base
        .as_ref()
        .filter(|_| ty.kind.family() == StorageFamily::Array);
    let many = key.many || array.is_some() || ty.kind.family() == StorageFamily::EmbeddedArray;
    let of = array.unwrap_or(ty);
    if of.kind.family() == StorageFamily::Json {
        return Ok(Key {
            path,
            ty: None,
            nullable: true,
            many: true,
        });
    }
    let mut choices = Vec::new();
    for label in &of.models {
        let model = schema.find(label)?;
        let mut fields = model.fields.iter().filter(|f| f.is_concrete());
        if let Some(field) = fields.find(|f| f.name == part || f.attname == part) {
            return Ok(Key {
                path: format!("{}.{}", key.path, field.column),
                ty: Some(stored(schema, &field.ty)?),
                nullable: key.nullable || field.null() || of.models.len() > 1,
                many,
            });
        }
        choices.extend(model.fields.iter().map(|f| f.name.clone()));
    }
    if of.models.is_empty() {
        return Err(Error::new(
            Code::Schema,
            format!(
                "{:?} is a {}: there is nothing inside",
                key.path,
                of.kind.name()
            ),
        ));
    }
    Err(Error::new(
        Code::Schema,
        format!("the documents of {:?} have no field {part:?}", key.path),
    )
    .with_choices(choices))
}
