//! `GROUP BY`: its keys, its aggregates, and the rows that it carries along.

use super::finish::{Building, columns_of};
use super::query::{GroupBy, Query, QueryId};
use super::{Binder, Definition};
use crate::error::Result;
use crate::plan::facts::ColumnSet;
use crate::plan::{
    AggregateCall, ColumnId, Node, Origin, Predicate, Rel, Scalar, SourceId,
    facts::{Scope, defined_inside, scope},
};

impl Binder<'_> {
    /// `GROUP BY` and its aggregates.
    pub(super) fn group(
        &mut self,
        q: QueryId,
        query: &Query,
        building: &mut Building,
        wanted: &[Scalar],
        having: &[Predicate],
        qualify: &[Predicate],
    ) -> Result<()> {
        let mut keys: Vec<Scalar> = Vec::new();
        match &query.group_by {
            GroupBy::Keys(scalars) => {
                for scalar in scalars {
                    keys.extend(self.group_columns(q, scalar));
                }
            }
            GroupBy::Model | GroupBy::None => {
                for (_, scalar) in self.selection(q)? {
                    keys.extend(self.implied_columns(q, &scalar));
                }
            }
        }
        for scalar in wanted {
            if !keys.contains(scalar) {
                keys.extend(self.implied_columns(q, scalar));
            }
        }
        for predicate in having.iter().chain(qualify) {
            let mut found = Vec::new();
            columns_of(Node::Predicate(predicate), &mut found);
            for id in found {
                keys.extend(self.group_columns(q, &Scalar::Column(id)));
            }
        }
        // A join that nothing needs is not there, and its columns follow from the key that leads to it.
        let there = scope(&building.rel);
        let mut columns: Vec<ColumnId> = Vec::new();
        for key in keys {
            if let Scalar::Column(id) = key
                && !columns.contains(&id)
                && self
                    .columns
                    .source_of(id)
                    .is_none_or(|source| there.all || there.sources.contains(source))
            {
                columns.push(id);
            }
        }
        let mut ids = Vec::new();
        self.definitions_in(
            q,
            wanted
                .iter()
                .map(Node::Scalar)
                .chain(having.iter().map(Node::Predicate))
                .chain(qualify.iter().map(Node::Predicate)),
            &mut ids,
        );
        let mut aggregates: Vec<(ColumnId, AggregateCall)> = Vec::new();
        for id in ids {
            if let Some((_, Definition::Aggregate(call))) = self.definitions.get(&id) {
                aggregates.push((id, call.clone()));
            }
        }
        // Subqueries that read nothing of the rows are no keys: without others there is one group, even of no rows. One that
        // an aggregate reads is computed for each row, and stays a key.
        let is_read = |id: &ColumnId| {
            aggregates.iter().any(|(_, call)| {
                call.args
                    .iter()
                    .any(|arg| self.columns_in(arg).contains(id))
            })
        };
        if columns.iter().all(|id| self.stands_alone(q, *id)) && !columns.iter().any(is_read) {
            columns.clear();
        }
        self.prepare_aggregates(q, building, &columns, &aggregates)?;
        let carried = self.carried(query, &columns)?;
        let keys: Vec<(ColumnId, Scalar)> = without_carried(self, columns, &carried)?
            .into_iter()
            .map(|id| (id, Scalar::Column(id)))
            .collect();
        let kept: ColumnSet = keys.iter().map(|(key, _)| *key).collect();
        building.defined.intersect(&kept);
        building.map(|input| Rel::Aggregate {
            input,
            keys,
            carried,
            aggregates,
        });
        Ok(())
    }

    /// What a selected value adds to `GROUP BY`: a subquery the columns of this query that it reads, unless they come
    /// over a relation (Django's `Subquery.get_group_by_cols`).
    pub(super) fn implied_columns(&self, q: QueryId, scalar: &Scalar) -> Vec<Scalar> {
        let subquery = match scalar {
            Scalar::Column(id) => match self.definitions.get(id) {
                Some((owner, Definition::Computed(inner))) if *owner == q && is_subquery(inner) => {
                    inner
                }
                _ => return self.group_columns(q, scalar),
            },
            other if is_subquery(other) => other,
            other => return self.group_columns(q, other),
        };
        // Its own value follows from them; as a key it is computed once, for the aggregates as for the rows.
        let mut keys = vec![scalar.clone()];
        for id in self.columns_in(subquery) {
            let columns = self.group_columns(q, &Scalar::Column(id));
            if !columns.is_empty() && self.spanning.contains(id) {
                return self.group_columns(q, scalar);
            }
            keys.extend(columns);
        }
        keys
    }

    /// A subquery that reads no column of the query.
    fn stands_alone(&self, q: QueryId, id: ColumnId) -> bool {
        match self.definitions.get(&id) {
            Some((owner, Definition::Computed(scalar))) if *owner == q && is_subquery(scalar) => {
                let own = |id: &ColumnId| !self.group_columns(q, &Scalar::Column(*id)).is_empty();
                !self.columns_in(scalar).iter().any(own)
            }
            _ => false,
        }
    }

    /// An expression that Django groups by as a whole: it reads columns and no aggregate.
    pub(super) fn is_one_group_key(&self, q: QueryId, scalar: &Scalar) -> bool {
        !matches!(
            scalar,
            Scalar::Column(_) | Scalar::Literal(_) | Scalar::List(_)
        ) && !is_subquery(scalar)
            && !self.columns_in(scalar).is_empty()
            && !self.contains_aggregate(q, scalar)
            && !self.contains_window(q, scalar)
    }

    /// Computes what keys and aggregates read.
    pub(super) fn prepare_aggregates(
        &self,
        q: QueryId,
        building: &mut Building,
        keys: &[ColumnId],
        aggregates: &[(ColumnId, AggregateCall)],
    ) -> Result<()> {
        let keys: Vec<Scalar> = keys.iter().map(|id| Scalar::Column(*id)).collect();
        let mut nodes: Vec<Node<'_>> = keys.iter().map(Node::Scalar).collect();
        for (_, call) in aggregates {
            nodes.extend(call.args.iter().map(Node::Scalar));
            nodes.extend(call.order.iter().map(|k| Node::Scalar(&k.scalar)));
            nodes.extend(call.filter.iter().map(Node::Predicate));
        }
        self.ensure_all(q, building, nodes.into_iter())
    }

    /// One aggregate over all rows of a relation, as `aggregate()` makes it.
    pub(super) fn aggregate_all(
        &mut self,
        q: QueryId,
        rel: Rel,
        results: &[Scalar],
    ) -> Result<(Rel, Vec<(ColumnId, AggregateCall)>)> {
        let mut ids = Vec::new();
        self.definitions_in(q, results.iter().map(Node::Scalar), &mut ids);
        let mut aggregates = Vec::new();
        for id in ids {
            if let Some((_, Definition::Aggregate(call))) = self.definitions.get(&id) {
                aggregates.push((id, call.clone()));
            }
        }
        let mut building = Building {
            defined: computed_in(&rel),
            rel,
        };
        self.prepare_aggregates(q, &mut building, &[], &aggregates)?;
        let calls = aggregates.clone();
        building.map(|input| Rel::Aggregate {
            input,
            keys: Vec::new(),
            carried: Vec::new(),
            aggregates,
        });
        self.ensure_all(q, &mut building, results.iter().map(Node::Scalar))?;
        Ok((building.rel, calls))
    }

    /// What `aggregate()` reads of each row, beside the columns of the sources.
    pub(super) fn inputs_of_aggregates(&self, q: QueryId, results: &[Scalar]) -> Vec<Scalar> {
        let mut ids = Vec::new();
        self.definitions_in(q, results.iter().map(Node::Scalar), &mut ids);
        let mut inputs = Vec::new();
        for id in ids {
            if let Some((_, Definition::Aggregate(call))) = self.definitions.get(&id) {
                let mut found = Vec::new();
                for arg in &call.args {
                    columns_of(Node::Scalar(arg), &mut found);
                }
                for key in &call.order {
                    columns_of(Node::Scalar(&key.scalar), &mut found);
                }
                if let Some(filter) = &call.filter {
                    columns_of(Node::Predicate(filter), &mut found);
                }
                // What subqueries read of themselves is no input.
                let nodes = call
                    .args
                    .iter()
                    .chain(call.order.iter().map(|key| &key.scalar))
                    .map(Node::Scalar)
                    .chain(call.filter.iter().map(Node::Predicate));
                let inside: Vec<Scope> = nodes.map(defined_inside).collect();
                found.retain(|id| !inside.iter().any(|scope| scope.has(&self.columns, *id)));
                inputs.extend(found.into_iter().map(Scalar::Column));
            }
        }
        inputs
    }

    /// Sources whose primary key is among the columns, and those that one of them leads to one by one.
    pub(super) fn carried(&mut self, query: &Query, columns: &[ColumnId]) -> Result<Vec<SourceId>> {
        let used = self.used_aliases(query);
        let mut carried: Vec<SourceId> = Vec::new();
        for id in used {
            let alias = query.alias(id)?;
            let model = self.schema.model(alias.model)?;
            let pk = self.schema.model(model.concrete)?.pk;
            let parts = self.unnest(pk)?;
            let mut all = !parts.is_empty();
            for part in parts {
                let column = self.column(alias.source, *part)?;
                all &= columns.contains(&column);
            }
            let follows = alias.join.as_ref().is_some_and(|j| {
                !j.many
                    && query
                        .alias(j.parent)
                        .is_ok_and(|p| carried.contains(&p.source))
            });
            if all || follows {
                carried.push(alias.source);
            }
        }
        Ok(carried)
    }
}

/// `Subquery(...)`, `Exists(...)` or `~Exists(...)`.
pub(super) fn is_subquery(scalar: &Scalar) -> bool {
    match scalar {
        Scalar::Subquery(_) => true,
        Scalar::Predicate(p) => match &**p {
            Predicate::Exists(_) => true,
            Predicate::Not(inner) => matches!(**inner, Predicate::Exists(_)),
            _ => false,
        },
        _ => false,
    }
}

/// Columns that do not follow from the primary key of a carried source.
pub(super) fn without_carried(
    binder: &mut Binder<'_>,
    columns: Vec<ColumnId>,
    carried: &[SourceId],
) -> Result<Vec<ColumnId>> {
    let mut kept = Vec::with_capacity(columns.len());
    for id in columns {
        let keep = match &binder.columns.get(id)?.origin {
            Origin::Stored {
                source,
                field: Some(field),
                ..
            } if carried.contains(source) => {
                let pk = binder
                    .schema
                    .model(binder.columns.source(*source)?.model)?
                    .pk;
                binder.unnest(pk)?.contains(field)
            }
            _ => true,
        };
        if keep {
            kept.push(id);
        }
    }
    Ok(kept)
}

/// Columns that a relation computes.
pub(super) fn computed_in(rel: &Rel) -> ColumnSet {
    let mut defined = ColumnSet::new();
    let mut todo = vec![rel];
    while let Some(rel) = todo.pop() {
        if let Rel::Extend { columns, .. } = rel {
            for (id, _) in columns {
                defined.insert(*id);
            }
        }
        rel.inputs(&mut |input| todo.push(input));
    }
    defined
}
