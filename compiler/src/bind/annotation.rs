//! `annotate()`, `alias()` and filtered relations.

use super::filter::{FilterContext, conjunction};
use super::path::{PathError, split};
use super::query::{GroupBy, QueryId};
use super::{Binder, Resolve};
use crate::error::{Code, Error, Result};
use crate::plan::{Node, Predicate, Scalar};
use crate::queryset::{Expr, Q, Value};

impl Binder<'_> {
    /// An annotation's value: trivial ones stand for themselves, others become a column, so that they are
    /// computed once however often they are used.
    pub(super) fn annotation_scalar(
        &mut self,
        q: QueryId,
        name: &str,
        scalar: Scalar,
    ) -> Result<Scalar> {
        Ok(match scalar {
            Scalar::Literal(_) | Scalar::List(_) => scalar,
            Scalar::Column(id) => {
                if (self.definitions.contains_key(&id) || self.is_search_column(q, id))
                    && let Some(column) = self.columns.get_mut(id)
                {
                    column.name = name.into();
                }
                Scalar::Column(id)
            }
            other => Scalar::Column(self.as_column(q, name, other)?),
        })
    }

    /// Adds annotations, as one `annotate()` or `alias()` call.
    pub(super) fn annotate(
        &mut self,
        q: QueryId,
        name: &str,
        expr: &Expr,
        selected: bool,
    ) -> Result<()> {
        check_alias(name)?;
        if let Expr::FilteredRelation {
            relation,
            condition,
        } = expr
        {
            return self.add_filtered_relation(q, name, relation, condition);
        }
        if let Expr::Value(Value::List(_) | Value::Dict(_)) = expr {
            return Err(Error::new(
                Code::OutputFieldIsNone,
                "Cannot resolve expression type, unknown output_field",
            )
            .with_hint("give it: Value(..., output_field=JSONField())"));
        }
        let mut cx = Resolve::annotation();
        let bound = self.resolve(q, expr, &mut cx)?;
        self.no_search(q, Node::Scalar(&bound.scalar))?;
        let scalar = self.annotation_scalar(q, name, bound.scalar)?;
        let contains = self.contains_aggregate(q, &scalar);
        let query = self.q_mut(q)?;
        if selected {
            if let Some(mask) = &mut query.mask {
                mask.insert(name.to_owned());
            }
        } else {
            let names: indexmap::IndexSet<String> = query
                .selected_annotations()
                .map(|(n, _)| n.clone())
                .filter(|n| n != name)
                .collect();
            query.mask = Some(names);
        }
        query
            .annotations
            .insert(name.to_owned(), super::query::Annotation { scalar });
        if selected
            && let Some(names) = &mut query.selected
            && !names.iter().any(|n| n == name)
        {
            names.push(name.to_owned());
        }
        if contains && query.group_by == GroupBy::None {
            self.q_mut(q)?.group_by = GroupBy::Model;
        }
        Ok(())
    }

    pub(super) fn add_filtered_relation(
        &mut self,
        q: QueryId,
        name: &str,
        relation: &str,
        condition: &Q,
    ) -> Result<()> {
        if name.contains('.') {
            return Err(Error::new(
                Code::ValueError,
                format!("FilteredRelation doesn't support aliases with periods (got '{name}')."),
            ));
        }
        let model = self.q(q)?.model;
        let parts = split(relation);
        let path = match self.names_to_path(q, &parts, model, true, false) {
            Ok(path) => path,
            Err(PathError::Other(error)) => return Err(error),
            Err(PathError::Multi(_)) => {
                return Err(Error::internal("multi-valued relation where allowed"));
            }
        };
        if path.used < parts.len() {
            return Err(Error::new(
                Code::ValueError,
                format!(
                    "FilteredRelation's relation_name cannot contain lookups (got '{relation}')."
                ),
            ));
        }
        let mut lookups = Vec::new();
        lookups_of(condition, &mut lookups);
        if has_queryset(condition) {
            return Err(Error::new(
                Code::ValueError,
                "Passing a QuerySet within a FilteredRelation is not supported.",
            ));
        }
        for lookup in lookups {
            let names = split(&lookup);
            let found = match self.names_to_path(q, &names, model, true, false) {
                Ok(path) => path,
                Err(PathError::Other(error)) => return Err(error),
                Err(PathError::Multi(_)) => {
                    return Err(Error::internal("multi-valued relation where allowed"));
                }
            };
            let shift = if found.used == names.len() { 2 } else { 1 };
            let depth = found.used.saturating_sub(shift);
            for (i, part) in names.iter().take(depth).enumerate() {
                if parts.get(i).is_some_and(|p| p != part) {
                    return Err(Error::new(
                        Code::ValueError,
                        format!(
                            "FilteredRelation's condition doesn't support relations outside the '{relation}' (got '{lookup}')."
                        ),
                    ));
                }
            }
            if found.used > parts.len() + 1 {
                return Err(Error::new(
                    Code::ValueError,
                    format!(
                        "FilteredRelation's condition doesn't support nested relations deeper than the relation_name (got '{lookup}' for '{relation}')."
                    ),
                ));
            }
        }
        let condition = rename_prefix(condition, relation, name);
        self.q_mut(q)?.filtered_relations.insert(
            name.to_owned(),
            super::query::FilteredRelation {
                relation: relation.to_owned(),
                condition,
            },
        );
        Ok(())
    }

    /// The condition of a filtered relation, when its join is made.
    pub(super) fn filtered_condition(
        &mut self,
        q: QueryId,
        name: &str,
        reuse: super::Reuse,
    ) -> Result<Predicate> {
        let Some(relation) = self.q(q)?.filtered_relations.get(name).cloned() else {
            return Ok(Predicate::TRUE);
        };
        if self.q(q)?.anti && refers_out(&relation.condition) {
            return Err(super::expr::no_outer_query());
        }
        let mut reuse = reuse;
        let (predicate, _) = self.build_q(
            q,
            &relation.condition,
            FilterContext {
                split: false,
                update_join_types: false,
                ..FilterContext::default()
            },
            &mut reuse,
        )?;
        Ok(conjunction(vec![predicate]))
    }
}

/// Whether a condition compares with a column of an outer query.
fn refers_out(condition: &Q) -> bool {
    match condition {
        Q::And(parts) | Q::Or(parts) | Q::Xor(parts) => parts.iter().any(refers_out),
        Q::Not(inner) => refers_out(inner),
        Q::Lookup { rhs, .. } => matches!(rhs, Expr::OuterRef(_)),
        Q::Expr(_) => false,
    }
}

/// Names that would be no column alias are refused (`Query.check_alias`).
pub(super) fn check_alias(name: &str) -> Result<()> {
    let forbidden = name
        .chars()
        .any(|c| c.is_whitespace() || c.is_control() || matches!(c, '\'' | '"' | '`' | ';' | '#'))
        || name.contains("--")
        || name.contains("/*")
        || name.contains("*/");
    if forbidden {
        return Err(Error::new(
            Code::ValueError,
            "Column aliases cannot contain whitespace characters, hashes, control characters, quotation marks, \
             semicolons, or SQL comments.",
        ));
    }
    Ok(())
}

pub(super) fn lookups_of(condition: &Q, found: &mut Vec<String>) {
    match condition {
        Q::And(parts) | Q::Or(parts) | Q::Xor(parts) => {
            for part in parts {
                lookups_of(part, found);
            }
        }
        Q::Not(inner) => lookups_of(inner, found),
        Q::Lookup { path, rhs } => {
            found.push(path.clone());
            paths_of(rhs, found);
        }
        Q::Expr(expr) => paths_of(expr, found),
    }
}

/// Paths of the `F` in an expression, also in its conditions.
fn paths_of(expr: &Expr, found: &mut Vec<String>) {
    match expr {
        Expr::F(path) => found.push(path.clone()),
        Expr::Not(inner)
        | Expr::Neg(inner)
        | Expr::Wrap { expr: inner, .. }
        | Expr::Slice { expr: inner, .. }
        | Expr::Transform { expr: inner, .. } => paths_of(inner, found),
        Expr::Combined { lhs, rhs, .. } | Expr::Compare { lhs, rhs, .. } => {
            paths_of(lhs, found);
            paths_of(rhs, found);
        }
        Expr::Func(func) => {
            for arg in &func.args {
                paths_of(arg, found);
            }
        }
        Expr::Case(case) => {
            for when in &case.when {
                lookups_of(&when.condition, found);
                paths_of(&when.then, found);
            }
            if let Some(default) = &case.default {
                paths_of(default, found);
            }
        }
        Expr::Q(condition) => lookups_of(condition, found),
        _ => {}
    }
}

pub(super) fn has_queryset(condition: &Q) -> bool {
    match condition {
        Q::And(parts) | Q::Or(parts) | Q::Xor(parts) => parts.iter().any(has_queryset),
        Q::Not(inner) => has_queryset(inner),
        Q::Lookup { rhs, .. } => matches!(rhs, Expr::Subquery(_)),
        Q::Expr(_) => false,
    }
}

pub(super) fn rename_prefix(condition: &Q, prefix: &str, name: &str) -> Q {
    match condition {
        Q::And(parts) => Q::And(
            parts
                .iter()
                .map(|p| rename_prefix(p, prefix, name))
                .collect(),
        ),
        Q::Or(parts) => Q::Or(
            parts
                .iter()
                .map(|p| rename_prefix(p, prefix, name))
                .collect(),
        ),
        Q::Xor(parts) => Q::Xor(
            parts
                .iter()
                .map(|p| rename_prefix(p, prefix, name))
                .collect(),
        ),
        Q::Not(inner) => Q::Not(Box::new(rename_prefix(inner, prefix, name))),
        Q::Lookup { path, rhs } => Q::Lookup {
            path: renamed(path, prefix, name),
            // Django leaves a bare F on the right side as it is: it finds the relation's join by itself.
            rhs: match rhs {
                Expr::F(_) => rhs.clone(),
                other => rename_expression(other, prefix, name),
            },
        },
        Q::Expr(expr) => Q::Expr(rename_expression(expr, prefix, name)),
    }
}

fn renamed(path: &str, prefix: &str, name: &str) -> String {
    match path.strip_prefix(prefix) {
        Some(rest) if rest.starts_with("__") => format!("{name}{rest}"),
        _ => path.to_owned(),
    }
}

/// An expression with the paths over a relation led over its filtered relation.
fn rename_expression(expr: &Expr, prefix: &str, name: &str) -> Expr {
    let inner = |e: &Expr| Box::new(rename_expression(e, prefix, name));
    match expr {
        Expr::F(path) => Expr::F(renamed(path, prefix, name)),
        Expr::Not(e) => Expr::Not(inner(e)),
        Expr::Neg(e) => Expr::Neg(inner(e)),
        Expr::Wrap { expr, output } => Expr::Wrap {
            expr: inner(expr),
            output: output.clone(),
        },
        Expr::Slice { expr, start, stop } => Expr::Slice {
            expr: inner(expr),
            start: *start,
            stop: *stop,
        },
        Expr::Transform {
            name: key,
            expr,
            text,
        } => Expr::Transform {
            name: key.clone(),
            expr: inner(expr),
            text: *text,
        },
        Expr::Combined { op, lhs, rhs } => Expr::Combined {
            op: *op,
            lhs: inner(lhs),
            rhs: inner(rhs),
        },
        Expr::Compare { lookup, lhs, rhs } => Expr::Compare {
            lookup: lookup.clone(),
            lhs: inner(lhs),
            rhs: inner(rhs),
        },
        Expr::Func(func) => Expr::Func(crate::queryset::Func {
            args: func
                .args
                .iter()
                .map(|a| rename_expression(a, prefix, name))
                .collect(),
            ..func.clone()
        }),
        Expr::Case(case) => Expr::Case(crate::queryset::Case {
            when: case
                .when
                .iter()
                .map(|w| crate::queryset::When {
                    condition: rename_prefix(&w.condition, prefix, name),
                    then: rename_expression(&w.then, prefix, name),
                })
                .collect(),
            default: case.default.as_ref().map(|d| inner(d)),
            output: case.output.clone(),
        }),
        Expr::Q(condition) => Expr::Q(Box::new(rename_prefix(condition, prefix, name))),
        other => other.clone(),
    }
}
