//! Rows that are the same but for the numbers of their sources and columns.

use std::collections::HashMap;

use super::{
    Column, ColumnId, Columns, Node, Origin, Rel, Scalar, SourceId, VisitMut, has_volatile, visit,
    walk_rel, walk_scalar,
};
use crate::error::Result;

/// Columns of one query and those that stand in the same place of another.
pub type Counterparts = HashMap<ColumnId, ColumnId>;

struct Rename<'a> {
    sources: &'a HashMap<SourceId, SourceId>,
    columns: &'a Counterparts,
}

impl Rename<'_> {
    fn column(&self, id: &mut ColumnId) {
        if let Some(new) = self.columns.get(id) {
            *id = *new;
        }
    }

    fn source(&self, id: &mut SourceId) {
        if let Some(new) = self.sources.get(id) {
            *id = *new;
        }
    }
}

impl VisitMut for Rename<'_> {
    fn rel(&mut self, rel: &mut Rel) {
        walk_rel(self, rel);
        match rel {
            Rel::Scan(source) | Rel::Raw { source, .. } => self.source(source),
            Rel::Search(search) => {
                self.source(&mut search.source);
                search
                    .columns
                    .iter_mut()
                    .for_each(|(id, _)| self.column(id));
            }
            Rel::Join(join) => {
                self.source(&mut join.source);
                join.on.iter_mut().for_each(|(_, rhs)| self.column(rhs));
            }
            Rel::Extend { columns, .. } => columns.iter_mut().for_each(|(id, _)| self.column(id)),
            Rel::Aggregate {
                keys,
                carried,
                aggregates,
                ..
            } => {
                keys.iter_mut().for_each(|(id, _)| self.column(id));
                carried.iter_mut().for_each(|s| self.source(s));
                aggregates.iter_mut().for_each(|(id, _)| self.column(id));
            }
            Rel::Window { outputs, .. } => outputs.iter_mut().for_each(|(id, _)| self.column(id)),
            Rel::Distinct {
                columns, carried, ..
            } => {
                columns.iter_mut().for_each(|id| self.column(id));
                carried.iter_mut().for_each(|s| self.source(s));
            }
            Rel::DistinctOn {
                kept: Some(columns),
                ..
            }
            | Rel::SetOp { columns, .. } => columns.iter_mut().for_each(|id| self.column(id)),
            Rel::Filter { .. }
            | Rel::DistinctOn { .. }
            | Rel::Sort { .. }
            | Rel::Slice { .. }
            | Rel::Empty
            | Rel::Unit => {}
        }
    }

    fn scalar(&mut self, scalar: &mut Scalar) {
        match scalar {
            Scalar::Column(id) => self.column(id),
            other => walk_scalar(self, other),
        }
    }
}

/// Gives the sources and columns of rows other numbers.
pub fn rename(rel: &mut Rel, sources: &HashMap<SourceId, SourceId>, columns: &Counterparts) {
    Rename { sources, columns }.rel(rel);
}

/// Gives rows that stand a second time sources and columns of their own, those of the subqueries inside them too. The new columns by
/// the old ones.
///
/// # Errors
/// `Internal` for a source or column that is not there.
pub fn with_own_names(rel: &mut Rel, columns: &mut Columns) -> Result<Counterparts> {
    let (old_sources, computed) = own(rel);
    let mut sources = HashMap::new();
    for old in old_sources {
        let copy = columns.source(old)?.clone();
        sources.insert(old, columns.add_source(copy));
    }
    let mut new: Vec<(ColumnId, Column)> = Vec::new();
    for (id, column) in columns.iter() {
        if let Origin::Stored {
            source,
            path,
            field,
        } = &column.origin
            && let Some(of) = sources.get(source)
        {
            let origin = Origin::Stored {
                source: *of,
                path: path.clone(),
                field: *field,
            };
            let column = column.clone();
            new.push((id, Column { origin, ..column }));
        }
    }
    for id in computed {
        new.push((id, columns.get(id)?.clone()));
    }
    let names = new
        .into_iter()
        .map(|(id, column)| (id, columns.add(column)))
        .collect();
    rename(rel, &sources, &names);
    Ok(names)
}

/// What rows bring with them, in the order in which they are written.
fn own(rel: &Rel) -> (Vec<SourceId>, Vec<ColumnId>) {
    let (mut sources, mut columns) = (Vec::new(), Vec::new());
    visit(Node::Rel(rel), &mut |node, _| {
        if let Node::Rel(rel) = node {
            sources.extend(rel.source());
            rel.computed(|id| columns.push(id));
        }
        true
    });
    (sources, columns)
}

/// Whether two queries have the same rows whatever is stored: they differ only in the numbers of their own sources and
/// columns. Gives the columns of `a` that stand for those of `b`. Rows that are different each time are never the same.
#[must_use]
pub fn counterparts(a: &Rel, b: &Rel, columns: &Columns) -> Option<Counterparts> {
    if std::mem::discriminant(a) != std::mem::discriminant(b) {
        return None;
    }
    let ((sources_a, own_a), (sources_b, own_b)) = (own(a), own(b));
    if sources_a.len() != sources_b.len()
        || own_a.len() != own_b.len()
        || has_volatile(Node::Rel(a))
    {
        return None;
    }
    let mut sources = HashMap::new();
    for (a, b) in sources_a.iter().zip(&sources_b) {
        let (one, other) = (columns.source(*a).ok()?, columns.source(*b).ok()?);
        if one.model != other.model || one.collection != other.collection {
            return None;
        }
        sources.insert(*b, *a);
    }
    let mut same: Counterparts = own_b.into_iter().zip(own_a).collect();
    for (id, column) in columns.iter() {
        let Origin::Stored { source, path, .. } = &column.origin else {
            continue;
        };
        let Some(of) = sources.get(source) else {
            continue;
        };
        let there = columns.iter().find(|(_, c)| {
            matches!(&c.origin, Origin::Stored { source: s, path: p, .. } if s == of && p == path)
        });
        if let Some((there, _)) = there {
            same.insert(id, there);
        }
    }
    let mut renamed = b.clone();
    Rename {
        sources: &sources,
        columns: &same,
    }
    .rel(&mut renamed);
    (renamed == *a).then_some(same)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;

    /// Names do not tell queries apart, conditions and collections do.
    #[test]
    fn queries_are_compared_by_structure() {
        let mut b = Build::new();
        let (one, two, tag) = (
            b.source("Book"),
            b.source_as("Book", "two"),
            b.source("Tag"),
        );
        let (p1, p2) = (b.column(one, "pages"), b.column(two, "pages"));
        let (i1, i2) = (b.column(one, "_id"), b.column(two, "_id"));
        let case = b.rows(scan(tag), []);
        let columns = &case.plan.columns;
        let first = filter(scan(one), gt(p1, 3));
        let same = counterparts(&first, &filter(scan(two), gt(p2, 3)), columns);
        assert_eq!(same.and_then(|m| m.get(&i2).copied()), Some(i1));
        assert!(counterparts(&first, &filter(scan(two), gt(p2, 4)), columns).is_none());
        assert!(counterparts(&scan(one), &scan(tag), columns).is_none());
    }

    /// What is random is different each time.
    #[test]
    fn volatile_rows_are_never_the_same() {
        let mut b = Build::new();
        let (one, two) = (b.source("Book"), b.source_as("Book", "two"));
        let id = b.column(one, "_id");
        let random = |source| sort(scan(source), [asc(call("Random", vec![], int_type()))]);
        let (first, second) = (random(one), random(two));
        let case = b.rows(scan(one), [id]);
        assert!(counterparts(&first, &second, &case.plan.columns).is_none());
    }
}
