//! Names of variables at compile time.
use std::sync::Arc;

/// Where a variable lives in the environment. Inner scopes use higher slots, so nothing needs to be saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(pub usize);

/// The variables in reach of an expression, outermost first. Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    names: Vec<Arc<str>>,
    lazy: bool,
}

impl Scope {
    /// No user variables.
    pub fn new() -> Self {
        Self::default()
    }

    /// A scope with one more variable, and its slot. An earlier variable of that name is hidden.
    #[must_use]
    pub fn with(&self, name: &str) -> (Self, Slot) {
        let mut names = self.names.clone();
        names.push(Arc::from(name));
        let slot = Slot(names.len() - 1);
        let lazy = self.lazy;
        (Self { names, lazy }, slot)
    }

    /// The same, for what a server never optimizes (update pipelines): a constant that fails does so when it is reached.
    #[must_use]
    pub fn lazily(&self) -> Self {
        Self {
            names: self.names.clone(),
            lazy: true,
        }
    }

    /// Whether constants that fail are left until they are reached.
    pub fn is_lazy(&self) -> bool {
        self.lazy
    }

    /// The slot of the innermost variable of that name (`CURRENT` is one when it was rebound).
    pub fn lookup(&self, name: &str) -> Option<Slot> {
        self.names.iter().rposition(|n| **n == *name).map(Slot)
    }

    /// The number of slots in use.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are no variables.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}
