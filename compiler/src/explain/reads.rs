//! What commands read, stage by stage: collections with what is asked of them, leaves without an index, and stages that
//! wait for everything before them.

use super::indexes::{Asked, Index, Service, best, declared, holds_texts, is_of, keys_text};
use super::leaves::{Leaf, sort_out};
use crate::mql::{Command, Filter, Lookup, Projection, SortOrder, Stage};
use crate::schema::{Schema, StorageFamily};

/// A collection that a command reads.
#[derive(Debug, Clone, PartialEq)]
pub struct Read {
    /// Number of the step, from 1.
    pub step: usize,
    /// The collection.
    pub collection: String,
    /// Where in the command: `None` is its start, else the field that a `$lookup` fills.
    pub lookup: Option<String>,
    /// It is asked for each element of an array.
    pub several: bool,
    /// What is asked of it.
    pub asked: Asked,
    /// The declared index that serves it best.
    pub served: Option<Service>,
}

impl Read {
    /// Every document is read.
    #[must_use]
    pub fn is_scan(&self) -> bool {
        self.served.is_none()
    }

    /// The index that would serve all that is asked, if none that is declared does.
    #[must_use]
    pub fn advice(&self) -> Option<Vec<(String, bool)>> {
        let complete = self
            .served
            .as_ref()
            .is_some_and(|s| s.is_complete(&self.asked));
        let keys = self.asked.advice();
        (!complete && !keys.is_empty()).then_some(keys)
    }
}

/// A stage that gives nothing before it has seen everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocking {
    /// Number of the step, from 1.
    pub step: usize,
    /// The stage, on one line.
    pub stage: String,
    /// Why.
    pub reason: String,
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub reads: Vec<Read>,
    pub leaves: Vec<Leaf>,
    pub blocking: Vec<Blocking>,
}

/// Looks at a command.
pub(super) fn command(step: usize, command: &Command, schema: &Schema, out: &mut Findings) {
    let stages = match command {
        Command::Find(find) => {
            let mut stages = vec![Stage::Match(find.filter.clone())];
            if !find.sort.is_empty() {
                stages.push(Stage::Sort(find.sort.clone()));
            }
            stages.extend(find.limit.map(Stage::Limit));
            stages
        }
        Command::Aggregate { pipeline, .. } => pipeline.clone(),
        Command::Count { filter, .. }
        | Command::Delete { filter, .. }
        | Command::FindAndModify { filter, .. } => vec![Stage::Match(filter.clone())],
        Command::Update { updates, .. } => updates
            .iter()
            .map(|u| Stage::Match(u.filter.clone()))
            .take(1)
            .collect(),
        Command::Insert { .. } | Command::Define(_) => return,
    };
    let collection = match command {
        Command::Find(find) => Some(&find.collection),
        Command::Aggregate { collection, .. } => collection.as_ref(),
        Command::Count { collection, .. }
        | Command::Delete { collection, .. }
        | Command::FindAndModify { collection, .. }
        | Command::Update { collection, .. } => Some(collection),
        Command::Insert { .. } | Command::Define(_) => None,
    };
    Walk {
        step,
        schema,
        out,
        collated: command
            .hint()
            .and_then(|hint| hint.collation.as_ref())
            .is_some_and(|c| c.get_str("locale").is_ok_and(|locale| locale != "simple")),
        depth: 0,
    }
    .pipeline(&stages, collection.map(String::as_str), None, None);
}

/// Pipelines inside pipelines that are looked into.
const DEPTH: usize = 64;

struct Walk<'a> {
    step: usize,
    schema: &'a Schema,
    out: &'a mut Findings,
    /// The command has a collation, which the declared indexes do not have.
    collated: bool,
    depth: usize,
}

/// What is known of paths that are not the collection's own any more.
#[derive(Default)]
struct Paths {
    joined: Vec<(String, String)>,
    /// Of the joined, those that are arrays still.
    arrays: Vec<String>,
    computed: Vec<String>,
    /// Documents are new: nothing in them is the collection's.
    new: bool,
    /// The search that the pipeline begins with.
    search: Option<&'static str>,
}

impl Paths {
    fn reason(&self, path: &str) -> String {
        let key = path.split('.').next().unwrap_or(path);
        if let Some((_, collection)) = self.joined.iter().find(|(name, _)| name == key) {
            return format!(
                "asked of joined documents of {collection}: tested after the $lookup, on each of them"
            );
        }
        if self.new || self.computed.iter().any(|name| name == key) {
            return format!("asked of {key}, which an earlier stage computes");
        }
        match self.search {
            Some(name) => format!("asked of what {name} found, which no index but its own knows"),
            None => "asked after a stage that an index cannot pass".to_owned(),
        }
    }
}

impl Walk<'_> {
    fn pipeline(
        &mut self,
        stages: &[Stage],
        collection: Option<&str>,
        lookup: Option<&str>,
        foreign: Option<&str>,
    ) {
        if self.depth >= DEPTH {
            return;
        }
        self.depth += 1;
        self.stages(stages, collection, lookup, foreign);
        self.depth -= 1;
    }

    fn stages(
        &mut self,
        stages: &[Stage],
        collection: Option<&str>,
        lookup: Option<&str>,
        foreign: Option<&str>,
    ) {
        let mut indexes = collection
            .map(|c| declared(self.schema, c))
            .unwrap_or_default();
        if self.collated {
            indexes.retain(|i| !collection.is_some_and(|c| holds_texts(self.schema, c, i)));
        }
        let mut asked = Asked::default();
        asked.equality.extend(foreign.map(str::to_owned));
        let mut rest = Vec::new();
        let mut first = stages.iter().peekable();
        while let Some(Stage::Match(filter)) = first.peek() {
            sort_out(filter, &mut asked, &mut rest);
            first.next();
        }
        if let Some(Stage::Sort(keys)) = first.peek() {
            asked.sort = keys
                .iter()
                .map(|(path, order)| (path.clone(), *order == SortOrder::Desc))
                .collect();
        }
        if let Some(collection) = collection {
            const ARRAYS: &[StorageFamily] = &[StorageFamily::Array, StorageFamily::EmbeddedArray];
            asked.narrow(|column| is_of(self.schema, collection, column, ARRAYS));
        }
        let served = best(&indexes, &asked);
        if served.is_none()
            && let (Some(collection), [one], [], []) = (
                collection,
                asked.equality.as_slice(),
                asked.sort.as_slice(),
                asked.range.as_slice(),
            )
            && is_of(self.schema, collection, one, &[StorageFamily::Bool])
            && let Some(condition) = stages.iter().find_map(|stage| condition_on(stage, one))
        {
            let reason =
                "a boolean has two values: an index helps only where few documents have this one";
            rest.push((condition.to_string(), reason.to_owned()));
            asked.equality.clear();
        }
        let in_order = served.as_ref().is_some_and(|s| s.sort) || asked.open_sort().is_empty();
        // A search has an index of its own.
        let searched = matches!(stages.first(), Some(Stage::Search { .. }));
        if let Some(collection) = collection.filter(|_| !searched) {
            for (condition, reason) in rest {
                self.out.leaves.push(Leaf {
                    condition,
                    collection: Some(collection.to_owned()),
                    reason,
                });
            }
            self.out.reads.push(Read {
                step: self.step,
                collection: collection.to_owned(),
                lookup: lookup.map(str::to_owned),
                several: false,
                asked: asked.clone(),
                served,
            });
        }
        self.later(stages, &asked, in_order, &indexes);
    }

    fn later(&mut self, stages: &[Stage], asked: &Asked, in_order: bool, indexes: &[Index]) {
        let mut paths = Paths::default();
        let mut start = true;
        for stage in stages {
            match stage {
                Stage::Match(filter) if start => {
                    let _ = filter;
                    continue;
                }
                Stage::Match(filter) => self.late(filter, &paths),
                Stage::Sort(keys) => {
                    self.sort(keys, start.then_some(in_order), &paths, asked, indexes)
                }
                Stage::Lookup(lookup) => self.lookup(lookup, &mut paths),
                Stage::UnionWith {
                    collection,
                    pipeline,
                } => self.pipeline(pipeline, collection.as_deref(), Some("$unionWith"), None),
                Stage::Facet(facets) => {
                    self.blocks(stage, "$facet collects all documents of all its pipelines");
                    for (_, stages) in facets {
                        self.pipeline(stages, None, None, None);
                    }
                    paths.new = true;
                }
                Stage::Group { id, .. } => {
                    let reason = match id {
                        crate::mql::Expr::Literal(_) => {
                            "one row of all documents; it takes little memory, but gives nothing before the last of them"
                        }
                        _ => "a group is known only when all documents have been seen",
                    };
                    self.blocks(stage, reason);
                    paths = Paths {
                        new: true,
                        ..Paths::default()
                    };
                }
                Stage::SetWindowFields {
                    partition,
                    sort,
                    output,
                    ..
                } => {
                    self.blocks(stage, match (partition, sort.is_empty()) {
                        (Some(_), _) => "documents are sorted by partition and order before the first is given",
                        (None, false) => "documents are sorted before the first is given",
                        (None, true) => "all documents are one partition, which is collected first",
                    });
                    paths
                        .computed
                        .extend(output.iter().map(|(name, _)| name.clone()));
                }
                Stage::Sample(_) => {}
                Stage::Count(_) => self.blocks(
                    stage,
                    "all documents are counted before the number is known",
                ),
                Stage::Set(fields) => paths
                    .computed
                    .extend(fields.iter().map(|(name, _)| name.clone())),
                Stage::Project(fields) => {
                    for (name, projection) in fields {
                        if let Projection::Expr(_) = projection {
                            paths.computed.push(name.clone());
                        }
                    }
                }
                Stage::ReplaceRoot(_) | Stage::Documents(_) | Stage::Other(_) => paths.new = true,
                Stage::Search { name, .. } => paths.search = Some(name),
                Stage::Unwind { path, .. } => paths.arrays.retain(|array| array != path),
                Stage::Unset(_) | Stage::Skip(_) | Stage::Limit(_) => {}
            }
            start = false;
        }
    }

    fn lookup(&mut self, lookup: &Lookup, paths: &mut Paths) {
        let from = lookup.from.as_deref();
        let foreign = lookup.fields.as_ref().map(|(_, foreign)| foreign.as_str());
        let first = self.out.reads.len();
        self.pipeline(&lookup.pipeline, from, Some(&lookup.into), foreign);
        // An array finds a document for each of its elements.
        if let Some((local, _)) = &lookup.fields
            && let Some((root, _)) = local.split_once('.')
            && paths.arrays.iter().any(|array| array == root)
            && let Some(read) = self.out.reads.get_mut(first)
        {
            read.several = true;
        }
        paths.arrays.push(lookup.into.clone());
        paths.joined.push((
            lookup.into.clone(),
            from.unwrap_or("a list of documents").to_owned(),
        ));
    }

    /// A filter that does not come first.
    fn late(&mut self, filter: &Filter, paths: &Paths) {
        let mut stack = vec![filter];
        while let Some(filter) = stack.pop() {
            match filter {
                Filter::And(items) => stack.extend(items.iter().rev()),
                // Whether a $lookup found something is the purpose of the $lookup.
                Filter::Field { path, ops }
                    if ops.iter().all(is_existence)
                        && paths.joined.iter().any(|(name, _)| name == path) => {}
                other => {
                    let reason = match other {
                        Filter::Field { path, .. } => paths.reason(path),
                        Filter::Expr(expr) => {
                            let mut fields = Vec::new();
                            let mut inner = vec![expr];
                            while let Some(x) = inner.pop() {
                                if let crate::mql::Expr::Field(path) = x {
                                    fields.push(path.join("."));
                                }
                                x.children(&mut |child| inner.push(child));
                            }
                            match fields.first() {
                                Some(path) => paths.reason(path),
                                None => "an expression".to_owned(),
                            }
                        }
                        _ => "alternatives over what earlier stages add".to_owned(),
                    };
                    self.out.leaves.push(Leaf {
                        condition: other.to_string(),
                        collection: None,
                        reason,
                    });
                }
            }
        }
    }

    fn sort(
        &mut self,
        keys: &[(String, SortOrder)],
        at_start: Option<bool>,
        paths: &Paths,
        asked: &Asked,
        indexes: &[Index],
    ) {
        if at_start == Some(true) {
            return;
        }
        let stage = Stage::Sort(keys.to_vec());
        let strange = keys.iter().map(|(path, _)| path).find(|path| {
            let key = path.split('.').next().unwrap_or(path);
            paths.new
                || paths.computed.iter().any(|name| name == key)
                || paths.joined.iter().any(|(name, _)| name == key)
        });
        let reason = match (strange, at_start) {
            (Some(path), _) => {
                let key = path.split('.').next().unwrap_or(path);
                match paths.joined.iter().find(|(name, _)| name == key) {
                    Some((_, collection)) => {
                        format!(
                            "{path} is of joined documents of {collection}, which are in no order here"
                        )
                    }
                    None => format!("{path} is computed by an earlier stage"),
                }
            }
            (None, Some(_)) => {
                let order = keys_text(&asked.open_sort());
                if indexes.len() > 1 || !asked.equality.is_empty() {
                    format!("no declared index that serves the filter gives the order {order}")
                } else {
                    format!("no declared index gives the order {order}")
                }
            }
            (None, None) => {
                "it comes after stages that an order of an index does not pass".to_owned()
            }
        };
        self.blocks(&stage, reason);
    }

    fn blocks(&mut self, stage: &Stage, reason: impl Into<String>) {
        self.out.blocking.push(Blocking {
            step: self.step,
            stage: crate::mql::value_text(&crate::render::stage(stage).into()),
            reason: reason.into(),
        });
    }
}

/// The condition of a stage on a path.
fn condition_on<'a>(stage: &'a Stage, wanted: &str) -> Option<&'a Filter> {
    let Stage::Match(filter) = stage else {
        return None;
    };
    let is_wanted = |f: &&Filter| matches!(f, Filter::Field { path, .. } if path == wanted);
    match filter {
        Filter::And(items) => items.iter().find(is_wanted),
        one => Some(one).filter(is_wanted),
    }
}

fn is_existence(op: &crate::mql::FieldOp) -> bool {
    use crate::mql::FieldOp;
    matches!(op, FieldOp::Eq(bson::Bson::Array(list)) | FieldOp::Ne(bson::Bson::Array(list)) if list.is_empty())
}
