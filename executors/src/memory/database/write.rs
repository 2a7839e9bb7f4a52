//! `insert`, `update`, `delete`, `findAndModify`.
use std::sync::Arc;

use bson::{Bson, Document as Bdoc, doc};

use super::Engine;
use super::args::Args;
use super::find_projection::FindProjection;
use super::session::InTransaction;
use super::statement::{Lets, UpdateStatement, matching};
use super::update::{check_id, id_first};
use super::writing::Writing;
use crate::memory::error::{Code, EngineError};
use crate::memory::expr::{Env, Scope};
use crate::memory::filter::Filter;
use crate::memory::stage::SortSpec;
use crate::memory::value::{Buffer, Collation, Document, Value};

/// A write's error as an element of `writeErrors`.
pub(super) fn write_error(index: usize, e: &EngineError) -> Bson {
    let mut d = doc! {"index": i32::try_from(index).unwrap_or(i32::MAX), "code": e.code, "errmsg": e.message.clone()};
    if let Some(details) = &e.details {
        d.extend((**details).clone());
    }
    Bson::Document(d)
}

fn int(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

/// Gives a new document its `_id`, puts that first, and inserts it.
pub(super) fn insert_one(
    writing: &mut Writing<'_>,
    db: &str,
    name: &str,
    d: &Bdoc,
) -> Result<Value, EngineError> {
    let raw: Buffer = match d.keys().next() {
        // The usual case: the bytes go in as they are.
        Some(first) if first == "_id" => {
            let bytes = d
                .to_vec()
                .map_err(|e| EngineError::new(Code::InvalidBSON, e.to_string()))?;
            Buffer::from(bytes.as_slice())
        }
        _ => {
            let doc = Document::from_bson(d);
            match id_first(doc.clone()) {
                Some(doc) => doc.to_raw(),
                None => {
                    let mut b = doc.edit();
                    b.push_front("_id", Value::ObjectId(writing.object_id()));
                    b.build().to_raw()
                }
            }
        }
    };
    let doc = Document::from_raw(raw.clone());
    check_id(&doc)?;
    writing.validate(db, name, &doc, None)?;
    let id = doc.get("_id");
    writing.insert(db, name, raw)?;
    Ok(id)
}

/// The most statements of one command.
const MAX_BATCH: usize = 100_000;

fn batch_size(statements: &[Bson]) -> Result<(), EngineError> {
    if (1..=MAX_BATCH).contains(&statements.len()) {
        return Ok(());
    }
    Err(EngineError::new(
        Code::InvalidLength,
        format!(
            "Write batch sizes must be between 1 and {MAX_BATCH}. Got {} operations.",
            statements.len()
        ),
    ))
}

/// Whether an error ends the command instead of becoming a write error.
fn fatal(e: &EngineError) -> bool {
    [
        Code::WriteConflict.number(),
        Code::MaxTimeMSExpired.number(),
    ]
    .contains(&e.code)
}

impl Engine {
    /// Runs the statements of a write command one by one; their errors are collected, and stop it when it is ordered.
    pub(super) fn statements<T>(
        &self,
        args: Args<'_>,
        txn: Option<&InTransaction>,
        ordered: bool,
        statements: impl IntoIterator<Item = T>,
        mut f: impl FnMut(&mut Writing<'_>, usize, T) -> Result<(), EngineError>,
    ) -> Result<Vec<Bson>, EngineError> {
        let budget = args.budget()?;
        let mut writing = self.writing(txn);
        writing.budget = budget;
        writing.unchecked = args.flag("bypassDocumentValidation")?;
        let mut errors = Vec::new();
        for (i, statement) in statements.into_iter().enumerate() {
            if let Err(e) = f(&mut writing, i, statement) {
                if fatal(&e) || txn.is_some() {
                    self.done(writing);
                    return Err(e);
                }
                errors.push(write_error(i, &e));
                if ordered {
                    break;
                }
            }
        }
        self.done(writing);
        Ok(errors)
    }

    fn ordered(args: Args<'_>) -> Result<bool, EngineError> {
        Ok(args.strict_flag("ordered")?.unwrap_or(true))
    }

    /// Refuses a batch with a statement that is not formed as it must be, before anything is written.
    fn formed(
        name: &str,
        statements: &[Bson],
        required: &[&str],
        flags: &[&str],
        optional: &[&str],
    ) -> Result<(), EngineError> {
        for statement in statements {
            let Bson::Document(statement) = statement else {
                return Err(EngineError::type_mismatch(format!(
                    "BSON field '{name}' must hold objects"
                )));
            };
            let args = Args::new(name, statement);
            let known: Vec<&str> = [required, flags, optional].concat();
            args.only(&known)?;
            for key in required {
                if args.doc().get(key).is_none() {
                    return Err(args.missing(key));
                }
            }
            for key in flags {
                args.strict_flag(key)?;
            }
        }
        Ok(())
    }

    fn default_collation(
        &self,
        txn: Option<&InTransaction>,
        db: &str,
        name: &str,
    ) -> Option<Collation> {
        self.read_state(txn)
            .get(db, name)
            .and_then(|c| c.options.collation.clone())
    }

    pub(super) fn insert(
        &self,
        db: &str,
        args: Args<'_>,
        txn: Option<&InTransaction>,
    ) -> Result<Bdoc, EngineError> {
        let name = args.collection()?;
        args.only(&["documents", "ordered"])?;
        let docs = args
            .array("documents")?
            .ok_or_else(|| args.missing("documents"))?;
        batch_size(docs)?;
        let mut n = 0;
        let errors = self.statements(args, txn, Self::ordered(args)?, docs, |writing, _, d| {
            let Bson::Document(d) = d else {
                return Err(EngineError::type_mismatch(
                    "BSON field 'insert.documents' must hold objects",
                ));
            };
            writing.ensure(db, name)?;
            insert_one(writing, db, name, d)?;
            n += 1;
            Ok(())
        })?;
        let mut reply = doc! {"n": n, "ok": 1.0};
        if !errors.is_empty() {
            reply.insert("writeErrors", errors);
        }
        Ok(reply)
    }

    pub(super) fn update(
        &self,
        db: &str,
        args: Args<'_>,
        txn: Option<&InTransaction>,
    ) -> Result<Bdoc, EngineError> {
        let name = args.collection()?;
        args.only(&["updates", "ordered"])?;
        let lets = args.document("let")?;
        let default = self.default_collation(txn, db, name);
        let updates = args
            .array("updates")?
            .ok_or_else(|| args.missing("updates"))?;
        batch_size(updates)?;
        Self::formed(
            "update.updates",
            updates,
            &["q", "u"],
            &["multi", "upsert", "upsertSupplied"],
            &["c", "arrayFilters", "sort", "sampleId"],
        )?;
        for update in updates.iter().filter_map(Bson::as_document) {
            if update.contains_key("sort") && Args::new("update.updates", update).flag("multi")? {
                return Err(EngineError::failed_to_parse(
                    "Cannot specify sort with multi=true",
                ));
            }
        }
        let (mut n, mut modified, mut upserted) = (0, 0, Vec::new());
        let errors =
            self.statements(args, txn, Self::ordered(args)?, updates, |writing, i, u| {
                let Bson::Document(u) = u else {
                    return Err(EngineError::type_mismatch(
                        "BSON field 'update.updates' must hold objects",
                    ));
                };
                let u = Args::new("update.updates", u);
                let statement = UpdateStatement::compile(
                    u,
                    ["q", "u"],
                    lets,
                    u.flag("multi")?,
                    default.as_ref(),
                )?;
                let done = statement.run(writing, self, db, name)?;
                n += done.matched;
                modified += done.modified;
                if let Some(id) = done.upserted {
                    n += 1;
                    upserted.push(Bson::Document(doc! {"index": int(i), "_id": id.to_bson()}));
                }
                Ok(())
            })?;
        let mut reply = doc! {"n": int(n), "nModified": int(modified)};
        if !upserted.is_empty() {
            reply.insert("upserted", upserted);
        }
        if !errors.is_empty() {
            reply.insert("writeErrors", errors);
        }
        reply.insert("ok", 1.0);
        Ok(reply)
    }

    pub(super) fn delete(
        &self,
        db: &str,
        args: Args<'_>,
        txn: Option<&InTransaction>,
    ) -> Result<Bdoc, EngineError> {
        let name = args.collection()?;
        args.only(&["deletes", "ordered"])?;
        let lets = args.document("let")?;
        let default = self.default_collation(txn, db, name);
        let deletes = args
            .array("deletes")?
            .ok_or_else(|| args.missing("deletes"))?;
        batch_size(deletes)?;
        Self::formed(
            "delete.deletes",
            deletes,
            &["q", "limit"],
            &[],
            &["sampleId"],
        )?;
        let mut n = 0;
        let errors =
            self.statements(args, txn, Self::ordered(args)?, deletes, |writing, _, d| {
                let Bson::Document(d) = d else {
                    return Err(EngineError::type_mismatch(
                        "BSON field 'delete.deletes' must hold objects",
                    ));
                };
                let d = Args::new("delete.deletes", d);
                let limit = match d.int("limit")? {
                    Some(0) => usize::MAX,
                    Some(1) => 1,
                    Some(n) => {
                        return Err(EngineError::failed_to_parse(format!(
                            "The limit field in delete objects must be 0 or 1. Got {n}"
                        )));
                    }
                    None => {
                        return Err(d.missing("limit"));
                    }
                };
                n += self
                    .delete_matching(writing, db, name, d, lets, limit, default.as_ref())?
                    .len();
                Ok(())
            })?;
        let mut reply = doc! {"n": int(n), "ok": 1.0};
        if !errors.is_empty() {
            reply.insert("writeErrors", errors);
        }
        Ok(reply)
    }

    /// Removes what a statement's `q` finds; gives the documents back.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn delete_matching(
        &self,
        writing: &mut Writing<'_>,
        db: &str,
        name: &str,
        args: Args<'_>,
        lets: Option<&Bdoc>,
        limit: usize,
        default: Option<&Collation>,
    ) -> Result<Vec<Document>, EngineError> {
        let lets = Lets::compile(lets, None)?;
        let empty = Bdoc::new();
        let key = if args.doc().contains_key("q") {
            "q"
        } else if args.doc().contains_key("filter") {
            "filter"
        } else {
            "query"
        };
        let filter = Arc::new(Filter::compile(
            args.document(key)?.unwrap_or(&empty),
            &lets.scope,
        )?);
        let sort = args
            .document("sort")?
            .filter(|s| !s.is_empty())
            .map(SortSpec::compile)
            .transpose()?;
        let mut evaluation = self.inner.evaluation(args.collation(default)?);
        evaluation.budget.clone_from(&writing.budget);
        let hint = args.hint()?;
        let mut env = Env::new(&evaluation);
        lets.bind(&mut env)?;
        let Some(collection) = writing.writable(db, name)? else {
            return Ok(Vec::new());
        };
        let hits = matching(
            &collection,
            &filter,
            sort.as_ref(),
            hint.as_deref(),
            limit,
            &mut env,
        )?;
        drop(collection);
        let mut gone = Vec::with_capacity(hits.len());
        for (record, doc) in hits {
            writing.remove(db, name, record)?;
            gone.push(doc);
        }
        Ok(gone)
    }

    pub(super) fn find_and_modify(
        &self,
        db: &str,
        args: Args<'_>,
        txn: Option<&InTransaction>,
    ) -> Result<Bdoc, EngineError> {
        let name = args.collection()?;
        args.only(&[
            "query",
            "sort",
            "remove",
            "update",
            "new",
            "fields",
            "upsert",
            "arrayFilters",
            "c",
        ])?;
        let (remove, new) = (args.flag("remove")?, args.flag("new")?);
        let failed = |message: &str| Err(EngineError::failed_to_parse(message));
        if remove && args.get("update").is_some() {
            return failed("Cannot specify both an update and remove=true");
        }
        if remove && args.flag("upsert")? {
            return failed("Cannot specify both upsert=true and remove=true");
        }
        if remove && new {
            return failed(
                "Cannot specify both new=true and remove=true; 'remove' always returns the deleted document",
            );
        }
        if !remove && args.get("update").is_none() {
            return failed("Either an update or remove=true must be specified");
        }
        let lets = args.document("let")?;
        let default = self.default_collation(txn, db, name);
        let budget = args.budget()?;
        let mut writing = self.writing(txn);
        writing.budget = budget;
        writing.unchecked = args.flag("bypassDocumentValidation")?;
        let done = if remove {
            self.delete_matching(&mut writing, db, name, args, lets, 1, default.as_ref())
                .map(|mut gone| {
                    let doc = gone.pop();
                    (doc! {"n": i32::from(doc.is_some())}, doc)
                })
        } else {
            UpdateStatement::compile(args, ["query", "update"], lets, false, default.as_ref())
                .and_then(|s| s.run(&mut writing, self, db, name))
                .map(|done| {
                    let mut last = doc! {"n": int(done.matched + usize::from(done.upserted.is_some())), "updatedExisting": done.matched > 0};
                    if let Some(id) = &done.upserted {
                        last.insert("upserted", id.to_bson());
                    }
                    (last, if new { done.after } else { done.before })
                })
        };
        self.done(writing);
        let (last, value) = done?;
        let value = match (value, args.document("fields")?) {
            (Some(doc), Some(fields)) if !fields.is_empty() => {
                let empty = Bdoc::new();
                let query = args.document("query")?.unwrap_or(&empty);
                let scope = Scope::new();
                let projection =
                    FindProjection::compile(fields, &Filter::compile(query, &scope)?, &scope)?;
                let evaluation = self.inner.evaluation(args.collation(default.as_ref())?);
                Some(projection.apply(&doc, &mut Env::new(&evaluation))?)
            }
            (value, _) => value,
        };
        Ok(
            doc! {"lastErrorObject": last, "value": value.map_or(Bson::Null, |d| Bson::Document(d.to_bson())), "ok": 1.0},
        )
    }
}
