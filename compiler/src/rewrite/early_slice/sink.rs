//! Sorts and slices go down.

use crate::plan::facts::{ColumnSet, used_columns};
use crate::plan::{
    Cardinality, ColumnId, Columns, Join, JoinKind, Node, Predicate, Rel, Scalar, SortKey,
    as_column,
};
use crate::rewrite::block::filtered;
use crate::rewrite::walk;

/// Moves a slice or a sort down as far as it goes; `served` where an index gives the order of the sort.
pub(super) fn sink(rel: &mut Rel, served: bool, columns: &Columns) -> bool {
    match rel {
        Rel::Slice { .. } => sink_slice(rel, served, columns),
        Rel::Sort { .. } => sink_sort(rel, served, columns),
        _ => false,
    }
}

/// The sort below goes first: then the slice can follow it.
fn sink_slice(slice: &mut Rel, served: bool, columns: &Columns) -> bool {
    let mut changed = match slice.input_mut() {
        Some(sort @ Rel::Sort { .. }) => sink(sort, served, columns),
        _ => false,
    };
    let keeps_rows = match slice.input() {
        Some(Rel::Join(join)) => {
            join.kind == JoinKind::Left && join.cardinality == Cardinality::One
        }
        Some(Rel::Extend { .. }) => true,
        _ => false,
    };
    if keeps_rows {
        changed |= swap_and_sink(slice, served, columns);
    }
    changed
}

fn sink_sort(sort: &mut Rel, served: bool, columns: &Columns) -> bool {
    let Rel::Sort { input, keys } = sort else {
        return false;
    };
    let mut used = ColumnSet::new();
    for key in keys.iter() {
        used.union(&used_columns(Node::Scalar(&key.scalar)));
    }
    match &mut **input {
        Rel::Join(join) => {
            // A join that selects leaves less to sort.
            let keeps_rows = join.kind == JoinKind::Left
                || (join.cardinality == Cardinality::One && join.condition.is_none());
            (keeps_rows || served)
                && is_before(keys, &used, join, columns)
                && swap_and_sink(sort, served, columns)
        }
        Rel::Extend { .. } => past_extend(sort, used, served, columns),
        Rel::Filter { input, .. } if served && is_own(input, &used, columns) => {
            past_filter(sort, columns)
        }
        _ => false,
    }
}

/// Exchanges an operator with its input and moves it further down.
fn swap_and_sink(rel: &mut Rel, served: bool, columns: &Columns) -> bool {
    if !swap(rel) {
        return false;
    }
    if let Some(below) = rel.input_mut() {
        sink(below, served, columns);
    }
    true
}

/// Whether keys can be had before a join. A joined column that equals one of the rows before is replaced by it.
fn is_before(keys: &mut [SortKey], used: &ColumnSet, join: &Join, columns: &Columns) -> bool {
    let joined = |id: ColumnId| columns.source_of(id) == Some(join.source);
    if !used.iter().any(joined) {
        return true;
    }
    if join.kind != JoinKind::Inner {
        return false;
    }
    let mut before = Vec::with_capacity(keys.len());
    for key in keys.iter() {
        let equal = join.on.iter().find_map(|(lhs, rhs)| {
            (key.nulls.is_none() && key.scalar == Scalar::Column(*rhs)).then(|| as_column(lhs))?
        });
        match equal {
            Some(id) => before.push(Some(id)),
            None if used_columns(Node::Scalar(&key.scalar)).iter().any(joined) => return false,
            None => before.push(None),
        }
    }
    for (key, before) in keys.iter_mut().zip(before) {
        if let Some(id) = before {
            key.scalar = Scalar::Column(id);
        }
    }
    true
}

/// Whether columns are all of the collection that rows start with.
fn is_own(rows: &Rel, used: &ColumnSet, columns: &Columns) -> bool {
    let mut at = rows;
    loop {
        match at {
            Rel::Scan(base) => {
                return used.iter().all(|id| columns.source_of(id) == Some(*base));
            }
            Rel::Filter { input, .. } | Rel::Extend { input, .. } => at = input,
            Rel::Join(join) => at = &join.input,
            _ => return false,
        }
    }
}

/// Conditions on joined rows, and those with subqueries, come after a sort that an index serves: the look-ups end with the slice.
fn past_filter(rel: &mut Rel, columns: &Columns) -> bool {
    let Rel::Sort { input, .. } = rel else {
        return false;
    };
    let Rel::Filter {
        input: below,
        predicate,
    } = &mut **input
    else {
        return false;
    };
    if !matches!(**below, Rel::Scan(_)) {
        return swap_and_sink(rel, true, columns);
    }
    let (late, early): (Vec<Predicate>, Vec<Predicate>) = predicate
        .parts()
        .iter()
        .cloned()
        .partition(walk::has_subquery);
    if late.is_empty() {
        return false;
    }
    **input = filtered(below.take(), early);
    *rel = filtered(rel.take(), late);
    true
}

/// Columns that the keys do not use are computed after the sort.
fn past_extend(rel: &mut Rel, used: ColumnSet, served: bool, columns: &Columns) -> bool {
    let Rel::Sort { input, .. } = rel else {
        return false;
    };
    let Rel::Extend {
        columns: definitions,
        input: below,
    } = &mut **input
    else {
        return false;
    };
    let mut needed = used;
    let mut keep = vec![false; definitions.len()];
    for ((id, definition), flag) in definitions.iter().zip(keep.iter_mut()).rev() {
        if needed.contains(*id) {
            needed.union(&used_columns(Node::Scalar(definition)));
            *flag = true;
        }
    }
    if keep.iter().all(|k| *k) {
        return false;
    }
    let (mut first, mut later) = (Vec::new(), Vec::new());
    for (definition, needed) in std::mem::take(definitions).into_iter().zip(keep) {
        if needed {
            first.push(definition);
        } else {
            later.push(definition);
        }
    }
    let source = below.take();
    let inner = if first.is_empty() {
        source
    } else {
        Rel::Extend {
            input: Box::new(source),
            columns: first,
        }
    };
    **input = inner;
    let mut sort = rel.take();
    sink(&mut sort, served, columns);
    *rel = Rel::Extend {
        input: Box::new(sort),
        columns: later,
    };
    true
}

/// Exchanges an operator with its input.
fn swap(rel: &mut Rel) -> bool {
    let Some(input) = rel.input_mut() else {
        return false;
    };
    let mut upper = input.take();
    let Some(place) = upper.input_mut() else {
        *input = upper;
        return false;
    };
    *input = place.take();
    *place = rel.take();
    *rel = upper;
    true
}
