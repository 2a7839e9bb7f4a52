//! `explain`: which index, and how much was read.
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bson::{Bson, Document as Bdoc, doc};

use super::Engine;
use super::args::Args;
use super::read::{Find, start};
use super::session::InTransaction;
use super::statement::Lets;
use crate::memory::error::{Code, EngineError};
use crate::memory::expr::Env;
use crate::memory::filter::Filter;
use crate::memory::plan::{self, Access, Bound, Examined, Range};
use crate::memory::stage::{Compiling, Context, Pipeline, Place, SortSpec, Source};
use crate::memory::storage::IndexSpec;
use crate::memory::value::num;

fn bounds(spec: &IndexSpec, ranges: &[Range]) -> Bdoc {
    let mut out = Bdoc::new();
    for (at, field) in spec.fields.iter().enumerate() {
        let mut shown: Vec<Bson> = Vec::new();
        for range in ranges.iter().take(50) {
            let text = match (range.prefix.get(at), &range.interval) {
                (Some(v), _) => format!("[{v:?}, {v:?}]"),
                (None, Some(i)) if at == range.prefix.len() => {
                    let low = match &i.low {
                        Bound::Value(v, true) => format!("[{v:?}"),
                        Bound::Value(v, false) => format!("({v:?}"),
                        Bound::Bracket(_) => "[-inf".to_owned(),
                    };
                    let high = match &i.high {
                        Bound::Value(v, true) => format!("{v:?}]"),
                        Bound::Value(v, false) => format!("{v:?})"),
                        Bound::Bracket(_) => "inf]".to_owned(),
                    };
                    format!("{low}, {high}")
                }
                _ => "[MinKey, MaxKey]".to_owned(),
            };
            let text = Bson::String(text);
            if !shown.contains(&text) {
                shown.push(text);
            }
        }
        out.insert(field.path.to_string(), shown);
    }
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
        let execute = args.string("verbosity")? != Some("queryPlanner");
        match name {
            "find" => self.explain_find(db, inner, txn, execute),
            "aggregate" => self.explain_aggregate(db, inner, txn),
            "count" | "distinct" | "update" | "delete" | "findAndModify" => {
                let query = match name {
                    "count" | "distinct" | "findAndModify" => inner.document("query")?.cloned(),
                    "update" => first(inner.array("updates")?),
                    _ => first(inner.array("deletes")?),
                };
                let find = doc! {"find": inner.collection()?, "filter": query.unwrap_or_default()};
                self.explain_find(db, Args::new("find", &find), txn, execute)
            }
            _ => Err(EngineError::new(
                Code::CommandNotFound,
                format!("Explain failed due to unknown command: {name}"),
            )),
        }
    }

    fn explain_find(
        &self,
        db: &str,
        args: Args<'_>,
        txn: Option<&InTransaction>,
        execute: bool,
    ) -> Result<Bdoc, EngineError> {
        let name = args.collection()?;
        let find = Find::compile(args)?;
        let examined = Arc::new(Examined::default());
        let context = self.read_context(db, name, args, txn, Some(Arc::clone(&examined)))?;
        let mut env = Env::new(&context.evaluation);
        let plan = describe(
            name,
            &[Arc::clone(&find.filter)],
            find.sort.as_deref(),
            &context,
            &mut env,
        );
        let mut reply = doc! {"queryPlanner": {"namespace": format!("{db}.{name}"), "parsedQuery": args.document("filter")?.cloned().unwrap_or_default(), "winningPlan": plan, "rejectedPlans": []}};
        if execute {
            let source = find.start(name, &context, &mut env)?;
            reply.insert("executionStats", run(source, &examined, &mut env)?);
        }
        reply.insert("ok", 1.0);
        Ok(reply)
    }

    pub(super) fn explain_aggregate(
        &self,
        db: &str,
        args: Args<'_>,
        txn: Option<&InTransaction>,
    ) -> Result<Bdoc, EngineError> {
        let name = args.collection()?;
        let lets = Lets::compile(&[args.document("let")?])?;
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
        let plan = describe(name, &filters, sort.map(|s| &**s), &context, &mut env);
        let mut shown: Vec<Bson> = vec![Bson::Document(
            doc! {"$cursor": {"queryPlanner": {"namespace": format!("{db}.{name}"), "winningPlan": plan.clone()}}},
        )];
        let skip = stages
            .iter()
            .take_while(|s| matches!(s, Bson::Document(d) if d.contains_key("$match")))
            .count();
        shown.extend(stages.iter().skip(skip).cloned());
        let mut reply = doc! {"queryPlanner": {"namespace": format!("{db}.{name}"), "winningPlan": plan}, "stages": shown};
        if pipeline.write().is_none() {
            let source = start(&pipeline, name, Place::Collection, &context, &mut env)?;
            reply.insert("executionStats", run(source, &examined, &mut env)?);
        }
        reply.insert("ok", 1.0);
        Ok(reply)
    }
}

fn first(list: Option<&Vec<Bson>>) -> Option<Bdoc> {
    match list?.first()? {
        Bson::Document(d) => d.get_document("q").ok().cloned(),
        _ => None,
    }
}

fn run(mut source: Source, examined: &Examined, env: &mut Env<'_>) -> Result<Bdoc, EngineError> {
    let mut n = 0_usize;
    while source.next(env)?.is_some() {
        n += 1;
    }
    let count = |n: &std::sync::atomic::AtomicU64| {
        i64::try_from(n.load(Ordering::Relaxed)).unwrap_or(i64::MAX)
    };
    Ok(
        doc! {"executionSuccess": true, "nReturned": num::len_i64(n), "totalKeysExamined": count(&examined.keys), "totalDocsExamined": count(&examined.documents)},
    )
}

fn describe(
    name: &str,
    filters: &[Arc<Filter>],
    sort: Option<&SortSpec>,
    context: &Context,
    env: &mut Env<'_>,
) -> Bdoc {
    let Some(collection) = context.state.get(&context.db, name) else {
        return doc! {"stage": "EOF"};
    };
    let plan = plan::choose(collection, filters, sort, env);
    let mut out = match &plan.access {
        Access::Scan => doc! {"stage": "COLLSCAN", "direction": "forward"},
        Access::Index {
            index,
            ranges,
            reverse,
        } => match collection.indexes().get(*index) {
            Some(i) => doc! {
                "stage": "FETCH",
                "inputStage": {
                    "stage": "IXSCAN", "keyPattern": i.spec.key.clone(), "indexName": i.spec.name.clone(),
                    "isMultiKey": i.multikey, "isUnique": i.spec.unique, "isSparse": i.spec.sparse, "isPartial": i.spec.partial.is_some(),
                    "direction": if *reverse { "backward" } else { "forward" }, "indexBounds": bounds(&i.spec, ranges),
                },
            },
            None => doc! {"stage": "COLLSCAN"},
        },
    };
    if sort.is_some() && !plan.sorted {
        out = doc! {"stage": "SORT", "inputStage": out};
    }
    out
}
