//! `exclude()` over multi-valued relations: an anti-join.

use super::aliases::AliasSet;
use super::filter::{FilterContext, Reuse, pairwise_equal};
use super::path::{Names, PathInfo};
use super::query::{AliasId, QueryId};
use super::{Binder, Resolve};
use crate::error::{Error, Result};
use crate::plan::{JoinKind, Predicate, SubKind, SubPlan};
use crate::queryset::{Expr, OuterRef, Q};
use crate::schema::{FieldKind, FieldRef, FieldType};

impl Binder<'_> {
    /// An exclude over a multi-valued relation: no related row satisfies the condition.
    pub(super) fn split_exclude(
        &mut self,
        q: QueryId,
        path: &str,
        rhs: &Expr,
        context: FilterContext,
        reuse: &mut Reuse,
        prefix: &[(String, Vec<PathInfo>)],
    ) -> Result<(Predicate, AliasSet)> {
        let model = self.q(q)?.model;
        let inner = self.new_query(model, Some(q));
        self.q_mut(inner)?.filtered_relations = self.q(q)?.filtered_relations.clone();
        self.q_mut(inner)?.anti = true;
        let rhs = match rhs {
            Expr::OuterRef(outer) => Expr::OuterRef(OuterRef {
                path: outer.path.clone(),
                levels: outer.levels.saturating_add(1),
            }),
            Expr::F(path) => Expr::OuterRef(OuterRef {
                path: path.clone(),
                levels: 1,
            }),
            other => other.clone(),
        };
        let condition = Q::Lookup {
            path: path.to_owned(),
            rhs,
        };
        self.outer_reuse.push((q, reuse.clone()));
        let added = self.add_q(inner, &Q::And(vec![condition]), false);
        if let Some((_, used)) = self.outer_reuse.pop() {
            *reuse = used;
        }
        added?;
        self.q_mut(inner)?.clear_ordering(true, true);
        let trimmed = self.trim_start(inner, prefix)?;
        let select_alias = trimmed.alias;
        let name = alias_name(self, inner, select_alias)?;
        let mut shared = None;
        if let Some(reuse) = reuse.as_ref() {
            for id in reuse.iter() {
                if alias_name(self, q, id)? == name {
                    shared = Some(id);
                }
            }
        }
        let restriction = match shared {
            Some(outer_alias) => {
                let owner = trimmed
                    .fields
                    .first()
                    .map(|f| f.model)
                    .ok_or_else(|| Error::internal("anti-join without key"))?;
                let pk = self.schema.model(owner)?.pk;
                let lhs = self.field_scalar(inner, select_alias, pk)?;
                let rhs = self.field_scalar(q, outer_alias, pk)?;
                pairwise_equal(lhs, rhs)
            }
            None => {
                let field = trimmed
                    .fields
                    .first()
                    .copied()
                    .ok_or_else(|| Error::internal("anti-join without key"))?;
                let lhs = self.field_scalar(inner, select_alias, field)?;
                let mut resolve = Resolve {
                    allow_joins: context.allow_joins,
                    reuse: reuse.clone(),
                    summarize: false,
                };
                let prefix: Names<'_> = trimmed.prefix.iter().map(String::as_str).collect();
                let outer = self.resolve_path(q, &prefix, &mut resolve)?;
                *reuse = resolve.reuse;
                // Of a relation of several columns Django correlates the first only.
                self.equal(lhs, outer.scalar)?
            }
        };
        self.q_mut(inner)?.conditions.push(restriction);
        let sub = self.finish_exists(inner)?;
        let mut predicate = Predicate::Exists(Box::new(sub));
        if trimmed.contains_left {
            let isnull = format!("{}__isnull", trimmed.prefix.join("__"));
            let (or_null, _) = self.build_filter(
                q,
                &isnull,
                &Expr::Value(crate::queryset::Value::Bool(true)),
                FilterContext {
                    branch_negated: true,
                    current_negated: true,
                    ..FilterContext::default()
                },
                reuse,
            )?;
            predicate = Predicate::Or(vec![predicate, or_null]);
        }
        Ok((predicate, AliasSet::new()))
    }

    /// Leaves out the joins up to the multi-valued relation from the query of an anti-join.
    fn trim_start(&mut self, q: QueryId, prefix: &[(String, Vec<PathInfo>)]) -> Result<Trimmed> {
        let all: Vec<PathInfo> = prefix.iter().flat_map(|(_, p)| p.iter().cloned()).collect();
        let query = self.q(q)?;
        let base = query.order.first().copied().unwrap_or(0);
        let tables: Vec<AliasId> = query
            .order
            .iter()
            .copied()
            .filter(|id| query.lookup_joins.contains(id) || *id == base)
            .collect();
        let mut contains_left = false;
        let mut trimmed = 0;
        let mut at = None;
        for (i, info) in all.iter().enumerate() {
            trimmed = i;
            at = Some(info.clone());
            if info.many {
                break;
            }
            let next = tables.get(i + 1).copied().unwrap_or(base);
            if self.q(q)?.kind(next) == Some(JoinKind::Left) {
                contains_left = true;
            }
            let alias = tables.get(i).copied().unwrap_or(base);
            self.q_mut(q)?.unref_alias(alias)?;
        }
        let info = at.ok_or_else(|| Error::internal("anti-join without path"))?;
        let field = self.schema.field(info.by.field)?;
        // The content type of a reverse generic relation is on this side: its row stays, found by its key.
        let generic = field.ty.kind == FieldKind::GenericRelation && info.by.reverse;
        // Pairs of (this side, other side), seen from the joined rows.
        let (inner_fields, outer_fields): (Vec<FieldRef>, Vec<FieldRef>) = if generic {
            let holder = field
                .to
                .ok_or_else(|| Error::internal("relation without target"))?;
            let pk = self.schema.model(holder)?.pk;
            (vec![pk], vec![pk])
        } else {
            field.links.iter().copied().unzip()
        };
        let mut names = Vec::new();
        let mut left = trimmed;
        for (name, path) in prefix {
            if left < path.len() {
                break;
            }
            left -= path.len();
            names.push(name.clone());
        }
        let outer_field = outer_fields
            .first()
            .copied()
            .ok_or_else(|| Error::internal("relation without key"))?;
        names.push(self.schema.field(outer_field)?.name.clone());
        let first = tables.get(trimmed + 1).copied().unwrap_or(base);
        let here = tables.get(trimmed).copied().unwrap_or(base);
        let query = self.q(q)?;
        let join = query.alias(first)?.join.clone();
        let trims = join
            .as_ref()
            .is_some_and(|j| j.kind != JoinKind::Left && j.filtered.is_none())
            && !generic;
        let (alias, fields) = if trims {
            self.q_mut(q)?.unref_alias(here)?;
            if let Some(condition) = join.and_then(|j| j.condition) {
                self.q_mut(q)?.conditions.push(*condition);
            }
            (first, inner_fields)
        } else {
            (here, outer_fields)
        };
        Ok(Trimmed {
            prefix: names,
            contains_left,
            alias,
            fields,
        })
    }

    /// A finished query as an existence test.
    pub(super) fn finish_exists(&mut self, q: QueryId) -> Result<SubPlan> {
        self.q_mut(q)?.clear_ordering(true, true);
        let rel = self.finish_rows(q, &[])?;
        Ok(SubPlan {
            kind: SubKind::Exists,
            rel,
            columns: Vec::new(),
            ty: std::sync::Arc::new(FieldType::new(FieldKind::BooleanField)),
        })
    }
}

/// What is left of the query of an anti-join.
struct Trimmed {
    prefix: Vec<String>,
    contains_left: bool,
    alias: AliasId,
    fields: Vec<FieldRef>,
}

/// The name that Django would give an alias: that of the table for its first use.
fn alias_name(binder: &Binder<'_>, q: QueryId, id: AliasId) -> Result<String> {
    let query = binder.q(q)?;
    let alias = query.alias(id)?;
    let first = query
        .aliases
        .iter()
        .position(|a| a.collection == alias.collection);
    Ok(if first == Some(id) {
        match alias.join.as_ref().and_then(|j| j.filtered.clone()) {
            Some(name) => name,
            None => alias.collection.to_string(),
        }
    } else {
        format!("T{}", id + 1)
    })
}
