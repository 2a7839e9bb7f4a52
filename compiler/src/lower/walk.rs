//! Questions about a plan that lowering asks before it starts.

use std::collections::{BTreeMap, BTreeSet};

use crate::plan::{
    AggregateCall, ColumnId, Output, OutputNode, Plan, Predicate, Prefetched, Rel, Scalar, SortKey,
    SourceId, SubPlan, Terminal,
};

/// What a walk calls back for.
pub(super) enum Seen<'a> {
    Scalar(&'a Scalar),
    Predicate(&'a Predicate),
}

type Visit<'f> = dyn FnMut(Seen<'_>) + 'f;

/// How often each column is used in the plan, subqueries and output included.
pub(super) fn uses(plan: &Plan) -> BTreeMap<ColumnId, u32> {
    let mut uses: BTreeMap<ColumnId, u32> = BTreeMap::new();
    {
        let mut count = |seen: Seen<'_>| {
            if let Seen::Scalar(Scalar::Column(id)) = seen {
                *uses.entry(*id).or_default() += 1;
            }
        };
        rel(&plan.rel, &mut count);
        if let Terminal::Update { assignments, .. } = &plan.terminal {
            for assignment in assignments {
                scalar(&assignment.key, &mut count);
                for (_, value) in &assignment.values {
                    scalar(value, &mut count);
                }
            }
        }
    }
    if let Terminal::Rows { output } | Terminal::Aggregate { output } = &plan.terminal {
        for id in output_columns(output) {
            *uses.entry(id).or_default() += 1;
        }
    }
    distinct_columns(&plan.rel, &mut uses);
    uses
}

/// Columns that `Distinct` names count as used too.
fn distinct_columns(node: &Rel, uses: &mut BTreeMap<ColumnId, u32>) {
    if let Rel::Distinct { columns, .. } = node {
        for id in columns {
            *uses.entry(*id).or_default() += 1;
        }
    }
    node.inputs(&mut |input| distinct_columns(input, uses));
}

/// Joined sources whose documents are held in memory: by a sort or a window above, before a group makes new ones.
pub(super) fn held(rel: &Rel) -> BTreeSet<SourceId> {
    let mut out = BTreeSet::new();
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

/// The inputs of an operator.
pub(super) fn inputs(node: &Rel) -> Vec<&Rel> {
    match node {
        Rel::Scan(_) | Rel::Raw { .. } | Rel::Empty | Rel::Unit => Vec::new(),
        Rel::Filter { input, .. }
        | Rel::Extend { input, .. }
        | Rel::Aggregate { input, .. }
        | Rel::Window { input, .. }
        | Rel::Distinct { input, .. }
        | Rel::DistinctOn { input, .. }
        | Rel::Sort { input, .. }
        | Rel::Slice { input, .. } => vec![input],
        Rel::Join(join) => vec![&join.input],
        Rel::SetOp { inputs, .. } => inputs.iter().map(|(rel, _)| rel).collect(),
    }
}

/// Columns that the output needs, in order, those of follow-up queries included; no duplicates.
pub(super) fn output_columns(output: &Output) -> Vec<ColumnId> {
    let mut out = Vec::with_capacity(output.nodes.len());
    output_nodes(&output.nodes, &mut out);
    prefetched(&output.prefetched, &mut out);
    out
}

fn add(id: ColumnId, out: &mut Vec<ColumnId>) {
    if !out.contains(&id) {
        out.push(id);
    }
}

fn output_nodes(nodes: &[OutputNode], out: &mut Vec<ColumnId>) {
    for node in nodes {
        match node {
            OutputNode::Column { column, .. } => add(*column, out),
            OutputNode::Related {
                key,
                nodes,
                prefetched: follow,
                ..
            } => {
                add(*key, out);
                output_nodes(nodes, out);
                prefetched(follow, out);
            }
            OutputNode::Tuple { columns, .. } => columns.iter().for_each(|id| add(*id, out)),
        }
    }
}

fn prefetched(follow: &[Prefetched], out: &mut Vec<ColumnId>) {
    for prefetch in follow {
        prefetch.parent.iter().for_each(|id| add(*id, out));
        if let Some((id, _)) = &prefetch.only {
            add(*id, out);
        }
    }
}

/// Whether a predicate holds a subquery.
pub(super) fn has_subquery(p: &Predicate) -> bool {
    let mut found = false;
    predicate(p, &mut |seen| {
        found |= matches!(
            seen,
            Seen::Scalar(Scalar::Subquery(_))
                | Seen::Predicate(Predicate::Exists(_) | Predicate::InSubquery { .. })
        );
    });
    found
}

pub(super) fn rel(node: &Rel, visit: &mut Visit<'_>) {
    match node {
        Rel::Scan(_) | Rel::Raw { .. } | Rel::Empty | Rel::Unit => {}
        Rel::Filter {
            input,
            predicate: p,
        } => {
            rel(input, visit);
            predicate(p, visit);
        }
        Rel::Join(join) => {
            rel(&join.input, visit);
            for (s, column) in &join.on {
                scalar(s, visit);
                visit(Seen::Scalar(&Scalar::Column(*column)));
            }
            if let Some(p) = &join.condition {
                predicate(p, visit);
            }
        }
        Rel::Extend { input, columns } => {
            rel(input, visit);
            columns.iter().for_each(|(_, s)| scalar(s, visit));
        }
        Rel::Aggregate {
            input,
            keys: by,
            aggregates,
            ..
        } => {
            rel(input, visit);
            by.iter().for_each(|(_, s)| scalar(s, visit));
            aggregates.iter().for_each(|(_, a)| aggregate(a, visit));
        }
        Rel::Window {
            input,
            partition,
            order,
            outputs,
        } => {
            rel(input, visit);
            partition.iter().for_each(|s| scalar(s, visit));
            keys(order, visit);
            outputs.iter().for_each(|(_, w)| aggregate(&w.call, visit));
        }
        Rel::Distinct { input, .. } | Rel::Slice { input, .. } => rel(input, visit),
        Rel::DistinctOn { input, on, order } => {
            rel(input, visit);
            on.iter().for_each(|s| scalar(s, visit));
            keys(order, visit);
        }
        Rel::Sort { input, keys: k } => {
            rel(input, visit);
            keys(k, visit);
        }
        Rel::SetOp { inputs, .. } => {
            for (input, columns) in inputs {
                rel(input, visit);
                columns.iter().for_each(|s| scalar(s, visit));
            }
        }
    }
}

fn keys(keys: &[SortKey], visit: &mut Visit<'_>) {
    keys.iter().for_each(|k| scalar(&k.scalar, visit));
}

pub(super) fn aggregate(call: &AggregateCall, visit: &mut Visit<'_>) {
    call.args.iter().for_each(|s| scalar(s, visit));
    if let Some(p) = &call.filter {
        predicate(p, visit);
    }
    keys(&call.order, visit);
}

fn subplan(sub: &SubPlan, visit: &mut Visit<'_>) {
    rel(&sub.rel, visit);
    sub.columns.iter().for_each(|s| scalar(s, visit));
}

pub(super) fn scalar(s: &Scalar, visit: &mut Visit<'_>) {
    visit(Seen::Scalar(s));
    match s {
        Scalar::Column(_) | Scalar::Literal(_) | Scalar::Raw(..) => {}
        Scalar::Arithmetic { lhs, rhs, .. } => {
            scalar(lhs, visit);
            scalar(rhs, visit);
        }
        Scalar::Call(call) => call.args.iter().for_each(|s| scalar(s, visit)),
        Scalar::List(parts) => parts.iter().for_each(|s| scalar(s, visit)),
        Scalar::Case {
            when, otherwise, ..
        } => {
            for (p, s) in when {
                predicate(p, visit);
                scalar(s, visit);
            }
            scalar(otherwise, visit);
        }
        Scalar::Predicate(p) => predicate(p, visit),
        Scalar::Json { base, .. } => scalar(base, visit),
        Scalar::Subquery(sub) => subplan(sub, visit),
    }
}

pub(super) fn predicate(p: &Predicate, visit: &mut Visit<'_>) {
    visit(Seen::Predicate(p));
    match p {
        Predicate::Const(_) => {}
        Predicate::And(items) | Predicate::Or(items) | Predicate::Xor(items) => {
            items.iter().for_each(|p| predicate(p, visit));
        }
        Predicate::Not(inner) => predicate(inner, visit),
        Predicate::Compare { lhs, rhs, .. }
        | Predicate::Like { lhs, rhs, .. }
        | Predicate::Lookup { lhs, rhs, .. } => {
            scalar(lhs, visit);
            scalar(rhs, visit);
        }
        Predicate::IsNull(s) | Predicate::Bool(s) => scalar(s, visit),
        Predicate::InParameter { lhs, .. } => scalar(lhs, visit),
        Predicate::In { lhs, list } => {
            scalar(lhs, visit);
            list.iter().for_each(|s| scalar(s, visit));
        }
        Predicate::InSubquery { lhs, query } => {
            lhs.iter().for_each(|s| scalar(s, visit));
            subplan(query, visit);
        }
        Predicate::Exists(sub) => subplan(sub, visit),
        Predicate::AnyElement(any) => {
            scalar(&any.array, visit);
            any.given.iter().for_each(|(_, s)| scalar(s, visit));
        }
    }
}
