//! Replacing columns by their definitions.

use crate::names::Path;
use std::collections::HashMap;

use super::{
    AggregateCall, ColumnId, Columns, Node, Predicate, Rel, Scalar, VisitMut, visit, walk_call,
    walk_rel, walk_scalar,
};

/// Definitions of columns.
pub type Definitions = HashMap<ColumnId, Scalar>;

struct Substitute<'a> {
    definitions: &'a Definitions,
}

impl VisitMut for Substitute<'_> {
    fn rel(&mut self, rel: &mut Rel) {
        walk_rel(self, rel);
    }

    fn scalar(&mut self, scalar: &mut Scalar) {
        if let Scalar::Column(id) = scalar {
            if let Some(definition) = self.definitions.get(id) {
                *scalar = definition.clone();
            }
            return;
        }
        walk_scalar(self, scalar);
    }
}

/// Replaces columns in a value, those inside subqueries too. Definitions are not looked into again.
pub fn substitute_scalar(scalar: &mut Scalar, definitions: &Definitions) {
    Substitute { definitions }.scalar(scalar);
}

/// Replaces columns in a condition.
pub fn substitute_predicate(predicate: &mut Predicate, definitions: &Definitions) {
    Substitute { definitions }.predicate(predicate);
}

/// Replaces columns in an aggregate.
pub fn substitute_call(call: &mut AggregateCall, definitions: &Definitions) {
    walk_call(&mut Substitute { definitions }, call);
}

/// Replaces columns in rows. Lists of plain columns (of `Distinct`) cannot take expressions and are left alone.
pub fn substitute_rel(rel: &mut Rel, definitions: &Definitions) {
    Substitute { definitions }.rel(rel);
}

/// Whether an expression can stand in several places, or be evaluated for fewer rows, without a change of meaning or
/// a broken plan: it holds no subquery (whose sources would be joined twice) and nothing volatile.
#[must_use]
pub fn is_copyable(node: Node<'_>) -> bool {
    let mut copyable = true;
    visit(node, &mut |node, _| {
        match node {
            Node::SubPlan(_) | Node::Scalar(Scalar::Raw(..)) => copyable = false,
            Node::Scalar(Scalar::Call(call)) if is_volatile(&call.function) => {
                copyable = false;
            }
            _ => {}
        }
        copyable
    });
    copyable
}

impl AggregateCall {
    /// Whether all that it is made of [is copyable](is_copyable).
    #[must_use]
    pub fn is_copyable(&self) -> bool {
        let mut copyable = true;
        self.expressions(&mut |node| copyable &= is_copyable(node));
        copyable
    }
}

/// Functions that answer differently each time.
#[must_use]
pub fn is_volatile(function: &str) -> bool {
    matches!(
        function,
        "Random" | "RandomUUID" | "UUID4" | "UUID7" | "ClockTimestamp" | "StatementTimestamp"
    )
}

/// Whether an expression holds something volatile, subqueries included.
#[must_use]
pub fn has_volatile(node: Node<'_>) -> bool {
    let mut found = false;
    visit(node, &mut |node, _| {
        if let Node::Scalar(Scalar::Call(call)) = node {
            found |= is_volatile(&call.function);
        }
        !found
    });
    found
}

/// The definition of a plain alias: a column that only renames another.
#[must_use]
pub fn as_column(scalar: &Scalar) -> Option<ColumnId> {
    match scalar {
        Scalar::Column(id) => Some(*id),
        _ => None,
    }
}

/// The stored path of a column, for messages and index look-ups.
#[must_use]
pub fn stored_path(columns: &Columns, id: ColumnId) -> Option<&Path> {
    match &columns.get(id).ok()?.origin {
        super::Origin::Stored { path, .. } => Some(path),
        super::Origin::Computed => None,
    }
}
