//! Aggregates and windows.

use super::query::QueryId;
use super::{Binder, Bound, Definition, Resolve};
use crate::error::{Code, Error, Result};
use crate::functions::AggregateRequest;
use crate::plan::{ColumnId, Scalar, SortKey, WindowCall, WindowFrame};
use crate::queryset::{Aggregate, Expr, Frame, Order, Window};
use crate::schema::StorageFamily;
use std::sync::Arc;

impl Binder<'_> {
    pub(super) fn aggregate(
        &mut self,
        q: QueryId,
        aggregate: &Aggregate,
        cx: &mut Resolve,
    ) -> Result<Bound> {
        let known = self.columns.next_id();
        let request = self.aggregate_request(q, aggregate, cx)?;
        let name = aggregate.name.clone();
        for arg in &request.args {
            let nested = if cx.summarize {
                // Aggregates of annotations are computed before; of one written inside this one SQL knows nothing.
                let columns = self.columns_in(&arg.scalar);
                let inside = |id: &ColumnId| {
                    *id >= known && self.contains_aggregate(q, &Scalar::Column(*id))
                };
                columns
                    .iter()
                    .any(|id| self.summaries.contains(id) || inside(id))
            } else {
                self.contains_aggregate(q, &arg.scalar)
            };
            if nested {
                return Err(self.nested_aggregate(&name, aggregate));
            }
            if !cx.summarize && self.contains_window(q, &arg.scalar) {
                return Err(Error::new(
                    Code::DatabaseError,
                    "aggregate function calls cannot contain window function calls",
                ));
            }
        }
        let mut resolved = self.registry.aggregate(request, &self.context())?;
        if let Some(default) = &aggregate.default {
            let ty = resolved.call.ty.clone();
            if let Some(value) = self.default_literal(&ty, default)? {
                resolved.default = Some(value);
            }
        }
        let column = self.define(
            q,
            aggregate.name.to_lowercase(),
            &resolved.call.ty.clone(),
            Definition::Aggregate(resolved.call.clone()),
        );
        self.typed(resolved.value(column))
    }

    /// A plain literal as `default` is a value of the aggregate's own type.
    fn default_literal(
        &self,
        ty: &crate::schema::FieldType,
        default: &Expr,
    ) -> Result<Option<Scalar>> {
        let Expr::Value(value) = default else {
            return Ok(None);
        };
        let typed = matches!(
            ty.kind.family(),
            StorageFamily::Text | StorageFamily::Date | StorageFamily::DateTime
        );
        let typed = typed || matches!(value, crate::queryset::Value::Str(_));
        if !typed || *value == crate::queryset::Value::Null {
            return Ok(None);
        }
        let prepared = self.prepare(ty, value)?;
        let stored = self.store(ty, &prepared)?;
        Ok(Some(Scalar::from(crate::plan::Literal {
            value: stored,
            ty: Arc::new(ty.clone()),
        })))
    }

    pub(super) fn nested_aggregate(&self, name: &str, aggregate: &Aggregate) -> Error {
        let inner = match aggregate.args.first() {
            Some(Expr::F(path)) => path.clone(),
            Some(Expr::Aggregate(inner)) => inner.name.clone(),
            _ => "expression".to_owned(),
        };
        Error::new(
            Code::FieldError,
            format!("Cannot compute {name}('{inner}'): '{inner}' is an aggregate"),
        )
    }

    pub(super) fn aggregate_request(
        &mut self,
        q: QueryId,
        aggregate: &Aggregate,
        cx: &mut Resolve,
    ) -> Result<AggregateRequest> {
        let mut args = Vec::with_capacity(aggregate.args.len());
        for (i, arg) in aggregate.args.iter().enumerate() {
            if *arg == Expr::Star {
                if aggregate.filter.is_some() {
                    return Err(Error::new(
                        Code::ValueError,
                        "Star cannot be used with filter. Please specify a field.",
                    ));
                }
                continue;
            }
            let bound = match (self.resolve(q, arg, cx), &aggregate.output, arg) {
                // Django asks for the type of an operation only where none is given around it.
                (Err(e), Some(output), Expr::Combined { .. }) if e.code() == Code::FieldError => {
                    let typed = Expr::Wrap {
                        expr: Box::new(arg.clone()),
                        output: output.clone(),
                    };
                    self.resolve(q, &typed, cx)
                }
                (resolved, _, _) => resolved,
            }
            .map_err(|e| e.inside(i).inside("args"))?;
            match bound.scalar {
                // Counting a composite key counts its first column.
                Scalar::List(parts) if aggregate.name == "Count" && !aggregate.distinct => {
                    if let Some(first) = parts.into_iter().next() {
                        let bound = self.typed(first)?;
                        args.push(Self::arg(&bound));
                    }
                }
                Scalar::List(_) if aggregate.name == "Count" => {
                    return Err(Error::new(
                        Code::ValueError,
                        "COUNT(DISTINCT) doesn't support composite primary keys",
                    ));
                }
                Scalar::List(_) => {
                    return Err(Error::new(
                        Code::ValueError,
                        format!(
                            "{} expression does not support composite primary keys.",
                            aggregate.name
                        ),
                    ));
                }
                _ => args.push(Self::arg(&bound)),
            }
        }
        let filter = match &aggregate.filter {
            Some(condition) => {
                let predicate = self
                    .condition(q, condition, cx)
                    .map_err(|e| e.inside("filter"))?;
                Some(predicate)
            }
            None => None,
        };
        let default = match &aggregate.default {
            Some(default) => {
                let bound = self
                    .resolve(q, default, cx)
                    .map_err(|e| e.inside("default"))?;
                Some(Self::arg(&bound))
            }
            None => None,
        };
        let order = self.order_keys_of(q, &aggregate.order_by, cx)?;
        let output = match &aggregate.output {
            Some(output) => Some(Arc::new(self.key_type(output)?)),
            None => None,
        };
        Ok(AggregateRequest {
            name: aggregate.name.clone(),
            args,
            distinct: aggregate.distinct,
            filter,
            default,
            order,
            options: aggregate.options.clone(),
            output,
        })
    }

    /// `ORDER BY` inside an aggregate or window.
    pub(super) fn order_keys_of(
        &mut self,
        q: QueryId,
        orders: &[Order],
        cx: &mut Resolve,
    ) -> Result<Vec<SortKey>> {
        let mut keys = Vec::with_capacity(orders.len());
        for (i, order) in orders.iter().enumerate() {
            let bound = self
                .resolve(q, &order.expr, cx)
                .map_err(|e| e.inside("expr").inside(i).inside("order_by"))?;
            keys.push(SortKey {
                scalar: bound.scalar,
                desc: order.desc,
                nulls: order.nulls,
            });
        }
        Ok(keys)
    }

    pub(super) fn window(
        &mut self,
        q: QueryId,
        window: &Window,
        cx: &mut Resolve,
    ) -> Result<Bound> {
        let request = match &window.expr {
            Expr::Aggregate(aggregate) => self.aggregate_request(q, aggregate, cx)?,
            Expr::Func(func) => {
                self.registry.check_window(&func.name)?;
                let mut args = Vec::with_capacity(func.args.len());
                for (i, arg) in func.args.iter().enumerate() {
                    let bound = self
                        .resolve(q, arg, cx)
                        .map_err(|e| e.inside(i).inside("args"))?;
                    args.push(Self::arg(&bound));
                }
                AggregateRequest {
                    name: func.name.clone(),
                    args,
                    distinct: false,
                    filter: None,
                    default: None,
                    order: Vec::new(),
                    options: func.options.clone(),
                    output: match &func.output {
                        Some(output) => Some(Arc::new(self.key_type(output)?)),
                        None => None,
                    },
                }
            }
            _ => {
                return Err(Error::new(
                    Code::ValueError,
                    "Expression isn't compatible with OVER clauses.",
                ));
            }
        };
        self.registry.check_window(&request.name)?;
        if request
            .args
            .iter()
            .any(|arg| self.contains_window(q, &arg.scalar))
        {
            return Err(Error::new(
                Code::DatabaseError,
                "window function calls cannot be nested",
            ));
        }
        let resolved = self.registry.aggregate(request, &self.context())?;
        let mut partition = Vec::with_capacity(window.partition_by.len());
        for (i, part) in window.partition_by.iter().enumerate() {
            let bound = self
                .resolve(q, part, cx)
                .map_err(|e| e.inside(i).inside("partition_by"))?;
            match bound.scalar {
                Scalar::List(parts) => partition.extend(parts),
                scalar => partition.push(scalar),
            }
        }
        let mut order = Vec::new();
        for key in self.order_keys_of(q, &window.order_by, cx)? {
            match key.scalar {
                Scalar::List(parts) => order.extend(parts.into_iter().map(|scalar| SortKey {
                    scalar,
                    desc: key.desc,
                    nulls: key.nulls,
                })),
                _ => order.push(key),
            }
        }
        let frame = window.frame.map(frame_of).transpose()?;
        let ty = resolved.call.ty.clone();
        let column = self.define(
            q,
            resolved.call.function.to_lowercase(),
            &ty,
            Definition::Window {
                call: WindowCall {
                    call: resolved.call.clone(),
                    frame,
                },
                partition,
                order,
            },
        );
        let value = resolved.value(column);
        match &window.output {
            Some(output) => {
                let ty = Arc::new(self.key_type(output)?);
                self.retyped(q, value, ty)
            }
            None => self.typed(value),
        }
    }
}

pub(super) fn frame_of(frame: Frame) -> Result<WindowFrame> {
    use crate::queryset::{FrameExclusion, FrameUnit};
    if frame.exclude.is_some_and(|e| e != FrameExclusion::NoOthers) {
        return Err(Error::unsupported(
            "a window frame exclusion",
            "$setWindowFields has no form for it",
        ));
    }
    if frame.unit == FrameUnit::Rows
        && let (Some(start), Some(end)) = (frame.start, frame.end)
        && start > end
    {
        return Err(Error::new(
            Code::ValueError,
            "start cannot be greater than end.",
        ));
    }
    if frame.unit == FrameUnit::Range {
        if let Some(start) = frame.start.filter(|s| *s > 0) {
            return Err(Error::new(
                Code::ValueError,
                format!(
                    "start argument must be a negative integer, zero, or None, but got '{start}'."
                ),
            ));
        }
        if let Some(end) = frame.end.filter(|e| *e < 0) {
            return Err(Error::new(
                Code::ValueError,
                format!("end argument must be a positive integer, zero, or None, but got '{end}'."),
            ));
        }
    }
    Ok(WindowFrame {
        unit: frame.unit,
        start: frame.start,
        end: frame.end,
    })
}
