//! The collection that is scanned, and the joins that are needed.

use super::Binder;
use super::aliases::AliasSet;
use super::finish::Building;
use super::path::Joins;
use super::query::{Query, QueryId};
use smallvec::{SmallVec, smallvec};

use crate::error::{Error, Result};
use crate::plan::facts::ColumnSet;
use crate::plan::{Cardinality, ColumnId, Join, Node, Predicate, Rel, Scalar, SourceId};
use crate::schema::FieldKind;

impl Binder<'_> {
    /// Scan and joins.
    pub(super) fn sources(&mut self, q: QueryId) -> Result<Building> {
        if self.q(q)?.order.is_empty() {
            self.initial_alias(q)?;
        }
        let query = self.snapshot(q)?;
        if query.empty {
            return Ok(Building {
                rel: Rel::Empty,
                defined: ColumnSet::new(),
            });
        }
        let mut aliases = self.used_aliases(&query).into_iter();
        let base = aliases
            .next()
            .ok_or_else(|| Error::internal("query without base"))?;
        let base_source = query.alias(base)?.source;
        let rel = if let Some(search) = &query.search {
            if !query.raw.is_empty() {
                return Err(Error::unsupported(
                    "raw_aggregate() after a search",
                    "its stages begin the pipeline, and so does the search",
                )
                .with_hint("write the search as the first of the raw stages"));
            }
            Rel::Search(search.clone())
        } else if query.raw.is_empty() {
            Rel::Scan(base_source)
        } else {
            Rel::Raw {
                source: base_source,
                stages: query.raw.clone(),
            }
        };
        let mut building = Building {
            rel,
            defined: ColumnSet::new(),
        };
        let mut joined: SmallVec<[SourceId; 4]> = smallvec![base_source];
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
            let schema = self.schema;
            let field = schema.field(join.by.field)?;
            let generic = field.ty.kind == FieldKind::GenericRelation;
            let mut on = Vec::with_capacity(field.links.len());
            for (local, target) in field.links.iter().copied() {
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
            if let Some(condition) = join.condition.as_deref() {
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
                condition: join
                    .condition
                    .as_deref()
                    .filter(|p| **p != Predicate::TRUE)
                    .cloned(),
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
    pub(super) fn used_aliases(&self, query: &Query) -> Joins {
        let mut needed = AliasSet::new();
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
        let mut out = Joins::new();
        if let Some(base) = base {
            out.push(base);
        }
        for id in &query.order {
            if needed.contains(*id) && Some(*id) != base {
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
}
