//! Walks through plans: borrowing ([`Visit`], and [`visit`] with a closure) and in place ([`VisitMut`]).
//!
//! Walks recurse; [`super::check_depth`] bounds how deep. The one with a closure recurses a little and then keeps its own
//! stack.

use super::{AggregateCall, Predicate, Rel, Scalar, SortKey, SubPlan, Terminal, WindowCall};

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
    /// Rows.
    fn rel(&mut self, rel: &'a Rel) {
        visit_rel(self, rel);
    }
    /// A value.
    fn scalar(&mut self, scalar: &'a Scalar) {
        visit_scalar(self, scalar);
    }
    /// A condition.
    fn predicate(&mut self, predicate: &'a Predicate) {
        visit_predicate(self, predicate);
    }
    /// A query inside another.
    fn subplan(&mut self, sub: &'a SubPlan) {
        visit_subplan(self, sub);
    }
}

/// Visits what is inside rows: inputs first, then the operator's own expressions.
pub fn visit_rel<'a, V: Visit<'a> + ?Sized>(v: &mut V, rel: &'a Rel) {
    match rel {
        Rel::Scan(_) | Rel::Raw { .. } | Rel::Empty | Rel::Unit => {}
        Rel::Join(join) => v.rel(&join.input),
        Rel::SetOp { inputs, .. } => inputs.iter().for_each(|(input, _)| v.rel(input)),
        Rel::Filter { input, .. }
        | Rel::Extend { input, .. }
        | Rel::Aggregate { input, .. }
        | Rel::Window { input, .. }
        | Rel::Distinct { input, .. }
        | Rel::DistinctOn { input, .. }
        | Rel::Sort { input, .. }
        | Rel::Slice { input, .. } => v.rel(input),
    }
    visit_expressions(v, rel);
}

/// Visits the operator's own expressions.
pub fn visit_expressions<'a, V: Visit<'a> + ?Sized>(v: &mut V, rel: &'a Rel) {
    match rel {
        Rel::Scan(_)
        | Rel::Raw { .. }
        | Rel::Empty
        | Rel::Unit
        | Rel::Slice { .. }
        | Rel::Distinct { .. } => {}
        Rel::Filter { predicate, .. } => v.predicate(predicate),
        Rel::Join(join) => {
            join.on.iter().for_each(|(s, _)| v.scalar(s));
            join.condition.iter().for_each(|p| v.predicate(p));
        }
        Rel::Extend { columns, .. } => columns.iter().for_each(|(_, s)| v.scalar(s)),
        Rel::Aggregate {
            keys, aggregates, ..
        } => {
            keys.iter().for_each(|(_, s)| v.scalar(s));
            aggregates.iter().for_each(|(_, call)| visit_call(v, call));
        }
        Rel::Window {
            partition,
            order,
            outputs,
            ..
        } => {
            partition.iter().for_each(|s| v.scalar(s));
            visit_keys(v, order);
            outputs.iter().for_each(|(_, w)| visit_call(v, &w.call));
        }
        Rel::DistinctOn { on, order, .. } => {
            on.iter().for_each(|s| v.scalar(s));
            visit_keys(v, order);
        }
        Rel::Sort { keys, .. } => visit_keys(v, keys),
        Rel::SetOp { inputs, .. } => {
            for (_, scalars) in inputs {
                scalars.iter().for_each(|s| v.scalar(s));
            }
        }
    }
}

fn visit_keys<'a, V: Visit<'a> + ?Sized>(v: &mut V, keys: &'a [SortKey]) {
    keys.iter().for_each(|k| v.scalar(&k.scalar));
}

/// Visits what is inside an aggregate.
pub fn visit_call<'a, V: Visit<'a> + ?Sized>(v: &mut V, call: &'a AggregateCall) {
    call.args.iter().for_each(|s| v.scalar(s));
    call.filter.iter().for_each(|p| v.predicate(p));
    visit_keys(v, &call.order);
}

/// Visits what is inside a value.
pub fn visit_scalar<'a, V: Visit<'a> + ?Sized>(v: &mut V, scalar: &'a Scalar) {
    match scalar {
        Scalar::Column(_) | Scalar::Literal(_) | Scalar::Raw(..) => {}
        Scalar::Arithmetic { lhs, rhs, .. } => {
            v.scalar(lhs);
            v.scalar(rhs);
        }
        Scalar::Call(call) => call.args.iter().for_each(|s| v.scalar(s)),
        Scalar::List(parts) => parts.iter().for_each(|s| v.scalar(s)),
        Scalar::Case {
            when, otherwise, ..
        } => {
            for (condition, result) in when {
                v.predicate(condition);
                v.scalar(result);
            }
            v.scalar(otherwise);
        }
        Scalar::Predicate(p) => v.predicate(p),
        Scalar::Json { base, .. } => v.scalar(base),
        Scalar::Subquery(sub) => v.subplan(sub),
    }
}

/// Visits what is inside a condition.
pub fn visit_predicate<'a, V: Visit<'a> + ?Sized>(v: &mut V, predicate: &'a Predicate) {
    match predicate {
        Predicate::Const(_) => {}
        Predicate::And(list) | Predicate::Or(list) | Predicate::Xor(list) => {
            list.iter().for_each(|p| v.predicate(p));
        }
        Predicate::Not(inner) => v.predicate(inner),
        Predicate::Compare { lhs, rhs, .. }
        | Predicate::Like { lhs, rhs, .. }
        | Predicate::Lookup { lhs, rhs, .. } => {
            v.scalar(lhs);
            v.scalar(rhs);
        }
        Predicate::IsNull(s) | Predicate::Bool(s) | Predicate::InParameter { lhs: s, .. } => {
            v.scalar(s);
        }
        Predicate::In { lhs, list } => {
            v.scalar(lhs);
            list.iter().for_each(|s| v.scalar(s));
        }
        Predicate::InSubquery { lhs, query } => {
            lhs.iter().for_each(|s| v.scalar(s));
            v.subplan(query);
        }
        Predicate::Exists(query) => v.subplan(query),
        // Its columns are its own.
        Predicate::AnyElement(any) => {
            v.scalar(&any.array);
            any.given.iter().for_each(|(_, s)| v.scalar(s));
        }
    }
}

/// Visits what is inside a subquery.
pub fn visit_subplan<'a, V: Visit<'a> + ?Sized>(v: &mut V, sub: &'a SubPlan) {
    v.rel(&sub.rel);
    sub.columns.iter().for_each(|s| v.scalar(s));
}

/// Visits the terminal's own expressions.
pub fn visit_terminal<'a, V: Visit<'a> + ?Sized>(v: &mut V, terminal: &'a Terminal) {
    if let Terminal::Update { assignments, .. } = terminal {
        for assignment in assignments {
            v.scalar(&assignment.key);
            assignment.values.iter().for_each(|(_, s)| v.scalar(s));
        }
    }
}

/// Hands nodes on without a look at what is inside.
struct Children<'f, 'a>(&'f mut dyn FnMut(Node<'a>));

impl<'a> Visit<'a> for Children<'_, 'a> {
    fn rel(&mut self, rel: &'a Rel) {
        (self.0)(Node::Rel(rel));
    }

    fn scalar(&mut self, scalar: &'a Scalar) {
        (self.0)(Node::Scalar(scalar));
    }

    fn predicate(&mut self, predicate: &'a Predicate) {
        (self.0)(Node::Predicate(predicate));
    }

    fn subplan(&mut self, sub: &'a SubPlan) {
        (self.0)(Node::SubPlan(sub));
    }
}

/// Calls `f` with a node and everything in it, parents first; with the depth, 0 for the node itself. Where `f` gives
/// false, what is inside stays unvisited.
pub fn visit<'a>(root: Node<'a>, f: &mut dyn FnMut(Node<'a>, usize) -> bool) {
    root.visit(&mut Descent { depth: 0, f });
}

/// Depth to which the walk recurses: most trees are not deeper, and need no stack of their own.
const RECURSED: usize = 32;

struct Descent<'f, 'a> {
    depth: usize,
    f: &'f mut dyn FnMut(Node<'a>, usize) -> bool,
}

impl<'a> Descent<'_, 'a> {
    fn node(&mut self, node: Node<'a>) {
        if self.depth == RECURSED {
            visit_deep(node, self.depth, self.f);
        } else if (self.f)(node, self.depth) {
            self.depth += 1;
            node.visit_inside(self);
            self.depth -= 1;
        }
    }
}

impl<'a> Visit<'a> for Descent<'_, 'a> {
    fn rel(&mut self, rel: &'a Rel) {
        self.node(Node::Rel(rel));
    }

    fn scalar(&mut self, scalar: &'a Scalar) {
        self.node(Node::Scalar(scalar));
    }

    fn predicate(&mut self, predicate: &'a Predicate) {
        self.node(Node::Predicate(predicate));
    }

    fn subplan(&mut self, sub: &'a SubPlan) {
        self.node(Node::SubPlan(sub));
    }
}

fn visit_deep<'a>(root: Node<'a>, depth: usize, f: &mut dyn FnMut(Node<'a>, usize) -> bool) {
    let mut stack = vec![(root, depth)];
    while let Some((node, depth)) = stack.pop() {
        if f(node, depth) {
            let first = stack.len();
            node.children(&mut |child| stack.push((child, depth + 1)));
            if let Some(pushed) = stack.get_mut(first..) {
                pushed.reverse();
            }
        }
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

impl Rel {
    /// Calls `f` with every input.
    pub fn inputs<'a>(&'a self, f: &mut dyn FnMut(&'a Rel)) {
        match self {
            Rel::Scan(_) | Rel::Raw { .. } | Rel::Empty | Rel::Unit => {}
            Rel::Join(join) => f(&join.input),
            Rel::SetOp { inputs, .. } => inputs.iter().for_each(|(rel, _)| f(rel)),
            Rel::Filter { input, .. }
            | Rel::Extend { input, .. }
            | Rel::Aggregate { input, .. }
            | Rel::Window { input, .. }
            | Rel::Distinct { input, .. }
            | Rel::DistinctOn { input, .. }
            | Rel::Sort { input, .. }
            | Rel::Slice { input, .. } => f(input),
        }
    }

    /// Calls `f` with every input, to change it.
    pub fn inputs_mut(&mut self, f: &mut dyn FnMut(&mut Rel)) {
        match self {
            Rel::Scan(_) | Rel::Raw { .. } | Rel::Empty | Rel::Unit => {}
            Rel::Join(join) => f(&mut join.input),
            Rel::SetOp { inputs, .. } => inputs.iter_mut().for_each(|(rel, _)| f(rel)),
            Rel::Filter { input, .. }
            | Rel::Extend { input, .. }
            | Rel::Aggregate { input, .. }
            | Rel::Window { input, .. }
            | Rel::Distinct { input, .. }
            | Rel::DistinctOn { input, .. }
            | Rel::Sort { input, .. }
            | Rel::Slice { input, .. } => f(input),
        }
    }

    /// The only input, for operators that have exactly one.
    #[must_use]
    pub fn input(&self) -> Option<&Rel> {
        match self {
            Rel::Scan(_) | Rel::Raw { .. } | Rel::Empty | Rel::Unit | Rel::SetOp { .. } => None,
            Rel::Join(join) => Some(&join.input),
            Rel::Filter { input, .. }
            | Rel::Extend { input, .. }
            | Rel::Aggregate { input, .. }
            | Rel::Window { input, .. }
            | Rel::Distinct { input, .. }
            | Rel::DistinctOn { input, .. }
            | Rel::Sort { input, .. }
            | Rel::Slice { input, .. } => Some(input),
        }
    }

    /// The only input, to change it.
    pub fn input_mut(&mut self) -> Option<&mut Rel> {
        match self {
            Rel::Scan(_) | Rel::Raw { .. } | Rel::Empty | Rel::Unit | Rel::SetOp { .. } => None,
            Rel::Join(join) => Some(&mut join.input),
            Rel::Filter { input, .. }
            | Rel::Extend { input, .. }
            | Rel::Aggregate { input, .. }
            | Rel::Window { input, .. }
            | Rel::Distinct { input, .. }
            | Rel::DistinctOn { input, .. }
            | Rel::Sort { input, .. }
            | Rel::Slice { input, .. } => Some(input),
        }
    }

    /// Takes the operator out of its place, which becomes [`Rel::Empty`].
    #[must_use]
    pub fn take(&mut self) -> Rel {
        std::mem::replace(self, Rel::Empty)
    }

    /// Calls `f` with the operator's own expressions, those of its inputs left out.
    pub fn expressions<'a>(&'a self, f: &mut dyn FnMut(Node<'a>)) {
        visit_expressions(&mut Children(f), self);
    }
}

impl Terminal {
    /// Calls `f` with the terminal's own expressions.
    pub fn expressions<'a>(&'a self, f: &mut dyn FnMut(Node<'a>)) {
        visit_terminal(&mut Children(f), self);
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

/// Visits what is inside rows: inputs first, then the operator's own expressions.
pub fn walk_rel<V: VisitMut + ?Sized>(v: &mut V, rel: &mut Rel) {
    rel.inputs_mut(&mut |input| v.rel(input));
    walk_expressions(v, rel);
}

/// Visits the operator's own expressions.
pub fn walk_expressions<V: VisitMut + ?Sized>(v: &mut V, rel: &mut Rel) {
    match rel {
        Rel::Scan(_)
        | Rel::Raw { .. }
        | Rel::Empty
        | Rel::Unit
        | Rel::Slice { .. }
        | Rel::Distinct { .. } => {}
        Rel::Filter { predicate, .. } => v.predicate(predicate),
        Rel::Join(join) => {
            join.on.iter_mut().for_each(|(s, _)| v.scalar(s));
            join.condition.iter_mut().for_each(|p| v.predicate(p));
        }
        Rel::Extend { columns, .. } => columns.iter_mut().for_each(|(_, s)| v.scalar(s)),
        Rel::Aggregate {
            keys, aggregates, ..
        } => {
            keys.iter_mut().for_each(|(_, s)| v.scalar(s));
            aggregates
                .iter_mut()
                .for_each(|(_, call)| walk_call(v, call));
        }
        Rel::Window {
            partition,
            order,
            outputs,
            ..
        } => {
            partition.iter_mut().for_each(|s| v.scalar(s));
            walk_keys(v, order);
            outputs.iter_mut().for_each(|(_, w)| walk_window(v, w));
        }
        Rel::DistinctOn { on, order, .. } => {
            on.iter_mut().for_each(|s| v.scalar(s));
            walk_keys(v, order);
        }
        Rel::Sort { keys, .. } => walk_keys(v, keys),
        Rel::SetOp { inputs, .. } => {
            for (_, scalars) in inputs {
                scalars.iter_mut().for_each(|s| v.scalar(s));
            }
        }
    }
}

fn walk_keys<V: VisitMut + ?Sized>(v: &mut V, keys: &mut [SortKey]) {
    keys.iter_mut().for_each(|k| v.scalar(&mut k.scalar));
}

fn walk_window<V: VisitMut + ?Sized>(v: &mut V, window: &mut WindowCall) {
    walk_call(v, &mut window.call);
}

fn walk_call<V: VisitMut + ?Sized>(v: &mut V, call: &mut AggregateCall) {
    call.args.iter_mut().for_each(|s| v.scalar(s));
    call.filter.iter_mut().for_each(|p| v.predicate(p));
    walk_keys(v, &mut call.order);
}

/// Visits what is inside a value.
pub fn walk_scalar<V: VisitMut + ?Sized>(v: &mut V, scalar: &mut Scalar) {
    match scalar {
        Scalar::Column(_) | Scalar::Literal(_) | Scalar::Raw(..) => {}
        Scalar::Arithmetic { lhs, rhs, .. } => {
            v.scalar(lhs);
            v.scalar(rhs);
        }
        Scalar::Call(call) => call.args.iter_mut().for_each(|s| v.scalar(s)),
        Scalar::List(parts) => parts.iter_mut().for_each(|s| v.scalar(s)),
        Scalar::Case {
            when, otherwise, ..
        } => {
            for (condition, result) in when {
                v.predicate(condition);
                v.scalar(result);
            }
            v.scalar(otherwise);
        }
        Scalar::Predicate(p) => v.predicate(p),
        Scalar::Json { base, .. } => v.scalar(base),
        Scalar::Subquery(sub) => v.subplan(sub),
    }
}

/// Visits what is inside a condition.
pub fn walk_predicate<V: VisitMut + ?Sized>(v: &mut V, predicate: &mut Predicate) {
    match predicate {
        Predicate::Const(_) => {}
        Predicate::And(list) | Predicate::Or(list) | Predicate::Xor(list) => {
            list.iter_mut().for_each(|p| v.predicate(p));
        }
        Predicate::Not(inner) => v.predicate(inner),
        Predicate::Compare { lhs, rhs, .. }
        | Predicate::Like { lhs, rhs, .. }
        | Predicate::Lookup { lhs, rhs, .. } => {
            v.scalar(lhs);
            v.scalar(rhs);
        }
        Predicate::IsNull(s) | Predicate::Bool(s) | Predicate::InParameter { lhs: s, .. } => {
            v.scalar(s);
        }
        Predicate::In { lhs, list } => {
            v.scalar(lhs);
            list.iter_mut().for_each(|s| v.scalar(s));
        }
        Predicate::InSubquery { lhs, query } => {
            lhs.iter_mut().for_each(|s| v.scalar(s));
            v.subplan(query);
        }
        Predicate::Exists(query) => v.subplan(query),
        Predicate::AnyElement(any) => {
            v.scalar(&mut any.array);
            any.given.iter_mut().for_each(|(_, s)| v.scalar(s));
        }
    }
}

/// Visits what is inside a subquery.
pub fn walk_subplan<V: VisitMut + ?Sized>(v: &mut V, sub: &mut SubPlan) {
    v.rel(&mut sub.rel);
    sub.columns.iter_mut().for_each(|s| v.scalar(s));
}

/// Visits the terminal's own expressions.
pub fn walk_terminal<V: VisitMut + ?Sized>(v: &mut V, terminal: &mut Terminal) {
    if let Terminal::Update { assignments, .. } = terminal {
        for assignment in assignments {
            v.scalar(&mut assignment.key);
            assignment.values.iter_mut().for_each(|(_, s)| v.scalar(s));
        }
    }
}
