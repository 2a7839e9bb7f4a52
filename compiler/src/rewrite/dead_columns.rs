//! Computed columns that nobody reads.

use super::walk::{Purpose, Query};
use super::{Context, Kinds, Rule, walk};
use crate::error::Result;
use crate::plan::facts::{ColumnSet, scope, used_columns};
use crate::plan::{Columns, Node, Plan, Rel, SetOp, SubKind};

pub(super) const RULE: Rule = Rule {
    name: "dead_columns",
    does: "Removes computed columns, aggregates and window functions that nothing reads, and documents that are carried \
           through a group or the choice of first rows for nothing.",
    sound: "a column changes no other and no number of rows; a group without keys keeps one aggregate, since it has a row.",
    example: (
        "extend n = scalar {..}, l = Lower(title)\nrows l",
        "extend l = Lower(title)\nrows l",
    ),
    needs: [
        Kinds::EXTEND
            .or(Kinds::AGGREGATE)
            .or(Kinds::WINDOW)
            .or(Kinds::DISTINCT)
            .or(Kinds::SET_OP)
            .or(Kinds::SUBQUERY),
        Kinds::ANY,
    ],
    apply,
};

/// Columns up to which they are kept one by one by what takes the first row of several.
const FEW: usize = 3;

fn apply(plan: &mut Plan, context: &Context<'_>) -> Result<bool> {
    let mut changed = walk::each_subplan(plan, &mut |sub| {
        // Existence reads no column.
        let unread = sub.kind == SubKind::Exists && !sub.columns.is_empty();
        if unread {
            sub.columns.clear();
        }
        unread
    });
    changed |= walk::each_query(plan, context, &mut |query, columns| {
        Ok(prune(query, columns))
    })?;
    Ok(changed)
}

fn prune(query: Query<'_>, columns: &Columns) -> bool {
    let mut used = query.demand();
    let mut changed = false;
    let mut at = query.rel;
    loop {
        match at {
            Rel::Extend {
                columns: definitions,
                input,
            } => {
                let before = definitions.len();
                let mut live = Vec::with_capacity(before);
                for (id, definition) in std::mem::take(definitions).into_iter().rev() {
                    if used.contains(id) {
                        used.union(&used_columns(Node::Scalar(&definition)));
                        live.push((id, definition));
                    }
                }
                live.reverse();
                changed |= live.len() != before;
                if live.is_empty() {
                    *at = input.take();
                    continue;
                }
                *definitions = live;
            }
            Rel::Window { outputs, input, .. } => {
                let before = outputs.len();
                outputs.retain(|(id, _)| used.contains(*id));
                changed |= outputs.len() != before;
                if outputs.is_empty() {
                    *at = input.take();
                    continue;
                }
                read(at, &mut used);
            }
            Rel::Aggregate {
                keys,
                carried,
                aggregates,
                ..
            } => {
                let before = (aggregates.len(), carried.len());
                if keys.is_empty() && !aggregates.iter().any(|(id, _)| used.contains(*id)) {
                    aggregates.truncate(1);
                } else {
                    aggregates.retain(|(id, _)| used.contains(*id));
                }
                if query.purpose != Purpose::Write {
                    carried.retain(|source| {
                        used.iter().any(|id| columns.source_of(id) == Some(*source))
                    });
                }
                changed |= before != (aggregates.len(), carried.len());
                read(at, &mut used);
            }
            Rel::Distinct {
                columns: distinct,
                carried,
                ..
            } => {
                let before = carried.len();
                if query.purpose != Purpose::Write {
                    carried.retain(|source| {
                        used.iter().any(|id| {
                            columns.source_of(id) == Some(*source) && !distinct.contains(&id)
                        })
                    });
                }
                changed |= before != carried.len();
                distinct.iter().for_each(|id| {
                    used.insert(*id);
                });
            }
            Rel::DistinctOn {
                input, order, kept, ..
            } => {
                for key in order.iter() {
                    used.union(&used_columns(Node::Scalar(&key.scalar)));
                }
                let there = scope(input);
                let above: Vec<_> = used
                    .iter()
                    .filter(|id| there.has(columns, *id))
                    .take(FEW + 1)
                    .collect();
                let few = (above.len() <= FEW && query.purpose != Purpose::Write).then_some(above);
                if few.is_some() && *kept != few {
                    *kept = few;
                    changed = true;
                }
                read(at, &mut used);
            }
            Rel::SetOp {
                op,
                inputs,
                columns: ids,
            } => {
                if *op == SetOp::UnionAll && ids.iter().any(|id| !used.contains(*id)) {
                    let keep: Vec<bool> = ids.iter().map(|id| used.contains(*id)).collect();
                    let mut flags = keep.iter();
                    ids.retain(|_| *flags.next().unwrap_or(&true));
                    for (_, scalars) in inputs {
                        let mut flags = keep.iter();
                        scalars.retain(|_| *flags.next().unwrap_or(&true));
                    }
                    changed = true;
                }
                return changed;
            }
            _ => read(at, &mut used),
        }
        match at.input_mut() {
            Some(input) => at = input,
            None => return changed,
        }
    }
}

fn read(rel: &Rel, used: &mut ColumnSet) {
    rel.expressions(&mut |node| used.union(&used_columns(node)));
    if let Rel::Join(join) = rel {
        join.on.iter().for_each(|(_, id)| {
            used.insert(*id);
        });
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::*;

    /// What only an unread column reads is unread, too.
    #[test]
    fn unread_columns_go() {
        let mut b = Build::new();
        let book = b.source("Book");
        let (title, pages) = (b.column(book, "title"), b.column(book, "pages"));
        let (x, y, z) = (
            b.computed("x", int_type()),
            b.computed("y", int_type()),
            b.computed("z", int_type()),
        );
        let rel = extend(
            scan(book),
            [(x, plus(pages, 1)), (y, plus(x, 1)), (z, plus(pages, 2))],
        );
        b.rows(rel, [title, z]).fires(
            "dead_columns",
            "scan Book\nextend z#4 = (Book.pages#1 + 2)\nrows title: Book.title#0, z: z#4\n",
        );
    }

    /// A filter reads.
    #[test]
    fn filtered_columns_stay() {
        let mut b = Build::new();
        let book = b.source("Book");
        let (title, pages) = (b.column(book, "title"), b.column(book, "pages"));
        let x = b.computed("x", int_type());
        let rel = filter(extend(scan(book), [(x, plus(pages, 1))]), gt(x, 3));
        b.rows(rel, [title]).stays("dead_columns");
    }

    /// A count of groups needs the groups, not their aggregates; without keys one is kept.
    #[test]
    fn unread_aggregates_go() {
        let mut b = Build::new();
        let book = b.source("Book");
        let (title, pages) = (b.column(book, "title"), b.column(book, "pages"));
        let n = b.counted("n");
        let rel = aggregate(
            scan(book),
            [(title, value(title))],
            [],
            [(n, agg("Sum", vec![value(pages)]))],
        );
        b.count(rel).fires(
            "dead_columns",
            "scan Book\naggregate by Book.title#0\ncount\n",
        );
        let mut b = Build::new();
        let book = b.source("Book");
        let n = b.counted("n");
        b.count(aggregate(scan(book), [], [], [(n, agg("Count", vec![]))]))
            .stays("dead_columns");
    }
}
