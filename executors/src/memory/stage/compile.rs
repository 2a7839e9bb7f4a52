//! From arrays of stage documents to pipelines, and their start.
use std::sync::Arc;

use bson::Bson;

use super::bucket::{Bucket, BucketAuto};
use super::densify::Densify;
use super::facet::Facet;
use super::graph_lookup::GraphLookup;
use super::group::Group;
use super::lookup::Lookup;
use super::merge::Write;
use super::redact::Redact;
use super::simple::{
    AddFields, Count, DocumentsStage, Limit, Matching, Project, ReplaceRoot, Sample, Skip,
    UnionWith,
};
use super::statistics::Head;
use super::unwind::Unwind;
use super::window::SetWindowFields;
use super::{Context, Input, Projection, Sort, SortSpec, Source, StagePlan, Starting, Tree};
use super::{Documents, open};
use crate::memory::error::EngineError;
use crate::memory::expr::{Env, Scope};
use crate::memory::filter::Filter;
use crate::memory::value::{Document, Value};

/// Where a pipeline stands: some stages are refused in some places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// An `aggregate` command on a collection.
    Collection,
    /// An `aggregate` command on the database.
    Database,
    /// Inside `$lookup` or `$graphLookup`.
    Lookup,
    /// Inside `$unionWith`.
    Union,
    /// Inside `$facet`.
    Facet,
    /// An update.
    Update,
}

/// What stages are compiled with.
#[derive(Clone, Copy, Debug)]
pub struct Compiling<'a> {
    /// The variables in reach.
    pub scope: &'a Scope,
    /// Where the pipeline stands.
    pub place: Place,
    /// How many pipelines are around this one.
    pub depth: usize,
}

impl Compiling<'_> {
    /// For a pipeline inside one of this pipeline's stages.
    pub fn inside<'s>(&self, scope: &'s Scope, place: Place) -> Compiling<'s> {
        Compiling {
            scope,
            place,
            depth: self.depth + 1,
        }
    }
}

/// A compiled stage.
#[derive(Clone, Debug)]
pub enum Step {
    /// `$match`.
    Match(Arc<Filter>),
    /// `$sort`.
    Sort(Arc<SortSpec>),
    /// `$limit`.
    Limit(usize),
    /// `$skip`.
    Skip(usize),
    /// Any other.
    Other(Arc<dyn StagePlan>),
}

/// A compiled pipeline.
#[derive(Clone, Debug, Default)]
pub struct Pipeline {
    steps: Vec<Step>,
    write: Option<Arc<Write>>,
    first: Option<&'static str>,
    head: Option<Arc<Head>>,
}

/// Pipelines inside pipelines, at most.
const MAX_DEPTH: usize = 20;
/// Stages of one pipeline, at most (as MongoDB's internalPipelineLengthLimit).
const MAX_STAGES: usize = 1000;

/// Stages that must come first.
const FIRST: [&str; 14] = [
    "$search",
    "$vectorSearch",
    "$documents",
    "$collStats",
    "$indexStats",
    "$geoNear",
    "$currentOp",
    "$listSessions",
    "$listLocalSessions",
    "$planCacheStats",
    "$listSearchIndexes",
    "$querySettings",
    "$queryStats",
    "$listSampledQueries",
];

/// Stages that are known and have no place in an update.
const STAGES: [&str; 27] = [
    "$bucket",
    "$bucketAuto",
    "$collStats",
    "$count",
    "$densify",
    "$documents",
    "$facet",
    "$fill",
    "$geoNear",
    "$graphLookup",
    "$group",
    "$indexStats",
    "$limit",
    "$lookup",
    "$match",
    "$merge",
    "$out",
    "$redact",
    "$sample",
    "$search",
    "$setWindowFields",
    "$skip",
    "$sort",
    "$sortByCount",
    "$unionWith",
    "$unwind",
    "$vectorSearch",
];

/// Stages that need no collection.
const COLLECTIONLESS: [&str; 8] = [
    "$documents",
    "$currentOp",
    "$listSessions",
    "$listLocalSessions",
    "$querySettings",
    "$queryStats",
    "$listSampledQueries",
    "$shardedDataDistribution",
];

fn not_allowed(name: &str, place: Place) -> Option<EngineError> {
    let writes = matches!(name, "$out" | "$merge");
    match place {
        Place::Lookup if writes => Some(EngineError::location(
            51047,
            format!("{name} is not allowed within a $lookup's sub-pipeline"),
        )),
        Place::Union if writes => Some(EngineError::location(
            31441,
            format!("{name} is not allowed within a $unionWith's sub-pipeline"),
        )),
        Place::Facet if writes || FIRST.contains(&name) || name == "$facet" => {
            Some(EngineError::location(
                40600,
                format!("{name} is not allowed to be used within a $facet stage"),
            ))
        }
        Place::Update => {
            let fine = [
                "$addFields",
                "$set",
                "$project",
                "$unset",
                "$replaceRoot",
                "$replaceWith",
            ]
            .contains(&name);
            (!fine && STAGES.contains(&name)).then(|| {
                EngineError::new(
                    crate::memory::error::Code::InvalidOptions,
                    format!("{name} is not allowed to be used within an update"),
                )
            })
        }
        Place::Collection if name == "$documents" => Some(EngineError::new(
            crate::memory::error::Code::InvalidNamespace,
            format!("{name} is not allowed to be used on a collection: use {{aggregate: 1}}"),
        )),
        _ => None,
    }
}

impl Pipeline {
    /// Compiles an array of stages.
    ///
    /// # Errors
    /// 40323 for a stage that is no object of one field, 40324 for an unknown one, 40602 for a stage out of place,
    /// and what each stage gives.
    pub fn compile(stages: &[Bson], compiling: &Compiling<'_>) -> Result<Self, EngineError> {
        if compiling.depth > MAX_DEPTH {
            return Err(EngineError::new(
                crate::memory::error::Code::MaxSubPipelineDepthExceeded,
                "Maximum number of nested sub-pipelines exceeded",
            ));
        }
        if stages.len() > MAX_STAGES {
            return Err(EngineError::location(
                7_749_501,
                format!("Pipeline length must be no longer than {MAX_STAGES} stages"),
            ));
        }
        let mut out = Self::default();
        let collectionless = matches!(stages.first(), Some(Bson::Document(d)) if d.keys().next().is_some_and(|k| COLLECTIONLESS.contains(&k.as_str())));
        if compiling.place == Place::Database && !collectionless {
            return Err(EngineError::new(
                crate::memory::error::Code::InvalidNamespace,
                "{aggregate: 1} is not valid for a pipeline that does not begin with a collectionless stage such as $documents",
            ));
        }
        for (at, stage) in stages.iter().enumerate() {
            let Bson::Document(d) = stage else {
                return Err(EngineError::type_mismatch(
                    "Each element of the 'pipeline' array must be an object",
                ));
            };
            let mut entries = d.iter();
            let (Some((name, spec)), None) = (entries.next(), entries.next()) else {
                return Err(EngineError::location(
                    40323,
                    "A pipeline stage specification object must contain exactly one field.",
                ));
            };
            if let Some(refused) = not_allowed(name, compiling.place) {
                return Err(refused);
            }
            if let Some(first) = FIRST.iter().find(|f| *f == name) {
                if at > 0 {
                    return Err(EngineError::location(
                        40602,
                        format!("{name} is only valid as the first stage in a pipeline"),
                    ));
                }
                out.first = Some(first);
            }
            if out.write.is_some() {
                return Err(EngineError::location(
                    40601,
                    "$out or $merge can only be the final stage in the pipeline",
                ));
            }
            if let Some(write) = Write::compile(name, spec, compiling)? {
                out.write = Some(Arc::new(write));
                continue;
            }
            if let Some(head) = Head::compile(name, spec, compiling.scope)? {
                out.head = Some(Arc::new(head));
                continue;
            }
            step(name, spec, compiling, &mut out.steps)?;
        }
        Ok(out)
    }

    /// `$out` or `$merge` at the end.
    pub fn write(&self) -> Option<&Arc<Write>> {
        self.write.as_ref()
    }

    /// Whether the first stage makes its documents by itself.
    pub fn has_head(&self) -> bool {
        self.head.is_some()
    }

    /// The steps.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The filters at the start, and the sort right after them.
    pub fn leading(&self) -> (Vec<Arc<Filter>>, Option<&Arc<SortSpec>>) {
        let mut filters = Vec::new();
        for step in &self.steps {
            match step {
                Step::Match(filter) => filters.push(Arc::clone(filter)),
                Step::Sort(spec) => return (filters, Some(spec)),
                _ => break,
            }
        }
        (filters, None)
    }

    /// Starts the pipeline.
    ///
    /// # Errors
    /// What stages give when they start.
    pub fn start(
        &self,
        input: Input,
        context: &Arc<Context>,
        env: &mut Env<'_>,
    ) -> Result<Source, EngineError> {
        let input = match (&self.head, input) {
            (Some(head), Input::Collection(collection, _)) => {
                Input::Source(head.open(collection.as_ref(), context, env)?)
            }
            (_, input) => input,
        };
        start(&self.steps, input, context, env)
    }
}

/// Starts a run of steps: filters and a sort at its beginning are planned against the collection.
pub(super) fn start(
    steps: &[Step],
    input: Input,
    context: &Arc<Context>,
    env: &mut Env<'_>,
) -> Result<Source, EngineError> {
    let mut steps = steps;
    let mut sorted = false;
    let mut source = match input {
        Input::Source(source) => source,
        Input::Collection(collection, hint) => {
            let mut filters = Vec::new();
            while let Some((Step::Match(filter), rest)) = steps.split_first() {
                filters.push(Arc::clone(filter));
                steps = rest;
            }
            let sort = match steps.first() {
                Some(Step::Sort(spec)) => Some(&**spec),
                _ => None,
            };
            let (source, done) = open(collection, filters, sort, hint.as_deref(), context, env)?;
            sorted = done && sort.is_some();
            source
        }
    };
    while let Some((step, rest)) = steps.split_first() {
        let starting = Starting { context, rest };
        source = match step {
            Step::Match(filter) => Box::new(Matching::new(source, Arc::clone(filter))),
            Step::Sort(_) if std::mem::take(&mut sorted) => source,
            Step::Sort(spec) => Box::new(Sort::new(source, Arc::clone(spec), limit_ahead(rest))),
            Step::Limit(n) => Box::new(Limit::new(source, *n)),
            Step::Skip(n) => Box::new(Skip::new(source, *n)),
            Step::Other(plan) => plan.start(source, &starting)?,
        };
        steps = rest;
    }
    Ok(source)
}

/// How many documents a sort must give: `$skip`s and then a `$limit` right after it.
fn limit_ahead(rest: &[Step]) -> Option<usize> {
    let mut skipped = 0_usize;
    for step in rest {
        match step {
            Step::Skip(n) => skipped = skipped.saturating_add(*n),
            Step::Limit(n) => return Some(n.saturating_add(skipped)),
            _ => return None,
        }
    }
    None
}

fn count(name: &str, spec: &Bson, positive: bool) -> Result<usize, EngineError> {
    let code = if positive { 2_107_201 } else { 5_107_200 };
    let value = Value::from_bson(spec);
    let bad = |what: &str| {
        EngineError::location(
            code,
            format!("invalid argument to {name} stage: Expected {what}: {name}: {spec}"),
        )
    };
    if !value.is_number() {
        return Err(bad("a number in"));
    }
    let n = value.as_i64().ok_or_else(|| bad("an integer"))?;
    if positive && n == 0 {
        return Err(EngineError::location(15958, "the limit must be positive"));
    }
    usize::try_from(n).map_err(|_| bad("a non-negative number in"))
}

fn object<'s>(spec: &'s Bson, code: i32, message: &str) -> Result<&'s bson::Document, EngineError> {
    match spec {
        Bson::Document(d) => Ok(d),
        _ => Err(EngineError::location(code, message)),
    }
}

fn step(
    name: &str,
    spec: &Bson,
    compiling: &Compiling<'_>,
    out: &mut Vec<Step>,
) -> Result<(), EngineError> {
    let scope = compiling.scope;
    let other = |plan: Arc<dyn StagePlan>| Step::Other(plan);
    let new = match name {
        "$match" => {
            let d = object(
                spec,
                15959,
                "the match filter must be an expression in an object",
            )?;
            Step::Match(Arc::new(Filter::compile(d, scope)?.without_near()?))
        }
        "$sort" => {
            let d = object(spec, 15973, "the $sort key specification must be an object")?;
            if d.is_empty() {
                return Err(EngineError::location(
                    15976,
                    "$sort stage must have at least one sort key",
                ));
            }
            Step::Sort(Arc::new(SortSpec::compile(d)?))
        }
        "$limit" => Step::Limit(count(name, spec, true)?),
        "$skip" => Step::Skip(count(name, spec, false)?),
        "$project" => {
            let d = object(spec, 15969, "$project specification must be an object")?;
            other(Arc::new(Project(Projection::compile(d, scope)?)))
        }
        "$addFields" | "$set" => {
            let d = object(
                spec,
                40272,
                &format!("{name} specification stage must be an object"),
            )?;
            other(Arc::new(AddFields(Tree::add_fields_spec(d, scope)?)))
        }
        "$unset" => other(Arc::new(Project(unset(spec)?))),
        "$group" => other(Arc::new(Group::compile(spec, scope)?)),
        "$bucket" => other(Arc::new(Bucket::compile(spec, scope)?)),
        "$bucketAuto" => other(Arc::new(BucketAuto::compile(spec, scope)?)),
        "$unwind" => other(Arc::new(Unwind::compile(spec)?)),
        "$lookup" => other(Arc::new(Lookup::compile(spec, compiling)?)),
        "$graphLookup" => other(Arc::new(GraphLookup::compile(spec, compiling)?)),
        "$facet" => other(Arc::new(Facet::compile(spec, compiling)?)),
        "$unionWith" => other(Arc::new(UnionWith::compile(spec, compiling)?)),
        "$replaceRoot" | "$replaceWith" => {
            other(Arc::new(ReplaceRoot::compile(name, spec, scope)?))
        }
        "$count" => other(Arc::new(Count::compile(spec)?)),
        "$sample" => other(Arc::new(Sample::compile(spec)?)),
        "$redact" => other(Arc::new(Redact::compile(spec, scope)?)),
        "$setWindowFields" => other(Arc::new(SetWindowFields::compile(spec, scope)?)),
        "$densify" => other(Arc::new(Densify::compile(spec)?)),
        "$fill" => {
            for stage in super::fill::stages(spec)? {
                for (name, spec) in &stage {
                    step(name, spec, compiling, out)?;
                }
            }
            return Ok(());
        }
        "$documents" => other(Arc::new(DocumentsStage::compile(spec, scope)?)),
        "$sortByCount" => {
            let valid = match spec {
                Bson::String(s) => s.starts_with('$'),
                Bson::Document(d) => {
                    if !d.keys().next().is_some_and(|k| k.starts_with('$')) {
                        return Err(EngineError::location(
                            40147,
                            "the sortByCount field must be defined as a $-prefixed path or an expression inside an object",
                        ));
                    }
                    true
                }
                _ => {
                    return Err(EngineError::location(
                        40149,
                        "the sortByCount field must be specified as a string or as an object",
                    ));
                }
            };
            if !valid {
                return Err(EngineError::location(
                    40148,
                    "the sortByCount field must be defined as a $-prefixed path or an expression inside an object",
                ));
            }
            let group = bson::doc! {"_id": spec.clone(), "count": {"$sum": 1_i32}};
            out.push(other(Arc::new(Group::compile(
                &Bson::Document(group),
                scope,
            )?)));
            Step::Sort(Arc::new(SortSpec::compile(&bson::doc! {"count": -1_i32})?))
        }
        _ => {
            return Err(EngineError::location(
                40324,
                format!("Unrecognized pipeline stage name: '{name}'"),
            ));
        }
    };
    out.push(new);
    Ok(())
}

fn unset(spec: &Bson) -> Result<Projection, EngineError> {
    let text = |b: &Bson| match b {
        Bson::String(s) => Ok(s.clone()),
        _ => Err(EngineError::location(
            31120,
            "$unset specification must be a string or an array containing only string values",
        )),
    };
    let paths: Vec<String> = match spec {
        Bson::String(s) => vec![s.clone()],
        Bson::Array(items) if items.is_empty() => {
            return Err(EngineError::location(
                31119,
                "$unset specification must be a string or an array with at least one field",
            ));
        }
        Bson::Array(items) => items.iter().map(text).collect::<Result<_, _>>()?,
        _ => {
            return Err(EngineError::location(
                31002,
                "$unset specification must be a string or an array",
            ));
        }
    };
    Projection::unset(&paths.iter().map(String::as_str).collect::<Vec<_>>())
}

/// An input of documents.
pub(super) fn documents(docs: Vec<Document>) -> Input {
    Input::Source(Box::new(Documents::new(docs)))
}
