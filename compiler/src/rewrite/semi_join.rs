//! Membership and existence as joins.

use super::block::{self, Block, Edge, is_unique_set, root_key};
use super::{Context, Kinds, Rule, walk};
use crate::error::Result;
use crate::plan::facts::{ColumnSet, defined_inside, is_unique};
use crate::plan::{
    Cardinality, ColumnId, Columns, JoinKind, Node, Plan, Predicate, Rel, Scalar, SourceId, SubPlan,
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
    for (i, part) in predicate.parts().iter().enumerate() {
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
    let mut conditions = predicate.take_parts();
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
        cardinality: Cardinality::of_unique(unique),
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
    let base = query.rel.base()?;
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
    let (lhs, rhs) = p.as_equality()?;
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

/// Whether at most one row of the subquery has a value of the column, which is its base's own.
fn matches(rows: &Rel, inside: ColumnId, context: &Context<'_>, columns: &Columns) -> Result<bool> {
    let Some(base) = rows.base() else {
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
}
