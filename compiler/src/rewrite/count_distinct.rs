//! Distinct values are counted as rows, not gathered in a document.

use super::{Context, Kinds, Rule};
use crate::error::Result;
use crate::plan::facts::{Nulls, scope};
use crate::plan::{
    Columns, Plan, Predicate, Rel, Scalar, VisitMut, walk_expressions, walk_terminal,
};

pub(super) const RULE: Rule = Rule {
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
    apply,
};

fn apply(plan: &mut Plan, _: &Context<'_>) -> Result<bool> {
    let mut walk = Distinct {
        columns: &plan.columns,
        shared: false,
        changed: false,
    };
    walk.rel(&mut plan.rel);
    walk_terminal(&mut walk, &mut plan.terminal);
    Ok(walk.changed)
}

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
        walk_expressions(self, rel);
        self.shared = outer;
        self.changed |= !self.shared && distinct_rows(rel, self.columns);
    }
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

#[cfg(test)]
mod tests {
    use crate::testing::*;

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
