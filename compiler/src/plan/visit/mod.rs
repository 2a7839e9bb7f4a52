//! Walks through plans: borrowing ([`Visit`], and [`visit`] with a closure) and in place ([`VisitMut`]).
//!
//! Walks recurse; [`super::check_depth`] bounds how deep. The one with a closure recurses a little and then keeps its own
//! stack.
//!
//! | file | holds |
//! |---|---|
//! | `inside` | what is inside what: written once, for both kinds of walks |
//! | `descent` | the walk with a closure |

mod descent;
mod inside;

pub use descent::visit;
pub use inside::{
    visit_call, visit_expressions, visit_predicate, visit_rel, visit_scalar, visit_subplan,
    visit_terminal, walk_call, walk_expressions, walk_predicate, walk_rel, walk_scalar,
    walk_subplan, walk_terminal,
};

use super::{AggregateCall, Predicate, Rel, Scalar, SubPlan, Terminal};

/// Any node of a plan.
#[derive(Debug, Clone, Copy)]
pub enum Node<'a> {
    /// Rows.
    Rel(&'a Rel),
    /// A value.
    Scalar(&'a Scalar),
    /// A condition.
    Predicate(&'a Predicate),
    /// A query inside another.
    SubPlan(&'a SubPlan),
}

impl<'a> Node<'a> {
    /// Calls `f` with every direct child, in the order in which they are written.
    pub fn children(self, f: &mut dyn FnMut(Node<'a>)) {
        self.visit_inside(&mut Children(f));
    }

    /// Visits the node.
    pub fn visit<V: Visit<'a> + ?Sized>(self, v: &mut V) {
        match self {
            Node::Rel(rel) => v.rel(rel),
            Node::Scalar(scalar) => v.scalar(scalar),
            Node::Predicate(predicate) => v.predicate(predicate),
            Node::SubPlan(sub) => v.subplan(sub),
        }
    }

    /// Visits what is inside the node.
    pub fn visit_inside<V: Visit<'a> + ?Sized>(self, v: &mut V) {
        match self {
            Node::Rel(rel) => visit_rel(v, rel),
            Node::Scalar(scalar) => visit_scalar(v, scalar),
            Node::Predicate(predicate) => visit_predicate(v, predicate),
            Node::SubPlan(sub) => visit_subplan(v, sub),
        }
    }
}

/// Looks at nodes. A method that is overridden calls the function of the same name with `visit_` to go on inside: before
/// its own work (children first) or after it (parents first).
pub trait Visit<'a> {
    /// Every node of which the kind has no method of its own. It goes on with [`Node::visit_inside`].
    fn node(&mut self, node: Node<'a>) {
        node.visit_inside(self);
    }
    /// Rows.
    fn rel(&mut self, rel: &'a Rel) {
        self.node(Node::Rel(rel));
    }
    /// A value.
    fn scalar(&mut self, scalar: &'a Scalar) {
        self.node(Node::Scalar(scalar));
    }
    /// A condition.
    fn predicate(&mut self, predicate: &'a Predicate) {
        self.node(Node::Predicate(predicate));
    }
    /// A query inside another.
    fn subplan(&mut self, sub: &'a SubPlan) {
        self.node(Node::SubPlan(sub));
    }
}

/// Changes nodes in place. A method that is overridden calls the function of the same name with `walk_` to go on
/// inside: before its own work (children first) or after it (parents first).
pub trait VisitMut {
    /// Rows.
    fn rel(&mut self, rel: &mut Rel) {
        walk_rel(self, rel);
    }
    /// A value.
    fn scalar(&mut self, scalar: &mut Scalar) {
        walk_scalar(self, scalar);
    }
    /// A condition.
    fn predicate(&mut self, predicate: &mut Predicate) {
        walk_predicate(self, predicate);
    }
    /// A query inside another.
    fn subplan(&mut self, sub: &mut SubPlan) {
        walk_subplan(self, sub);
    }
}

/// Hands nodes on without a look at what is inside.
struct Children<'f, 'a>(&'f mut dyn FnMut(Node<'a>));

impl<'a> Visit<'a> for Children<'_, 'a> {
    fn node(&mut self, node: Node<'a>) {
        (self.0)(node);
    }
}

impl Rel {
    /// Calls `f` with the operator's own expressions, those of its inputs left out.
    pub fn expressions<'a>(&'a self, f: &mut dyn FnMut(Node<'a>)) {
        visit_expressions(&mut Children(f), self);
    }
}

impl AggregateCall {
    /// Calls `f` with the aggregate's own expressions.
    pub fn expressions<'a>(&'a self, f: &mut dyn FnMut(Node<'a>)) {
        visit_call(&mut Children(f), self);
    }
}

impl Terminal {
    /// Calls `f` with the terminal's own expressions.
    pub fn expressions<'a>(&'a self, f: &mut dyn FnMut(Node<'a>)) {
        visit_terminal(&mut Children(f), self);
    }
}

/// Whether a condition asks a subquery.
#[must_use]
pub fn has_subquery(predicate: &Predicate) -> bool {
    struct Found(bool);
    impl<'a> Visit<'a> for Found {
        fn subplan(&mut self, _: &'a SubPlan) {
            self.0 = true;
        }
    }
    let mut found = Found(false);
    found.predicate(predicate);
    found.0
}
