//! Pipelines: stages compiled once, run as pull iterators.
//!
//! A stage holds no borrowed state: the environment comes with every call, so a cursor can rest between batches.
mod bucket;
mod compile;
mod densify;
mod facet;
mod fill;
mod foreign;
mod graph_lookup;
mod group;
mod lookup;
mod merge;
mod near;
mod needs;
mod pick;
mod project;
mod redact;
mod search;
mod series;
mod simple;
mod sort;
mod statistics;
mod unwind;
mod window;

use std::sync::Arc;

use super::error::{Code, EngineError};
use super::expr::{Env, Evaluation};
use super::filter::Filter;
use super::geo::Geo;
use super::plan::{self, Access, CollectionScan, Examined, Hint, IndexScan, Plan};
use super::storage::{Collection, State};
use super::value::{DocRef, Document, Part, Path};

pub use compile::{Compiling, Pipeline, Place};
pub use merge::{Merge, Out, Target, WhenMatched, WhenNotMatched, Write};
pub use project::{Projection, Tree};
pub use sort::{Sort, SortSpec};

/// A source of documents.
pub trait Stage: Send {
    /// The next document.
    ///
    /// # Errors
    /// What the stage, or one before it, runs into; the source is of no use after that.
    fn next(&mut self, env: &mut Env<'_>) -> Result<Option<Document>, EngineError>;

    /// Calls `f` with every document that is left. What reads stored documents shows them in place, without sharing
    /// them: stages that need all their input first, and most of it only for a moment, ask this way.
    ///
    /// # Errors
    /// As `next`, and what `f` gives.
    fn each(&mut self, env: &mut Env<'_>, f: Visit<'_>) -> Result<(), EngineError> {
        while let Some(doc) = self.next(env)? {
            f(doc.view(), env)?;
        }
        Ok(())
    }
}

/// What is done with every document.
pub type Visit<'v> = &'v mut dyn FnMut(DocRef<'_>, &mut Env<'_>) -> Result<(), EngineError>;

/// A boxed source.
pub type Source = Box<dyn Stage>;

/// What pipelines run against: a snapshot, and the command's settings.
#[derive(Clone, Debug)]
pub struct Context {
    /// The snapshot.
    pub state: Arc<State>,
    /// The database.
    pub db: Arc<str>,
    /// Now, seed and collation.
    pub evaluation: Evaluation,
    /// Counts what is read, when asked for.
    pub examined: Option<Arc<Examined>>,
    /// The index that the command insists on, for its own collection.
    pub hint: Option<Arc<Hint>>,
}

/// What a stage is started with.
pub struct Starting<'a> {
    /// The context.
    pub context: &'a Arc<Context>,
    /// The steps that follow.
    pub(super) rest: &'a [compile::Step],
}

impl Starting<'_> {
    /// The root's fields that the following stages read, if that is known.
    fn needed(&self) -> Option<Vec<Part>> {
        let mut parts = Vec::new();
        for step in self.rest {
            match step {
                compile::Step::Match(filter) if needs::of_filter(filter.node(), &mut parts) => {}
                compile::Step::Limit(_) | compile::Step::Skip(_) => {}
                compile::Step::Other(plan) => match (plan.needs(), plan.touches()) {
                    (Some(needs), _) => {
                        let more = needs.iter().filter(|p| !parts.contains(p)).cloned();
                        let more: Vec<Part> = more.collect();
                        parts.extend(more);
                        return Some(parts);
                    }
                    (None, Some(part)) if parts.contains(part) => {}
                    (None, Some(part)) => parts.push(part.clone()),
                    (None, None) => return None,
                },
                _ => return None,
            }
        }
        None
    }
}

/// A compiled stage that is none of those that planning looks at.
pub trait StagePlan: Send + Sync + std::fmt::Debug {
    /// Puts the stage after a source.
    ///
    /// # Errors
    /// When it cannot start (a namespace that does not fit, ...).
    fn start(&self, input: Source, starting: &Starting<'_>) -> Result<Source, EngineError>;

    /// The root's fields that it reads, when it reads no others and hands none on that it does not make.
    fn needs(&self) -> Option<&[Part]> {
        None
    }

    /// Whether it hands on all fields and reads only the ones under this part, which it changes.
    fn touches(&self) -> Option<&Part> {
        None
    }
}

/// Where a pipeline's documents come from.
pub enum Input {
    /// A collection (`None` when it does not exist), and the index to use.
    Collection(Option<Arc<Collection>>, Option<Arc<Hint>>),
    /// Another source.
    Source(Source),
}

/// Documents that are at hand.
pub struct Documents(std::vec::IntoIter<Document>);

impl Documents {
    /// Gives the documents one by one.
    pub fn new(docs: Vec<Document>) -> Self {
        Self(docs.into_iter())
    }
}

impl Stage for Documents {
    fn next(&mut self, env: &mut Env<'_>) -> Result<Option<Document>, EngineError> {
        env.tick()?;
        Ok(self.0.next())
    }
}

/// Reads a collection by a plan.
pub fn read(
    collection: Arc<Collection>,
    plan: Plan,
    filters: Vec<Arc<Filter>>,
    context: &Context,
) -> Source {
    let examined = context.examined.clone();
    match plan.access {
        Access::Scan { reverse } => {
            Box::new(CollectionScan::new(&collection, reverse, filters, examined))
        }
        Access::Index {
            index,
            ranges,
            reverse,
            ordered,
        } => Box::new(IndexScan::new(
            collection, index, ranges, reverse, ordered, filters, examined,
        )),
    }
}

/// Plans and reads: filters, and a sort if the plan can give it. Tells whether the documents come sorted.
///
/// # Errors
/// What a hint that does not fit gives.
pub fn open(
    collection: Option<Arc<Collection>>,
    filters: Vec<Arc<Filter>>,
    sort: Option<&SortSpec>,
    hint: Option<&Hint>,
    context: &Context,
    env: &mut Env<'_>,
) -> Result<(Source, bool), EngineError> {
    let Some(collection) = collection else {
        return Ok((Box::new(Documents::new(Vec::new())), true));
    };
    let plan = plan::choose(&collection, &filters, sort, hint, env)?;
    let sorted = plan.sorted;
    let text = filters.iter().find_map(|f| f.text()).cloned();
    let source = read(collection, plan, filters, context);
    match text {
        None => Ok((source, sorted)),
        Some(text) => {
            let scored = move |doc: Document, _: &mut Env<'_>| match text.score(doc.view()) {
                Some(score) => Ok(doc.with_score(score)),
                None => Ok(doc),
            };
            Ok((Box::new(simple::Mapping::new(source, scored)), sorted))
        }
    }
}

/// What a stage holds, counted while it fills.
pub(crate) struct Held {
    stage: &'static str,
    bytes: usize,
}

impl Held {
    /// Nothing yet.
    pub fn new(stage: &'static str) -> Self {
        Self { stage, bytes: 0 }
    }

    /// So many bytes more.
    ///
    /// # Errors
    /// `QueryExceededMemoryLimitNoDiskUseAllowed`.
    #[inline]
    pub fn add(&mut self, bytes: usize, env: &Env<'_>) -> Result<(), EngineError> {
        self.set(self.bytes.saturating_add(bytes), env)
    }

    /// So many bytes in all.
    ///
    /// # Errors
    /// As [`Held::add`].
    #[inline]
    pub fn set(&mut self, bytes: usize, env: &Env<'_>) -> Result<(), EngineError> {
        self.bytes = bytes;
        let limit = env.evaluation().memory_limit;
        if bytes <= limit {
            return Ok(());
        }
        Err(EngineError::new(
            Code::QueryExceededMemoryLimitNoDiskUseAllowed,
            format!(
                "{} exceeded memory limit of {limit} bytes, but did not opt in to external sorting.",
                self.stage
            ),
        ))
    }
}

/// Runs a source to its end, for a stage that holds all of it.
///
/// # Errors
/// What the source gives; `QueryExceededMemoryLimitNoDiskUseAllowed`.
pub fn drain(
    mut source: Source,
    stage: &'static str,
    env: &mut Env<'_>,
) -> Result<Vec<Document>, EngineError> {
    let mut out = Vec::new();
    let mut held = Held::new(stage);
    while let Some(doc) = source.next(env)? {
        held.add(doc.held_bytes(), env)?;
        out.push(doc);
    }
    Ok(out)
}

/// The documents of a collection or view that pass filters, sorted; of a sorted result only the first `limit` count.
///
/// # Errors
/// What a view's pipeline gives.
pub fn open_namespace(
    name: &str,
    filters: Vec<Arc<Filter>>,
    sort: Option<&Arc<SortSpec>>,
    limit: Option<usize>,
    context: &Arc<Context>,
    env: &mut Env<'_>,
) -> Result<Source, EngineError> {
    let (mut source, sorted) = match input_of(name, context, env)? {
        Input::Collection(collection, hint) => open(
            collection,
            filters,
            sort.map(|s| &**s),
            hint.as_deref(),
            context,
            env,
        )?,
        Input::Source(mut source) => {
            for filter in filters {
                source = Box::new(simple::Matching::new(source, filter));
            }
            (source, sort.is_none())
        }
    };
    if let Some(sort) = sort
        && !sorted
    {
        source = Box::new(Sort::new(source, Arc::clone(sort), limit));
    }
    Ok(source)
}

/// What a name of the context's database stands for: a collection, or a view's documents.
///
/// # Errors
/// What a view's pipeline gives.
pub fn input_of(
    name: &str,
    context: &Arc<Context>,
    env: &mut Env<'_>,
) -> Result<Input, EngineError> {
    foreign::resolve(name, context.hint.as_ref(), context, env, 0)
}

/// The first `n` documents.
pub fn limited(source: Source, n: usize) -> Source {
    Box::new(simple::Limit::new(source, n))
}

/// All but the first `n` documents.
pub fn skipped(source: Source, n: usize) -> Source {
    Box::new(simple::Skip::new(source, n))
}

/// The documents of a `$near`, the nearest first.
pub fn nearest(source: Source, path: Path, geo: Geo) -> Source {
    Box::new(near::Nearest::new(source, path, geo))
}
