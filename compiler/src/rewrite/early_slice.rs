//! Sorts and slices come before work that is done for each row.

use super::block::{Reach, filtered, is_indexed, parts, reach, root_key};
use super::{Context, Kinds, Rule, walk, window_slice};
use crate::error::Result;
use crate::plan::facts::{ColumnSet, is_correlated, used_columns};
use crate::plan::{
    Cardinality, ColumnId, Columns, Join, JoinKind, Node, Plan, Predicate, Rel, Scalar, SortKey,
    SubKind, as_column, visit,
};

pub(super) const RULE: Rule = Rule {
    name: "early_slice",
    does: "Moves a slice before LEFT joins to at most one row and before computed columns, and a sort before joins and computed \
           columns that its keys do not use: before INNER joins where they select nothing, or where an index gives the order \
           of a slice; there also before conditions that need a look-up, as it comes before a look-up of a list that is \
           the same for all. Windows that look back only, in the order of a slice, are \
           computed of the rows up to its end.",
    sound: "such joins and columns keep every row exactly once and in its place, and a sort may come before any join or condition, \
            which leave rows in order; a joined column that an INNER join finds by its equality with a column before is that column. So \
            the joins are looked up and the subqueries run only for the rows of the slice, and the sort can use an index of the \
            collection. A window over all rows, in an order that leaves no two rows equal, whose frames end with the row at the latest, \
            sees nothing of later rows.",
    example: (
        "scan book\nleft join author one on book.author_id = author._id\nsort book.title\nslice 0..20",
        "scan book\nsort book.title\nslice 0..20\nleft join author one on book.author_id = author._id",
    ),
    needs: [
        Kinds::SORT.or(Kinds::SLICE),
        Kinds::JOIN
            .or(Kinds::WINDOW)
            .or(Kinds::EXTEND)
            .or(Kinds::SUBQUERY)
            .or(Kinds::NESTED),
    ],
    apply,
};

fn apply(plan: &mut Plan, context: &Context<'_>) -> Result<bool> {
    walk::each_query(plan, context, &mut |query, columns| {
        let mut changed = false;
        let mut at = query.rel;
        loop {
            let served = is_served(at, context, columns)?;
            changed |= sink(at, served, columns);
            changed |= window_slice::cut(at, context, columns)?;
            match at.input_mut() {
                Some(input) => at = input,
                None => return Ok(changed),
            }
        }
    })
}

/// Moves the operator down as far as it goes; then the slice above it can follow.
fn sink(rel: &mut Rel, served: bool, columns: &Columns) -> bool {
    match rel {
        Rel::Slice { input, .. } => {
            let mut changed = match **input {
                Rel::Sort { .. } => sink(input, served, columns),
                _ => false,
            };
            let passes = match rel.input() {
                Some(Rel::Join(join)) => {
                    join.kind == JoinKind::Left && join.cardinality == Cardinality::One
                }
                Some(Rel::Extend { .. }) => true,
                _ => false,
            };
            if passes && swap(rel) {
                changed = true;
                if let Some(below) = rel.input_mut() {
                    sink(below, served, columns);
                }
            }
            changed
        }
        Rel::Sort { input, keys } => {
            let mut used = ColumnSet::new();
            for key in keys.iter() {
                used.union(&used_columns(Node::Scalar(&key.scalar)));
            }
            let passes = match &mut **input {
                Rel::Join(join) => {
                    let keeps = join.kind == JoinKind::Left
                        || (join.cardinality == Cardinality::One && join.condition.is_none());
                    (keeps || served) && is_before(keys, &used, join, columns)
                }
                Rel::Extend { .. } => return past_extend(rel, used, served, columns),
                Rel::Filter { input, .. } if served && is_own(input, &used, columns) => {
                    return past_filter(rel, columns);
                }
                _ => false,
            };
            if passes && swap(rel) {
                if let Some(below) = rel.input_mut() {
                    sink(below, served, columns);
                }
                return true;
            }
            false
        }
        _ => false,
    }
}

/// Whether keys can be had before a join. A joined column that equals one of the rows before is replaced by it.
fn is_before(keys: &mut [SortKey], used: &ColumnSet, join: &Join, columns: &Columns) -> bool {
    let joined = |id: ColumnId| columns.source_of(id) == Some(join.source);
    if !used.iter().any(joined) {
        return true;
    }
    if join.kind != JoinKind::Inner {
        return false;
    }
    let mut before = Vec::with_capacity(keys.len());
    for key in keys.iter() {
        let equal = join.on.iter().find_map(|(lhs, rhs)| {
            (key.nulls.is_none() && key.scalar == Scalar::Column(*rhs)).then(|| as_column(lhs))?
        });
        match equal {
            Some(id) => before.push(Some(id)),
            None if used_columns(Node::Scalar(&key.scalar)).iter().any(joined) => return false,
            None => before.push(None),
        }
    }
    for (key, before) in keys.iter_mut().zip(before) {
        if let Some(id) = before {
            key.scalar = Scalar::Column(id);
        }
    }
    true
}

/// Whether columns are all of the collection that rows start with.
fn is_own(rows: &Rel, used: &ColumnSet, columns: &Columns) -> bool {
    let mut at = rows;
    loop {
        match at {
            Rel::Scan(base) => {
                return used.iter().all(|id| columns.source_of(id) == Some(*base));
            }
            Rel::Filter { input, .. } | Rel::Extend { input, .. } => at = input,
            Rel::Join(join) => at = &join.input,
            _ => return false,
        }
    }
}

/// Conditions on joined rows, and those with subqueries, come after a sort that an index serves: the look-ups end with the slice.
fn past_filter(rel: &mut Rel, columns: &Columns) -> bool {
    let Rel::Sort { input, .. } = rel else {
        return false;
    };
    let Rel::Filter {
        input: below,
        predicate,
    } = &mut **input
    else {
        return false;
    };
    if !matches!(**below, Rel::Scan(_)) {
        if !swap(rel) {
            return false;
        }
        if let Some(below) = rel.input_mut() {
            sink(below, true, columns);
        }
        return true;
    }
    let (late, early): (Vec<Predicate>, Vec<Predicate>) = parts(predicate)
        .iter()
        .cloned()
        .partition(walk::has_subquery);
    if late.is_empty() {
        return false;
    }
    **input = filtered(below.take(), early);
    *rel = filtered(rel.take(), late);
    true
}

/// Whether rows are in the order of an index of the collection, all of which are read otherwise: those of a slice, or those
/// that would carry a list into the sort.
fn is_served(rel: &Rel, context: &Context<'_>, columns: &Columns) -> Result<bool> {
    let sort = match rel {
        Rel::Slice { input, .. } => input,
        other => other,
    };
    let Rel::Sort { input, keys } = sort else {
        return Ok(false);
    };
    if let Rel::Sort { .. } = rel
        && !brings_list(input, columns)
    {
        return Ok(false);
    }
    let Some((source, key)) = keys
        .first()
        .and_then(|k| as_column(&k.scalar))
        .and_then(|id| root_key(columns, id))
    else {
        return Ok(false);
    };
    if !is_indexed(context.schema, columns, source, key)? {
        return Ok(false);
    }
    let mut conditions = Vec::new();
    let mut at = &**input;
    loop {
        match at {
            Rel::Scan(base) => {
                let known = |s: &Scalar| matches!(s, Scalar::Literal(_));
                return Ok(*base == source
                    && reach(
                        source,
                        conditions.into_iter(),
                        &known,
                        context.schema,
                        columns,
                    )? >= Reach::Range);
            }
            Rel::Filter { input, predicate } => {
                conditions.extend(parts(predicate));
                at = input;
            }
            Rel::Join(join) => at = &join.input,
            Rel::Extend { input, .. } => at = input,
            _ => return Ok(false),
        }
    }
}

/// A condition compares with a list that is the same for all rows, and each row carries it from there on.
fn brings_list(rel: &Rel, columns: &Columns) -> bool {
    let Rel::Filter { predicate, .. } = rel else {
        return false;
    };
    let mut found = false;
    visit(Node::Predicate(predicate), &mut |node, _| {
        if let Node::Scalar(Scalar::Subquery(sub)) = node {
            found |= sub.kind == SubKind::Array && !is_correlated(sub, columns);
        }
        !found
    });
    found
}

/// Exchanges an operator with its input.
fn swap(rel: &mut Rel) -> bool {
    let Some(input) = rel.input_mut() else {
        return false;
    };
    let mut upper = input.take();
    let Some(place) = upper.input_mut() else {
        *input = upper;
        return false;
    };
    *input = place.take();
    *place = rel.take();
    *rel = upper;
    true
}

/// Columns that the keys do not use are computed after the sort.
fn past_extend(rel: &mut Rel, used: ColumnSet, served: bool, columns: &Columns) -> bool {
    let Rel::Sort { input, .. } = rel else {
        return false;
    };
    let Rel::Extend {
        columns: definitions,
        input: below,
    } = &mut **input
    else {
        return false;
    };
    let mut needed = used;
    let mut keep = vec![false; definitions.len()];
    for ((id, definition), flag) in definitions.iter().zip(keep.iter_mut()).rev() {
        if needed.contains(*id) {
            needed.union(&used_columns(Node::Scalar(definition)));
            *flag = true;
        }
    }
    if keep.iter().all(|k| *k) {
        return false;
    }
    let (mut first, mut later) = (Vec::new(), Vec::new());
    for (definition, needed) in std::mem::take(definitions).into_iter().zip(keep) {
        if needed {
            first.push(definition);
        } else {
            later.push(definition);
        }
    }
    let source = below.take();
    let inner = if first.is_empty() {
        source
    } else {
        Rel::Extend {
            input: Box::new(source),
            columns: first,
        }
    };
    **input = inner;
    let mut sort = rel.take();
    sink(&mut sort, served, columns);
    *rel = Rel::Extend {
        input: Box::new(sort),
        columns: later,
    };
    true
}

#[cfg(test)]
mod tests {
    use crate::plan::{Predicate, Scalar, SubKind, SubPlan};
    use crate::testing::*;

    /// Only twenty authors are looked up.
    #[test]
    fn slices_come_before_joins() {
        let mut b = Build::new();
        let (book, author) = (b.source("Book"), b.source("Author"));
        let (id, fk) = (b.column(book, "_id"), b.column(book, "editor_id"));
        let (pk, name) = (b.column(author, "_id"), b.column(author, "name"));
        let x = b.computed("x", int_type());
        let rel = extend(left_one(scan(book), author, fk, pk), [(x, plus(id, 1))]);
        let rel = slice(sort(rel, [asc(id)]), 1, 2);
        b.rows(rel, [id, name, x]).fires(
            "early_slice",
            "scan Book\n\
             sort Book._id#0 asc\n\
             slice 1..3\n\
             left join Author one on Book.editor_id#1 = Author._id#2\n\
             extend x#4 = (Book._id#0 + 1)\n\
             rows _id: Book._id#0, name: Author.name#3, x: x#4\n",
        );
    }

    /// What the sort uses comes first.
    #[test]
    fn columns_of_the_order_stay() {
        let mut b = Build::new();
        let (book, id, pages) = books(&mut b);
        let (x, y) = (b.computed("x", int_type()), b.computed("y", int_type()));
        let rel = extend(scan(book), [(x, plus(pages, 1)), (y, plus(x, 1))]);
        let rel = slice(sort(rel, [asc(x), asc(id)]), 0, 2);
        b.rows(rel, [id, y]).fires(
            "early_slice",
            "scan Book\n\
             extend x#2 = (Book.pages#1 + 1)\n\
             sort x#2 asc, Book._id#0 asc\n\
             slice 0..2\n\
             extend y#3 = (x#2 + 1)\n\
             rows _id: Book._id#0, y: y#3\n",
        );
    }

    /// An INNER join removes rows before the slice counts them; the order may come first, and the slice ends the joins.
    #[test]
    fn sorts_come_before_inner_joins() {
        let mut b = Build::new();
        let (book, author) = (b.source("Book"), b.source("Author"));
        let (title, fk) = (b.column(book, "title"), b.column(book, "author_id"));
        let pk = b.column(author, "_id");
        let rel = inner_one(scan(book), author, fk, pk);
        b.rows(slice(sort(rel, [asc(title)]), 0, 2), [title]).fires(
            "early_slice",
            "scan Book\n\
             sort Book.title#0 asc\n\
             join Author one on Book.author_id#1 = Author._id#2\n\
             slice 0..2\n\
             rows title: Book.title#0\n",
        );
    }

    /// The author that a book is joined with is the one that it names: the order needs no look-up.
    #[test]
    fn joined_keys_are_those_before_the_join() {
        let mut b = Build::new();
        let (book, author) = (b.source("Book"), b.source("Author"));
        let (fk, pk) = (b.column(book, "author_id"), b.column(author, "_id"));
        let name = b.column(author, "name");
        let rel = inner_one(scan(book), author, fk, pk);
        b.rows(sort(rel, [asc(pk)]), [name]).fires(
            "early_slice",
            "scan Book\n\
             sort Book.author_id#0 asc\n\
             join Author one on Book.author_id#0 = Author._id#1\n\
             rows name: Author.name#2\n",
        );
    }

    /// Behind a LEFT join the key is NULL where no author was found; other columns are only known with the author.
    #[test]
    fn other_joined_keys_stay() {
        let mut b = Build::new();
        let (book, author) = (b.source("Book"), b.source("Author"));
        let (fk, pk) = (b.column(book, "editor_id"), b.column(author, "_id"));
        let name = b.column(author, "name");
        let rel = left_one(scan(book), author, fk, pk);
        b.rows(sort(rel, [asc(pk)]), [name]).stays("early_slice");
        let mut b = Build::new();
        let (book, author) = (b.source("Book"), b.source("Author"));
        let (fk, pk) = (b.column(book, "author_id"), b.column(author, "_id"));
        let name = b.column(author, "name");
        let rel = inner_one(scan(book), author, fk, pk);
        b.rows(sort(rel, [asc(pk), asc(name)]), [name])
            .stays("early_slice");
    }

    /// An index gives the order of the slice: few are read, even where a join selects.
    #[test]
    fn orders_of_an_index_come_before_inner_joins() {
        let mut b = Build::new();
        let (book, author) = (b.source("Book"), b.source("Author"));
        let (id, fk) = (b.column(book, "_id"), b.column(book, "author_id"));
        let (pk, name) = (b.column(author, "_id"), b.column(author, "name"));
        let rel = on_condition(inner_one(scan(book), author, fk, pk), gt(name, "a"));
        b.rows(slice(sort(rel, [asc(id)]), 0, 2), [id]).fires(
            "early_slice",
            "scan Book\n\
             sort Book._id#0 asc\n\
             join Author one on Book.author_id#1 = Author._id#2 where Author.name#3 > \"a\"\n\
             slice 0..2\n\
             rows _id: Book._id#0\n",
        );
    }

    /// A join that selects leaves less to sort.
    #[test]
    fn sorts_stay_behind_joins_that_select() {
        let mut b = Build::new();
        let (book, author) = (b.source("Book"), b.source("Author"));
        let (title, fk) = (b.column(book, "title"), b.column(book, "author_id"));
        let (pk, name) = (b.column(author, "_id"), b.column(author, "name"));
        let rel = on_condition(inner_one(scan(book), author, fk, pk), gt(name, "a"));
        b.rows(sort(rel, [asc(title)]), [title])
            .stays("early_slice");
    }

    /// The books without a review are looked for in order, until there are enough; so are those of which an editor is unknown.
    #[test]
    fn look_ups_end_with_the_slice() {
        let mut b = Build::new();
        let (book, link) = (b.source("Book"), b.source("BookTag"));
        let (id, pages) = (b.column(book, "_id"), b.column(book, "pages"));
        let fk = b.column(link, "book_id");
        let none = not(exists(filter(scan(link), eq(fk, id))));
        let rel = filter(scan(book), and([none, gt(pages, 1)]));
        b.rows(slice(sort(rel, [asc(id)]), 0, 2), [id]).fires(
            "early_slice",
            "scan Book\n\
             filter Book.pages#1 > 1\n\
             sort Book._id#0 asc\n\
             filter not exists {scan BookTag | filter BookTag.book_id#2 = Book._id#0 | select }\n\
             slice 0..2\n\
             rows _id: Book._id#0\n",
        );
        let mut b = Build::new();
        let (book, author) = (b.source("Book"), b.source("Author"));
        let (id, fk) = (b.column(book, "_id"), b.column(book, "editor_id"));
        let (pk, name) = (b.column(author, "_id"), b.column(author, "name"));
        let rel = filter(left_one(scan(book), author, fk, pk), is_null(name));
        b.rows(slice(sort(rel, [asc(id)]), 0, 2), [id]).fires(
            "early_slice",
            "scan Book\n\
             sort Book._id#0 asc\n\
             left join Author one on Book.editor_id#1 = Author._id#2\n\
             filter Author.name#3 is null\n\
             slice 0..2\n\
             rows _id: Book._id#0\n",
        );
    }

    /// All rows, an order without an index, one with a joined column, and conditions without look-ups are sorted when they are chosen.
    #[test]
    fn other_sorts_stay_behind_conditions() {
        for broken in ["no slice", "no index", "joined key", "no look-up"] {
            let mut b = Build::new();
            let (book, author) = (b.source("Book"), b.source("Author"));
            let other = b.source_as("Author", "other");
            let (id, pages) = (b.column(book, "_id"), b.column(book, "pages"));
            let (fk, pk) = (b.column(book, "author_id"), b.column(author, "_id"));
            let (opk, name) = (b.column(other, "_id"), b.column(other, "name"));
            let condition = match broken {
                "no look-up" => gt(pages, 1),
                _ => exists(filter(scan(author), gt(pk, id))),
            };
            let rows = match broken {
                "joined key" => left_one(filter(scan(book), condition), other, fk, opk),
                _ => filter(scan(book), condition),
            };
            let rel = match broken {
                "no slice" => sort(rows, [asc(id)]),
                "no index" => slice(sort(rows, [asc(pages), asc(id)]), 0, 2),
                "joined key" => slice(sort(rows, [asc(id), asc(name)]), 0, 2),
                _ => slice(sort(rows, [asc(id)]), 0, 2),
            };
            b.rows(rel, [id]).stays("early_slice");
        }
    }

    /// Every row would carry the list into the sort: one that is the same for all, where an index gives the order.
    #[test]
    fn sorts_come_before_lists() {
        for broken in ["", "no index", "its own list", "no list"] {
            let mut b = Build::new();
            let (book, tag) = (b.source("Book"), b.source("BookTag"));
            let (id, pages) = (b.column(book, "_id"), b.column(book, "pages"));
            let (fk, key) = (b.column(tag, "book_id"), b.column(tag, "tag_id"));
            let rel = match broken {
                "its own list" => filter(scan(tag), eq(fk, id)),
                _ => scan(tag),
            };
            let list = Scalar::Subquery(Box::new(SubPlan {
                kind: SubKind::Array,
                rel: rel.clone(),
                columns: vec![Scalar::Column(key)],
                ty: int_type(),
            }));
            let condition = match broken {
                "no list" => exists(rel),
                _ => Predicate::Lookup {
                    name: "in_array".to_owned(),
                    lhs: Scalar::Column(pages),
                    rhs: list,
                },
            };
            let by = if broken == "no index" { pages } else { id };
            let sorted = b.rows(sort(filter(scan(book), condition), [asc(by)]), [id]);
            match broken {
                "" => sorted.fires(
                    "early_slice",
                    "scan Book\n\
                     sort Book._id#0 asc\n\
                     filter Book.pages#1 in_array array {scan BookTag | select BookTag.tag_id#3}\n\
                     rows _id: Book._id#0\n",
                ),
                _ => sorted.stays("early_slice"),
            }
        }
    }

    /// An order by a joined column needs the join.
    #[test]
    fn orders_by_joined_columns_stay() {
        let mut b = Build::new();
        let (book, author) = (b.source("Book"), b.source("Author"));
        let (id, fk) = (b.column(book, "_id"), b.column(book, "editor_id"));
        let (pk, name) = (b.column(author, "_id"), b.column(author, "name"));
        let rel = left_one(scan(book), author, fk, pk);
        b.rows(slice(sort(rel, [asc(name), asc(id)]), 0, 2), [id])
            .stays("early_slice");
    }

    /// A join to many repeats rows, which the slice counts; the sort may go first.
    #[test]
    fn slices_stay_behind_joins_to_many() {
        let mut b = Build::new();
        let (author, book) = (b.source("Author"), b.source("Book"));
        let (pk, fk) = (b.column(author, "_id"), b.column(book, "author_id"));
        let id = b.column(book, "_id");
        let rel = left_many(scan(author), book, pk, fk);
        b.rows(slice(sort(rel, [asc(pk), asc(id)]), 0, 2), [pk])
            .stays("early_slice");
    }
}
