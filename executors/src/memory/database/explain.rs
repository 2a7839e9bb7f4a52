//! `explain`: which index, and how much was read.
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use bson::{Bson, Document as Bdoc, doc};

use super::Engine;
use super::args::Args;
use super::explain_bounds::bounds;
use super::read::{Find, start};
use super::session::InTransaction;
use super::statement::Lets;
use crate::memory::error::{Code, EngineError};
use crate::memory::expr::Env;
use crate::memory::filter::Filter;
use crate::memory::plan::{self, Access, Examined};
use crate::memory::stage::{Compiling, Context, Pipeline, Place, SortSpec, Source};
use crate::memory::value::num;

/// The stages of a `find` above the reading of its collection, from the inside out.
struct Above<'a> {
    /// What the command is, when it is none that gives documents.
    command: Option<&'static str>,
    args: Args<'a>,
}

/// What `explain` echoes of a command: all but what concerns the session.
fn echoed(db: &str, command: &Bdoc) -> Bdoc {
    let mut out: Bdoc = command
        .iter()
        .filter(|(k, _)| !k.starts_with('$') && !matches!(k.as_str(), "lsid" | "txnNumber"))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    out.insert("$db", db);
    out
}

impl Engine {
    pub(super) fn explain(
        &self,
        db: &str,
        args: Args<'_>,
        txn: Option<&InTransaction>,
    ) -> Result<Bdoc, EngineError> {
        let Some(command) = args.document("explain")? else {
            return Err(EngineError::type_mismatch(
                "explain command requires a nested object",
            ));
        };
        let name = command.keys().next().map_or("", String::as_str);
        let inner = Args::new(name, command);
        let execute = match args.string("verbosity")? {
            Some("queryPlanner") => false,
            None | Some("executionStats" | "allPlansExecution") => true,
            Some(other) => {
                return Err(EngineError::bad_value(format!(
                    "Enumeration value '{other}' for field 'explain.verbosity' is not a valid value."
                )));
            }
        };
        let above = |command| Above {
            command,
            args: inner,
        };
        let mut reply = match name {
            "find" => self.explain_find(db, inner, &above(None), txn, execute)?,
            "aggregate" => self.explain_aggregate(db, inner, txn, execute)?,
            "count" | "distinct" | "update" | "delete" | "findAndModify" | "findandmodify" => {
                let (statement, kind) = match name {
                    "count" => (None, Some("COUNT")),
                    "distinct" => (None, None),
                    "update" => (first(inner.array("updates")?), Some("UPDATE")),
                    "delete" => (first(inner.array("deletes")?), Some("DELETE")),
                    _ if inner.flag("remove")? => (None, Some("DELETE")),
                    _ => (None, Some("UPDATE")),
                };
                let find = as_find(inner, statement.unwrap_or(inner))?;
                let find = Args::new("find", &find);
                self.explain_find(db, find, &above(kind), txn, execute)?
            }
            _ => {
                return Err(EngineError::new(
                    Code::CommandNotFound,
                    format!("Explain failed due to unknown command: {name}"),
                ));
            }
        };
        reply.insert("command", echoed(db, command));
        reply.insert(
            "serverInfo",
            doc! {"host": "localhost", "port": 0, "version": "8.0.0", "gitVersion": ""},
        );
        reply.insert("ok", 1.0);
        Ok(reply)
    }

    fn explain_find(
        &self,
        db: &str,
        args: Args<'_>,
        above: &Above<'_>,
        txn: Option<&InTransaction>,
        execute: bool,
    ) -> Result<Bdoc, EngineError> {
        let name = args.collection()?;
        let find = Find::compile(args)?;
        let examined = Arc::new(Examined::default());
        let context = self.read_context(db, name, args, txn, Some(Arc::clone(&examined)))?;
        let mut env = Env::new(&context.evaluation);
        let read = describe(
            name,
            &[Arc::clone(&find.filter)],
            find.sort.as_deref(),
            args.document("filter")?,
            &context,
            &mut env,
        )?;
        let plan = match express(args, above, &context)? {
            Some(plan) => plan,
            None => above.put_on(sorted(read, args)?)?,
        };
        let mut reply = doc! {"explainVersion": "1", "queryPlanner": {
            "namespace": format!("{db}.{name}"), "parsedQuery": args.document("filter")?.cloned().unwrap_or_default(), "indexFilterSet": false,
            "winningPlan": plan.clone(), "rejectedPlans": [],
        }};
        if execute {
            let source = find.start(name, &context, &mut env)?;
            let n = if above.command.is_some() {
                Some(0)
            } else {
                None
            };
            reply.insert("executionStats", run(source, plan, n, &examined, &mut env)?);
        }
        Ok(reply)
    }

    pub(super) fn explain_aggregate(
        &self,
        db: &str,
        args: Args<'_>,
        txn: Option<&InTransaction>,
        execute: bool,
    ) -> Result<Bdoc, EngineError> {
        let name = args.collection()?;
        let lets = Lets::compile(args.document("let")?, None)?;
        let empty = Vec::new();
        let stages = args.array("pipeline")?.unwrap_or(&empty);
        let pipeline = Pipeline::compile(
            stages,
            &Compiling {
                scope: &lets.scope,
                place: Place::Collection,
                depth: 0,
            },
        )?;
        let examined = Arc::new(Examined::default());
        let context = self.read_context(db, name, args, txn, Some(Arc::clone(&examined)))?;
        let mut env = Env::new(&context.evaluation);
        lets.bind(&mut env)?;
        let (filters, sort) = pipeline.leading();
        let filter = match stages.first() {
            Some(Bson::Document(d)) => d.get_document("$match").ok(),
            _ => None,
        };
        let spec = sort.map(|s| &**s);
        let (mut plan, ordered) = describe(name, &filters, spec, filter, &context, &mut env)?;
        if spec.is_some() && !ordered {
            plan = doc! {"stage": "SORT", "type": "simple", "inputStage": plan};
        }
        let planner = doc! {"namespace": format!("{db}.{name}"), "indexFilterSet": false, "winningPlan": plan.clone(), "rejectedPlans": []};
        let mut shown: Vec<Bson> = vec![Bson::Document(
            doc! {"$cursor": {"queryPlanner": planner.clone()}},
        )];
        let skip = stages
            .iter()
            .take_while(|s| matches!(s, Bson::Document(d) if d.contains_key("$match")))
            .count();
        shown.extend(stages.iter().skip(skip).cloned());
        let mut reply = doc! {"explainVersion": "1", "queryPlanner": planner, "stages": shown};
        if execute && pipeline.write().is_none() {
            let source = start(&pipeline, name, Place::Collection, &context, &mut env)?;
            reply.insert(
                "executionStats",
                run(source, plan, None, &examined, &mut env)?,
            );
        }
        reply.insert("ok", 1.0);
        Ok(reply)
    }
}

/// The first statement of an update or delete.
fn first<'a>(list: Option<&'a Vec<Bson>>) -> Option<Args<'a>> {
    match list?.first()? {
        Bson::Document(d) => Some(Args::new("statement", d)),
        _ => None,
    }
}

/// The `find` that reads what a command reads.
fn as_find(command: Args<'_>, statement: Args<'_>) -> Result<Bdoc, EngineError> {
    let mut find = doc! {"find": command.collection()?};
    for (key, name) in [
        ("q", "filter"),
        ("query", "filter"),
        ("sort", "sort"),
        ("hint", "hint"),
        ("collation", "collation"),
    ] {
        if let Some(v) = statement.get(key) {
            find.insert(name, v.clone());
        }
    }
    let one = statement.int("limit")? == Some(1) || statement.doc().contains_key("update");
    if command.command() == "count" {
        for key in ["skip", "limit"] {
            if let Some(n) = statement.int(key)? {
                find.insert(key, n.unsigned_abs().cast_signed());
            }
        }
    } else if one {
        find.insert("limit", 1);
    }
    if let Some(lets) = command.get("let") {
        find.insert("let", lets.clone());
    }
    if let Some(n) = command.get("maxTimeMS") {
        find.insert("maxTimeMS", n.clone());
    }
    Ok(find)
}

/// The blocking sort of a `find`, when its index does not give the order.
fn sorted((read, ordered): (Bdoc, bool), args: Args<'_>) -> Result<Bdoc, EngineError> {
    let sort = args
        .document("sort")?
        .filter(|s| !s.is_empty() && !s.contains_key("$natural"));
    let Some(sort) = sort.filter(|_| !ordered) else {
        return Ok(read);
    };
    let mut out = doc! {"stage": "SORT", "sortPattern": sort.clone(), "type": "simple"};
    if let Some(limit) = args.int("limit")?.filter(|n| *n > 0) {
        let n = limit.saturating_add(args.int("skip")?.unwrap_or(0));
        out.insert("limitAmount", n);
    }
    out.insert("inputStage", read);
    Ok(out)
}

impl Above<'_> {
    fn put_on(&self, mut plan: Bdoc) -> Result<Bdoc, EngineError> {
        if let Some(stage) = self.command {
            return Ok(doc! {"stage": stage, "inputStage": plan});
        }
        let sorts = matches!(plan.get_str("stage"), Ok("SORT"));
        if let Some(n) = self.args.int("skip")?.filter(|n| *n > 0) {
            plan = doc! {"stage": "SKIP", "skipAmount": n, "inputStage": plan};
        }
        let limit = self.args.int("limit")?.filter(|n| *n > 0);
        // A sort with a limit stops by itself.
        if let Some(n) = limit.filter(|_| !sorts) {
            plan = doc! {"stage": "LIMIT", "limitAmount": n, "inputStage": plan};
        }
        if let Some(p) = self.args.document("projection")?.filter(|p| !p.is_empty()) {
            let simple = p.iter().all(|(k, v)| {
                !k.contains(['.', '$'])
                    && !matches!(v, Bson::Document(_) | Bson::Array(_) | Bson::String(_))
            });
            let stage = if simple {
                "PROJECTION_SIMPLE"
            } else {
                "PROJECTION_DEFAULT"
            };
            plan = doc! {"stage": stage, "transformBy": p.clone(), "inputStage": plan};
        }
        Ok(plan)
    }
}

/// The short way of a server to the document of an `_id`, which `find`, `update` and `delete` take.
fn express(
    args: Args<'_>,
    above: &Above<'_>,
    context: &Context,
) -> Result<Option<Bdoc>, EngineError> {
    let stage = match above.command {
        None if above.args.command() == "find" => "EXPRESS_IXSCAN",
        Some("UPDATE") if above.args.command() == "update" => "EXPRESS_UPDATE",
        Some("DELETE") if above.args.command() == "delete" => "EXPRESS_DELETE",
        _ => return Ok(None),
    };
    let plain = match args.document("filter")?.map(|f| (f.len(), f.get("_id"))) {
        Some((1, Some(Bson::Document(d)))) => {
            !d.keys().any(|k| k.starts_with('$'))
                || (d.len() == 1 && d.get("$eq").is_some_and(is_plain))
        }
        Some((1, Some(v))) => is_plain(v),
        _ => false,
    };
    let other = [
        "sort",
        "skip",
        "hint",
        "min",
        "max",
        "returnKey",
        "showRecordId",
        "collation",
    ];
    let there = context.state.get(&context.db, args.collection()?);
    let fits = plain
        && !other.iter().any(|k| args.get(k).is_some())
        && there.is_some_and(|c| c.options.view.is_none() && c.options.collation.is_none());
    Ok(fits.then(|| {
        doc! {"isCached": false, "stage": stage, "keyPattern": "{ _id: 1 }", "indexName": "_id_"}
    }))
}

/// Whether a value stands for itself in a filter.
fn is_plain(v: &Bson) -> bool {
    !matches!(
        v,
        Bson::RegularExpression(_) | Bson::Array(_) | Bson::Null | Bson::Undefined
    )
}

/// Runs a plan and says what it read; `given` is what the command itself would give, when that is not the documents.
fn run(
    mut source: Source,
    plan: Bdoc,
    given: Option<usize>,
    examined: &Examined,
    env: &mut Env<'_>,
) -> Result<Bdoc, EngineError> {
    let begun = Instant::now();
    let mut n = 0_usize;
    while source.next(env)?.is_some() {
        n += 1;
    }
    let count = |n: &std::sync::atomic::AtomicU64| {
        i64::try_from(n.load(Ordering::Relaxed)).unwrap_or(i64::MAX)
    };
    let (keys, documents) = (count(&examined.keys), count(&examined.documents));
    let mut stages = measured(plan, keys, documents);
    match (given, stages.get_str("stage")) {
        (Some(_), Ok("COUNT")) => stages.insert("nCounted", num::len_i64(n)),
        (Some(_), Ok("DELETE")) => stages.insert("nWouldDelete", num::len_i64(n)),
        (Some(_), _) => {
            stages.insert("nMatched", num::len_i64(n));
            stages.insert("nWouldModify", num::len_i64(n))
        }
        (None, _) => None,
    };
    let n = given.unwrap_or(n);
    stages.insert("nReturned", num::len_i64(n));
    let millis = i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX);
    Ok(doc! {
        "executionSuccess": true, "nReturned": num::len_i64(n), "executionTimeMillis": millis,
        "totalKeysExamined": keys, "totalDocsExamined": documents, "executionStages": stages,
    })
}

/// The plan, with what its reading stages read.
fn measured(mut stage: Bdoc, keys: i64, documents: i64) -> Bdoc {
    match stage.get_str("stage") {
        Ok("IXSCAN") => {
            stage.insert("keysExamined", keys);
        }
        Ok(express) if express.starts_with("EXPRESS") => {
            stage.insert("keysExamined", keys);
            stage.insert("docsExamined", documents);
        }
        Ok("FETCH" | "COLLSCAN") => {
            stage.insert("docsExamined", documents);
        }
        _ => {}
    }
    if let Some(Bson::Document(input)) = stage.remove("inputStage") {
        stage.insert("inputStage", measured(input, keys, documents));
    }
    stage
}

/// How a collection is read, and whether the documents come sorted.
fn describe(
    name: &str,
    filters: &[Arc<Filter>],
    sort: Option<&SortSpec>,
    filter: Option<&Bdoc>,
    context: &Context,
    env: &mut Env<'_>,
) -> Result<(Bdoc, bool), EngineError> {
    let Some(collection) = context.state.get(&context.db, name) else {
        return Ok((doc! {"stage": "EOF"}, true));
    };
    let plan = plan::choose(collection, filters, sort, context.hint.as_deref(), env)?;
    let index = match &plan.access {
        Access::Scan { .. } => None,
        Access::Index { index, .. } => collection.indexes().get(*index),
    };
    let mut out = match (&plan.access, index) {
        (
            Access::Index {
                ranges, reverse, ..
            },
            Some(i),
        ) => doc! {
            "stage": "FETCH",
            "inputStage": {
                "stage": "IXSCAN", "keyPattern": i.spec.key.clone(), "indexName": i.spec.name.clone(),
                "isMultiKey": i.multikey, "isUnique": i.spec.unique, "isSparse": i.spec.sparse, "isPartial": i.spec.partial.is_some(), "indexVersion": 2,
                "direction": if *reverse { "backward" } else { "forward" }, "indexBounds": bounds(&i.spec, ranges, *reverse),
            },
        },
        (Access::Scan { reverse: true }, _) => {
            doc! {"stage": "COLLSCAN", "direction": "backward"}
        }
        _ => doc! {"stage": "COLLSCAN", "direction": "forward"},
    };
    if let Some(filter) = filter.filter(|f| !f.is_empty()) {
        out.insert("filter", filter.clone());
    }
    Ok((out, plan.sorted))
}
