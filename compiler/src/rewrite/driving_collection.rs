//! The collection that a pipeline starts with.

use super::block::{self, Block, Edge, Reach, View, is_indexed, is_unique_set, root_key};
use super::{Context, Kinds, Rule, walk};
use crate::error::Result;
use crate::plan::facts::SourceSet;
use crate::plan::{
    Cardinality, ColumnId, Columns, Join, JoinKind, Node, Plan, Predicate, Rel, Scalar, SourceId,
    is_copyable,
};

pub(super) const RULE: Rule = Rule {
    name: "driving_collection",
    does: "Starts at the far side of INNER joins where a condition with an index selects few of its documents, and joins back \
           along indexed keys. Where no index selects anything, an equality or a pattern on the far side is better than a \
           look-up for every document, and so is a far side that has at most as many documents. Other INNER joins that select come \
           before the model's own collection, if they compare its key.",
    sound: "INNER joins are commutative and associative; LEFT joins keep their place after all of them, and read only sources \
            that are there by then. A reversed join is to one row exactly if its columns are unique. What is equal to the key, and the \
            column that a reversed join equates with it, are equal. The order of rows \
            changes only where none is promised. Nothing changes when the model's own collection is selected by an index, or \
            when an index of it gives the first rows in order.",
    example: (
        "scan book\njoin book_tag many on book._id = book_tag.book_id where book_tag.tag_id = 7",
        "scan book_tag\nfilter book_tag.tag_id = 7\njoin book one on book_tag.book_id = book._id",
    ),
    needs: [Kinds::INNER_JOIN, Kinds::ANY],
    apply,
};

fn apply(plan: &mut Plan, context: &Context<'_>) -> Result<bool> {
    walk::each_query(plan, context, &mut |query, columns| {
        let mut sorted_slice = None;
        let mut at = query.rel;
        loop {
            if let Rel::Join(_) | Rel::Filter { .. } = at
                && let Some(view) = View::of(at)
            {
                let inner = view.joins.iter().any(|j| j.kind == JoinKind::Inner);
                if !inner {
                    return Ok(false);
                }
                return match choose(&view, sorted_slice, context, columns)? {
                    Some(path) => turn(at, &path, context, columns),
                    None => Ok(false),
                };
            }
            if let Rel::Slice { input, .. } = at
                && let Rel::Sort { keys, .. } = &**input
            {
                sorted_slice = keys.first().and_then(|k| crate::plan::as_column(&k.scalar));
            }
            match at.input_mut() {
                Some(input) => at = input,
                None => return Ok(false),
            }
        }
    })
}

/// The parent of a source and the pairs of columns, if the join can be turned around.
fn reversible(
    kind: JoinKind,
    on: &[(Scalar, ColumnId)],
    columns: &Columns,
) -> Option<(SourceId, Vec<(ColumnId, ColumnId)>)> {
    if kind != JoinKind::Inner || on.is_empty() {
        return None;
    }
    let mut parent = None;
    let mut pairs = Vec::with_capacity(on.len());
    for (lhs, rhs) in on {
        let Scalar::Column(lhs) = lhs else {
            return None;
        };
        let source = columns.source_of(*lhs)?;
        if *parent.get_or_insert(source) != source {
            return None;
        }
        pairs.push((*lhs, *rhs));
    }
    Some((parent?, pairs))
}

/// The conditions of a block, and those of a join.
fn own<'p>(block: &'p View<'_>, join: &'p Join) -> impl Iterator<Item = &'p Predicate> {
    let inner = match join.kind {
        JoinKind::Inner => join.condition.as_ref().map(Predicate::parts),
        JoinKind::Left => None,
    };
    let all = block.conditions.iter().copied();
    all.chain(inner.unwrap_or_default())
}

/// The joins from the better start up to the base, if there is one.
fn choose(
    block: &View<'_>,
    sorted_slice: Option<ColumnId>,
    context: &Context<'_>,
    columns: &Columns,
) -> Result<Option<Vec<usize>>> {
    let schema = context.schema;
    let joined = block.joins.iter().map(|j| j.source);
    let sources: SourceSet = std::iter::once(block.base).chain(joined).collect();
    let known = |s: &Scalar| {
        matches!(s, Scalar::Literal(_))
            || is_copyable(Node::Scalar(s))
                // A computed column of this query is not there yet at its start.
                && s.used_columns()
                    .iter()
                    .all(|id| columns.source_of(id).is_some_and(|s| !sources.contains(s)))
    };
    let conditions = || block.conditions.iter().copied();
    let at_base = block::reach(block.base, conditions(), &known, schema, columns)?;
    if at_base < Reach::Range {
        return Ok(None);
    }
    let mut limit = Reach::Indexed;
    let mut ordered = false;
    if let Some((source, key)) = sorted_slice.and_then(|id| root_key(columns, id))
        && source == block.base
        && is_indexed(schema, columns, source, key)?
    {
        // The index gives the first rows in order: only what is surely less may compete.
        limit = Reach::Related;
        ordered = true;
    }
    let mut best: Option<(Reach, Vec<usize>)> = None;
    for (i, edge) in block.joins.iter().enumerate() {
        let reach = block::reach(edge.source, own(block, edge), &known, schema, columns)?;
        if reach > limit || best.as_ref().is_some_and(|(b, _)| *b <= reach) {
            continue;
        }
        if let Some(path) = path_to_base(block, i, context, columns)? {
            best = Some((reach, path));
        }
    }
    if best.is_none()
        && !ordered
        && at_base == Reach::All
        && !block::is_picky(block.base, conditions(), &known, columns)
    {
        for (i, edge) in block.joins.iter().enumerate() {
            if (block::is_picky(edge.source, own(block, edge), &known, columns)
                || is_smaller(block.base, edge, context, columns)?)
                && let Some(path) = path_to_base(block, i, context, columns)?
            {
                best = Some((Reach::All, path));
                break;
            }
        }
    }
    Ok(best.map(|(_, path)| path))
}

/// Whether each document of the joined source has one of the base's for itself: by a unique foreign key to it.
fn is_smaller(
    base: SourceId,
    edge: &Join,
    context: &Context<'_>,
    columns: &Columns,
) -> Result<bool> {
    let [(Scalar::Column(lhs), rhs)] = edge.on.as_slice() else {
        return Ok(false);
    };
    let (Some((parent, key)), Some((_, foreign))) =
        (root_key(columns, *lhs), root_key(columns, *rhs))
    else {
        return Ok(false);
    };
    Ok(block::is_foreign_key(*rhs, context.schema, columns)
        && parent == base
        && is_unique_set(context.schema, columns, base, &[key])?
        && is_unique_set(context.schema, columns, edge.source, &[foreign])?)
}

/// The joins from a source up to the base, if all can be turned around along indexed keys.
fn path_to_base(
    block: &View<'_>,
    from: usize,
    context: &Context<'_>,
    columns: &Columns,
) -> Result<Option<Vec<usize>>> {
    let mut path = Vec::new();
    let mut at = Some(from);
    while let Some(i) = at {
        let Some(edge) = block.joins.get(i) else {
            return Ok(None);
        };
        let Some((parent, pairs)) = reversible(edge.kind, &edge.on, columns) else {
            return Ok(None);
        };
        let mut indexed = false;
        for (lhs, _) in &pairs {
            if let Some((source, key)) = root_key(columns, *lhs) {
                indexed |= is_indexed(context.schema, columns, source, key)?;
            }
        }
        if !indexed {
            return Ok(None);
        }
        path.push(i);
        if parent == block.base {
            return Ok(Some(path));
        }
        at = block.joins.iter().take(i).position(|j| j.source == parent);
    }
    Ok(None)
}

/// Turns the joins of a path around; whether it is a block at all.
fn turn(rel: &mut Rel, path: &[usize], context: &Context<'_>, columns: &Columns) -> Result<bool> {
    let mut block = match Block::take(rel.take()) {
        Ok(block) => block,
        Err(other) => {
            *rel = *other;
            return Ok(false);
        }
    };
    let mut turned = Vec::with_capacity(block.joins.len());
    let mut start = block.base;
    for i in path {
        let Some(edge) = block.joins.get_mut(*i) else {
            continue;
        };
        let Some((parent, pairs)) = reversible(edge.kind, &edge.on, columns) else {
            continue;
        };
        if turned.is_empty() {
            start = edge.source;
        }
        if let Some(condition) = edge.condition.take() {
            block.conditions.extend(condition.parts().to_vec());
        }
        let keys: Vec<&str> = pairs
            .iter()
            .filter_map(|(lhs, _)| root_key(columns, *lhs).map(|(_, key)| key))
            .collect();
        let unique = is_unique_set(context.schema, columns, parent, &keys)?;
        turned.push(Edge {
            source: parent,
            kind: JoinKind::Inner,
            on: pairs
                .into_iter()
                .map(|(lhs, rhs)| (Scalar::Column(rhs), lhs))
                .collect(),
            condition: None,
            cardinality: Cardinality::of_unique(unique),
        });
    }
    let mut rest = Vec::new();
    for (i, edge) in std::mem::take(&mut block.joins).into_iter().enumerate() {
        if !path.contains(&i) {
            rest.push(edge);
        }
    }
    let Some(base) = turned.pop() else {
        block.joins = rest;
        *rel = block.build();
        return Ok(false);
    };
    let early = ahead(&rest, &base, &turned, start, &block.conditions, columns);
    let (mut late, mut now) = (vec![base], Vec::new());
    for (mut edge, early) in rest.into_iter().zip(early) {
        if !early {
            late.push(edge);
            continue;
        }
        for (lhs, _) in &mut edge.on {
            let equal = late.first().and_then(|base| {
                let same = base.on.iter().find(|(_, key)| *lhs == Scalar::Column(*key));
                same.map(|(foreign, _)| foreign.clone())
            });
            if let Some(equal) = equal {
                *lhs = equal;
            }
        }
        now.push(edge);
    }
    turned.append(&mut now);
    turned.append(&mut late);
    block.base = start;
    block.joins = turned;
    *rel = block.build();
    Ok(true)
}

/// Which of the other INNER joins leave rows out before the collection is joined that they started with: those that compare its key,
/// which the rows hold already, and those that follow from these.
fn ahead(
    rest: &[Edge],
    base: &Edge,
    turned: &[Edge],
    start: SourceId,
    conditions: &[Predicate],
    columns: &Columns,
) -> Vec<bool> {
    let of = |p: &Predicate, source: SourceId| {
        p.used_columns()
            .iter()
            .any(|id| columns.source_of(id) == Some(source))
    };
    let mut early = vec![false; rest.len()];
    if conditions.iter().any(|p| of(p, base.source)) {
        return early;
    }
    let mut there = vec![start];
    there.extend(turned.iter().map(|edge| edge.source));
    for (edge, early) in rest.iter().zip(early.iter_mut()) {
        let known = |s: &Scalar| match s {
            Scalar::Column(id) => {
                base.on.iter().any(|(_, key)| key == id)
                    || columns.source_of(*id).is_some_and(|s| there.contains(&s))
            }
            _ => false,
        };
        let own = |p: &Predicate| {
            is_copyable(Node::Predicate(p))
                && p.used_columns()
                    .iter()
                    .all(|id| columns.source_of(id) == Some(edge.source))
        };
        if edge.kind == JoinKind::Inner
            && edge.on.iter().all(|(lhs, _)| known(lhs))
            && edge.condition.as_ref().is_none_or(own)
        {
            *early = true;
            there.push(edge.source);
        }
    }
    // Joins that leave nothing out, and lead to none that does, only make rows more.
    let mut needed: Vec<SourceId> = Vec::new();
    for (edge, early) in rest.iter().zip(early.iter_mut()).rev() {
        let selects = edge.condition.is_some()
            || conditions.iter().any(|p| of(p, edge.source))
            || needed.contains(&edge.source);
        *early &= selects;
        if *early {
            let lhs = edge
                .on
                .iter()
                .filter_map(|(lhs, _)| crate::plan::as_column(lhs));
            needed.extend(lhs.filter_map(|id| columns.source_of(id)));
        }
    }
    early
}

#[cfg(test)]
mod tests {
    use crate::testing::*;

    /// The through collection knows which books have the tag.
    #[test]
    fn many_to_many_starts_at_the_through_collection() {
        let mut b = Build::new();
        let (book, link) = (b.source("Book"), b.source("BookTag"));
        let (id, title) = (b.column(book, "_id"), b.column(book, "title"));
        let (fk, tag) = (b.column(link, "book_id"), b.column(link, "tag_id"));
        let rel = filter(inner_many(scan(book), link, id, fk), eq(tag, 2));
        b.rows(rel, [title]).fires(
            "driving_collection",
            "scan BookTag\n\
             join Book one on BookTag.book_id#2 = Book._id#0\n\
             filter BookTag.tag_id#3 = 2\n\
             rows title: Book.title#1\n",
        );
    }

    /// A second tag is asked of the link, whose book is the same, before the book is looked up; what only adds rows comes after it.
    #[test]
    fn joins_that_select_come_before_the_collection() {
        for own in [false, true] {
            let mut b = Build::new();
            let (book, link) = (b.source("Book"), b.source("BookTag"));
            let (other, more) = (b.source("BookTag"), b.source("BookTag"));
            let (id, pages) = (b.column(book, "_id"), b.column(book, "pages"));
            let (fk, tag) = (b.column(link, "book_id"), b.column(link, "tag_id"));
            let (fk2, tag2) = (b.column(other, "book_id"), b.column(other, "tag_id"));
            let fk3 = b.column(more, "book_id");
            let rel = inner_many(scan(book), link, id, fk);
            let rel = on_condition(inner_many(rel, other, id, fk2), gt(tag2, 3));
            let rel = inner_many(rel, more, id, fk3);
            let selects = match own {
                true => and([eq(tag, 2), gt(pages, 3)]),
                false => eq(tag, 2),
            };
            b.rows(filter(rel, selects), [id]).fires(
                "driving_collection",
                match own {
                    true => {
                        "scan BookTag\n\
                         join Book one on BookTag.book_id#2 = Book._id#0\n\
                         join BookTag many on Book._id#0 = BookTag.book_id#4 where BookTag.tag_id#5 > 3\n\
                         join BookTag many on Book._id#0 = BookTag.book_id#6\n\
                         filter BookTag.tag_id#3 = 2 and Book.pages#1 > 3\n\
                         rows _id: Book._id#0\n"
                    }
                    false => {
                        "scan BookTag\n\
                         join BookTag many on BookTag.book_id#2 = BookTag.book_id#4 where BookTag.tag_id#5 > 3\n\
                         join Book one on BookTag.book_id#2 = Book._id#0\n\
                         join BookTag many on Book._id#0 = BookTag.book_id#6\n\
                         filter BookTag.tag_id#3 = 2\n\
                         rows _id: Book._id#0\n"
                    }
                },
            );
        }
    }

    /// Several joins are turned around; others follow.
    #[test]
    fn chains_are_turned() {
        let mut b = Build::new();
        let (book, link, tag) = (b.source("Book"), b.source("BookTag"), b.source("Tag"));
        let editor = b.source_as("Author", "editor");
        let (id, fk) = (b.column(book, "_id"), b.column(link, "book_id"));
        let (tfk, tpk, name) = (
            b.column(link, "tag_id"),
            b.column(tag, "_id"),
            b.column(tag, "name"),
        );
        let (efk, epk, ename) = (
            b.column(book, "editor_id"),
            b.column(editor, "_id"),
            b.column(editor, "name"),
        );
        let rel = left_one(scan(book), editor, efk, epk);
        let rel = inner_one(inner_many(rel, link, id, fk), tag, tfk, tpk);
        let rel = on_condition(rel, eq(name, "t1"));
        b.rows(rel, [id, ename]).fires(
            "driving_collection",
            "scan Tag\n\
             join BookTag many on Tag._id#3 = BookTag.tag_id#2\n\
             join Book one on BookTag.book_id#1 = Book._id#0\n\
             left join Author as editor one on Book.editor_id#5 = editor._id#6\n\
             filter Tag.name#4 = \"t1\"\n\
             rows _id: Book._id#0, name: editor.name#7\n",
        );
    }

    /// A LEFT join cannot be turned.
    #[test]
    fn left_joins_stay() {
        let mut b = Build::new();
        let (book, link) = (b.source("Book"), b.source("BookTag"));
        let id = b.column(book, "_id");
        let (fk, tag) = (b.column(link, "book_id"), b.column(link, "tag_id"));
        let rel = on_condition(left_many(scan(book), link, id, fk), eq(tag, 2));
        b.rows(rel, [id]).stays("driving_collection");
    }

    /// Without an index the far side is read as a whole: still less than a look-up for every book.
    #[test]
    fn equalities_without_an_index_drive() {
        let mut b = Build::new();
        let (book, author) = (b.source("Book"), b.source("Author"));
        let (id, fk) = (b.column(book, "_id"), b.column(book, "author_id"));
        let (pk, name) = (b.column(author, "_id"), b.column(author, "name"));
        let rel = filter(inner_one(scan(book), author, fk, pk), eq(name, "a"));
        b.rows(rel, [id]).fires(
            "driving_collection",
            "scan Author\n\
             join Book many on Author._id#2 = Book.author_id#1\n\
             filter Author.name#3 = \"a\"\n\
             rows _id: Book._id#0\n",
        );
    }

    /// A range without an index may keep everything; and an equality on the model's own side is as good.
    #[test]
    fn unknown_selections_stay() {
        let mut b = Build::new();
        let (book, author) = (b.source("Book"), b.source("Author"));
        let (id, fk) = (b.column(book, "_id"), b.column(book, "author_id"));
        let (pk, name) = (b.column(author, "_id"), b.column(author, "name"));
        let rel = filter(inner_one(scan(book), author, fk, pk), gt(name, "a"));
        b.rows(rel, [id]).stays("driving_collection");
        let mut b = Build::new();
        let (book, author) = (b.source("Book"), b.source("Author"));
        let (title, fk) = (b.column(book, "title"), b.column(book, "author_id"));
        let (pk, name) = (b.column(author, "_id"), b.column(author, "name"));
        let rel = filter(
            inner_one(scan(book), author, fk, pk),
            and([eq(name, "a"), eq(title, "t")]),
        );
        b.rows(rel, [title]).stays("driving_collection");
    }

    /// The first rows in the order of an index of the model are read without the others.
    #[test]
    fn first_rows_in_order_stay() {
        let mut b = Build::new();
        let (book, author) = (b.source("Book"), b.source("Author"));
        let (id, fk) = (b.column(book, "_id"), b.column(book, "author_id"));
        let (pk, name) = (b.column(author, "_id"), b.column(author, "name"));
        let rel = filter(inner_one(scan(book), author, fk, pk), eq(name, "a"));
        b.rows(slice(sort(rel, [asc(id)]), 0, 3), [id])
            .stays("driving_collection");
    }

    /// The model's own collection is selected by an index already.
    #[test]
    fn selected_models_stay() {
        let mut b = Build::new();
        let (book, author) = (b.source("Book"), b.source("Author"));
        let (id, fk) = (b.column(book, "_id"), b.column(book, "author_id"));
        let (pk, country) = (b.column(author, "_id"), b.column(author, "country"));
        let rel = filter(
            inner_one(scan(book), author, fk, pk),
            and([eq(country, "fr"), eq(id, 3)]),
        );
        b.rows(rel, [id]).stays("driving_collection");
    }

    /// The way back needs an index.
    #[test]
    fn joins_back_without_an_index_stay() {
        let mut b = Build::new();
        let (book, author) = (b.source("Book"), b.source("Author"));
        let (id, pages) = (b.column(book, "_id"), b.column(book, "pages"));
        let pk = b.column(author, "_id");
        let rel = filter(inner_one(scan(book), author, pages, pk), eq(pk, 3));
        b.rows(rel, [id]).stays("driving_collection");
    }
}
