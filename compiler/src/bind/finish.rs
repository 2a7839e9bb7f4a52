//! From the state of a query to relational operators.
//!
//! Joins, conditions, grouping, conditions on groups, windows, conditions on windows, distinct, order, slice:
//! the order in which SQL evaluates a SELECT.

use super::filter::conjunction;
use super::grouping::without_carried;
use super::query::{GroupBy, Query, QueryId, Rows};
use super::{Binder, Definition};
use crate::error::{Code, Error, Result};
use crate::names::Name;
use crate::plan::facts::ColumnSet;
use crate::plan::{ColumnId, Node, Predicate, Rel, Scalar, SortKey, WindowCall, visit};

/// A relation under construction, with the computed columns that it already has.
pub(super) struct Building {
    pub(super) rel: Rel,
    pub(super) defined: ColumnSet,
}

impl Building {
    pub(super) fn map(&mut self, f: impl FnOnce(Box<Rel>) -> Rel) {
        let rel = std::mem::replace(&mut self.rel, Rel::Empty);
        self.rel = f(Box::new(rel));
    }
}

impl Binder<'_> {
    /// The rows of a query. `select` must be computable from them.
    pub(super) fn finish_rows(&mut self, q: QueryId, select: &[Scalar]) -> Result<Rel> {
        if let Some(combined) = self.q(q)?.combined.clone() {
            return Ok(self.finish_combined(q, &combined)?.0);
        }
        self.check_deferred(q)?;
        let (mut order, meta) = self.order_keys(q)?;
        let conditions = self.take_conditions(q)?;
        let query = self.snapshot(q)?;
        let distinct_on = self.distinct_on(q, &query)?;
        let must_group = query.group_by != GroupBy::None;
        let split = self.split_conditions(q, conditions, must_group)?;
        let grouped = query.group_by != GroupBy::None || !split.having.is_empty();
        // A model's own ordering does not order groups, but `distinct()` selects its keys, and so they are grouped by.
        let distinct_rows = query.distinct && distinct_on.is_empty();
        let mut hidden = if grouped && meta {
            std::mem::take(&mut order)
        } else {
            Vec::new()
        };
        if !distinct_rows {
            hidden.clear();
        }
        if !distinct_on.is_empty() {
            // Read twice, by the sort and by the choice: computed once.
            for key in &mut order {
                if !matches!(key.scalar, Scalar::Column(_)) {
                    key.scalar = Scalar::Column(self.as_column(q, "key", key.scalar.clone())?);
                }
            }
        }
        if grouped || distinct_rows {
            for key in order.iter_mut().chain(&mut hidden) {
                if distinct_rows || self.is_one_group_key(q, &key.scalar) {
                    key.scalar = Scalar::Column(self.as_column(q, "key", key.scalar.clone())?);
                }
            }
        }

        let mut building = self.sources(q)?;
        self.ensure_all(q, &mut building, split.filter.iter().map(Node::Predicate))?;
        if !split.filter.is_empty() {
            let predicate = conjunction(split.filter);
            if predicate != Predicate::TRUE {
                building.map(|input| Rel::Filter { input, predicate });
            }
        }
        // Only for groups, and for what is defined here, it matters what is read above.
        let mut wanted: Vec<Scalar> = Vec::new();
        if grouped || !self.definitions.is_empty() {
            wanted.extend_from_slice(select);
            wanted.extend(order.iter().chain(&hidden).map(|k| k.scalar.clone()));
            wanted.extend(distinct_on.iter().cloned());
        }
        if grouped {
            // A subquery that orders without being selected is grouped by with the columns that it reads.
            for key in order.iter().chain(&hidden) {
                if !select.contains(&key.scalar) && matches!(key.scalar, Scalar::Column(_)) {
                    wanted.extend(self.implied_columns(q, &key.scalar));
                }
            }
            self.group(
                q,
                &query,
                &mut building,
                &wanted,
                &split.having,
                &split.qualify,
            )?;
            if !split.having.is_empty() {
                self.ensure_all(q, &mut building, split.having.iter().map(Node::Predicate))?;
                let predicate = conjunction(split.having);
                building.map(|input| Rel::Filter { input, predicate });
            }
        }
        self.windows(q, &mut building, &wanted, &split.qualify)?;
        if !split.qualify.is_empty() {
            self.ensure_all(q, &mut building, split.qualify.iter().map(Node::Predicate))?;
            let predicate = conjunction(split.qualify);
            building.map(|input| Rel::Filter { input, predicate });
        }
        self.ensure_all(q, &mut building, wanted.iter().map(Node::Scalar))?;
        if query.distinct && distinct_on.is_empty() {
            let mut columns = Vec::new();
            for scalar in select
                .iter()
                .chain(order.iter().map(|k| &k.scalar))
                .chain(hidden.iter().map(|k| &k.scalar))
            {
                self.distinct_columns(q, scalar, &mut building, &mut columns)?;
            }
            let carried = self.carried(&query, &columns)?;
            let columns = without_carried(self, columns, &carried)?;
            building.map(|input| Rel::Distinct {
                input,
                columns,
                carried,
            });
        }
        if !distinct_on.is_empty() {
            if !order.is_empty() {
                let keys = order.clone();
                building.map(|input| Rel::Sort { input, keys });
            }
            building.map(|input| Rel::DistinctOn {
                input,
                on: distinct_on,
                order,
                kept: None,
            });
        } else if !order.is_empty() {
            building.map(|input| Rel::Sort { input, keys: order });
        }
        if query.is_sliced() {
            building.map(|input| Rel::Slice {
                input,
                skip: query.low,
                limit: query.high.map(|h| h.saturating_sub(query.low)),
            });
        }
        Ok(building.rel)
    }

    /// The conditions of a query go into its rows, which are made once.
    fn take_conditions(&mut self, q: QueryId) -> Result<Vec<Predicate>> {
        let query = self.q_mut(q)?;
        if std::mem::replace(&mut query.finished, true) {
            return Err(Error::internal("the rows of a query are made twice"));
        }
        Ok(std::mem::take(&mut query.conditions))
    }

    /// The rows of a query with the values that it selects.
    pub(super) fn finish_values(&mut self, q: QueryId) -> Result<(Rel, Vec<Scalar>)> {
        if let Some(combined) = self.q(q)?.combined.clone() {
            let (rel, columns) = self.finish_combined(q, &combined)?;
            return Ok((rel, columns.into_iter().map(|(_, s)| s).collect()));
        }
        let select: Vec<Scalar> = self.selection(q)?.into_iter().map(|(_, s)| s).collect();
        let rel = self.finish_rows(q, &select)?;
        let mut flat = Vec::with_capacity(select.len());
        for scalar in select {
            match scalar {
                Scalar::List(parts) => flat.extend(parts),
                scalar => flat.push(scalar),
            }
        }
        Ok((rel, flat))
    }

    /// What a query selects, by name and in order.
    pub(super) fn selection(&mut self, q: QueryId) -> Result<Vec<(Name, Scalar)>> {
        let query = self.q(q)?;
        let mut out = Vec::new();
        if query.rows == Rows::Model && query.default_columns {
            let model = self.schema.model(query.model)?.concrete;
            let fields = self.loaded(q)?;
            out.reserve(fields.len());
            self.columns.reserve(fields.len());
            for field in fields {
                let name = self.schema.field(field)?.attname.clone();
                // A model's own columns need no joins; those of its parents are behind links.
                let scalar = if field.model == model {
                    let alias = self.initial_alias(q)?;
                    self.field_scalar(q, alias, field)?
                } else {
                    self.select_path(q, &name)?.scalar
                };
                out.push((name, scalar));
            }
            let query = self.q(q)?;
            for (name, annotation) in query.selected_annotations() {
                out.push((Name::from(name), annotation.scalar.clone()));
            }
            return Ok(out);
        }
        match &query.selected {
            Some(names) => {
                for name in names {
                    if query.selects(name)
                        && let Some(annotation) = query.annotations.get(name)
                    {
                        out.push((Name::from(name), annotation.scalar.clone()));
                    } else if let Some(selected) = query.select.iter().find(|s| s.name == *name) {
                        out.push((Name::from(name), selected.scalar.clone()));
                    }
                }
            }
            None => {
                for selected in &query.select {
                    out.push((Name::from(&selected.name), selected.scalar.clone()));
                }
                for (name, annotation) in query.selected_annotations() {
                    out.push((Name::from(name), annotation.scalar.clone()));
                }
            }
        }
        Ok(out)
    }

    /// Computes the computed columns that expressions need and that can be computed now.
    pub(super) fn ensure_all<'a>(
        &self,
        q: QueryId,
        building: &mut Building,
        nodes: impl Iterator<Item = Node<'a>>,
    ) -> Result<()> {
        if self.definitions.is_empty() {
            return Ok(());
        }
        let mut columns = Vec::new();
        for node in nodes {
            let mut found = Vec::new();
            columns_of(node, &mut found);
            for id in found {
                self.compute(q, id, &mut building.defined, &mut columns)?;
            }
        }
        if !columns.is_empty() {
            building.map(|input| Rel::Extend { input, columns });
        }
        Ok(())
    }

    fn compute(
        &self,
        q: QueryId,
        id: ColumnId,
        defined: &mut ColumnSet,
        out: &mut Vec<(ColumnId, Scalar)>,
    ) -> Result<()> {
        let Some((owner, Definition::Computed(scalar))) = self.definitions.get(&id) else {
            return Ok(());
        };
        if *owner != q || !defined.insert(id) {
            return Ok(());
        }
        for inner in self.columns_in(scalar) {
            self.compute(q, inner, defined, out)?;
        }
        out.push((id, scalar.clone()));
        Ok(())
    }

    /// Aggregates and windows of the query that expressions need.
    pub(super) fn definitions_in<'a>(
        &self,
        q: QueryId,
        nodes: impl Iterator<Item = Node<'a>>,
        found: &mut Vec<ColumnId>,
    ) {
        if self.definitions.is_empty() {
            return;
        }
        let mut todo = Vec::new();
        for node in nodes {
            columns_of(node, &mut todo);
        }
        let mut seen = ColumnSet::new();
        while let Some(id) = todo.pop() {
            if !seen.insert(id) {
                continue;
            }
            let Some((owner, definition)) = self.definitions.get(&id) else {
                continue;
            };
            if *owner != q {
                continue;
            }
            match definition {
                Definition::Computed(scalar) => columns_of(Node::Scalar(scalar), &mut todo),
                Definition::Aggregate(_) => {
                    if !found.contains(&id) {
                        found.push(id);
                    }
                }
                Definition::Window {
                    call,
                    partition,
                    order,
                } => {
                    if !found.contains(&id) {
                        found.push(id);
                    }
                    for scalar in call
                        .call
                        .args
                        .iter()
                        .chain(partition)
                        .chain(order.iter().map(|k| &k.scalar))
                    {
                        columns_of(Node::Scalar(scalar), &mut todo);
                    }
                    if let Some(filter) = &call.call.filter {
                        columns_of(Node::Predicate(filter), &mut todo);
                    }
                }
            }
        }
        found.sort();
    }

    /// Window functions, one operator per partition and order.
    fn windows(
        &mut self,
        q: QueryId,
        building: &mut Building,
        wanted: &[Scalar],
        qualify: &[Predicate],
    ) -> Result<()> {
        let mut ids = Vec::new();
        self.definitions_in(
            q,
            wanted
                .iter()
                .map(Node::Scalar)
                .chain(qualify.iter().map(Node::Predicate)),
            &mut ids,
        );
        type Group = (Vec<Scalar>, Vec<SortKey>, Vec<(ColumnId, WindowCall)>);
        let mut groups: Vec<Group> = Vec::new();
        for id in ids {
            if let Some((
                _,
                Definition::Window {
                    call,
                    partition,
                    order,
                },
            )) = self.definitions.get(&id)
            {
                match groups
                    .iter_mut()
                    .find(|(p, o, _)| p == partition && o == order)
                {
                    Some((_, _, outputs)) => outputs.push((id, call.clone())),
                    None => {
                        groups.push((partition.clone(), order.clone(), vec![(id, call.clone())]))
                    }
                }
            }
        }
        for (partition, order, outputs) in groups {
            let mut nodes: Vec<Node<'_>> = partition.iter().map(Node::Scalar).collect();
            nodes.extend(order.iter().map(|k| Node::Scalar(&k.scalar)));
            for (_, call) in &outputs {
                nodes.extend(call.call.args.iter().map(Node::Scalar));
                nodes.extend(call.call.filter.iter().map(Node::Predicate));
            }
            self.ensure_all(q, building, nodes.into_iter())?;
            building.map(|input| Rel::Window {
                input,
                partition,
                order,
                outputs,
            });
        }
        Ok(())
    }

    /// Expressions of `distinct(*fields)`.
    fn distinct_on(&mut self, q: QueryId, query: &Query) -> Result<Vec<Scalar>> {
        if !query.distinct_fields.is_empty() && query.group_by != GroupBy::None {
            return Err(Error::new(
                Code::NotImplemented,
                "annotate() + distinct(fields) is not implemented.",
            ));
        }
        let mut on = Vec::new();
        for name in &query.distinct_fields {
            if query.selects(name)
                && let Some(annotation) = query.annotations.get(name)
            {
                on.push(annotation.scalar.clone());
                continue;
            }
            match self.select_path(q, name)?.scalar {
                Scalar::List(parts) => on.extend(parts),
                scalar => on.push(scalar),
            }
        }
        Ok(on)
    }

    fn distinct_columns(
        &mut self,
        q: QueryId,
        scalar: &Scalar,
        building: &mut Building,
        columns: &mut Vec<ColumnId>,
    ) -> Result<()> {
        match scalar {
            Scalar::Column(id) => {
                if !columns.contains(id) {
                    columns.push(*id);
                }
            }
            Scalar::Literal(_) => {}
            Scalar::List(parts) => {
                for part in parts {
                    self.distinct_columns(q, part, building, columns)?;
                }
            }
            other => {
                let id = self.as_column(q, "key", other.clone())?;
                self.ensure_all(
                    q,
                    building,
                    std::iter::once(Node::Scalar(&Scalar::Column(id))),
                )?;
                columns.push(id);
            }
        }
        Ok(())
    }
}

/// Columns that a tree reads, subqueries' outer references included.
pub(super) fn columns_of(node: Node<'_>, found: &mut Vec<ColumnId>) {
    visit(node, &mut |node, _| {
        if let Node::Scalar(Scalar::Column(id)) = node
            && !found.contains(id)
        {
            found.push(*id);
        }
        true
    });
}
