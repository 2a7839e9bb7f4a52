//! What is done with the rows: terminals, the last projection, the shape of the result.

use super::bulk_update::bulk_update;
use super::insert::insert;
use super::rel::{is_empty, unordered};
use super::scope::{Kind, Val, include};
use super::{Lowerer, walk};
use crate::error::{Error, Result};
use crate::functions::Registry;
use crate::mql::{Args, Command, Expr, Projection, Stage};
use crate::names::{Name, Path};
use crate::plan::{ColumnId, Output, OutputNode, Plan, Prefetched, Rel, SourceId, Terminal};
use crate::program::{Origin, Parameter, Program, Step};
use crate::shape::{Attachment, RowShape, Shape, ShapeNode};
use crate::target::Target;
use crate::tidy;

/// Appends the steps of a plan to a program and returns the shape of its result.
pub(super) fn plan(
    plan: &Plan,
    registry: &Registry,
    target: &Target,
    parameters: Vec<Parameter>,
    program: &mut Program,
) -> Result<Shape> {
    let mut lowerer = Lowerer::new(plan, registry, target);
    let empty = is_empty(&plan.rel);
    match &plan.terminal {
        Terminal::Rows { output } => {
            let row = lowerer.rows(&plan.rel, output, &[], parameters, program)?;
            Ok(Shape::Rows(row))
        }
        Terminal::Count { limit } => {
            let field = if empty || *limit == Some(0) {
                None
            } else {
                lowerer.count(&plan.rel, *limit, program)?
            };
            Ok(Shape::Count { field })
        }
        Terminal::Exists => {
            if !empty {
                lowerer.rel(unordered(&plan.rel))?;
                lowerer.push(Stage::Limit(1))?;
                lowerer.push(include(&["_id".to_owned()]))?;
                lowerer.finish(Vec::new(), program)?;
            }
            Ok(Shape::Exists)
        }
        Terminal::Aggregate { output } => lowerer.aggregate_row(&plan.rel, output, program),
        Terminal::Update {
            source,
            assignments,
        } => {
            if empty {
                return Ok(Shape::Written(Vec::new()));
            }
            lowerer.update(&plan.rel, *source, assignments, program)
        }
        Terminal::Delete { source, deletion } => {
            if empty {
                return Ok(Shape::Written(Vec::new()));
            }
            lowerer.delete(&plan.rel, *source, deletion, program)
        }
        Terminal::Insert(insertion) => Ok(insert(insertion, program)),
        Terminal::BulkUpdate(update) => bulk_update(update, program),
        Terminal::Upsert(upsert) => lowerer.upsert(&plan.rel, upsert, program),
    }
}

impl Lowerer<'_> {
    fn rows(
        &mut self,
        rel: &Rel,
        output: &Output,
        demanded: &[ColumnId],
        parameters: Vec<Parameter>,
        program: &mut Program,
    ) -> Result<RowShape> {
        if is_empty(rel) {
            return Ok(RowShape {
                kind: output.kind,
                nodes: self.unfilled(&output.nodes)?,
                attached: Vec::new(),
            });
        }
        for id in demanded {
            self.uses.add(*id);
        }
        self.rel(rel)?;
        self.project_rows(output, demanded, parameters, program)
    }

    /// The last stages of a pipeline that gives rows, and their shape.
    pub fn project_rows(
        &mut self,
        output: &Output,
        demanded: &[ColumnId],
        parameters: Vec<Parameter>,
        program: &mut Program,
    ) -> Result<RowShape> {
        let step = program.steps.len();
        let mut columns = walk::output_columns(output);
        for id in demanded {
            if !columns.contains(id) {
                columns.push(*id);
            }
        }
        let paths = self.project(&columns, &output.nodes)?;
        self.finish(parameters, program)?;
        let mut places = Places {
            columns,
            paths,
            next: 0,
            step,
        };
        Ok(RowShape {
            kind: output.kind,
            nodes: self.shape_nodes(&output.nodes, &mut places, program)?,
            attached: self.attachments(&output.prefetched, &mut places, program)?,
        })
    }

    fn shape_nodes(
        &mut self,
        nodes: &[OutputNode],
        places: &mut Places,
        program: &mut Program,
    ) -> Result<Vec<ShapeNode>> {
        let mut shapes = Vec::with_capacity(nodes.len());
        for node in nodes {
            shapes.push(match node {
                OutputNode::Column { name, column } => ShapeNode::Value {
                    name: name.clone(),
                    path: places.of(*column)?,
                    ty: self.columns.get(*column)?.ty.clone(),
                },
                OutputNode::Tuple { name, columns } => ShapeNode::Tuple {
                    name: name.clone(),
                    parts: columns
                        .iter()
                        .map(|c| Ok((places.of(*c)?, self.columns.get(*c)?.ty.clone())))
                        .collect::<Result<_>>()?,
                },
                OutputNode::Related {
                    name,
                    key,
                    nodes,
                    prefetched,
                } => ShapeNode::Related {
                    name: name.clone(),
                    key: places.of(*key)?,
                    nodes: self.shape_nodes(nodes, places, program)?,
                    attached: self.attachments(prefetched, places, program)?,
                },
            });
        }
        Ok(shapes)
    }

    /// The shape of rows that are never there.
    pub fn unfilled(&self, nodes: &[OutputNode]) -> Result<Vec<ShapeNode>> {
        nodes
            .iter()
            .map(|node| {
                Ok(match node {
                    OutputNode::Column { name, column } => ShapeNode::Value {
                        name: name.clone(),
                        path: Path::key(name),
                        ty: self.columns.get(*column)?.ty.clone(),
                    },
                    OutputNode::Tuple { name, columns } => ShapeNode::Tuple {
                        name: name.clone(),
                        parts: columns
                            .iter()
                            .map(|c| Ok((Path::root(), self.columns.get(*c)?.ty.clone())))
                            .collect::<Result<_>>()?,
                    },
                    OutputNode::Related { name, nodes, .. } => ShapeNode::Related {
                        name: name.clone(),
                        key: Path::root(),
                        nodes: self.unfilled(nodes)?,
                        attached: Vec::new(),
                    },
                })
            })
            .collect()
    }

    fn attachments(
        &mut self,
        prefetched: &[Prefetched],
        places: &mut Places,
        program: &mut Program,
    ) -> Result<Vec<Attachment>> {
        let mut out = Vec::with_capacity(prefetched.len());
        for prefetch in prefetched {
            let parent = prefetch
                .parent
                .iter()
                .map(|id| places.of(*id))
                .collect::<Result<Vec<_>>>()?;
            let only = match &prefetch.only {
                Some((id, value)) => Some((places.of(*id)?, value.clone())),
                None => None,
            };
            let Some(path) = parent.first().cloned() else {
                return Err(Error::internal("a prefetch without a key"));
            };
            let parameter = Parameter {
                number: prefetch.parameter,
                from: vec![Origin {
                    step: places.step,
                    path,
                    only: only.clone(),
                }],
                needed: true,
            };
            let child_step = program.steps.len();
            let mut lowerer = Lowerer::new(&prefetch.plan, self.registry, self.target);
            let Terminal::Rows { output } = &prefetch.plan.terminal else {
                return Err(Error::internal("a prefetch that is no query of rows"));
            };
            let row = self.deeper(|_| {
                lowerer.rows(
                    &prefetch.plan.rel,
                    output,
                    &prefetch.child,
                    vec![parameter],
                    program,
                )
            })?;
            if program.steps.len() == child_step {
                // Provably nothing to attach: a step that finds nothing keeps the numbers right.
                continue;
            }
            let child = prefetch
                .child
                .iter()
                .map(|id| lowerer.output_path(*id))
                .collect::<Result<Vec<_>>>()?;
            out.push(Attachment {
                name: prefetch.name.clone(),
                step: child_step,
                many: prefetch.many,
                parent,
                child,
                only,
                row,
            });
        }
        Ok(out)
    }

    /// Where a column is in the documents that are returned.
    pub fn output_path(&mut self, id: ColumnId) -> Result<Path> {
        match self.column(id)?.expr {
            Expr::Field(path) => Ok(path),
            _ => Err(Error::internal("a column of the result has no path")),
        }
    }

    /// The last stages: computed columns get their keys, and what nobody asked for goes. Where each column is then.
    pub fn project(&mut self, columns: &[ColumnId], nodes: &[OutputNode]) -> Result<Vec<Path>> {
        // Those without a path, with their places among the columns.
        let mut computed: Vec<(usize, String, Val)> = Vec::new();
        let mut paths: Vec<Path> = Vec::with_capacity(columns.len());
        for (at, id) in columns.iter().enumerate() {
            if let Some(path) = self.stored_path(*id)? {
                paths.push(path);
                continue;
            }
            let val = self.column(*id)?;
            match val.expr {
                Expr::Field(path) => paths.push(path),
                _ => computed.push((at, self.name_of(*id, nodes)?, val)),
            }
        }
        let whole = self.whole(&paths)?;
        let mut named: Vec<String> = Vec::new();
        for (_, name, _) in &mut computed {
            // The last projection makes a new document: only what it keeps is in the way of a name.
            let kept = |key: &str| {
                key == "_id"
                    || named.iter().any(|n| n == key)
                    || paths.iter().any(|p| p.first().is_some_and(|k| *k == *key))
            };
            if whole || kept(name) || !super::scope::is_path_key(name) {
                *name = self.fresh(name)?;
            }
            named.push(name.clone());
        }
        let sources: Vec<Path> = self.whole_sources(&paths)?;
        let scope = self.scope()?;
        if whole {
            let root = |key: &String| paths.iter().any(|p| p.first().is_some_and(|k| k == key));
            let junk: Vec<String> = scope
                .added
                .iter()
                .filter(|key| !root(key) && !computed.iter().any(|(_, n, _)| n == *key))
                .cloned()
                .collect();
            if !computed.is_empty() {
                let fields = computed
                    .iter()
                    .map(|(_, name, val)| (name.clone(), by_path(val)))
                    .collect();
                scope.push(Stage::Set(fields));
            }
            if !junk.is_empty() {
                scope.push(Stage::Unset(junk));
            }
        } else if scope.open.is_some()
            || !computed.is_empty()
            || !scope
                .added
                .iter()
                .all(|key| paths.iter().any(|p| p.first().is_some_and(|k| k == key)))
        {
            let mut kept: Vec<&Path> = Vec::with_capacity(paths.len());
            for path in &paths {
                let whole = sources.iter().find(|s| path.starts_with(s));
                let path = whole.unwrap_or(path);
                if !kept.iter().any(|k| path.starts_with(k)) {
                    kept.retain(|k| !k.starts_with(path));
                    kept.push(path);
                }
            }
            let id = kept.iter().any(|p| p.first().is_some_and(|k| k == "_id"));
            let mut fields: Vec<(String, Projection)> =
                Vec::with_capacity(kept.len() + computed.len() + 1);
            fields.extend(kept.iter().map(|p| (p.dotted(), Projection::Include)));
            for (_, name, val) in &computed {
                fields.push((name.clone(), Projection::Expr(by_path(val))));
            }
            if !id {
                fields.push(("_id".to_owned(), Projection::Exclude));
            }
            scope.push(Stage::Project(fields));
        }
        for (at, name, val) in computed {
            let path = Path::key(name);
            let placed = Val {
                expr: Expr::Field(path.clone()),
                ..val
            };
            if let Some(id) = columns.get(at) {
                self.scope()?.columns.insert(*id, placed);
            }
            paths.insert(at.min(paths.len()), path);
        }
        Ok(paths)
    }

    /// The name of a column in the rows, or its own.
    fn name_of(&self, id: ColumnId, nodes: &[OutputNode]) -> Result<String> {
        let named = nodes.iter().find_map(|node| match node {
            OutputNode::Column { name, column } if *column == id => Some(name),
            _ => None,
        });
        Ok(match named {
            Some(name) if !name.is_empty() => name.to_string(),
            _ => self.columns.get(id)?.name.to_string(),
        })
    }

    /// The documents are wanted with all their stored keys.
    fn whole(&mut self, paths: &[Path]) -> Result<bool> {
        let Some(source) = self.scope()?.open else {
            return Ok(false);
        };
        self.all_keys(source, &[], paths)
    }

    fn all_keys(&self, source: SourceId, prefix: &[Name], paths: &[Path]) -> Result<bool> {
        let stored = &self.columns.source(source)?.stored;
        if stored.is_empty() || paths.len() < stored.len() {
            return Ok(false);
        }
        let is = |path: &Path, key: &Name| {
            path.len() == prefix.len() + 1 && path.last() == Some(key) && path.starts_with(prefix)
        };
        // Mostly they are asked for in their order.
        let mut next = paths.iter();
        let mut asked = |key: &Name| {
            next.next().is_some_and(|path| is(path, key)) || paths.iter().any(|path| is(path, key))
        };
        Ok(stored.iter().all(&mut asked))
    }

    /// Where documents live that are wanted with all their stored keys.
    fn whole_sources(&mut self, paths: &[Path]) -> Result<Vec<Path>> {
        let sources: Vec<(SourceId, Path)> = self
            .scope()?
            .sources
            .iter()
            .filter(|(_, (prefix, _))| !prefix.is_empty())
            .map(|(s, (prefix, _))| (*s, prefix.clone()))
            .collect();
        let mut out = Vec::new();
        for (source, prefix) in sources {
            if self.all_keys(source, &prefix, paths)? {
                out.push(prefix);
            }
        }
        out.sort();
        Ok(out)
    }

    fn count(
        &mut self,
        rel: &Rel,
        limit: Option<u64>,
        program: &mut Program,
    ) -> Result<Option<String>> {
        self.rel(unordered(rel))?;
        if let Some(limit) = limit {
            self.push(Stage::Limit(limit))?;
        }
        let scope = self.end()?;
        let stages = tidy::pipeline(scope.stages);
        let command = match (scope.collection.clone(), tidy::as_count(&stages)) {
            (Some(collection), Some((filter, skip, limit))) => Command::Count {
                collection: collection.into(),
                filter,
                limit,
                skip,
                hint: self.hint.clone(),
            },
            (collection, _) => {
                let mut pipeline = stages;
                pipeline.push(Stage::Count("count".to_owned()));
                Command::Aggregate {
                    collection: collection.map(String::from),
                    pipeline,
                    hint: self.hint.clone(),
                }
            }
        };
        let field = match &command {
            Command::Count { .. } => None,
            _ => Some("count".to_owned()),
        };
        program.steps.push(command.into());
        Ok(field)
    }

    /// Closes the pipeline and appends the step.
    pub fn finish(&mut self, parameters: Vec<Parameter>, program: &mut Program) -> Result<()> {
        let hint = self.hint.clone();
        let scope = self.scope()?;
        debug_assert_eq!(scope.kind, Kind::Root);
        let stages = tidy::pipeline(std::mem::take(&mut scope.stages));
        let collection = scope.collection.as_ref().map(String::from);
        let aggregate = |collection, pipeline, hint| Command::Aggregate {
            collection,
            pipeline,
            hint,
        };
        let command = match collection {
            Some(collection) => match tidy::as_find(stages) {
                Ok(mut find) => {
                    find.collection = collection;
                    find.hint = hint;
                    Command::Find(find)
                }
                Err(pipeline) => aggregate(Some(collection), pipeline, hint),
            },
            None => aggregate(None, stages, hint),
        };
        program.steps.push(Step {
            parameters,
            ..command.into()
        });
        Ok(())
    }
}

/// Where the columns of a result are in the documents that a step returns.
struct Places {
    columns: Vec<ColumnId>,
    paths: Vec<Path>,
    /// Mostly they are asked for in their order.
    next: usize,
    step: usize,
}

impl Places {
    fn of(&mut self, id: ColumnId) -> Result<Path> {
        let at = match self.columns.get(self.next) {
            Some(next) if *next == id => Some(self.next),
            _ => self.columns.iter().position(|c| *c == id),
        };
        let path = at.and_then(|at| self.paths.get(at));
        self.next = at.map_or(0, |at| at + 1);
        path.cloned()
            .ok_or_else(|| Error::internal("a column of the result has no path"))
    }
}

/// What `ElementValues` calls an element.
const ELEMENT: &str = "element";

/// The values of all elements of an array: by a path, which leaves out what is not there, where each of them has one.
/// As a value only: to a stage that takes paths, it would be many values and not one array.
fn by_path(val: &Val) -> Expr {
    if let Expr::Op("$map", Args::Named(named)) = &val.expr
        && let [(_, Expr::Field(array)), _, (_, Expr::Var { name, path })] = named.as_slice()
        && name == ELEMENT
        && !path.is_empty()
        && val.ty.base.as_ref().is_some_and(|base| !base.null)
    {
        return Expr::Field(array.to(&Path::of(path)));
    }
    val.expr.clone()
}
