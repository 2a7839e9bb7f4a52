//! The equality with an outer row that a `$lookup` takes as `localField` and `foreignField`.

use crate::error::Result;
use crate::lower::Lowerer;
use crate::lower::filter::split;
use crate::lower::join::{not_null, stored_path};
use crate::plan::{ColumnId, CompareOp, Predicate, Rel, Scalar, SourceId};

impl Lowerer<'_> {
    /// Takes an equality between a stored column of the subquery's base and an outer path out of its filters, for
    /// `localField` and `foreignField`.
    pub(super) fn correlation(&mut self, rel: &mut Rel) -> Result<Option<(String, String)>> {
        let Some(base) = rel.base() else {
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

/// Equalities of the base's columns with outer values, in filters that may be applied first of all.
fn collect(rel: &Rel, base: SourceId, lowerer: &Lowerer<'_>, out: &mut Vec<(ColumnId, Scalar)>) {
    match rel {
        Rel::Filter { input, predicate } => {
            let mut conjuncts = Vec::new();
            split(predicate, &mut conjuncts);
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
            if let Some(input) = other.input() {
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
    let (lhs, rhs) = predicate.as_equality()?;
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

/// Replaces the equality of two columns by a guard or by nothing.
fn replace(rel: &mut Rel, inner: ColumnId, outer: &Scalar, guard: Option<Predicate>) -> bool {
    match rel {
        Rel::Filter { input, predicate } => {
            // The lowest one was found last; any will do, as all hold.
            replace_in(predicate, inner, outer, guard.as_ref())
                || replace(input, inner, outer, guard)
        }
        other => other
            .input_mut()
            .is_some_and(|input| replace(input, inner, outer, guard)),
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
