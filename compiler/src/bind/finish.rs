//! From the state of a query to relational operators.
//!
//! Joins, conditions, grouping, conditions on groups, windows, conditions on windows, distinct, order, slice:
//! the order in which SQL evaluates a SELECT.

use std::collections::HashSet;

use super::filter::conjunction;
use super::query::{AliasId, GroupBy, Query, QueryId, Rows};
use super::{Binder, Definition};
use crate::error::{Code, Error, Result};
use crate::plan::{
    AggregateCall, Cardinality, ColumnId, Join, Node, Origin, Predicate, Rel, Scalar, SortKey,
    SourceId, WindowCall,
    facts::{Scope, defined_inside, scope},
    visit,
};
use crate::schema::FieldKind;

/// A relation under construction, with the computed columns that it already has.
struct Building {
    rel: Rel,
    defined: HashSet<ColumnId>,
}

impl Building {
    fn map(&mut self, f: impl FnOnce(Box<Rel>) -> Rel) {
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
        let (mut order, meta) = self.order_keys(q)?;
        let query = self.snapshot(q)?;
        let distinct_on = self.distinct_on(q, &query)?;
        let must_group = query.group_by != GroupBy::None;
        let split = self.split_conditions(q, &query.conditions, must_group)?;
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
        let mut wanted: Vec<Scalar> = select.to_vec();
        wanted.extend(order.iter().chain(&hidden).map(|k| k.scalar.clone()));
        wanted.extend(distinct_on.iter().cloned());
        if grouped {
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
    pub(super) fn selection(&mut self, q: QueryId) -> Result<Vec<(String, Scalar)>> {
        let query = self.q(q)?;
        let mut out = Vec::new();
        if query.rows == Rows::Model && query.default_columns {
            let model = self.schema.model(query.model)?.concrete;
            for field in self.loaded(q)? {
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
                out.push((name.clone(), annotation.scalar.clone()));
            }
            return Ok(out);
        }
        match &query.selected {
            Some(names) => {
                for name in names {
                    if query.selects(name)
                        && let Some(annotation) = query.annotations.get(name)
                    {
                        out.push((name.clone(), annotation.scalar.clone()));
                    } else if let Some(selected) = query.select.iter().find(|s| s.name == *name) {
                        out.push((name.clone(), selected.scalar.clone()));
                    }
                }
            }
            None => {
                for selected in &query.select {
                    out.push((selected.name.clone(), selected.scalar.clone()));
                }
                for (name, annotation) in query.selected_annotations() {
                    out.push((name.clone(), annotation.scalar.clone()));
                }
            }
        }
        Ok(out)
    }

    /// Scan and joins.
    fn sources(&mut self, q: QueryId) -> Result<Building> {
        if self.q(q)?.order.is_empty() {
            self.initial_alias(q)?;
        }
        let query = self.snapshot(q)?;
        if query.empty {
            return Ok(Building {
                rel: Rel::Empty,
                defined: HashSet::new(),
            });
        }
        let used: Vec<AliasId> = self.used_aliases(&query);
        let mut aliases = used.into_iter();
        let base = aliases
            .next()
            .ok_or_else(|| Error::internal("query without base"))?;
        let base_source = query.alias(base)?.source;
        let rel = if query.raw.is_empty() {
            Rel::Scan(base_source)
        } else {
            Rel::Raw {
                source: base_source,
                stages: query.raw.clone(),
            }
        };
        let mut building = Building {
            rel,
            defined: HashSet::new(),
        };
        let mut joined = vec![base_source];
        for id in aliases {
            let alias = query.alias(id)?;
            let Some(join) = &alias.join else { continue };
            let parent = query.alias(join.parent)?.source;
            if !joined.contains(&parent) {
                // The condition of a filtered relation made a join that hangs on the relation itself.
                return Err(Error::unsupported(
                    "FilteredRelation with a condition on inherited fields",
                    "the parent's row is found through the row that the condition decides on",
                ));
            }
            joined.push(alias.source);
            let field = self.schema.field(join.by.field)?;
            let links = field.links.clone();
            let generic = field.ty.kind == FieldKind::GenericRelation;
            let mut on = Vec::with_capacity(links.len());
            for (local, target) in links {
                // A link's local field is on the relation's own model; of a generic relation on its target.
                let (from, to) = if join.by.reverse ^ generic {
                    (target, local)
                } else {
                    (local, target)
                };
                let lhs = Scalar::Column(self.column(parent, from)?);
                let rhs = self.column(alias.source, to)?;
                on.push((self.fitting(lhs, rhs)?, rhs));
            }
            if let Some(condition) = &join.condition {
                self.ensure_all(
                    q,
                    &mut building,
                    std::iter::once(Node::Predicate(condition)),
                )?;
            }
            let rel = std::mem::replace(&mut building.rel, Rel::Empty);
            building.rel = Rel::Join(Box::new(Join {
                input: rel,
                source: alias.source,
                kind: join.kind,
                on,
                condition: join.condition.clone().filter(|p| *p != Predicate::TRUE),
                cardinality: if join.many {
                    Cardinality::Many
                } else {
                    Cardinality::One
                },
            }));
        }
        Ok(building)
    }

    /// Aliases that are needed: referenced, or on the way to one that is.
    fn used_aliases(&self, query: &Query) -> Vec<AliasId> {
        let mut needed: HashSet<AliasId> = HashSet::new();
        let first_used = query
            .order
            .iter()
            .copied()
            .find(|id| query.aliases.get(*id).is_some_and(|a| a.refs > 0));
        let base = first_used.or_else(|| query.order.first().copied());
        for id in &query.order {
            if query.aliases.get(*id).is_some_and(|a| a.refs > 0) {
                let mut at = Some(*id);
                while let Some(id) = at {
                    if !needed.insert(id) || Some(id) == base {
                        break;
                    }
                    at = query
                        .aliases
                        .get(id)
                        .and_then(|a| a.join.as_ref())
                        .map(|j| j.parent);
                }
            }
        }
        if let Some(base) = base {
            needed.insert(base);
        }
        let mut out: Vec<AliasId> = Vec::with_capacity(needed.len());
        if let Some(base) = base {
            out.push(base);
        }
        for id in &query.order {
            if needed.contains(id) && Some(*id) != base {
                out.push(*id);
            }
        }
        out
    }

    /// The key of a parent row in the type of the joined column.
    pub(super) fn fitting(&self, lhs: Scalar, rhs: ColumnId) -> Result<Scalar> {
        let (l, r) = self.comparable(lhs.clone(), Scalar::Column(rhs))?;
        if r == Scalar::Column(rhs) {
            return Ok(l);
        }
        let ty = lhs.ty(&self.columns)?;
        let to = self.columns.get(rhs)?.ty.clone();
        Ok(self.registry.cast(
            crate::functions::Arg {
                scalar: lhs,
                ty: Some(ty),
            },
            to,
        ))
    }

    /// Computes the computed columns that expressions need and that can be computed now.
    fn ensure_all<'a>(
        &self,
        q: QueryId,
        building: &mut Building,
        nodes: impl Iterator<Item = Node<'a>>,
    ) -> Result<()> {
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
        defined: &mut HashSet<ColumnId>,
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
    fn definitions_in<'a>(
        &self,
        q: QueryId,
        nodes: impl Iterator<Item = Node<'a>>,
        found: &mut Vec<ColumnId>,
    ) {
        let mut todo = Vec::new();
        for node in nodes {
            columns_of(node, &mut todo);
        }
        let mut seen = HashSet::new();
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

    /// `GROUP BY` and its aggregates.
    fn group(
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
        self.prepare_aggregates(q, building, &columns, &aggregates)?;
        let carried = self.carried(query, &columns)?;
        let keys: Vec<(ColumnId, Scalar)> = without_carried(self, columns, &carried)?
            .into_iter()
            .map(|id| (id, Scalar::Column(id)))
            .collect();
        building
            .defined
            .retain(|id| keys.iter().any(|(key, _)| key == id));
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
    fn implied_columns(&self, q: QueryId, scalar: &Scalar) -> Vec<Scalar> {
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
            if !columns.is_empty() && self.spanning.contains(&id) {
                return self.group_columns(q, scalar);
            }
            keys.extend(columns);
        }
        keys
    }

    /// An expression that Django groups by as a whole: it reads columns and no aggregate.
    fn is_one_group_key(&self, q: QueryId, scalar: &Scalar) -> bool {
        !matches!(
            scalar,
            Scalar::Column(_) | Scalar::Literal(_) | Scalar::List(_)
        ) && !is_subquery(scalar)
            && !self.columns_in(scalar).is_empty()
            && !self.contains_aggregate(q, scalar)
            && !self.contains_window(q, scalar)
    }

    /// Computes what keys and aggregates read.
    fn prepare_aggregates(
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
    fn carried(&mut self, query: &Query, columns: &[ColumnId]) -> Result<Vec<SourceId>> {
        let used = self.used_aliases(query);
        let mut carried: Vec<SourceId> = Vec::new();
        for id in used {
            let alias = query.alias(id)?;
            let model = self.schema.model(alias.model)?;
            let pk = self.schema.model(model.concrete)?.pk;
            let parts = self.unnest(pk)?;
            let mut all = !parts.is_empty();
            for part in parts {
                let column = self.column(alias.source, part)?;
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

/// `Subquery(...)`, `Exists(...)` or `~Exists(...)`.
fn is_subquery(scalar: &Scalar) -> bool {
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

/// Columns that a relation computes.
fn computed_in(rel: &Rel) -> HashSet<ColumnId> {
    let mut defined = HashSet::new();
    let mut todo = vec![rel];
    while let Some(rel) = todo.pop() {
        if let Rel::Extend { columns, .. } = rel {
            defined.extend(columns.iter().map(|(id, _)| *id));
        }
        rel.inputs(&mut |input| todo.push(input));
    }
    defined
}

/// Columns that do not follow from the primary key of a carried source.
fn without_carried(
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
