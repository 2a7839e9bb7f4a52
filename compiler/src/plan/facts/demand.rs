//! Which columns are used at all.

use super::super::{Node, Output, OutputNode, Plan, Rel, Terminal};
use super::ColumnSet;
use super::scope::{add_used, add_used_by_call};

/// The columns that the rows of a result are made of, and those that follow-up queries need.
#[must_use]
pub fn output_columns(output: &Output) -> ColumnSet {
    let mut set = ColumnSet::new();
    add_output(output, &mut set);
    set
}

fn add_output(output: &Output, set: &mut ColumnSet) {
    add_nodes(&output.nodes, set);
    add_prefetched(&output.prefetched, set);
}

fn add_prefetched(prefetched: &[super::super::Prefetched], set: &mut ColumnSet) {
    for follow_up in prefetched {
        follow_up.parent.iter().for_each(|id| {
            set.insert(*id);
        });
        if let Some((id, _)) = &follow_up.only {
            set.insert(*id);
        }
    }
}

fn add_nodes(nodes: &[OutputNode], set: &mut ColumnSet) {
    for node in nodes {
        match node {
            OutputNode::Column { column, .. } => {
                set.insert(*column);
            }
            OutputNode::Tuple { columns, .. } => columns.iter().for_each(|id| {
                set.insert(*id);
            }),
            OutputNode::Related {
                key,
                nodes,
                prefetched,
                ..
            } => {
                set.insert(*key);
                add_prefetched(prefetched, set);
                add_nodes(nodes, set);
            }
        }
    }
}

/// Every column that something reads: the terminal, and whatever in turn is needed to compute what it reads.
/// Computed columns that are not in the set are dead.
#[must_use]
pub fn demand(plan: &Plan) -> ColumnSet {
    let mut set = ColumnSet::new();
    if let Some(output) = plan.terminal.output() {
        add_output(output, &mut set);
    }
    if let Terminal::Upsert(upsert) = &plan.terminal {
        set.insert(upsert.key);
    }
    plan.terminal
        .expressions(&mut |node| add_used(node, &mut set));
    demand_of(&plan.rel, &mut set);
    set
}

/// From the columns read above `rel` to those read in it too. Goes from the top down, so that what only dead columns
/// read is not counted.
pub(crate) fn demand_of(rel: &Rel, set: &mut ColumnSet) {
    let mut stack = vec![rel];
    while let Some(rel) = stack.pop() {
        match rel {
            Rel::Extend { columns, .. } => {
                // Later definitions may use earlier ones.
                for (id, definition) in columns.iter().rev() {
                    if set.contains(*id) {
                        add_used(Node::Scalar(definition), set);
                    }
                }
            }
            Rel::Distinct { columns, .. } => columns.iter().for_each(|id| {
                set.insert(*id);
            }),
            Rel::Join(join) => {
                join.on.iter().for_each(|(_, id)| {
                    set.insert(*id);
                });
                rel.expressions(&mut |node| add_used(node, set));
            }
            Rel::Aggregate {
                keys, aggregates, ..
            } => {
                for (_, key) in keys {
                    add_used(Node::Scalar(key), set);
                }
                for (id, call) in aggregates {
                    if set.contains(*id) {
                        add_used_by_call(call, set);
                    }
                }
            }
            other => other.expressions(&mut |node| add_used(node, set)),
        }
        rel.inputs(&mut |input| stack.push(input));
    }
}
