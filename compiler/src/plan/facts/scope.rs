//! Which columns there are, and which are used.

use super::super::{
    AggregateCall, ColumnId, Columns, Node, Predicate, Rel, Scalar, SubPlan, Visit, visit,
    visit_call, visit_rel, visit_scalar,
};
use super::{ColumnSet, SourceSet};

/// The columns of rows: those computed, and all that are stored in some sources.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// Computed columns (and stored ones that an operator kept one by one).
    pub columns: ColumnSet,
    /// Sources with all their stored columns.
    pub sources: SourceSet,
    /// Every column, because there are no rows.
    pub all: bool,
}

impl Scope {
    /// Whether a column is there.
    #[must_use]
    pub fn has(&self, columns: &Columns, id: ColumnId) -> bool {
        self.all
            || self.columns.contains(id)
            || columns
                .source_of(id)
                .is_some_and(|source| self.sources.contains(source))
    }

    /// Whether all columns of a set are there.
    #[must_use]
    pub fn has_all(&self, columns: &Columns, set: &ColumnSet) -> bool {
        set.iter().all(|id| self.has(columns, id))
    }

    /// Whether a column of a set is there.
    #[must_use]
    pub fn has_any(&self, columns: &Columns, set: &ColumnSet) -> bool {
        set.iter().any(|id| self.has(columns, id))
    }

    /// Adds the columns of another scope.
    pub fn extend(&mut self, other: &Scope) {
        self.columns.union(&other.columns);
        self.sources.union(&other.sources);
        self.all |= other.all;
    }
}

/// The columns that rows have.
#[must_use]
pub fn scope(rel: &Rel) -> Scope {
    match rel {
        Rel::Scan(source) | Rel::Raw { source, .. } => Scope {
            sources: [*source].into_iter().collect(),
            ..Scope::default()
        },
        Rel::Search(search) => Scope {
            sources: [search.source].into_iter().collect(),
            columns: search.columns.iter().map(|(id, _)| *id).collect(),
            all: false,
        },
        Rel::Empty => Scope {
            all: true,
            ..Scope::default()
        },
        Rel::Unit => Scope::default(),
        Rel::Filter { input, .. }
        | Rel::DistinctOn {
            input, kept: None, ..
        }
        | Rel::Sort { input, .. }
        | Rel::Slice { input, .. } => scope(input),
        Rel::Join(join) => {
            let mut s = scope(&join.input);
            s.sources.insert(join.source);
            s
        }
        Rel::Extend { input, .. } | Rel::Window { input, .. } => {
            let mut s = scope(input);
            rel.computed(|id| {
                s.columns.insert(id);
            });
            s
        }
        Rel::Aggregate {
            keys,
            carried,
            aggregates,
            ..
        } => Scope {
            columns: keys
                .iter()
                .map(|(id, _)| *id)
                .chain(aggregates.iter().map(|(id, _)| *id))
                .collect(),
            sources: carried.iter().copied().collect(),
            all: false,
        },
        Rel::Distinct {
            columns, carried, ..
        } => Scope {
            columns: columns.iter().copied().collect(),
            sources: carried.iter().copied().collect(),
            all: false,
        },
        Rel::DistinctOn {
            kept: Some(columns),
            ..
        }
        | Rel::SetOp { columns, .. } => Scope {
            columns: columns.iter().copied().collect(),
            ..Scope::default()
        },
    }
}

/// The columns that expressions name, those inside subqueries too.
#[must_use]
pub fn used_columns(node: Node<'_>) -> ColumnSet {
    let mut set = ColumnSet::new();
    add_used(node, &mut set);
    set
}

pub(super) fn add_used(node: Node<'_>, set: &mut ColumnSet) {
    node.visit(&mut Used(set));
}

pub(super) fn add_used_by_call(call: &AggregateCall, set: &mut ColumnSet) {
    visit_call(&mut Used(set), call);
}

/// Gathers the columns that are named.
struct Used<'s>(&'s mut ColumnSet);

impl<'a> Visit<'a> for Used<'_> {
    fn scalar(&mut self, scalar: &'a Scalar) {
        match scalar {
            Scalar::Column(id) => {
                self.0.insert(*id);
            }
            other => visit_scalar(self, other),
        }
    }

    fn rel(&mut self, rel: &'a Rel) {
        match rel {
            Rel::Distinct { columns, .. } => columns.iter().for_each(|id| {
                self.0.insert(*id);
            }),
            Rel::Join(join) => join.on.iter().for_each(|(_, id)| {
                self.0.insert(*id);
            }),
            _ => {}
        }
        visit_rel(self, rel);
    }
}

/// Everything that is defined somewhere inside rows, subqueries included.
#[must_use]
pub fn defined_inside(node: Node<'_>) -> Scope {
    let mut all = Scope::default();
    visit(node, &mut |node, _| {
        if let Node::Rel(rel) = node {
            if let Some(source) = rel.source() {
                all.sources.insert(source);
            }
            rel.computed(|id| {
                all.columns.insert(id);
            });
        }
        true
    });
    all
}

/// Columns of outer queries that a subquery names.
#[must_use]
pub fn free_columns(sub: &SubPlan, columns: &Columns) -> ColumnSet {
    let node = Node::SubPlan(sub);
    let used = used_columns(node);
    let inside = defined_inside(node);
    used.iter().filter(|id| !inside.has(columns, *id)).collect()
}

/// Whether a subquery names a column of an outer query.
#[must_use]
pub fn is_correlated(sub: &SubPlan, columns: &Columns) -> bool {
    !free_columns(sub, columns).is_empty()
}

impl AggregateCall {
    /// The columns that the aggregate reads, those inside subqueries too.
    #[must_use]
    pub fn used_columns(&self) -> ColumnSet {
        let mut set = ColumnSet::new();
        add_used_by_call(self, &mut set);
        set
    }
}

impl Predicate {
    /// The columns that the condition names, those inside subqueries too.
    #[must_use]
    pub fn used_columns(&self) -> ColumnSet {
        used_columns(Node::Predicate(self))
    }
}

impl Scalar {
    /// The columns that the value is made of, those inside subqueries too.
    #[must_use]
    pub fn used_columns(&self) -> ColumnSet {
        used_columns(Node::Scalar(self))
    }
}
