//! `find`, `aggregate`, `count`, `distinct`.
use std::sync::Arc;

use bson::{Bson, Document as Bdoc, doc};
use indexmap::IndexSet;

use super::Engine;
use super::args::Args;
use super::cursor::Rows;
use super::find_projection::FindProjection;
use super::return_key::ReturnKey;
use super::session::InTransaction;
use super::statement::Lets;
use crate::memory::error::{Code, EngineError};
use crate::memory::expr::Env;
use crate::memory::filter::{Filter, visit};
use crate::memory::plan::{Examined, Hint};
use crate::memory::stage::{
    Compiling, Context, Input, Pipeline, Place, SortSpec, Source, Stage, limited, open_namespace,
    skipped,
};
use crate::memory::value::{Collation, Document, Key, Path, Value, ValueRef};

/// What a stage may hold when `allowDiskUse` is false, as on a server.
const IN_MEMORY: usize = 100 * 1024 * 1024;

/// A `find`, compiled.
pub(super) struct Find {
    pub filter: Arc<Filter>,
    pub sort: Option<Arc<SortSpec>>,
    projection: Option<FindProjection>,
    skip: usize,
    limit: Option<usize>,
    return_key: bool,
    lets: Lets,
}

struct Projecting {
    input: Source,
    projection: FindProjection,
}

impl Stage for Projecting {
    fn next(&mut self, env: &mut Env<'_>) -> Result<Option<Document>, EngineError> {
        match self.input.next(env)? {
            Some(doc) => self.projection.apply(&doc, env).map(Some),
            None => Ok(None),
        }
    }
}

impl Find {
    pub(super) fn compile(args: Args<'_>) -> Result<Self, EngineError> {
        args.only(&[
            "filter",
            "sort",
            "projection",
            "skip",
            "limit",
            "batchSize",
            "singleBatch",
            "allowDiskUse",
            "noCursorTimeout",
            "returnKey",
            "showRecordId",
            "tailable",
            "awaitData",
            "allowPartialResults",
            "min",
            "max",
            "oplogReplay",
            "term",
        ])?;
        let lets = Lets::compile(args.document("let")?, None)?;
        let empty = Bdoc::new();
        let filter = Filter::compile(args.document("filter")?.unwrap_or(&empty), &lets.scope)?;
        let sort = match args.document("sort")? {
            Some(s) if s.contains_key("$natural") => {
                if s.len() > 1 {
                    return Err(EngineError::bad_value(
                        "$natural sort cannot be set to a value other than -1 or 1, nor be combined with other fields",
                    ));
                }
                None
            }
            Some(s) if !s.is_empty() => Some(Arc::new(SortSpec::compile(s)?)),
            _ => None,
        };
        let projection = match args.document("projection")? {
            Some(p) if !p.is_empty() => Some(FindProjection::compile(p, &filter, &lets.scope)?),
            _ => None,
        };
        let limit = args.whole("limit")?.filter(|n| *n > 0);
        Ok(Self {
            filter: Arc::new(filter),
            sort,
            projection,
            skip: args.whole("skip")?.unwrap_or(0),
            limit,
            return_key: args.flag("returnKey")?,
            lets,
        })
    }

    pub(super) fn start(
        &self,
        name: &str,
        context: &Arc<Context>,
        env: &mut Env<'_>,
    ) -> Result<Source, EngineError> {
        self.lets.bind(env)?;
        let of_index =
            self.return_key || matches!(context.hint.as_deref(), Some(Hint::Between { .. }));
        if of_index
            && let Some(c) = context.state.get(&context.db, name)
            && c.options.view.is_some()
        {
            return Err(EngineError::new(
                Code::InvalidPipelineOperator,
                "Options min, max and returnKey are not supported on views.",
            ));
        }
        let mut source = open_namespace(
            name,
            vec![Arc::clone(&self.filter)],
            self.sort.as_ref(),
            self.limit.map(|n| n.saturating_add(self.skip)),
            context,
            env,
        )?;
        if self.sort.is_none()
            && let Some((path, geo)) = self.filter.near()
        {
            source = crate::memory::stage::nearest(source, path.clone(), geo.clone());
        }
        if self.skip > 0 {
            source = skipped(source, self.skip);
        }
        if let Some(n) = self.limit {
            source = limited(source, n);
        }
        if self.return_key {
            // A projection does not matter then.
            let (filter, sort) = (&self.filter, self.sort.as_deref());
            let keys = ReturnKey::new(source, name, filter, sort, context, env)?;
            source = Box::new(keys);
        } else if let Some(projection) = &self.projection {
            source = Box::new(Projecting {
                input: source,
                projection: projection.clone(),
            });
        }
        Ok(source)
    }
}

impl Engine {
    pub(super) fn collation_of(
        &self,
        db: &str,
        name: &str,
        args: Args<'_>,
        txn: Option<&InTransaction>,
    ) -> Result<Option<Collation>, EngineError> {
        let state = self.read_state(txn);
        let default = state
            .get(db, name)
            .and_then(|c| c.options.collation.as_ref());
        args.collation(default)
    }

    pub(super) fn read_context(
        &self,
        db: &str,
        name: &str,
        args: Args<'_>,
        txn: Option<&InTransaction>,
        examined: Option<Arc<Examined>>,
    ) -> Result<Arc<Context>, EngineError> {
        let collation = self.collation_of(db, name, args, txn)?;
        let mut context = self.inner.context(db, self.read_state(txn), collation);
        context.examined = examined;
        context.evaluation.budget = args.budget()?;
        context.hint = args.hint()?;
        if args.command() == "find" {
            let hint = context.hint.take().map(|h| (*h).clone());
            let (min, max) = (args.document("min")?, args.document("max")?);
            context.hint = Hint::between(hint, min, max)?.map(Arc::new);
        }
        if args.get("allowDiskUse").is_some() && !args.flag("allowDiskUse")? {
            let limit = &mut context.evaluation.memory_limit;
            *limit = IN_MEMORY.min(*limit);
        }
        // `sort: {$natural: ...}` says how to read, as a hint does.
        if args.command() == "find"
            && context.hint.is_none()
            && let Some(sort) = args.document("sort")?
            && sort.contains_key("$natural")
        {
            context.hint = Hint::of_document(sort)?.map(Arc::new);
        }
        Ok(Arc::new(context))
    }

    pub(super) fn find_rows(
        &self,
        db: &str,
        args: Args<'_>,
        txn: Option<&InTransaction>,
    ) -> Result<Rows, EngineError> {
        let name = args.collection()?;
        let find = Find::compile(args)?;
        let context = self.read_context(db, name, args, txn, None)?;
        let (source, slots) = {
            let mut env = Env::new(&context.evaluation);
            (find.start(name, &context, &mut env)?, env.slots().to_vec())
        };
        Ok(Rows::new(source, context, slots))
    }

    pub(super) fn find(
        &self,
        db: &str,
        args: Args<'_>,
        txn: Option<&InTransaction>,
    ) -> Result<Bdoc, EngineError> {
        let rows = self.find_rows(db, args, txn)?;
        let namespace = format!("{db}.{}", args.collection()?);
        self.reply_cursor(
            rows,
            &namespace,
            args.whole("batchSize")?,
            args.flag("singleBatch")?,
        )
    }

    /// Compiles and starts an `aggregate`. Pipelines that write are run and written here; then there are no rows.
    pub(super) fn aggregate_rows(
        &self,
        db: &str,
        args: Args<'_>,
        txn: Option<&InTransaction>,
    ) -> Result<Rows, EngineError> {
        args.only(&[
            "pipeline",
            "cursor",
            "explain",
            "allowDiskUse",
            "bypassDocumentValidation",
            "isMapReduceCommand",
            "fromMongos",
        ])?;
        let (name, place) = match args.doc().get("aggregate") {
            Some(Bson::String(_)) => (args.collection()?, Place::Collection),
            Some(v) if Value::from_bson(v).as_i64() == Some(1) => {
                ("$cmd.aggregate", Place::Database)
            }
            _ => {
                return Err(EngineError::failed_to_parse(
                    "Invalid command format: the 'aggregate' field must specify a collection name or 1",
                ));
            }
        };
        let stages = args
            .array("pipeline")?
            .ok_or_else(|| args.missing("pipeline"))?;
        let lets = Lets::compile(args.document("let")?, None)?;
        let compiling = Compiling {
            scope: &lets.scope,
            place,
            depth: 0,
        };
        let pipeline = Pipeline::compile(stages, &compiling)?;
        let context = self.read_context(db, name, args, txn, None)?;
        let mut env = Env::new(&context.evaluation);
        lets.bind(&mut env)?;
        let source = start(&pipeline, name, place, &context, &mut env)?;
        let slots = env.slots().to_vec();
        if let Some(write) = pipeline.write() {
            let docs = crate::memory::stage::drain(source, "$out", &mut env)?;
            let unchecked = args.flag("bypassDocumentValidation")?;
            self.write_output(db, unchecked, write, docs, &context, &mut env, txn)?;
            return Ok(Rows::new(
                Box::new(crate::memory::stage::Documents::new(Vec::new())),
                Arc::clone(&context),
                slots,
            ));
        }
        Ok(Rows::new(source, Arc::clone(&context), slots))
    }

    pub(super) fn aggregate(
        &self,
        db: &str,
        args: Args<'_>,
        txn: Option<&InTransaction>,
    ) -> Result<Bdoc, EngineError> {
        if args.flag("explain")? {
            return self.explain_aggregate(db, args, txn, false);
        }
        if args.get("cursor").is_none() {
            return Err(EngineError::failed_to_parse(
                "The 'cursor' option is required, except for aggregate with the explain argument",
            ));
        }
        let rows = self.aggregate_rows(db, args, txn)?;
        let batch = match args.document("cursor")? {
            Some(c) => Args::new("cursor", c).count("batchSize")?,
            None => None,
        };
        let name = args.doc().get_str("aggregate").unwrap_or("$cmd.aggregate");
        self.reply_cursor(rows, &format!("{db}.{name}"), batch, false)
    }

    pub(super) fn count(
        &self,
        db: &str,
        args: Args<'_>,
        txn: Option<&InTransaction>,
    ) -> Result<Bdoc, EngineError> {
        let name = args.collection()?;
        args.only(&["query", "limit", "skip", "fields"])?;
        let empty = Bdoc::new();
        let query = args.document("query")?.unwrap_or(&empty);
        let lets = Lets::compile(args.document("let")?, None)?;
        let filter = Arc::new(Filter::compile(query, &lets.scope)?.without_near()?);
        let skip = args.count("skip")?.unwrap_or(0);
        let limit = args
            .int("limit")?
            .map(i64::unsigned_abs)
            .and_then(|n| usize::try_from(n).ok())
            .filter(|n| *n > 0);
        let context = self.read_context(db, name, args, txn, None)?;
        let mut env = Env::new(&context.evaluation);
        lets.bind(&mut env)?;
        let found = match context.state.get(db, name) {
            Some(c) if filter.is_all() && c.options.view.is_none() => c.len(),
            _ => {
                let stop = limit.map(|n| n.saturating_add(skip));
                let mut source =
                    open_namespace(name, vec![filter], None, stop, &context, &mut env)?;
                let mut n = 0;
                while stop.is_none_or(|stop| n < stop) && source.next(&mut env)?.is_some() {
                    n += 1;
                }
                n
            }
        };
        let n = found.saturating_sub(skip).min(limit.unwrap_or(usize::MAX));
        Ok(doc! {"n": Value::int(i64::try_from(n).unwrap_or(i64::MAX)).to_bson(), "ok": 1.0})
    }

    pub(super) fn distinct(
        &self,
        db: &str,
        args: Args<'_>,
        txn: Option<&InTransaction>,
    ) -> Result<Bdoc, EngineError> {
        let name = args.collection()?;
        args.only(&["key", "query"])?;
        let key = args.string("key")?.ok_or_else(|| args.missing("key"))?;
        let path = Path::lenient(key)?;
        let empty = Bdoc::new();
        let lets = Lets::compile(args.document("let")?, None)?;
        let filter = Arc::new(Filter::compile(
            args.document("query")?.unwrap_or(&empty),
            &lets.scope,
        )?);
        let context = self.read_context(db, name, args, txn, None)?;
        let mut env = Env::new(&context.evaluation);
        lets.bind(&mut env)?;
        let mut source = open_namespace(name, vec![filter], None, None, &context, &mut env)?;
        let mut values: IndexSet<Key> = IndexSet::new();
        let mut shown: Vec<Bson> = Vec::new();
        while let Some(doc) = source.next(&mut env)? {
            visit(path.parts(), doc.view(), false, &mut |v, _| {
                let mut add = |v: ValueRef<'_>| {
                    let value = v.to_value();
                    let key = env
                        .collation()
                        .map_or_else(|| value.clone(), |c| c.fold(&value));
                    if values.insert(Key(key)) {
                        shown.push(value.to_bson());
                    }
                };
                match v {
                    ValueRef::Missing => {}
                    ValueRef::Array(items) => items.iter().for_each(add),
                    other => add(other),
                }
                false
            });
        }
        let bytes = shown.len().saturating_mul(8);
        if bytes > self.inner.limits.stage_bytes {
            return Err(EngineError::location(17217, "distinct too big, 16mb cap"));
        }
        Ok(doc! {"values": shown, "ok": 1.0})
    }

    /// Runs a command that gives documents (`find` or `aggregate`) without making BSON of them.
    ///
    /// # Errors
    /// As the command; `CommandNotFound` for another one.
    pub fn query(&self, db: &str, command: &Bdoc) -> Result<Rows, EngineError> {
        let name = command.keys().next().map_or("", String::as_str);
        let args = Args::new(name, command);
        let txn = self.transaction_of(command)?;
        match name {
            "find" => self.find_rows(db, args, txn.as_ref()),
            "aggregate" => self.aggregate_rows(db, args, txn.as_ref()),
            _ => Err(EngineError::new(
                Code::CommandNotFound,
                format!("{name} gives no rows"),
            )),
        }
    }

    /// The document with an `_id`: the quickest way to it.
    pub fn get(&self, db: &str, collection: &str, id: &Value) -> Option<Document> {
        let state = self.inner.state();
        let collection = state.get(db, collection)?;
        collection.get(collection.find_id(id.view())?)
    }
}

/// Starts a pipeline on what its command names.
pub(super) fn start(
    pipeline: &Pipeline,
    name: &str,
    place: Place,
    context: &Arc<Context>,
    env: &mut Env<'_>,
) -> Result<Source, EngineError> {
    match place {
        Place::Database if pipeline.has_head() => {
            pipeline.start(Input::Collection(None, None), context, env)
        }
        Place::Database => {
            let one = Input::Source(Box::new(crate::memory::stage::Documents::new(vec![
                Document::empty(),
            ])));
            pipeline.start(one, context, env)
        }
        _ => {
            let input = crate::memory::stage::input_of(name, context, env)?;
            pipeline.start(input, context, env)
        }
    }
}
