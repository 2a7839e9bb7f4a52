//! What the compiler did with a statement, for `explain`.

/// The rules that fired, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trace {
    /// Plan texts are kept.
    detailed: bool,
    /// What fired.
    pub firings: Vec<Firing>,
    /// What else is worth knowing: leaves that no index serves and why, what stays blocking.
    pub notes: Vec<String>,
}

/// One firing of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Firing {
    /// Name of the rule.
    pub rule: &'static str,
    /// The plan before and after, if the trace is detailed.
    pub plans: Option<Box<(String, String)>>,
}

impl Trace {
    /// A trace that keeps names only; costs next to nothing.
    #[must_use]
    pub fn brief() -> Self {
        Self::default()
    }

    /// A trace that keeps the plan before and after each firing.
    #[must_use]
    pub fn detailed() -> Self {
        Trace {
            detailed: true,
            ..Self::default()
        }
    }

    /// Whether plan texts are kept.
    #[must_use]
    pub fn is_detailed(&self) -> bool {
        self.detailed
    }

    /// Records a firing.
    pub fn fired(&mut self, rule: &'static str, plans: Option<(String, String)>) {
        self.firings.push(Firing {
            rule,
            plans: plans.map(Box::new),
        });
    }

    /// Records a remark, once.
    pub fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Names of the rules that fired, each once, in the order of their first firing.
    #[must_use]
    pub fn rules(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        for firing in &self.firings {
            if !names.contains(&firing.rule) {
                names.push(firing.rule);
            }
        }
        names
    }
}
