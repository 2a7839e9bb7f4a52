//! `Window` and its frames.

use super::Evaluator;
use super::args::{Args, required};
use super::member::no_attribute;
use super::names::Special;
use super::value::{Py, attribute_error, integer, type_error, value_error};
use crate::error::Result;
use crate::queryset::{Expr, Frame, FrameExclusion, FrameUnit, Value, Window};

/// Functions that make sense over a window; so do all aggregates.
const WINDOW_FUNCTIONS: &[&str] = &[
    "CumeDist",
    "DenseRank",
    "FirstValue",
    "Lag",
    "LastValue",
    "Lead",
    "NthValue",
    "Ntile",
    "PercentRank",
    "Rank",
    "RowNumber",
];

impl Evaluator<'_> {
    pub(super) fn window(&mut self, args: Args) -> Result<Py> {
        let name = "Window";
        let [expr, partition, order, frame, output] = args.bind(
            name,
            [
                "expression",
                "partition_by",
                "order_by",
                "frame",
                "output_field",
            ],
        )?;
        let expr = self.expr_arg(required(expr, name, "expression")?)?;
        let ranking = matches!(&expr, Expr::Func(f) if WINDOW_FUNCTIONS.contains(&f.name.as_str()));
        if !ranking && !matches!(expr, Expr::Aggregate(_)) {
            let class = super::alias::class_name(&expr);
            return Err(value_error(format!(
                "Expression '{class}' isn't compatible with OVER clauses."
            )));
        }
        let mut partition_by = Vec::new();
        match partition.filter(|v| !v.is_none()) {
            None => {}
            Some(Py::List(items) | Py::Tuple(items)) => {
                for item in items {
                    partition_by.push(self.expr_arg(item)?);
                }
            }
            Some(value) => partition_by.push(self.expr_arg(value)?),
        }
        let order_by = match order.filter(|v| !v.is_none()) {
            None => Vec::new(),
            Some(
                value @ (Py::List(_)
                | Py::Tuple(_)
                | Py::Expr(_)
                | Py::Order(_)
                | Py::Value(Value::Str(_))),
            ) => self.orders(value)?,
            Some(_) => {
                return Err(value_error(
                    "Window.order_by must be either a string reference to a field, an expression, or a list or tuple of \
                     them.",
                ));
            }
        };
        let frame = match frame.filter(|v| !v.is_none()) {
            None => None,
            Some(Py::Frame(frame)) => Some(frame),
            Some(other) => {
                return Err(attribute_error(format!(
                    "frame must be a RowRange or ValueRange, not {}",
                    other.describe()
                )));
            }
        };
        Ok(Py::expr(Expr::Window(Box::new(Window {
            expr,
            partition_by,
            order_by,
            frame,
            output: self.output(output)?,
        }))))
    }
}

/// `RowRange` and `ValueRange`.
pub(super) fn frame(name: &str, special: Special, args: Args) -> Result<Py> {
    let [start, end, exclusion] = args.bind(name, ["start", "end", "exclusion"])?;
    let bound = |value: Option<Py>, what: &str| match value.filter(|v| !v.is_none()) {
        None => Ok(None),
        Some(value) => integer(&value, what).map(Some).map_err(|_| {
            value_error(format!(
                "{what} argument must be an integer, zero, or None, but got {}.",
                value.describe()
            ))
        }),
    };
    let exclude = match exclusion.filter(|v| !v.is_none()) {
        None => None,
        Some(Py::Exclusion(exclusion)) => Some(exclusion),
        Some(other) => {
            return Err(type_error(format!(
                "{name}.exclusion must be a WindowFrameExclusion instance, not {}",
                other.describe()
            )));
        }
    };
    Ok(Py::Frame(Frame {
        unit: if special == Special::RowRange {
            FrameUnit::Rows
        } else {
            FrameUnit::Range
        },
        start: bound(start, "start")?,
        end: bound(end, "end")?,
        exclude,
    }))
}

/// Exclusions by their names in Python and in SQL.
const EXCLUSIONS: [(&str, &str, FrameExclusion); 4] = [
    ("CURRENT_ROW", "CURRENT ROW", FrameExclusion::CurrentRow),
    ("GROUP", "GROUP", FrameExclusion::Group),
    ("TIES", "TIES", FrameExclusion::Ties),
    ("NO_OTHERS", "NO OTHERS", FrameExclusion::NoOthers),
];

/// `WindowFrameExclusion("NO OTHERS")`.
pub(super) fn exclusion(name: &str, args: Args) -> Result<Py> {
    let [value] = args.bind(name, ["value"])?;
    let sql = value.as_ref().and_then(Py::as_str);
    EXCLUSIONS
        .iter()
        .find(|(_, s, _)| Some(*s) == sql)
        .map(|(.., exclusion)| Py::Exclusion(*exclusion))
        .ok_or_else(|| value_error("this is no valid WindowFrameExclusion"))
}

/// `WindowFrameExclusion.NO_OTHERS`.
pub(super) fn exclusion_named(name: &str) -> Result<FrameExclusion> {
    EXCLUSIONS
        .iter()
        .find(|(n, ..)| *n == name)
        .map(|(.., exclusion)| *exclusion)
        .ok_or_else(|| no_attribute("WindowFrameExclusion", name))
}
