//! Indexes and slices of querysets, expressions and literals.

use super::Evaluator;
use super::queryset::Rows;
use super::value::{Done, Py, integer, refuse, type_error, value_error};
use crate::error::{Code, Result};
use crate::queryset::{Call, Expr, Value};

impl Evaluator<'_> {
    /// `value[index]`.
    pub(super) fn item(&mut self, value: Py, index: Py) -> Result<Py> {
        match value {
            Py::Rows(rows) => {
                if rows.manager {
                    return Err(type_error("'Manager' object is not subscriptable")
                        .with_hint("call all() first"));
                }
                let at = match &index {
                    Py::Value(Value::Int(i)) => *i,
                    other => {
                        return Err(type_error(format!(
                            "QuerySet indices must be integers or slices, not {}.",
                            other.describe()
                        )));
                    }
                };
                let at = u64::try_from(at)
                    .ok()
                    .filter(|at| *at < u64::from(u32::MAX))
                    .ok_or_else(|| value_error("Negative indexing is not supported."))?;
                let rows = slice_rows(*rows, Some(at), Some(at + 1));
                Ok(self.done(&rows, crate::queryset::Do::Rows))
            }
            Py::Expr(expr) => {
                let at = integer(&index, "the index")?;
                let start = u64::try_from(at)
                    .map_err(|_| value_error("Negative indexing is not supported."))?;
                slice_expr(*expr, start, Some(start.saturating_add(1)))
            }
            Py::Dict(entries) => entries
                .into_iter()
                .find(|(key, _)| *key == index)
                .map(|(_, value)| value)
                .ok_or_else(|| refuse(Code::Python, "the dict has no such key")),
            Py::List(_) | Py::Tuple(_) => {
                let items = value.items().unwrap_or_default();
                let at = position(integer(&index, "the index")?, items.len());
                at.and_then(|at| items.get(at).cloned())
                    .ok_or_else(|| refuse(Code::Python, "the index is out of range"))
            }
            Py::Value(Value::Str(text)) => {
                let chars: Vec<char> = text.chars().collect();
                let at = position(integer(&index, "the index")?, chars.len());
                at.and_then(|at| chars.get(at))
                    .map(|c| Py::str(c.to_string()))
                    .ok_or_else(|| refuse(Code::Python, "the index is out of range"))
            }
            // The rows are read; which of them Python picks changes nothing.
            Py::Done(done) => Ok(Py::Done(Box::new(Done {
                statement: done.statement,
                instance: None,
            }))),
            // Generic classes: models.ForeignKey["Author"].
            class @ (Py::Builtin(_) | Py::Class(_)) => Ok(class),
            other => Err(type_error(format!("{} has no elements", other.describe()))),
        }
    }

    /// `value[start:stop:step]`.
    pub(super) fn slice(
        &mut self,
        value: Py,
        start: Option<Py>,
        stop: Option<Py>,
        step: Option<Py>,
    ) -> Result<Py> {
        let bound = |value: &Option<Py>| -> Result<Option<i64>> {
            match value {
                None => Ok(None),
                Some(value) => integer(value, "the bound of a slice").map(Some),
            }
        };
        let (start, stop) = (bound(&start)?, bound(&stop)?);
        let unsigned = |bound: Option<i64>| -> Result<Option<u64>> {
            bound
                .map(|b| {
                    u64::try_from(b).map_err(|_| value_error("Negative indexing is not supported."))
                })
                .transpose()
        };
        match value {
            Py::Rows(rows) => {
                if rows.manager {
                    return Err(type_error("'Manager' object is not subscriptable")
                        .with_hint("call all() first"));
                }
                let (start, stop) = (unsigned(start)?, unsigned(stop)?);
                if step.is_some() {
                    return Err(refuse(
                        Code::Unsupported,
                        "a slice with a step reads the rows and is no queryset",
                    ));
                }
                Ok(Py::Rows(Box::new(slice_rows(*rows, start, stop))))
            }
            Py::Expr(expr) => {
                if step.is_some() {
                    return Err(value_error("Step argument is not supported."));
                }
                let (start, stop) = (unsigned(start)?.unwrap_or(0), unsigned(stop)?);
                if stop.is_some_and(|stop| stop < start) {
                    return Err(value_error("Slice stop must be greater than slice start."));
                }
                slice_expr(*expr, start, stop)
            }
            Py::List(_) | Py::Tuple(_) | Py::Value(Value::Str(_)) if step.is_none() => {
                let cut = |length: usize| {
                    let clamp = |bound: Option<i64>, default: usize| match bound {
                        None => default,
                        Some(b) if b < 0 => length.saturating_sub(
                            usize::try_from(b.unsigned_abs()).unwrap_or(usize::MAX),
                        ),
                        Some(b) => usize::try_from(b).unwrap_or(usize::MAX).min(length),
                    };
                    let (from, to) = (clamp(start, 0), clamp(stop, length));
                    (from, to.saturating_sub(from))
                };
                Ok(match value {
                    Py::List(items) => {
                        let (skip, take) = cut(items.len());
                        Py::List(items.into_iter().skip(skip).take(take).collect())
                    }
                    Py::Tuple(items) => {
                        let (skip, take) = cut(items.len());
                        Py::Tuple(items.into_iter().skip(skip).take(take).collect())
                    }
                    other => {
                        let text = other.as_str().unwrap_or_default();
                        let (skip, take) = cut(text.chars().count());
                        Py::str(text.chars().skip(skip).take(take).collect::<String>())
                    }
                })
            }
            other => Err(type_error(format!(
                "{} cannot be sliced here",
                other.describe()
            ))),
        }
    }
}

/// `[start:stop]` of a queryset.
pub(super) fn slice_rows(rows: Rows, start: Option<u64>, stop: Option<u64>) -> Rows {
    if start.is_none() && stop.is_none() {
        return rows.chain();
    }
    let mut rows = rows.with(Call::Slice { start, stop });
    rows.facts.sliced = true;
    rows
}

pub(super) fn slice_expr(expr: Expr, start: u64, stop: Option<u64>) -> Result<Py> {
    match expr {
        Expr::F(_) | Expr::Slice { .. } => Ok(Py::expr(Expr::Slice {
            expr: Box::new(expr),
            start,
            stop,
        })),
        _ => Err(type_error("only F() objects can be sliced").with_hint("use Substr() for text")),
    }
}

pub(super) fn position(index: i64, length: usize) -> Option<usize> {
    if index < 0 {
        length.checked_sub(usize::try_from(index.unsigned_abs()).ok()?)
    } else {
        usize::try_from(index).ok()
    }
}
