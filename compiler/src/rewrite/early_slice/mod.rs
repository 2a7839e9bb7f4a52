//! Sorts and slices come before work that is done for each row.
//!
//! | file | holds |
//! |---|---|
//! | `sink` | sorts and slices go down |
//! | `served` | orders that an index gives |
//! | `window` | windows that look back end with the slice |

mod served;
mod sink;
mod window;

use super::{Context, Kinds, Rule, walk};
use crate::error::Result;
use crate::plan::Plan;
use served::is_served;
use sink::sink;

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
            changed |= window::cut(at, context, columns)?;
            match at.input_mut() {
                Some(input) => at = input,
                None => return Ok(changed),
            }
        }
    })
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
