//! Walks over the conditions, values and queries of a plan.

use super::{Context, Kinds};
use crate::error::Result;
use crate::plan::facts::{ColumnSet, Nulls, output_columns, used_columns};
pub(super) use crate::plan::has_subquery;
use crate::plan::{
    AggregateCall, Columns, Node, Plan, Predicate, Rel, Scalar, SubKind, SubPlan, Terminal,
    VisitMut, walk_expressions, walk_rel, walk_scalar, walk_subplan, walk_terminal,
};

/// What of a condition's three values counts where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Truth {
    /// Only whether it is true: filters, join conditions, branches.
    True,
    /// All three: conditions as values, and inside negations.
    Value,
}

impl Truth {
    /// What counts inside a condition.
    fn inside(self, predicate: &Predicate) -> Truth {
        match predicate {
            Predicate::And(_) | Predicate::Or(_) => self,
            _ => Truth::Value,
        }
    }
}

type EachPredicate<'f> = dyn FnMut(&mut Predicate, Truth, &Columns) -> bool + 'f;

struct Predicates<'f, 'g> {
    columns: &'f Columns,
    truth: Truth,
    changed: bool,
    f: &'f mut EachPredicate<'g>,
}

impl Predicates<'_, '_> {
    fn with(&mut self, truth: Truth, work: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.truth, truth);
        work(self);
        self.truth = outer;
    }
}

impl VisitMut for Predicates<'_, '_> {
    fn rel(&mut self, rel: &mut Rel) {
        self.with(Truth::True, |s| walk_rel(s, rel));
    }

    fn predicate(&mut self, predicate: &mut Predicate) {
        let truth = self.truth;
        self.with(truth.inside(predicate), |s| {
            crate::plan::walk_predicate(s, predicate);
        });
        self.changed |= (self.f)(predicate, truth, self.columns);
    }

    fn scalar(&mut self, scalar: &mut Scalar) {
        let truth = match scalar {
            Scalar::Case { .. } => Truth::True,
            _ => Truth::Value,
        };
        self.with(truth, |s| walk_scalar(s, scalar));
    }

    fn subplan(&mut self, sub: &mut SubPlan) {
        walk_subplan(self, sub);
    }
}

/// Calls `f` with every condition of a plan, inner ones first; whether one changed.
pub(super) fn each_predicate(plan: &mut Plan, f: &mut EachPredicate<'_>) -> bool {
    let mut walk = Predicates {
        columns: &plan.columns,
        truth: Truth::True,
        changed: false,
        f,
    };
    walk.rel(&mut plan.rel);
    walk_terminal(&mut walk, &mut plan.terminal);
    walk.changed
}

struct Scalars<'f> {
    changed: bool,
    f: &'f mut dyn FnMut(&mut Scalar) -> bool,
}

impl VisitMut for Scalars<'_> {
    fn scalar(&mut self, scalar: &mut Scalar) {
        walk_scalar(self, scalar);
        self.changed |= (self.f)(scalar);
    }
}

/// Calls `f` with every value of a plan, inner ones first; whether one changed.
pub(super) fn each_scalar(plan: &mut Plan, f: &mut dyn FnMut(&mut Scalar) -> bool) -> bool {
    let mut walk = Scalars { changed: false, f };
    walk.rel(&mut plan.rel);
    walk_terminal(&mut walk, &mut plan.terminal);
    walk.changed
}

struct Rels<'f> {
    changed: bool,
    f: &'f mut dyn FnMut(&mut Rel) -> bool,
}

impl VisitMut for Rels<'_> {
    fn rel(&mut self, rel: &mut Rel) {
        walk_rel(self, rel);
        self.changed |= (self.f)(rel);
    }
}

/// Calls `f` with every operator of a plan, inputs and subqueries first; whether one changed.
pub(super) fn each_rel(plan: &mut Plan, f: &mut dyn FnMut(&mut Rel) -> bool) -> bool {
    let mut walk = Rels { changed: false, f };
    walk.rel(&mut plan.rel);
    walk_terminal(&mut walk, &mut plan.terminal);
    walk.changed
}

struct SubPlans<'f> {
    changed: bool,
    f: &'f mut dyn FnMut(&mut SubPlan) -> bool,
}

impl VisitMut for SubPlans<'_> {
    fn subplan(&mut self, sub: &mut SubPlan) {
        walk_subplan(self, sub);
        self.changed |= (self.f)(sub);
    }
}

/// Calls `f` with every subquery of a plan, inner ones first; whether one changed.
pub(super) fn each_subplan(plan: &mut Plan, f: &mut dyn FnMut(&mut SubPlan) -> bool) -> bool {
    let mut walk = SubPlans { changed: false, f };
    walk.rel(&mut plan.rel);
    walk_terminal(&mut walk, &mut plan.terminal);
    walk.changed
}

/// Why rows are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The rows themselves, in their order.
    Rows,
    /// How many there are.
    Count,
    /// Whether there is one.
    Exists,
    /// Which rows there are: order and repetition are of no interest.
    Set,
    /// Which rows there are and how often: order is of no interest.
    Bag,
    /// Documents are changed through them.
    Write,
}

/// The rows of a query: of the statement, a subquery or an input of a set operation.
pub(super) struct Query<'a> {
    /// The rows.
    pub rel: &'a mut Rel,
    /// What for.
    pub purpose: Purpose,
    reader: Reader<'a>,
}

/// What reads the columns of a query.
enum Reader<'a> {
    Selected(&'a [Scalar]),
    Terminal(&'a Terminal),
}

struct Queries<'f, 'c> {
    changed: bool,
    result: Result<()>,
    columns: &'c mut Columns,
    f: &'f mut dyn FnMut(Query<'_>, &mut Columns) -> Result<bool>,
}

impl Queries<'_, '_> {
    fn query(&mut self, rel: &mut Rel, reader: Reader<'_>, purpose: Purpose) {
        if self.result.is_err() {
            return;
        }
        match (self.f)(
            Query {
                rel,
                purpose,
                reader,
            },
            self.columns,
        ) {
            Ok(changed) => self.changed |= changed,
            Err(e) => self.result = Err(e),
        }
    }
}

impl VisitMut for Queries<'_, '_> {
    fn rel(&mut self, rel: &mut Rel) {
        walk_rel(self, rel);
        if let Rel::SetOp { inputs, op, .. } = rel {
            let purpose = match op {
                crate::plan::SetOp::UnionAll => Purpose::Bag,
                _ => Purpose::Set,
            };
            for (input, scalars) in inputs {
                self.query(input, Reader::Selected(scalars), purpose);
            }
        }
    }

    fn subplan(&mut self, sub: &mut SubPlan) {
        walk_subplan(self, sub);
        let purpose = match sub.kind {
            SubKind::Scalar | SubKind::Array => Purpose::Rows,
            SubKind::Exists => Purpose::Exists,
            SubKind::Set => Purpose::Set,
        };
        self.query(&mut sub.rel, Reader::Selected(&sub.columns), purpose);
    }
}

impl Query<'_> {
    /// Columns that are read above the rows.
    pub fn demand(&self) -> ColumnSet {
        match self.reader {
            Reader::Selected(scalars) => {
                let mut demand = ColumnSet::new();
                for s in scalars {
                    demand.union(&used_columns(Node::Scalar(s)));
                }
                demand
            }
            Reader::Terminal(terminal) => read_by(terminal),
        }
    }

    /// The rows must be documents of the source that they start with: those of a delete. An update finds documents by their
    /// keys, wherever these are.
    pub fn is_rooted(&self) -> bool {
        self.purpose == Purpose::Write && self.demand().is_empty()
    }
}

/// Calls `f` with an operator and those below it in turn, until it says that it changed one.
pub(super) fn first_operator(
    rel: &mut Rel,
    f: &mut dyn FnMut(&mut Rel) -> Result<bool>,
) -> Result<bool> {
    let mut at = rel;
    loop {
        if f(at)? {
            return Ok(true);
        }
        match at.input_mut() {
            Some(input) => at = input,
            None => return Ok(false),
        }
    }
}

/// Calls `f` with every query of a plan, inner ones first; whether one changed.
pub(super) fn each_query(
    plan: &mut Plan,
    context: &Context<'_>,
    f: &mut dyn FnMut(Query<'_>, &mut Columns) -> Result<bool>,
) -> Result<bool> {
    let Plan {
        columns,
        rel,
        terminal,
        ..
    } = plan;
    let mut walk = Queries {
        changed: false,
        result: Ok(()),
        columns,
        f,
    };
    if context.kinds.meets(Kinds::SUBQUERY.or(Kinds::SET_OP)) {
        walk.rel(rel);
        walk_terminal(&mut walk, terminal);
    }
    let purpose = match terminal {
        Terminal::Rows { .. } | Terminal::Aggregate { .. } | Terminal::Upsert(_) => Purpose::Rows,
        Terminal::Count { .. } => Purpose::Count,
        Terminal::Exists => Purpose::Exists,
        Terminal::Update { .. }
        | Terminal::Delete { .. }
        | Terminal::Insert(_)
        | Terminal::BulkUpdate(_) => Purpose::Write,
    };
    walk.query(rel, Reader::Terminal(terminal), purpose);
    walk.result?;
    Ok(walk.changed)
}

/// The columns that a terminal reads.
fn read_by(terminal: &Terminal) -> ColumnSet {
    let mut demand = terminal.output().map(output_columns).unwrap_or_default();
    if let Terminal::Upsert(upsert) = terminal {
        demand.insert(upsert.key);
    }
    terminal.expressions(&mut |node| demand.union(&used_columns(node)));
    demand
}

/// A condition with what is known of NULL where it stands.
pub(super) type WithNulls<'f> = dyn FnMut(&mut Predicate, Truth, &Nulls<'_>) -> bool + 'f;

struct NullWalk<'c, 'f, 'g> {
    columns: &'c Columns,
    changed: bool,
    f: &'f mut WithNulls<'g>,
}

/// Calls `f` with every condition of a plan and what is known of NULL there: conditions of a join know the joined
/// rows, those above a filter know that it was true.
pub(super) fn each_predicate_with_nulls(plan: &mut Plan, f: &mut WithNulls<'_>) -> bool {
    let Plan { columns, rel, .. } = plan;
    let mut walk = NullWalk {
        columns,
        changed: false,
        f,
    };
    walk.rel(rel, &Nulls::new(walk.columns));
    walk.changed
}

impl<'c> NullWalk<'c, '_, '_> {
    fn rel(&mut self, rel: &mut Rel, outer: &Nulls<'c>) -> Nulls<'c> {
        if let Rel::SetOp { inputs, .. } = rel {
            for (input, scalars) in inputs {
                let nulls = self.rel(input, outer);
                for s in scalars {
                    self.inside_scalar(s, &nulls);
                }
            }
            return outer.clone();
        }
        let mut nulls = match rel.input_mut() {
            Some(input) => self.rel(input, outer),
            None => outer.clone(),
        };
        match rel {
            Rel::Filter { predicate, .. } => self.predicate(predicate, Truth::True, &nulls),
            Rel::Join(join) => {
                for (s, _) in &mut join.on {
                    self.inside_scalar(s, &nulls);
                }
                // The condition looks at documents of the source that are there.
                if let Some(condition) = &mut join.condition {
                    self.predicate(condition, Truth::True, &nulls);
                }
            }
            _ => walk_expressions(
                &mut Expressions {
                    walk: self,
                    nulls: &nulls,
                },
                rel,
            ),
        }
        nulls.step(rel);
        nulls
    }

    fn predicate(&mut self, predicate: &mut Predicate, truth: Truth, nulls: &Nulls<'c>) {
        match predicate {
            Predicate::And(list) | Predicate::Or(list) => {
                for p in list {
                    self.predicate(p, truth, nulls);
                }
            }
            Predicate::Not(inner) => self.predicate(inner, Truth::Value, nulls),
            _ => crate::plan::walk_predicate(&mut Expressions { walk: self, nulls }, predicate),
        }
        self.changed |= (self.f)(predicate, truth, nulls);
    }

    fn inside_scalar(&mut self, scalar: &mut Scalar, nulls: &Nulls<'c>) {
        Expressions { walk: self, nulls }.scalar(scalar);
    }
}

struct Expressions<'w, 'n, 'c, 'f, 'g> {
    walk: &'w mut NullWalk<'c, 'f, 'g>,
    nulls: &'n Nulls<'c>,
}

impl VisitMut for Expressions<'_, '_, '_, '_, '_> {
    fn rel(&mut self, rel: &mut Rel) {
        self.walk.rel(rel, self.nulls);
    }

    fn scalar(&mut self, scalar: &mut Scalar) {
        match scalar {
            Scalar::Predicate(p) => self.walk.predicate(p, Truth::Value, self.nulls),
            Scalar::Case {
                when, otherwise, ..
            } => {
                for (condition, result) in when {
                    self.walk.predicate(condition, Truth::True, self.nulls);
                    self.scalar(result);
                }
                self.scalar(otherwise);
            }
            other => walk_scalar(self, other),
        }
    }

    fn predicate(&mut self, predicate: &mut Predicate) {
        self.walk.predicate(predicate, Truth::Value, self.nulls);
    }

    fn subplan(&mut self, sub: &mut SubPlan) {
        let nulls = self.walk.rel(&mut sub.rel, self.nulls);
        for s in &mut sub.columns {
            self.walk.inside_scalar(s, &nulls);
        }
    }
}

/// Calls `f` with every aggregate call of an operator.
pub(super) fn calls_mut(rel: &mut Rel, f: &mut dyn FnMut(&mut AggregateCall)) {
    match rel {
        Rel::Aggregate { aggregates, .. } => aggregates.iter_mut().for_each(|(_, call)| f(call)),
        Rel::Window { outputs, .. } => outputs.iter_mut().for_each(|(_, w)| f(&mut w.call)),
        _ => {}
    }
}
