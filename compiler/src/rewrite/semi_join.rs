//! Membership and existence as joins.

use super::block::{self, Block, Edge, is_indexed, is_unique_set, root_key};
use super::{Context, Kinds, Rule, walk};
use crate::error::Result;
use crate::plan::facts::{ColumnSet, defined_inside, is_correlated, is_unique};
use crate::plan::{
    Cardinality, Column, ColumnId, Columns, CompareOp, Counterparts, JoinKind, Node, Origin, Plan,
    Predicate, Rel, Scalar, SourceId, SubPlan, rename,
};

pub(super) const RULE: Rule = Rule {
    name: "semi_join",
    does: "Turns `x in (subquery)` and `exists(subquery where y = x)` among the parts of a filter into INNER joins where at most \
           one row of the subquery matches.",
    sound: "the selected column tells the subquery's rows apart (by declared uniqueness, with what its conditions fix), so the join \
            repeats no row; equality rejects NULL as membership does where only truth counts. The subquery is a scan \
            with joins and filters, without slices or groups.",
    example: (
        "scan book\nfilter book.author_id in set {scan author | filter author.name = \"x\" | select author._id}",
        "scan book\njoin author one on book.author_id = author._id\nfilter author.name = \"x\"",
    ),
    needs: [Kinds::SUBQUERY, Kinds::ANY],
    apply,
};

pub(super) const DRIVING: Rule = Rule {
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
    apply: drive,
};

fn apply(plan: &mut Plan, context: &Context<'_>) -> Result<bool> {
    walk::each_query(plan, context, &mut |query, columns| {
        let mut changed = false;
        let mut at = query.rel;
        loop {
            if let Rel::Filter { .. } = at {
                changed |= join(at, context, columns)?;
            }
            match at.input_mut() {
                Some(input) => at = input,
                None => return Ok(changed),
            }
        }
    })
}

/// A subquery as a join: its base, the value outside, the column inside.
struct Found {
    part: usize,
    outside: Scalar,
    inside: ColumnId,
    /// The subquery's rows without the equality.
    rows: Rel,
}

fn join(rel: &mut Rel, context: &Context<'_>, columns: &Columns) -> Result<bool> {
    let Rel::Filter { predicate, input } = rel else {
        return Ok(false);
    };
    if matches!(**input, Rel::Empty) {
        return Ok(false);
    }
    let mut found = None;
    for (i, part) in block::parts(predicate).iter().enumerate() {
        if let Some((outside, inside, rows)) = candidate(part, columns)
            && matches(&rows, inside, context, columns)?
        {
            found = Some(Found {
                part: i,
                outside,
                inside,
                rows,
            });
            break;
        }
    }
    let Some(found) = found else {
        return Ok(false);
    };
    let mut conditions = match std::mem::replace(predicate, Predicate::TRUE) {
        Predicate::And(list) => list,
        other => vec![other],
    };
    conditions.remove(found.part);
    let block = match Block::take(found.rows) {
        Ok(block) => block,
        Err(_) => return Ok(false),
    };
    let unique = match root_key(columns, found.inside) {
        Some((source, key)) => is_unique_set(context.schema, columns, source, &[key])?,
        None => false,
    };
    let edge = Edge {
        source: block.base,
        kind: JoinKind::Inner,
        on: vec![(found.outside, found.inside)],
        condition: None,
        cardinality: if unique {
            Cardinality::One
        } else {
            Cardinality::Many
        },
    };
    let mut rows = edge.over(input.take());
    for edge in block.joins {
        rows = edge.over(rows);
    }
    conditions.extend(block.conditions);
    *rel = block::filtered(rows, conditions);
    Ok(true)
}

/// What a part of a filter says, if it is membership or existence by one equality.
fn candidate(part: &Predicate, columns: &Columns) -> Option<(Scalar, ColumnId, Rel)> {
    match part {
        Predicate::InSubquery { lhs, query } => {
            let [lhs] = lhs.as_slice() else { return None };
            let [Scalar::Column(inside)] = query.columns.as_slice() else {
                return None;
            };
            (block::is_block(&query.rel) && !holds_subquery(lhs))
                .then(|| (lhs.clone(), *inside, query.rel.clone()))
        }
        Predicate::Exists(query) => by_equality(query, columns),
        _ => None,
    }
}

fn holds_subquery(scalar: &Scalar) -> bool {
    !crate::plan::is_copyable(Node::Scalar(scalar))
}

/// `exists {block | filter inside = outside and ..}`.
fn by_equality(query: &SubPlan, columns: &Columns) -> Option<(Scalar, ColumnId, Rel)> {
    if !block::is_block(&query.rel) {
        return None;
    }
    let base = base_of(&query.rel)?;
    let inner = defined_inside(Node::Rel(&query.rel));
    let mut block = Block::take(query.rel.clone()).ok()?;
    let i = block
        .conditions
        .iter()
        .position(|p| equality(p, base, &inner, columns).is_some())?;
    let part = block.conditions.remove(i);
    let (outside, inside) = equality(&part, base, &inner, columns)?;
    Some((outside, inside, block.build()))
}

fn equality(
    p: &Predicate,
    base: SourceId,
    inner: &crate::plan::facts::Scope,
    columns: &Columns,
) -> Option<(Scalar, ColumnId)> {
    let Predicate::Compare {
        op: CompareOp::Eq,
        lhs,
        rhs,
    } = p
    else {
        return None;
    };
    for (inside, outside) in [(lhs, rhs), (rhs, lhs)] {
        if let Scalar::Column(id) = inside
            && columns.source_of(*id) == Some(base)
            && !outside.used_columns().is_empty()
            && !inner.has_any(columns, &outside.used_columns())
            && !holds_subquery(outside)
        {
            return Some((outside.clone(), *id));
        }
    }
    None
}

fn base_of(rel: &Rel) -> Option<SourceId> {
    let mut at = rel;
    loop {
        match at {
            Rel::Scan(source) => return Some(*source),
            other => at = other.input()?,
        }
    }
}

/// Whether at most one row of the subquery has a value of the column, which is its base's own.
fn matches(rows: &Rel, inside: ColumnId, context: &Context<'_>, columns: &Columns) -> Result<bool> {
    let Some(base) = base_of(rows) else {
        return Ok(false);
    };
    if columns.source_of(inside) != Some(base) {
        return Ok(false);
    }
    // Equality rejects NULL, so a unique column that can be NULL still tells the rows that matter apart.
    if let Some((_, key)) = root_key(columns, inside)
        && is_unique_set(context.schema, columns, base, &[key])?
    {
        let mut given = ColumnSet::new();
        given.insert(inside);
        // The base's other columns follow from its unique one.
        for (id, _) in columns.iter() {
            if columns.source_of(id) == Some(base) {
                given.insert(id);
            }
        }
        return single(rows, &given, context, columns);
    }
    let given: ColumnSet = [inside].into_iter().collect();
    is_unique(rows, &given, context.schema, columns)
}

/// Whether the joins of the subquery repeat no row of a base that is given as a whole.
fn single(rows: &Rel, given: &ColumnSet, context: &Context<'_>, columns: &Columns) -> Result<bool> {
    let known = crate::plan::facts::determined(rows, given, context.schema, columns)?;
    let mut at = rows;
    loop {
        match at {
            Rel::Join(join)
                if join.cardinality == Cardinality::Many
                    && !known.sources.contains(join.source) =>
            {
                return Ok(false);
            }
            Rel::Scan(_) => return Ok(true),
            _ => {}
        }
        match at.input() {
            Some(input) => at = input,
            None => return Ok(false),
        }
    }
}

fn drive(plan: &mut Plan, context: &Context<'_>) -> Result<bool> {
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
        && base_of(rows) == Some(inner)
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

fn start_at_subquery(rel: &mut Rel, context: &Context<'_>, columns: &mut Columns) -> Result<bool> {
    let Rel::Filter { input, predicate } = rel else {
        return Ok(false);
    };
    let Rel::Scan(base) = **input else {
        return Ok(false);
    };
    let known = |s: &Scalar| matches!(s, Scalar::Literal(_));
    let at_base = block::reach(
        base,
        block::parts(predicate).iter(),
        &known,
        context.schema,
        columns,
    )?;
    if at_base < block::Reach::Range {
        return Ok(false);
    }
    let mut found = None;
    for (i, part) in block::parts(predicate).iter().enumerate() {
        let Predicate::InSubquery { lhs, query } = part else {
            continue;
        };
        let ([Scalar::Column(outside)], [Scalar::Column(inside)]) =
            (lhs.as_slice(), query.columns.as_slice())
        else {
            continue;
        };
        let Some((source, key)) = root_key(columns, *outside) else {
            continue;
        };
        if source != base
            || !is_indexed(context.schema, columns, base, key)?
            || is_correlated(query, columns)
        {
            continue;
        }
        let Some(first) = base_of(&query.rel) else {
            continue;
        };
        let few = if is_short(&query.rel) {
            true
        } else if block::is_block(&query.rel) {
            let conditions = conditions_of(&query.rel);
            let reach = block::reach(
                first,
                conditions.into_iter(),
                &known,
                context.schema,
                columns,
            )?;
            reach <= block::Reach::Indexed
        } else {
            false
        };
        if few {
            let unique = is_unique_set(context.schema, columns, base, &[key])?;
            found = Some((i, *outside, *inside, unique));
            break;
        }
    }
    let Some((i, outside, inside, unique)) = found else {
        return Ok(false);
    };
    let mut conditions = match std::mem::replace(predicate, Predicate::TRUE) {
        Predicate::And(list) => list,
        other => vec![other],
    };
    let Predicate::InSubquery { query, .. } = conditions.remove(i) else {
        return Ok(false);
    };
    if let Some(rows) = own_rows(&query.rel, outside, inside, context, columns)? {
        *rel = block::filtered(rows, conditions);
        return Ok(true);
    }
    let edge = Edge {
        source: base,
        kind: JoinKind::Inner,
        on: vec![(Scalar::Column(inside), outside)],
        condition: None,
        cardinality: if unique {
            Cardinality::One
        } else {
            Cardinality::Many
        },
    };
    let values = Rel::Distinct {
        input: Box::new(query.rel),
        columns: vec![inside],
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
            all.extend(block::parts(predicate));
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

    /// Membership among unique values is a join to one row.
    #[test]
    fn membership_becomes_a_join() {
        let mut b = Build::new();
        let (book, author) = (b.source("Book"), b.source("Author"));
        let (id, fk) = (b.column(book, "_id"), b.column(book, "author_id"));
        let (pk, name) = (b.column(author, "_id"), b.column(author, "name"));
        let query = filter(scan(author), eq(name, "a"));
        b.rows(filter(scan(book), in_query(fk, query, pk)), [id])
            .fires(
                "semi_join",
                "scan Book\n\
             join Author one on Book.author_id#1 = Author._id#2\n\
             filter Author.name#3 = \"a\"\n\
             rows _id: Book._id#0\n",
            );
    }

    /// Existence by a unique column, and by one that is unique together with what is fixed.
    #[test]
    fn existence_becomes_a_join() {
        let mut b = Build::new();
        let (book, link) = (b.source("Book"), b.source("BookTag"));
        let id = b.column(book, "_id");
        let (fk, tag) = (b.column(link, "book_id"), b.column(link, "tag_id"));
        let query = filter(scan(link), and([eq(fk, id), eq(tag, 2)]));
        b.rows(filter(scan(book), exists(query)), [id]).fires(
            "semi_join",
            "scan Book\n\
             join BookTag many on Book._id#0 = BookTag.book_id#1\n\
             filter BookTag.tag_id#2 = 2\n\
             rows _id: Book._id#0\n",
        );
    }

    /// Several rows of the subquery may match.
    #[test]
    fn repeated_values_stay() {
        let mut b = Build::new();
        let (author, book) = (b.source("Author"), b.source("Book"));
        let pk = b.column(author, "_id");
        let (fk, pages) = (b.column(book, "author_id"), b.column(book, "pages"));
        let query = filter(scan(book), gt(pages, 1));
        b.rows(filter(scan(author), in_query(pk, query, fk)), [pk])
            .stays("semi_join");
    }

    /// The opposite of membership is no join, and an alternative is none.
    #[test]
    fn negations_and_alternatives_stay() {
        let mut b = Build::new();
        let (book, author) = (b.source("Book"), b.source("Author"));
        let other = b.source_as("Author", "other");
        let (id, fk) = (b.column(book, "_id"), b.column(book, "author_id"));
        let (pk, opk) = (b.column(author, "_id"), b.column(other, "_id"));
        let rel = filter(
            scan(book),
            and([
                not(in_query(fk, scan(author), pk)),
                or([eq(id, 1), in_query(fk, scan(other), opk)]),
            ]),
        );
        b.rows(rel, [id]).stays("semi_join");
    }

    /// A sliced subquery has fewer values than its block.
    #[test]
    fn sliced_subqueries_stay() {
        let mut b = Build::new();
        let (book, author) = (b.source("Book"), b.source("Author"));
        let (id, fk) = (b.column(book, "_id"), b.column(book, "author_id"));
        let pk = b.column(author, "_id");
        let query = slice(sort(scan(author), [asc(pk)]), 0, 2);
        b.rows(filter(scan(book), in_query(fk, query, pk)), [id])
            .stays("semi_join");
    }

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
