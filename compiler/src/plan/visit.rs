//! Walks through plans: borrowing ([`visit`]) and in place ([`VisitMut`]).
//!
//! The borrowing walk recurses a little and then keeps its own stack. The walk in place recurses; [`super::check_depth`] bounds
//! how deep.

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
        match self {
            Node::Rel(rel) => {
                rel.inputs(&mut |input| f(Node::Rel(input)));
                rel.expressions(f);
            }
            Node::Scalar(scalar) => scalar_children(scalar, f),
            Node::Predicate(predicate) => predicate_children(predicate, f),
            Node::SubPlan(sub) => {
                f(Node::Rel(&sub.rel));
                sub.columns.iter().for_each(|s| f(Node::Scalar(s)));
            }
        }
    }
}

/// Calls `f` with a node and everything in it, parents first; with the depth, 0 for the node itself. Where `f` gives
/// false, what is inside stays unvisited.
pub fn visit<'a>(root: Node<'a>, f: &mut dyn FnMut(Node<'a>, usize) -> bool) {
    descend(root, 0, f);
}

/// Depth to which the walk recurses: most trees are not deeper, and need no stack of their own.
const RECURSED: usize = 32;

fn descend<'a>(node: Node<'a>, depth: usize, f: &mut dyn FnMut(Node<'a>, usize) -> bool) {
    if depth == RECURSED {
        visit_deep(node, depth, f);
    } else if f(node, depth) {
        node.children(&mut |child| descend(child, depth + 1, f));
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

fn call_children<'a>(call: &'a AggregateCall, f: &mut dyn FnMut(Node<'a>)) {
    call.args.iter().for_each(|s| f(Node::Scalar(s)));
    call.filter.iter().for_each(|p| f(Node::Predicate(p)));
    call.order.iter().for_each(|k| f(Node::Scalar(&k.scalar)));
}

fn scalar_children<'a>(scalar: &'a Scalar, f: &mut dyn FnMut(Node<'a>)) {
    match scalar {
        Scalar::Column(_) | Scalar::Literal(_) | Scalar::Raw(..) => {}
        Scalar::Arithmetic { lhs, rhs, .. } => {
            f(Node::Scalar(lhs));
            f(Node::Scalar(rhs));
        }
        Scalar::Call(call) => call.args.iter().for_each(|s| f(Node::Scalar(s))),
        Scalar::List(parts) => parts.iter().for_each(|s| f(Node::Scalar(s))),
        Scalar::Case {
            when, otherwise, ..
        } => {
            for (condition, result) in when {
                f(Node::Predicate(condition));
                f(Node::Scalar(result));
            }
            f(Node::Scalar(otherwise));
        }
        Scalar::Predicate(p) => f(Node::Predicate(p)),
        Scalar::Json { base, .. } => f(Node::Scalar(base)),
        Scalar::Subquery(sub) => f(Node::SubPlan(sub)),
    }
}

fn predicate_children<'a>(predicate: &'a Predicate, f: &mut dyn FnMut(Node<'a>)) {
    match predicate {
        Predicate::Const(_) => {}
        Predicate::And(list) | Predicate::Or(list) | Predicate::Xor(list) => {
            list.iter().for_each(|p| f(Node::Predicate(p)));
        }
        Predicate::Not(inner) => f(Node::Predicate(inner)),
        Predicate::Compare { lhs, rhs, .. }
        | Predicate::Like { lhs, rhs, .. }
        | Predicate::Lookup { lhs, rhs, .. } => {
            f(Node::Scalar(lhs));
            f(Node::Scalar(rhs));
        }
        Predicate::IsNull(s) | Predicate::Bool(s) | Predicate::InParameter { lhs: s, .. } => {
            f(Node::Scalar(s));
        }
        Predicate::In { lhs, list } => {
            f(Node::Scalar(lhs));
            list.iter().for_each(|s| f(Node::Scalar(s)));
        }
        Predicate::InSubquery { lhs, query } => {
            lhs.iter().for_each(|s| f(Node::Scalar(s)));
            f(Node::SubPlan(query));
        }
        Predicate::Exists(query) => f(Node::SubPlan(query)),
        // Its columns are its own.
        Predicate::AnyElement(any) => {
            f(Node::Scalar(&any.array));
            any.given.iter().for_each(|(_, s)| f(Node::Scalar(s)));
        }
    }
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
        match self {
            Rel::Scan(_)
            | Rel::Raw { .. }
            | Rel::Empty
            | Rel::Unit
            | Rel::Slice { .. }
            | Rel::Distinct { .. } => {}
            Rel::Filter { predicate, .. } => f(Node::Predicate(predicate)),
            Rel::Join(join) => {
                join.on.iter().for_each(|(s, _)| f(Node::Scalar(s)));
                join.condition.iter().for_each(|p| f(Node::Predicate(p)));
            }
            Rel::Extend { columns, .. } => columns.iter().for_each(|(_, s)| f(Node::Scalar(s))),
            Rel::Aggregate {
                keys, aggregates, ..
            } => {
                keys.iter().for_each(|(_, s)| f(Node::Scalar(s)));
                aggregates
                    .iter()
                    .for_each(|(_, call)| call_children(call, f));
            }
            Rel::Window {
                partition,
                order,
                outputs,
                ..
            } => {
                partition.iter().for_each(|s| f(Node::Scalar(s)));
                order.iter().for_each(|k| f(Node::Scalar(&k.scalar)));
                outputs.iter().for_each(|(_, w)| call_children(&w.call, f));
            }
            Rel::DistinctOn { on, order, .. } => {
                on.iter().for_each(|s| f(Node::Scalar(s)));
                order.iter().for_each(|k| f(Node::Scalar(&k.scalar)));
            }
            Rel::Sort { keys, .. } => keys.iter().for_each(|k| f(Node::Scalar(&k.scalar))),
            Rel::SetOp { inputs, .. } => {
                for (_, scalars) in inputs {
                    scalars.iter().for_each(|s| f(Node::Scalar(s)));
                }
            }
        }
    }
}

impl Terminal {
    /// Calls `f` with the terminal's own expressions.
    pub fn expressions<'a>(&'a self, f: &mut dyn FnMut(Node<'a>)) {
        if let Terminal::Update { assignments, .. } = self {
            for assignment in assignments {
                f(Node::Scalar(&assignment.key));
                assignment
                    .values
                    .iter()
                    .for_each(|(_, s)| f(Node::Scalar(s)));
            }
        }
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
