//! One index as `createIndexes` takes it.

use bson::{Bson, Document, doc};

use super::clause::Clause;
use super::key::{Key, key};
use super::{name, partial};
use crate::compiler::Compiler;
use crate::error::{Code, Error, Result};
use crate::schema::{FieldKind, IndexKind, IndexSpec, Model, StorageFamily};

/// An index with what says whether another one is the same.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Index {
    /// As the command takes it.
    pub spec: Document,
    /// The name is the user's own.
    pub named: bool,
}

impl Index {
    pub(super) fn name(&self) -> &str {
        self.spec.get_str("name").unwrap_or_default()
    }

    /// A server holds only one of two such indexes.
    pub(super) fn is_like(&self, other: &Index) -> bool {
        let options = [
            "key",
            "unique",
            "sparse",
            "partialFilterExpression",
            "collation",
        ];
        options
            .iter()
            .all(|o| self.spec.get(o) == other.spec.get(o))
    }
}

/// A declared index; `None` for one that every collection has.
pub(super) fn index(compiler: &Compiler, model: &Model, spec: &IndexSpec) -> Result<Option<Index>> {
    let schema = compiler.schema();
    let keys = spec.keys.iter().map(|k| key(schema, model, &k.field));
    let keys: Vec<Key> = keys.collect::<Result<_>>()?;
    if let [only] = keys.as_slice()
        && only.path == "_id"
        && spec.kind == IndexKind::Ordered
        && (spec.unique || spec.condition.is_none())
    {
        return Ok(None);
    }
    for (i, key) in keys.iter().enumerate() {
        if keys.iter().take(i).any(|other| other.path == key.path) {
            return Err(Error::new(
                Code::Schema,
                format!("it names {:?} twice", key.path),
            ));
        }
    }
    fitting(spec, &keys)?;
    let mut pattern = Document::new();
    for (key, given) in keys.iter().zip(&spec.keys) {
        let kind: Bson = match spec.kind {
            IndexKind::Ordered | IndexKind::Wildcard if given.desc => (-1).into(),
            IndexKind::Ordered | IndexKind::Wildcard => 1.into(),
            IndexKind::Text => "text".into(),
            IndexKind::Hashed => "hashed".into(),
            IndexKind::Sphere => "2dsphere".into(),
        };
        let path = match spec.kind {
            IndexKind::Wildcard => format!("{}.$**", key.path),
            _ => key.path.clone(),
        };
        pattern.insert(path, kind);
    }
    if pattern.is_empty() {
        pattern.insert("$**", 1);
    }
    let mut out = doc! {"key": pattern, "name": named(spec, model, &keys)};
    if spec.unique {
        out.insert("unique", true);
    }
    let mut clauses = Vec::new();
    if let Some(condition) = &spec.condition {
        clauses.push(partial::clause(compiler, model, condition)?);
    }
    if spec.unique && !spec.nulls_equal {
        for key in keys.iter().filter(|key| key.nullable) {
            clauses.push(Clause::not_null(key.path.clone(), key.ty.as_deref()));
        }
    }
    let filter = Clause::All(clauses).render();
    if !filter.is_empty() {
        out.insert("partialFilterExpression", filter);
    }
    if let Some(seconds) = spec.expire_after_seconds {
        out.insert(
            "expireAfterSeconds",
            i32::try_from(seconds).unwrap_or(i32::MAX),
        );
    }
    out.extend(spec.options.clone());
    Ok(Some(Index {
        spec: out,
        named: spec.name.is_some(),
    }))
}

/// The unique index of a composite primary key, whose columns are stored beside `_id`.
pub(super) fn composite(compiler: &Compiler, model: &Model) -> Result<Option<Index>> {
    let schema = compiler.schema();
    let pk = schema.field(model.pk)?;
    if pk.ty.kind != FieldKind::CompositePrimaryKey {
        return Ok(None);
    }
    let parts = pk.parts.iter().map(|f| schema.field(*f));
    let columns: Vec<String> = parts
        .map(|field| Ok(field?.column.to_string()))
        .collect::<Result<_>>()?;
    let pattern: Document = columns.iter().map(|c| (c.clone(), 1.into())).collect();
    let name = name::of_columns(&model.collection, &columns, "_pk");
    Ok(Some(Index {
        spec: doc! {"key": pattern, "name": name, "unique": true},
        named: false,
    }))
}

fn named(spec: &IndexSpec, model: &Model, keys: &[Key]) -> String {
    if let Some(name) = &spec.name {
        return name.clone();
    }
    let columns: Vec<String> = keys.iter().map(|key| key.path.clone()).collect();
    if spec.unique {
        return name::of_columns(&model.collection, &columns, "_uniq");
    }
    match (spec.of_field, spec.kind) {
        // The official backend's own form.
        (true, IndexKind::Sphere) => format!("{}_{}_id", model.collection, columns.join("_")),
        (true, _) => name::of_columns(&model.collection, &columns, ""),
        (false, _) => {
            let signed = columns.iter().zip(&spec.keys);
            let signed = signed.map(|(c, key)| format!("{}{c}", if key.desc { "-" } else { "" }));
            name::of_index(&model.collection, &signed.collect::<Vec<_>>())
        }
    }
}

/// Whether MongoDB can hold such an index, and whether it then means what it says.
fn fitting(spec: &IndexSpec, keys: &[Key]) -> Result<()> {
    use StorageFamily as F;
    let refuse = |what: &str, because: &str| Err(Error::unsupported(what, because));
    if spec.kind != IndexKind::Ordered && spec.unique {
        return refuse(
            "a unique index of this kind",
            "its entries are not the values themselves",
        );
    }
    if spec.kind != IndexKind::Ordered && spec.kind != IndexKind::Wildcard {
        if spec.keys.iter().any(|key| key.desc) {
            return refuse(
                "a descending key of this kind",
                "such an index has no order",
            );
        }
        if spec.kind == IndexKind::Hashed && keys.len() != 1 {
            return refuse(
                "a hashed index of several fields",
                "the server hashes one field",
            );
        }
    }
    if spec.kind == IndexKind::Wildcard && keys.len() > 1 {
        return refuse(
            "a wildcard index of several fields",
            "wildcardProjection is what says which paths are in it",
        );
    }
    for key in keys {
        let family = key.family();
        let array = matches!(family, F::Array | F::EmbeddedArray);
        if spec.kind == IndexKind::Hashed && (array || key.many) {
            return refuse("a hashed index of an array", "the server hashes no arrays");
        }
        if spec.kind == IndexKind::Text && !matches!(family, F::Text | F::Array | F::Json) {
            return Err(Error::new(
                Code::Schema,
                format!("a text index holds texts, and {:?} is none", key.path),
            ));
        }
        if !spec.unique {
            continue;
        }
        if array || family == F::Json {
            return Err(Error::unsupported(
                format!("a unique index of {:?}", key.path),
                "the server compares the elements of an array one by one, not arrays as wholes",
            ));
        }
        if key.many && !spec.nulls_equal {
            return Err(Error::unsupported(
                format!("a unique index of {:?} that lets NULLs in", key.path),
                "a partial index holds documents, and not some elements of an array",
            )
            .with_hint(
                "say nulls_distinct=False: the server compares the elements of different documents",
            ));
        }
    }
    if let Some(_seconds) = spec.expire_after_seconds {
        let dates = |key: &Key| matches!(key.family(), F::Date | F::DateTime | F::Json);
        if !matches!(keys, [only] if dates(only)) || spec.kind != IndexKind::Ordered {
            return Err(Error::new(
                Code::Schema,
                "expire_after_seconds is for an index of one date or datetime",
            ));
        }
    }
    Ok(())
}
