//! What is done with the rows: returned, counted, tested, aggregated.

use indexmap::{IndexMap, IndexSet};

use super::query::{Annotation, GroupBy, QueryId, Rows, SelectRelated};
use super::related::RelatedPlaces;
use super::upsert::Asked;
use super::{Binder, Resolve};
use crate::error::{Code, Error, Result};
use crate::names::Name;
use crate::plan::{Output, OutputNode, Plan, Rel, RowKind, Scalar, Terminal};
use crate::queryset::{Call, Do, Expr, Statement};

impl Binder<'_> {
    /// Binds a whole statement.
    pub(super) fn statement(&mut self, statement: &Statement) -> Result<Plan> {
        if let Do::Insert(insert) = &statement.action {
            let (rel, terminal) = self.inserted(&statement.model, insert)?;
            return Ok(Plan {
                columns: std::mem::take(&mut self.columns),
                rel,
                terminal,
                hint: None,
                collation: None,
            });
        }
        let q = self.calls(&statement.model, &statement.calls, None)?;
        let (rel, terminal) = match &statement.action {
            Do::Rows | Do::Explain => self.rows(q)?,
            Do::Get => {
                self.only_row(q)?;
                self.rows(q)?
            }
            Do::Count { limit } => {
                let rel = self.counted(q)?;
                (rel, Terminal::Count { limit: *limit })
            }
            Do::Exists => {
                let rel = self.existing(q)?;
                (rel, Terminal::Exists)
            }
            Do::Aggregate(exprs) => self
                .aggregated(q, exprs)
                .map_err(|e| e.inside("aggregate").inside("do"))?,
            Do::Update(values) => self.updated(q, values)?,
            Do::Delete => self.deleted(q)?,
            Do::GetOrCreate { filter, defaults } => {
                let asked = Asked {
                    method: "get_or_create",
                    condition: filter,
                    update: None,
                    create: defaults,
                    create_name: "defaults",
                };
                self.upserted(q, &asked)
                    .map_err(|e| e.inside(asked.method).inside("do"))?
            }
            Do::UpdateOrCreate {
                filter,
                defaults,
                create_defaults,
            } => {
                let asked = Asked {
                    method: "update_or_create",
                    condition: filter,
                    update: Some(defaults),
                    create: create_defaults.as_ref().unwrap_or(defaults),
                    create_name: match create_defaults {
                        Some(_) => "create_defaults",
                        None => "defaults",
                    },
                };
                self.upserted(q, &asked)
                    .map_err(|e| e.inside(asked.method).inside("do"))?
            }
            Do::BulkUpdate(update) => self
                .bulk_updated(q, restricted(&statement.calls), update)
                .map_err(|e| e.inside("bulk_update").inside("do"))?,
            Do::Insert(_) => return Err(Error::internal("an insert after the inserts")),
        };
        Ok(Plan {
            columns: std::mem::take(&mut self.columns),
            rel,
            terminal,
            hint: self.q(q)?.hint.clone(),
            collation: self.collation(),
        })
    }

    /// Rows with what they are made of.
    pub(super) fn rows(&mut self, q: QueryId) -> Result<(Rel, Terminal)> {
        let (rel, output) = self.rows_output(q)?;
        Ok((rel, Terminal::Rows { output }))
    }

    pub(super) fn rows_output(&mut self, q: QueryId) -> Result<(Rel, Output)> {
        self.rows_with(q, &[])
    }

    /// Rows with further values that stay computable (keys of a prefetch).
    pub(super) fn rows_with(&mut self, q: QueryId, more: &[Scalar]) -> Result<(Rel, Output)> {
        let query = self.q(q)?;
        let kind = match query.rows {
            Rows::Model => RowKind::Model,
            Rows::Values => RowKind::Values,
            Rows::List { flat: true, .. } | Rows::Flat => RowKind::Flat,
            Rows::List { named: true, .. } => RowKind::Named,
            Rows::List { .. } => RowKind::List,
        };
        let prefetches = !query.prefetch.is_empty();
        if let Some(combined) = query.combined.clone() {
            let (rel, columns) = self.finish_combined(q, &combined)?;
            let related = self.combined_related(&combined, &columns)?;
            let own = columns
                .into_iter()
                .filter(|(name, _)| *name != *super::combined::RELATED);
            let mut nodes = self.nodes(q, own)?;
            nodes.extend(related);
            return Ok((
                rel,
                Output {
                    kind,
                    nodes,
                    prefetched: Vec::new(),
                },
            ));
        }
        let mut places = RelatedPlaces::new();
        let selection = self.selection(q)?;
        let mut nodes = self.nodes(q, selection)?;
        if kind == RowKind::Model {
            let related = self.related_nodes(q, &mut places)?;
            nodes.extend(related);
        }
        let mut prefetched = Vec::new();
        if kind == RowKind::Model && prefetches {
            prefetched = self.prefetched(q, &mut nodes, &places)?;
        }
        let mut select = Vec::with_capacity(more.len() + nodes.len());
        select.extend_from_slice(more);
        select_of(&nodes, &mut select);
        for p in &prefetched {
            select.extend(p.parent.iter().map(|id| Scalar::Column(*id)));
        }
        let rel = self.finish_rows(q, &select)?;
        Ok((
            rel,
            Output {
                kind,
                nodes,
                prefetched,
            },
        ))
    }

    /// Selected values as parts of a row.
    pub(super) fn nodes(
        &mut self,
        q: QueryId,
        selection: impl IntoIterator<Item = (Name, Scalar)>,
    ) -> Result<Vec<OutputNode>> {
        let selection = selection.into_iter();
        let mut nodes = Vec::with_capacity(selection.size_hint().0);
        for (name, scalar) in selection {
            if let Scalar::Literal(literal) = &scalar
                && super::expr::is_untyped(&literal.ty)
            {
                return Err(Error::new(
                    Code::OutputFieldIsNone,
                    "Cannot resolve expression type, unknown output_field",
                )
                .inside(name));
            }
            nodes.push(match scalar {
                Scalar::List(parts) => {
                    let mut columns = Vec::with_capacity(parts.len());
                    for part in parts {
                        columns.push(self.as_column(q, &name, part)?);
                    }
                    OutputNode::Tuple { name, columns }
                }
                scalar => OutputNode::Column {
                    column: self.as_column(q, &name, scalar)?,
                    name,
                },
            });
        }
        Ok(nodes)
    }

    /// The rows that `count()` counts: ordering and what is only selected make no difference.
    fn counted(&mut self, q: QueryId) -> Result<Rel> {
        let query = self.q_mut(q)?;
        query.select_related = SelectRelated::None;
        query.clear_ordering(false, true);
        let query = self.q(q)?;
        let (combined, distinct) = (query.combined.is_some(), query.distinct);
        if combined {
            return Ok(self.finish_values(q)?.0);
        }
        if distinct {
            return Ok(self.finish_values(q)?.0);
        }
        let select = self.grouping_selection(q)?;
        self.finish_rows(q, &select)
    }

    fn existing(&mut self, q: QueryId) -> Result<Rel> {
        let query = self.q_mut(q)?;
        query.select_related = SelectRelated::None;
        let keep = query.is_sliced();
        query.clear_ordering(!keep, true);
        let query = self.q(q)?;
        if query.combined.is_some() || query.distinct && query.is_sliced() {
            return Ok(self.finish_values(q)?.0);
        }
        self.q_mut(q)?.distinct = false;
        let select = self.grouping_selection(q)?;
        self.finish_rows(q, &select)
    }

    /// What must stay selected so that groups stay the same: nothing, unless a grouped query has to be expanded.
    fn grouping_selection(&mut self, q: QueryId) -> Result<Vec<Scalar>> {
        if self.q(q)?.group_by == GroupBy::Model {
            let model = self.q(q)?.model;
            let pk = self.schema.model(model)?.pk;
            let name = self.schema.field(pk)?.name.clone();
            let bound = self.select_path(q, &name)?;
            let mut select = vec![bound.scalar];
            select.extend(self.grouping_annotations(q)?);
            return Ok(select);
        }
        if matches!(self.q(q)?.group_by, GroupBy::Keys(_)) {
            let mut select = self.selected_paths(q)?;
            select.extend(self.grouping_annotations(q)?);
            return Ok(select);
        }
        Ok(Vec::new())
    }

    /// Paths that `values()` names: where they come after the grouping, they are grouped by as well.
    fn selected_paths(&self, q: QueryId) -> Result<Vec<Scalar>> {
        let query = self.q(q)?;
        Ok(query.select.iter().map(|s| s.scalar.clone()).collect())
    }

    /// Selected annotations that are grouped by: they decide which groups there are.
    fn grouping_annotations(&self, q: QueryId) -> Result<Vec<Scalar>> {
        let query = self.q(q)?;
        Ok(query
            .selected_annotations()
            .map(|(_, a)| a.scalar.clone())
            .filter(|scalar| {
                !self.contains_aggregate(q, scalar) && !self.group_columns(q, scalar).is_empty()
            })
            .collect())
    }

    /// `aggregate()`: one row over all rows, those of an inner query where it groups, slices or combines.
    fn aggregated(
        &mut self,
        q: QueryId,
        exprs: &IndexMap<String, Expr>,
    ) -> Result<(Rel, Terminal)> {
        let query = self.q(q)?;
        if !query.distinct_fields.is_empty() {
            return Err(Error::new(
                Code::NotImplemented,
                "aggregate() + distinct(fields) not implemented.",
            ));
        }
        let existing: Vec<Scalar> = query
            .annotations
            .values()
            .map(|a| a.scalar.clone())
            .collect();
        let mask = query.mask.clone();
        let mut results: Vec<(Name, Scalar)> = Vec::with_capacity(exprs.len());
        for (name, expr) in exprs {
            super::annotation::check_alias(name)?;
            let mut cx = Resolve {
                allow_joins: true,
                reuse: None,
                summarize: true,
            };
            let bound = self.resolve(q, expr, &mut cx).map_err(|e| e.inside(name))?;
            if !self.contains_aggregate(q, &bound.scalar) {
                return Err(Error::new(
                    Code::TypeError,
                    format!("{name} is not an aggregate expression"),
                )
                .inside(name));
            }
            let scalar = self.annotation_scalar(q, name, bound.scalar)?;
            if let Scalar::Column(id) = scalar {
                self.summaries.push(id);
            }
            let query = self.q_mut(q)?;
            if let Some(mask) = &mut query.mask {
                mask.insert(name.clone());
            }
            query.annotations.insert(
                name.clone(),
                Annotation {
                    scalar: scalar.clone(),
                },
            );
            results.push((name.into(), scalar));
        }
        let query = self.q_mut(q)?;
        for (name, _) in &results {
            query.annotations.shift_remove(&**name);
        }
        query.mask = mask;
        query.select_related = SelectRelated::None;
        query.clear_ordering(false, true);
        let grouped_before = existing
            .iter()
            .any(|scalar| self.contains_aggregate(q, scalar));
        let scalars: Vec<Scalar> = results.iter().map(|(_, s)| s.clone()).collect();
        let query = self.q(q)?;
        let combined = query.combined.is_some();
        let rel = if combined {
            return self.aggregated_combination(q, results);
        } else {
            let inputs = self.inputs_of_aggregates(q, &scalars);
            let inputs: Vec<Scalar> = inputs
                .into_iter()
                .filter(|s| !scalars.contains(s))
                .collect();
            let query = self.q(q)?;
            let keyed = matches!(query.group_by, GroupBy::Keys(_));
            let mut select = inputs;
            if query.distinct {
                for (_, scalar) in self.selection(q)? {
                    select.push(scalar);
                }
            } else if grouped_before && !keyed {
                select.extend(self.grouping_annotations(q)?);
                // Groups are those of the model's rows.
                let query = self.q_mut(q)?;
                query.group_by = GroupBy::Model;
                query.mask = Some(IndexSet::new());
                query.default_columns = false;
                query.rows = Rows::Values;
                query.selected = Some(Vec::new());
                query.select.clear();
                let model = query.model;
                let pk = self.schema.model(model)?.pk;
                let name = self.schema.field(pk)?.name.clone();
                let bound = self.select_path(q, &name)?;
                select.push(bound.scalar);
            } else if keyed {
                // The keys are what they were; only what is referenced is computed.
                select.extend(self.selected_paths(q)?);
                select.extend(self.grouping_annotations(q)?);
            } else {
                self.q_mut(q)?.group_by = GroupBy::None;
            }
            self.finish_rows(q, &select)?
        };
        let (rel, _) = self.aggregate_all(q, rel, &scalars)?;
        let nodes = self.nodes(q, results)?;
        Ok((
            rel,
            Terminal::Aggregate {
                output: Output {
                    kind: RowKind::Values,
                    nodes,
                    prefetched: Vec::new(),
                },
            },
        ))
    }

    /// `aggregate()` over a combination: what the aggregates read is selected in each of its queries.
    fn aggregated_combination(
        &mut self,
        q: QueryId,
        results: Vec<(Name, Scalar)>,
    ) -> Result<(Rel, Terminal)> {
        let Some(combined) = self.q(q)?.combined.clone() else {
            return Err(Error::internal("combination without queries"));
        };
        let scalars: Vec<Scalar> = results.iter().map(|(_, s)| s.clone()).collect();
        let inputs = self.inputs_of_aggregates(q, &scalars);
        let (rel, columns) = self.finish_combined(q, &combined)?;
        let mut definitions = crate::plan::Definitions::default();
        for input in inputs {
            let Scalar::Column(id) = input else { continue };
            let name = self.columns.get(id)?.name.clone();
            match columns.iter().find(|(n, _)| *n == name) {
                Some((_, column)) => {
                    definitions.insert(id, column.clone());
                }
                None => {
                    return Err(Error::unsupported(
                        format!("aggregating {name:?} over a combination that does not select it"),
                        "the combined rows hold only what they select",
                    ));
                }
            }
        }
        // Only what stands above the combination reads its columns: below, the same names are those of its first query.
        let (mut above, _) = self.aggregate_all(q, Rel::Unit, &scalars)?;
        crate::plan::substitute_rel(&mut above, &definitions);
        put_below(&mut above, rel);
        let rel = above;
        let nodes = self.nodes(q, results)?;
        Ok((
            rel,
            Terminal::Aggregate {
                output: Output {
                    kind: RowKind::Values,
                    nodes,
                    prefetched: Vec::new(),
                },
            },
        ))
    }
}

/// Puts rows at the bottom of operators.
fn put_below(at: &mut Rel, rel: Rel) {
    match at.input_mut() {
        Some(input) => put_below(input, rel),
        None => *at = rel,
    }
}

/// Columns that the parts of a row show.
pub(super) fn select_of(nodes: &[OutputNode], out: &mut Vec<Scalar>) {
    for node in nodes {
        match node {
            OutputNode::Column { column, .. } => out.push(Scalar::Column(*column)),
            OutputNode::Tuple { columns, .. } => {
                out.extend(columns.iter().map(|id| Scalar::Column(*id)));
            }
            OutputNode::Related {
                key,
                nodes,
                prefetched,
                ..
            } => {
                out.push(Scalar::Column(*key));
                select_of(nodes, out);
                for p in prefetched {
                    out.extend(p.parent.iter().map(|id| Scalar::Column(*id)));
                }
            }
        }
    }
}

/// Whether calls may leave rows out.
fn restricted(calls: &[Call]) -> bool {
    !calls.iter().all(|call| matches!(call, Call::Using(_)))
}
