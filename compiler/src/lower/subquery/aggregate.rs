//! Aggregates without groups: their row is there even if nothing matches, and several of the same rows share a `$lookup`.

use bson::Bson;

use super::definitions;
use crate::error::{Error, Result};
use crate::lower::Lowerer;
use crate::lower::filter::split;
use crate::lower::rel::is_empty;
use crate::lower::scope::{Val, is_path_key};
use crate::mql::{Expr, Projection, Stage};
use crate::plan::facts::{ColumnSet, defined_inside};
use crate::plan::{
    AggregateCall, ColumnId, Columns, Node, Predicate, Rel, Scalar, SubKind, SubPlan, counterparts,
    has_subquery, substitute_call, substitute_predicate,
};

impl Lowerer<'_> {
    /// The value of an aggregate without groups, which has a row even if nothing matches: what is computed from the
    /// aggregates is computed outside, where their values for no input can be put in.
    pub(super) fn aggregate_value(
        &mut self,
        sub: &SubPlan,
        extends: &[&Vec<(ColumnId, Scalar)>],
        aggregate: &Rel,
        column: &Scalar,
    ) -> Result<Val> {
        let Rel::Aggregate {
            aggregates, input, ..
        } = aggregate
        else {
            return Err(Error::internal("an aggregate was expected"));
        };
        let there = &self.scope()?.columns;
        if is_empty(input) {
            self.nothing_aggregated(aggregates)?;
        } else if !aggregates.iter().all(|(id, _)| there.contains_key(id)) {
            self.aggregate_rows(aggregate, aggregates)?;
        }
        for columns in extends {
            for (id, scalar) in *columns {
                let val = self.scalar(scalar)?;
                self.scope()?.columns.insert(*id, val);
            }
        }
        let val = self.scalar(column)?;
        Ok(Val {
            ty: sub.ty.clone(),
            ..val
        })
    }

    /// The `$lookup` of aggregates without groups; afterwards their values are there.
    fn aggregate_rows(
        &mut self,
        aggregate: &Rel,
        aggregates: &[(ColumnId, AggregateCall)],
    ) -> Result<()> {
        let mut places: Vec<(ColumnId, String, Val)> = Vec::new();
        self.shape_knows = true;
        let name = self.run(aggregate.clone(), "rows", None, |l| {
            let mut fields = Vec::new();
            let mut computed: Vec<(ColumnId, Val)> = Vec::new();
            for (id, _) in aggregates {
                let val = l.column(*id)?;
                match &val.expr {
                    Expr::Field(path) if path.len() == 1 => {
                        let key = path.dotted();
                        // Equal aggregates share a field.
                        if !fields.iter().any(|(known, _)| *known == key) {
                            fields.push((key.clone(), Projection::Include));
                        }
                        places.push((*id, key, val));
                    }
                    _ => computed.push((*id, val)),
                }
            }
            if computed.is_empty() {
                return Ok(());
            }
            for (id, val) in computed {
                let mut key = l.columns.get(id)?.name.to_string();
                if key == "_id" || fields.iter().any(|(k, _)| *k == key) || !is_path_key(&key) {
                    key = l.fresh(&key)?;
                }
                fields.push((key.clone(), Projection::Expr(val.expr.clone())));
                places.push((id, key, val));
            }
            fields.push(("_id".to_owned(), Projection::Exclude));
            l.push(Stage::Project(fields))
        })?;
        self.scope()?.single.push(name.clone());
        for (id, key, val) in places {
            let call = aggregates.iter().find(|(a, _)| *a == id).map(|(_, c)| c);
            let first = Expr::one("$first", Expr::field([name.clone(), key]));
            let empty = call.map_or(Bson::Null, |c| self.registry.empty_value(&c.function));
            let expr = if empty == Bson::Null {
                first
            } else {
                Expr::list("$ifNull", [first, Expr::Literal(empty.clone())])
            };
            let outside = Val {
                expr,
                nullable: empty == Bson::Null,
                ..val
            };
            self.scope()?.columns.insert(id, outside);
        }
        Ok(())
    }

    /// Looks the rows of the first definition up together with those of later ones, if all are aggregates of the same
    /// rows: each brings the conditions that the others do not have as a condition of its own.
    pub fn aggregates_together(&mut self, definitions: &[(ColumnId, Scalar)]) -> Result<()> {
        let defined: Vec<ColumnId> = definitions.iter().map(|(id, _)| *id).collect();
        let mut all = definitions.iter().map(|(_, s)| over_rows(s));
        let Some(Some(first)) = all.next() else {
            return Ok(());
        };
        let mut shared = first.parts.clone();
        let mut members = vec![first];
        for other in all.flatten() {
            let Some(base) = members.first() else { break };
            let Some(other) = other.named_like(base, self.columns) else {
                continue;
            };
            let early = other.parts.iter().all(|p| {
                p.used_columns().iter().all(|id| !defined.contains(&id)) && !has_subquery(p)
            });
            let common: Vec<Predicate> = shared
                .iter()
                .filter(|p| other.parts.contains(p))
                .cloned()
                .collect();
            // Rows of another relation are looked up on their own.
            if early && (!common.is_empty() || shared.is_empty() && other.parts.is_empty()) {
                shared = common;
                members.push(other);
            }
        }
        if members.len() < 2 || members.iter().any(|m| m.alone(&shared)) {
            return Ok(());
        }
        let mut aggregates = Vec::new();
        for member in &members {
            aggregates.extend(member.aggregates(&shared));
        }
        let Some(first) = members.first() else {
            return Ok(());
        };
        let input = match shared.len() {
            0 => first.rows.clone(),
            _ => Rel::Filter {
                input: Box::new(first.rows.clone()),
                predicate: Predicate::And(shared),
            },
        };
        let together = Rel::Aggregate {
            input: Box::new(input),
            keys: Vec::new(),
            carried: Vec::new(),
            aggregates: aggregates.clone(),
        };
        self.purpose = None;
        self.aggregate_rows(&together, &aggregates)
    }
}

/// A subquery that is an aggregate without groups: the rows without their last filter, its parts, the aggregates.
struct OverRows {
    rows: Rel,
    parts: Vec<Predicate>,
    aggregates: Vec<(ColumnId, AggregateCall)>,
}

fn over_rows(scalar: &Scalar) -> Option<OverRows> {
    let Scalar::Subquery(sub) = scalar else {
        return None;
    };
    if sub.kind != SubKind::Scalar || is_empty(&sub.rel) {
        return None;
    }
    let (
        _,
        Rel::Aggregate {
            input, aggregates, ..
        },
    ) = over_aggregate(&sub.rel)?
    else {
        return None;
    };
    let (rows, parts) = match &**input {
        Rel::Filter { input, predicate } => {
            let mut parts = Vec::new();
            split(predicate, &mut parts);
            (&**input, parts.into_iter().cloned().collect())
        }
        other => (other, Vec::new()),
    };
    Some(OverRows {
        rows: rows.clone(),
        parts,
        aggregates: aggregates.clone(),
    })
}

impl OverRows {
    /// The same with the other's names of columns, if the rows are the same.
    fn named_like(mut self, other: &OverRows, columns: &Columns) -> Option<OverRows> {
        let names = definitions(&counterparts(&other.rows, &self.rows, columns)?);
        let own = defined_inside(Node::Rel(&self.rows));
        self.parts
            .iter_mut()
            .for_each(|p| substitute_predicate(p, &names));
        for (_, call) in &mut self.aggregates {
            substitute_call(call, &names);
        }
        // A column that the others do not read has no counterpart.
        let left = |used: ColumnSet| own.has_any(columns, &used);
        let reads_left = self.parts.iter().any(|p| left(p.used_columns()))
            || self
                .aggregates
                .iter()
                .any(|(_, call)| left(call.used_columns()));
        (!reads_left).then_some(self)
    }

    /// What is left of the conditions holds a subquery, which an aggregate's condition cannot.
    fn alone(&self, shared: &[Predicate]) -> bool {
        self.parts
            .iter()
            .any(|p| !shared.contains(p) && has_subquery(p))
    }

    /// The aggregates with the conditions that are not shared.
    fn aggregates(&self, shared: &[Predicate]) -> Vec<(ColumnId, AggregateCall)> {
        let own: Vec<&Predicate> = self.parts.iter().filter(|p| !shared.contains(p)).collect();
        self.aggregates
            .iter()
            .cloned()
            .map(|(id, mut call)| {
                for p in &own {
                    call.filter = Some(match call.filter.take() {
                        Some(filter) => filter.and((*p).clone()),
                        None => (*p).clone(),
                    });
                }
                (id, call)
            })
            .collect()
    }
}

/// Computed columns, operator by operator.
pub(super) type Extends<'a> = Vec<&'a Vec<(ColumnId, Scalar)>>;

/// An aggregate without groups under nothing but computed columns.
pub(super) fn over_aggregate(rel: &Rel) -> Option<(Extends<'_>, &Rel)> {
    let mut extends = Vec::new();
    let mut rel = rel;
    loop {
        match rel {
            Rel::Extend { input, columns } => {
                extends.insert(0, columns);
                rel = input;
            }
            Rel::Sort { input, .. } => rel = input,
            Rel::Slice {
                input,
                skip: 0,
                limit: None | Some(1..),
            } => rel = input,
            Rel::Aggregate { keys, .. } if keys.is_empty() => return Some((extends, rel)),
            _ => return None,
        }
    }
}
