//! Rows without a partner.

use super::block;
use super::walk::Query;
use super::{Context, Kinds, Rule, walk};
use crate::error::Result;
use crate::plan::facts::{ColumnSet, used_columns};
use crate::plan::{Columns, Join, JoinKind, Node, Plan, Predicate, Rel, Scalar, SourceId};

pub(super) const RULE: Rule = Rule {
    name: "anti_join",
    does: "A LEFT join of which only the rows without a partner stay becomes the test that no partner exists: the look-up stops at \
           the first one.",
    sound: "the tested column is never NULL in its own documents, so that NULL says that there was none; nothing else reads the \
            joined source. A row without a partner is there once.",
    example: (
        "scan author\nleft join book many on author._id = book.author_id\nfilter book._id is null",
        "scan author\nfilter not exists {scan book | filter book.author_id = author._id}",
    ),
    needs: [Kinds::LEFT_JOIN, Kinds::IS_NULL],
    apply,
};

fn apply(plan: &mut Plan, context: &Context<'_>) -> Result<bool> {
    walk::each_query(plan, context, &mut |query, columns| {
        Ok(rewrite(query, columns))
    })
}

fn rewrite(query: Query<'_>, columns: &Columns) -> bool {
    let Some((filter, source)) = candidate(query.rel, &query.demand(), columns) else {
        return false;
    };
    let Some(Rel::Filter { input, predicate }) = at_mut(query.rel, filter) else {
        return false;
    };
    let Some(join) = take_join(input, source) else {
        return false;
    };
    let mut parts = predicate.take_parts();
    parts.retain(|p| null_of(p, columns) != Some(source));
    parts.push(without_partner(join));
    *predicate = match parts.len() {
        1 => parts.pop().unwrap_or(Predicate::TRUE),
        _ => Predicate::And(parts),
    };
    true
}

/// The source of a column that is tested for NULL, but never NULL in its documents.
fn null_of(part: &Predicate, columns: &Columns) -> Option<SourceId> {
    let Predicate::IsNull(Scalar::Column(id)) = part else {
        return None;
    };
    let column = columns.get(*id).ok()?;
    (!column.nullable).then(|| columns.source_of(*id)).flatten()
}

/// The number of a filter on the spine, and the source whose join it turns into a test.
fn candidate(rel: &Rel, demand: &ColumnSet, columns: &Columns) -> Option<(usize, SourceId)> {
    let mut spine = Vec::new();
    let mut at = Some(rel);
    while let Some(rel) = at {
        spine.push(rel);
        at = rel.input();
    }
    for (i, rel) in spine.iter().enumerate() {
        let Rel::Filter { predicate, .. } = rel else {
            continue;
        };
        for part in predicate.parts() {
            let Some(source) = null_of(part, columns) else {
                continue;
            };
            let mut below = spine.iter().skip(i + 1);
            let joined = below.find(|rel| match rel {
                Rel::Join(join) => join.source == source,
                Rel::Filter { .. } => false,
                _ => true,
            });
            let left = matches!(joined, Some(Rel::Join(join))
                if join.kind == JoinKind::Left && !join.on.is_empty());
            if left && !is_read(&spine, i, source, demand, columns) {
                return Some((i, source));
            }
        }
    }
    None
}

/// Whether anything but the tests of a filter and the join itself reads a source.
fn is_read(
    spine: &[&Rel],
    filter: usize,
    source: SourceId,
    demand: &ColumnSet,
    columns: &Columns,
) -> bool {
    let mut used = demand.clone();
    for (i, rel) in spine.iter().enumerate() {
        match rel {
            Rel::Filter { predicate, .. } if i == filter => {
                for part in predicate.parts() {
                    if null_of(part, columns) != Some(source) {
                        used.union(&part.used_columns());
                    }
                }
            }
            Rel::Join(join) if join.source == source => {
                for (lhs, _) in &join.on {
                    used.union(&lhs.used_columns());
                }
            }
            _ => rel.expressions(&mut |node: Node<'_>| used.union(&used_columns(node))),
        }
        match rel {
            Rel::Distinct {
                columns: by,
                carried,
                ..
            } => {
                by.iter().for_each(|id| {
                    used.insert(*id);
                });
                if carried.contains(&source) {
                    return true;
                }
            }
            Rel::Aggregate { carried, .. } if carried.contains(&source) => return true,
            _ => {}
        }
    }
    used.iter().any(|id| columns.source_of(id) == Some(source))
}

fn at_mut(rel: &mut Rel, steps: usize) -> Option<&mut Rel> {
    let mut at = rel;
    for _ in 0..steps {
        at = at.input_mut()?;
    }
    Some(at)
}

fn take_join(rel: &mut Rel, source: SourceId) -> Option<Join> {
    let mut at = rel;
    loop {
        if matches!(at, Rel::Join(join) if join.source == source) {
            let Rel::Join(mut join) = at.take() else {
                return None;
            };
            *at = join.input.take();
            return Some(*join);
        }
        at = at.input_mut()?;
    }
}

fn without_partner(join: Join) -> Predicate {
    let mut parts = block::equalities(join.on);
    parts.extend(join.condition);
    block::existence(block::filtered(Rel::Scan(join.source), parts)).negate()
}

#[cfg(test)]
mod tests {
    use crate::testing::*;

    /// Authors without books need no list of books.
    #[test]
    fn missing_partners_are_tested() {
        let mut b = Build::new();
        let (author, book) = (b.source("Author"), b.source("Book"));
        let (pk, name) = (b.column(author, "_id"), b.column(author, "name"));
        let (id, fk) = (b.column(book, "_id"), b.column(book, "author_id"));
        let rel = filter(
            left_many(scan(author), book, pk, fk),
            and([is_null(id), eq(name, "a")]),
        );
        b.rows(rel, [pk]).fires(
            "anti_join",
            "scan Author\n\
             filter Author.name#1 = \"a\" and not exists {scan Book | filter Book.author_id#3 = Author._id#0 | select }\n\
             rows _id: Author._id#0\n",
        );
    }

    /// A column that can be NULL does not tell whether there is a partner.
    #[test]
    fn nullable_columns_stay() {
        let mut b = Build::new();
        let (author, book) = (b.source("Author"), b.source("Book"));
        let pk = b.column(author, "_id");
        let (pages, fk) = (b.column(book, "pages"), b.column(book, "author_id"));
        let rel = filter(left_many(scan(author), book, pk, fk), is_null(pages));
        b.rows(rel, [pk]).stays("anti_join");
    }

    /// What is read elsewhere must be joined.
    #[test]
    fn joins_that_are_read_stay() {
        let mut b = Build::new();
        let (author, book) = (b.source("Author"), b.source("Book"));
        let pk = b.column(author, "_id");
        let (id, fk) = (b.column(book, "_id"), b.column(book, "author_id"));
        let rel = filter(left_many(scan(author), book, pk, fk), is_null(id));
        b.rows(rel, [pk, id]).stays("anti_join");
    }

    /// In an alternative, rows with a partner stay, too; an INNER join has no others.
    #[test]
    fn alternatives_and_inner_joins_stay() {
        let mut b = Build::new();
        let (author, book) = (b.source("Author"), b.source("Book"));
        let pk = b.column(author, "_id");
        let (id, fk) = (b.column(book, "_id"), b.column(book, "author_id"));
        let rel = filter(
            left_many(scan(author), book, pk, fk),
            or([is_null(id), eq(pk, 1)]),
        );
        b.rows(rel, [pk]).stays("anti_join");
        let mut b = Build::new();
        let (author, book) = (b.source("Author"), b.source("Book"));
        let pk = b.column(author, "_id");
        let (id, fk) = (b.column(book, "_id"), b.column(book, "author_id"));
        let rel = filter(inner_many(scan(author), book, pk, fk), is_null(id));
        b.rows(rel, [pk]).stays("anti_join");
    }
}
