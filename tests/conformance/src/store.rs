//! Documents and indexes of a case in an executor, by commands alone.

use std::collections::HashMap;
use std::sync::Arc;

use bson::{Bson, Document, doc};
use indexmap::IndexMap;
use mqlc_compiler::program::Bound;
use mqlc_compiler::queryset::Value;
use mqlc_compiler::schema::{FieldRef, FieldType, Model, Schema, StorageFamily};
use mqlc_compiler::storage;
use mqlc_executors::Executor;
use serde_json::value::RawValue;

use crate::compare;
use crate::suite::Result;
use crate::target::Target;

/// Stored documents as a data file has them: collection, documents, column, value.
pub(crate) type Recorded = IndexMap<String, Vec<IndexMap<String, Box<RawValue>>>>;

/// Documents in their stored form, by collection.
pub(crate) type Documents = IndexMap<String, Vec<Document>>;

/// Types of the columns of every collection.
pub(crate) struct Columns(HashMap<String, HashMap<String, Arc<FieldType>>>);

impl Columns {
    pub(crate) fn new(schema: &Schema) -> Self {
        let mut collections: HashMap<String, HashMap<String, Arc<FieldType>>> = HashMap::new();
        for model in schema.models().iter().filter(|m| m.concrete == m.id) {
            let columns = collections.entry(model.collection.to_string()).or_default();
            for field in model.fields.iter().filter(|f| f.is_concrete()) {
                columns
                    .entry(field.column.to_string())
                    .or_insert_with(|| Arc::clone(&field.ty));
            }
        }
        Columns(collections)
    }

    fn of(&self, collection: &str, column: &str) -> Option<&FieldType> {
        Some(self.0.get(collection)?.get(column)?.as_ref())
    }
}

/// Recorded documents in their stored form.
pub(crate) fn documents(
    schema: &Schema,
    columns: &Columns,
    recorded: &Recorded,
) -> Result<Documents> {
    let mut stored = Documents::new();
    for (collection, rows) in recorded {
        let mut documents = Vec::with_capacity(rows.len());
        for row in rows {
            let mut document = Document::new();
            for (column, text) in row {
                let failed = |e| format!("{collection}.{column}: {e}");
                let value = Value::from_json_text(text.get()).map_err(failed)?;
                let bson = match columns.of(collection, column) {
                    Some(ty) if storage::is_left_out(ty, &value) => continue,
                    Some(ty) => storage::to_bson(schema, ty, &value),
                    None => storage::untyped_to_bson(schema, &value),
                };
                document.insert(column, bson.map_err(failed)?);
            }
            documents.push(document);
        }
        stored.insert(collection.clone(), documents);
    }
    Ok(stored)
}

/// Puts documents into an empty database, with the indexes that Django would make.
pub(crate) fn load(
    target: &Target,
    executor: &dyn Executor,
    schema: &Schema,
    documents: &Documents,
) -> Result<()> {
    for model in schema.models().iter().filter(|m| m.concrete == m.id) {
        let indexes = indexes(schema, model);
        if model.embedded || indexes.is_empty() {
            continue;
        }
        run(
            target,
            executor,
            doc! {"createIndexes": &model.collection, "indexes": indexes},
        )
        .map_err(|e| format!("indexes of {}: {e}", model.collection))?;
    }
    for (collection, documents) in documents.iter().filter(|(_, d)| !d.is_empty()) {
        run(
            target,
            executor,
            doc! {"insert": collection, "documents": documents.clone()},
        )
        .map_err(|e| format!("documents of {collection}: {e}"))?;
    }
    Ok(())
}

/// All documents of a collection.
pub(crate) fn dump(
    target: &Target,
    executor: &dyn Executor,
    collection: &str,
) -> Result<Vec<Document>> {
    run(target, executor, doc! {"find": collection})
}

fn run(target: &Target, executor: &dyn Executor, command: Document) -> Result<Vec<Document>> {
    let all = async {
        let reply = executor.run(Bound { command }).await?;
        reply.into_vec().await
    };
    target.wait(all)?.map_err(|e| e.to_string())
}

/// Index specifications of a model's collection. Unique ones leave NULLs out, which SQL calls different.
fn indexes(schema: &Schema, model: &Model) -> Vec<Document> {
    let mut indexes: Vec<Document> = Vec::new();
    let mut add = |keys: Vec<(FieldRef, bool)>, unique: bool| {
        let mut key = Document::new();
        let mut partial = Document::new();
        for (reference, desc) in keys {
            let Ok(field) = schema.field(reference) else {
                return;
            };
            if field.column.is_empty() {
                return;
            }
            key.insert(field.column.clone(), if desc { -1 } else { 1 });
            if let (true, true, Some(ty)) = (unique, field.null(), bson_type(schema, reference)) {
                partial.insert(field.column.clone(), doc! {"$type": ty});
            }
        }
        if key.is_empty() || key.len() == 1 && key.contains_key("_id") {
            return;
        }
        let names: Vec<&str> = key.keys().map(String::as_str).collect();
        let name = names.join("_");
        if indexes
            .iter()
            .any(|i| i.get_str("name").is_ok_and(|n| n == name))
        {
            return;
        }
        let mut index = doc! {"key": key, "name": name};
        if unique {
            index.insert("unique", true);
        }
        if !partial.is_empty() {
            index.insert("partialFilterExpression", partial);
        }
        indexes.push(index);
    };
    for set in &model.unique_together {
        add(set.iter().map(|f| (*f, false)).collect(), true);
    }
    if let Ok(pk) = schema.field(model.pk)
        && !pk.parts.is_empty()
    {
        add(pk.parts.iter().map(|f| (*f, false)).collect(), true);
    }
    for field in &model.fields {
        if field.is_concrete() && (field.unique || field.db_index || field.is_foreign_key()) {
            // A composite key's fields are part of a key without being unique themselves.
            let unique = field.unique && !(field.primary_key && model.pk != field.id);
            add(vec![(field.id, false)], unique);
        }
    }
    indexes
}

/// The BSON type of a field's values that are not null.
fn bson_type(schema: &Schema, field: FieldRef) -> Option<&'static str> {
    Some(match schema.storage(field).ok()? {
        StorageFamily::Int => "int",
        StorageFamily::Long | StorageFamily::Duration => "long",
        StorageFamily::Double => "double",
        StorageFamily::Decimal => "decimal",
        StorageFamily::Text | StorageFamily::Uuid => "string",
        StorageFamily::Bool => "bool",
        StorageFamily::Binary => "binData",
        StorageFamily::Date | StorageFamily::DateTime | StorageFamily::Time => "date",
        StorageFamily::ObjectId => "objectId",
        StorageFamily::Array | StorageFamily::EmbeddedArray => "array",
        StorageFamily::Embedded => "object",
        _ => return None,
    })
}

/// Compares the content of a collection, as a bag. A missing column is NULL, except in JSON columns; `_id` counts
/// unless keys were generated or the model has none.
pub(crate) fn same_documents(
    schema: &Schema,
    columns: &Columns,
    collection: &str,
    expected: &[Document],
    actual: &[Document],
    generated_keys: bool,
) -> std::result::Result<(), String> {
    if expected.len() != actual.len() {
        return Err(format!(
            "{collection} holds {} documents instead of {}",
            actual.len(),
            expected.len()
        ));
    }
    let mut free: Vec<&Document> = actual.iter().collect();
    for e in expected {
        let same = |a: &&Document| same_document(schema, columns, collection, e, a, generated_keys);
        match free.iter().position(same) {
            Some(at) => {
                free.remove(at);
            }
            None => {
                let near = free
                    .iter()
                    .find(|a| a.get("_id") == e.get("_id"))
                    .or(free.first())
                    .map(ToString::to_string)
                    .unwrap_or_default();
                return Err(format!(
                    "{collection} lacks {}\nand holds {}",
                    compare::shorten(&e.to_string()),
                    compare::shorten(&near)
                ));
            }
        }
    }
    Ok(())
}

fn same_document(
    schema: &Schema,
    columns: &Columns,
    collection: &str,
    expected: &Document,
    actual: &Document,
    generated_keys: bool,
) -> bool {
    let has_id = expected.contains_key("_id") && !generated_keys;
    let names = expected
        .keys()
        .chain(actual.keys().filter(|k| !expected.contains_key(k)));
    for column in names {
        if column == "_id" && !has_id {
            continue;
        }
        let (e, a) = (expected.get(column), actual.get(column));
        let same = match columns.of(collection, column) {
            Some(ty) => {
                let json = ty.kind.family() == StorageFamily::Json;
                let decode = |stored: Option<&Bson>| match stored {
                    Some(Bson::Null) if json => Ok(Value::JsonNull),
                    Some(stored) => storage::from_bson(schema, ty, stored.clone()),
                    None => Ok(Value::Null),
                };
                match (decode(e), decode(a)) {
                    (Ok(Value::Null), Ok(Value::JsonNull))
                    | (Ok(Value::JsonNull), Ok(Value::Null)) => false,
                    (Ok(e), Ok(a)) => compare::values(&e, &a),
                    _ => false,
                }
            }
            None => e == a,
        };
        if !same {
            return false;
        }
    }
    true
}
