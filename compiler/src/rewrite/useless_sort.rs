//! Orders that nobody sees.

use super::walk::{Purpose, Query};
use super::{Context, Kinds, Rule, walk};
use crate::error::Result;
use crate::plan::facts::{ColumnSet, determined, tells_apart};
use crate::plan::{AggregateCall, Columns, Plan, Rel, Scalar, SearchMeta, SortKey};

pub(super) const RULE: Rule = Rule {
    name: "useless_sort",
    does: "Removes sorts below counts, existence, groups, distinct rows, other sorts and set operations, of at most one row, sort keys \
           that earlier keys or conditions decide, and sorts by the score of a search, the best first.",
    sound: "nothing between the sort and what forgets the order depends on it: no slice, no `DISTINCT ON`, no aggregate whose \
            value depends on the order of rows, no window without an order of its own. A search gives its rows by their score unless \
            it is told another order, and what comes before the sort keeps it.",
    example: ("sort name\nsort born\nsort _id, name", "sort _id"),
    needs: [Kinds::SORT, Kinds::ANY],
    apply,
};

fn apply(plan: &mut Plan, context: &Context<'_>) -> Result<bool> {
    walk::each_query(plan, context, &mut |query, columns| {
        remove(query, columns, context)
    })
}

/// Aggregates whose value does not depend on the order of rows.
fn is_unordered(call: &AggregateCall) -> bool {
    matches!(
        call.function.as_str(),
        "Count"
            | "Sum"
            | "Avg"
            | "Min"
            | "Max"
            | "StdDev"
            | "Variance"
            | "BitAnd"
            | "BitOr"
            | "BitXor"
            | "BoolAnd"
            | "BoolOr"
    )
}

fn remove(query: Query<'_>, columns: &Columns, context: &Context<'_>) -> Result<bool> {
    let mut ordered = query.purpose == Purpose::Rows;
    let mut changed = false;
    let mut at = query.rel;
    loop {
        if let Rel::Sort { input, keys } = at {
            let needless = if ordered {
                changed |= shorten(keys, input, columns, context)?;
                keys.is_empty() || is_order_of_search(keys, input)
            } else {
                true
            };
            if needless {
                *at = input.take();
                changed = true;
                continue;
            }
        }
        match at {
            Rel::Sort { .. } | Rel::Distinct { .. } => ordered = false,
            Rel::DistinctOn { on, order, .. } => {
                let needed = match ordered {
                    true => deciding(on, order),
                    false => 0,
                };
                changed |= needed < order.len();
                order.truncate(needed);
                ordered = true;
            }
            Rel::Slice { .. } => ordered = true,
            Rel::Aggregate { aggregates, .. } => {
                ordered = aggregates
                    .iter()
                    .any(|(_, call)| !is_unordered(call) && call.order.is_empty());
            }
            Rel::Window { order, .. } => ordered |= order.is_empty(),
            Rel::SetOp { .. } => return Ok(changed),
            _ => {}
        }
        match at.input_mut() {
            Some(input) => at = input,
            None => return Ok(changed),
        }
    }
}

/// The order is that in which a search finds its rows: the best first (MongoDB Search manual, "Score the Documents").
fn is_order_of_search(keys: &[SortKey], input: &Rel) -> bool {
    let [
        SortKey {
            scalar: Scalar::Column(key),
            desc: true,
            ..
        },
    ] = keys
    else {
        return false;
    };
    let mut at = input;
    loop {
        match at {
            Rel::Search(search) => {
                return search
                    .columns
                    .iter()
                    .any(|(id, meta)| id == key && *meta == SearchMeta::Score)
                    && !search.spec.contains_key("sort");
            }
            Rel::Filter { input, .. } | Rel::Extend { input, .. } | Rel::Slice { input, .. } => {
                at = input;
            }
            Rel::Join(join) => at = &join.input,
            _ => return false,
        }
    }
}

/// How many keys of an order tell all rows apart that differ in `on`.
fn deciding(on: &[Scalar], order: &[SortKey]) -> usize {
    let last = on
        .iter()
        .map(|s| order.iter().position(|key| key.scalar == *s));
    last.fold(0, |most, at| most.max(at.map_or(order.len(), |at| at + 1)))
}

/// Removes keys that decide nothing.
fn shorten(
    keys: &mut Vec<SortKey>,
    input: &Rel,
    columns: &Columns,
    context: &Context<'_>,
) -> Result<bool> {
    let mut given = ColumnSet::new();
    let mut kept = 0;
    let mut i = 0;
    while i < keys.len() {
        let known = determined(input, &given, context.schema, columns)?;
        if tells_apart(input, &known, columns) {
            keys.truncate(kept);
            return Ok(true);
        }
        let decided = match keys.get(i).map(|k| &k.scalar) {
            Some(Scalar::Column(id)) => known.has(columns, *id) || !given.insert(*id),
            Some(Scalar::Literal(_)) => true,
            _ => false,
        };
        if !decided {
            keys.swap(kept, i);
            kept += 1;
        }
        i += 1;
    }
    let changed = kept != keys.len();
    keys.truncate(kept);
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use crate::testing::*;

    /// A count has no order.
    #[test]
    fn counted_rows_need_no_order() {
        let mut b = Build::new();
        let book = b.source("Book");
        let title = b.column(book, "title");
        b.count(sort(scan(book), [asc(title)]))
            .fires("useless_sort", "scan Book\ncount\n");
    }

    /// The last sort decides; what follows its key does not.
    #[test]
    fn the_last_sort_decides() {
        let mut b = Build::new();
        let book = b.source("Book");
        let (id, title) = (b.column(book, "_id"), b.column(book, "title"));
        let rel = sort(sort(scan(book), [asc(title)]), [desc(id), asc(title)]);
        b.rows(rel, [id]).fires(
            "useless_sort",
            "scan Book\nsort Book._id#0 desc\nrows _id: Book._id#0\n",
        );
    }

    /// One row is in order.
    #[test]
    fn single_rows_need_no_order() {
        let mut b = Build::new();
        let book = b.source("Book");
        let (id, title) = (b.column(book, "_id"), b.column(book, "title"));
        let rel = sort(filter(scan(book), eq(id, 3)), [asc(title)]);
        b.rows(rel, [title]).fires(
            "useless_sort",
            "scan Book\nfilter Book._id#0 = 3\nrows title: Book.title#1\n",
        );
    }

    /// A search gives the best first.
    #[test]
    fn searches_come_in_order() {
        let mut b = Build::new();
        let book = b.source("Book");
        let (score, title) = (b.computed("score", int_type()), b.column(book, "title"));
        let found = search(book, score, bson::doc! {"exists": {"path": "title"}});
        b.rows(slice(sort(found, [desc(score)]), 0, 3), [title])
            .fires(
                "useless_sort",
                "search Book by $search { \"exists\": { \"path\": \"title\" } }, score#0 = searchScore\n\
                 slice 0..3\nrows title: Book.title#1\n",
            );
    }

    /// The worst first, a further key, another key, and an order that the search is told are other orders.
    #[test]
    fn other_orders_of_searches_stay() {
        for other in 0..4 {
            let mut b = Build::new();
            let book = b.source("Book");
            let (score, title) = (b.computed("score", int_type()), b.column(book, "title"));
            let mut spec = bson::doc! {"exists": {"path": "title"}};
            if other == 3 {
                spec.insert("sort", bson::doc! {"title": 1});
            }
            let found = search(book, score, spec);
            let rel = match other {
                0 => sort(found, [asc(score)]),
                1 => sort(found, [desc(score), asc(title)]),
                2 => sort(found, [desc(title)]),
                _ => sort(found, [desc(score)]),
            };
            b.rows(rel, [title]).stays("useless_sort");
        }
    }

    /// A slice picks rows by their order.
    #[test]
    fn sliced_rows_stay_in_order() {
        let mut b = Build::new();
        let book = b.source("Book");
        let (id, title) = (b.column(book, "_id"), b.column(book, "title"));
        b.count(slice(sort(scan(book), [asc(title), asc(id)]), 0, 3))
            .stays("useless_sort");
    }

    /// A nullable unique column does not tell rows without it apart.
    #[test]
    fn keys_after_a_nullable_key_stay() {
        let mut b = Build::new();
        let book = b.source("Book");
        let (id, isbn) = (b.column(book, "_id"), b.column(book, "isbn"));
        b.rows(sort(scan(book), [asc(isbn), asc(id)]), [id])
            .stays("useless_sort");
    }

    /// An array of all values shows the order.
    #[test]
    fn ordered_aggregates_stay() {
        let mut b = Build::new();
        let book = b.source("Book");
        let (id, title) = (b.column(book, "_id"), b.column(book, "title"));
        let list = b.computed("list", int_type());
        let rel = aggregate(
            sort(scan(book), [desc(id)]),
            [],
            [],
            [(list, agg("ArrayAgg", vec![value(title)]))],
        );
        b.row(rel, [list]).stays("useless_sort");
    }
}
