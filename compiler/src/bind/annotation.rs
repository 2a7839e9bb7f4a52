//! `annotate()`, `alias()` and filtered relations.

use super::filter::{FilterContext, conjunction};
use super::path::{PathError, split};
use super::query::{GroupBy, QueryId};
use super::{Binder, Resolve};
use crate::error::{Code, Error, Result};
use crate::plan::{Predicate, Scalar};
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
                if self.definitions.contains_key(&id)
                    && let Some(column) = self.columns.get_mut(id)
                {
                    name.clone_into(&mut column.name);
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
        Q::Lookup { path, .. } => found.push(path.clone()),
        Q::Expr(_) => {}
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
            path: match path.strip_prefix(prefix) {
                Some(rest) => format!("{name}{rest}"),
                None => path.clone(),
            },
            rhs: rhs.clone(),
        },
        Q::Expr(expr) => Q::Expr(expr.clone()),
    }
}
