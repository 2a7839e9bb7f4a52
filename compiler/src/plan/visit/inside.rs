//! What is inside what, in the order in which it is written. One description serves walks that look and walks that change:
//! they differ in the `mut` of their references and in the names of their functions.

use super::{Visit, VisitMut};
use crate::plan::{AggregateCall, Predicate, Rel, Scalar, SortKey, SourceId, SubPlan, Terminal};

macro_rules! inside {
    (
        // What the walk is, with its lifetime or with `mut`.
        $Visit:ident $(<$a:lifetime>)? $($mutable:ident)?,
        // The only input of an operator.
        $input:ident,
        // Its functions.
        $rel:ident, $expressions:ident, $keys:ident, $call:ident, $scalar:ident, $predicate:ident, $subplan:ident,
        $terminal:ident
    ) => {
        /// Visits what is inside rows: inputs first, then the operator's own expressions.
        pub fn $rel<$($a,)? V: $Visit$(<$a>)? + ?Sized>(v: &mut V, rel: &$($a)? $($mutable)? Rel) {
            if let Rel::SetOp { inputs, .. } = rel {
                for (input, _) in inputs {
                    v.rel(input);
                }
            } else if let Some(input) = rel.$input() {
                v.rel(input);
            }
            $expressions(v, rel);
        }

        /// Visits the operator's own expressions.
        pub fn $expressions<$($a,)? V: $Visit$(<$a>)? + ?Sized>(v: &mut V, rel: &$($a)? $($mutable)? Rel) {
            match rel {
                Rel::Scan(_)
                | Rel::Raw { .. }
                | Rel::Search(_)
                | Rel::Empty
                | Rel::Unit
                | Rel::Slice { .. }
                | Rel::Distinct { .. } => {}
                Rel::Filter { predicate, .. } => v.predicate(predicate),
                Rel::Join(join) => {
                    let join = &$($mutable)? **join;
                    for (lhs, _) in &$($mutable)? join.on {
                        v.scalar(lhs);
                    }
                    if let Some(condition) = &$($mutable)? join.condition {
                        v.predicate(condition);
                    }
                }
                Rel::Extend { columns, .. } => {
                    for (_, definition) in columns {
                        v.scalar(definition);
                    }
                }
                Rel::Aggregate { keys, aggregates, .. } => {
                    for (_, key) in keys {
                        v.scalar(key);
                    }
                    for (_, call) in aggregates {
                        $call(v, call);
                    }
                }
                Rel::Window { partition, order, outputs, .. } => {
                    for key in partition {
                        v.scalar(key);
                    }
                    $keys(v, order);
                    for (_, window) in outputs {
                        $call(v, &$($mutable)? window.call);
                    }
                }
                Rel::DistinctOn { on, order, .. } => {
                    for key in on {
                        v.scalar(key);
                    }
                    $keys(v, order);
                }
                Rel::Sort { keys, .. } => $keys(v, keys),
                Rel::SetOp { inputs, .. } => {
                    for (_, selected) in inputs {
                        for scalar in selected {
                            v.scalar(scalar);
                        }
                    }
                }
            }
        }

        fn $keys<$($a,)? V: $Visit$(<$a>)? + ?Sized>(v: &mut V, keys: &$($a)? $($mutable)? [SortKey]) {
            for key in keys {
                v.scalar(&$($mutable)? key.scalar);
            }
        }

        /// Visits what is inside an aggregate.
        pub fn $call<$($a,)? V: $Visit$(<$a>)? + ?Sized>(v: &mut V, call: &$($a)? $($mutable)? AggregateCall) {
            for arg in &$($mutable)? call.args {
                v.scalar(arg);
            }
            if let Some(filter) = &$($mutable)? call.filter {
                v.predicate(filter);
            }
            $keys(v, &$($mutable)? call.order);
        }

        /// Visits what is inside a value.
        pub fn $scalar<$($a,)? V: $Visit$(<$a>)? + ?Sized>(v: &mut V, scalar: &$($a)? $($mutable)? Scalar) {
            match scalar {
                Scalar::Column(_) | Scalar::Literal(_) | Scalar::Raw(..) => {}
                Scalar::Arithmetic { lhs, rhs, .. } => {
                    v.scalar(lhs);
                    v.scalar(rhs);
                }
                Scalar::Call(call) => {
                    for arg in &$($mutable)? call.args {
                        v.scalar(arg);
                    }
                }
                Scalar::List(parts) => {
                    for part in parts {
                        v.scalar(part);
                    }
                }
                Scalar::Case { when, otherwise, .. } => {
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
        pub fn $predicate<$($a,)? V: $Visit$(<$a>)? + ?Sized>(v: &mut V, predicate: &$($a)? $($mutable)? Predicate) {
            match predicate {
                Predicate::Const(_) => {}
                Predicate::And(list) | Predicate::Or(list) | Predicate::Xor(list) => {
                    for p in list {
                        v.predicate(p);
                    }
                }
                Predicate::Not(inner) => v.predicate(inner),
                Predicate::Compare { lhs, rhs, .. }
                | Predicate::Like { lhs, rhs, .. }
                | Predicate::Lookup { lhs, rhs, .. } => {
                    v.scalar(lhs);
                    v.scalar(rhs);
                }
                Predicate::IsNull(s) | Predicate::Bool(s) | Predicate::InParameter { lhs: s, .. } => v.scalar(s),
                Predicate::In { lhs, list } => {
                    v.scalar(lhs);
                    for item in list {
                        v.scalar(item);
                    }
                }
                Predicate::InSubquery { lhs, query } => {
                    for scalar in lhs {
                        v.scalar(scalar);
                    }
                    v.subplan(query);
                }
                Predicate::Exists(query) => v.subplan(query),
                // The columns of its test are its own.
                Predicate::AnyElement(any) => {
                    let any = &$($mutable)? **any;
                    v.scalar(&$($mutable)? any.array);
                    for (_, given) in &$($mutable)? any.given {
                        v.scalar(given);
                    }
                }
            }
        }

        /// Visits what is inside a subquery.
        pub fn $subplan<$($a,)? V: $Visit$(<$a>)? + ?Sized>(v: &mut V, sub: &$($a)? $($mutable)? SubPlan) {
            v.rel(&$($mutable)? sub.rel);
            for scalar in &$($mutable)? sub.columns {
                v.scalar(scalar);
            }
        }

        /// Visits the terminal's own expressions.
        pub fn $terminal<$($a,)? V: $Visit$(<$a>)? + ?Sized>(v: &mut V, terminal: &$($a)? $($mutable)? Terminal) {
            let assignments = match terminal {
                Terminal::Update { assignments, .. } => assignments,
                Terminal::Upsert(upsert) => &$($mutable)? upsert.assignments,
                _ => return,
            };
            for assignment in assignments {
                v.scalar(&$($mutable)? assignment.key);
                for (_, value) in &$($mutable)? assignment.values {
                    v.scalar(value);
                }
            }
        }
    };
}

inside!(
    Visit<'a>,
    input,
    visit_rel,
    visit_expressions,
    visit_keys,
    visit_call,
    visit_scalar,
    visit_predicate,
    visit_subplan,
    visit_terminal
);
inside!(
    VisitMut mut, input_mut, walk_rel, walk_expressions, walk_keys, walk_call, walk_scalar, walk_predicate,
    walk_subplan, walk_terminal
);

macro_rules! only_input {
    ($rel:ident, &$($mutable:ident)?) => {
        match $rel {
            Rel::Scan(_)
            | Rel::Raw { .. }
            | Rel::Search(_)
            | Rel::Empty
            | Rel::Unit
            | Rel::SetOp { .. } => None,
            Rel::Join(join) => Some(&$($mutable)? join.input),
            Rel::Filter { input, .. }
            | Rel::Extend { input, .. }
            | Rel::Aggregate { input, .. }
            | Rel::Window { input, .. }
            | Rel::Distinct { input, .. }
            | Rel::DistinctOn { input, .. }
            | Rel::Sort { input, .. }
            | Rel::Slice { input, .. } => Some(input),
        }
    };
}

impl Rel {
    /// The only input, for operators that have exactly one.
    #[must_use]
    pub fn input(&self) -> Option<&Rel> {
        only_input!(self, &)
    }

    /// The only input, to change it.
    pub fn input_mut(&mut self) -> Option<&mut Rel> {
        only_input!(self, &mut)
    }

    /// Calls `f` with every input.
    pub fn inputs<'a>(&'a self, f: &mut dyn FnMut(&'a Rel)) {
        if let Rel::SetOp { inputs, .. } = self {
            inputs.iter().for_each(|(rel, _)| f(rel));
        } else if let Some(input) = self.input() {
            f(input);
        }
    }

    /// Calls `f` with every input, to change it.
    pub fn inputs_mut(&mut self, f: &mut dyn FnMut(&mut Rel)) {
        if let Rel::SetOp { inputs, .. } = self {
            inputs.iter_mut().for_each(|(rel, _)| f(rel));
        } else if let Some(input) = self.input_mut() {
            f(input);
        }
    }

    /// The source that the rows start with, where they are those of one collection and what is joined with it.
    #[must_use]
    pub fn base(&self) -> Option<SourceId> {
        let mut at = self;
        loop {
            match at {
                Rel::Scan(source) => return Some(*source),
                other => at = other.input()?,
            }
        }
    }

    /// Takes the operator out of its place, which becomes [`Rel::Empty`].
    #[must_use]
    pub fn take(&mut self) -> Rel {
        std::mem::replace(self, Rel::Empty)
    }
}
