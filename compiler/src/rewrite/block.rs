//! Blocks of joins: a scan with joins and filters over it, whose order may change.

use std::sync::Arc;

use crate::definitions::paths;
use crate::error::Result;
use crate::plan::facts::unique_paths;
use crate::plan::{
    Cardinality, ColumnId, Columns, CompareOp, Join, JoinKind, Origin, Pattern, Predicate, Rel,
    Scalar, SourceId, SubKind, SubPlan,
};
use crate::schema::{FieldKind, FieldType, Schema, StorageFamily};

/// A join without its input.
pub(super) struct Edge {
    pub source: SourceId,
    pub kind: JoinKind,
    pub on: Vec<(Scalar, ColumnId)>,
    pub condition: Option<Predicate>,
    pub cardinality: Cardinality,
}

/// A scan, joins in order, and the parts of all filters between and above them. A filter may move above later joins,
/// since joins keep the columns that it reads.
pub(super) struct Block {
    pub base: SourceId,
    pub joins: Vec<Edge>,
    pub conditions: Vec<Predicate>,
}

/// Whether rows are a block.
pub(super) fn is_block(rel: &Rel) -> bool {
    let mut at = rel;
    loop {
        match at {
            Rel::Scan(_) => return true,
            Rel::Filter { input, .. } => at = input,
            Rel::Join(join) => at = &join.input,
            _ => return false,
        }
    }
}

/// A block to look at, where it is.
pub(super) struct View<'p> {
    pub base: SourceId,
    pub joins: Vec<&'p Join>,
    pub conditions: Vec<&'p Predicate>,
}

impl<'p> View<'p> {
    /// The block, if rows are one.
    pub(super) fn of(rel: &'p Rel) -> Option<Self> {
        let mut joins = Vec::new();
        let mut conditions = Vec::new();
        let mut at = rel;
        loop {
            match at {
                Rel::Scan(base) => {
                    joins.reverse();
                    return Some(View {
                        base: *base,
                        joins,
                        conditions,
                    });
                }
                Rel::Filter { input, predicate } => {
                    conditions.extend(predicate.parts());
                    at = input;
                }
                Rel::Join(join) => {
                    joins.push(&**join);
                    at = &join.input;
                }
                _ => return None,
            }
        }
    }
}

impl Block {
    /// Takes a block apart; call [`is_block`] first. Anything else gives it back.
    pub(super) fn take(rel: Rel) -> std::result::Result<Block, Box<Rel>> {
        if !is_block(&rel) {
            return Err(Box::new(rel));
        }
        let mut joins = Vec::new();
        let mut conditions = Vec::new();
        let mut at = rel;
        loop {
            match at {
                Rel::Scan(base) => {
                    joins.reverse();
                    conditions.reverse();
                    return Ok(Block {
                        base,
                        joins,
                        conditions,
                    });
                }
                Rel::Filter { input, predicate } => {
                    match predicate {
                        Predicate::And(list) => conditions.extend(list.into_iter().rev()),
                        other => conditions.push(other),
                    }
                    at = *input;
                }
                Rel::Join(join) => {
                    joins.push(Edge {
                        source: join.source,
                        kind: join.kind,
                        on: join.on,
                        condition: join.condition,
                        cardinality: join.cardinality,
                    });
                    at = join.input;
                }
                other => return Err(Box::new(other)),
            }
        }
    }

    /// The rows of the block.
    pub(super) fn build(self) -> Rel {
        let mut rel = Rel::Scan(self.base);
        for edge in self.joins {
            rel = edge.over(rel);
        }
        filtered(rel, self.conditions)
    }
}

impl Edge {
    /// The join over an input.
    pub(super) fn over(self, input: Rel) -> Rel {
        Rel::Join(Box::new(Join {
            input,
            source: self.source,
            kind: self.kind,
            on: self.on,
            condition: self.condition,
            cardinality: self.cardinality,
        }))
    }
}

/// The equalities of a join as conditions on the joined rows.
pub(super) fn equalities(on: Vec<(Scalar, ColumnId)>) -> Vec<Predicate> {
    let equal = |(lhs, rhs)| Predicate::equal(Scalar::Column(rhs), lhs);
    on.into_iter().map(equal).collect()
}

/// Whether there are rows.
pub(super) fn existence(rel: Rel) -> Predicate {
    Predicate::Exists(Box::new(SubPlan {
        kind: SubKind::Exists,
        rel,
        columns: Vec::new(),
        ty: Arc::new(FieldType::new(FieldKind::BooleanField)),
    }))
}

/// Rows with conditions.
pub(super) fn filtered(input: Rel, mut conditions: Vec<Predicate>) -> Rel {
    let predicate = match conditions.len() {
        0 => return input,
        1 => match conditions.pop() {
            Some(only) => only,
            None => return input,
        },
        _ => Predicate::And(conditions),
    };
    Rel::Filter {
        input: Box::new(input),
        predicate,
    }
}

/// The stored key of a column at the root of its document.
pub(super) fn root_key(columns: &Columns, id: ColumnId) -> Option<(SourceId, &str)> {
    match &columns.get(id).ok()?.origin {
        Origin::Stored { source, path, .. } => match &**path {
            [key] => Some((*source, key)),
            _ => None,
        },
        Origin::Computed => None,
    }
}

/// Whether a set of stored keys is unique among the documents of a source, where they are not NULL.
pub(super) fn is_unique_set(
    schema: &Schema,
    columns: &Columns,
    source: SourceId,
    keys: &[&str],
) -> Result<bool> {
    Ok(unique_paths(schema, columns, source)?
        .iter()
        .any(|set| set.iter().all(|k| keys.contains(&&**k))))
}

/// Whether an index of the source starts with a stored key.
pub(super) fn is_indexed(
    schema: &Schema,
    columns: &Columns,
    source: SourceId,
    key: &str,
) -> Result<bool> {
    if key == "_id" || is_unique_set(schema, columns, source, &[key])? {
        return Ok(true);
    }
    let model = schema.model(columns.source(source)?.model)?;
    let model = schema.model(model.concrete)?;
    let mut general = model.indexes.iter().filter(|index| index.is_general());
    Ok(general.any(|index| {
        paths(schema, model, index).is_some_and(|(keys, not_null)| {
            // A value of the first key says nothing of the others, which may be NULL.
            keys.first().is_some_and(|first| first == key) && not_null.iter().all(|k| k == key)
        })
    }))
}

/// How many documents a source is asked for, roughly, from the least to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    /// At most one: a unique key.
    One,
    /// A list of unique keys.
    Few,
    /// Those of a foreign key.
    Related,
    /// Those of another indexed value.
    Indexed,
    /// An indexed range.
    Range,
    /// All.
    All,
}

/// What a condition asks of a column.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Value,
    OneOf,
    Range,
}

/// The column that a condition compares with `known` values so that an index of it would serve.
fn asked(p: &Predicate, is_known: &dyn Fn(&Scalar) -> bool) -> Option<(ColumnId, Asked)> {
    match p {
        Predicate::Compare { op, lhs, rhs } => {
            let id = match (lhs, rhs) {
                (Scalar::Column(a), rhs) if is_known(rhs) => *a,
                (lhs, Scalar::Column(b)) if is_known(lhs) => *b,
                _ => return None,
            };
            match op {
                CompareOp::Eq => Some((id, Asked::Value)),
                CompareOp::Ne => None,
                _ => Some((id, Asked::Range)),
            }
        }
        Predicate::In {
            lhs: Scalar::Column(id),
            list,
        } if list.iter().all(is_known) => Some((*id, Asked::OneOf)),
        Predicate::InParameter {
            lhs: Scalar::Column(id),
            ..
        } => Some((*id, Asked::OneOf)),
        Predicate::Like {
            lhs: Scalar::Column(id),
            rhs,
            pattern: Pattern::StartsWith,
            insensitive: false,
        } if is_known(rhs) => Some((*id, Asked::Range)),
        _ => None,
    }
}

/// How many documents of a source satisfy conditions that only it and `known` values concern.
pub(super) fn reach<'p>(
    source: SourceId,
    conditions: impl Iterator<Item = &'p Predicate>,
    is_known: &dyn Fn(&Scalar) -> bool,
    schema: &Schema,
    columns: &Columns,
) -> Result<Reach> {
    let mut best = Reach::All;
    // Several values together can be unique.
    let mut fixed: Vec<&str> = Vec::new();
    for p in conditions {
        // What is found by the worst of the alternatives, each by its own index.
        if let Predicate::Or(list) = p {
            let mut worst = Reach::Few;
            for p in list {
                let own = reach(source, p.parts().iter(), is_known, schema, columns)?;
                worst = worst.max(own);
            }
            best = best.min(worst);
            continue;
        }
        let Some((column, asked)) = asked(p, is_known) else {
            continue;
        };
        let Some((_, key)) = root_key(columns, column).filter(|(of, _)| *of == source) else {
            continue;
        };
        if asked == Asked::Value {
            fixed.push(key);
        }
        if !is_indexed(schema, columns, source, key)? {
            continue;
        }
        let unique = is_unique_set(schema, columns, source, &[key])?;
        best = best.min(match asked {
            Asked::Value if unique => Reach::One,
            Asked::OneOf if unique => Reach::Few,
            Asked::Value | Asked::OneOf if is_foreign_key(column, schema, columns) => {
                Reach::Related
            }
            Asked::Value | Asked::OneOf => Reach::Indexed,
            Asked::Range => Reach::Range,
        });
    }
    if best > Reach::One && is_unique_set(schema, columns, source, &fixed)? {
        best = Reach::One;
    }
    Ok(best)
}

/// Whether a column holds keys of another collection.
pub(super) fn is_foreign_key(id: ColumnId, schema: &Schema, columns: &Columns) -> bool {
    columns.get(id).is_ok_and(|column| match &column.origin {
        Origin::Stored { field: Some(f), .. } => schema
            .field(*f)
            .is_ok_and(|f| matches!(f.ty.kind, FieldKind::ForeignKey | FieldKind::OneToOneField)),
        _ => false,
    })
}

/// Whether a condition keeps few documents of a source, as far as can be told without an index: an equality with
/// what is not just yes or no, a list, or a pattern.
pub(super) fn is_picky<'p>(
    source: SourceId,
    mut conditions: impl Iterator<Item = &'p Predicate>,
    is_known: &dyn Fn(&Scalar) -> bool,
    columns: &Columns,
) -> bool {
    let mine = |s: &Scalar| match s {
        Scalar::Column(id) => {
            columns.source_of(*id) == Some(source)
                && columns
                    .get(*id)
                    .is_ok_and(|c| c.ty.kind.family() != StorageFamily::Bool)
        }
        _ => false,
    };
    conditions.any(|p| match p {
        Predicate::Compare {
            op: CompareOp::Eq,
            lhs,
            rhs,
        } => (mine(lhs) && is_known(rhs)) || (mine(rhs) && is_known(lhs)),
        Predicate::In { lhs, list } => mine(lhs) && list.iter().all(is_known),
        Predicate::InParameter { lhs, .. } => mine(lhs),
        Predicate::Like { lhs, rhs, .. } => mine(lhs) && is_known(rhs),
        Predicate::Or(list) => list
            .iter()
            .all(|p| is_picky(source, p.parts().iter(), is_known, columns)),
        _ => false,
    })
}

/// Whether an alternative keeps some of the documents of a source rather than most of them: as [`is_picky`], or by a bound.
pub(super) fn is_bounded<'p>(
    source: SourceId,
    conditions: impl Iterator<Item = &'p Predicate> + Clone,
    is_known: &dyn Fn(&Scalar) -> bool,
    columns: &Columns,
) -> bool {
    let mine = |s: &Scalar| match s {
        Scalar::Column(id) => columns.source_of(*id) == Some(source),
        _ => false,
    };
    let bounds = |p: &Predicate| match p {
        Predicate::Compare { op, lhs, rhs } => {
            !matches!(op, CompareOp::Eq | CompareOp::Ne)
                && ((mine(lhs) && is_known(rhs)) || (mine(rhs) && is_known(lhs)))
        }
        _ => false,
    };
    is_picky(source, conditions.clone(), is_known, columns) || conditions.into_iter().any(bounds)
}
