//! The resolved form of a schema: models, fields and what leads from one to another.

use std::sync::Arc;

use indexmap::IndexMap;

use super::{
    CheckSpec, FieldKind, FieldType, GenericSpec, IndexSpec, OnDelete, SchemaSpec, SearchIndexSpec,
    Settings, StorageFamily,
};
use crate::error::{Code, Error, Result};
use crate::names::{Name, NameMap, Path};
use crate::queryset::{OrderTerm, Value};

/// Number of a model in its schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelId(pub(super) u32);

/// A field: the model that declares it and its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldRef {
    /// The model that declares it (a concrete one).
    pub model: ModelId,
    pub(super) index: u32,
}

/// Models that queries can name, checked and linked.
#[derive(Debug, Clone)]
pub struct Schema {
    pub(super) settings: Settings,
    pub(super) models: Vec<Model>,
    pub(super) labels: NameMap<String, ModelId>,
}

/// A model with everything that its names lead to.
#[derive(Debug, Clone)]
pub struct Model {
    /// Its number.
    pub id: ModelId,
    /// `app.Model`.
    pub label: String,
    /// Its name in lower case, without the app.
    pub alias: Name,
    /// Collection of the concrete model.
    pub collection: Name,
    /// Keys of its stored documents, in the order of the fields.
    pub stored: Arc<[Name]>,
    /// The model that stores the rows: itself, or what a proxy stands for.
    pub concrete: ModelId,
    /// Fields that it declares itself; of a proxy none.
    pub fields: Vec<Field>,
    /// All fields in Django's order: those of the parents first, then its own.
    pub all_fields: Vec<FieldRef>,
    /// The primary key.
    pub pk: FieldRef,
    /// Direct concrete parents with the link field on this model.
    pub parents: Vec<(ModelId, FieldRef)>,
    /// Default ordering.
    pub ordering: Vec<OrderTerm>,
    /// Default of `latest()` and `earliest()`.
    pub get_latest_by: Vec<String>,
    /// Stored only inside other models.
    pub embedded: bool,
    /// Sets of fields that are unique together.
    pub unique_together: Vec<Vec<FieldRef>>,
    /// Sets of stored keys that are unique among its documents where they are not NULL; of the concrete model.
    pub unique_keys: Vec<Vec<Name>>,
    /// Declared indexes, those of fields included.
    pub indexes: Vec<IndexSpec>,
    /// Conditions that no row may break.
    pub checks: Vec<CheckSpec>,
    /// Declared indexes of MongoDB Search and Vector Search.
    pub search_indexes: Vec<SearchIndexSpec>,
    /// What each name that a path may start with leads to.
    pub names: NameMap<String, NameTarget>,
    /// Relations of other models to this one (hidden ones too), those of its parents included.
    pub related_objects: Vec<RelatedObject>,
}

/// What a name on a model leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameTarget {
    /// A field, perhaps of a parent.
    Field(FieldRef),
    /// The other end of a relation field.
    Reverse(FieldRef),
}

/// A relation seen from its target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelatedObject {
    /// The relation field.
    pub field: FieldRef,
    /// The model that owns the field.
    pub model: ModelId,
    /// Accessor on the target, if there is one.
    pub accessor: Option<String>,
}

/// A resolved field.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its reference.
    pub id: FieldRef,
    /// Name in Python.
    pub name: String,
    /// Name of the raw value.
    pub attname: Name,
    /// Key in the stored document; empty for fields that store nothing of their own.
    pub column: Name,
    /// The path of that key.
    pub path: Path,
    /// Type.
    pub ty: Arc<FieldType>,
    /// Is the primary key.
    pub primary_key: bool,
    /// Unique (primary keys and one-to-one fields too).
    pub unique: bool,
    /// Has an index.
    pub db_index: bool,
    /// Computed by the database from other columns.
    pub generated: bool,
    /// Related model.
    pub to: Option<ModelId>,
    /// Pairs of local and target fields: one for foreign keys, several for a `ForeignObject`.
    pub links: Vec<(FieldRef, FieldRef)>,
    /// Name by which the target reaches back in lookups.
    pub related_query_name: Option<String>,
    /// Accessor on the target.
    pub related_name: Option<String>,
    /// Intermediate model of a many-to-many field with its foreign keys.
    pub through: Option<ThroughFields>,
    /// Many-to-many to itself that is symmetrical.
    pub symmetrical: bool,
    /// What happens to a row whose target is deleted.
    pub on_delete: Option<OnDelete>,
    /// What `SET` or `SET_DEFAULT` stores.
    pub on_delete_value: Option<Value>,
    /// Fields of a composite primary key.
    pub parts: Vec<FieldRef>,
    /// Field names of a generic foreign key or relation.
    pub generic: Option<GenericSpec>,
    /// Field that names the content type, of a generic foreign key (on this model) or relation (on the target).
    pub content_type_field: Option<FieldRef>,
    /// Field that holds the key, likewise.
    pub object_id_field: Option<FieldRef>,
}

/// How a many-to-many field passes through its intermediate model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThroughFields {
    /// The intermediate model.
    pub model: ModelId,
    /// Its foreign key to the field's own model.
    pub source: FieldRef,
    /// Its foreign key to the target.
    pub target: FieldRef,
}

impl Field {
    /// Stores a value of its own.
    #[must_use]
    pub fn is_concrete(&self) -> bool {
        !self.column.is_empty()
    }

    /// Leads to other rows.
    #[must_use]
    pub fn is_relation(&self) -> bool {
        self.to.is_some() || self.ty.kind == FieldKind::GenericForeignKey
    }

    /// A foreign key or one-to-one field.
    #[must_use]
    pub fn is_foreign_key(&self) -> bool {
        matches!(
            self.ty.kind,
            FieldKind::ForeignKey | FieldKind::OneToOneField
        )
    }

    /// Leads to several rows in forward direction.
    #[must_use]
    pub fn is_multi_valued(&self) -> bool {
        matches!(
            self.ty.kind,
            FieldKind::ManyToManyField | FieldKind::GenericRelation
        )
    }

    /// NULL allowed.
    #[must_use]
    pub fn null(&self) -> bool {
        self.ty.null
    }
}

/// The name of a model without its app: `Book` of `library.Book`.
pub fn model_name(label: &str) -> &str {
    label.rsplit('.').next().unwrap_or(label)
}

impl Model {
    /// Its name without the app: `Book` of `library.Book`.
    pub fn name(&self) -> &str {
        model_name(&self.label)
    }
}

impl Schema {
    /// Resolves a declared schema.
    ///
    /// # Errors
    /// `Schema` errors with the JSON path of what is missing or contradictory.
    pub fn new(spec: SchemaSpec) -> Result<Self> {
        super::resolve::Resolver::new(&spec)?.resolve(&spec)
    }

    /// Settings that change the meaning of queries.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Replaces the keys by which generic relations refer to models.
    #[must_use]
    pub fn with_content_types(mut self, content_types: IndexMap<String, i64>) -> Self {
        self.settings.content_types = content_types;
        self
    }

    /// All models in declared order.
    #[must_use]
    pub fn models(&self) -> &[Model] {
        &self.models
    }

    /// The model of a label.
    ///
    /// # Errors
    /// `UnknownModel` with the labels that there are.
    pub fn find(&self, label: &str) -> Result<&Model> {
        self.labels
            .get(label)
            .and_then(|id| self.models.get(id.0 as usize))
            .ok_or_else(|| {
                Error::new(
                    Code::UnknownModel,
                    format!("no model is labelled {label:?}"),
                )
                .with_choices(self.models.iter().map(|m| m.label.clone()))
            })
    }

    /// The model of an id. Ids come from this schema only; a foreign one gives the first model's data.
    ///
    /// # Errors
    /// `Internal` for the id of another schema.
    pub fn model(&self, id: ModelId) -> Result<&Model> {
        self.models
            .get(id.0 as usize)
            .ok_or_else(|| Error::internal("model id of another schema"))
    }

    /// The field of a reference.
    ///
    /// # Errors
    /// `Internal` for the reference of another schema.
    pub fn field(&self, id: FieldRef) -> Result<&Field> {
        self.models
            .get(id.model.0 as usize)
            .and_then(|m| m.fields.get(id.index as usize))
            .ok_or_else(|| Error::internal("field reference of another schema"))
    }

    /// The chain of parent links from a model up to an ancestor: one link field a step; empty for itself,
    /// `None` if it is not an ancestor.
    #[must_use]
    pub fn parent_links(&self, from: ModelId, to: ModelId) -> Option<Vec<FieldRef>> {
        let from_model = self.models.get(from.0 as usize)?;
        let to_model = self.models.get(to.0 as usize)?;
        if from_model.concrete == to_model.concrete {
            return Some(Vec::new());
        }
        let concrete = self.models.get(from_model.concrete.0 as usize)?;
        concrete.parents.iter().find_map(|(parent, link)| {
            self.parent_links(*parent, to).map(|mut rest| {
                rest.insert(0, *link);
                rest
            })
        })
    }

    /// The field that finally stores the value of a foreign key: follows keys that are keys themselves.
    ///
    /// # Errors
    /// `Internal` for the reference of another schema, or a cycle of keys.
    pub fn key_target(&self, id: FieldRef) -> Result<&Field> {
        let mut field = self.field(id)?;
        for _ in 0..32 {
            match field.links.first() {
                Some((_, target)) if field.is_foreign_key() => field = self.field(*target)?,
                _ => return Ok(field),
            }
        }
        Err(Error::new(
            Code::Schema,
            "foreign keys refer to each other in a cycle",
        ))
    }

    /// How values of a field are stored, keys followed to their target.
    ///
    /// # Errors
    /// As [`Schema::key_target`].
    pub fn storage(&self, id: FieldRef) -> Result<StorageFamily> {
        Ok(self.key_target(id)?.ty.kind.family())
    }
}
