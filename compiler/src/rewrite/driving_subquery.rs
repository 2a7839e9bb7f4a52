//! A selective subquery comes before the collection that is asked for its keys.

use super::block::{self, Edge, Reach, is_indexed, is_unique_set, root_key};
use super::{Context, Kinds, Rule, walk};
use crate::error::Result;
use crate::plan::facts::{ColumnSet, is_correlated, is_unique};
use crate::plan::{
    Cardinality, Column, ColumnId, Columns, Counterparts, JoinKind, Origin, Plan, Predicate, Rel,
    Scalar, SourceId, rename,
};

pub(super) const RULE: Rule = Rule {
    name: "driving_subquery",
    does: "Where all of a collection would be asked whether a key of it is in an uncorrelated subquery that an index or a slice makes \
           small, starts at the subquery's distinct values and joins the collection by that key; or at the subquery's rows, \
           if they are of the same collection.",
    sound: "each distinct value that is not NULL meets the rows that have it, which are those that are in the set. Rows of the same \
            collection with the same unique key are the same.",
    example: (
        "scan book\nfilter book._id in set {scan book_tag | filter book_tag.tag_id in (7, 8) | select book_tag.book_id}",
        "scan book_tag\nfilter book_tag.tag_id in (7, 8)\ndistinct book_tag.book_id\njoin book one on book_tag.book_id = book._id",
    ),
    needs: [Kinds::SUBQUERY, Kinds::ANY],
    apply,
};

fn apply(plan: &mut Plan, context: &Context<'_>) -> Result<bool> {
    walk::each_query(plan, context, &mut |query, columns| {
        if query.is_rooted() {
            return Ok(false);
        }
        walk::first_operator(query.rel, &mut |at| match at {
            Rel::Filter { .. } => start_at_subquery(at, context, columns),
            _ => Ok(false),
        })
    })
}

/// A slice of so many rows is few.
const SHORT: u64 = 10_000;

/// A slice of a block in some order.
fn is_short(rel: &Rel) -> bool {
    match rel {
        Rel::Slice {
            input,
            limit: Some(limit),
            ..
        } if *limit <= SHORT => match &**input {
            Rel::Sort { input, .. } => block::is_block(input),
            other => block::is_block(other),
        },
        _ => false,
    }
}

/// The rows of a subquery over the same collection, with the names of the outer rows, if they are told apart by the key
/// that they are selected by: then they are the outer rows.
fn own_rows(
    rows: &Rel,
    outside: ColumnId,
    inside: ColumnId,
    context: &Context<'_>,
    columns: &mut Columns,
) -> Result<Option<Rel>> {
    let (Some((outer, outer_key)), Some((inner, inner_key))) =
        (root_key(columns, outside), root_key(columns, inside))
    else {
        return Ok(None);
    };
    let given: ColumnSet = [inside].into_iter().collect();
    let same = outer_key == inner_key
        && columns.source(outer)?.model == columns.source(inner)?.model
        && !columns.get(inside)?.nullable
        && rows.base() == Some(inner)
        && is_unique_set(context.schema, columns, inner, &[inner_key])?
        && is_unique(rows, &given, context.schema, columns)?;
    if !same {
        return Ok(None);
    }
    let inner_columns: Vec<(ColumnId, Column)> = columns
        .iter()
        .filter(|(id, _)| columns.source_of(*id) == Some(inner))
        .map(|(id, column)| (id, column.clone()))
        .collect();
    let mut names = Counterparts::new();
    for (id, mut column) in inner_columns {
        let Origin::Stored { source, path, .. } = &mut column.origin else {
            continue;
        };
        *source = outer;
        let path = path.clone();
        names.insert(id, columns.stored(outer, &path, || column));
    }
    let mut rows = rows.clone();
    rename(&mut rows, &[(inner, outer)].into_iter().collect(), &names);
    Ok(Some(rows))
}

/// A part of a filter that asks whether a key is in a subquery of few rows.
struct Found {
    part: usize,
    outside: ColumnId,
    inside: ColumnId,
    /// Whether the key is unique.
    unique: bool,
}

fn find(
    base: SourceId,
    predicate: &Predicate,
    context: &Context<'_>,
    columns: &Columns,
) -> Result<Option<Found>> {
    for (i, part) in predicate.parts().iter().enumerate() {
        let Predicate::InSubquery { lhs, query } = part else {
            continue;
        };
        let ([Scalar::Column(outside)], [Scalar::Column(inside)]) =
            (lhs.as_slice(), query.columns.as_slice())
        else {
            continue;
        };
        let Some((_, key)) = root_key(columns, *outside).filter(|(of, _)| *of == base) else {
            continue;
        };
        if is_indexed(context.schema, columns, base, key)?
            && !is_correlated(query, columns)
            && is_few(&query.rel, context, columns)?
        {
            return Ok(Some(Found {
                part: i,
                outside: *outside,
                inside: *inside,
                unique: is_unique_set(context.schema, columns, base, &[key])?,
            }));
        }
    }
    Ok(None)
}

/// Whether a slice or an index makes the rows of a subquery few.
fn is_few(rows: &Rel, context: &Context<'_>, columns: &Columns) -> Result<bool> {
    let Some(base) = rows.base() else {
        return Ok(false);
    };
    if is_short(rows) {
        return Ok(true);
    }
    if !block::is_block(rows) {
        return Ok(false);
    }
    let reach = reach_of_literals(base, conditions_of(rows).into_iter(), context, columns)?;
    Ok(reach <= Reach::Indexed)
}

fn reach_of_literals<'p>(
    source: SourceId,
    conditions: impl Iterator<Item = &'p Predicate>,
    context: &Context<'_>,
    columns: &Columns,
) -> Result<Reach> {
    let known = |s: &Scalar| matches!(s, Scalar::Literal(_));
    block::reach(source, conditions, &known, context.schema, columns)
}

fn start_at_subquery(rel: &mut Rel, context: &Context<'_>, columns: &mut Columns) -> Result<bool> {
    let Rel::Filter { input, predicate } = rel else {
        return Ok(false);
    };
    let Rel::Scan(base) = **input else {
        return Ok(false);
    };
    if reach_of_literals(base, predicate.parts().iter(), context, columns)? < Reach::Range {
        return Ok(false);
    }
    let Some(found) = find(base, predicate, context, columns)? else {
        return Ok(false);
    };
    let mut conditions = predicate.take_parts();
    let Predicate::InSubquery { query, .. } = conditions.remove(found.part) else {
        return Ok(false);
    };
    if let Some(rows) = own_rows(&query.rel, found.outside, found.inside, context, columns)? {
        *rel = block::filtered(rows, conditions);
        return Ok(true);
    }
    let edge = Edge {
        source: base,
        kind: JoinKind::Inner,
        on: vec![(Scalar::Column(found.inside), found.outside)],
        condition: None,
        cardinality: Cardinality::of_unique(found.unique),
    };
    let values = Rel::Distinct {
        input: Box::new(query.rel),
        columns: vec![found.inside],
        carried: Vec::new(),
    };
    *rel = block::filtered(edge.over(values), conditions);
    Ok(true)
}

/// The conditions on rows that come before any join.
fn conditions_of(rel: &Rel) -> Vec<&Predicate> {
    let mut at = rel;
    let mut all = Vec::new();
    loop {
        if let Rel::Filter { predicate, .. } = at {
            all.extend(predicate.parts());
        }
        match at.input() {
            Some(input) => at = input,
            None => return all,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::*;

    /// The subquery's index is better than none.
    #[test]
    fn selected_subqueries_drive() {
        let mut b = Build::new();
        let (book, link) = (b.source("Book"), b.source("BookTag"));
        let (id, pages) = (b.column(book, "_id"), b.column(book, "pages"));
        let (fk, tag) = (b.column(link, "book_id"), b.column(link, "tag_id"));
        let query = filter(scan(link), in_ints(tag, [1, 2]));
        let rel = filter(scan(book), and([gt(pages, 1), in_query(id, query, fk)]));
        b.rows(rel, [id]).fires(
            "driving_subquery",
            "scan BookTag\n\
             filter BookTag.tag_id#3 in (1, 2)\n\
             distinct BookTag.book_id#2\n\
             join Book one on BookTag.book_id#2 = Book._id#0\n\
             filter Book.pages#1 > 1\n\
             rows _id: Book._id#0\n",
        );
    }

    /// A slice is few rows; those of the same collection need no join.
    #[test]
    fn slices_drive() {
        let mut b = Build::new();
        let (book, other) = (b.source("Book"), b.source_as("Book", "other"));
        let (id, title) = (b.column(book, "_id"), b.column(book, "title"));
        let (oid, opages) = (b.column(other, "_id"), b.column(other, "pages"));
        let query = slice(sort(scan(other), [desc(opages), asc(oid)]), 0, 3);
        let rel = filter(scan(book), and([in_query(id, query, oid), ne(title, "x")]));
        b.rows(rel, [id]).fires(
            "driving_subquery",
            "scan Book\n\
             sort Book.pages#4 desc, Book._id#0 asc\n\
             slice 0..3\n\
             filter Book.title#1 <> \"x\"\n\
             rows _id: Book._id#0\n",
        );
    }

    /// Other keys of the same collection are other rows.
    #[test]
    fn other_keys_of_the_same_collection_are_joined() {
        let mut b = Build::new();
        let (author, other) = (b.source("Author"), b.source_as("Author", "other"));
        let id = b.column(author, "_id");
        let (oid, mentor) = (b.column(other, "_id"), b.column(other, "mentor_id"));
        let query = slice(sort(scan(other), [asc(oid)]), 0, 3);
        b.rows(filter(scan(author), in_query(id, query, mentor)), [id])
            .fires(
                "driving_subquery",
                "scan Author as other\n\
                 sort other._id#1 asc\n\
                 slice 0..3\n\
                 distinct other.mentor_id#2\n\
                 join Author one on other.mentor_id#2 = Author._id#0\n\
                 rows _id: Author._id#0\n",
            );
    }

    /// A collection that is selected already is not driven; nor by a subquery that is not.
    #[test]
    fn other_subqueries_do_not_drive() {
        let mut b = Build::new();
        let (book, link) = (b.source("Book"), b.source("BookTag"));
        let id = b.column(book, "_id");
        let (fk, tag) = (b.column(link, "book_id"), b.column(link, "tag_id"));
        let query = filter(scan(link), in_ints(tag, [1, 2]));
        let rel = filter(scan(book), and([eq(id, 1), in_query(id, query, fk)]));
        b.rows(rel, [id]).stays("driving_subquery");
        let mut b = Build::new();
        let (book, author) = (b.source("Book"), b.source("Author"));
        let (id, fk) = (b.column(book, "_id"), b.column(book, "author_id"));
        let (pk, name) = (b.column(author, "_id"), b.column(author, "name"));
        let query = filter(scan(author), eq(name, "a"));
        b.rows(filter(scan(book), in_query(fk, query, pk)), [id])
            .stays("driving_subquery");
    }
}
