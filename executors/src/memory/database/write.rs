//! `insert`, `update`, `delete`, `findAndModify`.
use std::sync::Arc;

use bson::{Bson, Document as Bdoc, doc};

use super::Engine;
use super::args::Args;
use super::find_projection::FindProjection;
use super::session::InTransaction;
use super::update::{Moment, Update, check_id, from_filter, id_first};
use super::writing::Writing;
use crate::memory::error::{Code, EngineError};
use crate::memory::expr::{Env, Expr, Scope, Slot};
use crate::memory::filter::Filter;
use crate::memory::plan::{self, Access, CollectionScan, IndexScan};
use crate::memory::stage::{Context, SortSpec};
use crate::memory::storage::Collection;
use crate::memory::value::{Collation, Document, Value};

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

/// `let` of a command: names bound to constants.
pub(super) struct Lets {
    /// The scope with the names.
    pub scope: Scope,
    bindings: Vec<(Slot, Expr)>,
}

impl Lets {
    /// Reads `let` (and an update's `c`, its constants).
    ///
    /// # Errors
    /// What the expressions give.
    pub fn compile(specs: &[Option<&Bdoc>]) -> Result<Self, EngineError> {
        let mut scope = Scope::new();
        let mut bindings = Vec::new();
        for (name, v) in specs.iter().flatten().flat_map(|d| d.iter()) {
            let expr = Expr::compile(v, &scope)?;
            let (inner, slot) = scope.with(name);
            scope = inner;
            bindings.push((slot, expr));
        }
        Ok(Self { scope, bindings })
    }

    /// Binds the values.
    ///
    /// # Errors
    /// What evaluation gives.
    pub fn bind(&self, env: &mut Env<'_>) -> Result<(), EngineError> {
        for (slot, expr) in &self.bindings {
            let value = expr.eval(env)?;
            env.set(*slot, value);
        }
        Ok(())
    }
}

/// The first `limit` records that pass a filter, in the order of the sort.
pub(super) fn matching(
    collection: &Arc<Collection>,
    filter: &Arc<Filter>,
    sort: Option<&SortSpec>,
    limit: usize,
    env: &mut Env<'_>,
) -> Result<Vec<(u64, Document)>, EngineError> {
    let filters = vec![Arc::clone(filter)];
    let plan = plan::choose(collection, &filters, sort, env);
    let stop = if plan.sorted { limit } else { usize::MAX };
    let mut found = Vec::new();
    match plan.access {
        Access::Scan => {
            let mut scan = CollectionScan::new(collection, filters, None);
            while found.len() < stop
                && let Some(hit) = scan.next_record(env)?
            {
                found.push(hit);
            }
        }
        Access::Index {
            index,
            ranges,
            reverse,
        } => {
            let mut scan = IndexScan::new(
                Arc::clone(collection),
                index,
                ranges,
                reverse,
                filters,
                None,
            );
            while found.len() < stop
                && let Some(hit) = scan.next_record(env)?
            {
                found.push(hit);
            }
        }
    }
    if !plan.sorted
        && let Some(sort) = sort
    {
        let mut keyed = Vec::with_capacity(found.len());
        for hit in found {
            keyed.push((sort.key(hit.1.view(), env.collation())?, hit));
        }
        keyed.sort_by(|a, b| sort.compare(&a.0, &b.0));
        found = keyed.into_iter().map(|(_, hit)| hit).collect();
    }
    found.truncate(limit);
    Ok(found)
}

/// Checks a document against the collection's validator.
fn validate(
    collection: Option<&Arc<Collection>>,
    new: &Document,
    old: Option<&Document>,
) -> Result<(), EngineError> {
    let Some(options) = collection.map(|c| &c.options) else {
        return Ok(());
    };
    let Some(validator) = &options.validator else {
        return Ok(());
    };
    if !options.validation_is_error {
        return Ok(());
    }
    let evaluation = crate::memory::expr::Evaluation {
        collation: options.collation.clone(),
        ..Default::default()
    };
    let mut env = Env::new(&evaluation);
    if validator.matches(new, &mut env)? {
        return Ok(());
    }
    if options.moderate
        && let Some(old) = old
        && !validator.matches(old, &mut env)?
    {
        return Ok(());
    }
    Err(EngineError::new(
        Code::DocumentValidationFailure,
        "Document failed validation",
    )
    .with_details(doc! {"errInfo": {"failingDocumentId": new.get("_id").to_bson()}}))
}

/// One statement of an `update`.
pub(super) struct UpdateStatement {
    filter: Arc<Filter>,
    update: Update,
    lets: Lets,
    sort: Option<SortSpec>,
    multi: bool,
    upsert: bool,
    collation: Option<Collation>,
}

/// What a statement did.
#[derive(Default)]
pub(super) struct Updated {
    pub matched: usize,
    pub modified: usize,
    pub upserted: Option<Value>,
    /// The document before and after, of the last one changed.
    pub before: Option<Document>,
    pub after: Option<Document>,
}

fn text(raw: &Document) -> Arc<[u8]> {
    raw.to_raw()
}

impl UpdateStatement {
    pub(super) fn compile(
        args: Args<'_>,
        keys: [&str; 2],
        lets: Option<&Bdoc>,
        multi: bool,
        default: Option<&Collation>,
    ) -> Result<Self, EngineError> {
        let [query, change] = keys;
        let lets = Lets::compile(&[lets, args.document("c")?])?;
        let empty = Bdoc::new();
        let filter = Filter::compile(args.document(query)?.unwrap_or(&empty), &lets.scope)?;
        let Some(spec) = args.doc().get(change) else {
            return Err(EngineError::location(
                40414,
                format!("BSON field 'update.updates.{change}' is missing but a required field"),
            ));
        };
        let update = Update::compile(spec, args.array("arrayFilters")?, &lets.scope, multi)?;
        let sort = args
            .document("sort")?
            .filter(|s| !s.is_empty())
            .map(SortSpec::compile)
            .transpose()?;
        Ok(Self {
            filter: Arc::new(filter),
            update,
            lets,
            sort,
            multi,
            upsert: args.flag("upsert")?,
            collation: args.collation(default)?,
        })
    }

    pub(super) fn run(
        &self,
        writing: &mut Writing<'_>,
        engine: &Engine,
        db: &str,
        name: &str,
    ) -> Result<Updated, EngineError> {
        let context = Arc::new(engine.inner.context(
            db,
            Arc::new(writing.state().clone()),
            self.collation.clone(),
        ));
        let mut env = Env::new(&context.evaluation);
        self.lets.bind(&mut env)?;
        let mut out = Updated::default();
        let collection = writing.collection(db, name);
        let hits = match &collection {
            Some(c) => matching(
                c,
                &self.filter,
                self.sort.as_ref(),
                if self.multi { usize::MAX } else { 1 },
                &mut env,
            )?,
            None => Vec::new(),
        };
        drop(collection);
        if hits.is_empty() {
            if self.upsert {
                if self.filter.has_expr() {
                    return Err(EngineError::new(
                        Code::QueryFeatureNotAllowed,
                        "$expr is not allowed in the query predicate for an upsert",
                    ));
                }
                self.insert(writing, &context, &mut env, db, name, &mut out)?;
            }
            return Ok(out);
        }
        for (record, old) in hits {
            out.matched += 1;
            let moment = self.moment(&context, self.filter.position(&old, env.collation()), false);
            let new = self.update.apply(&old, &moment, &mut env)?;
            check_id(&new)?;
            let (before, after) = (text(&old), text(&new));
            if before != after {
                let new = Document::from_raw(Arc::clone(&after));
                validate(writing.collection(db, name).as_ref(), &new, Some(&old))?;
                writing.replace(db, name, record, after)?;
                out.modified += 1;
                out.after = Some(new);
            } else {
                out.after = Some(old.clone());
            }
            out.before = Some(old);
        }
        Ok(out)
    }

    fn moment<'c>(
        &self,
        context: &'c Arc<Context>,
        position: Option<usize>,
        inserting: bool,
    ) -> Moment<'c> {
        Moment {
            now: context.evaluation.now,
            position,
            inserting,
            context,
        }
    }

    fn insert(
        &self,
        writing: &mut Writing<'_>,
        context: &Arc<Context>,
        env: &mut Env<'_>,
        db: &str,
        name: &str,
        out: &mut Updated,
    ) -> Result<(), EngineError> {
        let mut start = from_filter(&self.filter)?;
        if let Update::Replacement(_) = &self.update {
            let id = start.get("_id");
            start = if id.is_missing() {
                Document::empty()
            } else {
                [("_id", id)].into_iter().collect()
            };
        }
        let moment = self.moment(context, None, true);
        let new = self.update.apply(&start, &moment, env)?;
        let new = match id_first(new.clone()) {
            Some(new) => new,
            None => {
                let mut b = new.edit();
                b.push_front("_id", Value::ObjectId(writing.object_id()));
                b.build()
            }
        };
        check_id(&new)?;
        writing.ensure(db, name)?;
        validate(writing.collection(db, name).as_ref(), &new, None)?;
        let raw = text(&new);
        writing.insert(db, name, Arc::clone(&raw))?;
        out.upserted = Some(new.get("_id"));
        out.after = Some(Document::from_raw(raw));
        Ok(())
    }
}

/// Gives a new document its `_id`, puts that first, and inserts it.
pub(super) fn insert_one(
    writing: &mut Writing<'_>,
    db: &str,
    name: &str,
    d: &Bdoc,
) -> Result<Value, EngineError> {
    let raw: Arc<[u8]> = match d.keys().next() {
        // The usual case: the bytes go in as they are.
        Some(first) if first == "_id" => {
            let bytes = d
                .to_vec()
                .map_err(|e| EngineError::new(Code::InvalidBSON, e.to_string()))?;
            Arc::from(bytes)
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
    let doc = Document::from_raw(Arc::clone(&raw));
    check_id(&doc)?;
    validate(writing.collection(db, name).as_ref(), &doc, None)?;
    let id = doc.get("_id");
    writing.insert(db, name, raw)?;
    Ok(id)
}

/// Whether an error ends the command instead of becoming a write error.
fn fatal(e: &EngineError) -> bool {
    e.code == Code::WriteConflict.number()
}

impl Engine {
    /// Runs the statements of a write command one by one; their errors are collected, and stop it when it is ordered.
    pub(super) fn statements<T>(
        &self,
        txn: Option<&InTransaction>,
        ordered: bool,
        statements: impl IntoIterator<Item = T>,
        mut f: impl FnMut(&mut Writing<'_>, usize, T) -> Result<(), EngineError>,
    ) -> Result<Vec<Bson>, EngineError> {
        let mut writing = self.writing(txn);
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
        Ok(args.get("ordered").is_none() || args.flag("ordered")?)
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
        let Some(docs) = args.array("documents")? else {
            return Err(EngineError::location(
                40414,
                "BSON field 'insert.documents' is missing but a required field",
            ));
        };
        if docs.is_empty() || docs.len() > 100_000 {
            return Err(EngineError::new(
                Code::InvalidLength,
                format!(
                    "Write batch sizes must be between 1 and 100000. Got {} operations.",
                    docs.len()
                ),
            ));
        }
        let mut n = 0;
        let errors = self.statements(txn, Self::ordered(args)?, docs, |writing, _, d| {
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
        let Some(updates) = args.array("updates")? else {
            return Err(EngineError::location(
                40414,
                "BSON field 'update.updates' is missing but a required field",
            ));
        };
        let (mut n, mut modified, mut upserted) = (0, 0, Vec::new());
        let errors = self.statements(txn, Self::ordered(args)?, updates, |writing, i, u| {
            let Bson::Document(u) = u else {
                return Err(EngineError::type_mismatch(
                    "BSON field 'update.updates' must hold objects",
                ));
            };
            let u = Args::new("update.updates", u);
            let statement =
                UpdateStatement::compile(u, ["q", "u"], lets, u.flag("multi")?, default.as_ref())?;
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
        let Some(deletes) = args.array("deletes")? else {
            return Err(EngineError::location(
                40414,
                "BSON field 'delete.deletes' is missing but a required field",
            ));
        };
        let mut n = 0;
        let errors = self.statements(txn, Self::ordered(args)?, deletes, |writing, _, d| {
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
                    return Err(EngineError::location(
                        40414,
                        "BSON field 'delete.deletes.limit' is missing but a required field",
                    ));
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
        let lets = Lets::compile(&[lets])?;
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
        let evaluation = self.inner.evaluation(args.collation(default)?);
        let mut env = Env::new(&evaluation);
        lets.bind(&mut env)?;
        let Some(collection) = writing.collection(db, name) else {
            return Ok(Vec::new());
        };
        let hits = matching(&collection, &filter, sort.as_ref(), limit, &mut env)?;
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
        let mut writing = self.writing(txn);
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
