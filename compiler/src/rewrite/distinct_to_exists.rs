//! Joins that only repeat rows which are then made distinct.

use super::block::{self, Block};
use super::walk::Purpose;
use super::{Context, Kinds, Rule, walk};
use crate::error::Result;
use crate::plan::facts::{ColumnSet, is_unique};
use crate::plan::{
    Cardinality, Columns, JoinKind, Node, Plan, Predicate, Rel, SourceId, is_copyable,
};

pub(super) const RULE: Rule = Rule {
    name: "distinct_to_exists",
    does: "An INNER join to many of which nothing is selected, below `distinct` with a key, becomes the existence of a joined row; \
           then nothing is repeated.",
    sound: "a distinct row is there exactly if one of the joined rows satisfies the conditions that concern them. The columns, with \
            the other joins, tell rows apart without the join.",
    example: (
        "scan book\njoin book_tag many on book._id = book_tag.book_id\nfilter book_tag.tag_id > 7\ndistinct book._id, book.title",
        "scan book\nfilter exists {scan book_tag | filter book_tag.book_id = book._id and book_tag.tag_id > 7}",
    ),
    needs: [Kinds::DISTINCT, Kinds::ANY],
    apply,
};

fn apply(plan: &mut Plan, context: &Context<'_>) -> Result<bool> {
    walk::each_query(plan, context, &mut |query, columns| {
        if query.purpose == Purpose::Write {
            return Ok(false);
        }
        walk::first_operator(query.rel, &mut |at| match at {
            Rel::Distinct { .. } => replace(at, context, columns),
            _ => Ok(false),
        })
    })
}

fn replace(rel: &mut Rel, context: &Context<'_>, columns: &Columns) -> Result<bool> {
    let Rel::Distinct {
        input,
        columns: by,
        carried,
    } = rel
    else {
        return Ok(false);
    };
    let many = |rel: &Rel| matches!(rel, Rel::Join(j) if j.kind == JoinKind::Inner && j.cardinality == Cardinality::Many);
    let mut any = false;
    let mut at = Some(&**input);
    while let Some(rel) = at {
        any |= many(rel);
        at = rel.input();
    }
    if !any {
        return Ok(false);
    }
    let Ok(mut block) = Block::take((**input).clone()) else {
        return Ok(false);
    };
    let selected: Vec<SourceId> = by
        .iter()
        .filter_map(|id| columns.source_of(*id))
        .chain(carried.iter().copied())
        .collect();
    let mut changed = false;
    let mut i = 0;
    while i < block.joins.len() {
        if into_exists(&mut block, i, &selected, columns) {
            changed = true;
        } else {
            i += 1;
        }
    }
    if !changed {
        return Ok(false);
    }
    let rows = block.build();
    let given: ColumnSet = by.iter().copied().collect();
    if !is_unique(&rows, &given, context.schema, columns)? {
        return Ok(false);
    }
    *rel = rows;
    Ok(true)
}

/// Takes a join with what hangs on it out of a block.
fn into_exists(block: &mut Block, i: usize, selected: &[SourceId], columns: &Columns) -> bool {
    let Some(edge) = block.joins.get(i) else {
        return false;
    };
    if edge.kind != JoinKind::Inner || edge.cardinality != Cardinality::Many {
        return false;
    }
    let mut sources = vec![edge.source];
    let uses = |set: &ColumnSet, sources: &[SourceId]| {
        set.iter()
            .any(|id| columns.source_of(id).is_some_and(|s| sources.contains(&s)))
    };
    for later in block.joins.iter().skip(i + 1) {
        let mut used = ColumnSet::new();
        for (lhs, _) in &later.on {
            used.union(&lhs.used_columns());
        }
        if let Some(condition) = &later.condition {
            used.union(&condition.used_columns());
        }
        if uses(&used, &sources) {
            sources.push(later.source);
        }
    }
    if sources.iter().any(|s| selected.contains(s)) {
        return false;
    }
    // Conditions with subqueries of their own stay readable as joins.
    let concerned = |p: &Predicate| uses(&p.used_columns(), &sources);
    if !block
        .conditions
        .iter()
        .filter(|p| concerned(p))
        .all(|p| is_copyable(Node::Predicate(p)))
    {
        return false;
    }
    let mut inner = Vec::new();
    let mut outer = Vec::new();
    for p in std::mem::take(&mut block.conditions) {
        if concerned(&p) {
            inner.push(p);
        } else {
            outer.push(p);
        }
    }
    let mut joins = Vec::new();
    let mut kept = Vec::new();
    for edge in std::mem::take(&mut block.joins) {
        if sources.contains(&edge.source) {
            joins.push(edge);
        } else {
            kept.push(edge);
        }
    }
    let mut hanging = joins.into_iter();
    block.joins = kept;
    block.conditions = outer;
    let Some(first) = hanging.next() else {
        return false;
    };
    let mut conditions = block::equalities(first.on);
    if let Some(condition) = first.condition {
        conditions.extend(condition.parts().to_vec());
    }
    conditions.extend(inner);
    let rows = Block {
        base: first.source,
        joins: hanging.collect(),
        conditions,
    };
    block.conditions.push(block::existence(rows.build()));
    true
}

#[cfg(test)]
mod tests {
    use crate::testing::*;

    /// Which books have a tag whose name comes late.
    #[test]
    fn repeated_rows_become_existence() {
        let mut b = Build::new();
        let (book, link, tag) = (b.source("Book"), b.source("BookTag"), b.source("Tag"));
        let (id, title) = (b.column(book, "_id"), b.column(book, "title"));
        let (fk, tfk) = (b.column(link, "book_id"), b.column(link, "tag_id"));
        let (tpk, name) = (b.column(tag, "_id"), b.column(tag, "name"));
        let rel = inner_one(inner_many(scan(book), link, id, fk), tag, tfk, tpk);
        let rel = filter(rel, and([gt(name, "t1"), eq(title, "a")]));
        b.rows(distinct(rel, [id, title]), [id, title]).fires(
            "distinct_to_exists",
            "scan Book\n\
             filter Book.title#1 = \"a\" and exists {scan BookTag | join Tag one on BookTag.tag_id#3 = Tag._id#4 | \
             filter BookTag.book_id#2 = Book._id#0 and Tag.name#5 > \"t1\" | select }\n\
             rows _id: Book._id#0, title: Book.title#1\n",
        );
    }

    /// Without a key among the columns rows still repeat.
    #[test]
    fn rows_without_a_key_stay() {
        let mut b = Build::new();
        let (book, link) = (b.source("Book"), b.source("BookTag"));
        let (id, title) = (b.column(book, "_id"), b.column(book, "title"));
        let fk = b.column(link, "book_id");
        let rel = inner_many(scan(book), link, id, fk);
        b.rows(distinct(rel, [title]), [title])
            .stays("distinct_to_exists");
    }

    /// A column of the join is selected.
    #[test]
    fn selected_joins_stay() {
        let mut b = Build::new();
        let (book, link) = (b.source("Book"), b.source("BookTag"));
        let id = b.column(book, "_id");
        let (fk, tag) = (b.column(link, "book_id"), b.column(link, "tag_id"));
        let rel = inner_many(scan(book), link, id, fk);
        b.rows(distinct(rel, [id, tag]), [id, tag])
            .stays("distinct_to_exists");
    }

    /// A LEFT join keeps rows that have no partner.
    #[test]
    fn left_joins_stay() {
        let mut b = Build::new();
        let (book, link) = (b.source("Book"), b.source("BookTag"));
        let id = b.column(book, "_id");
        let (fk, tag) = (b.column(link, "book_id"), b.column(link, "tag_id"));
        let rel = filter(left_many(scan(book), link, id, fk), is_null(tag));
        b.rows(distinct(rel, [id]), [id])
            .stays("distinct_to_exists");
    }
}
