//! Combinations of querysets: `union()`, `intersection()`, `difference()`.

use super::Binder;
use super::query::{Combined, Query, QueryId, Rows};
use crate::error::{Code, Error, Result};
use crate::names::Name;
use crate::plan::{Column, ColumnId, Origin, OutputNode, Rel, Scalar, SortKey};
use crate::queryset::OrderTerm;

impl Binder<'_> {
    /// Several queries as one; the result's columns by name.
    pub(super) fn finish_combined(
        &mut self,
        q: QueryId,
        combined: &Combined,
    ) -> Result<(Rel, Vec<(Name, Scalar)>)> {
        let query = self.q(q)?.clone();
        let mut inputs: Vec<(QueryId, Vec<(Name, Scalar)>)> = Vec::new();
        let selecting = combined
            .queries
            .iter()
            .any(|id| self.q(*id).is_ok_and(|q| q.selected.is_some()));
        for inner in &combined.queries {
            // Names selected afterwards are selected in each query that selects none itself.
            if let Some(names) = &query.selected
                && self.q(*inner)?.selected.is_none()
                && self.q(*inner)?.combined.is_none()
            {
                let names = names.clone();
                self.q_mut(*inner)?.rows = query.rows.clone();
                self.set_values(*inner, &names)?;
            }
            let columns = match self.q(*inner)?.combined.clone() {
                Some(nested) => self.finish_combined_columns(*inner, &nested)?,
                None => self.selection(*inner)?,
            };
            let mut flat = Vec::with_capacity(columns.len());
            for (name, scalar) in columns {
                match scalar {
                    Scalar::List(parts) => {
                        flat.extend(parts.into_iter().map(|p| (name.clone(), p)));
                    }
                    scalar => flat.push((name, scalar)),
                }
            }
            for scalar in self.related_scalars(*inner)? {
                flat.push((RELATED.into(), scalar));
            }
            inputs.push((*inner, flat));
        }
        let width = inputs.first().map_or(0, |(_, c)| c.len());
        if inputs.iter().any(|(_, c)| c.len() != width) {
            return Err(Error::new(
                Code::DatabaseError,
                "SELECTs to the left and right of a combination do not have the same number of result columns",
            ));
        }
        let order = self.combined_order(&query, selecting, &mut inputs)?;
        let mut columns: Vec<(Name, ColumnId)> = Vec::new();
        if let Some((_, first)) = inputs.first() {
            for (i, (name, scalar)) in first.clone().into_iter().enumerate() {
                let ty = scalar.ty(&self.columns)?;
                let nullable = inputs.iter().any(|(_, c)| {
                    c.get(i).is_none_or(|(_, s)| match s {
                        Scalar::Column(id) => self.columns.get(*id).map_or(true, |c| c.nullable),
                        _ => true,
                    })
                });
                let array = match &scalar {
                    Scalar::Column(id) => self.columns.get(*id)?.array,
                    _ => crate::plan::ArrayFact::Maybe,
                };
                let id = self.columns.add(Column {
                    name: name.clone(),
                    ty,
                    nullable,
                    array,
                    origin: Origin::Computed,
                });
                columns.push((name, id));
            }
        }
        let mut rels = Vec::with_capacity(inputs.len());
        for (inner, selected) in inputs {
            let scalars: Vec<Scalar> = selected.into_iter().map(|(_, s)| s).collect();
            if !self.q(inner)?.is_sliced() {
                self.q_mut(inner)?.clear_ordering(false, true);
            }
            let rel = match self.q(inner)?.combined.clone() {
                Some(_) => match self.nested.remove(&inner) {
                    Some(rel) => rel,
                    None => return Err(Error::internal("nested combination without rows")),
                },
                None => self.finish_rows(inner, &scalars)?,
            };
            rels.push((rel, scalars));
        }
        let mut rel = Rel::SetOp {
            op: combined.op,
            inputs: rels,
            columns: columns.iter().map(|(_, id)| *id).collect(),
        };
        if query.empty {
            rel = Rel::Empty;
        }
        let keys: Vec<SortKey> = order
            .into_iter()
            .filter_map(|(i, desc, nulls)| {
                columns.get(i).map(|(_, id)| SortKey {
                    scalar: Scalar::Column(*id),
                    desc,
                    nulls,
                })
            })
            .collect();
        if !keys.is_empty() {
            rel = Rel::Sort {
                input: Box::new(rel),
                keys,
            };
        }
        if query.is_sliced() {
            rel = Rel::Slice {
                input: Box::new(rel),
                skip: query.low,
                limit: query.high.map(|h| h.saturating_sub(query.low)),
            };
        }
        let named = columns
            .into_iter()
            .take(width)
            .map(|(name, id)| (name, Scalar::Column(id)))
            .collect();
        Ok((rel, named))
    }

    /// Columns of the related objects that a query of a combination selects.
    pub(super) fn related_scalars(&mut self, q: QueryId) -> Result<Vec<Scalar>> {
        let query = self.q(q)?;
        if query.rows != Rows::Model || query.combined.is_some() {
            return Ok(Vec::new());
        }
        let nodes = self.related_nodes(q, &mut super::related::RelatedPlaces::new())?;
        let mut scalars = Vec::new();
        super::terminal::select_of(&nodes, &mut scalars);
        Ok(scalars)
    }

    /// The related objects of a combination: those of its first query, in terms of the combination's columns.
    pub(super) fn combined_related(
        &mut self,
        combined: &Combined,
        columns: &[(Name, Scalar)],
    ) -> Result<Vec<OutputNode>> {
        let Some(first) = combined.queries.first().copied() else {
            return Ok(Vec::new());
        };
        if self.q(first)?.rows != Rows::Model || self.q(first)?.combined.is_some() {
            return Ok(Vec::new());
        }
        let mut nodes = self.related_nodes(first, &mut super::related::RelatedPlaces::new())?;
        let mut places = columns
            .iter()
            .filter(|(name, _)| name == RELATED)
            .filter_map(|(_, scalar)| match scalar {
                Scalar::Column(id) => Some(*id),
                _ => None,
            });
        relabel_nodes(&mut nodes, &mut places);
        Ok(nodes)
    }

    /// A combination inside another: its rows are kept until the outer one asks for them.
    pub(super) fn finish_combined_columns(
        &mut self,
        q: QueryId,
        combined: &Combined,
    ) -> Result<Vec<(Name, Scalar)>> {
        let (rel, columns) = self.finish_combined(q, combined)?;
        self.nested.insert(q, rel);
        Ok(columns)
    }

    /// Order of a combination: positions of result columns. A name that is not selected is added to each query.
    #[allow(clippy::type_complexity)] // position, direction, nulls
    pub(super) fn combined_order(
        &mut self,
        query: &Query,
        selecting: bool,
        inputs: &mut [(QueryId, Vec<(Name, Scalar)>)],
    ) -> Result<Vec<(usize, bool, Option<crate::queryset::NullsOrder>)>> {
        let model = self.schema.model(query.model)?;
        let terms = if !query.order_by.is_empty() {
            query.order_by.clone()
        } else if query.default_ordering {
            model.ordering.clone()
        } else {
            Vec::new()
        };
        let pk = self.schema.field(model.pk)?.attname.clone();
        let mut out = Vec::with_capacity(terms.len());
        for term in terms {
            let (name, desc, nulls) = match &term {
                OrderTerm::Name(name) => match name.strip_prefix('-') {
                    Some(rest) => (rest.to_owned(), true, None),
                    None => (name.clone(), false, None),
                },
                OrderTerm::Expr(order) => match &order.expr {
                    crate::queryset::Expr::F(path) => (path.clone(), order.desc, order.nulls),
                    _ => return Err(unmatched_order(selecting || query.selected.is_some())),
                },
            };
            let desc = desc ^ !query.standard_ordering;
            if let Some((first, _)) = name.split_once("__")
                && query.annotations.contains_key(first)
            {
                return Err(Error::new(
                    Code::NotImplemented,
                    "Ordering combined queries by transforms is not implemented.",
                ));
            }
            let wanted = if name == "pk" {
                pk.to_string()
            } else {
                name.clone()
            };
            let attname = match model.names.get(&wanted) {
                Some(crate::schema::NameTarget::Field(f)) => self.schema.field(*f)?.attname.clone(),
                _ => Name::from(&wanted),
            };
            let position = inputs.first().and_then(|(_, columns)| {
                columns
                    .iter()
                    .position(|(n, _)| *n == name || *n == wanted || *n == attname)
            });
            if let Some(position) = position {
                out.push((position, desc, nulls));
                continue;
            }
            // The term may be selected under another name.
            let first = inputs.first().map(|(id, _)| *id);
            let by_value = match first {
                Some(first) if self.q(first)?.combined.is_none() => {
                    let scalar = self.select_path(first, &name)?.scalar;
                    let annotations = &self.q(first)?.annotations;
                    inputs.first().and_then(|(_, columns)| {
                        // After values() an annotation is named by its alias only.
                        columns.iter().position(|(n, s)| {
                            *s == scalar && !(selecting && annotations.contains_key(&**n))
                        })
                    })
                }
                _ => None,
            };
            if let Some(position) = by_value {
                out.push((position, desc, nulls));
                continue;
            }
            if selecting || query.selected.is_none() {
                return Err(unmatched_order(selecting));
            }
            let position = inputs.first().map_or(0, |(_, c)| c.len());
            for (id, columns) in inputs.iter_mut() {
                let scalar = self.select_path(*id, &name)?.scalar;
                columns.push((Name::from(&name), scalar));
            }
            out.push((position, desc, nulls));
        }
        Ok(out)
    }
}

/// Django augments neither a combination of `values()` nor, by a defect of its own, one of whole models.
fn unmatched_order(selecting: bool) -> Error {
    if selecting {
        Error::new(
            Code::DatabaseError,
            "ORDER BY term does not match any column in the result set.",
        )
    } else {
        Error::new(
            Code::TypeError,
            "a combination of models is ordered by what its rows have: 'NoneType' object does not support item \
             assignment",
        )
    }
}

/// Name of the columns of related objects in a combination.
pub(super) const RELATED: &str = "__related";

/// Puts other columns in the places of those that nodes show, in the order of `select_of`.
pub(super) fn relabel_nodes(nodes: &mut [OutputNode], columns: &mut dyn Iterator<Item = ColumnId>) {
    for node in nodes {
        match node {
            OutputNode::Column { column, .. } => {
                if let Some(id) = columns.next() {
                    *column = id;
                }
            }
            OutputNode::Tuple { columns: parts, .. } => {
                for (part, id) in parts.iter_mut().zip(&mut *columns) {
                    *part = id;
                }
            }
            OutputNode::Related { key, nodes, .. } => {
                if let Some(id) = columns.next() {
                    *key = id;
                }
                relabel_nodes(nodes, columns);
            }
        }
    }
}
