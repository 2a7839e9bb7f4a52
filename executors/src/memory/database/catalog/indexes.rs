//! `createIndexes`, `listIndexes`, `dropIndexes`.
use bson::{Bson, Document as Bdoc, doc};

use super::not_found;
use crate::memory::database::Engine;
use crate::memory::database::args::Args;
use crate::memory::database::session::InTransaction;
use crate::memory::error::{Code, EngineError};
use crate::memory::storage::{Collection, IndexSpec};
use crate::memory::value::{Collation, Value, num};

impl Engine {
    pub(in crate::memory::database) fn create_indexes(
        &self,
        db: &str,
        args: Args<'_>,
    ) -> Result<Bdoc, EngineError> {
        let name = args.collection()?;
        args.only(&["indexes", "commitQuorum", "ignoreUnknownIndexOptions"])?;
        let specs = args
            .array("indexes")?
            .ok_or_else(|| args.missing("indexes"))?;
        if specs.is_empty() {
            return Err(EngineError::bad_value(
                "Must specify at least one index to create",
            ));
        }
        let mut writing = self.writing(None);
        let created = writing.collection(db, name).is_none();
        let done = writing.ensure(db, name).and_then(|()| {
            writing.change(db, name, |c| {
                let before = c.indexes().len();
                // All of them or none.
                let mut changed = c.clone();
                for spec in specs {
                    let Bson::Document(given) = spec else {
                        return Err(EngineError::type_mismatch(
                            "The elements of the 'indexes' array must be objects",
                        ));
                    };
                    let spec = IndexSpec::parse(given, changed.options.collation.as_ref())?;
                    add_index(&mut changed, spec)?;
                }
                *c = changed;
                Ok((before, c.indexes().len()))
            })
        });
        self.done(writing);
        let (before, after) = done?;
        let mut reply = doc! {"numIndexesBefore": num::len_i32(before), "numIndexesAfter": num::len_i32(after), "createdCollectionAutomatically": created, "ok": 1.0};
        if before == after {
            reply.insert("note", "all indexes already exist");
        }
        Ok(reply)
    }

    pub(in crate::memory::database) fn list_indexes(
        &self,
        db: &str,
        args: Args<'_>,
        txn: Option<&InTransaction>,
    ) -> Result<Bdoc, EngineError> {
        let name = args.collection()?;
        let state = self.read_state(txn);
        let Some(c) = state.get(db, name) else {
            return Err(EngineError::new(
                Code::NamespaceNotFound,
                format!("ns does not exist: {db}.{name}"),
            ));
        };
        let list: Vec<Bson> = c
            .indexes()
            .iter()
            .map(|i| Bson::Document(i.spec.listed.clone()))
            .collect();
        Ok(
            doc! {"cursor": {"firstBatch": list, "id": 0_i64, "ns": format!("{db}.{name}")}, "ok": 1.0},
        )
    }

    pub(in crate::memory::database) fn drop_indexes(
        &self,
        db: &str,
        args: Args<'_>,
    ) -> Result<Bdoc, EngineError> {
        let name = args.collection()?;
        let which = args.get("index").cloned();
        let mut writing = self.writing(None);
        if writing.collection(db, name).is_none() {
            self.done(writing);
            return Err(not_found(db, name));
        }
        let done = writing.change(db, name, |c| {
            let before = c.indexes().len();
            match &which {
                None => {
                    return Err(Args::new("dropIndexes", args.doc()).missing("index"));
                }
                Some(Bson::String(s)) if s == "*" => c.drop_indexes(|_| true),
                Some(Bson::String(s)) => drop_named(c, s)?,
                Some(Bson::Array(names)) => {
                    for n in names {
                        drop_named(c, n.as_str().unwrap_or_default())?;
                    }
                }
                Some(Bson::Document(key)) => {
                    let found = c
                        .indexes()
                        .iter()
                        .find(|i| numbers(&i.spec.key) == numbers(key))
                        .map(|i| i.spec.name.clone());
                    match found {
                        Some(n) => drop_named(c, &n)?,
                        None => {
                            return Err(EngineError::new(
                                Code::IndexNotFound,
                                format!("can't find index with key: {key}"),
                            ));
                        }
                    }
                }
                Some(_) => {
                    return Err(EngineError::type_mismatch(
                        "dropIndexes' index must be a string, an array or an object",
                    ));
                }
            }
            Ok(before)
        });
        self.done(writing);
        done.map(|before| doc! {"nIndexesWas": num::len_i32(before), "ok": 1.0})
    }
}

fn drop_named(c: &mut Collection, name: &str) -> Result<(), EngineError> {
    if name == "_id_" {
        return Err(EngineError::new(
            Code::InvalidOptions,
            "cannot drop _id index",
        ));
    }
    if !c.indexes().iter().any(|i| i.spec.name == name) {
        return Err(EngineError::new(
            Code::IndexNotFound,
            format!("index not found with name [{name}]"),
        ));
    }
    c.drop_indexes(|spec| spec.name == name);
    Ok(())
}

/// Adds an index unless it is there; the same name or key with other options conflict.
pub(in crate::memory::database) fn add_index(
    c: &mut Collection,
    spec: IndexSpec,
) -> Result<(), EngineError> {
    let same_collation = |a: &Option<Collation>, b: &Option<Collation>| a == b;
    for old in c.indexes() {
        let old = &old.spec;
        let same_key = numbers(&old.key) == numbers(&spec.key)
            && same_collation(&old.collation, &spec.collation);
        if old.name == "_id_" && same_key {
            return Ok(());
        }
        if old.name == spec.name {
            if !same_key {
                return Err(EngineError::new(
                    Code::IndexKeySpecsConflict,
                    format!(
                        "An existing index has the same name as the requested index. When index names are not specified, they are auto generated and can cause conflicts. Please refer to our documentation. Requested index: {}, existing index: {}",
                        spec.listed, old.listed
                    ),
                ));
            }
            let options = |s: &IndexSpec| {
                (
                    s.unique,
                    s.sparse,
                    s.expire_after,
                    s.partial.as_ref().map(|p| p.0.clone()),
                )
            };
            if options(old) != options(&spec) {
                return Err(EngineError::new(
                    Code::IndexKeySpecsConflict,
                    format!(
                        "An existing index has the same name as the requested index but other options: {}",
                        spec.name
                    ),
                ));
            }
            return Ok(());
        }
        if same_key
            && old.partial.as_ref().map(|p| &p.0) == spec.partial.as_ref().map(|p| &p.0)
            && old.unique == spec.unique
            && old.sparse == spec.sparse
        {
            return Err(EngineError::new(
                Code::IndexOptionsConflict,
                format!("Index already exists with a different name: {}", old.name),
            ));
        }
    }
    if c.indexes().len() >= MAX_INDEXES {
        return Err(EngineError::new(
            Code::CannotCreateIndex,
            format!(
                "add index fails, too many indexes for {} key:{}",
                c.namespace, spec.key
            ),
        ));
    }
    c.add_index(spec)
}

/// A collection has no more indexes than these.
const MAX_INDEXES: usize = 64;

/// A key pattern with its numbers as directions: `1` and `1.0` are the same.
pub(super) fn numbers(key: &Bdoc) -> Vec<(String, String)> {
    let direction = |v: &Bson| match Value::from_bson(v).as_f64() {
        Some(x) => x.to_string(),
        None => v.to_string(),
    };
    key.iter().map(|(k, v)| (k.clone(), direction(v))).collect()
}
