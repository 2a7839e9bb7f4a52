//! Windows that look back only end where a slice of their rows ends.

use crate::error::Result;
use crate::plan::facts::{ColumnSet, is_unique};
use crate::plan::{Columns, Rel, WindowCall, as_column};
use crate::queryset::FrameUnit;
use crate::rewrite::Context;

/// Cuts the rows of a window off where a slice of it ends. The order must come again: windows promise none.
pub(super) fn cut(rel: &mut Rel, context: &Context<'_>, columns: &Columns) -> Result<bool> {
    let Rel::Slice {
        input: sorted,
        skip,
        limit: Some(limit),
    } = rel
    else {
        return Ok(false);
    };
    let (skip, end) = (*skip, skip.saturating_add(*limit));
    let Rel::Sort { input, keys } = &mut **sorted else {
        return Ok(false);
    };
    let Rel::Window {
        input: rows,
        partition,
        order,
        outputs,
    } = &mut **input
    else {
        return Ok(false);
    };
    let both: ColumnSet = keys
        .iter()
        .zip(order.iter())
        .take_while(|(a, b)| a == b)
        .filter_map(|(key, _)| as_column(&key.scalar))
        .collect();
    let fits = partition.is_empty()
        && keys.iter().zip(order.iter()).all(|(a, b)| a == b)
        && !matches!(**rows, Rel::Slice { .. })
        && outputs.iter().all(|(_, call)| looks_back(call))
        && is_unique(rows, &both, context.schema, columns)?;
    if !fits {
        return Ok(false);
    }
    **rows = Rel::Slice {
        input: Box::new(Rel::Sort {
            input: Box::new(rows.take()),
            keys: keys.clone(),
        }),
        skip: 0,
        limit: Some(end),
    };
    if skip == 0 {
        *rel = sorted.take();
    }
    Ok(true)
}

/// The value of a row depends on it and on earlier rows only, where no two rows are equal in the window's order.
fn looks_back(window: &WindowCall) -> bool {
    match window.call.function.as_str() {
        "RowNumber" | "Rank" | "DenseRank" | "Lag" => true,
        "Count" | "Sum" | "Avg" | "Min" | "Max" | "StdDev" | "Variance" | "FirstValue"
        | "LastValue" | "NthValue" => window.frame.is_none_or(|frame| match frame.unit {
            FrameUnit::Rows => frame.end.is_some_and(|end| end <= 0),
            FrameUnit::Range => frame.end == Some(0),
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::{Rel, WindowCall, WindowFrame};
    use crate::queryset::FrameUnit;
    use crate::testing::*;

    /// Books numbered in an order, with the sum of the pages before each.
    fn numbered(broken: &str) -> Case {
        let mut b = Build::new();
        let (book, id, pages) = books(&mut b);
        let (n, sum) = (b.counted("n"), b.computed("sum", int_type()));
        let by = if broken == "equal rows" { pages } else { id };
        let end = if broken == "later rows" { 1 } else { -1 };
        let function = if broken == "all rows" {
            "Ntile"
        } else {
            "RowNumber"
        };
        let windowed = Rel::Window {
            input: Box::new(scan(book)),
            partition: match broken {
                "partition" => vec![value(pages)],
                _ => Vec::new(),
            },
            order: vec![asc(by)],
            outputs: vec![
                (
                    n,
                    WindowCall {
                        call: agg(function, vec![]),
                        frame: None,
                    },
                ),
                (
                    sum,
                    WindowCall {
                        call: agg("Sum", vec![value(pages)]),
                        frame: Some(WindowFrame {
                            unit: FrameUnit::Rows,
                            start: None,
                            end: Some(end),
                        }),
                    },
                ),
            ],
        };
        let key = if broken == "other order" {
            desc(by)
        } else {
            asc(by)
        };
        b.rows(slice(sort(windowed, [key]), 1, 2), [id, n, sum])
    }

    /// Three rows are numbered, of which the first is not wanted.
    #[test]
    fn windows_that_look_back_end_with_the_slice() {
        numbered("").fires(
            "early_slice",
            "scan Book\n\
             sort Book._id#0 asc\n\
             slice 0..3\n\
             window n#2 = RowNumber(), sum#3 = Sum(Book.pages#1) Rows None..Some(-1) order by Book._id#0 asc\n\
             sort Book._id#0 asc\n\
             slice 1..3\n\
             rows _id: Book._id#0, n: n#2, sum: sum#3\n",
        );
    }

    /// Equal rows, frames that look ahead, functions of all rows, several partitions, an order of the slice that is not the window's.
    #[test]
    fn other_windows_see_all_rows() {
        for broken in [
            "equal rows",
            "later rows",
            "all rows",
            "partition",
            "other order",
        ] {
            numbered(broken).stays("early_slice");
        }
    }
}
