//! Cheaper forms of aggregates.

use super::{Context, Kinds, Rule, walk};
use crate::error::Result;
use crate::plan::facts::{ColumnSet, Nulls, is_unique, scope};
use crate::plan::{Columns, Plan, Predicate, Rel, Scalar, VisitMut, walk_rel, walk_terminal};

pub(super) const FILTER: Rule = Rule {
    name: "shared_aggregate_filter",
    does: "Moves a condition that all aggregates of a single row share before them.",
    sound: "there are no keys, so that no group vanishes with its rows, and no aggregate without the condition.",
    example: (
        "aggregate n = Count(*) where (a = 1), s = Sum(b) where (a = 1)",
        "filter a = 1\naggregate n = Count(*), s = Sum(b)",
    ),
    needs: [Kinds::AGGREGATE, Kinds::ANY],
    apply: shared_filter,
};

pub(super) const COUNT: Rule = Rule {
    name: "count_forms",
    does: "Counts rows instead of values that are never NULL, and values instead of distinct ones where they are unique.",
    sound: "a value that is never NULL is counted for every row; values of a column that tells rows apart repeat only as NULL, \
            which does not count.",
    example: (
        "aggregate n = Count(distinct book._id)",
        "aggregate n = Count(*)",
    ),
    needs: [Kinds::AGGREGATE, Kinds::ANY],
    apply: count,
};

pub(super) const DISTINCT: Rule = Rule {
    name: "count_distinct",
    does: "Counts the distinct rows of a column instead of collecting its distinct values, where that is all that a single group \
           is for.",
    sound: "the column's distinct values that are not NULL are what is counted; the group has no keys and no other aggregate. So no \
            document has to hold all values, and an index can give them.",
    example: (
        "aggregate n = Count(distinct book.author_id)",
        "filter book.author_id is not null\ndistinct book.author_id\naggregate n = Count(*)",
    ),
    needs: [Kinds::AGGREGATE, Kinds::ANY],
    apply: distinct,
};

struct Distinct<'a> {
    columns: &'a Columns,
    /// Aggregates of the same rows as others are better looked up with them.
    shared: bool,
    changed: bool,
}

impl VisitMut for Distinct<'_> {
    fn rel(&mut self, rel: &mut Rel) {
        let outer = self.shared;
        self.shared = false;
        rel.inputs_mut(&mut |input| self.rel(input));
        let subqueries = match rel {
            Rel::Extend { columns, .. } => columns
                .iter()
                .filter(|(_, s)| matches!(s, Scalar::Subquery(_)))
                .count(),
            _ => 0,
        };
        self.shared = subqueries > 1;
        crate::plan::walk_expressions(self, rel);
        self.shared = outer;
        self.changed |= !self.shared && distinct_rows(rel, self.columns);
    }
}

fn distinct(plan: &mut Plan, _: &Context<'_>) -> Result<bool> {
    let mut walk = Distinct {
        columns: &plan.columns,
        shared: false,
        changed: false,
    };
    walk.rel(&mut plan.rel);
    walk_terminal(&mut walk, &mut plan.terminal);
    Ok(walk.changed)
}

fn distinct_rows(rel: &mut Rel, columns: &Columns) -> bool {
    let Rel::Aggregate {
        input,
        keys,
        aggregates,
        ..
    } = rel
    else {
        return false;
    };
    let [(_, call)] = aggregates.as_mut_slice() else {
        return false;
    };
    let [Scalar::Column(id)] = call.args.as_slice() else {
        return false;
    };
    if !keys.is_empty()
        || call.function != "Count"
        || !call.distinct
        || call.filter.is_some()
        || !call.options.is_empty()
    {
        return false;
    }
    let id = *id;
    if !scope(input).has(columns, id) {
        return false;
    }
    let mut rows = input.take();
    if Nulls::new(columns).of(&rows).nullable(id) {
        rows = Rel::Filter {
            input: Box::new(rows),
            predicate: Predicate::IsNull(Scalar::Column(id)).negate(),
        };
    }
    **input = Rel::Distinct {
        input: Box::new(rows),
        columns: vec![id],
        carried: Vec::new(),
    };
    call.args.clear();
    call.order.clear();
    call.distinct = false;
    true
}

fn shared_filter(plan: &mut Plan, _: &Context<'_>) -> Result<bool> {
    Ok(walk::each_rel(plan, &mut |rel| {
        let Rel::Aggregate {
            input,
            keys,
            aggregates,
            ..
        } = rel
        else {
            return false;
        };
        let Some(Some(shared)) = aggregates.first().map(|(_, call)| call.filter.clone()) else {
            return false;
        };
        if !keys.is_empty() || shared == Predicate::TRUE {
            return false;
        }
        if aggregates
            .iter()
            .any(|(_, call)| call.filter.as_ref() != Some(&shared))
        {
            return false;
        }
        for (_, call) in aggregates {
            call.filter = None;
        }
        let rows = input.take();
        **input = Rel::Filter {
            input: Box::new(rows),
            predicate: shared,
        };
        true
    }))
}

struct Counts<'a> {
    columns: &'a Columns,
    context: &'a Context<'a>,
    result: Result<bool>,
}

impl VisitMut for Counts<'_> {
    fn rel(&mut self, rel: &mut Rel) {
        walk_rel(self, rel);
        if let Ok(changed) = self.result {
            self.result = simplify(rel, self.columns, self.context).map(|c| c | changed);
        }
    }
}

fn count(plan: &mut Plan, context: &Context<'_>) -> Result<bool> {
    let mut counts = Counts {
        columns: &plan.columns,
        context,
        result: Ok(false),
    };
    counts.rel(&mut plan.rel);
    walk_terminal(&mut counts, &mut plan.terminal);
    counts.result
}

fn simplify(rel: &mut Rel, columns: &Columns, context: &Context<'_>) -> Result<bool> {
    let Rel::Aggregate {
        input, aggregates, ..
    } = rel
    else {
        return Ok(false);
    };
    let mut changed = false;
    let mut nulls: Option<Nulls<'_>> = None;
    for (_, call) in aggregates {
        if call.function != "Count" || call.args.len() != 1 || !call.options.is_empty() {
            continue;
        }
        let Some(Scalar::Column(id)) = call.args.first() else {
            continue;
        };
        if call.distinct {
            let given: ColumnSet = [*id].into_iter().collect();
            if !is_unique(input, &given, context.schema, columns)? {
                continue;
            }
            call.distinct = false;
            changed = true;
        }
        let nulls = nulls.get_or_insert_with(|| Nulls::new(columns).of(input));
        if !nulls.nullable(*id) {
            call.args.clear();
            call.order.clear();
            changed = true;
        }
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use crate::testing::*;

    /// One condition for all is a filter.
    #[test]
    fn shared_conditions_become_a_filter() {
        let mut b = Build::new();
        let book = b.source("Book");
        let pages = b.column(book, "pages");
        let (n, s) = (b.counted("n"), b.computed("s", int_type()));
        let rel = aggregate(
            scan(book),
            [],
            [],
            [
                (n, agg_where("Count", vec![], gt(pages, 1))),
                (s, agg_where("Sum", vec![value(pages)], gt(pages, 1))),
            ],
        );
        b.row(rel, [n, s]).fires(
            "shared_aggregate_filter",
            "scan Book\n\
             filter Book.pages#0 > 1\n\
             aggregate n#1 = Count(*), s#2 = Sum(Book.pages#0)\n\
             row n: n#1, s: s#2\n",
        );
    }

    /// Groups would vanish; other aggregates would miss rows.
    #[test]
    fn other_conditions_stay() {
        let mut b = Build::new();
        let book = b.source("Book");
        let (title, pages) = (b.column(book, "title"), b.column(book, "pages"));
        let n = b.counted("n");
        let rel = aggregate(
            scan(book),
            [(title, value(title))],
            [],
            [(n, agg_where("Count", vec![], gt(pages, 1)))],
        );
        b.rows(rel, [title, n]).stays("shared_aggregate_filter");
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
                (m, agg("Count", vec![])),
            ],
        );
        b.row(rel, [n, m]).stays("shared_aggregate_filter");
    }

    /// Keys are counted as rows.
    #[test]
    fn keys_are_counted_as_rows() {
        let mut b = Build::new();
        let book = b.source("Book");
        let (id, isbn) = (b.column(book, "_id"), b.column(book, "isbn"));
        let (n, m) = (b.counted("n"), b.counted("m"));
        let mut distinct_id = agg("Count", vec![value(id)]);
        distinct_id.distinct = true;
        let rel = aggregate(
            scan(book),
            [],
            [],
            [(n, distinct_id), (m, agg("Count", vec![value(isbn)]))],
        );
        b.row(rel, [n, m]).fires(
            "count_forms",
            "scan Book\naggregate n#2 = Count(*), m#3 = Count(Book.isbn#1)\nrow n: n#2, m: m#3\n",
        );
    }

    /// Behind a LEFT join a key can be NULL, and repeat.
    #[test]
    fn joined_keys_stay() {
        let mut b = Build::new();
        let (book, author) = (b.source("Book"), b.source("Author"));
        let (fk, pk) = (b.column(book, "editor_id"), b.column(author, "_id"));
        let (n, m) = (b.counted("n"), b.counted("m"));
        let mut distinct_id = agg("Count", vec![value(pk)]);
        distinct_id.distinct = true;
        let rel = aggregate(
            left_one(scan(book), author, fk, pk),
            [],
            [],
            [(n, distinct_id), (m, agg("Count", vec![value(pk)]))],
        );
        b.row(rel, [n, m]).stays("count_forms");
    }

    /// Distinct values are rows, not a list in a document.
    #[test]
    fn distinct_values_are_counted_as_rows() {
        let mut b = Build::new();
        let book = b.source("Book");
        let editor = b.column(book, "editor_id");
        let n = b.counted("n");
        let mut call = agg("Count", vec![value(editor)]);
        call.distinct = true;
        let rel = aggregate(scan(book), [], [], [(n, call)]);
        b.row(rel, [n]).fires(
            "count_distinct",
            "scan Book\n\
             filter Book.editor_id#0 is not null\n\
             distinct Book.editor_id#0\n\
             aggregate n#1 = Count(*)\n\
             row n: n#1\n",
        );
    }

    /// Another aggregate needs the rows, a group its keys.
    #[test]
    fn other_distinct_counts_stay() {
        let distinct = |id| {
            let mut call = agg("Count", vec![value(id)]);
            call.distinct = true;
            call
        };
        let mut b = Build::new();
        let book = b.source("Book");
        let editor = b.column(book, "editor_id");
        let (n, m) = (b.counted("n"), b.counted("m"));
        let rel = aggregate(
            scan(book),
            [],
            [],
            [(n, distinct(editor)), (m, agg("Count", vec![]))],
        );
        b.row(rel, [n, m]).stays("count_distinct");
        let mut b = Build::new();
        let book = b.source("Book");
        let (editor, author) = (b.column(book, "editor_id"), b.column(book, "author_id"));
        let n = b.counted("n");
        let rel = aggregate(
            scan(book),
            [(author, value(author))],
            [],
            [(n, distinct(editor))],
        );
        b.rows(rel, [author, n]).stays("count_distinct");
    }
}
