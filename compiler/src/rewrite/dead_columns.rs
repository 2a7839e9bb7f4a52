//! Computed columns that nobody reads.

use super::walk::{Purpose, Query};
use super::{Context, Kinds, Rule, walk};
use crate::error::Result;
use crate::plan::facts::{ColumnSet, SourceSet, scope, used_columns};
use crate::plan::{ColumnId, Columns, Node, Plan, Rel, SetOp, SourceId, SubKind};

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
    let mut reader = Reader {
        used: query.demand(),
        columns,
        // What is written is taken from the documents.
        keeps_documents: query.purpose == Purpose::Write,
        carried: SourceSet::new(),
    };
    let mut changed = false;
    let mut at = query.rel;
    loop {
        if let Rel::Extend { .. } | Rel::Window { .. } = at {
            changed |= reader.prune_computed(at);
            // Nothing was left of it: its input stands in its place.
            if let Some(input) = unneeded(at) {
                *at = input;
                continue;
            }
        } else {
            changed |= reader.prune_kept(at);
        }
        if let Rel::SetOp { .. } = at {
            return changed;
        }
        reader.read(at);
        match at.input_mut() {
            Some(input) => at = input,
            None => return changed,
        }
    }
}

/// The input of an operator that computes nothing.
fn unneeded(rel: &mut Rel) -> Option<Rel> {
    match rel {
        Rel::Extend { input, columns } if columns.is_empty() => Some(input.take()),
        Rel::Window { input, outputs, .. } if outputs.is_empty() => Some(input.take()),
        _ => None,
    }
}

/// What is read of the rows of an operator, by all that is above it.
struct Reader<'c> {
    used: ColumnSet,
    columns: &'c Columns,
    keeps_documents: bool,
    /// Sources whose documents an operator above carries on, whatever is read of them.
    carried: SourceSet,
}

impl Reader<'_> {
    /// Removes columns of operators that add columns.
    fn prune_computed(&mut self, rel: &mut Rel) -> bool {
        match rel {
            Rel::Extend { columns, .. } => {
                let before = columns.len();
                let mut live = Vec::with_capacity(before);
                // From the last to the first, as later ones use earlier ones.
                for (id, definition) in std::mem::take(columns).into_iter().rev() {
                    if self.used.contains(id) {
                        self.used.union(&used_columns(Node::Scalar(&definition)));
                        live.push((id, definition));
                    }
                }
                live.reverse();
                *columns = live;
                columns.len() != before
            }
            Rel::Window { outputs, .. } => {
                let before = outputs.len();
                outputs.retain(|(id, _)| self.used.contains(*id));
                outputs.len() != before
            }
            _ => false,
        }
    }

    /// Removes columns and documents of operators whose rows have no others.
    fn prune_kept(&mut self, rel: &mut Rel) -> bool {
        match rel {
            Rel::Aggregate {
                keys,
                carried,
                aggregates,
                ..
            } => {
                let before = aggregates.len();
                if keys.is_empty() && !aggregates.iter().any(|(id, _)| self.used.contains(*id)) {
                    aggregates.truncate(1);
                } else {
                    aggregates.retain(|(id, _)| self.used.contains(*id));
                }
                self.prune_carried(carried, &[]) | (aggregates.len() != before)
            }
            Rel::Distinct {
                columns, carried, ..
            } => self.prune_carried(carried, columns),
            Rel::DistinctOn {
                input, order, kept, ..
            } => {
                for key in order.iter() {
                    self.used.union(&used_columns(Node::Scalar(&key.scalar)));
                }
                let there = scope(input);
                let above: Vec<_> = self
                    .used
                    .iter()
                    .filter(|id| there.has(self.columns, *id))
                    .take(FEW + 1)
                    .collect();
                let carried = self.carried.iter().any(|s| there.sources.contains(s));
                if above.len() > FEW
                    || self.keeps_documents
                    || carried
                    || kept.as_ref() == Some(&above)
                {
                    return false;
                }
                *kept = Some(above);
                true
            }
            Rel::SetOp {
                op: SetOp::UnionAll,
                inputs,
                columns,
            } => {
                let keep: Vec<bool> = columns.iter().map(|id| self.used.contains(*id)).collect();
                if keep.iter().all(|k| *k) {
                    return false;
                }
                let mut flags = keep.iter();
                columns.retain(|_| *flags.next().unwrap_or(&true));
                for (_, scalars) in inputs {
                    let mut flags = keep.iter();
                    scalars.retain(|_| *flags.next().unwrap_or(&true));
                }
                true
            }
            _ => false,
        }
    }

    /// Removes documents of which nothing is read but what is there beside them.
    fn prune_carried(&self, carried: &mut Vec<SourceId>, beside: &[ColumnId]) -> bool {
        if self.keeps_documents {
            return false;
        }
        let before = carried.len();
        carried.retain(|source| {
            self.carried.contains(*source)
                || self
                    .used
                    .iter()
                    .any(|id| self.columns.source_of(id) == Some(*source) && !beside.contains(&id))
        });
        carried.len() != before
    }

    /// Adds what an operator reads. Of computed columns that was done one by one.
    fn read(&mut self, rel: &Rel) {
        let used = &mut self.used;
        if let Rel::Aggregate { carried, .. } | Rel::Distinct { carried, .. } = rel {
            for source in carried {
                self.carried.insert(*source);
            }
        }
        match rel {
            Rel::Extend { .. } => {}
            Rel::Distinct { columns, .. } => columns.iter().for_each(|id| {
                used.insert(*id);
            }),
            Rel::Join(join) => {
                rel.expressions(&mut |node| used.union(&used_columns(node)));
                join.on.iter().for_each(|(_, id)| {
                    used.insert(*id);
                });
            }
            _ => rel.expressions(&mut |node| used.union(&used_columns(node))),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::{Rel, Scalar};
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

    /// What takes the first of several rows keeps only the columns that are read, but the documents that are carried on above.
    #[test]
    fn carried_documents_stay() {
        let first = |b: &mut Build| {
            let book = b.source("Book");
            let (id, title) = (b.column(book, "_id"), b.column(book, "title"));
            let on = Rel::DistinctOn {
                input: Box::new(sort(scan(book), [asc(title)])),
                on: vec![Scalar::Column(title)],
                order: Vec::new(),
                kept: None,
            };
            (book, id, on)
        };
        let mut b = Build::new();
        let (_, id, on) = first(&mut b);
        b.rows(aggregate(on, [(id, value(id))], [], []), [id])
            .fires(
                "dead_columns",
                "scan Book\nsort Book.title#1 asc\ndistinct on Book.title#1 keeping Book._id#0\n\
             aggregate by Book._id#0\nrows _id: Book._id#0\n",
            );
        let mut b = Build::new();
        let (book, id, on) = first(&mut b);
        b.rows(aggregate(on, [(id, value(id))], [book], []), [id])
            .stays("dead_columns");
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
