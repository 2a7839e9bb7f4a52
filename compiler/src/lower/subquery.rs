//! Subqueries as `$lookup` in front of the stage that needs them.

use std::sync::Arc;

use bson::Bson;

use super::Lowerer;
use super::filter::constant;
use super::join::{not_null, stored_path};
use super::rel::{is_empty, is_one, unordered};
use super::scope::{Kind, Val, include, is_path_key};
use super::walk;
use crate::error::{Error, Result};
use crate::mql::{Expr, FieldOp, Filter, Projection, Stage};
use crate::plan::facts::{ColumnSet, Nulls, defined_inside};
use crate::plan::{
    AggregateCall, ArrayFact, ColumnId, Columns, CompareOp, Counterparts, Definitions, Node,
    Predicate, Rel, Scalar, SourceId, SubKind, SubPlan, counterparts, has_subquery,
    substitute_predicate, substitute_scalar,
};

impl Lowerer<'_> {
    /// A subquery has a row, or has none.
    pub fn exists(&mut self, sub: &SubPlan, want: bool) -> Result<Filter> {
        Ok(match self.existence(sub)? {
            Existence::Known(value) => constant(value == want),
            Existence::Rows(path) => {
                let none = Bson::Array(Vec::new());
                let op = if want {
                    FieldOp::Ne(none)
                } else {
                    FieldOp::Eq(none)
                };
                Filter::field(path, op)
            }
        })
    }

    pub fn exists_expr(&mut self, sub: &SubPlan, want: bool) -> Result<Expr> {
        Ok(match self.existence(sub)? {
            Existence::Known(value) => Expr::lit(value == want),
            Existence::Rows(path) => {
                let op = if want { "$ne" } else { "$eq" };
                Expr::list(op, [Expr::field([path]), Expr::Array(Vec::new())])
            }
        })
    }

    /// `IN` a subquery: some row is equal, or no row could be.
    pub fn in_subquery(&mut self, lhs: &[Scalar], sub: &SubPlan, want: bool) -> Result<Filter> {
        let exists = self.membership(lhs, sub, want)?;
        self.exists(&exists, want)
    }

    pub fn in_subquery_expr(&mut self, lhs: &[Scalar], sub: &SubPlan, want: bool) -> Result<Expr> {
        let exists = self.membership(lhs, sub, want)?;
        self.exists_expr(&exists, want)
    }

    /// The subquery of the rows that make `lhs IN sub` true; or, to show that it is false, those that keep it from
    /// being false: equal, or not comparable because of NULL.
    fn membership(&mut self, lhs: &[Scalar], sub: &SubPlan, want: bool) -> Result<SubPlan> {
        // Also where the subquery has no joined row.
        let nulls = Nulls::new(self.columns).of(&sub.rel);
        let mut conditions = Vec::new();
        for (outer, inner) in lhs.iter().zip(&sub.columns) {
            let equal = Predicate::Compare {
                op: CompareOp::Eq,
                lhs: inner.clone(),
                rhs: outer.clone(),
            };
            let mut either = vec![equal];
            if !want {
                if self.operand(outer)?.nullable {
                    either.push(Predicate::IsNull(outer.clone()));
                }
                if nulls.nullable_scalar(inner) {
                    either.push(Predicate::IsNull(inner.clone()));
                }
            }
            conditions.push(if either.len() == 1 {
                either.remove(0)
            } else {
                Predicate::Or(either)
            });
        }
        Ok(SubPlan {
            kind: SubKind::Exists,
            rel: Rel::Filter {
                input: Box::new(unordered(&sub.rel).clone()),
                predicate: Predicate::And(conditions),
            },
            columns: Vec::new(),
            ty: sub.ty.clone(),
        })
    }

    fn existence(&mut self, sub: &SubPlan) -> Result<Existence> {
        let rel = unordered(&sub.rel);
        if is_empty(rel) {
            return Ok(Existence::Known(false));
        }
        if let Rel::Aggregate { keys, .. } = rel
            && keys.is_empty()
        {
            return Ok(Existence::Known(true));
        }
        if let Some(val) = self.known_subquery(sub)? {
            return Ok(Existence::Rows(val.path().unwrap_or_default()));
        }
        let name = self.run(rel.clone(), "exists", None, |l| {
            l.push(Stage::Limit(1))?;
            l.push(include(&["_id".to_owned()]))
        })?;
        let val = Val {
            expr: Expr::field([&name]),
            ty: sub.ty.clone(),
            nullable: false,
            array: ArrayFact::Yes,
        };
        self.scope()?.subqueries.push((sub.clone(), val));
        Ok(Existence::Rows(name))
    }

    /// The value of an equal subquery that is there already.
    fn known_subquery(&mut self, sub: &SubPlan) -> Result<Option<Val>> {
        let columns = self.columns;
        let known = &self.scope()?.subqueries;
        Ok(known
            .iter()
            .find(|(other, _)| same(other, sub, columns))
            .map(|(_, val)| val.clone()))
    }

    /// The value of a scalar subquery or an array of values.
    pub fn subquery_value(&mut self, sub: &SubPlan) -> Result<Val> {
        if sub.kind == SubKind::Exists {
            return Ok(Val {
                expr: self.exists_expr(sub, true)?,
                ty: sub.ty.clone(),
                nullable: false,
                array: ArrayFact::No,
            });
        }
        if let Some(val) = self.known_subquery(sub)? {
            return Ok(val);
        }
        let [column] = sub.columns.as_slice() else {
            return Err(Error::internal("a subquery used as a value has one column"));
        };
        let many = matches!(sub.kind, SubKind::Array | SubKind::Set);
        let val = if is_empty(&sub.rel) {
            let expr = if many {
                Expr::Array(Vec::new())
            } else {
                Expr::null()
            };
            value(expr, sub, many)
        } else if !many && let Some((extends, aggregate)) = over_aggregate(&sub.rel) {
            self.aggregate_value(sub, &extends, aggregate, column)?
        } else {
            let mut key = String::new();
            let name = self.run(sub.rel.clone(), "rows", Some(column), |l| {
                if !many && !is_one(&sub.rel) {
                    l.push(Stage::Limit(1))?;
                }
                key = l.select(column, many)?;
                Ok(())
            })?;
            let values = Expr::field([name, key]);
            let expr = if many {
                values
            } else {
                Expr::one("$first", values)
            };
            value(expr, sub, many)
        };
        self.scope()?.subqueries.push((sub.clone(), val.clone()));
        Ok(val)
    }

    /// Projects the documents of a subquery to its column and returns its key.
    fn select(&mut self, column: &Scalar, nulls: bool) -> Result<String> {
        let val = self.scalar(column)?;
        if let Expr::Field(path) = &val.expr
            && let [key] = &**path
            && !(nulls && val.nullable)
        {
            let key = key.clone();
            self.push(include(std::slice::from_ref(&key)))?;
            return Ok(key.into());
        }
        let expr = if nulls && val.nullable && val.expr.may_be_missing() {
            Expr::list("$ifNull", [val.expr, Expr::null()])
        } else {
            val.expr
        };
        self.push(Stage::Project(vec![
            ("value".to_owned(), Projection::Expr(expr)),
            ("_id".to_owned(), Projection::Exclude),
        ]))?;
        Ok("value".to_owned())
    }

    /// The value of an aggregate without groups, which has a row even if nothing matches: what is computed from the
    /// aggregates is computed outside, where their values for no input can be put in.
    fn aggregate_value(
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

    /// Appends the `$lookup` of a subquery whose pipeline `finish` completes, and returns the name of its array.
    fn run(
        &mut self,
        mut rel: Rel,
        suffix: &str,
        column: Option<&Scalar>,
        finish: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<String> {
        let purpose = self.purpose.take();
        let fields = self.correlation(&mut rel)?;
        // Its stages are its own.
        let matching = std::mem::replace(&mut self.matching, false);
        let any = suffix == "exists";
        let fields = self.side_by_side(&mut rel, fields, column, any)?;
        self.begin(Kind::Lookup);
        let inner = self.rel(&rel).and_then(|()| finish(self));
        let scope = self.end()?;
        inner?;
        self.matching = matching;
        let base = match (&purpose, &scope.collection) {
            (Some(name), _) => format!("{name}_{suffix}"),
            (None, Some(collection)) => {
                let name = collection.rsplit('_').next().unwrap_or(collection);
                format!("{name}_{suffix}")
            }
            (None, None) => suffix.to_owned(),
        };
        let into = self.fresh(&base)?;
        let lookup = scope.into_lookup(fields, into.clone());
        self.push(lookup)?;
        self.purpose = purpose;
        Ok(into)
    }

    /// Takes an equality between a stored column of the subquery's base and an outer path out of its filters, for
    /// `localField` and `foreignField`.
    fn correlation(&mut self, rel: &mut Rel) -> Result<Option<(String, String)>> {
        let Some(base) = base_of(rel) else {
            return Ok(None);
        };
        let mut candidates = Vec::new();
        collect(rel, base, self, &mut candidates);
        for (inner, outer) in candidates {
            let column = self.columns.get(inner)?.clone();
            let Some(foreign) = stored_path(&column) else {
                continue;
            };
            let val = self.operand(&outer)?;
            let Some(local) = val.scalar_path() else {
                continue;
            };
            let guard = (val.nullable && column.nullable).then(|| not_null(inner));
            replace(rel, inner, &outer, guard);
            return Ok(Some((local, foreign)));
        }
        Ok(None)
    }
}

enum Existence {
    Known(bool),
    /// At this path is an array of at most one row.
    Rows(String),
}

fn value(expr: Expr, sub: &SubPlan, many: bool) -> Val {
    Val {
        expr,
        ty: Arc::clone(&sub.ty),
        nullable: !many,
        array: if many {
            ArrayFact::Yes
        } else {
            super::scalar::array_of(&sub.ty)
        },
    }
}

/// Whether two subqueries have the same value.
fn same(a: &SubPlan, b: &SubPlan, columns: &Columns) -> bool {
    if a == b {
        return true;
    }
    if a.kind != b.kind || a.columns.len() != b.columns.len() {
        return false;
    }
    let Some(names) = counterparts(&a.rel, &b.rel, columns) else {
        return false;
    };
    let names = definitions(&names);
    a.columns.iter().zip(&b.columns).all(|(a, b)| {
        let mut b = b.clone();
        substitute_scalar(&mut b, &names);
        *a == b
    })
}

fn definitions(names: &Counterparts) -> Definitions {
    names
        .iter()
        .map(|(from, to)| (*from, Scalar::Column(*to)))
        .collect()
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
            super::filter::split(predicate, &mut parts);
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
            call.args
                .iter_mut()
                .for_each(|s| substitute_scalar(s, &names));
            call.filter
                .iter_mut()
                .for_each(|p| substitute_predicate(p, &names));
            call.order
                .iter_mut()
                .for_each(|k| substitute_scalar(&mut k.scalar, &names));
        }
        // A column that the others do not read has no counterpart.
        let mut left = false;
        let mut look = |used: ColumnSet| left |= own.has_any(columns, &used);
        self.parts.iter().for_each(|p| look(p.used_columns()));
        for (_, call) in &self.aggregates {
            call.args.iter().for_each(|s| look(s.used_columns()));
            call.filter.iter().for_each(|p| look(p.used_columns()));
            call.order
                .iter()
                .for_each(|k| look(k.scalar.used_columns()));
        }
        (!left).then_some(self)
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
type Extends<'a> = Vec<&'a Vec<(ColumnId, Scalar)>>;

/// An aggregate without groups under nothing but computed columns.
fn over_aggregate(rel: &Rel) -> Option<(Extends<'_>, &Rel)> {
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

/// The source that the pipeline of a subquery starts from.
fn base_of(rel: &Rel) -> Option<SourceId> {
    match rel {
        Rel::Scan(source) => Some(*source),
        other => match walk::inputs(other).as_slice() {
            [input] => base_of(input),
            _ => None,
        },
    }
}

/// Equalities of the base's columns with outer values, in filters that may be applied first of all.
fn collect(rel: &Rel, base: SourceId, lowerer: &Lowerer<'_>, out: &mut Vec<(ColumnId, Scalar)>) {
    match rel {
        Rel::Filter { input, predicate } => {
            let mut conjuncts = Vec::new();
            super::filter::split(predicate, &mut conjuncts);
            for p in conjuncts {
                if let Some(found) = equality(p, base, lowerer) {
                    out.push(found);
                }
            }
            collect(input, base, lowerer, out);
        }
        Rel::Join(join) => collect(&join.input, base, lowerer, out),
        Rel::Extend { input, .. } | Rel::Sort { input, .. } => collect(input, base, lowerer, out),
        Rel::Scan(_) => {}
        other => {
            // Rows are counted or combined here: only what is below may be applied first.
            out.clear();
            if let [input] = walk::inputs(other).as_slice() {
                collect(input, base, lowerer, out);
            }
        }
    }
}

fn equality(
    predicate: &Predicate,
    base: SourceId,
    lowerer: &Lowerer<'_>,
) -> Option<(ColumnId, Scalar)> {
    let Predicate::Compare {
        op: CompareOp::Eq,
        lhs,
        rhs,
    } = predicate
    else {
        return None;
    };
    [(lhs, rhs), (rhs, lhs)]
        .into_iter()
        .find_map(|(a, b)| match (a, b) {
            (Scalar::Column(inner), Scalar::Column(outer))
                if lowerer.columns.source_of(*inner) == Some(base) && lowerer.is_outer(*outer) =>
            {
                Some((*inner, b.clone()))
            }
            _ => None,
        })
}

impl Lowerer<'_> {
    /// A column of the current pipeline (which is the outer one of the subquery about to be lowered).
    fn is_outer(&self, id: ColumnId) -> bool {
        let Some(scope) = self.scopes.last() else {
            return false;
        };
        scope.columns.contains_key(&id)
            || self
                .columns
                .source_of(id)
                .is_some_and(|source| scope.sources.contains_key(&source))
    }
}

/// Replaces the equality of two columns by a guard or by nothing.
fn replace(rel: &mut Rel, inner: ColumnId, outer: &Scalar, guard: Option<Predicate>) -> bool {
    match rel {
        Rel::Filter { input, predicate } => {
            // The lowest one was found last; any will do, as all hold.
            replace_in(predicate, inner, outer, guard.as_ref())
                || replace(input, inner, outer, guard)
        }
        Rel::Join(join) => replace(&mut join.input, inner, outer, guard),
        Rel::Extend { input, .. }
        | Rel::Sort { input, .. }
        | Rel::Aggregate { input, .. }
        | Rel::Window { input, .. }
        | Rel::Distinct { input, .. }
        | Rel::DistinctOn { input, .. }
        | Rel::Slice { input, .. } => replace(input, inner, outer, guard),
        Rel::Scan(_) | Rel::Raw { .. } | Rel::Empty | Rel::Unit | Rel::SetOp { .. } => false,
    }
}

fn replace_in(
    predicate: &mut Predicate,
    inner: ColumnId,
    outer: &Scalar,
    guard: Option<&Predicate>,
) -> bool {
    match predicate {
        Predicate::And(items) => items.iter_mut().any(|p| replace_in(p, inner, outer, guard)),
        Predicate::Compare {
            op: CompareOp::Eq,
            lhs,
            rhs,
        } => {
            let column = Scalar::Column(inner);
            let found = (*lhs == column && rhs == outer) || (*rhs == column && lhs == outer);
            if found {
                *predicate = guard.cloned().unwrap_or(Predicate::TRUE);
            }
            found
        }
        _ => false,
    }
}
