//! `create()` and `bulk_create()`: documents from rows of values.

use bson::{Bson, Document};
use indexmap::IndexMap;

use super::Binder;
use crate::error::{Code, Error, Result};
use crate::plan::{Conflict, Insertion, NewKeys, Rel, Terminal};
use crate::queryset::{Insert, Value};
use crate::schema::{Field, FieldKind, Model, NameTarget, StorageFamily};
use crate::storage;

impl<'a> Binder<'a> {
    /// `bulk_create(...)`.
    pub(super) fn inserted(&mut self, label: &str, insert: &Insert) -> Result<(Rel, Terminal)> {
        let model = self.schema.find(label)?;
        let concrete = self.schema.model(model.concrete)?;
        if !concrete.parents.is_empty() {
            return Err(value_error(
                "Can't bulk create a multi-table inherited model",
            ));
        }
        let conflict = self.conflict(model, insert)?;
        let mut insertion = self.insertion(model, conflict)?;
        insertion.documents.reserve(insert.rows.len());
        for (i, row) in insert.rows.iter().enumerate() {
            let document = self
                .new_document(model, row)
                .map_err(|e| e.inside(i).inside("rows").inside("insert").inside("do"))?;
            insertion.documents.push(document);
        }
        Ok((Rel::Unit, Terminal::Insert(insertion)))
    }

    /// An insertion into a model's collection that has no documents yet.
    pub(super) fn insertion(&self, model: &Model, conflict: Conflict) -> Result<Insertion> {
        let concrete = self.schema.model(model.concrete)?;
        let keys = match self.schema.field(concrete.pk)?.ty.kind {
            FieldKind::AutoField | FieldKind::BigAutoField => NewKeys::Sequence { long: true },
            FieldKind::SmallAutoField => NewKeys::Sequence { long: false },
            _ => NewKeys::ObjectId,
        };
        Ok(Insertion {
            label: model.label.clone(),
            collection: concrete.collection.to_string(),
            documents: Vec::new(),
            keys,
            conflict,
        })
    }

    /// The document of a new row.
    pub(super) fn new_document(
        &mut self,
        model: &Model,
        row: &IndexMap<String, Value>,
    ) -> Result<Document> {
        if super::constant::has_expressions(std::slice::from_ref(row)) {
            let known = self.known_values(model, row)?;
            return self.document(model, &known);
        }
        self.document(model, row)
    }

    fn document(&self, model: &Model, row: &IndexMap<String, Value>) -> Result<Document> {
        let mut given: Vec<(&Field, &Value)> = Vec::with_capacity(row.len());
        for (name, value) in row {
            given.push((self.stored_field(model, name)?, value));
        }
        let mut document = Document::new();
        let concrete = self.schema.model(model.concrete)?;
        for field in concrete.fields.iter().filter(|f| f.is_concrete()) {
            if field.generated {
                return Err(Error::unsupported(
                    format!("inserting into {}", model.label),
                    format!("the schema does not say how {:?} is computed", field.name),
                ));
            }
            let value = given
                .iter()
                .find_map(|(f, v)| (f.id == field.id).then_some(*v));
            if let Some(value) = self
                .stored_value(field, value)
                .map_err(|e| e.inside(&field.name))?
            {
                document.insert(field.column.to_string(), value);
            }
        }
        Ok(document)
    }

    /// What is stored for a value, or without one; `None` where the key is left out.
    pub(super) fn stored_value(
        &self,
        field: &Field,
        value: Option<&Value>,
    ) -> Result<Option<Bson>> {
        let ty = self.key_type(&field.ty)?;
        match value {
            None | Some(Value::Null) if made_by_the_database(field) => Ok(None),
            // JSON's null, which `Value(None, JSONField())` says.
            Some(Value::JsonNull) if ty.kind == FieldKind::JSONField => Ok(Some(Bson::Null)),
            Some(value) if storage::is_left_out(&ty, value) => Ok(None),
            Some(Value::Null) if !field.ty.null => Err(Error::new(
                Code::IntegrityError,
                format!("NULL in {:?}, which is not nullable", field.name),
            )),
            Some(value) => self.store(&ty, value).map(Some),
            None if field.ty.null => Ok((ty.kind != FieldKind::JSONField).then_some(Bson::Null)),
            // What Django takes where a text has no default.
            None if ty.kind.family() == StorageFamily::Text => {
                Ok(Some(Bson::String(String::new())))
            }
            None => Err(Error::new(
                Code::IntegrityError,
                format!("{:?} has no value", field.name),
            )
            .with_hint("a schema does not hold the defaults of fields: give the value")),
        }
    }

    pub(super) fn stored_field(&self, model: &Model, name: &str) -> Result<&'a Field> {
        let target = if name == "pk" {
            Some(model.pk)
        } else {
            match model.names.get(name) {
                Some(NameTarget::Field(id)) => Some(*id),
                _ => None,
            }
        };
        match target {
            Some(id) => self.schema.field(id),
            None => Err(Error::new(
                Code::FieldDoesNotExist,
                format!("{} has no field named '{name}'", model.name()),
            )
            .at(name)),
        }
    }

    /// As `QuerySet._check_bulk_create_options()` has it for databases that want to know the unique fields.
    fn conflict(&self, model: &Model, insert: &Insert) -> Result<Conflict> {
        let fields = |names: &[String]| -> Result<Vec<Option<&'a Field>>> {
            names
                .iter()
                .map(|name| match model.names.get(name) {
                    // The other end of a relation is a field, too, though no concrete one.
                    Some(NameTarget::Reverse(_)) => Ok(None),
                    _ => self.stored_field(model, name).map(Some),
                })
                .collect()
        };
        let (unique, update) = (
            fields(&insert.unique_fields)?,
            fields(&insert.update_fields)?,
        );
        if insert.ignore_conflicts && insert.update_conflicts {
            return Err(value_error(
                "ignore_conflicts and update_conflicts are mutually exclusive.",
            ));
        }
        if insert.ignore_conflicts {
            return Ok(Conflict::Ignore);
        }
        if !insert.update_conflicts {
            return Ok(Conflict::Fail);
        }
        let refuse = |message: &str| Err(value_error(message));
        if update.is_empty() {
            return refuse(
                "Fields that will be updated when a row insertion fails on conflicts must be provided.",
            );
        }
        if unique.is_empty() {
            return refuse("Unique fields that can trigger the upsert must be provided.");
        }
        let concrete = |fields: Vec<Option<&'a Field>>| -> Option<Vec<&'a Field>> {
            fields
                .into_iter()
                .map(|f| f.filter(|f| f.is_concrete()))
                .collect()
        };
        let Some(update) = concrete(update) else {
            return refuse("bulk_create() can only be used with concrete fields in update_fields.");
        };
        let parts = &self.schema.field(model.pk)?.parts;
        if update
            .iter()
            .any(|f| f.primary_key || parts.contains(&f.id))
        {
            return refuse("bulk_create() cannot be used with primary keys in update_fields.");
        }
        let Some(unique) = concrete(unique) else {
            return refuse("bulk_create() can only be used with concrete fields in unique_fields.");
        };
        let columns = |fields: &[&Field]| fields.iter().map(|f| f.column.to_string()).collect();
        Ok(Conflict::Update {
            unique: columns(&unique),
            update: columns(&update),
        })
    }
}

/// Keys that nobody needs to give.
fn made_by_the_database(field: &Field) -> bool {
    field.primary_key
        && matches!(
            field.ty.kind,
            FieldKind::AutoField
                | FieldKind::BigAutoField
                | FieldKind::SmallAutoField
                | FieldKind::ObjectIdAutoField
        )
}

fn value_error(message: &str) -> Error {
    Error::new(Code::ValueError, message).at("/do/insert")
}
