//! What is stored: models, fields, relations and indexes.
//!
//! A schema is first *declared* ([`SchemaSpec`]: what a JSON schema or models.py text says, nothing resolved) and then
//! *resolved* ([`Schema`]: ids, inherited fields, reverse relations, checked). The binder works on the resolved form.
//!
//! | file | holds |
//! |---|---|
//! | `field` | field types and relations, [`FieldType`], [`FieldSpec`] |
//! | `spec` | the declared form, [`SchemaSpec`] |
//! | `json` | the declared form as JSON |
//! | `model` | the resolved form, [`Schema`] |
//! | `resolve` | from the declared form to the resolved one |

mod field;
pub(crate) mod json;
mod model;
mod resolve;
mod spec;

pub use field::{
    FieldKind, FieldSpec, FieldType, GenericSpec, OnDelete, RelationSpec, StorageFamily,
};
pub use model::{
    Field, FieldRef, Model, ModelId, NameTarget, RelatedObject, Schema, ThroughFields, model_name,
};
pub use spec::{
    CheckSpec, IndexKey, IndexKind, IndexSpec, ModelSpec, SchemaSpec, SearchIndexSpec, Settings,
};
