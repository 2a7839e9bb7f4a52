//! The invariants of plans.
//!
//! - Every column that an expression names is a column of its input or of an outer query.
//! - A column is defined once, a source is scanned or joined once, in the whole plan.
//! - The inputs of set operations select as many columns as the operation has; their kinds of values agree.
//! - A join says what is equal, with columns of the joined source; `carried` sources are there.
//! - Subqueries select one column (a scalar, an array), none or more (existence), one for each left value (sets).
//! - Nothing is nested deeper than [`MAX_DEPTH`].

use super::facts::{ColumnSet, Scope, SourceSet, scope, used_columns};
use super::{
    ColumnId, Columns, Node, Output, OutputNode, Plan, Predicate, Rel, Scalar, SourceId, SubKind,
    SubPlan, Terminal, Visit, visit, visit_terminal,
};
use crate::error::{Code, Error, Result};

/// How deep nodes may be nested, whatever they are. Everything that recurses over a plan relies on it.
pub const MAX_DEPTH: usize = 400;

/// How many nodes a plan may have.
pub const MAX_NODES: usize = 1_000_000;

/// How deep follow-up queries may be nested.
const MAX_PREFETCH: usize = 32;

/// Refuses plans that are too deep or too large.
///
/// # Errors
/// `Limit`.
pub fn check_depth(plan: &Plan) -> Result<()> {
    depth(plan, 0)
}

/// Counts nodes, and how deep they are nested.
#[derive(Default)]
struct Size {
    nodes: usize,
    depth: usize,
    deepest: usize,
}

impl<'a> Visit<'a> for Size {
    fn node(&mut self, node: Node<'a>) {
        self.nodes += 1;
        self.deepest = self.deepest.max(self.depth);
        if self.depth <= MAX_DEPTH && self.nodes <= MAX_NODES {
            self.depth += 1;
            node.visit_inside(self);
            self.depth -= 1;
        }
    }
}

fn depth(plan: &Plan, level: usize) -> Result<()> {
    let mut size = Size::default();
    size.rel(&plan.rel);
    visit_terminal(&mut size, &plan.terminal);
    if size.deepest > MAX_DEPTH || level > MAX_PREFETCH {
        return Err(Error::new(
            Code::Limit,
            format!("the statement is nested deeper than {MAX_DEPTH} levels"),
        ));
    }
    if size.nodes > MAX_NODES {
        return Err(Error::new(
            Code::Limit,
            format!("the statement has more than {MAX_NODES} parts"),
        ));
    }
    follow_ups(plan, &mut |inner| depth(inner, level + 1))
}

/// Calls `f` with the plans of follow-up queries, not with theirs.
fn follow_ups(plan: &Plan, f: &mut dyn FnMut(&Plan) -> Result<()>) -> Result<()> {
    fn of_nodes(nodes: &[OutputNode], f: &mut dyn FnMut(&Plan) -> Result<()>) -> Result<()> {
        for node in nodes {
            if let OutputNode::Related {
                nodes, prefetched, ..
            } = node
            {
                prefetched.iter().try_for_each(|p| f(&p.plan))?;
                of_nodes(nodes, f)?;
            }
        }
        Ok(())
    }
    let Terminal::Rows { output } = &plan.terminal else {
        return Ok(());
    };
    output.prefetched.iter().try_for_each(|p| f(&p.plan))?;
    of_nodes(&output.nodes, f)
}

/// Checks the invariants of a plan and of its follow-up queries.
///
/// # Errors
/// `Limit` for plans that are too deep or large, `Internal` for a broken invariant.
pub fn check(plan: &Plan) -> Result<()> {
    check_depth(plan)?;
    check_plan(plan)
}

fn check_plan(plan: &Plan) -> Result<()> {
    let mut checker = Checker {
        columns: &plan.columns,
        sources: SourceSet::new(),
        defined: ColumnSet::new(),
    };
    let outer = Scope::default();
    let rows = checker.rel(&plan.rel, &outer)?;
    if let Some(output) = plan.terminal.output() {
        checker.output(output, &rows)?;
    }
    for assignment in plan.terminal.assignments() {
        checker.scalar(&assignment.key, &rows, &outer)?;
        for (name, scalar) in &assignment.values {
            checker
                .scalar(scalar, &rows, &outer)
                .map_err(|e| e.inside(name))?;
        }
    }
    if let Terminal::Delete { source, .. } = &plan.terminal
        && !rows.all
        && !rows.sources.contains(*source)
    {
        return Err(broken("the source to delete from is not there"));
    }
    follow_ups(plan, &mut check_plan)
}

fn broken(message: impl Into<String>) -> Error {
    Error::internal(message)
}

struct Checker<'a> {
    columns: &'a Columns,
    sources: SourceSet,
    defined: ColumnSet,
}

impl Checker<'_> {
    fn source(&mut self, source: SourceId) -> Result<()> {
        self.columns.source(source)?;
        if self.sources.insert(source) {
            Ok(())
        } else {
            Err(broken(format!("source {} is there twice", source.0)))
        }
    }

    fn define(&mut self, id: ColumnId) -> Result<()> {
        self.columns.get(id)?;
        if self.defined.insert(id) {
            Ok(())
        } else {
            Err(broken(format!("column #{} is defined twice", id.0)))
        }
    }

    fn known(&self, id: ColumnId, input: &Scope, outer: &Scope) -> Result<()> {
        let column = self.columns.get(id)?;
        if input.has(self.columns, id) || outer.has(self.columns, id) {
            return Ok(());
        }
        Err(broken(format!(
            "column {}#{} is not defined where it is used",
            column.name, id.0
        )))
    }

    /// Checks what is inside an expression.
    fn node(&mut self, node: Node<'_>, input: &Scope, outer: &Scope) -> Result<()> {
        let mut result = Ok(());
        visit(node, &mut |node, _| {
            if result.is_err() {
                return false;
            }
            match node {
                Node::Scalar(Scalar::Column(id)) => result = self.known(*id, input, outer),
                Node::SubPlan(sub) => {
                    let mut around = outer.clone();
                    around.extend(input);
                    // What an input without rows would have is anything; a subquery in it too.
                    result = self.subplan(sub, &around);
                    return false;
                }
                Node::Predicate(Predicate::And(list) | Predicate::Or(list)) if list.is_empty() => {
                    result = Err(broken("a junction of nothing"));
                }
                Node::Predicate(Predicate::InSubquery { lhs, query })
                    if query.columns.len() != lhs.len() || query.kind != SubKind::Set =>
                {
                    result = Err(broken(format!(
                        "{} values are looked up among {} columns",
                        lhs.len(),
                        query.columns.len()
                    )));
                }
                Node::Predicate(Predicate::Exists(query)) if query.kind != SubKind::Exists => {
                    result = Err(broken("existence of a subquery that is a value"));
                }
                Node::Scalar(Scalar::Subquery(sub))
                    if !matches!(sub.kind, SubKind::Scalar | SubKind::Array) =>
                {
                    result = Err(broken("a value of a subquery that is none"));
                }
                _ => {}
            }
            result.is_ok()
        });
        result
    }

    fn scalar(&mut self, scalar: &Scalar, input: &Scope, outer: &Scope) -> Result<()> {
        self.node(Node::Scalar(scalar), input, outer)
    }

    fn subplan(&mut self, sub: &SubPlan, outer: &Scope) -> Result<()> {
        let rows = self.rel(&sub.rel, outer)?;
        for scalar in &sub.columns {
            self.scalar(scalar, &rows, outer)?;
        }
        match (sub.kind, sub.columns.len()) {
            (SubKind::Scalar | SubKind::Array, 1) | (SubKind::Exists, _) => Ok(()),
            (SubKind::Set, n) if n > 0 => Ok(()),
            (kind, n) => Err(broken(format!("a {kind:?} subquery selects {n} columns"))),
        }
    }

    fn rel(&mut self, rel: &Rel, outer: &Scope) -> Result<Scope> {
        if let Rel::SetOp {
            inputs, columns, ..
        } = rel
        {
            return self.set_op(inputs, columns, outer);
        }
        let input = match rel.input() {
            Some(input) => self.rel(input, outer)?,
            None => Scope::default(),
        };
        match rel {
            Rel::Scan(source) | Rel::Raw { source, .. } => self.source(*source)?,
            Rel::Search(search) => {
                self.source(search.source)?;
                for (id, _) in &search.columns {
                    self.define(*id)?;
                }
            }
            Rel::Join(join) => {
                self.source(join.source)?;
                if join.on.is_empty() && join.condition.is_none() {
                    return Err(broken("a join without any condition"));
                }
                for (lhs, rhs) in &join.on {
                    self.scalar(lhs, &input, outer)?;
                    if self.columns.source_of(*rhs) != Some(join.source) {
                        return Err(broken("a join with a column of another source"));
                    }
                }
                if let Some(condition) = &join.condition {
                    let mut both = input.clone();
                    both.sources.insert(join.source);
                    self.node(Node::Predicate(condition), &both, outer)?;
                }
            }
            Rel::Extend { columns, .. } => {
                let mut so_far = input.clone();
                for (id, scalar) in columns {
                    self.scalar(scalar, &so_far, outer)?;
                    self.define(*id)?;
                    so_far.columns.insert(*id);
                }
            }
            Rel::Aggregate {
                keys,
                carried,
                aggregates,
                ..
            } => {
                rel_expressions(self, rel, &input, outer)?;
                for (id, scalar) in keys {
                    if *scalar != Scalar::Column(*id) {
                        self.define(*id)?;
                    }
                }
                for (id, _) in aggregates {
                    self.define(*id)?;
                }
                self.carried(carried, &input)?;
            }
            Rel::Window { outputs, .. } => {
                rel_expressions(self, rel, &input, outer)?;
                for (id, _) in outputs {
                    self.define(*id)?;
                }
            }
            Rel::Distinct {
                columns, carried, ..
            } => {
                for id in columns {
                    self.known(*id, &input, &Scope::default())?;
                }
                self.carried(carried, &input)?;
            }
            Rel::DistinctOn { kept, order, .. } => {
                rel_expressions(self, rel, &input, outer)?;
                for id in kept.iter().flatten() {
                    self.known(*id, &input, &Scope::default())?;
                }
                for key in order {
                    self.scalar(&key.scalar, &scope(rel), outer)?;
                }
            }
            _ => rel_expressions(self, rel, &input, outer)?,
        }
        Ok(scope(rel))
    }

    fn carried(&self, carried: &[SourceId], input: &Scope) -> Result<()> {
        match carried
            .iter()
            .find(|source| !input.all && !input.sources.contains(**source))
        {
            Some(source) => Err(broken(format!("carried source {} is not there", source.0))),
            None => Ok(()),
        }
    }

    fn set_op(
        &mut self,
        inputs: &[(Rel, Vec<Scalar>)],
        columns: &[ColumnId],
        outer: &Scope,
    ) -> Result<Scope> {
        if inputs.is_empty() {
            return Err(broken("a set operation without inputs"));
        }
        for (input, scalars) in inputs {
            let rows = self.rel(input, outer)?;
            if scalars.len() != columns.len() {
                return Err(broken(format!(
                    "an input of {} columns in a set operation of {}",
                    scalars.len(),
                    columns.len()
                )));
            }
            for scalar in scalars {
                self.scalar(scalar, &rows, outer)?;
            }
        }
        for id in columns {
            self.define(*id)?;
        }
        Ok(Scope {
            columns: columns.iter().copied().collect(),
            ..Scope::default()
        })
    }

    fn output(&self, output: &Output, rows: &Scope) -> Result<()> {
        for id in super::facts::output_columns(output).iter() {
            self.known(id, rows, &Scope::default())?;
        }
        Ok(())
    }
}

fn rel_expressions(
    checker: &mut Checker<'_>,
    rel: &Rel,
    input: &Scope,
    outer: &Scope,
) -> Result<()> {
    let mut result = Ok(());
    rel.expressions(&mut |node| {
        if result.is_ok() {
            result = checker.node(node, input, outer);
        }
    });
    result
}

/// Columns that rows are asked for but do not have; for tests and messages.
#[must_use]
pub fn undefined_columns(rel: &Rel, columns: &Columns, outer: &Scope) -> ColumnSet {
    let inside = super::facts::defined_inside(Node::Rel(rel));
    used_columns(Node::Rel(rel))
        .iter()
        .filter(|id| !inside.has(columns, *id) && !outer.has(columns, *id))
        .collect()
}
