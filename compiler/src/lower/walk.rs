//! Questions about a plan that lowering asks before it starts.

use crate::plan::facts::{self, ColumnSet, SourceSet};
use crate::plan::{
    AggregateCall, ColumnId, Output, OutputNode, Plan, Predicate, Prefetched, Rel, Scalar, SubPlan,
    Visit, visit_call, visit_rel, visit_scalar, visit_subplan, visit_terminal,
};

/// How often columns are used, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Uses(Vec<u32>);

impl Uses {
    /// Of each column in the plan, subqueries and output included.
    pub fn of_plan(plan: &Plan) -> Self {
        let mut uses = Uses(vec![0; plan.columns.next_id().0 as usize]);
        let mut count = Count {
            uses: &mut uses,
            inside: false,
        };
        count.rel(&plan.rel);
        visit_terminal(&mut count, &plan.terminal);
        if let Some(output) = plan.terminal.output() {
            for id in facts::output_columns(output).iter() {
                uses.add(id);
            }
        }
        uses
    }

    /// One use more.
    pub fn add(&mut self, id: ColumnId) {
        let i = id.0 as usize;
        if i >= self.0.len() {
            self.0.resize(i + 1, 0);
        }
        if let Some(n) = self.0.get_mut(i) {
            *n += 1;
        }
    }

    /// Those in a condition.
    pub fn add_predicate(&mut self, predicate: &Predicate) {
        let inside = false;
        Count { uses: self, inside }.predicate(predicate);
    }

    /// Those in an aggregate.
    pub fn add_call(&mut self, call: &AggregateCall) {
        let inside = false;
        visit_call(&mut Count { uses: self, inside }, call);
    }

    /// How often a column is used.
    pub fn of(&self, id: ColumnId) -> u32 {
        self.0.get(id.0 as usize).copied().unwrap_or(0)
    }
}

struct Count<'u> {
    uses: &'u mut Uses,
    /// In a subquery, where the columns of `Distinct` do not count.
    inside: bool,
}

impl<'a> Visit<'a> for Count<'_> {
    fn scalar(&mut self, scalar: &'a Scalar) {
        match scalar {
            Scalar::Column(id) => self.uses.add(*id),
            other => visit_scalar(self, other),
        }
    }

    fn rel(&mut self, rel: &'a Rel) {
        match rel {
            Rel::Join(join) => join.on.iter().for_each(|(_, id)| self.uses.add(*id)),
            Rel::Distinct { columns, .. } if !self.inside => {
                columns.iter().for_each(|id| self.uses.add(*id));
            }
            _ => {}
        }
        visit_rel(self, rel);
    }

    fn subplan(&mut self, sub: &'a SubPlan) {
        let outer = std::mem::replace(&mut self.inside, true);
        visit_subplan(self, sub);
        self.inside = outer;
    }
}

/// Joined sources whose documents are held in memory: by a sort or a window above, before a group makes new ones.
pub(super) fn held(rel: &Rel) -> SourceSet {
    let mut out = SourceSet::new();
    let mut held = false;
    let mut at = rel;
    loop {
        match at {
            Rel::Sort { .. } | Rel::Window { .. } | Rel::DistinctOn { .. } => held = true,
            Rel::Aggregate { .. } | Rel::Distinct { .. } => held = false,
            Rel::Join(join) if held => {
                out.insert(join.source);
            }
            _ => {}
        }
        match at.input() {
            Some(input) => at = input,
            None => return out,
        }
    }
}

/// Columns that the output needs, in order, those of follow-up queries included; no duplicates.
pub(super) fn output_columns(output: &Output) -> Vec<ColumnId> {
    let mut out = InOrder {
        columns: Vec::with_capacity(output.nodes.len()),
        seen: ColumnSet::new(),
    };
    out.nodes(&output.nodes);
    out.prefetched(&output.prefetched);
    out.columns
}

struct InOrder {
    columns: Vec<ColumnId>,
    seen: ColumnSet,
}

impl InOrder {
    fn add(&mut self, id: ColumnId) {
        if self.seen.insert(id) {
            self.columns.push(id);
        }
    }

    fn nodes(&mut self, nodes: &[OutputNode]) {
        for node in nodes {
            match node {
                OutputNode::Column { column, .. } => self.add(*column),
                OutputNode::Related {
                    key,
                    nodes,
                    prefetched,
                    ..
                } => {
                    self.add(*key);
                    self.nodes(nodes);
                    self.prefetched(prefetched);
                }
                OutputNode::Tuple { columns, .. } => columns.iter().for_each(|id| self.add(*id)),
            }
        }
    }

    fn prefetched(&mut self, follow: &[Prefetched]) {
        for prefetch in follow {
            prefetch.parent.iter().for_each(|id| self.add(*id));
            if let Some((id, _)) = &prefetch.only {
                self.add(*id);
            }
        }
    }
}
