//! `&`, `|` and `^` of two querysets (Django's `Query.combine`).

use std::collections::BTreeMap;

use super::aliases::AliasSet;
use super::filter::conjunction;
use super::query::{AliasId, JoinPromoter, QueryId, Rows};
use super::{Binder, Definition};
use crate::error::{Code, Error, Result};
use crate::plan::{
    ColumnId, Definitions, JoinKind, Origin, Predicate, Scalar, SubKind, SubPlan,
    substitute_predicate, substitute_scalar,
};
use crate::queryset::CombineOp;

impl Binder<'_> {
    /// Merges the conditions of `rhs` into `q`; gives the query that holds the result.
    pub(super) fn combine_queries(
        &mut self,
        q: QueryId,
        op: CombineOp,
        rhs: QueryId,
    ) -> Result<QueryId> {
        self.check_same_values(q, rhs)?;
        let (left_none, right_none) = (self.q(q)?.is_none, self.q(rhs)?.is_none);
        match op {
            CombineOp::And if left_none => return Ok(q),
            CombineOp::And if right_none => return Ok(rhs),
            CombineOp::Or | CombineOp::Xor if left_none => return Ok(rhs),
            CombineOp::Or | CombineOp::Xor if right_none => return Ok(q),
            _ => {}
        }
        let (left, right) = (self.q(q)?, self.q(rhs)?);
        if right.search.is_some() || (op != CombineOp::And && left.search.is_some()) {
            return Err(Error::unsupported(
                "a queryset that searches as a part of a combination",
                "a pipeline begins with one search, which finds all of its rows",
            )
            .with_hint("filter() the queryset that searches, or search in what is combined"));
        }
        let (mut q, mut rhs) = (q, rhs);
        if op != CombineOp::And {
            q = self.as_key_filter(q)?;
            rhs = self.as_key_filter(rhs)?;
        }
        let (left, right) = (self.q(q)?, self.q(rhs)?);
        let concrete = |id| self.schema.model(id).map(|m| m.concrete);
        let refusal = if concrete(left.model)? != concrete(right.model)? {
            Some("Cannot combine queries on two different base models.")
        } else if left.is_sliced() || right.is_sliced() {
            Some("Cannot combine queries once a slice has been taken.")
        } else if left.distinct != right.distinct {
            Some("Cannot combine a unique query with a non-unique query.")
        } else if left.distinct_fields != right.distinct_fields {
            Some("Cannot combine queries with different distinct fields.")
        } else {
            None
        };
        if let Some(refusal) = refusal {
            return Err(Error::new(Code::TypeError, refusal));
        }
        let base = self.initial_alias(q)?;
        let rhs_base = self.initial_alias(rhs)?;
        let conjunctive = op == CombineOp::And;
        let mut reuse = if conjunctive {
            AliasSet::new()
        } else {
            (0..self.q(q)?.aliases.len()).collect()
        };
        let mut promoter = JoinPromoter::new(op == CombineOp::Or, 2);
        promoter.add_votes(self.q(q)?.inner_aliases());
        let mut votes = AliasSet::new();
        let mut aliases: BTreeMap<AliasId, AliasId> = BTreeMap::from([(rhs_base, base)]);
        self.copy_filtered_relations(rhs, q)?;
        let order = self.q(rhs)?.order.clone();
        for id in order {
            if id == rhs_base {
                continue;
            }
            let alias = self.q(rhs)?.alias(id)?.clone();
            let Some(join) = alias.join else { continue };
            let parent = aliases.get(&join.parent).copied().unwrap_or(base);
            let new = self.join(
                q,
                alias.model,
                parent,
                join.by,
                join.nullable,
                join.many,
                join.filtered.as_deref(),
                Some(&reuse),
            )?;
            if join.kind == JoinKind::Inner {
                votes.insert(new);
            }
            reuse.remove(new);
            aliases.insert(id, new);
            if alias.refs <= 0 {
                self.q_mut(q)?.unref_alias(new)?;
            }
        }
        promoter.add_votes(votes.iter());
        if op != CombineOp::Xor {
            promoter.update(self.q_mut(q)?)?;
        }
        let definitions = self.relabel(q, rhs, &aliases)?;
        for (from, to) in &aliases {
            let condition = self
                .q(rhs)?
                .alias(*from)?
                .join
                .as_ref()
                .and_then(|j| j.condition.as_deref().cloned());
            if let Some(mut condition) = condition {
                substitute_predicate(&mut condition, &definitions);
                self.set_join_condition(q, *to, condition)?;
            }
        }
        let right = self.q(rhs)?.clone();
        let mut conditions = right.conditions.clone();
        for condition in &mut conditions {
            substitute_predicate(condition, &definitions);
        }
        let side = |empty: bool, conditions: Vec<Predicate>| {
            if empty {
                Predicate::FALSE
            } else {
                conjunction(conditions)
            }
        };
        let query = self.q_mut(q)?;
        let lhs = side(query.empty, std::mem::take(&mut query.conditions));
        let rhs_side = side(right.empty, conditions);
        query.empty = false;
        query.conditions = vec![match op {
            CombineOp::And => conjunction(vec![lhs, rhs_side]),
            CombineOp::Or => Predicate::Or(vec![lhs, rhs_side]),
            CombineOp::Xor => Predicate::Xor(vec![lhs, rhs_side]),
        }];
        if !right.order_by.is_empty() {
            query.order_by = right.order_by;
        }
        for lookup in right.prefetch {
            if !query.prefetch.contains(&lookup) {
                query.prefetch.push(lookup);
            }
        }
        Ok(q)
    }

    fn check_same_values(&self, q: QueryId, rhs: QueryId) -> Result<()> {
        let (left, right) = (self.q(q)?, self.q(rhs)?);
        let names = |query: &super::query::Query| -> Option<Vec<String>> {
            (query.rows != Rows::Model)
                .then(|| query.select.iter().map(|s| s.name.clone()).collect())
        };
        if names(left) != names(right) {
            return Err(Error::new(
                Code::TypeError,
                "Merging 'QuerySet' classes must involve the same values in each case.",
            ));
        }
        Ok(())
    }

    /// A sliced query as a filter by its keys, so that it can be combined.
    fn as_key_filter(&mut self, q: QueryId) -> Result<QueryId> {
        if !self.q(q)?.is_sliced() {
            return Ok(q);
        }
        let (model, outer) = (self.q(q)?.model, self.q(q)?.outer);
        let new = self.new_query(model, outer);
        let alias = self.initial_alias(new)?;
        let pk = self.schema.model(model)?.pk;
        let pk_scalar = self.field_scalar(new, alias, pk)?;
        if let Ok(inner) = self.q_mut(q) {
            inner.outer = Some(new);
            inner.rows = Rows::Values;
        }
        self.set_values(q, &["pk".to_owned()])?;
        let (rel, columns) = self.finish_values(q)?;
        let lhs = match pk_scalar {
            Scalar::List(parts) => parts,
            scalar => vec![scalar],
        };
        let ty = match columns.first() {
            Some(scalar) => scalar.ty(&self.columns)?,
            None => return Err(Error::internal("key filter without key")),
        };
        self.q_mut(new)?.conditions.push(Predicate::InSubquery {
            lhs,
            query: Box::new(SubPlan {
                kind: SubKind::Set,
                rel,
                columns,
                ty,
            }),
        });
        Ok(new)
    }

    /// Columns of one query as columns of another, alias by alias; computed ones change their owner.
    fn relabel(
        &mut self,
        q: QueryId,
        rhs: QueryId,
        aliases: &BTreeMap<AliasId, AliasId>,
    ) -> Result<Definitions> {
        let mut definitions = Definitions::default();
        for (from, to) in aliases {
            let old = self.q(rhs)?.alias(*from)?.source;
            let new = self.q(q)?.alias(*to)?.source;
            let stored: Vec<_> = self
                .columns
                .iter()
                .filter_map(|(id, column)| match &column.origin {
                    Origin::Stored { source, path, .. } if *source == old => {
                        Some((id, path.clone(), column.clone()))
                    }
                    _ => None,
                })
                .collect();
            for (id, path, mut column) in stored {
                if let Origin::Stored { source, .. } = &mut column.origin {
                    *source = new;
                }
                let target = self.columns.stored(new, &path, || column);
                definitions.insert(id, Scalar::Column(target));
            }
        }
        let owned: Vec<ColumnId> = self
            .definitions
            .iter()
            .filter(|(_, (owner, _))| *owner == rhs)
            .map(|(id, _)| *id)
            .collect();
        for id in owned {
            if let Some((owner, definition)) = self.definitions.get_mut(&id) {
                *owner = q;
                match definition {
                    Definition::Computed(scalar) => substitute_scalar(scalar, &definitions),
                    Definition::Aggregate(call) => {
                        for arg in &mut call.args {
                            substitute_scalar(arg, &definitions);
                        }
                        if let Some(filter) = &mut call.filter {
                            substitute_predicate(filter, &definitions);
                        }
                    }
                    Definition::Window {
                        call,
                        partition,
                        order,
                    } => {
                        for scalar in call
                            .call
                            .args
                            .iter_mut()
                            .chain(partition)
                            .chain(order.iter_mut().map(|k| &mut k.scalar))
                        {
                            substitute_scalar(scalar, &definitions);
                        }
                    }
                }
            }
        }
        Ok(definitions)
    }
}
