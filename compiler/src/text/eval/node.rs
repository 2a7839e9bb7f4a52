//! Q objects as Django builds them: a tree whose shape depends on how it was combined.

use super::value::Py;
use crate::error::{Result, Span};
use crate::queryset::{Expr, Q};

/// How the children of a node combine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Connector {
    And,
    Or,
    Xor,
}

/// A Q object (Django: `django.utils.tree.Node` and `Q`).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct QNode {
    pub(super) connector: Connector,
    pub(super) negated: bool,
    pub(super) children: Vec<QChild>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum QChild {
    Node(QNode),
    Lookup { path: String, rhs: Expr },
    Expr(Expr),
}

impl QNode {
    /// A conjunction of children.
    pub(super) fn all(children: Vec<QChild>) -> Self {
        QNode {
            connector: Connector::And,
            negated: false,
            children,
        }
    }

    /// `~q`.
    pub(super) fn negate(mut self) -> Self {
        self.negated = !self.negated;
        self
    }

    /// `left | right` and its siblings: an empty side vanishes, equal connectors flatten (Django: `Q._combine`).
    pub(super) fn combine(self, other: QChild, connector: Connector) -> QNode {
        if self.children.is_empty() {
            return match other {
                QChild::Node(node) => node,
                other => QNode::all(vec![other]),
            };
        }
        if matches!(&other, QChild::Node(node) if node.children.is_empty()) {
            return self;
        }
        // Its own children take part directly where Node.add() would squash it: long chains stay cheap.
        let squashed = !self.negated && (self.connector == connector || self.children.len() == 1);
        let children = if squashed {
            self.children
        } else {
            vec![QChild::Node(self)]
        };
        let mut combined = QNode {
            connector,
            negated: false,
            children,
        };
        combined.add(other);
        combined
    }

    /// Adds a child of the same connector (Django: `Node.add`).
    fn add(&mut self, data: QChild) {
        // Whether a child is there already only matters for small sets: large ones are flat lists of lookups.
        if self.children.len() < 256 && self.children.contains(&data) {
            return;
        }
        match data {
            QChild::Node(node)
                if !node.negated
                    && (node.connector == self.connector || node.children.len() == 1) =>
            {
                self.children.extend(node.children);
            }
            other => self.children.push(other),
        }
    }

    /// As the statement has it.
    pub(super) fn into_q(self) -> Q {
        let children = self
            .children
            .into_iter()
            .map(|child| match child {
                QChild::Node(node) => node.into_q(),
                QChild::Lookup { path, rhs } => Q::Lookup { path, rhs },
                QChild::Expr(expr) => Q::Expr(expr),
            })
            .collect();
        let q = match self.connector {
            Connector::And => Q::And(children),
            Connector::Or => Q::Or(children),
            Connector::Xor => Q::Xor(children),
        };
        if self.negated { Q::Not(Box::new(q)) } else { q }
    }
}

/// A condition given as an argument: a Q object or an expression.
pub(super) fn condition(value: Py) -> std::result::Result<QChild, Py> {
    match value {
        Py::Q(node) => Ok(QChild::Node(*node)),
        Py::Expr(expr) => Ok(QChild::Expr(*expr)),
        other => Err(other),
    }
}

/// Attaches a place to the error of a part.
pub(super) trait At<T> {
    /// Sets the span if the error has none.
    fn at(self, span: Span) -> Result<T>;
}

impl<T> At<T> for Result<T> {
    fn at(self, span: Span) -> Result<T> {
        self.map_err(|e| e.with_span(span))
    }
}
