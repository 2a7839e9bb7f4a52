//! Groups by a key instead of by everything that follows from it.

use super::{Context, Kinds, Rule};
use crate::error::Result;
use crate::plan::facts::{ColumnSet, determined, scope};
use crate::plan::{ColumnId, Columns, Plan, Rel, Scalar, VisitMut, walk_rel, walk_terminal};

pub(super) const RULE: Rule = Rule {
    name: "group_by_key",
    does: "Groups only by columns that tell documents apart; columns that follow from them are carried with the document.",
    sound: "a key that the remaining keys decide (by a unique column that is never NULL, a to-one join or an equality) is the same \
            within each of their groups, so no group splits; its source has one document a group, which is carried.",
    example: (
        "aggregate n = Count(*) by book._id, book.title, book.pages",
        "aggregate n = Count(*) by book._id carrying book",
    ),
    needs: [Kinds::AGGREGATE.or(Kinds::DISTINCT), Kinds::ANY],
    apply,
};

struct Group<'a> {
    columns: &'a Columns,
    context: &'a Context<'a>,
    result: Result<bool>,
}

impl VisitMut for Group<'_> {
    fn rel(&mut self, rel: &mut Rel) {
        walk_rel(self, rel);
        if let Ok(changed) = self.result {
            self.result = reduce(rel, self.columns, self.context).map(|c| c | changed);
        }
    }
}

fn apply(plan: &mut Plan, context: &Context<'_>) -> Result<bool> {
    let mut group = Group {
        columns: &plan.columns,
        context,
        result: Ok(false),
    };
    group.rel(&mut plan.rel);
    walk_terminal(&mut group, &mut plan.terminal);
    group.result
}

fn reduce(rel: &mut Rel, columns: &Columns, context: &Context<'_>) -> Result<bool> {
    if let Rel::Distinct { .. } = rel {
        return reduce_distinct(rel, columns, context);
    }
    let Rel::Aggregate {
        input,
        keys,
        carried,
        ..
    } = rel
    else {
        return Ok(false);
    };
    if keys.len() < 2 {
        return Ok(false);
    }
    // Only a document that is still there can be carried: of a distinct one or a group the columns alone may be left.
    let there = scope(input).sources;
    let mut renamed: Vec<(ColumnId, Scalar)> = Vec::new();
    let mut changed = false;
    let mut i = keys.len();
    // From the last to the first: Django puts the primary key first.
    while i > 0 && keys.len() > 1 {
        i -= 1;
        let Some((_, Scalar::Column(column))) = keys.get(i) else {
            continue;
        };
        let column = *column;
        let Some(source) = columns.source_of(column) else {
            continue;
        };
        let given: ColumnSet = keys
            .iter()
            .enumerate()
            .filter(|(j, _)| *j != i)
            .filter_map(|(_, (_, s))| crate::plan::as_column(s))
            .collect();
        let known = determined(input, &given, context.schema, columns)?;
        if !known.sources.contains(source) || !there.contains(source) {
            continue;
        }
        let (name, _) = keys.remove(i);
        if name != column {
            renamed.push((name, Scalar::Column(column)));
        }
        if !carried.contains(&source) {
            carried.push(source);
        }
        changed = true;
    }
    if !renamed.is_empty() {
        renamed.reverse();
        let group = rel.take();
        *rel = Rel::Extend {
            input: Box::new(group),
            columns: renamed,
        };
    }
    Ok(changed)
}

/// Distinct rows are groups without aggregates.
fn reduce_distinct(rel: &mut Rel, columns: &Columns, context: &Context<'_>) -> Result<bool> {
    let Rel::Distinct {
        input,
        columns: by,
        carried,
    } = rel
    else {
        return Ok(false);
    };
    let there = scope(input).sources;
    let mut changed = false;
    let mut i = by.len();
    while i > 0 && by.len() > 1 {
        i -= 1;
        let Some(column) = by.get(i).copied() else {
            continue;
        };
        let Some(source) = columns.source_of(column) else {
            continue;
        };
        let given: ColumnSet = by.iter().copied().filter(|id| *id != column).collect();
        let known = determined(input, &given, context.schema, columns)?;
        if !known.sources.contains(source) || !there.contains(source) {
            continue;
        }
        by.remove(i);
        if !carried.contains(&source) {
            carried.push(source);
        }
        changed = true;
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use crate::testing::*;

    /// Everything of a book follows from its key, and its author's name too.
    #[test]
    fn columns_follow_from_the_key() {
        let mut b = Build::new();
        let (book, author) = (b.source("Book"), b.source("Author"));
        let (id, title) = (b.column(book, "_id"), b.column(book, "title"));
        let fk = b.column(book, "author_id");
        let (pk, name) = (b.column(author, "_id"), b.column(author, "name"));
        let (k, n) = (b.computed("k", text_type()), b.counted("n"));
        let rel = aggregate(
            left_one(scan(book), author, fk, pk),
            [(id, value(id)), (k, value(title)), (name, value(name))],
            [],
            [(n, agg("Count", vec![]))],
        );
        b.rows(rel, [id, k, name, n]).fires(
            "group_by_key",
            "scan Book\n\
             left join Author one on Book.author_id#2 = Author._id#3\n\
             aggregate n#6 = Count(*) by Book._id#0 carrying Author, Book\n\
             extend k#5 = Book.title#1\n\
             rows _id: Book._id#0, k: k#5, name: Author.name#4, n: n#6\n",
        );
    }

    /// Distinct rows are told apart by their key.
    #[test]
    fn distinct_rows_are_told_apart_by_their_key() {
        let mut b = Build::new();
        let (book, link) = (b.source("Book"), b.source("BookTag"));
        let (id, title) = (b.column(book, "_id"), b.column(book, "title"));
        let (pages, fk) = (b.column(book, "pages"), b.column(link, "book_id"));
        let rel = distinct(inner_many(scan(book), link, id, fk), [id, title, pages]);
        b.rows(rel, [id, title, pages]).fires(
            "group_by_key",
            "scan Book\n\
             join BookTag many on Book._id#0 = BookTag.book_id#3\n\
             distinct Book._id#0 carrying Book\n\
             rows _id: Book._id#0, title: Book.title#1, pages: Book.pages#2\n",
        );
    }

    /// A unique column that can be NULL leaves several rows without it.
    #[test]
    fn nullable_unique_keys_stay() {
        let mut b = Build::new();
        let book = b.source("Book");
        let (isbn, title) = (b.column(book, "isbn"), b.column(book, "title"));
        let n = b.counted("n");
        let rel = aggregate(
            scan(book),
            [(isbn, value(isbn)), (title, value(title))],
            [],
            [(n, agg("Count", vec![]))],
        );
        b.rows(rel, [isbn, title, n]).stays("group_by_key");
    }

    /// Without a key nothing follows.
    #[test]
    fn plain_columns_stay() {
        let mut b = Build::new();
        let book = b.source("Book");
        let (pages, title) = (b.column(book, "pages"), b.column(book, "title"));
        let n = b.counted("n");
        let rel = aggregate(
            scan(book),
            [(pages, value(pages)), (title, value(title))],
            [],
            [(n, agg("Count", vec![]))],
        );
        b.rows(rel, [pages, title, n]).stays("group_by_key");
    }

    /// Where only the columns of a document are left, it cannot be carried.
    #[test]
    fn documents_that_are_gone_stay_gone() {
        let mut b = Build::new();
        let tag = b.source("Tag");
        let id = b.column(tag, "_id");
        let x = b.computed("x", int_type());
        let rel = extend(distinct(scan(tag), [id]), [(x, value(id))]);
        b.rows(distinct(rel, [id, x]), [id]).stays("group_by_key");
        let mut b = Build::new();
        let tag = b.source("Tag");
        let id = b.column(tag, "_id");
        let (x, n) = (b.computed("x", int_type()), b.counted("n"));
        let rel = aggregate(
            distinct(scan(tag), [id]),
            [(id, value(id)), (x, value(id))],
            [],
            [(n, agg("Count", vec![]))],
        );
        b.rows(rel, [id, x, n]).stays("group_by_key");
    }

    /// A column of another document, to which a join to many leads, does not follow.
    #[test]
    fn joins_to_many_stay() {
        let mut b = Build::new();
        let (author, book) = (b.source("Author"), b.source("Book"));
        let (pk, fk) = (b.column(author, "_id"), b.column(book, "author_id"));
        let title = b.column(book, "title");
        let n = b.counted("n");
        let rel = aggregate(
            left_many(scan(author), book, pk, fk),
            [(pk, value(pk)), (title, value(title))],
            [],
            [(n, agg("Count", vec![]))],
        );
        b.rows(rel, [pk, title, n]).stays("group_by_key");
    }
}
