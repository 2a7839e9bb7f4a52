//! Each rule's conditions of soundness, one broken at a time: there the rule must not fire. The conditions that a rule's own
//! file tests are not repeated.
#![allow(clippy::expect_used)]

mod plans;

use bson::Bson;
use mqlc_compiler::plan::{ColumnId, Literal, Predicate, Rel, Scalar, SetOp, WindowCall};
use mqlc_compiler::queryset::Value;
use mqlc_compiler::schema::FieldKind;
use plans::*;

fn random() -> Scalar {
    call("Random", vec![], ty(FieldKind::FloatField))
}

fn numbered(b: &mut Build, input: Rel, partition: Vec<Scalar>, by: ColumnId) -> Rel {
    let n = b.counted("n");
    Rel::Window {
        input: Box::new(input),
        partition,
        order: vec![asc(by)],
        outputs: vec![(
            n,
            WindowCall {
                call: agg("RowNumber", vec![]),
                frame: None,
            },
        )],
    }
}

fn first_of_each(input: Rel, on: ColumnId) -> Rel {
    Rel::DistinctOn {
        input: Box::new(sort(input, [asc(on)])),
        on: vec![value(on)],
        order: vec![asc(on)],
        kept: None,
    }
}

fn distinct_count(id: ColumnId) -> mqlc_compiler::plan::AggregateCall {
    let mut call = agg("Count", vec![value(id)]);
    call.distinct = true;
    call
}

mod simplify {
    use super::*;

    /// An XOR of an XOR is no list of `or`.
    #[test]
    fn flatten_leaves_xor() {
        let mut b = Build::new();
        let book = b.source("Book");
        let pages = b.column(book, "pages");
        let odd = |n| Predicate::Xor(vec![eq(pages, n), eq(pages, n + 1)]);
        b.rows(filter(scan(book), or([odd(1), odd(2)])), [pages])
            .stays("flatten");
    }

    /// Decimals are compared by the server: their text does not tell their order.
    #[test]
    fn constant_folding_leaves_decimals() {
        let mut b = Build::new();
        let book = b.source("Book");
        let pages = b.column(book, "pages");
        let decimal = |text: &str| {
            Scalar::from(Literal {
                value: Bson::Decimal128(text.parse().expect("a decimal")),
                ty: ty(FieldKind::DecimalField),
            })
        };
        let rel = filter(
            scan(book),
            or([lt(decimal("1.0"), decimal("2.0")), eq(pages, 1)]),
        );
        b.rows(rel, [pages]).stays("constant_folding");
    }

    /// What is drawn anew each time is not the same value twice.
    #[test]
    fn volatile_values_are_not_joined() {
        for rule in ["or_to_in", "ranges", "subsumption"] {
            let mut b = Build::new();
            let book = b.source("Book");
            let id = b.column(book, "_id");
            let both = match rule {
                "or_to_in" => or([eq(random(), 0.25), eq(random(), 0.5)]),
                "ranges" => and([gt(random(), 0.25), gt(random(), 0.5)]),
                _ => or([
                    and([gt(random(), 0.5), gt(random(), 0.5)]),
                    and([gt(random(), 0.5), not(gt(random(), 0.5))]),
                ]),
            };
            b.rows(filter(scan(book), both), [id]).stays(rule);
        }
    }

    /// Another value has a list of its own, and so has what is not compared for equality.
    #[test]
    fn or_to_in_leaves_other_values() {
        let mut b = Build::new();
        let (book, id, pages) = books(&mut b);
        let rel = filter(scan(book), or([eq(pages, 1), eq(id, 2), gt(pages, 3)]));
        b.rows(rel, [id]).stays("or_to_in");
    }

    /// A value that may be an array of dates has no year of its own.
    #[test]
    fn date_ranges_leave_what_may_be_an_array() {
        let mut b = Build::new();
        let book = b.source("Book");
        let (id, data) = (b.column(book, "_id"), b.column(book, "data"));
        let year = call_with(
            "Extract",
            vec![value(data)],
            &[("lookup_name", Value::Str("year".to_owned()))],
            int_type(),
        );
        b.rows(filter(scan(book), eq(year, 2023)), [id])
            .stays("date_ranges");
    }

    /// A column that can be NULL is not decided by an alternative that rejects NULL.
    #[test]
    fn null_guards_leave_what_only_an_alternative_rejects() {
        let mut b = Build::new();
        let (book, id, pages) = books(&mut b);
        let rel = filter(scan(book), or([eq(pages, 1), is_null(pages)]));
        b.rows(rel, [id]).stays("null_guards");
    }

    /// A difference without its second part is all of the first.
    #[test]
    fn nothing_leaves_joins_and_inputs_that_are_there() {
        let mut b = Build::new();
        let (book, other) = (b.source("Book"), b.source_as("Book", "other"));
        let (x, y) = (b.column(book, "_id"), b.column(other, "_id"));
        let out = b.computed("out", int_type());
        let rel = set_op(
            SetOp::Difference,
            [
                (scan(book), vec![value(x)]),
                (filter(scan(other), eq(y, 1)), vec![value(y)]),
            ],
            vec![out],
        );
        b.rows(rel, [out]).stays("nothing");
    }
}

mod joins {
    use super::*;

    /// What looks at other rows keeps the rows that only a LEFT join has.
    #[test]
    fn left_to_inner_leaves_what_looks_at_other_rows() {
        for between in ["window", "distinct on", "union"] {
            let mut b = Build::new();
            let (book, author) = (b.source("Book"), b.source("Author"));
            let (id, fk) = (b.column(book, "_id"), b.column(book, "editor_id"));
            let (pk, name) = (b.column(author, "_id"), b.column(author, "name"));
            let rel = left_one(scan(book), author, fk, pk);
            let (rel, tested) = match between {
                "window" => (numbered(&mut b, rel, Vec::new(), id), name),
                "distinct on" => (first_of_each(rel, id), name),
                _ => {
                    let other = b.source_as("Author", "other");
                    let opk = b.column(other, "name");
                    let out = b.computed("out", text_type());
                    let both = [(rel, vec![value(name)]), (scan(other), vec![value(opk)])];
                    (set_op(SetOp::UnionAll, both, vec![out]), out)
                }
            };
            b.rows(filter(rel, eq(tested, "a")), [tested])
                .stays("left_to_inner");
        }
    }

    /// The joined source is read by an order, by distinct rows, by another join, by another condition.
    #[test]
    fn anti_join_leaves_joins_that_are_read() {
        for reader in ["sort", "distinct", "join", "filter", "aggregate"] {
            let mut b = Build::new();
            let a = authors(&mut b);
            let mut rel = a.with_books();
            if reader == "join" {
                let editor = b.source_as("Author", "editor");
                let (by, epk) = (b.column(a.book, "editor_id"), b.column(editor, "_id"));
                rel = left_one(rel, editor, by, epk);
            }
            if reader == "filter" {
                rel = filter(rel, or([eq(a.pk, 1), is_null(a.fk)]));
            }
            rel = filter(rel, is_null(a.id));
            match reader {
                "sort" => rel = sort(rel, [asc(a.fk)]),
                "distinct" => rel = distinct(rel, [a.pk, a.fk]),
                "aggregate" => {
                    let n = b.counted("n");
                    rel = aggregate(
                        rel,
                        [(a.pk, value(a.pk))],
                        [],
                        [(n, agg("Count", vec![value(a.fk)]))],
                    );
                }
                _ => {}
            }
            b.rows(rel, [a.pk]).stays("anti_join");
        }
    }

    /// A column that only a LEFT join made NULL is not told from one that is NULL below a further LEFT join.
    #[test]
    fn anti_join_leaves_joins_below_a_slice() {
        let mut b = Build::new();
        let a = authors(&mut b);
        let rel = a.with_books();
        let rel = slice(sort(rel, [asc(a.pk)]), 0, 3);
        b.rows(filter(rel, is_null(a.id)), [a.pk])
            .stays("anti_join");
    }

    /// Several rows of the subquery match where a join inside repeats them; groups are no scan.
    #[test]
    fn semi_join_leaves_rows_that_repeat() {
        for grouped in [false, true] {
            let mut b = Build::new();
            let (book, author) = (b.source("Book"), b.source("Author"));
            let edited = b.source_as("Book", "edited");
            let (id, fk) = (b.column(book, "_id"), b.column(book, "author_id"));
            let (pk, by) = (b.column(author, "_id"), b.column(edited, "editor_id"));
            let query = if grouped {
                aggregate(scan(author), [(pk, value(pk))], [], [])
            } else {
                inner_many(scan(author), edited, pk, by)
            };
            b.rows(filter(scan(book), in_query(fk, query, pk)), [id])
                .stays("semi_join");
        }
    }

    /// A foreign key that is not unique leads back to many: it is no smaller collection.
    #[test]
    fn driving_collection_leaves_larger_sides() {
        let mut b = Build::new();
        let a = authors(&mut b);
        b.rows(a.of_books(), [a.id]).stays("driving_collection");
    }

    /// A condition that reads the model's own row is no choice of the far side.
    #[test]
    fn driving_collection_leaves_compared_columns() {
        let mut b = Build::new();
        let (book, author) = (b.source("Book"), b.source("Author"));
        let (pages, fk) = (b.column(book, "pages"), b.column(book, "author_id"));
        let (pk, mentor) = (b.column(author, "_id"), b.column(author, "mentor_id"));
        let rel = filter(inner_one(scan(book), author, fk, pk), eq(mentor, pages));
        b.rows(rel, [pages]).stays("driving_collection");
    }

    /// A subquery that asks for each row, a key without an index, and a set that no index makes small.
    #[test]
    fn driving_subquery_leaves_other_sets() {
        for broken in ["correlated", "no index", "a range", "negated"] {
            let mut b = Build::new();
            let (book, link) = (b.source("Book"), b.source("BookTag"));
            let (id, pages) = (b.column(book, "_id"), b.column(book, "pages"));
            let (fk, tag) = (b.column(link, "book_id"), b.column(link, "tag_id"));
            let few = in_ints(tag, [1, 2]);
            let part = match broken {
                "correlated" => in_query(id, filter(scan(link), and([few, eq(fk, pages)])), fk),
                "no index" => in_query(pages, filter(scan(link), few), fk),
                "a range" => in_query(id, filter(scan(link), gt(tag, 1)), fk),
                _ => not(in_query(id, filter(scan(link), few), fk)),
            };
            b.rows(filter(scan(book), part), [id])
                .stays("driving_subquery");
        }
    }

    /// A condition with a subquery of its own stays a condition on the join.
    #[test]
    fn distinct_to_exists_leaves_subqueries() {
        let mut b = Build::new();
        let (book, link, tag) = (b.source("Book"), b.source("BookTag"), b.source("Tag"));
        let id = b.column(book, "_id");
        let (fk, tfk) = (b.column(link, "book_id"), b.column(link, "tag_id"));
        let tpk = b.column(tag, "_id");
        let rel = inner_many(scan(book), link, id, fk);
        let rel = filter(rel, exists(filter(scan(tag), eq(tpk, tfk))));
        b.rows(distinct(rel, [id]), [id])
            .stays("distinct_to_exists");
    }

    /// The order is by a joined column: a join of one row is used.
    #[test]
    fn dead_join_leaves_what_is_counted() {
        let mut b = Build::new();
        let a = authors(&mut b);
        let s = b.computed("s", int_type());
        let rel = aggregate(
            a.with_books(),
            [(a.name, value(a.name))],
            [],
            [(s, agg("Sum", vec![value(a.pk)]))],
        );
        b.rows(rel, [a.name, s]).stays("dead_join");
    }
}

mod movement {
    use super::*;

    /// Nothing volatile is computed elsewhere, no long definition twice, no row taken from a `DISTINCT ON`.
    #[test]
    fn push_filter_leaves() {
        for broken in ["volatile", "volatile definition", "long", "distinct on"] {
            let mut b = Build::new();
            let (book, id, pages) = books(&mut b);
            let x = b.computed("x", int_type());
            let rel = match broken {
                "volatile" => filter(sort(scan(book), [asc(id)]), gt(random(), 0.5)),
                "volatile definition" => filter(extend(scan(book), [(x, random())]), gt(x, 1)),
                "long" => {
                    let mut sum = value(pages);
                    for n in 0..40 {
                        sum = plus(sum, n);
                    }
                    filter(extend(scan(book), [(x, sum)]), gt(x, 1))
                }
                _ => filter(first_of_each(scan(book), pages), gt(id, 1)),
            };
            b.rows(rel, [id]).stays("push_filter");
        }
    }

    /// A window without an order of its own, and a `DISTINCT ON`, see the order below.
    #[test]
    fn useless_sort_leaves_orders_that_are_seen() {
        let mut b = Build::new();
        let (book, id, pages) = books(&mut b);
        let rel = sort(scan(book), [asc(pages), asc(id)]);
        let rel = Rel::DistinctOn {
            input: Box::new(rel),
            on: vec![value(pages)],
            order: vec![asc(pages)],
            kept: None,
        };
        b.rows(rel, [id]).stays("useless_sort");
        let mut b = Build::new();
        let (book, id, pages) = books(&mut b);
        let n = b.counted("n");
        let rel = Rel::Window {
            input: Box::new(sort(scan(book), [asc(pages), asc(id)])),
            partition: Vec::new(),
            order: Vec::new(),
            outputs: vec![(
                n,
                WindowCall {
                    call: agg("RowNumber", vec![]),
                    frame: None,
                },
            )],
        };
        b.rows(rel, [id, n]).stays("useless_sort");
    }

    /// A slice of several rows skips some of them.
    #[test]
    fn slices_leave_filters_between() {
        let mut b = Build::new();
        let (book, id, pages) = books(&mut b);
        let rel = slice(sort(scan(book), [asc(id)]), 0, 5);
        let rel = slice(filter(rel, gt(pages, 1)), 0, 2);
        b.rows(rel, [id]).stays("slices");
    }

    /// A window sees all rows of its partitions, which are in another order than the slice.
    #[test]
    fn early_slice_leaves_windows() {
        let mut b = Build::new();
        let (book, id, pages) = books(&mut b);
        let rel = numbered(&mut b, scan(book), vec![value(pages)], id);
        b.rows(slice(sort(rel, [asc(id)]), 0, 2), [id])
            .stays("early_slice");
    }

    /// What an order, a group or another column reads is read.
    #[test]
    fn dead_columns_leave_what_is_read() {
        for reader in ["sort", "group", "column", "distinct"] {
            let mut b = Build::new();
            let (book, id, pages) = books(&mut b);
            let (x, y) = (b.computed("x", int_type()), b.computed("y", int_type()));
            let rel = extend(scan(book), [(x, plus(pages, 1))]);
            let (rel, read) = match reader {
                "sort" => (sort(rel, [asc(x)]), id),
                "group" => {
                    let n = b.counted("n");
                    let count = [(n, agg("Count", vec![]))];
                    (aggregate(rel, [(y, value(x))], [], count), n)
                }
                "column" => (extend(rel, [(y, plus(x, 1))]), y),
                _ => (distinct(rel, [id, x]), id),
            };
            b.rows(rel, [read]).stays("dead_columns");
        }
    }
}

mod groups {
    use super::*;

    /// Columns that are no key repeat.
    #[test]
    fn distinct_leaves_plain_columns() {
        let mut b = Build::new();
        let book = b.source("Book");
        let title = b.column(book, "title");
        b.rows(distinct(scan(book), [title]), [title])
            .stays("distinct");
    }

    /// A key of a joined row that may be missing tells nothing apart.
    #[test]
    fn group_by_key_leaves_keys_behind_a_left_join() {
        let mut b = Build::new();
        let (book, author) = (b.source("Book"), b.source("Author"));
        let (fk, pk) = (b.column(book, "editor_id"), b.column(author, "_id"));
        let title = b.column(book, "title");
        let n = b.counted("n");
        let rel = aggregate(
            left_one(scan(book), author, fk, pk),
            [(pk, value(pk)), (title, value(title))],
            [],
            [(n, agg("Count", vec![]))],
        );
        b.rows(rel, [pk, title, n]).stays("group_by_key");
    }

    /// Equality with another column of the row, or behind a slice of other rows, fixes nothing; a second key is free.
    #[test]
    fn constant_keys_leave_what_varies() {
        for broken in ["own column", "another key", "or"] {
            let mut b = Build::new();
            let book = b.source("Book");
            let (fk, editor) = (b.column(book, "author_id"), b.column(book, "editor_id"));
            let n = b.counted("n");
            let mut keys = vec![(fk, value(fk))];
            let condition = match broken {
                "own column" => eq(fk, editor),
                "or" => or([eq(fk, 1), eq(editor, 2)]),
                _ => {
                    keys.push((editor, value(editor)));
                    eq(fk, 3)
                }
            };
            let rel = Rel::Aggregate {
                input: Box::new(filter(scan(book), condition)),
                keys,
                carried: Vec::new(),
                aggregates: vec![(n, agg("Count", vec![]))],
            };
            b.rows(rel, [n]).stays("constant_keys");
        }
    }

    /// Conditions that differ are no common one.
    #[test]
    fn shared_aggregate_filter_leaves_different_conditions() {
        let mut b = Build::new();
        let book = b.source("Book");
        let pages = b.column(book, "pages");
        let (n, m) = (b.counted("n"), b.counted("m"));
        let rel = aggregate(
            scan(book),
            [],
            [],
            [
                (n, agg_where("Count", vec![], gt(pages, 1))),
                (m, agg_where("Count", vec![], gt(pages, 2))),
            ],
        );
        b.row(rel, [n, m]).stays("shared_aggregate_filter");
    }

    /// The group must be by the key of all rows of a collection, over a LEFT join to many, with plain aggregates.
    #[test]
    fn group_first_leaves() {
        for broken in ["inner", "key", "condition", "order", "join condition"] {
            let mut b = Build::new();
            let a = authors(&mut b);
            let n = b.counted("n");
            let rows = match broken {
                "inner" => a.of_books(),
                "join condition" => on_condition(a.with_books(), gt(a.id, a.pk)),
                _ => a.with_books(),
            };
            let mut call = agg("Count", vec![value(a.id)]);
            if broken == "order" {
                call.order = vec![asc(a.id)];
            }
            let (key, carried) = if broken == "key" {
                (a.name, vec![])
            } else {
                (a.pk, vec![a.author])
            };
            let rel = Rel::Aggregate {
                input: Box::new(rows),
                keys: vec![(key, value(key))],
                carried,
                aggregates: vec![(n, call)],
            };
            let condition = if broken == "condition" {
                or([gt(n, 2), eq(key, key)])
            } else {
                gt(n, 2)
            };
            b.rows(filter(rel, condition), [key, n])
                .stays("group_first");
        }
    }

    /// The same, for groups that an order needs; and a further group carries no row.
    #[test]
    fn group_all_leaves() {
        for broken in ["key", "order", "join condition", "array", "exists"] {
            let mut b = Build::new();
            let a = authors(&mut b);
            let n = b.counted("n");
            let rows = match broken {
                "join condition" => on_condition(a.with_books(), gt(a.id, a.pk)),
                _ => a.with_books(),
            };
            let mut call = agg("Count", vec![value(a.id)]);
            match broken {
                "order" => call.order = vec![asc(a.id)],
                // It keeps NULLs, so that nothing is not what it has for no rows.
                "array" => call.function = "ArrayAgg".to_owned(),
                _ => {}
            }
            let rel = match broken {
                "key" => aggregate(rows, [(a.name, value(a.name))], [], [(n, call)]),
                _ => a.by_author(rows, n, call),
            };
            let rel = sort(rel, [asc(n)]);
            let case = match broken {
                "exists" => b.exists(rel),
                _ => b.rows(rel, [n]),
            };
            case.stays("group_all");
        }
    }

    /// What else the join compares is the same for all rows of a group only if it is a key, too, and never what is drawn anew.
    #[test]
    fn group_before_join_leaves() {
        for broken in ["two columns", "volatile", "order"] {
            let mut b = Build::new();
            let w = written(&mut b);
            let n = b.counted("n");
            let rows = match broken {
                "two columns" => on_condition(w.with_author(), gt(w.pk, w.pages)),
                "volatile" => on_condition(w.with_author(), gt(random(), 0.5)),
                _ => w.with_author(),
            };
            let mut call = agg("Count", vec![]);
            if broken == "order" {
                call.order = vec![asc(w.country)];
            }
            let rel = aggregate(rows, [(w.fk, value(w.fk))], [], [(n, call)]);
            b.rows(rel, [w.fk, n]).stays("group_before_join");
        }
    }

    /// Values that repeat, or that may be NULL, are counted as they are.
    #[test]
    fn count_forms_leave_other_values() {
        let mut b = Build::new();
        let book = b.source("Book");
        let (fk, pages) = (b.column(book, "author_id"), b.column(book, "pages"));
        let (n, m) = (b.counted("n"), b.counted("m"));
        let rel = aggregate(
            scan(book),
            [],
            [],
            [
                (n, distinct_count(fk)),
                (m, agg("Count", vec![value(pages)])),
            ],
        );
        b.row(rel, [n, m]).stays("count_forms");
    }

    /// Distinct values of parts are not those of the whole; few rows are looked up one by one; another column of the rows is
    /// read by the join; what joins is no foreign key.
    #[test]
    fn partial_groups_leave() {
        for broken in ["distinct", "few", "two columns", "no key", "carried"] {
            let mut b = Build::new();
            let w = written(&mut b);
            let id = b.column(w.book, "_id");
            let n = b.counted("n");
            let rows = match broken {
                "few" => filter(scan(w.book), in_ints(id, [1, 2])),
                _ => scan(w.book),
            };
            let rows = inner_one(
                rows,
                w.author,
                if broken == "no key" { w.pages } else { w.fk },
                w.pk,
            );
            let rows = match broken {
                "two columns" => on_condition(rows, gt(w.pk, w.pages)),
                _ => rows,
            };
            let call = match broken {
                "distinct" => distinct_count(w.pages),
                _ => agg("Count", vec![]),
            };
            let carried = broken == "carried";
            let rel = Rel::Aggregate {
                input: Box::new(rows),
                keys: vec![if carried {
                    (w.pk, value(w.pk))
                } else {
                    (w.country, value(w.country))
                }],
                carried: if carried { vec![w.author] } else { vec![] },
                aggregates: vec![(n, call)],
            };
            b.rows(rel, [n]).stays("partial_groups");
        }
    }

    /// An ordered aggregate, and an aggregate of both sides, need the joined rows in one place.
    #[test]
    fn aggregate_per_row_leaves() {
        for broken in ["order", "constant"] {
            let mut b = Build::new();
            let a = authors(&mut b);
            let n = b.counted("n");
            let call = match broken {
                "order" => {
                    let mut call = agg("Count", vec![value(a.id)]);
                    call.order = vec![asc(a.id)];
                    call
                }
                _ => agg("Count", vec![value(a.pk)]),
            };
            let rel = aggregate(
                a.with_books(),
                [(a.pk, value(a.pk))],
                [a.author],
                [(n, call)],
            );
            b.rows(rel, [a.pk, n]).stays("aggregate_per_row");
        }
    }

    /// A condition of the aggregate, an expression, and another function.
    #[test]
    fn count_distinct_leaves() {
        for broken in ["filter", "expression", "sum"] {
            let mut b = Build::new();
            let book = b.source("Book");
            let pages = b.column(book, "pages");
            let n = b.counted("n");
            let mut call = distinct_count(pages);
            match broken {
                "filter" => call.filter = Some(gt(pages, 1)),
                "expression" => call.args = vec![plus(pages, 1)],
                _ => call.function = "Sum".to_owned(),
            }
            b.row(aggregate(scan(book), [], [], [(n, call)]), [n])
                .stays("count_distinct");
        }
    }
}
