//! What is done with the rows: terminals, the last projection, the shape of the result.

use super::insert::insert;
use super::rel::{is_empty, unordered};
use super::scope::{Kind, Val, include};
use super::{Lowerer, walk};
use crate::error::{Error, Result};
use crate::functions::Registry;
use crate::mql::{Command, Expr, Find, Projection, Stage};
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
            *self.uses.entry(*id).or_default() += 1;
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
        self.project(&columns, &output.nodes)?;
        self.finish(parameters, program)?;
        self.row_shape(
            output.kind,
            &output.nodes,
            &output.prefetched,
            step,
            program,
        )
    }

    fn row_shape(
        &mut self,
        kind: crate::plan::RowKind,
        nodes: &[OutputNode],
        prefetched: &[Prefetched],
        step: usize,
        program: &mut Program,
    ) -> Result<RowShape> {
        Ok(RowShape {
            kind,
            nodes: self.shape_nodes(nodes, step, program)?,
            attached: self.attachments(prefetched, step, program)?,
        })
    }

    fn shape_nodes(
        &mut self,
        nodes: &[OutputNode],
        step: usize,
        program: &mut Program,
    ) -> Result<Vec<ShapeNode>> {
        nodes
            .iter()
            .map(|node| {
                Ok(match node {
                    OutputNode::Column { name, column } => ShapeNode::Value {
                        name: name.clone(),
                        path: self.output_path(*column)?,
                        ty: self.columns.get(*column)?.ty.clone(),
                    },
                    OutputNode::Tuple { name, columns } => ShapeNode::Tuple {
                        name: name.clone(),
                        parts: columns
                            .iter()
                            .map(|c| Ok((self.output_path(*c)?, self.columns.get(*c)?.ty.clone())))
                            .collect::<Result<_>>()?,
                    },
                    OutputNode::Related {
                        name,
                        key,
                        nodes,
                        prefetched,
                    } => ShapeNode::Related {
                        name: name.clone(),
                        key: self.output_path(*key)?,
                        nodes: self.shape_nodes(nodes, step, program)?,
                        attached: self.attachments(prefetched, step, program)?,
                    },
                })
            })
            .collect()
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
        step: usize,
        program: &mut Program,
    ) -> Result<Vec<Attachment>> {
        let mut out = Vec::new();
        for prefetch in prefetched {
            let parent = prefetch
                .parent
                .iter()
                .map(|id| self.output_path(*id))
                .collect::<Result<Vec<_>>>()?;
            let only = match &prefetch.only {
                Some((id, value)) => Some((self.output_path(*id)?, value.clone())),
                None => None,
            };
            let Some(path) = parent.first().cloned() else {
                return Err(Error::internal("a prefetch without a key"));
            };
            let parameter = Parameter {
                number: prefetch.parameter,
                from: vec![Origin {
                    step,
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

    /// The last stages: computed columns get their keys, and what nobody asked for goes.
    pub fn project(&mut self, columns: &[ColumnId], nodes: &[OutputNode]) -> Result<()> {
        let mut computed: Vec<(ColumnId, String, Val)> = Vec::new();
        let mut paths: Vec<Path> = Vec::with_capacity(columns.len());
        for id in columns {
            let val = self.column(*id)?;
            match &val.expr {
                Expr::Field(path) => paths.push(path.clone()),
                _ => computed.push((*id, name_of(*id, nodes), val)),
            }
        }
        let whole = self.whole(&paths)?;
        let mut named: Vec<String> = Vec::new();
        for (id, name, _) in &mut computed {
            if name.is_empty() {
                *name = self.columns.get(*id)?.name.to_string();
            }
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
                    .map(|(_, name, val)| (name.clone(), val.expr.clone()))
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
            let mut kept: Vec<Path> = Vec::new();
            for path in paths {
                let path = sources
                    .iter()
                    .find(|s| path.starts_with(s))
                    .unwrap_or(&path)
                    .clone();
                if !kept.iter().any(|k| path.starts_with(k)) {
                    kept.retain(|k| !k.starts_with(&path));
                    kept.push(path);
                }
            }
            let id = kept.iter().any(|p| p.first().is_some_and(|k| k == "_id"));
            let mut fields: Vec<(String, Projection)> = kept
                .into_iter()
                .map(|p| (p.dotted(), Projection::Include))
                .collect();
            for (_, name, val) in &computed {
                fields.push((name.clone(), Projection::Expr(val.expr.clone())));
            }
            if !id {
                fields.push(("_id".to_owned(), Projection::Exclude));
            }
            scope.push(Stage::Project(fields));
        }
        for (id, name, val) in computed {
            let placed = Val {
                expr: Expr::Field(Path::key(name)),
                ..val
            };
            self.scope()?.columns.insert(id, placed);
        }
        Ok(())
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
        let asked = |key: &Name| {
            paths.iter().any(|p| {
                p.len() == prefix.len() + 1 && p.starts_with(prefix) && p.last() == Some(key)
            })
        };
        Ok(!stored.is_empty() && stored.iter().all(asked))
    }

    /// Where documents live that are wanted with all their stored keys.
    fn whole_sources(&mut self, paths: &[Path]) -> Result<Vec<Path>> {
        let sources: Vec<(SourceId, Path)> = self
            .scope()?
            .sources
            .iter()
            .map(|(s, (prefix, _))| (*s, prefix.clone()))
            .filter(|(_, prefix)| !prefix.is_empty())
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
        let found = match scope.collection.clone() {
            Some(collection) => tidy::as_find(stages).map(|find| Find {
                collection: collection.into(),
                ..find
            }),
            None => Err(stages),
        };
        let command = match found {
            Ok(find) => Command::Find(Box::new(Find { hint, ..find })),
            Err(pipeline) => Command::Aggregate {
                collection: scope.collection.as_ref().map(String::from),
                pipeline,
                hint,
            },
        };
        program.steps.push(Step {
            parameters,
            ..command.into()
        });
        Ok(())
    }
}

/// The name of a column in the rows, if it has one.
fn name_of(id: ColumnId, nodes: &[OutputNode]) -> String {
    nodes
        .iter()
        .find_map(|node| match node {
            OutputNode::Column { name, column } if *column == id => Some(name.to_string()),
            _ => None,
        })
        .unwrap_or_default()
}
