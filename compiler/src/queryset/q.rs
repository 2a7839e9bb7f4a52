//! Boolean trees of conditions.

use super::Expr;

/// Django's `Q` object, with lookups as leaves.
#[derive(Debug, Clone, PartialEq)]
pub enum Q {
    /// All hold; empty is true.
    And(Vec<Q>),
    /// One holds.
    Or(Vec<Q>),
    /// An odd number holds.
    Xor(Vec<Q>),
    /// Negation.
    Not(Box<Q>),
    /// `path__lookup=rhs`.
    Lookup {
        /// Path with an optional lookup at its end.
        path: String,
        /// Right-hand side.
        rhs: Expr,
    },
    /// A boolean expression as a condition.
    Expr(Expr),
}

impl Q {
    /// `path=rhs`.
    pub fn lookup(path: impl Into<String>, rhs: impl Into<Expr>) -> Self {
        Q::Lookup {
            path: path.into(),
            rhs: rhs.into(),
        }
    }

    /// The condition that is always true.
    #[must_use]
    pub fn always() -> Self {
        Q::And(Vec::new())
    }
}
