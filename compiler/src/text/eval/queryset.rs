//! Querysets and managers under construction, with the few facts that Python code of Django looks at.

use super::value::Instance;
use crate::queryset::{Call, Queryset};
use crate::schema::{FieldRef, ModelId};

/// A queryset, or the manager that it starts from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rows {
    pub(super) model: ModelId,
    pub(super) label: String,
    pub(super) calls: Vec<Call>,
    /// No queryset method was called yet.
    pub(super) manager: bool,
    /// The manager of a relation.
    pub(super) related: Option<Related>,
    /// Manager or queryset class of the project.
    pub(super) class: Option<String>,
    /// The next filter shares the joins of the last.
    pub(super) sticky: bool,
    /// `_next_is_sticky()` was called: the filter that follows is such a one.
    pub(super) sticky_next: bool,
    pub(super) facts: Facts,
}

/// What Django's Python code asks querysets.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Facts {
    /// `order_by()` with terms.
    pub(super) ordered: bool,
    /// `order_by()` without: the model's ordering does not count.
    pub(super) unordered: bool,
    /// Grouped by an aggregate annotation.
    pub(super) grouped: bool,
    pub(super) sliced: bool,
    /// `union()` and its siblings.
    pub(super) combined: bool,
    /// `none()`.
    pub(super) empty: bool,
    /// Rows are no models: `values()` and its siblings.
    pub(super) values: bool,
    pub(super) distinct_on: bool,
    /// Annotations that hold aggregates.
    pub(super) aggregates: Vec<String>,
}

/// The relation that a manager belongs to.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Related {
    pub(super) instance: Instance,
    pub(super) kind: RelatedKind,
}

impl Related {
    /// The intermediate model of a many-to-many relation.
    pub(super) fn through(&self) -> Option<ModelId> {
        match self.kind {
            RelatedKind::Many { through, .. } => Some(through),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum RelatedKind {
    /// The other side of a foreign key.
    Reverse(FieldRef),
    /// A many-to-many relation: its intermediate model with the keys on the instance's side and on the rows' side.
    Many {
        through: ModelId,
        source: FieldRef,
        target: FieldRef,
    },
    /// A generic relation: its field.
    Generic(FieldRef),
}

impl Rows {
    pub(super) fn new(model: ModelId, label: &str) -> Self {
        Rows {
            model,
            label: label.to_owned(),
            calls: Vec::new(),
            manager: true,
            related: None,
            class: None,
            sticky: false,
            sticky_next: false,
            facts: Facts::default(),
        }
    }

    pub(super) fn is_manager(&self) -> bool {
        self.manager
    }

    pub(super) fn queryset(&self) -> Queryset {
        Queryset {
            model: self.label.clone(),
            calls: self.calls.clone(),
        }
    }

    /// Django's `_chain()`: a method was called.
    pub(super) fn chain(mut self) -> Self {
        self.manager = false;
        self.sticky = false;
        self.sticky_next = false;
        self.related = None;
        self
    }

    /// Adds a call.
    pub(super) fn with(self, call: Call) -> Self {
        let mut rows = self.chain();
        rows.calls.push(call);
        rows
    }

    /// Adds a filter or exclude; the manager's own filter then shares its joins with it.
    pub(super) fn with_condition(mut self, call: Call) -> Self {
        if self.sticky
            && let Some(last) = self.calls.last_mut()
            && let Call::Filter(q) = last
        {
            let q = std::mem::replace(q, crate::queryset::Q::always());
            *last = Call::StickyFilter(q);
        }
        let sticky = self.sticky_next && matches!(call, Call::Filter(_));
        let mut rows = self.with(call);
        rows.sticky = sticky;
        rows
    }
}
