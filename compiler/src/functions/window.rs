//! Window functions (`django.db.models.functions.window`), and aggregates over frames.
//!
//! `$setWindowFields` knows frames by rows, and frames by the value of one ascending number or date. Peers (rows with
//! equal keys) in general are found in two passes: the first numbers the rows and runs along them, the second looks at
//! each set of peers and takes what its last row has.

use bson::Bson;

use super::aggregate::accumulate;
use super::build::{int, only_if, two, whole};
use super::frame::over_frame;
use super::{
    Arg, Arity, Call, Context, Function, Grouped, LoweredKey, LoweredWindow, Names, NullRule,
    Output, Over, WindowPass, Windowed,
};
use crate::error::{Code, Error, Result};
use crate::mql::{Args, Expr, WindowOutput, WindowRange};
use crate::schema::FieldKind;
use crate::target::Target;

/// The family's rows.
pub(super) fn functions() -> Vec<Function> {
    let integer = Output::Kind(FieldKind::IntegerField);
    let float = Output::Kind(FieldKind::FloatField);
    let row =
        |name, arity, output, lower| Function::window(name, arity, output, NullRule::Never, lower);
    let value =
        |name, arity, lower| Function::window(name, arity, Output::First, NullRule::Any, lower);
    vec![
        row("RowNumber", 0, integer, |w, n, _| {
            let name = n();
            Ok(single(
                rows(w.order),
                vec![(name.clone(), number(w.order))],
                field(&name),
            ))
        }),
        row("Rank", 0, integer, |w, n, _| rank(w, n)),
        row("DenseRank", 0, integer, |w, n, _| dense_rank(w, n)),
        row("PercentRank", 0, float, |w, n, _| percent_rank(w, n)),
        row("CumeDist", 0, float, |w, n, _| cume_dist(w, n)),
        row("Ntile", 1, integer, |w, n, _| ntile(w, n))
            .arity(Arity::between(0, 1))
            .check(check_ntile),
        value("Lag", 3, |w, n, _| shift(w, n, -1))
            .arity(Arity::between(1, 3))
            .check(check_shift),
        value("Lead", 3, |w, n, _| shift(w, n, 1))
            .arity(Arity::between(1, 3))
            .check(check_shift),
        value("FirstValue", 1, |w, n, _| edge(w, n, "$first")),
        value("LastValue", 1, |w, n, _| edge(w, n, "$last")),
        value("NthValue", 2, nth_value)
            .arity(Arity::between(1, 2))
            .check(check_nth),
    ]
}

fn value_error(message: String) -> Error {
    Error::new(Code::ValueError, message)
}

fn is_null(arg: Option<&Arg>) -> bool {
    matches!(arg.and_then(Arg::as_literal), Some(Bson::Null))
}

/// Of the functions that read another row: a value, and a positive number that says which; 1 where it is left out.
fn check_place(call: &mut Call, what: &str) -> Result<()> {
    if is_null(call.args.first()) {
        return Err(value_error(format!(
            "{} requires a non-null source expression.",
            call.name
        )));
    }
    if call.args.len() == 1 {
        call.args.push(Arg::literal(1_i64, FieldKind::IntegerField));
    }
    let place = call.args.get(1);
    if is_null(place) || place.and_then(Arg::as_int).is_some_and(|n| n <= 0) {
        return Err(value_error(format!(
            "{} requires a positive integer {what}.",
            call.name
        )));
    }
    Ok(())
}

fn check_shift(call: &mut Call, _cx: &Context<'_>) -> Result<()> {
    check_place(call, "for the offset")?;
    if is_null(call.args.get(2)) {
        call.args.truncate(2);
    }
    Ok(())
}

fn check_nth(call: &mut Call, _cx: &Context<'_>) -> Result<()> {
    check_place(call, "as for nth")
}

fn check_ntile(call: &mut Call, _cx: &Context<'_>) -> Result<()> {
    if call.args.is_empty() {
        call.args.push(Arg::literal(1_i64, FieldKind::IntegerField));
    }
    match call.args.first().and_then(Arg::as_int) {
        Some(n) if n <= 0 => Err(value_error(
            "num_buckets must be greater than 0.".to_owned(),
        )),
        _ => Ok(()),
    }
}

fn field(name: &str) -> Expr {
    Expr::field([name])
}

pub(super) fn single(over: Over, outputs: Vec<(String, WindowOutput)>, value: Expr) -> Windowed {
    Windowed {
        passes: vec![pass(over, outputs)],
        value,
    }
}

pub(super) fn pass(over: Over, outputs: Vec<(String, WindowOutput)>) -> WindowPass {
    WindowPass {
        set: Vec::new(),
        over,
        outputs,
    }
}

/// The rows in the window's order; without one in that of their keys, since the server wants some order.
pub(super) fn rows(order: &[LoweredKey]) -> Over {
    if order.is_empty() {
        Over::Sorted {
            field: "_id".to_owned(),
        }
    } else {
        Over::Rows
    }
}

/// The number of a row in its partition. `$documentNumber` takes exactly one sort key; a running count takes any.
pub(super) fn number(order: &[LoweredKey]) -> WindowOutput {
    match order {
        [key] if key.nulls.is_none() || !key.nullable => WindowOutput {
            op: "$documentNumber",
            args: Args::Named(Vec::new()),
            window: None,
        },
        _ => output("$sum", int(1), documents(None, Some(0))),
    }
}

/// An accumulator over a window; without one over the whole partition.
pub(super) fn output(op: &'static str, arg: Expr, window: Option<WindowRange>) -> WindowOutput {
    let accumulator = accumulate(op, arg);
    WindowOutput {
        op: accumulator.op,
        args: accumulator.args,
        window,
    }
}

pub(super) fn documents(start: Option<i64>, end: Option<i64>) -> Option<WindowRange> {
    Some(WindowRange {
        range: false,
        start: start.map(whole),
        end: end.map(whole),
        unit: None,
    })
}

/// A single key by which MongoDB itself tells peers: never NULL, or NULLs cannot be told from missing fields.
pub(super) fn one_certain_key(order: &[LoweredKey]) -> Option<&LoweredKey> {
    match order {
        [key] if !key.nullable => Some(key),
        _ => None,
    }
}

fn no_args(op: &'static str) -> WindowOutput {
    WindowOutput {
        op,
        args: Args::Named(Vec::new()),
        window: None,
    }
}

/// The rank of a row as a field, and the passes that make it.
fn rank_passes(window: &LoweredWindow<'_>, names: &mut Names<'_>) -> (Vec<WindowPass>, String) {
    let rank = names();
    if one_certain_key(window.order).is_some() {
        return (
            vec![pass(
                rows(window.order),
                vec![(rank.clone(), no_args("$rank"))],
            )],
            rank,
        );
    }
    let n = names();
    let peers = Over::Peers { number: n.clone() };
    (
        vec![
            pass(rows(window.order), vec![(n.clone(), number(window.order))]),
            pass(peers, vec![(rank.clone(), output("$min", field(&n), None))]),
        ],
        rank,
    )
}

fn rank(window: &LoweredWindow<'_>, names: &mut Names<'_>) -> Result<Windowed> {
    if window.order.is_empty() {
        return Ok(all_equal(int(1)));
    }
    let (passes, rank) = rank_passes(window, names);
    Ok(Windowed {
        passes,
        value: field(&rank),
    })
}

/// Without an order all rows are peers.
fn all_equal(value: Expr) -> Windowed {
    Windowed {
        passes: Vec::new(),
        value,
    }
}

fn dense_rank(window: &LoweredWindow<'_>, names: &mut Names<'_>) -> Result<Windowed> {
    if window.order.is_empty() {
        return Ok(all_equal(int(1)));
    }
    if one_certain_key(window.order).is_some() {
        let name = names();
        return Ok(single(
            Over::Rows,
            vec![(name.clone(), no_args("$denseRank"))],
            field(&name),
        ));
    }
    // numbers of rows; first number among peers; how many such firsts there are up to a row
    let (n, first, dense) = (names(), names(), names());
    let is_first = Expr::cond(two("$eq", field(&n), field(&first)), int(1), int(0));
    Ok(Windowed {
        passes: vec![
            pass(rows(window.order), vec![(n.clone(), number(window.order))]),
            pass(
                Over::Peers { number: n.clone() },
                vec![(first.clone(), output("$min", field(&n), None))],
            ),
            pass(
                Over::Sorted { field: n },
                vec![(
                    dense.clone(),
                    output("$sum", is_first, documents(None, Some(0))),
                )],
            ),
        ],
        value: field(&dense),
    })
}

fn percent_rank(window: &LoweredWindow<'_>, names: &mut Names<'_>) -> Result<Windowed> {
    if window.order.is_empty() {
        return Ok(all_equal(Expr::lit(0.0)));
    }
    let (mut passes, rank) = rank_passes(window, names);
    let count = names();
    if let Some(first) = passes.first_mut() {
        first
            .outputs
            .push((count.clone(), output("$sum", int(1), None)));
    }
    let others = two("$subtract", field(&count), int(1));
    Ok(Windowed {
        passes,
        value: Expr::cond(
            two("$lte", field(&count), int(1)),
            Expr::lit(0.0),
            two("$divide", two("$subtract", field(&rank), int(1)), others),
        ),
    })
}

fn cume_dist(window: &LoweredWindow<'_>, names: &mut Names<'_>) -> Result<Windowed> {
    if window.order.is_empty() {
        return Ok(all_equal(Expr::lit(1.0)));
    }
    let (n, count, last) = (names(), names(), names());
    Ok(Windowed {
        passes: vec![
            pass(
                Over::Rows,
                vec![
                    (n.clone(), number(window.order)),
                    (count.clone(), output("$sum", int(1), None)),
                ],
            ),
            pass(
                Over::Peers { number: n.clone() },
                vec![(last.clone(), output("$max", field(&n), None))],
            ),
        ],
        value: two("$divide", field(&last), field(&count)),
    })
}

/// The first `count % buckets` buckets have one row more.
fn ntile(window: &LoweredWindow<'_>, names: &mut Names<'_>) -> Result<Windowed> {
    let buckets = window.call.arg(0)?.expr.clone();
    let (n, count) = (names(), names());
    let long = |x: Expr| Expr::one("$toLong", x);
    let ceil = |a: Expr, b: Expr| long(Expr::one("$ceil", two("$divide", a, b)));
    let var = |name: &str| Expr::var(name);
    let size = Expr::one("$floor", two("$divide", field(&count), buckets.clone()));
    let body = Expr::let_in(
        [
            ("size", size),
            ("larger", two("$mod", field(&count), buckets)),
        ],
        {
            let large_size = two("$add", var("size"), int(1));
            let in_large = two("$multiply", var("larger"), large_size.clone());
            Expr::cond(
                two("$lte", field(&n), in_large.clone()),
                ceil(field(&n), large_size),
                long(two(
                    "$add",
                    var("larger"),
                    ceil(two("$subtract", field(&n), in_large), var("size")),
                )),
            )
        },
    );
    Ok(single(
        rows(window.order),
        vec![
            (n.clone(), number(window.order)),
            (count.clone(), output("$sum", int(1), None)),
        ],
        body,
    ))
}

/// `Lag` and `Lead`.
fn shift(window: &LoweredWindow<'_>, names: &mut Names<'_>, sign: i64) -> Result<Windowed> {
    let arg = window.call.arg(0)?;
    let by = match window.call.args.get(1) {
        None => 1,
        Some(offset) => offset.as_int().ok_or_else(|| {
            Error::unsupported(
                format!("{} by an expression", window.call.function),
                "MongoDB shifts by constants",
            )
        })?,
    };
    let name = names();
    let by = Expr::lit(whole(by.saturating_mul(sign)));
    let default = window.call.args.get(2);
    let constant = default.is_none_or(|d| d.literal.is_some());
    // a wrapped value tells "no such row" from NULL where the default depends on the row
    let (value, read) = if constant {
        (arg.expr.clone(), field(&name))
    } else {
        let inner = Expr::field([name.as_str(), "v"]);
        let fallback = default.map_or_else(Expr::null, |d| d.expr.clone());
        (
            Expr::Document(vec![("v".to_owned(), arg.expr.clone())]),
            Expr::cond(field(&name).is_nullish(), fallback, inner),
        )
    };
    let mut args = vec![("output", value), ("by", by)];
    if let Some(default) = default.filter(|_| constant) {
        args.push(("default", default.expr.clone()));
    }
    let shifted = WindowOutput {
        op: "$shift",
        args: Args::Named(args),
        window: None,
    };
    Ok(single(rows(window.order), vec![(name, shifted)], read))
}

/// `FirstValue` and `LastValue`: an accumulator over the frame like any other.
fn edge(window: &LoweredWindow<'_>, names: &mut Names<'_>, op: &'static str) -> Result<Windowed> {
    let arg = window.call.arg(0)?;
    if op == "$first" && window.frame.is_none() && !window.order.is_empty() {
        // the frame begins with the partition
        let name = names();
        return Ok(single(
            Over::Rows,
            vec![(name.clone(), output(op, arg.expr.clone(), None))],
            field(&name),
        ));
    }
    let grouped = Grouped::plain(names(), accumulate(op, arg.expr.clone()));
    over_frame(window, grouped, names)
}

fn nth_value(
    window: &LoweredWindow<'_>,
    names: &mut Names<'_>,
    _target: &Target,
) -> Result<Windowed> {
    let arg = window.call.arg(0)?;
    let nth = window
        .call
        .args
        .get(1)
        .and_then(super::LoweredArg::as_int)
        .unwrap_or(1);
    let grouped = |names: &mut Names<'_>| {
        let name = names();
        let at = Expr::lit(whole(nth - 1));
        Grouped {
            value: two("$arrayElemAt", field(&name), at),
            fields: vec![(name, accumulate("$push", arg.or_else(Expr::null())))],
        }
    };
    if window.frame.is_some() || window.order.is_empty() {
        let grouped = grouped(names);
        return over_frame(window, grouped, names);
    }
    // the n-th row of the partition, seen from its peers on
    let (n, last, value) = (names(), names(), names());
    let wrapped = Expr::Document(vec![("v".to_owned(), arg.expr.clone())]);
    let at = two("$eq", field(&n), Expr::lit(whole(nth)));
    Ok(Windowed {
        passes: vec![
            pass(rows(window.order), vec![(n.clone(), number(window.order))]),
            pass(
                Over::Peers { number: n.clone() },
                vec![(last.clone(), output("$max", field(&n), None))],
            ),
            pass(
                Over::Partition,
                vec![(value.clone(), output("$max", only_if(at, wrapped), None))],
            ),
        ],
        value: only_if(
            two("$gte", field(&last), Expr::lit(whole(nth))),
            Expr::field([value.as_str(), "v"]),
        ),
    })
}
