//! A condition that all aggregates share is a filter.

use super::{Context, Kinds, Rule, walk};
use crate::error::Result;
use crate::plan::{Plan, Predicate, Rel};

pub(super) const RULE: Rule = Rule {
    name: "shared_aggregate_filter",
    does: "Moves a condition that all aggregates of a single row share before them.",
    sound: "there are no keys, so that no group vanishes with its rows, and no aggregate without the condition.",
    example: (
        "aggregate n = Count(*) where (a = 1), s = Sum(b) where (a = 1)",
        "filter a = 1\naggregate n = Count(*), s = Sum(b)",
    ),
    needs: [Kinds::AGGREGATE, Kinds::ANY],
    apply,
};

fn apply(plan: &mut Plan, _: &Context<'_>) -> Result<bool> {
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
}
