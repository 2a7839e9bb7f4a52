//! Which columns tell rows apart.

use super::super::{
    Cardinality, ColumnId, Columns, CompareOp, JoinKind, Origin, Predicate, Rel, Scalar, SourceId,
};
use super::{ColumnSet, SourceSet};
use crate::error::Result;
use crate::names::Name;
use crate::schema::Schema;

/// What some columns decide: further columns and whole documents.
#[derive(Debug, Clone, Default)]
pub struct Determined {
    /// Columns with one value for each value of the given ones.
    pub columns: ColumnSet,
    /// Sources with one document (or none) for each value of the given columns.
    pub sources: SourceSet,
}

impl Determined {
    /// Whether a column is decided.
    #[must_use]
    pub fn has(&self, columns: &Columns, id: ColumnId) -> bool {
        self.columns.contains(id)
            || columns
                .source_of(id)
                .is_some_and(|s| self.sources.contains(s))
    }
}

/// The sets of stored keys that are unique among the documents of a source, where they are not NULL.
///
/// # Errors
/// `Internal` for ids of another schema.
pub fn unique_paths<'s>(
    schema: &'s Schema,
    columns: &Columns,
    source: SourceId,
) -> Result<&'s [Vec<Name>]> {
    let model = schema.model(columns.source(source)?.model)?;
    Ok(&schema.model(model.concrete)?.unique_keys)
}

/// Columns that a condition, where it is true, fixes to one value.
#[must_use]
pub fn constants(predicate: &Predicate) -> ColumnSet {
    let mut set = ColumnSet::new();
    add_constants(predicate, &mut set);
    set
}

fn add_constants(predicate: &Predicate, set: &mut ColumnSet) {
    match predicate {
        Predicate::And(list) => list.iter().for_each(|p| add_constants(p, set)),
        Predicate::Compare {
            op: CompareOp::Eq,
            lhs,
            rhs,
        } => match (lhs, rhs) {
            (Scalar::Column(id), Scalar::Literal(_)) | (Scalar::Literal(_), Scalar::Column(id)) => {
                set.insert(*id);
            }
            _ => {}
        },
        Predicate::In { lhs, list } if list.len() == 1 => {
            if let (Scalar::Column(id), Some(Scalar::Literal(_))) = (lhs, list.first()) {
                set.insert(*id);
            }
        }
        _ => {}
    }
}

/// What `given` columns decide in the rows of `rel`: through unique keys, to-one joins, equalities and definitions.
///
/// # Errors
/// `Internal` for ids of another plan or schema.
pub fn determined(
    rel: &Rel,
    given: &ColumnSet,
    schema: &Schema,
    columns: &Columns,
) -> Result<Determined> {
    let mut known = Determined {
        columns: given.clone(),
        sources: SourceSet::new(),
    };
    let mut at = Some(rel);
    while let Some(rel) = at {
        if let Rel::Filter { predicate, .. } = rel {
            add_constants(predicate, &mut known.columns);
        }
        at = rel.input();
    }
    // Every round decides at least one more source or column, or is the last.
    while upwards(rel, &mut known, schema, columns)? {}
    Ok(known)
}

/// One round over the operators, inputs first.
fn upwards(rel: &Rel, known: &mut Determined, schema: &Schema, columns: &Columns) -> Result<bool> {
    let below = match rel.input() {
        Some(input) => upwards(input, known, schema, columns)?,
        None => false,
    };
    Ok(advance(rel, known, schema, columns)? || below)
}

fn advance(rel: &Rel, known: &mut Determined, schema: &Schema, columns: &Columns) -> Result<bool> {
    let all_known =
        |known: &Determined, s: &Scalar| s.used_columns().iter().all(|id| known.has(columns, id));
    let mut changed = false;
    match rel {
        Rel::Scan(source) => {
            changed |= by_unique(*source, known, schema, columns)?;
        }
        Rel::Search(search) => {
            changed |= by_unique(search.source, known, schema, columns)?;
            if known.sources.contains(search.source) {
                for (id, _) in &search.columns {
                    changed |= known.columns.insert(*id);
                }
            }
        }
        Rel::Join(join) => {
            // A LEFT join without a match leaves NULLs: a unique value still decides it, since NULL is one value
            // only where no document is; so only keys that are never NULL count, as `by_unique` sees to.
            changed |= by_unique(join.source, known, schema, columns)?;
            if join.cardinality == Cardinality::One
                && !known.sources.contains(join.source)
                && join.on.iter().all(|(lhs, _)| all_known(known, lhs))
                && join.condition.as_ref().is_none_or(|c| {
                    c.used_columns().iter().all(|id| {
                        known.has(columns, id) || columns.source_of(id) == Some(join.source)
                    })
                })
            {
                changed |= known.sources.insert(join.source);
            }
            if join.kind == JoinKind::Inner {
                for (lhs, rhs) in &join.on {
                    if all_known(known, lhs) && !known.has(columns, *rhs) {
                        changed |= known.columns.insert(*rhs);
                    }
                    if let Scalar::Column(id) = lhs
                        && known.has(columns, *rhs)
                        && !known.has(columns, *id)
                    {
                        changed |= known.columns.insert(*id);
                    }
                }
            }
        }
        Rel::Extend {
            columns: definitions,
            ..
        } => {
            for (id, definition) in definitions {
                if !known.columns.contains(*id)
                    && super::super::is_copyable(super::super::Node::Scalar(definition))
                    && all_known(known, definition)
                {
                    changed |= known.columns.insert(*id);
                }
                // A column that renames another decides it as well.
                if let Scalar::Column(of) = definition
                    && known.columns.contains(*id)
                    && !known.has(columns, *of)
                {
                    changed |= known.columns.insert(*of);
                }
            }
        }
        _ => {}
    }
    Ok(changed)
}

fn by_unique(
    source: SourceId,
    known: &mut Determined,
    schema: &Schema,
    columns: &Columns,
) -> Result<bool> {
    if known.sources.contains(source) || known.columns.is_empty() {
        return Ok(false);
    }
    let stored = |id: ColumnId, name: &Name| {
        columns.get(id).is_ok_and(|column| {
            !column.nullable
                && matches!(&column.origin, Origin::Stored { source: s, path, .. }
                    if *s == source && matches!(&**path, [key] if key == name))
        })
    };
    for set in unique_paths(schema, columns, source)? {
        let there = |name| known.columns.iter().any(|id| stored(id, name));
        if set.iter().all(there) {
            return Ok(known.sources.insert(source));
        }
    }
    Ok(false)
}

/// Whether no two rows of `rel` agree on all of `given`.
///
/// # Errors
/// `Internal` for ids of another plan or schema.
pub fn is_unique(rel: &Rel, given: &ColumnSet, schema: &Schema, columns: &Columns) -> Result<bool> {
    match rel {
        Rel::Empty | Rel::Unit => return Ok(true),
        _ => {}
    }
    let known = determined(rel, given, schema, columns)?;
    Ok(tells_apart(rel, &known, columns))
}

/// Whether no two rows of `rel` agree on all that is `known`.
#[must_use]
pub fn tells_apart(rel: &Rel, known: &Determined, columns: &Columns) -> bool {
    let mut at = rel;
    loop {
        match at {
            Rel::Empty | Rel::Unit => return true,
            Rel::Scan(source) => return known.sources.contains(*source),
            Rel::Search(search) => return known.sources.contains(search.source),
            Rel::Raw { .. } | Rel::SetOp { .. } => return false,
            Rel::Filter { input, .. }
            | Rel::Extend { input, .. }
            | Rel::Window { input, .. }
            | Rel::Sort { input, .. }
            | Rel::Slice { input, .. } => at = input,
            Rel::DistinctOn { input, .. } => at = input,
            Rel::Join(join) => {
                if join.cardinality == Cardinality::Many && !known.sources.contains(join.source) {
                    return false;
                }
                at = &join.input;
            }
            Rel::Aggregate { keys, .. } => {
                return keys
                    .iter()
                    .all(|(id, key)| matches!(key, Scalar::Literal(_)) || known.has(columns, *id));
            }
            Rel::Distinct {
                columns: distinct, ..
            } => return distinct.iter().all(|id| known.has(columns, *id)),
        }
    }
}
