//! What the write commands are made of: finding records, validating documents, update statements.
use std::sync::Arc;

use bson::Document as Bdoc;

use super::Engine;
use super::args::Args;
use super::update::{Moment, Update, check_id, from_filter, id_first};
use super::writing::Writing;
use crate::memory::error::{Code, EngineError};
use crate::memory::expr::{Env, Expr, Scope, Slot, bind};
use crate::memory::filter::{Filter, depends_on_document};
use crate::memory::plan::{self, Access, CollectionScan, Hint, IndexScan};
use crate::memory::stage::{Context, SortSpec};
use crate::memory::storage::Collection;
use crate::memory::value::{Buffer, Collation, Document, Value};

/// `let` of a command: names bound to constants.
pub(super) struct Lets {
    /// The scope with the names.
    pub scope: Scope,
    bindings: Vec<(Slot, Expr)>,
}

impl Lets {
    /// Reads `let`, and an update's `c`: its constants, which are values as they stand there.
    ///
    /// # Errors
    /// What the expressions give; 4890500 for one that reads a document.
    pub fn compile(lets: Option<&Bdoc>, constants: Option<&Bdoc>) -> Result<Self, EngineError> {
        let mut scope = Scope::new();
        let mut bindings = Vec::new();
        for (name, v) in lets.into_iter().flatten() {
            if depends_on_document(v) {
                return Err(EngineError::location(
                    4_890_500,
                    "Command let Expression tried to access a field, but this is not allowed because Command let expressions run before the query examines any documents.",
                ));
            }
            let expr = Expr::compile(v, &scope)?;
            let slot;
            (scope, slot) = bind(&scope, name)?;
            bindings.push((slot, expr));
        }
        for (name, v) in constants.into_iter().flatten() {
            let slot;
            (scope, slot) = bind(&scope, name)?;
            bindings.push((slot, Expr::literal(Value::from_bson(v))));
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
    hint: Option<&Hint>,
    limit: usize,
    env: &mut Env<'_>,
) -> Result<Vec<(u64, Document)>, EngineError> {
    let filters = vec![Arc::clone(filter)];
    let plan = plan::choose(collection, &filters, sort, hint, env)?;
    let stop = if plan.sorted { limit } else { usize::MAX };
    let mut found = Vec::new();
    match plan.access {
        Access::Scan { reverse } => {
            let mut scan = CollectionScan::new(collection, reverse, filters, None);
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
            ordered,
        } => {
            let mut scan = IndexScan::new(
                Arc::clone(collection),
                index,
                ranges,
                reverse,
                ordered,
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
pub(super) fn validate(
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
    if validator.matches(new.view(), &mut env)? {
        return Ok(());
    }
    if options.moderate
        && let Some(old) = old
        && !validator.matches(old.view(), &mut env)?
    {
        return Ok(());
    }
    Err(EngineError::new(
        Code::DocumentValidationFailure,
        "Document failed validation",
    )
    .with_details(bson::doc! {"errInfo": {"failingDocumentId": new.get("_id").to_bson()}}))
}

/// One statement of an `update`.
pub(super) struct UpdateStatement {
    filter: Arc<Filter>,
    update: Update,
    lets: Lets,
    sort: Option<SortSpec>,
    hint: Option<Arc<Hint>>,
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

fn text(raw: &Document) -> Buffer {
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
        let lets = Lets::compile(lets, args.document("c")?.or(args.document("constants")?))?;
        let empty = Bdoc::new();
        let filter = Filter::compile(args.document(query)?.unwrap_or(&empty), &lets.scope)?;
        let Some(spec) = args.doc().get(change) else {
            return Err(EngineError::location(
                40414,
                format!("BSON field 'update.updates.{change}' is missing but a required field"),
            ));
        };
        if args.flag("upsert")? && filter.has_expr() {
            return Err(EngineError::new(
                Code::QueryFeatureNotAllowed,
                "$expr is not allowed in the query predicate for an upsert",
            ));
        }
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
            hint: args.hint()?,
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
        let mut context = engine.inner.context(
            db,
            Arc::new(writing.state().clone()),
            self.collation.clone(),
        );
        context.evaluation.budget.clone_from(&writing.budget);
        let context = Arc::new(context);
        let mut env = Env::new(&context.evaluation);
        self.lets.bind(&mut env)?;
        let mut out = Updated::default();
        let collection = writing.writable(db, name)?;
        let hits = match &collection {
            Some(c) => matching(
                c,
                &self.filter,
                self.sort.as_ref(),
                self.hint.as_deref(),
                if self.multi { usize::MAX } else { 1 },
                &mut env,
            )?,
            None => Vec::new(),
        };
        drop(collection);
        if hits.is_empty() {
            if self.upsert {
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
                let new = Document::from_raw(after.clone());
                writing.validate(db, name, &new, Some(&old))?;
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
        writing.validate(db, name, &new, None)?;
        let raw = text(&new);
        writing.insert(db, name, raw.clone())?;
        out.upserted = Some(new.get("_id"));
        out.after = Some(Document::from_raw(raw));
        Ok(())
    }
}
