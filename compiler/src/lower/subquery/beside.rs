//! Several fields of the same row: `latest title` and `latest price` are one look-up of the latest book.

use crate::error::Result;
use crate::lower::Lowerer;
use crate::mql::{Args, Expr, Projection, Stage};
use crate::names::Name;
use crate::plan::{ColumnId, Columns, Origin, Scalar, SourceId, SubPlan, counterparts};

impl Lowerer<'_> {
    /// The value of a subquery that differs only in its field from one that is looked up already: the look-up gives both.
    pub(super) fn beside(&mut self, sub: &SubPlan, column: &Scalar) -> Result<Option<Expr>> {
        let columns = self.columns;
        let scope = self.scope()?;
        if scope.subqueries.is_empty() {
            return Ok(None);
        }
        let Some((source, key)) = stored(column, columns) else {
            return Ok(None);
        };
        for (other, val) in &scope.subqueries {
            let ([first], Expr::Op("$first", Args::One(values))) =
                (other.columns.as_slice(), &val.expr)
            else {
                continue;
            };
            let (Some((of, known)), Expr::Field(path)) = (stored(first, columns), &**values) else {
                continue;
            };
            let [rows, field] = &**path else {
                continue;
            };
            if field != known || other.kind != sub.kind {
                continue;
            }
            // Of the same documents of the same rows.
            let is_of = |id: ColumnId, source| columns.source_of(id) == Some(source);
            let same = counterparts(&other.rel, &sub.rel, columns).is_some_and(|names| {
                names
                    .iter()
                    .any(|(from, to)| is_of(*from, source) && is_of(*to, of))
            });
            if !same {
                continue;
            }
            let fields = scope.stages.iter_mut().rev().find_map(|stage| match stage {
                Stage::Lookup(lookup) if lookup.into == **rows => {
                    match lookup.pipeline.last_mut() {
                        Some(Stage::Project(fields)) => Some(fields),
                        _ => None,
                    }
                }
                _ => None,
            });
            if fields.is_some_and(|fields| is_included(fields, field) && include(fields, key)) {
                let path = [rows.clone(), key.clone()];
                return Ok(Some(Expr::one("$first", Expr::field(path))));
            }
        }
        Ok(None)
    }
}

/// The field of a document that a value is, with its source.
fn stored<'c>(scalar: &Scalar, columns: &'c Columns) -> Option<(SourceId, &'c Name)> {
    let Scalar::Column(id) = scalar else {
        return None;
    };
    let Origin::Stored { source, path, .. } = &columns.get(*id).ok()?.origin else {
        return None;
    };
    match &**path {
        [key] => Some((*source, key)),
        _ => None,
    }
}

type Fields = Vec<(String, Projection)>;

fn is_included(fields: &Fields, key: &str) -> bool {
    fields
        .iter()
        .any(|(name, projection)| name == key && matches!(projection, Projection::Include))
}

/// Includes another field, unless something else has its name.
fn include(fields: &mut Fields, key: &str) -> bool {
    let id = |(_, projection): &(String, Projection)| matches!(projection, Projection::Exclude);
    match fields.iter_mut().find(|(name, _)| name == key) {
        Some((_, projection @ Projection::Exclude)) => *projection = Projection::Include,
        Some((_, projection)) => return matches!(projection, Projection::Include),
        None => {
            let at = fields.iter().position(id).unwrap_or(fields.len());
            fields.insert(at, (key.to_owned(), Projection::Include));
        }
    }
    true
}
