//! Collections, views and indexes: `create`, `drop`, `listCollections`, `createIndexes`, ...
use std::sync::Arc;

use bson::{Bson, Document as Bdoc, doc};

use super::Engine;
use super::args::Args;
use super::session::InTransaction;
use super::writing::{Writing, may_create};
use crate::memory::error::{Code, EngineError};
use crate::memory::expr::{Env, Scope};
use crate::memory::filter::Filter;
use crate::memory::stage::{Compiling, Pipeline, Place};
use crate::memory::storage::{Collection, CollectionOptions, IndexSpec};
use crate::memory::value::{Collation, Document, Value, num};

/// Options of `create` that are known; those without a meaning here are kept and listed.
const CREATE: [&str; 19] = [
    "capped",
    "size",
    "max",
    "validator",
    "validationLevel",
    "validationAction",
    "viewOn",
    "pipeline",
    "autoIndexId",
    "idIndex",
    "storageEngine",
    "indexOptionDefaults",
    "timeseries",
    "expireAfterSeconds",
    "clusteredIndex",
    "changeStreamPreAndPostImages",
    "encryptedFields",
    "flags",
    "temp",
];

fn not_found(db: &str, name: &str) -> EngineError {
    EngineError::new(Code::NamespaceNotFound, format!("ns not found {db}.{name}"))
}

impl CollectionOptions {
    /// Reads the options of `create`.
    ///
    /// # Errors
    /// What the validator, the collation and the pipeline give; `InvalidOptions`.
    pub fn parse(args: Args<'_>) -> Result<Self, EngineError> {
        let mut out = Self {
            validation_is_error: true,
            ..Self::default()
        };
        out.set_validation(args)?;
        out.collation = args.collation(None)?;
        if let Some(on) = args.string("viewOn")? {
            if on.is_empty() {
                return Err(EngineError::bad_value("'viewOn' cannot be empty"));
            }
            let stages = args.array("pipeline")?.cloned().unwrap_or_default();
            let scope = Scope::new();
            Pipeline::compile(
                &stages,
                &Compiling {
                    scope: &scope,
                    place: Place::Collection,
                    depth: 0,
                },
            )?;
            out.view = Some((on.to_owned(), stages));
        }
        if args.flag("capped")? {
            let Some(size) = args.count("size")? else {
                return Err(EngineError::new(
                    Code::InvalidOptions,
                    "the 'size' field is required when 'capped' is true",
                ));
            };
            out.capped = Some((size, args.count("max")?));
        }
        for (key, v) in args.doc() {
            if CREATE.contains(&key.as_str()) || key == "collation" {
                out.listed.insert(key.clone(), v.clone());
            }
        }
        Ok(out)
    }

    fn set_validation(&mut self, args: Args<'_>) -> Result<(), EngineError> {
        if let Some(validator) = args.document("validator")? {
            self.validator = if validator.is_empty() {
                None
            } else {
                Some(Filter::compile(validator, &Scope::new())?)
            };
        }
        match args.string("validationAction")? {
            None => {}
            Some("error") => self.validation_is_error = true,
            Some("warn") => self.validation_is_error = false,
            Some(other) => {
                return Err(EngineError::bad_value(format!(
                    "Enumeration value '{other}' for field 'validationAction' is not a valid value."
                )));
            }
        }
        match args.string("validationLevel")? {
            None => {}
            Some("strict") => self.moderate = false,
            Some("moderate") => self.moderate = true,
            Some("off") => self.validation_is_error = false,
            Some(other) => {
                return Err(EngineError::bad_value(format!(
                    "Enumeration value '{other}' for field 'validationLevel' is not a valid value."
                )));
            }
        }
        for key in ["validator", "validationAction", "validationLevel"] {
            if let Some(v) = args.get(key) {
                self.listed.insert(key, v.clone());
            }
        }
        Ok(())
    }
}

impl Engine {
    pub(super) fn create(
        &self,
        db: &str,
        args: Args<'_>,
        txn: Option<&InTransaction>,
    ) -> Result<Bdoc, EngineError> {
        let name = args.collection()?;
        args.only(&CREATE)?;
        let options = CollectionOptions::parse(args)?;
        let mut writing = self.writing(txn);
        let done = match writing.collection(db, name) {
            Some(old) if old.options.listed == options.listed => Ok(()),
            Some(_) => Err(EngineError::new(
                Code::NamespaceExists,
                format!("namespace {db}.{name} already exists, but with different options"),
            )),
            None => may_create(writing.state(), db, name)
                .and_then(|()| acyclic(&writing, db, name, &options))
                .map(|()| {
                    writing.state_mut().put(
                        db,
                        name,
                        Arc::new(Collection::new(&format!("{db}.{name}"), options)),
                    );
                }),
        };
        self.done(writing);
        done.map(|()| doc! {"ok": 1.0})
    }

    /// Gives a view another source or pipeline.
    fn modify_view(&self, db: &str, name: &str, args: Args<'_>) -> Result<Bdoc, EngineError> {
        let options = CollectionOptions::parse(args)?;
        let mut writing = self.writing(None);
        let done = match writing.collection(db, name) {
            Some(c) if c.options.view.is_some() => {
                acyclic(&writing, db, name, &options).map(|()| {
                    writing.state_mut().put(
                        db,
                        name,
                        Arc::new(Collection::new(&format!("{db}.{name}"), options)),
                    );
                })
            }
            Some(_) => Err(EngineError::new(
                Code::InvalidOptions,
                format!("ns: {db}.{name} is a collection; only views have 'viewOn' and 'pipeline'"),
            )),
            None => Err(not_found(db, name)),
        };
        self.done(writing);
        done.map(|()| doc! {"ok": 1.0})
    }

    pub(super) fn collection_modify(&self, db: &str, args: Args<'_>) -> Result<Bdoc, EngineError> {
        let name = args.collection()?;
        args.only(&[
            "index",
            "validator",
            "validationLevel",
            "validationAction",
            "viewOn",
            "pipeline",
            "expireAfterSeconds",
            "changeStreamPreAndPostImages",
            "timeseries",
            "cappedSize",
            "cappedMax",
            "dryRun",
        ])?;
        if args.get("viewOn").is_some() {
            return self.modify_view(db, name, args);
        }
        let mut writing = self.writing(None);
        let done = writing.change(db, name, |c| {
            let mut options = (*c.options).clone();
            options.set_validation(args)?;
            c.options = Arc::new(options);
            if let Some(index) = args.document("index")? {
                let wanted = index.get_document("keyPattern").ok().map(numbers);
                let by_key = c
                    .indexes()
                    .iter()
                    .find(|i| Some(numbers(&i.spec.key)) == wanted)
                    .map(|i| i.spec.name.clone());
                let given = index.get_str("name").ok().map(str::to_owned).or(by_key);
                let Some(found) = given.filter(|n| c.indexes().iter().any(|i| i.spec.name == *n))
                else {
                    return Err(EngineError::new(
                        Code::IndexNotFound,
                        "cannot find index for collMod",
                    ));
                };
                let expiry = index
                    .get("expireAfterSeconds")
                    .and_then(|v| Value::from_bson(v).as_i64());
                let hidden = index.get_bool("hidden").ok();
                c.change_index(&found, |spec| {
                    if let Some(n) = expiry {
                        spec.expire_after = Some(n);
                        spec.listed.insert("expireAfterSeconds", n);
                    }
                    if let Some(h) = hidden {
                        spec.hidden = h;
                        spec.listed.insert("hidden", h);
                    }
                });
            }
            Ok(())
        });
        self.done(writing);
        done.map(|()| doc! {"ok": 1.0})
    }

    pub(super) fn drop_collection(&self, db: &str, args: Args<'_>) -> Result<Bdoc, EngineError> {
        let name = args.collection()?;
        let mut writing = self.writing(None);
        let gone = writing.state_mut().take(db, name);
        self.done(writing);
        Ok(match gone {
            Some(c) => {
                doc! {"nIndexesWas": num::len_i32(c.indexes().len()), "ns": format!("{db}.{name}"), "ok": 1.0}
            }
            None => doc! {"ok": 1.0},
        })
    }

    pub(super) fn drop_database(&self, db: &str) -> Bdoc {
        let mut writing = self.writing(None);
        for (_, name, _) in writing.state().list(Some(db)) {
            writing.state_mut().take(db, &name);
        }
        self.done(writing);
        doc! {"dropped": db, "ok": 1.0}
    }

    pub(super) fn rename_collection(&self, args: Args<'_>) -> Result<Bdoc, EngineError> {
        let split = |key: &str| -> Result<(String, String), EngineError> {
            let text = args.string(key)?.unwrap_or_default();
            text.split_once('.')
                .map(|(d, n)| (d.to_owned(), n.to_owned()))
                .ok_or_else(|| {
                    EngineError::new(
                        Code::InvalidNamespace,
                        format!("Invalid namespace specified: {text}"),
                    )
                })
        };
        let ((from_db, from), (to_db, to)) = (split("renameCollection")?, split("to")?);
        let drop_target = args.flag("dropTarget")?;
        let mut writing = self.writing(None);
        let done = (|| {
            if (&from_db, &from) == (&to_db, &to) {
                return Err(EngineError::new(
                    Code::IllegalOperation,
                    "Can't rename a collection to itself",
                ));
            }
            if writing.writable(&from_db, &from)?.is_none() {
                return Err(EngineError::new(
                    Code::NamespaceNotFound,
                    format!("Source collection {from_db}.{from} does not exist"),
                ));
            }
            if writing.collection(&to_db, &to).is_some() && !drop_target {
                return Err(EngineError::new(
                    Code::NamespaceExists,
                    "target namespace exists",
                ));
            }
            may_create(writing.state(), &to_db, &to)?;
            let Some(mut c) = writing.state_mut().take(&from_db, &from) else {
                return Err(EngineError::new(
                    Code::NamespaceNotFound,
                    format!("Source collection {from_db}.{from} does not exist"),
                ));
            };
            Arc::make_mut(&mut c).namespace = Arc::from(format!("{to_db}.{to}"));
            writing.state_mut().put(&to_db, &to, c);
            Ok(())
        })();
        self.done(writing);
        done.map(|()| doc! {"ok": 1.0})
    }

    pub(super) fn list_collections(
        &self,
        db: &str,
        args: Args<'_>,
        txn: Option<&InTransaction>,
    ) -> Result<Bdoc, EngineError> {
        let empty = Bdoc::new();
        let filter = Filter::compile(args.document("filter")?.unwrap_or(&empty), &Scope::new())?;
        let names_only = args.flag("nameOnly")?;
        let evaluation = self.inner.evaluation(None);
        let mut env = Env::new(&evaluation);
        let mut out = Vec::new();
        for (_, name, c) in self.read_state(txn).list(Some(db)) {
            let kind = if c.options.view.is_some() {
                "view"
            } else {
                "collection"
            };
            let mut d = doc! {"name": &*name, "type": kind};
            if !names_only {
                d.insert("options", c.options.listed.clone());
                d.insert("info", doc! {"readOnly": c.options.view.is_some()});
                if c.options.view.is_none() {
                    d.insert("idIndex", doc! {"v": 2, "key": {"_id": 1}, "name": "_id_"});
                }
            }
            if filter.matches(Document::from_bson(&d).view(), &mut env)? {
                out.push(Bson::Document(d));
            }
        }
        Ok(
            doc! {"cursor": {"firstBatch": out, "id": 0_i64, "ns": format!("{db}.$cmd.listCollections")}, "ok": 1.0},
        )
    }

    pub(super) fn list_databases(&self, args: Args<'_>) -> Result<Bdoc, EngineError> {
        let mut sizes: indexmap::IndexMap<String, usize> = indexmap::IndexMap::new();
        for (db, _, c) in self.inner.state().list(None) {
            *sizes.entry(db.to_string()).or_default() += c.byte_size();
        }
        let names_only = args.flag("nameOnly")?;
        let empty = Bdoc::new();
        let filter = Filter::compile(args.document("filter")?.unwrap_or(&empty), &Scope::new())?;
        let evaluation = self.inner.evaluation(None);
        let mut env = Env::new(&evaluation);
        let (mut out, mut total) = (Vec::new(), 0_usize);
        for (name, size) in sizes {
            let mut d = doc! {"name": name};
            if !names_only {
                d.insert("sizeOnDisk", num::len_i64(size));
                d.insert("empty", size == 0);
            }
            if filter.matches(Document::from_bson(&d).view(), &mut env)? {
                total += size;
                out.push(Bson::Document(d));
            }
        }
        Ok(
            doc! {"databases": out, "totalSize": num::len_i64(total), "totalSizeMb": num::len_i64(total / 1_048_576), "ok": 1.0},
        )
    }

    pub(super) fn create_indexes(&self, db: &str, args: Args<'_>) -> Result<Bdoc, EngineError> {
        let name = args.collection()?;
        args.only(&["indexes", "commitQuorum", "ignoreUnknownIndexOptions"])?;
        let Some(specs) = args.array("indexes")? else {
            return Err(EngineError::location(
                40414,
                "BSON field 'createIndexes.indexes' is missing but a required field",
            ));
        };
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

    pub(super) fn list_indexes(
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

    pub(super) fn drop_indexes(&self, db: &str, args: Args<'_>) -> Result<Bdoc, EngineError> {
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
                    return Err(EngineError::location(
                        40414,
                        "BSON field 'dropIndexes.index' is missing but a required field",
                    ));
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

    pub(super) fn collection_stats(&self, db: &str, args: Args<'_>) -> Result<Bdoc, EngineError> {
        let name = args.collection()?;
        let state = self.inner.state();
        let mut reply = doc! {"ns": format!("{db}.{name}")};
        let (count, size, indexes) = state
            .get(db, name)
            .map_or((0, 0, 0), |c| (c.len(), c.byte_size(), c.indexes().len()));
        reply.insert("size", num::len_i64(size));
        reply.insert("count", num::len_i64(count));
        if let Some(average) = size.checked_div(count) {
            reply.insert("avgObjSize", num::len_i64(average));
        }
        reply.insert("storageSize", num::len_i64(size));
        reply.insert("nindexes", num::len_i32(indexes));
        reply.insert("ok", 1.0);
        Ok(reply)
    }

    pub(super) fn database_stats(&self, db: &str) -> Bdoc {
        let (mut collections, mut objects, mut size, mut indexes) = (0_i64, 0, 0, 0);
        for (_, _, c) in self.inner.state().list(Some(db)) {
            collections += 1;
            objects += c.len();
            size += c.byte_size();
            indexes += c.indexes().len();
        }
        doc! {"db": db, "collections": collections, "objects": num::len_i64(objects), "dataSize": num::len_i64(size), "storageSize": num::len_i64(size), "indexes": num::len_i64(indexes), "ok": 1.0}
    }

    /// Deletes the documents whose time has passed by the TTL indexes and the engine's clock. Gives their number.
    ///
    /// # Errors
    /// What removing gives.
    pub fn expire(&self) -> Result<usize, EngineError> {
        let now = self.inner.now();
        let mut writing = self.writing(None);
        let mut removed = 0;
        for (db, name, c) in writing.state().list(None) {
            let mut gone = Vec::new();
            for index in c.indexes() {
                let (Some(seconds), [field]) =
                    (index.spec.expire_after, index.spec.fields.as_slice())
                else {
                    continue;
                };
                let limit = now.saturating_sub(seconds.saturating_mul(1000));
                let mut cursor = c.cursor();
                while let Some((record, raw)) = cursor.forward() {
                    let doc = Document::from_raw(raw.clone());
                    let mut oldest = i64::MAX;
                    crate::memory::filter::visit(
                        field.path.parts(),
                        doc.view(),
                        true,
                        &mut |v, _| {
                            if let crate::memory::value::ValueRef::Date(d) = v {
                                oldest = oldest.min(d);
                            }
                            false
                        },
                    );
                    if oldest <= limit {
                        gone.push(*record);
                    }
                }
            }
            gone.sort_unstable();
            gone.dedup();
            for record in gone {
                writing.remove(&db, &name, record)?;
                removed += 1;
            }
        }
        self.done(writing);
        Ok(removed)
    }
}

/// Refuses a view that would read itself through others.
fn acyclic(
    writing: &Writing<'_>,
    db: &str,
    name: &str,
    options: &CollectionOptions,
) -> Result<(), EngineError> {
    let mut on = options.view.as_ref().map(|v| v.0.clone());
    for _ in 0..MAX_VIEWS {
        let Some(source) = on else {
            return Ok(());
        };
        if source == name {
            return Err(EngineError::new(
                Code::GraphContainsCycle,
                format!("View cycle detected: {db}.{name}"),
            ));
        }
        on = writing
            .collection(db, &source)
            .and_then(|c| c.options.view.as_ref().map(|v| v.0.clone()));
    }
    Ok(())
}

/// No view is looked through further than this.
const MAX_VIEWS: usize = 100;

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
pub(super) fn add_index(c: &mut Collection, spec: IndexSpec) -> Result<(), EngineError> {
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
fn numbers(key: &Bdoc) -> Vec<(String, String)> {
    let direction = |v: &Bson| match Value::from_bson(v).as_f64() {
        Some(x) => x.to_string(),
        None => v.to_string(),
    };
    key.iter().map(|(k, v)| (k.clone(), direction(v))).collect()
}
