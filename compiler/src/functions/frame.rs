//! Aggregates over frames.
//!
//! `$setWindowFields` knows frames by rows, and frames by the value of one ascending number or date that is always
//! there. Other frames by value are found through peers.

use super::build::{Class, class, int, two, whole};
use super::window::{documents, number, one_certain_key, output, pass, rows, single};
use super::{Grouped, LoweredKey, LoweredWindow, Names, Over, WindowPass, Windowed};
use crate::error::{Error, Result};
use crate::mql::{Expr, WindowOutput, WindowRange};
use crate::plan::WindowFrame;
use crate::queryset::FrameUnit;

fn field(name: &str) -> Expr {
    Expr::field([name])
}

/// Outputs of `$group` as outputs over a window.
fn running(grouped: &Grouped, window: Option<&WindowRange>) -> Vec<(String, WindowOutput)> {
    grouped
        .fields
        .iter()
        .map(|(name, accumulator)| {
            let output = WindowOutput {
                op: accumulator.op,
                args: accumulator.args.clone(),
                window: window.cloned(),
            };
            (name.clone(), output)
        })
        .collect()
}

/// An aggregate over the frame of each row.
pub(super) fn over_frame(
    window: &LoweredWindow<'_>,
    grouped: Grouped,
    names: &mut Names<'_>,
) -> Result<Windowed> {
    if !window.call.order.is_empty() {
        return Err(Error::unsupported(
            format!("order_by of {} over a window", window.call.function),
            "the window has its own order",
        ));
    }
    let order = window.order;
    let frame = window.frame.unwrap_or(WindowFrame {
        unit: FrameUnit::Range,
        start: None,
        end: Some(0),
    });
    let whole_partition = (frame.start.is_none() && frame.end.is_none())
        || (frame.unit == FrameUnit::Range && order.is_empty());
    if whole_partition {
        let over = if order.is_empty() {
            Over::Partition
        } else {
            Over::Rows
        };
        let outputs = running(&grouped, None);
        return Ok(single(over, outputs, grouped.value));
    }
    if frame.unit == FrameUnit::Rows {
        let outputs = running(&grouped, documents(frame.start, frame.end).as_ref());
        return Ok(single(rows(order), outputs, grouped.value));
    }
    if let Some(range) = native_range(order, &frame) {
        let outputs = running(&grouped, Some(&range));
        return Ok(single(Over::Rows, outputs, grouped.value));
    }
    match (frame.start, frame.end) {
        (None, Some(0)) => Ok(up_to_peers(Over::Rows, order, grouped, names)),
        (Some(0), None) => Ok(up_to_peers(Over::Reversed, order, grouped, names)),
        (Some(0), Some(0)) => {
            let n = names();
            let outputs = running(&grouped, None);
            Ok(Windowed {
                passes: vec![
                    pass(rows(window.order), vec![(n.clone(), number(window.order))]),
                    pass(Over::Peers { number: n }, outputs),
                ],
                value: grouped.value,
            })
        }
        (start, end) => distance(order, start, end, grouped, names),
    }
}

/// Runs along the rows, then gives all peers what the last of them has.
fn up_to_peers(
    over: Over,
    order: &[LoweredKey],
    grouped: Grouped,
    names: &mut Names<'_>,
) -> Windowed {
    let n = names();
    let mut first = running(&grouped, documents(None, Some(0)).as_ref());
    first.push((n.clone(), number(order)));
    let last = grouped
        .fields
        .iter()
        .map(|(name, _)| (name.clone(), output("$last", field(name), None)))
        .collect();
    Windowed {
        passes: vec![pass(over, first), pass(Over::Peers { number: n }, last)],
        value: grouped.value,
    }
}

/// A frame that MongoDB has itself: by the value of one ascending key that is always there.
fn native_range(order: &[LoweredKey], frame: &WindowFrame) -> Option<WindowRange> {
    let key = one_certain_key(order).filter(|key| !key.desc)?;
    let unit = match class(&key.ty) {
        Class::Integer | Class::Double | Class::Decimal | Class::Duration => None,
        Class::Moment if matches!((frame.start, frame.end), (None | Some(0), None | Some(0))) => {
            Some("millisecond")
        }
        _ => return None,
    };
    Some(WindowRange {
        range: true,
        start: frame.start.map(whole),
        end: frame.end.map(whole),
        unit,
    })
}

/// A frame of values at some distance from the row's.
fn distance(
    order: &[LoweredKey],
    start: Option<i64>,
    end: Option<i64>,
    grouped: Grouped,
    names: &mut Names<'_>,
) -> Result<Windowed> {
    let numeric = |key: &&LoweredKey| {
        matches!(
            class(&key.ty),
            Class::Integer | Class::Double | Class::Decimal | Class::Duration
        )
    };
    let Some(key) = one_certain_key(order).filter(numeric) else {
        return Err(Error::unsupported(
            "a frame of values at a distance",
            "MongoDB has it for a single number that is never null",
        ));
    };
    // MongoDB's ranges are ascending: the negated key turns a descending order round
    let sign = if key.desc { -1 } else { 1 };
    let sorted = names();
    let range = WindowRange {
        range: true,
        start: start.map(whole),
        end: end.map(whole),
        unit: None,
    };
    let outputs = running(&grouped, Some(&range));
    Ok(Windowed {
        passes: vec![WindowPass {
            set: vec![(
                sorted.clone(),
                two("$multiply", key.expr.clone(), int(sign)),
            )],
            over: Over::Sorted { field: sorted },
            outputs,
        }],
        value: grouped.value,
    })
}
