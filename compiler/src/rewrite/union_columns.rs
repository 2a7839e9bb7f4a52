//! Columns that come with the keys of a union.

use super::walk::{Purpose, Query};
use super::{Context, Kinds, Rule, block, walk};
use crate::error::Result;
use crate::plan::facts::{ColumnSet, used_columns};
use crate::plan::{
    Cardinality, ColumnId, Columns, Join, JoinKind, Node, Origin, Plan, Rel, Scalar, SetOp,
    SourceId, as_column,
};

pub(super) const RULE: Rule = Rule {
    name: "union_columns",
    does: "Takes the columns that are read of rows along with their keys through a union, instead of looking every row up again by \
           its key.",
    sound: "the keys are those of documents that every input has read, of the collection that would be joined, so the joined document \
            is the one that was read, once for each time that the union gives its key; equal keys are of the same document, so that more of its columns tell no more rows apart. \
            Nothing wants the documents themselves, and no collation makes different texts equal.",
    example: (
        "union _id\n  scan book | filter book.isbn = \"y\" | select book._id\n  scan book | filter book.pages > 3 | select book._id\njoin book one on _id = book._id\nsort book.title",
        "union book._id, book.title\n  scan book | filter book.isbn = \"y\" | select book._id, book.title\n  scan book | filter book.pages > 3 | select book._id, book.title\nsort book.title",
    ),
    needs: [Kinds::SET_OP, Kinds::ANY],
    apply,
};

fn apply(plan: &mut Plan, context: &Context<'_>) -> Result<bool> {
    // A union compares texts, which a collation would concern.
    if plan.collation.is_some() {
        return Ok(false);
    }
    walk::each_query(plan, context, &mut |query, columns| {
        if query.purpose == Purpose::Write {
            return Ok(false);
        }
        descend(query, columns)
    })
}

fn descend(query: Query<'_>, columns: &mut Columns) -> Result<bool> {
    let Some((source, key)) = looked_up(query.rel, columns) else {
        return Ok(false);
    };
    // What is read of the documents above the join.
    let mut used = query.demand();
    let mut at = query.rel;
    while !matches!(at, Rel::Join(join) if matches!(unsorted(&join.input), Rel::SetOp { .. })) {
        if let Rel::Aggregate { carried, .. } | Rel::Distinct { carried, .. } = at
            && carried.contains(&source)
        {
            return Ok(false);
        }
        read(at, &mut used);
        match at.input_mut() {
            Some(input) => at = input,
            None => return Ok(false),
        }
    }
    let Rel::Join(join) = at else {
        return Ok(false);
    };
    if let Some(condition) = &join.condition {
        used.union(&condition.used_columns());
    }
    if matches!(unsorted(&join.input), Rel::SetOp { columns: found, .. } if found.iter().any(|id| used.contains(*id)))
    {
        return Ok(false);
    }
    let mut below = &mut join.input;
    while let Rel::Sort { input, keys } = below {
        for sort in keys {
            sort.scalar = Scalar::Column(key);
        }
        below = input;
    }
    let Rel::SetOp {
        inputs,
        columns: found,
        ..
    } = below
    else {
        return Ok(false);
    };
    let mut carried = vec![key];
    carried.extend(
        used.iter()
            .filter(|id| *id != key && columns.source_of(*id) == Some(source)),
    );
    for (_, scalars) in inputs.iter_mut() {
        let Some(own) = scalars
            .first()
            .and_then(as_column)
            .and_then(|id| columns.source_of(id))
        else {
            return Ok(false);
        };
        *scalars = carried
            .iter()
            .map(|id| copied(*id, own, columns).map(Scalar::Column))
            .collect::<Result<_>>()?;
    }
    *found = carried;
    let rows = join.input.take();
    let conditions = join.condition.take().into_iter().collect();
    *at = block::filtered(rows, conditions);
    Ok(true)
}

/// The source that is joined by the keys of a union of its own documents, and its key.
fn looked_up(rel: &Rel, columns: &Columns) -> Option<(SourceId, ColumnId)> {
    let mut at = rel;
    let join = loop {
        match at {
            Rel::Join(join) if matches!(unsorted(&join.input), Rel::SetOp { .. }) => break join,
            _ => at = at.input()?,
        }
    };
    let Join {
        input: rows,
        kind: JoinKind::Inner,
        cardinality: Cardinality::One,
        source,
        on,
        ..
    } = &**join
    else {
        return None;
    };
    let Rel::SetOp {
        op: SetOp::Union | SetOp::UnionAll,
        inputs,
        columns: found,
    } = unsorted(rows)
    else {
        return None;
    };
    let ([only], [(Scalar::Column(lhs), key)]) = (found.as_slice(), on.as_slice()) else {
        return None;
    };
    let mut sorted = rows;
    while let Rel::Sort { input, keys } = sorted {
        if !keys.iter().all(|key| key.scalar == Scalar::Column(*only)) {
            return None;
        }
        sorted = input;
    }
    let known = columns.source(*source).ok()?;
    let own = |(rows, scalars): &(Rel, Vec<Scalar>)| {
        let [Scalar::Column(id)] = scalars.as_slice() else {
            return false;
        };
        let of = columns.source_of(*id);
        columns.get(*id).is_ok_and(|c| c.is_document_key())
            && of.is_some_and(|of| {
                has_read(rows, of)
                    && columns.source(of).is_ok_and(|of| {
                        of.model == known.model && of.collection == known.collection
                    })
            })
    };
    let fits = lhs == only
        && columns.get(*key).is_ok_and(|c| c.is_document_key())
        && inputs.iter().all(own);
    fits.then_some((*source, *key))
}

/// What is sorted.
fn unsorted(rel: &Rel) -> &Rel {
    let mut at = rel;
    while let Rel::Sort { input, .. } = at {
        at = input;
    }
    at
}

/// Every row has a document of the source, with all of it.
fn has_read(rel: &Rel, source: SourceId) -> bool {
    let mut at = rel;
    loop {
        match at {
            Rel::Scan(of) => return *of == source,
            Rel::Join(join) if join.source == source => return join.kind == JoinKind::Inner,
            Rel::Join(_) | Rel::Filter { .. } | Rel::Sort { .. } | Rel::Slice { .. } => {}
            _ => return false,
        }
        match at.input() {
            Some(input) => at = input,
            None => return false,
        }
    }
}

/// The same column of another use of the collection.
fn copied(id: ColumnId, own: SourceId, columns: &mut Columns) -> Result<ColumnId> {
    let mut column = columns.get(id)?.clone();
    let Origin::Stored { source, path, .. } = &mut column.origin else {
        return Ok(id);
    };
    *source = own;
    let path = path.clone();
    Ok(columns.stored(own, &path, || column))
}

/// Adds what an operator reads of its input.
pub(super) fn read(rel: &Rel, used: &mut ColumnSet) {
    rel.expressions(&mut |node: Node<'_>| used.union(&used_columns(node)));
    match rel {
        Rel::Join(join) => join.on.iter().for_each(|(_, id)| {
            used.insert(*id);
        }),
        Rel::Distinct { columns, .. } => columns.iter().for_each(|id| {
            used.insert(*id);
        }),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::{Rel, SetOp};
    use crate::testing::*;

    /// Books by either of two conditions, joined again by their keys.
    fn either(b: &mut Build, broken: &str) -> (Rel, [crate::plan::ColumnId; 3]) {
        let (one, two, book) = (b.source("Book"), b.source("Book"), b.source("Book"));
        let author = b.source("Author");
        let (a, z) = (b.column(one, "_id"), b.column(two, "_id"));
        let (isbn, pages) = (b.column(one, "isbn"), b.column(two, "pages"));
        let (id, title) = (b.column(book, "_id"), b.column(book, "title"));
        let (writer, fk) = (b.column(author, "_id"), b.column(two, "author_id"));
        let found = b.computed("_id", int_type());
        let first = filter(scan(one), eq(isbn, "x"));
        let second = filter(scan(two), gt(pages, 3));
        let (second, z) = match broken {
            "other documents" => (left_one(second, author, fk, writer), writer),
            "perhaps none" => {
                let rel = left_many(scan(author), two, writer, fk);
                (filter(rel, eq(writer, 3)), z)
            }
            "other key" => (second, fk),
            "made distinct" => (distinct(second, [z]), z),
            _ => (second, z),
        };
        let op = match broken {
            "both" => SetOp::Intersection,
            _ => SetOp::Union,
        };
        let keys = set_op(
            op,
            [(first, vec![value(a)]), (second, vec![value(z)])],
            vec![found],
        );
        let joined = match broken {
            "left" => left_one(keys, book, found, id),
            _ => inner_one(keys, book, found, id),
        };
        (joined, [id, title, found])
    }

    /// What is read above comes with the keys.
    #[test]
    fn columns_come_with_the_keys() {
        let mut b = Build::new();
        let (rel, [id, title, _]) = either(&mut b, "");
        let rows = filter(rel, gt(id, 7));
        b.rows(sort(rows, [asc(id)]), [title]).fires(
            "union_columns",
            "union Book._id#4, Book.title#5\n  \
             scan Book\n  filter Book.isbn#2 = \"x\"\n  select Book._id#0, Book.title#9\n  \
             scan Book\n  filter Book.pages#3 > 3\n  select Book._id#1, Book.title#10\n\
             filter Book._id#4 > 7\n\
             sort Book._id#4 asc\n\
             rows title: Book.title#5\n",
        );
    }

    /// Where rows are only counted, keys suffice.
    #[test]
    fn counts_need_keys_only() {
        let mut b = Build::new();
        let (rel, _) = either(&mut b, "");
        b.count(rel).fires(
            "union_columns",
            "union Book._id#4\n  \
             scan Book\n  filter Book.isbn#2 = \"x\"\n  select Book._id#0\n  \
             scan Book\n  filter Book.pages#3 > 3\n  select Book._id#1\n\
             count\n",
        );
    }

    /// Keys of other documents, of documents that may be missing, of a column that is no key, of rows that have only their key; keys that
    /// both inputs have, rows that stay without a document, a key that is read, documents that a group carries.
    #[test]
    fn other_joins_stay() {
        for broken in [
            "other documents",
            "perhaps none",
            "other key",
            "made distinct",
            "both",
            "left",
            "key read",
            "carried",
        ] {
            let mut b = Build::new();
            let (rel, [id, title, found]) = either(&mut b, broken);
            let source = b.columns.source_of(id).unwrap();
            let rel = match broken {
                "key read" => filter(rel, gt(found, 3)),
                "carried" => aggregate(rel, [(id, value(id))], [source], []),
                _ => rel,
            };
            b.rows(rel, [title]).stays("union_columns");
        }
    }
}
